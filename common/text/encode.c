/* encode.c - base64, quoted-printable, hex and xtext. See encode.h.
 *
 * Decoding is by table. The forgiving base64 reader has a fast path for whole groups of four and
 * falls back to single digits at line ends and damage, so a byte more or less makes no difference
 * to what comes out.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encode.h"

#define INVALID 0xff
#define BASE64_PIECE 4096 /* input bytes decoded at a time */

static const char std_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define X INVALID
#define ROW_X X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X
#define HIGH ROW_X, ROW_X, ROW_X, ROW_X, ROW_X, ROW_X, ROW_X, ROW_X
/* From "@" to DEL: letters; UNDER is the value of "_". */
#define LETTERS(under)                                                                             \
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,                                       \
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, under,                             \
	X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,                             \
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X

static const unsigned char std_values[256] = {
	ROW_X, ROW_X,
	X, X, X, X, X, X, X, X, X, X, X, 62, X, X, X, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, X, X, X,
	LETTERS(X), HIGH,
};

static const unsigned char url_values[256] = {
	ROW_X, ROW_X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, 62, X, X,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, X, X, X,
	LETTERS(63), HIGH,
};

static const unsigned char hex_values[256] = {
	ROW_X, ROW_X, ROW_X,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, X, X, X, X, X, X,
	X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X,
	ROW_X,
	X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X,
	ROW_X, HIGH,
};

static char *
encode_groups(const unsigned char *p, size_t groups, const char *digits, char *q)
{
	for (; groups; groups--, p += 3, q += 4) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		q[0] = digits[v >> 18];
		q[1] = digits[v >> 12 & 63];
		q[2] = digits[v >> 6 & 63];
		q[3] = digits[v & 63];
	}
	return q;
}

static void
encode_base64(struct cv_str in, const char *digits, bool pad, struct cv_buf *out)
{
	if (in.n > SIZE_MAX / 2) {
		out->full = true;
		return;
	}
	char *start = cv_buf_room(out, CV_BASE64_SIZE(in.n));
	if (!start || !in.n)
		return;

	const unsigned char *p = (const unsigned char *)in.p + in.n / 3 * 3;
	char *q = encode_groups((const unsigned char *)in.p, in.n / 3, digits, start);
	size_t left = in.n % 3;
	if (left) {
		uint32_t v = (uint32_t)p[0] << 16 | (left == 2 ? (uint32_t)p[1] << 8 : 0);
		*q++ = digits[v >> 18];
		*q++ = digits[v >> 12 & 63];
		if (left == 2)
			*q++ = digits[v >> 6 & 63];
		for (; pad && left < 3; left++)
			*q++ = '=';
	}
	out->n += (size_t)(q - start);
}

void
cv_base64_encode(struct cv_str in, struct cv_buf *out)
{
	encode_base64(in, std_digits, true, out);
}

void
cv_base64url_encode(struct cv_str in, struct cv_buf *out)
{
	encode_base64(in, url_digits, false, out);
}

/* Decodes N digits without padding; the bits left over must be zero. */
static enum cv_status
decode_digits(const unsigned char *p, size_t n, const unsigned char *values, struct cv_buf *out)
{
	if (n % 4 == 1)
		return CV_INVALID;
	char *start = cv_buf_room(out, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0));
	if (!start)
		return CV_LIMIT;

	char *q = start;
	for (; n >= 4; n -= 4, p += 4) {
		unsigned a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
		if ((a | b | c | d) & 0x80)
			return CV_INVALID;
		uint32_t v = a << 18 | b << 12 | c << 6 | d;
		*q++ = (char)(v >> 16);
		*q++ = (char)(v >> 8);
		*q++ = (char)v;
	}
	if (n) {
		unsigned a = values[p[0]], b = values[p[1]], c = n == 3 ? values[p[2]] : 0;
		if ((a | b | c) & 0x80)
			return CV_INVALID;
		uint32_t v = a << 18 | b << 12 | c << 6;
		if (v & (n == 3 ? 0xffu : 0xffffu))
			return CV_INVALID;
		*q++ = (char)(v >> 16);
		if (n == 3)
			*q++ = (char)(v >> 8);
	}
	out->n += (size_t)(q - start);
	return CV_OK;
}

static size_t
count_padding(struct cv_str in)
{
	size_t n = 0;
	while (n < 2 && n < in.n && in.p[in.n - 1 - n] == '=')
		n++;
	return n;
}

enum cv_status
cv_base64_decode(struct cv_str in, struct cv_buf *out)
{
	if (in.n % 4)
		return CV_INVALID;
	return decode_digits((const unsigned char *)in.p, in.n - count_padding(in), std_values,
	                     out);
}

enum cv_status
cv_base64url_decode(struct cv_str in, struct cv_buf *out)
{
	size_t pad = count_padding(in);
	if (pad && in.n % 4)
		return CV_INVALID;
	return decode_digits((const unsigned char *)in.p, in.n - pad, url_values, out);
}

void
cv_base64_write(struct cv_base64_writer *w, struct cv_str in, struct cv_buf *out)
{
	while (in.n) {
		size_t take = CV_MIN(in.n, sizeof(w->held) - w->n);
		memcpy(w->held + w->n, in.p, take);
		w->n += take;
		in = cv_str_sub(in, take, in.n);
		if (w->n == sizeof(w->held))
			cv_base64_write_end(w, out);
	}
}

void
cv_base64_write_end(struct cv_base64_writer *w, struct cv_buf *out)
{
	if (!w->n)
		return;
	cv_base64_encode(cv_str((const char *)w->held, w->n), out);
	cv_buf_add(out, "\r\n", 2);
	w->n = 0;
}

/* What is held of an unfinished group comes out: 2 digits are a byte, 3 are two. */
static char *
flush_group(struct cv_base64_reader *r, char *q)
{
	if (r->held == 1)
		r->is_damaged = true;
	if (r->held >= 2)
		*q++ = (char)(r->bits >> (r->held == 2 ? 4 : 10));
	if (r->held == 3)
		*q++ = (char)(r->bits >> 2);
	r->held = 0;
	r->bits = 0;
	return q;
}

static char *
read_base64_byte(struct cv_base64_reader *r, unsigned char c, char *q)
{
	unsigned v = std_values[c];
	if (v != INVALID) {
		if (r->in_padding)
			r->is_damaged = true;
		r->in_padding = false;
		r->bits = r->bits << 6 | v;
		if (++r->held < 4)
			return q;
		q[0] = (char)(r->bits >> 16);
		q[1] = (char)(r->bits >> 8);
		q[2] = (char)r->bits;
		r->held = 0;
		r->bits = 0;
		return q + 3;
	}
	if (c == '=') {
		if (!r->in_padding && r->held < 2)
			r->is_damaged = true;
		r->in_padding = true;
		return flush_group(r, q);
	}
	if (c != '\r' && c != '\n' && c != ' ' && c != '\t')
		r->is_damaged = true;
	return q;
}

/* Writes to Q at most 3 bytes for each 4 of P, and 6 more. */
static char *
read_base64_piece(struct cv_base64_reader *r, const unsigned char *p, size_t n, char *q)
{
	const unsigned char *end = p + n;
	while (p < end) {
		while (end - p >= 4 && !r->held && !r->in_padding) {
			unsigned a = std_values[p[0]], b = std_values[p[1]];
			unsigned c = std_values[p[2]], d = std_values[p[3]];
			if ((a | b | c | d) & 0x80)
				break;
			uint32_t v = a << 18 | b << 12 | c << 6 | d;
			*q++ = (char)(v >> 16);
			*q++ = (char)(v >> 8);
			*q++ = (char)v;
			p += 4;
		}
		if (p < end)
			q = read_base64_byte(r, *p++, q);
	}
	return q;
}

void
cv_base64_read(struct cv_base64_reader *r, struct cv_str in, struct cv_buf *out)
{
	/* Near the buffer's limit the size is known only afterwards, so the piece takes a
	 * detour. */
	char detour[BASE64_PIECE / 4 * 3 + 6];
	while (in.n && !out->full) {
		size_t n = CV_MIN(in.n, BASE64_PIECE);
		bool direct = out->max - out->n >= sizeof(detour);
		char *start = direct ? cv_buf_room(out, sizeof(detour)) : detour;
		char *end = read_base64_piece(r, (const unsigned char *)in.p, n, start);
		if (direct)
			out->n += (size_t)(end - start);
		else
			cv_buf_add(out, start, (size_t)(end - start));
		in = cv_str_sub(in, n, in.n);
	}
}

void
cv_base64_read_end(struct cv_base64_reader *r, struct cv_buf *out)
{
	char last[2];
	if (r->held)
		cv_buf_add(out, last, (size_t)(flush_group(r, last) - last));
}

enum qp_state { QP_TEXT, QP_EQUALS, QP_DIGIT, QP_SOFT, QP_SOFT_CR };

static void
qp_let_blanks_go(struct cv_qp_reader *r, struct cv_buf *out)
{
	cv_buf_add(out, r->held, r->blanks);
	if (r->has_cr)
		cv_buf_c(out, '\r');
	r->blanks = 0;
	r->has_cr = false;
}

static void
qp_text(struct cv_qp_reader *r, unsigned char c, struct cv_buf *out)
{
	if ((c == ' ' || c == '\t') && !r->has_cr) {
		if (r->blanks == CV_QP_BLANKS_MAX)
			qp_let_blanks_go(r, out);
		r->held[r->blanks++] = c;
		return;
	}
	if (c == '\r' && !r->has_cr) {
		r->has_cr = true;
		return;
	}
	if (c == '\n')
		r->blanks = 0; /* transport padding (RFC 2045 6.7, rule 3) */
	qp_let_blanks_go(r, out);
	if (c == '=')
		r->state = QP_EQUALS;
	else if (c == '\r')
		r->has_cr = true;
	else if (c == ' ' || c == '\t')
		r->held[r->blanks++] = c;
	else
		cv_buf_c(out, (char)c);
}

/* What looked like an escape was none: it stays as written, and C is ordinary text. */
static void
qp_not_escape(struct cv_qp_reader *r, unsigned char c, struct cv_buf *out)
{
	r->is_damaged = true;
	cv_buf_c(out, '=');
	if (r->state == QP_DIGIT)
		cv_buf_c(out, (char)r->digit);
	r->state = QP_TEXT;
	qp_text(r, c, out);
}

/* Blanks between "=" and the line's end are held back, in case no line end comes. */
static void
qp_soft(struct cv_qp_reader *r, unsigned char c, struct cv_buf *out)
{
	if ((c == ' ' || c == '\t') && r->blanks < CV_QP_BLANKS_MAX) {
		r->held[r->blanks++] = c;
	} else if (c == '\r' || c == '\n') {
		r->blanks = 0;
		r->state = c == '\r' ? QP_SOFT_CR : QP_TEXT;
	} else {
		r->is_damaged = true;
		cv_buf_c(out, '=');
		r->state = QP_TEXT;
		qp_text(r, c, out);
	}
}

static void
qp_byte(struct cv_qp_reader *r, unsigned char c, struct cv_buf *out)
{
	switch ((enum qp_state)r->state) {
	case QP_TEXT:
		qp_text(r, c, out);
		return;
	case QP_EQUALS:
		if (hex_values[c] != INVALID) {
			r->digit = c;
			r->state = QP_DIGIT;
		} else if (c == '\n') {
			r->state = QP_TEXT;
		} else if (c == '\r') {
			r->state = QP_SOFT_CR;
		} else if (c == ' ' || c == '\t') {
			r->held[r->blanks++] = c;
			r->state = QP_SOFT;
		} else {
			qp_not_escape(r, c, out);
		}
		return;
	case QP_DIGIT:
		if (hex_values[c] == INVALID) {
			qp_not_escape(r, c, out);
			return;
		}
		cv_buf_c(out, (char)(hex_values[r->digit] << 4 | hex_values[c]));
		r->state = QP_TEXT;
		return;
	case QP_SOFT:
		qp_soft(r, c, out);
		return;
	case QP_SOFT_CR:
		r->state = QP_TEXT;
		if (c != '\n')
			qp_text(r, c, out);
		return;
	}
}

void
cv_qp_read(struct cv_qp_reader *r, struct cv_str in, struct cv_buf *out)
{
	if (!in.n)
		return;
	const unsigned char *p = (const unsigned char *)in.p, *end = p + in.n;
	while (p < end && !out->full) {
		const unsigned char *run = p;
		if (r->state == QP_TEXT && !r->blanks && !r->has_cr)
			while (p < end && *p > ' ' && *p != '=')
				p++;
		if (p > run)
			cv_buf_add(out, run, (size_t)(p - run));
		else
			qp_byte(r, *p++, out);
	}
}

void
cv_qp_read_end(struct cv_qp_reader *r, struct cv_buf *out)
{
	if (r->state == QP_DIGIT) {
		r->is_damaged = true;
		cv_buf_c(out, '=');
		cv_buf_c(out, (char)r->digit);
	}
	if (!r->has_cr)
		r->blanks = 0; /* blanks at the end of the text are padding too */
	qp_let_blanks_go(r, out);
	r->state = QP_TEXT;
}

static const char upper_hex[] = "0123456789ABCDEF";

/* Whether byte I of LINE may stand for itself. */
static bool
qp_is_plain(struct cv_str line, size_t i)
{
	unsigned char c = (unsigned char)line.p[i];
	if (c == ' ' || c == '\t')
		return i + 1 < line.n;
	if (i == 0 && c == 'F' && cv_str_has_prefix(line, "From "))
		return false;
	if (i == 0 && c == '.' && line.n == 1)
		return false;
	return c > ' ' && c < 127 && c != '=';
}

static void
qp_encode_line(struct cv_str line, struct cv_buf *out)
{
	size_t column = 0;
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		bool plain = qp_is_plain(line, i);
		size_t width = plain ? 1 : 3;
		/* One column stays free for the "=" of a soft break, unless the line ends here. */
		if (column + width > CV_MIME_COLUMNS - (i + 1 < line.n ? 1u : 0u)) {
			cv_buf_add(out, "=\r\n", 3);
			column = 0;
		}
		/* A soft break may have put what needs protection at the start of a line. */
		if (column == 0 && plain && (c == '.' || c == 'F') && i > 0) {
			plain = false;
			width = 3;
		}
		if (plain)
			cv_buf_c(out, (char)c);
		else
			cv_buf_add(out, (char[]){'=', upper_hex[c >> 4], upper_hex[c & 15]}, 3);
		column += width;
	}
}

void
cv_qp_encode(struct cv_str in, struct cv_buf *out)
{
	while (in.n && !out->full) {
		size_t lf = cv_str_find(in, '\n', 0);
		size_t end = lf;
		if (lf < in.n && end && in.p[end - 1] == '\r')
			end--;
		qp_encode_line(cv_str_sub(in, 0, end), out);
		if (lf < in.n)
			cv_buf_add(out, "\r\n", 2);
		in = cv_str_sub(in, CV_MIN(lf + 1, in.n), in.n);
	}
}

int
cv_hex_digit(unsigned char c)
{
	return hex_values[c] == INVALID ? -1 : hex_values[c];
}

void
cv_hex_encode(struct cv_str in, struct cv_buf *out)
{
	static const char digits[] = "0123456789abcdef";
	if (in.n > SIZE_MAX / 2) {
		out->full = true;
		return;
	}
	char *q = cv_buf_room(out, in.n * 2);
	if (!q)
		return;
	for (size_t i = 0; i < in.n; i++) {
		*q++ = digits[(unsigned char)in.p[i] >> 4];
		*q++ = digits[in.p[i] & 15];
	}
	out->n += in.n * 2;
}

enum cv_status
cv_hex_decode(struct cv_str in, struct cv_buf *out)
{
	if (in.n % 2)
		return CV_INVALID;
	char *q = cv_buf_room(out, in.n / 2);
	if (!q)
		return CV_LIMIT;
	const unsigned char *p = (const unsigned char *)in.p;
	for (size_t i = 0; i < in.n; i += 2) {
		if ((hex_values[p[i]] | hex_values[p[i + 1]]) & 0x80)
			return CV_INVALID;
		*q++ = (char)(hex_values[p[i]] << 4 | hex_values[p[i + 1]]);
	}
	out->n += in.n / 2;
	return CV_OK;
}

void
cv_xtext_encode(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (c > ' ' && c < 127 && c != '+' && c != '=')
			cv_buf_c(out, (char)c);
		else
			cv_buf_add(out, (char[]){'+', upper_hex[c >> 4], upper_hex[c & 15]}, 3);
	}
}

/* hexchar of RFC 3461 section 4 has upper-case digits only. */
static bool
is_upper_hex(unsigned char c)
{
	return cv_is_digit(c) || (c >= 'A' && c <= 'F');
}

enum cv_status
cv_xtext_decode(struct cv_str in, struct cv_buf *out)
{
	size_t n_before = out->n;
	for (size_t i = 0; i < in.n; i++) {
		const unsigned char *p = (const unsigned char *)in.p + i;
		if (*p > ' ' && *p < 127 && *p != '+' && *p != '=') {
			cv_buf_c(out, (char)*p);
		} else if (*p == '+' && in.n - i > 2 && is_upper_hex(p[1]) && is_upper_hex(p[2])) {
			cv_buf_c(out, (char)(hex_values[p[1]] << 4 | hex_values[p[2]]));
			i += 2;
		} else {
			out->n = n_before;
			return CV_INVALID;
		}
	}
	return out->full ? CV_LIMIT : CV_OK;
}

void
cv_html_escape(struct cv_str text, struct cv_buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '&':
			cv_buf_z(out, "&amp;");
			break;
		case '<':
			cv_buf_z(out, "&lt;");
			break;
		case '>':
			cv_buf_z(out, "&gt;");
			break;
		case '"':
			cv_buf_z(out, "&quot;");
			break;
		case '\'':
			cv_buf_z(out, "&#39;");
			break;
		default:
			cv_buf_c(out, text.p[i]);
		}
	}
}
