/* token_set.h - inside the tokenizer: the set that grows, and how words and links become tokens.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_TOKEN_SET_H
#define SPAM_TOKEN_SET_H

#include "common/base/buf.h"
#include "spamfilter/classify/tokens.h"

#define SPAM_TOKEN_SLOTS 16384u /* a power of two, well above SPAM_TOKENS_MAX */

struct spam_token_set {
	uint64_t seed;
	bool without_pairs, with_gaps;
	uint64_t *slots; /* 0: free */
	size_t count;
	unsigned words_left;
	/* what the texts were like */
	unsigned words, words_marked; /* marked: with diacritics or other letters than a-z */
	unsigned urls;
	struct cv_buf cased, folded;
};

void spam_token_set_init(struct spam_token_set *set, const struct spam_token_how *how);
void spam_token_set_done(struct spam_token_set *set);

/* One token of KIND, a few letters that keep kinds apart. */
void spam_token_add(struct spam_token_set *set, const char *kind, struct cv_str text);
/* "KIND:TEXT=N" with N in steps of two to a power, so that near numbers are one token. */
void spam_token_add_count(struct spam_token_set *set, const char *kind, uint64_t n);
/* Words of UTF-8 TEXT and their pairs. */
void spam_token_add_text(struct spam_token_set *set, const char *kind, struct cv_str text);
/* Links in TEXT (plain or HTML), which must be http, https or ftp. */
void spam_token_add_links(struct spam_token_set *set, struct cv_str text);
/* HOST and the domains above it down to two labels. */
void spam_token_add_host(struct spam_token_set *set, const char *kind, struct cv_str host);

#endif
