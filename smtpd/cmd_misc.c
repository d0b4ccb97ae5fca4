/* cmd_misc.c - RSET, NOOP, VRFY, HELP, QUIT, and what is not done here. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/session.h"

static enum cv_step
answer(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_reply_put(cv_conn_out(s->conn), reply);
	return CV_STEP_DONE;
}

enum cv_step
smtpd_cmd_rset(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	smtpd_session_reset(s);
	return answer(s, R_OKAY);
}

enum cv_step
smtpd_cmd_noop(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	return answer(s, R_OKAY);
}

/* Never tells who exists: that would be a list of staff for whoever asks (RFC 5321 7.3). */
enum cv_step
smtpd_cmd_vrfy(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	return answer(s, R_VRFY);
}

enum cv_step
smtpd_cmd_help(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	return answer(s, R_HELP);
}

/* Who is in a group is for its owner alone; our queue is pulled by nobody. */
enum cv_step
smtpd_cmd_not_done(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	smtpd_session_refuse(s, R_NOT_DONE);
	return CV_STEP_DONE;
}

enum cv_step
smtpd_cmd_quit(struct smtpd_session *s, struct cv_str args)
{
	(void)args;
	smtpd_reply_put(cv_conn_out(s->conn), R_BYE);
	return CV_STEP_CLOSE;
}
