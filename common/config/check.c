/* check.c - see check.h: a table of options and what their values must be. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/config/check.h"

#include "common/net/addr.h"
#include "common/net/dnslist.h"
#include "common/options/when.h"
#include "common/text/address.h"
#include "common/text/calendar.h"
#include "common/text/domain.h"

/* ---- one word or value ---- */

typedef enum cv_status check_fn(struct cv_str value, const char *of, struct cv_err *err);

static enum cv_status
check_networks(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_netset *set;
	enum cv_status status = cv_netset_parse(value, &set, err);

	(void)of;
	if (status == CV_OK)
		cv_netset_free(set);
	return status;
}

static enum cv_status
check_listener(struct cv_str word, const char *of, struct cv_err *err)
{
	struct sockaddr_storage addr;
	socklen_t len;

	(void)of;
	return cv_sockaddr_parse(word, &addr, &len, err);
}

/* OF: "good" or "bad" addresses are listed. */
static enum cv_status
check_dnslists(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_dnslists lists = { .n = 0 };
	char *text = cv_str_dup(value);
	enum cv_status status = cv_dnslists_add(&lists, text, !strcmp(of, "good"), err);

	free(text);
	return status;
}

static bool
is_domain(struct cv_str s)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool good = cv_domain_to_ascii(s, &ascii, NULL) == CV_OK
		&& cv_domain_is_valid(cv_buf_view(&ascii), false);

	cv_buf_done(&ascii);
	return good;
}

static enum cv_status
check_domain(struct cv_str value, const char *of, struct cv_err *err)
{
	(void)of;
	return is_domain(value) ? CV_OK : cv_fail(err, CV_INVALID, "\"%.*s\" is no domain",
		CV_STR_ARGS(value));
}

static enum cv_status
check_address(struct cv_str value, const char *of, struct cv_err *err)
{
	(void)of;
	return !value.n || cv_address_is_valid(value, 0) ? CV_OK
		: cv_fail(err, CV_INVALID, "\"%.*s\" is no mail address", CV_STR_ARGS(value));
}

static enum cv_status
check_hours(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_calendar *calendar = NULL;
	enum cv_status status = cv_calendar_new(CV_STR_EMPTY, value, &calendar, err);

	(void)of;
	cv_calendar_free(calendar);
	return status;
}

/* OF: how many whole numbers apart by blanks, and the largest: "6 1000". */
static enum cv_status
check_numbers(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(of), word;
	uint64_t want = 0, largest = 0, n = 0, number;

	if (cv_str_split(&rest, ' ', &word))
		(void)!cv_str_u64(word, 100, &want);
	(void)!cv_str_u64(rest, UINT32_MAX, &largest);
	for (rest = value; cv_str_split(&rest, ' ', &word);)
		if (word.n)
			n = cv_str_u64(word, largest, &number) ? want + 1 : n + 1;
	return n == want ? CV_OK
		: cv_fail(err, CV_INVALID, "\"%.*s\" is not %u numbers up to %u",
			CV_STR_ARGS(value), (unsigned)want, (unsigned)largest);
}

/* "10:00 15:00": ascending. */
static enum cv_status
check_times(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_str rest = value, word;
	uint64_t hour, minute, before = 0;

	(void)of;
	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (word.n != 5 || word.p[2] != ':' ||
			cv_str_u64(cv_str_sub(word, 0, 2), 23, &hour) ||
			cv_str_u64(cv_str_sub(word, 3, 5), 59, &minute) ||
			hour * 60 + minute < before)
			return cv_fail(err, CV_INVALID,
				"\"%.*s\" is no time, or not later than the one before",
				CV_STR_ARGS(word));
		before = hour * 60 + minute + 1;
	}
	return CV_OK;
}

/* OF: the words that are allowed, apart by blanks. */
static enum cv_status
check_choice(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(of), word;

	while (cv_str_split(&rest, ' ', &word))
		if (cv_str_eq(word, value))
			return CV_OK;
	return cv_fail(err, CV_INVALID, "\"%.*s\" is none of: %s", CV_STR_ARGS(value), of);
}

/* "domain=rule", ".below=rule", "*=rule". */
static enum cv_status
check_tls_rule(struct cv_str word, const char *of, struct cv_err *err)
{
	size_t equals = cv_str_find(word, '=', 0);
	struct cv_str name = cv_str_sub(word, 0, equals);

	if (equals >= word.n)
		return cv_fail(err, CV_INVALID, "\"%.*s\" is not domain=rule", CV_STR_ARGS(word));
	enum cv_status status = CV_OK;
	struct cv_buf rule = CV_BUF_INIT(32);
	for (size_t i = equals + 1; i < word.n; i++)
		cv_buf_c(&rule, (char)cv_lower((unsigned char)word.p[i]));
	status = check_choice(cv_buf_view(&rule), of, err);
	cv_buf_done(&rule);
	if (status != CV_OK || cv_str_eq_z(name, "*"))
		return status;
	return check_domain(cv_str_sub(name, name.n && name.p[0] == '.', name.n), NULL, err);
}

static bool
is_port(struct cv_str s)
{
	uint64_t port;

	return cv_str_u64(s, 65535, &port) == CV_OK && port > 0;
}

/* "host", "host:port", "[192.0.2.1]:port", with "smtps:" in front or not. */
static enum cv_status
check_smarthost(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_str host = cv_str_trim(value);
	if (cv_str_has_iprefix(host, "smtps:"))
		host = cv_str_sub(host, 6, host.n);
	size_t bracket = cv_str_find(host, ']', 0);
	size_t colon = cv_str_find(host, ':', bracket < host.n ? bracket : 0);
	struct cv_literal literal;

	(void)of;
	if (!host.n)
		return CV_OK;
	if (colon < host.n && !is_port(cv_str_sub(host, colon + 1, host.n)))
		return cv_fail(err, CV_INVALID, "the port of %.*s is no port", CV_STR_ARGS(value));
	host = cv_str_sub(host, 0, colon);
	if (host.n && host.p[0] == '['
		? cv_literal_parse(host, &literal) && literal.kind != CV_LITERAL_GENERAL
		: is_domain(host))
		return CV_OK;
	return cv_fail(err, CV_INVALID, "\"%.*s\" is no host", CV_STR_ARGS(value));
}

/* "domain=target"; OF "transport": a kind of transport stands before the target's colon, and parts
 * of domains may be named. */
static enum cv_status
check_transport(struct cv_str word, const char *of, struct cv_err *err)
{
	static const char *const kinds[] = { "smtp:", "smtps:", "lmtp:", "error:" };
	bool is_split = !strcmp(of, "split");
	size_t equals = cv_str_find(word, '=', 0), kind = 0;
	struct cv_str name = cv_str_sub(word, 0, equals);
	struct cv_str target = cv_str_sub(word, CV_MIN(equals + 1, word.n), word.n);

	if (!is_split && name.n && name.p[0] == '.')
		name = cv_str_sub(name, 1, name.n);
	else if (!is_split && cv_str_eq_z(name, "*"))
		name = CV_STR("example");
	if (!is_domain(name))
		return cv_fail(err, CV_INVALID, "\"%.*s\" names no domain", CV_STR_ARGS(word));
	while (kind < CV_COUNT(kinds) && !cv_str_has_iprefix(target, kinds[kind]))
		kind++;
	if (!is_split && kind == CV_COUNT(kinds))
		return cv_fail(err, CV_INVALID,
			"\"%.*s\" goes neither by smtp:, smtps:, lmtp: nor error:", CV_STR_ARGS(word));
	if (!is_split)
		target = cv_str_sub(target, strlen(kinds[kind]), target.n);
	if (!target.n)
		return cv_fail(err, CV_INVALID, "\"%.*s\" goes nowhere", CV_STR_ARGS(word));
	bool is_socket = kind == 2 && cv_str_has_iprefix(target, "unix:/");
	return is_socket || kind == 3 ? CV_OK : check_smarthost(target, of, err);
}

/* "192.0.2.1", "2001:db8::1@5353". */
static enum cv_status
check_forwarder(struct cv_str word, const char *of, struct cv_err *err)
{
	size_t at = cv_str_find(word, '@', 0);
	struct cv_literal literal;

	(void)of;
	if (cv_ip_parse(cv_str_sub(word, 0, at), &literal)
		&& (at >= word.n || is_port(cv_str_sub(word, at + 1, word.n))))
		return CV_OK;
	return cv_fail(err, CV_INVALID, "\"%.*s\" is no address[@port]", CV_STR_ARGS(word));
}

/* "https://host[:port]/path", or nothing. */
static enum cv_status
check_https(struct cv_str value, const char *of, struct cv_err *err)
{
	struct cv_str rest = cv_str_sub(value, 8, value.n);
	size_t slash = cv_str_find(rest, '/', 0), colon = cv_str_find(rest, ':', 0);

	(void)of;
	if (!value.n || (cv_str_has_iprefix(value, "https://") && CV_MIN(slash, colon) > 0 &&
		(colon >= slash || is_port(cv_str_sub(rest, colon + 1, slash)))))
		return CV_OK;
	return cv_fail(err, CV_INVALID, "\"%.*s\" is no https:// address", CV_STR_ARGS(value));
}

/* One of the words in LIST. */
static bool
is_among(struct cv_str name, const char *list)
{
	struct cv_str rest = cv_str_z(list), word;

	while (cv_str_split(&rest, ' ', &word))
		if (name.n && cv_str_eq(word, name))
			return true;
	return false;
}

/* "app.messages=20000" */
static enum cv_status
check_class_limit(struct cv_str word, const char *of, struct cv_err *err)
{
	size_t dot = cv_str_find(word, '.', 0), equals = cv_str_find(word, '=', dot);
	uint64_t number;

	(void)of;
	if (!is_among(cv_str_sub(word, 0, dot), "person agency role app"))
		return cv_fail(err, CV_INVALID,
			"\"%.*s\" begins with none of the classes person, agency, role, app",
			CV_STR_ARGS(word));
	if (!is_among(cv_str_sub(word, dot + 1, equals),
			"messages recipients first-time burst refused"))
		return cv_fail(err, CV_INVALID,
			"\"%.*s\" names no limit: messages, recipients, first-time, burst, refused",
			CV_STR_ARGS(word));
	if (cv_str_u64(cv_str_sub(word, equals + 1, word.n), 100000000, &number) != CV_OK)
		return cv_fail(err, CV_INVALID, "\"%.*s\" has no number from 0 to 100000000",
			CV_STR_ARGS(word));
	return CV_OK;
}

static enum cv_status
check_when(struct cv_str text, const char *of, struct cv_err *err)
{
	struct cv_when when;

	(void)of;
	return cv_when_parse(text, &when, err);
}

/* ---- the table ---- */

#define RULES "auto none may encrypt dane verify"
static const struct row {
	const char *section, *option;
	bool by_word;      /* each word of the list for itself */
	check_fn *check;
	const char *of;
} rows[] = {
	{ "congvu", "hostname", false, check_domain, NULL },
	{ "congvu", "default_domain", false, check_domain, NULL },
	{ "congvu", "official_suffixes", true, check_domain, NULL },
	{ "admin", "account_requests", false, check_choice, "required optional" },
	{ "congvu", "working_hours", false, check_hours, NULL },
	{ "congvu", "log_level", false, check_choice, "error warn info debug" },
	{ "congvu", "log_format", false, check_choice, "text json" },
	{ "congvu", "oauth_introspection_url", false, check_https, NULL },
	{ "congvu", "oauth_claim", false, check_choice, "username email sub" },
	{ "congvu", "inside_networks", false, check_networks, NULL },
	{ "congvu", "proxy_networks", false, check_networks, NULL },
	{ "congvu", "dns_forwarders", true, check_forwarder, NULL },
	{ "smtpd", "listen_mx", true, check_listener, NULL },
	{ "smtpd", "listen_submission", true, check_listener, NULL },
	{ "smtpd", "listen_submissions", true, check_listener, NULL },
	{ "smtpd", "listen_lmtp", true, check_listener, NULL },
	{ "smtpd", "metrics_listen", true, check_listener, NULL },
	{ "smtpd", "dnsbl", false, check_dnslists, "bad" },
	{ "smtpd", "dnswl", false, check_dnslists, "good" },
	{ "smtpd", "xclient_networks", false, check_networks, NULL },
	{ "smtpd", "priority_networks", false, check_networks, NULL },
	{ "smtpd", "send_classes", true, check_class_limit, NULL },
	{ "smtpd", "recipient_typos", false, check_choice, "accept warn refuse" },
	{ "smtpd", "display_name", false, check_choice, "register keep" },
	{ "smtpd", "milter_default_action", false, check_choice, "accept tempfail reject" },
	{ "smtpd", "smarthost", false, check_smarthost, NULL },
	{ "smtpd", "transports", true, check_transport, "transport" },
	{ "smtpd", "split_domains", true, check_transport, "split" },
	{ "smtpd", "outbound_tls", true, check_tls_rule, RULES },
	{ "smtpd", "tls_report_contact", false, check_address, NULL },
	{ "imapd", "listen_imap", true, check_listener, NULL },
	{ "imapd", "listen_imaps", true, check_listener, NULL },
	{ "imapd", "listen_pop3", true, check_listener, NULL },
	{ "imapd", "listen_pop3s", true, check_listener, NULL },
	{ "imapd", "metrics_listen", true, check_listener, NULL },
	{ "imapd", "plain_login_networks", false, check_networks, NULL },
	{ "spamfilter", "metrics_listen", true, check_listener, NULL },
	{ "spamfilter", "dmarc_enforce", false, check_choice, "none mark as-published" },
	{ "spamfilter", "dmarc_quarantine", false, check_choice, "mark junk quarantine" },
	{ "spamfilter", "dmarc_mailing_lists", false, check_choice, "mark junk quarantine refuse" },
	{ "spamfilter", "dmarc_temperror", false, check_choice, "accept defer" },
	{ "spamfilter", "dmarc_bad_from", false, check_choice,
		"accept mark junk quarantine refuse" },
	{ "spamfilter", "dmarc_report_contact", false, check_address, NULL },
	{ "spamfilter", "dmarc_report_address", false, check_address, NULL },
	{ "spamfilter", "dmarc_method", false, check_choice, "tree-walk public-suffix" },
	{ "spamfilter", "secrecy_inbound", false, check_choice, "accept mark reject" },
	{ "spamfilter", "advertising", false, check_choice, "accept mark junk" },
	{ "spamfilter", "submission_networks", false, check_networks, NULL },
	{ "admin", "address_template", false, check_choice, "initials flat given" },
	{ "admin", "job_backup", false, check_when, NULL },
	{ "admin", "job_backup_verify", false, check_when, NULL },
	{ "admin", "job_publish", false, check_when, NULL },
	{ "admin", "job_dkim_rotate", false, check_when, NULL },
	{ "admin", "job_box_alert", false, check_when, NULL },
	{ "admin", "job_reports", false, check_when, NULL },
	{ "admin", "job_sample", false, check_when, NULL },
	{ "admin", "box_check_times", false, check_times, NULL },
	{ "admin", "score_weights", false, check_numbers, "6 1000" },
	{ "admin", "report_targets", false, check_numbers, "4 100" },
};

/* ---- walking ---- */

static bool
is_asked(const char *const *sections, const char *name)
{
	for (size_t i = 0; sections && sections[i]; i++)
		if (!strcmp(sections[i], name))
			return true;
	return !sections;
}

static enum cv_status
check_value(const struct row *row, const char *value, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(value), word;
	enum cv_status status = CV_OK;

	if (!row->by_word)
		return row->check(rest, row->of, err);
	while (status == CV_OK && cv_str_split(&rest, ' ', &word))
		if (word.n)
			status = row->check(word, row->of, err);
	return status;
}

size_t
cv_config_check(const struct cv_conf *conf, const char *const *sections, cv_config_fault_fn *fn,
	void *arg)
{
	size_t faults = 0;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct cv_err err = { 0 };
		const char *where;
		if (!is_asked(sections, row->section))
			continue;
		const char *value = cv_conf_text(conf, row->section, row->option, &where);
		if (!value || check_value(row, value, &err) == CV_OK)
			continue;
		struct cv_config_fault fault = { row->section, row->option, where, err.text };
		fn(arg, &fault);
		faults++;
	}
	return faults;
}

struct first {
	struct cv_err *err;
	enum cv_status status;
};

static void
keep_first(void *arg, const struct cv_config_fault *f)
{
	struct first *first = arg;

	if (first->status != CV_OK)
		return;
	first->status = f->where
		? cv_fail(first->err, CV_INVALID, "%s: %s: %s", f->where, f->option, f->text)
		: cv_fail(first->err, CV_INVALID, "[%s] %s: %s", f->section, f->option, f->text);
}

enum cv_status
cv_config_require(const struct cv_conf *conf, const char *const *sections, struct cv_err *err)
{
	struct first first = { err, CV_OK };

	(void)cv_config_check(conf, sections, keep_first, &first);
	return first.status;
}
