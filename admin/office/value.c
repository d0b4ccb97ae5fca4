/* value.c - numbers, shares and days in the form of Vietnamese offices. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/office/office_impl.h"
#include "common/text/date.h"
#include "common/text/encode.h"

#define SHEET_EPOCH 25569 /* 01/01/1970 as spreadsheets count days */

int64_t
admin_ratio(int64_t n, int64_t of, int64_t scale)
{
	bool is_negative = n < 0;
	__int128 twice = (__int128)(is_negative ? -n : n) * scale * 2 + of;
	int64_t rounded = of > 0 ? (int64_t)(twice / ((__int128)of * 2)) : 0;

	return is_negative ? -rounded : rounded;
}

/* 12077 as 12.077 */
static void
put_grouped(struct cv_buf *out, int64_t n)
{
	char digits[24];
	uint64_t positive = n < 0 ? -(uint64_t)n : (uint64_t)n;
	int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)positive);

	if (n < 0)
		cv_buf_c(out, '-');
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			cv_buf_c(out, '.');
		cv_buf_c(out, digits[i]);
	}
}

static void
put_tenths(struct cv_buf *out, int64_t tenths)
{
	if (tenths < 0)
		cv_buf_c(out, '-');
	tenths = tenths < 0 ? -tenths : tenths;
	put_grouped(out, tenths / 10);
	cv_buf_printf(out, ",%d", (int)(tenths % 10));
}

void
admin_value_put(struct cv_buf *out, struct admin_value value)
{
	switch (value.kind) {
	case ADMIN_NONE:
		break;
	case ADMIN_TEXT:
		cv_buf_str(out, value.text);
		break;
	case ADMIN_COUNT:
		put_grouped(out, value.n);
		break;
	case ADMIN_SHARE:
		put_tenths(out, admin_ratio(value.n, value.of, 1000));
		cv_buf_c(out, '%');
		break;
	case ADMIN_DECIMAL:
		put_tenths(out, admin_ratio(value.n, value.of, 10));
		break;
	case ADMIN_DAY:
		cv_date_write_vn(out, cv_date_at(value.n * 86400, 0));
		break;
	}
}

void
admin_put_shown(struct cv_buf *out, struct admin_value value)
{
	if (value.kind == ADMIN_NONE)
		cv_buf_z(out, "–");
	else
		admin_value_put(out, value);
}

bool
admin_is_number(enum admin_value_kind kind)
{
	return kind == ADMIN_COUNT || kind == ADMIN_SHARE || kind == ADMIN_DECIMAL;
}

double
admin_value_number(struct admin_value value)
{
	switch (value.kind) {
	case ADMIN_COUNT:
		return (double)value.n;
	case ADMIN_SHARE:
	case ADMIN_DECIMAL:
		return (double)value.n / (double)value.of;
	case ADMIN_DAY:
		return (double)(value.n + SHEET_EPOCH);
	case ADMIN_NONE:
	case ADMIN_TEXT:
		break;
	}
	return 0;
}

void
admin_put_xml(struct cv_buf *out, struct cv_str text)
{
	cv_html_escape(text, out);
}
