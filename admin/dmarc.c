/* dmarc.c - `congvu dmarc list|show|send|import|sources`: reports on who sends in whose name (RFC
 * 9990), those we tell and those we are told. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "common/text/encode.h"

#define IMPORT_BYTES_MAX (32u << 20)
#define FILES_MAX        10000

static void
set_text(json_t *row, const json_t *from, const char *key)
{
	const char *text = json_string_value(json_object_get(from, key));

	json_object_set_new(row, key, json_string(text ? text : ""));
}

/* "a, b" */
static void
set_words(json_t *row, const json_t *from, const char *key)
{
	struct cv_buf text = CV_BUF_INIT(4000);
	json_t *word;
	size_t i;

	json_array_foreach(json_object_get(from, key), i, word)
		cv_buf_printf(&text, "%s%s", i ? ", " : "", json_string_value(word));
	json_object_set_new(row, key, json_string(text.n ? text.p : ""));
	cv_buf_done(&text);
}

/* ---- ours ---- */

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "day", "DAY", "NGÀY" },
		{ "domain", "DOMAIN", "TÊN MIỀN" },
		{ "messages", "MESSAGES", "SỐ THƯ" },
		{ "rows", "ROWS", "SỐ DÒNG" },
		{ "state", "STATE", "TRẠNG THÁI" },
		{ "why", "WHY", "LÝ DO" },
	};
	/* clang-format on */
	json_t *rows = json_array(), *report;
	int exit_code;
	size_t i;

	json_t *reply = admin_ask(call, ADMIN_SPAMFILTER, admin_request("dmarc.list"), &exit_code);
	if (!reply) {
		json_decref(rows);
		return exit_code;
	}
	json_array_foreach(json_object_get(reply, "reports"), i, report)
	{
		json_t *row = json_object();
		for (size_t c = 0; c < CV_COUNT(columns); c++)
			if (json_is_integer(json_object_get(report, columns[c].key)))
				admin_set_number(
					row, columns[c].key, admin_number(report, columns[c].key));
			else
				set_text(row, report, columns[c].key);
		json_array_append_new(rows, row);
	}
	if (!admin_json(call, reply))
		admin_table(call, rows, columns, CV_COUNT(columns));
	json_decref(rows);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("dmarc.show");
	int exit_code;

	admin_set(request, "domain", call->words[0]);
	admin_set(request, "day", admin_option(call, "day"));
	json_t *reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		fputs(json_string_value(json_object_get(reply, "xml")), stdout);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_send(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "domain", "DOMAIN", "TÊN MIỀN" },
		{ "state", "STATE", "TRẠNG THÁI" },
		{ "to", "TO", "GỬI TỚI" },
		{ "bytes", "BYTES", "SỐ BYTE" },
		{ "why", "WHY", "LÝ DO" },
	};
	/* clang-format on */
	json_t *request = admin_request("dmarc.send"), *rows = json_array(), *report;
	int exit_code;
	size_t i;

	json_object_set_new(request, "today", json_boolean(admin_option(call, "today") != NULL));
	json_object_set_new(
		request, "dry_run", json_boolean(admin_option(call, "dry-run") != NULL));
	json_t *reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code);
	json_array_foreach(json_object_get(reply, "reports"), i, report)
	{
		json_t *row = json_object();
		set_text(row, report, "domain");
		set_text(row, report, "state");
		set_words(row, report, "to");
		admin_set_number(row, "bytes", admin_number(report, "bytes"));
		set_text(row, report, "why");
		json_array_append_new(rows, row);
	}
	if (reply && !admin_json(call, reply))
		admin_table(call, rows, columns, CV_COUNT(columns));
	json_decref(rows);
	if (!reply)
		return exit_code;
	json_decref(reply);
	return EXIT_OK;
}

/* ---- of others ---- */

struct import {
	struct admin_call *call;
	unsigned read, known, failed;
};

/* What a report says of itself was chosen by whoever sent it. */
static void
say_read(const struct admin_call *call, const char *name, const json_t *reply)
{
	admin_put(stdout, name);
	fputs(": ", stdout);
	admin_put(stdout, json_string_value(json_object_get(reply, "organization")));
	fputs(", ", stdout);
	admin_put(stdout, json_string_value(json_object_get(reply, "domain")));
	printf(admin_say(call, ", %lld messages\n", ", %lld thư\n"),
		(long long)admin_number(reply, "messages"));
}

static void
say_fault(const char *name, const char *text)
{
	admin_put(stderr, name);
	fputs(": ", stderr);
	admin_put(stderr, text);
	fputc('\n', stderr);
}

static void
import_bytes(struct import *im, const char *name, struct cv_str bytes)
{
	struct cv_buf base64 = CV_BUF_INIT(CV_BASE64_SIZE((size_t)IMPORT_BYTES_MAX) + 1);
	struct cv_err err = {0};

	cv_base64_encode(bytes, &base64);
	json_t *request = json_pack(
		"{s:s, s:s%}", "do", "dmarc.import", "data", base64.n ? base64.p : "", base64.n);
	json_t *reply = admin_try(im->call, ADMIN_SPAMFILTER, request, &err);
	if (reply) {
		im->read++;
		if (!im->call->json)
			say_read(im->call, name, reply);
	} else if (err.code == CV_CONFLICT) {
		im->known++;
	} else {
		im->failed++;
		say_fault(name, err.text);
	}
	json_decref(reply);
	cv_buf_done(&base64);
}

static void
import_stdin(struct import *im)
{
	struct cv_buf bytes = CV_BUF_INIT(IMPORT_BYTES_MAX);
	char piece[16384];
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof piece)) > 0 && !bytes.full)
		cv_buf_add(&bytes, piece, (size_t)n);
	if (n < 0 || bytes.full) {
		im->failed++;
		say_fault("-", n < 0 ? "cannot be read" : "larger than 32 MB");
	} else {
		import_bytes(im, "-", cv_buf_view(&bytes));
	}
	cv_buf_done(&bytes);
}

static void
import_file(struct import *im, const char *path)
{
	struct cv_err err = {0};
	struct cv_str bytes;

	if (admin_file_read(path, IMPORT_BYTES_MAX, &bytes, &err) != CV_OK) {
		im->failed++;
		say_fault(path, err.text);
		return;
	}
	import_bytes(im, path, bytes);
	free((char *)(uintptr_t)bytes.p);
}

static void
import_path(struct import *im, const char *path)
{
	struct stat st;
	struct dirent **names = NULL;

	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		import_file(im, path);
		return;
	}
	int n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		im->failed++;
		say_fault(path, "cannot be read");
	}
	for (int i = 0; i < n; i++) {
		char file[4096];
		snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && i < FILES_MAX && !stat(file, &st) &&
			S_ISREG(st.st_mode))
			import_file(im, file);
		free(names[i]);
	}
	free(names);
}

static int
run_import(struct admin_call *call)
{
	struct import im = {.call = call};

	if (!admin_conf(call))
		return EXIT_CONFIG;
	for (unsigned i = 0; i < call->word_count; i++)
		if (!strcmp(call->words[i], "-"))
			import_stdin(&im);
		else
			import_path(&im, call->words[i]);
	json_t *sums = json_pack("{s:i, s:i, s:i}", "read", (int)im.read, "known", (int)im.known,
		"failed", (int)im.failed);
	if (!admin_json(call, sums))
		printf(admin_say(call, "%u reports read, %u known before, %u not read\n",
			       "đã đọc %u báo cáo, %u đã có từ trước, %u không đọc được\n"),
			im.read, im.known, im.failed);
	json_decref(sums);
	return im.failed ? EXIT_FAILED : EXIT_OK;
}

static json_t *
source_rows(const json_t *sources)
{
	static const char *const numbers[] = {"messages", "aligned", "quarantine", "reject"};
	static const char *const texts[] = {"domain", "ip", "host", "dkim_domain", "envelope"};
	json_t *rows = json_array(), *source;
	size_t i;

	json_array_foreach(sources, i, source)
	{
		json_t *row = json_object();
		for (size_t k = 0; k < CV_COUNT(numbers); k++)
			admin_set_number(row, numbers[k], admin_number(source, numbers[k]));
		for (size_t k = 0; k < CV_COUNT(texts); k++)
			set_text(row, source, texts[k]);
		set_words(row, source, "reporters");
		json_array_append_new(rows, row);
	}
	return rows;
}

static int
run_sources(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "domain", "DOMAIN", "TÊN MIỀN" },
		{ "ip", "SENT BY", "MÁY GỬI" },
		{ "host", "HOST", "TÊN MÁY" },
		{ "messages", "MESSAGES", "SỐ THƯ" },
		{ "aligned", "ALIGNED", "XÁC THỰC" },
		{ "quarantine", "QUARANTINED", "CÁCH LY" },
		{ "reject", "REFUSED", "TỪ CHỐI" },
		{ "dkim_domain", "DKIM", "DKIM" },
		{ "envelope", "ENVELOPE", "PHONG BÌ" },
		{ "reporters", "TOLD BY", "NƠI BÁO CÁO" },
	};
	/* clang-format on */
	const char *days_text = admin_option(call, "days");
	uint64_t days = 30;
	int exit_code;

	if (days_text && (cv_str_u64(cv_str_z(days_text), 400, &days) != CV_OK || !days))
		return admin_error(call, EXIT_USAGE, "--days takes 1 to 400",
			"--days nhận giá trị từ 1 đến 400");
	json_t *request = admin_request("dmarc.sources");
	json_object_set_new(request, "days", json_integer((json_int_t)days));
	admin_set(request, "domain", admin_option(call, "domain"));
	json_t *reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = source_rows(json_object_get(reply, "sources"));
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option show_options[] = {
	{ "day", "YYYY-MM-DD", "the UTC day; today unless told", "ngày theo giờ UTC, mặc định hôm nay" },
	{ 0 }
};
static const struct admin_option send_options[] = {
	{ "today", NULL, "the day under way too", "cả ngày hôm nay" },
	{ "dry-run", NULL, "only say what would be sent, and to whom", "chỉ cho biết sẽ gửi gì, tới đâu" },
	{ 0 }
};
static const struct admin_option sources_options[] = {
	{ "domain", "DOMAIN", "only this one and those below it", "chỉ tên miền này và tên miền con" },
	{ "days", "N", "of the last N days; 30 unless told", "trong N ngày qua, mặc định 30" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_dmarc_list = {
	.noun = "dmarc",
	.verb = "list",
	.words = "",
	.help = "domains whose mail was counted for reports, and what became of the reports",
	.help_vi = "các tên miền được thống kê để báo cáo DMARC",
	.examples = "  congvu dmarc list\n  congvu dmarc list --json",
	.run = run_list,
};
const struct admin_command admin_dmarc_show = {
	.noun = "dmarc",
	.verb = "show",
	.words = "DOMAIN",
	.words_min = 1,
	.words_max = 1,
	.help = "the aggregate report about a domain, as XML (RFC 9990)",
	.help_vi = "báo cáo tổng hợp về một tên miền, dạng XML",
	.options = show_options,
	.examples = "  congvu dmarc show bank.example --day 2026-11-22",
	.run = run_show,
};
const struct admin_command admin_dmarc_send = {
	.noun = "dmarc",
	.verb = "send",
	.words = "",
	.help = "send the reports that are due, without waiting",
	.help_vi = "gửi ngay các báo cáo DMARC đến hạn",
	.options = send_options,
	.examples = "  congvu dmarc send --dry-run --today\n  congvu dmarc send",
	.run = run_send,
};
const struct admin_command admin_dmarc_import = {
	.noun = "dmarc",
	.verb = "import",
	.words = "FILE|DIR|- ...",
	.words_min = 1,
	.words_max = ADMIN_WORDS_MAX,
	.help = "read reports of others: XML, gzip, zip, or mails with one of them",
	.help_vi = "nhập báo cáo DMARC của nơi khác: XML, gzip, zip hoặc thư có đính kèm",
	.examples = "  congvu dmarc import reports/\n  congvu dmarc import - < report.xml.gz",
	.run = run_import,
};
const struct admin_command admin_dmarc_sources = {
	.noun = "dmarc",
	.verb = "sources",
	.words = "",
	.help = "who sends in the province's name, as others report it",
	.help_vi = "ai gửi thư mang tên miền của tỉnh, theo báo cáo của nơi khác",
	.options = sources_options,
	.examples = "  congvu dmarc sources\n  congvu dmarc sources --domain stp.lamgiang.example "
		    "--days 7 --json",
	.run = run_sources,
};
