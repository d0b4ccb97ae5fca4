/* utf7.c - modified UTF-7 of IMAP mailbox names. See utf7.h.
 *
 * Decoding is strict by construction: after reading a shift, only the spelling that the encoder
 * would have written is accepted.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/utf7.h"

#include <unistr.h>

#define NOT_DIGIT 64

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static unsigned
digit_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (cv_is_digit(c))
		return c - '0' + 52u;
	return c == '+' ? 62 : c == ',' ? 63 : NOT_DIGIT;
}

static bool
is_direct(unsigned c)
{
	return c >= ' ' && c <= '~';
}

static void
add_utf8(struct cv_buf *out, ucs4_t c)
{
	uint8_t utf8[6];
	int n = u8_uctomb(utf8, c, sizeof(utf8));
	if (n > 0)
		cv_buf_add(out, utf8, (size_t)n);
}

/* One UTF-16 unit of a shift; *high holds a high surrogate that waits for its pair. */
static bool
take_unit(unsigned unit, unsigned *high, struct cv_buf *out)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		add_utf8(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	/* What can stand for itself must, and control characters have no place in a name. */
	if ((unit >= 0xdc00 && unit <= 0xdfff) || unit < 0x80)
		return false;
	add_utf8(out, unit);
	return true;
}

/* Reads from behind "&" up to and with "-". Returns the index behind it, or 0 when it is wrong. */
static size_t
decode_shift(struct cv_str in, size_t i, struct cv_buf *out)
{
	uint32_t bits = 0;
	unsigned nbits = 0, high = 0;
	for (; i < in.n && in.p[i] != '-'; i++) {
		unsigned v = digit_value((unsigned char)in.p[i]);
		if (v == NOT_DIGIT)
			return 0;
		bits = bits << 6 | v;
		nbits += 6;
		if (nbits < 16)
			continue;
		nbits -= 16;
		if (!take_unit(bits >> nbits & 0xffff, &high, out))
			return 0;
		bits &= (1u << nbits) - 1;
	}
	if (i == in.n || high || nbits >= 6 || bits)
		return 0;
	return i + 1;
}

static bool
decode(struct cv_str in, struct cv_buf *out)
{
	bool after_shift = false;
	for (size_t i = 0; i < in.n;) {
		unsigned char c = (unsigned char)in.p[i++];
		if (!is_direct(c))
			return false;
		if (c != '&') {
			cv_buf_c(out, (char)c);
			after_shift = false;
			continue;
		}
		if (i < in.n && in.p[i] == '-') {
			cv_buf_c(out, '&');
			i++;
			after_shift = false;
			continue;
		}
		/* Two shifts in a row could have been one. */
		if (after_shift || !(i = decode_shift(in, i, out)))
			return false;
		after_shift = true;
	}
	return true;
}

enum cv_status
cv_utf7_decode(struct cv_str in, struct cv_buf *out)
{
	size_t n_before = out->n;
	if (in.n > CV_UTF7_MAX)
		return CV_LIMIT;
	if (!decode(in, out)) {
		out->n = n_before;
		return CV_INVALID;
	}
	if (out->full) {
		out->n = n_before;
		return CV_LIMIT;
	}
	return CV_OK;
}

struct shift {
	bool open;
	uint32_t bits;
	unsigned nbits;
};

static void
shift_unit(struct shift *s, unsigned unit, struct cv_buf *out)
{
	s->bits = s->bits << 16 | unit;
	s->nbits += 16;
	while (s->nbits >= 6) {
		s->nbits -= 6;
		cv_buf_c(out, digits[s->bits >> s->nbits & 63]);
	}
	s->bits &= (1u << s->nbits) - 1;
}

static void
shift_close(struct shift *s, struct cv_buf *out)
{
	if (!s->open)
		return;
	if (s->nbits)
		cv_buf_c(out, digits[s->bits << (6 - s->nbits) & 63]);
	cv_buf_c(out, '-');
	*s = (struct shift){0};
}

static void
encode_char(struct shift *s, ucs4_t c, struct cv_buf *out)
{
	if (is_direct(c)) {
		shift_close(s, out);
		cv_buf_c(out, (char)c);
		if (c == '&')
			cv_buf_c(out, '-');
		return;
	}
	if (!s->open) {
		cv_buf_c(out, '&');
		s->open = true;
	}
	if (c < 0x10000) {
		shift_unit(s, c, out);
	} else {
		shift_unit(s, 0xd800 + ((c - 0x10000) >> 10), out);
		shift_unit(s, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
	}
}

enum cv_status
cv_utf7_encode(struct cv_str text, struct cv_buf *out)
{
	size_t n_before = out->n;
	struct shift s = {0};
	if (text.n > CV_UTF7_MAX)
		return CV_LIMIT;
	for (size_t i = 0; i < text.n;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)text.p + i, text.n - i);
		if (n <= 0 || c < ' ' || c == 127) {
			out->n = n_before;
			return CV_INVALID;
		}
		encode_char(&s, c, out);
		i += (size_t)n;
	}
	shift_close(&s, out);
	if (out->full) {
		out->n = n_before;
		return CV_LIMIT;
	}
	return CV_OK;
}
