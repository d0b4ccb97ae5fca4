/* teach.h - what people sort teaches the filter (SPM-05): messages that go into Junk or out of it,
 * and the keywords $Junk and $NotJunk.
 *
 * A command only notes where the messages are; a thread of its own reads them and hands them to the
 * filter over spamfilter.ctl, which knows who may teach how much. The queue is bounded, and nobody
 * waits for it: what finds no room, what a crash takes and what the filter does not answer for half
 * a minute is lost, and the log counts it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_TEACH_H
#define IMAPD_TEACH_H

#include "common/store/mailbox.h"

struct imapd;
struct imapd_conn;
struct imapd_place;
struct imapd_teacher;

/* D's store and register are open. */
CV_MUST_CHECK enum cv_status imapd_teacher_start(
	struct imapd *d, struct imapd_teacher **out, struct cv_err *err);
/* Ends the thread and frees; what waits is lost, and counted. T may be NULL. */
void imapd_teacher_free(struct imapd_teacher *t);

/* UIDS of the mailbox at DST are copies of messages of the selected mailbox (COPY, MOVE). */
void imapd_teach_copied(struct imapd_conn *c, const struct imapd_place *dst, uint64_t dst_id,
	const uint32_t *uids, size_t count);
/* ITEMS were appended to the mailbox at DST. */
void imapd_teach_appended(struct imapd_conn *c, const struct imapd_place *dst, uint64_t dst_id,
	const struct cv_append *items, size_t count);
/* CHANGE was stored on UIDS of the selected mailbox. */
void imapd_teach_flagged(struct imapd_conn *c, enum cv_store_op op,
	const struct cv_flag_change *change, const uint32_t *uids, size_t count);

#endif
