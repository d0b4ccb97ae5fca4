/* value.c - numbers and dates as people wrote them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "admin/sheet/sheet_impl.h"

#define DIGITS_MAX    15      /* what a double holds exactly */
#define SERIAL_MAX    2958465 /* 31/12/9999 */
#define SERIAL_LEAP   60      /* 29/02/1900, which never was */
#define DAYS_1904     1462
#define DAYS_TO_EPOCH 25569

static bool
take_digits(struct cv_str text, size_t *at, char *out, size_t max, size_t *n)
{
	for (; *at < text.n && cv_is_digit((unsigned char)text.p[*at]); (*at)++) {
		if (*n == max)
			return false;
		out[(*n)++] = text.p[*at];
	}
	return true;
}

/* Without its sign and exponent; false when it is no whole number that a double holds exactly. */
static bool
put_whole(struct cv_buf *out, struct cv_str t)
{
	char digits[DIGITS_MAX * 2];
	size_t n = 0, at = 0;
	uint64_t exponent;

	if (!take_digits(t, &at, digits, sizeof digits, &n) || !n)
		return false;
	size_t whole = n;
	at += at < t.n && t.p[at] == '.';
	if (!take_digits(t, &at, digits, sizeof digits, &n))
		return false;
	if (at >= t.n || (t.p[at] != 'E' && t.p[at] != 'e'))
		return false;
	at++;
	if (at < t.n && t.p[at] == '+')
		at++;
	if (cv_str_u64(cv_str_sub(t, at, t.n), DIGITS_MAX, &exponent) != CV_OK ||
		n - whole > exponent || whole + exponent > DIGITS_MAX)
		return false;
	cv_buf_add(out, digits, n);
	for (size_t i = n - whole; i < exponent; i++)
		cv_buf_c(out, '0');
	return true;
}

void
sheet_put_number(struct cv_buf *out, struct cv_str text)
{
	struct cv_buf whole = CV_BUF_INIT(64);
	bool is_negative = text.n && text.p[0] == '-';

	if (put_whole(&whole, cv_str_sub(text, is_negative, text.n))) {
		cv_buf_z(out, is_negative ? "-" : "");
		cv_buf_str(out, cv_buf_view(&whole));
	} else {
		cv_buf_str(out, text);
	}
	cv_buf_done(&whole);
}

/* Days since 1970 in the proleptic Gregorian calendar, by years that begin in March. */
static void
put_day(struct cv_buf *out, int64_t days)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;

	cv_buf_printf(out, "%02d/%02d/%04d", (int)day, (int)month,
		(int)(yoe + era * 400 + (month <= 2)));
}

static void
put_clock(struct cv_buf *out, unsigned secs)
{
	cv_buf_printf(out, "%02u:%02u:%02u", secs / 3600, secs / 60 % 60, secs % 60);
}

bool
sheet_put_serial(struct cv_buf *out, struct cv_str serial, bool is_1904)
{
	size_t dot = cv_str_find(serial, '.', 0);
	uint64_t days, fraction = 0, scale = 1;

	if (!dot || cv_str_u64(cv_str_sub(serial, 0, dot), SERIAL_MAX, &days) != CV_OK)
		return false;
	for (size_t i = dot + 1; i < serial.n && i < dot + 10; i++) {
		if (!cv_is_digit((unsigned char)serial.p[i]))
			return false;
		fraction = fraction * 10 + (uint64_t)(serial.p[i] - '0');
		scale *= 10;
	}
	uint64_t secs = (fraction * 86400 + scale / 2) / scale;
	days += secs / 86400 + (is_1904 ? DAYS_1904 : 0);
	secs %= 86400;
	if (days == SERIAL_LEAP)
		return false;
	if (days)
		put_day(out, (int64_t)days - DAYS_TO_EPOCH + (days < SERIAL_LEAP));
	if (days && secs)
		cv_buf_c(out, ' ');
	if (secs || !days)
		put_clock(out, (unsigned)secs);
	return true;
}

bool
sheet_put_iso(struct cv_buf *out, struct cv_str iso)
{
	if (iso.n < 10 || iso.p[4] != '-' || iso.p[7] != '-')
		return false;
	for (size_t i = 0; i < 10; i++)
		if (i != 4 && i != 7 && !cv_is_digit((unsigned char)iso.p[i]))
			return false;
	cv_buf_printf(out, "%.2s/%.2s/%.4s", iso.p + 8, iso.p + 5, iso.p);
	if (iso.n >= 19 && iso.p[10] == 'T' && memcmp(iso.p + 11, "00:00:00", 8) != 0)
		cv_buf_printf(out, " %.8s", iso.p + 11);
	return true;
}
