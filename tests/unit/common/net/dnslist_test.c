/* dnslist_test.c - DNS lists: entries of the options, names that are asked, answers that count. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/net/addr.h"
#include "common/net/dnslist.h"

static struct cv_dnslist
one(const char *entry)
{
	struct cv_dnslists lists = {.n = 0};
	struct cv_err err;
	if (cv_dnslists_add(&lists, entry, false, &err) != CV_OK || lists.n != 1)
		fail_msg("%s: %s", entry, err.text);
	return lists.rows[0];
}

static bool
has(const struct cv_dnslist *list, const char *ip)
{
	struct sockaddr_storage a;
	socklen_t n;
	struct cv_err err;
	char text[32];
	snprintf(text, sizeof text, "%s:1", ip);
	assert_int_equal(cv_sockaddr_parse(cv_str_z(text), &a, &n, &err), CV_OK);
	const char *bytes = (const char *)&a + 4; /* of a sockaddr_in */
	struct cv_dns_record record = {.rdata = cv_str(bytes, 4)};
	struct cv_dns_answer answer = {.state = CV_DNS_OK, .count = 1, .records = &record};
	return cv_dnslist_has(list, &answer);
}

static void
test_codes__say_which_answers_count(void **state)
{
	static const struct { const char *entry, *ip; bool counts; } rows[] = {
		{"bl.example",                       "127.0.0.2",       true },
		{"bl.example",                       "127.9.9.9",       true },
		{"bl.example",                       "192.0.2.1",       false},
		{"bl.example",                       "127.255.255.254", false},
		{"bl.example=127.0.0.2",             "127.0.0.2",       true },
		{"bl.example=127.0.0.2",             "127.0.0.3",       false},
		{"bl.example=127.0.0.2",             "127.0.1.2",       false},
		{"bl.example=127.0.0.[2..11]",       "127.0.0.11",      true },
		{"bl.example=127.0.0.[2..11]",       "127.0.0.12",      false},
		{"bl.example=127.0.[0;2].[4..5;64]", "127.0.2.64",      true },
		{"bl.example=127.0.[0;2].[4..5;64]", "127.0.1.64",      false},
		{"bl.example=127.0.0.[0..255]*3",    "127.0.0.255",     true },
		{"bl.example=127.[0..255].[0..255].[0..255]", "127.255.255.254", true},
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_dnslist list = one(rows[i].entry);
		if (has(&list, rows[i].ip) != rows[i].counts)
			fail_msg("%s and %s", rows[i].entry, rows[i].ip);
	}
	struct cv_dnslist list = one("bl.example");
	struct cv_dns_answer none = {.state = CV_DNS_TEMPFAIL};
	assert_false(cv_dnslist_has(&list, &none));
}

static void
test_entries__are_read_or_refused(void **state)
{
	static const char *const bad[] = {
		"bl.example=", "bl.example=127", "bl.example=127.0.0", "bl.example=127.0.0.2.3",
		"bl.example=127.0.0.256", "bl.example=127.0.0.[2", "bl.example=127.0.0.[]",
		"bl.example=127.0.0.[5..2]", "bl.example=127.0.0.2..", "bl.example*0",
		"bl.example*101", "bl.example*", "bl.example*x", "*2", "=127.0.0.2", "-.example",
		"a..example",
	};
	struct cv_dnslists lists = {.n = 0};
	struct cv_err err;
	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		if (cv_dnslists_add(&lists, bad[i], false, &err) != CV_INVALID || lists.n)
			fail_msg("%s", bad[i]);
	const char *two = " a.example  b.example*7 ";
	assert_int_equal(cv_dnslists_add(&lists, two, false, &err), CV_OK);
	assert_int_equal(cv_dnslists_add(&lists, "c.example", true, &err), CV_OK);
	assert_int_equal(lists.n, 3);
	assert_int_equal(lists.rows[0].weight, 1);
	assert_int_equal(lists.rows[1].weight, 7);
	assert_true(lists.rows[2].allows && !lists.rows[1].allows);
	for (int i = 3; i < CV_DNSLISTS_MAX; i++)
		assert_int_equal(cv_dnslists_add(&lists, "d.example", false, &err), CV_OK);
	assert_int_equal(cv_dnslists_add(&lists, "d.example", false, &err), CV_LIMIT);
}

static void
test_name__is_the_address_backwards(void **state)
{
	static const struct { const char *peer, *name; } rows[] = {
		{"192.0.2.7:1", "7.2.0.192.bl.example"},
		{"[::ffff:192.0.2.7]:1", "7.2.0.192.bl.example"},
		{"[2001:db8::567:89ab]:1", "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"},
	};
	struct cv_dnslist list = one("bl.example");
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage a;
		socklen_t n;
		struct cv_err err;
		char name[300];
		assert_int_equal(cv_sockaddr_parse(cv_str_z(rows[i].peer), &a, &n, &err), CV_OK);
		assert_true(cv_dnslist_name(&list, &a, name, sizeof name));
		assert_string_equal(name, rows[i].name);
	}
	struct sockaddr_storage local = {.ss_family = AF_UNIX};
	char name[300];
	assert_false(cv_dnslist_name(&list, &local, name, sizeof name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes__say_which_answers_count),
		cmocka_unit_test(test_entries__are_read_or_refused),
		cmocka_unit_test(test_name__is_the_address_backwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
