/* registry_dormant_test.c - accounts that nobody uses (ACC-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

static cv_acct_id
number_of(const char *address)
{
	char text[200];
	snprintf(text, sizeof text, "{\"do\":\"account.show\",\"address\":\"%s\"}", address);
	json_t *reply = answer_to(text);
	json_t *n = json_object_get(json_object_get(reply, "account"), "number");
	cv_acct_id acct = cv_acct(CV_CLASS_USER, (uint64_t)json_integer_value(n));
	json_decref(reply);
	return acct;
}

static void
use(const char *address)
{
	cv_audit_count(audit, number_of(address), CV_COUNT_LOGINS, 1);
}

/* What REQUEST's lists hold, as "warned off withdraw tell". */
static void
lists_are(const char *request, const char *want)
{
	static const char *const lists[] = { "warned", "off", "withdraw", "tell" };
	json_t *reply = answer_to(request);
	char got[100] = "";
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%zu ",
		         json_array_size(json_object_get(reply, lists[i])));
	json_decref(reply);
	if (strcmp(got, want))
		fail_msg("%s: %s, not %s", request, got, want);
}

#define RUN "{\"do\":\"dormant.run\"}"
#define LIST "{\"do\":\"dormant.list\",\"agency\":\"stp\"}"

static void
acc_07_unused_accounts_are_warned_then_shut_then_proposed_for_withdrawal(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	use("nvhoa.stp");
	go_to_date(2027, 2, 2, 36000);
	lists_are(RUN, "0 0 0 0 ");
	use("nvhoa.stp");
	go_to_date(2027, 2, 3, 36000); /* 30 days after 4 January */
	lists_are("{\"do\":\"dormant.run\",\"dry_run\":true}", "1 0 0 1 ");
	lists_are(RUN, "1 0 0 1 ");
	lists_are(RUN, "0 0 0 1 "); /* until the warning went out */
	lists_are("{\"do\":\"dormant.run\",\"told\":[\"dtduyen.stp\"]}", "0 0 0 0 ");
	lists_are(LIST, "1 0 0 0 ");
	lists_are("{\"do\":\"dormant.list\",\"agency\":\"snv\"}", "0 0 0 0 ");
	assert_true(state_is("dtduyen.stp", "active"));
	go_to_date(2027, 2, 18, 36000); /* 45 */
	use("nvhoa.stp");
	lists_are(RUN, "0 1 0 0 ");
	assert_true(state_is("dtduyen.stp", "suspended")); /* mail still arrives */
	lists_are(LIST, "0 1 0 0 ");
	go_to_date(2027, 3, 10, 36000);
	use("nvhoa.stp");
	go_to_date(2027, 4, 4, 36000); /* 90 */
	lists_are(RUN, "0 0 1 0 ");
	lists_are(LIST, "0 0 1 0 ");
	/* Let in again, the account is on no list and has its days before it. */
	must("{\"do\":\"account.resume\",\"address\":\"dtduyen.stp\"}");
	lists_are(LIST, "0 0 0 0 ");
	lists_are(RUN, "0 0 0 0 ");
	assert_true(state_is("dtduyen.stp", "active"));
}

static void
acc_07_an_account_that_is_used_again_leaves_the_list(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	go_to_date(2027, 2, 10, 36000);
	lists_are(RUN, "2 0 0 2 ");
	use("dtduyen.stp");
	lists_are(LIST, "1 0 0 0 ");
	json_t *reply = answer_to(RUN);
	assert_int_equal(json_array_size(json_object_get(reply, "used")), 1);
	json_decref(reply);
	/* A later silence is warned of again. */
	go_to_date(2027, 3, 12, 36000);
	lists_are(RUN, "1 1 0 1 ");
}

static void
acc_07_an_exception_has_a_reason_and_an_end(void **state)
{
	(void)state;
	go_to_date(2027, 1, 4, 36000);
	make_people();
	refused("{\"do\":\"dormant.exempt\",\"address\":\"dtduyen.stp\",\"until\":\"2027-06-30\"}", CV_INVALID);
	refused("{\"do\":\"dormant.exempt\",\"address\":\"dtduyen.stp\",\"reason\":\"đi học\"}", CV_INVALID);
	refused("{\"do\":\"dormant.exempt\",\"address\":\"dtduyen.stp\",\"reason\":\"x\","
		"\"until\":\"2026-12-31\"}", CV_INVALID);
	must("{\"do\":\"dormant.exempt\",\"address\":\"dtduyen.stp\",\"reason\":\"đi học\","
	     "\"until\":\"2027-06-30\"}");
	must("{\"do\":\"account.suspend\",\"address\":\"nvhoa.stp\"}"); /* locked out: not unused */
	go_to_date(2027, 6, 30, 36000);
	lists_are(RUN, "0 0 0 0 ");
	json_t *reply = answer_to(LIST);
	assert_int_equal(json_array_size(json_object_get(reply, "exempt")), 1);
	json_decref(reply);
	go_to_date(2027, 7, 1, 36000);
	lists_are(RUN, "0 0 1 0 ");
	assert_true(state_is("nvhoa.stp", "suspended"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acc_07_unused_accounts_are_warned_then_shut_then_proposed_for_withdrawal),
		TEST(acc_07_an_account_that_is_used_again_leaves_the_list),
		TEST(acc_07_an_exception_has_a_reason_and_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
