/* registry_request_test.c - letters that ask for accounts, approval and issue (ACC-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

#define NEW "{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"letter\":\"12/STP-VP\"," \
	"\"letter_date\":\"2027-02-04\",\"items\":[{\"name\":\"Lê Văn Tý\",\"title\":\"Văn thư\"}," \
	"{\"name\":\"Lê Văn Tỵ\"}]}"

static void
is_text(const json_t *object, const char *key, const char *want)
{
	const char *got = json_string_value(json_object_get(object, key));
	if (!got || strcmp(got, want))
		fail_msg("%s is %s, not %s", key, got ? got : "absent", want);
}

static void
acc_02_a_letter_is_asked_approved_and_issued(void **state)
{
	(void)state;
	make_people();
	go_to_date(2027, 2, 4, 9 * 3600);
	json_t *reply = answer_to(NEW);
	/* Two working days: Tet lies between. */
	assert_int_equal(json_integer_value(json_object_get(reply, "due")),
		cv_calendar_midnight(cv_days_from_civil(2027, 2, 15)) + 17 * 3600);
	is_text(json_array_get(json_object_get(reply, "preview"), 1), "address",
		"lvty2.stp@lamgiang.example");
	json_decref(reply);
	refused("{\"do\":\"account.show\",\"address\":\"lvty.stp\"}", CV_NOT_FOUND);
	refused("{\"do\":\"request.issue\",\"number\":1}", CV_DENIED); /* not approved yet */
	must("{\"do\":\"request.approve\",\"number\":1}");
	reply = answer_to("{\"do\":\"request.issue\",\"number\":1}");
	json_t *results = json_object_get(reply, "results");
	assert_int_equal(json_array_size(results), 2);
	is_text(json_array_get(results, 0), "address", "lvty.stp@lamgiang.example");
	assert_non_null(json_object_get(json_array_get(results, 0), "password"));
	is_text(reply, "state", "issued");
	json_decref(reply);
	reply = answer_to("{\"do\":\"account.show\",\"address\":\"lvty.stp\"}");
	json_t *account = json_object_get(reply, "account");
	is_text(account, "letter", "12/STP-VP");
	assert_true(json_is_true(json_object_get(account, "must_change")));
	json_decref(reply);
	refused("{\"do\":\"request.issue\",\"number\":1}", CV_DENIED);
	/* No password stands in the register's documents. */
	reply = answer_to("{\"do\":\"request.show\",\"number\":1}");
	char *text = json_dumps(reply, 0);
	assert_null(strstr(text, "password"));
	free(text);
	json_decref(reply);
}

static void
acc_02_what_was_issued_before_a_stop_is_not_issued_twice(void **state)
{
	(void)state;
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	must("{\"do\":\"request.add\",\"kind\":\"change\",\"agency\":\"stp\",\"letter\":\"13\","
	     "\"items\":[{\"address\":\"nvhoa.stp\",\"title\":\"Kế toán\"},"
	     "{\"address\":\"dtduyen.stp\",\"agency\":\"snv\"}]}");
	must("{\"do\":\"request.approve\",\"number\":1}");
	/* Meanwhile somebody did the second already, so that it is refused. */
	must("{\"do\":\"account.transfer\",\"address\":\"dtduyen.stp\",\"agency\":\"snv\"}");
	json_t *reply = answer_to("{\"do\":\"request.issue\",\"number\":1}");
	assert_int_equal(json_array_size(json_object_get(reply, "results")), 1);
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 1);
	is_text(reply, "state", "approved");
	json_decref(reply);
	must("{\"do\":\"account.transfer\",\"address\":\"dtduyen.stp\",\"agency\":\"stp\"}");
	must("{\"do\":\"account.set\",\"address\":\"nvhoa.stp\",\"title\":\"Văn thư\"}");
	close_all();
	open_all();
	reply = answer_to("{\"do\":\"request.issue\",\"number\":1}");
	assert_int_equal(json_array_size(json_object_get(reply, "results")), 1);
	is_text(reply, "state", "issued");
	json_decref(reply);
	reply = answer_to("{\"do\":\"account.show\",\"address\":\"nvhoa.stp\"}");
	is_text(json_object_get(reply, "account"), "title", "Văn thư");
	json_decref(reply);
}

static void
acc_02_a_request_without_letter_people_or_right_is_refused(void **state)
{
	static const struct { const char *text; enum cv_status want; } rows[] = {
		{ "{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"items\":[{\"name\":\"Lê A\"}]}",
			CV_INVALID },
		{ "{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"letter\":\"1\"}", CV_INVALID },
		{ "{\"do\":\"request.add\",\"kind\":\"grant\",\"agency\":\"stp\",\"letter\":\"1\"}", CV_INVALID },
		{ "{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"xyz\",\"letter\":\"1\"}", CV_NOT_FOUND },
		{ "{\"do\":\"request.add\",\"kind\":\"withdraw\",\"agency\":\"snv\",\"letter\":\"1\","
			"\"items\":[{\"address\":\"nvhoa.stp\"}]}", CV_DENIED },
		{ "{\"do\":\"request.add\",\"kind\":\"withdraw\",\"agency\":\"stp\",\"letter\":\"1\","
			"\"items\":[{\"address\":\"nobody.stp\"}]}", CV_NOT_FOUND },
		{ "{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"letter\":\"1\","
			"\"items\":[{\"name\":\"Lê A\",\"agency\":\"snv\"}]}", CV_DENIED },
		{ "{\"do\":\"request.approve\",\"number\":7}", CV_NOT_FOUND },
		{ "{\"do\":\"request.reject\",\"number\":1}", CV_INVALID },
	};
	(void)state;
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		refused(rows[i].text, rows[i].want);
	assert_int_equal(number_in(answer_to("{\"do\":\"request.list\"}"), "overdue"), 0);
}

static void
acc_02_requests_past_their_day_are_listed(void **state)
{
	(void)state;
	make_people();
	go_to_date(2027, 3, 1, 9 * 3600);
	must(NEW);
	go_to_date(2027, 3, 3, 16 * 3600);
	assert_int_equal(number_in(answer_to("{\"do\":\"request.list\"}"), "overdue"), 0);
	go_to_date(2027, 3, 3, 17 * 3600 + 1);
	json_t *reply = answer_to("{\"do\":\"request.list\",\"overdue\":true}");
	assert_int_equal(json_array_size(json_object_get(reply, "requests")), 1);
	json_decref(reply);
	must("{\"do\":\"request.reject\",\"number\":1,\"reason\":\"thiếu chữ ký\"}");
	assert_int_equal(number_in(answer_to("{\"do\":\"request.list\"}"), "overdue"), 0);
	refused("{\"do\":\"request.approve\",\"number\":1}", CV_DENIED);
}

static void
acc_02_a_list_file_asks_for_many(void **state)
{
	(void)state;
	make_people();
	/* "Họ và tên;Chức vụ\nLê Văn Tý;Văn thư\nLê Văn Tèo;Kế toán\n" */
	must("{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"letter\":\"14\",\"csv_base64\":"
	     "\"SOG7jSB2w6AgdMOqbjtDaOG7qWMgduG7pQpMw6ogVsSDbiBUw707VsSDbiB0aMawCkzDqiBWxINuIFTDqG87S+G6vyB0b8OhbgoK\"}");
	json_t *reply = answer_to("{\"do\":\"request.show\",\"number\":1}");
	json_t *items = json_object_get(json_object_get(reply, "request"), "items");
	assert_int_equal(json_array_size(items), 2);
	is_text(json_array_get(items, 1), "title", "Kế toán");
	json_decref(reply);
	refused("{\"do\":\"request.add\",\"kind\":\"issue\",\"agency\":\"stp\",\"letter\":\"14\","
		"\"csv_base64\":\"YTtiCjE7Mgo=\"}", CV_INVALID);
}

static void
acc_02_without_a_request_id_an_agency_admin_makes_no_account(void **state)
{
	static const char *const add = "{\"do\":\"account.add\",\"name\":\"Lê Văn Tý\","
		"\"agency\":\"stp\"}";
	static const char *const add_for = "{\"do\":\"account.add\",\"name\":\"Lê Văn Tý\","
		"\"agency\":\"stp\",\"request_id\":1}";
	struct cv_registry_rules rules = { .requests_required = true };
	(void)state;
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	cv_registry_set_rules(registry, &rules);
	as_role(CV_ROLE_AGENCY, "stp", add, CV_DENIED);
	as_role(CV_ROLE_AGENCY, "stp", add_for, CV_NOT_FOUND);
	as_role(CV_ROLE_AGENCY, "stp", NEW, CV_OK);
	as_role(CV_ROLE_AGENCY, "stp", add_for, CV_DENIED); /* not approved yet */
	as_role(CV_ROLE_AGENCY, "snv", "{\"do\":\"request.approve\",\"number\":1}", CV_DENIED);
	as_role(CV_ROLE_AGENCY, "stp", "{\"do\":\"request.approve\",\"number\":1}", CV_OK);
	as_role(CV_ROLE_AGENCY, "stp", "{\"do\":\"request.issue\",\"number\":1}", CV_DENIED);
	as_role(CV_ROLE_AGENCY, "stp", "{\"do\":\"account.add\",\"name\":\"Lê Văn Tám\","
		"\"agency\":\"stp\",\"request_id\":1}", CV_DENIED); /* asks for others */
	as_role(CV_ROLE_AGENCY, "stp", add_for, CV_OK);
	as_role(CV_ROLE_AGENCY, "stp", add_for, CV_DENIED); /* once */
	/* The rest is issued as ever; the list of an agency shows its own alone. */
	json_t *reply = answer_to("{\"do\":\"request.issue\",\"number\":1}");
	assert_int_equal(json_array_size(json_object_get(reply, "results")), 1);
	json_decref(reply);
	struct cv_err err;
	assert_int_equal(ask_as(CV_ROLE_AGENCY, "snv",
		"{\"do\":\"request.list\",\"state\":\"all\"}", &reply, &err), CV_OK);
	assert_int_equal(json_array_size(json_object_get(reply, "requests")), 0);
	json_decref(reply);
	must(add); /* an operator answers for himself */
}

/* How many requests of any state there are, and the number of the first. */
static json_int_t
requests_there(json_int_t *first_out)
{
	json_t *reply = answer_to("{\"do\":\"request.list\",\"state\":\"all\"}");
	json_t *list = json_object_get(reply, "requests");
	json_int_t n = (json_int_t)json_array_size(list);
	*first_out = INT32_MAX;
	for (json_int_t i = 0; i < n; i++)
		*first_out = CV_MIN(*first_out, json_integer_value(json_object_get(
			json_array_get(list, (size_t)i), "number")));
	json_decref(reply);
	return n;
}

static void
acc_02_closed_requests_go_after_two_years_and_five_hundred_are_open_at_most(void **state)
{
	(void)state;
	static const char *const add = "{\"do\":\"request.add\",\"kind\":\"change\","
		"\"agency\":\"stp\",\"letter\":\"13\",\"items\":[{\"address\":\"nvhoa.stp\",\"title\":\"Kế toán\"}]}";
	json_int_t first;
	make_people();
	for (unsigned i = 1; i <= 500; i++)
		must(add);
	refused(add, CV_LIMIT);
	/* Others ask all the same. */
	json_t *reply;
	struct cv_err err = {0};
	assert_int_equal(ask_as(CV_ROLE_AGENCY, "stp", add, &reply, &err), CV_OK);
	json_decref(reply);
	must("{\"do\":\"request.reject\",\"number\":1,\"reason\":\"sai mẫu\"}");
	must("{\"do\":\"request.approve\",\"number\":2}");
	must("{\"do\":\"request.issue\",\"number\":2}");
	go_to(720, 0);
	must(add);
	assert_int_equal(requests_there(&first), 502);
	assert_int_equal(first, 1);
	go_to(740, 0);
	must(add);
	assert_int_equal(requests_there(&first), 501);
	assert_int_equal(first, 3);
	refused(add, CV_LIMIT); /* what is open stays, however old */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acc_02_a_letter_is_asked_approved_and_issued),
		TEST(acc_02_what_was_issued_before_a_stop_is_not_issued_twice),
		TEST(acc_02_a_request_without_letter_people_or_right_is_refused),
		TEST(acc_02_requests_past_their_day_are_listed),
		TEST(acc_02_without_a_request_id_an_agency_admin_makes_no_account),
		TEST(acc_02_a_list_file_asks_for_many),
		TEST(acc_02_closed_requests_go_after_two_years_and_five_hundred_are_open_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
