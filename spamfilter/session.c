/* session.c - libmilter's call-backs: they gather; judge.c decides at the end. See session.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/session.h"

#include <netinet/in.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/text/address.h"

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
	struct spam_mail *m = s->mail;

	if (!m)
		return;
	spam_dkim_stream_free(m->verifier);
	for (size_t i = 0; i < m->signer_count; i++)
		spam_dkim_stream_free(m->signers[i]);
	spam_keys_unref(s->server->keys, m->key_set);
	cv_content_free(m->content);
	cv_arena_done(&m->arena);
	free(m->fields);
	free(m);
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
	const unsigned long wanted = SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH |
				     SMFIP_NR_BODY | SMFIP_HDR_LEADSPC | SMFIP_NODATA |
				     SMFIP_NOUNKNOWN;

	(void)f2;
	(void)f3;
	s->can_edit = (actions & edits) == edits;
	s->protocol = (uint32_t)(steps & wanted);
	if (!s->can_edit)
		cv_log(s->id, CV_WARN, "mta.limited", "why=\"takes no header changes\"");
	*actions_out = actions & edits;
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
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	struct spam_session *s = session_of(ctx);

	(void)host;
	if (address && address->sa_family == AF_INET)
		memcpy(&s->client, address, sizeof(struct sockaddr_in));
	else if (address && address->sa_family == AF_INET6)
		memcpy(&s->client, address, sizeof(struct sockaddr_in6));
	if (s->client.ss_family != AF_UNSPEC)
		cv_sockaddr_text(&s->client, s->client_text, sizeof s->client_text);
	else
		snprintf(s->client_text, sizeof s->client_text, "local");
	name_ourselves(ctx, s);
	if (atomic_load(&s->server->sessions_open) > s->server->opt->threads_max) {
		cv_log(s->id, CV_WARN, "conn.refused", "why=threads_max client=%s", s->client_text);
		return SMFIS_TEMPFAIL;
	}
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

/* Some MTAs give the address without brackets. */
static bool
read_path(struct cv_str text, struct cv_path *out)
{
	unsigned flags = CV_PATH_SMTPUTF8 | CV_PATH_ALLOW_NULL | CV_PATH_POSTMASTER;

	return text.n && text.p[0] == '<' ? cv_path_parse(text, flags, out, NULL, NULL) == CV_OK
					  : cv_address_split(text, flags, out, NULL) == CV_OK;
}

static void
take_sender(struct spam_mail *m, struct cv_str argument)
{
	struct cv_buf text = CV_BUF_INIT(1024);
	struct cv_path path;

	if (!read_path(argument, &path) || path.is_null)
		return;
	m->sender = cv_arena_str(&m->arena, path.address);
	cv_path_local_text(&path, &text);
	m->sender_local = cv_arena_str(&m->arena, cv_buf_view(&text));
	cv_buf_reset(&text);
	if (!path.is_literal && cv_domain_to_ascii(path.domain, &text, NULL) == CV_OK)
		m->sender_domain = cv_arena_str(&m->arena, cv_buf_view(&text));
	cv_buf_done(&text);
}

static bool
is_submission(SMFICTX *ctx, const struct spam_session *s)
{
	return macro(ctx, "{auth_authen}") ||
	       (s->client.ss_family != AF_UNSPEC &&
		       cv_netset_has(s->server->submitters, &s->client));
}

static sfsistat
refuse_by_spf(SMFICTX *ctx, struct spam_session *s)
{
	struct cv_decision d = {
		.verdict = CV_REFUSE, .rule = "SPF.fail", .smtp_code = 550, .enhanced = "5.7.23"};

	snprintf(d.en, sizeof d.en,
		"The SPF record of %.100s does not let %s send its mail: use its own mail server.",
		s->mail->spf.domain, s->client_text);
	snprintf(d.vi, sizeof d.vi, "Máy chủ %s không được gửi thư của %.100s theo bản ghi SPF.",
		s->client_text, s->mail->spf.domain);
	return spam_refuse(ctx, s, &d);
}

static void
check_spf(struct spam_session *s)
{
	struct spam_mail *m = s->mail;
	struct spam_spf_ask ask = {
		&s->client, cv_str_z(s->helo), m->sender_local, m->sender_domain};

	if (!s->server->opt->spf || m->is_submission || s->client.ss_family == AF_UNSPEC)
		return;
	if (m->sender.n && !m->sender_domain.n) /* a literal has no record */
		return;
	spam_spf_check(s->server->spf, &ask, &m->spf);
	m->has_spf = true;
}

/* Postfix knows it only after the first recipient. */
static void
take_queue_id(SMFICTX *ctx, struct spam_mail *m)
{
	const char *id = macro(ctx, "i");

	if (!m->queue_id || id)
		m->queue_id = cv_arena_z(&m->arena, cv_str_z(id ? id : "-"));
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct spam_session *s = session_of(ctx);

	mail_free(s);
	struct spam_mail *m = s->mail = cv_calloc(1, sizeof *m);
	atomic_fetch_add(&s->server->under_way, 1);
	take_queue_id(ctx, m);
	m->is_submission = is_submission(ctx, s);
	take_sender(m, cv_str_z(argv[0]));
	check_spf(s);
	if (m->has_spf && m->spf.result == SPAM_SPF_FAIL && s->server->opt->spf_reject_fail)
		return refuse_by_spf(ctx, s);
	return SMFIS_CONTINUE;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct spam_session *s = session_of(ctx);
	struct spam_mail *m = s->mail;
	struct cv_path path;

	if (m && m->rcpt_count < SPAM_RCPTS_MAX && read_path(cv_str_z(argv[0]), &path))
		m->rcpts[m->rcpt_count++] = cv_arena_str(&m->arena, path.address);
	return go_on(s, SMFIP_NR_RCPT);
}

/* ---- message ---- */

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct spam_session *s = session_of(ctx);
	struct spam_mail *m = s->mail;
	struct cv_str n = cv_str_z(name), v = cv_str_z(value);

	if (!m)
		return go_on(s, SMFIP_NR_HDR);
	m->header_bytes += n.n + v.n + 3;
	if (m->header_bytes > CV_HEADER_BYTES_MAX || m->field_count >= CV_HEADER_FIELDS_MAX) {
		m->header_too_large = true;
		return go_on(s, SMFIP_NR_HDR);
	}
	if (m->field_count == m->field_room) {
		m->field_room = m->field_room ? m->field_room * 2 : 64;
		m->fields = cv_realloc(m->fields, m->field_room * sizeof *m->fields);
	}
	m->fields[m->field_count++] =
		(struct spam_header_field){cv_arena_str(&m->arena, n), cv_arena_str(&m->arena, v)};
	return go_on(s, SMFIP_NR_HDR);
}

static void
open_signers(struct spam_session *s)
{
	struct spam_mail *m = s->mail;
	struct spam_author author;

	if (!s->server->opt->dkim_sign)
		return;
	spam_author_read(m, &author);
	if (!author.is_plain || author.domain_count != 1) {
		cv_log(s->id, CV_INFO, "dkim.unsigned", "id=%s why=\"no plain From\"", m->queue_id);
		return;
	}
	/* A domain is ours to sign for when we hold its keys. */
	const char *domain = cv_arena_z(&m->arena, author.domain);
	m->key_set = spam_keys_get(s->server->keys, domain);
	for (size_t i = 0; m->key_set && i < m->key_set->count; i++) {
		const struct spam_key *key = &m->key_set->keys[i];
		snprintf(m->sign_names[m->signer_count], sizeof m->sign_names[0], "%.63s",
			key->selector);
		m->signers[m->signer_count++] = spam_dkim_signer(
			s->server->dkim, m->queue_id, key->pem, key->selector, domain, key->alg);
	}
}

static void
header_to(struct spam_dkim_stream *stream, const struct spam_mail *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		spam_dkim_header(stream, m->fields[i].name, m->fields[i].value);
	spam_dkim_eoh(stream);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	struct spam_session *s = session_of(ctx);
	struct spam_mail *m = s->mail;

	if (!m || m->header_too_large)
		return go_on(s, SMFIP_NR_EOH);
	take_queue_id(ctx, m);
	if (m->is_submission)
		open_signers(s);
	else if (s->server->opt->dkim_verify)
		m->verifier = spam_dkim_verifier(s->server->dkim, m->queue_id);
	if (m->verifier)
		header_to(m->verifier, m);
	for (size_t i = 0; i < m->signer_count; i++)
		header_to(m->signers[i], m);
	m->content = cv_content_new();
	for (size_t i = 0; i < m->field_count; i++)
		cv_content_header(m->content, m->fields[i].name, m->fields[i].value);
	cv_content_eoh(m->content);
	return go_on(s, SMFIP_NR_EOH);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *bytes, size_t n)
{
	struct spam_session *s = session_of(ctx);
	struct spam_mail *m = s->mail;
	struct cv_str piece = cv_str((const char *)bytes, n);

	if (!m || m->header_too_large)
		return go_on(s, SMFIP_NR_BODY);
	if (m->verifier)
		spam_dkim_body(m->verifier, piece);
	for (size_t i = 0; i < m->signer_count; i++)
		spam_dkim_body(m->signers[i], piece);
	if (m->content)
		cv_content_body(m->content, piece);
	return go_on(s, SMFIP_NR_BODY);
}

static sfsistat
on_eom(SMFICTX *ctx)
{
	struct spam_session *s = session_of(ctx);

	if (!s->mail)
		return SMFIS_CONTINUE;
	if (!s->mail->content && !s->mail->header_too_large)
		(void)on_eoh(ctx); /* a message without header end */
	sfsistat answer = spam_judge(ctx, s);
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
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
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
