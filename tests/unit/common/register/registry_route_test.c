/* registry_route_test.c - groups, forwards, successors, absences: from request to snapshot. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/register/registry.h"
#include "common/store/mailbox.h"
#include "tests/unit/common/register/registry_kit.h"

/* The account behind ADDRESS in the newest snapshot, which is given back: no slices. */
static cv_acct_no
number_of(const char *address)
{
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_hit hit;
	cv_snapshot_find_address(s, cv_str_z(address), &hit);
	cv_snapshot_unref(s);
	return hit.account.acct;
}

static void
people(void)
{
	static const char *const names[] = { "hoa", "binh", "cuc" };
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		char text[300];
		snprintf(text, sizeof text, "{\"do\":\"account.add\",\"name\":\"Lê %s\","
			"\"address\":\"%s.stp\",\"no_password\":true}", names[i], names[i]);
		must(text);
	}
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"name\":\"A\",\"address\":\"a.stp\"}");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"name\":\"B\",\"address\":\"b.stp\"}");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"name\":\"C\",\"address\":\"c.stp\"}");
}

static void
check_group(void)
{
	const struct cv_snapshot *s = cv_register_get(reg);
	cv_acct_no a = number_of("a.stp@lamgiang.example");
	cv_acct_no hoa = number_of("hoa.stp@lamgiang.example");
	struct cv_reg_route route;
	struct cv_reg_target target;
	assert_true(cv_snapshot_route(s, a, &route));
	assert_int_equal(route.post, CV_POST_NAMED);
	assert_true(cv_str_eq_z(route.owner, "hoa.stp@lamgiang.example"));
	assert_int_equal(route.targets, 1);
	assert_true(cv_snapshot_target(s, a, 0, &target));
	assert_int_equal(target.kind, CV_TARGET_MEMBER);
	assert_true(cv_str_eq_z(target.address, "Ban.Do@far.example"));
	assert_false(cv_snapshot_target(s, a, 1, &target));
	assert_true(cv_snapshot_is_poster(s, a, hoa));
	assert_false(cv_snapshot_is_poster(s, a, number_of("binh.stp@lamgiang.example")));
	assert_true(cv_snapshot_is_member(s, a, number_of("binh.stp@lamgiang.example")));
	assert_false(cv_snapshot_is_member(s, a, number_of("cuc.stp@lamgiang.example")));
	cv_snapshot_unref(s);
}

static void
test_group__posters_owner_and_outside_members_outlive_a_restart(void **state)
{
	(void)state;
	people();
	refused("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"x@far.example\"}", CV_INVALID);
	must("{\"do\":\"group.set\",\"group\":\"a.stp\",\"post\":\"named\",\"owner\":\"hoa.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"Ban.Do@FAR.example\"}");
	must("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"b.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"b.stp\",\"member\":\"binh.stp\"}");
	must("{\"do\":\"group.poster\",\"group\":\"a.stp\",\"poster\":\"hoa.stp\"}");
	check_group();
	close_all();
	open_all();
	check_group();
	must("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"Ban.Do@far.example\",\"remove\":true}");
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_target target;
	assert_false(cv_snapshot_target(s, number_of("a.stp@lamgiang.example"), 0, &target));
	cv_snapshot_unref(s);
}

static void
test_group__never_comes_back_to_itself(void **state)
{
	(void)state;
	people();
	must("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"b.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"b.stp\",\"member\":\"c.stp\"}");
	refused("{\"do\":\"group.member\",\"group\":\"c.stp\",\"member\":\"a.stp\"}", CV_INVALID);
	refused("{\"do\":\"group.member\",\"group\":\"a.stp\",\"member\":\"a.stp\"}", CV_INVALID);
	refused("{\"do\":\"group.set\",\"group\":\"a.stp\",\"post\":\"all\"}", CV_INVALID);
	refused("{\"do\":\"group.set\",\"group\":\"hoa.stp\",\"post\":\"anyone\"}", CV_INVALID);
	refused("{\"do\":\"group.set\",\"group\":\"a.stp\",\"owner\":\"b.stp\"}", CV_INVALID);
}

static void
test_POL_01__forwards_outside_need_a_reason_and_a_last_day(void **state)
{
	(void)state;
	people();
	char text[300];
	long long soon = cv_wall_secs() + 86400, far = cv_wall_secs() + (int64_t)400 * 86400;
	refused("{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":\"x@far.example\"}", CV_DENIED);
	snprintf(text, sizeof text, "{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":"
		"\"x@far.example\",\"until\":%lld}", soon);
	refused(text, CV_DENIED);
	snprintf(text, sizeof text, "{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":"
		"\"x@far.example\",\"reason\":\"r\",\"until\":%lld}", far);
	refused(text, CV_DENIED);
	refused("{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":\"hoa.stp\"}", CV_INVALID);
	refused("{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":\"ghost\"}", CV_NOT_FOUND);
	refused("{\"do\":\"forward.add\",\"from\":\"a.stp\",\"to\":\"hoa.stp\"}", CV_INVALID);
	must("{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":\"binh.stp\",\"keep\":false}");
	snprintf(text, sizeof text, "{\"do\":\"forward.add\",\"from\":\"hoa.stp\",\"to\":"
		"\"x@far.example\",\"reason\":\"r\",\"until\":%lld}", soon);
	must(text);
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_target t;
	cv_acct_no hoa = number_of("hoa.stp@lamgiang.example");
	assert_true(cv_snapshot_target(s, hoa, 0, &t));
	assert_int_equal(t.kind, CV_TARGET_FORWARD);
	assert_false(t.keep);
	assert_int_equal(t.until_secs, 0);
	assert_true(cv_snapshot_target(s, hoa, 1, &t));
	assert_true(t.keep);
	assert_int_equal(t.until_secs, soon);
	cv_snapshot_unref(s);
	must("{\"do\":\"forward.del\",\"from\":\"hoa.stp\",\"to\":\"x@far.example\"}");
	refused("{\"do\":\"forward.del\",\"from\":\"hoa.stp\",\"to\":\"x@far.example\"}", CV_NOT_FOUND);
}

static void
test_MIG_02__a_retired_address_names_its_successor_for_a_time(void **state)
{
	(void)state;
	people();
	refused("{\"do\":\"account.retire\",\"address\":\"hoa.stp\",\"notice_until\":\"2099-12-31\"}",
		CV_INVALID);
	refused("{\"do\":\"account.retire\",\"address\":\"hoa.stp\",\"successor\":\"hoa.stp\"}",
		CV_INVALID);
	char text[300];
	long long soon = cv_wall_secs() + 86400;
	snprintf(text, sizeof text, "{\"do\":\"account.retire\",\"address\":\"hoa.stp\",\"successor\":"
		"\"binh.stp\",\"notice_until\":%lld}", soon);
	must(text);
	must(text);
	snprintf(text, sizeof text, "{\"do\":\"account.retire\",\"address\":\"hoa.stp\","
		"\"forward_until\":%lld}", soon + 5);
	must(text);
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_route route;
	assert_true(cv_snapshot_route(s, number_of("hoa.stp@lamgiang.example"), &route));
	assert_true(cv_str_eq_z(route.successor, "binh.stp@lamgiang.example"));
	assert_int_equal(route.notice_until_secs, soon);
	assert_int_equal(route.forward_until_secs, soon + 5);
	cv_snapshot_unref(s);
}

static void
test_ACC_06__an_absence_has_texts_and_an_end(void **state)
{
	(void)state;
	people();
	refused("{\"do\":\"absence.set\",\"address\":\"hoa.stp\",\"vi\":\"x\"}", CV_INVALID);
	refused("{\"do\":\"absence.set\",\"address\":\"hoa.stp\",\"until\":\"2099-01-01\"}", CV_INVALID);
	refused("{\"do\":\"absence.set\",\"address\":\"hoa.stp\",\"until\":\"2001-01-01\",\"vi\":\"x\"}",
		CV_INVALID);
	refused("{\"do\":\"absence.set\",\"address\":\"a.stp\",\"until\":\"2099-01-01\",\"vi\":\"x\"}",
		CV_INVALID);
	refused("{\"do\":\"absence.set\",\"address\":\"hoa.stp\",\"until\":\"2099-01-01\",\"vi\":\"\\u0001\"}",
		CV_INVALID);
	must("{\"do\":\"absence.set\",\"address\":\"hoa.stp\",\"from\":\"2098-12-31\",\"until\":\"2099-01-01\","
		"\"vi\":\"Tôi nghỉ\\nđến hết năm\",\"en\":\"Away\"}");
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_route route;
	assert_true(cv_snapshot_route(s, number_of("hoa.stp@lamgiang.example"), &route));
	assert_true(cv_str_eq_z(route.absence_vi, "Tôi nghỉ\nđến hết năm"));
	assert_true(cv_str_eq_z(route.absence_en, "Away"));
	/* The last day counts whole. */
	assert_int_equal(route.absence_until_secs - route.absence_from_secs, 2 * 86400);
	cv_snapshot_unref(s);
	must("{\"do\":\"absence.clear\",\"address\":\"hoa.stp\"}");
	s = cv_register_get(reg);
	assert_false(cv_snapshot_route(s, number_of("hoa.stp@lamgiang.example"), &route));
	cv_snapshot_unref(s);
}

/* A snapshot of an older release is not read; the owner writes one of this release over it. */
static void
test_registry__replaces_the_snapshot_of_an_older_release(void **state)
{
	(void)state;
	people();
	char path[200];
	snprintf(path, sizeof path, "%s/register.snap", register_dir);
	close_all();
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "CVREGSN1", 8, 0), 8);
	close(fd);
	struct cv_register *reader;
	struct cv_err err = {0};
	assert_int_equal(cv_register_open(register_dir, false, &reader, &err), CV_CORRUPT);
	open_all();
	assert_true(number_of("hoa.stp@lamgiang.example") != 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_group__posters_owner_and_outside_members_outlive_a_restart),
		TEST(test_group__never_comes_back_to_itself),
		TEST(test_POL_01__forwards_outside_need_a_reason_and_a_last_day),
		TEST(test_MIG_02__a_retired_address_names_its_successor_for_a_time),
		TEST(test_ACC_06__an_absence_has_texts_and_an_end),
		TEST(test_registry__replaces_the_snapshot_of_an_older_release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
