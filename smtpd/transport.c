/* transport.c - see transport.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/transport.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/text/domain.h"

#define ROWS_MAX 5000u
#define PORT_SMTPS 465u
#define PORT_LMTP 24u

struct row {
	char name[CV_DOMAIN_MAX + 2]; /* "*" is kept as "." and fits everything */
	bool is_split;
	struct smtpd_transport to;
};
struct smtpd_transports {
	struct row *rows;
	size_t count, room;
	unsigned port;
};

/* ---- one target ---- */

/* An address that people write without brackets. */
static bool
is_ipv4(struct cv_str host)
{
	struct cv_literal literal;
	char text[32];

	if (host.n > 15)
		return false;
	snprintf(text, sizeof text, "[%.*s]", CV_STR_ARGS(host));
	return cv_literal_parse(cv_str_z(text), &literal) &&
	       literal.kind == CV_LITERAL_IPV4;
}

/* "host", "host:port", "192.0.2.1:port", "[192.0.2.1]:port", "[IPv6:2001:db8::1]". */
static bool
read_host(struct cv_str text, unsigned port, struct smtpd_transport *out)
{
	struct cv_buf name = CV_BUF_INIT(sizeof out->host - 1);
	size_t bracket = text.n && text.p[0] == '[' ? cv_str_find(text, ']', 0) : 0;
	size_t colon = cv_str_find(text, ':', bracket);
	struct cv_str host = cv_str_sub(text, 0, colon);
	uint64_t number = port;
	bool ok = bracket < text.n && host.n > 0;

	if (ok && colon < text.n)
		ok = cv_str_u64(cv_str_sub(text, colon + 1, text.n), 65535, &number) == CV_OK &&
			number;
	if (ok && is_ipv4(host)) {
		cv_buf_printf(&name, "[%.*s]", CV_STR_ARGS(host));
	} else if (ok && host.p[0] == '[') {
		struct cv_literal literal;
		ok = host.p[host.n - 1] == ']' && cv_literal_parse(host, &literal) &&
			literal.kind != CV_LITERAL_GENERAL;
		cv_buf_str(&name, host);
	} else if (ok) {
		ok = cv_domain_to_ascii(host, &name, NULL) == CV_OK &&
			name.n <= CV_DOMAIN_NAME_MAX;
	}
	snprintf(out->host, sizeof out->host, "%.*s", ok ? (int)name.n : 0, ok ? name.p : "");
	out->port = (unsigned)number;
	cv_buf_done(&name);
	return ok && out->host[0];
}

static bool
read_error(struct cv_str text, struct smtpd_transport *out)
{
	if (!text.n || text.n >= sizeof out->text)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c < ' ' || c == 127)
			return false;
		out->text[i] = c == '_' ? ' ' : (char)c;
	}
	return true;
}

static bool
has_word(struct cv_str *text, const char *word)
{
	if (!cv_str_has_iprefix(*text, word))
		return false;
	*text = cv_str_sub(*text, strlen(word), text->n);
	return true;
}

static bool
read_lmtp(struct cv_str text, struct smtpd_transport *out)
{
	out->kind = SMTPD_BY_LMTP;
	if (!has_word(&text, "unix:"))
		return read_host(text, PORT_LMTP, out);
	/* What fits into a socket's address. */
	if (text.n < 2 || text.p[0] != '/' || text.n > 100)
		return false;
	snprintf(out->host, sizeof out->host, "%.*s", CV_STR_ARGS(text));
	out->port = 0;
	return true;
}

static bool
read_target(struct cv_str text, unsigned port, struct smtpd_transport *out)
{
	bool ok;

	if (has_word(&text, "smtps:")) {
		out->kind = SMTPD_BY_SMTPS;
		ok = read_host(text, PORT_SMTPS, out);
	} else if (has_word(&text, "lmtp:")) {
		ok = read_lmtp(text, out);
	} else if (has_word(&text, "error:")) {
		out->kind = SMTPD_BY_ERROR;
		ok = read_error(text, out);
	} else if (has_word(&text, "smtp:")) {
		out->kind = SMTPD_BY_SMTP;
		ok = read_host(text, port, out);
	} else {
		return false;
	}
	return ok;
}

/* ---- rows ---- */

static void
add_row(struct smtpd_transports *t, const struct row *row)
{
	static const char *const words[] = { [SMTPD_BY_SMTP] = "smtp", [SMTPD_BY_SMTPS] = "smtps",
		[SMTPD_BY_LMTP] = "lmtp", [SMTPD_BY_ERROR] = "error" };

	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 16;
		t->rows = cv_realloc(t->rows, t->room * sizeof *t->rows);
	}
	struct row *r = &t->rows[t->count++];
	*r = *row;
	snprintf(r->to.key, sizeof r->to.key, "%s:%s:%u",
		r->to.is_smarthost ? "smarthost" : words[r->to.kind], r->to.host, r->to.port);
}

static bool
read_name(struct cv_str name, bool exact, char out[CV_DOMAIN_MAX + 2])
{
	struct cv_buf clean = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool is_any = cv_str_eq_z(name, "*"), is_below = name.n && name.p[0] == '.';
	bool ok = name.n > 0 && !(exact && (is_any || is_below));

	if (is_any || is_below)
		cv_buf_c(&clean, '.');
	if (ok && !is_any)
		ok = cv_domain_to_ascii(cv_str_sub(name, is_below, name.n), &clean, NULL) == CV_OK;
	ok = ok && clean.n && clean.n <= CV_DOMAIN_MAX;
	snprintf(out, CV_DOMAIN_MAX + 2, "%.*s", ok ? (int)clean.n : 0, ok ? clean.p : "");
	cv_buf_done(&clean);
	return ok;
}

static enum cv_status
read_list(struct smtpd_transports *t, const char *option, const char *list, bool is_split,
	struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;

	while (cv_str_split(&rest, ' ', &word)) {
		struct row row = { .is_split = is_split };
		size_t equals = cv_str_find(word, '=', 0);
		struct cv_str target = cv_str_sub(word, CV_MIN(equals + 1, word.n), word.n);
		if (!word.n)
			continue;
		bool ok = equals < word.n && t->count < ROWS_MAX &&
			read_name(cv_str_sub(word, 0, equals), is_split, row.name);
		ok = ok && (is_split ? read_host(target, t->port, &row.to)
		                     : read_target(target, t->port, &row.to));
		if (!ok)
			return cv_fail(err, CV_INVALID, "%s: \"%.*s\" is not %s", option,
				CV_STR_ARGS(word), is_split ? "domain=host[:port]"
				: "domain=smtp:host[:port], smtps:..., lmtp:... or error:text");
		add_row(t, &row);
	}
	return CV_OK;
}

static enum cv_status
read_smarthost(struct smtpd_transports *t, const char *text, struct cv_err *err)
{
	struct cv_str host = cv_str_trim(cv_str_z(text));
	struct row row = { .name = ".", .to.is_smarthost = true };

	if (!host.n)
		return CV_OK;
	if (has_word(&host, "smtps:"))
		row.to.kind = SMTPD_BY_SMTPS;
	if (!read_host(host, row.to.kind == SMTPD_BY_SMTPS ? PORT_SMTPS : t->port, &row.to))
		return cv_fail(err, CV_INVALID,
			"smarthost: \"%s\" is not [smtps:]host[:port]", text);
	add_row(t, &row);
	return CV_OK;
}

enum cv_status
smtpd_transports_parse(const char *transports, const char *smarthost, const char *split_domains,
	unsigned port, struct smtpd_transports **out, struct cv_err *err)
{
	struct smtpd_transports *t = cv_calloc(1, sizeof *t);

	t->port = port;
	/* The smarthost first: a transport for "*" is as long and comes later. */
	enum cv_status status = read_smarthost(t, smarthost, err);
	if (status == CV_OK)
		status = read_list(t, "transports", transports, false, err);
	if (status == CV_OK)
		status = read_list(t, "split_domains", split_domains, true, err);
	if (status != CV_OK) {
		smtpd_transports_free(t);
		return status;
	}
	*out = t;
	return CV_OK;
}

void
smtpd_transports_free(struct smtpd_transports *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t);
}

static bool
row_fits(const char *name, struct cv_str domain)
{
	size_t n = strlen(name);

	if (name[0] != '.')
		return cv_str_eq_z(domain, name);
	return n == 1 || (domain.n > n && !memcmp(domain.p + domain.n - n, name, n));
}

const struct smtpd_transport *
smtpd_transports_find(const struct smtpd_transports *t, struct cv_str domain)
{
	const struct row *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < t->count; i++) {
		size_t n = strlen(t->rows[i].name);
		/* The name itself is longer than any part of it that begins with a dot. */
		if (n >= longest && row_fits(t->rows[i].name, domain)) {
			longest = n;
			best = &t->rows[i];
		}
	}
	return best ? &best->to : NULL;
}

const struct smtpd_transport *
smtpd_transports_split(const struct smtpd_transports *t, struct cv_str domain)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].is_split && cv_str_ieq_z(domain, t->rows[i].name))
			return &t->rows[i].to;
	return NULL;
}
