/* dmarc_report_test.c - aggregate reports (RFC 9990): what is written is read back, old and new
 * forms are read, and what is none, too large, too deep or cut anywhere is refused. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/deflate.h"
#include "common/text/encode.h"
#include "spamfilter/dmarc/report.h"
#include "tests/unit/check.h"

/* RFC 7489, Appendix C, as most of the world still sends it. */
#define OLD_HEAD                                                                                   \
	"<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n<report_metadata>"               \
	"<org_name>Example &amp; Co</org_name><email>r@receiver.example</email>"                   \
	"<report_id>4711</report_id><date_range><begin>1767225600</begin><end>1767311999</end>"    \
	"</date_range></report_metadata><policy_published><domain>Lamgiang.Example</domain>"       \
	"<adkim>r</adkim><p>reject</p><sp>none</sp><pct>100</pct></policy_published>"
#define OLD_RECORD(ip, count)                                                                      \
	"<record><row><source_ip>" ip "</source_ip><count>" count "</count><policy_evaluated>"     \
	"<disposition>reject</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated>"     \
	"</row><identifiers><header_from>lamgiang.example</header_from></identifiers>"             \
	"<auth_results><dkim><domain>a.example</domain></dkim><dkim><domain>b.example</domain>"    \
	"</dkim><spf><domain>c.example</domain></spf></auth_results></record>"
#define OLD_TAIL "</feedback>"

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_t *
example_records(void)
{
	return json_loads(
		"[{\"ip\": \"2001:db8::7\", \"count\": 3, \"disposition\": \"none\","
		"\"dkim\": \"fail\", \"spf\": \"fail\", \"reason\": \"mailing_list\","
		"\"comment\": \"<a & b>\", \"from\": \"x.bank.example\","
		"\"envelope\": \"lists.example\", \"keys\": [{\"domain\": \"lists.example\","
		"\"selector\": \"s1\", \"result\": \"pass\"}], \"spf_domain\":"
		"\"lists.example\", \"spf_result\": \"pass\"},"
		"{\"ip\": \"192.0.2.9\", \"count\": 40, \"disposition\": \"pass\","
		"\"dkim\": \"pass\", \"spf\": \"fail\", \"from\": \"bank.example\","
		"\"envelope\": \"\", \"keys\": []}]",
		0, NULL);
}

static struct spam_report
example(json_t **policy, json_t **records)
{
	*policy = json_loads("{\"method\": \"treewalk\", \"p\": \"reject\", \"sp\": \"none\","
			     "\"np\": \"reject\", \"adkim\": \"r\", \"aspf\": \"s\", \"testing\":"
			     "\"n\", \"fo\": \"0\"}",
		0, NULL);
	*records = example_records();
	return (struct spam_report){.organization = "Tỉnh Lâm Giang <&>",
		.contact = "dmarc@lamgiang.example",
		.submitter = "lamgiang.example",
		.domain = "bank.example",
		.id = "1767225600.0badcafe@lamgiang.example",
		.begin_secs = 1767225600,
		.end_secs = 1767311999,
		.now_secs = 1767315000,
		.policy = *policy,
		.records = *records,
		.left_out = 5};
}

static void
check_example(const char *how, const json_t *report)
{
	json_t *first = json_array_get(json_object_get(report, "records"), 0);

	CHECK(how, !strcmp(text_of(report, "organization"), "Tỉnh Lâm Giang <&>"));
	CHECK(how, !strcmp(text_of(report, "id"), "1767225600.0badcafe@lamgiang.example"));
	CHECK(how, !strcmp(text_of(report, "domain"), "bank.example"));
	CHECK(how, json_integer_value(json_object_get(report, "messages")) == 43);
	CHECK(how, json_array_size(json_object_get(report, "records")) == 2);
	CHECK(how, !strcmp(text_of(first, "ip"), "2001:db8::7"));
	CHECK(how, !strcmp(text_of(first, "reason"), "mailing_list"));
	CHECK(how, !strcmp(text_of(first, "dkim_domain"), "lists.example"));
	CHECK(how, !strcmp(text_of(first, "spf_domain"), "lists.example"));
}

static void
test_report__is_read_back_as_it_was_written(void **state)
{
	struct cv_buf xml = CV_BUF_INIT(1u << 20), gzip = CV_BUF_INIT(1u << 20),
		      mail = CV_BUF_INIT(1u << 20);
	json_t *policy, *records, *read;
	struct spam_report r = example(&policy, &records);
	struct cv_err err = {0};

	(void)state;
	assert_int_equal(spam_report_xml(&r, &xml, &err), CV_OK);
	assert_int_equal(cv_gzip(cv_buf_view(&xml), &gzip, &err), CV_OK);
	assert_int_equal(
		spam_report_mail(&r, "in@bank.example", cv_buf_view(&gzip), &mail, &err), CV_OK);
	const struct {
		const char *how;
		struct cv_str data;
	} rows[] = {
		{"xml",  cv_buf_view(&xml) },
		{"gzip", cv_buf_view(&gzip)},
		{"mail", cv_buf_view(&mail)},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_status status = spam_report_read(rows[i].data, &read, &err);
		CHECK(rows[i].how, status == CV_OK);
		if (status != CV_OK)
			continue;
		check_example(rows[i].how, read);
		json_decref(read);
	}
	/* RFC 9990 3.5.2: subject, type, name. */
	assert_non_null(strstr(mail.p, "Subject: Report Domain: bank.example Submitter: "));
	assert_non_null(strstr(mail.p, "Content-Type: application/gzip\r\n"));
	assert_non_null(strstr(mail.p, "filename=\"lamgiang.example!bank.example!1767225600!"
				       "1767311999.xml.gz\""));
	json_decref(policy);
	json_decref(records);
	cv_buf_done(&xml);
	cv_buf_done(&gzip);
	cv_buf_done(&mail);
	CHECK_END();
}

/* A zip with one entry of name "r.xml", stored or deflated (the bytes behind a gzip header). */
static void
make_zip(struct cv_buf *out, struct cv_str data, unsigned method, uint32_t packed)
{
	unsigned char head[30] = {'P', 'K', 3, 4, 20, 0, 0, 0, (unsigned char)method, 0};

	head[18] = (unsigned char)packed;
	head[19] = (unsigned char)(packed >> 8);
	head[20] = (unsigned char)(packed >> 16);
	head[26] = 5;
	cv_buf_add(out, head, sizeof head);
	cv_buf_z(out, "r.xml");
	cv_buf_str(out, data);
}

static void
test_report__takes_the_forms_that_are_in_use(void **state)
{
	static const char old[] = OLD_HEAD OLD_RECORD("192.0.2.1", "7") OLD_TAIL;
	static const char marked[] = "\xef\xbb\xbf" OLD_HEAD OLD_RECORD("::1", "7") OLD_TAIL;
	struct cv_buf gzip = CV_BUF_INIT(1u << 20),
		      zip[2] = {CV_BUF_INIT(1u << 20), CV_BUF_INIT(1u << 20)};
	struct cv_buf mail = CV_BUF_INIT(1u << 20);
	struct cv_err err = {0};
	json_t *read;

	(void)state;
	assert_int_equal(cv_gzip(CV_STR(old), &gzip, &err), CV_OK);
	make_zip(&zip[0], CV_STR(old), 0, sizeof old - 1);
	make_zip(&zip[1], cv_str_sub(cv_buf_view(&gzip), 10, gzip.n), 8, 0);
	cv_buf_z(&mail, "From: r@receiver.example\r\nContent-Type: application/octet-stream; "
			"name=\"a!b!1!2.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	cv_base64_encode(cv_buf_view(&zip[1]), &mail);
	/* clang-format off */
	const struct {
		const char *how;
		struct cv_str data;
	} rows[] = {
		{"XML", CV_STR(old)},
		{"XML with a mark", CV_STR(marked)},
		{"gzip", cv_buf_view(&gzip)},
		{"zip, stored", cv_buf_view(&zip[0])},
		{"zip, deflated", cv_buf_view(&zip[1])},
		{"a mail of one part", cv_buf_view(&mail)},
	};
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_status status = spam_report_read(rows[i].data, &read, &err);
		CHECK(rows[i].how, status == CV_OK);
		if (status != CV_OK)
			continue;
		json_t *first = json_array_get(json_object_get(read, "records"), 0);
		CHECK(rows[i].how, !strcmp(text_of(read, "domain"), "lamgiang.example"));
		CHECK(rows[i].how, !strcmp(text_of(read, "organization"), "Example & Co"));
		CHECK(rows[i].how, !strcmp(text_of(first, "dkim_domain"), "a.example"));
		CHECK(rows[i].how, json_integer_value(json_object_get(read, "messages")) == 7);
		json_decref(read);
	}
	cv_buf_done(&gzip);
	cv_buf_done(&zip[0]);
	cv_buf_done(&zip[1]);
	cv_buf_done(&mail);
	CHECK_END();
}

static void
test_report__refuses_what_is_none(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *text;
		enum cv_status want;
	} rows[] = {
		{"nothing", "", CV_NOT_FOUND},
		{"a mail without a report", "From: a@b.example\r\n\r\nhello\r\n", CV_NOT_FOUND},
		{"other XML", "<html/>", CV_INVALID},
		{"no organization", "<feedback><report_metadata><report_id>1</report_id></report_metadata></feedback>", CV_INVALID},
		{"no records, no range", "<feedback><report_metadata><org_name>a</org_name><report_id>1</report_id></report_metadata><policy_published><domain>a.example</domain></policy_published></feedback>", CV_INVALID},
		{"not closed", OLD_HEAD OLD_RECORD("192.0.2.1", "7"), CV_INVALID},
		{"an address that is none", OLD_HEAD OLD_RECORD("example", "7") OLD_TAIL, CV_INVALID},
		{"a count that is none", OLD_HEAD OLD_RECORD("192.0.2.1", "-7") OLD_TAIL, CV_INVALID},
		{"a count too large", OLD_HEAD OLD_RECORD("192.0.2.1", "99999999999999999999") OLD_TAIL, CV_INVALID},
		{"a document type", "<!DOCTYPE x [<!ENTITY a \"b\">]>" OLD_HEAD OLD_TAIL, CV_INVALID},
		{"a file from outside", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><feedback/>", CV_INVALID},
		{"an entity nobody knows", "<feedback>&a;</feedback>", CV_INVALID},
		{"too deep", "<feedback><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></feedback>", CV_INVALID},
		{"gzip of nothing", "\x1f\x8b\x08", CV_INVALID},
		{"zip of nothing", "PK\x03\x04", CV_INVALID},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *read = NULL;
		struct cv_err err = {0};
		enum cv_status status = spam_report_read(cv_str_z(rows[i].text), &read, &err);
		if (status != rows[i].want)
			print_error("%s: %s\n", rows[i].name, err.text);
		CHECK(rows[i].name, status == rows[i].want);
		CHECK(rows[i].name, err.text[0]);
		json_decref(read);
	}
	CHECK_END();
}

/* Wherever a report is cut, it is read or refused. */
static void
test_report__bears_being_cut(void **state)
{
	static const char old[] = OLD_HEAD OLD_RECORD("192.0.2.1", "7") OLD_TAIL;
	struct cv_buf gzip = CV_BUF_INIT(1u << 20);
	struct cv_err err = {0};
	json_t *read;

	(void)state;
	assert_int_equal(cv_gzip(CV_STR(old), &gzip, &err), CV_OK);
	for (size_t n = 0; n < gzip.n; n++)
		assert_int_not_equal(
			spam_report_read(cv_str_sub(cv_buf_view(&gzip), 0, n), &read, &err), CV_OK);
	for (size_t n = 0; n + 1 < sizeof old; n += 7)
		assert_int_not_equal(spam_report_read(cv_str(old, n), &read, &err), CV_OK);
	cv_buf_done(&gzip);
}

/* What unpacks without end, and more records than are read. */
static void
test_report__has_limits(void **state)
{
	struct cv_buf big = CV_BUF_INIT(SPAM_REPORT_TEXT_MAX + (2u << 20)),
		      gzip = CV_BUF_INIT(64u << 20);
	struct cv_err err = {0};
	json_t *read;

	(void)state;
	cv_buf_z(&big, "<feedback>");
	char *room = cv_buf_room(&big, SPAM_REPORT_TEXT_MAX);
	memset(room, ' ', SPAM_REPORT_TEXT_MAX);
	big.n += SPAM_REPORT_TEXT_MAX;
	assert_int_equal(cv_gzip(cv_buf_view(&big), &gzip, &err), CV_OK);
	assert_int_equal(spam_report_read(cv_buf_view(&gzip), &read, &err), CV_LIMIT);
	assert_int_equal(spam_report_read(cv_buf_view(&big), &read, &err), CV_LIMIT);
	cv_buf_reset(&big);
	err.text[0] = 0;
	cv_buf_z(&big, OLD_HEAD);
	for (unsigned i = 0; i <= SPAM_REPORT_RECORDS_MAX; i++)
		cv_buf_z(&big,
			"<record><row><source_ip>::1</source_ip><count>1</count></row></record>");
	cv_buf_z(&big, OLD_TAIL);
	assert_int_equal(spam_report_read(cv_buf_view(&big), &read, &err), CV_INVALID);
	assert_non_null(strstr(err.text, "too many records"));
	cv_buf_done(&big);
	cv_buf_done(&gzip);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report__is_read_back_as_it_was_written),
		cmocka_unit_test(test_report__takes_the_forms_that_are_in_use),
		cmocka_unit_test(test_report__refuses_what_is_none),
		cmocka_unit_test(test_report__bears_being_cut),
		cmocka_unit_test(test_report__has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
