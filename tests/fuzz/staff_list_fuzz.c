/* fuzz: register */
/* staff_list_fuzz.c - any bytes as a staff list: read, columns found, each row judged. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = { "", "", "", "TCVN3", "VNI", "windows-1258" };
	struct cv_arena arena = CV_ARENA_INIT;
	struct csv csv;
	struct import_rows rows;
	struct cv_err err;
	const char *charset = charsets[size ? data[0] % CV_COUNT(charsets) : 0];
	if (csv_read(&arena, cv_str((const char *)data, size), charset, &csv, &err) == CV_OK &&
	    import_read(&arena, &csv, &rows, &err) == CV_OK) {
		for (size_t i = 0; i < rows.n; i++) {
			struct import_verdict v;
			import_check(&arena, &rows, &rows.rows[i],
			             i + 1 < rows.n ? &rows.rows[i + 1] : NULL, &v);
			import_check_email(&arena, "lamgiang.example",
			                   CV_STR("x.stp@lamgiang.example"), &v);
			assert(!v.is_refused || v.proposal.p);
			assert(v.phone_mobile.n <= 11 && v.phone_office.n <= 11);
		}
	}
	cv_arena_done(&arena);
	return 0;
}
