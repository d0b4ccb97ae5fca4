/* fuzz: net */
/* zone_fuzz.c - master files of any bytes, then questions whose names come from the same bytes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/dns.h"
#include "common/net/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(const struct cv_zone *z, const char *name)
{
	static const enum cv_dns_type types[] = {CV_DNS_A,  CV_DNS_MX,    CV_DNS_TXT,
	                                         CV_DNS_NS, CV_DNS_CNAME, CV_DNS_SRV};
	for (size_t i = 0; i < CV_COUNT(types); i++) {
		struct cv_dns_answer *a = cv_zone_answer(z, name, types[i], i & 1);
		assert(a->count <= CV_DNS_RECORDS_MAX && (a->count > 0) == (a->state == CV_DNS_OK));
		cv_dns_answer_free(a);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_zone *z;
	struct cv_err err;
	struct cv_str text = cv_str((const char *)data, size), rest = text, word;
	char name[256];
	unsigned char wire[256];
	struct cv_dns_answer *a = cv_dns_answer_new(CV_DNS_OK);
	(void)cv_dns_answer_add(a, CV_DNS_MX, text);
	(void)cv_dns_answer_add(a, CV_DNS_TXT, text);
	(void)cv_dns_answer_add(a, CV_DNS_PTR, text);
	cv_dns_answer_free(a);
	if (cv_zone_parse(text, &z, &err))
		return 0;
	ask(z, "example.test");
	for (int i = 0; i < 20 && cv_str_split(&rest, ' ', &word); i++) {
		if (!cv_dns_name_clean(word, name))
			continue;
		assert(cv_dns_name_wire(name, wire) <= 255);
		ask(z, name);
	}
	cv_zone_free(z);
	return 0;
}
