/* rights_ctl.c - see rights_ctl.h. Runs on the control server's threads. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/rights_ctl.h"

#include <string.h>

#include "imapd/acl_id.h"

struct job {
	struct imapd *d;
	struct cv_arena arena;
	struct cv_acct *acct;
	cv_acct_no owner;
	const char *address;     /* of the owner */
	struct cv_str mailbox;   /* empty: all */
};

static enum cv_status
find_owner(struct job *j, const char *address, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(j->d->reg);
	struct cv_reg_hit hit;
	struct cv_str whole = cv_str_z(address);

	if (cv_str_find(whole, '@', 0) == whole.n)
		whole = cv_arena_printf(&j->arena, "%s@%.*s", address,
			CV_STR_ARGS(cv_snapshot_default_domain(s)));
	cv_snapshot_find_address(s, whole, &hit);
	bool is_box = hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED;
	j->owner = hit.account.acct;
	if (is_box)
		j->address = cv_arena_z(&j->arena, hit.account.address);
	cv_snapshot_unref(s);
	return is_box ? CV_OK : cv_fail(err, CV_NOT_FOUND, "there is no account %s", address);
}

static enum cv_status
begin(struct job *j, const json_t *request, struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(request, "account"));
	const char *mailbox = json_string_value(json_object_get(request, "mailbox"));
	cv_ticket unused; /* folders made here are made anew when they are lost */

	if (!address)
		return cv_fail(err, CV_INVALID, "field 'account' is missing");
	j->mailbox = mailbox ? cv_str_z(mailbox) : CV_STR_EMPTY;
	enum cv_status status = find_owner(j, address, err);
	return status ? status
		      : cv_acct_open(j->d->store, j->owner, true, &j->acct, &unused, err);
}

/* ---- what is there ---- */

static void
add_row(json_t *rows, struct cv_str mailbox, bool is_negative, struct cv_str who, uint32_t rights)
{
	struct cv_buf letters = CV_BUF_INIT(64), name = CV_BUF_INIT(CV_ACL_ID_MAX + 1);

	cv_rights_write(rights, &letters);
	cv_buf_z(&name, is_negative ? "-" : "");
	cv_buf_str(&name, who);
	json_array_append_new(rows,
		json_pack("{s:s% s:s% s:s%}", "mailbox", mailbox.p, mailbox.n, "who", name.p,
			name.n, "rights", letters.n ? letters.p : "", letters.n));
	cv_buf_done(&letters);
	cv_buf_done(&name);
}

static enum cv_status
add_list(struct job *j, const struct cv_mbox_info *box, json_t *rows, struct cv_err *err)
{
	struct cv_acl acl;

	if (cv_acl_decode(box->acl, &j->arena, &acl))
		return cv_fail(err, CV_CORRUPT, "an access control list is damaged");
	for (size_t i = 0; i < acl.count; i++)
		add_row(rows, box->name, acl.entries[i].is_negative, acl.entries[i].id,
			acl.entries[i].rights);
	return CV_OK;
}

static enum cv_status
list(struct job *j, json_t **reply_out, struct cv_err *err)
{
	json_t *rows = json_array();
	struct cv_mbox_info one, *boxes = &one;
	size_t count = 1;
	enum cv_status status =
		j->mailbox.n ? cv_mbox_info(j->acct, j->mailbox, &j->arena, &one, err)
			     : cv_mbox_list(j->acct, &j->arena, &boxes, &count, err);

	for (size_t i = 0; !status && i < count; i++)
		status = add_list(j, &boxes[i], rows, err);
	if (status) {
		json_decref(rows);
		return status;
	}
	*reply_out = json_pack("{s:s s:b s:o}", "account", j->address, "has_holders",
		imapd_has_holders(j->d, j->owner), "rights", rows);
	return CV_OK;
}

/* ---- changes ---- */

static enum cv_status
fail_for(enum imapd_reply reply, const char *who, struct cv_err *err)
{
	switch (reply) {
	case IMAPD_R_NO_IDENTIFIER:
		return cv_fail(err, CV_NOT_FOUND, "there is no person or group %s", who);
	case IMAPD_R_OWNER_RIGHTS:
		return cv_fail(err, CV_DENIED, "%s owns the mailbox and has all rights", who);
	default:
		return cv_fail(err, CV_INVALID, "%s is no address, group:ADDRESS or anyone", who);
	}
}

static enum cv_status
change_list(struct job *j, const char *actor, const char *who, bool gives,
	struct cv_acl_change *change, json_t **reply_out, struct cv_err *err)
{
	struct cv_mbox_info box;
	struct imapd_acl_id id;
	cv_ticket ticket = 0;
	bool changed = false;

	enum cv_status status = cv_mbox_info(j->acct, j->mailbox, &j->arena, &box, err);
	if (status)
		return status;
	if (!box.id)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	enum imapd_reply reply = imapd_acl_id_for(
		j->d, cv_str_z(who), j->owner, box.acl, change, &j->arena, &id);
	if (reply != IMAPD_R_OK)
		return fail_for(reply, who, err);
	/* Whoever administers opens no box to himself (SEC-07): two persons do, with breakglass. */
	if (!id.is_owner && gives && cv_str_eq_z(change->id, actor)) {
		*reply_out = json_pack("{s:s}", "error_vi",
			"không ai được tự mở hộp thư cho mình: congvu breakglass request");
		return cv_fail(err, CV_DENIED,
			"nobody opens a box to himself: congvu breakglass request");
	}
	if (!id.is_owner)
		status = imapd_acl_change(j->d, actor, j->acct, cv_str_z(j->address), &box,
			box.name, change, &changed, &ticket, err);
	if (!status && ticket)
		cv_ticket_block(j->d->engine, ticket);
	if (!status)
		*reply_out = json_pack("{s:b s:s s:s%}", "changed", changed, "account", j->address,
			"who", change->id.p, change->id.n);
	return status;
}

static enum cv_status
change(struct job *j, const char *actor, const json_t *request, bool deletes, json_t **reply_out,
	struct cv_err *err)
{
	const char *who = json_string_value(json_object_get(request, "who"));
	const char *rights = json_string_value(json_object_get(request, "rights"));
	struct cv_acl_change c = {.op = CV_ACL_SET};

	if (!j->mailbox.n || !who || (!deletes && !rights))
		return cv_fail(err, CV_INVALID, "fields 'mailbox', 'who' and 'rights' are needed");
	if (!deletes && !cv_acl_parse_change(cv_str_z(rights), &c))
		return cv_fail(err, CV_INVALID,
			"rights are of lrswipkxtea in small letters, after + or - or nothing");
	return change_list(j, actor, who, !deletes, &c, reply_out, err);
}

enum cv_status
imapd_rights_do(struct imapd *d, const char *actor, const json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(request, "do"));
	struct job j = {.d = d};
	bool sets = !strcmp(what, "mailbox.rights.set");
	bool deletes = !strcmp(what, "mailbox.rights.delete");

	if (!sets && !deletes && strcmp(what, "mailbox.rights.list") != 0)
		return cv_fail(err, CV_INVALID, "unknown request \"%s\"", what);
	enum cv_status status = begin(&j, request, err);
	if (!status)
		status = sets || deletes ? change(&j, actor, request, deletes, reply_out, err)
					 : list(&j, reply_out, err);
	cv_acct_close(j.acct);
	cv_arena_done(&j.arena);
	return status;
}
