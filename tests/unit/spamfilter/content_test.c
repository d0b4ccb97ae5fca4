/* content_test.c - what the rules get to see of a message, whole or byte by byte; whom it names. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/text/content.h"
#include "spamfilter/session.h"
#include "tests/unit/check.h"

/* Header lines up to the empty line as fields, the rest as body in pieces. */
static struct cv_content *
read_message(const char *text, size_t piece)
{
	struct cv_content *c = cv_content_new();
	struct cv_header_scan scan;
	struct cv_field field;
	struct cv_str all = cv_str_z(text), body;

	cv_header_scan_init(&scan, all);
	while (cv_header_next(&scan, &field))
		cv_content_header(c, field.name, field.value);
	cv_content_eoh(c);
	body = cv_str_sub(all, cv_header_body_at(all), all.n);
	for (size_t at = 0; at < body.n; at += piece)
		cv_content_body(c, cv_str_sub(body, at, at + piece));
	cv_content_end(c);
	return c;
}

#define PLAIN(charset, encoding)                                                                   \
	"Content-Type: text/plain; charset=" charset "\r\nContent-Transfer-Encoding: " encoding    \
	"\r\n\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TOKEN "https://a.test/v?t=a8f3k29dk20dkf93jfk20d"

/* clang-format off */
static const struct {
	const char *name, *message, *text, *files;
	unsigned links;
} rows[] = {
	{ "plain", PLAIN("utf-8", "8bit") "Xin chào\r\n", "Xin chào", "", 0 },
	{ "no header", "\r\nwords\r\n", "words", "", 0 },
	{ "empty", "", "", "", 0 },
	{ "base64", PLAIN("utf-8", "base64") "WGluIGNow6Bv\r\n", "Xin chào", "", 0 },
	{ "quoted-printable", PLAIN("utf-8", "quoted-printable") "Xin ch=C3=A0o=\r\n!\r\n", "Xin chào!", "", 0 },
	{ "windows-1258", PLAIN("windows-1258", "8bit") "Vi\xea\xf2t\r\n", "Việt", "", 0 },
	{ "unknown charset", PLAIN("x-none", "8bit") "abc\xff\r\n", "abc\xef\xbf\xbd", "", 0 },
	{ "HTML", "Content-Type: text/html; charset=utf-8\r\n\r\n<style>x</style><p>Xin <b>chào</b></p>\r\n",
	  "Xin chào", "", 0 },
	{ "plain before HTML", MIXED "--b\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--b\r\n"
	  "Content-Type: text/plain\r\n\r\nplain\r\n--b--\r\n", "plain", "", 0 },
	{ "an attached text is no text", MIXED "--b\r\nContent-Type: text/plain; name=a.txt\r\n"
	  "Content-Disposition: attachment\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--\r\n", "yes", "a.txt|", 0 },
	{ "names of files", MIXED "--b\r\nContent-Disposition: attachment; filename=\"a b.pdf\"\r\n\r\nx\r\n"
	  "--b\r\nContent-Disposition: attachment; filename*=UTF-8''%5BM%E1%BA%ACT%5D.doc\r\n\r\nx\r\n"
	  "--b\r\nContent-Type: image/png; name=\"=?UTF-8?Q?=E1=BA=A3nh.png?=\"\r\n\r\nx\r\n--b--\r\n",
	  "", "a b.pdf|[MẬT].doc|ảnh.png|", 0 },
	{ "a file inside a forwarded mail", MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\n"
	  "Content-Disposition: attachment; filename=in.pdf\r\n\r\nx\r\n--b--\r\n", "", "in.pdf|", 0 },
	{ "a link with a token", PLAIN("utf-8", "8bit") "go: " TOKEN "\r\n", "go: " TOKEN, "", 1 },
	{ "two of them", PLAIN("utf-8", "8bit") TOKEN " (" TOKEN ")\r\n", TOKEN " (" TOKEN ")", "", 2 },
	{ "a token in the path", PLAIN("utf-8", "8bit") "http://a.test/3fA9c0De1277bb41/x\r\n",
	  "http://a.test/3fA9c0De1277bb41/x", "", 1 },
	{ "words are no token", PLAIN("utf-8", "8bit") "https://a.test/thong-bao-ve-viec-hop-giao-ban-2026\r\n",
	  "https://a.test/thong-bao-ve-viec-hop-giao-ban-2026", "", 1 },
	{ "short links are none", PLAIN("utf-8", "8bit") "https://a.test/tin-tuc http://x https://\r\n",
	  "https://a.test/tin-tuc http://x https://", "", 0 },
	{ "a host is no token", PLAIN("utf-8", "8bit") "https://a8f3k29dk20dkf93jfk20d.test/\r\n",
	  "https://a8f3k29dk20dkf93jfk20d.test/", "", 0 },
	{ "a link in HTML", "Content-Type: text/html\r\n\r\n<a href=\"" TOKEN "\">here</a>\r\n", "here", "", 1 },
};
/* clang-format on */

static void
test_content__is_the_same_whole_and_byte_by_byte(void **state)
{
	static const size_t pieces[] = {1, 3, 1u << 20};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t k = 0; k < CV_COUNT(pieces); k++) {
			struct cv_content *c = read_message(rows[i].message, pieces[k]);
			struct cv_buf files = CV_BUF_INIT(4096);
			const struct cv_str *names;
			size_t count = cv_content_files(c, &names);
			for (size_t f = 0; f < count; f++)
				cv_buf_printf(&files, "%.*s|", CV_STR_ARGS(names[f]));
			if (!cv_str_eq_z(cv_content_text(c), rows[i].text))
				print_error("\"%.*s\"\n", CV_STR_ARGS(cv_content_text(c)));
			CHECK(rows[i].name, cv_str_eq_z(cv_content_text(c), rows[i].text));
			CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&files), rows[i].files));
			CHECK(rows[i].name, cv_content_token_links(c) == rows[i].links);
			cv_buf_done(&files);
			cv_content_free(c);
		}
	}
	CHECK_END();
}

static void
test_content__stops_looking_at_its_limits(void **state)
{
	struct cv_content *c = cv_content_new();
	struct cv_buf mega = CV_BUF_INIT(1u << 20);
	const struct cv_str *names;

	(void)state;
	while (mega.n + 11 < mega.max)
		cv_buf_z(&mega, "\xc4\x91\xc4\x91 words\r\n");
	cv_content_header(c, CV_STR("Content-Type"), CV_STR(" text/plain; charset=utf-8"));
	cv_content_eoh(c);
	for (int i = 0; i < 50; i++)
		cv_content_body(c, cv_buf_view(&mega));
	cv_content_end(c);
	size_t n = cv_content_text(c).n;
	CHECK("text is cut", n <= CV_CONTENT_TEXT_MAX && n > 2000);
	CHECK("at a letter", cv_str_has_prefix(cv_content_text(c), "\xc4\x91\xc4\x91 words"));
	cv_content_free(c);
	c = cv_content_new();
	cv_content_header(c, CV_STR("Content-Type"), CV_STR(" multipart/mixed; boundary=b"));
	cv_content_eoh(c);
	for (int i = 0; i < 1000; i++)
		cv_content_body(
			c, CV_STR("--b\r\nContent-Disposition: x; filename=f\r\n\r\nx\r\n"));
	cv_content_end(c);
	CHECK("names are counted", cv_content_files(c, &names) == CV_CONTENT_FILES_MAX);
	cv_content_free(c);
	cv_buf_done(&mega);
	CHECK_END();
}

/* ---- authors ---- */

static void
test_author__names_every_domain_that_could_be_meant(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *from[3];
		bool plain;
		const char *domains;
	} authors[] = {
		{ "plain", { " A B <a@One.test>" }, true, "one.test|" },
		{ "folded", { " A B\n <a@one.test>\n" }, true, "one.test|" },
		{ "bare", { "a@one.test" }, true, "one.test|" },
		{ "UTF-8 domain", { " <a@đông.test>" }, true, "xn--ng-7ja9i.test|" },
		{ "two mailboxes", { " a@one.test, b@two.test" }, true, "one.test|two.test|" },
		{ "two of one domain", { " a@one.test, b@one.test" }, true, "one.test|" },
		{ "none", { NULL }, false, "" },
		{ "empty", { "" }, false, "" },
		{ "two fields", { " a@one.test", " b@two.test" }, false, "one.test|two.test|" },
		{ "a group", { " g: a@one.test, b@two.test;" }, false, "one.test|two.test|" },
		{ "no closing bracket", { " \"x@two.test\" <a@one.test" }, false, "one.test|two.test|" },
		{ "in a comment that never ends", { " a@one.test (b@two.test" }, false, "one.test|two.test|" },
		{ "two at signs", { " a@b@one.test" }, false, "b|one.test|" },
		{ "a route", { " <@two.test:a@one.test>" }, false, "one.test|two.test|" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(authors); i++) {
		struct spam_header_field fields[4] = {
			{CV_STR("Subject"), CV_STR("x@s.test")}};
		struct spam_mail mail = {.fields = fields, .field_count = 1};
		struct spam_author a;
		struct cv_buf domains = CV_BUF_INIT(1000);
		for (size_t f = 0; f < 3 && authors[i].from[f]; f++)
			fields[mail.field_count++] = (struct spam_header_field){
				CV_STR("from"), cv_str_z(authors[i].from[f])};
		spam_author_read(&mail, &a);
		for (size_t d = 0; d < a.domain_count; d++)
			cv_buf_printf(&domains, "%.*s|", CV_STR_ARGS(a.domains[d]));
		if (!cv_str_eq_z(cv_buf_view(&domains), authors[i].domains))
			print_error("%s\n", domains.n ? domains.p : "");
		CHECK(authors[i].name, cv_str_eq_z(cv_buf_view(&domains), authors[i].domains));
		CHECK(authors[i].name, a.is_plain == authors[i].plain);
		cv_buf_done(&domains);
		cv_arena_done(&mail.arena);
	}
	CHECK_END();
}

/* A header of a megabyte may hide a From in another a hundred thousand times, or be all line ends
 * of some sort: neither costs memory or seconds. */
static void
test_author__reads_no_more_than_some_hidden_fields(void **state)
{
	struct spam_mail mail = {0};
	struct spam_header_field fields[] = {
		{CV_STR("From"), CV_STR("a@own.test")}, {CV_STR("X"), CV_STR("")}};
	struct cv_buf hidden = CV_BUF_INIT(1u << 20), ends = CV_BUF_INIT(1u << 20);
	struct spam_author a;

	(void)state;
	for (size_t i = 0; i < 90000; i++)
		cv_buf_z(&hidden, "\fFrom:x@y");
	for (size_t i = 0; i < 900000; i++)
		cv_buf_c(&ends, '\v');
	mail.fields = fields;
	mail.field_count = 2;
	int64_t began_ms = cv_mono_ms();
	fields[1].value = cv_buf_view(&ends);
	spam_author_read(&mail, &a);
	CHECK("line ends", a.form == SPAM_AUTHOR_PLAIN && !a.is_excessive);
	fields[1].value = cv_buf_view(&hidden);
	spam_author_read(&mail, &a);
	CHECK("hidden", a.form == SPAM_AUTHOR_SEVERAL && a.is_excessive);
	CHECK("in time", cv_mono_ms() - began_ms < 3000);
	cv_arena_done(&mail.arena);
	cv_buf_done(&hidden);
	cv_buf_done(&ends);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content__is_the_same_whole_and_byte_by_byte),
		cmocka_unit_test(test_content__stops_looking_at_its_limits),
		cmocka_unit_test(test_author__names_every_domain_that_could_be_meant),
		cmocka_unit_test(test_author__reads_no_more_than_some_hidden_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
