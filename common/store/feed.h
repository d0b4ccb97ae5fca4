/* feed.h - what happens in an account, told to whoever watches it (IMAP NOTIFY).
 *
 * An account that somebody watches counts its events. Of what happens to messages only the newest
 * event of each kind is kept with each mailbox: however long a watcher looks away, it finds out
 * what changed, and a thousand deliveries are one piece of news. What happens to names is kept as a
 * list of limited length; who comes too late is told so. A watcher remembers one number, its place.
 * Accounts that nobody watches keep nothing.
 *
 * Every event has an origin, the number that the changing thread gave with cv_feed_as(): so a
 * session is not told what it did itself.
 *
 * Threads: all from any; everything here takes the account's lock for a moment.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_FEED_H
#define CV_FEED_H

#include "common/store/mailbox.h"

#define CV_FEED_EVENTS_MAX 512u /* names and the like that an account keeps */

enum cv_feed_kind {
	/* of a mailbox's messages */
	CV_FEED_NEW = 1, CV_FEED_GONE = 2, CV_FEED_FLAGS = 4,
	CV_FEED_MESSAGES = CV_FEED_NEW | CV_FEED_GONE | CV_FEED_FLAGS,
	/* of names */
	CV_FEED_CREATED = 8, CV_FEED_DELETED = 16, CV_FEED_RENAMED = 32, CV_FEED_SUBSCRIBED = 64,
	CV_FEED_NAMES = CV_FEED_CREATED | CV_FEED_DELETED | CV_FEED_RENAMED | CV_FEED_SUBSCRIBED,
	/* an annotation of a mailbox or, with an empty name, of the account */
	CV_FEED_METADATA = 128,
	/* who may do what with a mailbox */
	CV_FEED_RIGHTS = 256,
	CV_FEED_ALL = 511
};

struct cv_feed_watch {
	/* Called on the changing thread, under the account's lock, with the kinds of WANTS that
	 * happened: quick, and no call to the store. */
	void (*fn)(struct cv_feed_watch *w);
	unsigned wants; /* enum cv_feed_kind */
	struct cv_link link;
};
/* Watches A from *PLACE_OUT on. W is the caller's until cv_feed_unwatch(), after which FN is not
 * called again. */
void cv_feed_watch(struct cv_acct *a, struct cv_feed_watch *w, uint64_t *place_out);
void cv_feed_unwatch(struct cv_acct *a, struct cv_feed_watch *w);
/* Other kinds from now on. */
void cv_feed_want(struct cv_acct *a, struct cv_feed_watch *w, unsigned wants);

/* This thread's changes have the origin ORIGIN from now on; 0: nobody's, which is what a thread
 * begins with. */
void cv_feed_as(uint64_t origin);

struct cv_feed_event {
	enum cv_feed_kind kind;
	struct cv_mbox_info box; /* of that name as it is now; id 0: there is none */
	struct cv_mbox_info parent; /* CREATED, DELETED: the level above; name "": there is none */
	struct cv_str detail;    /* RENAMED: the old name; METADATA: the entry's name; DELETED,
				  * RIGHTS: the list of rights that it had */
};
struct cv_feed {
	uint64_t place; /* where to read on */
	bool is_cut;    /* events of names before `events` are lost */
	struct cv_feed_event *events; /* in the order in which they happened */
	size_t event_count;
	struct cv_feed_box {
		unsigned kinds; /* of CV_FEED_MESSAGES */
		struct cv_mbox_info box;
	} *boxes;
	size_t box_count;
};
/* What happened in A since PLACE that ORIGIN (0: nobody) did not do, of KINDS, in ARENA. A watcher
 * must have been there since. */
CV_MUST_CHECK enum cv_status cv_feed_read(struct cv_acct *a, uint64_t place, uint64_t origin,
	unsigned kinds, struct cv_arena *arena, struct cv_feed *out, struct cv_err *err);

#endif
