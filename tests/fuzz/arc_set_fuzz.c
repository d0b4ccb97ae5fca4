/* fuzz: spamfilter */
/* arc_set_fuzz.c - any bytes as a message with ARC sets: no chain passes without signatures, and
 * what sealers say is read within bounds. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/text/header.h"
#include "spamfilter/arc/arc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct spam_dns *
open_dns(void)
{
	static const char zone[] = "$TTL 300\ns._domainkey.a.test. TXT \"v=DKIM1; k=ed25519; "
				   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";
	char path[] = "/tmp/congvu-arc-fuzz-XXXXXX";
	struct cv_resolver_options o = {.zone_file = path};
	struct cv_resolver *resolver;
	struct cv_err err;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, zone, sizeof zone - 1) != sizeof zone - 1)
		abort();
	close(fd);
	if (cv_resolver_new(&o, &resolver, &err))
		abort();
	unlink(path);
	return spam_dns_new(resolver);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spam_dns *dns;
	struct cv_str message = cv_str((const char *)data, size);
	struct sig_field fields[200];
	struct spam_lookups lookups;
	struct spam_arc_answer answer;
	struct cv_header_scan scan;
	struct cv_field field;
	size_t count = 0;

	if (!dns)
		dns = open_dns();
	cv_header_scan_init(&scan, message);
	while (count < CV_COUNT(fields) && cv_header_next(&scan, &field))
		fields[count++] = (struct sig_field){field.name, field.value};
	struct cv_str body = cv_str_sub(message, cv_header_body_at(message), message.n);
	spam_lookups_start(&lookups, dns);
	struct spam_arc *chain = spam_arc_begin(&lookups, fields, count);
	if (chain) {
		for (size_t at = 0; at < body.n; at += 5)
			spam_arc_body(chain, cv_str_sub(body, at, at + 5));
		spam_arc_end(chain, &answer);
		assert(answer.count <= SPAM_ARC_SETS_MAX);
		assert(answer.result == SPAM_ARC_FAIL && answer.why[0]);
		assert(!spam_arc_vouching(&answer, CV_STR("a.test"), CV_STR("a.test")));
		answer.result = SPAM_ARC_PASS; /* so that results are read */
		(void)spam_arc_vouching(&answer, CV_STR("x.test, a.test"), CV_STR("a.test"));
		spam_arc_free(chain);
	}
	spam_lookups_end(&lookups);
	return 0;
}
