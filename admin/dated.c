/* dated.c - `congvu dated list|cancel|run`: what is to be done at a later day (ACC-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "common/base/str.h"

/* What an act is about: the address, box or agency that its request names first. */
static const char *
object_of(const json_t *request)
{
	static const char *const keys[] = { "address", "role", "from", "owner", "group", "code",
		"alias", "agency", "plan" };

	for (size_t i = 0; i < CV_COUNT(keys); i++) {
		const char *text = json_string_value(json_object_get(request, keys[i]));
		if (text)
			return text;
	}
	return "";
}

static void
print_acts(struct admin_call *call, const json_t *acts)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id", "ACT", "SỐ" },
		{ "when", "WHEN", "THỜI ĐIỂM" },
		{ "do", "WHAT", "VIỆC" },
		{ "object", "OF", "ĐỐI TƯỢNG" },
		{ "state", "STATE", "TRẠNG THÁI" },
		{ "by", "BY", "NGƯỜI ĐẶT" },
		{ "error", "WHY NOT", "LÝ DO" },
	};
	/* clang-format on */
	static const struct { const char *state, *vi; } words[] = {
		{ "waiting", "đang chờ" }, { "done", "đã xong" }, { "failed", "bị từ chối" },
		{ "cancelled", "đã hủy" } };
	json_t *rows = json_array(), *act;
	size_t i;

	json_array_foreach(acts, i, act) {
		json_t *row = json_copy(act);
		const char *state = json_string_value(json_object_get(act, "state"));
		admin_set_number(row, "id", admin_number(act, "number"));
		json_object_set_new(row, "when", admin_moment(admin_number(act, "at")));
		json_object_set_new(row, "object",
			json_string(object_of(json_object_get(act, "request"))));
		for (size_t w = 0; state && call->vietnamese && w < CV_COUNT(words); w++)
			if (!strcmp(state, words[w].state))
				json_object_set_new(row, "state", json_string(words[w].vi));
		json_array_append_new(rows, row);
	}
	admin_table(call, rows, columns, CV_COUNT(columns));
	json_decref(rows);
}

static int
run_list(struct admin_call *call)
{
	json_t *request = admin_request("dated.list");
	int exit_code;

	admin_set(request, "state", admin_option(call, "state"));
	admin_set(request, "until", admin_option(call, "until"));
	admin_set(request, "address", call->word_count ? call->words[0] : NULL);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		print_acts(call, json_object_get(reply, "acts"));
		json_int_t failed = admin_number(reply, "failed");
		if (failed && !admin_option(call, "state"))
			fprintf(stderr, admin_say(call,
				"%lld were refused when they were due: congvu dated list --state failed\n",
				"%lld việc bị từ chối khi đến hạn: congvu dated list --state failed\n"),
				(long long)failed);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_cancel(struct admin_call *call)
{
	json_t *request = admin_request("dated.cancel");
	int exit_code;

	admin_set(request, "number", call->words[0]);
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %lld\n", admin_say(call, "Cancelled:", "Đã hủy:"),
			(long long)admin_number(reply, "cancelled"));
	json_decref(reply);
	return EXIT_OK;
}

static void
print_failed(struct admin_call *call, const json_t *failed)
{
	json_t *row;
	size_t i;

	json_array_foreach(failed, i, row) {
		fprintf(stderr, "congvu: %s %lld: ", admin_say(call, "act", "việc số"),
			(long long)admin_number(row, "number"));
		admin_put(stderr, json_string_value(json_object_get(row, "error")));
		fputc('\n', stderr);
	}
}

static int
run_run(struct admin_call *call)
{
	json_t *sum = json_pack("{s:b, s:i, s:[]}", "ok", 1, "done", 0, "failed");
	json_t *failed = json_object_get(sum, "failed");
	bool more = true;
	int exit_code = EXIT_OK;

	while (more) {
		json_t *request = admin_request("dated.run");
		admin_set(request, "number", call->word_count ? call->words[0] : NULL);
		more = !admin_set_dry_run(call, request);
		json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
		if (!reply) {
			json_decref(sum);
			return exit_code;
		}
		more = more && json_is_true(json_object_get(reply, "more"));
		json_object_set_new(sum, "done", json_integer(
			admin_number(sum, "done") + admin_number(reply, "done")));
		json_array_extend(failed, json_object_get(reply, "failed"));
		json_decref(reply);
	}
	bool is_partly = json_array_size(failed) > 0;
	if (!admin_json(call, sum)) {
		print_failed(call, failed);
		if (admin_number(sum, "done") || !is_partly)
			printf("%s %lld\n", admin_say(call, "Done:", "Đã thực hiện:"),
				(long long)admin_number(sum, "done"));
	}
	json_decref(sum);
	return is_partly ? EXIT_PARTLY : EXIT_OK;
}

/* clang-format off */
static const struct admin_option list_options[] = {
	{ "state", "STATE", "waiting (the default), done, failed, cancelled or all",
		"waiting (mặc định), done, failed, cancelled hoặc all" },
	{ "until", "DAY", "what is due by then", "đến hạn tới ngày này" },
	{ 0 }
};
static const struct admin_option cancel_options[] = {
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	ADMIN_DRY_RUN,
	{ 0 }
};
static const struct admin_option run_options[] = {
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_dated_list = {
	.noun = "dated",
	.verb = "list",
	.words = "[ADDRESS]",
	.words_max = 1,
	.help = "list what is to be done at a later day: transfers, leaves, retirements, new holders",
	.help_vi = "liệt kê các việc đã hẹn ngày: điều chuyển, nghỉ phép, nghỉ hưu, đổi người giữ",
	.options = list_options,
	.examples = "  congvu dated list\n  congvu dated list --state failed",
	.run = run_list,
};
const struct admin_command admin_dated_cancel = {
	.noun = "dated",
	.verb = "cancel",
	.words = "ACT",
	.words_min = 1,
	.words_max = 1,
	.help = "cancel an act that still waits, with what waits to be done together with it",
	.help_vi = "hủy một việc còn đang chờ, cùng các việc đi kèm",
	.options = cancel_options,
	.examples = "  congvu dated cancel 12 --reason \"CV 31/SNV\"",
	.run = run_cancel,
};
const struct admin_command admin_dated_run = {
	.noun = "dated",
	.verb = "run",
	.words = "[ACT]",
	.words_max = 1,
	.help = "do what is due (the scheduler does so each minute); ACT: again, one that was refused",
	.help_vi = "thực hiện việc đến hạn (bộ lập lịch chạy mỗi phút); SỐ: làm lại việc bị từ chối",
	.options = run_options,
	.examples = "  congvu dated run\n  congvu dated run 12",
	.run = run_run,
};
