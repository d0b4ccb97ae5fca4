/* parse.c - see parse.h. Grammar: RFC 3501 section 9, RFC 7888 for {n+}. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/parse.h"

enum { ATOM = 1, TAG = 2, LIST = 4, ASTRING = 8 };

/* What a byte may be part of. */
static unsigned
kinds(unsigned char c)
{
	if (c <= ' ' || c >= 127)
		return 0;
	switch (c) {
	case '(':
	case ')':
	case '{':
	case '"':
	case '\\':
		return 0;
	case '%':
	case '*':
		return LIST;
	case ']':
		return LIST | TAG | ASTRING;
	case '+':
		return LIST | ASTRING | ATOM;
	default:
		return ATOM | TAG | LIST | ASTRING;
	}
}

bool
imapd_is_tag_char(unsigned char c)
{
	return kinds(c) & TAG;
}

bool
imapd_is_atom_char(unsigned char c)
{
	return kinds(c) & ATOM;
}

bool
imapd_fault(struct imapd_parse *p, const char *why)
{
	if (!p->fault)
		p->fault = why;
	return false;
}

bool
imapd_fault_numbers(struct imapd_parse *p)
{
	p->has_numbers = !p->fault;
	return imapd_fault(p, "UIDONLY is enabled: no message numbers");
}

bool
imapd_at_end(const struct imapd_parse *p)
{
	return p->pos == p->text.n;
}

unsigned char
imapd_peek(const struct imapd_parse *p)
{
	return p->pos < p->text.n ? (unsigned char)p->text.p[p->pos] : 0;
}

bool
imapd_take(struct imapd_parse *p, char c)
{
	if (p->pos == p->text.n || p->text.p[p->pos] != c)
		return false;
	p->pos++;
	return true;
}

bool
imapd_take_prefix(struct imapd_parse *p, const char *prefix)
{
	if (!cv_str_has_iprefix(cv_str_sub(p->text, p->pos, p->text.n), prefix))
		return false;
	p->pos += strlen(prefix);
	return true;
}

bool
imapd_take_word(struct imapd_parse *p, const char *word)
{
	size_t at = p->pos;
	if (!imapd_take_prefix(p, word))
		return false;
	if (!imapd_is_atom_char(imapd_peek(p)))
		return true;
	p->pos = at;
	return false;
}

bool
imapd_need(struct imapd_parse *p, char c, const char *why)
{
	return imapd_take(p, c) || imapd_fault(p, why);
}

bool
imapd_parse_sp(struct imapd_parse *p)
{
	return imapd_need(p, ' ', "a blank is missing");
}

static bool
parse_run(struct imapd_parse *p, unsigned kind, struct cv_str *out, const char *why)
{
	size_t from = p->pos;
	while (p->pos < p->text.n && (kinds((unsigned char)p->text.p[p->pos]) & kind))
		p->pos++;
	if (p->pos == from)
		return imapd_fault(p, why);
	*out = cv_str(p->text.p + from, p->pos - from);
	return true;
}

bool
imapd_parse_tag(struct imapd_parse *p, struct cv_str *out)
{
	return parse_run(p, TAG, out, "a tag is missing");
}

bool
imapd_parse_atom(struct imapd_parse *p, struct cv_str *out)
{
	return parse_run(p, ATOM, out, "a word is missing");
}

/* The raw inside of a quoted string; *escapes_out counts backslashes that protect a byte. */
static bool
scan_quoted(struct imapd_parse *p, struct cv_str *raw_out, size_t *escapes_out)
{
	size_t at = p->pos + 1;

	*escapes_out = 0;
	for (; at < p->text.n && p->text.p[at] != '"'; at++) {
		char c = p->text.p[at];
		if (c == '\r' || c == '\n' || c == '\0')
			return imapd_fault(p, "a quoted string holds a line end or NUL");
		if (c != '\\')
			continue;
		at++;
		if (at == p->text.n || (p->text.p[at] != '"' && p->text.p[at] != '\\'))
			return imapd_fault(p, "a backslash protects only \\ and \"");
		++*escapes_out;
	}
	if (at >= p->text.n)
		return imapd_fault(p, "a quoted string does not end");
	*raw_out = cv_str(p->text.p + p->pos + 1, at - p->pos - 1);
	p->pos = at + 1;
	return true;
}

static bool
parse_quoted(struct imapd_parse *p, struct cv_str *out)
{
	struct cv_str raw;
	size_t escapes;

	if (!scan_quoted(p, &raw, &escapes))
		return false;
	if (!escapes || !p->arena) {
		*out = raw;
		return true;
	}
	char *clean = cv_arena_alloc(p->arena, raw.n);
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		clean[n++] = raw.p[i];
	}
	*out = cv_str(clean, n);
	return true;
}

/* "{n}" or "{n+}" CRLF; leaves the place behind it. */
static bool
parse_marker(struct imapd_parse *p, uint64_t *n_out)
{
	size_t from = p->pos, at = p->pos + 1;

	while (at < p->text.n && cv_is_digit((unsigned char)p->text.p[at]))
		at++;
	if (at == from + 1 ||
		cv_str_u64(cv_str(p->text.p + from + 1, at - from - 1), UINT64_MAX, n_out))
		return imapd_fault(p, "a literal has no length");
	p->pos = at;
	imapd_take(p, '+');
	if (imapd_take(p, '}') && imapd_take(p, '\r') && imapd_take(p, '\n'))
		return true;
	p->pos = from;
	return imapd_fault(p, "a literal is not well formed");
}

static bool
parse_any_literal(struct imapd_parse *p, bool may_hold_nul, struct cv_str *out)
{
	size_t from = p->pos;
	uint64_t n;

	if (!parse_marker(p, &n))
		return false;
	if (n > p->text.n - p->pos) {
		p->pos = from;
		return imapd_fault(p, "a literal is not allowed here");
	}
	*out = cv_str(p->text.p + p->pos, (size_t)n);
	if (!may_hold_nul && memchr(out->p, 0, out->n)) {
		p->pos = from;
		return imapd_fault(p, "a literal holds NUL");
	}
	p->pos += (size_t)n;
	return true;
}

static bool
parse_literal(struct imapd_parse *p, struct cv_str *out)
{
	return parse_any_literal(p, false, out);
}

bool
imapd_parse_string(struct imapd_parse *p, struct cv_str *out)
{
	if (imapd_peek(p) == '"')
		return parse_quoted(p, out);
	if (imapd_peek(p) == '{')
		return parse_literal(p, out);
	return imapd_fault(p, "a string is missing");
}

static bool
is_string_next(const struct imapd_parse *p)
{
	return imapd_peek(p) == '"' || imapd_peek(p) == '{';
}

bool
imapd_parse_astring(struct imapd_parse *p, struct cv_str *out)
{
	if (is_string_next(p))
		return imapd_parse_string(p, out);
	return parse_run(p, ASTRING, out, "a word or string is missing");
}

bool
imapd_parse_nstring(struct imapd_parse *p, struct cv_str *out)
{
	if (is_string_next(p))
		return imapd_parse_string(p, out);
	if (!imapd_take_word(p, "NIL"))
		return imapd_fault(p, "a string or NIL is missing");
	*out = CV_STR_EMPTY;
	return true;
}

bool
imapd_parse_octets(struct imapd_parse *p, struct cv_str *out)
{
	size_t from = p->pos;

	if (!imapd_take(p, '~'))
		return imapd_parse_nstring(p, out);
	if (imapd_peek(p) == '{' && parse_any_literal(p, true, out))
		return true;
	p->pos = from;
	return imapd_fault(p, "a literal is missing");
}

bool
imapd_parse_list_mailbox(struct imapd_parse *p, struct cv_str *out)
{
	if (is_string_next(p))
		return imapd_parse_string(p, out);
	return parse_run(p, LIST, out, "a mailbox pattern is missing");
}

bool
imapd_parse_number(struct imapd_parse *p, uint64_t max, uint64_t *out)
{
	size_t at = p->pos;

	while (at < p->text.n && cv_is_digit((unsigned char)p->text.p[at]))
		at++;
	if (at == p->pos)
		return imapd_fault(p, "a number is missing");
	if (cv_str_u64(cv_str(p->text.p + p->pos, at - p->pos), max, out))
		return imapd_fault(p, "a number is too large");
	p->pos = at;
	return true;
}

bool
imapd_skip_astring(struct imapd_parse *p)
{
	struct cv_str unused;
	size_t escapes;

	if (imapd_peek(p) == '"')
		return scan_quoted(p, &unused, &escapes);
	return imapd_parse_astring(p, &unused);
}

bool
imapd_parse_message(struct imapd_parse *p, struct cv_spool **out)
{
	uint64_t n;

	imapd_take(p, '~'); /* literal8: messages are octets anyway */
	if (imapd_peek(p) != '{')
		return imapd_fault(p, "a message literal is missing");
	if (p->spools_taken == p->spool_count)
		return imapd_fault(p, "a message literal is not allowed here");
	if (!parse_marker(p, &n))
		return false;
	*out = p->spools[p->spools_taken++];
	return true;
}
