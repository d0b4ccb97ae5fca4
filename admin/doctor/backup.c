/* backup.c - what <base_dir>/backup/status.json tells: each target's last backup, the last drill.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define STATUS_MAX  (1u << 20)
#define AGE_WARN    (26 * 3600)
#define AGE_BAD     (3 * 86400)
#define DRILL_WARN  (183 * 86400)

static void
check_target(struct doctor_job *j, const char *name, const json_t *t)
{
	json_int_t last = admin_number(t, "good"), age = cv_wall_secs() - last;
	const char *error = json_string_value(json_object_get(t, "error"));
	json_t *when = admin_moment(last);

	doctor_find(j, "age",
		!last || age > AGE_BAD ? DOCTOR_BAD
		: age > AGE_WARN       ? DOCTOR_WARN
				       : DOCTOR_OK,
		name, "%s", json_string_value(when));
	json_decref(when);
	if (error && error[0])
		doctor_find(j, "failed", DOCTOR_BAD, name, "%.300s", error);
	if (admin_number(t, "verified"))
		doctor_say(j, "verified", !admin_number(t, "verify_faults"), name, "%lld",
			(long long)admin_number(t, "verify_faults"));
}

static void
check_drill(struct doctor_job *j, const json_t *drill)
{
	json_int_t last = admin_number(drill, "time");
	bool failed = json_is_false(json_object_get(drill, "ok"));
	json_t *when = admin_moment(last);

	doctor_say(j, "drill", last && !failed && cv_wall_secs() - last < DRILL_WARN, NULL, "%s",
		json_string_value(when));
	json_decref(when);
}

void
doctor_backup(struct doctor_job *j)
{
	char path[1200];
	const char *name;
	json_t *t;

	snprintf(path, sizeof path, "%s/backup/status.json", j->d->main->base_dir);
	char *text = doctor_read(path, STATUS_MAX);
	json_t *all = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_t *targets = json_object_get(all, "targets");
	if (!json_object_size(targets)) {
		doctor_find(j, "set-up", DOCTOR_WARN, NULL, "%s", path);
	} else {
		json_object_foreach(targets, name, t)
			check_target(j, name, t);
		doctor_say(j, "copies", json_object_size(targets) > 1, NULL, "%zu",
			json_object_size(targets));
		check_drill(j, json_object_get(all, "drill"));
	}
	json_decref(all);
}
