/* content.c - see content.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/content.h"

#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/html.h"

#define TOKEN_CHARS_MIN 16
#define LINK_BYTES_MAX  2048

/* A text part and the start of its body as it came. */
struct source {
	uint32_t index; /* CV_MIME_NONE: none yet */
	enum cv_mime_encoding encoding;
	struct cv_str charset;
	struct cv_buf raw, decoded; /* decoded: UTF-8 */
};

struct cv_content {
	struct cv_arena arena;
	struct cv_mime_scan *scan;
	struct source plain, html;
	struct cv_buf text, other, links;
	size_t body_bytes;
	struct cv_str files[CV_CONTENT_FILES_MAX];
	size_t file_count;
	unsigned token_links;
};

static void
source_init(struct source *s)
{
	s->index = CV_MIME_NONE;
	cv_buf_init(&s->raw, CV_CONTENT_SEEN_MAX);
	cv_buf_init(&s->decoded, CV_CONTENT_SEEN_MAX * CV_CHARSET_GROWTH);
}

static void
source_done(struct source *s)
{
	cv_buf_done(&s->raw);
	cv_buf_done(&s->decoded);
}

static void
take_name(struct cv_content *c, const struct cv_mime_part *part)
{
	struct cv_str name = cv_mime_filename(&c->arena, part);

	if (name.n && c->file_count < CV_CONTENT_FILES_MAX)
		c->files[c->file_count++] = name;
}

/* The part's header was read: is it a text to look at? */
static void
see_header(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str block)
{
	struct cv_content *c = ctx;
	struct source *s = NULL;

	(void)block;
	take_name(c, part);
	if (!cv_str_eq_z(part->at.type, "text") || cv_str_eq_z(part->disposition, "attachment"))
		return;
	if (cv_str_eq_z(part->at.subtype, "html"))
		s = &c->html;
	else if (cv_str_eq_z(part->at.subtype, "plain"))
		s = &c->plain;
	if (!s || s->index != CV_MIME_NONE)
		return;
	s->index = index;
	s->encoding = part->at.encoding;
	s->charset = cv_arena_str(&c->arena, part->at.charset);
}

static void
see_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct cv_content *c = ctx;
	struct source *s = index == c->plain.index  ? &c->plain
			   : index == c->html.index ? &c->html
						    : NULL;

	(void)part;
	if (s)
		cv_buf_str(&s->raw, cv_str_sub(bytes, 0, CV_CONTENT_SEEN_MAX - s->raw.n));
}

struct cv_content *
cv_content_new(void)
{
	struct cv_content *c = cv_calloc(1, sizeof *c);

	source_init(&c->plain);
	source_init(&c->html);
	cv_buf_init(&c->text, CV_CONTENT_TEXT_MAX);
	cv_buf_init(&c->other, CV_CONTENT_TEXT_MAX);
	cv_buf_init(&c->links, CV_CONTENT_SEEN_MAX * CV_CHARSET_GROWTH * 2 + 1);
	c->scan = cv_mime_begin(&c->arena);
	cv_mime_watch_headers(c->scan, see_header, c);
	cv_mime_watch(c->scan, see_body, c);
	return c;
}

void
cv_content_free(struct cv_content *c)
{
	if (!c)
		return;
	if (c->scan)
		cv_mime_abandon(c->scan);
	source_done(&c->plain);
	source_done(&c->html);
	cv_buf_done(&c->text);
	cv_buf_done(&c->other);
	cv_buf_done(&c->links);
	cv_arena_done(&c->arena);
	free(c);
}

void
cv_content_header(struct cv_content *c, struct cv_str name, struct cv_str value)
{
	cv_mime_feed(c->scan, name);
	cv_mime_feed(c->scan, CV_STR(":"));
	cv_mime_feed(c->scan, value);
	cv_mime_feed(c->scan, CV_STR("\r\n"));
}

void
cv_content_message(struct cv_content *c, struct cv_str message)
{
	cv_mime_feed(c->scan, message);
}

void
cv_content_eoh(struct cv_content *c)
{
	cv_mime_feed(c->scan, CV_STR("\r\n"));
}

void
cv_content_body(struct cv_content *c, struct cv_str bytes)
{
	bytes = cv_str_sub(bytes, 0, CV_CONTENT_BODY_MAX - c->body_bytes);
	c->body_bytes += bytes.n;
	cv_mime_feed(c->scan, bytes);
}

/* ---- after the last piece ---- */

static void
source_decode(struct source *s)
{
	struct cv_buf bytes = CV_BUF_INIT(CV_CONTENT_SEEN_MAX);

	if (s->index == CV_MIME_NONE)
		return;
	if (s->encoding == CV_MIME_BASE64) {
		struct cv_base64_reader r = {0};
		cv_base64_read(&r, cv_buf_view(&s->raw), &bytes);
		cv_base64_read_end(&r, &bytes);
	} else if (s->encoding == CV_MIME_QP) {
		struct cv_qp_reader r = {0};
		cv_qp_read(&r, cv_buf_view(&s->raw), &bytes);
		cv_qp_read_end(&r, &bytes);
	} else {
		cv_buf_str(&bytes, cv_buf_view(&s->raw));
	}
	/* An unknown charset still yields its ASCII. */
	(void)cv_charset_to_utf8(s->charset, cv_buf_view(&bytes), &s->decoded);
	cv_buf_done(&bytes);
}

static bool
is_link_octet(unsigned char c)
{
	return c > ' ' && c < 0x7f && !strchr("<>\"'()[]{}", c);
}

bool
cv_has_token(struct cv_str link)
{
	size_t run = 0, digits = 0, letters = 0;

	for (size_t i = 0; i < link.n; i++) {
		unsigned char c = (unsigned char)link.p[i];
		bool digit = cv_is_digit(c), letter = cv_is_alpha(c);
		if (!digit && !letter && c != '-' && c != '_') {
			run = digits = letters = 0;
			continue;
		}
		digits += digit;
		letters += letter;
		if (++run >= TOKEN_CHARS_MIN && digits >= 3 && letters >= 3)
			return true;
	}
	return false;
}

static unsigned
count_token_links(struct cv_str text)
{
	unsigned count = 0;

	for (size_t at = 0; at < text.n;) {
		struct cv_str rest = cv_str_sub(text, at, text.n);
		size_t found = cv_str_isearch(rest, CV_STR("http"));
		if (found == rest.n)
			break;
		size_t end = found;
		while (end < rest.n && end - found < LINK_BYTES_MAX &&
			is_link_octet((unsigned char)rest.p[end]))
			end++;
		struct cv_str link = cv_str_sub(rest, found, end);
		size_t colon = cv_str_search(link, CV_STR("://"));
		size_t path = colon < link.n ? cv_str_find(link, '/', colon + 3) : link.n;
		if (cv_has_token(cv_str_sub(link, path, link.n)))
			count++;
		at += end > found ? end : found + 1;
	}
	return count;
}

void
cv_content_end(struct cv_content *c)
{
	(void)cv_mime_finish(c->scan);
	c->scan = NULL;
	source_decode(&c->plain);
	source_decode(&c->html);
	c->token_links = count_token_links(cv_buf_view(&c->plain.decoded));
	if (!c->token_links)
		c->token_links = count_token_links(cv_buf_view(&c->html.decoded));
	struct cv_str words = cv_str_trim(cv_buf_view(&c->plain.decoded));
	struct cv_buf from_html = CV_BUF_INIT(CV_CONTENT_TEXT_MAX * 4);
	cv_html_text(cv_buf_view(&c->html.decoded), &from_html);
	struct cv_str other = cv_str_trim(cv_buf_view(&from_html));
	if (!words.n)
		words = other;
	else
		cv_buf_str(&c->other, cv_utf8_cut(other, CV_CONTENT_TEXT_MAX));
	cv_buf_str(&c->text, cv_utf8_cut(words, CV_CONTENT_TEXT_MAX));
	cv_buf_done(&from_html);
	cv_buf_str(&c->links, cv_buf_view(&c->plain.decoded));
	cv_buf_c(&c->links, '\n');
	cv_buf_str(&c->links, cv_buf_view(&c->html.decoded));
}

struct cv_str
cv_content_other_text(const struct cv_content *c)
{
	return cv_buf_view(&c->other);
}

struct cv_str
cv_content_links(const struct cv_content *c)
{
	return cv_buf_view(&c->links);
}

struct cv_str
cv_content_text(const struct cv_content *c)
{
	return cv_buf_view(&c->text);
}

size_t
cv_content_files(const struct cv_content *c, const struct cv_str **names_out)
{
	*names_out = c->files;
	return c->file_count;
}

unsigned
cv_content_token_links(const struct cv_content *c)
{
	return c->token_links;
}
