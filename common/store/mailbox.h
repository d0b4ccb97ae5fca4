/* mailbox.h - accounts, mailboxes, messages, as IMAP sees them.
 *
 * Only in the process that owns the store. Changes of one account are serialised inside; every
 * change returns a ticket, and no OK may be sent before it is durable (cv_ticket_wait).
 *
 * Readers work on a *view*: an immutable, counted snapshot of a mailbox (UIDs, flags, MODSEQs) in
 * pages of 128. A change copies one page and the list of pages, so two views share most pages and a
 * session finds what changed by comparing page pointers. A view stays valid while it is held,
 * whatever happens to the mailbox.
 *
 * Names are UTF-8 (NFC), levels separated by cv_store_separator(), "INBOX" in any case is the
 * inbox. Threads: handles may be used from any thread; a view is read-only.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_MAILBOX_H
#define CV_MAILBOX_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/base/spool.h"
#include "common/store/acl.h"
#include "common/store/store.h"

struct cv_acct;
struct cv_mbox;

/* System flags, and one bit for each of up to 64 keywords of the mailbox. */
enum {
	CV_FLAG_SEEN = 1, CV_FLAG_ANSWERED = 2, CV_FLAG_FLAGGED = 4, CV_FLAG_DELETED = 8,
	CV_FLAG_DRAFT = 16
};
#define CV_KEYWORDS_MAX 64
#define CV_KEYWORD_BYTES_MAX 64

enum cv_special_use {
	CV_USE_NONE, CV_USE_DRAFTS, CV_USE_SENT, CV_USE_JUNK, CV_USE_TRASH, CV_USE_ARCHIVE,
	CV_USE_ALL, CV_USE_FLAGGED,
	CV_USE_QUARANTINE /* quarantine.h; in no list, under no name */
};
/* The default folders of a new account: INBOX, "Thư nháp" (Drafts), "Thư đã gửi" (Sent),
 * "Thư rác" (Junk), "Thùng rác" (Trash), "Lưu trữ" (Archive); all subscribed. */

/* ---- accounts ---- */
/* A counted handle. With CREATE an account without rows gets its default folders (durable with
 * *ticket_out); without it that is CV_NOT_FOUND. Two racing openers get the same handle. */
CV_MUST_CHECK enum cv_status cv_acct_open(struct cv_store *s, cv_acct_id id, bool create,
                                          struct cv_acct **out, cv_ticket *ticket_out,
                                          struct cv_err *err);
void cv_acct_close(struct cv_acct *a);
cv_acct_id cv_acct_number(const struct cv_acct *a);

struct cv_quota {
	uint64_t used_bytes, used_messages;
	uint64_t limit_bytes, limit_messages; /* 0: none */
};
void cv_acct_quota(struct cv_acct *a, struct cv_quota *out);
CV_MUST_CHECK enum cv_status cv_acct_set_quota(struct cv_acct *a, uint64_t limit_bytes,
                                               cv_ticket *ticket_out, struct cv_err *err);
/* Removes every row of the account and lowers its bodies' counts (purge after the retention
 * time). */
CV_MUST_CHECK enum cv_status cv_acct_purge(struct cv_store *s, cv_acct_id id, cv_ticket *ticket_out,
                                           struct cv_err *err);

/* ---- people ---- */
/* Through whose eyes a mailbox is looked at. \Seen and \Recent can be a person's own; every other
 * flag is the mailbox's. Functions that end in _as take one; NULL or person 0: the mailbox's own.
 * A person who never selected the mailbox sees it as it is; from the first cv_mbox_enter_as() on
 * what the person has seen is kept apart. */
struct cv_viewer {
	cv_acct_id person;
	bool marks_common; /* what the person sees counts as seen for the mailbox itself too */
	uint32_t bars;     /* CV_FLAG_* that copies made by the viewer do not have here */
	bool bars_keywords;
};

/* ---- mailboxes ---- */
struct cv_mbox_info {
	struct cv_str name;
	uint64_t id;                 /* never reused in the account; MAILBOXID is made of it */
	uint32_t uidvalidity, uidnext;
	uint64_t highest_modseq;
	uint32_t exists, unseen, deleted, recent; /* recent: not yet claimed by a session */
	uint64_t size_bytes;
	enum cv_special_use use;
	bool selectable;             /* false: only a parent in the hierarchy (\NoSelect) */
	bool subscribed;
	bool has_children;
	struct cv_str acl;           /* the access control list's row (acl.h); empty: none */
	uint32_t rights;             /* 0; whoever knows who asks may keep here what they may do */
};
/* All mailboxes, and subscribed names without mailbox (id 0, subscribed), sorted by name, INBOX
 * first. Counts come from memory. */
CV_MUST_CHECK enum cv_status cv_mbox_list(struct cv_acct *a, struct cv_arena *arena,
                                          struct cv_mbox_info **list_out, size_t *count_out,
                                          struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_mbox_info(struct cv_acct *a, struct cv_str name,
                                          struct cv_arena *arena, struct cv_mbox_info *out,
                                          struct cv_err *err);
/* The same, with `unseen` and `recent` as VIEWER has them. */
CV_MUST_CHECK enum cv_status cv_mbox_list_as(struct cv_acct *a, const struct cv_viewer *viewer,
                                             struct cv_arena *arena,
                                             struct cv_mbox_info **list_out, size_t *count_out,
                                             struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_mbox_info_as(struct cv_acct *a, const struct cv_viewer *viewer,
                                             struct cv_str name, struct cv_arena *arena,
                                             struct cv_mbox_info *out, struct cv_err *err);
/* Missing parents are made too (RFC 3501 6.3.3). CV_EXISTS, CV_INVALID (bad name), CV_LIMIT (depth,
 * length 255 bytes a level / 1000 whole, 10,000 mailboxes). */
CV_MUST_CHECK enum cv_status cv_mbox_create(struct cv_acct *a, struct cv_str name,
                                            enum cv_special_use use, uint64_t *id_out,
                                            cv_ticket *ticket_out, struct cv_err *err);
/* With children the name stays as \NoSelect; INBOX is CV_DENIED. */
CV_MUST_CHECK enum cv_status cv_mbox_delete(struct cv_acct *a, struct cv_str name,
                                            cv_ticket *ticket_out, struct cv_err *err);
/* Children move along. INBOX: its messages move to the new mailbox, INBOX stays, empty. */
CV_MUST_CHECK enum cv_status cv_mbox_rename(struct cv_acct *a, struct cv_str from, struct cv_str to,
                                            cv_ticket *ticket_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_mbox_subscribe(struct cv_acct *a, struct cv_str name, bool on,
                                               cv_ticket *ticket_out, struct cv_err *err);

/* Changes the access control list of NAME, which RENAME keeps, DELETE drops and a new mailbox
 * takes over from the one above it. Who has the mailbox open hears of it as of other changes.
 * *changed_out (may be NULL) is false when the list was so already. Errors of cv_acl_apply(),
 * CV_NOT_FOUND. */
CV_MUST_CHECK enum cv_status cv_mbox_change_acl(struct cv_acct *a, struct cv_str name,
                                                const struct cv_acl_change *change,
                                                bool *changed_out, cv_ticket *ticket_out,
                                                struct cv_err *err);

/* A counted handle on a selectable mailbox; it survives a rename; after a delete every call answers
 * CV_NOT_FOUND. */
CV_MUST_CHECK enum cv_status cv_mbox_open(struct cv_acct *a, struct cv_str name,
                                          struct cv_mbox **out, struct cv_err *err);
void cv_mbox_close(struct cv_mbox *m);
struct cv_acct *cv_mbox_acct(struct cv_mbox *m);
uint64_t cv_mbox_id(const struct cv_mbox *m);
/* The row of M's access control list, in ARENA; empty when there is none. */
CV_MUST_CHECK enum cv_status cv_mbox_acl(struct cv_mbox *m, struct cv_arena *arena,
                                         struct cv_str *out, struct cv_err *err);
/* Another number after each change of that list; without a lock. Rights worked out from the list
 * are good as long as the number taken before it was read is the same. */
unsigned cv_mbox_acl_version(const struct cv_mbox *m);

/* ---- views ---- */
#define CV_PAGE_UIDS 128
struct cv_entry {
	uint32_t uid;
	uint32_t flags;    /* CV_FLAG_* */
	uint64_t modseq;
	uint64_t keywords; /* bit i: view->keywords->names[i] */
};
struct cv_page {           /* the entries with uid / CV_PAGE_UIDS == number, ascending, never
			    * empty */
	uint32_t refs, number, count;
	struct cv_entry entries[]; /* count of them */
};
struct cv_keywords {
	uint32_t refs, count;
	char *names[CV_KEYWORDS_MAX]; /* as first given; compared without case */
};
struct cv_view {
	uint32_t refs;
	uint32_t uidvalidity, uidnext, exists;
	uint64_t highest_modseq;
	const struct cv_keywords *keywords;
	uint32_t pages_count;
	struct cv_view_page {
		uint32_t first_seq; /* sequence number of the page's first entry, from 1 */
		const struct cv_page *page;
	} pages[];
};
/* The present state; give it back with cv_view_unref(). CV_NOT_FOUND after the mailbox went. */
CV_MUST_CHECK enum cv_status cv_mbox_view(struct cv_mbox *m, const struct cv_view **out,
                                          struct cv_err *err);
void cv_view_ref(const struct cv_view *v);
void cv_view_unref(const struct cv_view *v);
const struct cv_entry *cv_view_seq(const struct cv_view *v, uint32_t seq);  /* 1..exists, or NULL */
const struct cv_entry *cv_view_uid(const struct cv_view *v, uint32_t uid);  /* or NULL */
/* The sequence number of the first entry with uid >= UID; exists + 1 when there is none. */
uint32_t cv_view_seq_at(const struct cv_view *v, uint32_t uid);

/* The mailbox as VIEWER sees it: pages in which that is no different are the mailbox's own. */
CV_MUST_CHECK enum cv_status cv_mbox_view_as(struct cv_mbox *m, const struct cv_viewer *viewer,
                                             const struct cv_view **out, struct cv_err *err);
/* VIEWER needs no view of M any more: what nobody else of that person holds is freed. */
void cv_mbox_view_done(struct cv_mbox *m, const struct cv_viewer *viewer);
/* VIEWER, a person, selects M: the person's state begins, when it has not. With CLAIMS \Recent is
 * taken as by cv_mbox_claim_recent(), from the person's own. */
CV_MUST_CHECK enum cv_status cv_mbox_enter_as(struct cv_mbox *m, const struct cv_viewer *viewer,
                                              bool claims, uint32_t *first_uid_out,
                                              uint32_t *next_uid_out, cv_ticket *ticket_out,
                                              struct cv_err *err);

/* Takes \Recent: UIDs from *first_uid_out up to, but without, *next_uid_out are recent for this
 * session and no other. */
CV_MUST_CHECK enum cv_status cv_mbox_claim_recent(struct cv_mbox *m, uint32_t *first_uid_out,
                                                  uint32_t *next_uid_out, cv_ticket *ticket_out,
                                                  struct cv_err *err);

/* Calls FN after each change of the mailbox's view (or its deletion), on the changing thread, after
 * the new view is in place; FN must be quick and must not call the store. */
struct cv_watch {
	void (*fn)(struct cv_watch *w);
	struct cv_link link; /* the store's */
};
void cv_mbox_watch(struct cv_mbox *m, struct cv_watch *w);
void cv_mbox_unwatch(struct cv_mbox *m, struct cv_watch *w); /* no call of FN after it returns */

/* ---- changes ---- */
struct cv_flag_change {
	uint32_t flags;
	const struct cv_str *keywords; /* names; new ones are added to the mailbox (CV_LIMIT over
				        * 64) */
	size_t keyword_count;
	uint32_t keep_flags;           /* what CV_STORE_SET leaves as it is */
	bool keep_keywords;
};
struct cv_append {
	struct cv_spool *message;      /* the whole message, CRLF lines */
	struct cv_flag_change flags;
	int64_t internal_secs;         /* Unix time */
	int16_t internal_zone;         /* minutes east of UTC */
	uint32_t uid;                  /* filled in */
};
/* All or none (MULTIAPPEND). CV_OVERQUOTA, CV_FULL. */
CV_MUST_CHECK enum cv_status cv_mbox_append(struct cv_mbox *m, struct cv_append *items,
                                            size_t count, cv_ticket *ticket_out,
                                            struct cv_err *err);

enum cv_store_op { CV_STORE_SET, CV_STORE_ADD, CV_STORE_REMOVE };
/* UIDS ascending; those that no longer exist are skipped. With unchanged_since < UINT64_MAX entries
 * whose modseq is above it are left alone and returned in FAILED (room for count). *modseq_out is
 * the new MODSEQ, 0 when nothing changed. Setting what is set already changes nothing. */
CV_MUST_CHECK enum cv_status cv_mbox_store(struct cv_mbox *m, const uint32_t *uids, size_t count,
                                           enum cv_store_op op, const struct cv_flag_change *change,
                                           uint64_t unchanged_since, uint32_t *failed,
                                           size_t *failed_count, uint64_t *modseq_out,
                                           cv_ticket *ticket_out, struct cv_err *err);
/* The same by VIEWER. */
CV_MUST_CHECK enum cv_status cv_mbox_append_as(struct cv_mbox *m, const struct cv_viewer *viewer,
                                               struct cv_append *items, size_t count,
                                               cv_ticket *ticket_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_mbox_store_as(struct cv_mbox *m, const struct cv_viewer *viewer,
                                              const uint32_t *uids, size_t count,
                                              enum cv_store_op op,
                                              const struct cv_flag_change *change,
                                              uint64_t unchanged_since, uint32_t *failed,
                                              size_t *failed_count, uint64_t *modseq_out,
                                              cv_ticket *ticket_out, struct cv_err *err);
/* Removes those of UIDS (NULL: of all) that have \Deleted. Bodies stay restorable for a while. */
CV_MUST_CHECK enum cv_status cv_mbox_expunge(struct cv_mbox *m, const uint32_t *uids, size_t count,
                                             size_t *removed_out, cv_ticket *ticket_out,
                                             struct cv_err *err);
/* The same for UIDS whatever \Deleted says, NULL for none: what POP3 deletes. */
CV_MUST_CHECK enum cv_status cv_mbox_remove(struct cv_mbox *m, const uint32_t *uids, size_t count,
                                            size_t *removed_out, cv_ticket *ticket_out,
                                            struct cv_err *err);
/* Copies or moves UIDS (ascending, missing ones skipped) to DST (may be M itself), flags, keywords
 * and internal dates kept, all or none. Fills from_uids/to_uids (room for count) and *done_out; the
 * UIDVALIDITY of DST comes from its view. A move removes from M whatever \Deleted says. */
CV_MUST_CHECK enum cv_status cv_mbox_copy(struct cv_mbox *m, const uint32_t *uids, size_t count,
                                          struct cv_mbox *dst, bool move, uint32_t *from_uids,
                                          uint32_t *to_uids, size_t *done_out,
                                          cv_ticket *ticket_out, struct cv_err *err);
/* The same by SRC_VIEWER of M, who is DST_VIEWER of DST. Over two accounts the copy is committed
 * before the originals go: a crash between the two leaves both. */
CV_MUST_CHECK enum cv_status cv_mbox_copy_as(struct cv_mbox *m, const struct cv_viewer *src_viewer,
                                             const uint32_t *uids, size_t count,
                                             struct cv_mbox *dst,
                                             const struct cv_viewer *dst_viewer, bool move,
                                             uint32_t *from_uids, uint32_t *to_uids,
                                             size_t *done_out, cv_ticket *ticket_out,
                                             struct cv_err *err);
/* UIDs expunged after MODSEQ, ascending (QRESYNC). CV_NOT_FOUND when that history is gone. */
CV_MUST_CHECK enum cv_status cv_mbox_vanished(struct cv_mbox *m, uint64_t since_modseq,
                                              struct cv_arena *arena, uint32_t **uids_out,
                                              size_t *count_out, struct cv_err *err);

/* ---- messages ---- */
struct cv_msg {                /* the core row: written once */
	uint32_t uid;
	uint64_t size_bytes;
	int64_t internal_secs, saved_secs;
	int16_t internal_zone;
	struct cv_blob_ref body;
	uint8_t email_id[16], thread_id[16];
	struct cv_str summary;     /* encoded cv_summary (common/text/summary.h), when asked for; p
	                            * NULL when it is missing: rebuild from the body */
};
typedef bool cv_msg_fn(void *arg, const struct cv_msg *msg); /* slices valid during the call */
/* Calls FN for each of UIDS (ascending) that has a row, in order, in bulk. UIDs whose entry was
 * expunged meanwhile may still be served while their rows last. */
CV_MUST_CHECK enum cv_status cv_msg_each(struct cv_mbox *m, const uint32_t *uids, size_t count,
                                         bool with_summary, cv_msg_fn *fn, void *arg,
                                         struct cv_err *err);
/* Whether anybody has BODY still: what was made of it can go when not. */
CV_MUST_CHECK enum cv_status cv_body_is_used(struct cv_store *s, const struct cv_blob_ref *body,
                                             bool *is_used_out, struct cv_err *err);
/* Range read of the stored message. */
CV_MUST_CHECK enum cv_status cv_msg_read(struct cv_mbox *m, const struct cv_blob_ref *body,
                                         uint64_t offset, uint64_t length, cv_sink_fn *sink,
                                         void *arg, struct cv_err *err);

#endif
