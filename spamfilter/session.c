/* session.c - libmilter's call-backs: they gather into a spam_mail; judge.c decides at the end,
 * edit.c carries it out. See session.h. */
/* SPDX-License-Identifier: MPL-2.0 */

#include "spamfilter/session.h"

#include <netinet/in.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spamfilter/edit.h"
#include "spamfilter/judge.h"

/* libmilter hands call-backs nothing but its own context. */
static struct spam_server *server;

static const char *
macro(SMFICTX *ctx, const char *name)
{
	char text[64];

	snprintf(text, sizeof text, "%s", name);
	const char *value = smfi_getsymval(ctx, text);
	return value && *value ? value : NULL;
}

/* The answer to a step the MTA may not wait for. */
static sfsistat
go_on(const struct spam_session *s, uint32_t no_reply)
{
	return s->protocol & no_reply ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* ---- memory ---- */

static void
mail_free(struct spam_session *s)
{
	if (!s->mail)
		return;
	spam_mail_free(s->mail);
	s->mail = NULL;
	atomic_fetch_sub(&s->server->under_way, 1);
}

static struct spam_session *
session_of(SMFICTX *ctx)
{
	struct spam_session *s = smfi_getpriv(ctx);

	if (s)
		return s;
	s = cv_calloc(1, sizeof *s);
	s->server = server;
	s->id = atomic_fetch_add(&server->sessions, 1) + 1;
	s->can_edit = true;
	atomic_fetch_add(&server->sessions_open, 1);
	if (smfi_setpriv(ctx, s) != MI_SUCCESS)
		cv_die("libmilter keeps no context");
	return s;
}

/* ---- connection ---- */

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2,
	unsigned long f3, unsigned long *actions_out, unsigned long *steps_out,
	unsigned long *f2_out, unsigned long *f3_out)
{
	struct spam_session *s = session_of(ctx);
	const unsigned long edits = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
	const unsigned long optional = SMFIF_QUARANTINE;
	const unsigned long wanted = SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH |
				     SMFIP_NR_BODY | SMFIP_HDR_LEADSPC | SMFIP_NODATA |
				     SMFIP_NOUNKNOWN;

	(void)f2;
	(void)f3;
	s->can_edit = (actions & edits) == edits;
	s->protocol = (uint32_t)(steps & wanted);
	if (!s->can_edit)
		cv_log(s->id, CV_WARN, "mta.limited", "why=\"takes no header changes\"");
	s->can_quarantine = actions & SMFIF_QUARANTINE;
	*actions_out = actions & (edits | optional);
	*steps_out = s->protocol;
	*f2_out = 0;
	*f3_out = 0;
	return SMFIS_CONTINUE;
}

static void
name_ourselves(SMFICTX *ctx, struct spam_session *s)
{
	const struct spam_server *v = s->server;
	const char *j = macro(ctx, "j");
	char host[256] = "localhost";

	(void)gethostname(host, sizeof host - 1);
	const char *name = v->opt->authserv_id[0] ? v->opt->authserv_id
			   : !v->is_alone         ? v->main->hostname
			   : j                    ? j
						  : host;
	snprintf(s->authserv_id, sizeof s->authserv_id, "%s", name);
}

static sfsistat
turn_away(struct spam_session *s)
{
	const char *action = s->server->opt->overload_action;

	atomic_fetch_add(&s->server->turned_away, 1);
	cv_log(s->id, CV_WARN, "conn.refused", "why=threads_max client=%s action=%s",
		s->client_text, action);
	return !strcmp(action, "accept") ? SMFIS_ACCEPT : SMFIS_TEMPFAIL;
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	struct spam_session *s = session_of(ctx);

	snprintf(s->client_name, sizeof s->client_name, "%s", host ? host : "");
	if (address && address->sa_family == AF_INET)
		memcpy(&s->client, address, sizeof(struct sockaddr_in));
	else if (address && address->sa_family == AF_INET6)
		memcpy(&s->client, address, sizeof(struct sockaddr_in6));
	if (s->client.ss_family != AF_UNSPEC)
		cv_sockaddr_text(&s->client, s->client_text, sizeof s->client_text);
	else
		snprintf(s->client_text, sizeof s->client_text, "local");
	name_ourselves(ctx, s);
	if (atomic_load(&s->server->sessions_open) > s->server->opt->threads_max)
		return turn_away(s);
	return SMFIS_CONTINUE;
}

static sfsistat
on_helo(SMFICTX *ctx, char *name)
{
	struct spam_session *s = session_of(ctx);

	snprintf(s->helo, sizeof s->helo, "%s", name ? name : "");
	return go_on(s, SMFIP_NR_HELO);
}

/* ---- envelope ---- */

static bool
is_submission(SMFICTX *ctx, const struct spam_session *s)
{
	return macro(ctx, "{auth_authen}") ||
	       (s->client.ss_family != AF_UNSPEC &&
		       cv_netset_has(s->server->submitters, &s->client));
}

/* Postfix knows it only after the first recipient. */
static void
take_queue_id(SMFICTX *ctx, struct spam_mail *m)
{
	const char *id = macro(ctx, "i");

	if (id)
		spam_mail_queue_id(m, id);
}

/* May be called at the end of the message alone. */
static void
tell_progress(void *ctx)
{
	(void)smfi_progress(ctx);
}

/* With overload_action accept a message beyond bodies_max is judged by its beginning. */
static bool
is_full(struct spam_server *v)
{
	return atomic_load(&v->bodies.used_bytes) >= v->opt->bodies_max &&
	       strcmp(v->opt->overload_action, "accept") != 0;
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct spam_session *s = session_of(ctx);

	mail_free(s);
	if (is_full(s->server))
		return spam_refuse(ctx, s, &spam_busy);
	struct spam_mail *m = s->mail = spam_mail_new(s->server, s->id);
	atomic_fetch_add(&s->server->under_way, 1);
	spam_mail_client(m, &s->client, s->client_name, s->helo);
	spam_mail_authserv(m, s->authserv_id);
	take_queue_id(ctx, m);
	m->is_submission = is_submission(ctx, s);
	if (macro(ctx, "{auth_authen}"))
		spam_mail_login(m, macro(ctx, "{auth_authen}"));
	spam_mail_from(m, cv_str_z(argv[0]));
	return spam_judge_sender(m) ? spam_refuse(ctx, s, &m->verdict.refusal) : SMFIS_CONTINUE;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct spam_session *s = session_of(ctx);

	if (s->mail)
		spam_mail_rcpt(s->mail, cv_str_z(argv[0]));
	return go_on(s, SMFIP_NR_RCPT);
}

/* ---- message ---- */

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct spam_session *s = session_of(ctx);

	if (s->mail)
		spam_mail_header(s->mail, cv_str_z(name), cv_str_z(value));
	return go_on(s, SMFIP_NR_HDR);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	struct spam_session *s = session_of(ctx);

	if (s->mail) {
		take_queue_id(ctx, s->mail);
		spam_mail_eoh(s->mail);
	}
	return go_on(s, SMFIP_NR_EOH);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *bytes, size_t n)
{
	struct spam_session *s = session_of(ctx);

	if (s->mail)
		spam_mail_body(s->mail, cv_str((const char *)bytes, n));
	return go_on(s, SMFIP_NR_BODY);
}

static sfsistat
on_eom(SMFICTX *ctx)
{
	struct spam_session *s = session_of(ctx);
	struct spam_mail *m = s->mail;

	if (!m)
		return SMFIS_CONTINUE;
	take_queue_id(ctx, m);
	m->progress = tell_progress;
	m->progress_arg = ctx;
	spam_judge(m);
	sfsistat answer = spam_carry_out(ctx, s);
	spam_judged(m);
	mail_free(s);
	return answer;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	mail_free(session_of(ctx));
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct spam_session *s = smfi_getpriv(ctx);

	if (!s)
		return SMFIS_CONTINUE;
	mail_free(s);
	atomic_fetch_sub(&s->server->sessions_open, 1);
	free(s);
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

bool
spam_session_register(struct spam_server *s)
{
	static char name[] = "congvu-spamfilter";
	struct smfiDesc filter = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_eom,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	server = s;
	return smfi_register(filter) == MI_SUCCESS;
}
