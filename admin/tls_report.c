/* tls_report.c - `congvu tls-report received|pending|sent|send`: what became of TLS with other
 * domains, in their words and ours (RFC 8460). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/text/date.h"

/* "certificate-expired 3, validation-failure 1" */
static void
set_failures(json_t *row, const json_t *failures)
{
	struct cv_buf text = CV_BUF_INIT(2000);
	const char *type;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)failures, type, n)
		cv_buf_printf(&text, "%s%s %lld", text.n ? ", " : "", type,
			(long long)json_integer_value(n));
	json_object_set_new(row, "failures", json_string(text.n ? text.p : ""));
	cv_buf_done(&text);
}

static void
set_day(json_t *row, const char *key, json_int_t secs)
{
	struct cv_buf text = CV_BUF_INIT(40);

	cv_date_write_iso_day(&text, cv_date_at((int64_t)secs, 0));
	json_object_set_new(row, key, json_string(text.p));
	cv_buf_done(&text);
}

/* ---- what others told us ---- */

static json_t *
received_rows(const struct admin_call *call, const json_t *reports)
{
	json_t *rows = json_array(), *report, *policy;
	size_t i, k;

	json_array_foreach(reports, i, report)
		json_array_foreach(json_object_get(report, "policies"), k, policy)
		{
			json_t *row = json_object();
			set_day(row, "day", admin_number(report, "from"));
			json_object_set(
				row, "organization", json_object_get(report, "organization"));
			json_object_set(row, "domain", json_object_get(policy, "domain"));
			json_object_set(row, "type", json_object_get(policy, "type"));
			bool is_signed = json_is_true(json_object_get(report, "signed"));
			json_object_set_new(row, "signed",
				json_string(is_signed ? admin_say(call, "yes", "có")
						      : admin_say(call, "no", "không")));
			admin_set_number(row, "good", admin_number(policy, "good"));
			admin_set_number(row, "bad", admin_number(policy, "bad"));
			set_failures(row, json_object_get(policy, "failures"));
			json_array_append_new(rows, row);
		}
	return rows;
}

static int
run_received(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "day", "DAY", "NGÀY" },
		{ "organization", "FROM", "NƠI GỬI" },
		{ "domain", "OUR DOMAIN", "TÊN MIỀN" },
		{ "type", "POLICY", "CHÍNH SÁCH" },
		{ "signed", "SIGNED", "CÓ CHỮ KÝ" },
		{ "good", "GOOD", "ĐẠT" },
		{ "bad", "BAD", "HỎNG" },
		{ "failures", "FAILURES", "LÝ DO" },
	};
	/* clang-format on */
	const char *days_text = admin_option(call, "days");
	uint64_t days = 7;
	int exit_code;

	if (days_text && (cv_str_u64(cv_str_z(days_text), 90, &days) != CV_OK || !days))
		return admin_error(call, EXIT_USAGE, "--days takes 1 to 90",
			"--days nhận giá trị từ 1 đến 90");
	json_t *request = admin_request("tlsrpt.received");
	json_object_set_new(request, "days", json_integer((json_int_t)days));
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = received_rows(call, json_object_get(reply, "reports"));
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- what we tell others ---- */

static json_t *
told_rows(const json_t *reports)
{
	json_t *rows = json_array(), *report;
	size_t i;

	json_array_foreach(reports, i, report)
	{
		json_t *row = json_object();
		json_object_set(row, "day", json_object_get(report, "day"));
		json_object_set(row, "domain", json_object_get(report, "domain"));
		json_object_set(row, "state", json_object_get(report, "state"));
		admin_set_number(row, "good", admin_number(report, "good"));
		admin_set_number(row, "bad", admin_number(report, "bad"));
		json_t *why = json_object_get(report, "why");
		json_object_set_new(row, "why", why ? json_incref(why) : json_string(""));
		json_array_append_new(rows, row);
	}
	return rows;
}

static int
print_told(struct admin_call *call, const char *what)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "day", "DAY", "NGÀY" },
		{ "domain", "DOMAIN", "TÊN MIỀN" },
		{ "good", "GOOD", "ĐẠT" },
		{ "bad", "BAD", "HỎNG" },
		{ "state", "STATE", "TRẠNG THÁI" },
		{ "why", "WHY", "LÝ DO" },
	};
	/* clang-format on */
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_SMTPD, admin_request(what), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = told_rows(json_object_get(reply, "reports"));
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_pending(struct admin_call *call)
{
	return print_told(call, "tlsrpt.pending");
}

static int
run_sent(struct admin_call *call)
{
	return print_told(call, "tlsrpt.sent");
}

static int
run_send(struct admin_call *call)
{
	json_t *request = admin_request("tlsrpt.send");
	int exit_code;

	if (admin_option(call, "today"))
		json_object_set_new(request, "today", json_true());
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "%lld reports are being sent\n", "đang gửi %lld báo cáo\n"),
			(long long)admin_number(reply, "reports"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option received_options[] = {
	{ "days", "N", "of the last N days; 7 unless told", "trong N ngày qua, mặc định 7" },
	{ 0 }
};
static const struct admin_option send_options[] = {
	{ "today", NULL, "the day under way too, and without waiting",
		"cả ngày hôm nay và không chờ" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_tls_report_received = {
	.noun = "tls-report",
	.verb = "received",
	.words = "",
	.help = "what other domains report of TLS with our servers",
	.help_vi = "báo cáo TLS nhận được từ các tên miền khác",
	.options = received_options,
	.examples = "  congvu tls-report received\n  congvu tls-report received --days 30 --json",
	.run = run_received,
};
const struct admin_command admin_tls_report_pending = {
	.noun = "tls-report",
	.verb = "pending",
	.words = "",
	.help = "what was counted and is not told yet",
	.help_vi = "số liệu TLS chưa báo cáo",
	.examples = "  congvu tls-report pending\n  congvu tls-report pending --json",
	.run = run_pending,
};
const struct admin_command admin_tls_report_sent = {
	.noun = "tls-report",
	.verb = "sent",
	.words = "",
	.help = "what other domains were told in the last 30 days",
	.help_vi = "báo cáo TLS đã gửi trong 30 ngày qua",
	.examples = "  congvu tls-report sent",
	.run = run_sent,
};
const struct admin_command admin_tls_report_send = {
	.noun = "tls-report",
	.verb = "send",
	.words = "",
	.help = "send what is due now",
	.help_vi = "gửi ngay các báo cáo đến hạn",
	.options = send_options,
	.examples = "  congvu tls-report send --today",
	.run = run_send,
};
