/* address_test.c - envelope paths, their normal spelling, and the strict and the forgiving reader
 * of address fields. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/address.h"

#define L16 "abcdefghijklmnop"
#define L64 L16 L16 L16 L16
#define D63 L16 L16 L16 "abcdefghijklmno"

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

static void
test_path__takes_what_rfc_5321_allows(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		unsigned flags;
		const char *local, *domain, *rest;
	} rows[] = {
		{ "<a@b>", 0, "a", "b", "" },
		{ "<Smith@bar.com> SIZE=1000  BODY=8BITMIME", 0, "Smith", "bar.com",
		  "SIZE=1000  BODY=8BITMIME" },
		{ "<a.b+c=d@ex-ample.org>", 0, "a.b+c=d", "ex-ample.org", "" },
		{ "<!#$%&'*+-/=?^_`{|}~@b>", 0, "!#$%&'*+-/=?^_`{|}~", "b", "" },
		{ "<\"a b\"@c>", 0, "\"a b\"", "c", "" },
		{ "<\"a@>\\\"\\\\b\"@c>", 0, "\"a@>\\\"\\\\b\"", "c", "" },
		{ "<\"\"@c>", 0, "\"\"", "c", "" },
		{ "<a@[192.0.2.1]>", 0, "a", "[192.0.2.1]", "" },
		{ "<a@[IPv6:2001:db8::1]>", 0, "a", "[IPv6:2001:db8::1]", "" },
		{ "<a@[ipv6:::ffff:192.0.2.1]>", 0, "a", "[ipv6:::ffff:192.0.2.1]", "" },
		{ "<a@[X-tag:some.thing]>", 0, "a", "[X-tag:some.thing]", "" },
		{ "<@one,@two.example:a@b> X", 0, "a", "b", "X" },
		{ "<@[192.0.2.1]:a@b>", 0, "a", "b", "" },
		{ "<>", CV_PATH_ALLOW_NULL, "", "", "" },
		{ "<> RET=HDRS", CV_PATH_ALLOW_NULL, "", "", "RET=HDRS" },
		{ "<PostMaster>", CV_PATH_POSTMASTER, "PostMaster", "", "" },
		{ "<postmaster@b>", CV_PATH_POSTMASTER, "postmaster", "b", "" },
		{ "  <a@b>", CV_PATH_LEADING_SPACE, "a", "b", "" },
		{ "<" L64 "@b>", 0, L64, "b", "" },
		{ "<a@" D63 "." D63 "." D63 ">", 0, "a", D63 "." D63 "." D63, "" },
		{ "<nguyễn@b>", CV_PATH_SMTPUTF8, "nguyễn", "b", "" },
		{ "<\"nguyễn văn\"@b>", CV_PATH_SMTPUTF8, "\"nguyễn văn\"", "b", "" },
		{ "<a@bếntre.example>", CV_PATH_SMTPUTF8, "a", "bếntre.example", "" },
		{ "<a@xn--bntre-o61b.example>", 0, "a", "xn--bntre-o61b.example", "" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_path p;
		struct cv_str rest;
		struct cv_err err = {0};
		if (cv_path_parse(z(rows[i].in), rows[i].flags, &p, &rest, &err) ||
		    !cv_str_eq_z(p.local, rows[i].local) ||
		    !cv_str_eq_z(p.domain, rows[i].domain) || !cv_str_eq_z(rest, rows[i].rest))
			fail_msg("%s: %s", rows[i].in, err.text);
		assert_int_equal(p.is_null, !*rows[i].local);
		assert_int_equal(p.is_quoted, rows[i].local[0] == '"');
		assert_int_equal(p.is_literal, rows[i].domain[0] == '[');
		assert_int_equal(p.had_route, rows[i].in[1] == '@');
		assert_int_equal(p.is_postmaster, *rows[i].local && !*rows[i].domain);
		/* No prefix up to the closing bracket is a path. */
		size_t end = strlen(rows[i].in) - strlen(rows[i].rest);
		while (end && rows[i].in[end - 1] == ' ')
			end--;
		for (size_t n = 0; n < end; n++)
			assert_int_not_equal(cv_path_parse(cv_str(rows[i].in, n), rows[i].flags, &p,
			                                   NULL, NULL),
			                     CV_OK);
	}
}

static void
test_path__refuses_the_rest(void **state)
{
	(void)state;
	static const struct { const char *in; unsigned flags; enum cv_status want; } rows[] = {
		{ "", 0, CV_INVALID }, { "a@b", 0, CV_INVALID }, { " <a@b>", 0, CV_INVALID },
		{ "\t<a@b>", CV_PATH_LEADING_SPACE, CV_INVALID },
		{ "<a@b", 0, CV_INVALID }, { "<a@b>SIZE=1", 0, CV_INVALID }, { "<a@b>\t", 0, CV_INVALID },
		{ "<a@b>>", 0, CV_INVALID }, { "<<a@b>>", 0, CV_INVALID }, { "<a@b\n>", 0, CV_INVALID },
		{ "<>", 0, CV_INVALID }, { "<postmaster>", 0, CV_INVALID },
		{ "<postmaste>", CV_PATH_POSTMASTER, CV_INVALID }, { "<a>", 0, CV_INVALID },
		{ "<@b>", 0, CV_INVALID }, { "<a@>", 0, CV_INVALID }, { "<a@b@c>", 0, CV_INVALID },
		{ "<.a@b>", 0, CV_INVALID }, { "<a.@b>", 0, CV_INVALID }, { "<a..b@c>", 0, CV_INVALID },
		{ "<a b@c>", 0, CV_INVALID }, { "< a@b>", 0, CV_INVALID }, { "<a@b >", 0, CV_INVALID },
		{ "<a @b>", 0, CV_INVALID }, { "<a(x)@b>", 0, CV_INVALID }, { "<a,b@c>", 0, CV_INVALID },
		{ "<\"a\"b@c>", 0, CV_INVALID }, { "<a\"b\"@c>", 0, CV_INVALID }, { "<\"a@c>", 0, CV_INVALID },
		{ "<\"a\\\"@c>", 0, CV_INVALID }, { "<\"a\tb\"@c>", 0, CV_INVALID }, { "<\"a\rb\"@c>", 0, CV_INVALID },
		{ "<\"a\\\x01\"@c>", 0, CV_INVALID },
		{ "<a@-b>", 0, CV_INVALID }, { "<a@b->", 0, CV_INVALID }, { "<a@b..c>", 0, CV_INVALID },
		{ "<a@b.>", 0, CV_INVALID }, { "<a@.b>", 0, CV_INVALID }, { "<a@b_c>", 0, CV_INVALID },
		{ "<a@b;c>", 0, CV_INVALID }, { "<a@" D63 "x>", 0, CV_INVALID },
		{ "<a@[192.0.2.1>", 0, CV_INVALID }, { "<a@[192.0.2.256]>", 0, CV_INVALID },
		{ "<a@[192.0.2]>", 0, CV_INVALID }, { "<a@192.0.2.1]>", 0, CV_INVALID },
		{ "<a@[2001:db8::1]>", 0, CV_OK }, /* by the grammar a general literal with tag "2001" */
		{ "<a@[IPv6:192.0.2.1]>", 0, CV_INVALID }, { "<a@[IPv6:1::2::3]>", 0, CV_INVALID },
		{ "<a@[IPv6:fe80::1%eth0]>", 0, CV_INVALID }, { "<a@[tag:]>", 0, CV_INVALID },
		{ "<a@[tag-:x]>", 0, CV_INVALID }, { "<a@[tag:x y]>", 0, CV_INVALID }, { "<a@[]>", 0, CV_INVALID },
		{ "<@one:>", 0, CV_INVALID }, { "<@one,two:a@b>", 0, CV_INVALID }, { "<@one a@b>", 0, CV_INVALID },
		{ "<@:a@b>", 0, CV_INVALID }, { "<:a@b>", 0, CV_INVALID },
		{ "<\xc3\xa9@b>", 0, CV_INVALID }, { "<a@\xc3\xa9>", 0, CV_INVALID },
		{ "<\xc3@b>", CV_PATH_SMTPUTF8, CV_INVALID }, { "<\xc2\x85@b>", CV_PATH_SMTPUTF8, CV_INVALID },
		{ "<\xed\xa0\x80@b>", CV_PATH_SMTPUTF8, CV_INVALID }, { "<a@b\xe3\x80\x82" "c>", CV_PATH_SMTPUTF8, CV_INVALID },
		{ "<" L64 "x@b>", 0, CV_LIMIT }, { "<\"" L64 "\"@b>", 0, CV_LIMIT },
		{ "<" L64 "@" D63 "." D63 "." D63 ">", 0, CV_LIMIT },
		{ "<a@" D63 "." D63 "." D63 "." D63 ">", 0, CV_INVALID },
		{ "<a@" D63 "." D63 "." D63 "." D63 "." D63 ">", 0, CV_LIMIT },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_path p;
		struct cv_err err = {0};
		enum cv_status status = cv_path_parse(z(rows[i].in), rows[i].flags, &p, NULL, &err);
		if (status != rows[i].want || (status && !*err.text))
			fail_msg("%s: status %d, %s", rows[i].in, status, err.text);
	}
	struct cv_path p;
	assert_int_equal(cv_path_parse(cv_str("<a\0@b>", 6), 0, &p, NULL, NULL), CV_INVALID);
	assert_int_equal(cv_path_parse(cv_str("<\"a\0\"@b>", 8), 0, &p, NULL, NULL), CV_INVALID);
}

static void
test_source_route__has_an_end(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(100000);
	cv_buf_z(&b, "<@a");
	for (int i = 0; i < 2000; i++)
		cv_buf_z(&b, ",@a");
	cv_buf_z(&b, ":a@b>");
	struct cv_path p;
	assert_int_equal(cv_path_parse(cv_buf_view(&b), 0, &p, NULL, NULL), CV_LIMIT);
	cv_buf_done(&b);
}

static void
test_spelling__is_one_for_each_address(void **state)
{
	(void)state;
	static const struct { const char *in, *normal, *key; } rows[] = {
		{ "a@B.Example", "a@b.example", "a@b.example" },
		{ "A.B@b", "A.B@b", "a.b@b" },
		{ "\"a.b\"@b", "a.b@b", "a.b@b" },
		{ "\"\\a\\.b\"@b", "a.b@b", "a.b@b" },
		{ "\"A b\"@b", "\"A b\"@b", "\"a b\"@b" },
		{ "\"a\\ b\"@b", "\"a b\"@b", "\"a b\"@b" },
		{ "\"a\\\"\\\\\"@b", "\"a\\\"\\\\\"@b", "\"a\\\"\\\\\"@b" },
		{ "\"a..b\"@b", "\"a..b\"@b", "\"a..b\"@b" },
		{ "\"\"@b", "\"\"@b", "\"\"@b" },
		{ "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]" },
		{ "a@BếnTre.example", "a@xn--bntre-o61b.example", "a@xn--bntre-o61b.example" },
		{ "a@xn--BNTRE-O61B.example", "a@xn--bntre-o61b.example", "a@xn--bntre-o61b.example" },
		{ "Đa\xcc\x80o@b", "Đ\xc3\xa0o@b", "đ\xc3\xa0o@b" }, /* NFD in, NFC out */
		{ "a b@c", NULL, NULL }, { "", NULL, NULL }, { "a@", NULL, NULL }, { "<a@b>", NULL, NULL },
		{ "a@b c", NULL, NULL }, { "a@b,", NULL, NULL }, { "postmaster", NULL, NULL },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf n = CV_BUF_INIT(1000), k = CV_BUF_INIT(1000);
		enum cv_status a = cv_address_normalise(z(rows[i].in), &n, NULL);
		enum cv_status b = cv_address_key(z(rows[i].in), &k, NULL);
		if (!rows[i].normal) {
			if (!a || !b || n.n || k.n)
				fail_msg("taken: %s", rows[i].in);
		} else if (a || b || !cv_str_eq_z(cv_buf_view(&n), rows[i].normal) ||
		           !cv_str_eq_z(cv_buf_view(&k), rows[i].key)) {
			fail_msg("%s: %s, %s", rows[i].in, n.p ? n.p : "-", k.p ? k.p : "-");
		}
		cv_buf_done(&n);
		cv_buf_done(&k);
	}
	assert_true(cv_address_is_valid(z("a@b"), 0));
	assert_false(cv_address_is_valid(z("\xc3\xa9@b"), 0));
	assert_true(cv_address_is_valid(z("\xc3\xa9@b"), CV_PATH_SMTPUTF8));
}

/* An item as text: name|adl|mailbox|host with ~ for NIL; "{name" and "}" for groups. */
static void
print_item(struct cv_buf *b, const struct cv_addr *a)
{
	const struct cv_str parts[] = {a->name, a->adl, a->mailbox, a->host};
	if (b->n)
		cv_buf_c(b, ' ');
	if (a->kind == CV_ADDR_GROUP_START) {
		assert_null(a->host.p);
		cv_buf_c(b, '{');
		cv_buf_str(b, a->mailbox);
		return;
	}
	if (a->kind == CV_ADDR_GROUP_END) {
		assert_null(a->mailbox.p);
		assert_null(a->host.p);
		cv_buf_c(b, '}');
		return;
	}
	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		if (i)
			cv_buf_c(b, '|');
		if (parts[i].p)
			cv_buf_str(b, parts[i]);
		else
			cv_buf_c(b, '~');
	}
}

static void
test_list__gives_envelope_fields(void **state)
{
	(void)state;
	static const struct { const char *in, *want; bool broken; } rows[] = {
		{ "", "", false },
		{ "a@b", "~|~|a|b", false },
		{ " John Doe <jdoe@machine.example>\r\n", "John Doe|~|jdoe|machine.example", false },
		{ "\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public|~|john.q.public|example.com", false },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		  "Mary Smith|~|mary|x.test ~|~|jdoe|example.org Who?|~|one|y.test", false },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		  "~|~|boss|nil.test Giant; \"Big\" Box|~|sysservices|example.net", false },
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		  "{A Group Ed Jones|~|c|a.test ~|~|joe|where.test John|~|jdoe|one.test }", false },
		{ "Undisclosed recipients:;", "{Undisclosed recipients }", false },
		{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients }", false },
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|~|pete|silly.test", false },
		{ "pete@silly.test (Pete (the) Great)", "Pete (the) Great|~|pete|silly.test", false },
		{ "Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|~|john.q.public|example.com", false },
		{ "Mary Smith <@node.test,@b.test:mary@example.net>, , jdoe@test  . example",
		  "Mary Smith|@node.test,@b.test|mary|example.net ~|~|jdoe|test.example", false },
		{ "\"a b\"@c", "~|~|a b|c", false },
		{ "a . b @ c . d", "~|~|a.b|c.d", false },
		{ "=?utf-8?Q?Nguy=E1=BB=85n?= =?utf-8?B?QQ==?= <a@b>",
		  "=?utf-8?Q?Nguy=E1=BB=85n?= =?utf-8?B?QQ==?=|~|a|b", false },
		{ "Nguyễn Văn A <a@b>", "Nguyễn Văn A|~|a|b", false },
		{ "a@[192.0.2.1]", "~|~|a|[192.0.2.1]", false },
		{ "A\r\n B\r\n\t<a@b>", "A B|~|a|b", false },
		{ "\"\" <a@b>", "~|~|a|b", false },
		/* broken, and still sensible */
		{ "root", "~|~|root|", true },
		{ "<>", "~|~||", true },
		{ "MAILER-DAEMON <>", "MAILER-DAEMON|~||", true },
		{ "a@b.c <a@b.c>", "a@b.c|~|a|b.c", false },
		{ "a@b c@d", "~|~|a|b", true },
		{ "a@b@c", "~|~|a|b", true },
		{ "John <a@b", "John|~|a|b", true },
		{ "John a@b>", "~|~|John a|b", true },
		{ "John <a@b>> x, c@d", "John|~|a|b ~|~|c|d", true },
		{ "a@b; c@d", "~|~|a|b ~|~|c|d", true },
		{ "G: a@b", "{G ~|~|a|b }", true },
		{ "G: H: a@b;", "{G ~|~|H a|b }", true },
		{ "\"unended <a@b>", "~|~|unended <a@b>|", true },
		{ "(unended <a@b>", "", true },
		{ "a@[192.0.2.1", "~|~|a|[192.0.2.1", true },
		{ "[Ext] A <a@b>", "[Ext] A|~|a|b", false },
		{ "<@x>", "~|@x||", true },
		{ ",,;:@<>", NULL, true },
		{ "\x01\x02 A\x03 <a@b>", "A|~|a|b", false },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000);
		struct cv_addr_list list;
		cv_addr_list_parse(&arena, z(rows[i].in), &list);
		for (size_t k = 0; k < list.n; k++)
			print_item(&b, &list.items[k]);
		if (rows[i].want && !cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p ? b.p : "");
		if (list.is_broken != rows[i].broken)
			fail_msg("%s: broken %d", rows[i].in, list.is_broken);
		cv_buf_done(&b);
		cv_arena_done(&arena);
	}
}

static void
test_list__stops_at_its_limit(void **state)
{
	(void)state;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf b = CV_BUF_INIT(CV_ADDR_FIELD_MAX * 2);
	struct cv_addr_list list;
	for (int i = 0; i <= CV_ADDR_COUNT_MAX; i++)
		cv_buf_z(&b, "a@b,");
	cv_addr_list_parse(&arena, cv_buf_view(&b), &list);
	assert_int_equal(list.n, CV_ADDR_COUNT_MAX);
	assert_true(list.is_truncated);
	cv_buf_reset(&b);
	for (size_t i = 0; i < CV_ADDR_FIELD_MAX + 10; i++)
		cv_buf_c(&b, '(');
	cv_addr_list_parse(&arena, cv_buf_view(&b), &list);
	assert_true(list.is_truncated && list.is_broken && list.n == 0);
	cv_buf_done(&b);
	cv_arena_done(&arena);
}

static void
test_from__takes_plain_mailbox_lists(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ " a@b.c", "|a|b.c" },
		{ " John Doe <jdoe@machine.example>", "John Doe|jdoe|machine.example" },
		{ "Joe Q. Public <j.q@example.com>", "Joe Q. Public|j.q|example.com" },
		{ "\"Joe \\\"Q\\\"\" <j@example.com>", "Joe \"Q\"|j|example.com" },
		{ "a@b,\r\n c <c@d>, <e@f> (x)", "|a|b c|c|d |e|f" },
		{ "Pete(A nice \\) chap) < pete@silly.test (x) >", "Pete|pete|silly.test" },
		{ "Nguyễn Văn A <a@bếntre.example>", "Nguyễn Văn A|a|bếntre.example" },
		{ "=?UTF-8?Q?Nguy=E1=BB=85n?= <a@b>", "=?UTF-8?Q?Nguy=E1=BB=85n?=|a|b" },
		{ "\"a@b.vn\" <x@y>", "a@b.vn|x|y" },
		{ "\"a b\"@c", "|\"a b\"|c" },
		{ "a@[192.0.2.1]", "|a|[192.0.2.1]" },
		{ "A\r\n B\n\t<a@b>", "A B|a|b" },
		{ "\"\" <a@b>", "|a|b" },
		{ "a@b\r\n ", "|a|b" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000);
		struct cv_from from;
		struct cv_err err = {0};
		if (cv_from_strict(&arena, z(rows[i].in), &from, &err))
			fail_msg("%s: %s", rows[i].in, err.text);
		for (size_t k = 0; k < from.n; k++) {
			const struct cv_mailbox *m = &from.items[k];
			cv_buf_printf(&b, "%s%.*s|%.*s|%.*s", k ? " " : "", CV_STR_ARGS(m->name),
			              CV_STR_ARGS(m->local), CV_STR_ARGS(m->domain));
			assert_int_equal(m->address.n, m->local.n + 1 + m->domain.n);
		}
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p);
		cv_buf_done(&b);
		cv_arena_done(&arena);
	}
}

static void
test_from__refuses_what_two_readers_could_read_differently(void **state)
{
	(void)state;
	static const struct { const char *in; enum cv_status want; } rows[] = {
		{ "", CV_INVALID }, { " ", CV_INVALID }, { "a", CV_INVALID }, { "A <>", CV_INVALID },
		{ "a@b,", CV_INVALID }, { ",a@b", CV_INVALID }, { "a@b,,c@d", CV_INVALID },
		{ "a@b c@d", CV_INVALID }, { "a@b <c@d>", CV_INVALID }, { "a@b <a@b>", CV_INVALID },
		{ "<a@b> <c@d>", CV_INVALID }, { "<a@b>x", CV_INVALID }, { "A <a@b", CV_INVALID },
		{ "A a@b>", CV_INVALID }, { "<<a@b>>", CV_INVALID }, { "<@r:a@b>", CV_INVALID },
		{ "G: a@b;", CV_INVALID }, { "G:;", CV_INVALID }, { "a@b; c@d", CV_INVALID },
		{ "a @b", CV_INVALID }, { "a@ b", CV_INVALID }, { "a(x)@b", CV_INVALID }, { "a@b .c", CV_INVALID },
		{ "a.@b", CV_INVALID }, { "a@b.", CV_INVALID }, { "a@b@c", CV_INVALID }, { "@b", CV_INVALID },
		{ "a@-b", CV_INVALID }, { "a@b_c", CV_INVALID }, { "a@[x", CV_INVALID },
		{ ". A <a@b>", CV_INVALID }, { "A [x] <a@b>", CV_INVALID }, { "A, B <a@b>", CV_INVALID },
		{ "\"A <a@b>", CV_INVALID }, { "(A <a@b>", CV_INVALID }, { "A) <a@b>", CV_INVALID },
		{ "A\\ <a@b>", CV_INVALID }, { "A\x01 <a@b>", CV_INVALID }, { "\"A\x01\" <a@b>", CV_INVALID },
		{ "(\x7f) a@b", CV_INVALID }, { "A\xff <a@b>", CV_INVALID }, { "A\xc2\x9b <a@b>", CV_INVALID },
		{ "A\r<a@b>", CV_INVALID }, { "A\r\n<a@b>", CV_INVALID }, { "A\r\n \r\n <a@b>", CV_INVALID },
		{ "\"A\nB\" <a@b>", CV_INVALID }, { "\"a\r\n b\"@c", CV_INVALID }, { "<a@b\r\n c>", CV_INVALID },
		{ "<" L64 "x@b>", CV_LIMIT }, { "(((((((((((((((((((((((((((((((((((((((((((((((((((", CV_LIMIT },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_from from = {0};
		struct cv_err err = {0};
		enum cv_status status = cv_from_strict(&arena, z(rows[i].in), &from, &err);
		if (status != rows[i].want || !*err.text || from.items)
			fail_msg("%s: status %d, %s", rows[i].in, status, err.text);
		cv_arena_done(&arena);
	}
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_from from;
	assert_int_equal(cv_from_strict(&arena, cv_str("a@b\0", 4), &from, NULL), CV_INVALID);
	assert_int_equal(cv_from_strict(&arena, cv_str("\"\0\" <a@b>", 9), &from, NULL),
	                 CV_INVALID);
	cv_arena_done(&arena);
}

static void
test_from__counts_and_nests_to_its_limits(void **state)
{
	(void)state;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf b = CV_BUF_INIT(CV_ADDR_FIELD_MAX * 2);
	struct cv_from from;
	for (int depth = CV_COMMENT_NEST_MAX; depth <= CV_COMMENT_NEST_MAX + 1; depth++) {
		cv_buf_reset(&b);
		for (int i = 0; i < depth; i++)
			cv_buf_c(&b, '(');
		for (int i = 0; i < depth; i++)
			cv_buf_c(&b, ')');
		cv_buf_z(&b, " a@b");
		assert_int_equal(cv_from_strict(&arena, cv_buf_view(&b), &from, NULL),
		                 depth > CV_COMMENT_NEST_MAX ? CV_LIMIT : CV_OK);
	}
	cv_buf_reset(&b);
	for (int i = 0; i < CV_ADDR_COUNT_MAX; i++)
		cv_buf_z(&b, i ? ",a@b" : "a@b");
	assert_int_equal(cv_from_strict(&arena, cv_buf_view(&b), &from, NULL), CV_OK);
	assert_int_equal(from.n, CV_ADDR_COUNT_MAX);
	cv_buf_z(&b, ",a@b");
	assert_int_equal(cv_from_strict(&arena, cv_buf_view(&b), &from, NULL), CV_LIMIT);
	while (b.n <= CV_ADDR_FIELD_MAX)
		cv_buf_c(&b, ' ');
	assert_int_equal(cv_from_strict(&arena, cv_buf_view(&b), &from, NULL), CV_LIMIT);
	cv_buf_done(&b);
	cv_arena_done(&arena);
}

static void
test_written_mailbox__is_read_back_by_the_strict_reader(void **state)
{
	(void)state;
	static const struct { const char *name, *want; } rows[] = {
		{ "", "a@b" }, { "  ", "a@b" }, { "John Doe", "John Doe <a@b>" },
		{ "John Q. Public", "\"John Q. Public\" <a@b>" }, { "A \"B\" \\", "\"A \\\"B\\\" \\\\\" <a@b>" },
		{ "a@evil.example", "\"a@evil.example\" <a@b>" }, { "x\r\nBcc: y", "\"x  Bcc: y\" <a@b>" },
		{ "Sở Tư pháp", "=?UTF-8?B?U+G7nyBUxrAgcGjDoXA=?= <a@b>" },
		{ "=?utf-8?q?x?=", "=?UTF-8?B?PT91dGYtOD9xP3g/PQ==?= <a@b>" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000);
		struct cv_from from;
		cv_mailbox_write(&b, z(rows[i].name), z("a@b"));
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].name, b.p);
		assert_int_equal(cv_from_strict(&arena, cv_buf_view(&b), &from, NULL), CV_OK);
		assert_int_equal(from.n, 1);
		assert_true(cv_str_eq_z(from.items[0].address, "a@b"));
		cv_buf_done(&b);
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path__takes_what_rfc_5321_allows),
		cmocka_unit_test(test_path__refuses_the_rest),
		cmocka_unit_test(test_source_route__has_an_end),
		cmocka_unit_test(test_spelling__is_one_for_each_address),
		cmocka_unit_test(test_list__gives_envelope_fields),
		cmocka_unit_test(test_list__stops_at_its_limit),
		cmocka_unit_test(test_from__takes_plain_mailbox_lists),
		cmocka_unit_test(test_from__refuses_what_two_readers_could_read_differently),
		cmocka_unit_test(test_from__counts_and_nests_to_its_limits),
		cmocka_unit_test(test_written_mailbox__is_read_back_by_the_strict_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
