/* dmarc_record_test.c - the grammar of DMARC records (RFC 9989 4.7, 4.8, 4.10.1), tag by tag. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "spamfilter/dmarc/record.h"
#include "tests/unit/check.h"

/* What a record comes to, as words: "p sp np [s][d][t][y|n] fo rua..." */
static void
describe(const struct spam_dmarc_record *r, char *out, size_t room)
{
	static const char *const words[] = {"none", "quar", "rej"};
	int n = snprintf(out, room, "%s%s %s %s%s%s%s%s", r->is_usable ? "" : "unusable ",
		words[r->p], words[r->sp], words[r->np], r->strict_dkim ? " adkim" : "",
		r->strict_spf ? " aspf" : "", r->is_testing ? " t" : "",
		r->psd == SPAM_DMARC_PSD_Y   ? " psd=y"
		: r->psd == SPAM_DMARC_PSD_N ? " psd=n"
					     : "");
	for (size_t i = 0; i < r->rua_count; i++)
		n += snprintf(out + n, room - (size_t)n, " %s", r->rua[i].address);
}

static void
test_record__reads_policies_as_4_7_says(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text, *want; /* want NULL: no record at all */
	} rows[] = {
		/* version: first, exact, nothing before it */
		{"v=DMARC1; p=none", "none none none"},
		{"v=DMARC1;p=reject;", "rej rej rej"},
		{"v = DMARC1 ; p = reject", "rej rej rej"},
		{"V=DMARC1; p=reject", "rej rej rej"},
		{"v\t=\tDMARC1\t;p=reject", "rej rej rej"},
		{"v=DMARC1", "unusable none none none"},
		{"v=DMARC1;", "unusable none none none"},
		{"v=dmarc1; p=reject", NULL},
		{"v=DMARC2; p=reject", NULL},
		{"v=DMARC1.1; p=reject", NULL},
		{"v=DMARC1 p=reject", NULL},
		{"v=DMARC1x; p=reject", NULL},
		{" v=DMARC1; p=reject", NULL},
		{";v=DMARC1; p=reject", NULL},
		{"p=reject; v=DMARC1", NULL},
		{"v; p=reject", NULL},
		{"DMARC1; p=reject", NULL},
		{"", NULL},
		{"v=spf1 -all", NULL},
		{"v=DMARC1\n; p=reject", NULL},
		{"v=\"DMARC1\"; p=reject", NULL},
		/* p, sp, np and their defaults */
		{"v=DMARC1; p=quarantine", "quar quar quar"},
		{"v=DMARC1; p=REJECT", "rej rej rej"},
		{"v=DMARC1; P=Reject; SP=None", "rej none none"},
		{"v=DMARC1; p=reject; sp=none", "rej none none"},
		{"v=DMARC1; p=none; sp=quarantine", "none quar quar"},
		{"v=DMARC1; p=none; np=reject", "none none rej"},
		{"v=DMARC1; p=none; sp=quarantine; np=reject", "none quar rej"},
		{"v=DMARC1; sp=none; np=none; p=reject", "rej none none"},
		{"v=DMARC1; rua=mailto:a@b.example; p=reject", "rej rej rej a@b.example"},
		/* 4.10.1: no usable policy, but reports asked for */
		{"v=DMARC1; p=bad; rua=mailto:a@b.example", "none none none a@b.example"},
		{"v=DMARC1; rua=mailto:a@b.example", "none none none a@b.example"},
		{"v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.example",
			"none none none a@b.example"},
		{"v=DMARC1; p=reject; np=bad; rua=mailto:a@b.example",
			"none none none a@b.example"},
		{"v=DMARC1; p=reject; sp=bad", "unusable none none none"},
		{"v=DMARC1; p=bad", "unusable none none none"},
		{"v=DMARC1; p=bad; rua=nothing", "unusable none none none"},
		{"v=DMARC1; p=bad; rua=https://b.example/in", "none none none"},
		{"v=DMARC1; p=", "unusable none none none"},
		{"v=DMARC1; p=reject reject", "unusable none none none"},
		/* alignment */
		{"v=DMARC1; p=none; adkim=s; aspf=s", "none none none adkim aspf"},
		{"v=DMARC1; p=none; adkim=S", "none none none adkim"},
		{"v=DMARC1; p=none; adkim=r; aspf=r", "none none none"},
		{"v=DMARC1; p=none; adkim=x; aspf=strict", "none none none"},
		/* t */
		{"v=DMARC1; p=reject; t=y", "rej rej rej t"},
		{"v=DMARC1; p=reject; t=Y", "rej rej rej t"},
		{"v=DMARC1; p=reject; t=n", "rej rej rej"},
		{"v=DMARC1; p=reject; t=1", "rej rej rej"},
		/* psd */
		{"v=DMARC1; p=reject; psd=y", "rej rej rej psd=y"},
		{"v=DMARC1; p=reject; psd=n", "rej rej rej psd=n"},
		{"v=DMARC1; p=reject; psd=u", "rej rej rej"},
		{"v=DMARC1; p=reject; psd=x", "rej rej rej"},
		{"v=DMARC1; psd=n", "unusable none none none psd=n"},
		/* unknown and broken tags are passed over (4.8) */
		{"v=DMARC1; x=y; p=reject", "rej rej rej"},
		{"v=DMARC1; p=reject; ri=3600; rf=afrf; pct=20", "rej rej rej"},
		{"v=DMARC1; garbage; p=reject", "rej rej rej"},
		{"v=DMARC1;;; p=reject;;", "rej rej rej"},
		{"v=DMARC1; =x; p=reject", "rej rej rej"},
		{"v=DMARC1; p=reject; adkim=\x01s", "rej rej rej"},
		/* of doubles the first counts */
		{"v=DMARC1; p=reject; p=none", "rej rej rej"},
		{"v=DMARC1; p=none; p=reject", "none none none"},
		{"v=DMARC1; p=bad; p=reject", "unusable none none none"},
		{"v=DMARC1; p=reject; v=DMARC2", "rej rej rej"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_record r;
		char text[600];
		bool is_record = spam_dmarc_record_parse(cv_str_z(rows[i].text), &r);
		CHECK(rows[i].text, is_record == (rows[i].want != NULL));
		if (!is_record || !rows[i].want)
			continue;
		describe(&r, text, sizeof text);
		if (strcmp(text, rows[i].want))
			print_error("%s: got \"%s\"\n", rows[i].text, text);
		CHECK(rows[i].text, !strcmp(text, rows[i].want));
	}
	CHECK_END();
}

static void
test_record__takes_mail_addresses_for_reports(void **state)
{
	/* clang-format off */
	static const struct {
		const char *rua, *first;
		size_t count;
		uint64_t limit;
	} rows[] = {
		{"mailto:a@b.example", "a@b.example", 1, 0},
		{"MAILTO:a@B.Example", "a@b.example", 1, 0},
		{"mailto:a@b.example,mailto:c@d.example", "a@b.example", 2, 0},
		{"mailto:a@b.example , mailto:c@d.example", "a@b.example", 2, 0},
		{"https://b.example/x,mailto:c@d.example", "c@d.example", 1, 0},
		{"mailto:a@b.example!10m", "a@b.example", 1, 10u << 20},
		{"mailto:a@b.example!50K", "a@b.example", 1, 50u << 10},
		{"mailto:a@b.example!7", "a@b.example", 1, 7},
		{"mailto:a@b.example!2g", "a@b.example", 1, 2ull << 30},
		{"mailto:a@b.example!x", "", 0, 0},
		{"mailto:a@b.example!10mm", "", 0, 0},
		{"mailto:a%2Bb@b.example", "a+b@b.example", 1, 0},
		{"mailto:a%21b@b.example", "a!b@b.example", 1, 0},
		{"mailto:a%2@b.example", "", 0, 0},
		{"mailto:a@b.example?subject=x", "a@b.example", 1, 0},
		{"mailto:a@b.example%0d%0aRCPT", "", 0, 0},
		{"mailto:a%20b@b.example", "", 0, 0},
		{"mailto:a@[192.0.2.1]", "", 0, 0},
		{"mailto:@b.example", "", 0, 0},
		{"mailto:a", "", 0, 0},
		{"mailto:a@b.example mailto:c@d.example", "", 0, 0},
		{"a@b.example", "", 0, 0},
		{",,mailto:a@b.example,,", "a@b.example", 1, 0},
		{"mailto:1@b.example,mailto:2@b.example,mailto:3@b.example,mailto:4@b.example," "mailto:5@b.example", "1@b.example", 4, 0},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_record r;
		char text[400];
		snprintf(text, sizeof text, "v=DMARC1; p=none; rua=%s", rows[i].rua);
		assert_true(spam_dmarc_record_parse(cv_str_z(text), &r));
		CHECK(rows[i].rua, r.rua_count == rows[i].count);
		if (!r.rua_count)
			continue;
		CHECK(rows[i].rua, !strcmp(r.rua[0].address, rows[i].first));
		CHECK(rows[i].rua, r.rua[0].limit_bytes == rows[i].limit);
	}
	CHECK_END();
}

static void
test_record__reads_what_failure_reports_are_asked_for(void **state)
{
	/* clang-format off */
	static const struct {
		const char *fo;
		unsigned want;
	} rows[] = {
		{"0", SPAM_DMARC_FO_0},
		{"1", SPAM_DMARC_FO_1},
		{"d", SPAM_DMARC_FO_D},
		{"s", SPAM_DMARC_FO_S},
		{"1:d:s", SPAM_DMARC_FO_1 | SPAM_DMARC_FO_D | SPAM_DMARC_FO_S},
		{"d:0", SPAM_DMARC_FO_D | SPAM_DMARC_FO_0},
		{"0:1", SPAM_DMARC_FO_0},
		{"d:d", SPAM_DMARC_FO_0},
		{"x", SPAM_DMARC_FO_0},
		{"1:", SPAM_DMARC_FO_0},
		{"D : S", SPAM_DMARC_FO_D | SPAM_DMARC_FO_S},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_record r;
		char text[100];
		snprintf(text, sizeof text, "v=DMARC1; p=none; ruf=mailto:a@b.example; fo=%s",
			rows[i].fo);
		assert_true(spam_dmarc_record_parse(cv_str_z(text), &r));
		CHECK(rows[i].fo, r.fo == rows[i].want && r.has_ruf);
	}
	CHECK_END();
}

static void
test_record__has_a_limit(void **state)
{
	char *text = malloc(SPAM_DMARC_RECORD_MAX + 2);
	struct spam_dmarc_record r;

	(void)state;
	memset(text, ';', SPAM_DMARC_RECORD_MAX + 1);
	memcpy(text, "v=DMARC1;p=reject", 17);
	assert_true(spam_dmarc_record_parse(cv_str(text, SPAM_DMARC_RECORD_MAX), &r));
	assert_int_equal(r.p, SPAM_DMARC_P_REJECT);
	assert_false(spam_dmarc_record_parse(cv_str(text, SPAM_DMARC_RECORD_MAX + 1), &r));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__reads_policies_as_4_7_says),
		cmocka_unit_test(test_record__takes_mail_addresses_for_reports),
		cmocka_unit_test(test_record__reads_what_failure_reports_are_asked_for),
		cmocka_unit_test(test_record__has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
