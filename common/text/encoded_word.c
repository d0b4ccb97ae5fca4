/* encoded_word.c - non-ASCII text in header fields (RFC 2047), both ways. See encoded_word.h.
 *
 * The decoder goes over the unfolded value once. Bytes of adjacent words of one charset gather in a
 * pending buffer and are converted together when something else comes, which mends characters that
 * a careless sender split between two words.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encoded_word.h"

#include "common/text/atext.h"
#include "common/text/charset.h"
#include "common/text/encode.h"

struct word {
	struct cv_str charset; /* without the language of RFC 2231 section 5 */
	struct cv_str text;
	char encoding;         /* 'b' or 'q' */
	size_t end;            /* index behind "?=" */
};

struct decoder {
	struct cv_str fallback;
	struct cv_str charset; /* of what is pending */
	struct cv_buf pending;
	struct cv_buf *out;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_charset_byte(unsigned char c)
{
	return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* Where "?=" stands at or after FROM, or s.n. A question mark inside is let pass, as careless
 * senders write it, but not the start of another word: so a row of starts without an end costs no
 * more than one look at each byte. */
static size_t
find_word_end(struct cv_str s, size_t from)
{
	for (size_t at = cv_str_find(s, '?', from); at + 1 < s.n;
	     at = cv_str_find(s, '?', at + 1)) {
		if (s.p[at + 1] == '=')
			return at;
		if (s.p[at - 1] == '=')
			break;
	}
	return s.n;
}

/* Reads "=?charset?b?text?=" at AT. */
static bool
parse_word(struct cv_str s, size_t at, struct word *out)
{
	if (s.n - at < 8 || s.p[at] != '=' || s.p[at + 1] != '?')
		return false;
	size_t charset = at + 2, i = charset;
	while (i < s.n && is_charset_byte((unsigned char)s.p[i]))
		i++;
	size_t n = i - charset;
	if (n < 1 || n > CV_WORD_CHARSET_MAX || s.n - i < 5 || s.p[i] != '?' || s.p[i + 2] != '?')
		return false;
	char encoding = (char)cv_lower((unsigned char)s.p[i + 1]);
	if (encoding != 'b' && encoding != 'q')
		return false;
	struct cv_str window = cv_str_sub(s, 0, at + CV_WORD_READ_MAX);
	size_t end = find_word_end(window, i + 3);
	if (end == window.n)
		return false;
	out->charset = cv_str_sub(s, charset, charset + n);
	out->charset.n = cv_str_find(out->charset, '*', 0);
	out->text = cv_str_sub(s, i + 3, end);
	out->encoding = encoding;
	out->end = end + 2;
	return out->charset.n > 0;
}

static void
decode_q(struct cv_str text, struct cv_buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		const unsigned char *p = (const unsigned char *)text.p + i;
		int high = -1, low = -1;
		if (*p == '=' && text.n - i > 2) {
			high = cv_hex_digit(p[1]);
			low = cv_hex_digit(p[2]);
		}
		if (high >= 0 && low >= 0) {
			cv_buf_c(out, (char)(high << 4 | low));
			i += 2;
		} else {
			cv_buf_c(out, *p == '_' ? ' ' : (char)*p);
		}
	}
}

static void
decode_word(const struct word *word, struct cv_buf *out)
{
	if (word->encoding == 'q') {
		decode_q(word->text, out);
		return;
	}
	struct cv_base64_reader reader = {0};
	cv_base64_read(&reader, word->text, out);
	cv_base64_read_end(&reader, out);
}

/* Control bytes from inside a word would break lines and terminals. */
static void
blank_controls(struct cv_buf *out, size_t from)
{
	for (size_t i = from; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ' || out->p[i] == 127)
			out->p[i] = ' ';
}

/* Appends BYTES, said to be CHARSET, as UTF-8. */
static void
add_converted(struct cv_str bytes, struct cv_str charset, struct cv_buf *out)
{
	size_t from = out->n;
	/* Whatever the answer is, what could be shown was appended, or the buffer is full. */
	(void)cv_charset_to_utf8(charset, bytes, out);
	blank_controls(out, from);
}

static void
flush(struct decoder *d)
{
	if (!d->pending.n)
		return;
	add_converted(cv_buf_view(&d->pending), d->charset, d->out);
	cv_buf_reset(&d->pending);
}

/* Text outside words: ASCII, UTF-8, or bytes in the fallback charset. */
static void
add_plain(struct decoder *d, struct cv_str text)
{
	flush(d);
	size_t from = d->out->n;
	if (cv_utf8_is_valid(text))
		cv_buf_str(d->out, text);
	else
		add_converted(text, d->fallback, d->out);
	blank_controls(d->out, from);
}

static void
add_word(struct decoder *d, const struct word *word)
{
	if (d->pending.n && !cv_str_ieq(d->charset, word->charset))
		flush(d);
	d->charset = word->charset;
	decode_word(word, &d->pending);
}

static size_t
skip_blanks(struct cv_str s, size_t from)
{
	while (from < s.n && is_blank(s.p[from]))
		from++;
	return from;
}

static void
decode_line(struct decoder *d, struct cv_str s)
{
	size_t plain = 0; /* where text not yet written starts */
	bool after_word = false;
	for (size_t at = cv_str_find(s, '=', 0); at < s.n;) {
		struct word word;
		if (!parse_word(s, at, &word)) {
			at = cv_str_find(s, '=', at + 1);
			continue;
		}
		/* Blanks between two words belong to neither (RFC 2047 6.2). */
		if (!after_word || skip_blanks(s, plain) != at)
			add_plain(d, cv_str_sub(s, plain, at));
		add_word(d, &word);
		after_word = true;
		plain = word.end;
		at = cv_str_find(s, '=', plain);
	}
	if (plain < s.n)
		add_plain(d, cv_str_sub(s, plain, s.n));
	flush(d);
}

/* Appends S without line ends, trimmed. A line end that no blank follows becomes one. */
static void
unfold(struct cv_str s, struct cv_buf *out)
{
	s = cv_str_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		size_t run = i;
		while (i < s.n && s.p[i] != '\r' && s.p[i] != '\n')
			i++;
		cv_buf_add(out, s.p + run, i - run);
		while (i + 1 < s.n && (s.p[i + 1] == '\r' || s.p[i + 1] == '\n'))
			i++;
		if (i + 1 < s.n && !is_blank(s.p[i + 1]))
			cv_buf_c(out, ' ');
	}
}

/* ASCII in which there is nothing to unfold or decode: most fields. */
static bool
is_plain(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < ' ' || c > '~' || (c == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
			return false;
	}
	return true;
}

void
cv_words_decode(struct cv_str value, struct cv_str fallback, struct cv_buf *out)
{
	value = cv_str_trim(value);
	if (is_plain(value)) {
		cv_buf_str(out, value);
		return;
	}
	struct cv_buf line = CV_BUF_INIT(value.n + 1);
	struct decoder d = {.fallback = fallback, .out = out, .pending = CV_BUF_INIT(value.n + 1)};
	unfold(value, &line);
	decode_line(&d, cv_buf_view(&line));
	cv_buf_done(&line);
	cv_buf_done(&d.pending);
}

bool
cv_words_is_coded(struct cv_str value)
{
	struct word word;
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c > 127 || c == 127 || (c < ' ' && !is_blank((char)c)))
			return true;
		if (c == '=' && parse_word(value, i, &word))
			return true;
	}
	return false;
}

/* ---- writing ---- */

#define WORD_TEXT_MAX (CV_WORD_MAX - 12) /* without "=?UTF-8?B?" and "?=" */

/* Letters that stand for themselves in a Q word within a phrase (RFC 2047 5, rule 3). The same few
 * are used everywhere, so that a word can be moved. */
static bool
is_q_plain(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' ||
	       c == '/';
}

static size_t
q_width(struct cv_str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += is_q_plain((unsigned char)s.p[i]) || s.p[i] == ' ' ? 1 : 3;
	return n;
}

static void
write_q(struct cv_str s, struct cv_buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == ' ')
			cv_buf_c(out, '_');
		else if (is_q_plain(c))
			cv_buf_c(out, (char)c);
		else
			cv_buf_add(out, (char[]){'=', hex[c >> 4], hex[c & 15]}, 3);
	}
}

/* The longest run of whole characters from AT whose encoding fits one word. */
static size_t
word_run_end(struct cv_str s, size_t at, bool use_b)
{
	size_t end = at;
	while (end < s.n) {
		size_t next = end;
		(void)cv_utf8_next(s, &next);
		struct cv_str run = cv_str_sub(s, at, next);
		size_t width = use_b ? CV_BASE64_SIZE(run.n) : q_width(run);
		if (width > WORD_TEXT_MAX)
			break;
		end = next;
	}
	return end;
}

/* Appends valid UTF-8 S as one or more encoded words. */
static void
write_words(struct cv_str s, struct cv_buf *out)
{
	bool use_b = CV_BASE64_SIZE(s.n) < q_width(s);
	for (size_t at = 0; at < s.n;) {
		size_t end = word_run_end(s, at, use_b);
		if (at)
			cv_buf_c(out, ' ');
		cv_buf_z(out, use_b ? "=?UTF-8?B?" : "=?UTF-8?Q?");
		if (use_b)
			cv_base64_encode(cv_str_sub(s, at, end), out);
		else
			write_q(cv_str_sub(s, at, end), out);
		cv_buf_z(out, "?=");
		at = end;
	}
}

/* Appends TEXT as valid UTF-8 with blanks for control characters. */
static void
clean(struct cv_str text, struct cv_buf *out)
{
	size_t from = out->n;
	if (cv_utf8_is_valid(text)) {
		cv_buf_str(out, text);
	} else {
		for (size_t i = 0; i < text.n;)
			cv_utf8_put(out, cv_utf8_next(text, &i));
	}
	blank_controls(out, from);
}

/* A piece between blanks that cannot stand as it is. */
static bool
piece_needs_words(struct cv_str piece)
{
	for (size_t i = 0; i < piece.n; i++)
		if ((unsigned char)piece.p[i] > 127)
			return true;
	/* What looks like a word would be decoded; what is too long could not be folded. */
	return cv_str_search(piece, CV_STR("=?")) < piece.n || piece.n > CV_WORD_MAX;
}

static size_t
piece_end(struct cv_str s, size_t at)
{
	while (at < s.n && s.p[at] == ' ')
		at++;
	return cv_str_find(s, ' ', at);
}

/* Leading blanks belong to the piece before which they stand, so that runs keep their blanks. */
static void
encode_text(struct cv_str s, struct cv_buf *out)
{
	for (size_t at = 0; at < s.n;) {
		size_t end = piece_end(s, at), last = end;
		bool coded = piece_needs_words(cv_str_trim(cv_str_sub(s, at, end)));
		while (coded && last < s.n) { /* blanks between two coded pieces go inside a word */
			size_t next = piece_end(s, last);
			if (!piece_needs_words(cv_str_trim(cv_str_sub(s, last, next))))
				break;
			last = end = next;
		}
		if (!coded) {
			cv_buf_str(out, cv_str_sub(s, at, end));
		} else {
			/* One blank stays outside, to part the word from what is before it. */
			if (at && s.p[at] == ' ') {
				cv_buf_c(out, ' ');
				at++;
			}
			write_words(cv_str_sub(s, at, end), out);
		}
		at = end;
	}
}

void
cv_words_encode(struct cv_str text, struct cv_buf *out)
{
	struct cv_buf clear = CV_BUF_INIT(text.n * 3 + 1);
	clean(text, &clear);
	encode_text(cv_str_trim(cv_buf_view(&clear)), out);
	cv_buf_done(&clear);
}

static void
write_quoted(struct cv_str s, struct cv_buf *out)
{
	cv_buf_c(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, s.p[i]);
	}
	cv_buf_c(out, '"');
}

static void
encode_phrase(struct cv_str s, struct cv_buf *out)
{
	bool atoms = true, double_blank = false;
	size_t longest = 0, run = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c > 127)
			longest = SIZE_MAX;
		atoms = atoms && (c == ' ' || cv_is_atext(c));
		double_blank = double_blank || (c == ' ' && i && s.p[i - 1] == ' ');
		run = c == ' ' ? 0 : run + 1;
		longest = CV_MAX(longest, run);
	}
	if (longest > CV_WORD_MAX || cv_str_search(s, CV_STR("=?")) < s.n)
		write_words(s, out);
	else if (atoms && !double_blank)
		cv_buf_str(out, s);
	else
		write_quoted(s, out);
}

void
cv_phrase_encode(struct cv_str text, struct cv_buf *out)
{
	struct cv_buf clear = CV_BUF_INIT(text.n * 3 + 1);
	clean(text, &clear);
	encode_phrase(cv_str_trim(cv_buf_view(&clear)), out);
	cv_buf_done(&clear);
}
