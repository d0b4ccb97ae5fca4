/* spf_test.c - check_host() by the sections of RFC 7208, over a zone file, client by client. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/net/resolver.h"
#include "spamfilter/spf/libspf2.h"
#include "spamfilter/spf/macro.h"
#include "spamfilter/spf/record.h"
#include "spamfilter/spf/spf.h"
#include "tests/unit/check.h"

static struct cv_resolver *resolver;
static struct spam_dns *dns;

static int
open_zone(void **state)
{
	struct cv_resolver_options o = {.zone_file = "tests/unit/spamfilter/spf.zone"};
	struct cv_err err;

	(void)state;
	if (cv_resolver_new(&o, &resolver, &err) != CV_OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	dns = spam_dns_new(resolver);
	return 0;
}

static int
close_zone(void **state)
{
	(void)state;
	spam_dns_free(dns);
	cv_resolver_free(resolver);
	return 0;
}

static struct sockaddr_storage
client(const char *text)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *in4 = (void *)&a;
	struct sockaddr_in6 *in6 = (void *)&a;

	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	return a;
}

static void
ask(const char *ip, const char *helo, const char *from, struct spam_spf_answer *out)
{
	struct sockaddr_storage a = client(ip);
	struct cv_str sender = cv_str_z(from);
	size_t at = sender.n;

	while (at && sender.p[at - 1] != '@')
		at--;
	struct spam_spf_ask q = {.client = &a,
		.helo = cv_str_z(helo),
		.local = cv_str_sub(sender, 0, at ? at - 1 : 0),
		.domain = cv_str_sub(sender, at, sender.n),
		.explain = true};
	struct spam_lookups lookups;
	spam_lookups_start(&lookups, dns);
	spam_spf_check(&lookups, &q, out);
	CHECK("libspf2 agrees", spam_spf_libspf2(&lookups, &q) == out->result);
	spam_lookups_end(&lookups);
}

/* Section, client, sender, result. Records are in spf.zone beside this file. */
static const struct row {
	const char *name, *ip, *from;
	enum spam_spf_result want;
} rows[] = {
#include "tests/unit/spamfilter/spf_rows.inc"
};

static void
test_check_host__answers_as_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_spf_answer a;
		ask(rows[i].ip, "mail.helo.test", rows[i].from, &a);
		if (a.result != rows[i].want)
			print_error("%s: %s for %s: %s, not %s (%s)\n", rows[i].name, rows[i].ip,
				rows[i].from, spam_spf_word(a.result), spam_spf_word(rows[i].want),
				a.why);
		CHECK(rows[i].name, a.result == rows[i].want);
	}
	CHECK_END();
}

/* Its own zone; the explanation too. */
static void
test_check_host__bears_odd_records_and_explains(void **state)
{
	static const struct {
		const char *name, *ip, *helo, *from;
		enum spam_spf_result want;
		const char *explanation;
	} odd_rows[] = {
#include "tests/unit/spamfilter/spf_odd.inc"
	};
	struct cv_resolver_options o = {.zone_file = "tests/unit/spamfilter/spf_odd.zone"};
	struct cv_resolver *odd;
	struct spam_dns *usual = dns;
	struct cv_err err;

	(void)state;
	assert_int_equal(cv_resolver_new(&o, &odd, &err), CV_OK);
	dns = spam_dns_new(odd);
	for (size_t i = 0; i < CV_COUNT(odd_rows); i++) {
		struct spam_spf_answer a;
		ask(odd_rows[i].ip, odd_rows[i].helo, odd_rows[i].from, &a);
		if (a.result != odd_rows[i].want)
			print_error("%s: %s, %s\n", odd_rows[i].name,
				spam_spf_word(a.result), a.why);
		CHECK(odd_rows[i].name, a.result == odd_rows[i].want);
		CHECK(odd_rows[i].name, !strcmp(a.explanation, odd_rows[i].explanation));
	}
	spam_dns_free(dns);
	cv_resolver_free(odd);
	dns = usual;
	CHECK_END();
}

static void
test_check_host__takes_the_helo_name_for_a_null_sender(void **state)
{
	struct spam_spf_answer a;

	(void)state;
	ask("192.0.2.1", "ip4.test", "", &a);
	CHECK("null sender",
		a.result == SPAM_SPF_PASS && a.by_helo && !strcmp(a.domain, "ip4.test"));
	ask("192.0.2.9", "ip4.test", "", &a);
	CHECK("null sender, elsewhere", a.result == SPAM_SPF_FAIL && a.by_helo);
	ask("192.0.2.1", "[192.0.2.1]", "", &a);
	CHECK("literal as HELO", a.result == SPAM_SPF_NONE && a.by_helo);
	ask("192.0.2.1", "localhost", "", &a);
	CHECK("one label as HELO", a.result == SPAM_SPF_NONE);
	ask("192.0.2.1", "", "", &a);
	CHECK("no HELO", a.result == SPAM_SPF_NONE);
	ask("192.0.2.1", "mail.helo.test", "x@macro-h.test", &a);
	CHECK("%{h}", a.result == SPAM_SPF_PASS);
	CHECK_END();
}

static void
test_check_host__counts_what_it_costs(void **state)
{
	struct spam_spf_answer a;

	(void)state;
	ask("192.0.2.1", "h.test", "x@ten-lookups.test", &a);
	CHECK("ten are allowed", a.result == SPAM_SPF_PASS && a.lookups == 10);
	ask("192.0.2.1", "h.test", "x@eleven-lookups.test", &a);
	CHECK("eleven are not", a.result == SPAM_SPF_PERMERROR && a.lookups == 11);
	ask("192.0.2.1", "h.test", "x@loop.test", &a);
	CHECK("an include of itself ends", a.result == SPAM_SPF_PERMERROR && a.lookups == 11);
	ask("192.0.2.1", "h.test", "x@redirect-loop.test", &a);
	CHECK("a redirect to itself ends", a.result == SPAM_SPF_PERMERROR && a.lookups == 11);
	ask("192.0.2.1", "h.test", "x@void2.test", &a);
	CHECK("two voids are allowed", a.result == SPAM_SPF_PASS && a.voids == 2);
	ask("192.0.2.1", "h.test", "x@void3.test", &a);
	CHECK("three are not", a.result == SPAM_SPF_PERMERROR && a.voids == 3);
	CHECK_END();
}

/* ---- the grammar ---- */

static void
test_record_parse__holds_to_the_grammar(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} records[] = {
#include "tests/unit/spamfilter/spf_grammar.inc"
	};
	struct cv_arena arena = CV_ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(records); i++) {
		struct spf_record r;
		struct cv_err err;
		bool good = spf_record_parse(&arena, cv_str_z(records[i].text), &r, &err) == CV_OK;
		CHECK(records[i].text, good == records[i].good);
	}
	cv_arena_done(&arena);
	CHECK_END();
}

static void
test_record_parse__refuses_what_is_too_large(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct spf_record r;
	struct cv_err err;

	(void)state;
	cv_buf_z(&text, "v=spf1");
	while (text.n + 2 <= SPF_RECORD_BYTES_MAX)
		cv_buf_z(&text, " a");
	CHECK("2,048 octets", spf_record_parse(&arena, cv_buf_view(&text), &r, &err) == CV_OK);
	CHECK("of one-letter terms", r.count == (SPF_RECORD_BYTES_MAX - 6) / 2);
	while (text.n <= SPF_RECORD_BYTES_MAX)
		cv_buf_z(&text, " ");
	CHECK("one more", spf_record_parse(&arena, cv_buf_view(&text), &r, &err) == CV_LIMIT);
	for (unsigned n = SPF_MACROS_MAX; n <= SPF_MACROS_MAX + 1; n++) {
		cv_buf_reset(&text);
		cv_buf_z(&text, "v=spf1 exists:");
		for (unsigned i = 0; i < n; i++)
			cv_buf_z(&text, "%{l}");
		enum cv_status status = spf_record_parse(&arena, cv_buf_view(&text), &r, &err);
		CHECK("macros", status == (n > SPF_MACROS_MAX ? CV_LIMIT : CV_OK));
	}
	cv_buf_done(&text);
	cv_arena_done(&arena);
	CHECK_END();
}

/* The examples of section 7.4 and the edges of 7.3. */
static void
test_macro_expand__follows_the_examples(void **state)
{
	static const struct {
		const char *text, *ip, *want;
	} cases[] = {
#include "tests/unit/spamfilter/spf_macros.inc"
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_buf out = CV_BUF_INIT(1000);
		struct spf_macro_values v = {.local = CV_STR("strong-bad"),
			.domain = CV_STR("email.example.com"),
			.current = CV_STR("email.example.com"),
			.helo = CV_STR("mx.helo.test"),
			.client = client(cases[i].ip)};
		CHECK(cases[i].text, spf_macro_expand(cv_str_z(cases[i].text), &v, &out) == CV_OK);
		CHECK(cases[i].text, cv_str_ieq_z(cv_buf_view(&out), cases[i].want));
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_macro_domain__shortens_long_names_from_the_left(void **state)
{
	char local[300], name[256];
	struct spf_macro_values v = {.domain = CV_STR("x.test"), .client = client("192.0.2.1")};

	(void)state;
	for (size_t i = 0; i < sizeof local; i++)
		local[i] = i % 10 ? 'a' : '.';
	v.local = cv_str(local + 1, sizeof local - 1);
	CHECK("long", spf_macro_domain(CV_STR("%{l}.x.test"), &v, name));
	CHECK("length", strlen(name) <= 253 && cv_str_has_suffix(cv_str_z(name), ".x.test"));
	CHECK("whole labels", strspn(name, "a") == 9);
	v.local = CV_STR("a..b");
	CHECK("empty label", !spf_macro_domain(CV_STR("%{l}.x.test"), &v, name));
	v.local = CV_STR("a b");
	CHECK("blank", !spf_macro_domain(CV_STR("%{l}.x.test"), &v, name));
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_parse__holds_to_the_grammar),
		cmocka_unit_test(test_record_parse__refuses_what_is_too_large),
		cmocka_unit_test(test_macro_expand__follows_the_examples),
		cmocka_unit_test(test_macro_domain__shortens_long_names_from_the_left),
		cmocka_unit_test(test_check_host__answers_as_the_rfc_says),
		cmocka_unit_test(test_check_host__bears_odd_records_and_explains),
		cmocka_unit_test(test_check_host__takes_the_helo_name_for_a_null_sender),
		cmocka_unit_test(test_check_host__counts_what_it_costs),
	};

	return cmocka_run_group_tests(tests, open_zone, close_zone);
}
