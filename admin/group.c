/* group.c - `congvu group create|add|remove|set|show`: who gets a group's mail, who may write. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "common/base/base.h"

static int
run_create(struct admin_call *call)
{
	json_t *request = admin_request("account.add");
	int exit_code;

	admin_set(request, "kind", "group");
	admin_set(request, "address", call->words[0]);
	admin_set(request, "name", call->words[1]);
	admin_set(request, "agency", admin_option(call, "agency"));
	if (admin_option(call, "unlisted"))
		json_object_set_new(request, "listed", json_false());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "Made group", "Đã tạo nhóm"),
			json_string_value(json_object_get(reply, "address")));
	json_decref(reply);
	return EXIT_OK;
}

/* Each member or poster is a request of its own; the first that is refused ends it. */
static int
change_each(struct admin_call *call, const char *what, const char *key, bool remove)
{
	json_int_t changed = 0;
	int exit_code;

	for (unsigned i = 1; i < call->word_count; i++) {
		json_t *request = admin_request(what);
		admin_set(request, "group", call->words[0]);
		admin_set(request, key, call->words[i]);
		if (remove)
			json_object_set_new(request, "remove", json_true());
		json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
		if (!reply)
			return exit_code;
		changed += json_is_true(json_object_get(reply, "changed"));
		json_decref(reply);
	}
	json_t *reply = json_pack("{s:b, s:s, s:I}", "ok", 1, "group", call->words[0], "changed",
		changed);
	if (!admin_json(call, reply))
		printf(admin_say(call, "%s: %lld changed\n", "%s: đã đổi %lld\n"), call->words[0],
			(long long)changed);
	json_decref(reply);
	return EXIT_OK;
}

static int
change_members(struct admin_call *call, bool remove)
{
	bool posters = admin_option(call, "posters") != NULL;

	return change_each(call, posters ? "group.poster" : "group.member",
		posters ? "poster" : "member", remove);
}

static int
run_add(struct admin_call *call)
{
	return change_members(call, false);
}

static int
run_remove(struct admin_call *call)
{
	return change_members(call, true);
}

static int
run_set(struct admin_call *call)
{
	json_t *request = admin_request("group.set");
	int exit_code;

	admin_set(request, "group", call->words[0]);
	admin_set(request, "post", admin_option(call, "post"));
	admin_set(request, "owner", admin_option(call, "owner"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "Set group", "Đã đặt nhóm"), call->words[0]);
	json_decref(reply);
	return EXIT_OK;
}

static void
print_list(const struct admin_call *call, const json_t *account, const char *key, const char *en,
	const char *vi)
{
	const json_t *list = json_object_get(account, key);
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		printf("%-10s ", i ? "" : admin_say(call, en, vi));
		admin_put(stdout, json_string_value(item));
		printf("\n");
	}
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("account.show");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	const json_t *account = json_object_get(reply, "account");
	const char *kind = json_string_value(json_object_get(account, "kind"));
	if (!kind || strcmp(kind, "group") != 0) {
		json_decref(reply);
		return admin_error(call, EXIT_FAILED, "this address is no group",
			"địa chỉ này không phải nhóm");
	}
	if (!admin_json(call, reply)) {
		const char *owner = json_string_value(json_object_get(account, "owner"));
		printf("%-10s %s\n%-10s %s\n%-10s %s\n", admin_say(call, "group", "nhóm"),
			json_string_value(json_object_get(account, "address")),
			admin_say(call, "post", "được gửi"),
			json_string_value(json_object_get(account, "post")),
			admin_say(call, "owner", "phụ trách"), owner ? owner : "-");
		print_list(call, account, "members", "members", "thành viên");
		print_list(call, account, "outside_members", "outside", "bên ngoài");
		print_list(call, account, "posters", "posters", "người gửi");
		print_list(call, account, "aliases", "aliases", "bí danh");
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option create_options[] = {
	{ "agency", "CODE", "unit", "mã đơn vị" },
	{ "unlisted", NULL, "leave out of the public directory",
		"không đưa vào danh bạ công khai" },
	{ 0 }
};
static const struct admin_option member_options[] = {
	{ "posters", NULL, "accounts that may write to a group for 'named', instead of members",
		"những tài khoản được gửi tới nhóm kiểu 'named', thay vì thành viên" },
	{ 0 }
};
static const struct admin_option set_options[] = {
	{ "post", "WHO", "who may write: staff, anyone, official, members, named or nobody",
		"ai được gửi: staff, anyone, official, members, named hoặc nobody" },
	{ "owner", "ADDRESS", "who gets bounces of outside members",
		"người phụ trách, nhận báo lỗi của thành viên bên ngoài" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_group_create = {
	.noun = "group",
	.verb = "create",
	.words = "ADDRESS NAME",
	.words_min = 2,
	.words_max = 2,
	.help = "make a group without members",
	.help_vi = "tạo một nhóm chưa có thành viên",
	.options = create_options,
	.examples = "  congvu group create toanso.stp \"Toàn Sở Tư pháp\" --agency stp",
	.run = run_create,
};
const struct admin_command admin_group_add = {
	.noun = "group",
	.verb = "add",
	.words = "GROUP MEMBER...",
	.words_min = 2,
	.words_max = ADMIN_WORDS_MAX,
	.help = "put accounts, groups or outside addresses into a group",
	.help_vi = "thêm tài khoản, nhóm hoặc địa chỉ bên ngoài vào nhóm",
	.options = member_options,
	.examples = "  congvu group add toanso.stp dtduyen.stp nvhoa.stp\n"
		    "  congvu group add toanso.stp vanthu.stp --posters",
	.run = run_add,
};
const struct admin_command admin_group_remove = {
	.noun = "group",
	.verb = "remove",
	.words = "GROUP MEMBER...",
	.words_min = 2,
	.words_max = ADMIN_WORDS_MAX,
	.help = "take them out of it",
	.help_vi = "bỏ ra khỏi nhóm",
	.options = member_options,
	.examples = "  congvu group remove toanso.stp nvhoa.stp",
	.run = run_remove,
};
const struct admin_command admin_group_set = {
	.noun = "group",
	.verb = "set",
	.words = "GROUP",
	.words_min = 1,
	.words_max = 1,
	.help = "say who may write to a group, and who looks after it",
	.help_vi = "đặt ai được gửi tới nhóm và ai phụ trách",
	.options = set_options,
	.examples = "  congvu group set toanso.stp --post members --owner vanthu.stp",
	.run = run_set,
};
const struct admin_command admin_group_show = {
	.noun = "group",
	.verb = "show",
	.words = "GROUP",
	.words_min = 1,
	.words_max = 1,
	.help = "show a group with its members",
	.help_vi = "xem một nhóm và thành viên",
	.examples = "  congvu group show toanso.stp --json",
	.run = run_show,
};
