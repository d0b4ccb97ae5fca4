/* queue.c - mail on its way out: how much, how old, where it is stuck. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define OLD_SECS     (24 * 3600)
#define STUCK_OLD    5    /* recipients older than 12 hours at one destination */
#define FRESH_MANY   500  /* arrived within 5 minutes and still there */
#define MANY         5000
#define SHOWN_MAX    10u

static json_int_t
age(const json_t *row, const char *key)
{
	return admin_number(json_object_get(row, "ages"), key);
}

static void
check_destinations(struct doctor_job *j)
{
	const json_t *row;
	json_int_t fresh = 0;
	unsigned stuck = 0;
	size_t i;

	json_array_foreach(json_object_get(j->d->queue, "domains"), i, row)
	{
		json_int_t old = age(row, "1d") + age(row, "older");
		const char *reply = json_string_value(json_object_get(row, "last_reply"));
		fresh += age(row, "5m");
		if (old < STUCK_OLD || stuck++ >= SHOWN_MAX)
			continue;
		const char *domain = json_string_value(json_object_get(row, "domain"));
		doctor_find(j, "stuck", DOCTOR_WARN, domain, "%lld: %.200s", (long long)old,
			reply ? reply : "");
		doctor_do(j, "congvu queue list --domain %s", domain ? domain : "");
	}
	if (!stuck)
		doctor_find(j, "stuck", DOCTOR_OK, NULL, "%s", "");
	doctor_say(j, "growing", fresh < FRESH_MANY, NULL, "%lld", (long long)fresh);
}

void
doctor_queue(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	const json_t *line;
	size_t i;

	if (!d->queue_stats || !d->queue) {
		doctor_find(j, "size", DOCTOR_NOTE, NULL, "smtpd");
		return;
	}
	json_int_t messages = admin_number(d->queue_stats, "messages"),
		   oldest = admin_number(d->queue_stats, "oldest"), now = cv_wall_secs(),
		   held = admin_number(d->queue_stats, "held");
	doctor_say(j, "size", messages < MANY, NULL, "%lld", (long long)messages);
	doctor_say(j, "old", !oldest || now - oldest < OLD_SECS, NULL,
		admin_say(d->call, "oldest %lld hours", "cũ nhất %lld giờ"),
		oldest ? (long long)(now - oldest) / 3600 : 0LL);
	doctor_say(j, "held", held == 0, NULL, "%lld", (long long)held);
	check_destinations(j);
	const json_t *not_ready = json_object_get(d->status[DOCTOR_SMTPD], "not_ready");
	json_array_foreach(not_ready, i, line)
		doctor_find(j, "ready", DOCTOR_WARN, NULL, "%s", json_string_value(line));
	if (!json_array_size(not_ready))
		doctor_find(j, "ready", DOCTOR_OK, NULL, "%s", "");
}
