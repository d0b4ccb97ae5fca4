/* registry_terms_test.c - ends and owners of accounts, resets, usage rules, reviews (ACC-10,
 * ACC-11, ACC-12, POL-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

#define EXPIRE "{\"do\":\"account.expire\",\"address\":\"qlvb.stp\",\"owner\":\"nvhoa.stp\","

static void
acc_11_an_application_has_an_owner_and_ends(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	must("{\"do\":\"account.add\",\"kind\":\"app\",\"address\":\"qlvb.stp\",\"agency\":\"stp\"}");
	json_t *reply = answer_to("{\"do\":\"expiry.list\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "without_owner")), 1);
	json_decref(reply);
	refused("{\"do\":\"account.expire\",\"address\":\"qlvb.stp\",\"until\":\"2027-03-31\"}", CV_INVALID);
	refused(EXPIRE "\"until\":\"2026-12-31\"}", CV_INVALID);
	refused(EXPIRE "\"until\":\"2040-12-31\"}", CV_INVALID);
	must(EXPIRE "\"until\":\"2027-03-31\"}");
	go_to_date(2027, 3, 20, 36000);
	reply = answer_to("{\"do\":\"expiry.list\",\"agency\":\"stp\"}");
	json_t *one = json_array_get(json_object_get(reply, "accounts"), 0);
	assert_true(json_is_true(json_object_get(one, "soon")));
	assert_false(json_is_true(json_object_get(one, "told")));
	json_decref(reply);
	must("{\"do\":\"expiry.told\",\"told\":[\"qlvb.stp\"]}");
	go_to_date(2027, 3, 31, 86399);
	assert_int_equal(run_due(), 0);
	go_to_date(2027, 4, 1, 0);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("qlvb.stp", "suspended"));
	/* Extended, it works again, under the same owner. */
	must("{\"do\":\"account.expire\",\"address\":\"qlvb.stp\",\"until\":\"2028-03-31\"}");
	assert_true(state_is("qlvb.stp", "active"));
	/* Extended before its end, the old end is forgotten. */
	must("{\"do\":\"account.expire\",\"address\":\"qlvb.stp\",\"until\":\"2029-03-31\"}");
	go_to_date(2028, 4, 2, 0);
	assert_int_equal(run_due(), 0);
	assert_true(state_is("qlvb.stp", "active"));
}

static void
acc_11_a_contract_is_for_a_year_at_least(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	refused("{\"do\":\"account.expire\",\"address\":\"dtduyen.stp\",\"owner\":\"nvhoa.stp\","
		"\"until\":\"2027-06-30\"}", CV_DENIED);
	must("{\"do\":\"account.expire\",\"address\":\"dtduyen.stp\",\"owner\":\"nvhoa.stp\","
	     "\"until\":\"2028-01-03\"}");
	must("{\"do\":\"account.expire\",\"address\":\"nvhoa.stp\",\"owner\":\"dtduyen.stp\","
	     "\"until\":\"2027-06-30\",\"reason\":\"CV 7/SNV\"}");
}

static void
pol_07_who_has_not_accepted_the_present_rules_is_listed(void **state)
{
	(void)state;
	make_people();
	refused("{\"do\":\"rules.accept\",\"address\":\"nvhoa.stp\"}", CV_INVALID);
	struct cv_registry_rules rules = { .rules_version = "QC-2026" };
	cv_registry_set_rules(registry, &rules);
	must("{\"do\":\"rules.accept\",\"address\":\"nvhoa.stp\"}");
	json_t *reply = answer_to("{\"do\":\"rules.list\",\"agency\":\"stp\"}");
	json_t *missing = json_object_get(reply, "missing");
	assert_int_equal(json_array_size(missing), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(missing, 0),
		"address")), "dtduyen.stp@lamgiang.example");
	assert_int_equal(number_in(reply, "accepted"), 1);
	close_all();
	open_all();
	/* A new version is accepted anew. */
	snprintf(rules.rules_version, sizeof rules.rules_version, "QC-2027");
	cv_registry_set_rules(registry, &rules);
	assert_int_equal(number_in(answer_to("{\"do\":\"rules.list\"}"), "accepted"), 0);
}

static void
acc_12_the_fourth_reset_of_a_month_is_an_operators(void **state)
{
	static const char *const reset = "{\"do\":\"account.passwd\",\"address\":\"nvhoa.stp\","
		"\"must_change\":true}";
	struct cv_registry_rules rules = { .resets_a_month = 3 };
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	cv_registry_set_rules(registry, &rules);
	as_role(CV_ROLE_HELPDESK, "", reset, CV_OK);
	as_role(CV_ROLE_AGENCY, "stp", reset, CV_OK);
	as_role(CV_ROLE_HELPDESK, "", reset, CV_OK);
	as_role(CV_ROLE_HELPDESK, "", reset, CV_DENIED);
	as_role(CV_ROLE_AGENCY, "stp", reset, CV_DENIED);
	must(reset); /* the operator */
	go_to_date(2027, 1, 31, 86399);
	as_role(CV_ROLE_HELPDESK, "", reset, CV_DENIED);
	go_to_date(2027, 2, 1, 0);
	as_role(CV_ROLE_HELPDESK, "", reset, CV_OK);
}

static void
acc_10_agencies_confirm_every_half_year_and_overdue_ones_show(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	must("{\"do\":\"account.add\",\"name\":\"Lê Văn Tý\",\"agency\":\"snv\"}");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\","
	     "\"name\":\"VT\"}");
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"dtduyen.stp\"}");
	must("{\"do\":\"delegate.add\",\"owner\":\"nvhoa.stp\",\"delegate\":\"dtduyen.stp\"}");
	must("{\"do\":\"device.add\",\"address\":\"nvhoa.stp\",\"name\":\"máy tính\"}");
	must("{\"do\":\"admin.add\",\"admin\":\"nvhoa.stp\",\"role\":\"agency\",\"agency\":\"stp\"}");
	refused("{\"do\":\"review.status\"}", CV_NOT_FOUND);
	json_t *reply = answer_to("{\"do\":\"review.start\",\"if_due\":true}");
	/* Two people, a role box, its holder, a delegation, an app password, an admin; one. */
	assert_int_equal(json_integer_value(json_object_get(reply, "agencies")), 2);
	assert_int_equal(number_in(reply, "items"), 8);
	as_role(CV_ROLE_AGENCY, "snv", "{\"do\":\"review.confirm\",\"agency\":\"stp\"}", CV_DENIED);
	as_role(CV_ROLE_AGENCY, "snv", "{\"do\":\"review.confirm\",\"agency\":\"snv\"}", CV_OK);
	refused("{\"do\":\"review.confirm\",\"agency\":\"stp\",\"decision\":\"withdraw\"}",
		CV_INVALID);
	must("{\"do\":\"review.confirm\",\"agency\":\"stp\",\"decision\":\"withdraw\",\"items\":[1],"
	     "\"reason\":\"đã chuyển\"}");
	go_to_date(2027, 2, 4, 36000);
	reply = answer_to("{\"do\":\"review.status\"}");
	assert_int_equal(number_in(reply, "overdue"), 1);
	must("{\"do\":\"review.confirm\",\"agency\":\"stp\"}");
	close_all();
	open_all();
	reply = answer_to("{\"do\":\"review.status\"}");
	json_t *agencies = json_object_get(reply, "agencies"), *one;
	size_t i;
	json_array_foreach(agencies, i, one) {
		bool is_stp = !strcmp(json_string_value(json_object_get(one, "agency")), "stp");
		assert_int_equal(json_integer_value(json_object_get(one, "open")), 0);
		assert_int_equal(json_integer_value(json_object_get(one, "withdraw")), is_stp);
		json_t *done = json_object_get(one, "done");
		assert_non_null(json_object_get(done, "at")); /* kept with name and time */
		assert_non_null(strstr(json_string_value(json_object_get(done, "by")),
			is_stp ? "root" : "unix:qt"));
	}
	assert_int_equal(number_in(reply, "overdue"), 0);
	reply = answer_to("{\"do\":\"review.list\",\"agency\":\"stp\"}");
	assert_int_equal(number_in(reply, "total"), 7);
	/* The next one in half a year, not before. */
	go_to_date(2027, 7, 3, 36000);
	reply = answer_to("{\"do\":\"review.start\",\"if_due\":true}");
	assert_true(json_is_false(json_object_get(reply, "changed")));
	json_decref(reply);
	go_to_date(2027, 7, 4, 36000);
	reply = answer_to("{\"do\":\"review.start\",\"if_due\":true}");
	assert_int_equal(number_in(reply, "number"), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acc_11_an_application_has_an_owner_and_ends),
		TEST(acc_11_a_contract_is_for_a_year_at_least),
		TEST(acc_12_the_fourth_reset_of_a_month_is_an_operators),
		TEST(acc_10_agencies_confirm_every_half_year_and_overdue_ones_show),
		TEST(pol_07_who_has_not_accepted_the_present_rules_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
