/* buf_test.c - buffers keep their limit, and readers never pass the end. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/buf.h"

static void
test_appends_of_every_kind_follow_each_other(CV_UNUSED void **state)
{
	struct cv_buf b = CV_BUF_INIT(1000);
	cv_buf_add(&b, "a\0b", 3);
	cv_buf_str(&b, CV_STR("-str"));
	cv_buf_str(&b, CV_STR_EMPTY);
	cv_buf_z(&b, "-z");
	cv_buf_c(&b, '!');
	cv_buf_printf(&b, "%s=%03d", "n", 7);
	cv_buf_u64(&b, 0);
	cv_buf_c(&b, ' ');
	cv_buf_u64(&b, UINT64_MAX);
	static const char want[] = "a\0b-str-z!n=0070 18446744073709551615";
	assert_int_equal(b.n, sizeof want - 1);
	assert_memory_equal(b.p, want, sizeof want); /* with its NUL */
	assert_false(b.full);
	cv_buf_done(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 1000);
	cv_buf_z(&b, "again");
	assert_true(cv_str_eq_z(cv_buf_view(&b), "again"));
	cv_buf_done(&b);
}

static void
test_limit_is_exact_and_sticky(CV_UNUSED void **state)
{
	static const size_t limits[] = {0, 1, 63, 64, 65, 127, 128, 4096, 5000};
	for (size_t i = 0; i < CV_COUNT(limits); i++) {
		struct cv_buf b;
		cv_buf_init(&b, limits[i]);
		for (size_t k = 0; k < limits[i]; k++)
			cv_buf_c(&b, (char)k);
		assert_int_equal(b.n, limits[i]);
		assert_false(b.full);
		assert_true(b.cap <= limits[i] + 1);
		cv_buf_c(&b, 'x');
		assert_true(b.full);
		cv_buf_add(&b, "", 0);
		cv_buf_printf(&b, "y");
		assert_null(cv_buf_room(&b, 0));
		assert_int_equal(b.n, limits[i]);
		cv_buf_reset(&b);
		assert_false(b.full);
		assert_int_equal(b.n, 0);
		cv_buf_done(&b);
	}
}

static void
test_an_append_that_does_not_fit_adds_nothing(CV_UNUSED void **state)
{
	struct cv_buf b = CV_BUF_INIT(5);
	cv_buf_z(&b, "abc");
	cv_buf_z(&b, "def");
	cv_buf_c(&b, 'd');
	assert_true(b.full);
	assert_string_equal(b.p, "abc");
	cv_buf_done(&b);
	cv_buf_init(&b, SIZE_MAX);
	cv_buf_z(&b, "abc");
	assert_null(cv_buf_room(&b, SIZE_MAX - 3));
	assert_true(b.full);
	cv_buf_done(&b);
}

static void
test_printf_longer_than_its_scratch_space_is_whole(CV_UNUSED void **state)
{
	for (int n = 250; n < 260; n++) {
		struct cv_buf b = CV_BUF_INIT(1000);
		cv_buf_printf(&b, "<%*d>", n, 5);
		assert_int_equal(b.n, n + 2);
		assert_int_equal(strlen(b.p), n + 2);
		assert_true(cv_str_has_suffix(cv_buf_view(&b), " 5>"));
		cv_buf_done(&b);
	}
}

static void
test_room_is_filled_by_the_caller(CV_UNUSED void **state)
{
	struct cv_buf b = CV_BUF_INIT(100);
	char *to = cv_buf_room(&b, 90);
	assert_non_null(to);
	memcpy(to, "hello", 5);
	b.n += 5;
	cv_buf_z(&b, "!");
	assert_string_equal(b.p, "hello!");
	cv_buf_done(&b);
}

static void
test_drop_and_take(CV_UNUSED void **state)
{
	struct cv_buf b = CV_BUF_INIT(100);
	cv_buf_drop(&b, 5);
	cv_buf_z(&b, "0123456789");
	cv_buf_drop(&b, 4);
	assert_string_equal(b.p, "456789");
	cv_buf_drop(&b, 0);
	char *taken = cv_buf_take(&b);
	assert_string_equal(taken, "456789");
	free(taken);
	assert_int_equal(b.n, 0);
	taken = cv_buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	cv_buf_z(&b, "ab");
	cv_buf_drop(&b, 99);
	assert_string_equal(b.p, "");
	cv_buf_done(&b);
}

static void
test_numbers_come_back_as_written(CV_UNUSED void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 255, 256, 16383, 16384, 65535, 65536,
		UINT32_MAX, (uint64_t)UINT32_MAX + 1, 1ull << 62, 1ull << 63, UINT64_MAX};
	for (size_t i = 0; i < CV_COUNT(values); i++) {
		uint64_t v = values[i];
		struct cv_buf b = CV_BUF_INIT(100);
		cv_buf_c(&b, (char)v);
		cv_buf_be16(&b, (uint16_t)v);
		cv_buf_be32(&b, (uint32_t)v);
		cv_buf_be64(&b, v);
		cv_buf_varint(&b, v);
		cv_buf_bytes(&b, CV_STR("x\0y"));
		struct cv_rd r = cv_rd(cv_buf_view(&b));
		assert_int_equal(cv_rd_u8(&r), (uint8_t)v);
		assert_int_equal(cv_rd_be16(&r), (uint16_t)v);
		assert_int_equal(cv_rd_be32(&r), (uint32_t)v);
		assert_true(cv_rd_be64(&r) == v);
		assert_true(cv_rd_varint(&r) == v);
		assert_true(cv_str_eq(cv_rd_bytes(&r), CV_STR("x\0y")));
		assert_false(r.bad);
		assert_int_equal(cv_rd_left(&r), 0);
		/* Cut anywhere, the same reading ends as bad, never past the end. */
		for (size_t n = 0; n < b.n; n++) {
			char *part = cv_str_dup(cv_str_sub(cv_buf_view(&b), 0, n));
			r = cv_rd(cv_str(part, n));
			(void)cv_rd_take(&r, 15);
			(void)cv_rd_varint(&r);
			assert_int_equal(cv_rd_bytes(&r).n, 0);
			assert_true(r.bad);
			free(part);
		}
		cv_buf_done(&b);
	}
}

static void
test_keys_sort_as_their_numbers(CV_UNUSED void **state)
{
	struct cv_buf a = CV_BUF_INIT(8), b = CV_BUF_INIT(8);
	cv_buf_be64(&a, 255);
	cv_buf_be64(&b, 256);
	assert_true(cv_str_cmp(cv_buf_view(&a), cv_buf_view(&b)) < 0);
	cv_buf_done(&a);
	cv_buf_done(&b);
}

static void
test_bad_encodings_are_bad(CV_UNUSED void **state)
{
	static const struct {
		const char *name;
		struct cv_str bytes;
	} rows[] = {
		{"nothing",       {NULL, 0}					   },
		{"unfinished",    {"\x80", 1}                                         },
		{"overlong zero", {"\x80\x00", 2}                                     },
		{"overlong one",  {"\x81\x80\x00", 3}                                 },
		{"65 bits",       {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10}    },
		{"eleven bytes",  {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 11}},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_rd r = cv_rd(rows[i].bytes);
		CHECK(rows[i].name, cv_rd_varint(&r) == 0 && r.bad);
		r = cv_rd(rows[i].bytes);
		CHECK(rows[i].name, cv_rd_bytes(&r).n == 0 && r.bad);
	}
	CHECK_END();
	/* A length of 2^64-1 must not wrap around. */
	struct cv_rd r = cv_rd(CV_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01zz"));
	assert_null(cv_rd_bytes(&r).p);
	assert_true(r.bad);
	assert_int_equal(cv_rd_u8(&r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends_of_every_kind_follow_each_other),
		cmocka_unit_test(test_limit_is_exact_and_sticky),
		cmocka_unit_test(test_an_append_that_does_not_fit_adds_nothing),
		cmocka_unit_test(test_printf_longer_than_its_scratch_space_is_whole),
		cmocka_unit_test(test_room_is_filled_by_the_caller),
		cmocka_unit_test(test_drop_and_take),
		cmocka_unit_test(test_numbers_come_back_as_written),
		cmocka_unit_test(test_keys_sort_as_their_numbers),
		cmocka_unit_test(test_bad_encodings_are_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
