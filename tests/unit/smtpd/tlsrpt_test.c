/* tlsrpt_test.c - TLS-RPT: records, what is counted, reports written and read (RFC 8460). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/tlsrpt_record.h"
#include "smtpd/tlsrpt_report.h"
#include "tests/unit/check.h"

static void
test_record__is_read_strictly(void **state)
{
	static const struct {
		const char *txt, *uris; /* NULL: nothing usable */
		bool is_one;
	} rows[] = {
		{ "v=TLSRPTv1; rua=mailto:reports@example.com", "m:reports@example.com ", 1 },
		{ "v=TLSRPTv1;rua=https://reporting.example.com/v1/tlsrpt",
			"h:https://reporting.example.com/v1/tlsrpt ", 1 },
		{ "v=TLSRPTv1 ; rua=mailto:a@b.example , https://c.example ;",
			"m:a@b.example h:https://c.example ", 1 },
		{ "v=TLSRPTv1; x=1; rua=mailto:a@b.example; rua=mailto:c@d.example",
			"m:a@b.example ", 1 },
		{ "v=TLSRPTv1; rua=mailto:a%2Cb@c.example", NULL, 1 },
		{ "v=TLSRPTv1; rua=mailto:a%2Bb@c.example?subject=x", "m:a+b@c.example ", 1 },
		{ "v=TLSRPTv1; rua=mailto:a@b.example%", NULL, 1 },
		{ "v=TLSRPTv1; rua=mailto:a@b.example%2", NULL, 1 },
		{ "v=TLSRPTv1; rua=mailto:a@b.example%0D%0ARCPT", NULL, 1 },
		{ "v=TLSRPTv1; rua=mailto:a@b.example!10m", NULL, 1 },
		{ "v=TLSRPTv1; rua=http://c.example/", NULL, 1 },
		{ "v=TLSRPTv1; rua=https://c.example:8443/x", "h:https://c.example:8443/x ", 1 },
		{ "v=TLSRPTv1; rua=https://c.example:0/x", NULL, 1 },
		{ "v=TLSRPTv1; rua=https://u@c.example/x", NULL, 1 },
		{ "v=TLSRPTv1; rua=https://127.0.0.1/x", NULL, 1 },
		{ "v=TLSRPTv1; rua=https://localhost/x", NULL, 1 },
		{ "v=TLSRPTv1; rua=https://c.example/#x", NULL, 1 },
		{ "v=TLSRPTv1; rua=ftp://x.example/,mailto:a@b.example", "m:a@b.example ", 1 },
		{ "v=TLSRPTv1; rua=mailto:a@b.example,mailto:b@b.example,mailto:c@b.example,"
		  "mailto:d@b.example,mailto:e@b.example",
			"m:a@b.example m:b@b.example m:c@b.example m:d@b.example ", 1 },
		{ "v=TLSRPTv1; RUA=mailto:a@b.example", NULL, 1 },
		{ "v=TLSRPTv1;", NULL, 1 },
		{ "v=TLSRPTv1; rua", NULL, 1 },
		{ "v=TLSRPTv1", NULL, 0 },
		{ "v=TLSRPTv10; rua=mailto:a@b.example", NULL, 0 },
		{ "v=tlsrptv1; rua=mailto:a@b.example", NULL, 0 },
		{ "", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_tlsrpt_record r;
		char got[1000] = "";
		bool is_one, good = smtpd_tlsrpt_record(cv_str_z(rows[i].txt), &r, &is_one);
		for (size_t k = 0; good && k < r.count; k++) {
			size_t n = strlen(got);
			snprintf(got + n, sizeof got - n, "%c:%s ", r.uris[k].is_mail ? 'm' : 'h',
				r.uris[k].text);
		}
		CHECK(rows[i].txt, is_one == rows[i].is_one);
		CHECK(rows[i].txt, good == (rows[i].uris != NULL));
		CHECK(rows[i].txt, !good || !strcmp(got, rows[i].uris));
	}
	CHECK_END();
}

static void
test_failures__have_the_names_of_the_rfc(void **state)
{
	static const struct {
		const char *why, *want;
	} rows[] = {
		{ "TLS handshake: certificate: hostname mismatch", "certificate-host-mismatch" },
		{ "TLS handshake: certificate: certificate has expired", "certificate-expired" },
		{ "TLS handshake: certificate: certificate is not yet valid",
			"certificate-expired" },
		{ "TLS handshake: certificate: self-signed certificate",
			"certificate-not-trusted" },
		{ "TLS handshake: certificate: no matching DANE TLSA records",
			"validation-failure" },
		{ "TLS handshake: the peer ended", "validation-failure" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].why, !strcmp(smtpd_tlsrpt_result_name(smtpd_tlsrpt_classify(
			rows[i].why)), rows[i].want));
	CHECK_END();
}

static struct smtpd_tlsrpt_event *
event(const char *domain, enum smtpd_tlsrpt_policy policy, unsigned lot,
	enum smtpd_tlsrpt_result result)
{
	struct smtpd_tlsrpt_event *e = smtpd_tlsrpt_event_new(domain);

	e->policy = policy;
	e->result = result;
	for (unsigned i = 0; i < 100 && policy != SMTPD_TLSRPT_NONE; i++) {
		cv_buf_printf(&e->strings, "\"\\\x01%0200u\n", lot);
		cv_buf_printf(&e->hosts, "\"\\\"%0200u\n", lot);
	}
	snprintf(e->host, sizeof e->host, "mx%0250u", lot);
	memset(e->why, '\\', sizeof e->why - 1);
	snprintf(e->ip, sizeof e->ip, "192.0.2.%u", lot % 256);
	return e;
}

static void
test_counts__are_bounded_however_peers_differ(void **state)
{
	json_t *policies = json_array();
	json_int_t good, bad;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		struct smtpd_tlsrpt_event *e = event("far.example", i % 3, i % 977,
			i % 4 ? (enum smtpd_tlsrpt_result)(i % SMTPD_TLSRPT_RESULTS)
			      : SMTPD_TLSRPT_SUCCESS);
		smtpd_tlsrpt_count(policies, e);
		smtpd_tlsrpt_event_free(e);
	}
	smtpd_tlsrpt_sums(policies, &good, &bad);
	assert_int_equal(good + bad, 4000);
	char *text = json_dumps(policies, JSON_COMPACT);
	assert_true(strlen(text) < 85000); /* it must fit into a row */
	free(text);
	json_decref(policies);
}

static void
test_report__is_what_it_was_after_a_way_through_the_mail(void **state)
{
	json_t *policies = json_array(), *summary;
	struct cv_buf packed = CV_BUF_INIT(1u << 20), mail = CV_BUF_INIT(1u << 20);
	struct cv_err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct smtpd_tlsrpt_event *e = event("far.example", SMTPD_TLSRPT_STS, 0,
			i < 4 ? SMTPD_TLSRPT_SUCCESS : SMTPD_TLSRPT_EXPIRED);
		smtpd_tlsrpt_count(policies, e);
		smtpd_tlsrpt_event_free(e);
	}
	struct smtpd_tlsrpt_report r = { .organization = "Tỉnh Lam Giang",
		.contact = "tlsrpt@lamgiang.example", .submitter = "lamgiang.example",
		.domain = "far.example", .id = "1@lamgiang.example", .from_secs = 1795132800,
		.to_secs = 1795219199, .now_secs = 1795220000, .policies = policies };
	assert_int_equal(smtpd_tlsrpt_pack(&r, &packed, &err), CV_OK);
	assert_int_equal(smtpd_tlsrpt_mail(&r, "a@far.example", cv_buf_view(&packed), &mail, &err),
		CV_OK);
	assert_int_equal(smtpd_tlsrpt_read_mail(cv_buf_view(&mail), &summary, &err), CV_OK);
	char *text = json_dumps(summary, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text,
		"{\"from\":1795132800,\"organization\":\"Tỉnh Lam Giang\",\"policies\":[{\"bad\":3,"
		"\"domain\":\"far.example\",\"failures\":{\"certificate-expired\":3},\"good\":4,"
		"\"type\":\"sts\"}],\"report_id\":\"1@lamgiang.example\",\"to\":1795219199}");
	free(text);
	json_decref(summary);
	json_decref(policies);
	cv_buf_done(&packed);
	cv_buf_done(&mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__is_read_strictly),
		cmocka_unit_test(test_failures__have_the_names_of_the_rfc),
		cmocka_unit_test(test_counts__are_bounded_however_peers_differ),
		cmocka_unit_test(test_report__is_what_it_was_after_a_way_through_the_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
