/* mail_test.c - phrases of data files; labels of advertising; slips and own names at free mail;
 * phishing by what words do together. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/mail.h"
#include "common/policy/phrases.h"
#include "tests/unit/check.h"

static struct cv_policy *policy;

static int
setup(void **state)
{
	struct cv_err err;

	(void)state;
	return cv_policy_load(NULL, "lamgiang.example gov.example", &policy, &err) != CV_OK;
}

static int
teardown(void **state)
{
	(void)state;
	cv_policy_free(policy);
	return 0;
}

/* ---- phrases ---- */

static bool
has_phrase(const char *phrase, const char *text, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct policy_phrases phrases = {0};
	struct policy_hits hits = {0};
	struct cv_buf flat = CV_BUF_INIT(10000);
	enum cv_status status =
		policy_phrases_add(&phrases, &arena, cv_str_z(phrase), 3, err);

	policy_flatten(cv_str_z(text), 2000, &flat);
	if (!status)
		policy_phrases_find(&phrases, cv_buf_view(&flat), &hits);
	policy_phrases_done(&phrases);
	cv_arena_done(&arena);
	cv_buf_done(&flat);
	return !status && hits.count[3] == 1;
}

static void
test_phrases__choices_gaps_and_numbers_are_found_between_words(void **state)
{
	static const struct {
		const char *phrase, *text;
		bool found;
	} rows[] = {
		{"xac nhan email",                  "Xác nhận email của bạn",              true },
		{"xac nhan email",                  "XÁC-NHẬN: e-mail",                    false},
		{"xac nhan email",                  "xác nhận emails",                     false},
		{"xac nhan email",                  "…xác nhận email",                     true },
		{"xac (nhan|minh) (lai |)email",    "xác minh lại email",                  true },
		{"xac (nhan|minh) (lai |)email",    "xác minh email",                      true },
		{"xac (nhan|minh) (lai |)email",    "xác thực email",                      false},
		{"ma (cua ban |)la #",              "Mã của bạn là 4821",                  true },
		{"ma (cua ban |)la #",              "Mã là 4821.",                         true },
		{"ma (cua ban |)la #",              "Mã là bốn",                           false},
		{"# la ma",                         "4821 là mã",                          true },
		{"# la ma",                         "x4821 là mã",                         false},
		{"your * account",                  "your account",                        true },
		{"your * account",                  "your brand new shop account",         true },
		{"your * account",                  "your a b c d e f account",            false},
		{"dang ky * thanh cong",            "đăng ký khoá học thành công",         true },
		{"(a|b (c|d)) e",                   "b d e",                               true },
		{"(a|b (c|d)) e",                   "a e",                                 true },
		{"(a|b (c|d)) e",                   "b e",                                 false},
		{"verify your email",               "V\xd0\xb5rify y\xce\xbfur \xd0\xb5mail", true },
		{"verify your email",               "ver\xe2\x80\x8bify your em\xc2\xad" "ail", true },
		{"verify your email",               "\xef\xbc\xb6\xef\xbd\x85\xef\xbd\x92\xef\xbd\x89\xef\xbd\x86\xef\xbd\x99 your email", true },
		{"verify your email", "\xf0\x9d\x90\xaf\xf0\x9d\x90\x9e\xf0\x9d\x90\xab\xf0\x9d\x90\xa2\xf0\x9d\x90\x9f\xf0\x9d\x90\xb2 your email", true },
		{"verify your email",               "verify\xc2\xa0your\xe3\x80\x80" "email", true },
	};
	struct cv_err err;
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (has_phrase(rows[i].phrase, rows[i].text, &err) != rows[i].found) {
			print_error("row %zu: %s in %s\n", i, rows[i].phrase, rows[i].text);
			failed++;
		}
	assert_int_equal(failed, 0);
}

static void
test_phrases__what_cannot_be_read_is_refused(void **state)
{
	static const char *const bad[] = {
		"(a", "a)", "a|b", "* a", "", "()", ")a(", "((((((((((a))))))))))"};
	struct cv_arena arena = CV_ARENA_INIT;
	struct policy_phrases phrases = {0};
	struct cv_err err;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		if (policy_phrases_add(&phrases, &arena, cv_str_z(bad[i]), 1, &err) == CV_OK)
			fail_msg("'%s' was taken", bad[i]);
	policy_phrases_done(&phrases);
	cv_arena_done(&arena);
}

/* ---- sign-ups ---- */

static void
test_POL_02__classes_are_told_apart(void **state)
{
	static const struct {
		const char *subject, *text, *class;
	} rows[] = {
		{"Mã OTP",                      "Mã xác thực là 4829",        "code"          },
		{"Xác nhận email của bạn",      "Nhấn vào nút",               "confirm"       },
		{"Kích hoạt tài khoản",         "Nhấn vào nút",               "activate"      },
		{"Đặt lại mật khẩu của bạn",    "Có yêu cầu đặt lại mật khẩu cho tài khoản", "password-reset"},
		{"New sign-in to your account", "Windows, Hanoi",             "new-login"     },
		{"Welcome to your new account", "Hello",                      "welcome"       },
		{"Your order has been shipped", "Track your order",           "order"         },
		{"Bản tin tuần",                "Nếu không muốn nhận, bấm hủy đăng ký nhận tin", "newsletter"},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_signup_facts f = {.from_local = CV_STR("no-reply"),
			.from_domain = CV_STR("shop.example"),
			.subject = cv_str_z(rows[i].subject),
			.text = cv_str_z(rows[i].text),
			.list_unsubscribe = true};
		struct cv_signup_finding found;
		cv_policy_signup_find(policy, &f, &found);
		if (!found.found || strcmp(cv_signup_class_word(found.class), rows[i].class) != 0)
			fail_msg("%s: %d %s", rows[i].subject, found.found, found.detail);
		/* details name phrases of the data, never the mail */
		assert_null(strstr(found.detail, "Nhấn"));
		/* the same from an office, from a colleague, to many */
		f.from_domain = CV_STR("dvc.gov.example");
		cv_policy_signup_find(policy, &f, &found);
		assert_false(found.found);
		f.from_domain = CV_STR("gmail.com");
		cv_policy_signup_find(policy, &f, &found);
		assert_false(found.found);
		f.from_domain = CV_STR("shop.example");
		f.from_local = CV_STR("lan");
		f.list_unsubscribe = false;
		f.is_reply = true;
		cv_policy_signup_find(policy, &f, &found);
		assert_false(found.found);
	}
}

/* ---- phishing ---- */

static void
find_phishing(const char *name, const char *domain, const char *text, const char *host,
	bool vouched, bool ours, struct cv_phishing_finding *out)
{
	struct cv_str link = cv_str_z(host ? host : "");
	struct cv_phishing_facts f = {.from_domain = cv_str_z(domain),
		.from_name = cv_str_z(name),
		.text = cv_str_z(text),
		.link_hosts = &link,
		.link_count = host ? 1 : 0,
		.is_vouched = vouched,
		.is_ours = ours};

	cv_policy_phishing_find(policy, &f, out);
}

static void
test_SPM_04__rules_want_a_threat_an_act_and_a_place(void **state)
{
	static const char threat[] =
		"Hộp thư của bạn sẽ bị khóa trong 24 giờ. Nhấn vào đây để xác minh tài khoản.";
	static const struct {
		const char *name, *domain, *text, *host;
		bool vouched, ours;
		int rule; /* -1: none */
	} rows[] = {
		{"IT", "evil.example", threat, "x.example", true, false, CV_PHISH_MAILBOX},
		/* the province's own notice, with its own page; the same from a stolen account */
		{"CNTT", "lamgiang.example", threat, NULL, true, true, -1},
		{"CNTT", "lamgiang.example", threat, "evil.example", true, true, CV_PHISH_MAILBOX},
		{"Phòng CNTT", "evil.example", threat, "x.example", true, false, CV_PHISH_IT},
		{"Chi cục Thuế", "thue.evil.example", "Nộp phạt ngay hôm nay, bấm vào link",
			"pay.example", true, false, CV_PHISH_TAX},
		{"Chi cục Thuế", "thue.gov.example", "Nộp phạt ngay hôm nay, tra cứu tại cổng",
			"thue.gov.example", true, false, -1},
		/* said, but nobody vouches for it */
		{"Chi cục Thuế", "thue.gov.example", "Nộp phạt ngay hôm nay, bấm vào link",
			"pay.example", false, false, CV_PHISH_TAX},
		{"Ngân hàng", "bank.example", "Tài khoản bị khóa, đăng nhập ngay và nhập mã OTP",
			"other.example", true, false, CV_PHISH_BANK},
		{"Bưu cục", "ship.example", "Kiện hàng chờ, thanh toán phí trong 24 giờ",
			"fee.example", true, false, CV_PHISH_COURIER},
		{"Webmail", "x.example", "Đăng nhập hộp thư tại đây",
			"lamgiang-mail.evil.example", true, false, CV_PHISH_LOGIN_LINK},
		{"Admin", "x.example", "Gửi mật khẩu email ngay lập tức, trả lời thư này", NULL,
			true, false, CV_PHISH_ASK},
		/* warnings of just that */
		{"Công an", "congan.gov.example",
			"Cảnh báo lừa đảo: không bấm vào link lạ, không cung cấp mã OTP, mật khẩu",
			NULL, true, false, -1},
		{"Công an", "congan.gov.example",
			"Cảnh báo thư lừa đảo đe dọa khóa hộp thư, yêu cầu nhập mật khẩu: không bấm "
			"vào liên kết lạ", "tin.example", true, false, -1},
		{"Công an", "congan.gov.example",
			"Cảnh báo thư lừa đảo đe dọa khóa hộp thư, yêu cầu nhập mật khẩu: không bấm "
			"vào liên kết lạ", "tin.example", false, false, CV_PHISH_ASK},
		{"Bạn", "x.example",
			"Ngân hàng không bao giờ yêu cầu cung cấp mật khẩu, mã OTP. Cảnh giác giả "
			"mạo, lừa đảo.", NULL, true, false, -1},
		{"Hộp thư", "x.example",
			"Hộp thư công vụ: không gửi mật khẩu email cho ai. Bấm vào đây xem hướng dẫn.",
			"x.example", true, false, -1},
		{"Hộp thư", "x.example",
			"Nếu không nhập mật khẩu email ngay lập tức thì mất thư. Bấm vào đây.",
			"x.example", true, false, CV_PHISH_ASK},
		{"Lan", "firm.example", "Em gửi anh báo giá, anh xem giúp em.", NULL, true, false, -1},
	};
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_phishing_finding out;
		bool any = false;
		find_phishing(rows[i].name, rows[i].domain, rows[i].text, rows[i].host,
			rows[i].vouched, rows[i].ours, &out);
		for (size_t k = 0; k < CV_PHISH_COUNT; k++)
			any = any || out.found[k];
		if (rows[i].rule < 0 ? any : !out.found[rows[i].rule]) {
			print_error("row %zu: %s\n", i, rows[i].text);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* ---- advertising, free mail ---- */

static void
test_SPM_07__labels_stand_at_the_front(void **state)
{
	static const struct {
		const char *subject;
		bool labelled;
	} rows[] = {
		{"[QC] Giảm giá",        true }, {"[qc]Giảm giá",          true },
		{"QC: Giảm giá",         true }, {"(QC) Giảm giá",         true },
		{"[Quảng cáo] Mới",      true }, {"QUẢNG CÁO - Mới",       true },
		{"[AD] New",             true }, {"ADV | New",             true },
		{"Fwd: [QC] Giảm giá",   true }, {"Re: Fwd: QC: Giảm giá", true },
		{"【QC】Giảm giá",         true }, {"[Q\xe2\x80\x8b" "C] Giảm giá", true },
		{"QC máy phát điện",     false}, {"Báo cáo QC quý 3",      false},
		{"Quản lý [QC] ISO",     false}, {"",                      false},
		{"AD user bị khóa",      false}, {"[GM] Họp",              false},
		{"Kế hoạch QC: 2026",    false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_policy_is_labelled(policy, cv_str_z(rows[i].subject)) != rows[i].labelled)
			fail_msg("'%s'", rows[i].subject);
}

static void
test_POL_01__slips_and_own_names_are_known(void **state)
{
	static const struct {
		const char *person, *local, *name;
		bool own;
	} rows[] = {
		{"Nguyễn Thị Hòa", "nguyenthihoa", "", true},
		{"Nguyễn Thị Hòa", "hoa.nguyenthi", "", true},
		{"Nguyễn Thị Hòa", "nthoa1985", "", true},
		{"Nguyễn Thị Hòa", "hoant.85", "", true},
		{"Nguyễn Thị Hòa (STP)", "NguyenThiHoa_90", "", true},
		{"Nguyễn Thị Hoà", "meo.con", "Nguyễn Thị Hòa", true},
		{"Đặng Văn Nam", "dangvannam", "", true},
		{"Nguyễn Thị Hòa", "tranvanhoa", "", false},
		{"Nguyễn Thị Hòa", "hoa", "", false},
		{"Nguyễn Thị Hòa", "meo.con", "Mèo Con", false},
		{"Hòa", "hoa1985", "Hòa", false},
		{"", "", "", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_policy_is_own_name(cv_str_z(rows[i].person), cv_str_z(rows[i].local),
			    cv_str_z(rows[i].name)) != rows[i].own)
			fail_msg("row %zu: %s %s", i, rows[i].person, rows[i].local);
	struct cv_decision d;
	cv_policy_recipient_typo(policy, CV_STR("GMIAL.com"), &d);
	assert_string_equal(d.rule, "POL-01.typo");
	assert_non_null(strstr(d.en, "gmail.com"));
	static const char *const slips[] = {"gmailcom", "gmai.com", "gamil.com", "gmail.con"};
	for (size_t i = 0; i < CV_COUNT(slips); i++)
		assert_true(cv_str_eq_z(cv_policy_typo(policy, cv_str_z(slips[i])), "gmail.com"));
	cv_policy_recipient_typo(policy, CV_STR("gmail.com"), &d);
	assert_int_equal(d.verdict, CV_ALLOW);
	assert_int_equal(cv_policy_typo(policy, CV_STR("")).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phrases__choices_gaps_and_numbers_are_found_between_words),
		cmocka_unit_test(test_phrases__what_cannot_be_read_is_refused),
		cmocka_unit_test(test_POL_02__classes_are_told_apart),
		cmocka_unit_test(test_SPM_04__rules_want_a_threat_an_act_and_a_place),
		cmocka_unit_test(test_SPM_07__labels_stand_at_the_front),
		cmocka_unit_test(test_POL_01__slips_and_own_names_are_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
