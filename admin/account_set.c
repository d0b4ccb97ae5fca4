/* account_set.c - `congvu account set`: telephones, place, and what of a person is public. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "admin/commands.h"

/* "yes" or "no" as a JSON boolean under KEY; anything else is said and returns false. */
static bool
set_choice(struct admin_call *call, json_t *request, const char *option, const char *key)
{
	const char *value = admin_option(call, option);

	if (!value)
		return true;
	bool yes = !strcmp(value, "yes") || !strcmp(value, "có");
	if (!yes && strcmp(value, "no") != 0 && strcmp(value, "không") != 0)
		return false;
	json_object_set_new(request, key, json_boolean(yes));
	return true;
}

static int
run_set(struct admin_call *call)
{
	static const char *const fields[][2] = {{"title", "title"}, {"department", "department"},
		{"phone-office", "phone_office"}, {"phone-mobile", "phone_mobile"},
		{"letter", "letter"}, {"reason", "reason"}};
	json_t *request = admin_request("account.set");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		admin_set(request, fields[i][1], admin_option(call, fields[i][0]));
	if (!set_choice(call, request, "mobile-consent", "mobile_consent") ||
		!set_choice(call, request, "listed", "listed")) {
		json_decref(request);
		return admin_error(call, EXIT_USAGE,
			"--mobile-consent and --listed take yes or no",
			"--mobile-consent và --listed nhận giá trị yes hoặc no");
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(json_is_true(json_object_get(reply, "changed"))
				? admin_say(call, "Changed %s\n", "Đã sửa %s\n")
				: admin_say(call, "%s was so already\n", "%s vốn đã như vậy\n"),
			call->words[0]);
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option set_options[] = {
	{ "title", "TEXT", "position", "chức vụ" },
	{ "department", "TEXT", "department", "phòng" },
	{ "phone-office", "NUMBER", "office telephone", "điện thoại cơ quan" },
	{ "phone-mobile", "NUMBER", "mobile; published only with consent", "di động; chỉ công khai khi đồng ý" },
	{ "mobile-consent", "yes|no", "the person agreed to publish it, or took that back; kept with the day",
		"người đó đồng ý công khai di động hoặc rút lại; ghi kèm ngày" },
	{ "listed", "yes|no", "appears in the public directory", "có trong danh bạ công khai" },
	{ "letter", "TEXT", "letter that says so", "số văn bản" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, ghi vào nhật ký" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_account_set = {
	.noun = "account",
	.verb = "set",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "change telephones, position, department, and what of a person is public",
	.help_vi = "sửa điện thoại, chức vụ, phòng và thông tin được công khai",
	.options = set_options,
	.examples = "  congvu account set nthoa.stp@lamgiang.example --mobile-consent no\n"
		    "  congvu account set nthoa.stp@lamgiang.example --phone-office 02993340394",
	.run = run_set,
};
