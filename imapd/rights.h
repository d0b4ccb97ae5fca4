/* rights.h - what the log-in of a connection may do with a mailbox of any account (RFC 4314).
 *
 *   the account's own log-in               everything, whatever the list says
 *   a holder of the role or agency box     CV_RIGHTS_HOLDER, unless the list has "$holders"
 *   who the box is delegated to            l, r, s for reading; CV_RIGHTS_HOLDER for the whole
 *   everybody                              what the list gives: by address, group, "anyone"
 * All that applies is added up, then what negative entries say is taken away. Groups and holders
 * are those of the register as it is now: who leaves a group loses its rights with the next
 * command.
 *
 * Belongs to the connection's thread. Nothing is asked of the disk but an account that is not in
 * memory.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_RIGHTS_H
#define IMAPD_RIGHTS_H

#include "common/register/register.h"
#include "common/store/mailbox.h"

struct imapd_conn;
struct imapd_place;

/* CV_RIGHT_* on a mailbox of the account OWNER with the list ACL (cv_mbox_info.acl). */
uint32_t imapd_rights(struct imapd_conn *c, cv_acct_no owner, struct cv_str acl);

/* The same for the mailbox NAME of A, which *info_out (in the command's arena) describes.
 * CV_NOT_FOUND when there is none; *rights_out is 0 then. Who has none of CV_RIGHTS_KNOWING must
 * get the same answer as if there were none (imapd_may_know()). */
CV_MUST_CHECK enum cv_status imapd_rights_on(struct imapd_conn *c, struct cv_acct *a,
	struct cv_str name, struct cv_mbox_info *info_out, uint32_t *rights_out,
	struct cv_err *err);
static inline bool
imapd_may_know(uint32_t rights)
{
	return (rights & CV_RIGHTS_KNOWING) != 0;
}

/* On the selected mailbox, as the list and the register are now; kept until one of them changes. */
uint32_t imapd_rights_selected(struct imapd_conn *c);
/* FLAGS and PERMANENTFLAGS once more, where other flags may be set than were told. */
void imapd_tell_rights(struct imapd_conn *c);
/* Whether SELECT answers READ-WRITE (RFC 4314 5.2): what may be changed is seen by others too. */
bool imapd_may_write(struct imapd_conn *c);

/* What the command's row asks for. False: it was answered. A mailbox that is not there, or of which
 * nothing may be known, the handler misses; SELECT looks itself, for it leaves the one before. */
bool imapd_check_rights(struct imapd_conn *c);
/* Whether a mailbox may be made at PLACE: k on the nearest mailbox above it (RFC 4314 4). */
bool imapd_may_create(struct imapd_conn *c, const struct imapd_place *place);

/* The system flags (CV_FLAG_*) that RIGHTS allow to change; keywords go with CV_RIGHT_W. */
uint32_t imapd_flags_of_rights(uint32_t rights);
/* Leaves in FLAGS what RIGHTS allow to set. */
void imapd_limit_flags(uint32_t rights, struct cv_flag_change *flags);

/* What the register says of a log-in: kept by the connection until the register changes. */
struct imapd_groups {
	uint64_t generation;
	cv_acct_no who;
	size_t count;
	cv_acct_no list[]; /* groups it is in, directly or by groups; boxes it holds */
};
/* The rights of WHO, for those who have no connection. GROUPS may be NULL: found when needed. */
uint32_t imapd_rights_of(const struct cv_snapshot *s, cv_acct_no who,
	const struct imapd_groups *groups, cv_acct_no owner, struct cv_str acl);
struct imapd_groups *imapd_groups_of(const struct cv_snapshot *s, cv_acct_no who); /* heap */
/* Whether a list of OWNER's may have an entry that means the log-in (grants.h). */
bool imapd_is_granted(struct imapd_conn *c, const struct cv_snapshot *s, cv_acct_no owner);
/* Those of the connection's log-in in S; the connection's until it asks for newer ones. */
const struct imapd_groups *imapd_groups_now(struct imapd_conn *c, const struct cv_snapshot *s);

#endif
