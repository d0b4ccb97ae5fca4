/* outbound_local.c - queued recipients that live in our own store: mail that came while the store
 * was away, and reports to our own people.
 *
 * They travel under the message's delivery id, so a delivery that had worked after all changes
 * nothing (S7).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "smtpd/outbound_internal.h"
#include "smtpd/verdict.h"

#define LOCAL_RETRY_MAX_SECS 60

static enum cv_status
spool_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return cv_spool_write(arg, bytes, err);
}

/* What became of one box, in the words of a reply. */
static const struct {
	enum cv_status result;
	enum smtpd_fate fate;
	const char *status, *text;
} fates[] = {
	{ CV_OK, SMTPD_SENT, "2.0.0", "delivered to the mailbox" },
	{ CV_OVERQUOTA, SMTPD_LATER, "4.2.2", "the mailbox is full" },
	{ CV_NOT_FOUND, SMTPD_FAILED, "5.1.1", "there is no such mailbox" },
	{ CV_LIMIT, SMTPD_FAILED, "5.3.4", "the message is larger than the store takes" },
	{ CV_INVALID, SMTPD_FAILED, "5.6.0", "the store does not take this message" },
	{ CV_FULL, SMTPD_LATER, "4.3.1", "the store's disk is full" },
};

static void
set_fate(struct smtpd_outcome *o, enum cv_status result)
{
	for (size_t i = 0; i < CV_COUNT(fates); i++)
		if (fates[i].result == result)
			smtpd_outcome_set(o, fates[i].fate, fates[i].status, "%s", fates[i].text);
	smtpd_outcome_set(o, SMTPD_LATER, "4.3.0", "the store cannot take mail now (%s)",
		cv_status_name(result));
}

/* While the store is away mail is tried often: it is near and costs nothing. */
static void
choose_retry(struct out_job *j)
{
	uint32_t attempts = 0;

	for (size_t i = 0; i < j->job.count; i++) {
		if (j->boxes[i].result == CV_OVERQUOTA)
			return;
		attempts = CV_MAX(attempts, j->job.rcpts[i]->attempts);
	}
	j->retry_at_secs = cv_wall_secs()
		+ CV_MIN(1 << CV_MIN(attempts, 6u), LOCAL_RETRY_MAX_SECS);
}

static void
finish(void *arg)
{
	struct out_job *j = arg;
	struct smtpd_outbound *o = j->o;

	for (size_t i = 0; i < j->job.count; i++)
		set_fate(&j->job.outcomes[i], j->boxes[i].result);
	choose_retry(j);
	out_settle(o, j);
	pthread_mutex_lock(&o->lock);
	o->local_running--;
	o->reload = true;
	pthread_cond_signal(&o->wake);
	pthread_cond_broadcast(&o->quiet);
	pthread_mutex_unlock(&o->lock);
	out_unref(o);
}

static void
delivered(struct cv_delivery *d)
{
	struct out_job *j = d->arg;

	/* Writing the outcome is more than this thread should do. */
	if (!cv_net_run(j->o->server->net, finish, j))
		finish(j);
}

static void
start(struct smtpd_outbound *o, struct out_job *j)
{
	const struct cv_queue_msg *msg = j->job.msg;
	struct cv_err err = { 0 };

	snprintf(j->job.peer, sizeof j->job.peer, "%s", o->server->main->hostname);
	j->boxes = cv_calloc(j->job.count, sizeof *j->boxes);
	for (size_t i = 0; i < j->job.count; i++)
		j->boxes[i] = (struct cv_deliver_rcpt){ .acct = j->job.rcpts[i]->local_acct,
			.folder = smtpd_place_folder(j->job.rcpts[i]->place),
			.result = CV_TEMPFAIL };
	enum cv_status status = cv_queue_read(o->server->queue, msg, spool_bytes, &j->spool, &err);
	if (status != CV_OK) {
		for (size_t i = 0; i < j->job.count; i++)
			smtpd_outcome_set(&j->job.outcomes[i], SMTPD_LATER, "4.3.0",
				"the queued message cannot be read: %s", err.text);
		finish(j);
		return;
	}
	j->delivery = (struct cv_delivery){ .id = msg->delivery_id, .message = &j->spool,
		.rcpts = j->boxes, .rcpt_count = j->job.count, .done = delivered, .arg = j };
	if (!msg->delivery_id.n) {
		char id[16];
		cv_queue_id_text(msg->id, id);
		j->delivery.id = cv_arena_printf(&j->load->arena, "queue-%s", id);
	}
	CV_KILL_POINT("outbound.local");
	cv_deliver(o->server->deliverer, &j->delivery);
}

void
out_local_pump(struct smtpd_outbound *o)
{
	for (;;) {
		struct cv_link *l = NULL;
		pthread_mutex_lock(&o->lock);
		if (o->local_running < SMTPD_OUT_LOCAL_JOBS && !o->stopping)
			l = cv_list_pop(&o->local_jobs);
		if (l) {
			o->local_running++;
			out_ref(o);
		}
		pthread_mutex_unlock(&o->lock);
		if (!l)
			return;
		start(o, CV_CONTAINER(l, struct out_job, job.link));
	}
}
