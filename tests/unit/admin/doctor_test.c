/* doctor_test.c - the tables of `congvu doctor`: every check can be said in both languages. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"
#include "tests/unit/check.h"

static void
test_every_check_has_sentences_and_a_next_step_in_both_languages(CV_UNUSED void **state)
{
	assert_true(doctor_rows_count >= 50);
	for (size_t i = 0; i < doctor_rows_count; i++) {
		const struct doctor_row *r = &doctor_rows[i];
		const char *const texts[] = {r->good, r->good_vi, r->bad, r->bad_vi, r->next,
			r->next_vi};
		if (!strchr(r->id, '.'))
			fail_msg("%s has no family", r->id);
		for (size_t k = 0; k < CV_COUNT(texts); k++)
			if (!texts[k] || (k > 1 && !texts[k][0]))
				fail_msg("%s: text %zu is missing", r->id, k);
		if (!r->good[0] != !r->good_vi[0])
			fail_msg("%s: one language says more", r->id);
		if (r->fault != DOCTOR_WARN && r->fault != DOCTOR_BAD)
			fail_msg("%s: a fault is a warning or worse", r->id);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(doctor_rows[k].id, r->id))
				fail_msg("%s stands twice", r->id);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_check_has_sentences_and_a_next_step_in_both_languages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
