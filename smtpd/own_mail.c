/* own_mail.c - see own_mail.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/own_mail.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/text/address.h"
#include "common/text/header.h"
#include "smtpd/envelope.h"
#include "smtpd/milter.h"
#include "smtpd/outbound.h"

#define SUBMIT_BYTES_MAX (20u << 20)
#define SUBMIT_LIFE_SECS 86400u

/* ---- the filters, one step after another ---- */

struct chain {
	pthread_mutex_t lock;   /* rank: below the filters' own, under which wake() is called */
	pthread_cond_t woken;
	bool is_woken;
	struct smtpd_milter *milter;
	const atomic_bool *stop;
};

static void
wake(void *arg)
{
	struct chain *c = arg;

	pthread_mutex_lock(&c->lock);
	c->is_woken = true;
	pthread_cond_signal(&c->woken);
	pthread_mutex_unlock(&c->lock);
}

static void
wait_a_little(struct chain *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&c->lock);
	if (!c->is_woken)
		pthread_cond_timedwait(&c->woken, &c->lock, &until);
	c->is_woken = false;
	pthread_mutex_unlock(&c->lock);
}

/* The filters answer or fail within their own time limits. They are asked without our lock: who
 * wakes us holds theirs. */
static enum smtpd_milter_verdict
verdict(struct chain *c)
{
	enum smtpd_milter_verdict v;

	while ((v = smtpd_milter_verdict(c->milter)) == SMTPD_MILTER_PENDING &&
		!atomic_load(c->stop))
		wait_a_little(c);
	return v;
}

static void
tell_connect(struct chain *c, const struct smtpd_own_mail *m)
{
	struct sockaddr_storage here = { 0 };
	struct sockaddr_in *in = (void *)&here;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	smtpd_milter_macro(c->milter, "i", m->id);
	smtpd_milter_macro(c->milter, "{auth_authen}", m->author);
	smtpd_milter_macro(c->milter, "{auth_type}", "internal");
	smtpd_milter_connect(c->milter, "localhost", &here);
}

static enum smtpd_milter_verdict
tell_all(struct chain *c, struct smtpd_server *server, const struct smtpd_own_mail *m,
	struct cv_spool *message)
{
	struct cv_buf path = CV_BUF_INIT(600);
	enum smtpd_milter_verdict v;

	tell_connect(c, m);
	v = verdict(c);
	if (v == SMTPD_MILTER_CONTINUE) {
		smtpd_milter_helo(c->milter, cv_str_z(server->main->hostname));
		v = verdict(c);
	}
	if (v == SMTPD_MILTER_CONTINUE) {
		cv_buf_printf(&path, "<%s>", m->sender);
		smtpd_milter_mail(c->milter, cv_buf_view(&path), CV_STR_EMPTY);
		v = verdict(c);
	}
	if (v == SMTPD_MILTER_CONTINUE) {
		cv_buf_reset(&path);
		cv_buf_printf(&path, "<%s>", m->rcpt);
		smtpd_milter_rcpt(c->milter, cv_buf_view(&path), CV_STR_EMPTY);
		v = verdict(c);
	}
	if (v == SMTPD_MILTER_CONTINUE) {
		smtpd_milter_data(c->milter);
		v = verdict(c);
	}
	if (v == SMTPD_MILTER_CONTINUE) {
		smtpd_milter_message(c->milter, message);
		v = verdict(c);
	}
	cv_buf_done(&path);
	return v;
}

/* The header as the filters left it goes into *HEADER_OUT; empty when they did not change it. Our
 * own words are not for filters to rewrite: changes of the body are refused. */
static enum cv_status
filter(struct smtpd_server *server, const struct smtpd_own_mail *m, struct cv_spool *message,
	const atomic_bool *stop, struct cv_buf *header_out, struct cv_err *err)
{
	struct chain c = { .lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER,
		.stop = stop };
	enum cv_status status = CV_OK;

	/* The filters of what staff submit: ours is signed by the same. */
	struct smtpd_milters *filters = server->milters[SMTPD_SUBMISSION];
	if (!filters)
		return CV_OK;
	c.milter = smtpd_milter_new(filters, wake, &c);
	enum smtpd_milter_verdict v = tell_all(&c, server, m, message);
	if (v == SMTPD_MILTER_PENDING || v == SMTPD_MILTER_TEMPFAIL)
		status = cv_fail(err, CV_TEMPFAIL, "the filters do not answer");
	else if (v != SMTPD_MILTER_CONTINUE)
		status = cv_fail(err, CV_DENIED, "a filter refuses it");
	else {
		const struct smtpd_milter_changes *changes = smtpd_milter_changes(c.milter);
		if (changes->body || changes->quarantine)
			status = cv_fail(err, CV_DENIED, "a filter would change it");
		else if (changes->header_changed)
			cv_buf_str(header_out, changes->header);
	}
	smtpd_milter_free(c.milter);
	return status;
}

/* ---- the queue ---- */

static enum cv_status
find_rcpt(struct smtpd_server *server, const struct smtpd_own_mail *m, cv_acct_id *local_out,
	struct cv_err *err)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_hit hit;

	cv_snapshot_find_address(snap, cv_str_z(m->rcpt), &hit);
	*local_out = hit.found == CV_REG_ACCOUNT ? hit.account.acct : 0;
	bool known = hit.found == CV_REG_NOT_OURS
		|| (hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED);
	cv_snapshot_unref(snap);
	return known ? CV_OK : cv_fail(err, CV_NOT_FOUND, "there is no mailbox %s", m->rcpt);
}

static enum cv_status
put(struct smtpd_server *server, const struct smtpd_own_mail *m, cv_acct_id local_acct,
	struct cv_spool *message, struct cv_err *err)
{
	int64_t now = cv_wall_secs();
	struct cv_queue_rcpt rcpt = { .address = cv_str_z(m->rcpt), .notify = CV_NOTIFY_NEVER,
		.local_acct = local_acct, .next_secs = now };
	struct cv_queue_msg msg = { .delivery_id = cv_str_z(m->id), .sender = cv_str_z(m->sender),
		.smtputf8 = smtpd_envelope_has_8bit(rcpt.address),
		.tls_optional = m->tls_optional, .body_kind = CV_BODY_7BIT, .arrived_secs = now,
		.expires_secs = now + m->life_secs, .rcpt_count = 1, .rcpts = &rcpt };
	char path[400];

	/* A header field with an address beyond ASCII. */
	if (smtpd_envelope_has_8bit(m->text))
		msg.body_kind = CV_BODY_8BITMIME;
	cv_ticket ticket;

	snprintf(path, sizeof path, "Return-Path: <%s>\r\n", m->sender);
	enum cv_status status = cv_queue_put(server->queue, &msg,
		local_acct ? cv_str_z(path) : CV_STR_EMPTY, message, &ticket, err);
	if (status == CV_OK)
		cv_ticket_block(cv_queue_engine(server->queue), ticket);
	return status;
}

enum cv_status
smtpd_own_mail_send(struct smtpd_server *server, const struct smtpd_own_mail *m,
	const atomic_bool *stop, struct cv_err *err)
{
	struct cv_buf header = CV_BUF_INIT(1u << 20);
	struct cv_spool message, final;
	cv_acct_id local_acct;

	enum cv_status status = find_rcpt(server, m, &local_acct, err);
	if (status != CV_OK)
		return status;
	cv_spool_init(&message, server->spool_dir);
	cv_spool_init(&final, server->spool_dir);
	status = cv_spool_write(&message, m->text, err);
	if (status == CV_OK)
		status = filter(server, m, &message, stop, &header, err);
	if (status == CV_OK && header.n) {
		size_t body_at = cv_header_body_at(m->text);
		status = cv_spool_write(&final, cv_buf_view(&header), err);
		if (status == CV_OK)
			status = cv_spool_write(
				&final, cv_str_sub(m->text, body_at, m->text.n), err);
	}
	if (status == CV_OK)
		status = put(server, m, local_acct, header.n ? &final : &message, err);
	cv_spool_done(&message);
	cv_spool_done(&final);
	cv_buf_done(&header);
	return status;
}

/* ---- the control socket ---- */

static bool
is_of_ours(struct smtpd_server *server, struct cv_str address)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_path path;
	bool ours = cv_address_split(address, 0, &path, NULL) == CV_OK &&
		cv_snapshot_has_domain(snap, path.domain);

	cv_snapshot_unref(snap);
	return ours;
}

enum cv_status
smtpd_own_mail_do(struct smtpd_server *server, json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	static const atomic_bool never;
	const char *sender = json_string_value(json_object_get(request, "sender"));
	const char *rcpt = json_string_value(json_object_get(request, "rcpt"));
	json_t *text = json_object_get(request, "text");
	char id[40];

	if (!sender || !rcpt || !json_is_string(text) ||
		!cv_address_is_valid(cv_str_z(rcpt), 0))
		return cv_fail(err, CV_INVALID, "sender, rcpt and text are needed");
	if (!is_of_ours(server, cv_str_z(sender)))
		return cv_fail(err, CV_DENIED, "%s is of none of our domains", sender);
	if (json_string_length(text) > SUBMIT_BYTES_MAX)
		return cv_fail(err, CV_LIMIT, "the text is too large");
	snprintf(id, sizeof id, "f%llx%08llx", (unsigned long long)cv_wall_ms(),
		(unsigned long long)cv_random_u64() & 0xffffffff);
	struct smtpd_own_mail m = { .sender = sender, .author = sender, .rcpt = rcpt,
		.text = cv_str(json_string_value(text), json_string_length(text)),
		.life_secs = SUBMIT_LIFE_SECS, .id = id };
	enum cv_status status = smtpd_own_mail_send(server, &m, &never, err);
	if (status != CV_OK)
		return status;
	smtpd_outbound_kick(server->outbound);
	*reply_out = json_pack("{s:s}", "id", id);
	return CV_OK;
}
