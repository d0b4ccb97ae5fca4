/* evaluate.h - honest error rates: stratified cross-validation of the classifier.
 *
 * Every message is judged once, by a model that learned all folds but its own. Messages that yield
 * the same tokens as an earlier one are left out and counted. Pure but for memory; one thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_EVALUATE_H
#define SPAM_EVALUATE_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "spamfilter/classify/model.h"

#define SPAM_FOLDS_MAX    100u
#define SPAM_EVALUATE_MAX 1000000u /* messages */
#define SPAM_CURVE_POINTS 200u

struct spam_sample {
	struct spam_tokens tokens;
	enum spam_class class_;
	uint64_t group; /* samples of one group share a fold; 0: by itself */
	/* from spam_evaluate() on */
	unsigned fold;
	bool is_repeated;
	double share; /* 0 wanted ... 1 unwanted */
};

struct spam_rates {
	double threshold;
	uint64_t lost, missed; /* wanted mail called unwanted, unwanted mail let through */
	double lost_rate, lost_low, lost_high; /* with the bounds of 95 % (Wilson) */
	double missed_rate, missed_low, missed_high;
};
#define SPAM_THRESHOLDS 7u
struct spam_evaluation {
	uint64_t count[SPAM_CLASSES], repeated;
	unsigned folds;
	struct spam_rates at[SPAM_THRESHOLDS];
	double auc, auc_low, auc_high; /* Hanley and McNeil, 95 % */
	double missed_safe;            /* where at most one wanted mail of a thousand is lost */
	double safe_threshold;
	double learn_us, judge_us; /* a message, without its tokens */
	struct {
		double threshold, lost, caught;
	} curve[SPAM_CURVE_POINTS];
	size_t curve_count;
};

/* CV_INVALID when a class has fewer messages (or groups) than FOLDS. */
CV_MUST_CHECK enum cv_status spam_evaluate(struct spam_sample *samples, size_t count,
	unsigned folds, struct spam_evaluation *out, struct cv_err *err);

/* The bounds within which a rate of HITS of N lies with 95 %. */
void spam_wilson(uint64_t hits, uint64_t n, double *low, double *high);

json_t *spam_evaluation_json(const struct spam_evaluation *e);
void spam_evaluation_text(const struct spam_evaluation *e, bool vietnamese, struct cv_buf *out);
void spam_evaluation_csv(const struct spam_evaluation *e, struct cv_buf *out);
void spam_evaluation_svg(const struct spam_evaluation *e, bool vietnamese, struct cv_buf *out);

#endif
