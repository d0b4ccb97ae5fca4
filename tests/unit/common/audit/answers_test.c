/* answers_test.c - the response clock keeps what came and was answered, for 400 days. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/answers.h"
#include "tests/unit/common/scratch.h"

#define BOX cv_acct(CV_CLASS_USER, 7)
#define NOW 1795366800ll /* 2026-11-23 */
#define DAY 86400ll

static char dir[64];
static struct cv_store *store;

static int
setup(void **state)
{
	struct cv_err err = {0};
	struct cv_store_options o = {
		.engine = {.dir = dir, .with_blobs = true}
	};
	(void)state;
	scratch_make("answers", dir);
	if (cv_store_open(&o, &store, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cv_store_close(store);
	scratch_remove(dir);
	return 0;
}

static void
message_of(uint32_t uid, uint8_t out[CV_SENT_HASH])
{
	memset(out, 0, CV_SENT_HASH);
	memcpy(out, &uid, sizeof uid);
}

/* Mail UID arrives at SECS; odd ones are answered, those of the threes marked, an hour later. */
static void
arrive(uint32_t uid, int64_t secs)
{
	struct cv_err err = {0};
	struct cv_arrival_note n = {.box = BOX, .secs = secs, .mailbox = 1, .uid = uid};
	message_of(uid, n.message);
	assert_int_equal(cv_answers_arrived(store, &n, &err), CV_OK);
	if (uid % 2)
		assert_int_equal(cv_answers_sent(store, &n.message, 1, secs + 3600, &err), CV_OK);
	if (uid % 3 == 0)
		assert_int_equal(
			cv_answers_flagged(store, BOX, 1, &uid, 1, secs + 7200, &err), CV_OK);
}

static bool
count_row(void *arg, struct cv_str key, struct cv_str value)
{
	size_t *n = arg;
	(void)value;
	n[0]++;
	n[1] += key.p[0] == 'M';
	return true;
}

static void
assert_rows(size_t all, size_t arrivals)
{
	struct cv_err err = {0};
	size_t n[2] = {0};
	assert_int_equal(cv_meta_scan(cv_store_engine(store), cv_acct(CV_CLASS_AUDIT, 3),
				 CV_STR_EMPTY, CV_STR_EMPTY, 0, count_row, n, &err), CV_OK);
	assert_int_equal(n[0], all);
	assert_int_equal(n[1], arrivals);
}

static void
test_DOC_02__rows_older_than_400_days_go_whatever_their_kind(void **state)
{
	struct cv_err err = {0};
	(void)state;
	for (uint32_t i = 1; i <= 1200; i++)
		arrive(i, NOW - 401 * DAY - i * 60);
	for (uint32_t i = 2001; i <= 2600; i++)
		arrive(i, NOW - 399 * DAY + i * 60);
	assert_rows((1200 + 600) * 11 / 6, 1800);
	assert_int_equal(cv_answers_expire(store, NOW, &err), CV_OK);
	assert_rows(600 * 11 / 6, 600);
	assert_int_equal(cv_answers_expire(store, NOW, &err), CV_OK);
	assert_rows(600 * 11 / 6, 600);
	assert_int_equal(cv_answers_expire(store, NOW + 10 * DAY, &err), CV_OK);
	assert_rows(0, 0);
}

static bool
sum_answered(void *arg, const struct cv_arrival_note *n)
{
	size_t *answered = arg;
	*answered += n->answered_secs != 0;
	return true;
}

static void
test_DOC_02__what_is_kept_is_read_with_its_answers(void **state)
{
	struct cv_err err = {0};
	size_t answered = 0;
	(void)state;
	for (uint32_t i = 1; i <= 6; i++)
		arrive(i, NOW - i * 60);
	assert_int_equal(cv_answers_expire(store, NOW, &err), CV_OK);
	assert_int_equal(
		cv_answers_each(store, BOX, NOW - DAY, NOW, sum_answered, &answered, &err), CV_OK);
	assert_int_equal(answered, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_DOC_02__rows_older_than_400_days_go_whatever_their_kind),
		TEST(test_DOC_02__what_is_kept_is_read_with_its_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
