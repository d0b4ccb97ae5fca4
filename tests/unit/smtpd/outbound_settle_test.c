/* outbound_settle_test.c - what becomes of a recipient after a try, by age, wish and outcome, on a
 * real queue. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "smtpd/outbound_internal.h"
#include "tests/unit/check.h"

#define HOUR 3600

struct bench {
	char dir[64];
	struct congvu_options main;
	struct smtpd_options opt;
	struct smtpd_server server;
	struct smtpd_outbound o;
};

static void
open_bench(struct bench *b)
{
	struct cv_err err = { 0 };

	*b = (struct bench){ .dir = "/tmp/cv-settle-XXXXXX" };
	assert_non_null(mkdtemp(b->dir));
	b->main.hostname = "mail.lamgiang.example";
	b->main.province = "T";
	b->opt.retry_min = 300;
	b->opt.retry_max = 4 * HOUR;
	b->opt.queue_life = 120 * HOUR;
	b->server.main = &b->main;
	b->server.opt = &b->opt;
	b->server.spool_dir = b->dir;
	/* An empty register: nobody is ours, reports go out through the queue. */
	assert_int_equal(cv_register_open(b->dir, false, &b->server.reg, &err), CV_OK);
	if (cv_queue_open(b->dir, &b->server.queue, &err) != CV_OK)
		fail_msg("%s", err.text);
	b->o.server = &b->server;
	pthread_mutex_init(&b->o.lock, NULL);
	pthread_cond_init(&b->o.wake, NULL);
	cv_map_init(&b->o.claims);
	cv_list_init(&b->o.unsettled);
}

static void
close_bench(struct bench *b)
{
	char command[100];

	cv_queue_close(b->server.queue);
	cv_register_close(b->server.reg);
	cv_map_done(&b->o.claims);
	snprintf(command, sizeof command, "rm -rf %s", b->dir);
	assert_int_equal(system(command), 0);
}

struct way {
	const char *name;
	int64_t age_secs, life_secs;
	const char *sender;
	uint32_t notify;
	enum smtpd_fate fate;
	bool passed_on;
	/* wanted */
	bool stays;
	size_t reports;
};

/* DELIVERBY: how it ends, and how far from now. */
struct by {
	enum cv_queue_by mode;
	int64_t secs;
	bool passed_on, trace;
};

static uint64_t
put(struct bench *b, const struct way *w, const struct by *by)
{
	int64_t now = cv_wall_secs();
	struct cv_queue_rcpt rcpt = { .address = CV_STR("x@far.example"), .notify = w->notify,
		.next_secs = now };
	struct cv_queue_msg msg = { .delivery_id = CV_STR("d"), .sender = cv_str_z(w->sender),
		.arrived_secs = now - w->age_secs, .expires_secs = now - w->age_secs + w->life_secs,
		.by_mode = by->mode, .by_secs = now + by->secs, .by_trace = by->trace,
		.rcpt_count = 1, .rcpts = &rcpt };
	struct cv_spool spool;
	struct cv_err err;
	cv_ticket ticket;

	cv_spool_init(&spool, b->dir);
	assert_int_equal(cv_spool_write(&spool, CV_STR("Subject: x\r\n\r\nbody\r\n"), &err), CV_OK);
	assert_int_equal(cv_queue_put(b->server.queue, &msg, CV_STR_EMPTY, &spool, &ticket, &err),
		CV_OK);
	cv_spool_done(&spool);
	return msg.id;
}

/* One try of message ID with the outcome of W. */
static void
try_once(struct bench *b, uint64_t id, const struct way *w, const struct by *by)
{
	struct out_load *load = cv_calloc(1, sizeof *load);
	struct cv_err err;

	assert_int_equal(cv_queue_get(b->server.queue, id, &load->arena, &load->msg, &err), CV_OK);
	struct out_job *j = out_job_new(&b->o, load, 1);
	j->job.rcpts[j->job.count++] = &load->msg.rcpts[0];
	smtpd_outcome_set(&j->job.outcomes[0], w->fate, w->fate == SMTPD_SENT ? "2.0.0"
		: w->fate == SMTPD_LATER ? "4.4.1" : "5.1.1", "words");
	j->job.outcomes[0].dsn_passed_on = w->passed_on;
	j->job.outcomes[0].by_passed_on = by->passed_on;
	out_claim(&b->o, id, j->job.rcpts[0]);
	out_settle(&b->o, j);
	CHECK(w->name, b->o.claimed == 0);
}

static bool
count_reports(void *arg, const struct cv_queue_msg *msg)
{
	*(size_t *)arg += msg->sender.n == 0 && msg->delivery_id.n && msg->delivery_id.p[0] == 'r';
	return true;
}

static size_t
reports(struct bench *b)
{
	struct cv_err err;
	size_t n = 0;

	assert_int_equal(cv_queue_each(b->server.queue, count_reports, &n, &err), CV_OK);
	return n;
}

static void
check_way(const struct way *w, const struct by *by)
{
	struct bench b;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_msg msg;
	struct cv_err err;

	open_bench(&b);
	uint64_t id = put(&b, w, by);
	try_once(&b, id, w, by);
	enum cv_status status = cv_queue_get(b.server.queue, id, &arena, &msg, &err);
	CHECK(w->name, status == (w->stays ? CV_OK : CV_NOT_FOUND));
	CHECK(w->name, reports(&b) == w->reports);
	if (w->stays && status == CV_OK) {
		int64_t wait = msg.rcpts[0].next_secs - cv_wall_secs();
		CHECK(w->name, msg.rcpts[0].attempts == 1);
		CHECK(w->name, wait >= 238 && wait <= 361);
		try_once(&b, id, w, by); /* the sender is told of a delay once only */
		CHECK(w->name, reports(&b) == w->reports);
	}
	cv_arena_done(&arena);
	close_bench(&b);
}

static void
test_settle__decides_by_age_wish_and_outcome(void **state)
{
	enum { LIFE = 120 * HOUR };
	static const struct way rows[] = {
		{ "sent", 0, LIFE, "a@b.example", 0, SMTPD_SENT, false, false, 0 },
		{ "sent, success wanted", 0, LIFE, "a@b.example", CV_NOTIFY_SUCCESS, SMTPD_SENT,
			false, false, 1 },
		{ "sent, the next server will report", 0, LIFE, "a@b.example", CV_NOTIFY_SUCCESS,
			SMTPD_SENT, true, false, 0 },
		{ "failed", 0, LIFE, "a@b.example", 0, SMTPD_FAILED, false, false, 1 },
		{ "failed, never notify", 0, LIFE, "a@b.example", CV_NOTIFY_NEVER, SMTPD_FAILED,
			false, false, 0 },
		{ "failed, only delay wanted", 0, LIFE, "a@b.example", CV_NOTIFY_DELAY,
			SMTPD_FAILED, false, false, 0 },
		{ "failed, null sender", 0, LIFE, "", CV_NOTIFY_FAILURE, SMTPD_FAILED, false,
			false, 0 },
		{ "later, young", HOUR, LIFE, "a@b.example", 0, SMTPD_LATER, false, true, 0 },
		{ "later, after four hours", 5 * HOUR, LIFE, "a@b.example", 0, SMTPD_LATER, false,
			true, 1 },
		{ "later, delay not wanted", 5 * HOUR, LIFE, "a@b.example", CV_NOTIFY_FAILURE,
			SMTPD_LATER, false, true, 0 },
		{ "later, time is over", LIFE, LIFE, "a@b.example", 0, SMTPD_LATER, false, false, 1 },
		{ "later, time is over, null sender", LIFE, LIFE, "", 0, SMTPD_LATER, false, false,
			0 },
	};

	static const struct by never = { .mode = CV_BY_NONE };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		check_way(&rows[i], &never);
	CHECK_END();
}

static void
test_settle__keeps_to_deliverby(void **state)
{
	enum { LIFE = 120 * HOUR };
	static const struct {
		struct way way;
		struct by by;
	} rows[] = {
		{ { "later, to be returned in an hour", 0, LIFE, "a@b.example", 0, SMTPD_LATER,
			false, true, 0 }, { CV_BY_RETURN, HOUR, false, false } },
		{ { "later, to be returned by now", 0, LIFE, "a@b.example", 0, SMTPD_LATER, false,
			false, 1 }, { CV_BY_RETURN, 0, false, false } },
		{ { "later, to be told by now", 0, LIFE, "a@b.example", 0, SMTPD_LATER, false, true,
			1 }, { CV_BY_NOTIFY, -5, false, false } },
		{ { "later, to be told by now, never", 0, LIFE, "a@b.example", CV_NOTIFY_NEVER,
			SMTPD_LATER, false, true, 0 }, { CV_BY_NOTIFY, -5, false, false } },
		{ { "sent to a server without DELIVERBY", 0, LIFE, "a@b.example", 0, SMTPD_SENT,
			false, false, 1 }, { CV_BY_NOTIFY, HOUR, false, false } },
		{ { "sent to a server with DELIVERBY", 0, LIFE, "a@b.example", 0, SMTPD_SENT, false,
			false, 0 }, { CV_BY_NOTIFY, HOUR, true, false } },
		{ { "sent, traced", 0, LIFE, "a@b.example", 0, SMTPD_SENT, false, false, 1 },
			{ CV_BY_NOTIFY, HOUR, true, true } },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		check_way(&rows[i].way, &rows[i].by);
	CHECK_END();
}

static void
test_backoff__doubles_up_to_its_limit(void **state)
{
	struct smtpd_options opt = { .retry_min = 300, .retry_max = 4 * HOUR };
	struct smtpd_server server = { .opt = &opt };
	struct smtpd_outbound o = { .server = &server };
	int64_t want = 300;

	(void)state;
	for (uint32_t n = 1; n < 40; n++, want = CV_MIN(want * 2, 4 * HOUR)) {
		int64_t got = out_backoff(&o, n);
		CHECK("within a fifth", got >= want - want / 5 && got <= want + want / 5 + 1);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settle__decides_by_age_wish_and_outcome),
		cmocka_unit_test(test_settle__keeps_to_deliverby),
		cmocka_unit_test(test_backoff__doubles_up_to_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
