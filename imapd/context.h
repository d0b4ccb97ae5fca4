/* context.h - contexts (RFC 5267): searches of the selected mailbox whose results are kept up to
 * date for the client, by ADDTO and REMOVEFROM.
 *
 * A context keeps its search program and the UIDs that match, in the order of the answer. When the
 * session tells an EXPUNGE, what matched is taken out at once, by numbers that are still good. What
 * came or changed is noted, and the program then run over just those messages, a slice at a time
 * (seek.h), before the command's tagged answer or, in IDLE and with NOTIFY, before anything else is
 * told: the view does not move meanwhile.
 *
 * Belongs to the connection's thread, and ends with the selected mailbox.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_CONTEXT_H
#define IMAPD_CONTEXT_H

#include "imapd/conn.h"
#include "imapd/diff.h"

#define IMAPD_CONTEXTS_MAX     16u      /* of one session */
#define IMAPD_CONTEXT_UIDS_MAX 1000000u /* that all of a session keep, but for its first */

/* Whether the command may not have UPDATE: its tag is that of a context (RFC 5267 4.3). */
bool imapd_context_has_tag(const struct imapd_session *s, struct cv_str tag);
/* Keeps the command's search up to date, if it asks for that. FOUND are all its results, message
 * numbers of the session's view in their order. Where that is refused NOUPDATE is told. */
void imapd_context_keep(struct imapd_conn *c, const uint32_t *found, size_t n);
/* For UPDATE without a mailbox that it could be about: NOUPDATE. */
void imapd_context_refuse(struct imapd_conn *c, const char *why);

/* For the session, before it tells of the expunges of DIFF and moves on; and after it did. */
void imapd_contexts_expunge(
	struct imapd_contexts *x, const struct cv_view *old, const struct imapd_diff *diff,
	struct cv_buf *out);
void imapd_contexts_note(
	struct imapd_contexts *x, const struct cv_view *view, const struct imapd_diff *diff);
/* RFC 9586: no message numbers from now on. */
void imapd_contexts_by_uid(struct imapd_contexts *x);
void imapd_contexts_free(struct imapd_contexts *x); /* NULL is fine */

/* Whether contexts must be brought up to date before the view may move again. */
bool imapd_contexts_are_due(const struct imapd_session *s);
/* A slice of that. DONE: nothing is left; else what to answer, and to call it again. */
enum cv_step imapd_contexts_step(struct imapd_conn *c);
/* Begins to describe new messages for a context that wants it (RFC 5465 7); false: there are none.
 */
bool imapd_contexts_describe(struct imapd_conn *c);

#endif
