/* outbound_filter.h - which messages and recipients of the queue a request is about.
 *
 * Of the message: "sender" (a part of it), "account", "older" (seconds since it came), "larger"
 * (bytes), "after" (a queue id). Of the recipient: "recipient" (a part of it), "domain", "state"
 * ("waiting", "held"), "outside": true (none of our own store). A message is taken when all of the
 * first hold and some recipient has all of the second; a change then concerns those recipients
 * alone.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_FILTER_H
#define SMTPD_OUTBOUND_FILTER_H

#include <jansson.h>

#include "common/store/queue.h"

struct smtpd_queue_filter {
	uint64_t after;
	struct cv_str sender, account, recipient, domain;
	int64_t arrived_until; /* 0: any */
	uint64_t larger;
	bool by_state, only_outside;
	enum cv_queue_state state;
};

/* Texts are those of REQUEST. CV_INVALID names what is wrong. */
CV_MUST_CHECK enum cv_status smtpd_queue_filter_read(json_t *request,
                                                     struct smtpd_queue_filter *out,
                                                     struct cv_err *err);
bool smtpd_queue_filter_takes_rcpt(const struct smtpd_queue_filter *f,
                                   const struct cv_queue_rcpt *rcpt);
bool smtpd_queue_filter_takes(const struct smtpd_queue_filter *f, const struct cv_queue_msg *msg);

#endif
