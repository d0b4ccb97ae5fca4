/* outbound_route_test.c - where mail for a domain goes, by a zone of odd domains. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "smtpd/outbound_route.h"
#include "tests/unit/check.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char zone[] =
	"$TTL 300\n"
	"plain.example.      MX 20 b.example.\n"
	"plain.example.      MX 10 a.example.\n"
	"a.example.          A 198.51.100.1\n"
	"a.example.          AAAA 2001:db8::1\n"
	"b.example.          A 198.51.100.2\n"
	"implicit.example.   A 198.51.100.3\n"
	"alias.example.      CNAME plain.example.\n"
	"null.example.       MX 0 .\n"
	"empty.example.      TXT \"no mail\"\n"
	"lost.example.       MX 10 nowhere.example.\n"
	"half.example.       MX 10 nowhere.example.\n"
	"half.example.       MX 20 b.example.\n"
	"backup.example.     MX 10 a.example.\n"
	"backup.example.     MX 20 Mail.LamGiang.Example.\n"
	"backup.example.     MX 30 b.example.\n"
	"ours.example.       MX 10 mail.lamgiang.example.\n"
	"ours.example.       MX 10 b.example.\n"
	"inner.example.      MX 10 home.example.\n"
	"home.example.       A 127.0.0.1\n"
	"home.example.       A 0.0.0.0\n"
	"home.example.       AAAA ::1\n"
	"home.example.       AAAA ::ffff:127.0.0.1\n"
	"home.example.       AAAA fe80::1\n"
	"mail.lamgiang.example. A 198.51.100.9\n"
	"; fail lame.example\n"
	"lame.example.       TXT \"x\"\n"
	"; bogus bad.example\n"
	"bad.example.        TXT \"x\"\n"
	"shaky.example.      MX 10 lame.example.\n"
	"; secure safe.example\n"
	"ok.safe.example.    MX 10 a.safe.example.\n"
	"ok.safe.example.    MX 20 b.safe.example.\n"
	"ok.safe.example.    MX 30 a.example.\n"
	"a.safe.example.     A 198.51.100.21\n"
	"_25._tcp.a.safe.example. TLSA 3 1 1 " DIGEST "\n"
	"_25._tcp.a.safe.example. TLSA 1 1 1 " DIGEST "\n"
	"_25._tcp.a.example. TLSA 3 1 1 " DIGEST "\n"
	"b.safe.example.     A 198.51.100.22\n"
	"c.safe.example.     A 198.51.100.23\n"
	"_25._tcp.c.safe.example. TLSA 0 0 1 " DIGEST "\n"
	"d.safe.example.     CNAME a.safe.example.\n"
	"e.safe.example.     CNAME b.safe.example.\n"
	"_25._tcp.e.safe.example. TLSA 2 0 1 " DIGEST "\n"
	"f.safe.example.     A 198.51.100.24\n"
	"; fail _25._tcp.f.safe.example\n"
	"g.safe.example.     CNAME a.example.\n"
	"h.safe.example.     A 198.51.100.25\n"
	"; bogus _25._tcp.h.safe.example\n"
	"far.example.        MX 10 a.safe.example.\n";

static char path[] = "/tmp/cv-route-XXXXXX";
static struct cv_resolver *resolver;

static int
open_zone(void **state)
{
	struct cv_resolver_options o = { .zone_file = path };
	struct cv_err err = { 0 };
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || write(fd, zone, sizeof zone - 1) != (ssize_t)sizeof zone - 1)
		return -1;
	close(fd);
	return cv_resolver_new(&o, &resolver, &err) == CV_OK ? 0 : -1;
}

static int
close_zone(void **state)
{
	(void)state;
	cv_resolver_free(resolver);
	return unlink(path);
}

static void
take(void *arg, struct smtpd_route *route)
{
	*(struct smtpd_route **)arg = route;
}

/* "198.51.100.1 2001:db8::1" or the status of what is no route. */
static void
describe(const char *domain, bool is_host, bool allow_loopback, struct cv_buf *out)
{
	struct smtpd_route_query query = { .resolver = resolver, .domain = domain,
		.is_host = is_host, .port = 25, .own_name = "mail.lamgiang.example",
		.allow_loopback = allow_loopback };
	struct smtpd_route *route = NULL;

	smtpd_route_find(&query, take, &route); /* a zone file answers at once */
	assert_non_null(route);
	if (route->state != SMTPD_ROUTE_OK)
		cv_buf_z(out, route->status);
	for (size_t i = 0; i < route->count; i++) {
		char text[64];
		cv_buf_printf(out, "%s%s", i ? " " : "",
			cv_sockaddr_text(&route->hops[i].addr, text, sizeof text));
		assert_int_equal(cv_sockaddr_port(&route->hops[i].addr), 25);
	}
	smtpd_route_unref(route);
}

static void
test_route__is_what_the_zone_says(void **state)
{
	static const struct {
		const char *name, *domain;
		bool is_host, allow_loopback;
		const char *want;
	} rows[] = {
		{ "by preference", "plain.example", 0, 0, "198.51.100.1 2001:db8::1 198.51.100.2" },
		{ "without MX", "implicit.example", 0, 0, "198.51.100.3" },
		{ "by a CNAME", "alias.example", 0, 0, "198.51.100.1 2001:db8::1 198.51.100.2" },
		{ "null MX", "null.example", 0, 0, "5.1.10" },
		{ "no such domain", "gone.example", 0, 0, "5.1.2" },
		{ "neither MX nor address", "empty.example", 0, 0, "5.4.4" },
		{ "MX without address", "lost.example", 0, 0, "5.4.4" },
		{ "first MX without address", "half.example", 0, 0, "198.51.100.2" },
		{ "nothing behind ourselves", "backup.example", 0, 0, "198.51.100.1 2001:db8::1" },
		{ "we are the best", "ours.example", 0, 0, "5.4.6" },
		{ "look-up fails", "lame.example", 0, 0, "4.4.3" },
		{ "bogus is no answer", "bad.example", 0, 0, "4.4.3" },
		{ "host's look-up fails", "shaky.example", 0, 0, "4.4.3" },
		{ "loopback is no target", "inner.example", 0, 0, "5.4.4" },
		{ "IPv4 literal", "[198.51.100.7]", 0, 0, "198.51.100.7" },
		{ "IPv6 literal", "[IPv6:2001:db8::7]", 0, 0, "2001:db8::7" },
		{ "loopback literal", "[127.0.0.1]", 0, 0, "5.4.4" },
		{ "loopback literal in tests", "[127.0.0.1]", 0, 1, "127.0.0.1" },
		{ "broken literal", "[198.51.100]", 0, 0, "5.1.2" },
		{ "smarthost by address", "b.example", 1, 0, "198.51.100.2" },
		{ "smarthost of our name", "mail.lamgiang.example", 1, 0, "198.51.100.9" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf got = CV_BUF_INIT(2000);
		describe(rows[i].domain, rows[i].is_host, rows[i].allow_loopback, &got);
		if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
			print_error("got %s\n", got.p);
		CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&got), rows[i].want));
		cv_buf_done(&got);
	}
	CHECK_END();
}

static void
test_tlsa__comes_only_where_dnssec_vouches_for_the_way(void **state)
{
	static const char *const states[] = { "none", "unusable", "usable", "tempfail" };
	static const struct {
		const char *name, *domain;
		bool is_host;
		const char *want; /* of each hop: state, number, base */
	} rows[] = {
		{ "each host by itself", "ok.safe.example", 0,
			"usable 1 a.safe.example, none 0 b.safe.example, none 0 , none 0 , " },
		{ "MX without DNSSEC", "far.example", 0, "none 0 , " },
		{ "smarthost", "a.safe.example", 1, "usable 1 a.safe.example, " },
		{ "without MX", "c.safe.example", 0, "unusable 0 c.safe.example, " },
		{ "behind a CNAME", "d.safe.example", 1, "usable 1 a.safe.example, " },
		{ "at the CNAME itself", "e.safe.example", 1, "usable 1 e.safe.example, " },
		{ "the look-up fails", "f.safe.example", 1, "tempfail 0 f.safe.example, " },
		{ "bogus", "h.safe.example", 1, "tempfail 0 h.safe.example, " },
		{ "a CNAME out of DNSSEC", "g.safe.example", 1, "none 0 , none 0 , " },
		{ "a literal", "[198.51.100.7]", 0, "none 0 , " },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_route_query query = { .resolver = resolver, .domain = rows[i].domain,
			.is_host = rows[i].is_host, .port = 25,
			.own_name = "mail.lamgiang.example" };
		struct smtpd_route *route = NULL;
		struct cv_buf got = CV_BUF_INIT(2000);
		smtpd_route_find(&query, take, &route);
		assert_non_null(route);
		for (size_t k = 0; k < route->count; k++) {
			const struct smtpd_host_tlsa *t = route->hops[k].tlsa;
			cv_buf_printf(&got, "%s %zu %s, ", states[t->state], t->count, t->base);
		}
		if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
			print_error("got %s\n", got.p ? got.p : "");
		CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&got), rows[i].want));
		cv_buf_done(&got);
		smtpd_route_unref(route);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_route__is_what_the_zone_says),
		cmocka_unit_test(test_tlsa__comes_only_where_dnssec_vouches_for_the_way) };

	return cmocka_run_group_tests(tests, open_zone, close_zone);
}
