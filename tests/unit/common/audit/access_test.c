/* access_test.c - first openings are kept, checks are told from polling, both for a while. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "tests/unit/common/scratch.h"

#define BOX    cv_acct(CV_CLASS_USER, 7)
#define OTHER  cv_acct(CV_CLASS_USER, 8)
#define AN     cv_acct(CV_CLASS_USER, 1)
#define BINH   cv_acct(CV_CLASS_USER, 2)
#define MONDAY 1795366800 /* 2026-11-23 00:00 in Vietnam */

static char dir[64];
static struct cv_store *store;
static struct cv_audit *audit;
static struct cv_access *access_;
static struct cv_access_options options;

static void
open_all(void)
{
	struct cv_err err = {0};
	struct cv_store_options o = {
		.engine = {.dir = dir, .with_blobs = true}
	};
	if (cv_store_open(&o, &store, &err) || cv_audit_open(store, &audit, &err))
		fail_msg("%s", err.text);
	options.store = store;
	options.audit = audit;
	if (cv_access_open(&options, &access_, &err))
		fail_msg("%s", err.text);
}

static void
close_all(void)
{
	cv_access_close(access_);
	cv_audit_close(audit);
	cv_store_close(store);
}

static int
setup(void **state)
{
	(void)state;
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
	options = (struct cv_access_options){0};
	scratch_make("access", dir);
	open_all();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_all();
	scratch_remove(dir);
	return 0;
}

/* "07:45" on Monday. */
static int64_t
at(int hour, int minute)
{
	return MONDAY + hour * 3600 + minute * 60;
}

struct got {
	struct cv_visits v[8];
	struct cv_opening o[2000];
	size_t count;
};

static bool
on_visits(void *arg, const struct cv_visits *v)
{
	struct got *g = arg;
	assert_true(g->count < 8);
	g->v[g->count++] = *v;
	return true;
}

static bool
on_opening(void *arg, const struct cv_opening *o)
{
	struct got *g = arg;
	assert_true(g->count < 2000);
	g->o[g->count++] = *o;
	return true;
}

static struct got got;

static size_t
visits(cv_acct_id owner)
{
	struct cv_err err = {0};
	uint32_t day = cv_access_day(MONDAY);
	got.count = 0;
	if (cv_access_flush(access_, &err) ||
		cv_access_visits(store, owner, day, day, on_visits, &got, &err))
		fail_msg("%s", err.text);
	return got.count;
}

static size_t
openings(cv_acct_id owner, const uint8_t *email_id, int64_t since)
{
	struct cv_err err = {0};
	got.count = 0;
	if (cv_access_flush(access_, &err) ||
		cv_access_openings(store, owner, email_id, since, on_opening, &got, &err))
		fail_msg("%s", err.text);
	return got.count;
}

static void
test_IMP_05__opening_at_0745_and_1410_is_two_checks(void **state)
{
	(void)state;
	cv_access_visit(access_, BOX, AN, at(7, 45), false); /* INBOX selected, */
	cv_access_visit(access_, BOX, AN, at(7, 46), true);  /* a message read, */
	cv_access_visit(access_, BOX, AN, at(8, 5), true);   /* and another */
	cv_access_visit(access_, BOX, AN, at(14, 10), true); /* the program stayed open */
	cv_access_visit(access_, BOX, BINH, at(9, 0), false);
	cv_access_visit(access_, OTHER, AN, at(10, 0), false);
	assert_int_equal(visits(BOX), 2);
	assert_true(got.v[0].person == AN && got.v[0].count == 2);
	assert_int_equal(got.v[0].times[0], 7 * 60 + 45);
	assert_int_equal(got.v[0].times[1], 14 * 60 + 10);
	assert_int_equal(got.v[0].last_secs, at(14, 10));
	assert_true(got.v[1].person == BINH && got.v[1].count == 1);
	assert_int_equal(visits(OTHER), 1);
}

static void
test_IMP_05__a_program_that_polls_checks_once(void **state)
{
	(void)state;
	for (int minute = 7 * 60; minute < 17 * 60; minute += 10)
		cv_access_visit(access_, BOX, AN, at(0, minute), false);
	assert_int_equal(visits(BOX), 1);
	assert_int_equal(got.v[0].count, 1);
	/* Its owner reads beside it: that is seen. */
	cv_access_visit(access_, BOX, AN, at(17, 5), true);
	assert_int_equal(visits(BOX), 1);
	assert_int_equal(got.v[0].count, 2);
	assert_int_equal(got.v[0].times[1], 17 * 60 + 5);
}

static void
test_IMP_05__a_restart_is_no_check(void **state)
{
	(void)state;
	cv_access_visit(access_, BOX, AN, at(7, 45), true);
	close_all();
	open_all();
	cv_access_visit(access_, BOX, AN, at(7, 50), false);
	cv_access_visit(access_, BOX, AN, at(14, 10), false);
	assert_int_equal(visits(BOX), 1);
	assert_int_equal(got.v[0].count, 2);
}

static bool
on_counts(void *arg, const struct cv_counts *c)
{
	*(uint32_t *)arg += c->n[CV_COUNT_CHECKS];
	return true;
}

static void
test_IMP_05__checks_are_usage_of_the_box(void **state)
{
	struct cv_err err = {0};
	uint32_t sum = 0, today = cv_access_day(cv_wall_secs());
	(void)state;
	cv_access_visit(access_, BOX, AN, cv_wall_secs(), false);
	cv_access_visit(access_, BOX, BINH, cv_wall_secs(), true);
	cv_access_visit(access_, BOX, BINH, cv_wall_secs(), true);
	assert_int_equal(
		cv_audit_counts(audit, BOX, today - 1, today + 1, on_counts, &sum, &err), CV_OK);
	assert_int_equal(sum, 2);
}

static struct cv_opening
opening(cv_acct_id person, unsigned message, int64_t secs)
{
	struct cv_opening o = {
		.owner = BOX, .person = person, .box = 3, .uid = message, .secs = secs};
	o.email_id[0] = (uint8_t)(message >> 8);
	o.email_id[1] = (uint8_t)message;
	return o;
}

static void
test_IMP_04__the_first_opening_of_each_person_is_kept(void **state)
{
	struct cv_opening o;
	(void)state;
	o = opening(AN, 1, at(8, 0));
	cv_access_opened(access_, &o);
	o = opening(AN, 1, at(9, 0));
	cv_access_opened(access_, &o);
	assert_int_equal(openings(BOX, NULL, 0), 1);
	close_all();
	open_all();
	o = opening(AN, 1, at(10, 0));
	cv_access_opened(access_, &o);
	o = opening(BINH, 1, at(10, 0));
	cv_access_opened(access_, &o);
	o = opening(BINH, 2, at(11, 0));
	cv_access_opened(access_, &o);
	assert_int_equal(openings(BOX, NULL, 0), 3);
	assert_true(got.o[0].person == AN && got.o[0].secs == at(8, 0) && got.o[0].uid == 1 &&
		    got.o[0].box == 3);
	assert_int_equal(openings(BOX, o.email_id, 0), 1);
	assert_int_equal(openings(BOX, NULL, at(10, 30)), 1);
	assert_int_equal(openings(OTHER, NULL, 0), 0);
}

static void
test_IMP_04__what_is_too_old_or_too_much_goes(void **state)
{
	struct cv_err err = {0};
	(void)state;
	for (unsigned i = 0; i < 1500; i++) { /* ten a day */
		struct cv_opening o = opening(AN, i, MONDAY - (int64_t)(i / 10) * 86400);
		cv_access_opened(access_, &o);
	}
	cv_access_visit(access_, BOX, AN, at(8, 0), true);
	cv_access_visit(access_, BOX, AN, at(8, 0) - 120 * 86400, true);
	assert_int_equal(openings(BOX, NULL, 0), 1500);
	close_all();
	options.keep_secs = 100 * 86400;
	open_all();
	assert_int_equal(cv_access_expire(access_, at(12, 0), &err), CV_OK);
	size_t left = openings(BOX, NULL, 0);
	assert_true(left >= 1000 && left <= 1010);
	assert_int_equal(visits(BOX), 1);
	close_all();
	options.max_rows = 300;
	open_all();
	assert_int_equal(cv_access_expire(access_, at(12, 0), &err), CV_OK);
	left = openings(BOX, NULL, 0);
	assert_true(left > 200 && left <= 310);
	assert_int_equal(openings(BOX, NULL, MONDAY), 10); /* the newest are there */
	close_all();
	options.keep_secs = 0;
	options.max_rows = 0;
	open_all();
	assert_int_equal(cv_access_expire(access_, at(12, 0), &err), CV_OK);
	assert_int_equal(openings(BOX, NULL, 0), left);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_IMP_05__opening_at_0745_and_1410_is_two_checks),
		TEST(test_IMP_05__a_program_that_polls_checks_once),
		TEST(test_IMP_05__a_restart_is_no_check),
		TEST(test_IMP_05__checks_are_usage_of_the_box),
		TEST(test_IMP_04__the_first_opening_of_each_person_is_kept),
		TEST(test_IMP_04__what_is_too_old_or_too_much_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
