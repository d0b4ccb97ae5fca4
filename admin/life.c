/* life.c - `congvu account transfer|second|leave|return|rename`, `congvu purge list|confirm`,
 * `congvu role hold|history`: what happens to people, now or at a day (ACC-06, ADR-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/life.h"
#include "admin/commands.h"
#include "common/base/str.h"

/* Options that go into the request under the same name, "-" as "_". */
static void
set_fields(struct admin_call *call, json_t *request)
{
	for (unsigned o = 0; call->command->options && call->command->options[o].name; o++) {
		const struct admin_option *option = &call->command->options[o];
		char key[40];
		snprintf(key, sizeof key, "%s", option->name);
		for (char *p = key; *p; p++)
			*p = *p == '-' ? '_' : *p;
		if (!strcmp(key, "dry_run") || !call->values[o])
			continue;
		if (option->argument)
			json_object_set_new(request, key, json_string(call->values[o]));
		else
			json_object_set_new(request, key, json_true());
	}
	admin_set_dry_run(call, request);
}

static void
print_day(const struct admin_call *call, const char *en, const char *vi, json_int_t secs)
{
	json_t *moment = admin_day(secs);
	printf("%s %s\n", admin_say(call, en, vi), json_string_value(moment));
	json_decref(moment);
}

static void
print_left(const struct admin_call *call, const json_t *left)
{
	static const struct {
		const char *what, *en, *vi;
	} words[] = {
		{"member",  "leaves the group",         "rời nhóm"                   },
		{"holder",  "gives back the box",       "thôi giữ hộp thư"        },
		{"poster",  "no longer writes to",      "thôi quyền gửi vào nhóm"},
		{"send-as", "delegation ends: send as", "hết ủy quyền gửi thay" },
		{"full",    "delegation ends: full",    "hết ủy quyền toàn bộ" },
		{"read",    "delegation ends: read",    "hết ủy quyền đọc"     }
	};
	json_t *one;
	size_t i;

	json_array_foreach(
		left, i, one) for (size_t w = 0; w < CV_COUNT(words);
				   w++) if (!strcmp(words[w].what, admin_str(one, "what")))
		printf("  %s %s (%s)\n", admin_say(call, words[w].en, words[w].vi),
			admin_str(one, "of"), admin_str(one, "who"));
}

/* What changed between the two, a line each. */
static void
print_change(const struct admin_call *call, const json_t *before, const json_t *after)
{
	static const struct {
		const char *key, *en, *vi;
	} rows[] = {
		{"address",      "address",    "địa chỉ"   },
		{"name",         "name",       "họ và tên"  },
		{"agency",       "agency",     "đơn vị"     },
		{"department",   "department", "phòng"         },
		{"title",        "title",      "chức vụ"    },
		{"phone_office", "telephone",  "điện thoại"}
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *a = admin_str(before, rows[i].key), *b = admin_str(after, rows[i].key);
		if (strcmp(a, b))
			printf("  %s: %s -> %s\n", admin_say(call, rows[i].en, rows[i].vi),
				*a ? a : "-", *b ? b : "-");
	}
	if (admin_number(before, "quota") != admin_number(after, "quota"))
		printf("  %s: %lld -> %lld\n", admin_say(call, "quota", "hạn mức"),
			(long long)admin_number(before, "quota"),
			(long long)admin_number(after, "quota"));
}

/* Is it a dry run, put off, done; how to take it back. */
static void
print_what(const struct admin_call *call, const json_t *reply)
{
	if (json_is_true(json_object_get(reply, "dry_run")))
		printf("%s\n", admin_say(call, "Dry run, nothing was changed:",
				       "Chạy thử, chưa thay đổi gì:"));
	else if (json_object_get(reply, "dated"))
		printf("%s %lld\n", admin_say(call, "Dated act", "Việc hẹn ngày số"),
			(long long)admin_number(reply, "dated"));
	else if (json_object_get(reply, "act"))
		printf(admin_say(call, "congvu undo %lld takes it back\n",
			       "congvu undo %lld để hoàn tác\n"),
			(long long)admin_number(reply, "act"));
}

void
admin_print_move(const struct admin_call *call, const json_t *reply)
{
	const json_t *what = json_object_get(reply, "preview");

	if (what)
		print_day(call, "Will be done on", "Sẽ thực hiện ngày", admin_number(reply, "at"));
	else
		what = reply;
	print_what(call, reply);
	if (*admin_str(what, "address"))
		printf("%s\n", admin_str(what, "address"));
	print_change(call, json_object_get(what, "before"), json_object_get(what, "after"));
	if (*admin_str(what, "alias"))
		printf("  %s %s\n", admin_say(call, "stays as an alias:", "giữ làm bí danh:"),
			admin_str(what, "alias"));
	print_left(call, json_object_get(what, "left"));
	if (admin_number(what, "return_at"))
		print_day(call, "  back on", "  trở lại ngày", admin_number(what, "return_at"));
	if (admin_number(what, "kept_until"))
		print_day(call, "  the box is kept until", "  hộp thư được giữ đến ngày",
			admin_number(what, "kept_until"));
}

static int
ask_move(struct admin_call *call, json_t *request)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		admin_print_move(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static int
move(struct admin_call *call, const char *what, const char *second)
{
	json_t *request = admin_request(what);

	admin_set(request, "address", call->words[0]);
	if (second)
		admin_set(request, second, call->words[1]);
	set_fields(call, request);
	return ask_move(call, request);
}

static int
run_transfer(struct admin_call *call)
{
	return move(call, "account.transfer", "agency");
}

static int
run_second(struct admin_call *call)
{
	return move(call, "account.second", "agency");
}

static int
run_leave(struct admin_call *call)
{
	return move(call, "account.leave", NULL);
}

static int
run_return(struct admin_call *call)
{
	return move(call, "account.return", NULL);
}

static int
run_rename(struct admin_call *call)
{
	return move(call, "account.rename", call->word_count > 1 ? "name" : NULL);
}

/* ---- one person, two accounts ---- */

static void
print_merge(const struct admin_call *call, const json_t *reply)
{
	json_t *one;
	size_t i;

	print_what(call, reply);
	printf("%s -> %s\n", admin_str(reply, "ended"), admin_str(reply, "address"));
	json_array_foreach(json_object_get(reply, "aliases"), i, one) printf("  %s %s\n",
		admin_say(call, "alias now:", "thành bí danh:"), json_string_value(one));
	json_array_foreach(json_object_get(reply, "moved"), i, one)
		printf("  %s %s (%s)\n", admin_say(call, "goes along:", "chuyển theo:"),
			admin_str(one, "of"), admin_str(one, "who"));
	json_array_foreach(json_object_get(reply, "dropped"), i, one)
		printf("  %s %s%s\n", admin_say(call, "ends:", "chấm dứt:"),
			admin_str(one, "forward"), admin_str(one, "device"));
	if (json_object_get(reply, "messages"))
		printf("%s %lld\n", admin_say(call, "messages copied:", "số thư đã chép:"),
			(long long)admin_number(reply, "messages"));
	print_day(call, "the old box is kept until", "hộp thư cũ được giữ đến ngày",
		admin_number(reply, "kept_until"));
}

static int
run_merge(struct admin_call *call)
{
	json_t *request = admin_request("account.merge");
	int exit_code = EXIT_OK;

	admin_set(request, "address", call->words[0]);
	admin_set(request, "into", call->words[1]);
	admin_set(request, "mail", admin_option(call, "mail"));
	admin_set(request, "reason", admin_option(call, "reason"));
	if (!admin_set_dry_run(call, request))
		exit_code = admin_confirm(call, "the first account ends in the second",
			"tài khoản thứ nhất sẽ được gộp vào tài khoản thứ hai", call->words[0]);
	if (exit_code != EXIT_OK) {
		json_decref(request);
		return exit_code;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_merge(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

/* ---- role boxes ---- */

static int
run_hold(struct admin_call *call)
{
	json_t *request = admin_request("role.change");
	int exit_code;

	admin_set(request, "role", call->words[0]);
	admin_set(request, "holder", call->words[1]);
	admin_set(request, "on", admin_option(call, "from"));
	admin_set(request, "until", admin_option(call, "until"));
	admin_set(request, "letter", admin_option(call, "letter"));
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		const json_t *what = json_object_get(reply, "preview"), *released;
		json_t *one;
		size_t i;
		if (what)
			print_day(call, "Will be done on", "Sẽ thực hiện ngày",
				admin_number(reply, "at"));
		what = what ? what : reply;
		printf("%s: %s %s\n", admin_str(what, "role"),
			admin_say(call, "held by", "người giữ"), admin_str(what, "holder"));
		released = json_object_get(what, "released");
		json_array_foreach(released, i, one) printf("  %s %s\n",
			admin_say(call, "no longer by", "thôi giữ:"), json_string_value(one));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_history(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "who", "HOLDER", "NGƯỜI GIỮ" },
		{ "first", "FROM", "TỪ NGÀY" },
		{ "last", "UNTIL", "ĐẾN NGÀY" },
	};
	/* clang-format on */
	json_t *request = admin_request("role.history"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "role", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "holders"), i, one)
		{
			json_object_set_new(one, "first", admin_day(admin_number(one, "from")));
			json_object_set_new(one, "last", admin_day(admin_number(one, "until") - 1));
		}
		admin_table(call, json_object_get(reply, "holders"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- boxes of people who left ---- */

static int
run_purge_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "name", "NAME", "HỌ VÀ TÊN" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "left", "LEFT", "NGÀY NGHỈ" },
		{ "until", "KEPT UNTIL", "GIỮ ĐẾN" },
	};
	/* clang-format on */
	json_t *request = admin_request("purge.list"), *one;
	int exit_code;
	size_t i;

	set_fields(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "accounts"), i, one)
		{
			json_object_set_new(one, "left", admin_day(admin_number(one, "since")));
			json_object_set_new(
				one, "until", admin_day(admin_number(one, "kept_until")));
		}
		admin_table(call, json_object_get(reply, "accounts"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_purge_confirm(struct admin_call *call)
{
	json_t *request = admin_request("purge.do");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	if (!admin_set_dry_run(call, request)) {
		char en[500], vi[500];
		snprintf(en, sizeof en, "all mail of %s will be removed for good", call->words[0]);
		snprintf(vi, sizeof vi, "toàn bộ thư của %s sẽ bị xóa vĩnh viễn", call->words[0]);
		int agreed = admin_confirm(call, en, vi, call->words[0]);
		if (agreed != EXIT_OK) {
			json_decref(request);
			return agreed;
		}
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s (%lld)\n",
			json_is_true(json_object_get(reply, "dry_run"))
				? admin_say(call, "Would be removed:", "Sẽ xóa:")
				: admin_say(call, "Removed:", "Đã xóa:"),
			admin_str(reply, "address"),
			(long long)admin_number(reply, "used_messages"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
#define ON_OPTION(en, vi) { "on", "DAY", en, vi }
#define LETTER_OPTION { "letter", "TEXT", "number of the decision or letter", \
	"số quyết định, công văn" }
#define REASON_OPTION { "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" }
#define PLACE_OPTIONS \
	{ "department", "TEXT", "phòng", "phòng" }, \
	{ "title", "TEXT", "chức vụ; as it was unless told", "chức vụ; giữ nguyên nếu không nêu" }, \
	{ "phone-office", "NUMBER", "office telephone there", "điện thoại cơ quan mới" }
static const struct admin_option transfer_options[] = {
	ON_OPTION("from that day on, 00:00", "từ 00:00 ngày này"),
	PLACE_OPTIONS,
	{ "keep-address", NULL, "no new address", "giữ nguyên địa chỉ" },
	{ "new-address", "ADDRESS", "this address instead of one made from name and agency",
		"dùng đúng địa chỉ này" },
	LETTER_OPTION, REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option second_options[] = {
	ON_OPTION("from that day on, 00:00", "từ 00:00 ngày này"),
	{ "until", "DAY", "the last day there", "ngày biệt phái cuối cùng" },
	PLACE_OPTIONS, LETTER_OPTION, REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option leave_options[] = {
	ON_OPTION("the first day away", "ngày nghỉ đầu tiên"),
	{ "until", "DAY", "the last day away", "ngày nghỉ cuối cùng" },
	{ "vi", "TEXT", "the reply in Vietnamese", "nội dung trả lời tiếng Việt" },
	{ "en", "TEXT", "the reply in English", "nội dung trả lời tiếng Anh" },
	{ "login", NULL, "log-ins go on meanwhile", "vẫn cho đăng nhập trong thời gian nghỉ" },
	REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option return_options[] = {
	ON_OPTION("on that day", "vào ngày này"), REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option rename_options[] = {
	{ "surname", "TEXT", "họ, when the name must not be split", "họ" },
	{ "middle", "TEXT", "tên đệm", "tên đệm" },
	{ "given", "TEXT", "tên", "tên" },
	ON_OPTION("from that day on", "từ ngày này"),
	{ "keep-address", NULL, "no new address", "giữ nguyên địa chỉ" },
	{ "new-address", "ADDRESS", "this address instead of one made from the name",
		"dùng đúng địa chỉ này" },
	LETTER_OPTION, REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option merge_options[] = {
	{ "mail", "WHAT", "copy: into a folder of the other; leave (the default): where it is",
		"copy: chép sang thư mục của tài khoản kia; leave (mặc định): để nguyên" },
	REASON_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option hold_options[] = {
	{ "from", "DAY", "from 00:00 of that day on", "từ 00:00 ngày này" },
	{ "until", "DAY", "the last day", "ngày cuối cùng" },
	LETTER_OPTION, ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option purge_list_options[] = {
	{ "agency", "CODE", "of this unit only", "chỉ đơn vị này" },
	{ "all", NULL, "those too whose time is not up", "cả những hộp thư chưa hết hạn giữ" },
	{ 0 }
};
static const struct admin_option purge_options[] = { ADMIN_DRY_RUN, { 0 } };

const struct admin_command admin_account_transfer = {
	.noun = "account", .verb = "transfer", .words = "ADDRESS AGENCY",
	.words_min = 2, .words_max = 2,
	.help = "move somebody to another agency: new address, the old one stays as an alias; groups, "
		"role boxes and delegations of the old agency are left",
	.help_vi = "điều chuyển sang đơn vị khác: địa chỉ mới, địa chỉ cũ thành bí danh; rời các nhóm, "
		"hộp thư chức danh và ủy quyền của đơn vị cũ",
	.options = transfer_options,
	.examples = "  congvu account transfer nvhoa.stp snv --on 2027-03-01 --title \"Phó Trưởng phòng\" --dry-run",
	.run = run_transfer,
};
const struct admin_command admin_account_second = {
	.noun = "account", .verb = "second", .words = "ADDRESS AGENCY",
	.words_min = 2, .words_max = 2,
	.help = "send somebody to another agency for a time; everything comes back after the last day",
	.help_vi = "biệt phái có thời hạn; hết hạn mọi thứ trở lại như cũ",
	.options = second_options,
	.examples = "  congvu account second nvhoa.stp snv --on 2027-03-01 --until 2027-08-31",
	.run = run_second,
};
const struct admin_command admin_account_leave = {
	.noun = "account", .verb = "leave", .words = "ADDRESS",
	.words_min = 1, .words_max = 1,
	.help = "somebody is away between two days: no log-in, mail arrives, senders are told",
	.help_vi = "nghỉ phép giữa hai ngày: khóa đăng nhập, thư vẫn đến, tự động trả lời",
	.options = leave_options,
	.examples = "  congvu account leave nvhoa.stp --on 2027-03-01 --until 2027-03-14",
	.run = run_leave,
};
const struct admin_command admin_account_return = {
	.noun = "account", .verb = "return", .words = "ADDRESS",
	.words_min = 1, .words_max = 1,
	.help = "back from a secondment or leave before its end",
	.help_vi = "trở lại trước hạn từ biệt phái hoặc nghỉ phép",
	.options = return_options,
	.examples = "  congvu account return nvhoa.stp",
	.run = run_return,
};
const struct admin_command admin_account_rename = {
	.noun = "account", .verb = "rename", .words = "ADDRESS [NAME]",
	.words_min = 1, .words_max = 2,
	.help = "correct a name; the address follows, the old one stays as an alias",
	.help_vi = "sửa họ tên; địa chỉ đổi theo, địa chỉ cũ thành bí danh",
	.options = rename_options,
	.examples = "  congvu account rename nvhoa.stp \"Nguyễn Văn Hòe\"",
	.run = run_rename,
};
const struct admin_command admin_account_merge = {
	.noun = "account", .verb = "merge", .words = "ADDRESS INTO",
	.words_min = 2, .words_max = 2,
	.help = "make one account of two that one person has: addresses, groups, boxes and delegations "
		"go over, mail by choice; `congvu undo` takes it back",
	.help_vi = "gộp hai tài khoản của một người: địa chỉ, nhóm, hộp thư, ủy quyền chuyển sang; "
		"thư tùy chọn; hoàn tác bằng `congvu undo`",
	.options = merge_options,
	.examples = "  congvu account merge nvhoa2.stp nvhoa.stp --mail copy --dry-run",
	.run = run_merge,
};
const struct admin_command admin_role_hold = {
	.noun = "role", .verb = "hold", .words = "ROLE HOLDER",
	.words_min = 2, .words_max = 2,
	.help = "somebody holds a role box in place of all who do, now or from a day on; its mail stays",
	.help_vi = "đổi người giữ hộp thư chức danh, ngay hoặc từ một ngày; thư vẫn ở hộp thư",
	.options = hold_options,
	.examples = "  congvu role hold chutich.xtl nvhoa.xtl --from 2027-03-01",
	.run = run_hold,
};
const struct admin_command admin_role_history = {
	.noun = "role", .verb = "history", .words = "ROLE",
	.words_min = 1, .words_max = 1,
	.help = "who held a role or agency box when",
	.help_vi = "lịch sử người giữ hộp thư chức danh",
	.examples = "  congvu role history chutich.xtl",
	.run = run_history,
};
const struct admin_command admin_purge_list = {
	.noun = "purge", .verb = "list", .words = "",
	.help = "list boxes of people who left whose time is up; nothing is removed by itself",
	.help_vi = "liệt kê hộp thư người đã nghỉ hết hạn giữ; không tự động xóa",
	.options = purge_list_options,
	.examples = "  congvu purge list\n  congvu purge list --all --agency stp",
	.run = run_purge_list,
};
const struct admin_command admin_purge_confirm = {
	.noun = "purge", .verb = "confirm", .words = "ADDRESS",
	.words_min = 1, .words_max = 1,
	.help = "remove the mail of somebody who left, for good; nobody else ever gets the address",
	.help_vi = "xóa vĩnh viễn thư của người đã nghỉ; địa chỉ không bao giờ cấp cho người khác",
	.options = purge_options,
	.examples = "  congvu purge confirm nvhoa.stp",
	.run = run_purge_confirm,
};
/* clang-format on */
