/* html.c - one pass over the bytes; the only state is the element whose text is left out. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/html.h"

#include "common/text/charset.h"
#include "common/text/html_token.h"

static const char *const silent[] = { "head", "script", "style", "title", "noscript", "template" };
static const char *const blocks[] = { "address", "blockquote", "br", "div", "dd", "dt", "h1", "h2",
	                                  "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "td",
	                                  "th", "tr", "ul" };

static bool
is_in(struct cv_str name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cv_str_ieq_z(name, names[i]))
			return true;
	return false;
}

/* Text into OUT, decoded; no-break spaces as plain ones. */
static void
put_text(const struct cv_html_token *t, struct cv_buf *out)
{
	size_t from = out->n;

	if (!t->is_raw && memchr(t->text.p, '&', t->text.n)) {
		cv_html_decode(t->text, false, out);
	} else {
		/* What fits of a long run is kept. */
		struct cv_str text = cv_utf8_cut(t->text, out->max - out->n);
		cv_buf_str(out, text);
		out->full |= text.n < t->text.n;
		return;
	}
	/* U+00A0, C2 A0, becomes one blank. */
	size_t to = from;
	for (size_t i = from; i < out->n; i++) {
		bool is_nbsp = i + 1 < out->n && (unsigned char)out->p[i] == 0xC2
			       && (unsigned char)out->p[i + 1] == 0xA0;
		out->p[to++] = is_nbsp ? ' ' : out->p[i];
		i += is_nbsp;
	}
	out->n = to;
	if (out->p)
		out->p[to] = '\0';
}

void
cv_html_text(struct cv_str html, struct cv_buf *out)
{
	struct cv_html_scan scan;
	struct cv_html_token t;
	char skip[CV_HTML_NAME_MAX + 1] = ""; /* the element whose content is left out */

	cv_html_scan_init(&scan, html);
	while (!out->full && cv_html_next(&scan, &t)) {
		if (skip[0]) {
			bool is_body = t.kind == CV_HTML_START && cv_str_eq_z(t.name, "body");
			if (is_body || (t.kind == CV_HTML_END && cv_str_eq_z(t.name, skip)))
				skip[0] = '\0';
			continue;
		}
		if (t.kind == CV_HTML_TEXT)
			put_text(&t, out);
		else if (t.kind == CV_HTML_START && is_in(t.name, silent, CV_COUNT(silent)))
			memcpy(skip, scan.name, sizeof skip);
		else if (t.kind != CV_HTML_COMMENT && is_in(t.name, blocks, CV_COUNT(blocks)))
			cv_buf_c(out, '\n');
	}
}
