/* dmarc_test.c - records, organisational domains, alignment, and what comes of them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "spamfilter/dmarc.h"
#include "tests/unit/check.h"

#define ZONE                                                                                       \
	"$TTL 300\n"                                                                               \
	"_dmarc.strict.example.vn. TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n"                  \
	"_dmarc.org.com.vn. TXT \"v=DMARC1; p=quarantine; sp=reject\"\n"                           \
	"_dmarc.none.vn. TXT \"v=DMARC1; p=none\"\n"                                               \
	"_dmarc.two.vn. TXT \"v=DMARC1; p=none\"\n"                                                \
	"_dmarc.two.vn. TXT \"v=DMARC1; p=reject\"\n"                                              \
	"_dmarc.other.vn. TXT \"something else\"\n"                                                \
	"; fail _dmarc.fails.vn TXT\n"

static struct cv_resolver *resolver;
static struct spam_dmarc *dmarc;
static char zone_path[] = "/tmp/congvu-dmarc-XXXXXX";

static int
setup(void **state)
{
	struct cv_resolver_options o = {.zone_file = zone_path};
	struct cv_err err;
	int fd = mkstemp(zone_path);

	(void)state;
	if (fd < 0 || write(fd, ZONE, sizeof ZONE - 1) != sizeof ZONE - 1)
		return 1;
	close(fd);
	if (cv_resolver_new(&o, &resolver, &err) != CV_OK)
		return 1;
	dmarc = spam_dmarc_new(resolver);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	spam_dmarc_free(dmarc);
	cv_resolver_free(resolver);
	return unlink(zone_path);
}

static void
test_dmarc_parse__reads_records(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		bool good;
		enum spam_dmarc_policy p, sp;
		bool dkim, spf;
	} rows[] = {
		{ "v=DMARC1; p=none", true, SPAM_DMARC_P_NONE, SPAM_DMARC_P_NONE, false, false },
		{ "v=DMARC1;p=reject;", true, SPAM_DMARC_P_REJECT, SPAM_DMARC_P_REJECT, false, false },
		{ "v = DMARC1 ; P = Quarantine ; SP=none", true, SPAM_DMARC_P_QUARANTINE, SPAM_DMARC_P_NONE, false, false },
		{ "v=DMARC1; p=reject; adkim=s; aspf=S; x=y; pct=50", true, SPAM_DMARC_P_REJECT, SPAM_DMARC_P_REJECT, true, true },
		{ "v=DMARC1; p=bad; rua=mailto:a@b.test", true, SPAM_DMARC_P_NONE, SPAM_DMARC_P_NONE, false, false },
		{ "v=DMARC1; p=bad", false, 0, 0, false, false },
		{ "v=DMARC1", false, 0, 0, false, false },
		{ "v=DMARC2; p=reject", false, 0, 0, false, false },
		{ "v=dmarc1; p=reject", false, 0, 0, false, false },
		{ "p=reject; v=DMARC1", false, 0, 0, false, false },
		{ "", false, 0, 0, false, false },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_record r;
		bool good = spam_dmarc_parse(cv_str_z(rows[i].text), &r);
		CHECK(rows[i].text, good == rows[i].good);
		if (!good)
			continue;
		CHECK(rows[i].text, r.policy == rows[i].p && r.sub_policy == rows[i].sp);
		CHECK(rows[i].text, r.strict_dkim == rows[i].dkim && r.strict_spf == rows[i].spf);
	}
	CHECK_END();
}

static void
test_dmarc_organisation__stops_at_public_suffixes(void **state)
{
	static const char *const rows[][2] = {{"a.b.example.com.vn", "example.com.vn"},
		{"example.com.vn", "example.com.vn"}, {"com.vn", "com.vn"}, {"vn", "vn"},
		{"mail.stp.tinh.gov.vn", "tinh.gov.vn"}, {"gov.vn", "gov.vn"}, {"x.test", "x.test"},
		{"a.x.test", "x.test"}};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char out[256];
		spam_dmarc_organisation(dmarc, rows[i][0], out);
		CHECK(rows[i][0], !strcmp(out, rows[i][1]));
	}
	CHECK_END();
}

static void
test_dmarc_check__needs_an_aligned_pass(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *from, *spf, *dkim;
		enum spam_dmarc_result want;
		enum spam_dmarc_policy policy;
		bool vouched;
	} rows[] = {
		{ "SPF of the same domain", "org.com.vn", "org.com.vn", NULL, SPAM_DMARC_PASS, SPAM_DMARC_P_QUARANTINE, true },
		{ "SPF of a subdomain", "org.com.vn", "m.org.com.vn", NULL, SPAM_DMARC_PASS, SPAM_DMARC_P_QUARANTINE, true },
		{ "DKIM of the organisation", "a.org.com.vn", NULL, "org.com.vn", SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true },
		{ "nobody", "a.org.com.vn", NULL, NULL, SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, false },
		{ "another organisation", "org.com.vn", "x.com.vn", "y.com.vn", SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false },
		{ "a public suffix signs for nobody", "org.com.vn", "com.vn", "vn", SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false },
		{ "strict", "strict.example.vn", "m.strict.example.vn", NULL, SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, true },
		{ "strict, equal", "strict.example.vn", NULL, "strict.example.vn", SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true },
		{ "no record", "other.vn", "other.vn", NULL, SPAM_DMARC_NONE, SPAM_DMARC_P_NONE, true },
		{ "two records", "two.vn", "x.vn", NULL, SPAM_DMARC_NONE, SPAM_DMARC_P_NONE, false },
		{ "DNS fails", "fails.vn", "fails.vn", NULL, SPAM_DMARC_TEMPERROR, SPAM_DMARC_P_NONE, true },
		{ "no such domain", "nosuch.vn", NULL, NULL, SPAM_DMARC_NONE, SPAM_DMARC_P_NONE, false },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_ask ask = {.from = rows[i].from,
			.spf = rows[i].spf,
			.dkim = &rows[i].dkim,
			.dkim_count = rows[i].dkim ? 1 : 0};
		struct spam_dmarc_answer a;
		spam_dmarc_check(dmarc, &ask, &a);
		CHECK(rows[i].name, a.result == rows[i].want);
		CHECK(rows[i].name, a.policy == rows[i].policy);
		CHECK(rows[i].name, a.vouched == rows[i].vouched);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmarc_parse__reads_records),
		cmocka_unit_test(test_dmarc_organisation__stops_at_public_suffixes),
		cmocka_unit_test(test_dmarc_check__needs_an_aligned_pass),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
