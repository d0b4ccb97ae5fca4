/* alias_report.c - `congvu alias report`: old addresses that are still written to (MIG-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "admin/commands.h"
#include "admin/office/office.h"
#include "common/base/clock.h"

#define DOC_BYTES (256u << 20)
#define VIETNAM   (7 * 3600)

static struct admin_value
text_value(const json_t *one, const char *key)
{
	return admin_text_z(json_string_value(json_object_get(one, key)));
}

static struct admin_value
day_value(const json_t *one, const char *key)
{
	json_int_t secs = admin_number(one, key);

	return secs > 0 ? admin_on_day((secs + VIETNAM) / 86400) : admin_none();
}

static void
add_domains(const struct admin_call *call, struct admin_doc *d, const json_t *rows)
{
	const struct admin_doc_column columns[] = {
		{"domain", admin_say(call, "Domain", "Tên miền cũ"), 30, ADMIN_TEXT},
		{"alias_of", admin_say(call, "Alias of", "Bí danh của"), 30, ADMIN_TEXT},
		{"inside", admin_say(call, "Inside", "Nội bộ"), 10, ADMIN_COUNT},
		{"outside", admin_say(call, "Outside", "Bên ngoài"), 10, ADMIN_COUNT},
		{"addresses", admin_say(call, "Addresses in use", "Địa chỉ còn dùng"), 12,
			ADMIN_COUNT},
		{"last", admin_say(call, "Last use", "Lần cuối"), 12, ADMIN_DAY}};
	size_t i;
	json_t *one;

	if (!json_array_size(rows))
		return;
	struct admin_doc_table *t = admin_doc_table(d, "domains",
		admin_say(call, "Alias domains", "Tên miền bí danh"), columns, CV_COUNT(columns));
	json_array_foreach(rows, i, one)
	{
		struct admin_value cells[] = {text_value(one, "domain"),
			text_value(one, "alias_of"), admin_count(admin_number(one, "inside")),
			admin_count(admin_number(one, "outside")),
			admin_count(admin_number(one, "addresses")), day_value(one, "last")};
		admin_doc_row(d, t, cells, false);
	}
}

static void
add_aliases(const struct admin_call *call, struct admin_doc *d, const json_t *rows)
{
	const struct admin_doc_column columns[] = {
		{"alias", admin_say(call, "Old address", "Địa chỉ cũ"), 36, ADMIN_TEXT},
		{"address", admin_say(call, "Address now", "Địa chỉ hiện nay"), 36, ADMIN_TEXT},
		{"name", admin_say(call, "Name", "Họ tên, đơn vị"), 28, ADMIN_TEXT},
		{"agency", admin_say(call, "Unit", "Mã đơn vị"), 14, ADMIN_TEXT},
		{"inside", admin_say(call, "Inside", "Nội bộ"), 10, ADMIN_COUNT},
		{"outside", admin_say(call, "Outside", "Bên ngoài"), 10, ADMIN_COUNT},
		{"last", admin_say(call, "Last use", "Lần cuối"), 12, ADMIN_DAY},
		{"until", admin_say(call, "Planned end", "Dự kiến giữ đến"), 12, ADMIN_DAY},
		{"propose", admin_say(call, "Proposed", "Đề xuất"), 24, ADMIN_TEXT}};
	struct admin_doc_table *t = admin_doc_table(d, "aliases",
		admin_say(call, "Old addresses", "Địa chỉ cũ"), columns, CV_COUNT(columns));
	size_t i;
	json_t *one;

	json_array_foreach(rows, i, one)
	{
		bool is_over = json_is_true(json_object_get(one, "propose_end"));
		struct admin_value cells[] = {text_value(one, "alias"), text_value(one, "address"),
			text_value(one, "name"), text_value(one, "agency"),
			admin_count(admin_number(one, "inside")),
			admin_count(admin_number(one, "outside")), day_value(one, "last"),
			day_value(one, "until"),
			admin_text_z(is_over ? admin_say(call, "congvu alias remove",
						       "chấm dứt (alias remove)")
					     : "")};
		admin_doc_row(d, t, cells, false);
	}
}

static bool
write_to(struct admin_call *call, const struct admin_doc *d, enum admin_format format, FILE *to)
{
	struct cv_buf out = CV_BUF_INIT(DOC_BYTES);
	struct cv_err err = {0};
	bool ok = !admin_doc_write(d, format, &out, &err) &&
		  fwrite(out.p, 1, out.n, to) == out.n && !fflush(to);

	cv_buf_done(&out);
	if (!ok)
		admin_error(call, EXIT_FAILED, err.text[0] ? err.text : strerror(errno),
			err.text[0] ? err.text : strerror(errno));
	return ok;
}

static int
show(struct admin_call *call, const json_t *reply, enum admin_format format, FILE *file)
{
	const char *days = admin_option(call, "days");
	char when[100];

	snprintf(when, sizeof when,
		admin_say(call, "Mail of the last %s days", "Thư trong %s ngày qua"),
		days ? days : "30");
	struct admin_doc *d = admin_doc_new(call->vietnamese, (cv_wall_secs() + VIETNAM) / 86400,
		admin_say(call, "Old addresses still in use", "Địa chỉ cũ còn được dùng"), when);
	add_domains(call, d, json_object_get(reply, "domains"));
	add_aliases(call, d, json_object_get(reply, "aliases"));
	admin_doc_text(d,
		admin_say(call, "%lld of %lld old addresses", "%lld trong %lld địa chỉ cũ"),
		(long long)admin_number(reply, "total"), (long long)admin_number(reply, "of"));
	bool ok = call->json ? admin_json(call, reply)
			     : write_to(call, d, ADMIN_FORMAT_TABLE, stdout);
	if (file)
		ok = write_to(call, d, format, file) && ok;
	admin_doc_free(d);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int
run_report(struct admin_call *call)
{
	static const char *const carried[] = {"days", "domain", "agency"};
	static const char *const only[] = {"unused", "over", "all"};
	const char *path = admin_option(call, "output"), *dot = path ? strrchr(path, '.') : NULL;
	enum admin_format format = ADMIN_FORMAT_CSV;
	json_t *request = admin_request("alias.report");
	int exit_code = EXIT_USAGE;
	FILE *file = NULL;

	for (size_t i = 0; i < CV_COUNT(carried); i++)
		admin_set(request, carried[i], admin_option(call, carried[i]));
	for (size_t i = 0; i < CV_COUNT(only); i++)
		if (admin_option(call, only[i]))
			admin_set(request, "only", only[i]);
	if (path && (!dot || !admin_format_of(dot + 1, &format)))
		admin_error(call, EXIT_USAGE,
			"--output names a file ending in .csv, .xlsx, .html, .odt or .json",
			"--output cần tên tệp có đuôi .csv, .xlsx, .html, .odt hoặc .json");
	else if (path && !(file = fopen(path, "wbe")))
		exit_code = admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	else {
		json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
		request = NULL;
		if (reply)
			exit_code = show(call, reply, format, file);
		json_decref(reply);
	}
	json_decref(request);
	if (file && fclose(file) && exit_code == EXIT_OK)
		exit_code = admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "days", "N", "count the last N days (30)", "đếm trong N ngày qua (30)" },
	{ "domain", "DOMAIN", "only old addresses of that domain", "chỉ địa chỉ cũ của tên miền này" },
	{ "agency", "CODE", "only of that unit and those below it", "chỉ của đơn vị này và đơn vị trực thuộc" },
	{ "unused", NULL, "those that got nothing in these days", "những địa chỉ không còn nhận thư" },
	{ "over", NULL, "those whose planned end is past: proposed for removal", "những địa chỉ đã quá hạn giữ: đề xuất chấm dứt" },
	{ "all", NULL, "all of them", "tất cả" },
	{ "output", "FILE", "also write .csv, .xlsx, .html, .odt or .json", "ghi thêm ra tệp .csv, .xlsx, .html, .odt hoặc .json" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_alias_report = {
	.noun = "alias",
	.verb = "report",
	.words = "",
	.help = "old addresses that still get mail, how much and when last",
	.help_vi = "địa chỉ cũ còn nhận thư, bao nhiêu và lần cuối khi nào",
	.options = options,
	.examples = "  congvu alias report --agency xtanlap --output diachicu.xlsx\n"
		    "  congvu alias report --domain trason.example --days 90\n"
		    "  congvu alias report --over",
	.run = run_report,
};
