/* undo.c - `congvu undo list|show|ID`: acts that changed many rows, and taking one back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static json_t *
ask_of_act(struct admin_call *call, const char *what, int *exit_out)
{
	json_t *request = admin_request(what);

	admin_set(request, "id", call->words[0]);
	if (call->command->options)
		admin_set_dry_run(call, request);
	return admin_ask(call, ADMIN_STORE, request, exit_out);
}

void
admin_say_undo(const struct admin_call *call, const json_t *reply)
{
	json_int_t act = admin_number(reply, "act");

	if (act)
		printf(admin_say(call, "`congvu undo %lld` takes it back.\n",
			       "`congvu undo %lld` để hoàn tác.\n"),
			(long long)act);
}

/* ---- undo list ---- */

static json_t *
state_of(const struct admin_call *call, const json_t *act)
{
	json_int_t by = admin_number(act, "undone_by"), of = admin_number(act, "undoes");
	char text[80] = "";

	if (by)
		snprintf(text, sizeof text, "%s %lld",
			admin_say(call, "taken back by", "hoàn tác bởi"), (long long)by);
	else if (of)
		snprintf(text, sizeof text, "%s %lld",
			admin_say(call, "takes back", "hoàn tác của"), (long long)of);
	return json_string(text);
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id",     "act",    "số"         },
		{ "time",   "time",   "lúc"        },
		{ "actor",  "who",    "người làm"  },
		{ "action", "what",   "thao tác"   },
		{ "object", "of",     "đối tượng"  },
		{ "rows",   "rows",   "số dòng"    },
		{ "until",  "until",  "hạn hoàn tác" },
		{ "state",  "",       ""           },
	};
	/* clang-format on */
	json_t *act;
	size_t i;
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("undo.list"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *acts = json_object_get(reply, "acts");
		json_array_foreach(acts, i, act)
		{
			json_object_set_new(act, "state", state_of(call, act));
			json_object_set_new(act, "time", admin_moment(admin_number(act, "time")));
			json_object_set_new(act, "until", admin_day(admin_number(act, "until")));
		}
		admin_table(call, acts, columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- undo show ---- */

static void
print_value(const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	admin_put(stdout, text ? text : "-");
	free(text);
}

/* Each field that differs, on a line. */
static void
print_fields(const json_t *row)
{
	json_t *before = json_object_get(row, "before"), *after = json_object_get(row, "after");
	const char *key;
	json_t *value;

	if (!before || !after)
		return;
	json_object_foreach(after, key, value)
	{
		printf("      %s: ", key);
		print_value(json_object_get(before, key));
		printf(" -> ");
		print_value(value);
		putchar('\n');
	}
}

static void
print_rows(const struct admin_call *call, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		const char *change = json_string_value(json_object_get(row, "change"));
		char sign = !change ? ' ' : change[0] == 'a' ? '+' : change[0] == 'r' ? '-' : '*';
		printf("  %c %s ", sign,
			json_string_value(json_object_get(
				row, call->vietnamese ? "kind_vi" : "kind")));
		admin_put(stdout, json_string_value(json_object_get(row, "name")));
		putchar('\n');
		print_fields(row);
	}
}

static int
run_show(struct admin_call *call)
{
	int exit_code;
	json_t *reply = ask_of_act(call, "undo.show", &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *act = json_object_get(reply, "act"), *rows = json_object_get(reply, "rows");
		json_int_t total = admin_number(reply, "total");
		printf("%s %s (%s)\n", json_string_value(json_object_get(act, "action")),
			json_string_value(json_object_get(act, "object")),
			json_string_value(json_object_get(act, "actor")));
		print_rows(call, rows);
		if (total > (json_int_t)json_array_size(rows))
			printf(admin_say(call, "  ... %lld rows in all (--json with offset shows more)\n",
				       "  ... tất cả %lld dòng\n"),
				(long long)total);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- undo ---- */

static int
run_undo(struct admin_call *call)
{
	int exit_code = EXIT_OK;
	bool is_dry = admin_option(call, "dry-run") != NULL;

	if (!is_dry)
		exit_code = admin_confirm(call,
			"all rows that the act changed get back what they held before it",
			"mọi dòng mà thao tác đã thay đổi sẽ trở lại như trước", NULL);
	if (exit_code)
		return exit_code;
	json_t *reply = ask_of_act(call, "undo", &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply) && is_dry)
		printf(admin_say(call, "%lld rows would go back\n",
			       "%lld dòng sẽ trở lại như trước\n"),
			(long long)admin_number(reply, "rows"));
	else if (!call->json)
		printf(admin_say(call, "Taken back: %lld rows (`congvu undo %lld` does it again)\n",
			       "Đã hoàn tác: %lld dòng (`congvu undo %lld` làm lại)\n"),
			(long long)admin_number(reply, "rows"),
			(long long)admin_number(reply, "act"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option undo_options[] = {
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_undo_list = {
	.noun = "undo",
	.verb = "list",
	.words = "",
	.help = "acts of the last 30 days that changed many rows and can be taken back",
	.help_vi = "các thao tác hàng loạt trong 30 ngày còn hoàn tác được",
	.examples = "  congvu undo list",
	.run = run_list,
};
const struct admin_command admin_undo_show = {
	.noun = "undo",
	.verb = "show",
	.words = "ID",
	.words_min = 1,
	.words_max = 1,
	.help = "the rows that an act changed, before and after",
	.help_vi = "các dòng mà một thao tác đã thay đổi, trước và sau",
	.examples = "  congvu undo show 17",
	.run = run_show,
};
const struct admin_command admin_undo = {
	.noun = "undo",
	.words = "ID",
	.words_min = 1,
	.words_max = 1,
	.help = "take back an act: an import, a mass change, a reorganisation, or an undo",
	.help_vi = "hoàn tác một thao tác: nhập danh sách, thay đổi hàng loạt, sắp xếp lại, hoặc một lần "
		   "hoàn tác",
	.options = undo_options,
	.examples = "  congvu undo 17 --dry-run\n  congvu undo 17",
	.run = run_undo,
};
