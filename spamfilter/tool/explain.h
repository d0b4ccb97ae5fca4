/* explain.h - one message judged for somebody who asks, and the answer as JSON and as text.
 *
 * The same examiners run as for mail that arrives; no statistics are kept. The daemon answers
 * {"do": "explain"} with this over its control socket, the tool calls it in its own process.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_EXPLAIN_H
#define SPAM_EXPLAIN_H

#include <jansson.h>

#include "spamfilter/server.h"

#define SPAM_EXPLAIN_RCPTS_MAX 16

/* What a caller says of the envelope; NULL: not said, so the message's own header tells (origin.h).
 */
struct spam_asked {
	const char *client; /* address */
	const char *helo, *from;
	const char *to[SPAM_EXPLAIN_RCPTS_MAX];
	size_t to_count;
	bool is_submission;
};

/* MESSAGE has CRLF line ends. The object is described in congvu-spamfilter(8). CV_INVALID when an
 * address cannot be read. */
CV_MUST_CHECK enum cv_status spam_explain(struct spam_server *s, struct cv_str message,
	const struct spam_asked *asked, json_t **out, struct cv_err *err);

/* Over the control socket: {"do": "explain", "message": base64, "client", "helo", "from", "to": [],
 * "submission"}, and back. A request is NULL when MESSAGE is too large for one. */
json_t *spam_explain_request(struct cv_str message, const struct spam_asked *asked);
CV_MUST_CHECK enum cv_status spam_explain_answer(
	struct spam_server *s, json_t *request, json_t **out, struct cv_err *err);

/* For people: verdict, rules, who vouches. NAME is the file's. */
void spam_explain_text(const json_t *answer, const char *name, bool vietnamese, struct cv_buf *out);

#endif
