/* weights.h - the weights and thresholds in force: those of rules.def and of the options, changed
 * by the lines of a file.
 *
 *   # what a province or an agency sees otherwise
 *   url-mismatch 3.5
 *   labelled-ad 0
 *   agency stp junk 7
 *   agency stp refuse off
 *
 * A file with a line that cannot be read is not taken at all. Constant once made: any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_WEIGHTS_H
#define SPAM_WEIGHTS_H

#include "common/base/err.h"
#include "spamfilter/verdict.h"

#define SPAM_WEIGHTS_BYTES_MAX    (1u << 20)
#define SPAM_WEIGHTS_AGENCIES_MAX 2000

struct spam_weights;

/* FILE "" or NULL: the rows of rules.def as they are. */
CV_MUST_CHECK enum cv_status spam_weights_load(
	const char *file, struct spam_weights **out, struct cv_err *err);
/* TEXT is a file's; NAME stands in errors: "weights.txt:3: no rule 'bayse'". */
CV_MUST_CHECK enum cv_status spam_weights_parse(
	struct cv_str text, const char *name, struct spam_weights **out, struct cv_err *err);
void spam_weights_free(struct spam_weights *w); /* NULL is fine */

double spam_weights_of(const struct spam_weights *w, enum spam_rule rule);
/* WEIGHT, graded by an examiner, changed in the proportion in which the row's was. */
double spam_weights_scaled(const struct spam_weights *w, enum spam_rule rule, double weight);
/* The score from which mail to AGENCY gets ACTION; DEFAULT_SCORE when the file has no line for it.
 * SPAM_SCORE_OFF: never. */
#define SPAM_SCORE_OFF 1e9
double spam_weights_threshold(const struct spam_weights *w, struct cv_str agency,
	enum spam_action action, double default_score);

#endif
