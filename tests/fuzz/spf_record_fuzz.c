/* fuzz: spamfilter */
/* spf_record_fuzz.c - SPF records of any bytes: the grammar, then each domain-spec expanded. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>

#include "spamfilter/spf/macro.h"
#include "spamfilter/spf/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expand(struct cv_str spec, sa_family_t family)
{
	struct spf_macro_values v = {.local = CV_STR("strong-bad.x"),
		.domain = CV_STR("example.test"),
		.current = CV_STR("a.b.example.test"),
		.helo = CV_STR("mail.example.test")};
	char name[256];

	v.client.ss_family = family;
	if (spf_macro_domain(spec, &v, name))
		assert(name[0] && strlen(name) <= 253);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str text = cv_str((const char *)data, size);
	struct spf_record r;
	struct cv_err err;

	if (spf_record_parse(&arena, text, &r, &err) == CV_OK) {
		assert(spf_record_is(text));
		for (size_t i = 0; i < r.count; i++) {
			assert(r.terms[i].cidr4 <= 32 && r.terms[i].cidr6 <= 128);
			assert(r.terms[i].mechanism != SPF_ALL || i == r.count - 1);
			if (r.terms[i].domain.n)
				expand(r.terms[i].domain, i & 1 ? AF_INET : AF_INET6);
		}
		if (r.redirect.n)
			expand(r.redirect, AF_INET);
	}
	cv_arena_done(&arena);
	return 0;
}
