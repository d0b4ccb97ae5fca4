/* events.h - sums of what the filter counted, for the reports on it and for the score. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_REPORT_EVENTS_H
#define ADMIN_REPORT_EVENTS_H

#include "admin/report/report.h"

struct admin_event_sums {
	int64_t signups, free_mail, secrecy;
	int64_t in, out, marked, junk, quarantined, refused;
	int64_t stopped; /* junk, quarantined and refused */
};
struct admin_events {
	json_t *signups, *free_mail, *mail;
	struct admin_event_sums *by_agency; /* as r->agencies */
	struct admin_event_sums total;
};
/* Of r->period and r->agency. False: the filter does not answer; ERR says it, nothing is printed.
 * E is freed by admin_events_free() either way. */
bool admin_report_events(struct admin_report *r, struct admin_events *e, struct cv_err *err);
void admin_events_free(struct admin_events *e);

#endif
