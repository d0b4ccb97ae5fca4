/* dmarc_test.c - the walk, the policy that applies, organisations, alignment, and what comes of
 * them (RFC 9989 4.7, 4.10, 5.3), and where reports may be sent (RFC 9990 4). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "spamfilter/dmarc/dmarc.h"
#include "tests/unit/check.h"

/* clang-format off */
#define ZONE \
	"$TTL 300\n" \
	"_dmarc.strict.example.vn. TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n" \
	"_dmarc.org.com.vn. TXT \"v=DMARC1; p=quarantine; sp=reject\"\n" \
	"a.org.com.vn. A 192.0.2.1\n" \
	"_dmarc.none.vn. TXT \"v=DMARC1; p=none\"\n" \
	"_dmarc.two.vn. TXT \"v=DMARC1; p=none\"\n" \
	"_dmarc.two.vn. TXT \"v=DMARC1; p=reject\"\n" \
	"_dmarc.spare.vn. TXT \"v=spf1 -all\"\n" \
	"_dmarc.spare.vn. TXT \"v=DMARC1; p=reject\"\n" \
	"_dmarc.other.vn. TXT \"something else\"\n" \
	"_dmarc.split.vn. TXT \"v=DMA\" \"RC1; p=rej\" \"ect\"\n" \
	"_dmarc.unusable.vn. TXT \"v=DMARC1; p=bad\"\n" \
	"_dmarc.alias.vn. CNAME _dmarc.org.com.vn.\n" \
	"; fail _dmarc.fails.vn TXT\n" \
	"; bogus _dmarc.bogus.vn TXT\n" \
	/* 4.10.1: psd=y at the suffix, its sp and np for organisations without a record */ \
	"_dmarc.gov.vn. TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"\n" \
	"so.gov.vn. A 192.0.2.2\n" \
	"mail.tinh.gov.vn. MX 10 mx.tinh.gov.vn.\n" \
	"_dmarc.tinh.gov.vn. TXT \"v=DMARC1; p=reject; sp=none\"\n" \
	"_dmarc.phong.tinh.gov.vn. TXT \"v=DMARC1; p=quarantine\"\n" \
	"_dmarc.rieng.tinh.gov.vn. TXT \"v=DMARC1; p=quarantine; sp=reject; psd=n\"\n" \
	/* 4.10.2: fewest labels */ \
	"_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n" \
	"_dmarc.mail.example.com. TXT \"v=DMARC1; p=none; sp=quarantine\"\n" \
	"b.mail.example.com. A 192.0.2.3\n" \
	/* np alone, with and without the name */ \
	"_dmarc.np.example. TXT \"v=DMARC1; p=quarantine; np=reject\"\n" \
	"real.np.example. A 192.0.2.4\n" \
	"only.mx.np.example. MX 10 x.np.example.\n" \
	"; fail hangs.np.example A\n" \
	/* t and pct */ \
	"_dmarc.test1.example. TXT \"v=DMARC1; p=reject; sp=quarantine; t=y\"\n" \
	"_dmarc.test2.example. TXT \"v=DMARC1; p=none; t=y\"\n" \
	"_dmarc.pct0.example. TXT \"v=DMARC1; p=reject; pct=0\"\n" \
	/* eight labels */ \
	"_dmarc.g.h.i.j.mail.long.example. TXT \"v=DMARC1; p=reject; psd=n\"\n" \
	"_dmarc.f.g.h.i.j.mail.deep.example. TXT \"v=DMARC1; p=reject; psd=n\"\n" \
	"_dmarc.deep.example. TXT \"v=DMARC1; p=none\"\n" \
	"; fail _dmarc.half.example TXT\n" \
	"_dmarc.own.half.example. TXT \"v=DMARC1; p=reject\"\n" \
	"; fail _dmarc.top TXT\n" \
	"_dmarc.below.top. TXT \"v=DMARC1; p=reject\"\n" \
	"; fail _dmarc.hangs.org.com.vn TXT\n" \
	/* reports of others */ \
	"blue.example.com._report._dmarc.red.example. TXT \"v=DMARC1\"\n" \
	"blue.example.com._report._dmarc.move.example. TXT \"v=DMARC1; rua=mailto:in@move.example\"\n" \
	"blue.example.com._report._dmarc.away.example. TXT \"v=DMARC1; rua=mailto:in@victim.example\"\n" \
	"blue.example.com._report._dmarc.odd.example. TXT \"hello\"\n" \
	"*._report._dmarc.any.example. TXT \"v=DMARC1;\"\n" \
	"; fail blue.example.com._report._dmarc.slow.example TXT\n"
/* clang-format on */

static struct cv_resolver *resolver;
static struct spam_dmarc *dmarc;
static struct spam_dns *dns;
static struct spam_lookups lookups;

/* As if each were of a message of its own. */
static struct spam_lookups *
fresh(void)
{
	spam_lookups_start(&lookups, dns);
	return &lookups;
}
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
	if (cv_resolver_new(&o, &resolver, &err) != CV_OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	dns = spam_dns_new(resolver);
	dmarc = spam_dmarc_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	spam_dmarc_free(dmarc);
	spam_dns_free(dns);
	cv_resolver_free(resolver);
	return unlink(zone_path);
}

static void
test_organisation__stops_at_public_suffixes(void **state)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{"a.b.example.com.vn", "example.com.vn"},
		{"example.com.vn", "example.com.vn"},
		{"com.vn", "com.vn"},
		{"vn", "vn"},
		{"mail.stp.tinh.gov.vn", "tinh.gov.vn"},
		{"gov.vn", "gov.vn"},
		{"x.test", "x.test"},
		{"a.x.test", "x.test"}
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char out[256];
		spam_dmarc_organisation(dmarc, rows[i][0], out);
		CHECK(rows[i][0], !strcmp(out, rows[i][1]));
	}
	CHECK_END();
}

/* 4.10, 4.10.1: which names are asked, which record and tag apply, which organisation that is. */
static void
test_find__walks_as_4_10_says(void **state)
{
	/* clang-format off */
	static const struct {
		const char *domain, *at; /* at NULL: no policy */
		const char *tag, *policy, *organisation;
		unsigned lookups;        /* 0: any number */
	} rows[] = {
		{"org.com.vn", "org.com.vn", "p", "quarantine", "org.com.vn", 3},
		{"a.org.com.vn", "org.com.vn", "sp", "reject", "org.com.vn", 4},
		{"no.such.org.com.vn", "org.com.vn", "sp", "reject", "org.com.vn", 5},
		{"nosuch.vn", NULL, NULL, NULL, "nosuch.vn", 2},
		{"two.vn", NULL, NULL, NULL, "two.vn", 2},
		{"x.two.vn", NULL, NULL, NULL, "x.two.vn", 3},
		{"spare.vn", "spare.vn", "p", "reject", "spare.vn", 0},
		{"other.vn", NULL, NULL, NULL, "other.vn", 0},
		{"split.vn", "split.vn", "p", "reject", "split.vn", 0},
		{"unusable.vn", NULL, NULL, NULL, "unusable.vn", 0},
		{"x.unusable.vn", NULL, NULL, NULL, "unusable.vn", 0},
		{"alias.vn", "alias.vn", "p", "quarantine", "alias.vn", 0},
		/* the author's own record goes before the organisation's */
		{"mail.example.com", "mail.example.com", "p", "none", "example.com", 3},
		/* and the organisation's before one between them */
		{"b.mail.example.com", "example.com", "p", "reject", "example.com", 4},
		{"a.b.mail.example.com", "example.com", "p", "reject", "example.com", 5},
		/* psd=y: one label below is the organisation, and no query goes further up */
		{"tinh.gov.vn", "tinh.gov.vn", "p", "reject", "tinh.gov.vn", 2},
		{"a.tinh.gov.vn", "tinh.gov.vn", "sp", "none", "tinh.gov.vn", 3},
		{"phong.tinh.gov.vn", "phong.tinh.gov.vn", "p", "quarantine", "tinh.gov.vn", 3},
		{"a.phong.tinh.gov.vn", "tinh.gov.vn", "sp", "none", "tinh.gov.vn", 4},
		{"so.gov.vn", "gov.vn", "sp", "quarantine", "so.gov.vn", 3},
		{"a.so.gov.vn", "gov.vn", "np", "reject", "so.gov.vn", 4},
		{"ao.gov.vn", "gov.vn", "np", "reject", "ao.gov.vn", 3},
		{"gov.vn", "gov.vn", "p", "none", "gov.vn", 1},
		/* psd=n ends the walk at once */
		{"rieng.tinh.gov.vn", "rieng.tinh.gov.vn", "p", "quarantine",
			"rieng.tinh.gov.vn", 1},
		{"a.rieng.tinh.gov.vn", "rieng.tinh.gov.vn", "sp", "reject",
			"rieng.tinh.gov.vn", 2},
		/* np by NXDOMAIN alone (3.2.13): a name with other records,
			or names below, exists */
		{"np.example", "np.example", "p", "quarantine", "np.example", 2},
		{"real.np.example", "np.example", "p", "quarantine", "np.example", 4},
		{"ghost.np.example", "np.example", "np", "reject", "np.example", 4},
		{"only.mx.np.example", "np.example", "p", "quarantine", "np.example", 5},
		{"mx.np.example", "np.example", "p", "quarantine", "np.example", 4},
		/* eight queries: above eight labels down to seven */
		{"a.b.c.d.e.f.g.h.i.j.mail.long.example", "g.h.i.j.mail.long.example", "p",
			"reject", "g.h.i.j.mail.long.example", 2},
		{"a.b.c.d.e.f.g.h.i.j.mail.deep.example", "deep.example", "p", "none",
			"deep.example", 8},
		{"f.g.h.i.j.mail.deep.example", "f.g.h.i.j.mail.deep.example", "p",
			"reject", "f.g.h.i.j.mail.deep.example", 1},
		{"e.f.g.h.i.j.mail.deep.example", "deep.example", "p", "none", "deep.example", 8},
		{"a.b.c.d.e.f.none.example", NULL, NULL, NULL, "a.b.c.d.e.f.none.example", 8},
		{"a.b.c.d.e.f.g.none.example", NULL, NULL, NULL, "a.b.c.d.e.f.g.none.example", 8},
		{"vn", NULL, NULL, NULL, "vn", 1},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_answer a;
		const char *name = rows[i].domain;
		struct cv_buf trace = CV_BUF_INIT(8192);
		spam_dmarc_find(dmarc, fresh(), name, SPAM_DMARC_TREE_WALK, &a, &trace);
		CHECK(name, a.result == SPAM_DMARC_NONE);
		CHECK(name, a.has_record == (rows[i].at != NULL));
		CHECK(name, !strcmp(a.organisation, rows[i].organisation));
		if (rows[i].lookups && a.lookups != rows[i].lookups)
			print_error("%s: %u look-ups:\n%s", name, a.lookups, trace.p);
		CHECK(name, !rows[i].lookups || a.lookups == rows[i].lookups);
		cv_buf_done(&trace);
		if (!a.has_record || !rows[i].at)
			continue;
		CHECK(name, !strcmp(a.record_domain, rows[i].at));
		CHECK(name, !strcmp(spam_dmarc_tag_word(a.tag), rows[i].tag));
		CHECK(name, !strcmp(spam_dmarc_policy_word(a.policy), rows[i].policy));
	}
	CHECK_END();
}

/* RFC 7489 3.2, 6.6.3. */
static void
test_find__asks_two_names_by_public_suffix(void **state)
{
	/* clang-format off */
	static const struct {
		const char *domain, *at, *tag, *policy;
		unsigned lookups;
	} rows[] = {
		{"org.com.vn", "org.com.vn", "p", "quarantine", 1},
		{"x.y.org.com.vn", "org.com.vn", "sp", "reject", 2},
		{"so.gov.vn", NULL, NULL, NULL, 1},
		{"b.mail.example.com", "example.com", "p", "reject", 2},
		{"ghost.np.example", "np.example", "p", "quarantine", 2},
		{"a.rieng.tinh.gov.vn", "tinh.gov.vn", "sp", "none", 2},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_answer a;
		const char *name = rows[i].domain;
		spam_dmarc_find(dmarc, fresh(), name, SPAM_DMARC_PUBLIC_SUFFIX, &a, NULL);
		CHECK(name, a.has_record == (rows[i].at != NULL));
		CHECK(name, a.lookups == rows[i].lookups);
		if (!a.has_record || !rows[i].at)
			continue;
		CHECK(name, !strcmp(a.record_domain, rows[i].at));
		CHECK(name, !strcmp(spam_dmarc_tag_word(a.tag), rows[i].tag));
		CHECK(name, !strcmp(spam_dmarc_policy_word(a.policy), rows[i].policy));
	}
	CHECK_END();
}

static void
test_check__needs_an_aligned_pass(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *from, *spf, *dkim;
		enum spam_dmarc_result want;
		enum spam_dmarc_policy policy;
		bool vouched;
	} rows[] = {
		{"SPF of the same domain", "org.com.vn", "org.com.vn", NULL,
			SPAM_DMARC_PASS, SPAM_DMARC_P_QUARANTINE, true},
		{"SPF of a subdomain", "org.com.vn", "m.org.com.vn", NULL, SPAM_DMARC_PASS,
			SPAM_DMARC_P_QUARANTINE, true},
		{"SPF of a sibling", "a.org.com.vn", "m.org.com.vn", NULL, SPAM_DMARC_PASS,
			SPAM_DMARC_P_REJECT, true},
		{"DKIM of the organisation", "a.org.com.vn", NULL, "org.com.vn",
			SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true},
		{"nobody", "a.org.com.vn", NULL, NULL, SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, false},
		{"another organisation", "org.com.vn", "x.com.vn", "y.com.vn",
			SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"a public suffix signs for nobody", "org.com.vn", "com.vn", "vn",
			SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"a name that only ends alike", "org.com.vn", "evilorg.com.vn",
			"xorg.com.vn", SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"strict", "strict.example.vn", "m.strict.example.vn", NULL,
			SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, true},
		{"strict, equal", "strict.example.vn", NULL, "strict.example.vn",
			SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true},
		{"strict, from below", "m.strict.example.vn", NULL, "strict.example.vn",
			SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, true},
		{"no record", "other.vn", "other.vn", NULL, SPAM_DMARC_NONE,
			SPAM_DMARC_P_NONE, true},
		{"two records", "two.vn", "x.vn", NULL, SPAM_DMARC_NONE, SPAM_DMARC_P_NONE, false},
		{"DNS fails", "fails.vn", "fails.vn", NULL, SPAM_DMARC_TEMPERROR,
			SPAM_DMARC_P_NONE, true},
		{"DNS is bogus", "bogus.vn", NULL, NULL, SPAM_DMARC_TEMPERROR,
			SPAM_DMARC_P_NONE, false},
		{"no such domain", "nosuch.vn", NULL, NULL, SPAM_DMARC_NONE,
			SPAM_DMARC_P_NONE, false},
		/* psd=y and psd=n part organisations that a list would join */
		{"the registry does not align", "so.gov.vn", NULL, "gov.vn",
			SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"two under the registry", "so.gov.vn", "tinh.gov.vn", NULL,
			SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"one under itself", "so.gov.vn", "m.so.gov.vn", NULL, SPAM_DMARC_PASS,
			SPAM_DMARC_P_QUARANTINE, true},
		{"psd=n stands apart from above", "rieng.tinh.gov.vn", "tinh.gov.vn", NULL,
			SPAM_DMARC_FAIL, SPAM_DMARC_P_QUARANTINE, false},
		{"and from beside", "tinh.gov.vn", NULL, "a.rieng.tinh.gov.vn",
			SPAM_DMARC_FAIL, SPAM_DMARC_P_REJECT, false},
		{"psd=n with its own", "a.rieng.tinh.gov.vn", NULL, "rieng.tinh.gov.vn",
			SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true},
		{"a record between does not part", "mail.example.com", NULL,
			"x.example.com", SPAM_DMARC_PASS, SPAM_DMARC_P_NONE, true},
		/* 5.3.6: what DNS does not answer is no fail */
		{"own record, the rest fails", "own.half.example", "x.half.example", NULL,
			SPAM_DMARC_TEMPERROR, SPAM_DMARC_P_REJECT, false},
		{"own record, equal name", "own.half.example", "own.half.example", NULL,
			SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true},
		{"the top alone fails", "below.top", "x.example", NULL, SPAM_DMARC_FAIL,
			SPAM_DMARC_P_REJECT, false},
		{"the top alone fails, aligned", "below.top", "m.below.top", NULL,
			SPAM_DMARC_PASS, SPAM_DMARC_P_REJECT, true},
		{"an identifier's walk fails", "org.com.vn", "hangs.org.com.vn", NULL,
			SPAM_DMARC_TEMPERROR, SPAM_DMARC_P_QUARANTINE, false},
		{"and another aligns", "org.com.vn", "hangs.org.com.vn", "org.com.vn",
			SPAM_DMARC_PASS, SPAM_DMARC_P_QUARANTINE, true},
		{"np unknown", "hangs.np.example", NULL, NULL, SPAM_DMARC_TEMPERROR,
			SPAM_DMARC_P_NONE, false},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_ask ask = {.lookups = fresh(),
			.from = rows[i].from,
			.spf = rows[i].spf,
			.dkim = &rows[i].dkim,
			.dkim_count = rows[i].dkim ? 1 : 0};
		struct spam_dmarc_answer a;
		spam_dmarc_check(dmarc, &ask, &a);
		CHECK(rows[i].name, a.result == rows[i].want);
		CHECK(rows[i].name, a.result == SPAM_DMARC_TEMPERROR || a.policy == rows[i].policy);
		CHECK(rows[i].name, a.vouched == rows[i].vouched);
		CHECK(rows[i].name, (a.result == SPAM_DMARC_TEMPERROR) == (a.why[0] == 'D') ||
					    !strcmp(rows[i].name, "two records"));
	}
	CHECK_END();
}

static void
test_check__softens_tests_by_one_step(void **state)
{
	/* clang-format off */
	static const struct {
		const char *from;
		enum spam_dmarc_method method;
		unsigned draw;
		enum spam_dmarc_policy policy, wanted;
		bool sampled;
	} rows[] = {
		{"test1.example", SPAM_DMARC_TREE_WALK, 0, SPAM_DMARC_P_REJECT,
			SPAM_DMARC_P_QUARANTINE, false},
		{"a.test1.example", SPAM_DMARC_TREE_WALK, 0, SPAM_DMARC_P_QUARANTINE,
			SPAM_DMARC_P_NONE, false},
		{"test2.example", SPAM_DMARC_TREE_WALK, 0, SPAM_DMARC_P_NONE,
			SPAM_DMARC_P_NONE, false},
		{"test1.example", SPAM_DMARC_PUBLIC_SUFFIX, 99, SPAM_DMARC_P_REJECT,
			SPAM_DMARC_P_REJECT, false},
		/* pct= is of RFC 7489 alone */
		{"pct0.example", SPAM_DMARC_TREE_WALK, 50, SPAM_DMARC_P_REJECT,
			SPAM_DMARC_P_REJECT, false},
		{"pct0.example", SPAM_DMARC_PUBLIC_SUFFIX, 0, SPAM_DMARC_P_REJECT,
			SPAM_DMARC_P_QUARANTINE, true},
		{"example.com", SPAM_DMARC_PUBLIC_SUFFIX, 99, SPAM_DMARC_P_REJECT,
			SPAM_DMARC_P_REJECT, false},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_ask ask = {.lookups = fresh(),
			.from = rows[i].from,
			.method = rows[i].method,
			.draw = rows[i].draw};
		struct spam_dmarc_answer a;
		spam_dmarc_check(dmarc, &ask, &a);
		CHECK(rows[i].from, a.result == SPAM_DMARC_FAIL);
		CHECK(rows[i].from, a.policy == rows[i].policy);
		CHECK(rows[i].from, a.wanted == rows[i].wanted);
		CHECK(rows[i].from, a.is_sampled_out == rows[i].sampled);
	}
	CHECK_END();
}

static void
test_check__names_the_best_signature(void **state)
{
	static const char *const dkim[] = {"x.example", "m.org.com.vn", "org.com.vn"};
	struct spam_dmarc_ask ask = {
		.lookups = fresh(), .from = "org.com.vn", .dkim = dkim, .dkim_count = 3};
	struct spam_dmarc_answer a;

	(void)state;
	spam_dmarc_check(dmarc, &ask, &a);
	assert_true(a.dkim_aligned && !a.spf_aligned);
	assert_int_equal(a.dkim_by, 2);
	ask.dkim_count = 2;
	spam_dmarc_check(dmarc, &ask, &a);
	assert_int_equal(a.dkim_by, 1);
}

/* However many identifiers a message brings, and however deep they are. */
static void
test_check__keeps_to_its_budget(void **state)
{
	const char *dkim[60];
	char names[60][80];
	struct spam_dmarc_ask ask = {
		.lookups = fresh(), .from = "org.com.vn", .dkim = dkim, .dkim_count = 60};
	struct spam_dmarc_answer a;

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		snprintf(names[i], sizeof names[i], "a%zu.b%zu.c%zu.org.com.vn", i, i, i);
		dkim[i] = names[i];
	}
	ask.lookups_max = 7;
	spam_dmarc_check(dmarc, &ask, &a);
	assert_true(a.lookups <= 7);
	assert_int_equal(a.result, SPAM_DMARC_PASS); /* the first could be settled */
	dkim[0] = "y.example";
	ask.lookups_max = 4;
	spam_dmarc_check(dmarc, &ask, &a);
	assert_int_equal(a.result, SPAM_DMARC_TEMPERROR);
	assert_string_equal(a.why, "too many look-ups");
	ask.lookups_max = 0;
	ask.dkim_count = 1;
	spam_dmarc_check(dmarc, &ask, &a);
	assert_int_equal(a.result, SPAM_DMARC_FAIL);
	assert_int_equal(a.lookups, 3); /* another organisation costs no query */
}

/* RFC 9990 4, the nine steps. */
static void
test_report__goes_where_it_is_wanted(void **state)
{
	/* clang-format off */
	static const struct {
		const char *policy_domain, *to;
		enum cv_status want;
		const char *goes;
	} rows[] = {
		{"blue.example.com", "r@blue.example.com", CV_OK, "r@blue.example.com"},
		{"blue.example.com", "r@example.com", CV_OK, "r@example.com"},
		{"blue.example.com", "r@x.example.com", CV_OK, "r@x.example.com"},
		{"blue.example.com", "r@red.example", CV_OK, "r@red.example"},
		{"green.example.com", "r@red.example", CV_NOT_FOUND, NULL},
		{"blue.example.com", "r@nosuch.example", CV_NOT_FOUND, NULL},
		{"blue.example.com", "r@odd.example", CV_NOT_FOUND, NULL},
		{"blue.example.com", "r@any.example", CV_OK, "r@any.example"},
		{"green.example.com", "r@any.example", CV_OK, "r@any.example"},
		{"blue.example.com", "r@move.example", CV_OK, "in@move.example"},
		{"blue.example.com", "r@away.example", CV_NOT_FOUND, NULL},
		{"blue.example.com", "r@slow.example", CV_TEMPFAIL, NULL},
		{"so.gov.vn", "r@tinh.gov.vn", CV_NOT_FOUND, NULL},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_dmarc_uri uri = {0};
		struct cv_err err = {0};
		snprintf(uri.address, sizeof uri.address, "%s", rows[i].to);
		enum cv_status status = spam_dmarc_report_allowed(
			dmarc, fresh(), SPAM_DMARC_TREE_WALK, rows[i].policy_domain, &uri, &err);
		CHECK(rows[i].to, status == rows[i].want);
		CHECK(rows[i].to, status != CV_OK || !strcmp(uri.address, rows[i].goes));
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_organisation__stops_at_public_suffixes),
		cmocka_unit_test(test_find__walks_as_4_10_says),
		cmocka_unit_test(test_find__asks_two_names_by_public_suffix),
		cmocka_unit_test(test_check__needs_an_aligned_pass),
		cmocka_unit_test(test_check__softens_tests_by_one_step),
		cmocka_unit_test(test_check__names_the_best_signature),
		cmocka_unit_test(test_check__keeps_to_its_budget),
		cmocka_unit_test(test_report__goes_where_it_is_wanted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
