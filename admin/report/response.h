/* response.h - sums of the response clock, for the report on it and for the score. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_REPORT_RESPONSE_H
#define ADMIN_REPORT_RESPONSE_H

#include "admin/report/report.h"

struct admin_response {
	int64_t arrived, opened, opened_in_time, answered, in_time, overdue, open;
	int64_t due; /* answered, or overdue: what can be judged */
};
/* Adds ITEM ([arrived, opened, answered, UID] of report.response) as it stands at NOW. */
void admin_response_add(const struct admin_report *r, const json_t *item, int64_t now,
	struct admin_response *t);
/* The boxes of r->period and r->agency. NULL after saying why. */
json_t *admin_response_ask(struct admin_report *r, int *exit_out);

#endif
