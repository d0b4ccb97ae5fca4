/* seek.h - runs a search program over a mailbox, slice by slice.
 *
 * SEARCH, SORT and THREAD begin with the same question: which messages match. All are judged by
 * flags and numbers first; where many are left that need stored facts the mailbox's columns answer
 * (columns.h), and the index rules out messages that cannot hold a text (index.h). Only what even
 * those leave open is read, in batches.
 *
 * A seek belongs to one command. Call the step until it is done; after each CV_OK others should
 * have their turn.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SEEK_H
#define IMAPD_SEEK_H

#include "imapd/conn.h"

struct imapd_seek;
/* SEARCH is bound to the view of SESSION, the selected one or another, which must not move on
 * before the seek ends. */
struct imapd_seek *imapd_seek_new(
	struct imapd_conn *c, struct imapd_session *session, struct imapd_search *search);
/* Before the first step: messages below number SEQ are not looked at. */
void imapd_seek_from(struct imapd_seek *s, uint32_t seq);
void imapd_seek_free(struct imapd_seek *s);
/* Looks at no other messages than SEQS, ascending, the caller's as long as the seek. */
void imapd_seek_only(struct imapd_seek *s, const uint32_t *seqs, size_t count);
/* Works for a few milliseconds; *done_out: the result is complete. After CV_OK without it answer
 * what imapd_seek_park() says. */
CV_MUST_CHECK enum cv_status imapd_seek_step(
	struct imapd_seek *s, bool *done_out, struct cv_err *err);
/* A wake-up comes at once, so that others have their turn, or when what it waits for is there. */
bool imapd_seek_is_waiting(const struct imapd_seek *s);
enum cv_step imapd_seek_park(struct imapd_seek *s);
/* How many messages of how many are decided, for progress.h. */
void imapd_seek_progress(const struct imapd_seek *s, uint32_t *done_out, uint32_t *goal_out);
/* Message numbers, ascending; the caller may change them in place. */
uint32_t *imapd_seek_found(struct imapd_seek *s, size_t *count_out);
/* For each of them its relevancy, 1..100; NULL without FUZZY. The seek's. */
const uint8_t *imapd_seek_scores(const struct imapd_seek *s);
const struct cv_view *imapd_seek_view(const struct imapd_seek *s);
/* The columns with every message of the view, for a few milliseconds' work at a time as above. */
CV_MUST_CHECK enum cv_status imapd_seek_columns(
	struct imapd_seek *s, struct imapd_columns **columns_out, bool *done_out,
	struct cv_err *err);

#endif
