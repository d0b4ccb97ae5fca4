/* classify.h - the classifier among the filter's parts: opening, rule `bayes`, what the control
 * socket asks, lessons from mailboxes.
 *
 * A server without a folder for statistics has no classifier (server->classifier is NULL).
 * Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLASSIFY_H
#define SPAM_CLASSIFY_H

#include <jansson.h>

#include "spamfilter/classify/classifier.h"
#include "spamfilter/server.h"

#define SPAM_TRAIN_BYTES_MAX (2u << 20) /* of one message that is learned from; more is cut */

/* Opens <stats_dir>/classifier for S. CREATE: also when it is not there yet, else that is CV_OK
 * without a classifier. */
CV_MUST_CHECK enum cv_status spam_classify_open(
	struct spam_server *s, bool create, struct cv_err *err);
/* The numbers of OPT come into force. */
void spam_classify_configure(struct spam_server *s, const struct spamfilter_options *opt);

/* The score that LEAN is worth, CAP for a sure one; below zero for wanted mail. */
double spam_classify_weight(double lean, double cap);

/* How tokens of stored messages are made here. */
void spam_classify_how(const struct spam_server *s, struct spam_token_how *out);

/* The control socket:
 *   {"do": "classifier.status"} -> spam_classifier_status() and "seed", "hosts": [...]
 *   {"do": "classifier.learn", "class": "ham"|"spam", "forget": bool, "tokens": [base64, ...]} ->
 *     {"results": {"learned": n, ...}}: for operators, made by the tool
 *   {"do": "classifier.train", "class": ..., "address": ..., "message": base64} -> {"result": ...}:
 *     what the owner of a box did to a message there
 * False when WHAT is none of these. */
bool spam_classify_control(struct spam_server *s, const char *what, json_t *request,
	json_t **reply_out, enum cv_status *status_out, struct cv_err *err);

/* One message as ADDRESS's owner sorts it: a day's number of lessons for each, role and agency boxes
 * weigh more. */
CV_MUST_CHECK enum cv_status spam_classify_train(struct spam_server *s, enum spam_class class_,
	struct cv_str address, struct cv_str message, enum spam_learned *out, struct cv_err *err);

#endif
