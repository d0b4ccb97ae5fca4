/* fuzz: admin */
/* admin_csv_fuzz.c - any file offered as a list of agencies is read or refused, never misread. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_err err = {0};
	struct admin_csv csv;
	size_t n, before;

	admin_csv_init(&csv, cv_str((const char *)data, size));
	do {
		struct cv_buf again = CV_BUF_INIT(1u << 20);
		before = csv.pos;
		if (admin_csv_next(&csv, &arena, fields, &n, &err) != CV_OK)
			break;
		assert(n >= 1 && n <= ADMIN_CSV_COLUMNS_MAX && csv.pos > before);
		/* Whatever a field holds, a row of them is written and ends its line. */
		for (size_t i = 0; i < n; i++)
			admin_csv_put(&again, fields[i], i + 1 == n);
		assert(again.full || cv_str_has_suffix(cv_buf_view(&again), "\r\n"));
		cv_buf_done(&again);
	} while (csv.pos < size);
	cv_arena_done(&arena);
	return 0;
}
