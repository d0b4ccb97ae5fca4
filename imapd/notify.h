/* notify.h - NOTIFY (RFC 5465): which events a client wants, and telling them.
 *
 * One watch on the account's feed (common/store/feed.h) for a session, whatever it asks for, and a
 * few hundred bytes that say what that is. A change wakes the sessions of that account which want
 * its kind; each then asks the feed what happened since it last looked. What happens to the
 * selected mailbox comes through its session, as without NOTIFY, but only as far as it is wanted,
 * and also while no command is under way.
 *
 * Belongs to the connection's thread but for what the feed calls.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_NOTIFY_H
#define IMAPD_NOTIFY_H

#include "imapd/conn.h"

/* Whether one-sided news may come now: call it with no command under way. DONE: there were none, or
 * they are written; then go on with input. */
enum cv_step imapd_notify_run(struct imapd_conn *c);
/* Before a tagged answer: tells of other mailboxes. */
void imapd_notify_tell(struct imapd_conn *c);
/* Whether news of the selected mailbox may be told, and how. HAS_CHANGED: the command changed it,
 * so that its client counts on them. */
bool imapd_notify_may_sync(
	const struct imapd_conn *c, bool has_changed, struct imapd_sync_how *how);
/* Whether news may come while no command is under way. */
bool imapd_notify_is_on(const struct imapd_conn *c);
/* The person's subscriptions changed, or a mailbox of another was selected: other accounts may be
 * meant. */
void imapd_notify_others_changed(struct imapd_conn *c);
/* Forgets NOTIFY altogether: before the account is closed. */
void imapd_notify_free(struct imapd_conn *c);

#endif
