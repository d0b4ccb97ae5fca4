/* accounts.c - accounts that need somebody: frozen ones; and what admins log in with. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"

static void
look_at_second_factors(struct doctor_job *j)
{
	const json_t *a;
	size_t i;
	unsigned with = 0, without = 0;

	json_array_foreach(json_object_get(j->d->admins, "admins"), i, a)
	{
		const char *state = json_string_value(json_object_get(a, "second_factor"));
		const char *name = json_string_value(json_object_get(a, "admin"));
		if (!state)
			continue; /* a Unix account: the machine's own log-in */
		if (!strcmp(state, "on")) {
			with++;
			continue;
		}
		without++;
		doctor_find(j, "second-factor", DOCTOR_WARN, name, "%s", "");
	}
	if (!without)
		doctor_find(j, "second-factor", with ? DOCTOR_OK : DOCTOR_NOTE, NULL, "%s", "");
}

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
	look_at_second_factors(j);
}
