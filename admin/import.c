/* import.c - `congvu import FILE`: a staff list as CSV, XLSX or ODS becomes accounts; nothing is
 * guessed. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "admin/commands.h"
#include "admin/import_rows.h"
#include "admin/sheet/sheet.h"
#include "common/base/buf.h"
#include "common/text/encode.h"

#define FILE_MAX ADMIN_SHEET_FILE_MAX

static bool
read_file(struct admin_call *call, const char *path, struct cv_buf *raw)
{
	FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "rbe");

	if (!f) {
		admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
		return false;
	}
	for (char *room; (room = cv_buf_room(raw, 64u << 10));) {
		size_t n = fread(room, 1, 64u << 10, f);
		raw->n += n;
		if (!n)
			break;
	}
	bool failed = ferror(f) || raw->full;
	if (f != stdin)
		fclose(f);
	if (failed)
		admin_error(call, EXIT_FAILED, "the file cannot be read or is over 32 MB",
			"không đọc được tệp hoặc tệp lớn hơn 32 MB");
	return !failed;
}

/* CSV goes as base64: it may be in an old encoding, and JSON carries UTF-8 only. */
static void
set_csv(json_t *request, struct cv_str raw)
{
	struct cv_buf coded = CV_BUF_INIT(CV_BASE64_SIZE(FILE_MAX) + 1);

	cv_base64_encode(raw, &coded);
	json_object_set_new(request, "csv_base64", json_string(coded.p ? coded.p : ""));
	cv_buf_done(&coded);
}

/* What to do about a book that cannot be read. */
static int
refuse_book(struct admin_call *call, const struct cv_err *err)
{
	char vi[CV_ERR_TEXT_MAX + 200];

	snprintf(vi, sizeof vi,
		"không đọc được bảng tính: %s (hãy lưu lại thành XLSX, ODS hoặc CSV UTF-8; "
		"nếu có nhiều trang tính thì chọn bằng --sheet)",
		err->text);
	return admin_error(call, EXIT_FAILED, err->text, vi);
}

static int
set_sheet(struct admin_call *call, json_t *request, struct cv_str raw)
{
	const char *name = admin_option(call, "sheet");
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf csv = CV_BUF_INIT(FILE_MAX);
	struct admin_sheet sheet;
	struct cv_err err = { 0 };
	int exit_code = EXIT_OK;

	enum cv_status status =
		admin_sheet_read(&arena, raw, cv_str_z(name ? name : ""), &sheet, &err);
	if (status == CV_OK)
		admin_sheet_put_csv(&sheet, &csv);
	if (status == CV_OK && csv.full)
		status = cv_fail(&err, CV_LIMIT, "the sheet holds more than a list of staff can");
	if (status == CV_OK)
		json_object_set_new(request, "csv", json_stringn(csv.p ? csv.p : "", csv.n));
	else
		exit_code = refuse_book(call, &err);
	cv_buf_done(&csv);
	cv_arena_done(&arena);
	return exit_code;
}

/* The list into REQUEST, whatever kind of file it is. */
static int
set_list(struct admin_call *call, json_t *request)
{
	struct cv_buf raw = CV_BUF_INIT(FILE_MAX);
	int exit_code = EXIT_FAILED;

	if (read_file(call, call->words[0], &raw)) {
		exit_code = EXIT_OK;
		if (admin_sheet_kind_of(cv_buf_view(&raw)) == ADMIN_SHEET_NONE)
			set_csv(request, cv_buf_view(&raw));
		else
			exit_code = set_sheet(call, request, cv_buf_view(&raw));
	}
	cv_buf_done(&raw);
	return exit_code;
}

static void
print_rows(struct admin_call *call, const json_t *rows, const char *title)
{
	size_t i;
	json_t *row;

	if (json_array_size(rows))
		printf("%s:\n", title);
	json_array_foreach(rows, i, row)
	{
		const char *note = json_string_value(
			json_object_get(row, call->vietnamese ? "reason_vi" : "reason"));
		const char *proposal = json_string_value(json_object_get(row, "proposal"));
		const char *name = json_string_value(json_object_get(row, "name"));
		printf("  %lld ", (long long)json_integer_value(json_object_get(row, "row")));
		admin_put(stdout, name ? name : "");
		printf(": %s%s", note ? note : "", proposal && proposal[0] ? " -> " : "");
		admin_put(stdout, proposal ? proposal : "");
		putchar('\n');
	}
}

static void
print_reply(struct admin_call *call, const json_t *reply)
{
	print_rows(call, json_object_get(reply, "repaired"),
		admin_say(call, "Repaired", "Đã sửa"));
	print_rows(call, json_object_get(reply, "rejected"),
		admin_say(call, "Rejected", "Bị loại"));
	printf(admin_say(call,
		       "%lld rows: %lld new, %lld updated, %lld unchanged, %zu repaired, "
		       "%zu rejected%s\n",
		       "%lld dòng: %lld mới, %lld cập nhật, %lld không đổi, %zu đã sửa, "
		       "%zu bị loại%s\n"),
		(long long)admin_number(reply, "rows"), (long long)admin_number(reply, "added"),
		(long long)admin_number(reply, "updated"),
		(long long)admin_number(reply, "unchanged"),
		json_array_size(json_object_get(reply, "repaired")),
		json_array_size(json_object_get(reply, "rejected")),
		admin_option(call, "dry-run")
			? admin_say(call, " (dry run: nothing was changed)",
				  " (chạy thử: chưa thay đổi gì)")
			: "");
	if (admin_number(reply, "act"))
		printf(admin_say(call, "`congvu undo %lld` takes it back.\n",
			       "`congvu undo %lld` để hoàn tác.\n"),
			(long long)admin_number(reply, "act"));
}

static int
run_import(struct admin_call *call)
{
	json_t *request = admin_request("import");
	struct admin_row_file files[] = {
		{ "rejects", "rejected", NULL },
		{ "repairs", "repaired", NULL },
	};
	int exit_code = set_list(call, request);

	admin_set(request, "charset", admin_option(call, "charset"));
	admin_set(request, "agency", admin_option(call, "agency"));
	(void)admin_set_dry_run(call, request);
	if (exit_code == EXIT_OK)
		exit_code = admin_row_files_open(call, files, CV_COUNT(files));
	if (exit_code != EXIT_OK) {
		json_decref(request);
		return exit_code;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply) {
		admin_row_files_close(files, CV_COUNT(files));
		return exit_code;
	}
	exit_code = admin_row_files_write(call, files, CV_COUNT(files), reply);
	if (exit_code == EXIT_OK && json_array_size(json_object_get(reply, "rejected")))
		exit_code = EXIT_PARTLY;
	if (!admin_json(call, reply))
		print_reply(call, reply);
	json_decref(reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option import_options[] = {
	ADMIN_DRY_RUN,
	{ "rejects", "FILE",
		"write the refused rows as they are, with reason and proposal, as CSV or XLSX; "
		"corrected, the file can be imported",
		"ghi các dòng bị loại kèm lý do và đề xuất ra tệp CSV hoặc XLSX; sửa xong thì nhập "
		"lại được" },
	{ "repairs", "FILE", "write the repaired rows as they were, with what was repaired",
		"ghi các dòng đã được sửa ra tệp CSV hoặc XLSX" },
	{ "sheet", "NAME", "sheet of an XLSX or ODS file that has several",
		"trang tính cần đọc khi tệp có nhiều trang" },
	{ "charset", "NAME", "TCVN3, VNI, ... when the file is not UTF-8",
		"bảng mã nếu không phải UTF-8" },
	{ "agency", "CODE", "unit of rows that name none", "đơn vị cho các dòng không ghi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_import = {
	.noun = "import",
	.words = "FILE",
	.words_min = 1,
	.words_max = 1,
	.help = "make accounts from a staff list (CSV, XLSX, ODS)",
	.help_vi = "tạo tài khoản từ danh sách cán bộ (CSV, XLSX, ODS)",
	.options = import_options,
	.examples = "  congvu import danhsach.xlsx --dry-run --repairs dasua.csv\n"
		    "  congvu import danhsach.ods --sheet \"Sở Nội vụ\" --rejects loi.xlsx\n"
		    "  congvu import loi.xlsx",
	.run = run_import,
};
