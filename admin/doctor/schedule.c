/* schedule.c - jobs of the scheduler that failed or are overdue. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"

void
doctor_schedule(struct doctor_job *j)
{
	const json_t *failing = json_object_get(j->d->schedule, "failing"), *one;
	size_t i;

	if (!j->d->schedule) {
		doctor_find(j, "running", DOCTOR_NOTE, NULL, "%s", "");
		return;
	}
	doctor_say(j, "running", json_is_true(json_object_get(j->d->schedule, "running")), NULL,
		"%s", "");
	json_array_foreach(failing, i, one)
	{
		const char *error = json_string_value(json_object_get(one, "error"));
		doctor_find(j, "failed", DOCTOR_WARN,
			json_string_value(json_object_get(one, "job")), "%lld: %.200s",
			(long long)admin_number(one, "failures"), error ? error : "");
	}
	if (!json_array_size(failing))
		doctor_find(j, "failed", DOCTOR_OK, NULL, "%s", "");
}
