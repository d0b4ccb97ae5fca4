/* check_test.c - `store check` finds planted faults and mends them; fences after a crash. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include <signal.h>
#include <sys/wait.h>

static void
put_row(struct kit *k, cv_acct_id acct, struct cv_buf *key, const char *value, size_t n)
{
	struct cv_put put = {cv_buf_view(key), cv_str(value, n)};
	struct cv_batch b = {.acct = acct, .expect = CV_VERSION_ANY, .puts = &put, .count = 1};
	OK(cv_meta_commit(k->s->engine, &b, 1, &k->t, &k->err));
	assert_int_equal(b.result, CV_OK);
	cv_buf_done(key);
}

static struct cv_blob_ref
first_body(struct kit *k, struct cv_mbox *m)
{
	uint32_t uid = 1;
	struct cv_row_msg *row;
	OK(cv_msg_rows(m, &uid, 1, &k->arena, &row, &k->err));
	assert_int_not_equal(row->body.n, 0);
	return row->body;
}

/* Each plants one fault under a store with two messages in INBOX; the account is read again. */
static void
plant_missing_row(struct kit *k, struct cv_mbox *m)
{
	struct cv_buf key = CV_BUF_INIT(64);
	cv_key_uid(&key, 'M', m->id, 1);
	put_row(k, KIT_USER(1), &key, NULL, 0);
}
static void
plant_missing_body(struct kit *k, struct cv_mbox *m)
{
	struct cv_blob_ref ref = first_body(k, m);
	OK(cv_blob_remove(k->s->engine, &ref, &k->err));
}
static void
plant_count(struct kit *k, struct cv_mbox *m, const char *value, size_t n)
{
	struct cv_blob_ref ref = first_body(k, m);
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	cv_blob_count_key(&ref, &key);
	put_row(k, cv_blob_acct(&ref), &key, value, n);
}
static void
plant_count_too_high(struct kit *k, struct cv_mbox *m)
{
	plant_count(k, m, "\x01\x07", 2);
}
static void
plant_count_missing(struct kit *k, struct cv_mbox *m)
{
	plant_count(k, m, NULL, 0);
}
static void
plant_orphan(struct kit *k, struct cv_mbox *m)
{
	(void)m;
	struct cv_blob_put *put;
	struct cv_blob_ref ref;
	OK(cv_blob_begin(k->s->engine, CV_STR("orphan"), 3, &put, &k->err));
	OK(cv_blob_write(put, CV_STR("abc"), &k->err));
	OK(cv_blob_finish(put, &ref, &k->err));
}
static void
plant_box(struct kit *k, struct cv_mbox *m, const struct cv_row_box *row)
{
	struct cv_buf key = CV_BUF_INIT(64), value = CV_BUF_INIT(2000);
	cv_key_box(&key, 'B', m->id);
	cv_row_box_encode(row, &value);
	put_row(k, KIT_USER(1), &key, value.p, value.n);
	cv_buf_done(&value);
}
static void
plant_counts(struct kit *k, struct cv_mbox *m)
{
	struct cv_row_box row = m->row;
	row.exists += 3;
	plant_box(k, m, &row);
}
static void
plant_size(struct kit *k, struct cv_mbox *m)
{
	struct cv_row_box row = m->row;
	row.size_bytes += 1;
	plant_box(k, m, &row);
}
static void
plant_uidnext(struct kit *k, struct cv_mbox *m)
{
	struct cv_row_box row = m->row;
	row.uidnext = 2;
	plant_box(k, m, &row);
}
static void
plant_stray(struct kit *k, struct cv_mbox *m)
{
	struct cv_row_msg row = {.size_bytes = 5, .body = first_body(k, m)};
	struct cv_buf key = CV_BUF_INIT(64), value = CV_BUF_INIT(2000);
	cv_key_uid(&key, 'M', m->id, 50);
	cv_row_msg_encode(&row, &value);
	put_row(k, KIT_USER(1), &key, value.p, value.n);
	cv_buf_done(&value);
}

#define FIELD(name) offsetof(struct cv_check_report, name)

static void
test_check__finds_and_mends_planted_faults(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *name;
		void (*plant)(struct kit *k, struct cv_mbox *m);
		size_t field;
		uint32_t left; /* messages after mending */
	} rows[] = {
		{"row missing",    plant_missing_row,    FIELD(dangling_rows),        1},
		{"body missing",   plant_missing_body,   FIELD(dangling_rows),        1},
		{"count too high", plant_count_too_high, FIELD(wrong_body_counts),    2},
		{"count missing",  plant_count_missing,  FIELD(wrong_body_counts),    2},
		{"orphan",         plant_orphan,         FIELD(orphan_bodies),        2},
		{"counts",         plant_counts,         FIELD(wrong_mailbox_counts), 2},
		{"size",           plant_size,           FIELD(wrong_quotas),         2},
		{"uidnext",        plant_uidnext,        FIELD(uid_faults),           2},
		{"stray row",      plant_stray,          FIELD(bad_rows),             2},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_check_report r;
		struct cv_mbox *m = kit_mbox(k, "INBOX");
		kit_append(k, m, 1);
		kit_append(k, m, 2);
		rows[i].plant(k, m);
		cv_mbox_close(m);
		cv_acct_close(k->a);
		cv_store_close(k->s);
		kit_open(k);
		OK(cv_store_check(k->s, false, false, NULL, NULL, &r, &k->err));
		uint64_t found;
		memcpy(&found, (char *)&r + rows[i].field, sizeof found);
		CHECK(rows[i].name, found == 1);
		CHECK(rows[i].name, !r.repaired);
		OK(cv_store_check(k->s, true, false, NULL, NULL, &r, &k->err));
		CHECK(rows[i].name, r.repaired > 0);
		CHECK(rows[i].name, kit_info(k, "INBOX").exists == rows[i].left);
		kit_check_sound(k);
		OK(cv_acct_purge(k->s, KIT_USER(1), &k->t, &k->err));
		cv_acct_close(k->a);
		OK(cv_acct_open(k->s, KIT_USER(1), true, &k->a, &k->t, &k->err));
	}
	CHECK_END();
}

/* A child that owns the store and dies with numbers handed out that are not durable. */
static void
die_with_numbers(struct kit *k)
{
	kit_open(k);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 0; i < 10; i++)
		kit_append(k, m, i);
	(void)!cv_mbox_create(k->a, CV_STR("new"), CV_USE_NONE, NULL, &k->t, &k->err);
	kill(getpid(), SIGKILL);
}

static void
test_fence__makes_numbers_jump_after_a_crash_only(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	kit_append(k, m, 1);
	cv_mbox_close(m);
	uint32_t uidnext = kit_info(k, "INBOX").uidnext;
	uint64_t modseq = k->a->modseq;
	kit_close(k);
	kit_open(k);
	assert_int_equal(kit_info(k, "INBOX").uidnext, uidnext); /* a clean stop is none */
	assert_true(k->a->modseq == modseq);
	kit_close(k);
	for (uint32_t crash = 1; crash <= 3; crash++) {
		pid_t pid = fork();
		if (!pid)
			die_with_numbers(k);
		int status;
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		kit_open(k);
		assert_true(k->s->epoch == crash);
		struct cv_mbox_info info = kit_info(k, "INBOX");
		assert_true(info.uidnext >= uidnext + CV_UID_GAP);
		assert_true(k->a->modseq >= modseq + CV_MODSEQ_GAP);
		m = kit_mbox(k, "INBOX");
		uidnext = kit_append(k, m, 5) + 1;
		modseq = k->a->modseq;
		assert_true(uidnext > info.uidnext);
		cv_mbox_close(m);
		/* bodies of what was never answered may be left behind: a leak, no fault */
		struct cv_check_report r;
		OK(cv_store_check(k->s, true, true, NULL, NULL, &r, &k->err));
		assert_true(!r.dangling_rows && !r.uid_faults && !r.wrong_mailbox_counts);
		kit_check_sound(k);
		kit_close(k);
	}
	kit_open(k);
}

/* ---- what a power failure can do: rows are there, the last bodies are not ---- */

static void
append_and_die(struct kit *k)
{
	kit_open(k);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 10; i < 20; i++)
		kit_append(k, m, i);
	struct cv_deliverer *d;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	struct cv_deliver_rcpt rcpts[3] = {
		{.acct = KIT_USER(1)}, {.acct = KIT_USER(2)}, {.acct = KIT_USER(3)}};
	char *text = kit_text(30);
	kit_deliver(d, "last", text, rcpts, 3);
	kill(getpid(), SIGKILL);
}

static void
cut_newest_volume(struct kit *k)
{
	char command[400];
	/* to a third of its records, which may be followed by zeros */
	snprintf(command, sizeof command,
		"f=$(ls -t %s/bodies/* | grep -v -E 'catalog|dead' | head -1); "
		"n=$(sed 's/\\x00*$//' \"$f\" | wc -c); truncate -s $((n / 3)) \"$f\"",
		k->dir);
	assert_int_equal(system(command), 0);
}

static void
test_lost_bodies__take_their_rows_with_them(void **state)
{
	struct kit *k = *state;
	for (uint64_t i = 2; i <= 3; i++) {
		struct cv_acct *a;
		OK(cv_acct_open(k->s, KIT_USER(i), true, &a, &k->t, &k->err));
		cv_acct_close(a);
	}
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	kit_append(k, m, 1);
	cv_mbox_close(m);
	kit_close(k);
	pid_t pid = fork();
	if (!pid)
		append_and_die(k);
	waitpid(pid, NULL, 0);
	cut_newest_volume(k);
	kit_open(k);
	struct cv_check_report r;
	uint32_t left = kit_info(k, "INBOX").exists;
	assert_true(left >= 1 && left < 12);
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	assert_true(!r.dangling_rows && !r.wrong_body_counts && !r.wrong_mailbox_counts &&
		    !r.wrong_quotas && !r.uid_faults && !r.bad_rows && !r.bad_bodies);
	assert_true(r.messages == left); /* the other accounts lost theirs */
	m = kit_mbox(k, "INBOX");
	kit_append(k, m, 40);
	cv_mbox_close(m);
	kit_check_sound(k);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_check__finds_and_mends_planted_faults),
		TEST(test_fence__makes_numbers_jump_after_a_crash_only),
		TEST(test_lost_bodies__take_their_rows_with_them),
	};
	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
