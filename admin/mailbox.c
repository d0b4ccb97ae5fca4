/* mailbox.c - `congvu mailbox ...`: what was removed from a box, and bringing it back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"

/* The rows for the table; JSON keeps the numbers. */
static json_t *
removed_rows(const struct admin_call *call, const json_t *reply)
{
	json_t *rows = json_array(), *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "removed"), i, one)
	{
		json_t *row = json_copy(one);
		json_object_set_new(row, "deleted", admin_moment(admin_number(one, "deleted")));
		json_object_set_new(row, "until", admin_moment(admin_number(one, "until")));
		json_object_set_new(row, "received", admin_moment(admin_number(one, "received")));
		if (!json_object_get(one, "uid"))
			json_object_set_new(row, "subject", json_string(admin_say(
				call, "(empty mailbox)", "(thư mục trống)")));
		json_array_append_new(rows, row);
	}
	return rows;
}

static void
print_removed(const struct admin_call *call, const json_t *reply)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "mailbox",         "MAILBOX",        "THƯ MỤC" },
		{ "uid",             "UID",            "UID" },
		{ "deleted",         "REMOVED",        "XÓA LÚC" },
		{ "until",           "UNTIL",          "KHÔI PHỤC ĐẾN" },
		{ "received",        "RECEIVED",       "NHẬN LÚC" },
		{ "size",            "SIZE",           "CỠ" },
		{ "mailbox_deleted", "WITH MAILBOX",   "CÙNG THƯ MỤC" },
		{ "from",            "FROM",           "NGƯỜI GỬI" },
		{ "subject",         "SUBJECT",        "TIÊU ĐỀ" },
	};
	/* clang-format on */
	json_t *rows = removed_rows(call, reply);

	if (json_array_size(rows))
		admin_table(call, rows, columns, CV_COUNT(columns));
	printf(admin_say(call, "%lld messages, %lld bytes can be restored\n",
		       "Có thể khôi phục %lld thư, %lld byte\n"),
		(long long)admin_number(reply, "messages"),
		(long long)admin_number(reply, "bytes"));
	if (json_is_true(json_object_get(reply, "more")))
		puts(admin_say(call, "There are more: --limit N, or choose by time or mailbox.",
			"Còn nữa: dùng --limit N, hoặc chọn theo thời gian, thư mục."));
	json_decref(rows);
}

static void
print_restored(const struct admin_call *call, const json_t *reply, bool dry)
{
	const char *text = dry ? admin_say(call,
					 "Would restore %lld messages (%lld bytes)\n",
					 "Sẽ khôi phục %lld thư (%lld byte)\n")
			       : admin_say(call, "Restored %lld messages (%lld bytes)\n",
					 "Đã khôi phục %lld thư (%lld byte)\n");

	printf(text, (long long)admin_number(reply, "messages"),
		(long long)admin_number(reply, "bytes"));
	if (admin_number(reply, "mailboxes_made"))
		printf(admin_say(call, "%lld mailboxes made\n", "Đã tạo %lld thư mục\n"),
			(long long)admin_number(reply, "mailboxes_made"));
}

static int
run_restore(struct admin_call *call)
{
	static const char *const passed[] = {
		"mailbox", "since", "until", "from", "subject", "uid", "to"};
	json_t *request = admin_request("mailbox.restore");
	bool lists = admin_option(call, "list"), dry = admin_option(call, "dry-run");
	const char *limit = admin_option(call, "limit");
	int exit_code;

	if (limit && (!limit[0] || limit[strspn(limit, "0123456789")])) {
		json_decref(request);
		return admin_error(call, EXIT_USAGE, "--limit takes a number",
			"--limit nhận một số");
	}
	admin_set(request, "account", call->words[0]);
	for (size_t i = 0; i < CV_COUNT(passed); i++)
		admin_set(request, passed[i], admin_option(call, passed[i]));
	if (limit)
		json_object_set_new(request, "limit", json_integer(strtoll(limit, NULL, 10)));
	json_object_set_new(request, "list", json_boolean(lists));
	json_object_set_new(request, "dry_run", json_boolean(dry));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	if (!admin_json(call, reply)) {
		if (lists)
			print_removed(call, reply);
		else
			print_restored(call, reply, dry);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option restore_options[] = {
	{ "mailbox", "NAME", "only what was in this mailbox",
		"chỉ những gì từng ở thư mục này" },
	{ "since", "TIME", "removed on or after: 2026-11-20, 2026-11-20T08:00:00+07:00",
		"bị xóa từ: 2026-11-20, 2026-11-20T08:00:00+07:00" },
	{ "until", "TIME", "removed before; a day counts to its end",
		"bị xóa trước; một ngày tính đến hết ngày" },
	{ "from", "TEXT", "sender contains TEXT, case and marks ignored",
		"người gửi chứa TEXT, không phân biệt hoa thường và dấu" },
	{ "subject", "TEXT", "subject contains TEXT, case and marks ignored",
		"tiêu đề chứa TEXT, không phân biệt hoa thường và dấu" },
	{ "uid", "SET", "UIDs as the mailbox had them: 7,12:19",
		"UID khi còn trong thư mục: 7,12:19" },
	{ "to", "MAILBOX", "put all into this mailbox instead of where it was",
		"đưa tất cả vào thư mục này thay vì chỗ cũ" },
	{ "list", NULL, "show what can be restored, and until when",
		"cho biết có thể khôi phục những gì, đến lúc nào" },
	{ "limit", "N", "rows of the list; 1000", "số dòng của danh sách; 1000" },
	{ "dry-run", NULL, "count what would come back and change nothing",
		"chỉ đếm, không thay đổi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_mailbox_restore = {
	.noun = "mailbox",
	.verb = "restore",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "bring back messages that were expunged and mailboxes that were deleted",
	.help_vi = "khôi phục thư đã xóa hẳn và thư mục đã xóa",
	.options = restore_options,
	.examples = "  congvu mailbox restore nvhoa.stp --list\n"
		    "  congvu mailbox restore nvhoa.stp --mailbox INBOX --since 2026-11-20 --dry-run\n"
		    "  congvu mailbox restore nvhoa.stp --subject \"giấy mời\" --to \"Khôi phục\"",
	.run = run_restore,
};
