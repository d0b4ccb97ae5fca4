/* cmd_acl.c - SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314): lists of rights as
 * clients see them. Besides what the list says, answers show the owner and, of role and agency
 * boxes, the holders: they have their rights without an entry. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/envelope.h"
#include "imapd/acl_id.h"
#include "imapd/conn.h"
#include "imapd/names.h"
#include "imapd/rights.h"

/* The mailbox that the command names; a is checked already. False: answered. */
static bool
find_box(struct imapd_conn *c, struct imapd_place *place, struct cv_mbox_info *info)
{
	struct cv_err err = {0};

	enum cv_status status = imapd_place(c, c->cmd->args.mailbox[0], place, &err);
	if (!status)
		status = imapd_place_info(c, place, info, &err);
	if (!status && !info->id)
		status = CV_NOT_FOUND;
	if (status)
		imapd_refuse(c, status, &err);
	return !status;
}

static void
write_head(struct imapd_conn *c, const char *word, struct cv_str name)
{
	struct cv_buf *out = imapd_out(c);

	cv_buf_z(out, word);
	imapd_write_name(out, name, c->utf8);
}

static void
write_id(struct imapd_conn *c, bool is_negative, struct cv_str id)
{
	struct cv_str text =
		cv_arena_printf(&c->arena, "%s%.*s", is_negative ? "-" : "", CV_STR_ARGS(id));

	cv_buf_c(imapd_out(c), ' ');
	cv_imap_string(imapd_out(c), text);
}

static void
write_rights(struct imapd_conn *c, uint32_t rights)
{
	struct cv_buf *out = imapd_out(c);

	cv_buf_z(out, rights ? " " : " \"\"");
	cv_rights_write_old(rights, out);
}

/* ---- MYRIGHTS ---- */

void
imapd_write_myrights(struct imapd_conn *c, struct cv_str name, uint32_t rights)
{
	write_head(c, "* MYRIGHTS ", name);
	write_rights(c, rights);
	cv_buf_z(imapd_out(c), "\r\n");
}

enum cv_step
imapd_cmd_myrights(struct imapd_conn *c)
{
	struct imapd_place place;
	struct cv_mbox_info info;

	if (!find_box(c, &place, &info))
		return CV_STEP_DONE;
	imapd_write_myrights(c, info.name, place.rights);
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- GETACL ---- */

static void
write_entry(struct imapd_conn *c, bool is_negative, struct cv_str id, uint32_t rights)
{
	write_id(c, is_negative, id);
	write_rights(c, rights);
}

enum cv_step
imapd_cmd_getacl(struct imapd_conn *c)
{
	struct imapd_place place;
	struct cv_mbox_info info;
	struct cv_acl acl;
	uint32_t unused;

	if (!find_box(c, &place, &info))
		return CV_STEP_DONE;
	if (cv_acl_decode(info.acl, &c->arena, &acl))
		return imapd_done(c, IMAPD_R_CORRUPT);
	write_head(c, "* ACL ", info.name);
	write_entry(c, false, place.address, CV_RIGHTS_ALL);
	if (imapd_has_holders(c->server, place.owner) &&
		!cv_acl_find(info.acl, cv_acl_holders, false, &unused))
		write_entry(c, false, cv_acl_holders, CV_RIGHTS_HOLDER);
	for (size_t i = 0; i < acl.count; i++)
		if (acl.entries[i].rights)
			write_entry(c, acl.entries[i].is_negative, acl.entries[i].id,
				acl.entries[i].rights);
	cv_buf_z(imapd_out(c), "\r\n");
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- LISTRIGHTS ---- */

enum cv_step
imapd_cmd_listrights(struct imapd_conn *c)
{
	struct cv_str given = c->cmd->args.word[0];
	struct imapd_place place;
	struct cv_mbox_info info;
	struct imapd_acl_id id;

	if (!find_box(c, &place, &info))
		return CV_STEP_DONE;
	enum imapd_reply reply = imapd_acl_id(c->server, given, place.owner, &c->arena, &id);
	if (reply != IMAPD_R_OK)
		return imapd_done(c, reply);
	write_head(c, "* LISTRIGHTS ", info.name);
	cv_buf_c(imapd_out(c), ' ');
	cv_imap_string(imapd_out(c), given); /* RFC 4314 3.4: as it came */
	write_rights(c, id.is_owner ? CV_RIGHTS_ALL : 0);
	/* None are tied; c and d by themselves (2.1.1). */
	cv_buf_z(imapd_out(c), id.is_owner ? "\r\n" : " l r s w i p k x t e a c d\r\n");
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- SETACL, DELETEACL ---- */

static enum cv_step
change_list(struct imapd_conn *c, struct cv_acl_change *change)
{
	struct imapd_place place;
	struct cv_mbox_info info;
	struct imapd_acl_id id;
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	bool changed = false;

	if (!find_box(c, &place, &info))
		return CV_STEP_DONE;
	enum imapd_reply reply =
		imapd_acl_id_for(c->server, c->cmd->args.word[0], place.owner, info.acl,
			change, &c->arena, &id);
	if (reply != IMAPD_R_OK || id.is_owner)
		return imapd_done(c, reply);
	enum cv_status status = imapd_acl_change(c->server, c->address, place.acct, place.address,
		&info, place.name, change, &changed, &ticket, &err);
	return status ? imapd_refuse(c, status, &err) : imapd_done_durable(c, ticket);
}

enum cv_step
imapd_cmd_setacl(struct imapd_conn *c)
{
	struct cv_acl_change change = {0};

	if (!cv_acl_parse_change(c->cmd->args.word[1], &change))
		return imapd_done(c, IMAPD_R_BAD_RIGHTS);
	return change_list(c, &change);
}

enum cv_step
imapd_cmd_deleteacl(struct imapd_conn *c)
{
	struct cv_acl_change change = {.op = CV_ACL_SET};

	return change_list(c, &change);
}
