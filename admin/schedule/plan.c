/* plan.c - when a job runs next. Pure: the clock is an argument. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/schedule/schedule.h"

#include <stdio.h>

#define PAUSE_FIRST_SECS 60
#define PAUSE_LAST_SECS  3600
#define ALARM_FIRST      3u

int64_t
admin_job_pause(unsigned failures)
{
	int64_t pause = PAUSE_FIRST_SECS;

	for (unsigned i = 1; i < failures && pause < PAUSE_LAST_SECS; i++)
		pause *= 2;
	return CV_MIN(pause, (int64_t)PAUSE_LAST_SECS);
}

bool
admin_job_is_alarming(unsigned failures)
{
	unsigned n = ALARM_FIRST;

	while (n < failures && n < (1u << 30))
		n *= 2;
	return n == failures;
}

bool
admin_job_settle(
	struct admin_job_record *record, const struct cv_when *w, const char *when, int64_t now)
{
	bool is_new = !record->slot || strcmp(record->when, when) != 0;
	/* A good run that is still to come: jobs that ask what happened since would wait for it. */
	bool is_ahead = record->good > now + PAUSE_LAST_SECS;

	if (w->kind == CV_WHEN_OFF)
		return false;
	if (is_ahead)
		record->good = 0;
	if (!is_new && record->slot <= cv_when_after(w, now))
		return is_ahead;
	record->slot = cv_when_before(w, now);
	record->retry_at = 0;
	snprintf(record->when, sizeof record->when, "%s", when);
	return true;
}

int64_t
admin_job_next(const struct admin_job_record *record, const struct cv_when *w, int64_t now)
{
	if (w->kind == CV_WHEN_OFF || record->paused || record->running)
		return INT64_MAX;
	int64_t latest = cv_when_before(w, now);
	if (latest <= record->slot)
		return cv_when_after(w, CV_MAX(now, record->slot));
	/* A pause longer than any was remembered before the clock was set back. */
	if (record->retry_at > now + PAUSE_LAST_SECS)
		return latest;
	return CV_MAX(latest, record->retry_at);
}

void
admin_job_settle_end(struct admin_job_record *record, int64_t slot, const char *result,
	int exit_code, int64_t now)
{
	bool is_good = !strcmp(result, "ok") || !strcmp(result, "partly");

	record->running = false;
	record->ended = now;
	record->exit_code = exit_code;
	record->retry_at = 0;
	snprintf(record->result, sizeof record->result, "%s", result);
	if (is_good) {
		record->good = record->started;
		record->failures = 0;
		record->slot = CV_MAX(record->slot, slot);
	} else if (strcmp(result, "stopped") != 0) {
		record->failures++;
		record->retry_at = now + admin_job_pause(record->failures);
	}
}
