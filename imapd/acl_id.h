/* acl_id.h - whom an identifier of a list of rights means, by the register; the same for SETACL and
 * for the control socket. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_ACL_ID_H
#define IMAPD_ACL_ID_H

#include "imapd/respond.h"
#include "imapd/server.h"

struct imapd_acl_id {
	struct cv_str id; /* in its one spelling: a primary address, "group:..." */
	bool is_negative;
	bool is_owner; /* of the mailbox */
};

/* Whom GIVEN means in a list of OWNER's account, in ARENA: an address with or without domain, by an
 * alias too; a group, a role or an agency box also without "group:" before it. IMAPD_R_OK;
 * BAD_IDENTIFIER when it is none; NO_IDENTIFIER when nobody has it, with OUT as it was written. */
enum imapd_reply imapd_acl_id(struct imapd *d, struct cv_str given, cv_acct_no owner,
	struct cv_arena *arena, struct imapd_acl_id *out);

/* Completes CHANGE, whose op and rights are set, for GIVEN in the list ACL. For the owner nothing
 * is left to change: IMAPD_R_OK when all rights stay, else OWNER_RIGHTS. What the register does not
 * know any more may still be taken out. */
enum imapd_reply imapd_acl_id_for(struct imapd *d, struct cv_str given, cv_acct_no owner,
	struct cv_str acl, struct cv_acl_change *change, struct cv_arena *arena,
	struct imapd_acl_id *out);

/* Whether OWNER is a role or agency box. */
bool imapd_has_holders(struct imapd *d, cv_acct_no owner);

/* Makes CHANGE, by ACTOR, in the list of BOX of the account A, whose primary address is ADDRESS.
 * The audit row goes before it: no change is without one, and one that failed has a second row.
 * Nothing is written, *changed_out false, when the list is so already. */
CV_MUST_CHECK enum cv_status imapd_acl_change(struct imapd *d, const char *actor,
	struct cv_acct *a, struct cv_str address, const struct cv_mbox_info *box,
	struct cv_str mailbox, const struct cv_acl_change *change, bool *changed_out,
	cv_ticket *ticket_out, struct cv_err *err);

#endif
