/* header_test.c - walking header blocks, unfolding, message ids, writing. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/encoded_word.h"
#include "common/text/header.h"

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

/* Every field as "name=value;" and "!" behind odd names. */
static void
walk(struct cv_str text, struct cv_header_scan *scan, struct cv_buf *out)
{
	struct cv_field f;
	size_t expect = 0;
	cv_header_scan_init(scan, text);
	expect = scan->pos;
	while (cv_header_next(scan, &f)) {
		assert_int_equal(f.start, expect);
		assert_true(f.end > f.start && f.end <= text.n);
		expect = f.end;
		cv_buf_str(out, f.name);
		cv_buf_z(out, f.is_odd ? "!=" : "=");
		cv_buf_str(out, f.value);
		cv_buf_c(out, ';');
	}
	assert_false(cv_header_next(scan, &f));
}

static void
test_scanner__walks_fields_to_the_end_of_the_header(void **state)
{
	(void)state;
	static const struct {
		const char *in, *fields;
		enum cv_header_end end;
		const char *body;
	} rows[] = {
		{ "A: 1\r\nB:2\r\n\r\nbody", "A= 1;B=2;", CV_HEADER_BLANK_LINE, "body" },
		{ "A: 1\nB: 2\n\nbody", "A= 1;B= 2;", CV_HEADER_BLANK_LINE, "body" },
		{ "A: 1\r\n 2\r\n\t3\r\nB: x\r\n\r\n", "A= 1\r\n 2\r\n\t3;B= x;",
		  CV_HEADER_BLANK_LINE, "" },
		{ "A: 1\r\n \r\nB: x\r\n\r\n", "A= 1\r\n ;B= x;", CV_HEADER_BLANK_LINE, "" },
		{ "\r\nbody", "", CV_HEADER_BLANK_LINE, "body" },
		{ "\nbody", "", CV_HEADER_BLANK_LINE, "body" },
		{ "", "", CV_HEADER_NO_BODY, "" },
		{ "A: 1", "A= 1;", CV_HEADER_NO_BODY, "" },
		{ "A: 1\r\n", "A= 1;", CV_HEADER_NO_BODY, "" },
		{ "A:", "A=;", CV_HEADER_NO_BODY, "" },
		{ "A:\r", "A=\r;", CV_HEADER_NO_BODY, "" },
		{ "A: b:c\r\n\r\n", "A= b:c;", CV_HEADER_BLANK_LINE, "" },
		{ "A : 1\r\n\r\n", "A!= 1;", CV_HEADER_BLANK_LINE, "" },
		{ ": 1\r\nA b: 2\r\n\xc3\xa9: 3\r\n\r\n", "!= 1;A b!= 2;\xc3\xa9!= 3;",
		  CV_HEADER_BLANK_LINE, "" },
		{ "A: 1\r\nno colon\r\nB: 2\r\n\r\n", "A= 1;", CV_HEADER_BAD_LINE,
		  "no colon\r\nB: 2\r\n\r\n" },
		{ " A: 1\r\n", "", CV_HEADER_BAD_LINE, " A: 1\r\n" },
		{ "body only", "", CV_HEADER_BAD_LINE, "body only" },
		{ "From a@b Sun Nov 22\r\nA: 1\r\n\r\nx", "A= 1;", CV_HEADER_BLANK_LINE, "x" },
		{ "A: 1\r\nFrom a@b 08:00\r\n\r\nx", "A= 1;From a@b 08!=00;", CV_HEADER_BLANK_LINE,
		  "x" },
		{ "A: x\ry\r\n\r\nz", "A= x\ry;", CV_HEADER_BLANK_LINE, "z" },
		{ "A: 1\r\n\rB: 2\r\n\r\n", "A= 1;\rB!= 2;", CV_HEADER_BLANK_LINE, "" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_header_scan scan;
		struct cv_buf b = CV_BUF_INIT(1000);
		/* An exact copy, so that the sanitizer sees a read past the end. */
		struct cv_str in = cv_str(memcpy(cv_malloc(strlen(rows[i].in) + 1), rows[i].in,
		                                 strlen(rows[i].in)),
		                          strlen(rows[i].in));
		walk(in, &scan, &b);
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].fields) || scan.end != rows[i].end ||
		    !cv_str_eq_z(cv_str_sub(in, scan.body_at, in.n), rows[i].body))
			fail_msg("%s: %s end %d at %zu", rows[i].in, b.p, scan.end, scan.body_at);
		assert_int_equal(cv_header_body_at(in), scan.body_at);
		cv_buf_done(&b);
		free((char *)in.p);
	}
}

static void
test_scanner__says_which_line_endings_it_saw(void **state)
{
	(void)state;
	static const struct { const char *in; bool lone; } rows[] = {
		{ "A: 1\r\nB: 2\r\n\r\nbody\n", false }, { "A: 1\r\nB: 2\n\r\n", true },
		{ "A: 1\r\n\n", true }, { "A: 1\n b\r\n\r\n", true },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_header_scan scan;
		struct cv_buf b = CV_BUF_INIT(1000);
		walk(z(rows[i].in), &scan, &b);
		assert_int_equal(scan.had_lone_lf, rows[i].lone);
		cv_buf_done(&b);
	}
}

static void
test_scanner__stops_at_its_limits(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(4u << 20);
	struct cv_header_scan scan;
	struct cv_field f;
	for (int i = 0; i < CV_HEADER_FIELDS_MAX + 1; i++)
		cv_buf_z(&b, "A: 1\r\n");
	cv_header_scan_init(&scan, cv_buf_view(&b));
	while (cv_header_next(&scan, &f))
		;
	assert_int_equal(scan.end, CV_HEADER_TOO_LARGE);
	assert_int_equal(scan.fields, CV_HEADER_FIELDS_MAX);

	static const char *const shapes[] = {"x", " x\r\n", " y"};
	for (size_t i = 0; i < CV_COUNT(shapes); i++) {
		cv_buf_reset(&b);
		cv_buf_z(&b, "A: 1\r\nB: 2\r\n");
		while (b.n <= CV_HEADER_BYTES_MAX)
			cv_buf_z(&b, shapes[i]);
		cv_header_scan_init(&scan, cv_buf_view(&b));
		while (cv_header_next(&scan, &f))
			;
		assert_int_equal(scan.end, i ? CV_HEADER_TOO_LARGE : CV_HEADER_BAD_LINE);
		assert_int_equal(scan.body_at, i ? 6 : 12);
	}
	cv_buf_done(&b);
}

static void
test_find__goes_by_name_and_number(void **state)
{
	(void)state;
	struct cv_str text = z("Received: 1\r\nFrom: a\r\nreceived : 2\r\nRECEIVED: 3\r\n\r\nReceived: 4\r\n");
	struct cv_field f;
	assert_int_equal(cv_header_count(text, "Received"), 3);
	assert_int_equal(cv_header_count(text, "Receive"), 0);
	assert_true(cv_header_find(text, "received", 2, &f));
	assert_true(cv_str_eq_z(f.value, " 3"));
	assert_true(cv_header_find(text, "FROM", 0, &f));
	assert_false(cv_header_find(text, "received", 3, &f));
	assert_false(cv_header_find(text, "From", 1, &f));
}

static void
test_unfolding__takes_line_endings_only(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ " a\r\n b\r\n\tc \r\n", "a b\tc" }, { "a\n b", "a b" }, { "a\r\nb", "a b" },
		{ "a\rb", "a b" }, { "a\r\r\n b", "a  b" }, { "  ", "" }, { "", "" }, { "a\r\n  \r\n b", "a   b" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(100);
		cv_header_unfold(z(rows[i].in), &b);
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("row %zu: %s", i, b.p);
		cv_buf_done(&b);
	}
	struct cv_buf b = CV_BUF_INIT(100);
	cv_header_unfold(cv_str("a\0b\0", 4), &b);
	assert_string_equal(b.p, "a b ");
	cv_buf_done(&b);
}

static void
test_message_ids__are_found_among_careless_text(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ " <a@b>", "a@b," }, { "<a@b><c@d>\r\n <e@f>", "a@b,c@d,e@f," }, { "", "" },
		{ "Your message of \"Mon, <x@y>\" <a@b> (see <z@z>)", "a@b," },
		{ "<a b@c> <d@e>", "d@e," }, { "<a@b", "" }, { "<a<b@c>", "b@c," }, { "<> <a@b>", "a@b," },
		{ "<a\r\n@b> <c@d>", "c@d," }, { "it's \"odd <a@b>", "a@b," }, { "(odd <a@b>", "a@b," },
		{ "a@b", "" }, { "<\"x>y\"@z>", "\"x," }, { "(a\\) <x@y>) <a@b>", "a@b," },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(100);
		struct cv_str rest = z(rows[i].in), id;
		while (cv_msgid_next(&rest, &id)) {
			cv_buf_str(&b, id);
			cv_buf_c(&b, ',');
		}
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p);
		cv_buf_done(&b);
	}
	/* Hostile shapes must not cost the square of their length. */
	static const char *const shapes[] = {"(", "\"", "<", "( <a@b>", "\\", "<("};
	for (size_t i = 0; i < CV_COUNT(shapes); i++) {
		struct cv_buf b = CV_BUF_INIT(2u << 20);
		while (b.n < (1u << 19))
			cv_buf_z(&b, shapes[i]);
		struct cv_str rest = cv_buf_view(&b), id;
		while (cv_msgid_next(&rest, &id))
			;
		cv_buf_done(&b);
	}
}

static void
check_lines(struct cv_str text, size_t columns)
{
	struct cv_str line;
	while (text.n && cv_str_split(&text, '\n', &line)) {
		assert_true(line.n && line.p[line.n - 1] == '\r');
		assert_true(line.n - 1 <= columns);
		assert_true(cv_str_trim(line).n > 0);
	}
}

static void
test_written_fields__are_folded_and_come_back(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "short", "Họp giao ban tuần", "a\r\nBcc: evil@example", "  two  blanks  ",
		"V/v triển khai thực hiện Chỉ thị về việc sử dụng hệ thống thư điện tử trong các cơ quan nhà nước trên địa bàn tỉnh Lâm Giang",
		"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"a b                                                                                                      c",
	};
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		struct cv_buf b = CV_BUF_INIT(10000), back = CV_BUF_INIT(10000),
			      want = CV_BUF_INIT(10000);
		struct cv_header_scan scan;
		struct cv_field f;
		cv_header_fold(&b, "Subject", z(texts[i]));
		check_lines(cv_buf_view(&b),
		            i == CV_COUNT(texts) - 1 ? CV_LINE_OCTETS_MAX : CV_FOLD_COLUMNS + 10);
		cv_header_scan_init(&scan, cv_buf_view(&b));
		assert_true(cv_header_next(&scan, &f));
		assert_true(cv_str_eq_z(f.name, "Subject"));
		assert_int_equal(f.end, b.n);
		cv_words_decode(f.value, CV_STR_EMPTY, &back);
		cv_words_decode(cv_str_trim(z(texts[i])), CV_STR_EMPTY, &want);
		if (i == 3)
			assert_true(cv_str_eq_z(cv_buf_view(&back), "a  Bcc: evil@example"));
		else
			assert_true(cv_str_eq(cv_buf_view(&back), cv_buf_view(&want)));
		cv_buf_done(&b);
		cv_buf_done(&back);
		cv_buf_done(&want);
	}
	struct cv_buf b = CV_BUF_INIT(1000);
	cv_header_fold_tokens(&b, "To", z("\"Aaaaaaaaaaaaaaa Bbbbbbbbbbb\" <aaaaaaaaaa@example.org>, ccccccccccccccccccc@example.org"));
	assert_string_equal(b.p, "To: \"Aaaaaaaaaaaaaaa Bbbbbbbbbbb\" <aaaaaaaaaa@example.org>,\r\n"
	                         " ccccccccccccccccccc@example.org\r\n");
	cv_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scanner__walks_fields_to_the_end_of_the_header),
		cmocka_unit_test(test_scanner__says_which_line_endings_it_saw),
		cmocka_unit_test(test_scanner__stops_at_its_limits),
		cmocka_unit_test(test_find__goes_by_name_and_number),
		cmocka_unit_test(test_unfolding__takes_line_endings_only),
		cmocka_unit_test(test_message_ids__are_found_among_careless_text),
		cmocka_unit_test(test_written_fields__are_folded_and_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
