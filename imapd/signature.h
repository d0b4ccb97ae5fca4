/* signature.h - a few hundred bytes that tell which texts a message cannot hold.
 *
 * A text has *features*: each run of three bytes; the two, and the three, bytes before and behind a
 * gap between two words; each word with the gaps and the letters around it. Whether some bytes are
 * a feature depends on these bytes alone. So all features of a needle are features of every text
 * that holds it, wherever it begins and ends: a signature that lacks one of them proves that the
 * needle is not there. The other way round it proves nothing. A signature is a table of bits, one
 * for each feature, four bits of room a feature, so that about a fifth of them are set.
 *
 * Texts are those that the scan compares (imapd_finder), folded. Pure; a signer has one thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SIGNATURE_H
#define IMAPD_SIGNATURE_H

#include "common/base/str.h"

/* Goes up when the features, their places or what imapd_finder looks at change: all indexes are
 * built anew then. */
#define IMAPD_SIGNATURE_VERSION 1u

#define IMAPD_FEATURE_BYTES_MAX   32u
#define IMAPD_SIGNATURE_WORDS_MAX 8192u /* of 64 bits */

struct imapd_signer;
struct imapd_signer *imapd_signer_new(void);
void imapd_signer_free(struct imapd_signer *s); /* NULL is fine */
void imapd_signer_reset(struct imapd_signer *s);
/* Texts are given one by one, or in pieces that share at least IMAPD_FEATURE_BYTES_MAX bytes. */
void imapd_signer_add(struct imapd_signer *s, struct cv_str text);
/* Writes the signature of all texts since the reset to BITS (room for the maximum); how many words
 * it has, at least one. */
uint32_t imapd_signer_finish(struct imapd_signer *s, uint64_t *bits);

/* Where the features of NEEDLE stand, at most MAX of them, the rarer ones first; how many. */
uint32_t imapd_signature_places(struct cv_str needle, uint32_t *places, uint32_t max);

/* Places are 20 bits wide; a table of any size takes them by proportion. */
static inline bool
imapd_signature_has(const uint64_t *bits, uint32_t words, const uint32_t *places, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t bit = (uint64_t)places[i] * (words * 64u) >> 20;
		if (!(bits[bit / 64] >> (bit % 64) & 1))
			return false;
	}
	return true;
}

#endif
