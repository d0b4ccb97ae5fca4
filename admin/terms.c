/* terms.c - `congvu account expire|expiring|rules`, `congvu review start|list|confirm|status`:
 * until when and under whom accounts last, who accepted the rules, who stands for which access
 * (ACC-10, ACC-11, POL-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "common/base/str.h"

/* ---- ends and owners ---- */

static int
run_expire(struct admin_call *call)
{
	json_t *request = admin_request("account.expire");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	admin_set(request, "until", admin_option(call, "until"));
	admin_set(request, "owner", admin_option(call, "owner"));
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *day = admin_day(admin_number(reply, "until") - 1);
		printf("%s: %s %s\n", admin_str(reply, "address"),
			admin_say(call, "ends after", "hết hạn sau ngày"), json_string_value(day));
		json_decref(day);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* Mails the owners of what ends soon; each once. */
static void
warn_owners(struct admin_call *call, const json_t *accounts)
{
	json_t *told = json_array(), *one;
	int exit_code;
	size_t i;

	json_array_foreach(accounts, i, one) {
		struct cv_err err;
		if (!json_is_true(json_object_get(one, "soon")) ||
			json_is_true(json_object_get(one, "told")))
			continue;
		json_t *request = json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "do", "mail.notice",
			"template", "expiring", "account", admin_str(one, "owner"), "values",
			"address", admin_str(one, "address"), "until",
			admin_day(admin_number(one, "until")));
		json_t *reply = admin_try(call, ADMIN_STORE, request, &err);
		if (reply)
			json_array_append_new(told, json_string(admin_str(one, "address")));
		json_decref(reply);
	}
	if (json_array_size(told)) {
		json_t *request = admin_request("expiry.told");
		json_object_set(request, "told", told);
		json_decref(admin_ask(call, ADMIN_STORE, request, &exit_code));
	}
	json_decref(told);
}

static int
run_expiring(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "owner", "OWNER", "NGƯỜI PHỤ TRÁCH" },
		{ "last", "LAST DAY", "NGÀY CUỐI" },
		{ "left", "DAYS", "CÒN (NGÀY)" },
		{ "soon", "SOON", "SẮP HẾT HẠN" },
	};
	/* clang-format on */
	json_t *request = admin_request("expiry.list"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "agency", admin_option(call, "agency"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	json_t *accounts = json_object_get(reply, "accounts");
	if (admin_option(call, "run"))
		warn_owners(call, accounts);
	if (!admin_json(call, reply)) {
		json_array_foreach(accounts, i, one) {
			json_object_set_new(one, "last", admin_day(admin_number(one, "until")));
			admin_set_number(one, "left", admin_number(one, "days"));
		}
		admin_table(call, accounts, columns, CV_COUNT(columns));
		json_array_foreach(json_object_get(reply, "without_owner"), i, one)
			printf("%s: %s\n", json_string_value(one),
				admin_say(call, "has no owner and no end (congvu account expire)",
					"chưa có người phụ trách, chưa có hạn (congvu account expire)"));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- the usage rules ---- */

static int
accept(struct admin_call *call)
{
	json_t *request = admin_request("rules.accept");
	int exit_code;

	admin_set(request, "address", admin_option(call, "accept"));
	admin_set(request, "version", admin_option(call, "version"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "Accepted:", "Đã chấp nhận:"),
			admin_option(call, "accept"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_rules(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "name", "NAME", "HỌ VÀ TÊN" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "version", "ACCEPTED", "ĐÃ CHẤP NHẬN" },
	};
	/* clang-format on */
	if (admin_option(call, "accept"))
		return accept(call);
	json_t *request = admin_request("rules.list");
	int exit_code;

	admin_set(request, "agency", admin_option(call, "agency"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		printf("%s %s: %lld %s, %zu %s\n", admin_say(call, "Rules", "Quy chế"),
			admin_str(reply, "version"), (long long)admin_number(reply, "accepted"),
			admin_say(call, "accepted", "đã chấp nhận"),
			json_array_size(json_object_get(reply, "missing")),
			admin_say(call, "have not", "chưa"));
		admin_table(call, json_object_get(reply, "missing"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- reviews ---- */

static int
run_review_start(struct admin_call *call)
{
	json_t *request = admin_request("review.start");
	int exit_code;

	if (admin_option(call, "if-due"))
		json_object_set_new(request, "if_due", json_true());
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply) && json_is_true(json_object_get(reply, "changed"))) {
		json_t *day = admin_day(admin_number(reply, "due"));
		printf(admin_say(call, "Review %lld: %lld items, %lld agencies, by %s\n",
			"Đợt rà soát %lld: %lld mục, %lld đơn vị, hạn %s\n"),
			(long long)admin_number(reply, "number"),
			(long long)admin_number(reply, "items"),
			(long long)admin_number(reply, "agencies"), json_string_value(day));
		json_decref(day);
	} else if (!call->json) {
		printf("%s\n", admin_say(call, "no review is due", "chưa đến kỳ rà soát"));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_review_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id", "ITEM", "MỤC" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "what", "WHAT", "LOẠI" },
		{ "object", "OF", "TÀI KHOẢN" },
		{ "who", "WHO", "NGƯỜI ĐƯỢC QUYỀN" },
		{ "detail", "DETAIL", "CHI TIẾT" },
		{ "decision", "DECISION", "KẾT LUẬN" },
		{ "by", "BY", "NGƯỜI XÁC NHẬN" },
	};
	/* clang-format on */
	json_t *request = admin_request("review.list"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "agency", admin_option(call, "agency"));
	admin_set(request, "number", admin_option(call, "review"));
	if (admin_option(call, "open"))
		json_object_set_new(request, "open", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "items"), i, one)
			admin_set_number(one, "id", admin_number(one, "item"));
		admin_table(call, json_object_get(reply, "items"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_review_confirm(struct admin_call *call)
{
	json_t *request = admin_request("review.confirm"), *items = json_array();
	int exit_code;

	admin_set(request, "agency", call->words[0]);
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set(request, "decision", admin_option(call, "withdraw") ? "withdraw" : "keep");
	for (unsigned i = 1; i < call->word_count; i++)
		json_array_append_new(items, json_string(call->words[i]));
	if (call->word_count > 1)
		json_object_set(request, "items", items);
	json_decref(items);
	admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "%lld confirmed, %lld still open\n",
			"đã xác nhận %lld mục, còn %lld mục\n"),
			(long long)admin_number(reply, "changed"),
			(long long)admin_number(reply, "open"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_review_status(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "name", "NAME", "TÊN ĐƠN VỊ" },
		{ "all", "ITEMS", "SỐ MỤC" },
		{ "rest", "OPEN", "CHƯA XONG" },
		{ "out", "WITHDRAW", "THU HỒI" },
		{ "overdue", "OVERDUE", "QUÁ HẠN" },
		{ "by", "CONFIRMED BY", "NGƯỜI XÁC NHẬN" },
		{ "when", "ON", "NGÀY" },
	};
	/* clang-format on */
	json_t *request = admin_request("review.status"), *one;
	int exit_code;
	size_t i;

	admin_set(request, "number", admin_option(call, "review"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "agencies"), i, one) {
			json_t *done = json_object_get(one, "done");
			admin_set_number(one, "all", admin_number(one, "items"));
			admin_set_number(one, "rest", admin_number(one, "open"));
			admin_set_number(one, "out", admin_number(one, "withdraw"));
			json_object_set_new(one, "by", json_string(admin_str(done, "by")));
			json_object_set_new(one, "when", admin_day(admin_number(done, "at")));
		}
		admin_table(call, json_object_get(reply, "agencies"), columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option expire_options[] = {
	{ "until", "DAY", "the last day", "ngày cuối cùng" },
	{ "owner", "ADDRESS", "who answers for it; as it was when extended",
		"người phụ trách; giữ nguyên khi gia hạn" },
	{ "reason", "TEXT", "why a contract is for less than a year", "lý do hợp đồng dưới 1 năm" },
	ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option expiring_options[] = {
	{ "agency", "CODE", "of this unit and those below it", "đơn vị này và các đơn vị trực thuộc" },
	{ "run", NULL, "mail owners of what ends within 14 days (the scheduler does so each day)",
		"báo người phụ trách tài khoản hết hạn trong 14 ngày (bộ lập lịch chạy hằng ngày)" },
	{ 0 }
};
static const struct admin_option rules_options[] = {
	{ "agency", "CODE", "of this unit and those below it", "đơn vị này và các đơn vị trực thuộc" },
	{ "accept", "ADDRESS", "note that this person accepted the rules today",
		"ghi nhận người này đã chấp nhận quy chế hôm nay" },
	{ "version", "TEXT", "another version than the present one", "phiên bản khác phiên bản hiện hành" },
	{ 0 }
};
static const struct admin_option start_options[] = {
	{ "if-due", NULL, "only when the last one is review_months old",
		"chỉ khi đã đến kỳ rà soát" },
	ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option list_options[] = {
	{ "agency", "CODE", "of this unit only", "chỉ đơn vị này" },
	{ "open", NULL, "what is not confirmed yet", "chỉ mục chưa xác nhận" },
	{ "review", "NUMBER", "an earlier review", "đợt rà soát trước" },
	{ 0 }
};
static const struct admin_option confirm_options[] = {
	{ "withdraw", NULL, "these are to be withdrawn", "các mục này cần thu hồi" },
	{ "reason", "TEXT", "kept with them", "lý do" },
	ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option status_options[] = {
	{ "review", "NUMBER", "an earlier review", "đợt rà soát trước" }, { 0 }
};

const struct admin_command admin_account_expire = {
	.noun = "account", .verb = "expire", .words = "ADDRESS", .words_min = 1, .words_max = 1,
	.help = "a contractor's or application's account ends after a day; somebody answers for it",
	.help_vi = "đặt hạn và người phụ trách cho tài khoản hợp đồng, ứng dụng",
	.options = expire_options,
	.examples = "  congvu account expire qlvb.stp --until 2027-12-31 --owner nvhoa.stp",
	.run = run_expire,
};
const struct admin_command admin_account_expiring = {
	.noun = "account", .verb = "expiring", .words = "",
	.help = "list accounts that have an end, and applications without owner",
	.help_vi = "liệt kê tài khoản có hạn và ứng dụng chưa có người phụ trách",
	.options = expiring_options,
	.examples = "  congvu account expiring --agency stp",
	.run = run_expiring,
};
const struct admin_command admin_account_rules = {
	.noun = "account", .verb = "rules", .words = "",
	.help = "list who has not accepted the present usage rules, or note that somebody did",
	.help_vi = "liệt kê người chưa chấp nhận quy chế hiện hành, hoặc ghi nhận chấp nhận",
	.options = rules_options,
	.examples = "  congvu account rules --agency stp\n  congvu account rules --accept nvhoa.stp",
	.run = run_rules,
};
const struct admin_command admin_review_start = {
	.noun = "review", .verb = "start", .words = "",
	.help = "ask every agency to look through who has access to what",
	.help_vi = "bắt đầu đợt rà soát quyền truy cập",
	.options = start_options,
	.examples = "  congvu review start --dry-run",
	.run = run_review_start,
};
const struct admin_command admin_review_list = {
	.noun = "review", .verb = "list", .words = "",
	.help = "list accounts, role boxes, delegations, admins and app passwords to be confirmed",
	.help_vi = "liệt kê tài khoản, hộp thư chức danh, ủy quyền, quản trị, mật khẩu ứng dụng cần xác nhận",
	.options = list_options,
	.examples = "  congvu review list --agency stp --open",
	.run = run_review_list,
};
const struct admin_command admin_review_confirm = {
	.noun = "review", .verb = "confirm", .words = "AGENCY [ITEM...]",
	.words_min = 1, .words_max = ADMIN_WORDS_MAX,
	.help = "stand for these items, or for all that are open; or mark them for withdrawal",
	.help_vi = "xác nhận các mục này hoặc mọi mục còn lại; hoặc đánh dấu thu hồi",
	.options = confirm_options,
	.examples = "  congvu review confirm stp 12 15 --withdraw --reason \"đã chuyển công tác\"\n"
		    "  congvu review confirm stp",
	.run = run_review_confirm,
};
const struct admin_command admin_review_status = {
	.noun = "review", .verb = "status", .words = "",
	.help = "which agencies have confirmed, which are overdue",
	.help_vi = "đơn vị nào đã xác nhận, đơn vị nào quá hạn",
	.options = status_options,
	.examples = "  congvu review status",
	.run = run_review_status,
};
/* clang-format on */
