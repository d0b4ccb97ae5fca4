/* walk_test.c - whole messages: texts in any charset, links, files, facts (SPM-03, SPM-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/fold.h"
#include "spamfilter/walk/walk.h"
#include "tests/unit/check.h"

static int
prepare(void **state)
{
	struct cv_err err;

	(void)state;
	return spam_walk_prepare(NULL, NULL, &err) != CV_OK;
}

static struct spam_walk *
walk(struct cv_str message)
{
	/* Sanitizers are slow: no test is about this limit but those that say so. */
	static const struct spam_walk_options patient = {.cpu_ms = 20000};

	return spam_walk_message(message, CV_STR_EMPTY, &patient);
}

/* ---- charsets ---- */

static const char lure[] =
	"Hộp thư của quý vị sắp đầy. Xin xác nhận mật khẩu để được nâng cấp dung lượng, nếu không thư điện tử công vụ sẽ bị khóa trong hôm nay.";
static const char lure_folded[] = "xac nhan mat khau de duoc nang cap dung luong";

static void
put_body(struct cv_str text, const char *encoding, struct cv_buf *out)
{
	if (!strcmp(encoding, "base64")) {
		struct cv_base64_writer w = {.n = 0};
		cv_base64_write(&w, text, out);
		cv_base64_write_end(&w, out);
	} else if (!strcmp(encoding, "quoted-printable")) {
		cv_qp_encode(text, out);
	} else {
		cv_buf_str(out, text);
	}
}

/* LURE in CHARSET, labelled LABEL. */
static bool
is_read(const char *charset, const char *label, const char *type, const char *encoding)
{
	struct cv_buf octets = CV_BUF_INIT(8192), m = CV_BUF_INIT(65536);

	(void)cv_charset_from_utf8(cv_str_z(charset), cv_str_z(lure), &octets);
	cv_buf_printf(&m,
		"Content-Type: %s; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
		label, encoding);
	put_body(cv_buf_view(&octets), encoding, &m);
	struct spam_walk *w = walk(cv_buf_view(&m));
	struct cv_str folded = spam_walk_folded(w);
	bool found = cv_str_search(folded, cv_str_z(lure_folded)) < folded.n;
	if (!found)
		print_error("%s %s %s as %s: %.*s\n", charset, encoding, type, label,
			CV_STR_ARGS(folded));
	spam_walk_free(w);
	cv_buf_done(&octets);
	cv_buf_done(&m);
	return found;
}

/* SPM-03: one rule, all encodings, whatever the label says. */
static void
test_SPM_03__walk_reads_one_text_in_every_charset(void **state)
{
	static const char *const charsets[] = {
		"utf-8", "windows-1258", "tcvn3", "vni", "vps", "viscii"};
	static const char *const encodings[] = {"8bit", "base64", "quoted-printable"};
	static const char *const labels[] = {"iso-8859-1", "utf-8", "us-ascii"};

	(void)state;
	for (size_t c = 0; c < CV_COUNT(charsets); c++)
		for (size_t e = 0; e < CV_COUNT(encodings); e++)
			for (size_t l = 0; l <= CV_COUNT(labels); l++) {
				const char *charset = charsets[c], *encoding = encodings[e];
				const char *label = l ? labels[l - 1] : charset;
				CHECK(charset, is_read(charset, label, "text/plain", encoding));
				CHECK(charset, is_read(charset, label, "text/html", encoding));
			}
	CHECK_END();
}

static void
test_walk__folds_what_people_do_to_words(void **state)
{
	static const struct {
		const char *name, *message;
	} rows[] = {
		{"NFD", "Content-Type: text/plain; charset=utf-8\n\nxa\xCC\x81" "c nh\xC3\xA2\xCC\xA3n ma\xCC\x82\xCC\xA3t kh\xE1\xBA\xA9u"},
		{"Cyrillic letters", "Content-Type: text/plain; charset=utf-8\n\nx\xC3\xA1\xD1\x81 nh\xE1\xBA\xADn m\xE1\xBA\xADt \xD0\xBAh\xE1\xBA\xA9u"},
		{"Greek letters", "Content-Type: text/plain; charset=utf-8\n\nx\xC3\xA1" "c nh\xE1\xBA\xADn m\xE1\xBA\xADt \xCE\xBAh\xE1\xBA\xA9u"},
		{"capitals of other scripts", "Content-Type: text/plain; charset=utf-8\n\nX\xC3\x81\xD0\xA1 NH\xE1\xBA\xACN \xD0\x9C\xE1\xBA\xAC\xD0\xA2 \xD0\x9AH\xE1\xBA\xA8U"},
		{"mathematical letters", "Content-Type: text/plain; charset=utf-8\n\nxac nhan \xF0\x9D\x90\xA6\xF0\x9D\x90\x9A\xF0\x9D\x90\xAD khau"},
		{"fullwidth letters", "Content-Type: text/plain; charset=utf-8\n\n\xEF\xBD\x98" "ac nhan mat khau"},
		{"zero width", "Content-Type: text/plain; charset=utf-8\n\nx\xE2\x80\x8B" "ac nh\xE2\x81\xA0" "an m\xC2\xAD" "at khau"},
		{"entities", "Content-Type: text/html\n\nx&aacute;c nh&#7853;n <b>m</b>&#x1EAD;t kh&#7849;u"},
		{"legacy letters in entities", "Content-Type: text/html; charset=utf-8\n\n<font face='.VnTime'>x&#184;c nh&Euml;n m&Euml;t kh&Egrave;u c&ntilde;a qu&yacute; v&THORN; \xC4\x91&oacute;</font>"},
		{"split by hidden text", "Content-Type: text/html; charset=utf-8\n\nxac nh<span style='display:none'>zz</span>an mat khau"},
		{"blanks", "Content-Type: text/html\n\nxac&nbsp;\n nhan\t<i>mat</i>   khau"},
		{"no type at all", "Subject: x\n\nxac nhan mat khau"},
		{"HTML labelled plain", "Content-Type: text/plain\n\n<html><body>xac nh<!-- -->an mat khau"},
		{"charset in a meta element", "Content-Type: text/html\n\n<meta charset=windows-1258>x\xE1" "c nh\xE2\xF2n m\xE2\xF2t kh\xE2\xD2u"},
		{"multipart without boundary", "Content-Type: multipart/mixed\n\nxac nhan mat khau"},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_walk *w = walk(cv_str_z(rows[i].message));
		struct cv_str folded = spam_walk_folded(w);
		CHECK(rows[i].name, cv_str_search(folded, CV_STR("xac nhan mat khau")) < folded.n);
		if (cv_str_search(folded, CV_STR("xac nhan mat khau")) == folded.n)
			print_error("  %.*s\n", CV_STR_ARGS(folded));
		spam_walk_free(w);
	}
	CHECK_END();
}

static void
test_walk__decodes_subjects(void **state)
{
	static const struct {
		const char *field, *want;
	} rows[] = {
		{"=?utf-8?B?WMOhYyBuaOG6rW4=?=", "Xác nhận"},
		{"=?iso-8859-1?Q?X=B8c?= =?iso-8859-1?Q?_nh=CBn_m=CBt_kh=C8u?=", "Xác nhận mật khẩu"},
		{"Xác nhận", "Xác nhận"},
		{"X\xE1" "c nh\xE2\xF2n m\xE2\xF2t kh\xE2\xD2u c\xF9" "a qu\xFD v\xF2i", NULL},
		{"a\r\n b", "a b"},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf m = CV_BUF_INIT(4096);
		cv_buf_printf(&m, "Subject: %s\r\n\r\n", rows[i].field);
		struct spam_walk *w = walk(cv_buf_view(&m));
		struct cv_str s = spam_walk_subject(w);
		CHECK(rows[i].field, !rows[i].want || cv_str_eq_z(s, rows[i].want));
		if (rows[i].want && !cv_str_eq_z(s, rows[i].want))
			print_error("  %.*s\n", CV_STR_ARGS(s));
		CHECK(rows[i].field, cv_utf8_is_valid(s));
		spam_walk_free(w);
		cv_buf_done(&m);
	}
	CHECK_END();
}

/* ---- parts ---- */

#define BOUNDARY "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
#define ATTACHED(type, name)                                                                       \
	"--x\r\nContent-Type: " type "\r\nContent-Disposition: attachment; " name        \
	"\r\n\r\n"

static void
test_walk__judges_names_and_octets_of_files(void **state)
{
	static const struct {
		const char *name, *part, *shown;
		enum spam_file_kind kind;
		unsigned flags;
	} rows[] = {
		{"double", ATTACHED("application/octet-stream", "filename=hoso.pdf.exe") "MZx", "hoso.pdf.exe", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS | SPAM_FILE_DOUBLE},
		{"blanks", ATTACHED("application/pdf", "filename=\"hoso.pdf          .exe\"") "MZ", "hoso.pdf          .exe", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS | SPAM_FILE_DOUBLE | SPAM_FILE_MISNAMED},
		{"reversed", ATTACHED("application/octet-stream", "filename*=utf-8''hoso%E2%80%AEfdp.exe") "MZ", "hosofdp.exe", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS | SPAM_FILE_REVERSED},
		{"trailing", ATTACHED("application/octet-stream", "filename=\"a.exe. .\"") "MZ", "a.exe. .", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS | SPAM_FILE_TRAILING},
		{"encoded word", ATTACHED("application/octet-stream", "filename=\"=?utf-8?B?aOG7kyBzxqEuanM=?=\"") "x", "hồ sơ.js", SPAM_FILE_TEXT, SPAM_FILE_DANGEROUS},
		{"name of type", "--x\r\nContent-Type: application/x-msdownload; name=a.scr\r\n\r\nMZ", "a.scr", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS},
		{"pretends a picture", ATTACHED("image/jpeg", "filename=anh.jpg") "MZ\x90", "anh.jpg", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS | SPAM_FILE_MISNAMED},
		{"no name at all", "--x\r\nContent-Type: application/octet-stream\r\n\r\nMZ", "", SPAM_FILE_PROGRAM, SPAM_FILE_DANGEROUS},
		{"picture", ATTACHED("image/png", "filename=anh.png") "\x89PNG\r\n\x1a\n", "anh.png", SPAM_FILE_IMAGE, 0},
		{"form", ATTACHED("text/html", "filename=dang-nhap.html") "<form action=http://a.example><input type=password>", "dang-nhap.html", SPAM_FILE_HTML, SPAM_FILE_FORM},
		{"script in HTML", ATTACHED("text/html", "filename=a.htm") "<html><script>x</script>", "a.htm", SPAM_FILE_HTML, SPAM_FILE_SCRIPTED},
		{"rtf with object", ATTACHED("application/msword", "filename=a.doc") "{\\rtf1{\\obj\r\nect\\obj\r\ndata 0105}}", "a.doc", SPAM_FILE_RTF, SPAM_FILE_EMBEDDED},
		{"pdf with script", ATTACHED("application/pdf", "filename=a.pdf") "%PDF-1.7\n<</Open#41ction<</S/Java#53cript/JS(x)>>>>", "a.pdf", SPAM_FILE_PDF, SPAM_FILE_SCRIPTED | SPAM_FILE_ACTION},
		{"plain pdf", ATTACHED("application/pdf", "filename=a.pdf") "%PDF-1.7\n<</Type/Page>>stream\n/JS\nendstream", "a.pdf", SPAM_FILE_PDF, 0},
		{"shortcut", ATTACHED("text/plain", "filename=a.txt") "[InternetShortcut]\r\nURL=http://a.example", "a.txt", SPAM_FILE_SHORTCUT, SPAM_FILE_DANGEROUS | SPAM_FILE_MISNAMED},
		{"a form by number", ATTACHED("text/plain", "filename=bm.txt") "BM01 Bieu mau", "bm.txt", SPAM_FILE_TEXT, 0},
		{"calendar", ATTACHED("text/calendar", "filename=hop.ics") "BEGIN:VCALENDAR", "hop.ics", SPAM_FILE_CALENDAR, 0},
		{"signature", ATTACHED("application/pkcs7-signature", "filename=smime.p7s") "0\x80", "smime.p7s", SPAM_FILE_SIGNATURE, 0},
		{"ace", ATTACHED("application/octet-stream", "filename=a.ace") "1234567**ACE**", "a.ace", SPAM_FILE_ARJ, SPAM_FILE_NOT_LISTED},
		{"a path", ATTACHED("application/octet-stream", "filename=\"..\\\\..\\\\a.txt\"") "x", "a.txt", SPAM_FILE_TEXT, 0},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf m = CV_BUF_INIT(8192);
		const struct spam_file *files;
		cv_buf_z(&m, BOUNDARY);
		cv_buf_z(&m, rows[i].part);
		cv_buf_z(&m, "\r\n--x--\r\n");
		struct spam_walk *w = walk(cv_buf_view(&m));
		size_t n = spam_walk_files(w, &files);
		CHECK(rows[i].name, n == 1);
		if (n == 1) {
			CHECK(rows[i].name, cv_str_eq_z(files[0].name, rows[i].shown));
			CHECK(rows[i].name, files[0].kind == rows[i].kind);
			CHECK(rows[i].name, files[0].flags == rows[i].flags);
			if (files[0].flags != rows[i].flags || files[0].kind != rows[i].kind)
				print_error("  %s %x '%.*s'\n", spam_file_kind_word(files[0].kind),
					files[0].flags, CV_STR_ARGS(files[0].name));
		}
		spam_walk_free(w);
		cv_buf_done(&m);
	}
	CHECK_END();
}

static void
test_walk__gives_the_octets_of_files(void **state)
{
	struct cv_buf out = CV_BUF_INIT(100), small = CV_BUF_INIT(3);
	struct cv_str header = CV_STR(BOUNDARY);
	struct cv_str body = CV_STR("--x\r\nContent-Disposition: attachment; filename=a.bin\r\n"
				    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n");
	static const struct spam_walk_options patient = {.cpu_ms = 20000};

	(void)state;
	struct spam_walk *w = spam_walk_message(header, body, &patient);
	assert_int_equal(spam_walk_file_bytes(w, 0, &out), CV_OK);
	assert_true(cv_str_eq_z(cv_buf_view(&out), "hello"));
	assert_int_equal(spam_walk_file_bytes(w, 0, &small), CV_LIMIT);
	assert_int_equal(spam_walk_file_bytes(w, 1, &out), CV_NOT_FOUND);
	spam_walk_free(w);
	cv_buf_done(&out);
	cv_buf_done(&small);
}

/* ---- links ---- */

static void
test_walk__compares_links_with_what_they_read_as(void **state)
{
	static const struct {
		const char *html;
		bool mismatch;
	} rows[] = {
		{"<a href='https://evil.example/x'>https://mail.lamgiang.example</a>", true},
		{"<a href='https://evil.example/x'>www.lamgiang.example/dang-nhap</a>", true},
		{"<a href='https://www.lamgiang.example/x'>mail.lamgiang.example/a</a>", false},
		{"<a href='https://evil.example/?u=https://lamgiang.example/'>https://lamgiang.example</a>", false},
		{"<a href='https://evil.example/x'>Xem tại đây</a>", false},
		{"<a href='mailto:a@b.example'>https://lamgiang.example</a>", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf m = CV_BUF_INIT(4096);
		cv_buf_printf(&m, "Content-Type: text/html; charset=utf-8\r\n\r\n%s", rows[i].html);
		struct spam_walk *w = walk(cv_buf_view(&m));
		bool found = (spam_walk_facts(w) & SPAM_FACT(LINK_MISMATCH)) != 0;
		CHECK(rows[i].html, found == rows[i].mismatch);
		spam_walk_free(w);
		cv_buf_done(&m);
	}
	CHECK_END();
}

static void
test_walk__keeps_each_url_once_and_no_more_than_it_may(void **state)
{
	struct cv_buf m = CV_BUF_INIT(1u << 20);
	const struct spam_url *urls;

	(void)state;
	cv_buf_z(&m, "Subject: http://subject.example/\r\n\r\n");
	for (int i = 0; i < 3; i++)
		cv_buf_z(&m, "http://same.example/ HTTP://SAME.example ");
	struct spam_walk *w = walk(cv_buf_view(&m));
	assert_int_equal(spam_walk_urls(w, &urls), 2);
	assert_int_equal(urls[0].source, SPAM_URL_HEADER);
	assert_int_equal(urls[1].count, 6);
	assert_true(cv_str_eq_z(urls[1].organisation, "same.example"));
	spam_walk_free(w);
	for (int i = 0; i < 3000; i++)
		cv_buf_printf(&m, "http://h%d.example/ ", i);
	w = walk(cv_buf_view(&m));
	assert_int_equal(spam_walk_urls(w, &urls), SPAM_URLS_MAX);
	assert_true(spam_walk_facts(w) & SPAM_FACT(URLS_CUT));
	spam_walk_free(w);
	cv_buf_done(&m);
}

static void
test_walk__knows_alternatives_and_attachments(void **state)
{
	static const char message[] =
		"Content-Type: multipart/mixed; boundary=o\n\n--o\n"
		"Content-Type: multipart/alternative; boundary=i\n\n--i\n\nplain text\n--i\n"
		"Content-Type: text/html\n\n<b>rich</b> text\n--i--\n--o\n"
		"Content-Type: message/rfc822\n\nSubject: inner\n\ninner text\n--o\n"
		"Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nfile text\n--o--\n";
	const struct spam_text *texts;
	const struct spam_file *files;

	(void)state;
	struct spam_walk *w = walk(CV_STR(message));
	assert_int_equal(spam_walk_texts(w, &texts), 3);
	assert_true(texts[0].is_alternative && !texts[0].is_html);
	assert_true(texts[1].is_html && !texts[1].is_alternative);
	assert_true(texts[2].is_attachment && cv_str_eq_z(texts[2].visible, "inner text"));
	assert_true(cv_str_eq_z(spam_walk_visible(w), "plain text\nrich text"));
	assert_int_equal(spam_walk_files(w, &files), 1);
	assert_true(cv_str_eq_z(files[0].name, "a.txt"));
	spam_walk_free(w);
}

static void
test_walk__says_when_its_time_is_up(void **state)
{
	static const struct spam_walk_options hasty = {.cpu_ms = 1};
	struct cv_buf m = CV_BUF_INIT(8u << 20);

	(void)state;
	cv_buf_z(&m, "Content-Type: text/html\r\n\r\n");
	while (m.n < (4u << 20))
		cv_buf_z(&m, "<table><tr><td><a href=http://a.example/>x");
	struct spam_walk *w = spam_walk_message(cv_buf_view(&m), CV_STR_EMPTY, &hasty);
	assert_true(spam_walk_facts(w) & SPAM_FACT(COSTLY));
	spam_walk_free(w);
	cv_buf_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SPM_03__walk_reads_one_text_in_every_charset),
		cmocka_unit_test(test_walk__folds_what_people_do_to_words),
		cmocka_unit_test(test_walk__decodes_subjects),
		cmocka_unit_test(test_walk__judges_names_and_octets_of_files),
		cmocka_unit_test(test_walk__gives_the_octets_of_files),
		cmocka_unit_test(test_walk__compares_links_with_what_they_read_as),
		cmocka_unit_test(test_walk__keeps_each_url_once_and_no_more_than_it_may),
		cmocka_unit_test(test_walk__knows_alternatives_and_attachments),
		cmocka_unit_test(test_walk__says_when_its_time_is_up),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
