/* resolver_test.c - answers from a zone file and from libunbound, without a packet leaving. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#include "common/net/dns.h"
#include "common/net/resolver.h"
#include "common/net/zone.h"

static const char zone_path[] = "tests/fuzz/corpus/zone/example";

static struct cv_resolver *
open_with(struct cv_resolver_options o)
{
	struct cv_resolver *r;
	struct cv_err err = {.text = ""};
	enum cv_status status = cv_resolver_new(&o, &r, &err);
	assert_string_equal(status ? err.text : "", "");
	return r;
}

/* All of an answer in one line: what tables can compare. */
static char *
describe(struct cv_dns_answer *a, enum cv_dns_type type)
{
	static const char *states[] = {"ok", "nodata", "nxdomain", "tempfail", "bogus"};
	struct cv_buf b = CV_BUF_INIT(10000);
	cv_buf_printf(&b, "%s%s", states[a->state], a->secure ? " secure" : "");
	for (unsigned i = 0; i < a->count; i++) {
		const struct cv_dns_record *r = &a->records[i];
		char ip[INET6_ADDRSTRLEN];
		cv_buf_c(&b, i ? ',' : ' ');
		if (type == CV_DNS_A || type == CV_DNS_AAAA)
			cv_buf_z(&b, inet_ntop(type == CV_DNS_A ? AF_INET : AF_INET6, r->rdata.p,
			                       ip, sizeof(ip)));
		else if (type == CV_DNS_TXT)
			cv_buf_str(&b, r->rdata);
		else if (type == CV_DNS_TLSA)
			cv_buf_printf(&b, "%d %d %d %zu", r->rdata.p[0], r->rdata.p[1],
			              r->rdata.p[2], r->rdata.n - 3);
		else if (type == CV_DNS_MX || type == CV_DNS_SRV)
			cv_buf_printf(&b, "%u %s.", r->preference, r->name);
		else
			cv_buf_printf(&b, "%s.", r->name);
	}
	cv_dns_answer_free(a);
	return cv_buf_take(&b);
}

static void
expect(struct cv_resolver *r, const char *name, enum cv_dns_type type, const char *want)
{
	char *got = describe(cv_resolve_wait(r, name, type), type);
	if (strcmp(got, want))
		fail_msg("%s %d: '%s', not '%s'", name, type, got, want);
	free(got);
}

static void
test_zone_file__answers_like_a_server(void **state)
{
	static const struct {
		const char *name;
		enum cv_dns_type type;
		const char *want;
	} rows[] = {
		{ "example.test", CV_DNS_MX,
		  "ok secure 10 mx1.example.test.,20 mx2.example.test." },
		{ "EXAMPLE.test.", CV_DNS_TXT, "ok secure v=spf1 mx -all;raw" },
		{ "example.test", CV_DNS_SOA, "ok secure ns1.example.test." },
		{ "mx1.example.test", CV_DNS_A, "ok secure 192.0.2.25" },
		{ "mx1.example.test", CV_DNS_AAAA, "ok secure 2001:db8::25" },
		{ "mx1.example.test", CV_DNS_TXT, "nodata secure" },
		{ "www.example.test", CV_DNS_A, "ok secure 192.0.2.25" },
		{ "www.example.test", CV_DNS_CNAME, "ok secure web.example.test." },
		{ "www.example.test", CV_DNS_TXT, "nodata secure" },
		{ "ring1.example.test", CV_DNS_A, "tempfail" },
		{ "x.wild.example.test", CV_DNS_A, "ok secure 192.0.2.99" },
		{ "x.y.wild.example.test", CV_DNS_A, "ok secure 192.0.2.99" },
		{ "wild.example.test", CV_DNS_A, "nodata secure" },
		{ "x.wild.example.test", CV_DNS_MX, "nodata secure" },
		{ "nothere.example.test", CV_DNS_A, "nxdomain secure" },
		{ "_tcp.mx1.example.test", CV_DNS_A, "nodata secure" },
		{ "_25._tcp.mx1.example.test", CV_DNS_TLSA, "ok secure 3 1 1 32" },
		{ "_imap._tcp.example.test", CV_DNS_SRV, "ok secure 0 mx1.example.test." },
		{ "1.2.0.192.in-addr.arpa", CV_DNS_PTR, "ok mx1.example.test." },
		{ "nomail.example.test", CV_DNS_MX, "ok secure 0 ." },
		{ "broken.example.test", CV_DNS_A, "tempfail" },
		{ "mx2.example.test", CV_DNS_A, "ok secure 192.0.2.26" },
		{ "mx2.example.test", CV_DNS_TLSA, "bogus" },
		{ "elsewhere.org", CV_DNS_A, "nxdomain" },
		{ "", CV_DNS_A, "nxdomain" },
		{ "a..b", CV_DNS_A, "nxdomain" },
		{ "th\xc6\xb0.vn", CV_DNS_A, "nxdomain" },
	};
	(void)state;
	struct cv_resolver *r = open_with((struct cv_resolver_options){.zone_file = zone_path});
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		expect(r, rows[i].name, rows[i].type, rows[i].want);
	struct cv_dns_answer *a = cv_resolve_wait(r, "www.example.test", CV_DNS_A);
	assert_string_equal(a->canonical, "mx1.example.test");
	assert_int_equal(a->ttl_secs, 3600);
	cv_dns_answer_free(a);
	cv_resolver_free(r);
}

static void
test_isolated__fails_for_now_outside_its_zones(void **state)
{
	(void)state;
	struct cv_resolver *r = open_with(
		(struct cv_resolver_options){.zone_file = zone_path, .isolated = true});
	expect(r, "nothere.example.test", CV_DNS_A, "nxdomain secure");
	expect(r, "elsewhere.org", CV_DNS_A, "tempfail");
	cv_resolver_free(r);
	r = open_with((struct cv_resolver_options){.isolated = true});
	expect(r, "example.test", CV_DNS_A, "tempfail");
	cv_resolver_free(r);
}

static void
test_zone_file__names_the_line_that_is_wrong(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{"a.test. A 192.0.2.1\nb.test. A 192.0.2\n", "line 2: the data do not fit the type"},
		{"a.test. A 192.0.2.1 extra\n", "line 1: the data do not fit the type"},
		{"a.test. WKS x\n", "line 1: unknown type"},
		{"\n\n A 192.0.2.1\n", "line 3: no name"},
		{"$INCLUDE x\n", "line 1: unknown directive"},
		{"a.test. TXT \"x\n", "line 1: a quoted string does not end"},
		{"a.test. SOA b c (\n1 2 3 4 5\n", "line 1: parentheses do not match"},
		{"a.test. A 192.0.2.1\na.test. CNAME b\n", "line 2: a CNAME stands alone"},
		{"a..test. A 192.0.2.1\n", "line 1: bad name"},
		{"a.test. MX 65536 b\n", "line 1: the data do not fit the type"},
		{"a.test. TLSA 3 1 1 abc\n", "line 1: the data do not fit the type"},
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_zone *z;
		struct cv_err err;
		assert_int_equal(cv_zone_parse(cv_str_z(rows[i].text), &z, &err), CV_INVALID);
		assert_string_equal(err.text, rows[i].want);
	}
}

static void
test_reverse_name__of_both_families(void **state)
{
	static const struct { const char *ip, *want; } rows[] = {
		{"192.0.2.1:0", "1.2.0.192.in-addr.arpa"},
		{"[::ffff:192.0.2.1]:0", "1.2.0.192.in-addr.arpa"},
		{"[2001:db8::25]:0",
		 "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
	};
	char got[256];
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage a;
		socklen_t len;
		struct cv_err err;
		assert_int_equal(cv_sockaddr_parse(cv_str_z(rows[i].ip), &a, &len, &err), CV_OK);
		assert_true(cv_dns_reverse_name(&a, got, sizeof(got)));
		assert_string_equal(got, rows[i].want);
		assert_false(cv_dns_reverse_name(&a, got, strlen(rows[i].want)));
	}
}

/* ---- libunbound, fed with local data ---- */

static const char local_data[] =
	"do-not-query-localhost: no\n"
	"local-zone: \"test.\" static\n"
	"local-data: \"example.test. MX 20 mx2.example.test.\"\n"
	"local-data: \"example.test. MX 10 MX1.example.test.\"\n"
	"local-data: 'example.test. TXT \"v=spf1 mx \" \"-all\"'\n"
	"local-data: \"mx1.example.test. A 192.0.2.25\"\n"
	"local-data: \"mx1.example.test. AAAA 2001:db8::25\"\n"
	"local-data: \"nomail.test. MX 0 .\"\n";

static void
test_unbound__gives_the_same_kinds_of_answers(void **state)
{
	static const struct {
		const char *name;
		enum cv_dns_type type;
		const char *want;
	} rows[] = {
		{ "example.test", CV_DNS_MX, "ok 10 mx1.example.test.,20 mx2.example.test." },
		{ "Example.Test.", CV_DNS_TXT, "ok v=spf1 mx -all" },
		{ "mx1.example.test", CV_DNS_A, "ok 192.0.2.25" },
		{ "mx1.example.test", CV_DNS_AAAA, "ok 2001:db8::25" },
		{ "mx1.example.test", CV_DNS_TXT, "nodata" },
		{ "nothere.test", CV_DNS_A, "nxdomain" },
		{ "nomail.test", CV_DNS_MX, "ok 0 ." },
	};
	(void)state;
	struct cv_resolver *r = open_with((struct cv_resolver_options){.hosts_conf = local_data});
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		expect(r, rows[i].name, rows[i].type, rows[i].want);
	cv_resolver_free(r);
}

static void
test_unbound__gives_up_in_time_and_when_it_ends(void **state)
{
	/* A forwarder that never answers: a UDP socket nobody reads. */
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	char forwarder[64];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	snprintf(forwarder, sizeof(forwarder), "127.0.0.1@%u", ntohs(in.sin_port));
	struct cv_resolver *r =
		open_with((struct cv_resolver_options){ .forwarders = forwarder,
	                                                .hosts_conf = "do-not-query-localhost: no",
	                                                .timeout_secs = 1 });
	int64_t began_ms = cv_mono_ms();
	expect(r, "silent.example", CV_DNS_A, "tempfail");
	assert_in_range(cv_mono_ms() - began_ms, 900, 4000);
	cv_resolver_free(r);
	close(fd);
}

static void
count_answer(void *arg, struct cv_dns_answer *a)
{
	_Atomic unsigned *counts = arg;
	atomic_fetch_add(&counts[a->state == CV_DNS_OK], 1);
	cv_dns_answer_free(a);
}

static void
test_unbound__answers_each_of_many_exactly_once(void **state)
{
	_Atomic unsigned counts[2] = {0, 0};
	struct cv_resolver *r = open_with((struct cv_resolver_options){.hosts_conf = local_data});
	(void)state;
	for (int i = 0; i < 2000; i++)
		cv_resolve(r, "mx1.example.test", CV_DNS_A, count_answer, counts);
	KIT_UNTIL(atomic_load(&counts[0]) + atomic_load(&counts[1]) == 2000);
	assert_int_equal(atomic_load(&counts[1]), 2000);
	/* Freed with questions under way: they are answered all the same. */
	for (int i = 0; i < 100; i++)
		cv_resolve(r, "mx1.example.test", CV_DNS_A, count_answer, counts);
	cv_resolver_free(r);
	assert_int_equal(atomic_load(&counts[0]) + atomic_load(&counts[1]), 2100);
}

/* ---- DNSSEC: zones signed here, loaded by libunbound, validated for real ---- */

static char zones[] = "/tmp/congvu-dns-XXXXXX";

static bool
shell(const char *fmt, ...)
{
	char command[1000];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

/* signed.test is sound, broken.test was changed after signing, plain.test has no keys. */
static bool
sign_zones(void)
{
	static const char script[] =
		"set -e; cd %s; for z in signed broken plain; do "
		"printf '$ORIGIN %%s.test.\\n@ 3600 IN SOA ns h 1 3600 900 604800 300\\n"
		"@ 3600 IN NS ns\\nns 3600 IN A 192.0.2.53\\nmx 3600 IN A 192.0.2.25\\n"
		"_25._tcp.mx 3600 IN TLSA 3 1 1 "
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\\n' $z > $z; done; "
		"for z in signed broken; do k=$(ldns-keygen -k -a ECDSAP256SHA256 $z.test); "
		"ldns-signzone -n $z $k; cat $k.ds >> anchors; done; cp plain plain.signed; "
		"sed -i 's/192.0.2.25/192.0.2.66/' broken.signed";
	return shell(script, zones);
}

static void
test_unbound__tells_secure_insecure_and_bogus_apart(void **state)
{
	static const struct {
		const char *name;
		enum cv_dns_type type;
		const char *want;
	} rows[] = {
		{ "mx.signed.test", CV_DNS_A, "ok secure 192.0.2.25" },
		{ "_25._tcp.mx.signed.test", CV_DNS_TLSA, "ok secure 3 1 1 32" },
		{ "mx.signed.test", CV_DNS_TXT, "nodata secure" },
		{ "nothere.signed.test", CV_DNS_A, "nxdomain secure" },
		{ "mx.broken.test", CV_DNS_A, "bogus" },
		{ "mx.plain.test", CV_DNS_A, "ok 192.0.2.25" },
	};
	struct cv_buf conf = CV_BUF_INIT(4096);
	char anchors[64];
	(void)state;
	if (!shell("command -v ldns-signzone >/dev/null"))
		skip();
	assert_non_null(mkdtemp(zones));
	assert_true(sign_zones());
	cv_buf_z(&conf, "local-zone: \"test.\" nodefault\nchroot: \"\"\nusername: \"\"\n");
	for (size_t i = 0; i < 3; i++) {
		const char *z = (const char *[]){"signed", "broken", "plain"}[i];
		cv_buf_printf(&conf,
		              "auth-zone:\n name: \"%s.test\"\n zonefile: \"%s/%s.signed\"\n"
		              " for-upstream: yes\n for-downstream: no\n fallback-enabled: no\n",
		              z, zones, z);
	}
	snprintf(anchors, sizeof(anchors), "%s/anchors", zones);
	struct cv_resolver *r = open_with(
		(struct cv_resolver_options){.trust_anchor = anchors, .hosts_conf = conf.p});
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		expect(r, rows[i].name, rows[i].type, rows[i].want);
	cv_resolver_free(r);
	cv_buf_done(&conf);
	assert_true(shell("rm -r %s", zones));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_file__answers_like_a_server),
		cmocka_unit_test(test_isolated__fails_for_now_outside_its_zones),
		cmocka_unit_test(test_zone_file__names_the_line_that_is_wrong),
		cmocka_unit_test(test_reverse_name__of_both_families),
		cmocka_unit_test(test_unbound__gives_the_same_kinds_of_answers),
		cmocka_unit_test(test_unbound__tells_secure_insecure_and_bogus_apart),
		cmocka_unit_test(test_unbound__gives_up_in_time_and_when_it_ends),
		cmocka_unit_test(test_unbound__answers_each_of_many_exactly_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
