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
	if (!cv_snapshot_account(s, owner, &box))
		return 0;
	/* What a retired person left is read by whom it was handed to, changed by nobody. */
	if (box.state == CV_STATE_RETIRED)
		return cv_snapshot_delegated(s, owner, who) & CV_DELEGATED_READ
			? CV_RIGHT_L | CV_RIGHT_R | CV_RIGHT_S : 0;
	/* While a box is suspended nobody has anything to do in it. */
	if (box.state != CV_STATE_ACTIVE)
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

bool
imapd_may_write(struct imapd_conn *c)
{
	const struct imapd_session *s = c->session;
	uint32_t shared = CV_RIGHT_I | CV_RIGHT_E | CV_RIGHT_W | CV_RIGHT_T;

	/* \Seen that is the person's own changes nothing for others. */
	if (!s->viewer.person || s->viewer.marks_common)
		shared |= CV_RIGHT_S;
	return !s->is_read_only && (imapd_rights_selected(c) & shared);
}

bool
imapd_is_granted(struct imapd_conn *c, const struct cv_snapshot *s, cv_acct_no owner)
{
	struct imapd_grants *g = imapd_grants_get(&c->server->grants, c->server->store, s);
	const struct imapd_groups *groups = imapd_groups_now(c, s);

	if (!g)
		return false;
	bool is_granted = imapd_grants_has(g, c->login.acct, owner) ||
			  imapd_grants_has(g, IMAPD_GRANT_ANYONE, owner);
	for (size_t i = 0; i < groups->count && !is_granted; i++)
		is_granted = imapd_grants_has(g, groups->list[i], owner);
	imapd_grants_unref(&c->server->grants, g);
	return is_granted;
}

void
imapd_tell_rights(struct imapd_conn *c)
{
	if (!c->session || !c->session->owner.is_other)
		return;
	uint32_t flags = imapd_flags_of_rights(imapd_rights_selected(c));
	if (flags != c->session->flags_told)
		imapd_session_write_flags(c->session, imapd_out(c));
}

/* ---- flags ---- */

/* RFC 4314 4: what has no row of its own, keywords too, needs w. */
static const struct {
	uint32_t flag, right;
} flag_rights[] = {
	{CV_FLAG_SEEN,     CV_RIGHT_S},
	{CV_FLAG_DELETED,  CV_RIGHT_T},
	{CV_FLAG_ANSWERED, CV_RIGHT_W},
	{CV_FLAG_FLAGGED,  CV_RIGHT_W},
	{CV_FLAG_DRAFT,    CV_RIGHT_W},
};

uint32_t
imapd_flags_of_rights(uint32_t rights)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < CV_COUNT(flag_rights); i++)
		if (rights & flag_rights[i].right)
			flags |= flag_rights[i].flag;
	return flags;
}

void
imapd_limit_flags(uint32_t rights, struct cv_flag_change *flags)
{
	flags->flags &= imapd_flags_of_rights(rights);
	if (!(rights & CV_RIGHT_W))
		flags->keyword_count = 0;
}

/* ---- what commands need ---- */

/* "i/te": on the mailbox that is named first, on the one that is selected. */
static void
read_needs(const char *text, uint32_t *named, uint32_t *selected)
{
	struct cv_str rest = cv_str_z(text), first = CV_STR_EMPTY;

	cv_str_split(&rest, '/', &first);
	bool is_known = cv_rights_parse(first, named) && cv_rights_parse(rest, selected);
	assert(is_known);
}

static bool
may_name(struct imapd_conn *c, uint32_t need)
{
	struct imapd_place place;

	if (!need || !c->cmd->args.mailbox_count ||
		imapd_place(c, c->cmd->args.mailbox[0], &place, NULL))
		return true; /* the handler misses it too */
	return !place.exists || (place.rights & need) == need;
}

bool
imapd_check_rights(struct imapd_conn *c)
{
	uint32_t named, selected;

	if (!c->cmd->row->rights[0])
		return true;
	read_needs(c->cmd->row->rights, &named, &selected);
	bool may = !selected || (imapd_rights_selected(c) & selected) == selected;
	if (may && may_name(c, named))
		return true;
	imapd_done(c, IMAPD_R_NO_PERMISSION);
	return false;
}

bool
imapd_may_create(struct imapd_conn *c, const struct imapd_place *place)
{
	char separator = cv_store_separator(c->server->store);
	struct cv_str name = place->name;
	struct cv_mbox_info info;

	if (place->space == IMAPD_SPACE_OWN)
		return true;
	while (name.n) {
		name.n--;
		if (name.p[name.n] != separator)
			continue;
		if (cv_mbox_info(place->acct, name, &c->arena, &info, NULL))
			continue;
		uint32_t rights = imapd_rights(c, place->owner, info.acl);
		if (imapd_may_know(rights))
			return rights & CV_RIGHT_K;
	}
	/* Beside the account's own folders: who has k whatever a list says. */
	return imapd_rights(c, place->owner, CV_STR_EMPTY) & CV_RIGHT_K;
}
