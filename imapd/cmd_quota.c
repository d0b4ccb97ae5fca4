/* cmd_quota.c - QUOTA (RFC 9208): one root, named "", for all mailboxes of an account; only
 * administrators change it, with other tools. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"
#include "imapd/names.h"

static void
write_quota(struct imapd_conn *c)
{
	struct cv_buf *out = imapd_out(c);
	struct cv_quota quota;

	cv_acct_quota(c->acct, &quota);
	cv_buf_z(out, "* QUOTA \"\" (");
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
	if (c->cmd->args.word[0].n)
		return imapd_done(c, IMAPD_R_NOT_FOUND);
	write_quota(c);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_getquotaroot(struct imapd_conn *c)
{
	struct cv_str name = c->cmd->args.mailbox[0];
	struct cv_mbox_info info;
	struct cv_err err = {0};

	enum cv_status status = cv_mbox_info(c->acct, name, &c->arena, &info, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	cv_buf_z(imapd_out(c), "* QUOTAROOT ");
	imapd_write_name(imapd_out(c), name, c->utf8);
	cv_buf_z(imapd_out(c), " \"\"\r\n");
	write_quota(c);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_setquota(struct imapd_conn *c)
{
	return imapd_done(c, IMAPD_R_NO_PERMISSION);
}
