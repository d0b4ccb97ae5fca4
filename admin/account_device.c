/* account_device.c - `congvu account app-password|certificate|unlock`: what a device logs in with
 * where its owner's password is not taken (ACC-05), and an end to a lock-out (SEC-05). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "common/base/str.h"
#include "common/text/date.h"

/* ---- what both kinds share ---- */

static void
print_devices(struct admin_call *call, const json_t *reply, const char *type)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "number", "NUMBER", "SỐ" },
		{ "name", "DEVICE", "THIẾT BỊ" },
		{ "scope", "SCOPE", "PHẠM VI" },
		{ "since", "SINCE", "TỪ NGÀY" },
		{ "fingerprint", "FINGERPRINT", "DẤU VÂN TAY" },
	};
	/* clang-format on */
	json_t *rows = json_array(), *d;
	size_t i;

	json_array_foreach(json_object_get(reply, "devices"), i, d)
	{
		const char *its = json_string_value(json_object_get(d, "type"));
		int64_t created = json_integer_value(json_object_get(d, "created"));
		struct cv_buf since = CV_BUF_INIT(40);
		if (!its || strcmp(its, type))
			continue;
		cv_date_write_iso_day(&since, cv_date_at(created, CV_ZONE_VIETNAM));
		json_object_set_new(d, "since", json_stringn(since.p, since.n));
		cv_buf_done(&since);
		json_array_append(rows, d);
	}
	bool is_certificate = !strcmp(type, "certificate");
	admin_table(call, rows, columns, CV_COUNT(columns) - (is_certificate ? 0 : 1));
	json_decref(rows);
}

static int
list(struct admin_call *call, const char *type)
{
	json_t *request = admin_request("device.list");
	int exit_code;

	admin_set(request, "address", call->words[1]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_devices(call, reply, type);
	json_decref(reply);
	return EXIT_OK;
}

static int
revoke(struct admin_call *call)
{
	json_t *request = admin_request("device.revoke");
	int exit_code;

	admin_set(request, "address", call->words[1]);
	admin_set(request, "reason", admin_option(call, "reason"));
	if (call->word_count > 2)
		admin_set(request, "number", call->words[2]);
	else if (admin_option(call, "all"))
		json_object_set_new(request, "all", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s: %lld\n", admin_say(call, "Revoked", "Đã thu hồi"),
			(long long)json_integer_value(json_object_get(reply, "revoked")));
	json_decref(reply);
	return EXIT_OK;
}

static int
add(struct admin_call *call, const char *type, const char *fingerprint)
{
	json_t *request = admin_request("device.add");
	const char *name = admin_option(call, "name");
	int exit_code;

	admin_set(request, "address", call->words[1]);
	admin_set(request, "type", type);
	admin_set(request, "name", name ? name : "");
	admin_set(request, "scope", admin_option(call, "scope"));
	admin_set(request, "fingerprint", fingerprint);
	admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		const char *made = json_string_value(json_object_get(reply, "password"));
		printf("%s %s, %s %lld\n", admin_say(call, "Added for", "Đã cấp cho"),
			call->words[1], admin_say(call, "number", "số"),
			(long long)json_integer_value(json_object_get(reply, "number")));
		if (made)
			printf("%s: %s\n",
				admin_say(call, "App password (shown once)",
					"Mật khẩu ứng dụng (chỉ hiện một lần)"),
				made);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
usage(struct admin_call *call, const char *en, const char *vi)
{
	admin_error(call, EXIT_USAGE, en, vi);
	return EXIT_USAGE;
}

static int
run_app_password(struct admin_call *call)
{
	const char *verb = call->words[0];

	if (!strcmp(verb, "add") && call->word_count == 2)
		return add(call, "password", NULL);
	if (!strcmp(verb, "list") && call->word_count == 2)
		return list(call, "password");
	if (!strcmp(verb, "revoke") && (call->word_count == 3 || admin_option(call, "all")))
		return revoke(call);
	return usage(call, "say add ADDRESS, list ADDRESS or revoke ADDRESS NUMBER",
		"dùng add ĐỊA_CHỈ, list ĐỊA_CHỈ hoặc revoke ĐỊA_CHỈ SỐ");
}

static int
run_certificate(struct admin_call *call)
{
	const char *verb = call->words[0];

	if (!strcmp(verb, "add") && call->word_count == 3)
		return add(call, "certificate", call->words[2]);
	if (!strcmp(verb, "list") && call->word_count == 2)
		return list(call, "certificate");
	if (!strcmp(verb, "revoke") && call->word_count == 3)
		return revoke(call);
	return usage(call, "say add ADDRESS FINGERPRINT, list ADDRESS or revoke ADDRESS NUMBER",
		"dùng add ĐỊA_CHỈ DẤU_VÂN_TAY, list ĐỊA_CHỈ hoặc revoke ĐỊA_CHỈ SỐ");
}

/* ---- unlock ---- */

/* Both daemons keep failed log-ins in memory; the one with the register writes the audit row. */
static int
run_unlock(struct admin_call *call)
{
	json_t *request = admin_request("account.unlock");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	request = admin_request("auth.unlock");
	json_object_set(request, "address", json_object_get(reply, "address"));
	json_t *other = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (other && !admin_json(call, other))
		printf("%s %s\n", admin_say(call, "Unlocked", "Đã mở khóa"),
			json_string_value(json_object_get(reply, "address")));
	json_decref(other);
	json_decref(reply);
	return other ? EXIT_OK : exit_code;
}

/* clang-format off */
static const struct admin_option app_password_options[] = {
	{ "name", "TEXT", "what the device is called: \"phone\"", "tên thiết bị" },
	{ "scope", "WORD", "send, read or both (default)", "send (gửi), read (đọc) hoặc both (cả hai)" },
	{ "all", NULL, "revoke everything the account's devices log in with",
		"thu hồi của mọi thiết bị" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
static const struct admin_option certificate_options[] = {
	{ "name", "TEXT", "what the device is called", "tên thiết bị" },
	{ "scope", "WORD", "send, read or both (default)", "send (gửi), read (đọc) hoặc both (cả hai)" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
static const struct admin_option unlock_options[] = {
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_account_app_password = {
	.noun = "account",
	.verb = "app-password",
	.words = "add|list|revoke ADDRESS [NUMBER]",
	.words_min = 2,
	.words_max = 3,
	.help = "passwords for single devices, taken outside the province's networks too; each is "
		"shown once",
	.help_vi = "mật khẩu riêng cho từng thiết bị, dùng được ngoài mạng nội bộ",
	.options = app_password_options,
	.examples = "  congvu account app-password add dtduyen.stp@lamgiang.example --name phone\n"
		    "  congvu account app-password revoke dtduyen.stp@lamgiang.example 1",
	.run = run_app_password,
};
const struct admin_command admin_account_certificate = {
	.noun = "account",
	.verb = "certificate",
	.words = "add|list|revoke ADDRESS [FINGERPRINT|NUMBER]",
	.words_min = 2,
	.words_max = 3,
	.help = "client certificates of an account, by SHA-256 (openssl x509 -fingerprint -sha256)",
	.help_vi = "chứng thư số của tài khoản, theo dấu vân tay SHA-256",
	.options = certificate_options,
	.examples = "  congvu account certificate add dtduyen.stp@lamgiang.example 5e:1f:... --name "
		    "token",
	.run = run_certificate,
};
const struct admin_command admin_account_unlock = {
	.noun = "account",
	.verb = "unlock",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "forget failed log-ins, so that a locked account may log in at once",
	.help_vi = "mở khóa đăng nhập sau nhiều lần sai mật khẩu",
	.options = unlock_options,
	.examples = "  congvu account unlock dtduyen.stp@lamgiang.example",
	.run = run_unlock,
};
