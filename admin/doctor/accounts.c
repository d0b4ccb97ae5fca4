/* accounts.c - accounts that need somebody: frozen ones; and what admins log in with. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"

void
doctor_accounts(struct doctor_job *j)
{
	const json_t *a;
	size_t i;
	unsigned frozen = 0;

	json_array_foreach(json_object_get(j->d->frozen, "accounts"), i, a)
	{
		const char *address = json_string_value(json_object_get(a, "address"));
		const char *why = json_string_value(json_object_get(a, "reason"));
		frozen++;
		doctor_find(j, "frozen", DOCTOR_WARN, address, "%.200s", why ? why : "");
		doctor_do(j, "congvu diagnose %s", address ? address : "");
	}
	if (!frozen)
		doctor_find(j, "frozen", j->d->frozen ? DOCTOR_OK : DOCTOR_NOTE, NULL, "%s", "");
	doctor_find(j, "second-factor", DOCTOR_NOTE, NULL, "%s", "");
}
