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
	if (admin_number(t, "verify_faults"))
		doctor_find(j, "failed", DOCTOR_BAD, name, "congvu backup verify");
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
	if (!json_object_size(targets))
		doctor_find(j, "set-up", DOCTOR_WARN, NULL, "%s", path);
	json_object_foreach(targets, name, t)
		check_target(j, name, t);
	if (json_object_size(targets)) {
		json_int_t drill = admin_number(json_object_get(all, "drill"), "time");
		bool failed = json_is_false(json_object_get(json_object_get(all, "drill"), "ok"));
		json_t *when = admin_moment(drill);
		doctor_say(j, "drill", drill && !failed && cv_wall_secs() - drill < DRILL_WARN,
			NULL, "%s", json_string_value(when));
		json_decref(when);
	}
	json_decref(all);
}
