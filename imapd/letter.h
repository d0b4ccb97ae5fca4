/* letter.h - mail that this server itself writes into a box: notices, digests.
 *
 * UTF-8 text under the server's own name, marked as written by a machine (RFC 3834). Putting one is
 * an ordinary delivery, durable when it returns; its id makes a second try harmless for 7 days,
 * also after a crash. Threads: all calls from any thread that may wait for the disk.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_LETTER_H
#define IMAPD_LETTER_H

#include "imapd/server.h"

struct imapd_letter {
	const char *kind;      /* one word of ASCII letters, for Message-ID: "quota" */
	struct cv_str to;      /* address of the box */
	struct cv_str subject; /* UTF-8; may hold anything */
	struct cv_str text;    /* UTF-8, CRLF lines */
	struct cv_str html;    /* the same as HTML, or empty: text alone */
};

/* Appends the whole message. */
void imapd_letter_write(
	const struct imapd_config *config, const struct imapd_letter *l, struct cv_buf *out);
/* Delivers L to the INBOX of ACCT under ID (at most CV_DELIVERY_ID_MAX bytes). *is_new_out (may be
 * NULL) is false when ID had been delivered before. CV_OVERQUOTA, CV_NOT_FOUND, CV_TEMPFAIL. */
CV_MUST_CHECK enum cv_status imapd_letter_put(struct imapd *d, const struct imapd_letter *l,
	cv_acct_id acct, struct cv_str id, bool *is_new_out, struct cv_err *err);
/* The same for any MESSAGE, with PREFIX before it, to FOLDER as deliver.h names folders. */
CV_MUST_CHECK enum cv_status imapd_put(struct imapd *d, cv_acct_id acct, struct cv_str folder,
	struct cv_str id, struct cv_str prefix, struct cv_spool *message, bool *is_new_out,
	struct cv_err *err);

#endif
