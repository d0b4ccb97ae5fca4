/* check.h - cmocka, and checks on table rows: a row that fails names itself, the others still run.
 *
 * CHECK(row_name, condition) in the loop over the rows, CHECK_END() behind it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

__attribute__((unused)) static int check_failures;

#define CHECK(name, condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error("%s:%d: \"%s\": %s\n", __FILE__, __LINE__, name, #condition);  \
			check_failures++;                                                          \
		}                                                                                  \
	} while (0)

#define CHECK_END()                                                                                \
	do {                                                                                       \
		int failures_ = check_failures;                                                    \
		check_failures = 0;                                                                \
		assert_int_equal(failures_, 0);                                                    \
	} while (0)

#endif
