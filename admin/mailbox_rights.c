/* mailbox_rights.c - `congvu mailbox rights|grant|revoke`: who may do what with a mailbox. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
run_rights(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"mailbox", "mailbox", "thư mục"},
		{"who",     "who",     "ai"     },
		{"rights",  "rights",  "quyền"  },
	};
	json_t *request = admin_request("mailbox.rights.list");
	int exit_code;

	admin_set(request, "account", call->words[0]);
	if (call->word_count > 1)
		admin_set(request, "mailbox", call->words[1]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_object_get(reply, "rights");
		admin_table(call, rows, columns, CV_COUNT(columns));
		printf(admin_say(call, "%zu entries\n", "%zu mục\n"), json_array_size(rows));
		if (json_is_true(json_object_get(reply, "has_holders")))
			puts(admin_say(call,
				"Holders have lrswipkxte where the list has no $holders.",
				"Người giữ hộp có lrswipkxte nếu danh sách không có $holders."));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
change(struct admin_call *call, const char *what)
{
	json_t *request = admin_request(what);
	int exit_code;

	admin_set(request, "account", call->words[0]);
	admin_set(request, "mailbox", call->words[1]);
	admin_set(request, "who", call->words[2]);
	if (call->word_count > 3)
		admin_set(request, "rights", call->words[3]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		puts(json_is_true(json_object_get(reply, "changed"))
				? admin_say(call, "changed", "đã thay đổi")
				: admin_say(call, "nothing to change", "không có gì thay đổi"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_grant(struct admin_call *call)
{
	return change(call, "mailbox.rights.set");
}

static int
run_revoke(struct admin_call *call)
{
	return change(call, "mailbox.rights.delete");
}

const struct admin_command admin_mailbox_rights = {
	.noun = "mailbox",
	.verb = "rights",
	.words = "ACCOUNT [MAILBOX]",
	.words_min = 1,
	.words_max = 2,
	.help = "who else may do what with the mailboxes of an account (RFC 4314)",
	.help_vi = "ai khác được làm gì với các thư mục của một tài khoản (RFC 4314)",
	.examples = "  congvu mailbox rights vanthu.stp@lamgiang.example\n"
		    "  congvu mailbox rights dtduyen.stp@lamgiang.example \"Dự án\" --json",
	.run = run_rights,
};
const struct admin_command admin_mailbox_grant = {
	.noun = "mailbox",
	.verb = "grant",
	.words = "ACCOUNT MAILBOX WHO RIGHTS",
	.words_min = 4,
	.words_max = 4,
	.help = "give rights on a mailbox to a person, group:ADDRESS, anyone or $holders: letters of "
		"lrswipkxtea that replace what they had; +LETTERS adds; -WHO takes away whatever "
		"others give",
	.help_vi = "cấp quyền trên thư mục cho một người, group:ĐỊA-CHỈ, anyone hoặc $holders: các chữ "
		   "trong lrswipkxtea thay cho quyền cũ; +CHỮ là thêm; -AI là trừ đi bất kể mục khác cho",
	.examples = "  congvu mailbox grant vanthu.stp@lamgiang.example INBOX "
		    "dtduyen.stp@lamgiang.example lrs\n"
		    "  congvu mailbox grant vanthu.stp@lamgiang.example INBOX '$holders' lrswipk",
	.run = run_grant,
};
const struct admin_command admin_mailbox_revoke = {
	.noun = "mailbox",
	.verb = "revoke",
	.words = "ACCOUNT MAILBOX WHO",
	.words_min = 3,
	.words_max = 3,
	.help = "take the entry of WHO out of a mailbox's list of rights",
	.help_vi = "bỏ mục của AI khỏi danh sách quyền của thư mục",
	.examples = "  congvu mailbox revoke vanthu.stp@lamgiang.example INBOX "
		    "dtduyen.stp@lamgiang.example",
	.run = run_revoke,
};
