/* session.c - `congvu session list|kill`: who reads mail now, and ending it (SEC-05). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"

static int
by_account(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = strcmp(json_string_value(json_object_get(x, "account")),
		json_string_value(json_object_get(y, "account")));
	json_int_t p = json_integer_value(json_object_get(x, "id")),
		   q = json_integer_value(json_object_get(y, "id"));

	return order ? order : p < q ? -1 : p > q;
}

/* The rows for a table, by account. */
static json_t *
table_of(const struct admin_call *call, const json_t *sessions)
{
	size_t n = json_array_size(sessions), i;
	json_t **sorted = calloc(n + 1, sizeof *sorted);
	json_t *rows = json_array(), *one;

	if (!sorted)
		abort();
	json_array_foreach(sessions, i, one)
		sorted[i] = one;
	qsort(sorted, n, sizeof *sorted, by_account);
	for (i = 0; i < n; i++) {
		json_t *row = json_deep_copy(sorted[i]);
		const char *tls = json_is_true(json_object_get(row, "tls"))
					  ? "TLS"
					  : admin_say(call, "no TLS", "không TLS");
		json_object_set_new(row, "tls", json_string(tls));
		json_object_set_new(
			row, "since", admin_moment(json_integer_value(json_object_get(row, "since"))));
		json_object_set_new(
			row, "last", admin_moment(json_integer_value(json_object_get(row, "last"))));
		json_array_append_new(rows, row);
	}
	free(sorted);
	return rows;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id",       "session",      "phiên"            },
		{ "account",  "account",      "tài khoản"        },
		{ "protocol", "protocol",     "giao thức"        },
		{ "peer",     "from",         "từ máy"           },
		{ "tls",      "TLS",          "mã hóa"           },
		{ "since",    "since",        "từ lúc"           },
		{ "last",     "last command", "lệnh gần nhất"    },
		{ "commands", "commands",     "số lệnh"          },
	};
	/* clang-format on */
	json_t *request = admin_request("session.list");
	int exit_code;

	if (call->word_count)
		admin_set(request, "account", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = table_of(call, json_object_get(reply, "sessions"));
		admin_table(call, rows, columns, CV_COUNT(columns));
		printf(admin_say(call, "%zu sessions\n", "%zu phiên\n"), json_array_size(rows));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_kill(struct admin_call *call)
{
	json_t *request = admin_request("session.kill");
	const char *word = call->words[0];
	int exit_code;

	if (word[strspn(word, "0123456789")] == '\0')
		json_object_set_new(request, "id", json_integer(strtoll(word, NULL, 10)));
	else
		admin_set(request, "account", word);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "%lld sessions ended\n", "Đã kết thúc %lld phiên\n"),
			(long long)json_integer_value(json_object_get(reply, "ended")));
	json_decref(reply);
	return EXIT_OK;
}

const struct admin_command admin_session_list = {
	.noun = "session",
	.verb = "list",
	.words = "[ADDRESS]",
	.words_max = 1,
	.help = "who is logged in to read mail, from where, since when",
	.help_vi = "ai đang đăng nhập đọc thư, từ máy nào, từ lúc nào",
	.examples = "  congvu session list\n  congvu session list dtduyen.stp@lamgiang.example --json",
	.run = run_list,
};
const struct admin_command admin_session_kill = {
	.noun = "session",
	.verb = "kill",
	.words = "ADDRESS|SESSION",
	.words_min = 1,
	.words_max = 1,
	.help = "end all sessions of an account, or one by its number",
	.help_vi = "kết thúc mọi phiên của một tài khoản, hoặc một phiên theo số",
	.examples = "  congvu session kill dtduyen.stp@lamgiang.example\n  congvu session kill 1042",
	.run = run_kill,
};
