/* fuzz: spamfilter */
/* DMARC records: whatever TXT says, what is usable has a policy, and every report address is one.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"
#include "spamfilter/dmarc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spam_dmarc_record r;

	if (!spam_dmarc_record_parse(cv_str((const char *)data, size), &r))
		return 0;
	assert(r.p <= SPAM_DMARC_P_REJECT && r.sp <= SPAM_DMARC_P_REJECT);
	assert(r.np <= SPAM_DMARC_P_REJECT && r.percent <= 100 && r.fo);
	assert(r.is_usable || (!r.has_sp && !r.has_np && !r.rua_count));
	assert(r.rua_count <= SPAM_DMARC_URIS_MAX);
	for (size_t i = 0; i < r.rua_count; i++) {
		assert(strchr(r.rua[i].address, '@') && !strpbrk(r.rua[i].address, "\r\n <>"));
		assert(cv_address_is_valid(cv_str_z(r.rua[i].address), 0));
	}
	return 0;
}
