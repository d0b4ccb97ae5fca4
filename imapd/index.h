/* index.h - the search index: which messages of a mailbox cannot hold a text.
 *
 * A file of signatures (signature.h) for each mailbox in which somebody searched for a text. A
 * search uses what is there and asks for the rest; one thread of low priority then signs what
 * lacks, and from then on, in the mailboxes searched last, what arrives. So a delivery does
 * nothing for the index, and mailboxes where nobody searches cost nothing.
 *
 *  X1  The index only ever says "not there"; every other message is read. What it does not know is
 *      read as well. So a search answers the same with the index, with half of one, and without.
 *  X2  Nothing in it is the only copy. Whatever is in doubt (a check, a version, an owner, a store
 *      that was restored) is thrown away and made anew.
 *  X3  Rows of expunged messages leave within a day in mailboxes searched since the start, else
 *      after the next search; files of mailboxes that are gone, or that nobody searched for 60
 *      days, within a day.
 *
 * Threads: from any, but for open, stop and close.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_INDEX_H
#define IMAPD_INDEX_H

#include "imapd/search.h"
#include "imapd/texts.h"

struct imapd_index;
/* Opens (making it) the folder DIR for the store in MAIL_DIR, and starts the thread, which keeps
 * TEXTS (NULL: none) in order too. CV_EXISTS: another process uses it. */
CV_MUST_CHECK enum cv_status imapd_index_open(const char *dir, const char *mail_dir,
	struct cv_store *store, uint64_t max_bytes, struct imapd_texts *texts,
	struct imapd_index **out, struct cv_err *err);
/* Ends the thread and gives the mailboxes back: before the store is closed. */
void imapd_index_stop(struct imapd_index *index);
/* After the last look. NULL is fine. */
void imapd_index_close(struct imapd_index *index);
/* Off: looks are refused, nothing is signed. */
void imapd_index_allow(struct imapd_index *index, bool on);

struct imapd_index_figures {
	uint64_t bytes, signed_messages, files_begun;
};
void imapd_index_figures(struct imapd_index *index, struct imapd_index_figures *out);

/* ---- one search ---- */
struct imapd_index_look;
/* For SEARCH's texts in M, whose view has UIDVALIDITY. NULL: the index cannot help. */
struct imapd_index_look *imapd_index_look(struct imapd_index *index, struct cv_mbox *m,
	uint32_t uidvalidity, const struct imapd_search *search);
/* True: the look is ready. Else call again; returns at about END_US (cv_mono_us()). */
bool imapd_index_look_load(struct imapd_index_look *l, int64_t end_us);
/* For each text, whether it is surely not in the message UID; NULL: nothing is known. Valid until
 * the next call; ascending UIDs are fastest. */
const bool *imapd_index_look_absent(struct imapd_index_look *l, uint32_t uid);
/* NULL is fine. */
void imapd_index_look_end(struct imapd_index_look *l);

#endif
