/* rows.h - every kind of row of an account: keys, values, and back.
 *
 * Keys are one letter and big-endian numbers. Values begin with a version byte, so that a later
 * build can read what this one wrote; everything else is varints and length-prefixed bytes.
 * Decoding trusts nothing: a damaged row is CV_CORRUPT, never a wild read (tests/fuzz/rows_fuzz.c).
 *
 *   H                      head: fence epoch, MODSEQ floor, next mailbox id, quota limit
 *   B/<mbox>               mailbox: name, UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ, counts (hot, small)
 *   K/<mbox>               the mailbox's keyword names (bit i of an entry is name i)
 *   B/<mbox>/A             the mailbox's access control list, in the form of acl.h; missing: none
 *   B/ffffffff/<number>    a subscribed name that has no mailbox
 *   M/<mbox>/<uid>         message core, written once
 *   S/<mbox>/<uid>         summary of a message that has one recipient (else S in the body account)
 *   F/<mbox>/<uid div 128> page of entries: a message exists exactly when it has an entry
 *   X/<mbox>/<modseq>      UIDs that went with that change
 *   P/<mbox>/<person>/<n>  what a person has seen, when several read the mailbox: seen.h
 *   R/<secs>/<number>      M and S rows that wait for the end of the restore window
 *   N/<mbox>/<person>/<name> a note (notes.h); mbox 0: on the account; person 0: shared
 *   D/<delivery id>        a delivery that was applied
 * In a body account: C/<place> the number of accounts that name the body; S/<place> the summary.
 *
 * Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ROWS_H
#define CV_ROWS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/store/engine.h"
#include "common/store/mailbox.h"

#define CV_ROW_VERSION      1
#define CV_DELIVERY_KEY_MAX 64

/* ---- keys: each appends to OUT ---- */
void cv_key_head(struct cv_buf *out);
void cv_key_box(struct cv_buf *out, char kind, uint32_t box); /* B, K; M, S, F, X for scans */
void cv_key_uid(struct cv_buf *out, char kind, uint32_t box, uint32_t uid); /* M, S; F by page */
void cv_key_modseq(struct cv_buf *out, uint32_t box, uint64_t modseq);      /* X */
void cv_key_removed(struct cv_buf *out, int64_t secs, uint32_t number);     /* R */
void cv_key_sub(struct cv_buf *out, uint32_t number);                       /* B/ffffffff */
void cv_key_acl(struct cv_buf *out, uint32_t box);                          /* B/<mbox>/A */
void cv_key_delivery(struct cv_buf *out, struct cv_str id);                 /* D */
#define CV_KEY_NOTE 'N'
void cv_key_note(struct cv_buf *out, uint32_t box, cv_acct_id person, struct cv_str name); /* N */
/* Takes the numbers of a key apart; false when KEY has another form. */
bool cv_key_read_box(struct cv_str key, char kind, uint32_t *box_out);
bool cv_key_read_acl(struct cv_str key, uint32_t *box_out);
bool cv_key_read_uid(struct cv_str key, char kind, uint32_t *box_out, uint32_t *uid_out);
bool cv_key_read_modseq(struct cv_str key, uint32_t *box_out, uint64_t *modseq_out);
bool cv_key_read_note(
	struct cv_str key, uint32_t *box_out, cv_acct_id *person_out, struct cv_str *name_out);
bool cv_key_read_removed(struct cv_str key, int64_t *secs_out, uint32_t *number_out);

/* ---- values ---- */
enum cv_row_state { CV_ROW_ACTIVE, CV_ROW_PURGING };

struct cv_row_head {
	enum cv_row_state state;
	uint64_t epoch;   /* of the fence when this was written */
	uint64_t modseq;  /* no MODSEQ at or below it is ever given again */
	uint32_t next_id; /* of mailboxes, subscriptions, removals */
	uint32_t last_uidvalidity;
	uint64_t quota_bytes; /* when has_quota */
	bool has_quota;
	uint8_t notice; /* enum cv_quota_level that was told */
	int64_t created_secs;
};
struct cv_row_box {
	struct cv_str name;
	uint64_t epoch;
	uint32_t uidvalidity, uidnext;
	uint64_t highest_modseq;
	uint64_t vanished_floor; /* X rows tell of every removal after it */
	uint32_t exists, unseen, deleted;
	uint32_t recent, recent_from; /* entries not yet claimed; they have UIDs >= recent_from */
	uint64_t size_bytes;
	enum cv_special_use use;
	bool selectable, subscribed;
};
enum cv_summary_place {
	CV_SUMMARY_OWN,   /* S/<mbox>/<uid> of the message itself */
	CV_SUMMARY_OTHER, /* S/<summary_box>/<summary_uid>: of the message this is a copy of */
	CV_SUMMARY_SHARED /* in the body account */
};
struct cv_row_msg {
	uint64_t size_bytes;
	int64_t internal_secs, saved_secs;
	int16_t internal_zone;
	uint8_t email_id[16], thread_id[16];
	enum cv_summary_place place;
	uint32_t summary_box, summary_uid;
	struct cv_blob_ref body;
	struct cv_str delivery_id;
};
enum cv_removed_kind {
	CV_REMOVED_EXPUNGED, /* may be restored */
	CV_REMOVED_MOVED,    /* lives on under another UID */
	CV_REMOVED_BOX,      /* the whole mailbox; name kept for restoring */
	CV_REMOVED_STAGED    /* rows written ahead of a large change that may not have come */
};
struct cv_row_removed {
	enum cv_removed_kind kind;
	uint32_t box;
	struct cv_str name; /* of the mailbox then */
	struct cv_str uids;  /* cv_uids_* form; empty for a whole mailbox */
	struct cv_str marks; /* cv_marks_* form: what flags they had; empty: not known */
};
struct cv_row_delivery {
	int64_t secs;
	uint32_t box, uid;
};

void cv_row_head_encode(const struct cv_row_head *row, struct cv_buf *out);
void cv_row_box_encode(const struct cv_row_box *row, struct cv_buf *out);
void cv_row_msg_encode(const struct cv_row_msg *row, struct cv_buf *out);
void cv_row_removed_encode(const struct cv_row_removed *row, struct cv_buf *out);
void cv_row_delivery_encode(const struct cv_row_delivery *row, struct cv_buf *out);
/* Slices of the results point into VALUE. */
CV_MUST_CHECK enum cv_status cv_row_head_decode(struct cv_str value, struct cv_row_head *out);
CV_MUST_CHECK enum cv_status cv_row_box_decode(struct cv_str value, struct cv_row_box *out);
CV_MUST_CHECK enum cv_status cv_row_msg_decode(struct cv_str value, struct cv_row_msg *out);
CV_MUST_CHECK enum cv_status cv_row_removed_decode(struct cv_str value, struct cv_row_removed *out);
CV_MUST_CHECK enum cv_status cv_row_delivery_decode(
	struct cv_str value, struct cv_row_delivery *out);

/* N: the name as it was given, in lower case in the key, and any bytes. */
void cv_row_note_encode(struct cv_str name, struct cv_str value, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_note_decode(
	struct cv_str row, struct cv_str *name_out, struct cv_str *value_out);

/* K: names of at most CV_KEYWORDS_MAX keywords. Decoding yields slices into VALUE. */
void cv_row_keywords_encode(const struct cv_str *names, size_t count, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_keywords_decode(
	struct cv_str value, struct cv_str names[CV_KEYWORDS_MAX], size_t *count_out);

/* F: COUNT entries of page NUMBER, ascending. Runs of equal values take a byte or two. */
void cv_row_page_encode(
	const struct cv_entry *entries, size_t count, uint32_t number, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_page_decode(struct cv_str value, uint32_t number,
	struct cv_entry entries[CV_PAGE_UIDS], uint32_t *count_out);

/* X and R: ascending UIDs as ranges. A piece holds at most CV_UIDS_PIECE of them. */
void cv_uids_encode(const uint32_t *uids, size_t count, struct cv_buf *out);
struct cv_uids_rd {
	struct cv_rd rd;
	uint64_t next; /* first UID that may come */
	uint32_t left_in_run;
	uint32_t uid;
};
struct cv_uids_rd cv_uids_read(struct cv_str value);
bool cv_uids_next(
	struct cv_uids_rd *r, uint32_t *uid_out); /* false at the end; then look at rd.bad */

/* R: flags and keywords of COUNT entries, one after the other, as runs. */
void cv_marks_encode(const struct cv_entry *entries, size_t count, struct cv_buf *out);
struct cv_marks_rd {
	struct cv_rd rd;
	uint64_t keywords;
	uint32_t flags, left_in_run;
};
struct cv_marks_rd cv_marks_read(struct cv_str value);
/* False at the end, or when the rest is damaged: then rd.bad. */
bool cv_marks_next(struct cv_marks_rd *r, uint32_t *flags_out, uint64_t *keywords_out);

/* C */
void cv_row_count_encode(uint64_t accounts, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_count_decode(struct cv_str value, uint64_t *accounts_out);

#endif
