/* sig.h - one signature field taken apart: DKIM-Signature (RFC 6376 3.5), ARC-Message-Signature and
 * ARC-Seal (RFC 8617 4.1). Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIG_SIG_H
#define SPAM_SIG_SIG_H

#include "spamfilter/sig/canon.h"
#include "spamfilter/sig/key.h"
#include "spamfilter/sig/tags.h"

#define SIG_SKEW_SECS 300 /* a signature's clock may be ahead so far */
#define SIG_NAMES_MAX 400 /* fields named by h= */

enum sig_kind { SIG_DKIM, SIG_ARC_MESSAGE, SIG_ARC_SEAL };

struct sig {
	const char *fault; /* why it cannot be a signature; NULL when it can */
	enum sig_alg alg;
	char domain[256];   /* d=, lower-case A-labels; what could be read of a faulty one */
	char selector[256]; /* s= */
	struct cv_str domain_text, selector_text, alg_text; /* d=, s=, a= as they stand */
	struct cv_str identity; /* domain of i=; empty: that of d= */
	bool relaxed_header, relaxed_body;
	uint64_t limit;                    /* l=; UINT64_MAX: none */
	int64_t signed_secs, expires_secs; /* -1: not said */
	struct cv_str names;               /* h= */
	unsigned char body_hash[SIG_HASH_BYTES];
	struct cv_str signature;      /* octets */
	struct cv_str signature_text; /* b= without blanks */
	size_t cut_from, cut_to;      /* where b='s value stands in the field */
	struct cv_str cv;             /* of a seal */
};

/* Reads VALUE; what it needs is in ARENA. */
void sig_parse(struct cv_arena *arena, struct cv_str value, enum sig_kind kind, struct sig *out);

/* The SHA-256 over the fields that SIG's h= names, taken from the last up, and over SELF, the
 * signature's own field. False when there is too much of it. */
bool sig_header_hash(const struct sig *sig, const struct sig_field *fields, size_t count,
	const struct sig_field *self, unsigned char hash[SIG_HASH_BYTES]);

#endif
