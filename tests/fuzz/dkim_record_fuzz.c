/* fuzz: spamfilter */
/* dkim_record_fuzz.c - any bytes as a key record, and as the value of a signature or a seal: what
 * is read keeps its bounds. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "spamfilter/sig/sig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sig_field fields[] = {
		{CV_STR("From"),    CV_STR(" a@a.test")},
		{CV_STR("Subject"), CV_STR(" s\n\tt")  },
	};
	static const unsigned char no_hash[SIG_HASH_BYTES];
	struct cv_str text = cv_str((const char *)data, size);
	struct cv_arena arena = CV_ARENA_INIT;
	unsigned char hash[SIG_HASH_BYTES];
	struct sig sig;
	struct sig_key *key = sig_key_parse(text);

	assert((key->state == SIG_KEY_GOOD) == (key->key != NULL));
	if (key->key) {
		int bits = EVP_PKEY_get_bits(key->key);
		assert(key->is_ed25519 || (bits >= SIG_KEY_BITS_MIN && bits <= SIG_KEY_BITS_MAX));
		assert(!sig_key_verify(key, no_hash, CV_STR("no signature")));
	}
	sig_key_free(key);
	for (enum sig_kind kind = SIG_DKIM; kind <= SIG_ARC_SEAL; kind++) {
		sig_parse(&arena, text, kind, &sig);
		if (sig.fault)
			continue;
		struct sig_field self = {CV_STR("DKIM-Signature"), text};
		assert(sig.domain[0] && sig.selector[0] && sig.signature.n);
		assert(sig.cut_from <= sig.cut_to && sig.cut_to <= text.n);
		(void)sig_header_hash(&sig, fields, CV_COUNT(fields), &self, hash);
	}
	cv_arena_done(&arena);
	return 0;
}
