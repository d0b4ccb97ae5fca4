/* acl_id.c - see acl_id.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/acl_id.h"

#include "common/base/log.h"

static bool
has_holders(const struct cv_reg_account *a)
{
	return a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY;
}

bool
imapd_has_holders(struct imapd *d, cv_acct_no owner)
{
	const struct cv_snapshot *s = cv_register_get(d->reg);
	struct cv_reg_account account;
	bool has = cv_snapshot_account(s, owner, &account) && has_holders(&account);

	cv_snapshot_unref(s);
	return has;
}

/* An address: what it stands for in the register. */
static enum imapd_reply
find_address(const struct cv_snapshot *s, enum cv_acl_kind kind, struct cv_str address,
	cv_acct_no owner, struct cv_arena *arena, struct imapd_acl_id *out)
{
	struct cv_reg_hit hit;

	cv_snapshot_find_address(s, address, &hit);
	if ((hit.found != CV_REG_ACCOUNT && hit.found != CV_REG_GROUP) ||
		hit.account.state == CV_STATE_RETIRED)
		return IMAPD_R_NO_IDENTIFIER;
	if (hit.account.acct == owner && kind == CV_ACL_PERSON) {
		out->is_owner = true;
		out->id = cv_arena_str(arena, hit.account.address);
		return IMAPD_R_OK;
	}
	bool is_group = hit.found == CV_REG_GROUP || has_holders(&hit.account);
	if (kind == CV_ACL_GROUP && !is_group)
		return IMAPD_R_NO_IDENTIFIER; /* a person is not a group of one */
	if (hit.account.acct == owner)
		out->id = cv_acl_holders;
	else
		out->id = is_group ? cv_acl_group_id(hit.account.address, arena)
				   : cv_arena_str(arena, hit.account.address);
	return IMAPD_R_OK;
}

enum imapd_reply
imapd_acl_id(struct imapd *d, struct cv_str given, cv_acct_no owner, struct cv_arena *arena,
	struct imapd_acl_id *out)
{
	const struct cv_snapshot *s = cv_register_get(d->reg);
	enum imapd_reply reply = IMAPD_R_OK;
	struct cv_str address;

	*out = (struct imapd_acl_id){0};
	if (cv_acl_id_parse(given, cv_snapshot_default_domain(s), arena, &out->id,
		    &out->is_negative, NULL)) {
		cv_snapshot_unref(s);
		return IMAPD_R_BAD_IDENTIFIER;
	}
	enum cv_acl_kind kind = cv_acl_kind(out->id, &address);
	if (kind == CV_ACL_PERSON || kind == CV_ACL_GROUP)
		reply = find_address(s, kind, address, owner, arena, out);
	cv_snapshot_unref(s);
	if (kind == CV_ACL_HOLDERS && !imapd_has_holders(d, owner))
		reply = IMAPD_R_NO_IDENTIFIER;
	return reply;
}

enum imapd_reply
imapd_acl_id_for(struct imapd *d, struct cv_str given, cv_acct_no owner, struct cv_str acl,
	struct cv_acl_change *change, struct cv_arena *arena, struct imapd_acl_id *out)
{
	enum imapd_reply reply = imapd_acl_id(d, given, owner, arena, out);
	uint32_t unused;

	change->id = out->id;
	change->is_negative = out->is_negative;
	if (cv_str_eq(out->id, cv_acl_holders))
		change->without = CV_RIGHTS_HOLDER;
	if (reply == IMAPD_R_OK && out->is_owner) {
		bool stays = !out->is_negative &&
			     (change->op == CV_ACL_ADD || (change->op == CV_ACL_SET &&
								  change->rights == CV_RIGHTS_ALL));
		return stays ? IMAPD_R_OK : IMAPD_R_OWNER_RIGHTS;
	}
	bool takes_out = change->op == CV_ACL_REMOVE ||
			 (change->op == CV_ACL_SET && !change->rights);
	if (reply == IMAPD_R_NO_IDENTIFIER && takes_out &&
		cv_acl_find(acl, out->id, out->is_negative, &unused))
		return IMAPD_R_OK;
	return reply;
}

/* ---- changing a list ---- */

static bool
makes_a_difference(struct cv_str row, const struct cv_acl_change *change)
{
	struct cv_buf next = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	bool differs = cv_acl_apply(row, change, &next, NULL) ||
		       !cv_str_eq(row, cv_buf_view(&next));

	cv_buf_done(&next);
	return differs;
}

struct record {
	struct imapd *d;
	const char *actor, *owner, *mailbox, *who, *rights;
};

static enum cv_status
write_record(const struct record *r, const char *result, struct cv_err *err)
{
	struct cv_audit_event event = {.actor = r->actor,
		.action = "mailbox.rights",
		.object = r->owner,
		.result = result,
		.detail = json_pack("{s:s s:s s:s}", "mailbox", r->mailbox, "who", r->who,
			"rights", r->rights)};
	cv_ticket unused; /* the change, which follows, waits for a later one */

	enum cv_status status = cv_audit_write(r->d->audit, &event, &unused, err);
	cv_log(0, CV_INFO, "imap.rights", "by=%s owner=%s who=%s rights=\"%s\" result=%s",
		r->actor, r->owner, r->who, r->rights, result);
	json_decref(event.detail);
	return status;
}

static struct record
record_of(struct imapd *d, const char *actor, struct cv_str address, struct cv_str mailbox,
	const struct cv_acl_change *change, struct cv_arena *arena)
{
	static const char *const signs[] = {
		[CV_ACL_SET] = "", [CV_ACL_ADD] = "+", [CV_ACL_REMOVE] = "-"};
	struct cv_buf rights = CV_BUF_INIT(64);
	struct cv_str who = cv_arena_printf(arena, "%s%.*s", change->is_negative ? "-" : "",
		CV_STR_ARGS(change->id));

	cv_buf_z(&rights, signs[change->op]);
	cv_rights_write(change->rights, &rights);
	struct record r = {d, actor, cv_arena_z(arena, address), cv_arena_z(arena, mailbox),
		cv_arena_z(arena, who), cv_arena_z(arena, cv_buf_view(&rights))};
	cv_buf_done(&rights);
	return r;
}

enum cv_status
imapd_acl_change(struct imapd *d, const char *actor, struct cv_acct *a, struct cv_str address,
	const struct cv_mbox_info *box, struct cv_str mailbox, const struct cv_acl_change *change,
	bool *changed_out, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;

	*changed_out = false;
	if (!makes_a_difference(box->acl, change))
		return CV_OK;
	struct record r = record_of(d, actor, address, mailbox, change, &arena);
	enum cv_status status = write_record(&r, "ok", err);
	if (!status) {
		status = cv_mbox_change_acl(a, mailbox, change, changed_out, ticket_out, err);
		if (status && write_record(&r, "failed", NULL))
			cv_log(0, CV_ERROR, "imap.rights_unrecorded", "owner=%s", r.owner);
	}
	cv_arena_done(&arena);
	return status;
}
