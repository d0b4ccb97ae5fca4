/* tokens.h - what the classifier sees of a message: a set of hashes.
 *
 * Words of the text and of the subject with their diacritics and without, and pairs of neighbours
 * (most words of Vietnamese are two syllables); fields (who, by which program, through which hosts,
 * in which charset), links (host, words of the path), structure (parts, kinds of files, sizes in
 * steps) and what authentication found. Fields that a filter or a mailbox adds are left out, so
 * that a message yields the same set when it is judged and when it is learned from its mailbox
 * later.
 *
 * Bounds: the first SPAM_TOKENS_BODY_MAX octets of the body, SPAM_TOKENS_SOURCES texts of
 * SPAM_TOKENS_TEXT_MAX octets, SPAM_TOKENS_WORDS_MAX words, SPAM_TOKENS_MAX tokens. Pure; one
 * thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_TOKENS_H
#define SPAM_TOKENS_H

#include "common/base/arena.h"
#include "common/base/str.h"

#define SPAM_TOKENS_MAX       6000u
#define SPAM_TOKENS_WORDS_MAX 2500u /* of all texts together */
#define SPAM_TOKENS_BODY_MAX  (1u << 20)
#define SPAM_TOKENS_TEXT_MAX  (48u << 10)
#define SPAM_TOKENS_SOURCES   4
#define SPAM_TOKENS_FIELD_MAX 4096u /* octets of one field that are looked at */
#define SPAM_TOKENS_FIELDS    200u  /* fields of one message that are looked at */
#define SPAM_TOKENS_VERSION   1     /* goes up when a message yields other tokens */

struct spam_token_how {
	uint64_t seed; /* of the hashes: one for each store */
	/* Whose Received and Authentication-Results are ours; "" or NULL: none. Without any
	 * nobody's Received is, and the topmost results count. */
	const char *own_hosts[2];
	bool has_results;               /* the results below count, not those of the message */
	const char *spf, *dkim, *dmarc; /* words such as "pass"; NULL: not checked */
	bool without_pairs, with_gaps;  /* to compare (docs/adr/0085-classifier.md) */
};

struct spam_tokens {
	uint64_t *hashes; /* each once, in no order */
	size_t count;
};

struct spam_tokenizer;

/* Fields in order (value with or without its leading blank), the body in pieces, the end. What
 * comes out lives in ARENA; T is gone then. */
struct spam_tokenizer *spam_tokenizer_new(struct cv_arena *arena, const struct spam_token_how *how);
void spam_tokenizer_field(struct spam_tokenizer *t, struct cv_str name, struct cv_str value);
void spam_tokenizer_body(struct spam_tokenizer *t, struct cv_str bytes);
void spam_tokenizer_end(struct spam_tokenizer *t, struct spam_tokens *out);

/* All of it for a message in memory; a first line "From " of a mailbox file is passed over. */
void spam_tokens_read(struct cv_arena *arena, const struct spam_token_how *how,
	struct cv_str message, struct spam_tokens *out);

#endif
