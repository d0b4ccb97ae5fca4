/* engine_race_test.c - many threads at one engine: conflicts, snapshots, tickets, bodies, upkeep.
 *
 * Runs under ThreadSanitizer too; what only Berkeley DB does inside itself is told to it in
 * common/store/bdb/bdb_env.c.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/engine_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4

struct crowd {
	struct kit *k;
	atomic_uint next_number, conflicts, reads, released, done;
	atomic_bool stop;
};

static void
run_crowd(struct crowd *c, void *(*fn)(void *), size_t threads)
{
	pthread_t ids[16];
	for (size_t i = 0; i < threads; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, fn, c), 0);
	for (size_t i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static uint64_t
number_in(struct cv_str row)
{
	uint64_t n = 0;
	for (size_t i = 0; i < row.n; i++)
		n = n * 10 + (uint64_t)(row.p[i] - '0');
	return n;
}

/* ---- a conflict storm: everybody adds one to the same counter ---- */

#define ADDITIONS 200

static void *
add_ones(void *arg)
{
	struct crowd *c = arg;
	struct cv_buf hold = CV_BUF_INIT(8192);
	struct cv_err err;
	for (int done = 0; done < ADDITIONS;) {
		struct cv_str key = CV_STR("counter"), value;
		struct cv_batch b = {.acct = KIT_ACCT, .count = 1};
		cv_ticket ticket;
		char text[32];
		if (cv_meta_read(c->k->e, KIT_ACCT, &key, 1, &value, &hold, &b.expect, &err))
			break;
		snprintf(text, sizeof text, "%" PRIu64, number_in(value) + 1);
		struct cv_put put = {key, cv_str_z(text)};
		b.puts = &put;
		if (cv_meta_commit(c->k->e, &b, 1, &ticket, &err))
			break;
		if (b.result == CV_CONFLICT)
			atomic_fetch_add(&c->conflicts, 1);
		else
			done++;
	}
	cv_buf_done(&hold);
	return NULL;
}

static void
test_a_conflict_storm__loses_no_update(void **state)
{
	struct crowd c = {.k = *state};
	run_crowd(&c, add_ones, THREADS);
	assert_int_equal(number_in(kit_get(c.k, KIT_ACCT, "counter")), THREADS * ADDITIONS);
	assert_int_equal(kit_version(c.k, KIT_ACCT), THREADS * ADDITIONS);
}

/* ---- two rows that are always changed together are always seen together ---- */

static void *
change_both(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	for (unsigned i = 1; i <= 300; i++) {
		char text[32];
		snprintf(text, sizeof text, "%u", atomic_fetch_add(&c->next_number, 1) + 1);
		struct cv_put puts[] = { { CV_STR("a"), cv_str_z(text) },
			                 { CV_STR("S/b"), cv_str_z(text) } };
		struct cv_batch b = {
			.acct = KIT_ACCT, .expect = CV_VERSION_ANY, .puts = puts, .count = 2
		};
		cv_ticket ticket;
		if (cv_meta_commit(c->k->e, &b, 1, &ticket, &err) || b.result)
			return NULL;
	}
	atomic_fetch_add(&c->done, 1);
	return NULL;
}

static void *
read_both(void *arg)
{
	struct crowd *c = arg;
	struct cv_buf hold = CV_BUF_INIT(8192);
	struct cv_err err;
	uint64_t last = 0;
	while (!atomic_load(&c->stop)) {
		struct cv_str keys[] = {CV_STR("a"), CV_STR("S/b")}, values[2];
		uint64_t version;
		if (cv_meta_read(c->k->e, KIT_ACCT, keys, 2, values, &hold, &version, &err) ||
			!cv_str_eq(values[0], values[1]) || version < last)
			atomic_fetch_add(&c->conflicts, 1);
		last = version;
		atomic_fetch_add(&c->reads, 1);
	}
	cv_buf_done(&hold);
	return NULL;
}

static void
test_a_read__sees_a_batch_whole_or_not_at_all(void **state)
{
	struct crowd c = {.k = *state};
	pthread_t reader;
	assert_int_equal(pthread_create(&reader, NULL, read_both, &c), 0);
	run_crowd(&c, change_both, 2);
	atomic_store(&c.stop, true);
	pthread_join(reader, NULL);
	assert_int_equal(c.done, 2);
	assert_int_equal(c.conflicts, 0);
	assert_true(c.reads > 0);
}

/* ---- scans while rows come and go: what stays is always seen ---- */

static bool
count_stable(void *arg, struct cv_str key, struct cv_str value)
{
	(void)value;
	*(size_t *)arg += key.p[0] == 'k';
	return true;
}

static void *
scan_often(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	while (!atomic_load(&c->stop)) {
		size_t n = 0;
		if (cv_meta_scan(c->k->e, KIT_ACCT, CV_STR_EMPTY, CV_STR_EMPTY, 0, count_stable, &n,
			&err) || n != 500)
			atomic_fetch_add(&c->conflicts, 1);
		atomic_fetch_add(&c->reads, 1);
	}
	return NULL;
}

static void *
come_and_go(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	for (unsigned i = 0; i < 400; i++) {
		char key[32], value[700] = "v";
		unsigned number = atomic_fetch_add(&c->next_number, 1);
		snprintf(key, sizeof key, "%c%u", number % 3 ? 'j' : 'l', number % 90);
		struct cv_put put = {cv_str_z(key), {number % 2 ? value : NULL, sizeof value}};
		if (number % 2 == 0)
			put.value = CV_STR_EMPTY;
		struct cv_batch b = {
			.acct = KIT_ACCT, .expect = CV_VERSION_ANY, .puts = &put, .count = 1
		};
		cv_ticket ticket;
		if (cv_meta_commit(c->k->e, &b, 1, &ticket, &err) || b.result)
			return NULL;
	}
	atomic_fetch_add(&c->done, 1);
	return NULL;
}

static void
test_a_scan__during_writes_sees_every_row_that_stays(void **state)
{
	struct crowd c = {.k = *state};
	char key[32];
	pthread_t reader;
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof key, "k%03d", i);
		assert_int_equal(kit_set(c.k, KIT_ACCT, key, "stays"), CV_OK);
	}
	assert_int_equal(pthread_create(&reader, NULL, scan_often, &c), 0);
	run_crowd(&c, come_and_go, 2);
	atomic_store(&c.stop, true);
	pthread_join(reader, NULL);
	assert_int_equal(c.done, 2);
	assert_int_equal(c.conflicts, 0);
	assert_true(c.reads > 0);
}

/* ---- tickets of many threads, each parked many times ---- */

struct parked {
	struct cv_waiter waiter;
	struct crowd *crowd;
};

static void
count_release(struct cv_waiter *w)
{
	struct parked *p = CV_CONTAINER(w, struct parked, waiter);
	atomic_fetch_add(&p->crowd->released, 1);
}

#define PARKS 150

static void *
park_often(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	struct parked parked[PARKS];
	for (unsigned i = 0; i < PARKS; i++) {
		struct cv_put put = kit_put("k", "v");
		struct cv_batch b = { .acct = cv_acct(CV_CLASS_USER, i % 5),
			              .expect = CV_VERSION_ANY,
			              .puts = &put,
			              .count = 1 };
		cv_ticket ticket;
		if (cv_meta_commit(c->k->e, &b, 1, &ticket, &err) || b.result)
			return NULL;
		parked[i] = (struct parked){.waiter.fn = count_release, .crowd = c};
		cv_ticket_wait(c->k->e, ticket, &parked[i].waiter);
		if (i == PARKS - 1)
			cv_ticket_block(c->k->e, ticket);
	}
	/* Blocking on the last ticket is no promise that the callbacks before it have returned. */
	struct cv_engine_stats stats;
	do {
		usleep(1000);
		cv_engine_stats(c->k->e, &stats);
	} while (stats.waiters);
	atomic_fetch_add(&c->done, 1);
	while (atomic_load(&c->done) < THREADS)
		usleep(1000);
	return NULL;
}

static void
test_every_waiter__is_released_once(void **state)
{
	struct crowd c = {.k = *state};
	run_crowd(&c, park_often, THREADS);
	usleep(50000); /* a second call would come now */
	assert_int_equal(c.released, THREADS * PARKS);
}

/* ---- bodies, checkpoints, backups and compactions at once ---- */

static void *
put_bodies(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	struct cv_buf out = CV_BUF_INIT(8u << 20);
	char *p = cv_malloc(5u << 20);
	struct cv_blob_ref kept = {0};
	unsigned kept_number = 0;
	for (unsigned i = 0; i < 75; i++) {
		unsigned number = atomic_fetch_add(&c->next_number, 1);
		size_t n = number % 20 == 7 ? 5u << 20 : number * 977 % 9000;
		struct cv_blob_put *put;
		struct cv_blob_ref ref;
		kit_fill(p, n, number);
		cv_buf_reset(&out);
		if (cv_blob_begin(c->k->e, CV_STR("race"), n, &put, &err) ||
			cv_blob_write(put, cv_str(p, n), &err) || cv_blob_finish(put, &ref, &err) ||
			cv_blob_read(c->k->e, &ref, 0, UINT64_MAX, kit_collect, &out, &err) ||
			!cv_str_eq(cv_buf_view(&out), cv_str(p, n)))
			atomic_fetch_add(&c->conflicts, 1);
		if (number % 3 && cv_blob_remove(c->k->e, &ref, &err))
			atomic_fetch_add(&c->conflicts, 1);
		if (number % 3 == 0 && n <= 9000) {
			kept = ref;
			kept_number = number;
		}
		if (!kept.n)
			continue;
		n = kept_number * 977 % 9000; /* its volume may be compacted just now */
		kit_fill(p, n, kept_number);
		cv_buf_reset(&out);
		if (cv_blob_read(c->k->e, &kept, 0, UINT64_MAX, kit_collect, &out, &err) ||
			!cv_str_eq(cv_buf_view(&out), cv_str(p, n)))
			atomic_fetch_add(&c->conflicts, 1);
	}
	cv_buf_done(&out);
	free(p);
	return NULL;
}

static bool
count_body(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	size_t *n = arg;
	(void)ref, (void)size_bytes;
	n[dead]++;
	return true;
}

static void *
look_after(void *arg)
{
	struct crowd *c = arg;
	struct cv_err err;
	char copy[160];
	for (unsigned i = 0; !atomic_load(&c->stop); i++) {
		size_t n[2] = {0};
		uint64_t freed;
		snprintf(copy, sizeof copy, "%s/copy%u", c->k->dir, i % 2);
		if (cv_engine_checkpoint(c->k->e, &err) || cv_engine_backup(c->k->e, copy, &err) ||
			cv_blob_each(c->k->e, count_body, n, &err) ||
			cv_engine_compact(c->k->e, 20, 0, &freed, &err)) {
			print_error("%s\n", err.text);
			atomic_fetch_add(&c->conflicts, 1);
		}
	}
	return NULL;
}

static void
test_bodies_and_upkeep__do_not_disturb_one_another(void **state)
{
	struct crowd c = {.k = *state};
	pthread_t upkeep;
	size_t n[2] = {0};
	kit_close(c.k);
	kit_open_with(c.k, (struct cv_engine_options){KIT_OPTIONS, .volume_bytes = 64u << 10});
	assert_int_equal(pthread_create(&upkeep, NULL, look_after, &c), 0);
	run_crowd(&c, put_bodies, THREADS);
	atomic_store(&c.stop, true);
	pthread_join(upkeep, NULL);
	assert_int_equal(c.conflicts, 0);
	assert_int_equal(cv_blob_each(c.k->e, count_body, n, &c.k->err), CV_OK);
	assert_int_equal(n[0], THREADS * 75 / 3);
	assert_true(n[1] <= THREADS * 75 * 2 / 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_conflict_storm__loses_no_update),
		T(test_a_read__sees_a_batch_whole_or_not_at_all),
		T(test_a_scan__during_writes_sees_every_row_that_stays),
		T(test_every_waiter__is_released_once),
		T(test_bodies_and_upkeep__do_not_disturb_one_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
