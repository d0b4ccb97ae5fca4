/* notify_impl.h - what the files of NOTIFY share. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_NOTIFY_IMPL_H
#define IMAPD_NOTIFY_IMPL_H

#include "common/store/feed.h"
#include "imapd/notify.h"

/* Accounts of others that one session watches, but for that of the selected mailbox. */
#define IMAPD_NOTIFY_OTHERS_MAX 50u

/* The account of another whose mailboxes are watched. */
struct imapd_notify_other {
	struct cv_feed_watch watch;
	struct imapd_notify *notify;
	struct cv_acct *acct; /* its own reference */
	cv_acct_no owner;
	uint64_t place;
	char *level; /* the name of the owner's level, as the client knows it */
};

struct imapd_notify {
	struct cv_feed_watch watch;
	struct cv_conn *conn;
	atomic_bool has_news; /* the feed has */
	bool is_watching;
	bool describes;       /* others put messages into the selected mailbox */
	bool is_delayed;      /* SELECTED-DELAYED */
	unsigned selected;    /* events of the selected mailbox */
	uint64_t place;       /* in the feed */
	struct cv_str described; /* items for new messages there; empty: none */
	struct imapd_notify_other **others; /* heap */
	unsigned other_count;
	atomic_bool others_have_news;
	bool others_are_stale; /* subscriptions changed: others may be meant */
	/* of what is shared, when the others were chosen */
	uint64_t grants_version;
	uint64_t generation;
	size_t count;
	struct imapd_notify_group groups[]; /* names and items lie behind them */
};

/* What of the feed EVENTS are. */
unsigned imapd_notify_kinds(unsigned events);
/* What BOX has to be told of, when KINDS happened to its messages. */
unsigned imapd_notify_status_items(const struct imapd_conn *c, unsigned kinds);
/* And with NOTIFY SET STATUS (RFC 5465 3.1), when EVENTS are wanted. */
unsigned imapd_notify_first_items(unsigned events);
/* RFC 5465 5.8: tells it, and NOTIFY is off. */
void imapd_notify_overflow(struct imapd_conn *c, const char *why);

/* * METADATA "name" "/shared/comment" */
void imapd_notify_write_metadata(struct imapd_conn *c, struct cv_str name, struct cv_str entry);

/* ---- notify_others.c ---- */
/* Watches the accounts of others that N may mean; what OLD (or NULL) watched goes on where it was.
 * CV_LIMIT: too many. */
CV_MUST_CHECK enum cv_status imapd_notify_watch_others(struct imapd_conn *c,
	struct imapd_notify *n, struct imapd_notify *old, struct cv_err *err);
/* What is shared has changed since then, or who is who: others may be meant. */
bool imapd_notify_is_shared_anew(const struct imapd_conn *c, const struct imapd_notify *n);
void imapd_notify_free_others(struct imapd_notify *n);
/* Tells what happened there. Only while no command is under way: it opens places. */
void imapd_notify_tell_others(struct imapd_conn *c);
/* STATUS of the mailbox LISTED of another, when events of its messages are wanted; \NoAccess when
 * it may be listed and not read. */
void imapd_notify_first_other(struct imapd_conn *c, const struct cv_mbox_info *listed);

#endif
