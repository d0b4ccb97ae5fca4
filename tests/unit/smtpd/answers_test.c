/* away_test.c - who is answered while somebody is away, and what the answer looks like. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "common/text/encode.h"
#include "common/text/header.h"
#include "smtpd/answers.h"

static void
test_RFC_3834__robots_and_lists_get_no_answer(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		bool personal;
	} rows[] = {
		{ "From: a\r\nSubject: b\r\n\r\n", true },
		{ "Auto-Submitted: no\r\n\r\n", true },
		{ "Auto-Submitted: no; x=y\r\n\r\n", true },
		{ "Auto-Submitted: auto-replied\r\n\r\n", false },
		{ "auto-submitted:\r\n auto-generated\r\n\r\n", false },
		{ "Precedence: first-class\r\n\r\n", true },
		{ "Precedence: Bulk\r\n\r\n", false },
		{ "Precedence: list\r\n\r\n", false },
		{ "Precedence: junk\r\n\r\n", false },
		{ "List-Unsubscribe: <mailto:x@y>\r\n\r\n", false },
		{ "List-Id: x\r\n\r\n", false },
		{ "X-Auto-Response-Suppress: DR, OOF\r\n\r\n", false },
		{ "X-Spam-Flag: YES\r\n\r\n", false },
		{ "X-Spam-Flag: NO\r\n\r\n", true },
		{ "Content-Type: multipart/report; boundary=x\r\n\r\n", false },
		{ "X-Congvu-Policy: POL-04.secrecy\r\n\r\n", false },
		{ "X-Congvu-Verdict: pass; score=1.0; rules=bayes(1.0)\r\n\r\n", true },
		{ "X-Congvu-Verdict: junk; score=6.0; rules=bayes(6.0)\r\n\r\n", false },
	};
	struct smtpd_answers_facts facts;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		smtpd_answers_look(cv_str_z(rows[i].header), &facts);
		if (facts.is_personal != rows[i].personal)
			fail_msg("%s", rows[i].header);
	}
}

static void
test_RFC_3834__senders_that_are_no_people_get_no_answer(void **state)
{
	(void)state;
	static const char *const people[] = { "a@b.example", "owner@b.example",
		"request@b.example", "nguyen.van.a@b.example", "noel@b.example" };
	static const char *const robots[] = { "", "a", "MAILER-DAEMON@b.example",
		"owner-list@b.example", "list-request@b.example", "No-Reply@b.example",
		"noreply+1@b.example", "bounce-7@b.example", "x+bounces@b.example",
		"SRS0=a=b=c=d@b.example", "shop.noreply@b.example" };

	for (size_t i = 0; i < CV_COUNT(people); i++)
		if (!smtpd_answers_is_person(cv_str_z(people[i])))
			fail_msg("%s", people[i]);
	for (size_t i = 0; i < CV_COUNT(robots); i++)
		if (smtpd_answers_is_person(cv_str_z(robots[i])))
			fail_msg("%s", robots[i]);
}

static void
test_answer__cannot_be_steered_by_what_it_answers(void **state)
{
	(void)state;
	struct cv_buf out = CV_BUF_INIT(64u << 10);
	struct smtpd_answers_text t = { .from_name = CV_STR("Lê Thị Hoa"),
		.from = CV_STR("hoa@us.example"), .to = CV_STR("a@b.example"),
		.subject = CV_STR("=?utf-8?q?x=0D=0ABcc:_evil@c.example?="),
		.message_id = CV_STR(" no id"), .references = CV_STR(" <a@b>\r\n <c@d> junk"),
		.en = CV_STR("Away\n.\nBye"), .id = "a1", .hostname = "mail.us.example",
		.now_secs = 1795379293 };

	smtpd_answers_compose(&t, &out);
	cv_buf_c(&out, 0);
	assert_null(strstr(out.p, "\nBcc:"));
	assert_null(strstr(out.p, "In-Reply-To:"));
	assert_non_null(strstr(out.p, "References: <a@b> <c@d>\r\n"));
	assert_non_null(strstr(out.p, "\r\nSubject: Auto: "));
	assert_non_null(strstr(out.p, "\r\nAuto-Submitted: auto-replied\r\n"));
	assert_non_null(strstr(out.p, "\r\n\r\nQXdheQ0KLg0KQnllDQo="));
	cv_buf_done(&out);
}

static void
test_SMT_08__a_receipt_names_subject_time_and_number(void **state)
{
	(void)state;
	struct cv_buf out = CV_BUF_INIT(64u << 10);
	struct cv_buf body = CV_BUF_INIT(64u << 10);
	struct smtpd_answers_text t = { .from_name = CV_STR("Sở Nội vụ"),
		.from = CV_STR("snv@us.example"), .to = CV_STR("dan@b.example"),
		.subject = CV_STR("=?utf-8?q?H=E1=BB=93_s=C6=A1=0AM=C3=A3_nh=E1=BA=ADn:_gi=E1=BA=A3?="),
		.is_receipt = true, .delivery_id = CV_STR("abc123"), .id = "a1",
		.hostname = "mail.us.example", .now_secs = 1795379293 };

	smtpd_answers_compose(&t, &out);
	size_t at = cv_header_body_at(cv_buf_view(&out));
	struct cv_base64_reader reader = { 0 };
	cv_base64_read(&reader, cv_str_sub(cv_buf_view(&out), at, out.n), &body);
	cv_buf_c(&body, 0);
	assert_non_null(strstr(body.p, "Sở Nội vụ đã nhận được thư"));
	assert_non_null(strstr(body.p, "\r\nTiêu đề: Hồ sơ Mã nhận: giả\r\n"));
	assert_non_null(strstr(body.p, "\r\nMã nhận: abc123\r\n"));
	assert_non_null(strstr(body.p, "03:28 23/11/2026"));
	cv_buf_done(&body);
	cv_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_RFC_3834__robots_and_lists_get_no_answer),
		cmocka_unit_test(test_RFC_3834__senders_that_are_no_people_get_no_answer),
		cmocka_unit_test(test_answer__cannot_be_steered_by_what_it_answers),
		cmocka_unit_test(test_SMT_08__a_receipt_names_subject_time_and_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
