/* pop3_ascii.c - see pop3_ascii.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/pop3_ascii.h"

#include "common/text/charset.h"
#include "common/text/encode.h"

#define WORD_BYTES 39 /* in an encoded word: 75 columns with the longer name of a charset */

size_t
imapd_pop3_header_end(struct cv_str bytes)
{
	for (size_t at = 0; at < bytes.n;) {
		size_t end = cv_str_find(bytes, '\n', at);
		if (end == bytes.n)
			return 0;
		if (end == at || (end == at + 1 && bytes.p[at] == '\r'))
			return end + 1;
		at = end + 1;
	}
	return 0;
}

bool
imapd_pop3_is_ascii(struct cv_str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		if ((unsigned char)bytes.p[i] >= 0x80)
			return false;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- encoded words ---- */

struct writer {
	struct cv_buf *out;
	bool was_encoded; /* nothing but blanks was written since an encoded word */
};

static void
write_encoded_one(struct writer *w, struct cv_str bytes, bool is_utf8)
{
	cv_buf_z(w->out, is_utf8 ? "=?UTF-8?B?" : "=?UNKNOWN-8BIT?B?");
	cv_base64_encode(bytes, w->out);
	cv_buf_add(w->out, "?=", 2);
}

/* TEXT as encoded words, on lines of their own when there are several. */
static void
write_encoded(struct writer *w, struct cv_str text)
{
	bool is_utf8 = cv_utf8_is_valid(text);
	char space[WORD_BYTES];

	/* Blanks between encoded words are no text (RFC 2047 6.2): the one that is goes inside. */
	if (w->was_encoded) {
		if (!is_blank(w->out->p[w->out->n - 1]))
			cv_buf_c(w->out, ' ');
		struct cv_str head = is_utf8 ? cv_utf8_cut(text, WORD_BYTES - 1)
					     : cv_str_sub(text, 0, WORD_BYTES - 1);
		space[0] = ' ';
		memcpy(space + 1, head.p, head.n);
		write_encoded_one(w, cv_str(space, head.n + 1), is_utf8);
		text = cv_str_sub(text, head.n, text.n);
		if (text.n)
			cv_buf_z(w->out, "\r\n ");
	}
	while (text.n) {
		struct cv_str part = is_utf8 ? cv_utf8_cut(text, WORD_BYTES)
					     : cv_str_sub(text, 0, WORD_BYTES);
		write_encoded_one(w, part, is_utf8);
		text = cv_str_sub(text, part.n, text.n);
		if (text.n)
			cv_buf_z(w->out, "\r\n ");
	}
	w->was_encoded = true;
}

static void
write_plain(struct writer *w, struct cv_str text)
{
	for (size_t i = 0; i < text.n && w->was_encoded; i++)
		w->was_encoded = is_blank(text.p[i]);
	cv_buf_str(w->out, text);
}

static void
write_word(struct writer *w, struct cv_str word)
{
	if (imapd_pop3_is_ascii(word))
		write_plain(w, word);
	else
		write_encoded(w, word);
}

/* ---- text ---- */

/* Words between blanks. */
static void
write_text(struct writer *w, struct cv_str text)
{
	for (size_t at = 0; at < text.n;) {
		size_t end = at;
		while (end < text.n && is_blank(text.p[end]) == is_blank(text.p[at]))
			end++;
		write_word(w, cv_str_sub(text, at, end));
		at = end;
	}
}

/* ---- addresses ---- */

/* The end of what begins at AT with OPEN: behind CLOSE, or the end of TEXT. */
static size_t
skip_quoted(struct cv_str text, size_t at, char close)
{
	for (size_t i = at + 1; i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == close)
			return i + 1;
	}
	return text.n;
}

/* What stands in QUOTED, with its first and last byte and the backslashes gone. */
static void
write_unquoted(struct writer *w, struct cv_str quoted, char close)
{
	struct cv_buf text = CV_BUF_INIT(CV_MAX(quoted.n, (size_t)1));
	size_t end = quoted.n > 1 && quoted.p[quoted.n - 1] == close ? quoted.n - 1 : quoted.n;

	for (size_t i = 1; i < end; i++) {
		if (quoted.p[i] == '\\' && i + 1 < end)
			i++;
		if (quoted.p[i] != '\r' && quoted.p[i] != '\n')
			cv_buf_c(&text, quoted.p[i]);
	}
	write_encoded(w, cv_buf_view(&text));
	cv_buf_done(&text);
}

/* An address that cannot be said in ASCII: a group of nobody, named by it. */
static void
write_group(struct writer *w, struct cv_str address)
{
	write_encoded(w, address);
	cv_buf_z(w->out, " :;");
	w->was_encoded = false;
}

static bool
is_special(char c)
{
	return is_blank(c) || strchr(",;:<>()\"", c) != NULL;
}

/* One token at AT; its end. */
static size_t
write_address_token(struct writer *w, struct cv_str text, size_t at)
{
	char c = text.p[at];
	char close = c == '"' ? '"' : c == '(' ? ')' : c == '<' ? '>' : '\0';
	size_t end = close ? skip_quoted(text, at, close) : at + 1;

	while (!close && !is_special(c) && end < text.n && !is_special(text.p[end]))
		end++;
	struct cv_str token = cv_str_sub(text, at, end);
	if (imapd_pop3_is_ascii(token)) {
		write_plain(w, token);
	} else if (c == '"') {
		write_unquoted(w, token, close);
	} else if (c == '(') {
		w->was_encoded = false;
		cv_buf_c(w->out, '(');
		write_unquoted(w, token, close);
		cv_buf_c(w->out, ')');
		w->was_encoded = false;
	} else if (c == '<') {
		write_group(w, token);
	} else if (cv_str_find(token, '@', 0) < token.n) {
		write_group(w, token);
	} else {
		write_encoded(w, token);
	}
	return end;
}

static void
write_addresses(struct writer *w, struct cv_str text)
{
	for (size_t at = 0; at < text.n;)
		at = write_address_token(w, text, at);
}

/* ---- parameters ---- */

/* RFC 2231 4. */
static void
write_percent(struct writer *w, struct cv_str text)
{
	cv_buf_z(w->out, cv_utf8_is_valid(text) ? "UTF-8''" : "UNKNOWN-8BIT''");
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (cv_is_alpha(c) || cv_is_digit(c) || c == '.' || c == '-' || c == '_')
			cv_buf_c(w->out, (char)c);
		else if (c != '\r' && c != '\n')
			cv_buf_printf(w->out, "%%%02X", c);
	}
}

/* The value behind "=" at AT; its end. */
static size_t
write_value(struct writer *w, struct cv_str text, size_t at)
{
	size_t end = at + 1;
	bool is_quoted = end < text.n && text.p[end] == '"';

	if (is_quoted)
		end = skip_quoted(text, end, '"');
	else
		while (end < text.n && text.p[end] != ';' && !is_blank(text.p[end]))
			end++;
	struct cv_str value = cv_str_sub(text, at + 1, end);
	if (imapd_pop3_is_ascii(value)) {
		write_plain(w, cv_str_sub(text, at, end));
		return end;
	}
	if (is_quoted)
		value = cv_str_sub(
			value, 1, value.n - (value.n > 1 && value.p[value.n - 1] == '"'));
	cv_buf_z(w->out, "*=");
	write_percent(w, value);
	w->was_encoded = false;
	return end;
}

static void
write_params(struct writer *w, struct cv_str text)
{
	for (size_t at = 0; at < text.n;) {
		size_t end = CV_MIN(cv_str_find(text, '=', at), text.n);
		write_text(w, cv_str_sub(text, at, end));
		at = end < text.n ? write_value(w, text, end) : end;
	}
}

/* ---- fields ---- */

static void
write_field(struct cv_str field, struct cv_buf *out)
{
	static const struct {
		const char *name;
		void (*write)(struct writer *, struct cv_str);
	} rows[] = {
		{"From", write_addresses},
		{"Sender", write_addresses},
		{"Reply-To", write_addresses},
		{"To", write_addresses},
		{"Cc", write_addresses},
		{"Bcc", write_addresses},
		{"Resent-From", write_addresses},
		{"Resent-Sender", write_addresses},
		{"Resent-To", write_addresses},
		{"Resent-Cc", write_addresses},
		{"Resent-Bcc", write_addresses},
		{"Return-Path", write_addresses},
		{"Disposition-Notification-To", write_addresses},
		{"Content-Type", write_params},
		{"Content-Disposition", write_params},
	};
	struct writer w = {.out = out};
	size_t colon = cv_str_find(field, ':', 0);
	void (*write)(struct writer *, struct cv_str) = write_text;

	struct cv_str name = cv_str_trim(cv_str_sub(field, 0, colon));
	for (size_t i = 0; i < CV_COUNT(rows) && colon < field.n; i++)
		if (cv_str_ieq_z(name, rows[i].name))
			write = rows[i].write;
	size_t from = colon < field.n ? colon + 1 : 0;
	write_text(&w, cv_str_sub(field, 0, from));
	w.was_encoded = false;
	write(&w, cv_str_sub(field, from, field.n));
}

/* The end of the field at AT, folded lines and all but the line end of the last. */
static size_t
field_end(struct cv_str header, size_t at, size_t *next_out)
{
	size_t end = cv_str_find(header, '\n', at);

	while (end + 1 < header.n && (header.p[end + 1] == ' ' || header.p[end + 1] == '\t'))
		end = cv_str_find(header, '\n', end + 1);
	*next_out = CV_MIN(end + 1, header.n);
	end = CV_MIN(end, header.n);
	return end > at && header.p[end - 1] == '\r' ? end - 1 : end;
}

void
imapd_pop3_ascii_header(struct cv_str header, struct cv_buf *out)
{
	for (size_t at = 0, next; at < header.n; at = next) {
		size_t end = field_end(header, at, &next);
		if (imapd_pop3_is_ascii(cv_str_sub(header, at, end)))
			cv_buf_str(out, cv_str_sub(header, at, end));
		else
			write_field(cv_str_sub(header, at, end), out);
		cv_buf_str(out, cv_str_sub(header, end, next));
	}
}
