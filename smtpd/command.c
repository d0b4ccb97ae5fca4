/* command.c - the command table and the manners that every command shares.
 *
 * Unknown verb, wrong order, missing TLS or log-in are answered here and nowhere else; a handler
 * begins where the policy begins.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/filters.h"

enum args { ARGS_NONE, ARGS_NEED, ARGS_MAY };
enum {
	CMD_NEED_AUTH = 1, /* on submission, before log-in: 530 */
	CMD_ALONE = 2,     /* the client must wait for its answer (RFC 2920 3.1): what came behind
	                    * it already would be read as commands when the answer is no */
	CMD_SMTP = 4,      /* not on LMTP */
	CMD_LMTP = 8,      /* only on LMTP */
	CMD_NOISE = 16     /* brings no mail nearer: counted */
};

#define S_TALK (S_CONNECTED | S_READY | S_MAIL | S_RCPT)

static const struct command {
	const char *verb;
	enum cv_step (*run)(struct smtpd_session *s, struct cv_str args);
	unsigned allowed;
	enum args args;
	unsigned flags;
} commands[] = {
	/* verb       run                 allowed in                  args       flags */
	{ "MAIL",     smtpd_cmd_mail,     S_READY,                    ARGS_NEED, CMD_NEED_AUTH },
	{ "RCPT",     smtpd_cmd_rcpt,     S_MAIL | S_RCPT,            ARGS_NEED, CMD_NEED_AUTH },
	{ "DATA",     smtpd_cmd_data,     S_MAIL | S_RCPT,            ARGS_NONE, CMD_ALONE },
	{ "BDAT",     smtpd_cmd_bdat,     S_TALK | S_BDAT,            ARGS_NEED, 0 },
	{ "EHLO",     smtpd_cmd_ehlo,     S_TALK | S_BDAT,            ARGS_NEED, CMD_NOISE | CMD_SMTP },
	{ "HELO",     smtpd_cmd_helo,     S_TALK | S_BDAT,            ARGS_NEED, CMD_NOISE | CMD_SMTP },
	{ "LHLO",     smtpd_cmd_lhlo,     S_TALK | S_BDAT,            ARGS_NEED, CMD_NOISE | CMD_LMTP },
	{ "RSET",     smtpd_cmd_rset,     S_TALK | S_BDAT,            ARGS_NONE, CMD_NOISE },
	{ "NOOP",     smtpd_cmd_noop,     S_TALK | S_BDAT,            ARGS_MAY,  CMD_NOISE },
	{ "QUIT",     smtpd_cmd_quit,     S_ANY,                      ARGS_NONE, 0 },
	{ "STARTTLS", smtpd_cmd_starttls, S_CONNECTED | S_READY,      ARGS_NONE, 0 },
	{ "XCLIENT",  smtpd_cmd_xclient,  S_CONNECTED | S_READY,      ARGS_NEED, CMD_NOISE },
	{ "AUTH",     smtpd_cmd_auth,     S_READY,                    ARGS_NEED, CMD_ALONE },
	{ "VRFY",     smtpd_cmd_vrfy,     S_TALK | S_BDAT,            ARGS_NEED, CMD_NOISE },
	{ "HELP",     smtpd_cmd_help,     S_TALK | S_BDAT,            ARGS_MAY,  CMD_NOISE },
	/* known, and not done here: 502, not 500 (RFC 5321 4.2.4) */
	{ "EXPN",     smtpd_cmd_not_done, S_TALK | S_BDAT,            ARGS_MAY,  CMD_SMTP },
	{ "ETRN",     smtpd_cmd_not_done, S_TALK | S_BDAT,            ARGS_MAY,  CMD_SMTP },
	{ "TURN",     smtpd_cmd_not_done, S_TALK | S_BDAT,            ARGS_MAY,  CMD_SMTP },
};

static const struct command *
find(struct cv_str verb, enum smtpd_kind kind)
{
	for (size_t i = 0; i < CV_COUNT(commands); i++) {
		const struct command *c = &commands[i];
		if (!cv_str_ieq_z(verb, c->verb))
			continue;
		if ((c->flags & CMD_SMTP && kind == SMTPD_LMTP)
			|| (c->flags & CMD_LMTP && kind != SMTPD_LMTP))
			return NULL;
		return c;
	}
	return NULL;
}

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_session_refuse(s, reply);
	return CV_STEP_DONE;
}

enum cv_step
smtpd_command(struct smtpd_session *s, struct cv_str line)
{
	size_t blank = cv_str_find(line, ' ', 0);
	struct cv_str verb = cv_str_sub(line, 0, blank);
	struct cv_str args = cv_str_sub(line, CV_MIN(blank + 1, line.n), line.n);
	const struct command *c = find(verb, s->kind);

	while (args.n && args.p[args.n - 1] == ' ') /* trailing blanks are common and harmless */
		args.n--;
	if (!c)
		return smtpd_filters_unknown(s, line);
	if (c->flags & CMD_ALONE && cv_conn_in(s->conn).n) {
		smtpd_reply_put(cv_conn_out(s->conn), R_NO_WAIT);
		return CV_STEP_CLOSE;
	}
	if (c->flags & CMD_NOISE)
		s->noise++;
	if (!(c->allowed & s->state))
		return refuse(s, R_BAD_ORDER);
	if ((c->args == ARGS_NEED && !args.n) || (c->args == ARGS_NONE && args.n))
		return refuse(s, R_BAD_ARGS);
	if (c->flags & CMD_NEED_AUTH && s->kind == SMTPD_SUBMISSION && !s->authed)
		return refuse(s, s->secure ? R_NEED_AUTH : R_NEED_TLS);
	enum cv_step step;
	return smtpd_defence_admits(s, line, &step) ? c->run(s, args) : step;
}
