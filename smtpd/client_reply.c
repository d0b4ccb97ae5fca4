/* client_reply.c - see client_reply.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/client_reply.h"

#include <stdio.h>

/* One line at the start of IN: "250-text" CRLF. */
struct line {
	unsigned code;
	bool last;
	struct cv_str text;
	size_t bytes;
};

static enum cv_status
parse_line(struct cv_str in, struct line *out, struct cv_err *err)
{
	size_t end = cv_str_find(in, '\n', 0);

	if (end >= SMTPD_PEER_LINE_MAX)
		return cv_fail(err, CV_LIMIT, "a reply line of more than %u octets",
			SMTPD_PEER_LINE_MAX);
	if (end == in.n)
		return CV_AGAIN;
	struct cv_str line = cv_str_sub(in, 0, end);
	if (!line.n || line.p[line.n - 1] != '\r')
		return cv_fail(err, CV_INVALID, "a reply line without CR LF");
	line.n--;
	out->bytes = end + 1;
	if (cv_str_find(line, '\r', 0) != line.n || cv_str_find(line, '\0', 0) != line.n)
		return cv_fail(err, CV_INVALID, "a reply with control bytes");
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '9'
		|| line.p[2] < '0' || line.p[2] > '9')
		return cv_fail(err, CV_INVALID, "a reply without a code");
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return cv_fail(err, CV_INVALID, "a reply without a code");
	out->code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10
		+ (unsigned)(line.p[2] - '0');
	out->last = line.n == 3 || line.p[3] == ' ';
	out->text = cv_str_sub(line, 4, line.n);
	return CV_OK;
}

/* "5.1.1" at the start of TEXT, of the class CODE begins with (RFC 3463): its length, or 0. */
static size_t
status_length(struct cv_str text, unsigned code)
{
	size_t i = 1;

	if (text.n < 5 || text.p[0] != (char)('0' + code / 100))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;
		if (i >= text.n || text.p[i++] != '.')
			return 0;
		while (i < text.n && digits < 3 && cv_is_digit((unsigned char)text.p[i])) {
			i++;
			digits++;
		}
		if (!digits)
			return 0;
	}
	return i == text.n || text.p[i] == ' ' ? i : 0;
}

enum cv_status
smtpd_peer_reply_parse(struct cv_str in, struct smtpd_peer_reply *out, size_t *used_out,
	struct cv_err *err)
{
	struct line line = { .last = false };
	size_t at = 0;

	*out = (struct smtpd_peer_reply){ 0 };
	for (unsigned lines = 0; !line.last; lines++) {
		if (lines == SMTPD_PEER_LINES_MAX || at > SMTPD_PEER_REPLY_MAX)
			return cv_fail(err, CV_LIMIT, "a reply of too many lines");
		enum cv_status status = parse_line(cv_str_sub(in, at, in.n), &line, err);
		if (status != CV_OK)
			return status;
		if (lines && line.code != out->code)
			return cv_fail(err, CV_INVALID, "a reply with two codes");
		out->code = line.code;
		size_t n = status_length(line.text, line.code);
		if (n && !out->status[0])
			memcpy(out->status, line.text.p, CV_MIN(n, sizeof out->status - 1));
		at += line.bytes;
	}
	out->raw = cv_str_sub(in, 0, at);
	*used_out = at;
	return CV_OK;
}

void
smtpd_peer_reply_text(const struct smtpd_peer_reply *reply, char *out, size_t n)
{
	struct cv_str rest = reply->raw;
	struct line line = { .last = false };
	size_t used = (size_t)snprintf(out, n, "%u", reply->code);

	while (!line.last && parse_line(rest, &line, NULL) == CV_OK) {
		struct cv_str text = line.text;
		size_t status = status_length(text, reply->code);
		/* The status is said once, in front. */
		if (status && rest.p != reply->raw.p)
			text = cv_str_trim(cv_str_sub(text, status, text.n));
		if (text.n && used + 1 < n)
			out[used++] = ' ';
		for (size_t i = 0; i < text.n && used + 1 < n; i++) {
			unsigned char c = (unsigned char)text.p[i];
			out[used++] = c < 32 || c == 127 ? '?' : text.p[i];
		}
		rest = cv_str_sub(rest, line.bytes, rest.n);
	}
	if (used + 1 >= n)
		while (used && ((unsigned char)out[used - 1] & 0xc0) == 0x80)
			used--;
	if (used && (unsigned char)out[used - 1] >= 0xc0)
		used--;
	out[used] = '\0';
}

/* "RCPTMAX=20 MAILMAX=5": names that nobody knows and values that are none are passed over. */
static void
read_limits(struct cv_str rest, struct smtpd_peer_caps *caps)
{
	const struct {
		const char *name;
		uint64_t *value;
	} rows[] = { { "MAILMAX=", &caps->mail_max }, { "RCPTMAX=", &caps->rcpt_max },
		{ "RCPTDOMAINMAX=", &caps->domain_max } };
	struct cv_str word;
	uint64_t number;

	while (cv_str_split(&rest, ' ', &word))
		for (size_t i = 0; i < CV_COUNT(rows); i++)
			if (cv_str_has_iprefix(word, rows[i].name)
				&& cv_str_u64(cv_str_sub(word, strlen(rows[i].name), word.n),
					999999, &number) == CV_OK && number)
				*rows[i].value = number;
}

static void
read_keyword(struct cv_str text, struct smtpd_peer_caps *caps)
{
	struct cv_str word = cv_str_sub(text, 0, cv_str_find(text, ' ', 0));
	const struct {
		const char *name;
		bool *flag;
	} rows[] = {
		{ "PIPELINING", &caps->pipelining },
		{ "8BITMIME", &caps->eightbit },
		{ "SMTPUTF8", &caps->utf8 },
		{ "DSN", &caps->dsn },
		{ "STARTTLS", &caps->starttls },
		{ "CHUNKING", &caps->chunking },
		{ "SIZE", &caps->has_size },
		{ "REQUIRETLS", &caps->requiretls },
		{ "DELIVERBY", &caps->deliverby },
		{ "MT-PRIORITY", &caps->priority },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_ieq_z(word, rows[i].name))
			*rows[i].flag = true;
	struct cv_str rest = cv_str_trim(cv_str_sub(text, word.n, text.n)), mechanism, all = rest;
	uint64_t number;
	while (cv_str_ieq_z(word, "AUTH") && cv_str_split(&all, ' ', &mechanism))
		caps->auth_plain |= cv_str_ieq_z(mechanism, "PLAIN");
	if (cv_str_ieq_z(word, "SIZE") && cv_str_u64(rest, UINT64_MAX, &number) == CV_OK)
		caps->size_max = number;
	else if (cv_str_ieq_z(word, "DELIVERBY") && cv_str_u64(rest, 999999999, &number) == CV_OK)
		caps->by_min_secs = number;
	else if (cv_str_ieq_z(word, "LIMITS"))
		read_limits(rest, caps);
}

void
smtpd_peer_caps_read(const struct smtpd_peer_reply *ehlo, struct smtpd_peer_caps *out)
{
	struct cv_str rest = ehlo->raw;
	struct line line = { .last = false };

	*out = (struct smtpd_peer_caps){ 0 };
	for (bool first = true; !line.last && parse_line(rest, &line, NULL) == CV_OK;
		first = false) {
		if (!first) /* the first line is the server's name */
			read_keyword(line.text, out);
		rest = cv_str_sub(rest, line.bytes, rest.n);
	}
}
