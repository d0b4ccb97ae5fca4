/* str_test.c - slices: compared, searched, cut, read. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/str.h"

static void
test_comparisons_agree_with_each_other(CV_UNUSED void **state)
{
	static const struct {
		const char *name;
		struct cv_str a, b;
		int cmp, icmp;
	} rows[] = {
		{"both empty",        {NULL, 0},       {"", 0},         0,  0 },
		{"empty first",       {NULL, 0},       {"a", 1},        -1, -1},
		{"same",              {"inbox", 5},    {"inbox", 5},    0,  0 },
		{"case",              {"INBOX", 5},    {"inbox", 5},    -1, 0 },
		{"prefix is smaller", {"in", 2},       {"inbox", 5},    -1, -1},
		{"NUL counts",        {"a\0b", 3},     {"a\0c", 3},     -1, -1},
		{"high bytes last",   {"\xc3", 1},     {"z", 1},        1,  1 },
		{"no folding of é",  {"\xc3\x89", 2}, {"\xc3\xa9", 2}, -1, -1},
		{"@ and ` differ",    {"@", 1},        {"`", 1},        -1, -1},
		{"[ and { differ",    {"[", 1},        {"{", 1},        -1, -1},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str a = rows[i].a, b = rows[i].b;
		int cmp = cv_str_cmp(a, b), icmp = cv_str_icmp(a, b);
		CHECK(rows[i].name, (cmp > 0) - (cmp < 0) == rows[i].cmp);
		CHECK(rows[i].name, (icmp > 0) - (icmp < 0) == rows[i].icmp);
		CHECK(rows[i].name, cv_str_eq(a, b) == !rows[i].cmp);
		CHECK(rows[i].name, cv_str_ieq(a, b) == !rows[i].icmp);
		int back = cv_str_cmp(b, a);
		CHECK(rows[i].name, (back > 0) - (back < 0) == -rows[i].cmp);
	}
	CHECK_END();
	assert_true(cv_str_eq_z(CV_STR("abc"), "abc") && !cv_str_eq_z(CV_STR("abc"), "ABC"));
	assert_true(cv_str_ieq_z(CV_STR("abc"), "ABC") && !cv_str_ieq_z(CV_STR("abc"), "ABCD"));
}

static void
test_prefixes_and_suffixes(CV_UNUSED void **state)
{
	static const struct {
		const char *name, *s, *affix;
		bool prefix, iprefix, suffix, isuffix;
	} rows[] = {
		{"empty affix", "abc", "",     true,  true,  true,  true },
		{"whole",       "abc", "abc",  true,  true,  true,  true },
		{"case",        "abc", "ABC",  false, true,  false, true },
		{"front",       "abc", "Ab",   false, true,  false, false},
		{"back",        "abc", "bc",   false, false, true,  true },
		{"too long",    "abc", "abcd", false, false, false, false},
		{"of empty",    "",    "a",    false, false, false, false},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str s = cv_str_z(rows[i].s);
		CHECK(rows[i].name, cv_str_has_prefix(s, rows[i].affix) == rows[i].prefix);
		CHECK(rows[i].name, cv_str_has_iprefix(s, rows[i].affix) == rows[i].iprefix);
		CHECK(rows[i].name, cv_str_has_suffix(s, rows[i].affix) == rows[i].suffix);
		CHECK(rows[i].name, cv_str_has_isuffix(s, rows[i].affix) == rows[i].isuffix);
	}
	CHECK_END();
}

static void
test_search_finds_the_first_or_answers_the_length(CV_UNUSED void **state)
{
	static const struct {
		const char *name, *s, *needle;
		size_t exact, folded;
	} rows[] = {
		{"empty needle", "abc",        "",     0, 0},
		{"at the start", "abcabc",     "abc",  0, 0},
		{"at the end",   "xxabc",      "abc",  2, 2},
		{"false start",  "aabaabaaab", "aaab", 6, 6},
		{"other case",   "xxABC",      "abc",  5, 2},
		{"absent",       "abc",        "d",    3, 3},
		{"too long",     "abc",        "abcd", 3, 3},
		{"in empty",     "",           "a",    0, 0},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str s = cv_str_z(rows[i].s), needle = cv_str_z(rows[i].needle);
		CHECK(rows[i].name, cv_str_search(s, needle) == rows[i].exact);
		CHECK(rows[i].name, cv_str_isearch(s, needle) == rows[i].folded);
	}
	CHECK_END();
	assert_int_equal(cv_str_find(CV_STR("a,b,c"), ',', 2), 3);
	assert_int_equal(cv_str_find(CV_STR("a,b,c"), ',', 4), 5);
	assert_int_equal(cv_str_find(CV_STR("a,b,c"), ',', 99), 5);
	assert_int_equal(cv_str_find(CV_STR_EMPTY, ',', 0), 0);
}

static void
test_sub_and_trim_stay_inside(CV_UNUSED void **state)
{
	struct cv_str s = CV_STR("0123456789");
	assert_true(cv_str_eq_z(cv_str_sub(s, 2, 4), "23"));
	assert_true(cv_str_eq_z(cv_str_sub(s, 8, 99), "89"));
	assert_int_equal(cv_str_sub(s, 99, 100).n, 0);
	assert_int_equal(cv_str_sub(s, 5, 2).n, 0);
	assert_int_equal(cv_str_sub(CV_STR_EMPTY, 1, 2).n, 0);
	assert_true(cv_str_eq_z(cv_str_trim(CV_STR(" \t\r\na b\r\n ")), "a b"));
	assert_int_equal(cv_str_trim(CV_STR(" \r\n\t")).n, 0);
	assert_int_equal(cv_str_trim(CV_STR_EMPTY).n, 0);
	assert_true(cv_str_eq(cv_str_trim(CV_STR(" \0 ")), CV_STR("\0")));
}

static void
test_split_yields_every_part_once(CV_UNUSED void **state)
{
	static const struct {
		const char *s;
		size_t n;
		const char *parts[4];
	} rows[] = {
		{"",      1, {""}              },
		{"a",     1, {"a"}             },
		{"a,b",   2, {"a", "b"}        },
		{",",     2, {"", ""}          },
		{"a,,b,", 4, {"a", "", "b", ""}},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str rest = cv_str_z(rows[i].s), part;
		size_t n = 0;
		for (; cv_str_split(&rest, ',', &part); n++)
			CHECK(rows[i].s, n < rows[i].n && cv_str_eq_z(part, rows[i].parts[n]));
		CHECK(rows[i].s, n == rows[i].n);
		CHECK(rows[i].s, !cv_str_split(&rest, ',', &part) && !part.p);
	}
	CHECK_END();
}

static void
test_numbers_are_digits_and_nothing_else(CV_UNUSED void **state)
{
	static const struct {
		const char *s;
		uint64_t max;
		enum cv_status want;
		uint64_t value;
	} rows[] = {
		{"0",				 0,          CV_OK,      0         },
		{"007",			       10,         CV_OK,      7         },
		{"10",				10,         CV_OK,      10        },
		{"11",				10,         CV_LIMIT,   0         },
		{"4294967295",                        UINT32_MAX, CV_OK,      UINT32_MAX},
		{"4294967296",                        UINT32_MAX, CV_LIMIT,   0         },
		{"18446744073709551615",              UINT64_MAX, CV_OK,      UINT64_MAX},
		{"18446744073709551616",              UINT64_MAX, CV_LIMIT,   0         },
		{"99999999999999999999999999999999",  UINT64_MAX, CV_LIMIT,   0         },
		{"99999999999999999999999999999999x", UINT64_MAX, CV_INVALID, 0         },
		{"",				  10,         CV_INVALID, 0         },
		{"+1",				10,         CV_INVALID, 0         },
		{"-1",				10,         CV_INVALID, 0         },
		{" 1",				10,         CV_INVALID, 0         },
		{"1 ",				10,         CV_INVALID, 0         },
		{"1a",				10,         CV_INVALID, 0         },
		{"\xef\xbc\x91",                      10,         CV_INVALID, 0         },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint64_t value = 77;
		CHECK(rows[i].s,
			cv_str_u64(cv_str_z(rows[i].s), rows[i].max, &value) == rows[i].want);
		CHECK(rows[i].s, value == rows[i].value);
	}
	CHECK_END();
}

static void
test_copy_has_a_nul_behind_it(CV_UNUSED void **state)
{
	char *copy = cv_str_dup(cv_str_sub(CV_STR("a\0bcd"), 0, 3));
	assert_memory_equal(copy, "a\0b\0", 4);
	free(copy);
	copy = cv_str_dup(CV_STR_EMPTY);
	assert_string_equal(copy, "");
	free(copy);
}

static void
test_secrets_compare_over_their_whole_length_and_can_be_wiped(CV_UNUSED void **state)
{
	unsigned char a[32] = {1, 2, 3}, b[32] = {1, 2, 3}, zeros[32] = {0};
	assert_true(cv_equal_secret(a, b, sizeof a));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] ^= 0x80;
		assert_false(cv_equal_secret(a, b, sizeof a));
		b[i] ^= 0x80;
	}
	assert_true(cv_equal_secret(a, zeros, 0));
	cv_wipe(a, sizeof a);
	assert_memory_equal(a, zeros, sizeof a);
	cv_wipe(NULL, 0);
}

static void
test_hash_depends_on_seed_and_spreads_into_low_bits(CV_UNUSED void **state)
{
	size_t buckets[64] = {0};
	for (uint32_t i = 0; i < 64000; i++)
		buckets[cv_hash(&i, sizeof i, 5) & 63]++;
	for (size_t i = 0; i < CV_COUNT(buckets); i++)
		assert_in_range(buckets[i], 800, 1200);
	assert_true(cv_hash("a", 1, 1) != cv_hash("a", 1, 2));
	assert_true(cv_hash("a", 1, 1) == cv_hash("a", 1, 1));
	assert_true(cv_hash(NULL, 0, 1) != cv_hash("\0", 1, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparisons_agree_with_each_other),
		cmocka_unit_test(test_prefixes_and_suffixes),
		cmocka_unit_test(test_search_finds_the_first_or_answers_the_length),
		cmocka_unit_test(test_sub_and_trim_stay_inside),
		cmocka_unit_test(test_split_yields_every_part_once),
		cmocka_unit_test(test_numbers_are_digits_and_nothing_else),
		cmocka_unit_test(test_copy_has_a_nul_behind_it),
		cmocka_unit_test(test_secrets_compare_over_their_whole_length_and_can_be_wiped),
		cmocka_unit_test(test_hash_depends_on_seed_and_spreads_into_low_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
