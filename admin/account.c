/* account.c - `congvu account add|list|show|passwd|suspend|resume|retire`: people, their boxes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "admin/commands.h"
#include "admin/life.h"
#include "common/base/str.h"

/* Passwords never stand on a command line, where every user of the machine could read them. */
static bool
set_password(struct admin_call *call, json_t *request, bool wanted)
{
	if (!wanted)
		return true;
	char *password = admin_read_password(call);
	if (!password) {
		admin_error(call, EXIT_USAGE, "no password on standard input",
			"không có mật khẩu ở đầu vào chuẩn");
		return false;
	}
	json_object_set_new(request, "password", json_string(password));
	cv_wipe(password, strlen(password));
	free(password);
	return true;
}

static void
set_flag(struct admin_call *call, json_t *request, const char *option, const char *key)
{
	if (admin_option(call, option))
		json_object_set_new(request, key, json_true());
}

/* A password that was made and handed out is for the first log-in only (ACC-03); one that somebody
 * chose and typed is kept unless told otherwise. */
static void
set_must_change(struct admin_call *call, json_t *request, bool was_chosen)
{
	bool must = admin_option(call, "must-change") ||
		    (!was_chosen && !admin_option(call, "keep-password"));
	const char *kind = admin_option(call, "kind");

	if (kind && !strcmp(kind, "app"))
		must = admin_option(call, "must-change") != NULL;
	if (must)
		json_object_set_new(request, "must_change", json_true());
}

/* "5G", "500M" or octets. */
static bool
set_quota(struct admin_call *call, json_t *request)
{
	const char *text = admin_option(call, "quota");
	static const char units[] = "KMGT";
	uint64_t n = 0;

	if (!text)
		return true;
	struct cv_str s = cv_str_z(text);
	const char *unit = s.n ? strchr(units, s.p[s.n - 1]) : NULL;
	unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (cv_str_u64(cv_str_sub(s, 0, s.n - (shift ? 1 : 0)), UINT64_MAX >> 24, &n) != CV_OK ||
		n > ((uint64_t)1 << 50) >> shift) {
		admin_error(call, EXIT_USAGE, "--quota takes a size such as 500M or 5G",
			"--quota nhận dung lượng như 500M hoặc 5G");
		return false;
	}
	json_object_set_new(request, "quota", json_integer((json_int_t)(n << shift)));
	return true;
}

static void
print_new_password(struct admin_call *call, const json_t *reply)
{
	const char *password = json_string_value(json_object_get(reply, "password"));

	if (password)
		printf("%s: %s\n",
			admin_say(call, "First password (shown once)",
				"Mật khẩu lần đầu (chỉ hiện một lần)"),
			password);
}

static int
run_add(struct admin_call *call)
{
	/* clang-format off */
	static const char *const fields[] = { "address", "surname", "middle", "given", "agency",
	"title",
		"department", "kind", "role", "phone_office", "phone_mobile", "letter", "staff_id",
		"reason" };
	/* clang-format on */
	json_t *request = admin_request("account.add");
	bool from_stdin = admin_option(call, "password-stdin") != NULL;
	int exit_code;

	if (call->word_count)
		admin_set(request, "name", call->words[0]);
	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		char option[32];
		snprintf(option, sizeof option, "%s", fields[i]);
		for (char *p = option; *p; p++)
			*p = *p == '_' ? '-' : *p;
		admin_set(request, fields[i], admin_option(call, option));
	}
	set_flag(call, request, "override", "override");
	set_flag(call, request, "allow-weak", "allow_weak");
	set_flag(call, request, "mobile-consent", "mobile_consent");
	if (admin_option(call, "unlisted"))
		json_object_set_new(request, "listed", json_false());
	set_must_change(call, request, from_stdin);
	if (!set_quota(call, request) || !set_password(call, request, from_stdin)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		printf("%s %s\n", admin_say(call, "Added", "Đã tạo"),
			json_string_value(json_object_get(reply, "address")));
		print_new_password(call, reply);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "name", "NAME", "HỌ VÀ TÊN" },
		{ "title", "TITLE", "CHỨC VỤ" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "kind", "KIND", "LOẠI" },
		{ "state", "STATE", "TRẠNG THÁI" },
	};
	/* clang-format on */
	json_t *request = admin_request("account.list");
	int exit_code;

	admin_set(request, "agency", admin_option(call, "agency"));
	admin_set(request, "state", admin_option(call, "state"));
	admin_set(request, "kind", admin_option(call, "kind"));
	admin_set(request, "find", call->word_count ? call->words[0] : NULL);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		admin_table(call, json_object_get(reply, "accounts"), columns, CV_COUNT(columns));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("account.show");
	const char *key;
	json_t *value;
	int exit_code;

	admin_set(request, "address", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *account = json_object_get(reply, "account");
		json_object_foreach(json_is_object(account) ? account : reply, key, value)
		{
			char *text = json_is_string(value)
					     ? NULL
					     : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
			if (strcmp(key, "ok"))
				printf("%-18s %s\n", key, text ? text : json_string_value(value));
			free(text);
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

/* With --self the current password comes first: on a terminal it is asked for, else a line. */
static bool
set_current(struct admin_call *call, json_t *request)
{
	if (!admin_option(call, "self"))
		return true;
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "%s\n",
			admin_say(call, "The current password (twice), then the new one:",
				"Mật khẩu hiện tại (hai lần), rồi mật khẩu mới:"));
	char *password = admin_read_password(call);
	if (!password)
		return admin_error(call, EXIT_USAGE, "no current password on standard input",
			       "không có mật khẩu hiện tại ở đầu vào chuẩn") == EXIT_OK;
	json_object_set_new(request, "current", json_string(password));
	cv_wipe(password, strlen(password));
	free(password);
	return true;
}

static int
run_passwd(struct admin_call *call)
{
	json_t *request = admin_request("account.passwd");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	set_flag(call, request, "allow-weak", "allow_weak");
	set_must_change(call, request, !admin_option(call, "random"));
	if (!set_current(call, request) ||
		!set_password(call, request, !admin_option(call, "random"))) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		printf("%s %s\n", admin_say(call, "New password for", "Đã đổi mật khẩu của"),
			call->words[0]);
		print_new_password(call, reply);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
change_state(struct admin_call *call, const char *what, const char *en, const char *vi)
{
	json_t *request = admin_request(what);
	int exit_code;

	admin_set(request, "address", call->words[0]);
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
run_suspend(struct admin_call *call)
{
	return change_state(call, "account.suspend", "Suspended", "Đã khóa đăng nhập");
}

static int
run_resume(struct admin_call *call)
{
	return change_state(call, "account.resume", "Resumed", "Đã mở lại");
}

static int
run_retire(struct admin_call *call)
{
	static const char *const fields[][2] = { { "successor", "successor" },
		{ "notice-until", "notice_until" }, { "forward-until", "forward_until" },
		{ "handover", "handover" }, { "on", "on" }, { "letter", "letter" },
		{ "reason", "reason" } };
	json_t *request = admin_request("account.retire");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		admin_set(request, fields[i][1], admin_option(call, fields[i][0]));
	/* Nobody ever gets the address again: not by a slip of the finger. */
	exit_code = admin_set_dry_run(call, request) ? EXIT_OK
		: admin_confirm(call, "retiring is for good (to suspend the account is not)",
			"ngừng vĩnh viễn (khóa đăng nhập thì không)", call->words[0]);
	if (exit_code) {
		json_decref(request);
		return exit_code;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		if (!json_object_get(reply, "preview") && !admin_option(call, "dry-run"))
			printf("%s %s\n", admin_say(call, "Retired", "Đã ngừng"), call->words[0]);
		admin_print_move(call, reply);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option retire_options[] = {
	{ "on", "DAY", "the last day at work: log-ins are refused from 00:00 of the next",
		"ngày làm việc cuối: từ 00:00 hôm sau không đăng nhập được" },
	{ "handover", "ADDRESS", "who may read the box while it is kept",
		"người được đọc hộp thư trong thời gian lưu giữ" },
	{ "letter", "TEXT", "number of the decision", "số quyết định" },
	{ "successor", "ADDRESS", "who does the work now", "địa chỉ người kế nhiệm" },
	{ "notice-until", "DAY", "until then senders are told the successor's address",
		"đến ngày này người gửi được báo địa chỉ kế nhiệm" },
	{ "forward-until", "DAY", "until then the successor gets the mail",
		"đến ngày này thư được chuyển cho người kế nhiệm" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	ADMIN_DRY_RUN,
	{ 0 }
};
static const struct admin_option add_options[] = {
	{ "address", "ADDRESS", "this address instead of one made from the name",
		"dùng đúng địa chỉ này" },
	{ "surname", "TEXT", "họ, when the name must not be split", "họ" },
	{ "middle", "TEXT", "tên đệm", "tên đệm" },
	{ "given", "TEXT", "tên", "tên" },
	{ "agency", "CODE", "unit", "mã đơn vị" },
	{ "title", "TEXT", "chức vụ", "chức vụ" },
	{ "department", "TEXT", "phòng", "phòng" },
	{ "kind", "KIND", "person, agency, role, group or app",
		"person, agency, role, group hoặc app" },
	{ "phone-office", "NUMBER", "office telephone", "điện thoại cơ quan" },
	{ "phone-mobile", "NUMBER", "mobile; published only with --mobile-consent", "di động" },
	{ "mobile-consent", NULL, "the person agreed to publish it",
		"đồng ý công khai số di động" },
	{ "role", "WORD", "with --kind role: the box WORD.AGENCY@ (vanthu, tiepcongdan, ...)",
		"với --kind role: hộp thư TỪ.ĐƠN_VỊ@ (vanthu, tiepcongdan, ...)" },
	{ "letter", "TEXT", "number of the letter that asked for the account",
		"số công văn đề nghị" },
	{ "staff-id", "TEXT", "the office's own number of the person", "mã cán bộ" },
	{ "quota", "SIZE", "mailbox size instead of the class's: 500M, 5G",
		"hạn mức hộp thư: 500M, 5G" },
	{ "unlisted", NULL, "leave out of the public directory",
		"không đưa vào danh bạ công khai" },
	{ "password-stdin", NULL, "read the password from standard input (else one is made)",
		"đọc mật khẩu từ đầu vào chuẩn" },
	{ "keep-password", NULL, "a password that was made need not be changed within 6 hours",
		"mật khẩu được tạo không phải đổi trong 6 giờ" },
	{ "must-change", NULL, "a password from standard input must be changed within 6 hours",
		"mật khẩu nhập vào phải đổi trong 6 giờ" },
	{ "allow-weak", NULL, "take a password the rules refuse (trials only)",
		"chấp nhận mật khẩu yếu (thử nghiệm)" },
	{ "override", NULL, "take a reserved or look-alike name, with --reason",
		"dùng tên dành riêng, kèm --reason" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
static const struct admin_option list_options[] = {
	{ "agency", "CODE", "of this unit only", "chỉ đơn vị này" },
	{ "state", "STATE", "active, suspended or retired", "active, suspended hoặc retired" },
	{ "kind", "KIND", "person, agency, role, group or app",
		"person, agency, role, group hoặc app" },
	{ 0 }
};
static const struct admin_option passwd_options[] = {
	{ "self", NULL, "the holder changes it: the current password, then the new one, a line each",
		"chủ hộp thư tự đổi: nhập mật khẩu hiện tại rồi mật khẩu mới, mỗi dòng một mật khẩu" },
	{ "random", NULL, "make a random one and show it once", "tạo ngẫu nhiên và hiện một lần" },
	{ "keep-password", NULL, "a password that was made need not be changed within 6 hours",
		"mật khẩu được tạo không phải đổi trong 6 giờ" },
	{ "must-change", NULL, "a password from standard input must be changed within 6 hours",
		"mật khẩu nhập vào phải đổi trong 6 giờ" },
	{ "allow-weak", NULL, "take a password the rules refuse (trials only)",
		"chấp nhận mật khẩu yếu (thử nghiệm)" },
	{ 0 }
};
static const struct admin_option reason_options[] = {
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_account_add = {
	.noun = "account",
	.verb = "add",
	.words = "[NAME]",
	.words_max = 1,
	.help = "make an account from a Vietnamese name, or with a given address",
	.help_vi = "tạo tài khoản từ họ tên hoặc với địa chỉ cho trước",
	.options = add_options,
	.examples = "  congvu account add \"Đặng Thị Duyên\" --agency stp --title \"Chuyên viên\"\n"
		    "  echo 'secret' | congvu account add --kind app --address "
		    "qlvb.stp@lamgiang.example --password-stdin",
	.run = run_add,
};
const struct admin_command admin_account_list = {
	.noun = "account",
	.verb = "list",
	.words = "[TEXT]",
	.words_max = 1,
	.help = "list accounts; TEXT is looked for in names and addresses, with or without "
		"diacritics",
	.help_vi = "liệt kê tài khoản; tìm theo tên có dấu hoặc không dấu",
	.options = list_options,
	.examples = "  congvu account list --agency stp\n  congvu account list duyen",
	.run = run_list,
};
const struct admin_command admin_account_show = {
	.noun = "account",
	.verb = "show",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "show one account",
	.help_vi = "xem một tài khoản",
	.examples = "  congvu account show dtduyen.stp@lamgiang.example",
	.run = run_show,
};
const struct admin_command admin_account_passwd = {
	.noun = "account",
	.verb = "passwd",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "set a password, read from standard input",
	.help_vi = "đặt mật khẩu (đọc từ đầu vào chuẩn)",
	.options = passwd_options,
	.examples = "  congvu account passwd dtduyen.stp@lamgiang.example --random\n"
		    "  congvu account passwd dtduyen.stp@lamgiang.example --self",
	.run = run_passwd,
};
const struct admin_command admin_account_suspend = {
	.noun = "account",
	.verb = "suspend",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "stop log-ins; mail still arrives",
	.help_vi = "khóa đăng nhập, thư vẫn đến",
	.options = reason_options,
	.examples = "  congvu account suspend dtduyen.stp@lamgiang.example --reason \"CV 12/STP\"",
	.run = run_suspend,
};
const struct admin_command admin_account_resume = {
	.noun = "account",
	.verb = "resume",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "allow log-ins again",
	.help_vi = "cho đăng nhập lại",
	.options = reason_options,
	.examples = "  congvu account resume dtduyen.stp@lamgiang.example",
	.run = run_resume,
};
const struct admin_command admin_account_retire = {
	.noun = "account",
	.verb = "retire",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "end an account for good; senders can be told who follows, or the successor gets the mail",
	.help_vi = "ngừng một tài khoản vĩnh viễn; có thể báo hoặc chuyển thư cho người kế nhiệm",
	.options = retire_options,
	.examples = "  congvu account retire nvhoa.stp --yes --successor dtduyen.stp --notice-until "
		    "2027-05-31",
	.run = run_retire,
};
