/* crc_test.c - the check of stored frames is CRC-32C, whatever the length and place in memory. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/store/volume/volume.h"

#define LENGTH 5000

/* Bit by bit, as RFC 3720 12.1 has it. */
static uint32_t
slow_crc(const unsigned char *p, size_t n)
{
	uint32_t c = ~0u;
	while (n--) {
		c ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
	}
	return ~c;
}

static void
test_crc__has_the_value_everybody_knows(void **state)
{
	(void)state;
	unsigned char zeros[32] = {0};
	assert_int_equal(cv_crc32c("123456789", 9), 0xe3069283u);
	assert_int_equal(cv_crc32c(zeros, sizeof zeros), 0x8a9136aau); /* RFC 3720 B.4 */
}

static void
test_crc__is_the_same_for_every_length_and_place(void **state)
{
	(void)state;
	static unsigned char bytes[LENGTH + 8];
	uint32_t random = 1;
	for (size_t i = 0; i < sizeof bytes; i++) {
		random = random * 1664525u + 1013904223u;
		bytes[i] = (unsigned char)(random >> 24);
	}
	for (size_t n = 0; n <= LENGTH; n += n < 40 ? 1 : 61)
		for (size_t at = 0; at < 8; at += 3)
			assert_int_equal(cv_crc32c(bytes + at, n), slow_crc(bytes + at, n));
	for (size_t n = 1530; n < 1545; n++)
		assert_int_equal(cv_crc32c(bytes, n), slow_crc(bytes, n));
	for (size_t n = 3070; n < 3080; n++)
		assert_int_equal(cv_crc32c(bytes, n), slow_crc(bytes, n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc__has_the_value_everybody_knows),
		cmocka_unit_test(test_crc__is_the_same_for_every_length_and_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
