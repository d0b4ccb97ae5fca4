/* boxes_test.c - the accounts of a message: each once, in order, taken back from the end. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <stdio.h>

#include "smtpd/boxes.h"

static const char *
row_name(size_t n)
{
	static char text[32];
	snprintf(text, sizeof text, "%zu", n);
	return text;
}

static void
test_boxes__keep_each_account_once_in_order(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 63, 64, 65, 12077 };

	(void)state;
	for (size_t k = 0; k < CV_COUNT(sizes); k++) {
		struct smtpd_boxes b = { 0 };
		for (unsigned round = 0; round < 2; round++)
			for (size_t i = 0; i < sizes[k]; i++)
				CHECK(row_name(sizes[k]), smtpd_boxes_add(&b, 1000 + i * 7) == i);
		CHECK(row_name(sizes[k]), b.n == sizes[k]);
		for (size_t i = 0; i < b.n; i++)
			CHECK(row_name(sizes[k]), b.ids[i] == 1000 + i * 7);
		smtpd_boxes_done(&b);
	}
	CHECK_END();
}

static void
test_boxes__give_back_what_came_last(void **state)
{
	static const size_t cuts[] = { 5000, 4999, 100, 17, 16, 15, 1, 0 };
	struct smtpd_boxes b = { 0 };

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cuts); k++) {
		for (size_t i = 0; i < 5000; i++)
			(void)smtpd_boxes_add(&b, i * i + 1);
		CHECK(row_name(cuts[k]), b.n == 5000);
		smtpd_boxes_cut(&b, cuts[k]);
		CHECK(row_name(cuts[k]), b.n == cuts[k]);
		for (size_t i = 0; i < cuts[k]; i++)
			CHECK(row_name(cuts[k]), smtpd_boxes_add(&b, i * i + 1) == i);
		/* What was taken out is new again. */
		CHECK(row_name(cuts[k]),
			smtpd_boxes_add(&b, 4999 * 4999 + 1) == CV_MIN(cuts[k], (size_t)4999));
		smtpd_boxes_cut(&b, cuts[k]);
	}
	smtpd_boxes_done(&b);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boxes__keep_each_account_once_in_order),
		cmocka_unit_test(test_boxes__give_back_what_came_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
