/* html.c - one pass over the bytes; the only state is the element whose text is left out. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/html.h"

#include "common/text/charset.h"

#define ENTITY_MAX 12 /* letters between & and ; */

static const char *const silent[] = { "head", "script", "style", "title", "noscript", "template" };
static const char *const blocks[] = { "address", "blockquote", "br", "div", "dd", "dt", "h1", "h2",
	                                  "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "td",
	                                  "th", "tr", "ul" };

static const struct {
	const char *name;
	uint16_t cp;
} entities[] = {
	{ "amp", '&' },      { "lt", '<' },       { "gt", '>' },       { "quot", '"' },     { "apos", '\'' },
	{ "nbsp", ' ' },     { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "hellip", 0x2026 },
	{ "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "ldquo", 0x201C }, { "rdquo", 0x201D },
	{ "bull", 0x2022 },  { "copy", 0xA9 },    { "reg", 0xAE },     { "euro", 0x20AC },
	{ "Agrave", 0xC0 },  { "Aacute", 0xC1 },  { "Acirc", 0xC2 },   { "Atilde", 0xC3 },
	{ "Egrave", 0xC8 },  { "Eacute", 0xC9 },  { "Ecirc", 0xCA },   { "Igrave", 0xCC },
	{ "Iacute", 0xCD },  { "ETH", 0xD0 },     { "Ograve", 0xD2 },  { "Oacute", 0xD3 },
	{ "Ocirc", 0xD4 },   { "Otilde", 0xD5 },  { "Ugrave", 0xD9 },  { "Uacute", 0xDA },
	{ "Yacute", 0xDD },  { "agrave", 0xE0 },  { "aacute", 0xE1 },  { "acirc", 0xE2 },
	{ "atilde", 0xE3 },  { "egrave", 0xE8 },  { "eacute", 0xE9 },  { "ecirc", 0xEA },
	{ "igrave", 0xEC },  { "iacute", 0xED },  { "ograve", 0xF2 },  { "oacute", 0xF3 },
	{ "ocirc", 0xF4 },   { "otilde", 0xF5 },  { "ugrave", 0xF9 },  { "uacute", 0xFA },
	{ "yacute", 0xFD },
};

static bool
is_in(struct cv_str name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cv_str_ieq_z(name, names[i]))
			return true;
	return false;
}

/* "#233" or "#xE9"; 0 when it is neither. */
static uint32_t
numbered(struct cv_str s)
{
	uint32_t v = 0;
	bool hex = s.n > 1 && (s.p[1] | 0x20) == 'x';
	for (size_t i = hex ? 2 : 1; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], l = (unsigned char)(c | 0x20);
		if (cv_is_digit(c))
			v = v * (hex ? 16 : 10) + (c - '0');
		else if (hex && l >= 'a' && l <= 'f')
			v = v * 16 + (l - 'a' + 10u);
		else
			return 0;
		if (v > 0x10FFFF)
			return 0xFFFD;
	}
	return v;
}

/* The entity at S ("&...") appended to OUT; returns the bytes taken, 1 when it is none. */
static size_t
put_entity(struct cv_str s, struct cv_buf *out)
{
	size_t end = 1;
	while (end < s.n && end <= ENTITY_MAX &&
	       (cv_is_alpha((unsigned char)s.p[end]) || cv_is_digit((unsigned char)s.p[end]) ||
	        s.p[end] == '#'))
		end++;
	struct cv_str name = cv_str_sub(s, 1, end);
	uint32_t cp = name.n > 1 && name.p[0] == '#' ? numbered(name) : 0;
	for (size_t i = 0; !cp && i < CV_COUNT(entities); i++)
		if (cv_str_eq_z(name, entities[i].name))
			cp = entities[i].cp;
	if (!cp) {
		cv_buf_c(out, '&');
		return 1;
	}
	cv_utf8_put(out, cp == 0xA0 ? ' ' : cp);
	return end < s.n && s.p[end] == ';' ? end + 1 : end;
}

/* The length of the tag or comment at S ("<..."), all of S when it does not end. */
static size_t
tag_length(struct cv_str s)
{
	if (cv_str_has_prefix(s, "<!--")) {
		size_t end = cv_str_search(s, CV_STR("-->"));
		return end < s.n ? end + 3 : s.n;
	}
	char quote = 0;
	for (size_t i = 1; i < s.n; i++) {
		if (quote)
			quote = s.p[i] == quote ? 0 : quote;
		else if (s.p[i] == '>')
			return i + 1;
		else if ((s.p[i] == '"' || s.p[i] == '\'') && s.p[i - 1] == '=')
			quote = s.p[i];
	}
	return s.n;
}

static struct cv_str
tag_name(struct cv_str tag)
{
	size_t from = tag.n > 1 && tag.p[1] == '/' ? 2 : 1, to = from;
	while (to < tag.n &&
	       (cv_is_alpha((unsigned char)tag.p[to]) || cv_is_digit((unsigned char)tag.p[to])))
		to++;
	return cv_str_sub(tag, from, to);
}

/* Behind the end tag of element NAME, from AT on. */
static size_t
skip_element(struct cv_str html, size_t at, struct cv_str name)
{
	while (at < html.n) {
		at = cv_str_find(html, '<', at);
		struct cv_str rest = cv_str_sub(html, at, html.n);
		if (rest.n > 1 && rest.p[1] == '/' && cv_str_ieq(tag_name(rest), name))
			return at + tag_length(rest);
		at++;
	}
	return html.n;
}

void
cv_html_text(struct cv_str html, struct cv_buf *out)
{
	for (size_t i = 0; i < html.n && !out->full;) {
		struct cv_str rest = cv_str_sub(html, i, html.n);
		if (rest.p[0] == '&') {
			i += put_entity(rest, out);
		} else if (rest.p[0] == '<' && rest.n > 1 &&
		           (cv_is_alpha((unsigned char)rest.p[1]) || strchr("/!?", rest.p[1]))) {
			size_t n = tag_length(rest);
			struct cv_str name = tag_name(cv_str_sub(rest, 0, n));
			i += n;
			if (rest.p[1] != '/' && is_in(name, silent, CV_COUNT(silent)))
				i = skip_element(html, i, name);
			if (is_in(name, blocks, CV_COUNT(blocks)))
				cv_buf_c(out, '\n');
		} else {
			size_t run = 1;
			while (run < rest.n && rest.p[run] != '<' && rest.p[run] != '&')
				run++;
			/* What fits of a long run is kept. */
			struct cv_str text = cv_utf8_cut(cv_str_sub(rest, 0, run),
			                                 out->max - out->n);
			cv_buf_str(out, text);
			if (text.n < run)
				out->full = true;
			i += run;
		}
	}
}
