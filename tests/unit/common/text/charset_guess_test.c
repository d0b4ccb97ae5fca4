/* charset_guess_test.c - Vietnamese text under wrong labels is read all the same (SPM-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/charset_guess.h"
#include "tests/unit/check.h"

static const char notice[] =
	"Cộng hòa xã hội chủ nghĩa Việt Nam. Độc lập - Tự do - Hạnh phúc. Kính gửi: Thủ trưởng "
	"các cơ quan, đơn vị. Trung tâm nhận được thông báo về việc nâng cấp hộp thư điện tử; đề "
	"nghị quý vị xác nhận mật khẩu trước 17 giờ hôm nay để không bị gián đoạn.";

static void
test_syllable__knows_vietnamese(void **state)
{
	static const char *const good[] = {"người", "Nguyễn", "quyết", "giêng", "gì", "quốc",
		"khuya", "nghiêng", "đường", "ƯỚC", "oà", "ý", "huỳnh", "khuỷu", "rượu", "thuở"};
	static const char *const bad[] = {"café", "«ng", "hoµ", "naïve", "Müller", "été", "strđ",
		"ngg", "ßa", "ááá", "ngườiii", "\xEF\xBF\xBD"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(good); i++)
		CHECK(good[i], cv_is_vietnamese_syllable(cv_str_z(good[i])));
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		CHECK(bad[i], !cv_is_vietnamese_syllable(cv_str_z(bad[i])));
	CHECK_END();
}

static void
test_SPM_03__guess_finds_the_charset_under_any_label(void **state)
{
	static const char *const labels[] = {
		"", "iso-8859-1", "us-ascii", "utf-8", "windows-1258", "x-nobody-knows"};
	static const char *const charsets[] = {
		"utf-8", "windows-1258", "tcvn3", "vni", "viscii", "vps"};

	(void)state;
	for (size_t c = 0; c < CV_COUNT(charsets); c++)
		for (size_t l = 0; l < CV_COUNT(labels); l++) {
			struct cv_buf octets = CV_BUF_INIT(8192), text = CV_BUF_INIT(8192);
			assert_int_equal(cv_charset_from_utf8(
						 cv_str_z(charsets[c]), cv_str_z(notice), &octets),
				CV_OK);
			const char *guess =
				cv_charset_guess(cv_str_z(labels[l]), cv_buf_view(&octets));
			(void)cv_charset_to_utf8(
				cv_str_z(guess ? guess : labels[l]), cv_buf_view(&octets), &text);
			CHECK(charsets[c], cv_str_eq_z(cv_buf_view(&text), notice));
			if (!cv_str_eq_z(cv_buf_view(&text), notice))
				print_error("  %s as '%s': %s\n", charsets[c], labels[l],
					guess ? guess : "-");
			cv_buf_done(&octets);
			cv_buf_done(&text);
		}
	CHECK_END();
}

static void
test_guess__leaves_other_languages_alone(void **state)
{
	static const char *const rows[] = {"", "plain ASCII",
		"Le caf\xE9 est d\xE9j\xE0 ferm\xE9 \xE0 No\xEBl, tr\xE8s t\xF4t apr\xE8s "
		"l'\xE9t\xE9.",
		"Gr\xFC\xDF Gott, sch\xF6nes W\xE4ldchen \xFC"
		"ber Gr\xF6\xDF"
		"en",
		"\xFF\xFE\x80\x81\x82\x83\x84 \x90\x91\x92 \xA0\xA1"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i], !cv_charset_guess(CV_STR("iso-8859-1"), cv_str_z(rows[i])));
	CHECK_END();
}

static void
test_mend__puts_octets_shown_as_latin_letters_right(void **state)
{
	static const char *const charsets[] = {"tcvn3", "vni"};

	(void)state;
	for (size_t c = 0; c < CV_COUNT(charsets); c++) {
		struct cv_buf octets = CV_BUF_INIT(8192), wrong = CV_BUF_INIT(8192),
			      out = CV_BUF_INIT(8192);
		const char *charset;
		assert_int_equal(
			cv_charset_from_utf8(cv_str_z(charsets[c]), cv_str_z(notice), &octets),
			CV_OK);
		assert_int_equal(
			cv_charset_to_utf8(CV_STR("windows-1252"), cv_buf_view(&octets), &wrong),
			CV_OK);
		unsigned n = cv_charset_mend(cv_buf_view(&wrong), &out, &charset);
		CHECK(charsets[c], n > 30 && charset && !strcmp(charset, charsets[c]));
		CHECK(charsets[c], cv_str_eq_z(cv_buf_view(&out), notice));
		if (!cv_str_eq_z(cv_buf_view(&out), notice))
			print_error("  %s\n", out.p);
		cv_buf_done(&octets);
		cv_buf_done(&wrong);
		cv_buf_done(&out);
	}
	static const char *const kept[] = {notice, "Müller café naïve été déjà", "", "plain"};
	for (size_t i = 0; i < CV_COUNT(kept); i++) {
		struct cv_buf out = CV_BUF_INIT(8192);
		const char *charset;
		CHECK(kept[i], !cv_charset_mend(cv_str_z(kept[i]), &out, &charset) && !charset);
		CHECK(kept[i], cv_str_eq_z(cv_buf_view(&out), kept[i]));
		cv_buf_done(&out);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syllable__knows_vietnamese),
		cmocka_unit_test(test_SPM_03__guess_finds_the_charset_under_any_label),
		cmocka_unit_test(test_guess__leaves_other_languages_alone),
		cmocka_unit_test(test_mend__puts_octets_shown_as_latin_letters_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
