/* classifier.h - the statistical classifier: what it has learned, in memory and in its own folder.
 *
 * Learning counts a message's tokens (model.h) for the province and, where the lesson names one,
 * for an agency. The last remember_max lessons are known by a digest of their tokens: the same
 * message counts once, a lesson can be taken back exactly, and a message learned as the other class
 * changes sides.
 *
 * On disk: rows of common/store/engine in a Berkeley DB folder of its own, written behind within
 * seconds, one lesson whole or not at all; after a crash the last lessons may be missing. The
 * folder and the memory keep below size_max octets; what says least goes first.
 *
 * Threads: all calls from any thread. Lessons queue on one lock, which is held while rows are
 * written too; judging never takes it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLASSIFIER_H
#define SPAM_CLASSIFIER_H

#include <jansson.h>

#include "common/base/err.h"
#include "spamfilter/classify/model.h"

#define SPAM_AGENCY_MAX   64u /* octets of an agency's name that count */
#define SPAM_WEIGHT_MAX   10u /* one message counts as at most so many */
#define SPAM_REMEMBER_MAX 100000u

struct spam_classifier_options {
	const char *dir;            /* created when absent; NULL: in memory only */
	size_t size_max;            /* octets, of the folder and of the memory each; 0: 256 MB */
	unsigned ham_min, spam_min; /* no opinion before so many (by weight) are learned */
	unsigned account_day_max;   /* lessons of one account a day; 0: none */
	/* for tests: 0 takes what follows from size_max */
	size_t tokens_max, remember_max;
};

struct spam_classifier;

/* CV_TEMPFAIL with a clear text when another process has the folder open. A folder of another
 * version of the tokens is emptied. */
CV_MUST_CHECK enum cv_status spam_classifier_open(
	const struct spam_classifier_options *o, struct spam_classifier **out, struct cv_err *err);
/* Writes what is left. NULL is fine. */
void spam_classifier_close(struct spam_classifier *c);
/* Writes what is left and closes the folder for good while others may still call in; lessons are
 * not kept any more. */
void spam_classifier_stop(struct spam_classifier *c);
/* New numbers from a reload: ham_min, spam_min, account_day_max. */
void spam_classifier_configure(struct spam_classifier *c, const struct spam_classifier_options *o);

/* What spam_token_how.seed must be. */
uint64_t spam_classifier_seed(const struct spam_classifier *c);
/* Where it is kept, for a backup; NULL: in memory only. Valid until the classifier is closed. */
struct cv_engine *spam_classifier_engine(struct spam_classifier *c);

enum spam_opinion_state {
	SPAM_OPINION_NONE,   /* too little learned: spam is 0.5 */
	SPAM_OPINION_SILENT, /* nothing in the message is known */
	SPAM_OPINION_GIVEN
};
struct spam_classified {
	enum spam_opinion_state state;
	double share; /* 0 wanted ... 1 unwanted */
	double lean;  /* see model.h */
	unsigned evidence, known, tokens;
	uint64_t ham, spam; /* messages learned */
};
/* AGENCY may be empty. */
void spam_classifier_judge(struct spam_classifier *c, struct cv_str agency,
	const struct spam_tokens *tokens, struct spam_classified *out);

struct spam_lesson {
	const struct spam_tokens *tokens; /* its hashes are sorted in place */
	enum spam_class class_;
	bool is_forget;       /* take it back, whatever it was learned as */
	bool is_undo;         /* class_ is HAM: what ACCOUNT itself had put with the spam is taken
			       * back, without more; else it is learned */
	struct cv_str agency; /* may be empty */
	unsigned weight;      /* 1..SPAM_WEIGHT_MAX */
	uint64_t account;     /* whose daily number counts; 0: an operator's, not limited */
};
enum spam_learned {
	SPAM_LEARNED,
	SPAM_LEARNED_BEFORE, /* the same class: nothing changed */
	SPAM_CHANGED_SIDES,
	SPAM_FORGOTTEN,
	SPAM_NOT_KNOWN, /* nothing to forget */
	SPAM_OVER_LIMIT /* this account taught enough today */
};
const char *spam_learned_word(enum spam_learned result);
/* CV_FULL and the like when rows could not be written: what is in memory counts all the same. */
CV_MUST_CHECK enum cv_status spam_classifier_learn(struct spam_classifier *c,
	const struct spam_lesson *lesson, enum spam_learned *out, struct cv_err *err);

/* Writes what waits and makes it durable. */
CV_MUST_CHECK enum cv_status spam_classifier_flush(struct spam_classifier *c, struct cv_err *err);

/* {"ham": ..., "spam": ..., "ham_min": ..., "spam_min": ..., "ready": bool, "tokens": ...,
 * "tokens_max": ..., "memory_bytes": ..., "remembered": ..., "agencies": [{"agency": ..., "ham":
 * ..., "spam": ...}]} */
json_t *spam_classifier_status(struct spam_classifier *c);

#endif
