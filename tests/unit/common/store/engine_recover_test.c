/* engine_recover_test.c - what an engine makes of bad deaths, torn files, full disks, failed syncs.
 *
 * Bad deaths happen in a child process; this process opens what it left. A power failure is played
 * by cutting files that were not synced.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/engine_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/store/engine_impl.h"

static int
setup_closed(void **state)
{
	struct kit *k = cv_calloc(1, sizeof *k);
	kit_dir(k);
	*state = k;
	return 0;
}

/* Runs FN in a child; answers how it ended. */
static int
in_child(struct kit *k, void (*fn)(struct kit *k), const char *fail)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		cv_log_level(CV_ERROR);
		if (fail) {
			setenv("CONGVU_FAIL", fail, 1);
			cv_kill_reload();
		}
		fn(k);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool
was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static const char *
volume_path(struct kit *k, char path[256])
{
	snprintf(path, 256, "%s/bodies/00000001.vol", k->dir);
	return path;
}

static off_t
size_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Behind the last record of a volume, whose file may go on with zeros. */
static off_t
end_of_records(const char *path)
{
	off_t end = 0;
	char p[8];
	int fd = open(path, O_RDONLY);
	for (off_t at = 0; pread(fd, p, sizeof p, at) == sizeof p; at += (off_t)sizeof p)
		if (memcmp(p, "\0\0\0\0\0\0\0", sizeof p) != 0)
			end = at + (off_t)sizeof p;
	close(fd);
	return end;
}

/* ---- deaths ---- */

/* Body I of N, with its count row; durable. */
static void
put_counted(struct kit *k, const char *value, struct cv_blob_ref *ref_out)
{
	char p[3000];
	struct cv_buf key = CV_BUF_INIT(64);
	cv_ticket ticket;
	kit_fill(p, sizeof p, 11);
	assert_int_equal(kit_body(k, "id", p, sizeof p, sizeof p, ref_out), CV_OK);
	cv_blob_count_key(ref_out, &key);
	struct cv_put put = {cv_buf_view(&key), cv_str_z(value)};
	assert_int_equal(kit_commit(k, cv_blob_acct(ref_out), CV_VERSION_ANY, &put, 1, NULL,
	                            &ticket),
	                 CV_OK);
	cv_ticket_block(k->e, ticket);
	cv_buf_done(&key);
}

static void
write_ten(struct kit *k)
{
	struct cv_blob_ref refs[10];
	kit_open(k);
	for (size_t i = 0; i < 10; i++)
		put_counted(k, "1", &refs[i]);
	struct cv_put put = {CV_STR("refs"), cv_str((char *)refs, sizeof refs)};
	cv_ticket ticket;
	assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, &ticket), CV_OK);
	cv_ticket_block(k->e, ticket);
}

static void
load_refs(struct kit *k, struct cv_blob_ref refs[10])
{
	struct cv_str row = kit_get(k, KIT_ACCT, "refs");
	assert_int_equal(row.n, 10 * sizeof refs[0]);
	memcpy(refs, row.p, row.n);
}

static bool
count_lost(void *arg, cv_acct_id acct, struct cv_str key)
{
	(void)acct, (void)key;
	++*(size_t *)arg;
	return true;
}

static size_t
lost(struct kit *k)
{
	size_t n = 0;
	assert_int_equal(cv_engine_lost_bodies(k->e, count_lost, &n, &k->err), CV_OK);
	return n;
}

static size_t
readable(struct kit *k, const struct cv_blob_ref refs[10])
{
	struct cv_buf out = CV_BUF_INIT(4096);
	size_t n = 0;
	for (size_t i = 0; i < 10; i++) {
		enum cv_status status = kit_read_body(k, &refs[i], 0, UINT64_MAX, &out);
		n += !status && out.n == 3000;
	}
	cv_buf_done(&out);
	return n;
}

static void
test_a_killed_owner__leaves_everything_acknowledged(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	kit_open(k);
	assert_true(k->crashed);
	load_refs(k, refs);
	assert_int_equal(readable(k, refs), 10);
	assert_int_equal(lost(k), 0);
	kit_close(k);
	kit_open(k);
	assert_false(k->crashed);
}

static void
test_a_cut_volume__loses_the_bodies_behind_the_cut_and_says_which(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10], fresh;
	char path[256];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	off_t size = end_of_records(volume_path(k, path));
	assert_int_equal(truncate(path, size - 2 * (size - 64) / 10 - 100), 0); /* 2 and a bit */
	kit_open(k);
	load_refs(k, refs);
	assert_int_equal(lost(k), 3);
	assert_int_equal(readable(k, refs), 7);
	put_counted(k, "1", &fresh);
	assert_true(cv_blob_acct(&fresh) != cv_blob_acct(&refs[0]));
	struct cv_blob_stat stat;
	assert_int_equal(cv_blob_stat(k->e, &refs[9], &stat, &k->err), CV_NOT_FOUND);
}

static void
test_zeros_ahead_of_the_last_record__go_when_the_volume_ends(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10], fresh;
	char path[256];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	off_t end = end_of_records(volume_path(k, path));
	assert_true(size_of(path) > end);
	kit_open(k);
	assert_int_equal(size_of(path), end); /* after a crash */
	load_refs(k, refs);
	assert_int_equal(readable(k, refs), 10);
	assert_int_equal(lost(k), 0);
	put_counted(k, "1", &fresh);
	snprintf(path, sizeof path, "%s/bodies/00000002.vol", k->dir);
	end = end_of_records(path);
	assert_true(size_of(path) > end);
	kit_close(k);
	assert_int_equal(size_of(path), end); /* after a clean stop, too */
	kit_open(k);
	put_counted(k, "2", &fresh);
	assert_true(size_of(path) > end_of_records(path));
	assert_true(end_of_records(path) > end);
}

static void
test_records_that_stayed_zeros__are_lost_like_cut_ones(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10];
	char path[256];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	off_t end = end_of_records(volume_path(k, path)), tenth = (end - 64) / 10;
	char *zeros = cv_calloc(1, (size_t)tenth * 3);
	int fd = open(path, O_RDWR);
	/* The fifth never reached the disk, nor the last one and the tail of the one before. */
	assert_int_equal(pwrite(fd, zeros, (size_t)tenth, 64 + 4 * tenth), tenth);
	assert_int_equal(pwrite(fd, zeros, (size_t)tenth + 200, end - tenth - 200), tenth + 200);
	close(fd);
	free(zeros);
	kit_open(k);
	load_refs(k, refs);
	assert_int_equal(lost(k), 3);
	assert_int_equal(readable(k, refs), 7);
}

static void
test_a_record_broken_in_the_middle__costs_no_other(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10];
	char path[256];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	off_t size = end_of_records(volume_path(k, path));
	static const struct { const char *name; int tenth, skip; } rows[] = {
		{"a body", 4, 1000}, {"a header", 6, 20},
	};
	int fd = open(path, O_RDWR);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		assert_int_equal(pwrite(fd, "broken", 6,
			64 + rows[i].tenth * ((size - 64) / 10) + rows[i].skip), 6);
	close(fd);
	kit_open(k);
	load_refs(k, refs);
	assert_int_equal(lost(k), 2);
	assert_int_equal(readable(k, refs), 8);
}

static void
test_a_catalog_missing_or_broken__is_made_again(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10];
	char path[256];
	write_ten(k);
	load_refs(k, refs);
	kit_close(k);
	snprintf(path, sizeof path, "%s/bodies/catalog", k->dir);
	for (int round = 0; round < 2; round++) {
		if (round)
			assert_int_equal(truncate(path, 30), 0);
		else
			assert_int_equal(unlink(path), 0);
		kit_open(k);
		assert_int_equal(readable(k, refs), 10);
		kit_close(k);
	}
}

static void
test_a_volume_torn_at_birth__does_not_stop_the_open(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[10], fresh;
	char path[256];
	assert_true(was_killed(in_child(k, write_ten, NULL)));
	snprintf(path, sizeof path, "%s/bodies/00000002.vol", k->dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "congvu", 6), 6);
	close(fd);
	kit_open(k);
	load_refs(k, refs);
	assert_int_equal(readable(k, refs), 10);
	put_counted(k, "1", &fresh);
	struct cv_blob_stat stat;
	assert_int_equal(cv_blob_stat(k->e, &fresh, &stat, &k->err), CV_OK);
}

static void
test_a_byte_turned_on_disk__is_found_by_reading(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref ref;
	char path[256], p[300000];
	struct cv_buf out = CV_BUF_INIT(1u << 20);
	kit_open(k);
	kit_fill(p, sizeof p, 1);
	assert_int_equal(kit_body(k, "id", p, sizeof p, sizeof p, &ref), CV_OK);
	volume_path(k, path);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "x", 1, end_of_records(path) - 50), 1);
	close(fd);
	assert_int_equal(kit_read_body(k, &ref, 0, 1000, &out), CV_OK); /* another frame */
	assert_int_equal(kit_read_body(k, &ref, 299000, 10, &out), CV_CORRUPT);
	cv_buf_done(&out);
}

/* ---- failing disks ---- */

static void
commit_and_block(struct kit *k)
{
	struct cv_blob_ref ref;
	kit_open(k);
	put_counted(k, "1", &ref);
	_exit(0); /* it must not come this far */
}

static void
test_a_failed_sync__ends_the_process_and_nothing_was_acknowledged(void **state)
{
	struct kit *k = *state;
	static const char *const rows[] = {"volume.sync:EIO:1", "log.sync:EIO:1"};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int status = in_child(k, commit_and_block, rows[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), CV_EXIT_SYNC);
		kit_open(k);
		assert_true(k->crashed);
		kit_close(k);
	}
}

static void
refuse_and_go_on(struct kit *k)
{
	struct cv_blob_ref ref;
	char p[100] = "body";
	kit_open(k);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "old"), CV_OK);
	setenv("CONGVU_FAIL", "commit:ENOSPC:1:2,volume.append:ENOSPC:1:1", 1);
	cv_kill_reload();
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "new"), CV_FULL);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "new"), CV_FULL);
	assert_true(cv_str_eq_z(kit_get(k, KIT_ACCT, "k"), "old"));
	assert_int_equal(kit_version(k, KIT_ACCT), 1);
	assert_int_equal(kit_body(k, "id", p, sizeof p, sizeof p, &ref), CV_FULL);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "new"), CV_OK);
	assert_int_equal(kit_body(k, "id", p, sizeof p, sizeof p, &ref), CV_OK);
	kit_close(k);
	_exit(0);
}

static void
test_a_full_disk__is_said_and_is_not_the_end(void **state)
{
	struct kit *k = *state;
	assert_int_equal(in_child(k, refuse_and_go_on, NULL), 0);
	kit_open(k);
	assert_false(k->crashed);
	assert_true(cv_str_eq_z(kit_get(k, KIT_ACCT, "k"), "new"));
}

static void
fill_up(struct kit *k)
{
	char value[60000], key[32];
	cv_ticket ticket, last = 0;
	size_t n = 0;
	enum cv_status status;
	kit_fill(value, sizeof value, 1);
	kit_open(k);
	do {
		snprintf(key, sizeof key, "%zu", n);
		struct cv_put put = {cv_str_z(key), {value, sizeof value}};
		status = kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, &ticket);
		if (!status) {
			last = ticket;
			n++;
		}
		struct cv_blob_ref ref;
		if (!status)
			status = kit_body(k, "id", value, sizeof value, sizeof value, &ref);
	} while (!status && n < 100000);
	assert_int_equal(status, CV_FULL);
	assert_true(n > 10);
	cv_ticket_block(k->e, last); /* what was committed still becomes durable */
	assert_int_equal(kit_get(k, KIT_ACCT, "0").n, sizeof value);
	assert_int_equal(kit_set(k, KIT_ACCT, "x", "y"), CV_FULL);
	struct cv_put delete = {CV_STR("1"), CV_STR_EMPTY};
	assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &delete, 1, NULL, &last), CV_OK);
	cv_ticket_block(k->e, last);
}

/* Somebody else takes all the room there is, while commits are under way. */
static void
be_robbed(struct kit *k)
{
	char value[60000], path[256];
	cv_ticket ticket;
	kit_fill(value, sizeof value, 1);
	kit_open(k);
	snprintf(path, sizeof path, "%s/hog", k->dir);
	for (int i = 0; i < 20; i++) {
		struct cv_put put = {CV_STR("0"), {value, sizeof value}};
		assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, &ticket),
			CV_OK);
	}
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, value, sizeof value) > 0)
		;
	struct cv_put put = {CV_STR("1"), {value, sizeof value}};
	enum cv_status status = kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, &ticket);
	assert_true(status == CV_OK || status == CV_FULL);
	if (!status)
		cv_ticket_block(k->e, ticket); /* the ballast goes */
	assert_int_equal(unlink(path), 0);
}

static void
fill_a_small_disk(struct kit *k)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("congvu", k->dir, "tmpfs", 0, "size=160m"))
		_exit(77);
	int status = in_child(k, fill_up, NULL);
	assert_true(was_killed(status));
	kit_open(k); /* recovery on the full disk */
	assert_null(kit_get(k, KIT_ACCT, "1").p);
	assert_true(k->crashed);
	assert_int_equal(kit_get(k, KIT_ACCT, "0").n, 60000);
	kit_close(k);
	kit_remove_tree(k->dir);
	assert_true(was_killed(in_child(k, be_robbed, NULL)));
	kit_open(k);
	assert_int_equal(kit_get(k, KIT_ACCT, "0").n, 60000);
	kit_close(k);
	_exit(0);
}

static void
test_a_small_disk_filled__keeps_what_was_promised_and_recovers(void **state)
{
	struct kit *k = *state;
	int status = in_child(k, fill_a_small_disk, NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* only root may mount */
	assert_int_equal(status, 0);
}

/* ---- the watchdog ---- */

static void
stay_inside(struct kit *k)
{
	(void)k;
	struct cv_watchdog *w = cv_watchdog_start(1);
	(void)cv_watch_enter(w, "test");
	sleep(20);
	_exit(0);
}

static void
come_and_go(struct kit *k)
{
	(void)k;
	struct cv_watchdog *w = cv_watchdog_start(1);
	for (int i = 0; i < 30; i++) {
		unsigned slot = cv_watch_enter(w, "test");
		usleep(100000);
		cv_watch_leave(w, slot);
	}
	cv_watchdog_stop(w);
	_exit(0);
}

static void
test_a_thread_stuck_inside__ends_the_process(void **state)
{
	struct kit *k = *state;
	int status = in_child(k, stay_inside, NULL);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CV_EXIT_STUCK);
	assert_int_equal(in_child(k, come_and_go, NULL), 0);
}

/* ---- copies ---- */

static void
test_a_backup__opens_as_a_store_and_a_second_copies_only_what_is_new(void **state)
{
	struct kit *k = *state, copy = {0};
	struct cv_blob_ref refs[10], later;
	kit_open(k);
	kit_dir(&copy);
	for (size_t i = 0; i < 10; i++)
		put_counted(k, "1", &refs[i]);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "v"), CV_OK);
	assert_int_equal(cv_engine_backup(k->e, copy.dir, &k->err), CV_OK);
	put_counted(k, "1", &later);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "later"), CV_OK);
	kit_open(&copy);
	assert_true(copy.crashed);
	assert_int_equal(readable(&copy, refs), 10);
	assert_int_equal(lost(&copy), 0);
	assert_true(cv_str_eq_z(kit_get(&copy, KIT_ACCT, "k"), "v"));
	kit_close(&copy);
	kit_remove_tree(copy.dir);
	assert_int_equal(cv_engine_backup(k->e, copy.dir, &k->err), CV_OK);
	assert_int_equal(cv_engine_backup(k->e, copy.dir, &k->err), CV_OK);
	kit_open(&copy);
	assert_true(cv_str_eq_z(kit_get(&copy, KIT_ACCT, "k"), "later"));
	assert_int_equal(readable(&copy, refs), 10);
	kit_close(&copy);
	kit_remove_tree(copy.dir);
	cv_buf_done(&copy.hold);
}

struct live {
	struct kit *k;
	atomic_bool stop;
	_Atomic uint32_t rows;
};

/* Row I names body I; both go on being written while the copy is made. */
static void *
write_until_told(void *arg)
{
	struct live *l = arg;
	char p[3000];
	kit_fill(p, sizeof p, 11);
	for (uint32_t i = 0; !atomic_load(&l->stop); i++) {
		struct cv_blob_put *put;
		struct cv_blob_ref ref;
		struct cv_err err;
		struct cv_buf key = CV_BUF_INIT(64);
		cv_ticket ticket;
		cv_buf_z(&key, "M/");
		cv_buf_be32(&key, i);
		struct cv_put row = {cv_buf_view(&key), {(char *)ref.bytes, CV_BLOB_REF_MAX}};
		struct cv_batch b = {.acct = KIT_ACCT, .expect = i, .puts = &row, .count = 1};
		if (cv_blob_begin(l->k->e, CV_STR("live"), sizeof p, &put, &err) ||
			cv_blob_write(put, cv_str(p, sizeof p), &err) ||
			cv_blob_finish(put, &ref, &err))
			break;
		row.value.n = ref.n;
		if (cv_meta_commit(l->k->e, &b, 1, &ticket, &err) || b.result)
			break;
		cv_buf_done(&key);
		atomic_store(&l->rows, i + 1);
	}
	return NULL;
}

struct copied {
	struct kit *k;
	uint32_t rows, broken;
};

static bool
check_copied(void *arg, struct cv_str key, struct cv_str value)
{
	struct copied *c = arg;
	struct cv_rd r = cv_rd(cv_str_sub(key, 2, key.n));
	struct cv_blob_ref ref = {.n = (uint8_t)value.n};
	struct cv_blob_stat stat;
	memcpy(ref.bytes, value.p, value.n);
	c->broken += cv_rd_be32(&r) != c->rows || cv_blob_stat(c->k->e, &ref, &stat, &c->k->err);
	c->rows++;
	return true;
}

static void
test_a_backup__taken_while_mail_arrives_is_a_moment_without_gaps(void **state)
{
	struct kit *k = *state, copy = {0};
	struct live live = {.k = k};
	pthread_t writer;
	kit_open(k);
	kit_dir(&copy);
	assert_int_equal(pthread_create(&writer, NULL, write_until_told, &live), 0);
	for (int i = 0; i < 5; i++) {
		uint32_t before = atomic_load(&live.rows);
		while (atomic_load(&live.rows) < before + 50)
			usleep(1000);
		before = atomic_load(&live.rows);
		if (i % 2)
			assert_int_equal(cv_engine_checkpoint(k->e, &k->err), CV_OK);
		kit_remove_tree(copy.dir);
		assert_int_equal(cv_engine_backup(k->e, copy.dir, &k->err), CV_OK);
		kit_open(&copy);
		struct copied c = {.k = &copy};
		assert_int_equal(cv_meta_scan(copy.e, KIT_ACCT, CV_STR("M/"), CV_STR("M0"), 0,
			check_copied, &c, &k->err), CV_OK);
		assert_int_equal(c.broken, 0);
		assert_true(c.rows >= before);
		assert_int_equal(kit_version(&copy, KIT_ACCT), c.rows);
		kit_close(&copy);
	}
	atomic_store(&live.stop, true);
	pthread_join(writer, NULL);
	kit_remove_tree(copy.dir);
	cv_buf_done(&copy.hold);
}

/* ---- compaction ---- */

#define MANY 400

static void
reopen_small(struct kit *k)
{
	kit_open_with(k, (struct cv_engine_options){KIT_OPTIONS, .volume_bytes = 256u << 10});
}

/* MANY bodies in small volumes; all but each fifth removed. */
static void
put_and_remove(struct kit *k, struct cv_blob_ref refs[MANY])
{
	char p[4000];
	for (size_t i = 0; i < MANY; i++) {
		size_t n = i * 13 % sizeof p;
		kit_fill(p, n, i);
		assert_int_equal(kit_body(k, "id", p, n, sizeof p, &refs[i]), CV_OK);
	}
	for (size_t i = 0; i < MANY; i++)
		if (i % 5)
			assert_int_equal(cv_blob_remove(k->e, &refs[i], &k->err), CV_OK);
}

static void
assert_living(struct kit *k, const struct cv_blob_ref refs[MANY])
{
	struct cv_buf out = CV_BUF_INIT(4096);
	char p[4000];
	for (size_t i = 0; i < MANY; i += 5) {
		size_t n = i * 13 % sizeof p;
		kit_fill(p, n, i);
		assert_int_equal(kit_read_body(k, &refs[i], 0, UINT64_MAX, &out), CV_OK);
		assert_true(cv_str_eq(cv_buf_view(&out), cv_str(p, n)));
	}
	cv_buf_done(&out);
}

struct listing {
	const struct cv_blob_ref *refs;
	size_t alive, dead;
};

static bool
list_body(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	struct listing *l = arg;
	(void)size_bytes;
	for (size_t i = 0; i < MANY; i++)
		if (!memcmp(l->refs[i].bytes, ref->bytes, ref->n)) {
			l->alive += !dead && i % 5 == 0;
			l->dead += dead;
		}
	return true;
}

static void
test_compaction__gives_room_back_and_keeps_every_ref(void **state)
{
	struct kit *k = *state;
	static struct cv_blob_ref refs[MANY];
	struct cv_engine_stats before, after;
	uint64_t freed;
	char path[256];
	reopen_small(k);
	put_and_remove(k, refs);
	kit_close(k); /* the current volume is not sealed; a crash or filling it does that */
	reopen_small(k);
	cv_engine_stats(k->e, &before);
	assert_int_equal(cv_engine_compact(k->e, 90, 0, &freed, &k->err), CV_OK);
	assert_int_equal(freed, 0); /* not that dead */
	assert_int_equal(cv_engine_compact(k->e, 30, 0, &freed, &k->err), CV_OK);
	assert_true(freed > 100000);
	for (int round = 0; round < 3; round++) {
		assert_living(k, refs);
		cv_engine_stats(k->e, &after);
		assert_true(after.blob_bytes <= before.blob_bytes - freed);
		struct listing l = {.refs = refs};
		assert_int_equal(cv_blob_each(k->e, list_body, &l, &k->err), CV_OK);
		assert_int_equal(l.alive, MANY / 5);
		struct cv_blob_stat stat;
		assert_int_equal(cv_blob_stat(k->e, &refs[1], &stat, &k->err), CV_NOT_FOUND);
		assert_int_equal(cv_blob_remove(k->e, &refs[1], &k->err), CV_NOT_FOUND);
		kit_close(k);
		snprintf(path, sizeof path, "%s/bodies/catalog", k->dir);
		if (round == 1)
			assert_int_equal(unlink(path), 0);
		reopen_small(k);
	}
	/* What lives on after one compaction can die in the next. */
	for (size_t i = 0; i < MANY; i += 10)
		assert_int_equal(cv_blob_remove(k->e, &refs[i], &k->err), CV_OK);
	assert_int_equal(cv_engine_compact(k->e, 30, 0, &freed, &k->err), CV_OK);
	assert_true(freed > 0);
	struct listing l = {.refs = refs};
	assert_int_equal(cv_blob_each(k->e, list_body, &l, &k->err), CV_OK);
	assert_true(l.alive >= MANY / 10);
	assert_int_equal(kit_read_body(k, &refs[5], 0, 10, &k->hold), CV_OK);
}

static void *
compact_slowly(void *arg)
{
	struct kit *k = arg;
	uint64_t freed;
	struct cv_err err;
	/* At this speed it would take an hour. */
	return (void *)(uintptr_t)(cv_engine_compact(k->e, 1, 100, &freed, &err) || freed);
}

static void
test_a_compaction_under_way__ends_when_somebody_waits(void **state)
{
	struct kit *k = *state;
	static struct cv_blob_ref refs[MANY];
	char path[256];
	pthread_t thread;
	void *failed;
	reopen_small(k);
	put_and_remove(k, refs);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(pthread_create(&thread, NULL, compact_slowly, k), 0);
		usleep(100000);
		if (round) {
			cv_engine_end_compaction(k->e);
		} else {
			snprintf(path, sizeof path, "%s.copy", k->dir);
			assert_int_equal(cv_engine_backup(k->e, path, &k->err), CV_OK);
			kit_remove_tree(path);
		}
		assert_int_equal(pthread_join(thread, &failed), 0);
		assert_null(failed);
		assert_living(k, refs);
	}
}

static void
compact_and_die(struct kit *k)
{
	uint64_t freed;
	reopen_small(k);
	setenv("CONGVU_KILL", "compact.swap:1", 1);
	cv_kill_reload();
	_exit(cv_engine_compact(k->e, 1, 0, &freed, &k->err) ? 1 : 0);
}

static void
test_a_death_in_compaction__changes_nothing(void **state)
{
	struct kit *k = *state;
	static struct cv_blob_ref refs[MANY];
	struct cv_engine_stats before, after;
	char path[256];
	reopen_small(k);
	put_and_remove(k, refs);
	cv_engine_stats(k->e, &before);
	kit_close(k);
	assert_true(was_killed(in_child(k, compact_and_die, NULL)));
	snprintf(path, sizeof path, "%s/bodies/00000001.new", k->dir);
	assert_int_equal(access(path, F_OK), 0);
	reopen_small(k);
	assert_int_equal(access(path, F_OK), -1);
	assert_living(k, refs);
	cv_engine_stats(k->e, &after);
	assert_int_equal(after.blob_bytes, before.blob_bytes);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_closed, kit_teardown)

int
main(void)
{
	cv_log_level(CV_ERROR);
	const struct CMUnitTest tests[] = {
		T(test_a_killed_owner__leaves_everything_acknowledged),
		T(test_a_cut_volume__loses_the_bodies_behind_the_cut_and_says_which),
		T(test_zeros_ahead_of_the_last_record__go_when_the_volume_ends),
		T(test_records_that_stayed_zeros__are_lost_like_cut_ones),
		T(test_a_record_broken_in_the_middle__costs_no_other),
		T(test_a_catalog_missing_or_broken__is_made_again),
		T(test_a_volume_torn_at_birth__does_not_stop_the_open),
		T(test_a_byte_turned_on_disk__is_found_by_reading),
		T(test_a_failed_sync__ends_the_process_and_nothing_was_acknowledged),
		T(test_a_full_disk__is_said_and_is_not_the_end),
		T(test_a_small_disk_filled__keeps_what_was_promised_and_recovers),
		T(test_a_thread_stuck_inside__ends_the_process),
		T(test_a_backup__taken_while_mail_arrives_is_a_moment_without_gaps),
		T(test_compaction__gives_room_back_and_keeps_every_ref),
		T(test_a_compaction_under_way__ends_when_somebody_waits),
		T(test_a_death_in_compaction__changes_nothing),
		T(test_a_backup__opens_as_a_store_and_a_second_copies_only_what_is_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
