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

struct spam_mail;
/* For `explain`: {"state": "learning"|"silent"|"given", "share", "lean", "evidence", "known",
 * "tokens", "ham", "spam", "ham_min", "spam_min"} of a mail that was judged; and one line of it for
 * people. */
json_t *spam_classify_json(const struct spam_mail *m);
void spam_classify_text(const json_t *answer, bool vietnamese, struct cv_buf *out);

/* How tokens of stored messages are made here. */
void spam_classify_how(const struct spam_server *s, struct spam_token_how *out);

/* The control socket:
 *   {"do": "classifier.status"} -> spam_classifier_status() and "seed", "hosts": [...]
 *   {"do": "classifier.learn", "class": "ham"|"spam", "forget": bool, "tokens": [base64, ...]} ->
 *     {"results": {"learned": n, ...}}: for operators, made by the tool
 *   {"do": "classifier.train", "class": ..., "address": ..., "teacher": account,
 *   "message": base64} -> {"result": ...}:
 *     what the owner of a box did to a message there */
CV_MUST_CHECK enum cv_status spam_classify_answer_status(
	struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status spam_classify_answer_learn(
	struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status spam_classify_answer_train(
	struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err);

/* One message as TEACHER (an account) sorted it in the box of ADDRESS: each teacher has so many
 * lessons a day, those from agency and role boxes weigh more. TEACHER 0: the box's own account. */
CV_MUST_CHECK enum cv_status spam_classify_train(struct spam_server *s, enum spam_class class_,
	struct cv_str address, uint64_t teacher, struct cv_str message, enum spam_learned *out,
	struct cv_err *err);

#endif
