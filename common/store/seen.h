/* seen.h - what people have seen of a mailbox that several read: \Seen and \Recent by person.
 *
 * A person's state is a head row and chunks of 4,096 UIDs, in the owner's account:
 *
 *   P/<mbox>/<person>/0        how many messages the person has seen, and where \Recent begins
 *   P/<mbox>/<person>/<n + 1>  which UIDs of chunk n: runs, or a bit each, whichever is shorter
 *
 * It begins when the person first selects the mailbox (or changes \Seen there): what the mailbox's
 * own \Seen says then is what the person has seen. Until then the person sees the mailbox as it is.
 * A change of a person's \Seen gives the message a new MODSEQ in the same commit, so that every
 * session looks at it again; what it sees there is its own person's.
 *
 * The count in the head is right as long as the mailbox lost no message since (its `gaps`, UIDs
 * given out and not there any more, are the same); else it is counted again. So an expunge writes
 * nothing for the people, and bits of messages that went are left out when a chunk is next written.
 *
 * All functions want the account's lock held unless they say otherwise. Private to the folder.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SEEN_H
#define CV_SEEN_H

#include "common/store/internal.h"

#define CV_SEEN_CHUNK 4096u
#define CV_SEEN_WORDS (CV_SEEN_CHUNK / 64)
#define CV_SEEN_CHUNKS_MAX (UINT32_MAX / CV_SEEN_CHUNK + 1)
#define CV_SEEN_KEPT_MAX   256u /* people of a mailbox whose chunks are in memory */

struct cv_seen_chunk {
	uint32_t number;
	uint64_t bits[CV_SEEN_WORDS];
};
struct cv_seen { /* of one person, in the mailbox's list */
	struct cv_seen *next; /* the list changes under the mailbox's view lock too */
	cv_acct_id person;
	bool is_read, has_own; /* has_own: there are rows */
	uint32_t seen, gaps, recent_from;
	struct cv_seen_chunk *chunks; /* ascending */
	size_t count;
	/* under the mailbox's view lock */
	const struct cv_view *base, *view; /* view: BASE as the person sees it; or NULL */
};

/* ---- rows; pure ---- */
void cv_key_seen(struct cv_buf *out, uint32_t box, cv_acct_id person, uint32_t n);
bool cv_key_read_seen(
	struct cv_str key, uint32_t *box_out, cv_acct_id *person_out, uint32_t *n_out);
void cv_row_seen_encode(const struct cv_seen *s, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_seen_decode(struct cv_str value, struct cv_seen *out);
void cv_row_chunk_encode(const struct cv_seen_chunk *chunk, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_row_chunk_decode(struct cv_str value, struct cv_seen_chunk *out);

/* ---- what is there ---- */
/* The state of PERSON, read. */
CV_MUST_CHECK enum cv_status cv_seen_read(
	struct cv_mbox *m, cv_acct_id person, struct cv_seen **out, struct cv_err *err);
/* How many messages the person has not seen, and how many are recent. */
CV_MUST_CHECK enum cv_status cv_seen_counts(struct cv_mbox *m, cv_acct_id person,
	uint32_t *unseen_out, uint32_t *recent_out, struct cv_err *err);
/* After the mailbox changed in a way that was not applied here, or went. */
void cv_seen_forget(struct cv_mbox *m);
void cv_seen_free(struct cv_mbox *m); /* no lock needed: nobody else has M */

/* ---- a change, together with a cv_edit ---- */
struct cv_seen_edit {
	struct cv_mbox *m;
	struct cv_seen *s; /* NULL: nobody's; everything below does nothing then */
	bool marks_common;
	struct cv_arena *arena;
	struct cv_seen_chunk **drafts; /* ascending */
	size_t count, cap;
	int64_t more; /* messages seen */
	uint32_t recent_from;
	bool is_pinned; /* the drafts hold all there is: the person's state begins here */
	bool has_changed;
};
/* VIEWER may be NULL. Reads the mailbox's view when that is needed. */
CV_MUST_CHECK enum cv_status cv_seen_begin(struct cv_seen_edit *e, struct cv_mbox *m,
	const struct cv_viewer *viewer, struct cv_arena *arena, struct cv_err *err);
/* The flags of ENTRY as the person sees them. */
uint32_t cv_seen_flags(const struct cv_seen_edit *e, const struct cv_entry *entry);
/* The person's flags of UID, with the own flags OWN until now (0 for a new message), become FLAGS:
 * returns what the mailbox's own are then. */
uint32_t cv_seen_set(struct cv_seen_edit *e, uint32_t uid, uint32_t own, uint32_t flags);
/* The same change takes UID away. */
void cv_seen_gone(struct cv_seen_edit *e, uint32_t uid);
/* The person's state begins now, if it has not. */
void cv_seen_pin(struct cv_seen_edit *e);
/* AFTER: the mailbox's row as the change leaves it. */
void cv_seen_write(struct cv_seen_edit *e, const struct cv_row_box *after, struct cv_writer *w);
void cv_seen_apply(struct cv_seen_edit *e, const struct cv_row_box *after); /* after the commit */

/* ---- the others, when messages are copied within an account ---- */
/* Of the people, and of their rows in the batch: those beyond find the copies unseen, or as the
 * mailbox says where they have no state. */
#define CV_SEEN_CARRY_MAX   64u
#define CV_SEEN_CARRY_BYTES (128u << 10)
struct cv_seen_carry {
	struct cv_seen **from;      /* in the source */
	struct cv_seen_edit *edits; /* in the destination */
	size_t count;
};
/* Everybody with a state in SRC but EXCEPT, for COUNT copies. */
CV_MUST_CHECK enum cv_status cv_seen_carry_begin(struct cv_seen_carry *c, struct cv_mbox *src,
	struct cv_mbox *dst, size_t count, cv_acct_id except, struct cv_arena *arena,
	struct cv_err *err);
/* UID, whose own flags are OWN, is a copy of FROM_UID. */
void cv_seen_carry_add(struct cv_seen_carry *c, uint32_t from_uid, uint32_t uid, uint32_t own);

#endif
