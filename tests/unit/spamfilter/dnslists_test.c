/* dnslists_test.c - lists in DNS: all asked at once, what answers counts, what is late does not. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/reputation/dnslists.h"
#include "tests/unit/check.h"

#define ZONE                                                                                       \
	"$TTL 300\n"                                                                               \
	"7.2.0.192.bl.example. A 127.0.0.2\n"                                                      \
	"7.2.0.192.odd.example. A 127.255.255.254\n"                                               \
	"7.2.0.192.coded.example. A 127.0.0.9\n"                                                   \
	"8.2.0.192.wl.example. A 127.0.0.1\n"                                                      \
	"evil.example.dbl.example. A 127.0.1.2\n"                                                  \
	"fine.example.dbl.example. TXT \"no address\"\n"                                           \
	"; fail 7.2.0.192.broken.example A\n"

static struct cv_resolver *resolver;
static char zone_path[] = "/tmp/congvu-lists-XXXXXX";

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
	return cv_resolver_new(&o, &resolver, &err) != CV_OK;
}

static int
teardown(void **state)
{
	(void)state;
	cv_resolver_free(resolver);
	return unlink(zone_path);
}

static struct sockaddr_storage
client(const char *text)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&a;

	if (text) {
		in->sin_family = AF_INET;
		inet_pton(AF_INET, text, &in->sin_addr);
	}
	return a;
}

static struct spam_dnslists *
lists_of(const char *block, const char *allow, const char *hosts)
{
	struct spam_dnslists *l = NULL;
	struct cv_err err = {0};

	if (spam_dnslists_new(block, allow, hosts, &l, &err) != CV_OK)
		fail_msg("%s", err.text);
	return l;
}

static void
answers_that_count_are_hits(void **state)
{
	struct spam_dnslists *l = lists_of("bl.example*4 odd.example broken.example "
					   "coded.example=127.0.0.[2..5] none.example",
		"wl.example*2", "dbl.example*3");
	static const struct cv_str hosts[] = {CV_STR("fine.example"), CV_STR("evil.example")};
	static const struct {
		const char *client, *hits;
		unsigned questions_max, asked;
	} rows[] = {
		{"192.0.2.7", "bl.example:4:- dbl.example:3:1 ",  100, 8},
		{"192.0.2.8", "wl.example:-2:- dbl.example:3:1 ", 100, 8},
		{"192.0.2.9", "dbl.example:3:1 ",                 100, 8},
		{NULL,        "dbl.example:3:1 ",                 100, 2},
		{"192.0.2.7", "bl.example:4:- ",                  3,   3},
		{"192.0.2.7", "",                                 0,   0},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage peer = client(rows[i].client);
		struct spam_list_ask ask = {&peer, hosts, 2, 5000, rows[i].questions_max};
		struct spam_list_hit hits[SPAM_LIST_HITS_MAX];
		char text[300] = "";
		unsigned asked;
		size_t n = spam_dnslists_ask(l, resolver, &ask, hits, &asked);
		for (size_t k = 0; k < n; k++) {
			char host[24] = "-";
			if (hits[k].host != SIZE_MAX)
				snprintf(host, sizeof host, "%zu", hits[k].host);
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s:%d:%s ",
				hits[k].zone, hits[k].weight, host);
		}
		if (strcmp(text, rows[i].hits))
			print_error("row %zu: \"%s\"\n", i, text);
		CHECK("hits", !strcmp(text, rows[i].hits));
		CHECK("asked", asked == rows[i].asked);
	}
	CHECK_END();
	spam_dnslists_free(l);
}

static void
a_list_that_does_not_answer_costs_one_wait(void **state)
{
	struct sockaddr_in silent = {.sin_family = AF_INET};
	struct cv_resolver_options o = {.timeout_secs = 1};
	struct spam_dnslists *l = lists_of("a.example b.example c.example d.example", "", "");
	struct sockaddr_storage peer = client("192.0.2.7");
	struct spam_list_ask ask = {&peer, NULL, 0, 200, 100};
	struct spam_list_hit hits[SPAM_LIST_HITS_MAX];
	struct cv_resolver *deaf;
	socklen_t len = sizeof silent;
	struct cv_err err;
	char forwarder[40];
	unsigned asked;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	silent.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&silent, sizeof silent), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&silent, &len), 0);
	snprintf(forwarder, sizeof forwarder, "127.0.0.1@%u", ntohs(silent.sin_port));
	o.forwarders = forwarder;
	assert_int_equal(cv_resolver_new(&o, &deaf, &err), CV_OK);
	int64_t begin = cv_mono_ms();
	assert_int_equal(spam_dnslists_ask(l, deaf, &ask, hits, &asked), 0);
	assert_int_equal(asked, 4);
	assert_true(cv_mono_ms() - begin >= 190);
	spam_dnslists_free(l); /* answers may still come: they have their own copy */
	cv_resolver_free(deaf);
	close(fd);
}

static void
entries_that_are_none_are_named(void **state)
{
	struct spam_dnslists *l;
	struct cv_err err = {0};

	(void)state;
	assert_int_equal(
		spam_dnslists_new("good.example bad.example=1.2", "", "", &l, &err), CV_INVALID);
	assert_non_null(strstr(err.text, "bad.example"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_that_count_are_hits),
		cmocka_unit_test(a_list_that_does_not_answer_costs_one_wait),
		cmocka_unit_test(entries_that_are_none_are_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
