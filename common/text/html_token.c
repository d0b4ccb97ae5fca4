/* html_token.c - see html_token.h. Sections are those of the HTML standard. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/html_token.h"

#include <stdlib.h>

#include "common/text/charset.h"
#include "common/text/charset_tables.h"
#include "common/text/html_entities.h"

/* ---- characters (13.2.5.72 to 13.2.5.80) ---- */

static int
compare_entity(const void *key, const void *entry)
{
	const struct cv_str *name = key;
	return cv_str_cmp(*name, cv_str_z(((const struct cv_html_entity *)entry)->name));
}

static const struct cv_html_entity *
find_entity(struct cv_str name)
{
	return bsearch(&name, cv_html_entities, cv_html_entities_count, sizeof *cv_html_entities,
		compare_entity);
}

static uint32_t
mend_number(uint32_t cp)
{
	if (cp >= 0x80 && cp <= 0x9F)
		return cv_charset_cp1252[cp] == 0xFFFD ? cp : cv_charset_cp1252[cp];
	return cp && cp <= 0x10FFFF && (cp < 0xD800 || cp > 0xDFFF) ? cp : 0xFFFD;
}

static int
digit_value(char c, bool hex)
{
	if (cv_is_digit((unsigned char)c))
		return c - '0';
	int low = c | 0x20;
	return hex && low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* "&#233;" or "&#xE9"; returns the octets taken, 0 when it is none. */
static size_t
put_number(struct cv_str s, struct cv_buf *out)
{
	bool hex = s.n > 2 && (s.p[2] | 0x20) == 'x';
	size_t at = hex ? 3 : 2, from = at;
	uint32_t v = 0;

	for (int d; at < s.n && (d = digit_value(s.p[at], hex)) >= 0; at++)
		v = v > 0x10FFFF ? v : v * (hex ? 16 : 10) + (uint32_t)d;
	if (at == from)
		return 0;
	cv_utf8_put(out, mend_number(v));
	return at < s.n && s.p[at] == ';' ? at + 1 : at;
}

static void
put_entity(const struct cv_html_entity *e, struct cv_buf *out)
{
	cv_utf8_put(out, e->points[0]);
	if (e->points[1])
		cv_utf8_put(out, e->points[1]);
}

/* "&eacute;", or the longest of the old names that need no semicolon. */
static size_t
put_named(struct cv_str s, bool is_attribute, struct cv_buf *out)
{
	size_t end = 1;

	while (end < s.n && end <= CV_HTML_ENTITY_NAME_MAX &&
		(cv_is_alpha((unsigned char)s.p[end]) || cv_is_digit((unsigned char)s.p[end])))
		end++;
	if (end < s.n && s.p[end] == ';' && end > 1) {
		const struct cv_html_entity *e = find_entity(cv_str_sub(s, 1, end + 1));
		if (e) {
			put_entity(e, out);
			return end + 1;
		}
	}
	for (size_t n = CV_MIN(end, CV_HTML_ENTITY_BARE_MAX + 1); n > 2; n--) {
		const struct cv_html_entity *e = find_entity(cv_str_sub(s, 1, n));
		if (!e)
			continue;
		if (is_attribute && n < s.n &&
			(s.p[n] == '=' || cv_is_alpha((unsigned char)s.p[n]) ||
				cv_is_digit((unsigned char)s.p[n])))
			return 0;
		put_entity(e, out);
		return n;
	}
	return 0;
}

void
cv_html_decode(struct cv_str raw, bool is_attribute, struct cv_buf *out)
{
	for (size_t i = 0; i < raw.n && !out->full;) {
		size_t amp = cv_str_find(raw, '&', i);
		struct cv_str plain = cv_str_sub(raw, i, amp);
		struct cv_str fits = cv_utf8_cut(plain, out->max - out->n);
		cv_buf_str(out, fits);
		if (fits.n < plain.n)
			out->full = true;
		if (amp == raw.n)
			return;
		struct cv_str rest = cv_str_sub(raw, amp, raw.n);
		size_t taken = rest.n > 1 && rest.p[1] == '#' ? put_number(rest, out)
							      : put_named(rest, is_attribute, out);
		if (!taken)
			cv_buf_c(out, '&');
		i = amp + (taken ? taken : 1);
	}
}

/* ---- tags ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

bool
cv_html_attribute(struct cv_str *rest, struct cv_str *name_out, struct cv_str *value_out)
{
	struct cv_str s = *rest;
	size_t i = 0, from;

	*value_out = CV_STR_EMPTY;
	while (i < s.n && (is_blank(s.p[i]) || s.p[i] == '/'))
		i++;
	from = i;
	if (i < s.n && s.p[i] == '=') /* a name may start with it */
		i++;
	while (i < s.n && !is_blank(s.p[i]) && s.p[i] != '/' && s.p[i] != '=')
		i++;
	*name_out = cv_str_sub(s, from, i);
	while (i < s.n && is_blank(s.p[i]))
		i++;
	if (i < s.n && s.p[i] == '=') {
		for (i++; i < s.n && is_blank(s.p[i]); i++)
			;
		if (i < s.n && (s.p[i] == '"' || s.p[i] == '\'')) {
			size_t end = cv_str_find(s, s.p[i], i + 1);
			*value_out = cv_str_sub(s, i + 1, end);
			i = end < s.n ? end + 1 : end;
		} else {
			for (from = i; i < s.n && !is_blank(s.p[i]); i++)
				;
			*value_out = cv_str_sub(s, from, i);
		}
	}
	*rest = cv_str_sub(s, i, s.n);
	return name_out->n > 0;
}

/* Where the tag whose attributes start at AT ends (its ">"), by the states of 13.2.5.32 to .38;
 * html.n: nowhere. */
static size_t
tag_end(struct cv_str html, size_t at)
{
	enum { BEFORE_NAME, NAME, AFTER_NAME, BEFORE_VALUE, VALUE } state = BEFORE_NAME;

	for (size_t i = at; i < html.n; i++) {
		char c = html.p[i];
		if (c == '>')
			return i;
		if (state == BEFORE_VALUE && (c == '"' || c == '\'')) {
			i = cv_str_find(html, c, i + 1);
			state = BEFORE_NAME;
		} else if (state == BEFORE_VALUE) {
			state = is_blank(c) ? BEFORE_VALUE : VALUE;
		} else if (state == VALUE) {
			state = is_blank(c) ? BEFORE_NAME : VALUE;
		} else if (c == '/') {
			state = BEFORE_NAME;
		} else if (is_blank(c)) {
			state = state == BEFORE_NAME ? BEFORE_NAME : AFTER_NAME;
		} else if (c == '=' && state != BEFORE_NAME) {
			state = BEFORE_VALUE;
		} else {
			state = NAME;
		}
	}
	return html.n;
}

/* Elements whose content is text up to their own end tag (13.2.5.2 to .5). */
static const struct {
	const char *name;
	bool decodes, to_end;
} raw_elements[] = {
	{"script",    false, false},
	{"style",     false, false},
	{"title",     true,  false},
	{"textarea",  true,  false},
	{"xmp",       false, false},
	{"iframe",    false, false},
	{"noembed",   false, false},
	{"noframes",  false, false},
	{"plaintext", false, true },
};

static void
enter_raw(struct cv_html_scan *scan)
{
	for (size_t i = 0; i < CV_COUNT(raw_elements); i++) {
		if (strcmp(scan->name, raw_elements[i].name))
			continue;
		memcpy(scan->raw, scan->name, sizeof scan->raw);
		scan->raw_decodes = raw_elements[i].decodes;
		scan->raw_to_end = raw_elements[i].to_end;
	}
}

/* The tag whose name starts at AT. False when it does not end. */
static bool
read_tag(struct cv_html_scan *scan, size_t at, bool is_end, struct cv_html_token *out)
{
	struct cv_str html = scan->html;
	size_t n = 0, i = at;

	for (; i < html.n && !is_blank(html.p[i]) && html.p[i] != '/' && html.p[i] != '>'; i++)
		if (n < CV_HTML_NAME_MAX)
			scan->name[n++] = (char)cv_lower((unsigned char)html.p[i]);
	scan->name[n] = '\0';
	size_t end = tag_end(html, i);
	scan->pos = end < html.n ? end + 1 : html.n;
	if (end == html.n)
		return false;
	*out = (struct cv_html_token){
		.kind = is_end ? CV_HTML_END : CV_HTML_START,
		.name = cv_str(scan->name, n),
		.attributes = cv_str_sub(html, i, end),
		.is_self_closed = end > i && html.p[end - 1] == '/',
	};
	if (!is_end)
		enter_raw(scan);
	return true;
}

/* ---- comments ---- */

/* Where the comment whose text starts at AT ends, behind its "-->" (13.2.5.43 to .51). */
static size_t
comment_end(struct cv_str html, size_t at, size_t *text_end)
{
	struct cv_str rest = cv_str_sub(html, at, html.n);

	*text_end = at;
	if (cv_str_has_prefix(rest, ">"))
		return at + 1;
	if (cv_str_has_prefix(rest, "->"))
		return at + 2;
	for (size_t i = at; i < html.n; i++) {
		i = cv_str_find(html, '-', i);
		struct cv_str here = cv_str_sub(html, i, html.n);
		*text_end = i;
		if (cv_str_has_prefix(here, "-->"))
			return i + 3;
		if (cv_str_has_prefix(here, "--!>"))
			return i + 4;
	}
	*text_end = html.n;
	return html.n;
}

/* "<!", "<?" or "</" and no letter: up to the next ">". */
static bool
read_markup(struct cv_html_scan *scan, struct cv_html_token *out)
{
	struct cv_str html = scan->html;
	size_t at = scan->pos, from = at + 2, end;

	if (cv_str_has_prefix(cv_str_sub(html, at, html.n), "<!--")) {
		from = at + 4;
		scan->pos = comment_end(html, from, &end);
	} else {
		end = cv_str_find(html, '>', from);
		scan->pos = end < html.n ? end + 1 : html.n;
	}
	*out = (struct cv_html_token){.kind = CV_HTML_COMMENT, .text = cv_str_sub(html, from, end)};
	return true;
}

/* ---- text ---- */

/* Where "</name" of the raw element stands, from AT on. */
static size_t
find_close(const struct cv_html_scan *scan, size_t at)
{
	struct cv_str html = scan->html;
	size_t n = strlen(scan->raw);

	for (; !scan->raw_to_end && at < html.n; at++) {
		at = cv_str_find(html, '<', at);
		struct cv_str rest = cv_str_sub(html, at, html.n);
		if (rest.n > n + 2 && rest.p[1] == '/' &&
			cv_str_ieq_z(cv_str_sub(rest, 2, n + 2), scan->raw) &&
			(is_blank(rest.p[n + 2]) || strchr("/>", rest.p[n + 2])))
			return at;
	}
	return html.n;
}

static bool
read_raw(struct cv_html_scan *scan, struct cv_html_token *out)
{
	size_t end = find_close(scan, scan->pos);

	*out = (struct cv_html_token){.kind = CV_HTML_TEXT,
		.text = cv_str_sub(scan->html, scan->pos, end),
		.is_raw = !scan->raw_decodes};
	scan->pos = end;
	scan->raw[0] = '\0';
	return out->text.n > 0;
}

void
cv_html_scan_init(struct cv_html_scan *scan, struct cv_str html)
{
	*scan = (struct cv_html_scan){.html = html};
}

bool
cv_html_next(struct cv_html_scan *scan, struct cv_html_token *out)
{
	struct cv_str html = scan->html;

	while (scan->pos < html.n) {
		size_t at = scan->pos;
		if (scan->raw[0]) {
			if (read_raw(scan, out))
				return true;
			continue;
		}
		char next = at + 1 < html.n ? html.p[at + 1] : ' ';
		if (html.p[at] == '<' && cv_is_alpha((unsigned char)next)) {
			if (read_tag(scan, at + 1, false, out))
				return true;
			continue;
		}
		if (html.p[at] == '<' && next == '/' && at + 2 < html.n &&
			cv_is_alpha((unsigned char)html.p[at + 2])) {
			if (read_tag(scan, at + 2, true, out))
				return true;
			continue;
		}
		if (html.p[at] == '<' &&
			(next == '!' || next == '?' || (next == '/' && at + 2 < html.n)))
			return read_markup(scan, out);
		scan->pos = cv_str_find(html, '<', at + 1);
		*out = (struct cv_html_token){
			.kind = CV_HTML_TEXT, .text = cv_str_sub(html, at, scan->pos)};
		return true;
	}
	return false;
}
