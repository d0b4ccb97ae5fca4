/* fuzz: text */
/* Dates: what is read can be written and read again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
rewrite(struct cv_date date)
{
	struct cv_buf b = CV_BUF_INIT(100);
	struct cv_date back;
	struct cv_civil civil;
	cv_date_civil(date, &civil);
	assert(cv_civil_is_valid(civil.year, civil.month, civil.day));
	/* At the calendar's ends the local time is clamped. */
	bool inside = civil.year > 1 && civil.year < 9999;
	cv_date_write_mail(&b, date);
	if (civil.year >= 1000 && inside)
		assert(cv_date_parse_mail(cv_buf_view(&b), &back) == CV_OK &&
		       back.unix_secs == date.unix_secs);
	cv_buf_reset(&b);
	cv_date_write_imap(&b, date);
	assert(cv_date_parse_imap(cv_buf_view(&b), &back) == CV_OK);
	assert(!inside || back.unix_secs == date.unix_secs);
	cv_buf_done(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_date date;
	int64_t days;
	if (cv_date_parse_mail(in, &date) == CV_OK)
		rewrite(date);
	if (cv_date_parse_imap(in, &date) == CV_OK)
		rewrite(date);
	if (cv_date_parse_iso(in, CV_ZONE_VIETNAM, &date) == CV_OK)
		rewrite(date);
	if (cv_date_parse_imap_day(in, &days) == CV_OK || cv_date_parse_vn(in, &days) == CV_OK)
		rewrite(cv_date_at(days * 86400, 0));
	return 0;
}
