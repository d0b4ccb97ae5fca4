/* milter.c - see milter.h: the chain, its steps and what filters make of a message.
 *
 * A step goes to the first link; its answer moves the chain on to the next; the last answer (or one
 * that ends the matter) is the verdict. The session's thread starts steps, the connections' workers
 * (milter_link.c) finish them: all state of a chain is under its lock, and the wake function is
 * called under it too, so that none comes after smtpd_milter_free().
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/milter.h"

#include <netinet/in.h>

#include "common/base/log.h"
#include "common/net/addr.h"
#include "smtpd/milter_internal.h"

/* ---- set ---- */

enum cv_status
smtpd_milters_new(struct cv_net *net, const struct smtpd_milters_options *o,
	struct smtpd_milters **out, struct cv_err *err)
{
	struct smtpd_milters *ms = cv_calloc(1, sizeof *ms);
	struct cv_filter dflt = {.connect_secs = o->timeout_secs,
		.step_secs = o->timeout_secs,
		.message_secs = o->timeout_secs};

	atomic_init(&ms->refs, 1);
	pthread_mutex_init(&ms->lock, NULL);
	ms->net = net;
	snprintf(ms->hostname, sizeof ms->hostname, "%s", o->hostname);
	ms->spool_dir = cv_strdup(o->spool_dir);
	enum cv_status status = CV_OK;
	if (!cv_filter_failure_parse(cv_str_z(o->default_action), &dflt.on_failure))
		status = cv_fail(err, CV_INVALID,
			"milter_default_action is '%s', not accept, tempfail or reject",
			o->default_action);
	if (status == CV_OK)
		status =
			cv_filters_parse(cv_str_z(o->filters), &dflt, ms->filters, &ms->count, err);
	for (unsigned i = 0; i < ms->count && status == CV_OK; i++)
		status = cv_filter_resolve(&ms->filters[i], err);
	if (status != CV_OK || !ms->count) {
		smtpd_milters_free(ms);
		ms = NULL;
	}
	*out = ms;
	return status;
}

void
milter_set_unref(struct smtpd_milters *set)
{
	if (atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&set->lock);
	free(set->spool_dir);
	free(set);
}

void
smtpd_milters_free(struct smtpd_milters *ms)
{
	if (ms)
		milter_set_unref(ms);
}

/* ---- chain memory ---- */

void
milter_chain_unref(struct smtpd_milter *m)
{
	if (atomic_fetch_sub(&m->refs, 1) != 1)
		return;
	for (size_t i = 0; i < MILTER_MACROS_MAX; i++) {
		free(m->macros[i].name);
		free(m->macros[i].value);
	}
	cv_buf_done(&m->packet);
	cv_buf_done(&m->reply);
	cv_buf_done(&m->header_out);
	milter_header_done(&m->header);
	cv_spool_done(&m->new_body);
	cv_spool_done(&m->body_coming);
	free(m->header_before.fields);
	free(m->quarantine);
	free(m->quarantine_coming);
	free(m->field_verdict);
	free(m->field_verdict_coming);
	free(m->envelope);
	cv_arena_done(&m->envelope_arena);
	milter_set_unref(m->set);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct smtpd_milter *
smtpd_milter_new(struct smtpd_milters *ms, void (*wake)(void *arg), void *arg)
{
	struct smtpd_milter *m = cv_calloc(1, sizeof *m);

	atomic_init(&m->refs, 1);
	pthread_mutex_init(&m->lock, NULL);
	m->set = ms;
	atomic_fetch_add(&ms->refs, 1);
	m->wake = wake;
	m->arg = arg;
	m->verdict = SMTPD_MILTER_CONTINUE;
	cv_buf_init(&m->packet, 64u << 10);
	cv_buf_init(&m->reply, 40u << 10);
	cv_buf_init(&m->header_out, 4u << 20);
	cv_spool_init(&m->new_body, ms->spool_dir);
	cv_spool_init(&m->body_coming, ms->spool_dir);
	for (unsigned i = 0; i < ms->count; i++)
		m->links[i] = (struct milter_link){.chain = m, .filter = &ms->filters[i]};
	smtpd_milter_macro(m, "j", ms->hostname);
	return m;
}

void
smtpd_milter_macro(struct smtpd_milter *m, const char *name, const char *value)
{
	struct milter_macro *free_slot = NULL;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < MILTER_MACROS_MAX; i++) {
		struct milter_macro *slot = &m->macros[i];
		if (slot->name && !strcmp(slot->name, name)) {
			free(slot->value);
			slot->value = value ? cv_strdup(value) : NULL;
			free_slot = NULL;
			value = NULL;
			break;
		}
		if (!slot->name && !free_slot)
			free_slot = slot;
	}
	if (free_slot && value) {
		free_slot->name = cv_strdup(name);
		free_slot->value = cv_strdup(value);
	}
	pthread_mutex_unlock(&m->lock);
}

enum smtpd_milter_verdict
smtpd_milter_verdict(const struct smtpd_milter *m)
{
	pthread_mutex_lock((pthread_mutex_t *)&m->lock);
	enum smtpd_milter_verdict verdict = m->verdict;
	pthread_mutex_unlock((pthread_mutex_t *)&m->lock);
	return verdict;
}

const char *
smtpd_milter_reply(const struct smtpd_milter *m)
{
	return m->reply.n ? m->reply.p : NULL;
}

bool
smtpd_milter_has_failed(const struct smtpd_milter *m)
{
	return m->failed;
}

const struct smtpd_milter_changes *
smtpd_milter_changes(const struct smtpd_milter *m)
{
	return &m->changes;
}

/* ---- steps: all below runs under the chain's lock ---- */

#define TLS_MACROS "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} "
#define MAIL_MACROS                                                                                \
	"i {auth_type} {auth_authen} {auth_ssf} {auth_author} {mail_mailer} {mail_host} "          \
	"{mail_addr} "

static const struct milter_step steps[] = {
	{'C', MILTER_NO_CONNECT, MILTER_NR_CONNECT, MILTER_AT_CONNECT,
	 "j v _ {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} {client_addr} "
		"{client_name} {client_port} {client_ptr} "                        },
	{'H', MILTER_NO_HELO,    MILTER_NR_HELO,    MILTER_AT_HELO,    TLS_MACROS  },
	{'M', MILTER_NO_MAIL,    MILTER_NR_MAIL,    MILTER_AT_MAIL,    MAIL_MACROS },
	{'R', MILTER_NO_RCPT,    MILTER_NR_RCPT,    MILTER_AT_RCPT,
	 "{rcpt_mailer} {rcpt_host} {rcpt_addr}"                                   },
	{'T', MILTER_NO_DATA,    MILTER_NR_DATA,    MILTER_AT_DATA,    "i"         },
	{'U', MILTER_NO_UNKNOWN, MILTER_NR_UNKNOWN, -1,                ""          },
	{'L', MILTER_NO_HEADER,  MILTER_NR_HEADER,  -1,                ""          },
	{'N', MILTER_NO_EOH,     MILTER_NR_EOH,     MILTER_AT_EOH,     "i"         },
	{'B', MILTER_NO_BODY,    MILTER_NR_BODY,    -1,                ""          },
	{'E', 0,		 0,                 MILTER_AT_EOM,     "i {msg_id}"},
};

const struct milter_step *
milter_step_of(char command)
{
	for (size_t i = 0; i < CV_COUNT(steps); i++)
		if (steps[i].command == command)
			return &steps[i];
	cv_die("no milter step '%c'", command);
}

static const char *
macro_value(const struct smtpd_milter *m, struct cv_str name)
{
	for (size_t i = 0; i < MILTER_MACROS_MAX; i++)
		if (m->macros[i].name && cv_str_eq_z(name, m->macros[i].name))
			return m->macros[i].value;
	return NULL;
}

static void
put_macros(const struct smtpd_milter *m, const struct milter_link *l,
	const struct milter_step *step, struct cv_buf *out)
{
	const struct milter_offer *offer = &l->peer->offer;
	struct cv_str rest = cv_str_z(step->macros), name;

	if (step->stage < 0)
		return;
	if (offer->has_macros[step->stage])
		rest = cv_str_z(offer->macros[step->stage]);
	size_t begin = milter_packet_begin(out, 'D');
	cv_buf_c(out, step->command);
	while (cv_str_split(&rest, ' ', &name)) {
		const char *value = name.n ? macro_value(m, name) : NULL;
		if (!value)
			continue;
		milter_put_text(out, name);
		milter_put_text(out, cv_str_z(value));
	}
	milter_packet_end(out, begin);
}

bool
milter_is_at(const struct smtpd_milter *m, const struct milter_link *l)
{
	return m->command && m->at < m->set->count && &m->links[m->at] == l;
}

static void
hide_body(struct smtpd_milter *m)
{
	if (m->body_mapped)
		cv_spool_unmap(&m->new_body, m->body);
	m->body_mapped = false;
	m->body = CV_STR_EMPTY;
}

static void
end_message(struct smtpd_milter *m)
{
	hide_body(m);
	if (m->message_view.p && m->message)
		cv_spool_unmap(m->message, m->message_view);
	m->message_view = CV_STR_EMPTY;
	m->message = NULL;
	m->phase = PHASE_NONE;
}

/* Filters that are in the middle of the message hear that it is over. */
static void
abort_open(struct smtpd_milter *m)
{
	for (unsigned i = 0; i < m->set->count; i++) {
		struct milter_link *l = &m->links[i];
		if (l->open && l->state == LINK_READY && l->peer) {
			l->abort = true;
			cv_conn_wake(l->peer->conn);
		}
		l->open = false;
	}
}

/* What the present filter asked for becomes part of the message, or nothing of it does. */
static void
keep_changes(struct smtpd_milter *m)
{
	if (m->body_comes) {
		cv_spool_done(&m->new_body);
		m->new_body = m->body_coming;
		cv_spool_init(&m->body_coming, m->set->spool_dir);
		m->body_replaced = true;
	}
	if (m->quarantine_coming) {
		free(m->quarantine);
		m->quarantine = m->quarantine_coming;
	}
	if (m->field_verdict_coming) {
		free(m->field_verdict);
		m->field_verdict = m->field_verdict_coming;
	}
	m->body_comes = false;
	m->quarantine_coming = m->field_verdict_coming = NULL;
	m->envelope_before = m->envelope_count;
}

void
milter_undo_changes(struct smtpd_milter *m)
{
	milter_header_restore(&m->header, &m->header_before);
	m->envelope_count = m->envelope_before;
	cv_spool_reset(&m->body_coming);
	m->body_comes = false;
	free(m->quarantine_coming);
	free(m->field_verdict_coming);
	m->quarantine_coming = m->field_verdict_coming = NULL;
}

/* The chain's answer is known; the caller wakes the session. */
static void
conclude(struct smtpd_milter *m, enum smtpd_milter_verdict verdict)
{
	m->verdict = verdict;
	if (verdict != SMTPD_MILTER_CONTINUE && strchr("MTE", m->command))
		abort_open(m);
	if (m->command == 'E' && verdict == SMTPD_MILTER_CONTINUE) {
		cv_buf_reset(&m->header_out);
		if (m->header.changed)
			milter_header_write(&m->header, &m->header_out);
		m->changes = (struct smtpd_milter_changes){
			.header = cv_buf_view(&m->header_out),
			.header_changed = m->header.changed,
			.body = m->body_replaced ? &m->new_body : NULL,
			.quarantine = m->quarantine,
			.verdict = m->field_verdict,
			.envelope = m->envelope,
			.envelope_count = m->envelope_count,
		};
		if (m->header_out.full)
			m->verdict = SMTPD_MILTER_TEMPFAIL;
	}
	if (m->command == 'E')
		end_message(m);
	m->command = 0;
}

void
milter_link_fail(struct milter_link *l, const char *why)
{
	if (l->state == LINK_FAILED)
		return;
	cv_log(l->peer ? cv_conn_id(l->peer->conn) : 0, CV_WARN, "milter.failed",
		"filter=%s why=%s", l->filter->name, why);
	l->state = LINK_FAILED;
}

void
milter_answered(struct smtpd_milter *m, struct milter_link *l, enum smtpd_milter_verdict verdict)
{
	bool accepts = verdict == SMTPD_MILTER_ACCEPT,
	     goes_on = accepts || verdict == SMTPD_MILTER_CONTINUE;

	if (m->rejected) { /* refused already: nobody asked */
		m->at++;
		milter_chain_advance(m);
		return;
	}
	if (m->command == 'E' || (strchr("MRT", m->command) && accepts) ||
		(strchr("MT", m->command) && !goes_on))
		l->open = false; /* the filter has ended the message itself */
	if (!goes_on) {
		conclude(m, verdict);
		return;
	}
	if (accepts && strchr("CH", m->command)) {
		l->state = LINK_OUT;
		l->out_at_helo = m->command == 'H';
	} else if (accepts && m->command != 'U') {
		l->message_accepted = true;
	}
	if (m->command == 'E')
		keep_changes(m);
	m->at++;
	milter_chain_advance(m);
}

static void
put_header_packet(const struct milter_link *l, const struct milter_field *f, struct cv_buf *out)
{
	size_t begin = milter_packet_begin(out, 'L');
	struct cv_str value =
		cv_str_sub(f->value, 0, l->peer->offer.chunk - 2 - CV_MIN(f->name.n, (size_t)1000));

	milter_put_text(out, cv_str_sub(f->name, 0, 1000));
	/* Filters without the leading-space option expect the blank behind the colon gone. */
	if (!(l->peer->offer.protocol & MILTER_LEADING_SPACE) && value.n && value.p[0] == ' ')
		value = cv_str_sub(value, 1, value.n);
	while (value.n) { /* folds travel as a bare LF, as with other MTAs */
		size_t crlf = cv_str_search(value, CV_STR("\r\n"));
		milter_put_bytes(out, cv_str_sub(value, 0, crlf));
		if (crlf >= value.n)
			break;
		cv_buf_c(out, '\n');
		value = cv_str_sub(value, crlf + 2, value.n);
	}
	cv_buf_c(out, '\0');
	milter_packet_end(out, begin);
}

/* The next link sees the message's own body, or what an earlier filter made of it. */
static bool
show_body(struct smtpd_milter *m)
{
	struct cv_err err = {0};

	hide_body(m);
	m->body_at = 0;
	if (!m->body_replaced) {
		m->body = cv_str_sub(m->message_view, m->header.body_at, m->message_view.n);
		return true;
	}
	m->body_mapped = cv_spool_map(&m->new_body, &m->body, &err) == CV_OK;
	if (!m->body_mapped)
		cv_log(0, CV_ERROR, "spool.failed", "error=%s", err.text);
	return m->body_mapped;
}

/* Writes message packets until an answer is due or the output is full. True: an answer is due. */
static bool
put_message(struct smtpd_milter *m, struct milter_link *l, struct cv_buf *out)
{
	while (out->n < MILTER_OUT_HIGH) {
		switch (m->phase) {
		case PHASE_HEADER:
			if (l->peer->offer.protocol & MILTER_NO_HEADER ||
				m->field_at == m->header.count) {
				m->phase = PHASE_EOH;
				continue;
			}
			if (!m->header.fields[m->field_at].name.n) {
				m->field_at++; /* ": x" ends the talk with most filters */
				continue;
			}
			put_header_packet(l, &m->header.fields[m->field_at++], out);
			if (!(l->peer->offer.protocol & MILTER_NR_HEADER))
				return true;
			continue;
		case PHASE_EOH:
			m->phase = PHASE_BODY;
			if (!show_body(m)) {
				conclude(m, SMTPD_MILTER_TEMPFAIL);
				return true;
			}
			if (l->peer->offer.protocol & MILTER_NO_EOH)
				continue;
			put_macros(m, l, milter_step_of('N'), out);
			milter_packet_end(out, milter_packet_begin(out, 'N'));
			if (!(l->peer->offer.protocol & MILTER_NR_EOH))
				return true;
			continue;
		case PHASE_BODY: {
			if (l->peer->offer.protocol & MILTER_NO_BODY || m->body_at >= m->body.n) {
				m->phase = PHASE_EOM;
				continue;
			}
			size_t begin = milter_packet_begin(out, 'B');
			size_t n = CV_MIN(m->body.n - m->body_at, (size_t)l->peer->offer.chunk);
			cv_buf_add(out, m->body.p + m->body_at, n);
			milter_packet_end(out, begin);
			m->body_at += n;
			if (!(l->peer->offer.protocol & MILTER_NR_BODY))
				return true;
			continue;
		}
		case PHASE_EOM:
			hide_body(m);
			put_macros(m, l, milter_step_of('E'), out);
			milter_packet_end(out, milter_packet_begin(out, 'E'));
			m->phase = PHASE_NONE;
			milter_header_save(&m->header, &m->header_before);
			return true;
		default:
			return true;
		}
	}
	return false;
}

enum cv_step
milter_link_send(struct smtpd_milter *m, struct milter_link *l)
{
	struct cv_buf *out = cv_conn_out(l->peer->conn);

	if (l->abort) {
		l->abort = false;
		milter_packet_end(out, milter_packet_begin(out, 'A'));
	}
	if (l->state != LINK_READY || !milter_is_at(m, l))
		return CV_STEP_LISTEN;
	if (m->command == 'E') {
		l->open = true;
		if (m->phase == PHASE_NONE)
			return CV_STEP_LISTEN; /* all sent; the answer is awaited */
		if (l->sent)
			return CV_STEP_LISTEN; /* the answer to a header or chunk is awaited */
		if (!put_message(m, l, out))
			return CV_STEP_MORE;
		l->sent = l->due = true;
		return CV_STEP_LISTEN;
	}
	if (!l->sent) {
		const struct milter_step *step = milter_step_of(m->command);
		l->sent = true;
		l->due = !(l->peer->offer.protocol & step->nr);
		l->open = l->open || strchr("MRT", m->command);
		put_macros(m, l, step, out);
		cv_buf_str(out, cv_buf_view(&m->packet));
		if (!l->due)
			milter_answered(m, l, SMTPD_MILTER_CONTINUE);
	}
	return CV_STEP_LISTEN;
}

/* Is L to hear of the present step? Known only once it has negotiated. */
static bool
wants_step(const struct smtpd_milter *m, const struct milter_link *l)
{
	uint32_t protocol = l->peer->offer.protocol;

	return !(protocol & milter_step_of(m->command)->no) &&
	       (!m->rejected || protocol & MILTER_RCPT_REJ);
}

void
milter_chain_advance(struct smtpd_milter *m)
{
	for (; m->at < m->set->count; m->at++) {
		struct milter_link *l = &m->links[m->at];

		if (l->state == LINK_FAILED && l->filter->on_failure != CV_FILTER_ACCEPT &&
			!m->rejected) {
			m->failed = true;
			conclude(m, l->filter->on_failure == CV_FILTER_REJECT
					    ? SMTPD_MILTER_REJECT
					    : SMTPD_MILTER_TEMPFAIL);
			return;
		}
		if (l->state == LINK_OUT || l->state == LINK_FAILED || l->message_accepted)
			continue;
		l->sent = false;
		m->phase = m->command == 'E' ? PHASE_HEADER : PHASE_NONE;
		m->field_at = 0;
		if (l->state == LINK_NONE) {
			struct cv_err err = {0};
			if (milter_link_open(l, &err) != CV_OK) {
				milter_link_fail(l, err.text);
				m->at--;
				continue;
			}
		}
		if (l->state == LINK_READY) {
			if (!wants_step(m, l))
				continue;
			l->steps++;
			cv_conn_wake(l->peer->conn);
		}
		return;
	}
	conclude(m, SMTPD_MILTER_CONTINUE);
}

void
milter_link_is_ready(struct smtpd_milter *m, struct milter_link *l)
{
	l->state = LINK_READY;
	if (milter_is_at(m, l))
		milter_chain_advance(m);
}

/* ---- the session's side ---- */

static void
start(struct smtpd_milter *m, char command)
{
	m->command = command;
	m->verdict = SMTPD_MILTER_PENDING;
	m->at = 0;
	m->failed = false;
	cv_buf_reset(&m->reply);
	milter_chain_advance(m);
	if (m->verdict != SMTPD_MILTER_PENDING && m->wake)
		m->wake(m->arg);
	pthread_mutex_unlock(&m->lock);
}

/* Locks, and starts the packet of a step. */
static size_t
begin(struct smtpd_milter *m, char command)
{
	pthread_mutex_lock(&m->lock);
	assert(m->command == 0);
	m->rejected = false;
	cv_buf_reset(&m->packet);
	return milter_packet_begin(&m->packet, command);
}

void
smtpd_milter_connect(
	struct smtpd_milter *m, const char *hostname, const struct sockaddr_storage *peer)
{
	size_t at = begin(m, 'C');
	char text[128];
	unsigned port = cv_sockaddr_port(peer);

	milter_put_text(&m->packet, cv_str_z(hostname));
	cv_sockaddr_text(peer, text, sizeof text);
	if (peer->ss_family == AF_UNIX) {
		cv_buf_c(&m->packet, 'U');
	} else {
		cv_buf_c(&m->packet, strchr(text, ':') ? '6' : '4');
		cv_buf_be16(&m->packet, (uint16_t)port);
		if (strchr(text, ':'))
			cv_buf_z(&m->packet, "IPv6:");
		milter_put_text(&m->packet, cv_str_z(text));
	}
	milter_packet_end(&m->packet, at);
	start(m, 'C');
}

void
smtpd_milter_helo(struct smtpd_milter *m, struct cv_str name)
{
	size_t at = begin(m, 'H');

	for (unsigned i = 0; i < m->set->count; i++) {
		struct milter_link *l = &m->links[i];
		l->message_accepted = false;
		if (l->state == LINK_OUT && l->out_at_helo)
			l->state = LINK_READY;
	}
	milter_put_text(&m->packet, name);
	milter_packet_end(&m->packet, at);
	start(m, 'H');
}

/* The path, then each parameter, as texts of their own. */
static void
put_envelope(struct smtpd_milter *m, struct cv_str path, struct cv_str params)
{
	struct cv_str word;

	milter_put_text(&m->packet, path);
	while (cv_str_split(&params, ' ', &word))
		if (word.n)
			milter_put_text(&m->packet, word);
}

void
smtpd_milter_mail(struct smtpd_milter *m, struct cv_str sender, struct cv_str params)
{
	size_t at = begin(m, 'M');

	for (unsigned i = 0; i < m->set->count; i++)
		m->links[i].message_accepted = false;
	put_envelope(m, sender, params);
	milter_packet_end(&m->packet, at);
	start(m, 'M');
}

void
smtpd_milter_rcpt(struct smtpd_milter *m, struct cv_str rcpt, struct cv_str params)
{
	size_t at = begin(m, 'R');

	put_envelope(m, rcpt, params);
	milter_packet_end(&m->packet, at);
	start(m, 'R');
}

bool
smtpd_milter_wants_rejected(struct smtpd_milter *m)
{
	bool wants = false;

	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < m->set->count; i++) {
		const struct milter_link *l = &m->links[i];
		wants = wants || (l->state == LINK_READY && !l->message_accepted &&
					 l->peer->offer.protocol & MILTER_RCPT_REJ);
	}
	pthread_mutex_unlock(&m->lock);
	return wants;
}

void
smtpd_milter_rcpt_rejected(struct smtpd_milter *m, struct cv_str rcpt, struct cv_str params)
{
	size_t at = begin(m, 'R');

	m->rejected = true;
	put_envelope(m, rcpt, params);
	milter_packet_end(&m->packet, at);
	start(m, 'R');
}

void
smtpd_milter_unknown(struct smtpd_milter *m, struct cv_str line)
{
	size_t at = begin(m, 'U');

	milter_put_text(&m->packet, line);
	milter_packet_end(&m->packet, at);
	start(m, 'U');
}

void
smtpd_milter_data(struct smtpd_milter *m)
{
	milter_packet_end(&m->packet, begin(m, 'T'));
	start(m, 'T');
}

void
smtpd_milter_message(struct smtpd_milter *m, struct cv_spool *message)
{
	struct cv_err err = {0};

	begin(m, 'E');
	milter_header_done(&m->header);
	free(m->quarantine);
	free(m->field_verdict);
	m->quarantine = m->field_verdict = NULL;
	m->body_replaced = m->body_comes = false;
	m->envelope_count = m->envelope_before = 0;
	cv_arena_reset(&m->envelope_arena);
	m->changes = (struct smtpd_milter_changes){0};
	m->command = 'E';
	if (cv_spool_map(message, &m->message_view, &err) != CV_OK) {
		conclude(m, SMTPD_MILTER_TEMPFAIL);
		m->wake(m->arg);
		pthread_mutex_unlock(&m->lock);
		return;
	}
	m->message = message;
	milter_header_read(&m->header, m->message_view);
	start(m, 'E');
}

/* An idle session keeps nothing of the message before. */
static void
forget_message(struct smtpd_milter *m)
{
	m->changes = (struct smtpd_milter_changes){0};
	milter_header_done(&m->header);
	free(m->header_before.fields);
	m->header_before = (struct milter_header_copy){0};
	cv_buf_done(&m->header_out);
	cv_spool_done(&m->new_body);
	cv_spool_done(&m->body_coming);
	m->body_replaced = m->body_comes = false;
	free(m->envelope);
	m->envelope = NULL;
	m->envelope_count = m->envelope_before = m->envelope_room = 0;
	cv_arena_done(&m->envelope_arena);
}

/* Every filter forgets the message; the next MAIL starts afresh. */
void
smtpd_milter_abort(struct smtpd_milter *m)
{
	pthread_mutex_lock(&m->lock);
	end_message(m);
	forget_message(m);
	m->command = 0;
	m->verdict = SMTPD_MILTER_CONTINUE;
	abort_open(m);
	pthread_mutex_unlock(&m->lock);
}

void
smtpd_milter_free(struct smtpd_milter *m)
{
	pthread_mutex_lock(&m->lock);
	m->wake = NULL;
	end_message(m);
	m->command = 0;
	for (unsigned i = 0; i < m->set->count; i++) {
		struct milter_link *l = &m->links[i];
		l->quit = true;
		if (l->peer)
			cv_conn_wake(l->peer->conn);
	}
	pthread_mutex_unlock(&m->lock);
	milter_chain_unref(m);
}
