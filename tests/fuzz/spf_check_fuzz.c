/* fuzz: spamfilter */
/* spf_check_fuzz.c - a whole check: the bytes are a zone file.
 * The limits must hold whatever the records say. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "spamfilter/spf/libspf2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct cv_resolver *resolver, const char *local, bool is_v6)
{
	struct sockaddr_storage client = {0};
	struct spam_spf_answer a;
	struct spam_dns *dns = spam_dns_new(resolver);
	struct spam_lookups lookups;

	if (is_v6) {
		client.ss_family = AF_INET6;
		((struct sockaddr_in6 *)(void *)&client)->sin6_addr.s6_addr[15] = 1;
	} else {
		client.ss_family = AF_INET;
		((struct sockaddr_in *)(void *)&client)->sin_addr.s_addr = htonl(0xc0000201);
	}
	struct spam_spf_ask ask = {.client = &client,
		.helo = CV_STR("mail.a.test"),
		.local = cv_str_z(local),
		.domain = CV_STR("a.test"),
		.explain = true};
	struct cv_buf received = CV_BUF_INIT(8192);
	spam_lookups_start(&lookups, dns);
	spam_spf_check(&lookups, &ask, &a);
	assert(spam_spf_libspf2(&lookups, &ask) == a.result);
	spam_spf_received(&ask, &a, "192.0.2.1", &received);
	assert(!received.full);
	cv_buf_done(&received);
	assert(a.lookups <= SPF_LOOKUPS_MAX || a.result == SPAM_SPF_PERMERROR);
	assert(a.voids <= SPF_VOIDS_MAX || a.result == SPAM_SPF_PERMERROR);
	spam_lookups_end(&lookups);
	spam_dns_free(dns);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/congvu-spf-fuzz-XXXXXX";
	struct cv_resolver_options o = {.zone_file = path};
	struct cv_resolver *resolver;
	struct cv_err err;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (cv_resolver_new(&o, &resolver, &err) == CV_OK) {
		check(resolver, "alice", false);
		check(resolver, "%{d}", true);
		cv_resolver_free(resolver);
	}
	unlink(path);
	return 0;
}
