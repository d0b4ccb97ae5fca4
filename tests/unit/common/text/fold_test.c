/* fold_test.c - search folding and Vietnamese order. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unicase.h>
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/fold.h"

static void
check_fold(const char *in, const char *want)
{
	struct cv_buf out = CV_BUF_INIT(1 << 16);
	assert_int_equal(cv_fold(cv_str_z(in), &out), CV_OK);
	if (!cv_str_eq_z(cv_buf_view(&out), want))
		fail_msg("'%s' -> '%.*s', want '%s'", in, CV_STR_ARGS(cv_buf_view(&out)), want);
	cv_buf_done(&out);
}

static void
test_fold__drops_case_and_marks(void **state)
{
	(void)state;
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "Plain ASCII @[`{ 0-9 XYZ", "plain ascii @[`{ 0-9 xyz" },
		{ "Cộng hoà Xã hội Chủ nghĩa Việt Nam", "cong hoa xa hoi chu nghia viet nam" },
		{ "Hòa", "hoa" },
		{ "Hoà", "hoa" },
		{ "ĐẶNG Đức ðà Ðà", "dang duc da da" },
		{ "Đi\u0302\u0323n Ho\u0300a", "din hoa" },
		{ "Straße Øl Łódź Æ œuvre", "strasse ol lodz ae oeuvre" },
		{ "ΆΣ Москва Й", "ασ москва и" },
		{ "ＡＢＣ１２３", "abc123" },
		{ "ﬃ K Å", "ffi k a" },
		{ "a\u00A0b\u2003c\u200Bd\u00ADe\uFEFF", "a b cde" },
		{ "“x” ‘y’ a–b", "\"x\" 'y' a-b" },
		{ "中文 日本 が", "中文 日本 か\u3099" },
		{ "か\u3099", "か\u3099" },
		{ "\xff" "A\xc3", "\uFFFDa\uFFFD" },
		{ "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊ", "aaaaaaaaaaaaaaaaaeeeeeeeeeeeiiiii" },
		{ "ÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴ", "ooooooooooooooooouuuuuuuuuuuyyyyy" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		check_fold(rows[i].in, rows[i].want);
}

static void
test_fold_case__keeps_marks_and_composes(void **state)
{
	(void)state;
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "Plain ASCII XYZ", "plain ascii xyz" },
		{ "Cộng HOÀ Xã hội", "cộng hoà xã hội" },
		{ "Ho\u0323p ĐỒNG", "họp đồng" },
		{ "\xff" "A\xc3", "\uFFFDa\uFFFD" },
		{ "ΆΣ Москва Й", "άσ москва й" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(1 << 16);
		assert_int_equal(cv_fold_case(cv_str_z(rows[i].in), &out), CV_OK);
		if (!cv_str_eq_z(cv_buf_view(&out), rows[i].want))
			fail_msg("'%s' -> '%.*s'", rows[i].in, CV_STR_ARGS(cv_buf_view(&out)));
		cv_buf_done(&out);
	}
	assert_true(cv_fold_case_contains(cv_str_z("HỌP giao"), cv_str_z("họp")));
	assert_false(cv_fold_case_contains(cv_str_z("HỌP giao"), cv_str_z("hop")));
	struct cv_buf small = CV_BUF_INIT(3);
	assert_int_equal(cv_fold_case(cv_str_z("Họp"), &small), CV_LIMIT);
	assert_int_equal(small.n, 0);
	cv_buf_done(&small);
}

/* Every code point folds like its canonical decomposition, is stable when folded again, and grows
 * at most three times. */
static void
test_fold__treats_nfc_nfd_and_folded_alike(void **state)
{
	(void)state;
	for (uint32_t cp = 1; cp < 0x30000; cp++) {
		if (cp >= 0xD800 && cp <= 0xDFFF)
			continue;
		struct cv_buf in = CV_BUF_INIT(16), a = CV_BUF_INIT(256), b = CV_BUF_INIT(256);
		struct cv_buf c = CV_BUF_INIT(256);
		cv_utf8_put(&in, cp);
		size_t n;
		uint8_t *nfd = u8_normalize(UNINORM_NFD, (uint8_t *)in.p, in.n, NULL, &n);
		assert_int_equal(cv_fold(cv_buf_view(&in), &a), CV_OK);
		assert_int_equal(cv_fold(cv_str((char *)nfd, n), &b), CV_OK);
		assert_int_equal(cv_fold(cv_buf_view(&a), &c), CV_OK);
		free(nfd);
		if (!cv_str_eq(cv_buf_view(&a), cv_buf_view(&b)))
			fail_msg("U+%04X: NFD folds to '%.*s'", cp, CV_STR_ARGS(cv_buf_view(&b)));
		if (!cv_str_eq(cv_buf_view(&a), cv_buf_view(&c)))
			fail_msg("U+%04X: again '%.*s'", cp, CV_STR_ARGS(cv_buf_view(&c)));
		if (a.n > 3 * in.n)
			fail_msg("U+%04X grows to %zu", cp, a.n);
		cv_buf_done(&in);
		cv_buf_done(&a);
		cv_buf_done(&b);
		cv_buf_done(&c);
	}
}

static void
test_fold__keeps_the_buffer_when_it_is_full(void **state)
{
	(void)state;
	for (size_t max = 1; max < 40; max++) {
		struct cv_buf out = CV_BUF_INIT(max);
		cv_buf_c(&out, '>');
		enum cv_status status = cv_fold(CV_STR("ABCDEFGHIJ Việt Nam đẹp"), &out);
		assert_int_equal(status, max >= 24 ? CV_OK : CV_LIMIT);
		assert_int_equal(out.n, max >= 24 ? 24 : 1);
		assert_int_equal(out.full, max < 24);
		cv_buf_done(&out);
	}
}

static void
test_fold__finds_text_without_marks(void **state)
{
	(void)state;
	assert_true(cv_fold_contains(CV_STR("Kính gửi: Sở Nội vụ"), CV_STR("so noi vu")));
	assert_false(cv_fold_contains(CV_STR("Kính gửi: Sở Nội vụ"), CV_STR("so noi vua")));
	assert_true(cv_fold_contains(CV_STR(""), CV_STR("")));
	struct cv_buf out = CV_BUF_INIT(64);
	assert_int_equal(cv_fold_ascii(CV_STR("X-ĐA"), &out), CV_OK);
	assert_true(cv_str_eq_z(cv_buf_view(&out), "x-Đa"));
	cv_buf_done(&out);
}

static struct cv_str
key_of(struct cv_buf *buf, const char *text)
{
	cv_buf_init(buf, 4096);
	assert_int_equal(cv_vi_sort_key(cv_str_z(text), buf), CV_OK);
	assert_true(buf->n == 0 || !memchr(buf->p, 0, buf->n));
	return cv_buf_view(buf);
}

static void
test_sort_key__orders_like_a_vietnamese_list(void **state)
{
	(void)state;
	static const char *const order[] = {
		"", "2", "10a", "a", "An", "An Bình", "án", "anh", "Ánh", "ăn", "ấn", "ba", "Ba Vì", "bà", "bà Tư",
		"bả", "bã", "bá", "bạ", "bác", "cẩm", "da", "dạ", "đa", "đạ", "e", "ê", "ga", "Hà Anh", "Hà Nội",
		"Hạ", "huyên", "huyền", "kha", "mơ", "ngà", "ngàn", "o", "ô", "ơ", "pha", "tư", "từ", "tử", "tữ",
		"tứ", "tự", "uy", "ưa", "xa", "ý", "zim", "Москва", "中",
	};
	for (size_t i = 0; i + 1 < CV_COUNT(order); i++) {
		for (size_t j = i + 1; j < CV_COUNT(order); j++) {
			/* Digits compare as digits, not as numbers: skip that pair. */
			if (i == 1 && j == 2)
				continue;
			struct cv_buf a, b;
			if (cv_str_cmp(key_of(&a, order[i]), key_of(&b, order[j])) >= 0)
				fail_msg("'%s' must come before '%s'", order[i], order[j]);
			cv_buf_done(&a);
			cv_buf_done(&b);
		}
	}
}

static void
test_sort_key__ignores_what_does_not_count(void **state)
{
	(void)state;
	static const char *const same[][2] = {
		{ "Nguyễn  Văn-A", "nguyễn văn a" }, { "Hòa", "Hoà" }, { "Hòa", "HO\u0300A" },
		{ "ệ", "e\u0323\u0302" }, { "ÐÀ", "Đà" }, { "  (a) ", "a" }, { "Ç", "c" }, { "ü", "u" },
		{ "O'Neil", "oneil" },
	};
	for (size_t i = 0; i < CV_COUNT(same); i++) {
		struct cv_buf a, b;
		if (!cv_str_eq(key_of(&a, same[i][0]), key_of(&b, same[i][1])))
			fail_msg("'%s' and '%s'", same[i][0], same[i][1]);
		cv_buf_done(&a);
		cv_buf_done(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold_case__keeps_marks_and_composes),
		cmocka_unit_test(test_fold__drops_case_and_marks),
		cmocka_unit_test(test_fold__treats_nfc_nfd_and_folded_alike),
		cmocka_unit_test(test_fold__keeps_the_buffer_when_it_is_full),
		cmocka_unit_test(test_fold__finds_text_without_marks),
		cmocka_unit_test(test_sort_key__orders_like_a_vietnamese_list),
		cmocka_unit_test(test_sort_key__ignores_what_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
