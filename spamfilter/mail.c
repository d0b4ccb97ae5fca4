/* mail.c - see mail.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/mail.h"

#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/address.h"
#include "spamfilter/walk/walk.h"

struct spam_mail *
spam_mail_new(struct spam_server *server, uint64_t id)
{
	struct spam_mail *m = cv_calloc(1, sizeof *m);

	m->server = server;
	m->id = id;
	m->main = server->main;
	m->opt = server->opt;
	m->policy = spam_policy_hold(server);
	m->queue_id = "-";
	m->client_name = m->helo = m->authserv_id = m->login = "";
	snprintf(m->client_text, sizeof m->client_text, "local");
	spam_lookups_start(&m->lookups, server->dns);
	m->lookups.wait_us = (int64_t)m->opt->message_secs * 1000000;
	spam_mail_budget(m);
	/* A reload may have changed it. */
	atomic_store(&server->bodies.max_bytes, (uint64_t)m->opt->bodies_max);
	spam_body_init(&m->body, server->is_alone ? NULL : m->main->stats_dir, &server->bodies);
	return m;
}

void
spam_mail_free(struct spam_mail *m)
{
	if (!m)
		return;
	spam_dkim_stream_free(m->verifier);
	spam_arc_free(m->auth.chain);
	for (size_t i = 0; i < m->signer_count; i++)
		spam_dkim_stream_free(m->signers[i]);
	spam_lookups_end(&m->lookups);
	if (m->key_set)
		spam_keys_unref(m->server->keys, m->key_set);
	cv_content_free(m->content);
	spam_walk_free(m->walk);
	spam_body_done(&m->body);
	if (m->snap)
		cv_snapshot_unref(m->snap);
	spam_policy_release(m->policy);
	cv_arena_done(&m->arena);
	free(m->fields);
	free(m);
}

/* ---- where it comes from ---- */

static const char *
copy(struct spam_mail *m, const char *text)
{
	return text ? cv_arena_z(&m->arena, cv_str_z(text)) : "";
}

void
spam_mail_client(struct spam_mail *m, const struct sockaddr_storage *addr, const char *name,
	const char *helo)
{
	if (addr && addr->ss_family != AF_UNSPEC) {
		m->client = *addr;
		cv_sockaddr_text(&m->client, m->client_text, sizeof m->client_text);
	}
	m->client_name = copy(m, name);
	m->helo = copy(m, helo);
}

void
spam_mail_queue_id(struct spam_mail *m, const char *id)
{
	m->queue_id = copy(m, id);
}

void
spam_mail_login(struct spam_mail *m, const char *name)
{
	m->login = cv_arena_z(&m->arena, cv_str_z(name));
}

void
spam_mail_authserv(struct spam_mail *m, const char *name)
{
	m->authserv_id = copy(m, name);
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

void
spam_mail_from(struct spam_mail *m, struct cv_str text)
{
	struct cv_buf word = CV_BUF_INIT(1024);
	struct cv_path path;

	if (!read_path(text, &path) || path.is_null)
		return;
	m->sender = cv_arena_str(&m->arena, path.address);
	cv_path_local_text(&path, &word);
	m->sender_local = cv_arena_str(&m->arena, cv_buf_view(&word));
	cv_buf_reset(&word);
	if (!path.is_literal && cv_domain_to_ascii(path.domain, &word, NULL) == CV_OK)
		m->sender_domain = cv_arena_str(&m->arena, cv_buf_view(&word));
	cv_buf_done(&word);
}

void
spam_mail_rcpt(struct spam_mail *m, struct cv_str text)
{
	struct cv_path path;

	if (m->rcpt_count < SPAM_RCPTS_MAX && read_path(text, &path))
		m->rcpts[m->rcpt_count++] = cv_arena_str(&m->arena, path.address);
}

/* ---- message ---- */

void
spam_mail_header(struct spam_mail *m, struct cv_str name, struct cv_str value)
{
	m->header_bytes += name.n + value.n + 3;
	if (m->header_bytes > CV_HEADER_BYTES_MAX || m->field_count >= CV_HEADER_FIELDS_MAX) {
		m->header_too_large = true;
		return;
	}
	if (m->field_count == m->field_room) {
		m->field_room = m->field_room ? m->field_room * 2 : 64;
		m->fields = cv_realloc(m->fields, m->field_room * sizeof *m->fields);
	}
	m->fields[m->field_count++] = (struct spam_header_field){
		cv_arena_str(&m->arena, name), cv_arena_str(&m->arena, value)};
}

static void
open_signers(struct spam_mail *m)
{
	struct spam_server *s = m->server;
	struct spam_author author;

	if (!m->opt->dkim_sign)
		return;
	spam_author_read(m, &author);
	if (!author.is_plain || author.domain_count != 1) {
		cv_log(m->id, CV_INFO, "dkim.unsigned", "id=%s why=\"no plain From\"", m->queue_id);
		return;
	}
	/* A domain is ours to sign for when we hold its keys. */
	const char *domain = cv_arena_z(&m->arena, author.domain);
	m->key_set = spam_keys_get(s->keys, domain);
	for (size_t i = 0; m->key_set && i < m->key_set->count; i++) {
		const struct spam_key *key = &m->key_set->keys[i];
		snprintf(m->sign_names[m->signer_count], sizeof m->sign_names[0], "%.63s",
			key->selector);
		m->signers[m->signer_count++] =
			spam_dkim_signer(key->key, key->selector, domain);
	}
}

static void
header_to(struct spam_dkim_stream *stream, const struct spam_mail *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		spam_dkim_header(stream, m->fields[i].name, m->fields[i].value);
	spam_dkim_eoh(stream);
}

static void
open_verifiers(struct spam_mail *m)
{
	if (m->opt->dkim_verify)
		m->verifier = spam_dkim_verifier(&m->lookups);
	if (!m->opt->arc)
		return;
	struct sig_field *fields = CV_ARENA_ARRAY(&m->arena, struct sig_field, m->field_count);
	for (size_t i = 0; i < m->field_count; i++)
		fields[i] = (struct sig_field){m->fields[i].name, m->fields[i].value};
	m->auth.chain = spam_arc_begin(&m->lookups, fields, m->field_count);
}

void
spam_mail_eoh(struct spam_mail *m)
{
	if (m->header_ended)
		return;
	m->header_ended = true;
	if (m->header_too_large)
		return;
	if (m->is_submission)
		open_signers(m);
	else
		open_verifiers(m);
	if (m->verifier)
		header_to(m->verifier, m);
	for (size_t i = 0; i < m->signer_count; i++)
		header_to(m->signers[i], m);
	if (!m->opt->examine_content)
		return;
	m->content = cv_content_new();
	for (size_t i = 0; i < m->field_count; i++)
		cv_content_header(m->content, m->fields[i].name, m->fields[i].value);
	cv_content_eoh(m->content);
}

void
spam_mail_body(struct spam_mail *m, struct cv_str bytes)
{
	if (m->header_too_large)
		return;
	spam_body_add(&m->body, bytes);
	if (m->verifier)
		spam_dkim_body(m->verifier, bytes);
	if (m->auth.chain)
		spam_arc_body(m->auth.chain, bytes);
	for (size_t i = 0; i < m->signer_count; i++)
		spam_dkim_body(m->signers[i], bytes);
	if (m->content)
		cv_content_body(m->content, bytes);
}

/* ---- budgets ---- */

static int64_t
thread_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
spam_mail_budget(struct spam_mail *m)
{
	m->deadline_ms = cv_mono_ms() + (int64_t)m->opt->message_secs * 1000;
	m->cpu_end_us = thread_cpu_us() + (int64_t)m->opt->message_cpu_ms * 1000;
}

bool
spam_mail_is_costly(struct spam_mail *m)
{
	if (!spam_has(m, SPAM_RULE_TOO_COSTLY) && thread_cpu_us() > m->cpu_end_us)
		spam_found(m, SPAM_RULE_TOO_COSTLY, "more than %lld ms",
			(long long)m->opt->message_cpu_ms);
	return spam_has(m, SPAM_RULE_TOO_COSTLY);
}

unsigned
spam_mail_wait_ms(const struct spam_mail *m)
{
	int64_t left_ms = m->deadline_ms - cv_mono_ms();

	return left_ms > 0 ? (unsigned)left_ms : 0;
}

/* ---- reading it ---- */

void
spam_mail_message(struct spam_mail *m, struct cv_str message)
{
	struct cv_header_scan scan;
	struct cv_field f;

	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &f))
		if (!memchr(f.value.p ? f.value.p : "", '\0', f.value.n))
			spam_mail_header(m, f.name, f.value);
	m->header_too_large |= scan.end == CV_HEADER_TOO_LARGE;
	spam_mail_eoh(m);
	spam_mail_body(m, cv_str_sub(message, cv_header_body_at(message), message.n));
}

const struct spam_header_field *
spam_mail_field(const struct spam_mail *m, const char *name, size_t nth)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (cv_str_ieq_z(m->fields[i].name, name) && !nth--)
			return &m->fields[i];
	return NULL;
}
