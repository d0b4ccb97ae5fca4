/* account_request.c - `congvu request new|list|show|approve|reject|issue`: an agency's letter
 * asks for accounts, its administrator approves, an operator issues (ACC-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/files.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/text/encode.h"

#define LIST_BYTES (1u << 20)

static bool
set_list(struct admin_call *call, json_t *request)
{
	const char *path = admin_option(call, "list");
	struct cv_str bytes;
	struct cv_err err = {0};

	if (!path)
		return true;
	if (admin_file_read(path, LIST_BYTES, &bytes, &err) != CV_OK) {
		admin_error(call, EXIT_FAILED, err.text, err.text);
		return false;
	}
	struct cv_buf coded = CV_BUF_INIT(2 * LIST_BYTES);
	cv_base64_encode(bytes, &coded);
	json_object_set_new(request, "csv_base64", json_stringn(coded.p ? coded.p : "", coded.n));
	cv_buf_done(&coded);
	free((char *)(uintptr_t)bytes.p);
	return true;
}

/* People named on the command line: names to issue for, else addresses. */
static void
set_people(struct admin_call *call, json_t *request)
{
	static const char *const fields[] = {
		"title", "department", "successor", "on", "to-agency", "name"};
	const char *kind = admin_option(call, "kind");
	json_t *items = json_array();

	for (unsigned i = 0; i < call->word_count; i++) {
		json_t *item = json_object();
		admin_set(item, kind && strcmp(kind, "issue") ? "address" : "name", call->words[i]);
		for (size_t f = 0; f < CV_COUNT(fields); f++)
			admin_set(item, strcmp(fields[f], "to-agency") ? fields[f] : "agency",
				admin_option(call, fields[f]));
		json_array_append_new(items, item);
	}
	if (call->word_count)
		json_object_set(request, "items", items);
	json_decref(items);
}

static void
print_day(const struct admin_call *call, const char *en, const char *vi, json_int_t secs)
{
	json_t *day = admin_day(secs);
	printf("%s %s\n", admin_say(call, en, vi), json_string_value(day));
	json_decref(day);
}

static int
run_new(struct admin_call *call)
{
	json_t *request = admin_request("request.add"), *one;
	int exit_code;
	size_t i;

	admin_set(
		request, "kind", admin_option(call, "kind") ? admin_option(call, "kind") : "issue");
	admin_set(request, "agency", admin_option(call, "agency"));
	admin_set(request, "letter", admin_option(call, "letter"));
	admin_set(request, "letter_date", admin_option(call, "date"));
	admin_set(request, "asked_by", admin_option(call, "asked-by"));
	admin_set_dry_run(call, request);
	set_people(call, request);
	if (!set_list(call, request)) {
		json_decref(request);
		return EXIT_FAILED;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		if (!json_is_true(json_object_get(reply, "dry_run")))
			printf("%s %lld\n", admin_say(call, "Request", "Đề nghị số"),
				(long long)admin_number(reply, "number"));
		json_array_foreach(json_object_get(reply, "preview"), i, one)
			printf("  %s\n", admin_str(one, "address"));
		print_day(call, "to be answered by", "thời hạn giải quyết",
			admin_number(reply, "due"));
	}
	json_decref(reply);
	return EXIT_OK;
}

static const char *
state_word(const struct admin_call *call, const char *state)
{
	static const struct {
		const char *state, *vi;
	} words[] = {
		{"new",      "chờ duyệt"},
		{"approved", "đã duyệt" },
		{"rejected", "từ chối"  },
		{"issued",   "đã cấp"   }
	};

	for (size_t i = 0; call->vietnamese && i < CV_COUNT(words); i++)
		if (!strcmp(state, words[i].state))
			return words[i].vi;
	return state;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id", "NUMBER", "SỐ" },
		{ "kind", "KIND", "LOẠI" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "letter", "LETTER", "VĂN BẢN" },
		{ "count", "PEOPLE", "SỐ NGƯỜI" },
		{ "word", "STATE", "TRẠNG THÁI" },
		{ "until", "DUE", "THỜI HẠN" },
		{ "overdue", "OVERDUE", "QUÁ HẠN" },
	};
	/* clang-format on */
	json_t *request = admin_request("request.list"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "state", admin_option(call, "state"));
	admin_set(request, "agency", admin_option(call, "agency"));
	if (admin_option(call, "overdue"))
		json_object_set_new(request, "overdue", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "requests"), i, one)
		{
			admin_set_number(one, "id", admin_number(one, "number"));
			admin_set_number(one, "count", admin_number(one, "people"));
			json_object_set_new(one, "word",
				json_string(state_word(call, admin_str(one, "state"))));
			json_object_set_new(one, "until", admin_day(admin_number(one, "due")));
		}
		admin_table(call, json_object_get(reply, "requests"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

static void
print_mark(const struct admin_call *call, const json_t *body, const char *key, const char *en,
	const char *vi)
{
	const json_t *mark = json_object_get(body, key);
	json_t *when = admin_moment(admin_number(mark, "at"));

	if (mark)
		printf("%s: %s, %s %s\n", admin_say(call, en, vi), json_string_value(when),
			admin_str(mark, "by"), admin_str(mark, "reason"));
	json_decref(when);
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("request.show"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "number", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		const json_t *body = json_object_get(reply, "request");
		printf("%s %s, %s %s (%s): %s\n", admin_str(body, "kind"),
			admin_str(body, "agency"), admin_say(call, "letter", "văn bản"),
			admin_str(body, "letter"), admin_str(body, "letter_date"),
			state_word(call, admin_str(body, "state")));
		json_t *when = admin_moment(admin_number(body, "at"));
		printf("%s: %s, %s %s\n", admin_say(call, "asked", "đề nghị"),
			json_string_value(when), admin_str(body, "by"),
			admin_str(body, "asked_by"));
		json_decref(when);
		print_mark(call, body, "approved", "approved", "duyệt");
		print_mark(call, body, "rejected", "rejected", "từ chối");
		print_mark(call, body, "issued", "issued", "cấp");
		json_array_foreach(json_object_get(body, "items"), i, one)
		{
			printf("  %s ", json_object_get(one, "done") ? "x" : "-");
			admin_put(stdout, admin_str(one, "name"));
			printf(" ");
			admin_put(stdout, *admin_str(one, "issued_as") ? admin_str(one, "issued_as")
								       : admin_str(one, "address"));
			printf(" ");
			admin_put(stdout, admin_str(one, "title"));
			printf("\n");
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
decide(struct admin_call *call, const char *what, const char *en, const char *vi)
{
	json_t *request = admin_request(what);
	int exit_code;

	admin_set(request, "number", call->words[0]);
	if (call->command->options)
		admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, en, vi), call->words[0]);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_approve(struct admin_call *call)
{
	return decide(call, "request.approve", "Approved: request", "Đã duyệt đề nghị số");
}

static int
run_reject(struct admin_call *call)
{
	return decide(call, "request.reject", "Rejected: request", "Đã từ chối đề nghị số");
}

static int
run_issue(struct admin_call *call)
{
	json_t *request = admin_request("request.issue"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "number", call->words[0]);
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	const json_t *failed = json_object_get(reply, "failed");
	bool is_partly = json_array_size(failed) > 0;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "results"), i, one)
			printf("%s %s\n", admin_str(one, "address"), admin_str(one, "password"));
		json_array_foreach(failed, i, one) fprintf(stderr, "congvu: %s %lld: %s\n",
			admin_say(call, "person", "người thứ"),
			(long long)admin_number(one, "person"), admin_str(one, "error"));
		printf("%s\n", state_word(call, admin_str(reply, "state")));
	}
	json_decref(reply);
	return is_partly ? EXIT_PARTLY : EXIT_OK;
}

/* clang-format off */
static const struct admin_option new_options[] = {
	{ "kind", "KIND", "issue (the default), change or withdraw",
		"issue (cấp mới, mặc định), change (thay đổi) hoặc withdraw (thu hồi)" },
	{ "agency", "CODE", "whose letter it is", "đơn vị đề nghị" },
	{ "letter", "TEXT", "its number, such as 12/STP-VP", "số văn bản, ví dụ 12/STP-VP" },
	{ "date", "DAY", "its date", "ngày văn bản" },
	{ "asked-by", "TEXT", "who signed it", "người ký" },
	{ "list", "FILE", "CSV of the people: Họ và tên, Chức vụ, Phòng, Điện thoại, Mã cán bộ, Địa chỉ",
		"tệp CSV danh sách: Họ và tên, Chức vụ, Phòng, Điện thoại, Mã cán bộ, Địa chỉ" },
	{ "title", "TEXT", "chức vụ", "chức vụ" },
	{ "department", "TEXT", "phòng", "phòng" },
	{ "name", "TEXT", "change: the right name", "thay đổi: họ tên đúng" },
	{ "to-agency", "CODE", "change: transfer to this agency", "thay đổi: chuyển sang đơn vị này" },
	{ "successor", "ADDRESS", "withdraw: who follows", "thu hồi: người kế nhiệm" },
	{ "on", "DAY", "from that day on; withdraw: the last day at work",
		"từ ngày này; thu hồi: ngày làm việc cuối" },
	ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option list_options[] = {
	{ "state", "STATE", "new, approved, rejected, issued or all; open ones unless told",
		"new, approved, rejected, issued hoặc all; mặc định: chưa xong" },
	{ "agency", "CODE", "of this unit only", "chỉ đơn vị này" },
	{ "overdue", NULL, "only those past their day", "chỉ đề nghị quá hạn" },
	{ 0 }
};
static const struct admin_option reject_options[] = {
	{ "reason", "TEXT", "what the agency is told", "lý do từ chối" }, { 0 }
};
static const struct admin_option issue_options[] = { ADMIN_DRY_RUN, { 0 } };

const struct admin_command admin_request_new = {
	.noun = "request", .verb = "new", .words = "[NAME | ADDRESS...]",
	.words_max = ADMIN_WORDS_MAX,
	.help = "record an agency's letter that asks to issue, change or withdraw accounts",
	.help_vi = "ghi văn bản đề nghị cấp mới, thay đổi hoặc thu hồi tài khoản",
	.options = new_options,
	.examples = "  congvu request new \"Đặng Thị Duyên\" --agency stp --letter 12/STP-VP --date 2026-11-20\n"
		    "  congvu request new --agency stp --letter 13/STP-VP --list ds.csv --dry-run",
	.run = run_new,
};
const struct admin_command admin_request_list = {
	.noun = "request", .verb = "list", .words = "",
	.help = "list requests, with those past their day",
	.help_vi = "liệt kê đề nghị, kể cả quá hạn",
	.options = list_options,
	.examples = "  congvu request list --overdue",
	.run = run_list,
};
const struct admin_command admin_request_show = {
	.noun = "request", .verb = "show", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "show one request: people, who asked, approved and issued",
	.help_vi = "xem một đề nghị: danh sách, người đề nghị, người duyệt, người cấp",
	.examples = "  congvu request show 12",
	.run = run_show,
};
const struct admin_command admin_request_approve = {
	.noun = "request", .verb = "approve", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "the agency approves a request",
	.help_vi = "cơ quan duyệt đề nghị",
	.examples = "  congvu request approve 12",
	.run = run_approve,
};
const struct admin_command admin_request_reject = {
	.noun = "request", .verb = "reject", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "refuse a request, with a reason",
	.help_vi = "từ chối đề nghị, kèm lý do",
	.options = reject_options,
	.examples = "  congvu request reject 12 --reason \"thiếu chữ ký\"",
	.run = run_reject,
};
const struct admin_command admin_request_issue = {
	.noun = "request", .verb = "issue", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "do what was approved; first passwords are shown once",
	.help_vi = "thực hiện đề nghị đã duyệt; mật khẩu lần đầu chỉ hiện một lần",
	.options = issue_options,
	.examples = "  congvu request issue 12",
	.run = run_issue,
};
/* clang-format on */
