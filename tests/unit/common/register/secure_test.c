/* secure_test.c - passwords and their history, second factors (RFC 6238), break-glass: what the
 * register and log-ins make of them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/clock.h"
#include "common/register/auth.h"
#include "common/register/password.h"
#include "common/register/totp.h"
#include "tests/unit/common/register/registry_kit.h"

#define HOA "nvhoa.stp@lamgiang.example"
#define BINH "ttbinh.stp@lamgiang.example"
#define TAM "lvtam.stp@lamgiang.example"
#define PASSWORD "Truong-Son-2026-mua"

static struct cv_auth *auth;

static int
province(void **state)
{
	struct cv_err err;
	setup(state);
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	must("{\"do\": \"account.add\", \"name\": \"Nguyễn Văn Hòa\", \"agency\": \"stp\", \"password\": \"" PASSWORD "\"}");
	must("{\"do\": \"account.add\", \"name\": \"Trần Thị Bình\", \"agency\": \"stp\", \"password\": \"" PASSWORD "\"}");
	must("{\"do\": \"account.add\", \"name\": \"Lê Văn Tám\", \"agency\": \"stp\", \"rank\": 10, \"password\": \"" PASSWORD "\"}");
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", false, &err), CV_OK);
	return 0;
}

static int
leave(void **state)
{
	cv_auth_free(auth);
	return teardown(state);
}

/* ---- asking ---- */

static enum cv_status
ask_as(const struct cv_registry_who *who, const char *text, json_t **reply, struct cv_err *err)
{
	json_error_t error;
	json_t *request = json_loads(text, 0, &error);
	if (!request)
		fail_msg("%s: %s", text, error.text);
	*reply = NULL;
	enum cv_status status = cv_registry_do_as(registry, who, request, NULL, NULL, reply, err);
	json_decref(request);
	cv_register_refresh(reg);
	return status;
}

/* A refusal with STATUS that says EN, and something in Vietnamese. */
static void
refused_with(const struct cv_registry_who *who, const char *text, enum cv_status want,
             const char *en)
{
	json_t *reply;
	struct cv_err err = {0};
	enum cv_status got = ask_as(who, text, &reply, &err);
	const char *vi = json_string_value(json_object_get(reply, "error_vi"));
	if (got != want || !strstr(err.text, en) || !vi || !*vi || !strcmp(vi, err.text))
		fail_msg("%s: %s, '%s', '%s'", text, cv_status_name(got), err.text, vi ? vi : "");
	json_decref(reply);
}

static json_t *
answer_as(const struct cv_registry_who *who, const char *text)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask_as(who, text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	return reply;
}

static const struct cv_registry_who root = { .name = "unix:root", .role = CV_ROLE_OPERATOR };

static enum cv_status
set_password(const char *password, const char *more)
{
	char text[400];
	json_t *reply;
	struct cv_err err;
	snprintf(text, sizeof text, "{\"do\": \"account.passwd\", \"address\": \"" HOA
		"\", \"password\": \"%s\"%s}", password, more);
	enum cv_status status = ask_as(&root, text, &reply, &err);
	json_decref(reply);
	return status;
}

/* ---- logging in ---- */

struct waiting {
	struct cv_auth_check check;
	_Atomic bool is_done;
};

static void
on_done(struct cv_auth_check *c)
{
	((struct waiting *)c->arg)->is_done = true;
}

static struct cv_auth_check
log_in_with(const char *ip, const char *login, const char *password, bool wants, const char *code)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&peer;
	in->sin_family = AF_INET;
	inet_pton(AF_INET, ip, &in->sin_addr);
	struct waiting w = { .check = { .login = cv_str_z(login), .password = cv_str_z(password),
		.peer = &peer, .wants_code = wants, .code = cv_str_z(code), .done = on_done,
		.arg = NULL } };
	w.check.arg = &w;
	cv_auth_verify(auth, &w.check);
	while (!w.is_done)
		usleep(1000);
	return w.check;
}

static enum cv_auth_result
log_in(const char *ip, const char *login, const char *password)
{
	return log_in_with(ip, login, password, false, "").result;
}

#define INSIDE "10.1.2.3"
#define OUTSIDE "203.0.113.7"

/* ---- passwords ---- */

static void
acc_03_a_first_password_is_refused_after_6_hours_and_a_minute(void **state)
{
	(void)state;
	json_t *reply = answer_as(&root, "{\"do\": \"account.add\", \"name\": \"Đỗ Văn Mới\", "
		"\"agency\": \"stp\", \"must_change\": true}");
	char *password = cv_strdup(json_string_value(json_object_get(reply, "password")));
	char *address = cv_strdup(json_string_value(json_object_get(reply, "address")));
	char text[500];
	json_decref(reply);
	assert_int_equal(log_in(INSIDE, address, password), CV_AUTH_OK);
	cv_clock_shift(6 * 3600 - 60);
	assert_int_equal(log_in(INSIDE, address, password), CV_AUTH_OK);
	cv_clock_shift(120);
	assert_int_equal(log_in(INSIDE, address, password), CV_AUTH_EXPIRED);
	snprintf(text, sizeof text, "{\"do\": \"account.passwd\", \"address\": \"%s\", "
		"\"current\": \"%s\", \"password\": \"Trang-Non-2027-xa\"}", address, password);
	refused_with(&root, text, CV_DENIED, "not changed in time");
	cv_clock_shift(-6 * 3600 - 60);
	free(password);
	free(address);
}

static void
acc_04_abc_at_12345_is_refused_with_the_reason_in_both_languages(void **state)
{
	(void)state;
	static const struct {
		const char *password, *why;
	} rows[] = {
		{ "Abc@12345", "guessers" },
		{ "Xy-7-ngan-Qua", "shorter than 14" },
		{ "chi-co-chu-thuong-1", "small and capital" },
		{ "Nvhoa-2026-mua-xuan", "own name" },
		{ "", "empty" },
	};
	char text[300];
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		snprintf(text, sizeof text, "{\"do\": \"account.passwd\", \"address\": \"" HOA
			"\", \"password\": \"%s\"}", rows[i].password);
		refused_with(&root, text, CV_INVALID, rows[i].why);
	}
	assert_int_equal(set_password("Mua-Xuan-2027-tot", ""), CV_OK);
}

static void
acc_04_none_of_the_last_ten_passwords_comes_back(void **state)
{
	(void)state;
	char password[60];
	for (unsigned i = 0; i < 10; i++) {
		snprintf(password, sizeof password, "Song-Lam-%u-xanh-biec", i);
		CHECK(password, set_password(password, "") == CV_OK);
	}
	for (unsigned i = 0; i < 10; i++) {
		snprintf(password, sizeof password, "Song-Lam-%u-xanh-biec", i);
		CHECK(password, set_password(password, "") == CV_INVALID);
	}
	refused_with(&root, "{\"do\": \"account.passwd\", \"address\": \"" HOA "\", \"password\": "
		"\"Song-Lam-3-xanh-biec\"}", CV_INVALID, "last ten");
	/* The eleventh back may. It survives closing and opening. */
	close_all();
	cv_auth_free(auth);
	open_all();
	struct cv_err err;
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", false, &err), CV_OK);
	assert_int_equal(set_password("Song-Lam-0-xanh-biec", ""), CV_INVALID);
	assert_int_equal(set_password(PASSWORD, ""), CV_OK);
	assert_int_equal(log_in(INSIDE, HOA, PASSWORD), CV_AUTH_OK);
}

/* ---- the second factor ---- */

static void
rfc_6238_appendix_b(void **state)
{
	(void)state;
	static const struct {
		int64_t secs;
		uint32_t code;
	} rows[] = { { 59, 94287082 }, { 1111111109, 7081804 }, { 1111111111, 14050471 },
		{ 1234567890, 89005924 }, { 2000000000, 69279037 }, { 20000000000, 65353130 } };
	const uint8_t *secret = (const uint8_t *)"12345678901234567890";
	char row[32], six[8];
	uint64_t step;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint64_t now = (uint64_t)rows[i].secs / TOTP_STEP_SECS;
		snprintf(row, sizeof row, "%lld", (long long)rows[i].secs);
		CHECK(row, totp_code(secret, now, 8) == rows[i].code);
		snprintf(six, sizeof six, "%06u", rows[i].code % 1000000);
		static const struct {
			int64_t late;
			bool want;
		} late[] = { { 0, true }, { 30, true }, { -30, true }, { 61, false },
			{ -61, false } };
		for (size_t j = 0; j < CV_COUNT(late); j++)
			CHECK(row, totp_match(secret, cv_str_z(six), rows[i].secs + late[j].late,
				&step) == (late[j].want && rows[i].secs + late[j].late >= 30));
		CHECK(row, !totp_match(secret, cv_str_z(six + 1), rows[i].secs, &step));
	}
	struct cv_buf text = CV_BUF_INIT(100);
	totp_base32((const uint8_t *)"foobar", 6, &text);
	assert_string_equal(text.p, "MZXW6YTBOI"); /* RFC 4648 section 10 */
	cv_buf_done(&text);
}

static void
read_base32(const char *text, uint8_t out[TOTP_SECRET_BYTES])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint64_t bits = 0;
	unsigned count = 0;
	size_t n = 0;
	for (; *text; text++) {
		bits = bits << 5 | (uint64_t)(strchr(letters, *text) - letters);
		count += 5;
		if (count >= 8) {
			count -= 8;
			out[n++] = (uint8_t)(bits >> count);
		}
	}
	assert_int_equal(n, TOTP_SECRET_BYTES);
}

static const char *
code_at(const uint8_t *secret, int steps)
{
	static char code[8];
	uint64_t step = (uint64_t)(cv_wall_secs() / TOTP_STEP_SECS + steps);
	snprintf(code, sizeof code, "%06u", totp_code(secret, step, TOTP_DIGITS));
	return code;
}

/* HOA's, with its recovery codes. */
static json_t *
enrol(uint8_t secret[TOTP_SECRET_BYTES])
{
	char text[300];
	json_t *reply = answer_as(&root,
		"{\"do\": \"account.totp.enrol\", \"address\": \"" HOA "\"}");
	const char *uri = json_string_value(json_object_get(reply, "uri"));
	assert_non_null(strstr(uri, "otpauth://totp/congvu:" HOA "?secret="));
	read_base32(json_string_value(json_object_get(reply, "secret")), secret);
	json_decref(reply);
	refused_with(&root, "{\"do\": \"account.totp.confirm\", \"address\": \"" HOA
		"\", \"code\": \"12345\"}", CV_DENIED, "code is wrong");
	assert_int_equal(log_in(OUTSIDE, HOA, PASSWORD), CV_AUTH_BAD);
	snprintf(text, sizeof text, "{\"do\": \"account.totp.confirm\", \"address\": \"" HOA
		"\", \"code\": \"%s\"}", code_at(secret, -1));
	reply = answer_as(&root, text);
	json_t *codes = json_incref(json_object_get(reply, "codes"));
	json_decref(reply);
	assert_int_equal(json_array_size(codes), 10);
	return codes;
}

static enum cv_auth_result
log_in_outside(const char *password, const char *code)
{
	char both[100];
	snprintf(both, sizeof both, "%s%s", password, code);
	return log_in(OUTSIDE, HOA, both);
}

static void
acc_05_outside_a_password_needs_a_code_behind_it(void **state)
{
	(void)state;
	uint8_t secret[TOTP_SECRET_BYTES];
	struct cv_err err;
	char now[8], next[8];
	json_decref(enrol(secret));
	snprintf(now, sizeof now, "%s", code_at(secret, 0));
	snprintf(next, sizeof next, "%s", code_at(secret, 1));
	assert_int_equal(log_in(INSIDE, HOA, PASSWORD), CV_AUTH_OK);
	assert_int_equal(log_in(OUTSIDE, HOA, PASSWORD), CV_AUTH_BAD);
	assert_int_equal(log_in_outside("Sai-Mat-Khau-2026", now), CV_AUTH_BAD);
	assert_int_equal(log_in_outside(PASSWORD, now), CV_AUTH_OK);
	assert_int_equal(log_in_outside(PASSWORD, now), CV_AUTH_BAD);
	/* At another daemon, too, and after a restart. */
	cv_auth_free(auth);
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", false, &err), CV_OK);
	assert_int_equal(log_in_outside(PASSWORD, now), CV_AUTH_BAD);
	assert_int_equal(log_in_outside(PASSWORD, next), CV_AUTH_OK);
	assert_int_equal(log_in_outside(PASSWORD, code_at(secret, 4)), CV_AUTH_BAD);
	/* Where a code is asked for inside too: no code, a wrong one, a right one. */
	cv_clock_shift(60);
	struct cv_auth_check c = log_in_with(INSIDE, HOA, PASSWORD, true, "");
	assert_true(c.result == CV_AUTH_BAD && c.lacks_code);
	c = log_in_with(INSIDE, HOA, "Sai-Mat-Khau-2026", true, "");
	assert_true(c.result == CV_AUTH_BAD && !c.lacks_code);
	c = log_in_with(INSIDE, HOA, PASSWORD, true, code_at(secret, 5));
	assert_true(c.result == CV_AUTH_BAD && !c.lacks_code);
	c = log_in_with(INSIDE, HOA, PASSWORD, true, code_at(secret, 1));
	assert_int_equal(c.result, CV_AUTH_OK);
	cv_clock_shift(-60);
	must("{\"do\": \"account.totp.remove\", \"address\": \"" HOA "\"}");
	cv_register_refresh(reg);
	assert_int_equal(log_in_outside(PASSWORD, code_at(secret, 1)), CV_AUTH_BAD);
}

static void
sec_05_five_wrong_codes_lock_and_the_sixth_right_one_is_refused(void **state)
{
	(void)state;
	uint8_t secret[TOTP_SECRET_BYTES];
	json_decref(enrol(secret));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(log_in("198.51.100.9", HOA, PASSWORD "000000"), CV_AUTH_BAD);
	char both[100];
	snprintf(both, sizeof both, "%s%s", PASSWORD, code_at(secret, 0));
	assert_int_equal(log_in("198.51.100.9", HOA, both), CV_AUTH_LOCKED);
	must("{\"do\": \"account.totp.remove\", \"address\": \"" HOA "\"}");
	cv_register_refresh(reg);
}

static void
sec_05_the_sixth_try_from_one_network_is_refused_even_when_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(log_in("10.9.9.9", BINH, "Sai-Mat-Khau-2026"), CV_AUTH_BAD);
	assert_int_equal(log_in("10.9.9.9", BINH, PASSWORD), CV_AUTH_LOCKED);
	assert_int_equal(log_in("10.8.8.8", BINH, PASSWORD), CV_AUTH_OK);
	cv_clock_shift(901);
	assert_int_equal(log_in("10.9.9.9", BINH, PASSWORD), CV_AUTH_OK);
	cv_clock_shift(-901);
}

static void
a_recovery_code_works_once_and_secrets_stand_in_no_event(void **state)
{
	(void)state;
	uint8_t secret[TOTP_SECRET_BYTES];
	char text[300];
	json_t *codes = enrol(secret);
	const char *code = json_string_value(json_array_get(codes, 3));
	snprintf(text, sizeof text, "{\"do\": \"account.totp.recover\", \"address\": \"" HOA
		"\", \"code\": \"%s\"}", code);
	json_decref(answer_as(&root, text));
	refused_with(&root, text, CV_DENIED, "wrong");
	json_t *reply = answer_as(&root,
		"{\"do\": \"account.totp.status\", \"address\": \"" HOA "\"}");
	assert_int_equal(json_integer_value(json_object_get(reply, "codes_left")), 9);
	assert_null(json_object_get(reply, "secret"));
	json_decref(reply);
	reply = answer_as(&root, "{\"do\": \"account.show\", \"address\": \"" HOA "\"}");
	json_decref(reply);
	reply = answer_as(&root, "{\"do\": \"audit.list\", \"limit\": 1000}");
	char *all = json_dumps(reply, 0);
	assert_non_null(strstr(all, "account.totp.confirm"));
	assert_null(strstr(all, code));
	struct cv_buf b32 = CV_BUF_INIT(64), hex = CV_BUF_INIT(64);
	totp_base32(secret, sizeof secret, &b32);
	for (size_t i = 0; i < sizeof secret; i++)
		cv_buf_printf(&hex, "%02x", secret[i]);
	assert_null(strstr(all, b32.p));
	assert_null(strstr(all, hex.p));
	cv_buf_done(&b32);
	cv_buf_done(&hex);
	free(all);
	json_decref(reply);
	json_decref(codes);
	/* With a second factor eight characters will do (ACC-04). */
	assert_int_equal(set_password("Xy-7-Qu9", ""), CV_OK);
	must("{\"do\": \"account.totp.remove\", \"address\": \"" HOA "\"}");
	assert_int_equal(set_password("Xy-8-Qu9", ""), CV_INVALID);
}

static void
acc_04_administrators_change_theirs_each_two_months(void **state)
{
	(void)state;
	static const struct cv_registry_who binh = { .name = BINH, .role = CV_ROLE_OPERATOR };
	struct cv_registry_rules rules = { .admin_password_months = 2 };
	json_t *refusal, *list = json_pack("{s:s}", "do", "account.list");
	json_t *passwd = json_pack("{s:s, s:s}", "do", "account.passwd", "address", BINH);
	json_t *others = json_pack("{s:s, s:s}", "do", "account.passwd", "address", HOA);
	json_t *enrols = json_pack("{s:s, s:s}", "do", "account.totp.enrol", "address", HOA);
	struct cv_err err;
	cv_registry_set_rules(registry, &rules);
	assert_int_equal(cv_registry_check_admin(registry, &binh, list, &refusal, &err), CV_OK);
	cv_clock_shift((int64_t)62 * 86400);
	assert_int_equal(cv_registry_check_admin(registry, &binh, list, &refusal, &err), CV_DENIED);
	assert_non_null(strstr(err.text, "passwd"));
	assert_non_null(json_object_get(refusal, "error_vi"));
	json_decref(refusal);
	assert_int_equal(cv_registry_check_admin(registry, &binh, passwd, &refusal, &err), CV_OK);
	cv_clock_shift(-(int64_t)62 * 86400);
	rules.admin_second_required = true;
	cv_registry_set_rules(registry, &rules);
	assert_int_equal(cv_registry_check_admin(registry, &binh, list, &refusal, &err), CV_DENIED);
	assert_non_null(strstr(err.text, "second factor"));
	json_decref(refusal);
	/* His own he mends without one; nobody else's. */
	assert_int_equal(cv_registry_check_admin(registry, &binh, passwd, &refusal, &err), CV_OK);
	assert_int_equal(cv_registry_check_admin(registry, &binh, others, &refusal, &err),
	                 CV_DENIED);
	json_decref(refusal);
	assert_int_equal(cv_registry_check_admin(registry, &binh, enrols, &refusal, &err),
	                 CV_DENIED);
	json_decref(refusal);
	json_decref(others);
	json_decref(enrols);
	json_decref(list);
	json_decref(passwd);
	cv_registry_set_rules(registry, &(struct cv_registry_rules){0});
}

/* ---- break-glass ---- */

static const struct cv_registry_who
	noi = { .name = "unix:noi", .role = CV_ROLE_AUDITOR },
	binh = { .name = BINH, .role = CV_ROLE_OPERATOR };

static bool
may_read(const char *owner, const char *reader)
{
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_hit a, b;
	cv_snapshot_find_address(s, cv_str_z(owner), &a);
	cv_snapshot_find_address(s, cv_str_z(reader), &b);
	bool may = cv_snapshot_delegated(s, a.account.acct, b.account.acct) == CV_DELEGATED_READ;
	cv_snapshot_unref(s);
	return may;
}

static const char *
with_number(const char *what, json_int_t number, const char *more)
{
	static char text[200];
	snprintf(text, sizeof text, "{\"do\": \"breakglass.%s\", \"number\": %lld%s}", what,
		(long long)number, more);
	return text;
}

static json_int_t
request_reading(const struct cv_registry_who *who, const char *reader)
{
	char text[400];
	snprintf(text, sizeof text, "{\"do\": \"breakglass.request\", \"account\": \"" HOA "\", "
		"\"reader\": \"%s\", \"reason\": \"Xác minh\", \"letter\": \"12/QĐ-TTr\"}", reader);
	json_t *reply = answer_as(who, text);
	json_int_t number = json_integer_value(json_object_get(reply, "number"));
	json_decref(reply);
	return number;
}

static void
sec_07_a_single_approval_is_refused_two_open_a_day(void **state)
{
	(void)state;
	must("{\"do\": \"admin.add\", \"admin\": \"unix:noi\", \"role\": \"auditor\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"" BINH "\", \"role\": \"operator\"}");
	refused_with(&root, "{\"do\": \"breakglass.request\", \"account\": \"" HOA "\", "
		"\"reader\": \"" TAM "\", \"reason\": \"x\", \"letter\": \"1\"}",
		CV_DENIED, "named administrators");
	json_int_t n = request_reading(&noi, TAM);
	assert_false(may_read(HOA, TAM));
	refused_with(&noi, with_number("approve", n, ""), CV_DENIED, "single approval");
	refused_with(&root, with_number("approve", n, ""), CV_DENIED, "named administrators");
	assert_false(may_read(HOA, TAM));
	json_t *reply = answer_as(&binh, with_number("approve", n, ""));
	json_t *tell = json_object_get(reply, "tell");
	assert_int_equal(json_array_size(tell), 2);
	assert_string_equal(json_string_value(json_array_get(tell, 0)), HOA);
	assert_string_equal(json_string_value(json_array_get(tell, 1)), TAM); /* the head */
	int64_t until = json_integer_value(json_object_get(reply, "until"));
	assert_in_range(until, cv_wall_secs() + 86390, cv_wall_secs() + 86400);
	json_decref(reply);
	assert_true(may_read(HOA, TAM));
	must("{\"do\": \"breakglass.expire\"}");
	cv_register_refresh(reg);
	assert_true(may_read(HOA, TAM));
	cv_clock_shift(86401);
	must("{\"do\": \"breakglass.expire\"}");
	cv_register_refresh(reg);
	assert_false(may_read(HOA, TAM));
	cv_clock_shift(-86401);
	reply = answer_as(&root, "{\"do\": \"audit.list\", \"limit\": 1000}");
	char *all = json_dumps(reply, 0);
	assert_non_null(strstr(all, "breakglass.request"));
	assert_non_null(strstr(all, "breakglass.approve"));
	assert_non_null(strstr(all, "breakglass.end"));
	free(all);
	json_decref(reply);
}

static json_int_t
events_of(const char *what)
{
	json_t *reply = answer_as(&root, "{\"do\": \"audit.list\", \"limit\": 1000}");
	json_t *event;
	size_t i;
	json_int_t n = 0;
	json_array_foreach(json_object_get(reply, "events"), i, event)
		n += !strcmp(json_string_value(json_object_get(event, "action")), what);
	json_decref(reply);
	return n;
}

#define ROW(address, password) "{\"address\": \"" address "\", \"password\": \"" password "\"}"
#define ISSUE(rows) \
	"{\"do\": \"password.issue\", \"expires_hours\": 2, \"accounts\": [" rows "]}"

static void
acc_03_first_passwords_of_many_are_set_together_or_not_at_all(void **state)
{
	static const char first[] = "Trau-Gam-Co-Non-27", second[] = "Bo-Vang-Uong-Nuoc-28";
	static const struct cv_registry_who snv = {
		.name = "unix:snv", .role = CV_ROLE_AGENCY, .agency = "snv"};
	struct cv_err err;
	json_t *reply;
	(void)state;
	must("{\"do\": \"agency.add\", \"code\": \"snv\", \"name\": \"Sở Nội vụ\"}");
	refused_with(&snv, ISSUE(ROW(TAM, "Trau-Gam-Co-Non-27")), CV_DENIED, "snv only");
	assert_int_equal(ask_as(&root, ISSUE(ROW(TAM, "Trau-Gam-Co-Non-27") ","
		ROW("khong.ai@lamgiang.example", "Trau-Gam-Co-Non-27")), &reply, &err),
		CV_NOT_FOUND);
	assert_int_equal(ask_as(&root, ISSUE(ROW(TAM, "Trau-Gam-Co-Non-27") ","
		ROW(BINH, "short")), &reply, &err), CV_INVALID);
	json_decref(reply);
	assert_int_equal(log_in(INSIDE, TAM, first), CV_AUTH_BAD);
	json_int_t before = events_of("account.passwd");
	reply = answer_as(&root, ISSUE(ROW(TAM, "Trau-Gam-Co-Non-27") ","
		ROW(BINH, "Bo-Vang-Uong-Nuoc-28")));
	assert_int_equal(json_integer_value(json_object_get(reply, "issued")), 2);
	json_decref(reply);
	assert_int_equal(events_of("account.passwd"), before + 2); /* each stands for itself */
	assert_int_equal(log_in(INSIDE, TAM, first), CV_AUTH_OK);
	assert_int_equal(log_in(INSIDE, BINH, second), CV_AUTH_OK);
	assert_int_equal(log_in(INSIDE, BINH, first), CV_AUTH_BAD);
	cv_clock_shift(7201);
	assert_int_equal(log_in(INSIDE, TAM, first), CV_AUTH_EXPIRED);
	cv_clock_shift(-7201);
	struct cv_buf many = CV_BUF_INIT(20000);
	cv_buf_z(&many, "{\"do\": \"password.issue\", \"accounts\": [" ROW(TAM, "x"));
	for (unsigned i = 0; i < 64; i++)
		cv_buf_z(&many, "," ROW(TAM, "x"));
	cv_buf_z(&many, "]}");
	cv_buf_c(&many, 0);
	assert_int_equal(ask_as(&root, many.p, &reply, &err), CV_INVALID);
	cv_buf_done(&many);
}

static void
sec_07_a_hundred_requests_wait_at_most_and_for_a_week(void **state)
{
	(void)state;
	cv_clock_shift(7 * 86400 + 1); /* those of the tests before */
	json_int_t first = request_reading(&noi, TAM);
	for (unsigned i = 1; i < 100; i++)
		request_reading(&noi, TAM);
	refused_with(&noi, "{\"do\": \"breakglass.request\", \"account\": \"" HOA "\", "
		"\"reader\": \"" TAM "\", \"reason\": \"x\", \"letter\": \"1\"}",
		CV_LIMIT, "100 requests wait");
	cv_clock_shift(7 * 86400 + 1);
	assert_int_equal(request_reading(&noi, TAM), first + 100);
	cv_clock_shift(-14 * 86400 - 2);
}

static void
sec_07_reading_ends_while_the_daemon_is_down(void **state)
{
	(void)state;
	struct cv_err err;
	json_int_t n = request_reading(&noi, TAM);
	json_t *reply = answer_as(&binh, with_number("approve", n, ", \"law\": \"Điều 5\""));
	assert_null(json_object_get(reply, "tell"));
	json_decref(reply);
	assert_true(may_read(HOA, TAM));
	cv_auth_free(auth);
	close_all();
	cv_clock_shift(86401);
	open_all();
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	assert_false(may_read(HOA, TAM));
	cv_clock_shift(-86401);
}

static void
sec_07_neither_owner_nor_reader_approves(void **state)
{
	(void)state;
	json_int_t n = request_reading(&noi, BINH);
	refused_with(&binh, with_number("approve", n, ""), CV_DENIED, "neither the owner");
	json_decref(answer_as(&binh, with_number("deny", n, "")));
	refused(with_number("approve", n, ""), CV_DENIED);
	n = request_reading(&noi, TAM);
	json_decref(answer_as(&binh, with_number("approve", n, "")));
	assert_true(may_read(HOA, TAM));
	json_decref(answer_as(&noi, with_number("end", n, "")));
	assert_false(may_read(HOA, TAM));
	n = request_reading(&noi, TAM);
	cv_clock_shift((int64_t)8 * 86400);
	refused_with(&binh, with_number("approve", n, ""), CV_DENIED, "older than 7 days");
	cv_clock_shift(-(int64_t)8 * 86400);
	json_t *reply = answer_as(&noi, "{\"do\": \"breakglass.list\"}");
	assert_true(json_integer_value(json_object_get(reply, "total")) >= 3);
	json_decref(reply);
}

static void
sec_07_an_administrator_opens_no_box_to_himself(void **state)
{
	(void)state;
	static const char *const rights[] = { "read", "full", "read,send-as" };
	char text[300];
	for (size_t i = 0; i < CV_COUNT(rights); i++) {
		snprintf(text, sizeof text, "{\"do\": \"delegate.add\", \"owner\": \"" HOA
			"\", \"delegate\": \"" BINH "\", \"rights\": \"%s\"}", rights[i]);
		refused_with(&binh, text, CV_DENIED, "breakglass");
		assert_false(may_read(HOA, BINH));
	}
}

#define SAU "vvsau.stp@lamgiang.example"

static void
sec_07_another_address_does_not_make_a_second_person(void **state)
{
	(void)state;
	static const char *const now = "vvbay.stp@lamgiang.example";
	struct cv_registry_who sau = { .name = SAU, .role = CV_ROLE_OPERATOR };
	must("{\"do\": \"account.add\", \"name\": \"Võ Văn Sáu\", \"agency\": \"stp\", \"password\": \"" PASSWORD "\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"" SAU "\", \"role\": \"operator\"}");
	json_int_t n = request_reading(&sau, BINH);
	must("{\"do\": \"account.rename\", \"address\": \"" SAU "\", \"name\": \"Võ Văn Bảy\"}");
	cv_registry_who_account(registry, now, &sau);
	assert_int_equal(sau.role, CV_ROLE_OPERATOR);
	refused_with(&sau, with_number("approve", n, ""), CV_DENIED, "single approval");
	must("{\"do\": \"admin.add\", \"admin\": \"unix:nam\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.remove\", \"admin\": \"vvbay.stp\"}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acc_03_a_first_password_is_refused_after_6_hours_and_a_minute),
		cmocka_unit_test(acc_04_abc_at_12345_is_refused_with_the_reason_in_both_languages),
		cmocka_unit_test(acc_04_none_of_the_last_ten_passwords_comes_back),
		cmocka_unit_test(rfc_6238_appendix_b),
		cmocka_unit_test(acc_05_outside_a_password_needs_a_code_behind_it),
		cmocka_unit_test(sec_05_five_wrong_codes_lock_and_the_sixth_right_one_is_refused),
		cmocka_unit_test(sec_05_the_sixth_try_from_one_network_is_refused_even_when_right),
		cmocka_unit_test(a_recovery_code_works_once_and_secrets_stand_in_no_event),
		cmocka_unit_test(acc_04_administrators_change_theirs_each_two_months),
		cmocka_unit_test(sec_07_a_single_approval_is_refused_two_open_a_day),
		cmocka_unit_test(sec_07_reading_ends_while_the_daemon_is_down),
		cmocka_unit_test(sec_07_an_administrator_opens_no_box_to_himself),
		cmocka_unit_test(sec_07_neither_owner_nor_reader_approves),
		cmocka_unit_test(sec_07_another_address_does_not_make_a_second_person),
		cmocka_unit_test(acc_03_first_passwords_of_many_are_set_together_or_not_at_all),
		cmocka_unit_test(sec_07_a_hundred_requests_wait_at_most_and_for_a_week),
	};
	return cmocka_run_group_tests(tests, province, leave);
}
