/* registry_terms_test.c - ends and owners of accounts, usage rules (ACC-11, POL-07). */
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acc_11_an_application_has_an_owner_and_ends),
		TEST(acc_11_a_contract_is_for_a_year_at_least),
		TEST(pol_07_who_has_not_accepted_the_present_rules_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
