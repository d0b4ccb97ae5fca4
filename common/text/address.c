/* address.c - addresses of the SMTP envelope and of forms, and their one true spelling. See
 * address.h.
 *
 * A grammar function takes the input and an index, moves the index behind what it has read, and
 * answers with the reason when it cannot.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"

#include <unicase.h>

#include "common/text/atext.h"
#include "common/text/charset.h"
#include "common/text/encoded_word.h"

static bool
is_8bit(char c)
{
	return (unsigned char)c > 127;
}

/* UTF-8 without the control characters U+0080 to U+009F. */
static bool
is_clean_utf8(struct cv_str s)
{
	if (!cv_utf8_is_valid(s))
		return false;
	for (size_t i = 0; i + 1 < s.n; i++)
		if ((unsigned char)s.p[i] == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	return true;
}

static size_t
skip_dot_string(struct cv_str s, size_t at)
{
	while (at < s.n && (cv_is_atext((unsigned char)s.p[at]) || s.p[at] == '.' ||
	                    is_8bit(s.p[at])))
		at++;
	return at;
}

/* The index behind the closing quote, or 0. */
static size_t
skip_quoted_string(struct cv_str s, size_t at)
{
	for (at++; at < s.n; at++) {
		unsigned char c = (unsigned char)s.p[at];
		if (c == '"')
			return at + 1;
		if (c == '\\' && (++at == s.n || (unsigned char)s.p[at] > '~'))
			return 0;
		c = (unsigned char)s.p[at];
		if (c < ' ' || c == 127)
			return 0;
	}
	return 0;
}

/* Local-part = Dot-string / Quoted-string, up to "@" or what ends it. */
static enum cv_status
read_local(struct cv_str s, size_t *at, struct cv_path *out, struct cv_err *err)
{
	size_t from = *at, end;
	if (from < s.n && s.p[from] == '"') {
		out->is_quoted = true;
		end = skip_quoted_string(s, from);
		if (!end)
			return cv_fail(err, CV_INVALID,
			               "a quoted local part is wrong or has no end");
	} else {
		end = skip_dot_string(s, from);
		struct cv_str local = cv_str_sub(s, from, end);
		if (!local.n)
			return cv_fail(err, CV_INVALID, "there is no local part");
		if (local.p[0] == '.' || local.p[local.n - 1] == '.' ||
		    cv_str_search(local, CV_STR("..")) < local.n)
			return cv_fail(err, CV_INVALID, "a dot in the local part stands alone");
	}
	out->local = cv_str_sub(s, from, end);
	if (out->local.n > CV_LOCAL_MAX)
		return cv_fail(err, CV_LIMIT, "the local part is longer than %d octets",
		               CV_LOCAL_MAX);
	*at = end;
	return CV_OK;
}

/* Domain or address-literal, up to a byte that neither may have. */
static enum cv_status
read_domain(struct cv_str s, size_t *at, unsigned flags, struct cv_str *out, struct cv_err *err)
{
	struct cv_literal literal;
	size_t end = *at;
	bool bracket = end < s.n && s.p[end] == '[';
	if (bracket) {
		end = cv_str_find(s, ']', end);
		end += end < s.n;
	} else {
		while (end < s.n && (cv_is_alpha((unsigned char)s.p[end]) || s.p[end] == '-' ||
		                     cv_is_digit((unsigned char)s.p[end]) || s.p[end] == '.' ||
		                     is_8bit(s.p[end])))
			end++;
	}
	struct cv_str domain = cv_str_sub(s, *at, end);
	if (domain.n > CV_DOMAIN_MAX)
		return cv_fail(err, CV_LIMIT, "the domain is longer than %d octets", CV_DOMAIN_MAX);
	if (bracket ? !cv_literal_parse(domain, &literal)
	            : !cv_domain_is_valid(domain, (flags & CV_PATH_SMTPUTF8) != 0))
		return cv_fail(err, CV_INVALID, bracket ? "the address literal is wrong"
		                                        : "the domain is wrong");
	*out = domain;
	*at = end;
	return CV_OK;
}

static enum cv_status
check_utf8(unsigned flags, struct cv_path *path, struct cv_err *err)
{
	for (size_t i = 0; i < path->address.n; i++)
		path->has_utf8 = path->has_utf8 || is_8bit(path->address.p[i]);
	if (path->has_utf8 && !(flags & CV_PATH_SMTPUTF8))
		return cv_fail(err, CV_INVALID, "the address is not ASCII and SMTPUTF8 is not in use");
	if (path->has_utf8 && !is_clean_utf8(path->address))
		return cv_fail(err, CV_INVALID, "the address is not UTF-8");
	return CV_OK;
}

static enum cv_status
read_mailbox(struct cv_str s, size_t *at, unsigned flags, struct cv_path *out, struct cv_err *err)
{
	size_t from = *at;
	enum cv_status status = read_local(s, at, out, err);
	if (status)
		return status;
	if (*at == s.n || s.p[*at] != '@')
		return cv_fail(err, CV_INVALID, "the address has no @ where it should be");
	(*at)++;
	/* UTF-8 is judged here as a whole, so that the reason names it and not the domain. */
	status = read_domain(s, at, flags | CV_PATH_SMTPUTF8, &out->domain, err);
	if (status)
		return status;
	out->is_literal = out->domain.p[0] == '[';
	out->address = cv_str_sub(s, from, *at);
	if (out->address.n + 2 > CV_PATH_MAX)
		return cv_fail(err, CV_LIMIT, "the address is longer than %d octets",
		               CV_PATH_MAX - 2);
	return check_utf8(flags, out, err);
}

/* A-d-l ":" = "@" domain *("," "@" domain) ":", which RFC 5321 has us accept and ignore. */
static enum cv_status
skip_route(struct cv_str s, size_t *at, unsigned flags, struct cv_err *err)
{
	size_t from = *at;
	for (;;) {
		struct cv_str domain;
		if (*at == s.n || s.p[*at] != '@')
			return cv_fail(err, CV_INVALID, "the source route is wrong");
		(*at)++;
		enum cv_status status = read_domain(s, at, flags, &domain, err);
		if (status)
			return status;
		if (*at - from > CV_ROUTE_MAX)
			return cv_fail(err, CV_LIMIT, "the source route is too long");
		if (*at == s.n || (s.p[*at] != ',' && s.p[*at] != ':'))
			return cv_fail(err, CV_INVALID, "the source route is wrong");
		if (s.p[(*at)++] == ':')
			return CV_OK;
	}
}

/* What stands between the brackets. */
static enum cv_status
read_path(struct cv_str s, size_t *at, unsigned flags, struct cv_path *out, struct cv_err *err)
{
	if (*at < s.n && s.p[*at] == '>') {
		out->is_null = true;
		return flags & CV_PATH_ALLOW_NULL
			? CV_OK
			: cv_fail(err, CV_INVALID, "the null path cannot stand here");
	}
	struct cv_str rest = cv_str_sub(s, *at, s.n);
	if ((flags & CV_PATH_POSTMASTER) && cv_str_has_iprefix(rest, "postmaster>")) {
		out->local = out->address = cv_str_sub(rest, 0, strlen("postmaster"));
		out->is_postmaster = true;
		*at += out->local.n;
		return CV_OK;
	}
	if (*at < s.n && s.p[*at] == '@') {
		enum cv_status status = skip_route(s, at, flags, err);
		if (status)
			return status;
		out->had_route = true;
	}
	return read_mailbox(s, at, flags, out, err);
}

enum cv_status
cv_path_parse(struct cv_str in, unsigned flags, struct cv_path *out, struct cv_str *rest_out,
              struct cv_err *err)
{
	struct cv_path path = {0};
	size_t at = 0;
	while ((flags & CV_PATH_LEADING_SPACE) && at < in.n && in.p[at] == ' ')
		at++;
	if (at == in.n || in.p[at] != '<')
		return cv_fail(err, CV_INVALID, "the path does not start with <");
	at++;
	enum cv_status status = read_path(in, &at, flags, &path, err);
	if (status)
		return status;
	if (at == in.n || in.p[at] != '>')
		return cv_fail(err, CV_INVALID, "the path does not end with > where it should");
	at++;
	if (at < in.n && in.p[at] != ' ')
		return cv_fail(err, CV_INVALID, "something stands right behind the path");
	while (at < in.n && in.p[at] == ' ')
		at++;
	if (rest_out)
		*rest_out = cv_str_sub(in, at, in.n);
	*out = path;
	return CV_OK;
}

enum cv_status
cv_address_split(struct cv_str in, unsigned flags, struct cv_path *out, struct cv_err *err)
{
	struct cv_path path = {0};
	size_t at = 0;
	enum cv_status status = read_mailbox(in, &at, flags, &path, err);
	if (status)
		return status;
	if (at != in.n)
		return cv_fail(err, CV_INVALID, "something stands behind the address");
	*out = path;
	return CV_OK;
}

bool
cv_address_is_valid(struct cv_str in, unsigned flags)
{
	struct cv_path path;
	return cv_address_split(in, flags, &path, NULL) == CV_OK;
}

void
cv_path_local_text(const struct cv_path *path, struct cv_buf *out)
{
	struct cv_str s = path->local;
	if (!path->is_quoted) {
		cv_buf_str(out, s);
		return;
	}
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		cv_buf_c(out, s.p[i]);
	}
}

static bool
is_dot_atom(struct cv_str s)
{
	if (!s.n || s.p[0] == '.' || s.p[s.n - 1] == '.' || cv_str_search(s, CV_STR("..")) < s.n)
		return false;
	return skip_dot_string(s, 0) == s.n;
}

void
cv_local_write(struct cv_buf *out, struct cv_str local)
{
	if (is_dot_atom(local)) {
		cv_buf_str(out, local);
		return;
	}
	cv_buf_c(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, local.p[i]);
	}
	cv_buf_c(out, '"');
}

/* The local part's text in NFC and, if LOWER, in lower case. */
static enum cv_status
spell_local(struct cv_str text, bool lower, struct cv_buf *out)
{
	size_t n = 0;
	if (!lower)
		return cv_utf8_nfc(text, out);
	uint8_t *small =
		u8_tolower((const uint8_t *)text.p, text.n, NULL, UNINORM_NFC, NULL, &n);
	if (!small)
		return CV_INVALID;
	cv_buf_add(out, small, n);
	free(small);
	return CV_OK;
}

static enum cv_status
write_spelling(const struct cv_path *path, bool lower, struct cv_buf *out, struct cv_err *err)
{
	if (path->is_null)
		return CV_OK;
	if (path->is_postmaster) {
		cv_buf_z(out, "postmaster");
		return out->full ? cv_fail(err, CV_LIMIT, "no room for an address") : CV_OK;
	}
	size_t n_before = out->n;
	struct cv_buf text = CV_BUF_INIT(CV_LOCAL_MAX), local = CV_BUF_INIT(CV_LOCAL_MAX * 4);
	cv_path_local_text(path, &text);
	enum cv_status status = CV_OK;
	if (text.n && spell_local(cv_buf_view(&text), lower, &local))
		status = cv_fail(err, CV_INVALID, "the local part is not UTF-8");
	cv_local_write(out, cv_buf_view(&local));
	cv_buf_c(out, '@');
	if (!status && path->is_literal) {
		for (size_t i = 0; i < path->domain.n; i++)
			cv_buf_c(out, (char)cv_lower((unsigned char)path->domain.p[i]));
	} else if (!status) {
		status = cv_domain_to_ascii(path->domain, out, err);
	}
	if (!status && (out->full || local.full))
		status = cv_fail(err, CV_LIMIT, "no room for an address");
	if (status)
		out->n = n_before;
	cv_buf_done(&text);
	cv_buf_done(&local);
	return status;
}

enum cv_status
cv_path_normalise(const struct cv_path *path, struct cv_buf *out, struct cv_err *err)
{
	return write_spelling(path, false, out, err);
}

static enum cv_status
spell(struct cv_str in, bool lower, struct cv_buf *out, struct cv_err *err)
{
	struct cv_path path;
	enum cv_status status = cv_address_split(in, CV_PATH_SMTPUTF8, &path, err);
	return status ? status : write_spelling(&path, lower, out, err);
}

enum cv_status
cv_address_normalise(struct cv_str in, struct cv_buf *out, struct cv_err *err)
{
	return spell(in, false, out, err);
}

enum cv_status
cv_address_key(struct cv_str in, struct cv_buf *out, struct cv_err *err)
{
	return spell(in, true, out, err);
}

void
cv_mailbox_write(struct cv_buf *out, struct cv_str name, struct cv_str address)
{
	if (!cv_str_trim(name).n) {
		cv_buf_str(out, address);
		return;
	}
	cv_phrase_encode(name, out);
	cv_buf_z(out, " <");
	cv_buf_str(out, address);
	cv_buf_c(out, '>');
}
