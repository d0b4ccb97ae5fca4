/* registry_life_test.c - people move, go away, leave and are called otherwise (ACC-06, ADR-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/register/people_kit.h"

static json_t *
show(const char *address)
{
	char text[200];
	snprintf(text, sizeof text, "{\"do\":\"account.show\",\"address\":\"%s\"}", address);
	json_t *reply = answer_to(text), *account = json_incref(json_object_get(reply, "account"));
	json_decref(reply);
	return account;
}

static void
has(const char *address, const char *key, const char *want)
{
	json_t *account = show(address), *value = json_object_get(account, key);
	char *text = json_is_string(value) ? NULL
		: json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *got = text ? text : json_string_value(value);
	if (!got || strcmp(got, want))
		fail_msg("%s: %s is %s, not %s", address, key, got ? got : "absent", want);
	free(text);
	json_decref(account);
}

static bool
may_send_as(const char *who, const char *address)
{
	struct cv_reg_hit hit;
	struct cv_str a = cv_str_z(address);
	size_t at = cv_str_find(a, '@', 0);
	cv_register_refresh(reg);
	const struct cv_snapshot *s = cv_register_get(reg);
	cv_snapshot_find_address(s, cv_str_z(who), &hit);
	bool may = hit.found == CV_REG_ACCOUNT && cv_snapshot_may_send_as(s, hit.account.acct,
		cv_str_sub(a, 0, at), cv_str_sub(a, at + 1, a.n));
	cv_snapshot_unref(s);
	return may;
}

static void
make_province(void)
{
	make_people();
	must("{\"do\":\"agency.add\",\"code\":\"snv\",\"name\":\"Sở Nội vụ\"}");
	must("{\"do\":\"account.add\",\"name\":\"Đỗ Thị Duyên\",\"agency\":\"snv\"}");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\",\"name\":\"Văn thư\"}");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"address\":\"nhom.stp\",\"agency\":\"stp\",\"name\":\"N\"}");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"address\":\"toantinh\",\"name\":\"Toàn tỉnh\"}");
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"dtduyen.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"nhom.stp\",\"member\":\"dtduyen.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"toantinh\",\"member\":\"dtduyen.stp\"}");
	must("{\"do\":\"delegate.add\",\"owner\":\"nvhoa.stp\",\"delegate\":\"dtduyen.stp\"}");
}

static void
dir_02_consent_to_publish_a_mobile_number_says_when_and_by_whom(void **state)
{
	(void)state;
	make_province();
	json_t *before = show("dtduyen.stp");
	assert_null(json_object_get(before, "consent"));
	json_decref(before);
	/* clang-format off */
	static const struct { const char *request; int day; bool want; } rows[] = {
		{ "{\"do\":\"account.set\",\"address\":\"dtduyen.stp\",\"mobile_consent\":true,"
			"\"letter\":\"7/GXN\"}", 3, true },
		{ "{\"do\":\"account.set\",\"address\":\"dtduyen.stp\",\"mobile_consent\":true}", 5, true },
		{ "{\"do\":\"account.set\",\"address\":\"dtduyen.stp\",\"mobile_consent\":false}", 9, false } };
	/* clang-format on */
	int64_t given = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		go_to(rows[i].day, 8 * 3600);
		must(rows[i].request);
		json_t *account = show("dtduyen.stp");
		json_t *consent = json_object_get(account, "consent");
		int64_t at = json_integer_value(json_object_get(consent, "at"));
		if (!i)
			given = at;
		/* What was said already is not said again: the day stays. */
		assert_true(i == 1 ? at == given : cv_wall_secs() - at < 60);
		assert_int_equal(json_is_true(json_object_get(consent, "is")), rows[i].want);
		assert_true(strlen(json_string_value(json_object_get(consent, "by"))) > 0);
		if (i < 2)
			assert_string_equal(json_string_value(json_object_get(consent, "letter")),
				"7/GXN");
		json_decref(account);
	}
}

#define TRANSFER "{\"do\":\"account.transfer\",\"address\":\"dtduyen.stp\",\"agency\":\"snv\"," \
	"\"department\":\"Phòng Công chức\",\"title\":\"Phó Giám đốc\",\"letter\":\"12/QĐ-SNV\""

static void
acc_06_a_transfer_makes_the_new_address_and_leaves_the_old_agency(void **state)
{
	(void)state;
	make_province();
	/* The dry run lists what will be left and what the address will be. */
	json_t *reply = answer_to(TRANSFER ",\"dry_run\":true}");
	assert_int_equal(json_array_size(json_object_get(reply, "left")), 3);
	assert_string_equal(json_string_value(json_object_get(reply, "address")),
		"dtduyen2.snv@lamgiang.example");
	json_decref(reply);
	has("dtduyen.stp", "agency", "stp");
	must(TRANSFER "}");
	/* Another Duyen of that agency has the name: the number tells them apart. */
	has("dtduyen.stp", "address", "dtduyen2.snv@lamgiang.example");
	has("dtduyen2.snv", "aliases", "[\"dtduyen.stp@lamgiang.example\"]");
	has("dtduyen2.snv", "agency", "snv");
	has("dtduyen2.snv", "department", "Phòng Công chức");
	has("dtduyen2.snv", "rank", "22");
	/* The province's group is no group of the old agency. */
	has("dtduyen2.snv", "member_of", "[\"toantinh@lamgiang.example\"]");
	assert_false(may_send_as("dtduyen2.snv@lamgiang.example", "vanthu.stp@lamgiang.example"));
	assert_false(may_send_as("dtduyen2.snv@lamgiang.example", "nvhoa.stp@lamgiang.example"));
	assert_true(may_send_as("dtduyen2.snv@lamgiang.example", "dtduyen.stp@lamgiang.example"));
	refused(TRANSFER "}", CV_INVALID); /* is there already */
	/* Back again, one is called as before. */
	must("{\"do\":\"account.transfer\",\"address\":\"dtduyen2.snv\",\"agency\":\"stp\"}");
	has("dtduyen2.snv", "address", "dtduyen.stp@lamgiang.example");
}

static void
acc_06_a_secondment_ends_by_date_with_everything_back(void **state)
{
	(void)state;
	make_province();
	go_to(0, 36000);
	char text[400];
	snprintf(text, sizeof text, "{\"do\":\"account.second\",\"address\":\"dtduyen.stp\","
		"\"agency\":\"snv\",\"title\":\"Phó Giám đốc\",\"on\":\"%s\",", day(2));
	size_t n = strlen(text);
	snprintf(text + n, sizeof text - n, "\"until\":\"%s\"}", day(9));
	must(text);
	has("dtduyen.stp", "agency", "stp");
	json_t *before = show("dtduyen.stp");
	go_to(2, 0);
	assert_int_equal(run_due(), 1);
	has("dtduyen.stp", "agency", "snv");
	has("dtduyen.stp", "address", "dtduyen.stp@lamgiang.example");
	has("dtduyen.stp", "member_of", "[\"toantinh@lamgiang.example\"]");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"address\":\"nhom.snv\",\"agency\":\"snv\",\"name\":\"N\"}");
	must("{\"do\":\"group.member\",\"group\":\"nhom.snv\",\"member\":\"dtduyen.stp\"}");
	go_to(9, 86399);
	assert_int_equal(run_due(), 0);
	go_to(10, 0);
	assert_int_equal(run_due(), 1);
	json_t *after = show("dtduyen.stp");
	static const char *const keys[] = { "agency", "department", "title", "rank", "quota",
		"member_of", "address", "phone_office" };
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (!json_equal(json_object_get(before, keys[i]), json_object_get(after, keys[i])))
			fail_msg("%s did not come back", keys[i]);
	json_decref(before);
	json_decref(after);
	assert_true(may_send_as("dtduyen.stp@lamgiang.example", "vanthu.stp@lamgiang.example"));
	assert_true(may_send_as("dtduyen.stp@lamgiang.example", "nvhoa.stp@lamgiang.example"));
	refused("{\"do\":\"account.return\",\"address\":\"dtduyen.stp\"}", CV_DENIED);
}

static void
acc_06_a_leave_suspends_between_two_days_with_an_answer(void **state)
{
	(void)state;
	make_province();
	go_to(0, 36000);
	char text[300];
	snprintf(text, sizeof text, "{\"do\":\"account.leave\",\"address\":\"nvhoa.stp\",\"on\":\"%s\",",
	         day(1));
	size_t n = strlen(text);
	snprintf(text + n, sizeof text - n, "\"until\":\"%s\"}", day(3));
	must(text);
	assert_true(state_is("nvhoa.stp", "active"));
	go_to(1, 0);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("nvhoa.stp", "suspended"));
	json_t *account = show("nvhoa.stp");
	const char *reply = json_string_value(json_object_get(account, "absence_vi"));
	assert_non_null(strstr(reply, "vắng mặt"));
	assert_int_equal(json_integer_value(json_object_get(account, "absence_until")),
		cv_calendar_midnight(cv_calendar_day(cv_wall_secs()) + 3));
	json_decref(account);
	go_to(4, 0);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("nvhoa.stp", "active"));
	account = show("nvhoa.stp");
	assert_null(json_object_get(account, "absence_until"));
	json_decref(account);
	/* Back before the end: nothing is left to be done. */
	snprintf(text, sizeof text, "{\"do\":\"account.leave\",\"address\":\"nvhoa.stp\",\"until\":\"%s\"}",
	         day(20));
	must(text);
	must("{\"do\":\"account.return\",\"address\":\"nvhoa.stp\"}");
	assert_true(state_is("nvhoa.stp", "active"));
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.list\"}"), "total"), 0);
	/* Who was locked out before the leave stays so after it. */
	must("{\"do\":\"account.suspend\",\"address\":\"nvhoa.stp\"}");
	must(text);
	must("{\"do\":\"account.return\",\"address\":\"nvhoa.stp\"}");
	assert_true(state_is("nvhoa.stp", "suspended"));
}

static size_t
purge_count(void)
{
	json_t *reply = answer_to("{\"do\":\"purge.list\"}");
	size_t n = json_array_size(json_object_get(reply, "accounts"));
	json_decref(reply);
	return n;
}

static void
acc_06_who_retires_on_30_06_is_refused_on_01_07_and_listed_for_purge_on_31_12(void **state)
{
	(void)state;
	make_province();
	go_to_date(2027, 6, 1, 36000);
	must("{\"do\":\"account.set\",\"address\":\"nvhoa.stp\",\"title\":\"Giám đốc\"}");
	json_t *dry = answer_to("{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\","
		"\"on\":\"2027-06-30\",\"dry_run\":true}");
	int64_t kept_until = json_integer_value(
		json_object_get(json_object_get(dry, "preview"), "kept_until"));
	json_decref(dry);
	must("{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\",\"on\":\"2027-06-30\","
	     "\"successor\":\"nvhoa.stp\",\"handover\":\"nvhoa.stp\",\"notice_until\":\"2027-12-31\"}");
	go_to_date(2027, 6, 30, 86399);
	assert_int_equal(run_due(), 0);
	assert_true(state_is("dtduyen.stp", "active"));
	go_to_date(2027, 7, 1, 0);
	assert_int_equal(run_due(), 1);
	assert_true(state_is("dtduyen.stp", "retired"));
	has("dtduyen.stp", "member_of", "[]");
	has("dtduyen.stp", "successor", "nvhoa.stp@lamgiang.example");
	has("dtduyen.stp", "delegated",
		"[{\"who\":\"nvhoa.stp@lamgiang.example\",\"rights\":[\"read\"]}]");
	go_to_date(2027, 12, 30, 86399);
	assert_int_equal(purge_count(), 0);
	refused("{\"do\":\"purge.do\",\"address\":\"dtduyen.stp\"}", CV_DENIED);
	go_to_date(2027, 12, 31, 0);
	assert_in_range(cv_wall_secs(), kept_until, kept_until + 60); /* as was said then */
	assert_int_equal(purge_count(), 1);
	/* A leader's box is kept twelve months. */
	go_to_date(2028, 2, 29, 3600);
	must("{\"do\":\"account.retire\",\"address\":\"nvhoa.stp\"}");
	go_to_date(2029, 2, 27, 86399);
	assert_int_equal(purge_count(), 1);
	go_to_date(2029, 2, 28, 0);
	assert_int_equal(purge_count(), 2);
}

static void
acc_06_a_purge_removes_the_mail_and_never_frees_the_address(void **state)
{
	(void)state;
	make_province();
	go_to_date(2027, 6, 1, 0);
	json_t *account = show("dtduyen.stp");
	cv_acct_id acct = cv_acct(CV_CLASS_USER,
		(uint64_t)json_integer_value(json_object_get(account, "number")));
	json_decref(account);
	must("{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\"}");
	refused("{\"do\":\"purge.do\",\"address\":\"nvhoa.stp\"}", CV_DENIED);
	go_to_date(2027, 12, 31, 0);
	must("{\"do\":\"purge.do\",\"dry_run\":true,\"address\":\"dtduyen.stp\"}");
	struct cv_acct *box;
	struct cv_err err;
	cv_ticket ticket;
	assert_int_equal(cv_acct_open(store, acct, false, &box, &ticket, &err), CV_OK);
	cv_acct_close(box);
	must("{\"do\":\"purge.do\",\"address\":\"dtduyen.stp\"}");
	assert_int_equal(cv_acct_open(store, acct, false, &box, &ticket, &err), CV_NOT_FOUND);
	assert_int_equal(purge_count(), 0);
	close_all();
	open_all();
	assert_int_equal(cv_acct_open(store, acct, false, &box, &ticket, &err), CV_NOT_FOUND);
	must("{\"do\":\"account.add\",\"name\":\"Đặng Thị Duyên\",\"agency\":\"stp\"}");
	has("dtduyen2.stp", "state", "active");
	assert_true(state_is("dtduyen.stp", "retired"));
	json_t *reply = answer_to("{\"do\":\"purge.do\",\"address\":\"dtduyen.stp\"}");
	assert_true(json_is_false(json_object_get(reply, "changed")));
	json_decref(reply);
}

static void
acc_06_a_corrected_name_brings_its_address_and_keeps_the_old_one(void **state)
{
	(void)state;
	make_province();
	must("{\"do\":\"account.rename\",\"address\":\"nvhoa.stp\",\"name\":\"Nguyễn Văn Hòe\"}");
	has("nvhoa.stp", "address", "nvhoe.stp@lamgiang.example");
	has("nvhoe.stp", "given", "Hòe");
	has("nvhoe.stp", "aliases", "[\"nvhoa.stp@lamgiang.example\"]");
	must("{\"do\":\"account.rename\",\"address\":\"nvhoe.stp\",\"name\":\"Ngô Văn Hòe\","
	     "\"keep_address\":true}");
	has("nvhoe.stp", "name", "Ngô Văn Hòe");
	has("nvhoe.stp", "address", "nvhoe.stp@lamgiang.example");
	/* Hoè and Hòe fold to the same: the address stays without being asked to. */
	must("{\"do\":\"account.rename\",\"address\":\"nvhoe.stp\",\"name\":\"Ngô Văn Hoè\"}");
	has("nvhoe.stp", "address", "nvhoe.stp@lamgiang.example");
	refused("{\"do\":\"account.rename\",\"address\":\"nvhoe.stp\",\"name\":\"Lê Văn Tý\","
		"\"new_address\":\"dtduyen.stp\"}", CV_EXISTS);
	has("nvhoe.stp", "name", "Ngô Văn Hoè");
}

static void
adr_06_a_title_address_changes_its_holder_at_00_00_on_01_03(void **state)
{
	(void)state;
	make_province();
	must("{\"do\":\"agency.add\",\"code\":\"xtl\",\"name\":\"Xã Tân Lập\"}");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"chutich\",\"agency\":\"xtl\",\"name\":\"Chủ tịch\"}");
	go_to_date(2027, 1, 4, 36000);
	must("{\"do\":\"role.hold\",\"role\":\"chutich.xtl\",\"holder\":\"nvhoa.stp\"}");
	must("{\"do\":\"role.change\",\"role\":\"chutich.xtl\",\"holder\":\"dtduyen.stp\","
	     "\"on\":\"2027-03-01\",\"until\":\"2027-12-31\",\"letter\":\"5/QĐ\"}");
	static const char *const box = "chutich.xtl@lamgiang.example";
	go_to_date(2027, 2, 28, 86399);
	run_due();
	assert_true(may_send_as("nvhoa.stp@lamgiang.example", box));
	assert_false(may_send_as("dtduyen.stp@lamgiang.example", box));
	go_to_date(2027, 3, 1, 0);
	assert_int_equal(run_due(), 1);
	assert_false(may_send_as("nvhoa.stp@lamgiang.example", box));
	assert_true(may_send_as("dtduyen.stp@lamgiang.example", box));
	go_to_date(2028, 1, 1, 0);
	assert_int_equal(run_due(), 1);
	assert_false(may_send_as("dtduyen.stp@lamgiang.example", box));
	json_t *reply = answer_to("{\"do\":\"role.history\",\"role\":\"chutich.xtl\"}");
	json_t *list = json_object_get(reply, "holders");
	assert_int_equal(json_array_size(list), 2);
	static const char *const who[] = { "nvhoa.stp@lamgiang.example",
		"dtduyen.stp@lamgiang.example" };
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(json_string_value(json_object_get(
			json_array_get(list, i), "who")), who[i]);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "until")),
		cv_calendar_midnight(cv_days_from_civil(2027, 3, 1)));
	json_decref(reply);
}

static void
acc_06_two_accounts_of_one_person_become_one_and_can_be_parted_again(void **state)
{
	(void)state;
	make_province();
	must("{\"do\":\"alias.add\",\"address\":\"dtduyen.stp\",\"alias\":\"duyen.cu\"}");
	must("{\"do\":\"delegate.add\",\"owner\":\"dtduyen.stp\",\"delegate\":\"nvhoa.stp\","
	     "\"rights\":\"read\"}");
	json_t *before = show("dtduyen.stp"), *before_into = show("dtduyen.snv");
	static const char *const merge = "{\"do\":\"account.merge\",\"address\":\"dtduyen.stp\","
		"\"into\":\"dtduyen.snv\",\"mail\":\"copy\"";
	char text[300];
	snprintf(text, sizeof text, "%s,\"dry_run\":true}", merge);
	json_t *reply = answer_to(text);
	assert_int_equal(json_array_size(json_object_get(reply, "aliases")), 2);
	assert_int_equal(json_array_size(json_object_get(reply, "moved")), 5);
	json_decref(reply);
	has("dtduyen.stp", "address", "dtduyen.stp@lamgiang.example");
	/* A message to be copied. */
	struct cv_acct *box;
	struct cv_mbox *inbox;
	struct cv_err err;
	cv_ticket ticket;
	cv_acct_id acct = cv_acct(CV_CLASS_USER,
		(uint64_t)json_integer_value(json_object_get(before, "number")));
	struct cv_spool spool;
	cv_spool_init(&spool, dir);
	assert_int_equal(cv_spool_write(&spool, CV_STR("Subject: x\r\n\r\ny\r\n"), &err), CV_OK);
	struct cv_append item = { .message = &spool };
	assert_int_equal(cv_acct_open(store, acct, false, &box, &ticket, &err), CV_OK);
	assert_int_equal(cv_mbox_open(box, CV_STR("INBOX"), &inbox, &err), CV_OK);
	assert_int_equal(cv_mbox_append(inbox, &item, 1, &ticket, &err), CV_OK);
	cv_mbox_close(inbox);
	cv_spool_done(&spool);
	cv_acct_close(box);
	snprintf(text, sizeof text, "%s}", merge);
	reply = answer_to(text);
	assert_int_equal(json_integer_value(json_object_get(reply, "messages")), 1);
	json_int_t act = number_in(reply, "act");
	has("dtduyen.stp", "address", "dtduyen.snv@lamgiang.example");
	has("duyen.cu", "address", "dtduyen.snv@lamgiang.example");
	assert_true(may_send_as("dtduyen.snv@lamgiang.example", "vanthu.stp@lamgiang.example"));
	assert_true(may_send_as("dtduyen.snv@lamgiang.example", "dtduyen.stp@lamgiang.example"));
	/* Nothing is copied twice. */
	reply = answer_to("{\"do\":\"account.merge.mail\",\"address\":\"dtduyen.stp\"}");
	assert_int_equal(number_in(reply, "messages"), 0);
	close_all();
	open_all();
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	json_t *after = show("dtduyen.stp"), *after_into = show("dtduyen.snv");
	static const char *const keys[] = { "address", "state", "member_of", "aliases", "delegated",
		"listed" };
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (!json_equal(json_object_get(before, keys[i]),
				json_object_get(after, keys[i])) ||
		    !json_equal(json_object_get(before_into, keys[i]),
				json_object_get(after_into, keys[i])))
			fail_msg("%s is not as before", keys[i]);
	json_decref(before);
	json_decref(after);
	json_decref(before_into);
	json_decref(after_into);
	refused("{\"do\":\"account.merge\",\"address\":\"dtduyen.stp\",\"into\":\"duyen.cu\"}",
		CV_INVALID);
	refused("{\"do\":\"account.merge\",\"address\":\"vanthu.stp\",\"into\":\"nvhoa.stp\"}",
		CV_INVALID);
}

static void
acc_06_what_waits_for_an_account_that_was_merged_is_not_done_to_the_other(void **state)
{
	(void)state;
	char text[300];
	make_province();
	snprintf(text, sizeof text, "{\"do\":\"account.retire\",\"address\":\"dtduyen.stp\",\"on\":\"%s\"}",
		day(5));
	must(text);
	snprintf(text, sizeof text, "{\"do\":\"dated.add\",\"at\":\"%s\",\"request\":{\"do\":"
		"\"delegate.add\",\"owner\":\"nvhoa.stp\",\"delegate\":\"dtduyen.stp\",\"rights\":\"read\"}}",
		day(5));
	must(text);
	snprintf(text, sizeof text, "{\"do\":\"account.suspend\",\"address\":\"nvhoa.stp\",\"on\":\"%s\","
		"\"reason\":\"dtduyen.stp\"}", day(5));
	must(text);
	json_t *reply = answer_to("{\"do\":\"account.merge\",\"address\":\"dtduyen.stp\","
		"\"into\":\"dtduyen.snv\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "cancelled")), 2);
	json_int_t act = number_in(reply, "act");
	reply = answer_to("{\"do\":\"dated.list\",\"state\":\"cancelled\"}");
	json_t *one = json_array_get(json_object_get(reply, "acts"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(one, "error")),
		"became one account with dtduyen.snv@lamgiang.example"));
	json_decref(reply);
	/* Parted again they wait again. */
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)act);
	must(text);
	assert_int_equal(number_in(answer_to("{\"do\":\"dated.list\"}"), "total"), 3);
	must("{\"do\":\"account.merge\",\"address\":\"dtduyen.stp\",\"into\":\"dtduyen.snv\"}");
	go_to(7, 0);
	reply = answer_to("{\"do\":\"dated.run\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "failed")), 0);
	assert_int_equal(number_in(reply, "done"), 1);
	assert_true(state_is("dtduyen.snv", "active"));
	assert_true(state_is("nvhoa.stp", "suspended"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acc_06_a_transfer_makes_the_new_address_and_leaves_the_old_agency),
		TEST(dir_02_consent_to_publish_a_mobile_number_says_when_and_by_whom),
		TEST(acc_06_a_secondment_ends_by_date_with_everything_back),
		TEST(acc_06_a_leave_suspends_between_two_days_with_an_answer),
		TEST(acc_06_who_retires_on_30_06_is_refused_on_01_07_and_listed_for_purge_on_31_12),
		TEST(acc_06_a_purge_removes_the_mail_and_never_frees_the_address),
		TEST(acc_06_a_corrected_name_brings_its_address_and_keeps_the_old_one),
		TEST(acc_06_two_accounts_of_one_person_become_one_and_can_be_parted_again),
		TEST(acc_06_what_waits_for_an_account_that_was_merged_is_not_done_to_the_other),
		TEST(adr_06_a_title_address_changes_its_holder_at_00_00_on_01_03),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
