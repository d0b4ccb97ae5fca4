/* reporter.h - aggregate reports go out once a day, and come in (RFC 9990).
 *
 * After midnight UTC and a wait of this process's lot each domain that asked for reports is told of
 * the day: the XML is packed, put into a mail and handed to smtpd's queue over its control socket,
 * which lets the filters sign it. What cannot be sent is tried again each hour for two days.
 * Reports of others are read from mail to `dmarc_report_address`, or as an operator hands them in.
 * Threads: all calls from any thread; one of its own sends.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_REPORTER_H
#define SPAM_DMARC_REPORTER_H

#include <jansson.h>

#include "spamfilter/mail.h"

struct spam_reporter;

struct spam_reporter *spam_reporter_new(struct spam_server *server);
/* Not before the sandbox is entered. */
CV_MUST_CHECK enum cv_status spam_reporter_start(struct spam_reporter *r, struct cv_err *err);
void spam_reporter_free(struct spam_reporter *r); /* NULL is fine */

/* {"do": "dmarc.list" | "dmarc.show" ("day", "domain") | "dmarc.send" ("today", "dry_run") |
 * "dmarc.import" ("data": base64) | "dmarc.sources" ("days", "domain")}, see
 * congvu-spamfilter(8). */
CV_MUST_CHECK enum cv_status spam_reporter_do(
	struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err);

#endif
