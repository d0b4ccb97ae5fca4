/* authres.c - see authres.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/authres.h"

#define COMMENT_NEST_MAX 50

/* Passes over blanks, line ends and comments. False when a comment does not end. */
static bool
skip_cfws(struct cv_str s, size_t *at)
{
	unsigned depth = 0;

	for (; *at < s.n; ++*at) {
		char c = s.p[*at];
		if (depth && c == '\\')
			++*at;
		else if (c == '(' && ++depth > COMMENT_NEST_MAX)
			return false;
		else if (depth && c == ')')
			depth--;
		else if (!depth && c != '(' && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return true;
	}
	return !depth;
}

/* The authserv-id: a token or a quoted string. False when there is none. */
static bool
read_id(struct cv_str s, size_t *at, struct cv_buf *out)
{
	if (*at < s.n && s.p[*at] == '"') {
		for (++*at; *at < s.n && s.p[*at] != '"'; ++*at) {
			if (s.p[*at] == '\\')
				++*at;
			if (*at < s.n)
				cv_buf_c(out, s.p[*at]);
		}
		return (*at)++ < s.n;
	}
	while (*at < s.n && (unsigned char)s.p[*at] > ' ' && !strchr("()<>@,;:\\\"/[]?=", s.p[*at]))
		cv_buf_c(out, s.p[(*at)++]);
	return out->n > 0;
}

bool
spam_authres_is_from(struct cv_str value, const char *authserv_id)
{
	struct cv_buf id = CV_BUF_INIT(1024);
	size_t at = 0;
	bool is_read = skip_cfws(value, &at) && read_id(value, &at, &id) && !id.full &&
		       skip_cfws(value, &at);
	bool same = cv_str_ieq_z(cv_buf_view(&id), authserv_id);

	/* Behind the id come the end, ";" or a version. */
	if (is_read && at < value.n && value.p[at] != ';' &&
		!cv_is_digit((unsigned char)value.p[at]))
		is_read = false;
	cv_buf_done(&id);
	return is_read ? same : cv_str_isearch(value, cv_str_z(authserv_id)) < value.n;
}

/* ---- results of others ---- */

/* One "name=value" at *AT, with what may stand around it. False at the end of the result. */
static bool
read_pair(struct cv_str s, size_t *at, struct cv_buf *name, struct cv_buf *value)
{
	cv_buf_reset(name);
	cv_buf_reset(value);
	if (!skip_cfws(s, at))
		return false;
	while (*at < s.n && !strchr("=;()\" \t\r\n", s.p[*at]))
		cv_buf_c(name, s.p[(*at)++]);
	if (!name->n || !skip_cfws(s, at) || *at >= s.n || s.p[*at] != '=')
		return false;
	++*at;
	if (!skip_cfws(s, at))
		return false;
	if (*at < s.n && s.p[*at] == '"')
		return read_id(s, at, value);
	while (*at < s.n && !strchr(";()\" \t\r\n", s.p[*at]))
		cv_buf_c(value, s.p[(*at)++]);
	return value->n > 0;
}

/* Past the next ";" that is in no comment and no quotes. */
static bool
skip_result(struct cv_str s, size_t *at)
{
	while (*at < s.n) {
		if (!skip_cfws(s, at))
			return false;
		if (*at >= s.n)
			return false;
		if (s.p[*at] == ';') {
			++*at;
			return true;
		}
		if (s.p[*at] == '"')
			for (++*at; *at < s.n && s.p[*at] != '"'; ++*at)
				*at += s.p[*at] == '\\';
		++*at;
	}
	return false;
}

bool
spam_authres_has_pass(
	struct cv_str value, const char *method, const char *property, struct cv_str domain)
{
	struct cv_buf name = CV_BUF_INIT(256), word = CV_BUF_INIT(1024);
	bool found = false;
	size_t at = 0;

	while (!found && skip_result(value, &at)) {
		size_t here = at;
		if (!read_pair(value, &here, &name, &word) ||
			!cv_str_ieq_z(cv_buf_view(&name), method) ||
			!cv_str_ieq_z(cv_buf_view(&word), "pass"))
			continue;
		while (!found && read_pair(value, &here, &name, &word))
			found = cv_str_ieq_z(cv_buf_view(&name), property) &&
				cv_str_ieq(cv_buf_view(&word), domain);
	}
	cv_buf_done(&name);
	cv_buf_done(&word);
	return found;
}

/* ---- writing ---- */

static bool
is_token(struct cv_str s, bool is_property)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool special = c <= ' ' || c >= 0x7f || strchr("()<>,;:\\\"/[]?=", c);
		/* pvalue takes "local@domain" bare; "@" alone is no token */
		if ((special && !(is_property && c == '/')) || (c == '@' && !is_property))
			return false;
	}
	return s.n > 0;
}

static void
put_quoted(struct cv_buf *out, struct cv_str s)
{
	cv_buf_c(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
	cv_buf_c(out, '"');
}

void
spam_authres_begin(struct cv_buf *out, const char *authserv_id)
{
	if (is_token(cv_str_z(authserv_id), false))
		cv_buf_z(out, authserv_id);
	else
		put_quoted(out, cv_str_z(authserv_id));
}

void
spam_authres_result(struct cv_buf *out, const char *method, const char *result, const char *why)
{
	cv_buf_printf(out, ";\n\t%s=%s", method, result);
	if (!why[0])
		return;
	cv_buf_z(out, " (");
	for (const char *c = why; *c; c++)
		cv_buf_c(out, strchr("()\\", *c) || (unsigned char)*c < ' ' ? '_' : *c);
	cv_buf_c(out, ')');
}

void
spam_authres_reason(struct cv_buf *out, const char *reason)
{
	cv_buf_z(out, " reason=");
	put_quoted(out, cv_str_z(reason));
}

void
spam_authres_property(struct cv_buf *out, const char *name, struct cv_str value)
{
	if (!value.n)
		return;
	cv_buf_printf(out, " %s=", name);
	if (is_token(value, true))
		cv_buf_str(out, value);
	else
		put_quoted(out, value);
}

void
spam_authres_end(struct cv_buf *out)
{
	if (out->n && !memchr(out->p, ';', out->n))
		cv_buf_z(out, "; none");
}
