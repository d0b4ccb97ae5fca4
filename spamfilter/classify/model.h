/* model.h - how often each token was seen in wanted and in unwanted mail, in memory.
 *
 * Counts, nothing else: what was added can be taken away again, exactly. Layer 0 is the province;
 * other layers (agencies) hold counts of their own, which weigh over the province's where there are
 * enough of them. Counts are weights: one message may count several times.
 *
 * Bounded: at most tokens_max entries in all layers together and layer_tokens_max in each layer but
 * the first. When that is reached, entries go that say least, older ones before newer ones of the
 * same worth. Age is counted in messages learned, so no clock matters.
 *
 * Threads: judging from any thread. Changes from one thread at a time. The table is cut into shards
 * of their own locks, held for a few look-ups, or while one shard is tidied (a millisecond).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_MODEL_H
#define SPAM_MODEL_H

#include "spamfilter/classify/tokens.h"

enum spam_class { SPAM_CLASS_HAM, SPAM_CLASS_SPAM, SPAM_CLASSES };

#define SPAM_MODEL_LAYERS   1024u
#define SPAM_MODEL_PROVINCE 0u

struct spam_model_limits {
	size_t tokens_max, layer_tokens_max;
};

struct spam_model_entry {
	uint64_t key;
	uint32_t counts[SPAM_CLASSES];
	uint32_t born;    /* number of the message that made it */
	uint32_t touched; /* number of the last message that changed it */
	uint32_t layer;
};

struct spam_model;

struct spam_model *spam_model_new(const struct spam_model_limits *limits);
void spam_model_free(struct spam_model *m);

/* The key of TOKEN in LAYER. */
uint64_t spam_model_key(uint32_t layer, uint64_t token);

/* Called with the key of each entry that changed, came or went. */
typedef void spam_model_changed_fn(void *arg, uint64_t key);

struct spam_model_change {
	uint32_t layer;
	enum spam_class class_;
	uint32_t weight;
	uint32_t number; /* of the message: grows with each; of that once learned, to forget it */
	spam_model_changed_fn *changed; /* may be NULL */
	void *arg;
};
/* Counts a message in. */
void spam_model_add(
	struct spam_model *m, const struct spam_model_change *c, const struct spam_tokens *tokens);
/* Takes it out again: entries that came after it was learned are not its own and stay. */
void spam_model_take(
	struct spam_model *m, const struct spam_model_change *c, const struct spam_tokens *tokens);

/* Messages (by weight) learned in LAYER. */
uint64_t spam_model_total(const struct spam_model *m, uint32_t layer, enum spam_class class_);
size_t spam_model_tokens(const struct spam_model *m);
size_t spam_model_bytes(const struct spam_model *m); /* of memory */

/* For the store: one entry as it is (false: none), and putting back what was stored. */
bool spam_model_get(struct spam_model *m, uint64_t key, struct spam_model_entry *out);
void spam_model_load(struct spam_model *m, const struct spam_model_entry *e);
void spam_model_load_total(
	struct spam_model *m, uint32_t layer, enum spam_class class_, uint64_t total);
/* Tidies until all limits hold; after a load. */
void spam_model_tidy(struct spam_model *m, uint32_t now, spam_model_changed_fn *changed, void *arg);

struct spam_opinion {
	double lean; /* below 0 wanted, 0 no idea, above 0 unwanted: log odds for each token that
		      * says something, over the root of their number; beyond 10 hardly ever */
	unsigned evidence; /* tokens that said something */
	unsigned known;    /* tokens ever seen */
};
/* 0 wanted ... 0.5 no idea ... 1 unwanted. */
double spam_opinion_share(const struct spam_opinion *o);
/* By the province's counts, and those of LAYER where it has learned SPAM_MODEL_LAYER_MIN messages
 * of each class (0: by the province alone). */
#define SPAM_MODEL_LAYER_MIN 20u
void spam_model_judge(struct spam_model *m, uint32_t layer, const struct spam_tokens *tokens,
	struct spam_opinion *out);

#endif
