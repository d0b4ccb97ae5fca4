/* dkim_impl.h - a message on its way through DKIM, for dkim.c (verifying) and dkim_sign.c. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DKIM_IMPL_H
#define SPAM_DKIM_IMPL_H

#include "spamfilter/dkim.h"
#include "spamfilter/sig/sig.h"

/* A signature and the body as it is canonical to it. */
struct dkim_candidate {
	struct sig sig;
	size_t field; /* where it stands */
	size_t body;  /* its hash, in the stream's bodies */
};

struct dkim_body {
	struct sig_body hash;
	unsigned char value[SIG_HASH_BYTES];
};

struct spam_dkim_stream {
	struct cv_arena arena;
	struct sig_field *fields;
	size_t count, room;
	struct dkim_body bodies[SPAM_DKIM_SIGNATURES_MAX]; /* a signer has one */
	size_t body_count;
	char last; /* octet of the body */
	bool ended;
	/* verifier */
	struct spam_lookups *lookups;
	struct dkim_candidate *candidates;
	size_t candidate_count;
	/* signer */
	const struct spam_dkim_key *key;
	const char *selector, *domain;
};

struct spam_dkim_stream *dkim_stream_new(void);
/* The number of the body hash of that kind; the same for the same. */
size_t dkim_stream_body(struct spam_dkim_stream *s, bool relaxed, uint64_t limit);

#endif
