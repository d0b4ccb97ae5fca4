/* agency.c - `congvu agency add|import|list`: the units of the province. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/files.h"

#define FILE_MAX (4u << 20)

/* clang-format off */
static const char *const texts[] = { "name", "parent", "type", "address", "phone", "website",
	"location", "cluster" };
/* clang-format on */

static void
set_text(json_t *object, const char *key, struct cv_str text)
{
	json_object_set_new(object, key, json_stringn(text.p ? text.p : "", text.n));
}

/* KEY "rank" or "staff". */
static bool
set_number(json_t *object, const char *key, struct cv_str text)
{
	uint64_t n;

	if (cv_str_u64(text, 1000000, &n) != CV_OK)
		return false;
	json_object_set_new(object, key, json_integer((json_int_t)n));
	return true;
}

/* ---- one ---- */

static int
run_add(struct admin_call *call)
{
	json_t *request = admin_request("agency.add");
	const char *rank = admin_option(call, "rank"), *code = call->words[0];
	const char *staff = admin_option(call, "staff");
	const char *name = call->words[1];
	int exit_code;

	admin_set(request, "code", code);
	admin_set(request, "name", name);
	for (size_t i = 1; i < CV_COUNT(texts); i++)
		admin_set(request, texts[i], admin_option(call, texts[i]));
	if (admin_option(call, "mailbox"))
		json_object_set_new(request, "mailbox", json_true());
	if (admin_option(call, "update"))
		json_object_set_new(request, "update", json_true());
	if ((rank && !set_number(request, "rank", cv_str_z(rank))) ||
		(staff && !set_number(request, "staff", cv_str_z(staff)))) {
		json_decref(request);
		return admin_error(call, EXIT_USAGE, "--rank and --staff take a number",
			"--rank và --staff nhận một số");
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		const char *address = json_string_value(json_object_get(reply, "address"));
		printf("%s %s (%s)\n", admin_say(call, "Added agency", "Đã thêm đơn vị"), name,
			code);
		if (address && address[0])
			printf("%s: %s\n", admin_say(call, "Official address", "Địa chỉ công vụ"),
				address);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- many at once ---- */

/* The key of column TITLE, or NULL: a column nobody asked for is a fault, not something to skip. */
static const char *
key_of(struct cv_str title)
{
	title = cv_str_trim(title);
	if (cv_str_ieq_z(title, "code"))
		return "code";
	if (cv_str_ieq_z(title, "rank"))
		return "rank";
	if (cv_str_ieq_z(title, "staff"))
		return "staff";
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		if (cv_str_ieq_z(title, texts[i]))
			return texts[i];
	return NULL;
}

static enum cv_status
read_header(struct admin_csv *csv, struct cv_arena *arena, const char **keys, size_t *count_out,
	struct cv_err *err)
{
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	bool has_code = false, has_name = false;
	enum cv_status status = admin_csv_next(csv, arena, fields, count_out, err);

	if (status != CV_OK)
		return status == CV_EOF ? cv_fail(err, CV_INVALID, "the list is empty") : status;
	for (size_t i = 0; i < *count_out; i++) {
		keys[i] = key_of(fields[i]);
		if (!keys[i])
			return cv_fail(err, CV_INVALID,
				"unknown column '%.*s': the columns are code, name, parent, "
				"type, rank, staff, cluster, address, phone, website, location",
				CV_STR_ARGS(fields[i]));
		has_code = has_code || !strcmp(keys[i], "code");
		has_name = has_name || !strcmp(keys[i], "name");
	}
	return has_code && has_name
		       ? CV_OK
		       : cv_fail(err, CV_INVALID, "the list needs the columns code and name");
}

static enum cv_status
read_list(struct cv_str text, json_t *list, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	const char *keys[ADMIN_CSV_COLUMNS_MAX];
	size_t columns = 0, n;
	struct admin_csv csv;

	admin_csv_init(&csv, text);
	enum cv_status status = read_header(&csv, &arena, keys, &columns, err);
	while (status == CV_OK) {
		status = admin_csv_next(&csv, &arena, fields, &n, err);
		if (status == CV_OK && n > columns)
			status = cv_fail(err, CV_INVALID, "line %u has more fields than the header",
				csv.line);
		if (status != CV_OK)
			break;
		json_t *o = json_object();
		json_array_append_new(list, o);
		for (size_t i = 0; i < n && status == CV_OK; i++) {
			struct cv_str field = cv_str_trim(fields[i]);
			/* An empty cell leaves what is there; without a parent it is at the top. */
			if (!field.n && strcmp(keys[i], "parent") != 0)
				continue;
			if (strcmp(keys[i], "rank") != 0 && strcmp(keys[i], "staff") != 0)
				set_text(o, keys[i], field);
			else if (!set_number(o, keys[i], field))
				status = cv_fail(err, CV_INVALID, "line %u: the %s is no number",
					csv.line, keys[i]);
		}
	}
	cv_arena_done(&arena);
	return status == CV_EOF ? CV_OK : status;
}

static int
run_import(struct admin_call *call)
{
	struct cv_str text;
	struct cv_err err = {0};
	json_t *list = json_array(), *agency;
	size_t i;
	int exit_code;
	enum cv_status status = admin_file_read(call->words[0], FILE_MAX, &text, &err);

	if (status == CV_OK) {
		status = read_list(text, list, &err);
		free((char *)text.p);
	}
	if (status != CV_OK) {
		json_decref(list);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	json_array_foreach(list, i, agency)
	{
		if (admin_option(call, "mailboxes"))
			json_object_set_new(agency, "mailbox", json_true());
	}
	json_int_t count = (json_int_t)json_array_size(list);
	json_t *request =
		json_pack("{s:s, s:o, s:b}", "do", "agency.add", "agencies", list, "update", 1);
	bool is_dry = admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	json_object_set_new(reply, "agencies", json_integer(count));
	if (!admin_json(call, reply)) {
		printf(admin_say(call, "%lld agencies, %lld new or changed\n",
			       "%lld đơn vị, %lld mới hoặc thay đổi\n"),
			(long long)count,
			(long long)json_integer_value(json_object_get(reply, "changed")));
		if (is_dry)
			puts(admin_say(call, "A dry run: nothing was changed.",
				"Chạy thử: chưa thay đổi gì."));
		admin_say_undo(call, reply);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "code", "CODE", "MÃ" },
		{ "name", "NAME", "TÊN ĐƠN VỊ" },
		{ "parent", "PARENT", "TRỰC THUỘC" },
		{ "type", "TYPE", "LOẠI" },
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "accounts", "ACCOUNTS", "TÀI KHOẢN" },
	};
	/* clang-format on */
	json_t *request = admin_request("agency.list");
	int exit_code;

	admin_set(request, "parent", admin_option(call, "parent"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		admin_table(call, json_object_get(reply, "agencies"), columns, CV_COUNT(columns));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option add_options[] = {
	{ "parent", "CODE", "unit it belongs to", "mã đơn vị cấp trên" },
	{ "type", "TYPE", "so, xa, phuong, dac_khu, dvsn, ...",
		"so, xa, phuong, dac_khu, dvsn, ..." },
	{ "rank", "N", "place in the directory: smaller first", "thứ tự trong danh bạ" },
	{ "address", "ADDRESS",
		"official address; with --mailbox its box gets it (CODE@ unless told)",
		"địa chỉ công vụ của đơn vị" },
	{ "phone", "NUMBER", "telephone", "điện thoại" },
	{ "website", "URL", "portal", "trang thông tin điện tử" },
	{ "location", "TEXT", "postal address", "địa chỉ trụ sở" },
	{ "staff", "N", "people who work there, with a box or without",
		"số cán bộ, công chức, viên chức hiện có (kể cả người chưa có hộp thư)" },
	{ "cluster", "NAME", "cluster of emulation it is scored in", "cụm, khối thi đua" },
	{ "mailbox", NULL, "make the agency's own box", "tạo hộp thư của đơn vị" },
	{ "update", NULL, "change the unit when it is there already", "sửa đơn vị nếu đã có" },
	{ 0 }
};
static const struct admin_option import_options[] = {
	{ "mailboxes", NULL, "make every agency's own box", "tạo hộp thư của từng đơn vị" },
	ADMIN_DRY_RUN,
	{ 0 }
};
static const struct admin_option list_options[] = {
	{ "parent", "CODE", "below this unit only", "chỉ các đơn vị trực thuộc đơn vị này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_agency_add = {
	.noun = "agency",
	.verb = "add",
	.words = "CODE NAME",
	.words_min = 2,
	.words_max = 2,
	.help = "add a unit",
	.help_vi = "thêm một đơn vị",
	.options = add_options,
	.examples = "  congvu agency add stp \"Sở Tư pháp\" --type so --rank 13 --mailbox",
	.run = run_add,
};
const struct admin_command admin_agency_import = {
	.noun = "agency",
	.verb = "import",
	.words = "FILE.csv",
	.words_min = 1,
	.words_max = 1,
	.help = "add or change the units of a list: code, name, parent, type, rank, ...",
	.help_vi = "thêm hoặc sửa các đơn vị theo danh sách: code, name, parent, type, rank, ...",
	.options = import_options,
	.examples = "  congvu agency import donvi.csv --dry-run\n"
		    "  congvu agency import donvi.csv --mailboxes",
	.run = run_import,
};
const struct admin_command admin_agency_list = {
	.noun = "agency",
	.verb = "list",
	.words = "",
	.help = "list units",
	.help_vi = "liệt kê các đơn vị",
	.options = list_options,
	.examples = "  congvu agency list\n  congvu agency list --parent ubnd --json",
	.run = run_list,
};
