/* import.c - `congvu import FILE.csv`: a staff list becomes accounts; nothing is guessed. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "common/base/buf.h"
#include "common/text/encode.h"

#define FILE_MAX (32u << 20)

/* The whole file as base64: a list may be in an old encoding, and JSON carries UTF-8 only. */
static char *
read_file(struct admin_call *call, const char *path)
{
	struct cv_buf raw = CV_BUF_INIT(FILE_MAX), text = CV_BUF_INIT(CV_BASE64_SIZE(FILE_MAX) + 1);
	FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "rbe");

	if (!f) {
		admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
		return NULL;
	}
	for (char *room; (room = cv_buf_room(&raw, 64u << 10));) {
		size_t n = fread(room, 1, 64u << 10, f);
		raw.n += n;
		if (!n)
			break;
	}
	bool failed = ferror(f) || raw.full;
	if (f != stdin)
		fclose(f);
	if (failed) {
		admin_error(call, EXIT_FAILED, "the file cannot be read or is over 32 MB",
			"không đọc được tệp hoặc tệp lớn hơn 32 MB");
		cv_buf_done(&raw);
		return NULL;
	}
	cv_base64_encode(cv_buf_view(&raw), &text);
	cv_buf_done(&raw);
	return cv_buf_take(&text);
}

static struct cv_str
text_of(const json_t *row, const char *key)
{
	json_t *field = json_object_get(row, key);

	return cv_str(json_string_value(field), json_string_length(field));
}

/* OUT was opened before anything was asked: with rights and a folder as the caller has them. */
static bool
write_rejects(struct admin_call *call, const json_t *rows, FILE *out)
{
	struct cv_buf text = CV_BUF_INIT(FILE_MAX * 4);
	size_t i;
	json_t *row;

	cv_buf_z(&text, "\xef\xbb\xbfrow,name,reason,ly_do,proposal\r\n");
	json_array_foreach(rows, i, row)
	{
		cv_buf_printf(
			&text, "%lld,", (long long)json_integer_value(json_object_get(row, "row")));
		admin_csv_put(&text, text_of(row, "name"), false);
		admin_csv_put(&text, text_of(row, "reason"), false);
		admin_csv_put(&text, text_of(row, "reason_vi"), false);
		admin_csv_put(&text, text_of(row, "proposal"), true);
	}
	bool ok = !text.full && fwrite(text.p, 1, text.n, out) == text.n;
	ok = fclose(out) == 0 && ok;
	cv_buf_done(&text);
	if (!ok)
		admin_error(call, EXIT_FAILED, "the file of refused rows could not be written",
			"không ghi được tệp các dòng bị loại");
	return ok;
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

static int
run_import(struct admin_call *call)
{
	char *file = read_file(call, call->words[0]);
	const char *rejects = admin_option(call, "rejects");
	FILE *rejects_file = NULL;
	int exit_code;

	if (!file)
		return EXIT_FAILED;
	if (rejects && !(rejects_file = fopen(rejects, "wbe"))) {
		free(file);
		return admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	}
	json_t *request = admin_request("import");
	json_object_set_new(request, "csv_base64", json_string(file));
	free(file);
	admin_set(request, "charset", admin_option(call, "charset"));
	admin_set(request, "agency", admin_option(call, "agency"));
	if (admin_option(call, "dry-run"))
		json_object_set_new(request, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply) {
		if (rejects_file)
			fclose(rejects_file);
		return exit_code;
	}
	const json_t *rejected = json_object_get(reply, "rejected");
	if (rejects_file && !write_rejects(call, rejected, rejects_file))
		exit_code = EXIT_FAILED;
	else
		exit_code = json_array_size(rejected) ? EXIT_PARTLY : EXIT_OK;
	if (!admin_json(call, reply)) {
		print_rows(call, json_object_get(reply, "repaired"),
			admin_say(call, "Repaired", "Đã sửa"));
		print_rows(call, rejected, admin_say(call, "Rejected", "Bị loại"));
		printf(admin_say(call,
			       "%lld rows: %lld new, %lld updated, %lld unchanged, %zu repaired, "
			       "%zu rejected%s\n",
			       "%lld dòng: %lld mới, %lld cập nhật, %lld không đổi, %zu đã sửa, "
			       "%zu bị loại%s\n"),
			(long long)json_integer_value(json_object_get(reply, "rows")),
			(long long)json_integer_value(json_object_get(reply, "added")),
			(long long)json_integer_value(json_object_get(reply, "updated")),
			(long long)json_integer_value(json_object_get(reply, "unchanged")),
			json_array_size(json_object_get(reply, "repaired")),
			json_array_size(rejected),
			admin_option(call, "dry-run")
				? admin_say(call, " (dry run: nothing was changed)",
					  " (chạy thử: chưa thay đổi gì)")
				: "");
		admin_say_undo(call, reply);
	}
	json_decref(reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option import_options[] = {
	{ "dry-run", NULL, "show what would happen, change nothing",
		"chạy thử, không thay đổi gì" },
	{ "rejects", "FILE", "write the refused rows with reasons and proposals as CSV",
		"ghi các dòng bị loại ra tệp" },
	{ "charset", "NAME", "TCVN3, VNI, ... when the file is not UTF-8",
		"bảng mã nếu không phải UTF-8" },
	{ "agency", "CODE", "unit of rows that name none", "đơn vị cho các dòng không ghi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_import = {
	.noun = "import",
	.words = "FILE.csv",
	.words_min = 1,
	.words_max = 1,
	.help = "make accounts from a staff list",
	.help_vi = "tạo tài khoản từ danh sách cán bộ",
	.options = import_options,
	.examples = "  congvu import danhsach.csv --dry-run\n  congvu import danhsach.csv "
		    "--rejects loi.csv",
	.run = run_import,
};
