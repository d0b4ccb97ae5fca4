/* domain_test.c - domain names, IDNA, address literals. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/domain.h"

#define L63 "abcdefghijklmnopabcdefghijklmnopabcdefghijklmnopabcdefghijklmno"
#define D253 L63 "." L63 "." L63 ".abcdefghijklmnopabcdefghijklmnopabcdefghijklmnopabcdefghijklm"

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

static void
test_validity__is_letters_digits_hyphens_or_idna(void **state)
{
	(void)state;
	static const struct { const char *in; bool ascii, utf8, full; } rows[] = {
		{ "example.org", true, true, true }, { "localhost", true, true, false },
		{ "3com.com", true, true, true }, { "a-b.c--d", true, true, true },
		{ "xn--bntre-o61b.example", true, true, true }, { "1.2.3.4", true, true, false },
		{ L63 ".a", true, true, true }, { L63 "x.a", false, false, false },
		{ D253, true, true, true }, { D253 "x", false, false, false },
		{ "", false, false, false }, { ".", false, false, false }, { "a.", false, false, false },
		{ ".a", false, false, false }, { "a..b", false, false, false }, { "-a.b", false, false, false },
		{ "a-.b", false, false, false }, { "a_b.c", false, false, false }, { "a b.c", false, false, false },
		{ "bếntre.example", false, true, true }, { "BẾNTRE.example", false, true, true },
		{ "lâm-giang.example", false, true, true }, { "straße.example", false, true, true },
		{ "a\xe3\x80\x82" "b", false, false, false }, { "bếntre.", false, false, false },
		{ "\xc3.b", false, false, false }, { "\xe2\x80\xae" "a.b", false, false, false },
		{ "a\xef\xbc\xa0" "b.c", false, false, false }, { "-ế.b", false, false, false },
		{ "\xcc\x81" "a.b", false, false, false },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_domain_is_valid(z(rows[i].in), false) != rows[i].ascii ||
		    cv_domain_is_valid(z(rows[i].in), true) != rows[i].utf8 ||
		    cv_domain_is_full(z(rows[i].in)) != rows[i].full)
			fail_msg("%s", rows[i].in);
	assert_false(cv_domain_is_valid(cv_str("a\0b", 3), true));
	assert_false(cv_domain_is_valid(cv_str("\xe1\xba\xbf\0b", 5), true));
}

static void
test_names__go_to_a_labels_and_back(void **state)
{
	(void)state;
	static const struct { const char *in, *ascii, *shown; } rows[] = {
		{ "Example.ORG", "example.org", "example.org" },
		{ "example.org.", "example.org", "example.org" },
		{ "_dmarc.Example.org", "_dmarc.example.org", "_dmarc.example.org" },
		{ "bếntre.example", "xn--bntre-o61b.example", "bếntre.example" },
		{ "BẾNTRE.example", "xn--bntre-o61b.example", "bếntre.example" },
		{ "be\xcc\x82\xcc\x81ntre.example", "xn--bntre-o61b.example", "bếntre.example" },
		{ "straße.example", "xn--strae-oqa.example", "straße.example" }, /* not "strasse" */
		{ "xn--a.example", "xn--a.example", "xn--a.example" },
		{ "xn--example-.org", "xn--example-.org", "xn--example-.org" },
		{ "a b", NULL, NULL }, { "", NULL, NULL }, { ".", NULL, NULL }, { "a..b", NULL, NULL },
		{ L63 "x", NULL, NULL }, { D253 "x", NULL, NULL }, { "\xc3.b", NULL, NULL }, { "ế b", NULL, NULL },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf a = CV_BUF_INIT(300), u = CV_BUF_INIT(1000);
		struct cv_err err = {0};
		enum cv_status status = cv_domain_to_ascii(z(rows[i].in), &a, &err);
		if (!rows[i].ascii) {
			if (status != CV_INVALID || !*err.text || a.n)
				fail_msg("taken: %s", rows[i].in);
		} else {
			if (status || !cv_str_eq_z(cv_buf_view(&a), rows[i].ascii))
				fail_msg("%s: %s %s", rows[i].in, err.text, a.p);
			cv_domain_to_unicode(cv_buf_view(&a), &u);
			if (!cv_str_eq_z(cv_buf_view(&u), rows[i].shown))
				fail_msg("%s: %s", rows[i].in, u.p);
			assert_true(cv_domain_eq(z(rows[i].in), cv_buf_view(&a)));
			assert_true(cv_domain_eq(cv_buf_view(&u), z(rows[i].in)));
		}
		cv_buf_done(&a);
		cv_buf_done(&u);
	}
	assert_false(cv_domain_eq(z("a.b"), z("a.c")));
	assert_false(cv_domain_eq(z("bếntre.example"), z("bentre.example")));
	assert_true(cv_domain_eq(z("not valid"), z("NOT valid")));
	assert_false(cv_domain_eq(z("\xc3"), z("\xc4")));
}

static void
test_relations__are_by_whole_labels(void **state)
{
	(void)state;
	assert_true(cv_domain_is_below(z("a.Example.org"), z("example.ORG")));
	assert_true(cv_domain_is_below(z("example.org"), z("example.org")));
	assert_true(cv_domain_is_below(z("a.example.org."), z("example.org")));
	assert_false(cv_domain_is_below(z("badexample.org"), z("example.org")));
	assert_false(cv_domain_is_below(z("org"), z("example.org")));
	assert_false(cv_domain_is_below(z("a"), z("")));
	struct cv_str s = z("a.b.c");
	assert_true(cv_str_eq_z(s = cv_domain_parent(s), "b.c"));
	assert_true(cv_str_eq_z(s = cv_domain_parent(s), "c"));
	assert_int_equal((s = cv_domain_parent(s)).n, 0);
	assert_int_equal(cv_domain_parent(s).n, 0);
}

static void
test_literals__are_ipv4_ipv6_or_tagged(void **state)
{
	(void)state;
	static const char v4[16] = {(char)192, 0, 2, 1};
	static const char v6[16] = {0x20, 0x01, 0x0d, (char)0xb8, [15] = 1};
	static const struct { const char *in; int kind; const char *ip; } rows[] = {
		{ "[192.0.2.1]", CV_LITERAL_IPV4, v4 }, { "[IPv6:2001:db8::1]", CV_LITERAL_IPV6, v6 },
		{ "[iPV6:2001:DB8:0:0:0:0:0:1]", CV_LITERAL_IPV6, v6 }, { "[x400:C=VN;A=x]", CV_LITERAL_GENERAL, NULL },
		{ "[192.0.2.01]", -1, NULL }, { "[192.0.2.1", -1, NULL }, { "192.0.2.1", -1, NULL },
		{ "[192.0.2.1 ]", -1, NULL }, { "[IPv6:]", -1, NULL }, { "[IPv6:1:2:3:4:5:6:7]", -1, NULL },
		{ "[:x]", -1, NULL }, { "[a:[b]", -1, NULL }, { "[a:\\b]", -1, NULL }, { "[]", -1, NULL }, { "", -1, NULL },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_literal lit;
		bool ok = cv_literal_parse(z(rows[i].in), &lit);
		if (ok != (rows[i].kind >= 0) || (ok && (int)lit.kind != rows[i].kind) ||
		    (ok && rows[i].ip && memcmp(lit.ip, rows[i].ip, 16) != 0))
			fail_msg("%s", rows[i].in);
	}
	struct cv_literal lit;
	assert_true(cv_literal_parse(z("[x400:C=VN]"), &lit));
	assert_true(cv_str_eq_z(lit.tag, "x400") && cv_str_eq_z(lit.content, "C=VN"));
	assert_true(cv_ip_parse(z("192.0.2.1"), &lit) && lit.kind == CV_LITERAL_IPV4);
	assert_true(cv_ip_parse(z("2001:db8::1"), &lit) && lit.kind == CV_LITERAL_IPV6);
	assert_false(cv_ip_parse(cv_str("192.0.2.1\0", 10), &lit));
	assert_false(cv_ip_parse(z("example.org"), &lit));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validity__is_letters_digits_hyphens_or_idna),
		cmocka_unit_test(test_names__go_to_a_labels_and_back),
		cmocka_unit_test(test_relations__are_by_whole_labels),
		cmocka_unit_test(test_literals__are_ipv4_ipv6_or_tagged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
