/* milter.c - see milter.h.
 *
 * Each filter of a chain is a link with an outgoing connection of its own. A step goes to the first
 * link; its answer moves the chain on to the next; the last answer (or one that ends the matter) is
 * the verdict. The session's thread starts steps, the connections' workers finish them: all state
 * of a chain is under its lock, and the wake function is called after the lock is gone.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/milter.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/net/addr.h"
#include "smtpd/milter_wire.h"

#define FILTERS_MAX 8
#define MACROS_MAX  16
#define OUT_HIGH    (256u << 10)
#define BODY_MAX    (1u << 30) /* of a body that a filter writes */

struct filter {
	char name[256];
	struct sockaddr_storage addr;
	socklen_t addr_len;
};
struct smtpd_milters {
	struct cv_net *net;
	struct filter filters[FILTERS_MAX];
	unsigned count, timeout_secs;
	enum smtpd_milter_verdict dflt;
	char hostname[256], daemon_name[64];
	const char *spool_dir;
};

enum link_state {
	LINK_NONE,    /* not connected yet */
	LINK_OPENING, /* connecting or negotiating */
	LINK_READY,
	LINK_OUT,   /* said ACCEPT before MAIL: not asked again */
	LINK_FAILED /* the default action answers for it */
};

/* What is being sent of a message. */
enum phase { PHASE_NONE, PHASE_HEADER, PHASE_EOH, PHASE_BODY, PHASE_EOM };

struct link {
	struct smtpd_milter *chain;
	const struct filter *filter;
	struct cv_conn *conn;
	enum link_state state;
	uint32_t protocol;
	bool message_accepted; /* ACCEPT for this message: skipped until the next */
	bool out_at_helo; /* LINK_OUT until the next HELO, which may be another client's word */
	bool open;        /* it has a message begun and not ended */
	bool sent;        /* the present step went out; its answer is awaited */
	bool abort;       /* the transaction ended early: tell the filter */
	bool quit;        /* the session ended: tell the filter and close */
};

struct macro {
	char *name, *value;
};

struct smtpd_milter {
	atomic_uint refs; /* the session's and one for each open link */
	pthread_mutex_t lock;
	struct smtpd_milters *set;
	void (*wake)(void *arg); /* NULL once freed */
	void *arg;
	struct link links[FILTERS_MAX];
	struct macro macros[MACROS_MAX];
	/* the step under way */
	char command;         /* 'C', 'H', 'M', 'R', 'T', 'E' for the message, 0: none */
	struct cv_buf packet; /* its packet, macros apart */
	unsigned at;          /* the link that is working on it */
	enum smtpd_milter_verdict verdict;
	bool failed; /* it is the default action's */
	struct cv_buf reply;
	/* the message step */
	struct cv_spool *message;
	struct cv_str message_view;
	struct milter_header header;
	enum phase phase;
	size_t field_at, body_at;
	struct cv_str body; /* what the present link is shown of the body */
	bool body_mapped;   /* it is a map of new_body */
	struct cv_spool new_body;
	bool body_replaced;
	struct cv_buf header_out;
	char *quarantine;
	/* what the present filter asks for counts when it has said its last word: if it fails
	 * before, nothing of it stays */
	struct milter_header_copy header_before;
	struct cv_spool body_coming;
	bool body_comes, body_ends_cr;
	char *quarantine_coming;
	struct smtpd_milter_changes changes;
};

static enum cv_step link_run(struct cv_conn *c, unsigned events);
static void link_closed(struct cv_conn *c);
static void chain_advance(struct smtpd_milter *m);

static const struct cv_proto milter_proto = {
	.name = "milter",
	.in_max = MILTER_PACKET_MAX + 16,
	.out_high = OUT_HIGH,
	.idle_secs = 0,
	.run = link_run,
	.closed = link_closed,
};

/* ---- set ---- */

enum cv_status
smtpd_milters_new(struct cv_net *net, const struct smtpd_milters_options *o,
	struct smtpd_milters **out, struct cv_err *err)
{
	struct smtpd_milters *ms = cv_calloc(1, sizeof *ms);
	struct cv_str rest = cv_str_z(o->filters), word;

	ms->net = net;
	ms->timeout_secs = o->timeout_secs;
	ms->dflt = !strcmp(o->default_action, "accept")   ? SMTPD_MILTER_CONTINUE
		   : !strcmp(o->default_action, "reject") ? SMTPD_MILTER_REJECT
							  : SMTPD_MILTER_TEMPFAIL;
	snprintf(ms->hostname, sizeof ms->hostname, "%s", o->hostname);
	snprintf(ms->daemon_name, sizeof ms->daemon_name, "%s", o->daemon_name);
	ms->spool_dir = o->spool_dir;
	while (cv_str_split(&rest, ' ', &word)) {
		char text[512];
		if (!word.n)
			continue;
		struct filter *f = &ms->filters[ms->count];
		enum cv_status status = CV_OK;
		/* "inet:port@host" is how milters name sockets; ours are "host:port". */
		size_t at = cv_str_find(word, '@', 0);
		if (cv_str_has_prefix(word, "inet:") && at < word.n)
			snprintf(text, sizeof text, "%.*s:%.*s",
				CV_STR_ARGS(cv_str_sub(word, at + 1, word.n)),
				CV_STR_ARGS(cv_str_sub(word, 5, at)));
		else
			snprintf(text, sizeof text, "%.*s", CV_STR_ARGS(word));
		if (ms->count == FILTERS_MAX)
			status = cv_fail(
				err, CV_LIMIT, "at most %d filters in milters", FILTERS_MAX);
		else
			status = cv_sockaddr_parse(cv_str_z(text), &f->addr, &f->addr_len, err);
		if (status != CV_OK) {
			free(ms);
			return status;
		}
		snprintf(f->name, sizeof f->name, "%.*s", CV_STR_ARGS(word));
		ms->count++;
	}
	*out = ms;
	return CV_OK;
}

void
smtpd_milters_free(struct smtpd_milters *ms)
{
	free(ms);
}

/* ---- chain memory ---- */

static void
chain_unref(struct smtpd_milter *m)
{
	if (atomic_fetch_sub(&m->refs, 1) != 1)
		return;
	for (size_t i = 0; i < MACROS_MAX; i++) {
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
	m->wake = wake;
	m->arg = arg;
	m->verdict = SMTPD_MILTER_CONTINUE;
	cv_buf_init(&m->packet, 64u << 10);
	cv_buf_init(&m->reply, 40u << 10);
	cv_buf_init(&m->header_out, 4u << 20);
	cv_spool_init(&m->new_body, ms->spool_dir);
	cv_spool_init(&m->body_coming, ms->spool_dir);
	for (unsigned i = 0; i < ms->count; i++)
		m->links[i] = (struct link){.chain = m, .filter = &ms->filters[i]};
	smtpd_milter_macro(m, "j", ms->hostname);
	smtpd_milter_macro(m, "{daemon_name}", ms->daemon_name);
	return m;
}

void
smtpd_milter_macro(struct smtpd_milter *m, const char *name, const char *value)
{
	struct macro *free_slot = NULL;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < MACROS_MAX; i++) {
		struct macro *slot = &m->macros[i];
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

static const struct step {
	char command;
	uint32_t no, nr;
	const char *macros; /* sent with it, separated by blanks */
} steps[] = {
	{'C', MILTER_NO_CONNECT, MILTER_NR_CONNECT, "j {daemon_name}"                        },
	{'H', MILTER_NO_HELO,    MILTER_NR_HELO,    "{tls_version} {cipher}"                 },
	{'M', MILTER_NO_MAIL,    MILTER_NR_MAIL,    "i {mail_addr} {auth_type} {auth_authen}"},
	{'R', MILTER_NO_RCPT,    MILTER_NR_RCPT,    "{rcpt_addr} {rcpt_mailer}"              },
	{'T', MILTER_NO_DATA,    MILTER_NR_DATA,    "i"                                      },
	{'L', MILTER_NO_HEADER,  MILTER_NR_HEADER,  ""                                       },
	{'N', MILTER_NO_EOH,     MILTER_NR_EOH,     "i"                                      },
	{'B', MILTER_NO_BODY,    MILTER_NR_BODY,    ""                                       },
	{'E', 0,		 0,                 "i"				      },
};

static const struct step *
step_of(char command)
{
	for (size_t i = 0; i < CV_COUNT(steps); i++)
		if (steps[i].command == command)
			return &steps[i];
	return NULL;
}

static const char *
macro_value(const struct smtpd_milter *m, struct cv_str name)
{
	for (size_t i = 0; i < MACROS_MAX; i++)
		if (m->macros[i].name && cv_str_eq_z(name, m->macros[i].name))
			return m->macros[i].value;
	return NULL;
}

static void
put_macros(const struct smtpd_milter *m, const struct step *step, struct cv_buf *out)
{
	struct cv_str rest = cv_str_z(step->macros), name;
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

/* The step under way is with L. */
static bool
is_at(const struct smtpd_milter *m, const struct link *l)
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
		struct link *l = &m->links[i];
		if (l->open && l->state == LINK_READY && l->conn) {
			l->abort = true;
			cv_conn_wake(l->conn);
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
	m->body_comes = false;
	m->quarantine_coming = NULL;
}

static void
undo_changes(struct smtpd_milter *m)
{
	milter_header_restore(&m->header, &m->header_before);
	cv_spool_reset(&m->body_coming);
	m->body_comes = false;
	free(m->quarantine_coming);
	m->quarantine_coming = NULL;
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
			.any = m->header.changed || m->body_replaced || m->quarantine,
			.header = cv_buf_view(&m->header_out),
			.header_changed = m->header.changed,
			.body = m->body_replaced ? &m->new_body : NULL,
			.quarantine = m->quarantine,
		};
		if (m->header_out.full)
			m->verdict = SMTPD_MILTER_TEMPFAIL;
	}
	if (m->command == 'E')
		end_message(m);
	m->command = 0;
}

static void
link_fail(struct link *l, const char *why)
{
	if (l->state == LINK_FAILED)
		return;
	cv_log(l->conn ? cv_conn_id(l->conn) : 0, CV_WARN, "milter.failed", "filter=%s why=%s",
		l->filter->name, why);
	l->state = LINK_FAILED;
}

/* The link's answer to the present step. */
static void
answered(struct smtpd_milter *m, struct link *l, enum smtpd_milter_verdict verdict)
{
	bool accepts = verdict == SMTPD_MILTER_ACCEPT,
	     goes_on = accepts || verdict == SMTPD_MILTER_CONTINUE;

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
	} else if (accepts) {
		l->message_accepted = true;
	}
	if (m->command == 'E')
		keep_changes(m);
	m->at++;
	chain_advance(m);
}

static void
put_header_packet(const struct link *l, const struct milter_field *f, struct cv_buf *out)
{
	size_t begin = milter_packet_begin(out, 'L');
	struct cv_str value =
		cv_str_sub(f->value, 0, MILTER_CHUNK - 2 - CV_MIN(f->name.n, (size_t)1000));

	milter_put_text(out, cv_str_sub(f->name, 0, 1000));
	/* Filters without the leading-space option expect the blank behind the colon gone. */
	if (!(l->protocol & MILTER_LEADING_SPACE) && value.n && value.p[0] == ' ')
		value = cv_str_sub(value, 1, value.n);
	while (value.n) { /* folds travel as a bare LF, as with other MTAs */
		size_t crlf = cv_str_search(value, CV_STR("\r\n"));
		cv_buf_str(out, cv_str_sub(value, 0, crlf));
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
put_message(struct smtpd_milter *m, struct link *l, struct cv_buf *out)
{
	while (out->n < OUT_HIGH) {
		switch (m->phase) {
		case PHASE_HEADER:
			if (l->protocol & MILTER_NO_HEADER || m->field_at == m->header.count) {
				m->phase = PHASE_EOH;
				continue;
			}
			put_header_packet(l, &m->header.fields[m->field_at++], out);
			if (!(l->protocol & MILTER_NR_HEADER))
				return true;
			continue;
		case PHASE_EOH:
			m->phase = PHASE_BODY;
			if (!show_body(m)) {
				conclude(m, SMTPD_MILTER_TEMPFAIL);
				return true;
			}
			if (l->protocol & MILTER_NO_EOH)
				continue;
			put_macros(m, step_of('N'), out);
			milter_packet_end(out, milter_packet_begin(out, 'N'));
			if (!(l->protocol & MILTER_NR_EOH))
				return true;
			continue;
		case PHASE_BODY: {
			if (l->protocol & MILTER_NO_BODY || m->body_at >= m->body.n) {
				m->phase = PHASE_EOM;
				continue;
			}
			size_t begin = milter_packet_begin(out, 'B');
			size_t n = CV_MIN(m->body.n - m->body_at, (size_t)MILTER_CHUNK);
			cv_buf_add(out, m->body.p + m->body_at, n);
			milter_packet_end(out, begin);
			m->body_at += n;
			if (!(l->protocol & MILTER_NR_BODY))
				return true;
			continue;
		}
		case PHASE_EOM:
			hide_body(m);
			put_macros(m, step_of('E'), out);
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

/* Sends the present step on L's connection; runs on the worker that owns it. CV_STEP_MORE: call
 * again when the output has gone. */
static enum cv_step
link_send(struct smtpd_milter *m, struct link *l)
{
	struct cv_buf *out = cv_conn_out(l->conn);

	if (l->abort) {
		l->abort = false;
		milter_packet_end(out, milter_packet_begin(out, 'A'));
	}
	if (l->quit) {
		milter_packet_end(out, milter_packet_begin(out, 'Q'));
		return CV_STEP_CLOSE;
	}
	if (l->state != LINK_READY || !is_at(m, l))
		return CV_STEP_LISTEN;
	if (m->command == 'E') {
		l->open = true;
		if (m->phase == PHASE_NONE)
			return CV_STEP_LISTEN; /* all sent; the answer is awaited */
		if (l->sent)
			return CV_STEP_LISTEN; /* the answer to a header or chunk is awaited */
		if (!put_message(m, l, out))
			return CV_STEP_MORE;
		l->sent = true;
		return CV_STEP_LISTEN;
	}
	if (!l->sent) {
		const struct step *step = step_of(m->command);
		l->sent = true;
		l->open = l->open || strchr("MRT", m->command);
		put_macros(m, step, out);
		cv_buf_str(out, cv_buf_view(&m->packet));
		if (l->protocol & step->nr)
			answered(m, l, SMTPD_MILTER_CONTINUE);
	}
	return CV_STEP_LISTEN;
}

/* Moves the step to the first link, from `at`, that wants it, and starts it there. */
static void
chain_advance(struct smtpd_milter *m)
{
	const struct step *step = step_of(m->command);

	for (; m->at < m->set->count; m->at++) {
		struct link *l = &m->links[m->at];

		if (l->state == LINK_FAILED && m->set->dflt != SMTPD_MILTER_CONTINUE) {
			m->failed = true;
			conclude(m, m->set->dflt);
			return;
		}
		if (l->state == LINK_OUT || l->state == LINK_FAILED || l->message_accepted)
			continue;
		if (l->state == LINK_READY && l->protocol & step->no)
			continue;
		l->sent = false;
		m->phase = m->command == 'E' ? PHASE_HEADER : PHASE_NONE;
		m->field_at = 0;
		if (l->state == LINK_NONE) {
			struct cv_err err = {0};
			l->state = LINK_OPENING;
			atomic_fetch_add(&m->refs, 1);
			if (cv_net_connect(m->set->net, (struct sockaddr *)&l->filter->addr,
				    l->filter->addr_len, &milter_proto, l, m->set->timeout_secs,
				    &l->conn, &err) != CV_OK) {
				atomic_fetch_sub(&m->refs, 1); /* the session's is still there */
				l->conn = NULL;
				link_fail(l, err.text);
				m->at--;
				continue;
			}
			/* l->conn came with a reference, which link_closed() gives back. */
		} else if (l->state == LINK_READY) {
			cv_conn_wake(l->conn);
		}
		return;
	}
	conclude(m, SMTPD_MILTER_CONTINUE);
}

/* ---- answers ---- */

static enum cv_status
take_offer(struct link *l, struct cv_str data)
{
	struct cv_rd rd = cv_rd(data);
	uint32_t version = cv_rd_be32(&rd), actions = cv_rd_be32(&rd), protocol = cv_rd_be32(&rd);

	if (rd.bad || version < 2 || version > 6 || actions & ~(uint32_t)MILTER_OFFERED_ACTIONS ||
		protocol & ~(uint32_t)MILTER_OFFERED_PROTOCOL)
		return CV_INVALID;
	l->protocol = protocol;
	if (version < 4) /* the step is younger than such a filter */
		l->protocol |= MILTER_NO_DATA;
	l->state = LINK_READY;
	return CV_OK;
}

/* Lines of a body end in CR LF here; filters that edit text often write LF alone. */
static enum cv_status
keep_body(struct smtpd_milter *m, struct cv_str data)
{
	enum cv_status status = CV_OK;
	struct cv_err err = {0};

	if (m->body_coming.size_bytes + data.n > BODY_MAX)
		return CV_LIMIT;
	while (data.n && status == CV_OK) {
		size_t lf = cv_str_find(data, '\n', 0);
		bool bare = lf < data.n && (lf ? data.p[lf - 1] != '\r' : !m->body_ends_cr);
		struct cv_str line = cv_str_sub(data, 0, CV_MIN(lf + !bare, data.n));
		status = cv_spool_write(&m->body_coming, line, &err);
		if (bare && status == CV_OK)
			status = cv_spool_write(&m->body_coming, CV_STR("\r\n"), &err);
		data = cv_str_sub(data, CV_MIN(lf + 1, data.n), data.n);
		m->body_ends_cr = !bare && line.p[line.n - 1] == '\r';
	}
	if (status != CV_OK)
		cv_log(0, CV_ERROR, "spool.failed", "error=%s", err.text);
	return status;
}

/* Changes a filter asks for between our end of message and its verdict. */
static enum cv_status
take_change(struct smtpd_milter *m, char command, struct cv_str data)
{
	struct cv_str name, value;
	struct cv_rd rd = cv_rd(data);
	uint32_t index = 0;

	switch (command) {
	case 'i':
	case 'm':
		index = cv_rd_be32(&rd);
		data = cv_rd_take(&rd, cv_rd_left(&rd));
		/* fall through */
	case 'h':
		if (rd.bad || !milter_get_text(&data, &name) || !milter_get_text(&data, &value))
			return CV_INVALID;
		return command == 'h'   ? milter_header_add(&m->header, name, value)
		       : command == 'i' ? milter_header_insert(&m->header, index, name, value)
					: milter_header_change(&m->header, index, name, value);
	case 'b':
		if (!m->body_comes)
			m->body_ends_cr = false;
		m->body_comes = true;
		return keep_body(m, data);
	case 'q':
		if (!milter_get_text(&data, &value))
			return CV_INVALID;
		free(m->quarantine_coming);
		m->quarantine_coming = cv_str_dup(value);
		return CV_OK;
	default:
		return CV_INVALID;
	}
}

/* What a verdict byte means; false when it is none. */
static bool
verdict_of(char command, enum smtpd_milter_verdict *out)
{
	static const struct {
		char command;
		enum smtpd_milter_verdict verdict;
	} rows[] = {
		{'a', SMTPD_MILTER_ACCEPT  },
		{'c', SMTPD_MILTER_CONTINUE},
		{'d', SMTPD_MILTER_DISCARD },
		{'r', SMTPD_MILTER_REJECT  },
		{'t', SMTPD_MILTER_TEMPFAIL},
		{'4', SMTPD_MILTER_TEMPFAIL},
		{'f', SMTPD_MILTER_TEMPFAIL}
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].command == command) {
			*out = rows[i].verdict;
			return true;
		}
	return false;
}

static enum cv_status
take_packet(struct smtpd_milter *m, struct link *l, char command, struct cv_str data)
{
	enum smtpd_milter_verdict verdict;
	struct cv_str text;

	if (l->state == LINK_OPENING)
		return command == 'O' ? take_offer(l, data) : CV_INVALID;
	if (!is_at(m, l) || !l->sent)
		return CV_INVALID; /* nobody asked */
	if (command == 'p')
		return CV_OK; /* still at it: the deadline starts anew */
	/* Inside a message, CONTINUE to a header or chunk means: go on sending. */
	if (m->command == 'E' && m->phase != PHASE_NONE && (command == 'c' || command == 's')) {
		if (command == 's' && m->phase == PHASE_BODY)
			m->phase = PHASE_EOM;
		l->sent = false;
		return CV_OK;
	}
	if (m->command == 'E' && m->phase == PHASE_NONE && strchr("himbq", command))
		return take_change(m, command, data);
	if (command == 'y') {
		if (!milter_get_text(&data, &text) || !milter_reply_is_valid(text))
			return CV_INVALID;
		cv_buf_reset(&m->reply);
		cv_buf_str(&m->reply, text);
		answered(m, l, text.p[0] == '4' ? SMTPD_MILTER_TEMPFAIL : SMTPD_MILTER_REJECT);
		return CV_OK;
	}
	if (!verdict_of(command, &verdict) ||
		(verdict == SMTPD_MILTER_DISCARD && strchr("CH", m->command)))
		return CV_INVALID;
	answered(m, l, verdict);
	return CV_OK;
}

/* Takes what arrived. CV_AGAIN: all taken. */
static enum cv_status
take_input(struct smtpd_milter *m, struct link *l)
{
	for (;;) {
		struct cv_str data;
		char command;
		size_t used;
		enum cv_status status =
			milter_packet_parse(cv_conn_in(l->conn), &command, &data, &used);
		if (status == CV_OK)
			status = take_packet(m, l, command, data);
		if (status != CV_OK)
			return status;
		cv_conn_consume(l->conn, used);
	}
}

static void
send_offer(struct link *l)
{
	struct cv_buf *out = cv_conn_out(l->conn);
	size_t begin = milter_packet_begin(out, 'O');

	cv_buf_be32(out, 6);
	cv_buf_be32(out, MILTER_OFFERED_ACTIONS);
	cv_buf_be32(out, MILTER_OFFERED_PROTOCOL);
	milter_packet_end(out, begin);
	cv_conn_set_deadline(l->conn, l->chain->set->timeout_secs);
}

/* The link will not answer any more: the default action answers if an answer is due from it. */
static enum cv_step
link_gone(struct smtpd_milter *m, struct link *l, const char *why)
{
	if (!l->quit)
		link_fail(l, why);
	l->state = LINK_FAILED;
	l->open = false;
	if (is_at(m, l)) {
		if (m->command == 'E' && m->phase == PHASE_NONE && l->sent)
			undo_changes(m);
		chain_advance(m); /* looks at this link again and finds it failed */
	}
	return CV_STEP_CLOSE;
}

static enum cv_step
link_events(struct smtpd_milter *m, struct link *l, unsigned events)
{
	if (events & CV_EV_FAILED)
		return link_gone(m, l, cv_conn_error(l->conn));
	if (events & CV_EV_CONNECTED)
		send_offer(l);
	enum cv_status status = take_input(m, l);
	if (status != CV_AGAIN)
		return link_gone(m, l, "answered against the protocol");
	if (events & CV_EV_EOF)
		return link_gone(m, l, "closed the connection");
	if (events & CV_EV_TIMEOUT)
		return link_gone(m, l, "did not answer in time");
	if (l->state == LINK_OPENING && !l->quit) {
		cv_conn_set_deadline(l->conn, m->set->timeout_secs);
		return CV_STEP_LISTEN;
	}
	if (l->state == LINK_READY && is_at(m, l) && !l->sent &&
		l->protocol & step_of(m->command)->no) {
		m->at++; /* it has just told that it does without this step */
		chain_advance(m);
	}
	enum cv_step step = link_send(m, l);
	/* A deadline counts for one wait: set while an answer is due from this filter. */
	cv_conn_set_deadline(l->conn, is_at(m, l) ? m->set->timeout_secs : 0);
	return step;
}

static enum cv_step
link_run(struct cv_conn *c, unsigned events)
{
	struct link *l = cv_conn_ctx(c);
	struct smtpd_milter *m = l->chain;

	pthread_mutex_lock(&m->lock);
	if (!l->conn) { /* cv_net_connect() is still returning on another thread */
		l->conn = c;
	}
	bool was_pending = m->verdict == SMTPD_MILTER_PENDING;
	enum cv_step step = link_events(m, l, events);
	/* Under the lock, so that smtpd_milter_free() can promise that no wake comes later. */
	if (was_pending && m->verdict != SMTPD_MILTER_PENDING && m->wake)
		m->wake(m->arg);
	pthread_mutex_unlock(&m->lock);
	return step;
}

static void
link_closed(struct cv_conn *c)
{
	struct link *l = cv_conn_ctx(c);
	struct smtpd_milter *m = l->chain;

	pthread_mutex_lock(&m->lock);
	bool was_pending = m->verdict == SMTPD_MILTER_PENDING;
	if (l->state != LINK_FAILED)
		link_gone(m, l, "the connection ended");
	l->conn = NULL;
	if (was_pending && m->verdict != SMTPD_MILTER_PENDING && m->wake)
		m->wake(m->arg);
	pthread_mutex_unlock(&m->lock);
	cv_conn_unref(c);
	chain_unref(m);
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
	chain_advance(m);
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
		struct link *l = &m->links[i];
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
	m->quarantine = NULL;
	m->body_replaced = m->body_comes = false;
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
		struct link *l = &m->links[i];
		l->quit = true;
		if (l->conn)
			cv_conn_wake(l->conn);
	}
	pthread_mutex_unlock(&m->lock);
	chain_unref(m);
}
