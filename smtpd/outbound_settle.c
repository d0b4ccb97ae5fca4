/* outbound_settle.c - what became of a job goes into the queue's rows, the log, and to the sender.
 *
 * The report to the sender is put into the queue before the recipient is marked as done, in one
 * log: a crash between the two may report twice, never not at all.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "smtpd/bounce.h"
#include "smtpd/note.h"
#include "smtpd/outbound_internal.h"
#include "smtpd/stats.h"

static bool
wants(const struct cv_queue_rcpt *rcpt, uint32_t what)
{
	uint32_t notify = rcpt->notify ? rcpt->notify : CV_NOTIFY_FAILURE | CV_NOTIFY_DELAY;

	return (notify & what) && !(notify & CV_NOTIFY_NEVER);
}

struct settling {
	struct cv_queue_rcpt *rcpts;          /* new states */
	struct smtpd_report_rcpt *reports;
	size_t report_count;
};

static void
add_report(struct settling *s, const struct out_job *j, size_t i, enum smtpd_report_action action,
	bool expired)
{
	s->reports[s->report_count++] = (struct smtpd_report_rcpt){ .rcpt = j->job.rcpts[i],
		.outcome = &j->job.outcomes[i], .action = action, .expired = expired,
		.peer = j->job.peer };
}

/* DELIVERBY with N: once the time is over the sender hears that the mail is late (RFC 2852 4.1.4).
 */
static void
settle_by_time(struct settling *s, const struct out_job *j, size_t i, int64_t now)
{
	const struct cv_queue_msg *msg = j->job.msg;
	struct cv_queue_rcpt *r = &s->rcpts[i];

	if (msg->by_mode != CV_BY_NOTIFY || r->by_notified)
		return;
	if (now < msg->by_secs) {
		r->next_secs = CV_MIN(r->next_secs, msg->by_secs);
		return;
	}
	r->by_notified = r->delay_notified = true;
	if (!(r->notify & CV_NOTIFY_NEVER))
		add_report(s, j, i, SMTPD_REPORT_DELAYED, false);
}

static void
settle_later(struct settling *s, struct smtpd_outbound *o, const struct out_job *j, size_t i,
	int64_t now)
{
	const struct cv_queue_msg *msg = j->job.msg;
	struct cv_queue_rcpt *r = &s->rcpts[i];
	int64_t expires = cv_queue_expires(msg);

	if (now >= expires) {
		r->state = CV_Q_DONE;
		if (wants(r, CV_NOTIFY_FAILURE))
			add_report(s, j, i, SMTPD_REPORT_FAILED, true);
		return;
	}
	r->attempts += !j->is_untried;
	r->next_secs = j->retry_at_secs ? j->retry_at_secs : now + out_backoff(o, r->attempts);
	/* The last try is at the end of the message's life. */
	r->next_secs = CV_MIN(r->next_secs, expires);
	settle_by_time(s, j, i, now);
	if (!r->delay_notified && now - msg->arrived_secs >= SMTPD_OUT_DELAY_NOTICE) {
		r->delay_notified = true;
		if (wants(r, CV_NOTIFY_DELAY))
			add_report(s, j, i, SMTPD_REPORT_DELAYED, false);
	}
}

/* RFC 2852 4.1.4: where the time is lost from sight, and at each step of a traced message. */
static bool
must_tell_relayed(const struct cv_queue_msg *msg, const struct cv_queue_rcpt *r,
	const struct smtpd_outcome *o)
{
	return msg->by_mode != CV_BY_NONE && !r->local_acct && !(r->notify & CV_NOTIFY_NEVER)
		&& (msg->by_trace || !o->by_passed_on);
}

static void
settle_one(struct settling *s, struct smtpd_outbound *o, const struct out_job *j, size_t i,
	int64_t now)
{
	const struct smtpd_outcome *outcome = &j->job.outcomes[i];
	struct cv_queue_rcpt *r = &s->rcpts[i];

	*r = *j->job.rcpts[i];
	r->last_reply = cv_str_z(outcome->text);
	switch (outcome->fate) {
	case SMTPD_SENT:
		r->state = CV_Q_DONE;
		if ((wants(r, CV_NOTIFY_SUCCESS) && !outcome->dsn_passed_on)
			|| must_tell_relayed(j->job.msg, r, outcome))
			add_report(s, j, i, r->local_acct ? SMTPD_REPORT_DELIVERED
				: SMTPD_REPORT_RELAYED, false);
		break;
	case SMTPD_FAILED:
		r->state = CV_Q_DONE;
		if (wants(r, CV_NOTIFY_FAILURE))
			add_report(s, j, i, SMTPD_REPORT_FAILED, false);
		break;
	case SMTPD_LATER:
	case SMTPD_UNTRIED:
		settle_later(s, o, j, i, now);
		break;
	}
}

static void
log_rcpt(const struct out_job *j, const struct cv_queue_rcpt *after,
	const struct cv_queue_rcpt *before, const struct smtpd_outcome *o, int64_t now)
{
	static const struct {
		const char *event, *word;
		enum smtpd_stats_fate fate;
	} rows[] = { [SMTPD_UNTRIED] = { "out.deferred", "deferred", SMTPD_STATS_DEFERRED },
		[SMTPD_SENT] = { "out.sent", "sent", SMTPD_STATS_SENT },
		[SMTPD_LATER] = { "out.deferred", "deferred", SMTPD_STATS_DEFERRED },
		[SMTPD_FAILED] = { "out.failed", "failed", SMTPD_STATS_FAILED } };
	const struct cv_queue_msg *msg = j->job.msg;
	bool expired = after->state == CV_Q_DONE && o->fate == SMTPD_LATER;
	bool waits = after->state == CV_Q_WAITING;
	char queue[16];

	cv_queue_id_text(msg->id, queue);
	cv_log(0, o->fate == SMTPD_SENT ? CV_INFO : CV_WARN,
		expired ? "out.expired" : rows[o->fate].event,
		"queue=%s id=%.*s to=%.*s host=%s tls=%s status=%s next=%lld reply=\"%s\"", queue,
		CV_STR_ARGS(msg->delivery_id), CV_STR_ARGS(before->address),
		j->job.peer[0] ? j->job.peer : "-", j->job.tls ? j->job.tls : "-", o->status,
		(long long)(waits ? after->next_secs - now : 0), o->text);
	/* A destination that is down puts off again and again without a try: that is no news. */
	if (j->is_untried && waits)
		return;
	atomic_fetch_add(
		&smtpd_stats.fates[expired ? SMTPD_STATS_EXPIRED : rows[o->fate].fate], 1);
	smtpd_note_out(j->o->server, msg, before, expired ? "expired" : rows[o->fate].word,
		j->job.peer, j->job.tls, o->status, o->text, waits ? after->next_secs : 0);
}

static void
log_job(const struct out_job *j, const struct settling *s, int64_t now)
{
	if (!j->is_untried)
		cv_histogram_add(&smtpd_stats.outbound, cv_mono_us() - j->born_us);
	for (size_t i = 0; i < j->job.count; i++)
		log_rcpt(j, &s->rcpts[i], j->job.rcpts[i], &j->job.outcomes[i], now);
}

static enum cv_status
write_outcome(struct smtpd_outbound *o, struct out_job *j, struct settling *s, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	cv_ticket ticket;

	if (s->report_count && !j->job.reported) {
		bool queued = false;
		status = smtpd_bounce_send(
			o->server, j->job.msg, s->reports, s->report_count, &queued, err);
		if (status != CV_OK)
			return status;
		j->job.reported = true;
		if (queued)
			out_wake(o);
	}
	CV_KILL_POINT("outbound.settle");
	status = cv_queue_update(o->server->queue, j->job.msg->id, s->rcpts, j->job.count, &ticket,
		err);
	return status == CV_NOT_FOUND ? CV_OK : status; /* deleted by hand meanwhile */
}

static void
release(struct smtpd_outbound *o, struct out_job *j)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < j->job.count; i++)
		out_unclaim(o, j->job.msg->id, j->job.rcpts[i]);
	pthread_mutex_unlock(&o->lock);
	out_job_free(j);
}

static void
keep(struct smtpd_outbound *o, struct out_job *j)
{
	pthread_mutex_lock(&o->lock);
	bool kept = !o->stopping;
	if (kept)
		cv_list_append(&o->unsettled, &j->job.link);
	pthread_mutex_unlock(&o->lock);
	if (!kept)
		out_job_free(j);
}

void
out_settle(struct smtpd_outbound *o, struct out_job *j)
{
	int64_t now = cv_wall_secs();
	struct settling s = { .rcpts = cv_calloc(j->job.count, sizeof *s.rcpts),
		.reports = cv_calloc(j->job.count, sizeof *s.reports) };
	struct cv_err err = { 0 };

	for (size_t i = 0; i < j->job.count; i++)
		settle_one(&s, o, j, i, now);
	enum cv_status status = write_outcome(o, j, &s, &err);
	if (status == CV_OK) {
		log_job(j, &s, now);
		release(o, j);
	} else {
		cv_log(0, CV_ERROR, "queue.failed", "id=%.*s error=%s",
			CV_STR_ARGS(j->job.msg->delivery_id), err.text);
		keep(o, j);
	}
	free(s.rcpts);
	free(s.reports);
}

void
out_settle_all(struct smtpd_outbound *o, struct cv_link *jobs)
{
	for (struct cv_link *l; (l = cv_list_pop(jobs));)
		out_settle(o, CV_CONTAINER(l, struct out_job, job.link));
}

void
out_retry_unsettled(struct smtpd_outbound *o)
{
	struct cv_link jobs;

	cv_list_init(&jobs);
	pthread_mutex_lock(&o->lock);
	for (struct cv_link *l; (l = cv_list_pop(&o->unsettled));)
		cv_list_append(&jobs, l);
	pthread_mutex_unlock(&o->lock);
	out_settle_all(o, &jobs);
}
