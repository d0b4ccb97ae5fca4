/* metadata.h - METADATA (RFC 5464) in a session: what the entries of a mailbox are, and how other
 * sessions hear of a change.
 *
 * Most entries are notes of the store (common/store/notes.h). Some are not: /private/specialuse is
 * the mailbox's special use (RFC 6154 4), and /shared/comment and /shared/admin of the server come
 * from the options server_comment and admin_contact.
 *
 * Who said ENABLE METADATA hears of what other sessions of the account change, by names alone
 * (4.4.2), between any two commands and in IDLE.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_METADATA_H
#define IMAPD_METADATA_H

#include "common/store/notes.h"
#include "imapd/args.h"
#include "imapd/server.h"

struct imapd_conn;

/* A mailbox, or the server when its name is empty. */
struct imapd_noted {
	struct cv_str name; /* as the client knows it */
	uint64_t box;
	enum cv_special_use use;
	const struct cv_note *notes; /* of this mailbox alone */
	size_t note_count;
};

/* The same with whose it is and what C may do there (CV_RIGHT_*; those of the server: none). */
struct imapd_noted_place {
	struct imapd_noted noted;
	struct cv_acct *acct; /* until the command ends, or imapd_places_done() */
	cv_acct_no owner;
	uint32_t rights;
};
/* What the client's mailbox NAME means, "" for the server. CV_NOT_FOUND, also for one of which C
 * may know nothing; CV_DENIED: its entries are not for C (RFC 5464 3.3). */
CV_MUST_CHECK enum cv_status imapd_noted_find(struct imapd_conn *c, struct cv_str name,
	struct imapd_noted_place *out, struct cv_err *err);
/* Reads the notes that C sees there. */
CV_MUST_CHECK enum cv_status imapd_noted_load(
	struct imapd_conn *c, struct imapd_noted_place *place, struct cv_err *err);

/* Appends the METADATA response for what ARGS asks for, none when there is nothing to tell.
 * *longest_io becomes the size of the longest value that was too long to be told. */
void imapd_write_metadata(struct imapd_conn *c, const struct imapd_noted *noted,
	const struct imapd_metadata_args *args, uint64_t *longest_io, struct cv_buf *out);

/* The session BY changed notes of the mailbox BOX of the account OWNER: other sessions of the owner
 * hear of it, of private ones only if they are the owner's. Every change of metadata by a client
 * passes here. */
void imapd_metadata_changed(struct imapd *d, const struct imapd_login *by, cv_acct_no owner,
	uint64_t box, const struct cv_note *notes, size_t count);
/* Tells C of such changes, if it wants to know. */
void imapd_metadata_news(struct imapd_conn *c);
/* Forgets what LOGIN was not told; it is in no list. */
void imapd_metadata_forget(struct imapd_login *login);

#endif
