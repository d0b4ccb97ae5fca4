/* readers.c - `congvu mailbox readers|checks`: who opened messages of a shared box (IMP-04), and
 * when people looked into a box (IMP-05). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"

static bool
add_limit(struct admin_call *call, json_t *request)
{
	const char *limit = admin_option(call, "limit");

	if (limit && (!limit[0] || strlen(limit) > 9 || limit[strspn(limit, "0123456789")])) {
		admin_error(call, EXIT_USAGE, "--limit takes a number", "--limit nhận một số");
		return false;
	}
	if (limit)
		json_object_set_new(request, "limit", json_integer(strtoll(limit, NULL, 10)));
	return true;
}

/* The days of a stopped store are those of the province. */
static bool
use_time_zone(struct admin_call *call)
{
	if (!admin_conf(call))
		return false;
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	return true;
}

static json_t *
ask_for(struct admin_call *call, const char *what, int *exit_out)
{
	static const char *const passed[] = {"message", "since", "until"};
	json_t *request = admin_request(what);

	*exit_out = EXIT_CONFIG;
	admin_set(request, "account", call->words[0]);
	for (size_t i = 0; i < CV_COUNT(passed); i++)
		admin_set(request, passed[i], admin_option(call, passed[i]));
	if (!add_limit(call, request)) {
		*exit_out = EXIT_USAGE;
		json_decref(request);
		return NULL;
	}
	if (!use_time_zone(call)) {
		json_decref(request);
		return NULL;
	}
	return admin_ask(call, ADMIN_STORE, request, exit_out);
}

static void
print_total(const struct admin_call *call, const json_t *reply, const json_t *rows)
{
	json_int_t total = json_integer_value(json_object_get(reply, "total"));

	if (total > (json_int_t)json_array_size(rows))
		printf(admin_say(call, "%lld in all: --limit N shows more\n",
			       "Tất cả %lld: dùng --limit N để xem thêm\n"),
			(long long)total);
}

static int
run_readers(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "opened",  "OPENED",  "MỞ LÚC" },
		{ "person",  "PERSON",  "NGƯỜI MỞ" },
		{ "mailbox", "MAILBOX", "THƯ MỤC" },
		{ "uid",     "UID",     "UID" },
		{ "message", "MESSAGE", "MÃ THƯ" },
	};
	/* clang-format on */
	json_t *one;
	size_t i;
	int exit_code;
	json_t *reply = ask_for(call, "mailbox.readers", &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_object_get(reply, "readers");
		json_array_foreach(rows, i, one)
		{
			json_object_set_new(one, "opened",
				admin_moment(json_integer_value(json_object_get(one, "opened"))));
		}
		admin_table(call, rows, columns, CV_COUNT(columns));
		print_total(call, reply, rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* "07:45 14:10" */
static json_t *
joined(const json_t *times)
{
	char text[200] = "";
	size_t i, n = 0;
	json_t *one;

	json_array_foreach(times, i, one)
	{
		const char *word = json_string_value(one);
		if (word && n + strlen(word) + 2 < sizeof text)
			n += (size_t)snprintf(
				text + n, sizeof text - n, "%s%s", n ? " " : "", word);
	}
	return json_string(text);
}

static int
run_checks(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "day",    "DAY",    "NGÀY" },
		{ "person", "PERSON", "NGƯỜI KIỂM TRA" },
		{ "checks", "CHECKS", "SỐ LẦN" },
		{ "times",  "AT",     "LÚC" },
	};
	/* clang-format on */
	json_t *one;
	size_t i;
	int exit_code;
	json_t *reply = ask_for(call, "mailbox.checks", &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_object_get(reply, "checks");
		json_array_foreach(rows, i, one)
		{
			json_object_set_new(one, "times", joined(json_object_get(one, "times")));
		}
		admin_table(call, rows, columns, CV_COUNT(columns));
		print_total(call, reply, rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option readers_options[] = {
	{ "message", "ID", "one message: its Message-ID <...>, or its EMAILID M...",
		"một thư: Message-ID <...> hoặc EMAILID M..." },
	{ "since", "TIME", "opened on or after: 2026-11-20, 2026-11-20T08:00:00+07:00",
		"mở từ: 2026-11-20, 2026-11-20T08:00:00+07:00" },
	{ "limit", "N", "rows; 1000", "số dòng; 1000" },
	{ 0 }
};
static const struct admin_option checks_options[] = {
	{ "since", "DAY", "from this day on; a week back unless said", "từ ngày; mặc định một tuần" },
	{ "until", "DAY", "up to this day", "đến ngày" },
	{ "limit", "N", "rows; 1000", "số dòng; 1000" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_mailbox_readers = {
	.noun = "mailbox",
	.verb = "readers",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "who opened which message of a shared box, and when first",
	.help_vi = "ai đã mở thư nào của hộp thư dùng chung, lần đầu lúc nào",
	.options = readers_options,
	.examples = "  congvu mailbox readers vanthu.stp --since 2026-11-20\n"
		    "  congvu mailbox readers vanthu.stp --message '<12@bo.example>' --json",
	.run = run_readers,
};
const struct admin_command admin_mailbox_checks = {
	.noun = "mailbox",
	.verb = "checks",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "when people looked into a box",
	.help_vi = "hộp thư được kiểm tra lúc nào, bởi ai",
	.options = checks_options,
	.examples = "  congvu mailbox checks vanthu.stp\n"
		    "  congvu mailbox checks vanthu.stp --since 2026-11-01 --json",
	.run = run_checks,
};
