/* schedule.c - jobs of the scheduler that failed or are overdue. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"

void
doctor_schedule(struct doctor_job *j)
{
	doctor_find(j, "failed", DOCTOR_NOTE, NULL, "%s", "");
}
