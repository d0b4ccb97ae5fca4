/* dns_test.c - answers are kept, a message's budget ends, and memory has a bound. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <unistd.h>

#include "spamfilter/dns.h"
#include "tests/unit/check.h"

static struct cv_resolver *resolver;

static int
setup(void **state)
{
	static const char zone[] = "$TTL 300\n; fail slow.test\na.test. A 192.0.2.1\n"
				   "brief.test. 0 A 192.0.2.2\n*.many.test. TXT \"x\"\n";
	char path[] = "/tmp/congvu-dns-test-XXXXXX";
	struct cv_resolver_options o = {.zone_file = path};
	struct cv_err err;
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || write(fd, zone, sizeof zone - 1) != sizeof zone - 1)
		return 1;
	close(fd);
	enum cv_status status = cv_resolver_new(&o, &resolver, &err);
	unlink(path);
	return status != CV_OK;
}

static int
teardown(void **state)
{
	(void)state;
	cv_resolver_free(resolver);
	return 0;
}

static enum cv_dns_state
ask(struct spam_lookups *l, const char *name, enum cv_dns_type type)
{
	struct spam_answer *a = spam_ask(l, name, type);
	enum cv_dns_state state = a->dns->state;

	spam_answer_free(a);
	return state;
}

static void
test_ask__keeps_answers_as_long_as_they_live(void **state)
{
	struct spam_dns *dns = spam_dns_new(resolver);
	struct spam_lookups l;

	(void)state;
	spam_lookups_start(&l, dns);
	CHECK("asked", ask(&l, "a.test", CV_DNS_A) == CV_DNS_OK && l.fresh == 1);
	CHECK("kept", ask(&l, "A.TEST.", CV_DNS_A) == CV_DNS_OK && l.fresh == 1 && l.asked == 2);
	CHECK("another type", ask(&l, "a.test", CV_DNS_TXT) == CV_DNS_NODATA && l.fresh == 2);
	CHECK("failures for a while", ask(&l, "slow.test", CV_DNS_A) == CV_DNS_TEMPFAIL &&
					      ask(&l, "slow.test", CV_DNS_A) == CV_DNS_TEMPFAIL &&
					      l.fresh == 3);
	(void)ask(&l, "brief.test", CV_DNS_A);
	(void)ask(&l, "brief.test", CV_DNS_A);
	CHECK("no time to live, not kept", l.fresh == 5);
	CHECK("what is no name", ask(&l, "a..test", CV_DNS_A) == CV_DNS_NXDOMAIN && l.fresh == 5);
	spam_lookups_end(&l);
	spam_lookups_start(&l, dns);
	CHECK("for other messages too", ask(&l, "a.test", CV_DNS_A) == CV_DNS_OK && !l.fresh);
	spam_lookups_end(&l);
	spam_dns_free(dns);
	CHECK_END();
}

static void
test_ask__denies_what_is_past_the_budget(void **state)
{
	struct spam_dns *dns = spam_dns_new(resolver);
	struct spam_lookups l;
	char name[64];

	(void)state;
	spam_lookups_start(&l, dns);
	for (unsigned i = 0; i < SPAM_LOOKUPS_MAX; i++) {
		snprintf(name, sizeof name, "n%u.many.test", i);
		CHECK(name, ask(&l, name, CV_DNS_TXT) == CV_DNS_OK);
	}
	CHECK("one more",
		ask(&l, "more.many.test", CV_DNS_TXT) == CV_DNS_TEMPFAIL && l.denied == 1);
	CHECK("what is known costs nothing", ask(&l, "n0.many.test", CV_DNS_TXT) == CV_DNS_OK);
	spam_lookups_end(&l);
	spam_lookups_start(&l, dns);
	l.wait_us = 0;
	CHECK("no time left", ask(&l, "late.many.test", CV_DNS_TXT) == CV_DNS_TEMPFAIL);
	spam_lookups_end(&l);
	spam_lookups_start(&l, dns);
	CHECK("denials are not kept", ask(&l, "late.many.test", CV_DNS_TXT) == CV_DNS_OK);
	spam_lookups_end(&l);
	struct cv_buf text = CV_BUF_INIT(1u << 16);
	spam_dns_metrics(dns, &text);
	CHECK("counted", strstr(text.p, "congvu_filter_dns_denied_total 2\n") != NULL);
	CHECK("counted", strstr(text.p, "congvu_filter_dns_messages_total 3\n") != NULL);
	cv_buf_done(&text);
	spam_dns_free(dns);
	CHECK_END();
}

/* ---- many names from many threads ---- */

struct parsed {
	struct spam_parsed parsed;
	unsigned number;
};
static atomic_uint parsed_alive;

static void
give_back(struct spam_parsed *p)
{
	atomic_fetch_sub(&parsed_alive, 1);
	free(CV_CONTAINER(p, struct parsed, parsed));
}

static void *
ask_many(void *arg)
{
	struct spam_lookups l;
	char name[64];

	for (unsigned i = 0; i < 15000; i++) {
		unsigned number = i * 7 % 12000;
		snprintf(name, sizeof name, "n%u.many.test", number);
		spam_lookups_start(&l, arg);
		struct spam_answer *a = spam_ask(&l, name, CV_DNS_TXT);
		struct spam_parsed *kept = atomic_load(&a->parsed);
		if (!kept) {
			struct parsed *mine = cv_calloc(1, sizeof *mine);
			mine->parsed.give_back = give_back;
			mine->number = number;
			atomic_fetch_add(&parsed_alive, 1);
			kept = spam_answer_keep(a, &mine->parsed);
		}
		assert_true(a->dns->state == CV_DNS_OK);
		assert_int_equal(CV_CONTAINER(kept, struct parsed, parsed)->number, number);
		spam_answer_free(a);
		spam_lookups_end(&l);
	}
	return NULL;
}

static void
test_ask__keeps_a_bounded_number_for_all_threads(void **state)
{
	struct spam_dns *dns = spam_dns_new(resolver);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, dns), 0);
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK("never more than room is for", atomic_load(&parsed_alive) <= 8192);
	CHECK("but some", atomic_load(&parsed_alive) > 1000);
	spam_dns_free(dns);
	CHECK("all given back", atomic_load(&parsed_alive) == 0);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask__keeps_answers_as_long_as_they_live),
		cmocka_unit_test(test_ask__denies_what_is_past_the_budget),
		cmocka_unit_test(test_ask__keeps_a_bounded_number_for_all_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
