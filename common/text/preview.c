/* preview.c - picks the first plain and the first HTML text that is no attachment, and shortens. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/preview.h"

#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/html.h"

#define DECODED_MAX (CV_PREVIEW_HTML_MAX * 4)

void
cv_preview_init(struct cv_preview *p)
{
	p->plain = (struct cv_preview_source){ .index = CV_MIME_NONE,
		                                   .raw = CV_BUF_INIT(CV_PREVIEW_PLAIN_MAX) };
	p->html = (struct cv_preview_source){ .index = CV_MIME_NONE,
		                                  .raw = CV_BUF_INIT(CV_PREVIEW_HTML_MAX) };
}

void
cv_preview_done(struct cv_preview *p)
{
	cv_buf_done(&p->plain.raw);
	cv_buf_done(&p->html.raw);
}

void
cv_preview_header(struct cv_preview *p, uint32_t index, const struct cv_mime_part *part)
{
	/* A multipart that will turn out to be broken text is not known as such yet: no preview. */
	if (part->at.kind != CV_MIME_TEXT || cv_str_eq_z(part->disposition, "attachment"))
		return;
	bool html = cv_str_eq_z(part->at.subtype, "html");
	if (!html && !cv_str_eq_z(part->at.subtype, "plain") &&
	    !cv_str_eq_z(part->at.subtype, "enriched"))
		return;
	struct cv_preview_source *s = html ? &p->html : &p->plain;
	if (s->index != CV_MIME_NONE && s->raw.n)
		return;
	s->index = index;
	s->place = part->at;
}

void
cv_preview_body(struct cv_preview *p, uint32_t index, struct cv_str bytes)
{
	struct cv_preview_source *s = index == p->plain.index  ? &p->plain
	                              : index == p->html.index ? &p->html
	                                                       : NULL;
	if (s)
		cv_buf_str(&s->raw, cv_str_sub(bytes, 0, s->raw.max - s->raw.n));
}

/* The text of S in UTF-8. */
static void
decode(const struct cv_preview_source *s, struct cv_buf *out)
{
	struct cv_str raw = cv_buf_view(&s->raw);
	struct cv_buf plain = CV_BUF_INIT(CV_PREVIEW_HTML_MAX + 64);
	if (s->place.encoding == CV_MIME_BASE64) {
		struct cv_base64_reader r = { 0 };
		cv_base64_read(&r, raw, &plain);
		raw = cv_buf_view(&plain);
	} else if (s->place.encoding == CV_MIME_QP) {
		struct cv_qp_reader r = { 0 };
		cv_qp_read(&r, raw, &plain);
		raw = cv_buf_view(&plain);
	}
	/* What an unknown charset leaves readable is shown. */
	(void)cv_charset_to_utf8(s->place.charset, raw, out);
	cv_buf_done(&plain);
}

static bool
is_space(uint32_t cp)
{
	return cp <= ' ' || cp == 0x7F || cp == 0xA0 || cp == 0x3000 || cp == 0xFEFF ||
	       (cp >= 0x80 && cp < 0xA0) || (cp >= 0x2000 && cp <= 0x200F) ||
	       (cp >= 0x2028 && cp <= 0x202F) || (cp >= 0x2060 && cp <= 0x206F);
}

/* Appends TEXT on one line, quoted lines left out when SKIP_QUOTED. Counts characters. */
static void
shorten(struct cv_str text, size_t max_chars, bool skip_quoted, struct cv_buf *out)
{
	size_t chars = 0;
	bool blank = false, line_start = true;
	for (size_t i = 0; i < text.n && chars < max_chars;) {
		if (line_start && skip_quoted && text.p[i] == '>') {
			i = cv_str_find(text, '\n', i);
			i += i < text.n;
			continue;
		}
		line_start = text.p[i] == '\n';
		uint32_t cp = cv_utf8_next(text, &i);
		if (is_space(cp)) {
			blank = chars > 0;
			continue;
		}
		if (blank && chars + 1 < max_chars) {
			cv_buf_c(out, ' ');
			chars++;
		}
		blank = false;
		cv_utf8_put(out, cp);
		chars++;
	}
}

void
cv_preview_write(const struct cv_preview *p, size_t max_chars, struct cv_buf *out)
{
	size_t start = out->n;
	struct cv_buf text = CV_BUF_INIT(DECODED_MAX), words = CV_BUF_INIT(DECODED_MAX);
	if (p->plain.raw.n) {
		decode(&p->plain, &text);
		shorten(cv_buf_view(&text), max_chars, true, out);
		if (out->n == start)
			shorten(cv_buf_view(&text), max_chars, false, out);
	}
	if (out->n == start && p->html.raw.n) {
		cv_buf_reset(&text);
		decode(&p->html, &text);
		cv_html_text(cv_buf_view(&text), &words);
		shorten(cv_buf_view(&words), max_chars, false, out);
	}
	cv_buf_done(&text);
	cv_buf_done(&words);
}
