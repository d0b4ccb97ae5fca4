/* bounce_test.c - reports are what RFC 3464 says, for our own scanner and for Python's parser. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/text/mime.h"
#include "smtpd/bounce.h"
#include "tests/unit/check.h"

#define ORIGINAL "From: a@lg.example\r\nSubject: C\xc3\xb4ng v\xc4\x83n\r\n\r\nbody .\r\n.\r\n--=_x\r\n"

struct built {
	struct cv_buf report;
	struct cv_queue_rcpt rcpts[3];
	struct smtpd_outcome outcomes[3];
	struct smtpd_report_rcpt rows[3];
	struct cv_queue_msg msg;
};

static void
build(struct built *b, bool full, size_t count)
{
	struct cv_err err = { 0 };
	struct smtpd_report r;

	*b = (struct built){ .report = CV_BUF_INIT(1u << 20) };
	b->msg = (struct cv_queue_msg){ .sender = CV_STR("nvhoa.snv@lamgiang.example"),
		.envid = CV_STR("QQ+2B1"), .arrived_secs = 1795308000, .expires_secs = 1795740000 };
	b->rcpts[0] = (struct cv_queue_rcpt){ .address = CV_STR("x@far.example"),
		.orcpt = CV_STR("rfc822;old+2Bx@far.example") };
	b->rcpts[1] = (struct cv_queue_rcpt){ .address = CV_STR("tr\xe1\xba\xa7n@far.example") };
	b->rcpts[2] = (struct cv_queue_rcpt){ .address = CV_STR("z@dead.example") };
	smtpd_outcome_set(&b->outcomes[0], SMTPD_FAILED, "5.2.2",
		"552 5.2.2 Mailbox full\xc4\x91 %s", "and a long explanation that goes on and on "
		"until the line has to be folded somewhere because it is too long for one line");
	b->outcomes[0].by_peer = true;
	smtpd_outcome_set(&b->outcomes[1], SMTPD_FAILED, "5.6.7", "no SMTPUTF8");
	smtpd_outcome_set(&b->outcomes[2], SMTPD_LATER, "4.4.1", "connect: timed out");
	for (size_t i = 0; i < 3; i++)
		b->rows[i] = (struct smtpd_report_rcpt){ .rcpt = &b->rcpts[i],
			.outcome = &b->outcomes[i], .action = SMTPD_REPORT_FAILED,
			.peer = i ? "" : "mx.far.example" };
	b->rows[2].expired = true;
	r = (struct smtpd_report){ .hostname = "mail.lamgiang.example",
		.province = "T\xe1\xbb\x89nh",
		.msg = &b->msg,
		.rcpts = b->rows,
		.count = count,
		.original = CV_STR(ORIGINAL),
		.is_full = full,
		.now_secs = 1795740000,
		.id = "r1" };
	if (!full)
		r.original = cv_str_sub(r.original, 0, cv_header_body_at(r.original));
	if (smtpd_bounce_compose(&r, &b->report, &err) != CV_OK)
		fail_msg("%s", err.text);
}

static struct cv_str
part_body(const struct built *b, const struct cv_mime_part *part)
{
	return cv_str_sub(cv_buf_view(&b->report), (size_t)part->at.body_offset,
		(size_t)(part->at.body_offset + part->at.body_bytes));
}

static bool
has(struct cv_str whole, const char *part)
{
	return cv_str_search(whole, cv_str_z(part)) < whole.n;
}

static void
test_report__has_three_parts_for_our_scanner(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct built b;
		build(&b, full, 3);
		const struct cv_mime_tree *t = cv_mime_scan(&arena, cv_buf_view(&b.report));
		assert_false(t->limited);
		assert_int_equal(t->has_8bit_header, full); /* only the original's own */
		assert_int_equal(t->parts[0].child_count, 3);
		assert_true(cv_str_eq_z(t->parts[0].at.subtype, "report"));
		assert_true(cv_str_eq_z(cv_mime_param(&arena, &t->parts[0].params, "report-type"),
			"delivery-status"));
		assert_true(cv_str_eq_z(t->parts[2].at.subtype, "delivery-status"));
		assert_true(
			cv_str_eq_z(t->parts[3].at.subtype, full ? "rfc822" : "rfc822-headers"));
		assert_true(
			cv_str_has_prefix(part_body(&b, &t->parts[3]), "From: a@lg.example\r\n"));
		if (full) /* byte for byte, whatever dots and dashes it has */
			assert_true(cv_str_eq(cv_str_trim(part_body(&b, &t->parts[3])),
				cv_str_trim(CV_STR(ORIGINAL))));
		cv_arena_done(&arena);
		cv_buf_done(&b.report);
	}
}

static void
test_report__tells_machines_each_recipient(void **state)
{
	static const char *const lines[] = {
		"Reporting-MTA: dns; mail.lamgiang.example\r\n",
		"Original-Envelope-Id: QQ+1\r\n",
		"Original-Recipient: rfc822; old+x@far.example\r\n",
		"Final-Recipient: rfc822; x@far.example\r\n",
		"Final-Recipient: utf-8; tr\\x{1EA7}n@far.example\r\n",
		"Action: failed\r\nStatus: 5.2.2\r\nRemote-MTA: dns; mx.far.example\r\n",
		"Status: 5.4.7\r\n",
		"Diagnostic-Code: smtp; 552 5.2.2 Mailbox full? and",
		"Last-Attempt-Date: Fri, 27 Nov 2026 ",
	};
	struct cv_arena arena = CV_ARENA_INIT;
	struct built b;

	(void)state;
	build(&b, false, 3);
	const struct cv_mime_tree *t = cv_mime_scan(&arena, cv_buf_view(&b.report));
	struct cv_str status = part_body(&b, &t->parts[2]);
	for (size_t i = 0; i < CV_COUNT(lines); i++)
		CHECK(lines[i], has(status, lines[i]));
	for (size_t i = 0; i < status.n; i++)
		CHECK("ASCII", (unsigned char)status.p[i] < 128);
	cv_arena_done(&arena);
	cv_buf_done(&b.report);
	CHECK_END();
}

static void
test_SMT_07__cause_is_found_by_status_and_words(void **state)
{
	static const struct {
		const char *status, *text, *vi;
	} rows[] = {
		{ "5.2.2", "552 no", "Hộp thư người nhận đã đầy." },
		{ "4.2.2", "452 later", "Hộp thư người nhận đã đầy." },
		{ "5.7.1", "550 user over QUOTA", "Hộp thư người nhận đã đầy." },
		{ "5.1.1", "550 no", "Địa chỉ người nhận không tồn tại." },
		{ "5.0.0", "550 No such user here", "Địa chỉ người nhận không tồn tại." },
		{ "5.1.10", "null MX", "Tên miền của người nhận không nhận thư điện tử." },
		{ "5.1.2", "no domain", "Không tìm thấy tên miền của người nhận." },
		{ "5.7.1", "554 spam", "Máy chủ nhận từ chối thư theo quy định của họ (chống thư rác, "
			"chính sách bảo mật)." },
		{ "5.3.4", "552 big", "Thư quá lớn đối với máy chủ nhận." },
		{ "4.4.1", "connect", "Không kết nối được tới máy chủ nhận." },
		{ "5.0.0", "550 go away", "Máy chủ nhận không nhận thư này." },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_outcome o = { 0 };
		smtpd_outcome_set(&o, SMTPD_FAILED, rows[i].status, "%s", rows[i].text);
		struct smtpd_report_rcpt r = { .outcome = &o };
		CHECK(rows[i].text, !strcmp(smtpd_bounce_cause(&r)->vi, rows[i].vi));
	}
	CHECK_END();
}

/* Python's email package is the second opinion. */
static void
test_report__is_read_alike_by_python(void **state)
{
	static const char script[] =
		"import email, email.policy, sys\n"
		"m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n"
		"assert not m.defects, m.defects\n"
		"assert m.get_content_type() == 'multipart/report', m.get_content_type()\n"
		"assert m.get_param('report-type') == 'delivery-status'\n"
		"assert 'Thư không gửi được' in m['subject'], m['subject']\n"
		"assert m['from'].addresses[0].display_name == 'Hệ thống thư công vụ', m['from']\n"
		"assert m['auto-submitted'] == 'auto-replied' and m['mime-version'] == '1.0'\n"
		"assert m['date'].datetime and m['message-id']\n"
		"text, status, original = m.iter_parts()\n"
		"body = text.get_content()\n"
		"assert text.get_content_charset() == 'utf-8'\n"
		"assert 'Hộp thư người nhận đã đầy.' in body, body\n"
		"assert 'mailbox is full' in body and '22/11/2026' in body\n"
		"blocks = status.get_payload()\n"
		"assert len(blocks) == 4, len(blocks)\n"
		"assert blocks[1]['action'] == 'failed' and blocks[1]['status'] == '5.2.2'\n"
		"assert blocks[3]['status'] == '5.4.7'\n"
		"inner = original.get_payload()[0]\n"
		"assert inner['from'] == 'a@lg.example'\n";
	struct built b;
	FILE *python;

	(void)state;
	char path[] = "/tmp/cv-bounce-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, script, sizeof script - 1), sizeof script - 1);
	close(fd);
	build(&b, true, 3);
	char command[100];
	snprintf(command, sizeof command, "/usr/bin/python3 %s", path);
	python = popen(command, "w");
	assert_non_null(python);
	assert_int_equal(fwrite(b.report.p, 1, b.report.n, python), b.report.n);
	int status = pclose(python);
	unlink(path);
	cv_buf_done(&b.report);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report__has_three_parts_for_our_scanner),
		cmocka_unit_test(test_report__tells_machines_each_recipient),
		cmocka_unit_test(test_SMT_07__cause_is_found_by_status_and_words),
		cmocka_unit_test(test_report__is_read_alike_by_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
