/* texts.h - what documents that are attached to messages say, for searches.
 *
 * A message whose documents were read has a file below index_dir/texts, named by its body
 * (EMAILID), with their texts: one for all who got it. Searches and the index read the same file,
 * so their answers are the same (X1 of index.h):
 *
 *  D1  A message without file has no texts, for the scan as for the index, which does not sign it.
 *  D2  A file that is not final (a converter that ran out of time) is searched, and not signed.
 *  D3  What is final would be the same if it were made again: the file may go at any time. Files of
 *      another set of converters, or of another life of the store, are never read.
 *  D4  A search waits for texts no longer than it may, and no worker waits at all.
 *  D5  Files of bodies that nobody has any more go within a day.
 *
 * Threads: from any, but for open, stop and close.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_TEXTS_H
#define IMAPD_TEXTS_H

#include <stdatomic.h>

#include "common/base/list.h"
#include "common/extract/extract.h"
#include "common/net/net.h"
#include "common/store/mailbox.h"

struct imapd_texts;
/* Opens (making it) the folder DIR; EXTRACT must outlive it. Nothing is removed yet. */
CV_MUST_CHECK enum cv_status imapd_texts_open(const char *dir, struct cv_store *store,
	struct cv_engine *engine, struct cv_extract *extract, uint64_t max_bytes,
	struct imapd_texts **out, struct cv_err *err);
/* Whose timers end waits: before the first wait. */
void imapd_texts_set_net(struct imapd_texts *t, struct cv_net *net);
/* Nothing is made any more: before the store is closed. NULL is fine, for close too. */
void imapd_texts_stop(struct imapd_texts *t);
void imapd_texts_close(struct imapd_texts *t);
/* Another number for another set of converters; never 0. */
uint64_t imapd_texts_kind(const struct imapd_texts *t);
/* All files go: they are of another life of the store. */
void imapd_texts_forget(struct imapd_texts *t);
/* D5, those of other kinds, those least used while there is too much. ROOM_BYTES: at most. */
void imapd_texts_sweep(struct imapd_texts *t, uint64_t room_bytes);
uint64_t imapd_texts_max(const struct imapd_texts *t);

struct imapd_texts_figures {
	uint64_t bytes, files_made, documents, without; /* without: outcomes that are no text */
};
void imapd_texts_figures(struct imapd_texts *t, struct imapd_texts_figures *out);

/* ---- one message ---- */
/* The texts of MSG into TEXTS, which is reset: cv_buf_bytes() of each. False: there is no file. */
bool imapd_texts_read(
	struct imapd_texts *t, const struct cv_msg *msg, struct cv_buf *texts, bool *is_final_out);
/* Makes the file, however long that takes, unless STOP is set. False: it was not made. */
bool imapd_texts_make(struct imapd_texts *t, const struct cv_msg *msg, const atomic_bool *stop);

struct imapd_texts_wait {
	void (*fn)(struct imapd_texts_wait *w); /* from any thread; quick; under a lock */
	int64_t until_ms;                       /* of cv_mono_ms() */
	struct cv_link link;                    /* ours; an empty list while nobody waits */
};
/* Has the file made by another thread. W (NULL: nobody waits) is told when that is over, or at its
 * until_ms. False: too much is to be done already; W is not told. */
bool imapd_texts_ask(struct imapd_texts *t, const struct cv_msg *msg, struct imapd_texts_wait *w);
/* W is told no more. Fine when it was told, and when it never waited. */
void imapd_texts_cancel(struct imapd_texts *t, struct imapd_texts_wait *w);

#endif
