/* reorganise.c - `congvu reorganise PLAN`, `list`, `show`, `rollback` (MIG-01). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "admin/reorganise/plan.h"
#include "admin/reorganise/tell.h"

#define DOC_BYTES (256u << 20)

/* ---- the plan ---- */

static bool
write_doc(struct admin_call *call, const struct admin_doc *d, enum admin_format format, FILE *to)
{
	struct cv_buf out = CV_BUF_INIT(DOC_BYTES);
	struct cv_err err = {0};
	enum cv_status status = admin_doc_write(d, format, &out, &err);
	bool ok = !status && fwrite(out.p, 1, out.n, to) == out.n && !fflush(to);

	cv_buf_done(&out);
	if (!ok)
		admin_error(call, EXIT_FAILED, status ? err.text : strerror(errno),
			status ? err.text : strerror(errno));
	return ok;
}

/* Problems of a plan that never reached the register. */
static int
refuse_plan(struct admin_call *call, json_t *problems)
{
	char en[100], vi[100];

	snprintf(en, sizeof en, "%zu faults in the plan; nothing was changed",
		json_array_size(problems));
	snprintf(vi, sizeof vi, "kế hoạch còn %zu chỗ sai hoặc thiếu; chưa thay đổi gì",
		json_array_size(problems));
	if (call->json) {
		json_t *reply = json_pack("{s:b, s:s, s:s, s:O}", "ok", 0, "error", en, "error_vi",
			vi, "problems", problems);
		(void)admin_json(call, reply);
		json_decref(reply);
		return EXIT_FAILED;
	}
	struct admin_doc *d = admin_doc_new(call->vietnamese, 0, call->words[0], "");
	admin_reorganise_problems(call, d, problems);
	(void)write_doc(call, d, ADMIN_FORMAT_TABLE, stdout);
	admin_doc_free(d);
	return admin_error(call, EXIT_FAILED, en, vi);
}

/* The request that PATH makes; NULL after saying why. */
static json_t *
read_plan(struct admin_call *call, const char *path, int *exit_out)
{
	struct cv_str bytes;
	struct cv_err err = {0};

	*exit_out = EXIT_FAILED;
	if (admin_file_read(path, ADMIN_PLAN_BYTES_MAX, &bytes, &err)) {
		admin_error(call, EXIT_FAILED, err.text, err.text);
		return NULL;
	}
	json_t *problems = json_array(), *request = admin_plan_read(bytes, problems);
	free((char *)(uintptr_t)bytes.p);
	if (json_array_size(problems)) {
		*exit_out = refuse_plan(call, problems);
		json_decref(request);
		request = NULL;
	}
	json_decref(problems);
	return request;
}

struct output {
	FILE *file; /* opened with rights as the caller has them */
	enum admin_format format;
};

static bool
open_output(struct admin_call *call, struct output *o)
{
	const char *path = admin_option(call, "output");
	const char *dot = path ? strrchr(path, '.') : NULL;

	*o = (struct output){0};
	if (!path)
		return true;
	if (!dot || !admin_format_of(dot + 1, &o->format)) {
		admin_error(call, EXIT_USAGE, "--output names a file ending in .csv, .xlsx, .html, .odt or .json",
			"--output cần tên tệp có đuôi .csv, .xlsx, .html, .odt hoặc .json");
		return false;
	}
	o->file = fopen(path, "wbe");
	if (!o->file)
		admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	return o->file != NULL;
}

/* Everything that was asked for beside the terminal. */
static bool
hand_out(struct admin_call *call, struct output *o, const struct admin_doc *d, const char *title,
	const json_t *reply)
{
	const char *folder = admin_option(call, "letters");
	size_t count = 0;

	/* Root is himself again, where the store was opened as the daemons' user. */
	if (call->local) {
		admin_local_close(call->local);
		call->local = NULL;
	}
	if (o->file && !write_doc(call, d, o->format, o->file))
		return false;
	if (folder && !admin_reorganise_letters(call, folder, title, reply, &count))
		return false;
	if (folder && !call->json)
		printf(admin_say(call, "%zu letters in %s\n", "%zu thư trong %s\n"), count, folder);
	return true;
}

static int
show_reply(struct admin_call *call, struct output *o, const char *title, const json_t *reply,
	bool with_people)
{
	struct admin_doc *d = admin_reorganise_doc(call, title, reply, true);
	bool ok = true;

	if (!admin_json(call, reply)) {
		struct admin_doc *shown = with_people
			? NULL : admin_reorganise_doc(call, title, reply, false);
		ok = write_doc(call, shown ? shown : d, ADMIN_FORMAT_TABLE, stdout);
		if (shown)
			admin_doc_free(shown);
	}
	ok = ok && hand_out(call, o, d, title, reply);
	admin_doc_free(d);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int
confirm(struct admin_call *call, const json_t *reply)
{
	const json_t *counts = json_object_get(reply, "counts");
	char en[300], vi[300];

	snprintf(en, sizeof en, "%lld people get a new address and %lld units end.",
		(long long)admin_number(counts, "new_addresses"),
		(long long)admin_number(counts, "units_closed"));
	snprintf(vi, sizeof vi, "%lld người sẽ có địa chỉ mới và %lld đơn vị chấm dứt.",
		(long long)admin_number(counts, "new_addresses"),
		(long long)admin_number(counts, "units_closed"));
	return admin_confirm(call, en, vi, NULL);
}

/* At a later day: the register tries it again then (dated.run). */
static int
put_off(struct admin_call *call, json_t *request, const char *day)
{
	int exit_code;
	json_t *dated = admin_request("dated.add");

	admin_set(dated, "at", day);
	json_object_set(dated, "request", request);
	json_t *reply = admin_ask(call, ADMIN_STORE, dated, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "Number %lld will be carried out on %s: congvu dated list\n",
			       "Việc số %lld sẽ thực hiện ngày %s: congvu dated list\n"),
			(long long)admin_number(reply, "number"), day);
	json_decref(reply);
	return EXIT_OK;
}

/* Mail of boxes that were not kept, where the plan says so. The act itself is done by now. */
static int
copy_mail(struct admin_call *call, json_int_t act, json_t *boxes)
{
	int exit_code;
	json_t *request = admin_request("reorganise.mail");

	json_object_set_new(request, "id", json_integer(act));
	if (boxes)
		json_object_set_new(request, "boxes", boxes);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!call->json)
		printf(admin_say(call, "%lld messages of %zu old boxes copied into the kept ones\n",
			       "đã chuyển %lld thư của %zu hộp cũ sang hộp được giữ\n"),
			(long long)admin_number(reply, "messages"),
			json_array_size(json_object_get(reply, "boxes")));
	else if (!boxes)
		(void)admin_json(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static json_t *
boxes_to_copy(const json_t *reply)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "boxes"), i, one)
		if (!strcmp(admin_str(one, "mail"), "move"))
			json_array_append(list, json_object_get(one, "address"));
	return list;
}

static int
run_mail(struct admin_call *call)
{
	uint64_t act;

	if (cv_str_u64(cv_str_z(call->words[0]), INT64_MAX, &act))
		return admin_error(call, EXIT_USAGE, "the act is a number: congvu reorganise list",
			"cần số của lần thao tác: congvu reorganise list");
	return copy_mail(call, (json_int_t)act, NULL);
}

static int
carry_out(struct admin_call *call, json_t *request, struct output *o, const char *title)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, json_incref(request), &exit_code);

	if (!reply)
		return exit_code;
	long long act = (long long)admin_number(reply, "act");
	exit_code = show_reply(call, o, title, reply, false);
	if (!call->json && exit_code == EXIT_OK)
		printf(admin_say(call,
			       "Carried out as act %lld. Back within 30 days: congvu reorganise rollback %lld\n",
			       "Đã thực hiện, lần thao tác %lld. Hoàn tác trong 30 ngày: congvu "
			       "reorganise rollback %lld\n"),
			act, act);
	json_t *boxes = boxes_to_copy(reply);
	if (json_array_size(boxes) && exit_code == EXIT_OK)
		exit_code = copy_mail(call, act, json_incref(boxes));
	json_decref(boxes);
	json_decref(reply);
	return exit_code;
}

static int
run_with(struct admin_call *call, json_t *request, struct output *o)
{
	int exit_code;
	const char *day = admin_option(call, "on"), *title = admin_str(request, "title");
	json_t *trial = json_copy(request);

	json_object_set_new(trial, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, trial, &exit_code);
	if (!reply)
		return exit_code;
	size_t problems = json_array_size(json_object_get(reply, "problems"));
	if (admin_option(call, "dry-run") || problems)
		exit_code = show_reply(call, o, title, reply, true);
	else
		exit_code = confirm(call, reply);
	if (problems && exit_code == EXIT_OK)
		exit_code = call->json ? EXIT_FAILED : admin_error(call, EXIT_FAILED,
			"the plan leaves things open: see the lines to write; nothing was changed",
			"kế hoạch còn chỗ chưa quyết định: xem các dòng cần ghi; chưa thay đổi gì");
	if (!problems && !admin_option(call, "dry-run") && exit_code == EXIT_OK) {
		json_object_set(request, "expect", json_object_get(reply, "fingerprint"));
		if (day)
			json_object_del(request, "expect"); /* people come and go until then */
		exit_code = day ? put_off(call, request, day) : carry_out(call, request, o, title);
	}
	json_decref(reply);
	return exit_code;
}

static int
run_plan(struct admin_call *call)
{
	struct output o;
	int exit_code = EXIT_USAGE;

	if (!open_output(call, &o))
		return EXIT_USAGE;
	json_t *request = read_plan(call, call->words[0], &exit_code);
	if (request)
		exit_code = run_with(call, request, &o);
	json_decref(request);
	if (o.file && fclose(o.file) && exit_code == EXIT_OK)
		exit_code = admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	return exit_code;
}

/* ---- what was done ---- */

static bool
is_reorganisation(const json_t *act)
{
	return cv_str_has_prefix(cv_str_z(admin_str(act, "action")), "reorganise.");
}

static int
run_list(struct admin_call *call)
{
	static const struct admin_column columns[] = {{"id", "ACT", "LẦN"},
		{"moment", "WHEN", "KHI NÀO"}, {"what", "WHAT", "VIỆC"}, {"object", "PLAN", "KẾ HOẠCH"},
		{"actor", "BY", "NGƯỜI LÀM"}, {"rows", "ROWS", "SỐ DÒNG"},
		{"undone_by", "TAKEN BACK BY", "HOÀN TÁC BỞI"}};
	int exit_code;
	size_t i;
	json_t *one, *rows = json_array();
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("undo.list"), &exit_code);

	if (!reply) {
		json_decref(rows);
		return exit_code;
	}
	json_array_foreach(json_object_get(reply, "acts"), i, one)
	{
		if (!is_reorganisation(one))
			continue;
		json_object_set_new(one, "moment", admin_moment(admin_number(one, "time")));
		json_object_set_new(one, "what", json_string(
			!strcmp(admin_str(one, "action"), "reorganise.apply")
				? admin_say(call, "applied", "thực hiện")
				: admin_say(call, "rolled back", "hoàn tác")));
		json_array_append(rows, one);
	}
	json_object_set(reply, "acts", rows);
	if (!admin_json(call, reply)) {
		json_array_foreach(rows, i, one)
		{
			admin_set_number(one, "id", admin_number(one, "id"));
			admin_set_number(one, "rows", admin_number(one, "rows"));
			if (json_object_get(one, "undone_by"))
				admin_set_number(one, "undone_by", admin_number(one, "undone_by"));
		}
		admin_table(call, rows, columns, CV_COUNT(columns));
	}
	json_decref(rows);
	json_decref(reply);
	return EXIT_OK;
}

static bool
number_word(const struct admin_call *call, json_t *request)
{
	uint64_t id;

	if (cv_str_u64(cv_str_z(call->words[0]), INT64_MAX, &id)) {
		admin_error(call, EXIT_USAGE, "the act is a number: congvu reorganise list",
			"cần số của lần thao tác: congvu reorganise list");
		return false;
	}
	json_object_set_new(request, "id", json_integer((json_int_t)id));
	return true;
}

/* What became of an account, of both sides of its row. */
static void
add_change(json_t *list, const json_t *row)
{
	const json_t *before = json_object_get(row, "before");
	const json_t *after = json_object_get(row, "after");
	static const char *const keys[] = {"address", "agency", "title", "name"};

	if (!strcmp(admin_str(row, "kind"), "account") && (before || after)) {
		json_t *one = json_pack("{s:s}", "who", admin_str(row, "name"));
		for (size_t i = 0; i < CV_COUNT(keys); i++) {
			char text[800] = "";
			const char *a = admin_str(before, keys[i]), *b = admin_str(after, keys[i]);
			if (*a || *b)
				snprintf(text, sizeof text, "%s -> %s", a, b);
			json_object_set_new(one, keys[i], json_string(text));
		}
		json_array_append_new(list, one);
	}
}

static int
run_show(struct admin_call *call)
{
	static const struct admin_column columns[] = {{"who", "ACCOUNT", "TÀI KHOẢN"},
		{"address", "ADDRESS", "ĐỊA CHỈ"}, {"agency", "UNIT", "ĐƠN VỊ"},
		{"title", "TITLE", "CHỨC VỤ"}};
	json_t *rows = json_array(), *changes = json_array(), *row;
	int exit_code = EXIT_OK;
	json_int_t total = 1;

	while (exit_code == EXIT_OK && (json_int_t)json_array_size(rows) < total) {
		json_t *request = admin_request("undo.show");
		if (!number_word(call, request)) {
			json_decref(request);
			exit_code = EXIT_USAGE;
			break;
		}
		json_object_set_new(request, "offset",
			json_integer((json_int_t)json_array_size(rows)));
		json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
		if (!reply)
			break;
		total = admin_number(reply, "total");
		if (!is_reorganisation(json_object_get(reply, "act"))) {
			exit_code = admin_error(call, EXIT_FAILED,
				"this act is no reorganisation: congvu reorganise list",
				"lần thao tác này không phải sắp xếp đơn vị: congvu reorganise list");
			total = 0;
		}
		if (!json_array_size(json_object_get(reply, "rows")))
			total = 0; /* no endless asking */
		json_array_extend(rows, json_object_get(reply, "rows"));
		json_decref(reply);
	}
	if (exit_code == EXIT_OK) {
		size_t i;
		json_array_foreach(rows, i, row) add_change(changes, row);
		json_t *all = json_pack("{s:O, s:O}", "rows", rows, "accounts", changes);
		if (!admin_json(call, all))
			admin_table(call, changes, columns, CV_COUNT(columns));
		json_decref(all);
	}
	json_decref(rows);
	json_decref(changes);
	return exit_code;
}

/* ---- back ---- */

static void
print_named(struct admin_call *call, const json_t *reply)
{
	static const struct admin_column columns[] = {
		{"what", "CHANGED SINCE", "ĐÃ THAY ĐỔI SAU ĐÓ"}, {"name", "WHICH", "MỤC"}};
	json_t *rows = json_object_get(reply, "rows"), *one;
	size_t i;

	json_array_foreach(rows, i, one) json_object_set_new(one, "what",
		json_string(admin_str(one, call->vietnamese ? "kind_vi" : "kind")));
	admin_table(call, rows, columns, CV_COUNT(columns));
}

static int
run_rollback(struct admin_call *call)
{
	json_t *request = admin_request("reorganise.rollback");
	int exit_code;

	if (!number_word(call, request)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	if (admin_option(call, "keep-changed"))
		json_object_set_new(request, "keep_changed", json_true());
	json_t *trial = json_copy(request);
	json_object_set_new(trial, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, trial, &exit_code);
	bool is_blocked = reply && json_array_size(json_object_get(reply, "rows")) &&
		!admin_option(call, "keep-changed");
	if (reply && !is_blocked && !admin_option(call, "dry-run")) {
		exit_code = admin_confirm(call, "Everybody gets the address back that he had before.",
			"Mọi người trở lại địa chỉ trước đó.", NULL);
		json_decref(reply);
		reply = exit_code == EXIT_OK
			? admin_ask(call, ADMIN_STORE, json_incref(request), &exit_code) : NULL;
	}
	json_decref(request);
	if (!reply)
		return exit_code;
	exit_code = is_blocked ? EXIT_FAILED : EXIT_OK;
	if (!admin_json(call, reply)) {
		if (json_array_size(json_object_get(reply, "rows")))
			print_named(call, reply);
		if (is_blocked)
			admin_error(call, EXIT_FAILED,
				"these were changed since; --keep-changed rolls back the rest",
				"những mục này đã thay đổi sau đó; thêm --keep-changed để hoàn tác "
				"phần còn lại");
		else
			printf(admin_say(call,
				       "%lld accounts back, %lld addresses kept as aliases, %lld rows left as they are\n",
				       "%lld tài khoản trở lại như cũ, %lld địa chỉ giữ làm bí danh, %lld "
				       "dòng để nguyên\n"),
				(long long)admin_number(reply, "accounts"),
				(long long)admin_number(reply, "aliases"),
				(long long)admin_number(reply, "kept"));
	}
	json_decref(reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option plan_options[] = {
	{ "dry-run", NULL, "show everything that would change; change nothing", "chạy thử: cho xem mọi thay đổi, không thực hiện" },
	{ "on", "DAY", "carry it out on that day at 00:00 (2026-07-01)", "thực hiện lúc 00:00 ngày đó (2026-07-01)" },
	{ "output", "FILE", "write all of it to a file: .csv, .xlsx, .html, .odt or .json", "ghi toàn bộ ra tệp .csv, .xlsx, .html, .odt hoặc .json" },
	{ "letters", "FOLDER", "write the letters to staff and webmasters there", "ghi thư thông báo cho cán bộ và quản trị cổng vào thư mục này" },
	{ 0 }
};
static const struct admin_option rollback_options[] = {
	{ "keep-changed", NULL, "leave what was changed since as it is, roll back the rest", "để nguyên những gì đã thay đổi sau đó, hoàn tác phần còn lại" },
	{ "dry-run", NULL, "tell what would come back; change nothing", "chạy thử, không thực hiện" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_reorganise_list = {
	.noun = "reorganise",
	.verb = "list",
	.words = "",
	.help = "reorganisations of the last 30 days",
	.help_vi = "các lần sắp xếp trong 30 ngày qua",
	.examples = "  congvu reorganise list",
	.run = run_list,
};
const struct admin_command admin_reorganise_show = {
	.noun = "reorganise",
	.verb = "show",
	.words = "ACT",
	.words_min = 1,
	.words_max = 1,
	.help = "what one of them changed, account by account",
	.help_vi = "một lần sắp xếp đã thay đổi những gì, từng tài khoản",
	.examples = "  congvu reorganise show 7",
	.run = run_show,
};
const struct admin_command admin_reorganise_mail = {
	.noun = "reorganise",
	.verb = "mail",
	.words = "ACT",
	.words_min = 1,
	.words_max = 1,
	.help = "copy the mail of boxes that were not kept into those that were; again: what came since",
	.help_vi = "chuyển thư của các hộp không giữ sang hộp được giữ; chạy lại: phần đến sau",
	.examples = "  congvu reorganise mail 7",
	.run = run_mail,
};
const struct admin_command admin_reorganise_rollback = {
	.noun = "reorganise",
	.verb = "rollback",
	.words = "ACT",
	.words_min = 1,
	.words_max = 1,
	.help = "take a reorganisation back; addresses used meanwhile stay aliases",
	.help_vi = "hoàn tác một lần sắp xếp; địa chỉ đã dùng giữ làm bí danh",
	.options = rollback_options,
	.examples = "  congvu reorganise rollback 7 --dry-run\n"
		    "  congvu reorganise rollback 7 --keep-changed --yes",
	.run = run_rollback,
};
const struct admin_command admin_reorganise = {
	.noun = "reorganise",
	.verb = NULL,
	.words = "PLAN",
	.words_min = 1,
	.words_max = 1,
	.help = "merge, split, rename and move units and domains as a plan file says",
	.help_vi = "sáp nhập, tách, đổi tên, chuyển đơn vị và tên miền theo tệp kế hoạch",
	.options = plan_options,
	.examples = "  congvu reorganise sapnhap.plan --dry-run --output sapnhap.xlsx\n"
		    "  congvu reorganise sapnhap.plan --letters thu/ --yes\n"
		    "  congvu reorganise sapnhap.plan --on 2026-07-01 --yes",
	.run = run_plan,
};
