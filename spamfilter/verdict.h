/* verdict.h - what examiners say about a message, and what it comes to.
 *
 * An examiner reports findings (spam_found(): they add to the score) and, where a rule decides by
 * itself, what it wants done at least (spam_want()). judge.c sums and chooses the action. One
 * thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_VERDICT_H
#define SPAM_VERDICT_H

#include "common/base/buf.h"
#include "common/policy/policy.h"
#include "spamfilter/rules.h"

#define SPAM_DETAIL_MAX 160 /* octets of a finding's detail */

/* From mild to severe. */
enum spam_action {
	SPAM_PASS,
	SPAM_MARK,       /* delivered, with the verdict in its header */
	SPAM_JUNK,       /* delivered to the Junk folder */
	SPAM_GREYLIST,   /* 451: come again */
	SPAM_QUARANTINE, /* kept, and its owner told */
	SPAM_REFUSE,     /* 5xx, or 4xx when the decision behind it says so */
	SPAM_ACTIONS
};
const char *spam_action_word(enum spam_action action); /* "pass" */

struct spam_finding {
	enum spam_rule rule;
	double weight;
	const char *detail; /* "" for none; control octets replaced */
};

struct spam_verdict {
	struct spam_finding found[SPAM_RULES];
	size_t count;
	bool has[SPAM_RULES];
	bool in_policy_field[SPAM_RULES];
	enum spam_action wanted; /* what rules want at least, whatever the score */
	bool has_refusal;
	struct cv_decision refusal; /* the first that was asked for */
	/* judge.c, once everything was examined */
	double score;
	enum spam_action action;
	bool by_score; /* the score, not a rule, chose the action */
	bool softened; /* SPM-02 made it milder than it would have been */
};

struct spam_mail;

/* RULE was found; it weighs what its row or the file of weights says. A second time is passed over.
 * The detail says why, for `explain` and the log: names, hosts, counts; never text of the message.
 * Cut at SPAM_DETAIL_MAX. */
void spam_found(struct spam_mail *m, enum spam_rule rule, const char *detail_fmt, ...)
	CV_PRINTF(3, 4);
/* For rules that are more or less so: WEIGHT instead of the row's, scaled as the file of weights
 * scaled the row's. */
void spam_found_weight(struct spam_mail *m, enum spam_rule rule, double weight,
	const char *detail_fmt, ...) CV_PRINTF(4, 5);
bool spam_has(const struct spam_mail *m, enum spam_rule rule);
/* The action is at least AT_LEAST. With SPAM_REFUSE, REFUSAL is the reply (copied; the first one
 * asked for is given). A refusal wanted here is never softened by SPM-02: the sender sees it. */
void spam_want(struct spam_mail *m, enum spam_action at_least, const struct cv_decision *refusal);
/* RULE's name becomes a word of X-Congvu-Policy. */
void spam_policy_mark(struct spam_mail *m, enum spam_rule rule);

/* Indices of the findings, the weightiest first. */
void spam_verdict_order(const struct spam_verdict *v, size_t order[SPAM_RULES]);
/* "bayes(3.1),url-mismatch(2.0)", the weightiest first; "none". Folded with lone LF and a tab when
 * FOLD. */
void spam_verdict_rules(const struct spam_verdict *v, bool fold, struct cv_buf *out);

#endif
