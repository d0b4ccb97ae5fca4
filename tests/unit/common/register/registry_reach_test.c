/* registry_reach_test.c - what nobody reaches by a way round: other agencies, addresses of others,
 * accounts that were ended. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

#define AGENCY CV_ROLE_AGENCY, "stp"

static void
make_province(void)
{
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"stp1\",\"name\":\"Phòng 1\",\"parent\":\"stp\"}");
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	must("{\"do\":\"account.add\",\"name\":\"Trần Thị Bình\",\"agency\":\"snv\"}");
}

static json_int_t
act_of(enum cv_admin_role role, const char *agency, const char *text)
{
	struct cv_err err = {0};
	json_t *reply;
	if (ask_as(role, agency, text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	return number_in(reply, "act");
}

static char *
text_of(const char *address, const char *key)
{
	char text[200];
	snprintf(text, sizeof text, "{\"do\":\"account.show\",\"address\":\"%s\"}", address);
	json_t *reply = answer_to(text);
	json_t *value = json_object_get(json_object_get(reply, "account"), key);
	char *copy = json_is_string(value) ? cv_strdup(json_string_value(value))
	                                   : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(reply);
	return copy;
}

static void
has(const char *address, const char *key, const char *want)
{
	char *got = text_of(address, key);
	if (!got || strcmp(got, want))
		fail_msg("%s: %s is %s, not %s", address, key, got ? got : "absent", want);
	free(got);
}

static void
ops_04_a_move_gives_no_address_of_another_agency(void **state)
{
	(void)state;
	make_province();
#define MOVE "{\"do\":\"account.transfer\",\"address\":\"dtduyen.stp\",\"agency\":\"stp1\"," \
	"\"dry_run\":true,\"new_address\":"
#define NAME "{\"do\":\"account.rename\",\"address\":\"dtduyen.stp\",\"name\":\"Đặng Thị Uyên\"," \
	"\"dry_run\":true,\"new_address\":"
	as_role(AGENCY, MOVE "\"giamdoc.snv\"}", CV_DENIED);
	as_role(AGENCY, MOVE "\"lanhdao\"}", CV_DENIED);
	as_role(AGENCY, NAME "\"giamdoc.snv\"}", CV_DENIED);
	as_role(AGENCY, MOVE "\"uyen.stp1\"}", CV_OK);
	as_role(AGENCY, NAME "\"uyen.stp\"}", CV_OK);
	/* Reserved words are refused as for a new account. */
	refused(NAME "\"bithu\"}", CV_DENIED);
	refused(NAME "\"postmaster\"}", CV_DENIED);
	refused(MOVE "\"postmaster\"}", CV_DENIED);
#define ALIAS "{\"do\":\"alias.add\",\"address\":\"dtduyen.stp\",\"alias\":\"bithu.stp\"," \
	"\"override\":true,\"reason\":\"x\",\"dry_run\":true}"
	as_role(AGENCY, ALIAS, CV_DENIED);
	must(ALIAS);
	must(NAME "\"bithu\",\"override\":true,\"reason\":\"12/QĐ\"}");
}

static void
ops_04_an_act_that_waits_keeps_to_the_agency_of_who_asked(void **state)
{
	(void)state;
	char text[300];
	make_province();
	go_to(0, 36000);
	snprintf(text, sizeof text, "{\"do\":\"account.set\",\"address\":\"dtduyen.stp\",\"title\":"
		"\"Kế toán\",\"on\":\"%s\"}", day(3));
	as_role(AGENCY, text, CV_OK);
	snprintf(text, sizeof text, "{\"do\":\"account.set\",\"address\":\"nvhoa.stp\",\"title\":"
		"\"Văn thư\",\"on\":\"%s\"}", day(3));
	as_role(AGENCY, text, CV_OK);
	/* She goes to another agency; the old address leads to her still. */
	must("{\"do\":\"account.transfer\",\"address\":\"dtduyen.stp\",\"agency\":\"snv\","
	     "\"title\":\"Chuyên viên\"}");
	close_all();
	open_all();
	go_to(3, 60);
	json_t *reply = answer_to("{\"do\":\"dated.run\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 1);
	assert_int_equal(number_in(reply, "done"), 1);
	has("dtduyen.stp", "title", "Chuyên viên");
	has("nvhoa.stp", "title", "Văn thư");
}

static void
sec_02_a_request_that_waits_holds_no_secret(void **state)
{
	(void)state;
	char text[300];
	make_province();
	static const char *const secrets[] = { "\"password\":\"x\"", "\"current\":\"x\"",
		"\"as\":{\"address\":\"a\",\"password\":\"x\"}" };
	for (size_t i = 0; i < CV_COUNT(secrets); i++) {
		snprintf(text, sizeof text, "{\"do\":\"account.set\",\"address\":\"nvhoa.stp\","
			"\"title\":\"A\",\"on\":\"%s\",%s}", day(3), secrets[i]);
		refused(text, CV_INVALID);
		snprintf(text, sizeof text, "{\"do\":\"dated.add\",\"at\":\"%s\",\"request\":"
			"{\"do\":\"account.suspend\",\"address\":\"nvhoa.stp\",%s}}", day(3), secrets[i]);
		refused(text, CV_INVALID);
	}
}

static void
acc_06_who_was_locked_out_while_away_stays_so_at_the_end_of_the_leave(void **state)
{
	(void)state;
	char text[300];
	make_province();
	go_to(0, 36000);
	snprintf(text, sizeof text, "{\"do\":\"account.leave\",\"address\":\"dtduyen.stp\","
		"\"until\":\"%s\"}", day(3));
	must(text);
	snprintf(text, sizeof text, "{\"do\":\"account.leave\",\"address\":\"nvhoa.stp\","
		"\"until\":\"%s\"}", day(3));
	must(text);
	json_t *reply = answer_to("{\"do\":\"account.suspend\",\"address\":\"dtduyen.stp\"}");
	assert_true(json_is_true(json_object_get(reply, "changed")));
	json_decref(reply);
	reply = answer_to("{\"do\":\"account.suspend\",\"address\":\"dtduyen.stp\"}");
	assert_false(json_is_true(json_object_get(reply, "changed")));
	json_decref(reply);
	go_to(4, 60);
	assert_int_equal(run_due(), 2);
	assert_true(state_is("dtduyen.stp", "suspended"));
	assert_true(state_is("nvhoa.stp", "active"));
}

static void
acc_11_a_contract_that_ended_is_only_extended(void **state)
{
	(void)state;
	char text[300];
	make_province();
	go_to(0, 36000);
	snprintf(text, sizeof text, "{\"do\":\"account.expire\",\"address\":\"dtduyen.stp\","
		"\"owner\":\"nvhoa.stp\",\"until\":\"%s\",\"reason\":\"x\"}", day(2));
	must(text);
	snprintf(text, sizeof text, "{\"do\":\"account.leave\",\"address\":\"dtduyen.stp\","
		"\"until\":\"%s\"}", day(4));
	must(text);
	go_to(6, 60);
	assert_int_equal(run_due(), 2);
	/* The end of the leave is no extension, nor is letting in again. */
	assert_true(state_is("dtduyen.stp", "suspended"));
	as_role(AGENCY, "{\"do\":\"account.resume\",\"address\":\"dtduyen.stp\"}", CV_DENIED);
	snprintf(text, sizeof text, "{\"do\":\"account.expire\",\"address\":\"dtduyen.stp\","
		"\"until\":\"%s\"}", day(500));
	must(text);
	assert_true(state_is("dtduyen.stp", "active"));
}

static void
sec_07_a_box_is_handed_over_within_the_agency_only(void **state)
{
	(void)state;
	make_province();
#define RETIRE "{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\",\"dry_run\":true,"
	as_role(AGENCY, RETIRE "\"handover\":\"ttbinh.snv\"}", CV_DENIED);
	as_role(AGENCY, RETIRE "\"handover\":\"nvhoa.stp\"}", CV_OK);
	must(RETIRE "\"handover\":\"ttbinh.snv\"}");
}

static void
ops_04_nobody_takes_back_what_he_did_with_more_rights(void **state)
{
	(void)state;
	char text[100];
	make_province();
	json_int_t other = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"account.rename\","
		"\"address\":\"ttbinh.snv\",\"name\":\"Trần Thị Bích\"}");
	json_int_t own = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"account.rename\","
		"\"address\":\"dtduyen.stp\",\"name\":\"Đặng Thị Uyên\"}");
	snprintf(text, sizeof text, "{\"do\":\"undo.show\",\"id\":%lld}", (long long)other);
	as_role(AGENCY, text, CV_DENIED);
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)other);
	as_role(AGENCY, text, CV_DENIED);
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)own);
	as_role(AGENCY, text, CV_OK);
}

static void
adr_02_an_address_that_was_taken_back_is_nobody_elses(void **state)
{
	(void)state;
	char text[100];
	make_province();
	json_int_t act = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"account.rename\","
		"\"address\":\"dtduyen.stp\",\"name\":\"Lê Văn Sáu\"}");
	has("dtduyen.stp", "address", "lvsau.stp@lamgiang.example");
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	json_int_t back = number_in(answer_to(text), "act");
	has("dtduyen.stp", "address", "dtduyen.stp@lamgiang.example");
	has("dtduyen.stp", "name", "Đặng Thị Duyên");
	/* Somebody may have written to it since. */
	has("lvsau.stp", "name", "Đặng Thị Duyên");
	must("{\"do\":\"account.add\",\"name\":\"Lê Văn Sáu\",\"agency\":\"stp\"}");
	has("lvsau2.stp", "name", "Lê Văn Sáu");
	/* And again the other way. */
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)back);
	must(text);
	has("dtduyen.stp", "address", "lvsau.stp@lamgiang.example");
}

static void
deliver_to(json_int_t number)
{
	struct cv_err err = {0};
	struct cv_acct *box;
	struct cv_mbox *inbox;
	cv_ticket ticket;
	struct cv_spool spool;
	assert_int_equal(cv_acct_open(store, cv_acct(CV_CLASS_USER, (uint64_t)number), true, &box,
		&ticket, &err), CV_OK);
	assert_int_equal(cv_mbox_open(box, CV_STR("INBOX"), &inbox, &err), CV_OK);
	cv_spool_init(&spool, dir);
	assert_int_equal(cv_spool_write(&spool, CV_STR("Subject: x\r\n\r\ny\r\n"), &err), CV_OK);
	struct cv_append item = { .message = &spool };
	assert_int_equal(cv_mbox_append(inbox, &item, 1, &ticket, &err), CV_OK);
	cv_ticket_block(cv_store_engine(store), ticket);
	cv_spool_done(&spool);
	cv_mbox_close(inbox);
	cv_acct_close(box);
}

static void
adr_02_a_list_is_not_taken_back_once_mail_has_arrived(void **state)
{
	(void)state;
	char text[100];
	struct cv_err err = {0};
	json_t *reply;
	make_province();
	json_int_t act = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"import\",\"csv\":"
		"\"Họ và tên,Mã đơn vị\\nLê Văn Sáu,stp\\nLê Văn Bảy,stp\\n\"}");
	char *number = text_of("lvsau.stp", "number");
	deliver_to(strtoll(number, NULL, 10));
	free(number);
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	assert_int_equal(ask(text, &reply, &err), CV_CONFLICT);
	assert_non_null(strstr(err.text, "lvsau.stp"));
	assert_int_equal(number_in(reply, "count"), 1);
	has("lvsau.stp", "name", "Lê Văn Sáu");
}

static void
acc_06_a_leave_that_was_taken_back_still_ends(void **state)
{
	(void)state;
	char text[200];
	make_province();
	go_to(0, 36000);
#define LEAVE "{\"do\":\"account.leave\",\"address\":\"dtduyen.stp\",\"until\":\"%s\"}"
	snprintf(text, sizeof text, LEAVE, day(3));
	must(text);
	snprintf(text, sizeof text, LEAVE, day(10));
	json_int_t act = act_of(CV_ROLE_OPERATOR, "", text);
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	go_to(4, 60);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("dtduyen.stp", "active"));
	/* What was done is not done again by an undo. */
	snprintf(text, sizeof text, LEAVE, day(6));
	must(text);
	act = act_of(CV_ROLE_OPERATOR, "",
		"{\"do\":\"account.return\",\"address\":\"dtduyen.stp\"}");
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	assert_true(state_is("dtduyen.stp", "suspended"));
	go_to(7, 60);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("dtduyen.stp", "active"));
}

static void
acc_06_who_retires_while_away_leaves_no_act_behind(void **state)
{
	(void)state;
	char text[200];
	make_province();
	go_to(0, 36000);
	snprintf(text, sizeof text, LEAVE, day(3));
	must(text);
	must("{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\"}");
	go_to(4, 60);
	json_t *reply = answer_to("{\"do\":\"dated.run\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 0);
	json_decref(reply);
	assert_true(state_is("dtduyen.stp", "retired"));
}

static void
by(const char *name, enum cv_admin_role role, const char *text, enum cv_status want)
{
	struct cv_registry_who who = { .role = role, .agency = "stp" };
	struct cv_err err = {0};
	json_t *reply = NULL, *request = json_loads(text, 0, NULL);
	assert_non_null(request);
	snprintf(who.name, sizeof who.name, "%s", name);
	enum cv_status got = cv_registry_do_as(registry, &who, request, NULL, NULL, &reply, &err);
	json_decref(request);
	json_decref(reply);
	if (got != want)
		fail_msg("%s by %s: %s, %s", text, name, cv_status_name(got), err.text);
}

static void
sec_07_nobody_gives_himself_anothers_box(void **state)
{
	(void)state;
	static const char hoa[] = "nvhoa.stp@lamgiang.example";
	make_province();
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\",\"name\":\"Văn thư\"}");
	must("{\"do\":\"account.add\",\"name\":\"Lê Văn Sáu\",\"agency\":\"stp\"}");
#define LEND(owner, to) "{\"do\":\"delegate.add\",\"owner\":\"" owner ".stp\",\"delegate\":\"" to \
	".stp\",\"rights\":\"full\"}"
	static const enum cv_admin_role roles[] = { CV_ROLE_AGENCY, CV_ROLE_OPERATOR };
	for (size_t i = 0; i < CV_COUNT(roles); i++) {
		by(hoa, roles[i], LEND("dtduyen", "nvhoa"), CV_DENIED);
		by(hoa, roles[i], "{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\","
			"\"handover\":\"nvhoa.stp\"}", CV_DENIED);
		by(hoa, roles[i], LEND("dtduyen", "lvsau"), CV_OK);
		/* What is his own, and boxes that people share. */
		by(hoa, roles[i], LEND("nvhoa", "lvsau"), CV_OK);
		by(hoa, roles[i], LEND("vanthu", "nvhoa"), CV_OK);
		/* To give it back is free. */
		by(hoa, roles[i], "{\"do\":\"delegate.del\",\"owner\":\"dtduyen.stp\","
			"\"delegate\":\"nvhoa.stp\"}", CV_OK);
	}
}

/* READER may read the box of dtduyen.stp for a day. */
static void
break_glass(const char *reader, unsigned number)
{
	char text[300];
	snprintf(text, sizeof text, "{\"do\":\"breakglass.request\",\"account\":\"dtduyen.stp\","
		"\"reader\":\"%s\",\"reason\":\"x\",\"letter\":\"1\"}", reader);
	by("unix:an", CV_ROLE_AUDITOR, text, CV_OK);
	snprintf(text, sizeof text, "{\"do\":\"breakglass.approve\",\"number\":%u}", number);
	by("unix:ba", CV_ROLE_OPERATOR, text, CV_OK);
	char *readers = text_of("dtduyen.stp", "delegated");
	assert_non_null(strstr(readers, reader));
	free(readers);
}

static void
sec_07_a_box_that_was_opened_is_kept_by_no_way_round(void **state)
{
	(void)state;
	char text[300];
	make_province();
	must("{\"do\":\"admin.add\",\"admin\":\"unix:an\",\"role\":\"auditor\"}");
	must("{\"do\":\"admin.add\",\"admin\":\"unix:ba\",\"role\":\"operator\"}");
	must("{\"do\":\"account.add\",\"name\":\"Lê Văn Sáu\",\"agency\":\"stp\"}");
	/* Who reads goes to another agency, which is taken back when the box is closed. */
	break_glass("nvhoa.stp", 1);
	json_int_t act = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"account.transfer\",\"address\":"
		"\"nvhoa.stp\",\"agency\":\"snv\",\"keep_address\":true}");
	go_to(2, 0);
	must("{\"do\":\"breakglass.expire\"}");
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	has("nvhoa.stp", "agency", "stp");
	has("dtduyen.stp", "delegated", "[]");
	/* The same by a secondment. */
	break_glass("nvhoa.stp", 2);
	snprintf(text, sizeof text, "{\"do\":\"account.second\",\"address\":\"nvhoa.stp\","
		"\"agency\":\"snv\",\"until\":\"%s\"}", day(5));
	must(text);
	go_to(4, 0);
	must("{\"do\":\"breakglass.expire\"}");
	must("{\"do\":\"account.return\",\"address\":\"nvhoa.stp\"}");
	has("dtduyen.stp", "delegated", "[]");
	/* And by two accounts becoming one, of who reads or of whose the box is. */
	break_glass("nvhoa.stp", 3);
	act = act_of(CV_ROLE_OPERATOR, "", "{\"do\":\"account.merge\",\"address\":\"nvhoa.stp\","
		"\"into\":\"lvsau.stp\"}");
	go_to(6, 0);
	must("{\"do\":\"breakglass.expire\"}");
	has("dtduyen.stp", "delegated", "[]");
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	has("dtduyen.stp", "delegated", "[]");
	break_glass("nvhoa.stp", 4);
	must("{\"do\":\"account.merge\",\"address\":\"dtduyen.stp\",\"into\":\"lvsau.stp\"}");
	go_to(8, 0);
	must("{\"do\":\"breakglass.expire\"}");
	has("lvsau.stp", "delegated", "[]");
}

static void
test_times__beyond_the_year_9999_are_refused(void **state)
{
	(void)state;
	make_province();
	refused("{\"do\":\"account.leave\",\"address\":\"nvhoa.stp\","
		"\"until\":9223372036854775807}", CV_INVALID);
	refused("{\"do\":\"account.second\",\"address\":\"nvhoa.stp\",\"agency\":\"snv\","
		"\"until\":9223372036854775807}", CV_INVALID);
	refused("{\"do\":\"account.trail\",\"address\":\"nvhoa.stp\","
		"\"time\":9223372036854775807}", CV_INVALID);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ops_04_a_move_gives_no_address_of_another_agency),
		TEST(ops_04_an_act_that_waits_keeps_to_the_agency_of_who_asked),
		TEST(sec_02_a_request_that_waits_holds_no_secret),
		TEST(acc_06_who_was_locked_out_while_away_stays_so_at_the_end_of_the_leave),
		TEST(acc_11_a_contract_that_ended_is_only_extended),
		TEST(sec_07_a_box_is_handed_over_within_the_agency_only),
		TEST(ops_04_nobody_takes_back_what_he_did_with_more_rights),
		TEST(adr_02_an_address_that_was_taken_back_is_nobody_elses),
		TEST(adr_02_a_list_is_not_taken_back_once_mail_has_arrived),
		TEST(acc_06_a_leave_that_was_taken_back_still_ends),
		TEST(acc_06_who_retires_while_away_leaves_no_act_behind),
		TEST(sec_07_nobody_gives_himself_anothers_box),
		TEST(sec_07_a_box_that_was_opened_is_kept_by_no_way_round),
		TEST(test_times__beyond_the_year_9999_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
