/* others.h - the mailboxes of others in a session: under which names, and whose they are.
 *
 * What others share with the person who is logged in stands in two branches beside the person's own
 * mailboxes (RFC 2342), named by options:
 *
 *   Dùng chung/vanthu.stp@tinh.example/INBOX   role and agency boxes
 *   Người khác/lthoa.stp@tinh.example/INBOX    boxes of people
 *
 * The second level is the primary address, for it is the one name that never comes to mean another
 * box. A mailbox of one's own that has such a name, from before the option was set, is what the
 * name means: nobody loses sight of mail. New ones cannot be made there.
 *
 * A name is turned into a *place*: the account and the mailbox's name in it. Everything that works
 * on mailboxes takes a place, so that no command knows whose mailbox it has. Nothing of all this
 * exists in a session before a name asks for it: other accounts are opened for a command and given
 * back at its end (the store keeps what is used in memory); only the selected mailbox holds on to
 * its account.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_OTHERS_H
#define IMAPD_OTHERS_H

#include "common/base/arena.h"
#include "common/register/register.h"
#include "common/store/mailbox.h"

struct imapd_conn;

#define IMAPD_HELD_MAX 4u /* accounts of others that one command may hold open */

enum imapd_space { IMAPD_SPACE_OWN, IMAPD_SPACE_OTHERS, IMAPD_SPACE_SHARED };

struct imapd_place {
	enum imapd_space space;
	struct cv_acct *acct;   /* of the owner; until the command ends */
	cv_acct_no owner;
	struct cv_str name;     /* of the mailbox in that account; "": the owner's level itself */
	struct cv_str address;  /* the owner's primary one; of one's own too */
	bool is_reserved;       /* one's own name stands in a branch of others */
	bool exists;            /* there is such a mailbox, or only a level of names */
	uint32_t rights;        /* CV_RIGHT_* on it; while there is none, on what is above it */
	struct cv_viewer viewer; /* who looks at it: \Seen is by person in boxes of others */
};

/* What NAME, as the client wrote it, in UTF-8, means. CV_NOT_FOUND: a box that is not there, or a
 * mailbox of which this person may know nothing. What may be done there, the rights say: it is for
 * the command to look at them. */
CV_MUST_CHECK enum cv_status imapd_place(
	struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err);
/* The same for a name that is to be made: a mailbox of which nothing may be known is no fault, and
 * the rights are for the command to look at (imapd_may_create()). */
CV_MUST_CHECK enum cv_status imapd_place_new(
	struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err);
/* The level of the box whose primary address is ADDRESS; of one's own when that is empty. */
CV_MUST_CHECK enum cv_status imapd_place_of_owner(struct imapd_conn *c, struct cv_str address,
	struct imapd_place *out, struct cv_err *err);
/* Opens the mailbox at PLACE: give it back with cv_mbox_close(). */
CV_MUST_CHECK enum cv_status imapd_place_mbox(
	const struct imapd_place *place, struct cv_mbox **mbox_out, struct cv_err *err);
/* What is known of the mailbox at PLACE; out->name is the name that the client knows it by. */
CV_MUST_CHECK enum cv_status imapd_place_info(struct imapd_conn *c,
	const struct imapd_place *place, struct cv_mbox_info *out, struct cv_err *err);
/* The name by which the client knows mailbox NAME of the account at PLACE; in the command's arena.
 */
struct cv_str imapd_place_name(
	struct imapd_conn *c, const struct imapd_place *place, struct cv_str name);
/* Whether NAME is a branch of others, or in one: no mailbox of one's own is made there. */
bool imapd_is_others_name(struct imapd_conn *c, struct cv_str name);
/* The account that has the mailbox NAME when it is another's, else 0. */
cv_acct_no imapd_other_of(struct imapd_conn *c, struct cv_str name);
/* Gives back what the command held open. */
void imapd_places_done(struct imapd_conn *c);

/* What is wrong with the names of the branches, or CV_OK: each is one level in NFC, not INBOX, and
 * they differ. */
CV_MUST_CHECK enum cv_status imapd_check_spaces(
	const char *others, const char *shared, char separator, struct cv_err *err);
/* The branch SPACE, "" when there is none. */
struct cv_str imapd_space_name(struct imapd_conn *c, enum imapd_space space);

/* Calls FN with the place of each box of others that this person may know of, name "", by address,
 * until FN answers false. With OPENS its account is open during the call, else place->acct is NULL.
 */
typedef bool imapd_place_fn(void *arg, const struct imapd_place *place);
CV_MUST_CHECK enum cv_status imapd_each_other(struct imapd_conn *c, enum imapd_space space,
	bool opens, imapd_place_fn *fn, void *arg, struct cv_err *err);

/* Whether the person may still read the selected mailbox. */
bool imapd_may_stay(struct imapd_conn *c);

#endif
