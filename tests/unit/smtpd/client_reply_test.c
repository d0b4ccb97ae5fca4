/* client_reply_test.c - answers of other servers: whole, byte by byte, at each limit, broken. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "smtpd/client_reply.h"
#include "tests/unit/check.h"

static void
test_reply__reads_what_servers_say(void **state)
{
	static const struct {
		const char *name, *in;
		enum cv_status want;
		unsigned code;
		const char *status, *text;
		size_t used;
	} rows[] = {
		{ "one line", "250 2.1.0 Ok\r\n", CV_OK, 250, "2.1.0", "250 2.1.0 Ok", 14 },
		{ "bare code", "250\r\n", CV_OK, 250, "", "250", 5 },
		{ "code and blank", "354 \r\n", CV_OK, 354, "", "354", 6 },
		{ "two lines", "250-a\r\n250 b\r\n", CV_OK, 250, "", "250 a b", 14 },
		{ "status said once", "550-5.1.1 No\r\n550 5.1.1 one\r\n", CV_OK, 550, "5.1.1",
			"550 5.1.1 No one", 29 },
		{ "more behind", "250 a\r\n354 b\r\n", CV_OK, 250, "", "250 a", 7 },
		{ "class must fit", "250 5.1.1 x\r\n", CV_OK, 250, "", "250 5.1.1 x", 13 },
		{ "status of long parts", "550 5.123.456 x\r\n", CV_OK, 550, "5.123.456",
			"550 5.123.456 x", 17 },
		{ "no status", "550 5.1234.1 x\r\n", CV_OK, 550, "", "550 5.1234.1 x", 16 },
		{ "tabs are shown as marks", "250 a\tb\r\n", CV_OK, 250, "", "250 a?b", 9 },
		{ "nothing yet", "", CV_AGAIN, 0, NULL, NULL, 0 },
		{ "half a line", "250 o", CV_AGAIN, 0, NULL, NULL, 0 },
		{ "CR only", "250 o\r", CV_AGAIN, 0, NULL, NULL, 0 },
		{ "lines missing", "250-a\r\n250-b\r\n", CV_AGAIN, 0, NULL, NULL, 0 },
		{ "lone LF", "250 a\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "CR inside", "250 a\rb\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "no code", "hello\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "code too low", "150 a\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "code too high", "650 a\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "code of four digits", "2500 a\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "two codes", "250-a\r\n550 b\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "an empty line", "\r\n", CV_INVALID, 0, NULL, NULL, 0 },
		{ "HTTP", "HTTP/1.1 400 Bad Request\r\n", CV_INVALID, 0, NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_peer_reply r;
		struct cv_err err;
		size_t used = 0;
		char text[501];
		enum cv_status got = smtpd_peer_reply_parse(cv_str_z(rows[i].in), &r, &used, &err);
		CHECK(rows[i].name, got == rows[i].want);
		if (got != CV_OK || rows[i].want != CV_OK)
			continue;
		CHECK(rows[i].name, r.code == rows[i].code);
		CHECK(rows[i].name, !strcmp(r.status, rows[i].status));
		CHECK(rows[i].name, used == rows[i].used);
		smtpd_peer_reply_text(&r, text, sizeof text);
		CHECK(rows[i].name, !strcmp(text, rows[i].text));
		/* byte by byte: not before the last byte of the reply, and then the same */
		for (size_t n = 0; n <= rows[i].used; n++) {
			got = smtpd_peer_reply_parse(cv_str(rows[i].in, n), &r, &used, &err);
			CHECK(rows[i].name, got == (n < rows[i].used ? CV_AGAIN : CV_OK));
		}
		CHECK(rows[i].name, r.code == rows[i].code);
	}
	CHECK_END();
}

static void
test_reply__has_limits(void **state)
{
	struct cv_buf in = CV_BUF_INIT(1u << 20);
	struct smtpd_peer_reply r;
	struct cv_err err;
	size_t used;

	(void)state;
	cv_buf_z(&in, "250 ");
	while (in.n < SMTPD_PEER_LINE_MAX)
		cv_buf_c(&in, 'x');
	assert_int_equal(smtpd_peer_reply_parse(cv_buf_view(&in), &r, &used, &err), CV_LIMIT);
	assert_int_equal(smtpd_peer_reply_parse(cv_str(in.p, in.n - 1), &r, &used, &err), CV_AGAIN);
	cv_buf_reset(&in);
	for (unsigned i = 0; i < SMTPD_PEER_LINES_MAX; i++)
		cv_buf_z(&in, "250-x\r\n");
	assert_int_equal(smtpd_peer_reply_parse(cv_buf_view(&in), &r, &used, &err), CV_LIMIT);
	cv_buf_done(&in);
}

static void
test_reply__text_is_cut_between_letters(void **state)
{
	struct smtpd_peer_reply r;
	struct cv_err err;
	size_t used;
	char text[16];

	(void)state;
	assert_int_equal(smtpd_peer_reply_parse(
				 CV_STR("550 H\xe1\xbb\x99p th\xc6\xb0 \xc4\x91\xe1\xba\xa7y\r\n"),
				 &r, &used, &err),
		CV_OK);
	for (size_t n = 5; n < sizeof text; n++) {
		smtpd_peer_reply_text(&r, text, n);
		size_t i = 0;
		while (text[i]) {
			unsigned char c = (unsigned char)text[i];
			i += c < 0x80 ? 1 : c < 0xe0 ? 2 : 3;
		}
		CHECK("whole letters", i == strlen(text));
	}
	CHECK_END();
}

static void
test_caps__reads_ehlo(void **state)
{
	struct smtpd_peer_reply r;
	struct smtpd_peer_caps c;
	struct cv_err err;
	size_t used;

	(void)state;
	assert_int_equal(smtpd_peer_reply_parse(CV_STR("250-PIPELINING hello\r\n250-size 1000\r\n"
		"250-8bitmime\r\n250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLSX\r\n250 CHUNKING\r\n"),
		&r, &used, &err), CV_OK);
	smtpd_peer_caps_read(&r, &c);
	assert_false(c.pipelining); /* that was the server's name */
	assert_true(c.has_size && c.size_max == 1000);
	assert_true(c.eightbit && c.utf8 && c.dsn && c.chunking);
	assert_false(c.starttls);
	assert_int_equal(smtpd_peer_reply_parse(CV_STR("250-x\r\n250-SIZE\r\n250 STARTTLS\r\n"), &r,
		&used, &err), CV_OK);
	smtpd_peer_caps_read(&r, &c);
	assert_true(c.has_size && !c.size_max && c.starttls);
	assert_int_equal(smtpd_peer_reply_parse(CV_STR("250-x\r\n250-DELIVERBY 240\r\n"
		"250-LIMITS rcptmax=20 MAILMAX=x NEW=1 RCPTDOMAINMAX=1\r\n250 MT-PRIORITY\r\n"), &r,
		&used, &err), CV_OK);
	smtpd_peer_caps_read(&r, &c);
	assert_true(c.deliverby && c.by_min_secs == 240 && c.priority);
	assert_true(c.rcpt_max == 20 && !c.mail_max && c.domain_max == 1);
	assert_int_equal(smtpd_peer_reply_parse(CV_STR("250-x\r\n250-DELIVERBY\r\n"
		"250 LIMITS RCPTMAX=0 MAILMAX=99999999999\r\n"), &r, &used, &err), CV_OK);
	smtpd_peer_caps_read(&r, &c);
	assert_true(c.deliverby && !c.by_min_secs && !c.rcpt_max && !c.mail_max);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply__reads_what_servers_say),
		cmocka_unit_test(test_reply__has_limits),
		cmocka_unit_test(test_reply__text_is_cut_between_letters),
		cmocka_unit_test(test_caps__reads_ehlo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
