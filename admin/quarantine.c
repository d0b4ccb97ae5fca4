/* quarantine.c - `congvu quarantine list|show|release|delete|digest`: what filters hold back
 * (SPM-02). Everything goes through imapd, which writes down who asked. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"
#include "common/base/buf.h"
#include "common/text/encode.h"

/* "<>" for the null sender, times for people. */
static json_t *
row_of(json_t *one)
{
	json_t *row = json_copy(one);
	const char *sender = json_string_value(json_object_get(one, "sender"));

	json_object_set_new(row, "arrived", admin_moment(admin_number(one, "arrived")));
	json_object_set_new(row, "expires", admin_day(admin_number(one, "expires")));
	if (!sender || !sender[0])
		json_object_set_new(row, "sender", json_string("<>"));
	return row;
}

static void
pass_filters(struct admin_call *call, json_t *request)
{
	admin_set(request, "account", admin_option(call, "account"));
	admin_set(request, "agency", admin_option(call, "agency"));
}

/* ---- list ---- */

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "account", "ACCOUNT", "HỘP THƯ" },
		{ "item",    "ITEM",    "SỐ" },
		{ "arrived", "ARRIVED", "ĐẾN LÚC" },
		{ "expires", "UNTIL",   "GIỮ ĐẾN" },
		{ "sender",  "SENDER",  "NGƯỜI GỬI" },
		{ "size",    "SIZE",    "CỠ" },
		{ "score",   "SCORE",   "ĐIỂM" },
		{ "rules",   "RULES",   "LUẬT" },
	};
	/* clang-format on */
	json_t *request = admin_request("quarantine.list"), *one;
	size_t i;
	int exit_code;

	pass_filters(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_array();
		json_array_foreach(json_object_get(reply, "items"), i, one)
			json_array_append_new(rows, row_of(one));
		admin_table(call, rows, columns, CV_COUNT(columns));
		if (admin_number(reply, "total") > (json_int_t)json_array_size(rows))
			printf(admin_say(call, "%lld in all: name an account or an agency\n",
				       "Tất cả %lld: hãy chọn hộp thư hoặc đơn vị\n"),
				(long long)admin_number(reply, "total"));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- one item ---- */

/* Words ACCOUNT ITEM into the request WHAT; NULL after saying why not. */
static json_t *
item_request(struct admin_call *call, const char *what)
{
	const char *item = call->words[1];

	if (!item[0] || strlen(item) > 10 || item[strspn(item, "0123456789")]) {
		admin_error(call, EXIT_USAGE, "ITEM is a number of `congvu quarantine list`",
			"SỐ là số của thư trong `congvu quarantine list`");
		return NULL;
	}
	json_t *request = admin_request(what);
	admin_set(request, "account", call->words[0]);
	json_object_set_new(request, "item", json_integer(strtoll(item, NULL, 10)));
	return request;
}

static void
put_line(struct admin_call *call, const char *en, const char *vi, const json_t *row,
	const char *key)
{
	const json_t *value = json_object_get(row, key);

	printf("%s: ", admin_say(call, en, vi));
	if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else
		admin_put(stdout, json_string_value(value));
	putchar('\n');
}

static void
put_body(const json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "message"));
	struct cv_buf body = CV_BUF_INIT(64u << 20);

	if (!text || cv_base64_decode(cv_str_z(text), &body) || !body.n)
		return;
	putchar('\n');
	for (struct cv_str rest = cv_buf_view(&body), line; cv_str_split(&rest, '\n', &line);) {
		bool has_cr = line.n && line.p[line.n - 1] == '\r';
		char *clean = cv_str_dup(cv_str_sub(line, 0, line.n - has_cr));
		admin_put(stdout, clean);
		putchar('\n');
		free(clean);
	}
	cv_buf_done(&body);
}

static int
run_show(struct admin_call *call)
{
	json_t *request = item_request(call, "quarantine.show");
	int exit_code;

	if (!request)
		return EXIT_USAGE;
	if (admin_option(call, "body"))
		json_object_set_new(request, "body", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *row = row_of(reply);
		put_line(call, "Account", "Hộp thư", row, "account");
		put_line(call, "Item", "Số", row, "item");
		put_line(call, "Arrived", "Đến lúc", row, "arrived");
		put_line(call, "Kept until", "Giữ đến", row, "expires");
		put_line(call, "Sender", "Người gửi", row, "sender");
		put_line(call, "Size", "Cỡ", row, "size");
		put_line(call, "Score", "Điểm", row, "score");
		put_line(call, "Reason", "Lý do", row, "reason");
		put_body(reply);
		json_decref(row);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
act(struct admin_call *call, const char *what, const char *en, const char *vi)
{
	json_t *request = item_request(call, what);
	int exit_code;

	if (!request)
		return EXIT_USAGE;
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		puts(admin_say(call, en, vi));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_release(struct admin_call *call)
{
	return act(call, "quarantine.release", "released into INBOX",
		"đã chuyển vào hộp thư đến");
}

static int
run_delete(struct admin_call *call)
{
	return act(call, "quarantine.delete", "deleted", "đã xóa");
}

static int
run_digest(struct admin_call *call)
{
	json_t *request = admin_request("quarantine.digest");
	int exit_code;

	admin_set(request, "account", admin_option(call, "account"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "%lld owners told\n", "Đã báo %lld chủ hộp thư\n"),
			(long long)admin_number(reply, "told"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option list_options[] = {
	{ "account", "ADDRESS", "only this box", "chỉ hộp thư này" },
	{ "agency", "CODE", "only accounts of this agency", "chỉ tài khoản của đơn vị này" },
	{ 0 }
};
static const struct admin_option show_options[] = {
	{ "body", NULL, "the message too; the audit trail says who read it",
		"kèm nội dung thư; nhật ký kiểm toán ghi người đọc" },
	{ 0 }
};
static const struct admin_option digest_options[] = {
	{ "account", "ADDRESS", "only this box", "chỉ hộp thư này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_quarantine_list = {
	.noun = "quarantine",
	.verb = "list",
	.words = "",
	.help = "what filters hold back: envelopes and reasons, no content",
	.help_vi = "thư bị cách ly: phong bì và lý do, không có nội dung",
	.options = list_options,
	.examples = "  congvu quarantine list --agency stp\n"
		    "  congvu quarantine list --account nvhoa.stp --json",
	.run = run_list,
};
const struct admin_command admin_quarantine_show = {
	.noun = "quarantine",
	.verb = "show",
	.words = "ADDRESS ITEM",
	.words_min = 2,
	.words_max = 2,
	.help = "one message: envelope and reasons",
	.help_vi = "một thư: phong bì và lý do",
	.options = show_options,
	.examples = "  congvu quarantine show nvhoa.stp 17",
	.run = run_show,
};
const struct admin_command admin_quarantine_release = {
	.noun = "quarantine",
	.verb = "release",
	.words = "ADDRESS ITEM",
	.words_min = 2,
	.words_max = 2,
	.help = "put a message into its owner's INBOX",
	.help_vi = "chuyển một thư vào hộp thư đến của chủ",
	.examples = "  congvu quarantine release nvhoa.stp 17",
	.run = run_release,
};
const struct admin_command admin_quarantine_delete = {
	.noun = "quarantine",
	.verb = "delete",
	.words = "ADDRESS ITEM",
	.words_min = 2,
	.words_max = 2,
	.help = "delete a message for good",
	.help_vi = "xóa hẳn một thư",
	.examples = "  congvu quarantine delete nvhoa.stp 17",
	.run = run_delete,
};
const struct admin_command admin_quarantine_digest = {
	.noun = "quarantine",
	.verb = "digest",
	.words = "",
	.help = "tell owners now of what is new, as every working day does",
	.help_vi = "báo ngay cho chủ hộp thư về thư mới bị cách ly",
	.options = digest_options,
	.examples = "  congvu quarantine digest --account nvhoa.stp",
	.run = run_digest,
};
