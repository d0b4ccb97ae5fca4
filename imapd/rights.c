/* rights.c - see rights.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/rights.h"

#include "imapd/conn.h"

#define GROUPS_MAX 1000 /* of one log-in; what is above gives no rights */

struct asking {
	const struct cv_snapshot *s;
	cv_acct_no who, owner;
	const struct imapd_groups *groups;
	struct imapd_groups *own; /* made here, when none were given */
};

struct imapd_groups *
imapd_groups_of(const struct cv_snapshot *s, cv_acct_no who)
{
	cv_acct_no list[GROUPS_MAX];
	size_t n = cv_snapshot_all_memberships(s, who, list, GROUPS_MAX);
	struct imapd_groups *g = cv_malloc(sizeof(*g) + n * sizeof(g->list[0]));

	*g = (struct imapd_groups){
		.generation = cv_snapshot_generation(s), .who = who, .count = n};
	memcpy(g->list, list, n * sizeof(list[0]));
	return g;
}

static bool
is_in(struct asking *q, cv_acct_no group)
{
	if (!q->groups)
		q->groups = q->own = imapd_groups_of(q->s, q->who);
	for (size_t i = 0; i < q->groups->count; i++)
		if (q->groups->list[i] == group)
			return true;
	return false;
}

static bool
is_meant(void *arg, struct cv_str id)
{
	struct asking *q = arg;
	struct cv_str address;
	struct cv_reg_hit hit;

	enum cv_acl_kind kind = cv_acl_kind(id, &address);
	if (kind == CV_ACL_HOLDERS)
		return is_in(q, q->owner);
	/* By number: an address that became an alias still means who it meant. */
	cv_snapshot_find_address(q->s, address, &hit);
	if (hit.found != CV_REG_ACCOUNT && hit.found != CV_REG_GROUP)
		return false;
	return kind == CV_ACL_GROUP ? is_in(q, hit.account.acct) : hit.account.acct == q->who;
}

uint32_t
imapd_rights_of(const struct cv_snapshot *s, cv_acct_no who, const struct imapd_groups *groups,
	cv_acct_no owner, struct cv_str acl)
{
	struct asking q = {.s = s, .who = who, .owner = owner, .groups = groups};
	struct cv_reg_account box;
	uint32_t base = 0, unused;

	if (who == owner)
		return CV_RIGHTS_ALL;
	/* While a box is suspended, and after it was retired, nobody has anything to do in it. */
	if (!cv_snapshot_account(s, owner, &box) || box.state != CV_STATE_ACTIVE)
		return 0;
	if (!cv_acl_find(acl, cv_acl_holders, false, &unused) && is_in(&q, owner))
		base = CV_RIGHTS_HOLDER;
	unsigned how = cv_snapshot_delegated(s, owner, who);
	if (how & CV_DELEGATED_READ)
		base |= CV_RIGHT_L | CV_RIGHT_R | CV_RIGHT_S;
	if (how & CV_DELEGATED_FULL)
		base |= CV_RIGHTS_HOLDER;
	uint32_t rights = cv_acl_rights(acl, base, is_meant, &q);
	free(q.own);
	return rights;
}

const struct imapd_groups *
imapd_groups_now(struct imapd_conn *c, const struct cv_snapshot *s)
{
	struct imapd_groups *g = c->groups;

	if (g && g->generation == cv_snapshot_generation(s) && g->who == c->login.acct)
		return g;
	free(g);
	return c->groups = imapd_groups_of(s, c->login.acct);
}

uint32_t
imapd_rights(struct imapd_conn *c, cv_acct_no owner, struct cv_str acl)
{
	if (owner == c->login.acct)
		return CV_RIGHTS_ALL;
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	uint32_t rights = imapd_rights_of(s, c->login.acct, imapd_groups_now(c, s), owner, acl);
	cv_snapshot_unref(s);
	return rights;
}

enum cv_status
imapd_rights_on(struct imapd_conn *c, struct cv_acct *a, struct cv_str name,
	struct cv_mbox_info *info_out, uint32_t *rights_out, struct cv_err *err)
{
	*rights_out = 0;
	enum cv_status status = cv_mbox_info(a, name, &c->arena, info_out, err);
	if (!status)
		*rights_out = imapd_rights(c, cv_acct_number(a), info_out->acl);
	return status;
}

/* False when the list cannot be read now. */
static bool
look_again(struct imapd_conn *c, const struct cv_snapshot *s)
{
	struct imapd_session *session = c->session;
	struct cv_arena arena = CV_ARENA_INIT;
	cv_acct_no owner = cv_acct_number(cv_mbox_acct(session->mbox));
	struct cv_str acl;

	/* The number before the list: a change in between makes it be read once more. */
	unsigned version = cv_mbox_acl_version(session->mbox);
	bool is_read = !cv_mbox_acl(session->mbox, &arena, &acl, NULL);
	if (is_read) {
		session->rights =
			imapd_rights_of(s, c->login.acct, imapd_groups_now(c, s), owner, acl);
		session->rights_version = version;
		session->rights_generation = cv_snapshot_generation(s);
		session->has_rights = true;
	}
	cv_arena_done(&arena);
	return is_read;
}

uint32_t
imapd_rights_selected(struct imapd_conn *c)
{
	struct imapd_session *session = c->session;

	if (cv_acct_number(cv_mbox_acct(session->mbox)) == c->login.acct)
		return CV_RIGHTS_ALL;
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	bool is_known = session->has_rights &&
			session->rights_version == cv_mbox_acl_version(session->mbox) &&
			session->rights_generation == cv_snapshot_generation(s);
	if (!is_known)
		is_known = look_again(c, s);
	cv_snapshot_unref(s);
	return is_known ? session->rights : 0;
}
