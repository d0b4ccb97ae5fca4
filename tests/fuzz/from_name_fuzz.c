/* fuzz: smtpd */
/* A From field with the register's name in it reads strictly, keeps its addresses, and is done once
 * and for all; what stands around it is not touched. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/header.h"
#include "smtpd/from_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
look_up(void *arg, struct cv_str local, struct cv_str domain, struct cv_buf *name_out)
{
	(void)arg;
	(void)local;
	if (domain.n % 3 == 0)
		return false;
	cv_buf_z(name_out, domain.n % 3 == 1 ? "Nguyễn Văn Hòa" : "Phong \"1\" (mot), <x@y>");
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str header = cv_str((const char *)data, size);
	struct cv_buf field = CV_BUF_INIT(4u << 20), again = CV_BUF_INIT(4u << 20);
	size_t start = 0, end = 0, s2, e2;

	if (smtpd_from_name_edit(header, look_up, NULL, &start, &end, &field)) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_field before, after;
		struct cv_from a, b;
		assert(start < end && end <= size);
		assert(cv_header_find(header, "From", 0, &before) && before.start == start);
		assert(cv_header_count(cv_buf_view(&field), "From") == 1);
		assert(cv_header_find(cv_buf_view(&field), "From", 0, &after));
		assert(after.start == 0 && after.end == field.n);
		assert(cv_from_strict(&arena, before.value, &a, NULL) == CV_OK);
		assert(cv_from_strict(&arena, after.value, &b, NULL) == CV_OK && a.n == b.n);
		for (size_t i = 0; i < a.n; i++)
			assert(cv_str_eq(a.items[i].address, b.items[i].address));
		/* Its own work needs no more work. */
		assert(!smtpd_from_name_edit(
			cv_buf_view(&field), look_up, NULL, &s2, &e2, &again));
		cv_arena_done(&arena);
	}
	cv_buf_done(&field);
	cv_buf_done(&again);
	return 0;
}
