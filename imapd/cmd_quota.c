/* cmd_quota.c - QUOTA (RFC 9208): one root, named "", for all mailboxes of an account; only
 * administrators change it, with other tools. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"
#include "imapd/names.h"

/* One's own has the empty name, that of somebody else the address. */
static struct cv_str
root_of(const struct imapd_place *place)
{
	return place->space == IMAPD_SPACE_OWN ? CV_STR_EMPTY : place->address;
}

static void
write_quota(struct imapd_conn *c, const struct imapd_place *place)
{
	struct cv_buf *out = imapd_out(c);
	struct cv_quota quota;

	cv_acct_quota(place->acct, &quota);
	cv_buf_z(out, "* QUOTA ");
	imapd_write_name(out, root_of(place), c->utf8);
	cv_buf_z(out, " (");
	if (quota.limit_bytes) {
		cv_buf_z(out, "STORAGE ");
		cv_buf_u64(out, (quota.used_bytes + 1023) / 1024);
		cv_buf_c(out, ' ');
		cv_buf_u64(out, quota.limit_bytes / 1024);
	}
	cv_buf_add(out, ")\r\n", 3);
}

enum cv_step
imapd_cmd_getquota(struct imapd_conn *c)
{
	struct imapd_place place;
	struct cv_err err = {0};

	enum cv_status status = imapd_place_of_owner(c, c->cmd->args.word[0], &place, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	write_quota(c, &place);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_getquotaroot(struct imapd_conn *c)
{
	struct cv_str name = c->cmd->args.mailbox[0];
	struct imapd_place place;
	struct cv_mbox_info info;
	struct cv_err err = {0};

	enum cv_status status = imapd_place(c, name, &place, &err);
	if (!status)
		status = imapd_place_info(c, &place, &info, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	cv_buf_z(imapd_out(c), "* QUOTAROOT ");
	imapd_write_name(imapd_out(c), name, c->utf8);
	cv_buf_c(imapd_out(c), ' ');
	imapd_write_name(imapd_out(c), root_of(&place), c->utf8);
	cv_buf_z(imapd_out(c), "\r\n");
	write_quota(c, &place);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_setquota(struct imapd_conn *c)
{
	return imapd_done(c, IMAPD_R_NO_PERMISSION);
}
