/* digest.h - tells owners, on working days at quarantine_digest_time, what is new in their
 * quarantine (SPM-02): one message in Vietnamese, on request in English too, with a link for each
 * item by which the owner releases or deletes it.
 *
 * Whoever has nothing new hears nothing. Which items were told is a flag of theirs in the store;
 * the message's delivery id has the day in it, so that a restart or a crash tells nobody twice. A
 * digest that was missed is made up for until noon, afterwards on the next working day.
 * Threads: a thread of its own; imapd_digest_send() from any that may wait for the disk.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_DIGEST_H
#define IMAPD_DIGEST_H

#include "imapd/quarantine.h"

#define IMAPD_DIGEST_ITEMS 100u /* in one message; the others come with the next */

struct imapd_digest;
CV_MUST_CHECK enum cv_status imapd_digest_start(
	struct imapd *d, struct imapd_digest **out, struct cv_err *err);
/* Ends the thread and frees; NULL is fine. */
void imapd_digest_stop(struct imapd_digest *g);

/* Tells ACCT, or with 0 everybody, of what is new, now. *told_out: how many owners. */
CV_MUST_CHECK enum cv_status imapd_digest_send(
	struct imapd *d, cv_acct_id acct, uint64_t *told_out, struct cv_err *err);

/* ---- for tests ---- */
struct imapd_digest_facts {
	struct cv_str address, name, url; /* url "": no links */
	bool english;
	const struct imapd_held *items;
	const struct cv_str *tokens;      /* one an item */
	size_t count;
	uint32_t more, dropped; /* not listed; pushed out by the limits */
	int64_t now_secs;
};
void imapd_digest_text(const struct imapd_digest_facts *f, struct cv_buf *out);
void imapd_digest_html(const struct imapd_digest_facts *f, struct cv_buf *out);
/* Minutes since midnight of "HH:MM"; -1: no time. */
int imapd_digest_minute(const char *text);

#endif
