/* internal.h - what the files of the mailbox API share: handles, edits, writers.
 *
 * Locks, in the order they may be taken:
 *   gate            cv_store.gate, shared by whoever changes which bodies are named
 *   account locks   cv_acct.lock, several only in ascending order of account id
 *   body stripes    cv_store.body_locks, counts of bodies being raised or lowered
 *   store table     cv_store.lock: which accounts are in memory
 *   view lock       cv_mbox.view_lock: the published view and the watchers
 * Commits run under the account lock; nothing waits for the disk under any lock.
 *
 * An account in memory always equals its rows: a change is worked out in an edit, committed on
 * condition of the version it was worked out from, and only then applied. A conflict marks the
 * account stale; it is read again before the next use.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_STORE_INTERNAL_H
#define CV_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/store/deliver.h"
#include "common/store/feed.h"
#include "common/store/mailbox.h"
#include "common/store/quota.h"
#include "common/store/rows.h"

#define CV_TABLE_BUCKETS   8192u
#define CV_IDLE_ACCTS_MAX  4096u
#define CV_IDLE_VIEW_BYTES (256ull << 20)
#define CV_BODY_STRIPES    16u
#define CV_TRIES           16         /* of a change that meets conflicts */
#define CV_UID_GAP         (1u << 17) /* how far a fence jumps */
#define CV_ACT_MAX         100000u    /* UIDs one act may give */
#define CV_AHEAD_MAX       8192u      /* numbers of one account the disk may be behind */
#define CV_MODSEQ_GAP      (1u << 20)
#define CV_ID_GAP          4096u        /* mailbox ids, UIDVALIDITY */
#define CV_BATCH_SOFT      (700u << 10) /* above it rows are written ahead, in batches of theirs */
#define CV_EDIT_PAGES_MAX  1000u        /* pages one batch changes */
#define CV_MBOX_DEPTH_MAX  32u
#define CV_MBOX_LEVEL_MAX  255u
#define CV_MBOX_NAME_MAX   1000u
#define CV_MBOXES_MAX      10000u
#define CV_DELIVERY_DAYS   7
#define CV_VANISHED_ROWS   2000u /* X rows kept for one mailbox */
#define CV_JUNK_NAME       "Thư rác"
#define CV_QUARANTINE_NAME "\1quarantine" /* no name that cv_name_canon() lets through */
#define CV_REMOVED_BOX_BIT (1u << 31) /* in the number of an R row of a mailbox */

struct cv_store {
	struct cv_engine *engine;
	char separator;
	char *spool_dir;
	int64_t restore_secs;
	uint64_t default_quota_bytes, max_messages;
	atomic_uint held_messages; /* quarantine.h */
	_Atomic uint64_t held_bytes;
	_Atomic int64_t held_secs;
	uint64_t epoch; /* of the fence */
	uint64_t restored_epoch;       /* of the last return to an older state; 0: never */
	uint32_t restored_uidvalidity; /* of mailboxes not written since */
	atomic_uint_fast64_t grants_version; /* goes up with each change of grants.h's rows */

	pthread_mutex_t lock; /* the table below */
	struct cv_acct *buckets[CV_TABLE_BUCKETS];
	struct cv_link idle; /* accounts without users, longest unused first */
	size_t idle_count;
	uint64_t idle_bytes;

	pthread_mutex_t body_locks[CV_BODY_STRIPES];
	pthread_mutex_t pools_lock; /* rank: leaf; guards pools */
	struct cv_pools *pools;     /* NULL: none */
	atomic_bool has_pools;
	_Atomic(cv_quota_fn *) on_quota; /* NULL: nobody; its argument was set before */
	void *on_quota_arg;
	const struct cv_store_watch *watch; /* NULL: nobody; set before the first delivery */
	struct cv_reaper *reaper;
	/* Whoever changes which bodies are named enters; `store check` shuts it to see them at
	 * rest. Taken before any other lock. */
	pthread_rwlock_t gate;
};

struct cv_sub { /* a subscribed name without a mailbox */
	uint32_t number;
	char *name;
};

struct cv_ids { /* hashes of the account's delivery ids */
	uint64_t *slots;
	size_t count, cap;
	unsigned asked;
	bool known;
};

struct cv_acct {
	struct cv_store *store;
	cv_acct_id id;
	struct cv_acct *next; /* in the bucket */
	struct cv_link idle;
	unsigned refs; /* under store->lock */
	uint64_t idle_bytes;

	pthread_mutex_t lock; /* all below */
	bool loaded;          /* false: read it before use */
	uint64_t version;
	struct cv_row_head head;
	uint64_t modseq;        /* the highest given out */
	struct cv_mbox **boxes; /* sorted by name */
	size_t count, cap;
	struct cv_sub *subs;
	size_t sub_count;
	uint64_t used_bytes, used_messages;
	uint64_t given;      /* UIDs and MODSEQs given out since the account was read */
	uint64_t safe;       /* so many of them are durable */
	uint64_t mark_given; /* so many are once `mark` is */
	cv_ticket mark;      /* 0: none taken */
	struct cv_ids ids;
	struct cv_acct_feed *feed; /* NULL: nobody ever watched it */
	bool notice_asked; /* the watcher of quotas was told and has not looked yet */
};

struct cv_mbox {
	struct cv_acct *acct;
	uint32_t id;
	atomic_uint refs;
	/* under acct->lock */
	char *name; /* row.name points here */
	struct cv_row_box row;
	char *acl; /* the list's row; NULL: none */
	uint32_t acl_n;
	atomic_uint acl_version; /* goes up when the list changes; read without a lock */
	bool gone;
	bool seen; /* while reading the account again */
	bool keywords_known;
	struct cv_keywords *keywords; /* counted */
	bool tail_known; /* without view: the page new entries go to is `tail` (NULL: none) */
	struct cv_page *tail;
	struct cv_box_feed *feed; /* NULL: nothing happened while somebody watched */
	/* under view_lock */
	pthread_mutex_t view_lock;
	struct cv_view *view; /* NULL: not read yet, or gone */
	struct cv_link watches;
	struct cv_seen *seens; /* people in memory; seen.h */
};

/* ---- writer.c: the puts of one batch, bytes in one buffer ---- */
struct cv_writer_item {
	size_t at, key_n, value_n;
	const char *outside; /* value not copied; NULL: it follows the key */
	bool is_delete;
};
struct cv_writer {
	struct cv_buf bytes;
	struct cv_writer_item *items;
	struct cv_put *puts;
	size_t count, cap;
	size_t size_bytes; /* of keys and values */
};
#define CV_WRITER_INIT ((struct cv_writer){.bytes = CV_BUF_INIT(8u << 20)})
void cv_writer_done(struct cv_writer *w);
void cv_writer_reset(struct cv_writer *w);
/* Append the key to what key() returns, then the value to what value() returns, then end(). */
struct cv_buf *cv_writer_key(struct cv_writer *w);
struct cv_buf *cv_writer_value(struct cv_writer *w);
void cv_writer_end(struct cv_writer *w);
void cv_writer_outside(struct cv_writer *w, struct cv_str value); /* instead of value() and end() */
void cv_writer_delete(struct cv_writer *w);                       /* likewise */
/* Valid until the writer changes. */
const struct cv_put *cv_writer_puts(struct cv_writer *w);

/* ---- account.c ---- */
/* Takes the lock; reads the account when that is due. Unlocked again when it fails. */
CV_MUST_CHECK enum cv_status cv_acct_lock(struct cv_acct *a, struct cv_err *err);
void cv_acct_unlock(struct cv_acct *a);
/* Reads it again when a conflict made it stale; the lock is held. */
CV_MUST_CHECK enum cv_status cv_acct_fresh(struct cv_acct *a, struct cv_err *err);
/* Commits W for A, the lock is held; FIRST (may be NULL) is a batch that goes before it. */
CV_MUST_CHECK enum cv_status cv_acct_commit(
	struct cv_acct *a, struct cv_writer *w, cv_ticket *ticket_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_acct_commit_after(struct cv_acct *a, struct cv_batch *first,
	struct cv_writer *w, cv_ticket *ticket_out, struct cv_err *err);
/* May COUNT more UIDs and one MODSEQ be given out before the disk has caught up? (S8) */
CV_MUST_CHECK enum cv_status cv_acct_may_give(
	struct cv_acct *a, uint64_t count, struct cv_err *err);
void cv_acct_gave(struct cv_acct *a, uint64_t count, cv_ticket ticket);
void cv_acct_ref(struct cv_acct *a);
uint32_t cv_acct_new_id(struct cv_row_head *head);
uint32_t cv_acct_new_uidvalidity(struct cv_store *s, struct cv_row_head *head);
void cv_acct_put_head(const struct cv_row_head *head, struct cv_writer *w);
/* A reference on the account in memory, read or not. */
struct cv_acct *cv_acct_find_or_add(struct cv_store *s, cv_acct_id id);
/* Frees what cv_acct_close() left in memory, at store close. */
void cv_accts_free(struct cv_store *s);

/* ---- quota.c; account lock held ---- */
/* Adds what ROW holds to the account's use, or takes it away with SIGN -1; the quarantine's is
 * none. */
void cv_acct_count(struct cv_acct *a, const struct cv_row_box *row, int sign);
uint64_t cv_acct_quota_limit(const struct cv_acct *a);
/* Whether so much more fits into the account and its pool. */
bool cv_acct_has_room(const struct cv_acct *a, uint64_t size_bytes, uint64_t messages);
/* Use or limit of the account changed: moves the pool's sum, tells the watcher. */
void cv_quota_changed(struct cv_acct *a);
/* Whether the pool's sum holds something else for the account than *BYTES_OUT. */
bool cv_pool_is_wrong(const struct cv_acct *a, uint64_t *bytes_out);
bool cv_quota_is_due(const struct cv_acct *a, enum cv_quota_level level);
void cv_pools_free(struct cv_store *s);

/* ---- ids.c; account lock held ---- */
/* False: no delivery with ID was applied to A. True: ask the rows. */
bool cv_ids_may_have(struct cv_acct *a, struct cv_str id);
void cv_ids_add(struct cv_acct *a, struct cv_str id);
void cv_ids_forget(struct cv_acct *a);

/* ---- names.c ---- */
/* NAME in canonical form (NFC, "INBOX" level folded) in ARENA. CV_INVALID, CV_LIMIT. */
CV_MUST_CHECK enum cv_status cv_name_canon(char separator, struct cv_str name,
	struct cv_arena *arena, struct cv_str *out, struct cv_err *err);

/* ---- mailbox.c; account lock held ---- */
struct cv_mbox *cv_box_new(struct cv_acct *a, uint32_t id, const struct cv_row_box *row);
void cv_box_unref(struct cv_mbox *m);
void cv_box_insert(struct cv_acct *a, struct cv_mbox *m);
void cv_box_take_out(struct cv_acct *a, struct cv_mbox *m);
void cv_box_gone(struct cv_mbox *m); /* marks it, drops the view, tells the watchers */
struct cv_mbox *cv_box_find(struct cv_acct *a, struct cv_str canon);
void cv_box_info(const struct cv_mbox *m, struct cv_arena *arena, struct cv_mbox_info *out);
/* Whether NAME, which is no mailbox, is subscribed. */
bool cv_box_is_subscribed(struct cv_acct *a, struct cv_str name);
struct cv_mbox *cv_box_find_use(struct cv_acct *a, enum cv_special_use use);
void cv_box_put(uint32_t id, const struct cv_row_box *row, struct cv_writer *w);
/* The list's row, empty when there is none. */
struct cv_str cv_box_acl(const struct cv_mbox *m);
void cv_box_set_acl(struct cv_mbox *m, struct cv_str row);
/* Locks M's account and checks that M is there and may hold messages. */
CV_MUST_CHECK enum cv_status cv_box_lock(struct cv_mbox *m, struct cv_err *err);
/* The rows of a new account: head and default folders. */
CV_MUST_CHECK enum cv_status cv_boxes_create_default(
	struct cv_acct *a, cv_ticket *ticket_out, struct cv_err *err);

/* Makes the quarantine of A when there is none; the lock is not held. */
CV_MUST_CHECK enum cv_status cv_box_make_quarantine(struct cv_acct *a, struct cv_err *err);

/* ---- quarantine.c ---- */
/* The account lock is held. */
bool cv_quarantine_is_over(const struct cv_mbox *m);
CV_MUST_CHECK enum cv_status cv_quarantine_tidy_box(
	struct cv_mbox *m, int64_t now_secs, struct cv_err *err);

/* ---- grants.c; account lock held ---- */
/* Before ID gets an entry in a list of A: the row that tells of it. */
CV_MUST_CHECK enum cv_status cv_grant_note(
	struct cv_acct *a, struct cv_str id, struct cv_err *err);
/* After the list ROW went or changed: takes away what no list of A says any more. */
void cv_grants_drop(struct cv_acct *a, struct cv_str row);
/* How many entries of M's list have no row; with REPAIR they get one. */
CV_MUST_CHECK enum cv_status cv_grants_check(
	struct cv_mbox *m, bool repair, unsigned *missing_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_grants_purge(
	struct cv_store *s, cv_acct_id owner, struct cv_err *err);

/* ---- view.c ---- */
struct cv_page *cv_page_new(uint32_t number, const struct cv_entry *entries, uint32_t count);
void cv_page_unref(struct cv_page *p);
struct cv_keywords *cv_keywords_new(const struct cv_str *names, size_t count);
void cv_keywords_unref(const struct cv_keywords *k);
/* Reads the pages and keywords when they are not in memory; account lock held. */
CV_MUST_CHECK enum cv_status cv_box_load(struct cv_mbox *m, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_box_load_keywords(struct cv_mbox *m, struct cv_err *err);
/* The page of UIDNEXT alone, for appending without a view. */
bool cv_box_needs_tail(const struct cv_mbox *m);
CV_MUST_CHECK enum cv_status cv_box_load_tail(struct cv_mbox *m, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_box_set_tail(
	struct cv_mbox *m, struct cv_str value, struct cv_err *err);
void cv_box_drop_view(struct cv_mbox *m);
struct cv_page_change {
	uint32_t number;
	struct cv_page *page; /* NULL: gone; the reference passes to the view */
};
/* A view with BASE's numbers and no pages; room for as many. Pages are added in order: one that is
 * the view's from now on, or one that another view has. */
struct cv_view *cv_view_like(const struct cv_view *base);
void cv_view_add(struct cv_view *v, struct cv_page *page);
void cv_view_share(struct cv_view *v, const struct cv_page *page);
/* Puts the pages CHANGED (ascending) in place and tells the watchers; m->row is the new one. */
void cv_box_publish(struct cv_mbox *m, const struct cv_page_change *changed, size_t count);
void cv_box_tell(struct cv_mbox *m); /* the watchers, of a change that is not in the view */

/* ---- edit.c: a change of one mailbox, worked out before it is committed ---- */
struct cv_draft {
	uint32_t number, count;
	bool was_there;
	struct cv_entry entries[CV_PAGE_UIDS];
};
struct cv_edit {
	struct cv_mbox *m;
	struct cv_row_box row; /* as it will be */
	struct cv_arena *arena;
	struct cv_draft **drafts; /* ascending */
	size_t count, cap;
	struct cv_keywords *keywords; /* new ones, or NULL */
	bool sets_flags;
};
void cv_edit_begin(struct cv_edit *e, struct cv_mbox *m, struct cv_arena *arena);
void cv_edit_done(struct cv_edit *e);
/* The draft of page NUMBER, copied from the mailbox at first use. The mailbox's view, or the tail
 * for the page of UIDNEXT, must be in memory. */
struct cv_draft *cv_edit_page(struct cv_edit *e, uint32_t number);
struct cv_entry *cv_edit_find(struct cv_edit *e, uint32_t uid); /* in a draft, or NULL */
/* Appends the entry {row.uidnext, ...}, counts it, moves UIDNEXT on; returns the UID. */
uint32_t cv_edit_add(
	struct cv_edit *e, uint32_t flags, uint64_t keywords, uint64_t modseq, uint64_t size_bytes);
void cv_edit_set(struct cv_edit *e, struct cv_entry *entry, uint32_t flags, uint64_t keywords,
	uint64_t modseq);
void cv_edit_remove(struct cv_edit *e, uint32_t uid, uint64_t size_bytes);
/* Bits of the keywords NAMES; with ADD new ones get a bit. CV_LIMIT, CV_INVALID. */
CV_MUST_CHECK enum cv_status cv_edit_keywords(struct cv_edit *e, const struct cv_str *names,
	size_t count, bool add, uint64_t *mask_out, struct cv_err *err);
void cv_edit_write(struct cv_edit *e, uint64_t modseq, struct cv_writer *w);
/* After the commit: the mailbox becomes what the edit says. */
void cv_edit_apply(struct cv_edit *e);

/* ---- intake.c: a message on its way in ---- */
struct cv_intake {
	struct cv_blob_ref body;
	struct cv_buf summary; /* encoded */
	uint8_t email_id[16], thread_id[16];
	uint64_t size_bytes;
};
/* Scans PREFIX and MESSAGE once and stores them as one body. */
CV_MUST_CHECK enum cv_status cv_intake_store(struct cv_store *s, struct cv_str id,
	struct cv_str prefix, struct cv_spool *message, struct cv_intake *out, struct cv_err *err);
void cv_intake_done(struct cv_intake *in);
/* The summary of a stored body, built again. */
CV_MUST_CHECK enum cv_status cv_intake_rebuild(struct cv_store *s, const struct cv_blob_ref *body,
	struct cv_buf *summary_out, struct cv_err *err);

/* ---- body.c: counts of bodies. A body counts the accounts that name it (S4). ---- */
void cv_body_summary_key(const struct cv_blob_ref *body, struct cv_buf *out);
/* The row of a body that is new, for a batch on cv_blob_acct(): commits before its users. */
void cv_body_put_new(
	const struct cv_intake *in, uint64_t accounts, bool shared_summary, struct cv_writer *w);
/* Adds DELTA to the count of each; what falls to zero is removed, its body too once that is
 * durable when WAIT, else at once (nothing ever named it). Missing rows count as zero. */
CV_MUST_CHECK enum cv_status cv_body_change(struct cv_store *s, const struct cv_blob_ref *bodies,
	size_t count, int64_t delta, bool wait, cv_ticket *ticket_out, struct cv_err *err);

/* ---- append.c ---- */
void cv_msg_put(uint32_t box, uint32_t uid, const struct cv_row_msg *row, struct cv_writer *w);
/* Writes the M and S rows gathered in BULK ahead, in batches of their own, hidden until the pages
 * name them; UIDS tell the reaper what to take away should the change not come. */
CV_MUST_CHECK enum cv_status cv_acct_stage(struct cv_acct *a, uint32_t box, const uint32_t *uids,
	size_t count, struct cv_writer *bulk, struct cv_writer *last, struct cv_err *err);

/* ---- expunge.c ---- */
/* Puts the X and R rows for UIDS that leave E's mailbox, a MODSEQ from MODSEQ up for each piece;
 * returns the last. */
uint64_t cv_removed_put(struct cv_edit *e, const uint32_t *uids, size_t count,
	enum cv_removed_kind kind, uint64_t modseq, struct cv_writer *w);
/* Reads the sizes of UIDS and removes their entries. */
CV_MUST_CHECK enum cv_status cv_edit_remove_all(
	struct cv_edit *e, const uint32_t *uids, size_t count, struct cv_err *err);

/* ---- notes.c ---- */
/* Puts the removal of every note of the mailbox BOX into W; account lock held. */
CV_MUST_CHECK enum cv_status cv_notes_drop(
	struct cv_acct *a, uint64_t box, struct cv_writer *w, struct cv_err *err);

/* ---- fetch.c ---- */
/* The M rows of UIDS (ascending) in ARENA; body.n is 0 where there is none. */
CV_MUST_CHECK enum cv_status cv_msg_rows(struct cv_mbox *m, const uint32_t *uids, size_t count,
	struct cv_arena *arena, struct cv_row_msg **rows_out, struct cv_err *err);

/* ---- mend.c ---- */
typedef bool cv_each_msg_fn(void *arg, uint32_t box, uint32_t uid, const struct cv_row_msg *row);
/* Every M row; CV_CORRUPT at the end when some could not be read. */
CV_MUST_CHECK enum cv_status cv_acct_each_msg(
	struct cv_store *s, cv_acct_id id, cv_each_msg_fn *fn, void *arg, struct cv_err *err);
struct cv_acct_list {
	cv_acct_id *ids; /* the caller frees */
	size_t count, cap;
};
CV_MUST_CHECK enum cv_status cv_accts_list(struct cv_store *s, enum cv_acct_class class_,
	struct cv_acct_list *out, struct cv_err *err);
/* Takes the entries DROP (ascending) and their rows out of M and counts what is left again; the
 * account's lock is held. */
CV_MUST_CHECK enum cv_status cv_box_mend(struct cv_mbox *m, const uint32_t *drop, size_t count,
	cv_ticket *ticket_out, struct cv_err *err);

/* ---- feed.c; account lock held ---- */
/* KINDS of CV_FEED_MESSAGES happened to M. */
void cv_feed_messages(struct cv_mbox *m, unsigned kinds);
void cv_feed_event(
	struct cv_acct *a, enum cv_feed_kind kind, struct cv_str name, struct cv_str detail);
/* Anything may have happened. */
void cv_feed_lost(struct cv_acct *a);
void cv_feed_free(struct cv_acct *a);

/* ---- fence.c ---- */
/* Reads the fence epoch; after a crash it goes up, durably, before anyone is served. */
CV_MUST_CHECK enum cv_status cv_fence_open(struct cv_store *s, bool crashed, struct cv_err *err);
/* Moves what a row says past what may have been handed out and lost. */
void cv_fence_head(const struct cv_store *s, struct cv_row_head *head);
void cv_fence_box(const struct cv_store *s, struct cv_row_box *row);

/* ---- lost.c ---- */
/* Takes away the rows that name bodies a power failure took, before anyone is served. */
CV_MUST_CHECK enum cv_status cv_lost_open(struct cv_store *s, struct cv_err *err);

/* ---- reaper.c ---- */
CV_MUST_CHECK enum cv_status cv_reaper_start(struct cv_store *s, struct cv_err *err);
void cv_reaper_stop(struct cv_store *s);
/* Sums pools soon. */
void cv_reaper_wake(struct cv_store *s);
bool cv_reaper_is_ending(struct cv_store *s);
/* Does now, for every account, what is due at NOW_SECS. */
CV_MUST_CHECK enum cv_status cv_store_reap(
	struct cv_store *s, int64_t now_secs, struct cv_err *err);
/* Compacts what is mostly dead, as the reaper does after each slow pass. */
CV_MUST_CHECK enum cv_status cv_store_compact(
	struct cv_store *s, uint64_t *freed_out, struct cv_err *err);

/* ---- store.c ---- */
void cv_gate_enter(struct cv_store *s);
void cv_gate_leave(struct cv_store *s);

#endif
