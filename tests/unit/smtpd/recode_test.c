/* recode_test.c - messages that cannot travel as they are, and what they become. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/recode.h"
#include "common/base/buf.h"
#include "tests/unit/check.h"

#define BIN "Content-Transfer-Encoding: binary\r\n"
#define B64 "Content-Transfer-Encoding: base64\r\n"
#define QP  "Content-Transfer-Encoding: quoted-printable\r\n"
#define V   "MIME-Version: 1.0\r\n"

static enum cv_status
collect(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

struct row {
	const char *name;
	struct cv_str in;
	const char *out; /* NULL: refused */
};

static void
check_rows(enum smtpd_carrier carrier, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_buf out = CV_BUF_INIT(100000);
		struct cv_err err = {0};
		enum cv_status status = smtpd_recode(rows[i].in, carrier, collect, &out, &err);
		if (!rows[i].out)
			CHECK(rows[i].name, status == CV_INVALID && err.text[0]);
		else
			CHECK(rows[i].name,
				status == CV_OK && cv_str_eq_z(cv_buf_view(&out), rows[i].out)
					&& smtpd_carries(carrier, cv_buf_view(&out)));
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_binary__becomes_base64_where_it_must(void **state)
{
	static const struct row rows[] = {
		{ "lines stay as they are", CV_STR("A: b\r\n\r\n.x\r\n..\r\n"),
			"A: b\r\n\r\n.x\r\n..\r\n" },
		{ "a single part", CV_STR(V "A: b\r\n\r\na\nb"), V "A: b\r\n" B64 "\r\nYQpi\r\n" },
		{ "the label is replaced", CV_STR(V BIN "A: b\r\n\r\n\0"),
			V "A: b\r\n" B64 "\r\nAA==\r\n" },
		{ "a message without MIME becomes one", CV_STR("A: b\r\n\r\na\rb"),
			"A: b\r\n" V B64 "\r\nYQ1i\r\n" },
		{ "one part of two", CV_STR(V "Content-Type: multipart/mixed; boundary=b\r\n" BIN
			"\r\n--b\r\nX: y\r\n\r\ntext\r\n--b\r\n" BIN "\r\n\r\n.\n\r\n--b--\r\n"),
			V "Content-Type: multipart/mixed; boundary=b\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\nX: y\r\n\r\ntext\r\n--b\r\n" B64
			"\r\nDQouCg==\r\n\r\n--b--\r\n" },
		{ "a bare LF in a header",
			CV_STR("A: b\nC: d\r\n\r\nx"), NULL },
		{ "NUL in a header", CV_STR("A: \0\r\n\r\nx\r\n"), NULL },
		{ "a bare LF between parts",
			CV_STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			"pre\namble\r\n--b\r\n\r\nx\r\n--b--\r\n"), NULL },
		{ "a delimiter that ends in LF", CV_STR("Content-Type: multipart/mixed; boundary=b\r\n"
			"\r\n--b\n\r\nx\r\n--b--\r\n"), NULL },
		{ "a part that is signed", CV_STR("Content-Type: multipart/signed; boundary=b\r\n\r\n"
			"--b\r\n\r\nx\ny\r\n--b--\r\n"), NULL },
		{ "a message that is signed", CV_STR("DKIM-Signature: v=1\r\n\r\nx\ny"), NULL },
		{ "base64 with bare LF is written anew", CV_STR(V B64 "\r\nYWJj\nZGVm\n"),
			V B64 "\r\nYWJjZGVm\r\n" },
		{ "an encoding nobody knows", CV_STR(V "Content-Transfer-Encoding: x-y\r\n\r\na\nb"),
			NULL },
		{ "a message inside a message", CV_STR(V "Content-Type: message/rfc822\r\n\r\n" V
			"A: b\r\n\r\na\nb"),
			V "Content-Type: message/rfc822\r\n\r\n" V "A: b\r\n" B64
			"\r\nYQpi\r\n" },
	};

	(void)state;
	check_rows(SMTPD_CARRIES_LINES, rows, CV_COUNT(rows));
}

static void
test_eight_bits__become_text_that_seven_carry(void **state)
{
	static const struct row rows[] = {
		{ "ASCII stays as it is", CV_STR(V "\r\nabc=\r\n"), V "\r\nabc=\r\n" },
		{ "text is quoted-printable", CV_STR(V "Content-Transfer-Encoding: 8bit\r\n\r\n\xc4\x91"
			" =\r\n"), V QP "\r\n=C4=91 =3D\r\n" },
		{ "what is no text is base64", CV_STR(V "Content-Type: image/png\r\n\r\n\xff\r\n"),
			V "Content-Type: image/png\r\n" B64 "\r\n/w0K\r\n" },
		{ "an 8-bit header cannot be mended", CV_STR("A: \xc4\x91\r\n\r\nx\r\n"), NULL },
	};

	(void)state;
	check_rows(SMTPD_CARRIES_7BIT, rows, CV_COUNT(rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary__becomes_base64_where_it_must),
		cmocka_unit_test(test_eight_bits__become_text_that_seven_carry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
