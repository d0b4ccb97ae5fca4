/* from.c - the strict reader of From fields, for decisions. See cv_from_strict() in address.h.
 *
 * Plain descent without recursion: the only thing that nests in the grammar is the comment, and
 * that is counted. Every refusal names its reason; the first one ends the reading.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"
#include "common/text/atext.h"
#include "common/text/charset.h"

struct reader {
	struct cv_arena *arena;
	struct cv_str s;
	size_t at;
	struct cv_buf phrase; /* the words before the address */
	struct cv_err *err;
};

static enum cv_status
refuse(struct reader *r, const char *why)
{
	return cv_fail(r->err, CV_INVALID, "From: %s at octet %zu", why, r->at);
}

static bool
has(const struct reader *r, char c)
{
	return r->at < r->s.n && r->s.p[r->at] == c;
}

static unsigned char
here(const struct reader *r)
{
	return r->at < r->s.n ? (unsigned char)r->s.p[r->at] : 0;
}

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* Bytes of UTF-8 may stand wherever ATEXT may (RFC 6532). */
static bool
is_atext(unsigned char c)
{
	return c > 127 || cv_is_atext(c);
}

/* Printable, blank or part of UTF-8: what may follow a backslash or stand in a comment. */
static bool
is_text(unsigned char c)
{
	return c >= ' ' ? c != 127 : c == '\t';
}

/* FWS: blanks with at most one line ending among them, which must be followed by a blank and more
 * than that: a folded line of nothing but blanks has been used to hide fields. */
static enum cv_status
skip_fws(struct reader *r)
{
	while (is_blank(here(r)))
		r->at++;
	if (!has(r, '\r') && !has(r, '\n'))
		return CV_OK;
	r->at += has(r, '\r');
	if (!has(r, '\n'))
		return refuse(r, "a CR without LF");
	r->at++;
	if (!is_blank(here(r)))
		return refuse(r, "a line ending that folds nothing");
	while (is_blank(here(r)))
		r->at++;
	return has(r, '\r') || has(r, '\n') ? refuse(r, "an empty folded line") : CV_OK;
}

static bool
at_space(const struct reader *r)
{
	unsigned char c = here(r);
	return is_blank(c) || c == '\r' || c == '\n';
}

static enum cv_status
skip_comment(struct reader *r)
{
	size_t depth = 0;
	do {
		unsigned char c = here(r);
		if (r->at == r->s.n)
			return refuse(r, "a comment without an end");
		if (at_space(r)) {
			enum cv_status status = skip_fws(r);
			if (status)
				return status;
			continue;
		}
		if (c == '\\') {
			r->at++;
			c = here(r);
		} else if (c == '(' && ++depth > CV_COMMENT_NEST_MAX) {
			return cv_fail(r->err, CV_LIMIT, "From: comments nested deeper than %d",
			               CV_COMMENT_NEST_MAX);
		} else if (c == ')') {
			depth--;
		}
		if (!is_text(c))
			return refuse(r, "a control byte in a comment");
		r->at++;
	} while (depth);
	return CV_OK;
}

static enum cv_status
skip_cfws(struct reader *r)
{
	enum cv_status status = CV_OK;
	while (!status && (at_space(r) || has(r, '(')))
		status = has(r, '(') ? skip_comment(r) : skip_fws(r);
	return status;
}

/* Passes a quoted string; its text without quotes goes to TEXT if that is not NULL. */
static enum cv_status
take_quoted(struct reader *r, struct cv_buf *text)
{
	for (r->at++; !has(r, '"'); r->at++) {
		if (r->at == r->s.n)
			return refuse(r, "a quoted string without an end");
		if (has(r, '\r') || has(r, '\n')) {
			enum cv_status status = skip_fws(r);
			if (status)
				return status;
			if (text)
				cv_buf_c(text, ' ');
			r->at--;
			continue;
		}
		if (has(r, '\\'))
			r->at++;
		if (!is_text(here(r)))
			return refuse(r, "a control byte in a quoted string");
		if (text)
			cv_buf_c(text, (char)here(r));
	}
	r->at++;
	return CV_OK;
}

static struct cv_str
take_dot_atom(struct reader *r)
{
	size_t from = r->at;
	while (is_atext(here(r)) || has(r, '.'))
		r->at++;
	return cv_str_sub(r->s, from, r->at);
}

/* local "@" domain with nothing between; the grammar of both is checked by the strict reader of
 * envelope addresses, which knows the limits too. */
static enum cv_status
take_addr_spec(struct reader *r, struct cv_mailbox *out)
{
	size_t from = r->at;
	if (has(r, '"')) {
		enum cv_status status = take_quoted(r, NULL);
		if (status)
			return status;
	} else if (!take_dot_atom(r).n) {
		return refuse(r, "an address is missing");
	}
	if (!has(r, '@'))
		return refuse(r, "an @ is missing");
	r->at++;
	if (has(r, '['))
		r->at = CV_MIN(cv_str_find(r->s, ']', r->at) + 1, r->s.n);
	else
		(void)take_dot_atom(r);

	struct cv_path path;
	struct cv_str text = cv_str_sub(r->s, from, r->at);
	struct cv_err why;
	enum cv_status status = cv_address_split(text, CV_PATH_SMTPUTF8, &path, &why);
	if (status)
		return cv_fail(r->err, status, "From: %s", why.text);
	out->local = path.local;
	out->domain = path.domain;
	out->address = path.address;
	return CV_OK;
}

/* phrase = 1*word, dots allowed behind the first, gathered in r->phrase up to "<". */
static enum cv_status
take_phrase(struct reader *r)
{
	enum cv_status status = CV_OK;
	cv_buf_reset(&r->phrase);
	while (!status && !has(r, '<')) {
		size_t before = r->at;
		status = skip_cfws(r);
		if (status || has(r, '<'))
			break;
		if (r->phrase.n && r->at > before)
			cv_buf_c(&r->phrase, ' ');
		if (has(r, '"'))
			status = take_quoted(r, &r->phrase);
		else if (is_atext(here(r)) || (has(r, '.') && r->phrase.n))
			cv_buf_str(&r->phrase, take_dot_atom(r));
		else
			return refuse(r, r->at == r->s.n ? "an address is missing"
			                                 : "a byte that cannot stand in a name");
	}
	return status;
}

/* name-addr = [display-name] "<" addr-spec ">" */
static enum cv_status
take_name_addr(struct reader *r, struct cv_mailbox *out)
{
	enum cv_status status = take_phrase(r);
	if (status)
		return status;
	r->at++;
	if ((status = skip_cfws(r)) || (status = take_addr_spec(r, out)) || (status = skip_cfws(r)))
		return status;
	if (!has(r, '>'))
		return refuse(r, "a > is missing");
	r->at++;
	out->name = cv_arena_str(r->arena, cv_buf_view(&r->phrase));
	return skip_cfws(r);
}

/* Whether an addr-spec starts here: a dot-atom or quoted string with "@" right behind. */
static bool
is_addr_spec_ahead(struct reader r)
{
	r.err = NULL;
	if (has(&r, '"')) {
		if (take_quoted(&r, NULL))
			return false;
	} else if (!take_dot_atom(&r).n) {
		return false;
	}
	return has(&r, '@');
}

static enum cv_status
take_mailbox(struct reader *r, struct cv_mailbox *out)
{
	enum cv_status status = skip_cfws(r);
	if (status)
		return status;
	*out = (struct cv_mailbox){0};
	if (!is_addr_spec_ahead(*r))
		return take_name_addr(r, out);
	status = take_addr_spec(r, out);
	return status ? status : skip_cfws(r);
}

static bool
has_c1_control(struct cv_str s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if ((unsigned char)s.p[i] == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	return false;
}

static void
grow(struct cv_arena *arena, struct cv_from *from, size_t *cap)
{
	*cap = *cap ? *cap * 2 : 2;
	struct cv_mailbox *items = CV_ARENA_ARRAY(arena, struct cv_mailbox, *cap);
	if (from->n)
		memcpy(items, from->items, from->n * sizeof(*items));
	from->items = items;
}

static enum cv_status
take_list(struct reader *r, struct cv_from *from)
{
	size_t cap = 0;
	for (;;) {
		if (from->n == CV_ADDR_COUNT_MAX)
			return cv_fail(r->err, CV_LIMIT, "From: more than %d addresses",
			               CV_ADDR_COUNT_MAX);
		if (from->n == cap)
			grow(r->arena, from, &cap);
		enum cv_status status = take_mailbox(r, &from->items[from->n]);
		if (status)
			return status;
		from->n++;
		if (r->at == r->s.n)
			return CV_OK;
		if (!has(r, ','))
			return refuse(r, "something stands behind an address");
		r->at++;
	}
}

enum cv_status
cv_from_strict(struct cv_arena *arena, struct cv_str value, struct cv_from *out, struct cv_err *err)
{
	struct reader r = {.arena = arena, .s = value, .err = err};
	struct cv_from from = {0};
	if (value.n > CV_ADDR_FIELD_MAX)
		return cv_fail(err, CV_LIMIT, "From: longer than %u octets", CV_ADDR_FIELD_MAX);
	if (!cv_utf8_is_valid(value) || has_c1_control(value))
		return cv_fail(err, CV_INVALID, "From: neither ASCII nor UTF-8");
	cv_buf_init(&r.phrase, value.n * 2 + 1);
	enum cv_status status = take_list(&r, &from);
	cv_buf_done(&r.phrase);
	if (!status)
		*out = from;
	return status;
}
