/* milter_link.c - a link's connection: opening, reading answers, keeping it for the next session.
 *
 * Runs on the connections' workers, under the chain's lock but for the idle list.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "smtpd/milter_internal.h"

static enum cv_step peer_run(struct cv_conn *c, unsigned events);
static void peer_closed(struct cv_conn *c);

static const struct cv_proto milter_proto = {
	.name = "milter",
	.in_max = MILTER_PACKET_MAX + 16,
	.out_high = MILTER_OUT_HIGH,
	.idle_secs = 0,
	.run = peer_run,
	.closed = peer_closed,
};

/* ---- peers ---- */

/* Takes an idle peer for L; NULL when there is none. */
static struct milter_peer *
take_idle(struct milter_link *l, unsigned number)
{
	struct smtpd_milters *set = l->chain->set;

	pthread_mutex_lock(&set->lock);
	struct milter_peer *p = set->idle[number];
	if (p) {
		set->idle[number] = p->next;
		set->idle_count[number]--;
		p->next = NULL;
		p->link = l;
	}
	pthread_mutex_unlock(&set->lock);
	return p;
}

/* Lets go of P's link. With KEEP it waits for the next session, unless enough do. True: it waits.
 */
static bool
release(struct milter_peer *p, bool keep)
{
	struct smtpd_milters *set = p->set;

	pthread_mutex_lock(&set->lock);
	p->link = NULL;
	keep = keep && set->idle_count[p->number] < MILTER_IDLE_MAX;
	if (keep) {
		p->next = set->idle[p->number];
		set->idle[p->number] = p;
		set->idle_count[p->number]++;
	}
	pthread_mutex_unlock(&set->lock);
	return keep;
}

/* P's link. GONE: the connection ends; without a link nobody shall find it any more. */
static struct milter_link *
link_of(struct milter_peer *p, bool gone)
{
	struct smtpd_milters *set = p->set;

	pthread_mutex_lock(&set->lock);
	struct milter_link *l = p->link;
	if (!l && gone)
		for (struct milter_peer **at = &set->idle[p->number]; *at; at = &(*at)->next)
			if (*at == p) {
				*at = p->next;
				set->idle_count[p->number]--;
				break;
			}
	pthread_mutex_unlock(&set->lock);
	return l;
}

enum cv_status
milter_link_open(struct milter_link *l, struct cv_err *err)
{
	struct smtpd_milter *m = l->chain;
	unsigned number = (unsigned)(l - m->links);
	struct milter_peer *p = l->filter->reuse ? take_idle(l, number) : NULL;

	l->used_before = p != NULL;
	l->heard = false;
	l->steps = 0;
	if (p) {
		atomic_fetch_add(&m->refs, 1);
		l->peer = p;
		l->state = LINK_READY;
		return CV_OK;
	}
	p = cv_calloc(1, sizeof *p);
	p->set = m->set;
	p->number = number;
	p->link = l;
	l->peer = p;
	l->state = LINK_OPENING;
	atomic_fetch_add(&m->refs, 1);
	atomic_fetch_add(&m->set->refs, 1);
	enum cv_status status = cv_net_connect(m->set->net,
		(const struct sockaddr *)&l->filter->addr, l->filter->addr_len, &milter_proto, p,
		l->filter->connect_secs, &p->conn, err);
	if (status != CV_OK) {
		l->peer = NULL;
		atomic_fetch_sub(&m->refs, 1); /* the session's is still there */
		atomic_fetch_sub(&m->set->refs, 1);
		free(p);
	}
	return status;
}

/* ---- answers ---- */

static enum cv_status
take_offer(struct smtpd_milter *m, struct milter_link *l, struct cv_str data)
{
	enum cv_status status = milter_offer_parse(data, &l->peer->offer);

	if (status == CV_OK)
		milter_link_is_ready(m, l);
	return status;
}

/* Lines of a body end in CR LF here; filters that edit text often write LF alone. */
static enum cv_status
keep_body(struct smtpd_milter *m, struct cv_str data)
{
	enum cv_status status = CV_OK;
	struct cv_err err = {0};

	if (m->body_coming.size_bytes + data.n > MILTER_BODY_MAX)
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

static enum cv_status
keep_envelope(struct smtpd_milter *m, char command, struct cv_str data)
{
	struct milter_envelope_change change;
	enum cv_status status = milter_envelope_parse(command, data, &change);

	if (status != CV_OK)
		return status;
	if (m->envelope_count == MILTER_ENVELOPE_MAX)
		return CV_LIMIT;
	if (m->envelope_count == m->envelope_room) {
		m->envelope_room = m->envelope_room ? 2 * m->envelope_room : 8;
		m->envelope = cv_realloc(m->envelope, m->envelope_room * sizeof *m->envelope);
	}
	change.address = cv_arena_str(&m->envelope_arena, change.address);
	change.params = cv_arena_str(&m->envelope_arena, change.params);
	m->envelope[m->envelope_count++] = change;
	return CV_OK;
}

/* Only what the filter said in its offer it might do. */
static bool
may_change(const struct milter_link *l, char command)
{
	static const struct {
		char command;
		uint32_t action;
	} rows[] = {
		{'h', MILTER_ADD_HEADER                       },
		{'i', MILTER_ADD_HEADER | MILTER_CHANGE_HEADER},
		{'m', MILTER_CHANGE_HEADER                    },
		{'b', MILTER_CHANGE_BODY                      },
		{'q', MILTER_QUARANTINE                       },
		{'+', MILTER_ADD_RCPT                         },
		{'2', MILTER_ADD_RCPT_PAR                     },
		{'-', MILTER_DEL_RCPT                         },
		{'e', MILTER_CHANGE_FROM                      },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].command == command)
			return l->peer->offer.actions & rows[i].action;
	return false;
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
		if (cv_str_ieq_z(name, "X-Congvu-Verdict") && cv_str_trim(value).n) {
			free(m->field_verdict_coming);
			m->field_verdict_coming = cv_str_dup(value);
		}
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
		return keep_envelope(m, command, data);
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
take_packet(struct smtpd_milter *m, struct milter_link *l, char command, struct cv_str data)
{
	enum smtpd_milter_verdict verdict;
	struct cv_str text;

	if (l->state == LINK_OPENING)
		return command == 'O' ? take_offer(m, l, data) : CV_INVALID;
	l->heard = true;
	if (!milter_is_at(m, l) || !l->sent)
		return CV_INVALID; /* nobody asked */
	if (command == 'p')
		return CV_OK; /* still at it: the deadline starts anew */
	/* Inside a message, CONTINUE to a header or chunk means: go on sending. */
	if (m->command == 'E' && m->phase != PHASE_NONE && (command == 'c' || command == 's')) {
		if (command == 's' && m->phase == PHASE_BODY)
			m->phase = PHASE_EOM;
		l->sent = l->due = false;
		return CV_OK;
	}
	if (m->command == 'E' && m->phase == PHASE_NONE && strchr("himbq+2-e", command))
		return may_change(l, command) ? take_change(m, command, data) : CV_INVALID;
	if (command == 'y') {
		if (!milter_get_text(&data, &text) || !milter_reply_is_valid(text))
			return CV_INVALID;
		cv_buf_reset(&m->reply);
		cv_buf_str(&m->reply, text);
		l->due = false;
		milter_answered(
			m, l, text.p[0] == '4' ? SMTPD_MILTER_TEMPFAIL : SMTPD_MILTER_REJECT);
		return CV_OK;
	}
	if (!verdict_of(command, &verdict) ||
		(verdict == SMTPD_MILTER_DISCARD && strchr("CHU", m->command)))
		return CV_INVALID;
	l->due = false;
	milter_answered(m, l, verdict);
	return CV_OK;
}

/* Takes what arrived. CV_AGAIN: all taken. */
static enum cv_status
take_input(struct smtpd_milter *m, struct milter_link *l)
{
	struct cv_conn *c = l->peer->conn;

	for (;;) {
		struct cv_str data;
		char command;
		size_t used;
		enum cv_status status = milter_packet_parse(cv_conn_in(c), &command, &data, &used);
		if (status == CV_OK)
			status = take_packet(m, l, command, data);
		if (status != CV_OK)
			return status;
		cv_conn_consume(c, used);
	}
}

static void
send_offer(struct milter_peer *p)
{
	struct cv_buf *out = cv_conn_out(p->conn);
	size_t begin = milter_packet_begin(out, 'O');

	cv_buf_be32(out, 6);
	cv_buf_be32(out, MILTER_OFFERED_ACTIONS);
	cv_buf_be32(out, MILTER_OFFERED_PROTOCOL);
	milter_packet_end(out, begin);
}

/* ---- the end of a link ---- */

/* The peer was kept from another session and its filter closed it meanwhile: nothing is lost yet,
 * the step goes to another connection. */
static bool
may_start_again(const struct smtpd_milter *m, const struct milter_link *l)
{
	return l->used_before && !l->heard && l->steps <= 1 && !l->quit && milter_is_at(m, l);
}

/* The link will not answer any more: the default action answers if an answer is due from it. */
static enum cv_step
link_gone(struct smtpd_milter *m, struct milter_link *l, const char *why, bool *detached_out)
{
	if (may_start_again(m, l)) {
		release(l->peer, false);
		*detached_out = true;
		l->peer = NULL;
		l->state = LINK_NONE;
		milter_chain_advance(m);
		return CV_STEP_CLOSE;
	}
	if (!l->quit)
		milter_link_fail(l, why);
	l->state = LINK_FAILED;
	l->open = false;
	if (milter_is_at(m, l)) {
		if (m->command == 'E' && m->phase == PHASE_NONE && l->sent)
			milter_undo_changes(m);
		milter_chain_advance(m); /* looks at this link again and finds it failed */
	}
	return CV_STEP_CLOSE;
}

/* The session is over: says so, and keeps the connection where that is wanted and safe. */
static enum cv_step
link_quits(struct milter_link *l, bool *detached_out)
{
	struct milter_peer *p = l->peer;
	struct cv_buf *out = cv_conn_out(p->conn);
	bool keep = l->filter->reuse && !l->due && p->offer.version >= 6 &&
		    (l->state == LINK_READY || l->state == LINK_OUT);

	milter_packet_end(out, milter_packet_begin(out, keep ? 'K' : 'Q'));
	l->peer = NULL;
	l->state = LINK_FAILED;
	*detached_out = true;
	cv_conn_set_deadline(p->conn, MILTER_IDLE_SECS);
	return release(p, keep) ? CV_STEP_LISTEN : CV_STEP_CLOSE;
}

/* ---- events ---- */

static unsigned
patience(const struct smtpd_milter *m, const struct milter_link *l)
{
	if (!milter_is_at(m, l))
		return 0;
	return m->command == 'E' ? l->filter->message_secs : l->filter->step_secs;
}

static enum cv_step
link_events(struct smtpd_milter *m, struct milter_link *l, unsigned events, bool *detached_out)
{
	struct cv_conn *c = l->peer->conn;
	bool awaited = l->state == LINK_OPENING || l->due;

	if (events & CV_EV_FAILED)
		return link_gone(m, l, cv_conn_error(c), detached_out);
	if (events & CV_EV_CONNECTED)
		send_offer(l->peer);
	enum cv_status status = take_input(m, l);
	if (status != CV_AGAIN)
		return link_gone(m, l, "answered against the protocol", detached_out);
	if (events & CV_EV_EOF)
		return link_gone(m, l, "closed the connection", detached_out);
	/* Without an answer due it is the limit of an idle connection that was taken just then. */
	if (events & CV_EV_KILLED || (events & CV_EV_TIMEOUT && awaited))
		return link_gone(m, l, "did not answer in time", detached_out);
	if (l->state == LINK_OPENING && !l->quit) {
		cv_conn_set_deadline(c, l->filter->connect_secs);
		return CV_STEP_LISTEN;
	}
	enum cv_step step = milter_link_send(m, l);
	if (l->quit)
		return link_quits(l, detached_out);
	/* A deadline counts for one wait: set while an answer is due from this filter. */
	cv_conn_set_deadline(c, patience(m, l));
	return step;
}

/* Nothing is to come on an idle connection but its end. */
static enum cv_step
idle_events(struct milter_peer *p, unsigned events)
{
	if (events & (CV_EV_EOF | CV_EV_FAILED | CV_EV_TIMEOUT) || cv_conn_in(p->conn).n)
		return CV_STEP_CLOSE;
	cv_conn_set_deadline(p->conn, MILTER_IDLE_SECS);
	return CV_STEP_LISTEN;
}

static enum cv_step
peer_run(struct cv_conn *c, unsigned events)
{
	struct milter_peer *p = cv_conn_ctx(c);
	enum cv_step idle_step = idle_events(p, events);
	struct milter_link *l = link_of(p, idle_step == CV_STEP_CLOSE);
	bool detached = false;

	if (!l)
		return idle_step;
	struct smtpd_milter *m = l->chain;
	pthread_mutex_lock(&m->lock);
	bool was_pending = m->verdict == SMTPD_MILTER_PENDING;
	enum cv_step step = link_events(m, l, events, &detached);
	/* Under the lock, so that smtpd_milter_free() can promise that no wake comes later. */
	if (was_pending && m->verdict != SMTPD_MILTER_PENDING && m->wake)
		m->wake(m->arg);
	pthread_mutex_unlock(&m->lock);
	if (detached)
		milter_chain_unref(m);
	return step;
}

static void
peer_closed(struct cv_conn *c)
{
	struct milter_peer *p = cv_conn_ctx(c);
	struct milter_link *l = link_of(p, true);

	if (l) {
		struct smtpd_milter *m = l->chain;
		bool detached = false;
		pthread_mutex_lock(&m->lock);
		bool was_pending = m->verdict == SMTPD_MILTER_PENDING;
		if (l->state != LINK_FAILED)
			link_gone(m, l, "the connection ended", &detached);
		if (!detached)
			l->peer = NULL;
		if (was_pending && m->verdict != SMTPD_MILTER_PENDING && m->wake)
			m->wake(m->arg);
		pthread_mutex_unlock(&m->lock);
		milter_chain_unref(m);
	}
	struct smtpd_milters *set = p->set;
	cv_conn_unref(c);
	free(p);
	milter_set_unref(set);
}
