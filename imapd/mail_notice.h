/* mail_notice.h - "mail.notice" on the control socket: another program of ours has something to
 * tell the owner of a box.
 *
 *   {"do": "mail.notice", "template": "signup", "account": "hoa.stp@...", "values": {...}}
 *
 * `account` is an address, or `acct` the account's number. The texts are here, in Vietnamese and
 * English; the caller gives values alone, each at most IMAPD_NOTICE_VALUE_MAX octets of UTF-8, and
 * every value that the template names:
 *
 *   signup   sender   domain or address of the service that wrote (POL-02)
 *            address  the address of ours that was given to it
 *   unopened box, time, day  an agency box that nobody looked into in time (DOC-01)
 *
 *   unused   address, days (since the last use), off_on (log-ins end that day) (ACC-07)
 *   breakglass box, reader, until: to the owner of a box that another reads (SEC-07)
 *   expiring address (of the account that ends), until: to its owner (ACC-11)
 *
 * The answer comes when the message is durable in INBOX: {"told": true}, or {"told": false, "why":
 * "repeated"} when the account was told the same today, "limit" when it was told enough in the last
 * 24 hours, "no-room" when its quota is used up, "retired". So a caller may repeat what it is not
 * sure of. CV_NOT_FOUND: no such account or template. CV_INVALID: a value is missing.
 * Runs on the control server's threads.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_MAIL_NOTICE_H
#define IMAPD_MAIL_NOTICE_H

#include "imapd/server.h"

#define IMAPD_NOTICE_VALUE_MAX 255u
#define IMAPD_NOTICE_RATES     20000u /* accounts whose count is remembered */

CV_MUST_CHECK enum cv_status imapd_mail_notice(
	struct imapd *d, const json_t *request, json_t **reply_out, struct cv_err *err);

/* ---- for tests ---- */
/* Appends TEXT with each {name} replaced by its value of VALUES, control characters as blanks.
 * CV_INVALID when a value is missing, no string, or too long. */
CV_MUST_CHECK enum cv_status imapd_notice_fill(
	const char *text, const json_t *values, struct cv_buf *out, struct cv_err *err);

#endif
