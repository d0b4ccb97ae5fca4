/* dkim_impl.h - a message on its way through DKIM, for dkim.c (verifying) and dkim_sign.c. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DKIM_IMPL_H
#define SPAM_DKIM_IMPL_H

#include "spamfilter/dkim.h"
#include "spamfilter/opendkim.h"
#include "spamfilter/sig/sig.h"

struct dkim_candidate {
	struct sig sig;
	size_t field; /* where it stands */
	bool is_fed;  /* libopendkim saw it */
};

struct spam_dkim_stream {
	struct cv_arena arena;
	struct sig_field *fields;
	size_t count, room;
	struct spam_opendkim *lib; /* NULL: nothing for it */
	char last;                 /* octet of the body */
	bool has_body, ended;
	/* verifier */
	struct spam_lookups *lookups;
	struct dkim_candidate *candidates;
	size_t candidate_count;
	struct spam_answer *held[2 * SPAM_DKIM_SIGNATURES_MAX]; /* keys that LIB was given */
	size_t held_count;
	/* signer */
	const struct spam_dkim_key *key;
	const char *selector, *domain;
	bool has_hash; /* an ed25519 signer hashes the body itself */
	struct sig_body hash;
};

struct spam_dkim_stream *dkim_stream_new(void);

#endif
