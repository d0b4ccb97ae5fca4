/* audit_test.c - events go with their change, the chain shows what was touched, counters add up. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/audit.h"
#include "common/base/clock.h"
#include "tests/unit/common/scratch.h"

#define CHAIN cv_acct(CV_CLASS_AUDIT, 0)
#define OTHER cv_acct(CV_CLASS_REGISTER, 77)

static char dir[64];
static struct cv_store *store;
static struct cv_audit *audit;

static void
open_both(void)
{
	struct cv_err err = {0};
	struct cv_store_options o = { .engine = { .dir = dir, .with_blobs = true } };
	if (cv_store_open(&o, &store, &err) || cv_audit_open(store, &audit, &err))
		fail_msg("%s", err.text);
}

static void
close_both(void)
{
	cv_audit_close(audit);
	cv_store_close(store);
}

static int
setup(void **state)
{
	(void)state;
	scratch_make("audit", dir);
	open_both();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_both();
	scratch_remove(dir);
	return 0;
}

static void
write_event(const char *action, const char *object)
{
	cv_ticket ticket;
	struct cv_err err = {0};
	struct cv_audit_event e = { .actor = "root", .address = "127.0.0.1", .port = 7,
		.action = action, .object = object, .result = "ok" };
	if (cv_audit_write(audit, &e, &ticket, &err))
		fail_msg("%s", err.text);
}

struct seen {
	uint64_t count, last;
	char text[4096];
};

static bool
on_event(void *arg, uint64_t number, struct cv_str json)
{
	struct seen *s = arg;
	s->count++;
	s->last = number;
	snprintf(s->text, sizeof s->text, "%.*s", CV_STR_ARGS(json));
	return true;
}

static void
test_SEC_02__events_are_chained_over_a_restart(void **state)
{
	(void)state;
	write_event("account.add", "a@lamgiang.example");
	write_event("account.suspend", "a@lamgiang.example");
	close_both();
	open_both();
	write_event("account.resume", "\xff bad");
	struct seen seen = {0};
	struct cv_err err = {0};
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_OK);
	assert_int_equal(seen.count, 3);
	assert_non_null(strstr(seen.text, "\"action\":\"account.resume\""));
	seen = (struct seen){0};
	assert_int_equal(cv_audit_walk(audit, 2, on_event, &seen, &err), CV_OK);
	assert_int_equal(seen.count, 2);
	seen = (struct seen){0};
	assert_int_equal(cv_audit_walk(audit, 9, on_event, &seen, &err), CV_OK);
	assert_int_equal(seen.count, 0);
}

static void
put(cv_acct_id acct, struct cv_str key, struct cv_str value)
{
	struct cv_put p = { key, value };
	struct cv_batch b = { .acct = acct, .expect = CV_VERSION_ANY, .puts = &p, .count = 1 };
	cv_ticket ticket;
	struct cv_err err = {0};
	assert_int_equal(cv_meta_commit(cv_store_engine(store), &b, 1, &ticket, &err), CV_OK);
	assert_int_equal(b.result, CV_OK);
}

static void
test_SEC_02__an_edited_dropped_or_cut_event_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1200; i++)
		write_event("x", "y");
	char key[9] = "E\0\0\0\0\0\0\0\1";
	struct cv_str one = cv_str(key, 9), value;
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_err err = {0};
	key[8] = 5;
	assert_int_equal(cv_meta_read(cv_store_engine(store), CHAIN, &one, 1, &value, &hold, NULL,
		&err), CV_OK);
	struct cv_buf edited = CV_BUF_INIT(CV_VALUE_MAX);
	cv_buf_str(&edited, value);
	size_t at = cv_str_search(cv_buf_view(&edited), CV_STR("root"));
	assert_true(at < edited.n);
	edited.p[at] = 'R';
	struct seen seen = {0};

	put(CHAIN, one, cv_buf_view(&edited));
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_CORRUPT);
	assert_non_null(strstr(err.text, "event 6 "));
	put(CHAIN, one, CV_STR_EMPTY);
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_CORRUPT);
	assert_non_null(strstr(err.text, "event 5 "));
	put(CHAIN, one, value);
	seen = (struct seen){0};
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_OK);
	uint64_t last = seen.last;
	key[7] = (char)(last >> 8);
	key[8] = (char)last;
	put(CHAIN, one, CV_STR_EMPTY);
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_CORRUPT);
	cv_buf_done(&hold);
	cv_buf_done(&edited);
}

static void
test_SEC_02__a_change_that_fails_leaves_no_event(void **state)
{
	(void)state;
	struct cv_put p = { CV_STR("k"), CV_STR("v") };
	struct cv_batch good = { .acct = OTHER, .expect = 0, .puts = &p, .count = 1 };
	struct cv_audit_event e = { .actor = "root", .action = "change", .object = "x" };
	struct cv_err err = {0};
	cv_ticket ticket;
	assert_int_equal(cv_audit_commit(audit, &e, &good, 1, &ticket, &err), CV_OK);
	assert_int_equal(good.result, CV_OK);
	cv_ticket_block(cv_store_engine(store), ticket);
	struct cv_batch late = { .acct = OTHER, .expect = 0, .puts = &p, .count = 1 };
	assert_int_equal(cv_audit_commit(audit, &e, &late, 1, &ticket, &err), CV_CONFLICT);
	assert_int_equal(late.result, CV_CONFLICT);
	struct seen seen = {0};
	assert_int_equal(cv_audit_walk(audit, 1, on_event, &seen, &err), CV_OK);
	assert_int_equal(seen.count, 1);
}

static bool
on_counts(void *arg, const struct cv_counts *c)
{
	struct cv_counts *sum = arg;
	for (size_t i = 0; i < CV_COUNT_KINDS; i++)
		sum->n[i] += c->n[i];
	sum->last_check_secs = c->last_check_secs;
	sum->day++;
	return true;
}

static void
test_REP_02__counters_add_up_per_account_and_day(void **state)
{
	(void)state;
	cv_acct_id hoa = cv_acct(CV_CLASS_USER, 1), other = cv_acct(CV_CLASS_USER, 2);
	struct cv_err err = {0};
	cv_audit_count(audit, hoa, CV_COUNT_SENT, 2);
	cv_audit_count(audit, other, CV_COUNT_SENT, 50);
	struct cv_counts sum = {0};
	assert_int_equal(cv_audit_counts(audit, hoa, 0, UINT32_MAX, on_counts, &sum, &err), CV_OK);
	assert_int_equal(sum.n[CV_COUNT_SENT], 2);
	cv_audit_count(audit, hoa, CV_COUNT_SENT, 3);
	cv_audit_count(audit, hoa, CV_COUNT_CHECKS, 1);
	cv_clock_shift(86400);
	cv_audit_count(audit, hoa, CV_COUNT_RECEIVED, 1);
	cv_clock_shift(-86400);
	close_both();
	open_both();
	sum = (struct cv_counts){0};
	assert_int_equal(cv_audit_counts(audit, hoa, 0, UINT32_MAX, on_counts, &sum, &err), CV_OK);
	assert_int_equal(sum.day, 2);
	assert_int_equal(sum.n[CV_COUNT_SENT], 5);
	assert_int_equal(sum.n[CV_COUNT_CHECKS], 1);
	assert_int_equal(sum.n[CV_COUNT_RECEIVED], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_SEC_02__events_are_chained_over_a_restart,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_SEC_02__an_edited_dropped_or_cut_event_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_SEC_02__a_change_that_fails_leaves_no_event,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(test_REP_02__counters_add_up_per_account_and_day,
		                                setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
