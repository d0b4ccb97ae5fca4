/* notes.h - what people note on mailboxes and on accounts: the entries of METADATA (RFC 5464).
 *
 * A note has a name, "/shared/..." or "/private/...", compared without case, and a value of any
 * bytes. A shared note is there once; of a private one each person has their own. Notes hang on the
 * number of a mailbox, so they follow it when it is renamed and go with it when it is deleted;
 * number 0 stands for the account as a whole. They are rows of the account that the mailbox belongs
 * to (N/<mbox>/<person>/<name>), changed in the same way as everything else there.
 *
 * Limits: CV_NOTES_MAX shared ones a mailbox and as many of one person, CV_NOTES_ACCT_* in an
 * account whoever made them. They are no part of the quota.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_NOTES_H
#define CV_NOTES_H

#include "common/store/mailbox.h"

#define CV_NOTE_NAME_MAX     256u
#define CV_NOTE_VALUE_MAX    16384u
#define CV_NOTES_MAX         64u
#define CV_NOTES_ACCT_MAX    2000u
#define CV_NOTES_ACCT_BYTES  (4u << 20) /* of names and values */
#define CV_NOTES_ALL         UINT64_MAX

struct cv_note {
	uint64_t box;        /* number of the mailbox; 0: the account */
	struct cv_str name;  /* as first given */
	struct cv_str value; /* p NULL: remove it */
};

/* 7-bit, begins with "/private/" or "/shared/", no empty level, no "*" or "%" (RFC 5464 3.2.1). */
bool cv_note_name_is_valid(struct cv_str name);
bool cv_note_is_private(struct cv_str name);

/* What PERSON sees on the mailbox BOX, or on all and the account (CV_NOTES_ALL): shared notes and
 * their own, by mailbox, in ARENA. */
CV_MUST_CHECK enum cv_status cv_notes_get(struct cv_acct *a, uint64_t box, cv_acct_id person,
	struct cv_arena *arena, struct cv_note **out, size_t *count_out, struct cv_err *err);

/* Makes CHANGES, of one mailbox, all or none; a later one of the same name wins. USE (may be NULL)
 * becomes the mailbox's special use in the same act. CV_NOT_FOUND: the mailbox is gone. CV_LIMIT:
 * too many notes. CV_EXISTS, CV_DENIED: another mailbox has that use, this one cannot have it.
 * *ticket_out is 0 when nothing changed. Names and sizes are the caller's to check. */
CV_MUST_CHECK enum cv_status cv_notes_set(struct cv_acct *a, uint64_t box, cv_acct_id person,
	const struct cv_note *changes, size_t count, const enum cv_special_use *use,
	cv_ticket *ticket_out, struct cv_err *err);

/* Everybody's notes of mailbox FROM on TO as well; none where that would be too many. */
CV_MUST_CHECK enum cv_status cv_notes_copy(
	struct cv_acct *a, uint64_t from, uint64_t to, cv_ticket *ticket_out, struct cv_err *err);

#endif
