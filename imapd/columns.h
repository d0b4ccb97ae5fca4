/* columns.h - what SEARCH, SORT and THREAD need of every message, kept in memory.
 *
 * The facts of a message never change, so a mailbox's columns only grow: blocks of rows in UID
 * order, immutable and counted, shared by all sessions. They are worked out from the stored
 * summaries when a command first needs them, extended when new mail is there, and forgotten, least
 * lately used first, when the cache is full: nothing here is ever the only copy.
 *
 * Threads: the cache from any; a hold belongs to one command.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_COLUMNS_H
#define IMAPD_COLUMNS_H

#include "common/store/mailbox.h"

/* Texts of a row. */
enum imapd_column {
	/* header fields, all of that name, decoded and folded, a NUL between two */
	IMAPD_COL_SUBJECT,
	IMAPD_COL_FROM,
	IMAPD_COL_TO,
	IMAPD_COL_CC,
	/* sort keys, compared as bytes (RFC 5256, 5957) */
	IMAPD_COL_SORT_SUBJECT,
	IMAPD_COL_SORT_FROM,
	IMAPD_COL_SORT_TO,
	IMAPD_COL_SORT_CC,
	IMAPD_COL_SORT_DISPLAY_FROM,
	IMAPD_COL_SORT_DISPLAY_TO,
	IMAPD_COL_REFS, /* 64-bit numbers for the message's references, oldest first */
	IMAPD_COLS
};

enum {
	IMAPD_FACT_SENT = 1, /* has a Date that can be read */
	IMAPD_FACT_REPLY = 2 /* the subject says reply or forward */
};

struct imapd_facts {
	uint32_t uid;
	uint16_t flags;   /* IMAPD_FACT_* */
	uint16_t missing; /* bit 1 << column: too long to be kept, look at the message */
	uint16_t absent;  /* bit 1 << column: there is no such field */
	uint64_t size_bytes;
	int64_t internal_secs, sent_secs;
	int16_t internal_zone, sent_zone;  /* minutes east of UTC */
	uint64_t message_id;               /* a number for it; 0: it has none */
	uint32_t text_at, ends[IMAPD_COLS]; /* in the block's texts, from text_at */
};

struct imapd_block {
	_Atomic uint32_t refs;
	uint32_t count, text_bytes;
	const char *texts;
	struct imapd_facts rows[]; /* count, ascending UIDs */
};

struct imapd_columns_cache;
struct imapd_columns_cache *imapd_columns_cache_new(size_t max_bytes);
void imapd_columns_cache_free(struct imapd_columns_cache *cache);
/* Bytes kept now. */
size_t imapd_columns_cache_bytes(struct imapd_columns_cache *cache);

/* One command's hold on the columns of one mailbox. */
struct imapd_columns;
struct imapd_columns *imapd_columns_open(
	struct imapd_columns_cache *cache, struct cv_mbox *m, uint32_t uidvalidity);
/* Gives what was added to the cache. NULL is fine. */
void imapd_columns_close(struct imapd_columns *c);
/* How many of VIEW's messages are not in yet. */
uint32_t imapd_columns_lacking(const struct imapd_columns *c, const struct cv_view *view);
/* Reads one batch of those; CV_OK also when nothing lacks. Lacking grows smaller with each call. */
CV_MUST_CHECK enum cv_status imapd_columns_fill(
	struct imapd_columns *c, const struct cv_view *view, struct cv_err *err);
/* The row of UID and its block; NULL when the message's row is gone. Ascending UIDs are fastest. */
const struct imapd_facts *imapd_columns_find(
	struct imapd_columns *c, uint32_t uid, const struct imapd_block **block_out);

static inline struct cv_str
imapd_facts_text(
	const struct imapd_block *b, const struct imapd_facts *f, enum imapd_column column)
{
	uint32_t from = column ? f->ends[column - 1] : 0;
	return cv_str(b->texts + f->text_at + from, f->ends[column] - from);
}

#endif
