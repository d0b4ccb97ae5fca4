/* month.c - see month.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/month.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/text/date.h"

#define LOCAL_ZONE_MIN (7 * 60) /* days are days in Việt Nam */

bool
admin_month(struct admin_call *call, json_t *request, unsigned before)
{
	const char *text = admin_option(call, "month");
	struct cv_civil now;
	char day[40];
	int year, month, last = 31;

	cv_date_civil(cv_date_at(cv_wall_secs(), LOCAL_ZONE_MIN), &now);
	year = now.year;
	month = now.month;
	if (text) {
		bool is_good = strlen(text) == 7 && strspn(text, "0123456789-") == 7 &&
			       text[4] == '-';
		year = is_good ? (int)strtol(text, NULL, 10) : 0;
		month = is_good ? (int)strtol(text + 5, NULL, 10) : 0;
		if (!cv_civil_is_valid(year, month, 1)) {
			admin_error(call, EXIT_USAGE, "a month is written like 2026-11",
				"tháng viết như 2026-11");
			return false;
		}
	}
	while (!cv_civil_is_valid(year, month, last))
		last--;
	snprintf(day, sizeof day, "%04d-%02d-%02d", year, month, last);
	admin_set(request, "to", day);
	int first = year * 12 + month - 1 - (int)before;
	snprintf(day, sizeof day, "%04d-%02d-01", first / 12, first % 12 + 1);
	admin_set(request, "from", day);
	return true;
}
