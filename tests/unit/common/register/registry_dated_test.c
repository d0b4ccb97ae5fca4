/* registry_dated_test.c - requests that wait for their day (ACC-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

static json_int_t
add(int days, const char *request)
{
	char text[600];
	snprintf(text, sizeof text, "{\"do\":\"dated.add\",\"at\":\"%s\",\"request\":%s}",
	         day(days), request);
	return number_in(answer_to(text), "number");
}

#define SUSPEND "{\"do\":\"account.suspend\",\"address\":\"dtduyen.stp\"}"
#define RESUME  "{\"do\":\"account.resume\",\"address\":\"dtduyen.stp\"}"

static void
acc_06_acts_are_done_once_at_their_moment(void **state)
{
	(void)state;
	make_people();
	go_to(0, 36000);
	assert_int_equal(add(3, SUSPEND), 1);
	assert_int_equal(add(3, SUSPEND), 1); /* asked for again */
	assert_true(state_is("dtduyen.stp", "active"));
	go_to(3, -1);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 0);
	assert_true(state_is("dtduyen.stp", "active"));
	go_to(3, 0);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 1);
	assert_true(state_is("dtduyen.stp", "suspended"));
	must(RESUME);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 0);
	close_all();
	open_all();
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 0);
	assert_true(state_is("dtduyen.stp", "active"));
	/* The number of an act is never given again. */
	assert_int_equal(add(5, SUSPEND), 2);
}

static void
acc_06_what_was_due_while_nothing_ran_is_done_in_order(void **state)
{
	(void)state;
	make_people();
	go_to(0, 36000);
	add(4, RESUME);
	add(2, SUSPEND);
	add(6, "{\"do\":\"account.set\",\"address\":\"dtduyen.stp\",\"title\":\"Trưởng phòng\"}");
	close_all();
	go_to(5, 0);
	open_all();
	/* In the other order the account would stay suspended. */
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 2);
	assert_true(state_is("dtduyen.stp", "active"));
	json_t *reply = answer_to("{\"do\":\"dated.list\",\"state\":\"done\"}");
	json_t *first = json_array_get(json_object_get(reply, "acts"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "do")), "account.suspend");
	assert_true(json_is_true(json_object_get(json_object_get(first, "answer"), "changed")));
	json_decref(reply);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.list\"}"), "total"), 1);
	go_to(7, 0);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 1);
}

static void
acc_06_what_is_refused_when_due_is_kept_with_its_reason(void **state)
{
	(void)state;
	make_people();
	go_to(0, 36000);
	add(1, SUSPEND);
	add(1, "{\"do\":\"account.suspend\",\"address\":\"nvhoa.stp\"}");
	must("{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\"}");
	go_to(2, 0);
	json_t *reply = answer_to("{\"do\":\"dated.run\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 1);
	assert_int_equal(number_in(reply, "done"), 1); /* the other one all the same */
	assert_true(state_is("nvhoa.stp", "suspended"));
	reply = answer_to("{\"do\":\"dated.list\",\"state\":\"failed\"}");
	json_t *act = json_array_get(json_object_get(reply, "acts"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(act, "error")), "retired"));
	assert_int_equal(number_in(reply, "failed"), 1);
	/* Not by itself again, but by its number. */
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 0);
	reply = answer_to("{\"do\":\"dated.run\",\"number\":1}");
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 1);
	json_decref(reply);
	refused("{\"do\":\"dated.run\",\"number\":2}", CV_DENIED);
}

static void
acc_06_faults_show_when_an_act_is_put_off(void **state)
{
	static const struct { const char *at, *request; enum cv_status want; } rows[] = {
		{ "2020-01-01", SUSPEND, CV_INVALID },
		{ "2099-01-01", SUSPEND, CV_INVALID },
		{ "", SUSPEND, CV_INVALID },
		{ "soon", SUSPEND, CV_INVALID },
		{ "2030-01-01", "{\"do\":\"account.suspend\",\"address\":\"nobody.stp\"}", CV_NOT_FOUND },
		{ "2030-01-01", "{\"do\":\"account.passwd\",\"address\":\"dtduyen.stp\"}", CV_INVALID },
		{ "2030-01-01", "{\"do\":\"import\",\"csv\":\"\"}", CV_INVALID },
		{ "2030-01-01", "{\"do\":\"dated.run\"}", CV_INVALID },
		{ "2030-01-01", "{}", CV_INVALID },
		{ "2030-01-01", "[]", CV_INVALID },
	};
	(void)state;
	make_people();
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char text[400];
		snprintf(text, sizeof text, "{\"do\":\"dated.add\",\"at\":\"%s\",\"request\":%s}",
		         rows[i].at, rows[i].request);
		refused(text, rows[i].want);
	}
	/* Trying changes nothing. */
	must("{\"do\":\"dated.add\",\"dry_run\":true,\"at\":\"2030-01-01\",\"request\":" SUSPEND
	     "}");
	assert_true(state_is("dtduyen.stp", "active"));
	json_t *reply = answer_to("{\"do\":\"dated.list\",\"state\":\"all\"}");
	assert_int_equal(number_in(reply, "total"), 0);
}

static void
acc_06_an_act_that_waits_can_be_cancelled(void **state)
{
	(void)state;
	make_people();
	go_to(0, 36000);
	add(1, SUSPEND);
	must("{\"do\":\"dated.cancel\",\"number\":1,\"reason\":\"CV 12\"}");
	refused("{\"do\":\"dated.cancel\",\"number\":1}", CV_DENIED);
	refused("{\"do\":\"dated.cancel\",\"number\":7}", CV_NOT_FOUND);
	go_to(2, 0);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.run\"}"), "done"), 0);
	assert_true(state_is("dtduyen.stp", "active"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acc_06_acts_are_done_once_at_their_moment, start,
			teardown),
		cmocka_unit_test_setup_teardown(
			acc_06_what_was_due_while_nothing_ran_is_done_in_order, start, teardown),
		cmocka_unit_test_setup_teardown(
			acc_06_what_is_refused_when_due_is_kept_with_its_reason, start, teardown),
		cmocka_unit_test_setup_teardown(acc_06_faults_show_when_an_act_is_put_off, start,
			teardown),
		cmocka_unit_test_setup_teardown(acc_06_an_act_that_waits_can_be_cancelled, start,
			teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
