/* filter_test.c - the words that name mail filters. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/net/addr.h"
#include "common/net/filter.h"

enum { TEMPFAIL = CV_FILTER_TEMPFAIL, REJECT = CV_FILTER_REJECT, ACCEPT = CV_FILTER_ACCEPT };

static const struct cv_filter dflt = {.connect_secs = 30, .step_secs = 30, .message_secs = 30};

static void
test_filter__reads_addresses(void **state)
{
	static const struct {
		const char *word, *address, *host;
		unsigned port;
	} rows[] = {
		{"inet:8891@127.0.0.1",       "127.0.0.1",   "",                   8891},
		{"inet:8891@::1",             "::1",         "",                   8891},
		{"inet:8891@[::1]",           "::1",         "",                   8891},
		{"inet6:25@2001:db8::7",      "2001:db8::7", "",                   25  },
		{"inet:1@filter.lan.example", NULL,          "filter.lan.example", 1   },
		{"unix:/run/x.sock",          "local",       "",                   0   },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_filter f;
		char text[64] = "";
		bool ok = cv_filter_parse(cv_str_z(rows[i].word), &dflt, &f, NULL) == CV_OK;
		CHECK(rows[i].word, ok);
		if (!ok)
			continue;
		CHECK(rows[i].word, !strcmp(f.name, rows[i].word));
		CHECK(rows[i].word, !strcmp(f.host, rows[i].host));
		CHECK(rows[i].word, f.port == rows[i].port);
		CHECK(rows[i].word, (f.addr_len == 0) == (rows[i].address == NULL));
		if (rows[i].address)
			CHECK(rows[i].word, !strcmp(cv_sockaddr_text(&f.addr, text, sizeof text),
						    rows[i].address));
	}
	CHECK_END();
}

static void
test_filter__reads_settings(void **state)
{
	static const struct {
		const char *word, *name;
		unsigned connect, step, message;
		int on_failure;
		bool reuse;
	} rows[] = {
		{"unix:/a",			      "unix:/a", 30, 30,  30,   TEMPFAIL, false},
		{"unix:/a,timeout=10s",                  "unix:/a", 10, 10,  10,   TEMPFAIL, false},
		{"unix:/a,timeout=2m,connect-timeout=5", "unix:/a", 5,  120, 120,  TEMPFAIL, false},
		{"unix:/a,message-timeout=1h,name=av.1", "av.1",    30, 30,  3600, TEMPFAIL, false},
		{"unix:/a,on-failure=accept,reuse=yes",  "unix:/a", 30, 30,  30,   ACCEPT,   true },
		{"unix:/a,on-failure=reject,reuse=no",   "unix:/a", 30, 30,  30,   REJECT,   false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_filter f = {.port = 0};
		CHECK(rows[i].word,
			cv_filter_parse(cv_str_z(rows[i].word), &dflt, &f, NULL) == CV_OK);
		CHECK(rows[i].word, !strcmp(f.name, rows[i].name));
		CHECK(rows[i].word, f.connect_secs == rows[i].connect);
		CHECK(rows[i].word, f.step_secs == rows[i].step);
		CHECK(rows[i].word, f.message_secs == rows[i].message);
		CHECK(rows[i].word, (int)f.on_failure == rows[i].on_failure);
		CHECK(rows[i].word, f.reuse == rows[i].reuse);
	}
	CHECK_END();
}

static void
test_filter__refuses_what_it_cannot_read(void **state)
{
	static const char *const rows[] = {"", ",", "tcp:1", "127.0.0.1:25", "inet:", "inet:25",
		"inet:25@", "inet:@127.0.0.1", "inet:0@127.0.0.1", "inet:65536@127.0.0.1",
		"inet:25@a b", "inet:25@-x", "inet:25@*", "inet:25@a_b", "unix:", "unix:/a,",
		"unix:/a,timeout", "unix:/a,timeout=", "unix:/a,timeout=0", "unix:/a,timeout=61m",
		"unix:/a,timeout=1d", "unix:/a,timeout=99999999999999999999",
		"unix:/a,name=", "unix:/a,name=a/b", "unix:/a,reuse=maybe",
		"unix:/a,on-failure=drop", "unix:/a,colour=red", "unix:/a,name=x,name=y"};
	char deep[400];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_filter f;
		CHECK(rows[i], cv_filter_parse(cv_str_z(rows[i]), &dflt, &f, NULL) != CV_OK);
	}
	memset(deep, 'x', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	memcpy(deep, "unix:/", 6);
	struct cv_filter f;
	CHECK("long path", cv_filter_parse(cv_str_z(deep), &dflt, &f, NULL) != CV_OK);
	memcpy(deep, "inet:1@", 7);
	CHECK("long host", cv_filter_parse(cv_str_z(deep), &dflt, &f, NULL) != CV_OK);
	memcpy(deep, "unix:/a,name=", 13);
	CHECK("long name", cv_filter_parse(cv_str_z(deep), &dflt, &f, NULL) != CV_OK);
	CHECK_END();
}

static void
test_filters__are_a_list_without_repeats(void **state)
{
	struct cv_filter f[CV_FILTERS_MAX];
	char many[1000] = "";
	unsigned n;

	(void)state;
	assert_int_equal(
		cv_filters_parse(CV_STR(" unix:/a  unix:/b,name=a "), &dflt, f, &n, NULL), CV_OK);
	assert_int_equal(n, 2);
	assert_string_equal(f[1].name, "a");
	assert_int_equal(cv_filters_parse(CV_STR("none"), &dflt, f, &n, NULL), CV_OK);
	assert_int_equal(n, 0);
	assert_int_equal(cv_filters_parse(CV_STR(""), &dflt, f, &n, NULL), CV_OK);
	assert_int_equal(n, 0);
	assert_int_not_equal(
		cv_filters_parse(CV_STR("unix:/a unix:/a"), &dflt, f, &n, NULL), CV_OK);
	assert_int_not_equal(cv_filters_parse(CV_STR("none unix:/a"), &dflt, f, &n, NULL), CV_OK);
	for (unsigned i = 0; i <= CV_FILTERS_MAX; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "unix:/%u ", i);
	assert_int_equal(cv_filters_parse(cv_str_z(many), &dflt, f, &n, NULL), CV_LIMIT);
}

static void
test_filter__finds_a_host_on_this_machine(void **state)
{
	struct cv_filter f;
	char text[64];

	(void)state;
	assert_int_equal(cv_filter_parse(CV_STR("inet:77@localhost"), &dflt, &f, NULL), CV_OK);
	assert_int_equal(cv_filter_resolve(&f, NULL), CV_OK);
	assert_int_equal(cv_sockaddr_port(&f.addr), 77);
	cv_sockaddr_text(&f.addr, text, sizeof text);
	assert_true(!strcmp(text, "127.0.0.1") || !strcmp(text, "::1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter__reads_addresses),
		cmocka_unit_test(test_filter__reads_settings),
		cmocka_unit_test(test_filter__refuses_what_it_cannot_read),
		cmocka_unit_test(test_filters__are_a_list_without_repeats),
		cmocka_unit_test(test_filter__finds_a_host_on_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
