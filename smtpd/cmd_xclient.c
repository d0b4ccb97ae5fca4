/* cmd_xclient.c - XCLIENT: a trusted front end says for whom it speaks; the session begins anew.
 *
 * Who may is decided when the connection is made, by the peer of then. Afterwards everything treats
 * the named client as the peer: limits, lists, filters, trace, log. TLS stays as it is, since it is
 * the front end's.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>

#include "common/base/log.h"
#include "smtpd/defence.h"
#include "smtpd/session.h"

static void
set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

/* An address that was named and is not known leaves none: what is nobody's is nobody's friend. */
static void
apply_addresses(struct smtpd_session *s, const struct smtpd_xclient *x)
{
	struct sockaddr_storage peer = *cv_conn_peer(s->conn), local = *cv_conn_local(s->conn);

	if (x->named & XCLIENT_ADDR)
		peer = x->addr;
	if (x->known & XCLIENT_PORT)
		set_port(&peer, x->port);
	if (x->known & XCLIENT_DESTADDR)
		local = x->dest;
	if (x->known & XCLIENT_DESTPORT)
		set_port(&local, x->dest_port);
	cv_conn_set_peer(s->conn, &peer);
	cv_conn_set_local(s->conn, &local);
}

/* Whoever was logged in is so no more, unless the front end says who is. False: nobody has that
 * address. */
static bool
apply_login(struct smtpd_session *s, const struct smtpd_xclient *x)
{
	struct cv_reg_hit hit = {.found = CV_REG_NONE};

	s->authed = false;
	s->login[0] = s->sasl_name[0] = '\0';
	s->acct = 0;
	if (!(x->known & XCLIENT_LOGIN))
		return true;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	cv_snapshot_find_address(snap, cv_str_z(x->login), &hit);
	cv_snapshot_unref(snap);
	if (hit.found != CV_REG_ACCOUNT || hit.account.state != CV_STATE_ACTIVE)
		return false;
	s->authed = true;
	s->acct = hit.account.acct;
	snprintf(s->login, sizeof s->login, "%s", x->login);
	snprintf(s->sasl_name, sizeof s->sasl_name, "XCLIENT");
	return true;
}

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_session_refuse(s, reply);
	return CV_STEP_DONE;
}

enum cv_step
smtpd_cmd_xclient(struct smtpd_session *s, struct cv_str args)
{
	struct smtpd_xclient x;

	if (!s->guard.may_xclient)
		return refuse(s, R_NO_XCLIENT);
	if (!smtpd_xclient_parse(args, &x))
		return refuse(s, R_BAD_ARGS);
	if (x.known & XCLIENT_LOGIN && (!s->server->opt->xclient_login ||
					       s->kind != SMTPD_SUBMISSION))
		return refuse(s, R_NO_XCLIENT);
	if (!apply_login(s, &x))
		return refuse(s, R_AUTH_FAIL);
	apply_addresses(s, &x);
	s->helo[0] = '\0';
	s->extended = x.known & XCLIENT_PROTO ? x.extended : false;
	if (x.known & XCLIENT_HELO)
		snprintf(s->helo, sizeof s->helo, "%s", x.helo);
	s->errors = s->noise = 0;
	cv_log(cv_conn_id(s->conn), CV_INFO, "smtp.xclient", "peer=%s name=%s helo=%s account=%s",
		cv_conn_peer_text(s->conn), x.name, x.helo, s->authed ? s->login : "-");
	if (!cv_conn_recount(s->conn)) {
		smtpd_reply_put(cv_conn_out(s->conn), R_MANY_CONNS);
		return CV_STEP_CLOSE;
	}
	smtpd_defence_open(s, &x);
	return smtpd_session_begin(s);
}
