/* policy_test.c - decisions on senders, secrecy marks, sign-ups and forged domains, in both
 * languages. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <uninorm.h>

#include "common/base/buf.h"
#include "common/policy/policy.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"
#include "common/text/charset.h"

#define BASE ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)

static struct cv_policy *policy;
static struct cv_snapshot *snap;
static struct cv_buf snap_bytes, secret_bytes;

static struct reg_account *
add(struct reg_model *m, unsigned n, enum cv_reg_kind kind, enum cv_reg_state state,
    const char *address)
{
	struct reg_account *a = reg_account_new();
	a->acct = BASE + n;
	a->kind = kind;
	a->state = state;
	reg_account_set(a, T_ADDRESS, cv_str_z(address));
	reg_model_add(m, a);
	reg_model_put_address(m, cv_str_z(address),
	                      &(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
	return a;
}

static int
setup(void **state)
{
	(void)state;
	struct cv_err err = {0};
	if (cv_policy_load(NULL, "lamgiang.example .gov.example", &policy, &err))
		fail_msg("%s", err.text);
	struct reg_model m;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	reg_model_put_domain(&m, CV_STR("tinh-lam-giang.example"), CV_STR("lamgiang.example"));
	reg_model_put_domain(&m, CV_STR("xn--lmgiang-pwa.example"), CV_STR("lamgiang.example"));
	add(&m, 1, CV_KIND_PERSON, CV_STATE_ACTIVE, "hoa.stp@lamgiang.example");
	add(&m, 2, CV_KIND_PERSON, CV_STATE_ACTIVE, "binh.stp@lamgiang.example");
	reg_list_add(&add(&m, 3, CV_KIND_ROLE, CV_STATE_ACTIVE, "vanthu.stp@lamgiang.example")
	                      ->members,
	             BASE + 1);
	add(&m, 4, CV_KIND_PERSON, CV_STATE_RETIRED, "cu.stp@lamgiang.example");
	add(&m, 5, CV_KIND_PERSON, CV_STATE_SUSPENDED, "nghi.stp@lamgiang.example");
	add(&m, 6, CV_KIND_GROUP, CV_STATE_ACTIVE, "tatca.stp@lamgiang.example");
	static const uint8_t dummy[32];
	cv_buf_init(&snap_bytes, SNAP_BYTES_MAX);
	cv_buf_init(&secret_bytes, SNAP_BYTES_MAX);
	snap_build(&m, 1, dummy, &snap_bytes, &secret_bytes);
	reg_model_done(&m);
	return snap_open_bytes(cv_buf_view(&snap_bytes), CV_STR_EMPTY, true, &snap, &err) ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	cv_snapshot_unref(snap);
	cv_buf_done(&snap_bytes);
	cv_buf_done(&secret_bytes);
	cv_policy_free(policy);
	return 0;
}

static void
test_POL_05__the_envelope_names_a_sender_the_login_may_use(void **state)
{
	(void)state;
	static const struct {
		unsigned login;
		const char *local, *domain;
		enum cv_verdict want;
	} rows[] = {
		{ 1, "hoa.stp", "lamgiang.example", CV_ALLOW },
		{ 1, "HOA.stp", "LamGiang.example", CV_ALLOW },
		{ 1, "vanthu.stp", "lamgiang.example", CV_ALLOW },
		{ 1, "", "", CV_ALLOW },
		{ 1, "binh.stp", "lamgiang.example", CV_REFUSE },
		{ 2, "vanthu.stp", "lamgiang.example", CV_REFUSE },
		{ 1, "hoa", "gmail.com", CV_REFUSE },
		{ 1, "tatca.stp", "lamgiang.example", CV_REFUSE },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_decision d;
		cv_policy_envelope_from(policy, snap, BASE + rows[i].login, cv_str_z(rows[i].local),
			cv_str_z(rows[i].domain), &d);
		if (d.verdict != rows[i].want)
			fail_msg("row %zu: %s", i, d.rule);
		if (d.verdict == CV_REFUSE) {
			assert_string_equal(d.rule, "POL-05.envelope");
			assert_int_equal(d.smtp_code, 550);
			assert_non_null(strstr(d.vi, rows[i].local));
		}
	}
}

static void
test_POL_05__the_header_names_exactly_one_own_author(void **state)
{
	(void)state;
	static const struct {
		const char *header, *rule;
	} rows[] = {
		{ "From: Hoa <hoa.stp@lamgiang.example>\r\nSubject: x\r\n\r\n", "allow" },
		{ "From: hoa.stp@lamgiang.example\r\nSender: vanthu.stp@lamgiang.example\r\n\r\n", "allow" },
		{ "From: =?utf-8?B?SG9h?= <hoa.stp@lamgiang.example>,\r\n vanthu.stp@lamgiang.example\r\n"
		  "Sender: hoa.stp@lamgiang.example\r\n\r\n", "allow" },
		{ "Subject: x\r\n\r\n", "POL-05.from-count" },
		{ "From: hoa.stp@lamgiang.example\r\nFrom: binh.stp@lamgiang.example\r\n\r\n",
			"POL-05.from-count" },
		{ "From: Chu tich <binh.stp@lamgiang.example>\r\n\r\n", "POL-05.from" },
		{ "From: hoa.stp@lamgiang.example, boss@gmail.com\r\n\r\n", "POL-05.from" },
		{ "From: hoa.stp@lamgiang.example\r\nSender: boss@gmail.com\r\n\r\n", "POL-05.sender" },
		{ "From: hoa.stp@lamgiang.example\r\nSender: hoa.stp@lamgiang.example,"
		  " vanthu.stp@lamgiang.example\r\n\r\n", "POL-05.from-syntax" },
		{ "From: hoa.stp@lamgiang.example <boss@gmail.com\r\n\r\n", "POL-05.from-syntax" },
		{ "From: undisclosed:;\r\n\r\n", "POL-05.from-syntax" },
		{ "From: \r\n\r\n", "POL-05.from-syntax" },
		{ "From: <>\r\n\r\n", "POL-05.from-syntax" },
		{ "From: Phong: hoa.stp@lamgiang.example;\r\n\r\n", "POL-05.from-syntax" },
		{ "From: hoa.stp@lamgiang.example,,\r\n\r\n", "POL-05.from-syntax" },
		{ "From: Hoa (van phong) <hoa.stp@lamgiang.example>\r\n\r\n", "allow" },
		{ "From: hoa.stp@lamgiang.example (Hoa (phong (1)))\r\n\r\n", "allow" },
		/* one way to write it or another */
		{ "FROM: <HOA.STP@LamGiang.Example>\r\n\r\n", "allow" },
		{ "From: <\"hoa.stp\"@lamgiang.example>\r\n\r\n", "allow" },
		{ "From: <\"hoa\\.stp\"@lamgiang.example>\r\n\r\n", "allow" },
		{ "From: <hoa.stp@tinh-lam-giang.example>\r\n\r\n", "allow" },
		{ "From: <hoa.stp@l\303\242mgiang.example>\r\n\r\n", "allow" },
		{ "From: <hoa.stp@xn--lmgiang-pwa.example>\r\n\r\n", "allow" },
		{ "From: <hoa.stp@l\303\241mgiang.example>\r\n\r\n", "POL-05.from" },
		{ "From: <h\320\276a.stp@lamgiang.example>\r\n\r\n", "POL-05.from" }, /* Cyrillic o */
		{ "From: <\"hoa.stp \"@lamgiang.example>\r\n\r\n", "POL-05.from" },
		{ "From: <\"hoa.stp@lamgiang.example\"@gmail.com>\r\n\r\n", "POL-05.from" },
		{ "From: <hoa.stp@lamgiang.example.>\r\n\r\n", "POL-05.from-syntax" },
		{ "From: <@lamgiang.example:hoa.stp@lamgiang.example>\r\n\r\n", "POL-05.from-syntax" },
		/* an address in the name */
		{ "From: \"hoa.stp@lamgiang.example\" <hoa.stp@lamgiang.example>\r\n\r\n", "allow" },
		{ "From: \"Hoa @ Lam Giang\" <hoa.stp@lamgiang.example>\r\n\r\n", "allow" },
		{ "From: \"giamdoc@lamgiang.example\" <hoa.stp@lamgiang.example>\r\n\r\n",
			"POL-05.from-name" },
		{ "From: \"Giam doc <binh.stp@lamgiang.example>\" <hoa.stp@lamgiang.example>\r\n\r\n",
			"POL-05.from-name" },
		{ "From: =?utf-8?q?binh.stp=40lamgiang.example?= <hoa.stp@lamgiang.example>\r\n\r\n",
			"POL-05.from-name" },
		{ "From: =?utf-8?b?YmluaC5zdHDvvKBsYW1naWFuZy5leGFtcGxl?= <hoa.stp@lamgiang.example>\r\n"
		  "\r\n", "POL-05.from-name" }, /* fullwidth at */
		{ "From: hoa.stp@lamgiang.example (binh.stp@lamgiang.example)\r\n\r\n",
			"POL-05.from-name" },
		/* Sender, Resent, Reply-To */
		{ "From: hoa.stp@lamgiang.example\r\nSender: hoa.stp@lamgiang.example\r\n"
		  "Sender: hoa.stp@lamgiang.example\r\n\r\n", "POL-05.from-count" },
		{ "From: hoa.stp@lamgiang.example\r\nReply-To: hoa@gmail.com\r\n\r\n", "allow" },
		{ "Resent-From: hoa.stp@lamgiang.example\r\nFrom: hoa.stp@lamgiang.example\r\n\r\n",
			"allow" },
		{ "Resent-From: binh.stp@lamgiang.example\r\nFrom: hoa.stp@lamgiang.example\r\n\r\n",
			"POL-05.resent" },
		{ "From: hoa.stp@lamgiang.example\r\nResent-Sender: boss@gmail.com\r\n\r\n",
			"POL-05.resent" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_decision d;
		cv_policy_header_from(policy, snap, BASE + 1, cv_str_z(rows[i].header),
			false, &d);
		if (strcmp(d.rule, rows[i].rule))
			fail_msg("row %zu: %s", i, d.rule);
	}
}

static void
test_POL_05__only_what_is_automatic_has_no_sender(void **state)
{
	(void)state;
	static const struct {
		const char *header, *rule;
	} rows[] = {
		{ "From: hoa.stp@lamgiang.example\r\n\r\n", "POL-05.null-sender" },
		{ "From: hoa.stp@lamgiang.example\r\nAuto-Submitted: no\r\n\r\n",
			"POL-05.null-sender" },
		{ "From: hoa.stp@lamgiang.example\r\nAuto-Submitted: auto-replied (away)\r\n\r\n",
			"allow" },
		{ "From: hoa.stp@lamgiang.example\r\nContent-Type: Multipart/Report;\r\n"
		  " report-type=disposition-notification; boundary=x\r\n\r\n", "allow" },
		{ "From: binh.stp@lamgiang.example\r\nAuto-Submitted: auto-replied\r\n\r\n",
			"POL-05.from" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_decision d;
		cv_policy_header_from(policy, snap, BASE + 1, cv_str_z(rows[i].header), true, &d);
		if (strcmp(d.rule, rows[i].rule))
			fail_msg("row %zu: %s", i, d.rule);
	}
}

static void
test_recipient__is_judged_by_state_and_kind(void **state)
{
	(void)state;
	static const struct {
		const char *address;
		unsigned login;
		const char *rule, *enhanced;
	} rows[] = {
		{ "hoa.stp@lamgiang.example", 0, "allow", "2.0.0" },
		{ "nghi.stp@lamgiang.example", 0, "allow", "2.0.0" },
		{ "x@gmail.com", 1, "allow", "2.0.0" },
		{ "khongco@lamgiang.example", 0, "RCPT.unknown", "5.1.1" },
		{ "cu.stp@lamgiang.example", 0, "RCPT.retired", "5.1.6" },
		{ "tatca.stp@lamgiang.example", 0, "RCPT.group", "5.7.2" },
		{ "tatca.stp@lamgiang.example", 1, "allow", "2.0.0" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_decision d;
		struct cv_reg_hit hit;
		cv_snapshot_find_address(snap, cv_str_z(rows[i].address), &hit);
		cv_policy_recipient(policy, snap, rows[i].login ? BASE + rows[i].login : 0, &hit,
		                    &d);
		if (strcmp(d.rule, rows[i].rule) || strcmp(d.enhanced, rows[i].enhanced))
			fail_msg("row %zu: %s", i, d.rule);
	}
}

/* Each row makes the group anew and asks once. */
static void
test_recipient__each_group_has_its_own_rule_of_who_may_write(void **state)
{
	(void)state;
	static const struct {
		enum cv_reg_post post;
		unsigned login;
		const char *sender, *rule;
	} rows[] = {
		{ CV_POST_STAFF, 0, "a@gov.example", "RCPT.group" },
		{ CV_POST_STAFF, 2, "", "allow" },
		{ CV_POST_ANYONE, 0, "a@far.example", "allow" },
		{ CV_POST_OFFICIAL, 0, "a@bo.gov.example", "allow" },
		{ CV_POST_OFFICIAL, 0, "a@far.example", "RCPT.group-official" },
		{ CV_POST_OFFICIAL, 0, "", "RCPT.group-official" },
		{ CV_POST_OFFICIAL, 2, "", "allow" },
		{ CV_POST_MEMBERS, 1, "", "allow" },
		{ CV_POST_MEMBERS, 2, "", "RCPT.group-members" },
		{ CV_POST_MEMBERS, 3, "", "allow" },
		{ CV_POST_MEMBERS, 0, "X@far.example", "allow" },
		{ CV_POST_MEMBERS, 0, "y@far.example", "RCPT.group-members" },
		{ CV_POST_NAMED, 2, "", "allow" },
		{ CV_POST_NAMED, 1, "", "RCPT.group-named" },
		{ CV_POST_NAMED, 0, "x@far.example", "RCPT.group-named" },
		{ CV_POST_NOBODY, 3, "", "RCPT.group-closed" },
	};
	static const uint8_t dummy[32];
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct reg_model m;
		reg_model_init(&m, "lamgiang.example");
		reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
		add(&m, 1, CV_KIND_PERSON, CV_STATE_ACTIVE, "member@lamgiang.example");
		add(&m, 2, CV_KIND_PERSON, CV_STATE_ACTIVE, "poster@lamgiang.example");
		add(&m, 3, CV_KIND_PERSON, CV_STATE_ACTIVE, "owner@lamgiang.example");
		struct reg_account *inner =
			add(&m, 4, CV_KIND_GROUP, CV_STATE_ACTIVE, "inner@lamgiang.example");
		struct reg_account *group =
			add(&m, 5, CV_KIND_GROUP, CV_STATE_ACTIVE, "group@lamgiang.example");
		reg_list_add(&inner->members, BASE + 1);
		reg_list_add(&group->members, BASE + 4);
		reg_list_add(&group->posters, BASE + 2);
		reg_route_of(group)->post = rows[i].post;
		reg_route_set(group->route, RT_OWNER, CV_STR("owner@lamgiang.example"));
		reg_target_put(group, &(struct reg_target){ .kind = CV_TARGET_MEMBER,
			.address = (char[]){ "x@far.example" } });
		struct cv_buf bytes = CV_BUF_INIT(SNAP_BYTES_MAX), secret =
			CV_BUF_INIT(SNAP_BYTES_MAX);
		snap_build(&m, 1, dummy, &bytes, &secret);
		reg_model_done(&m);
		struct cv_snapshot *s;
		assert_int_equal(snap_open_bytes(cv_buf_view(&bytes), CV_STR_EMPTY, true, &s,
			NULL), CV_OK);
		struct cv_decision d;
		struct cv_reg_hit hit;
		cv_snapshot_find_address(s, CV_STR("group@lamgiang.example"), &hit);
		cv_policy_recipient_from(policy, s, rows[i].login ? BASE + rows[i].login : 0,
			cv_str_z(rows[i].sender), 1000, &hit, &d);
		if (strcmp(d.rule, rows[i].rule))
			fail_msg("row %zu: %s", i, d.rule);
		cv_snapshot_unref(s);
		cv_buf_done(&bytes);
		cv_buf_done(&secret);
	}
}

/* The text as a Mac writes it. */
static char *
nfd(const char *text)
{
	size_t n = 0;
	uint8_t *out = u8_normalize(UNINORM_NFD, (const uint8_t *)text, strlen(text) + 1, NULL, &n);
	return (char *)out;
}

enum where { SUBJECT, NAME, TEXT };

static bool
is_marked(enum where where, const char *text)
{
	struct cv_decision d;
	struct cv_str s = cv_str_z(text), none = CV_STR_EMPTY;
	cv_policy_secrecy(policy, where == SUBJECT ? s : none, &s, where == NAME,
	                  where == TEXT ? s : none, &d);
	return d.verdict == CV_REFUSE;
}

static void
test_POL_04__marks_are_found_and_decoys_pass(void **state)
{
	(void)state;
	static const struct {
		enum where where;
		const char *text;
		bool marked;
	} rows[] = {
		{ SUBJECT, "MẬT", true },
		{ SUBJECT, "TỐI MẬT", true },
		{ SUBJECT, "(Tối mật) Kế hoạch phòng thủ", true },
		{ SUBJECT, "[MẬT] Báo cáo", true },
		{ SUBJECT, "[mật] Báo cáo", true },
		{ SUBJECT, "MẬT: Báo cáo quý", true },
		{ SUBJECT, "Công văn 123/UBND-NC MẬT", true },
		{ SUBJECT, "Công văn mật số 123/UBND-NC", true },
		{ SUBJECT, "Văn bản TUYỆT MẬT của tỉnh", true },
		{ SUBJECT, "Độ mật: Tối mật", true },
		{ SUBJECT, "(MAT) Bao cao", true },
		{ SUBJECT, "Fwd: [TUYET MAT] ke hoach", true },
		{ NAME, "(TỐI MẬT).pdf", true },
		{ NAME, "ke_hoach_TUYET_MAT.docx", true },
		{ NAME, "Báo cáo - mật.pdf", true },
		{ NAME, "BAOCAO_MẬT_2026.pdf", true },
		{ TEXT, "Kính gửi,\r\nMẬT\r\nSố: 12/BC-CAT\r\n", true },
		{ TEXT, "TUYỆT MẬT\nSố 5", true },
		{ TEXT, "UBND TỈNH\nM Ậ T\nSố: 15/UBND-NC", true },
		{ TEXT, "UBND TỈNH\nT Ố I M Ậ T\nSố: 15", true },
		{ TEXT, "HỌ VÀ TÊN: M Ậ TÊN", false },
		{ SUBJECT, "[M\u200bẬT] Báo cáo", true },
		{ SUBJECT, "TỐI\u00ad MẬ\ufeffT", true },
		{ NAME, "BAO MAT MAT KHAU BAO MAT.pdf", false },

		{ SUBJECT, "Tăng cường bảo mật thông tin", false },
		{ SUBJECT, "TĂNG CƯỜNG BẢO MẬT HỆ THỐNG", false },
		{ SUBJECT, "BẢO MẬT", false },
		{ SUBJECT, "Đổi mật khẩu hộp thư công vụ", false },
		{ SUBJECT, "MẬT KHẨU MỚI", false },
		{ SUBJECT, "Tập huấn bảo vệ bí mật nhà nước theo 12/KH-UBND", false },
		{ SUBJECT, "Chính sách bảo mật 45/QĐ-UBND", false },
		{ SUBJECT, "Mật độ dân số 2026", false },
		{ SUBJECT, "HỘI CHỢ MẬT ONG", false },
		{ SUBJECT, "Họp mặt cuối năm (MẶT TRẬN TỔ QUỐC)", false },
		{ SUBJECT, "BÁO MẤT giấy tờ", false },
		{ SUBJECT, "(mat) xich", false },
		{ SUBJECT, "Giải mật tài liệu 12/QĐ-BCA", false },
		{ SUBJECT, "Tuần trăng mật", false },
		{ NAME, "bao_mat_thong_tin.pdf", false },
		{ NAME, "BAO MAT THONG TIN.pdf", false },
		{ NAME, "Chính sách bảo mật.docx", false },
		{ NAME, "mat-bang.xlsx", false },
		{ NAME, "MAT_KHAU.txt", false },
		{ NAME, "mật khẩu wifi.txt", false },
		{ TEXT, "Tài khoản và mật khẩu của đồng chí là ...", false },
		{ TEXT, "Đây là chuyện mật, đừng nói ai", false },
		{ TEXT, "", false },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *mac = nfd(rows[i].text);
		if (is_marked(rows[i].where, rows[i].text) != rows[i].marked ||
		    is_marked(rows[i].where, mac) != rows[i].marked) {
			print_error("row %zu: %s\n", i, rows[i].text);
			failed++;
		}
		free(mac);
	}
	assert_int_equal(failed, 0);
	char *long_text = cv_malloc(100000);
	memset(long_text, '(', 99999);
	long_text[99999] = 0;
	assert_false(is_marked(TEXT, long_text));
	free(long_text);
	assert_false(is_marked(SUBJECT, "\xff\xfe M\xe1\xba"));
}

static void
test_POL_02__sign_ups_need_a_phrase_and_a_sign(void **state)
{
	(void)state;
	static const struct {
		const char *local, *domain, *subject, *text;
		bool list;
		unsigned links;
		bool marked;
	} rows[] = {
		{ "noreply", "shop.example.com", "Xác nhận địa chỉ email của bạn", "", false, 0, true },
		{ "no-reply", "shop.example.com", "XÁC THỰC TÀI KHOẢN", "", false, 0, true },
		{ "team", "shop.example.com", "Verify your e-mail", "Click", false, 1, true },
		{ "team", "shop.example.com", "Chào bạn", "Mã xác thực của bạn là 482913", false, 0, true },
		{ "team", "shop.example.com", "Chào bạn", "Mã có hiệu lực trong 15 phút: 4829", false, 0, true },
		{ "team", "shop.example.com", "Cảm ơn bạn đã đăng ký", "", true, 0, true },
		{ "news", "shop.example.com", "Bản tin tháng 11", "", true, 1, true },
		{ "lan", "shop.example.com", "Verify your e-mail", "", false, 1, true },
		/* a phrase alone, a sign alone, a weak phrase with one sign, a year, a date */
		{ "lan", "shop.example.com", "Khảo sát", "", false, 1, false },
		{ "lan", "shop.example.com", "Verify your email", "", false, 0, false },
		{ "noreply", "shop.example.com", "Thông báo lịch họp", "", true, 2, false },
		{ "lan", "shop.example.com", "Mã xác thực", "trong năm 2026", false, 0, false },
		{ "lan", "shop.example.com", "Mã xác thực", "ngày 12/11/2026, tel. 0912.345.678", false, 0, false },
		{ "hoa", "shop.example.com", "Kế hoạch tháng 11", "", true, 0, false },
		/* official senders */
		{ "noreply", "lamgiang.example", "Xác nhận địa chỉ email của bạn", "", false, 1, false },
		{ "noreply", "dvc.gov.example", "Kích hoạt tài khoản", "123456", true, 1, false },
		/* words inside words */
		{ "noreply", "shop.example.com", "Mã OTPs", "", false, 0, false },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *mac = nfd(rows[i].subject);
		struct cv_signup_facts f = {
			.from_local = cv_str_z(rows[i].local),
			.from_domain = cv_str_z(rows[i].domain),
			.subject = cv_str_z(rows[i].subject),
			.text = cv_str_z(rows[i].text),
			.list_unsubscribe = rows[i].list,
			.token_links = rows[i].links,
		};
		struct cv_decision d, e;
		cv_policy_signup(policy, &f, &d);
		f.subject = cv_str_z(mac);
		cv_policy_signup(policy, &f, &e);
		if ((d.verdict == CV_MARK) != rows[i].marked || e.verdict != d.verdict) {
			print_error("row %zu: %s\n", i, rows[i].subject);
			failed++;
		}
		free(mac);
	}
	assert_int_equal(failed, 0);
}

static void
test_POL_03__the_allow_list_has_dates_and_reasons(void **state)
{
	(void)state;
	char path[] = "/tmp/cv_allow_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	static const char good[] = "# comment\n\nshop.example.com 2026-12-31 Mua sắm công\n"
		"Bill@pay.example 2026-01-01 Thanh toán\n";
	assert_int_equal(write(fd, good, sizeof good - 1), sizeof good - 1);
	struct cv_err err = {0};
	assert_int_equal(cv_policy_signup_allow_load(policy, path, &err), CV_OK);
	int64_t in_2026 = 1793000000, on_last_evening = 1798736399, after = 1798736400;
	assert_true(
		cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("SHOP.example.com"), in_2026));
	assert_true(cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("m.shop.example.com"),
	                                     in_2026));
	assert_true(cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("shop.example.com"),
		on_last_evening));
	assert_false(
		cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("shop.example.com"), after));
	assert_false(cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("badshop.example.com"),
	                                      in_2026));
	assert_false(
		cv_policy_signup_allowed(policy, CV_STR("bill"), CV_STR("pay.example"), in_2026));
	assert_true(cv_policy_signup_allowed(policy, CV_STR("bill"), CV_STR("pay.example"),
	                                     1760000000));
	assert_false(
		cv_policy_signup_allowed(policy, CV_STR("eve"), CV_STR("pay.example"), 1760000000));
	static const char bad[] = "x.example 31/12/2026 why\n";
	assert_int_equal(write(fd, bad, sizeof bad - 1), sizeof bad - 1);
	assert_int_equal(cv_policy_signup_allow_load(policy, path, &err), CV_INVALID);
	assert_non_null(strstr(err.text, ":5: "));
	assert_true(
		cv_policy_signup_allowed(policy, CV_STR("x"), CV_STR("shop.example.com"), in_2026));
	close(fd);
	unlink(path);
}

static void
test_POL_06__mail_from_outside_may_not_name_our_domains(void **state)
{
	(void)state;
	static const struct {
		const char *domain;
		bool vouched;
		enum cv_verdict want;
	} rows[] = {
		{ "lamgiang.example", false, CV_REFUSE }, { "LAMGIANG.example.", false, CV_REFUSE },
		{ "mail.lamgiang.example", false, CV_REFUSE }, { "lamgiang.example", true, CV_ALLOW },
		{ "notlamgiang.example", false, CV_ALLOW }, { "gmail.com", false, CV_ALLOW },
		{ "", false, CV_ALLOW },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str domains[] = { CV_STR("gmail.com"), cv_str_z(rows[i].domain) };
		struct cv_decision d;
		cv_policy_forged_own(policy, snap, domains, 2, rows[i].vouched, &d);
		if (d.verdict != rows[i].want)
			fail_msg("%s", rows[i].domain);
	}
}

static void
test_domains__official_and_free(void **state)
{
	(void)state;
	assert_true(cv_policy_is_official(policy, CV_STR("Lamgiang.example")));
	assert_true(cv_policy_is_official(policy, CV_STR("snv.lamgiang.example")));
	assert_true(cv_policy_is_official(policy, CV_STR("moha.gov.example")));
	assert_false(cv_policy_is_official(policy, CV_STR("evil-lamgiang.example")));
	assert_false(cv_policy_is_official(policy, CV_STR("")));
	assert_true(cv_policy_is_free_mail(policy, CV_STR("GMail.com")));
	assert_false(cv_policy_is_free_mail(policy, CV_STR("mail.gmail.com")));
}

static void
test_decision__reply_is_ascii_unless_the_peer_takes_utf8(void **state)
{
	(void)state;
	struct cv_decision d;
	char text[900];
	cv_policy_envelope_from(policy, snap, BASE + 1, CV_STR("ch\xe1\xbb\xa7\r\n250 OK"),
		CV_STR("lamgiang.example"), &d);
	size_t n = cv_decision_reply(&d, false, text, sizeof text);
	assert_int_equal(n, strlen(text));
	for (size_t i = 0; i < n; i++)
		assert_true((unsigned char)text[i] >= 0x20 && (unsigned char)text[i] < 0x7f);
	assert_int_equal(strncmp(text, "[POL-05.envelope] ", 18), 0);
	assert_non_null(strstr(text, " / Ban khong duoc gui bang dia chi chu"));
	n = cv_decision_reply(&d, true, text, sizeof text);
	assert_non_null(strstr(text, "Bạn không được gửi"));
	assert_null(strpbrk(text, "\r\n"));
	for (size_t room = 0; room < 300; room += 7) {
		n = cv_decision_reply(&d, true, text, room);
		assert_true(!room || n < room);
		assert_true(!room || cv_utf8_is_valid(cv_str(text, n)));
	}
	const char *vi, *en;
	assert_true(cv_policy_explain("POL-04.secrecy", &vi, &en));
	assert_true(cv_policy_explain("POL-01.forward", &vi, &en));
	assert_true(cv_policy_explain("phish-mailbox", &vi, &en));
	assert_true(cv_policy_explain("signup", &vi, &en));
	assert_false(cv_policy_explain("POL-99", &vi, &en));
}

static void
test_data__files_of_the_tree_equal_the_built_in_copies(void **state)
{
	(void)state;
	assert_int_equal(system("/usr/bin/python3 common/policy/embed.py . --check"), 0);
	struct cv_policy *from_files;
	struct cv_err err = {0};
	if (cv_policy_load("conf/policy", "", &from_files, &err))
		fail_msg("%s", err.text);
	cv_policy_free(from_files);
	assert_int_equal(cv_policy_load("/nonexistent", "", &from_files, &err), CV_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_recipient__each_group_has_its_own_rule_of_who_may_write),
		cmocka_unit_test(test_POL_05__the_envelope_names_a_sender_the_login_may_use),
		cmocka_unit_test(test_POL_05__the_header_names_exactly_one_own_author),
		cmocka_unit_test(test_POL_05__only_what_is_automatic_has_no_sender),
		cmocka_unit_test(test_recipient__is_judged_by_state_and_kind),
		cmocka_unit_test(test_POL_04__marks_are_found_and_decoys_pass),
		cmocka_unit_test(test_POL_02__sign_ups_need_a_phrase_and_a_sign),
		cmocka_unit_test(test_POL_03__the_allow_list_has_dates_and_reasons),
		cmocka_unit_test(test_POL_06__mail_from_outside_may_not_name_our_domains),
		cmocka_unit_test(test_domains__official_and_free),
		cmocka_unit_test(test_decision__reply_is_ascii_unless_the_peer_takes_utf8),
		cmocka_unit_test(test_data__files_of_the_tree_equal_the_built_in_copies),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
