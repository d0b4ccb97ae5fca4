/* sending_test.c - the ledger of sending on a real environment: limits, days, bursts, freezing,
 * restarts, threads. The clock is moved, nothing sleeps. */
/* SPDX-License-Identifier: MPL-2.0 */
/* labels: tsan */
#include "tests/unit/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "smtpd/sending.h"
#include "smtpd/server.h"
#include "tests/unit/common/scratch.h"

#define HOA   cv_acct(CV_CLASS_USER, 7)
#define BINH  cv_acct(CV_CLASS_USER, 8)
#define DAY   86400

struct bench {
	char dir[64], key_file[128];
	struct smtpd_options opt;
	_Atomic(const struct smtpd_options *) live;
	struct cv_engine *engine;
	struct smtpd_sending *s;
};

static void
open_ledger(struct bench *b)
{
	struct cv_engine_options o = {.dir = b->dir};
	bool crashed;
	struct cv_err err = {0};

	if (cv_engine_open(&o, &b->engine, &crashed, &err) != CV_OK)
		fail_msg("%s", err.text);
	struct smtpd_sending_options so = {
		.engine = b->engine, .opt = &b->live, .key_file = b->key_file};
	if (smtpd_sending_open(&so, &b->s, &err) != CV_OK)
		fail_msg("%s", err.text);
}

static void
close_ledger(struct bench *b)
{
	smtpd_sending_close(b->s);
	cv_engine_close(b->engine);
}

static void
open_bench(struct bench *b)
{
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
	*b = (struct bench){0};
	b->opt = (struct smtpd_options){.send_messages_day = 5, .send_rcpts_day = 20,
		.send_first_time_day = 4, .send_burst = 8, .send_burst_refused = 3,
		.send_burst_window = 600,
		.send_classes = "app.messages=0 app.recipients=0 app.first-time=0 "
				"app.burst=50 app.refused=0"};
	atomic_init(&b->live, &b->opt);
	scratch_make("sending", b->dir);
	snprintf(b->key_file, sizeof b->key_file, "%s/sending.key", b->dir);
	open_ledger(b);
}

static void
close_bench(struct bench *b)
{
	close_ledger(b);
	scratch_remove(b->dir);
}

/* A message of ACCT to INSIDE boxes and OUTSIDE addresses "x<first>@far.example", ...; the first
 * refusal, else that of the commit. */
static enum cv_sending_rule
send_as(struct bench *b, cv_acct_no acct, enum cv_reg_kind kind, unsigned inside, unsigned first,
	unsigned outside)
{
	struct smtpd_sending_tx tx = {0};
	char address[64];
	enum cv_sending_rule rule = smtpd_sending_begin(b->s, acct, kind, &tx);

	for (unsigned i = 0; rule == CV_SENDING_ALLOWED && i < inside; i++)
		rule = smtpd_sending_rcpt(&tx, CV_STR_EMPTY);
	for (unsigned i = 0; rule == CV_SENDING_ALLOWED && i < outside; i++) {
		snprintf(address, sizeof address, "x%u@far.example", first + i);
		rule = smtpd_sending_rcpt(&tx, cv_str_z(address));
	}
	if (rule == CV_SENDING_ALLOWED)
		rule = smtpd_sending_commit(&tx);
	smtpd_sending_end(&tx);
	return rule;
}

static enum cv_sending_rule
send_mail(struct bench *b, unsigned inside, unsigned first, unsigned outside)
{
	return send_as(b, HOA, CV_KIND_PERSON, inside, first, outside);
}

static struct smtpd_sending_view
look(struct bench *b, cv_acct_no acct)
{
	struct smtpd_sending_view v;

	smtpd_sending_look(b->s, acct, &v);
	return v;
}

/* To the middle of the day, so that an hour more or less stays in it. */
static void
to_noon(void)
{
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	localtime_r(&now, &tm);
	cv_clock_shift((12 - tm.tm_hour) * 3600 - tm.tm_min * 60 - tm.tm_sec);
}

static void
test_POL_05__a_day_has_so_many_messages(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	to_noon();
	for (int i = 0; i < 5; i++)
		assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_ALLOWED);
	assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_MESSAGES);
	assert_int_equal(send_as(&b, BINH, CV_KIND_PERSON, 1, 0, 0), CV_SENDING_ALLOWED);
	cv_clock_shift(11 * 3600); /* 23:00 */
	assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_MESSAGES);
	cv_clock_shift(2 * 3600); /* 01:00 of the next day */
	assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_ALLOWED);
	assert_int_equal(look(&b, HOA).counts.messages, 1);
	cv_clock_shift(-13 * 3600);
	close_bench(&b);
}

static void
test_POL_05__a_day_has_so_many_recipients(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	assert_int_equal(send_mail(&b, 18, 0, 0), CV_SENDING_ALLOWED);
	assert_int_equal(send_mail(&b, 3, 0, 0), CV_SENDING_RCPTS);
	assert_int_equal(look(&b, HOA).counts.rcpts, 18); /* what was not taken is not counted */
	assert_int_equal(send_mail(&b, 2, 0, 0), CV_SENDING_ALLOWED);
	assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_RCPTS);
	close_bench(&b);
}

static void
test_POL_05__only_new_outside_addresses_are_first_time(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	to_noon();
	b.opt.send_burst = 0;
	assert_int_equal(send_mail(&b, 2, 0, 3), CV_SENDING_ALLOWED);
	assert_int_equal(look(&b, HOA).counts.first_time, 3);
	assert_int_equal(send_mail(&b, 0, 0, 3), CV_SENDING_ALLOWED); /* known */
	assert_int_equal(look(&b, HOA).counts.first_time, 3);
	assert_int_equal(send_mail(&b, 0, 10, 2), CV_SENDING_FIRST_TIME);
	assert_int_equal(send_mail(&b, 0, 10, 1), CV_SENDING_ALLOWED);
	/* another account knows none of them */
	assert_int_equal(send_as(&b, BINH, CV_KIND_PERSON, 0, 0, 3), CV_SENDING_ALLOWED);
	assert_int_equal(look(&b, BINH).counts.first_time, 3);
	/* the same address twice in one message is one */
	cv_clock_shift(DAY);
	struct smtpd_sending_tx tx;
	assert_int_equal(smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx), CV_SENDING_ALLOWED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			smtpd_sending_rcpt(&tx, CV_STR("new@far.example")), CV_SENDING_ALLOWED);
	assert_int_equal(smtpd_sending_commit(&tx), CV_SENDING_ALLOWED);
	assert_int_equal(look(&b, HOA).counts.first_time, 1);
	cv_clock_shift(-DAY);
	close_bench(&b);
}

static void
test_SPM_08__a_burst_freezes_until_it_is_released(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	to_noon();
	b.opt.send_first_time_day = b.opt.send_rcpts_day = b.opt.send_messages_day = 0;
	/* inside ones are no burst */
	assert_int_equal(send_mail(&b, 30, 0, 4), CV_SENDING_ALLOWED);
	cv_clock_shift(300);
	assert_int_equal(send_mail(&b, 0, 0, 4), CV_SENDING_ALLOWED);
	cv_clock_shift(290);
	assert_false(smtpd_sending_any_frozen(b.s));
	assert_int_equal(send_mail(&b, 0, 0, 1), CV_SENDING_FROZEN);
	assert_true(smtpd_sending_is_frozen(b.s, HOA));
	assert_false(smtpd_sending_is_frozen(b.s, BINH));
	assert_string_equal(look(&b, HOA).freeze.by, "burst");
	cv_clock_shift(5 * DAY);
	assert_int_equal(send_mail(&b, 1, 0, 0), CV_SENDING_FROZEN);
	assert_true(smtpd_sending_release(b.s, HOA));
	assert_false(smtpd_sending_release(b.s, HOA));
	assert_int_equal(send_mail(&b, 0, 0, 8), CV_SENDING_ALLOWED);
	cv_clock_shift(-5 * DAY - 590);
	close_bench(&b);
}

static void
test_SPM_08__what_is_older_than_the_window_counts_no_more(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	b.opt.send_first_time_day = b.opt.send_rcpts_day = b.opt.send_messages_day = 0;
	for (int i = 0; i < 12; i++) {
		assert_int_equal(send_mail(&b, 0, 0, 4), CV_SENDING_ALLOWED);
		cv_clock_shift(301);
	}
	assert_true(look(&b, HOA).burst <= 8);
	cv_clock_shift(-12 * 301);
	close_bench(&b);
}

static void
test_SPM_08__guessing_recipients_freezes_too(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	for (int i = 0; i < 3; i++)
		smtpd_sending_rcpt_refused(b.s, HOA, CV_KIND_PERSON);
	assert_false(smtpd_sending_is_frozen(b.s, HOA));
	for (int i = 0; i < 10; i++)
		smtpd_sending_rcpt_refused(b.s, BINH, CV_KIND_APP); /* no limit for its class */
	smtpd_sending_rcpt_refused(b.s, HOA, CV_KIND_PERSON);
	assert_true(smtpd_sending_is_frozen(b.s, HOA));
	assert_false(smtpd_sending_is_frozen(b.s, BINH));
	assert_string_equal(look(&b, HOA).freeze.by, "refused");
	close_bench(&b);
}

static void
test_POL_05__a_freeze_stops_the_transaction_under_way(void **state)
{
	struct bench b;
	struct smtpd_sending_tx tx;

	(void)state;
	open_bench(&b);
	assert_int_equal(smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx), CV_SENDING_ALLOWED);
	assert_int_equal(smtpd_sending_rcpt(&tx, CV_STR("a@far.example")), CV_SENDING_ALLOWED);
	assert_true(smtpd_sending_freeze(b.s, HOA, "admin", "mat khau lo"));
	assert_false(smtpd_sending_freeze(b.s, HOA, "admin", "again"));
	assert_int_equal(smtpd_sending_rcpt(&tx, CV_STR("b@far.example")), CV_SENDING_FROZEN);
	assert_int_equal(smtpd_sending_commit(&tx), CV_SENDING_FROZEN);
	assert_int_equal(look(&b, HOA).counts.messages, 0);
	smtpd_sending_end(&tx);
	close_bench(&b);
}

static void
test_POL_05__sessions_side_by_side_get_no_more_than_one(void **state)
{
	struct bench b;
	struct smtpd_sending_tx tx[6];

	(void)state;
	open_bench(&b);
	for (int i = 0; i < 5; i++)
		assert_int_equal(smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx[i]),
			CV_SENDING_ALLOWED);
	assert_int_equal(
		smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx[5]), CV_SENDING_MESSAGES);
	smtpd_sending_end(&tx[0]); /* one gives up: there is room again */
	assert_int_equal(
		smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx[0]), CV_SENDING_ALLOWED);
	for (int i = 0; i < 5; i++)
		smtpd_sending_end(&tx[i]);
	assert_int_equal(look(&b, HOA).counts.messages, 0);
	close_bench(&b);
}

static void
test_POL_05__a_recipient_taken_back_is_not_counted(void **state)
{
	struct bench b;
	struct smtpd_sending_tx tx;

	(void)state;
	open_bench(&b);
	assert_int_equal(smtpd_sending_begin(b.s, HOA, CV_KIND_PERSON, &tx), CV_SENDING_ALLOWED);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(
			smtpd_sending_rcpt(&tx, CV_STR("a@far.example")), CV_SENDING_ALLOWED);
		smtpd_sending_rcpt_undo(&tx);
	}
	assert_int_equal(smtpd_sending_rcpt(&tx, CV_STR_EMPTY), CV_SENDING_ALLOWED);
	assert_int_equal(smtpd_sending_commit(&tx), CV_SENDING_ALLOWED);
	struct smtpd_sending_view v = look(&b, HOA);
	assert_int_equal(v.counts.rcpts, 1);
	assert_int_equal(v.counts.outside, 0);
	assert_int_equal(v.counts.first_time, 0);
	close_bench(&b);
}

static void
test_limits__own_ones_come_before_class_and_options(void **state)
{
	struct bench b;
	struct smtpd_limits own;
	struct cv_err err = {0};

	(void)state;
	open_bench(&b);
	for (int i = 0; i < 30; i++)
		assert_int_equal(send_as(&b, BINH, CV_KIND_APP, 1, 0, 1), CV_SENDING_ALLOWED);
	smtpd_limits_clear(&own);
	own.n[SMTPD_LIMIT_MESSAGES] = 31;
	own.n[SMTPD_LIMIT_BURST] = 0;
	assert_int_equal(smtpd_sending_set_limits(b.s, BINH, &own, &err), CV_OK);
	close_ledger(&b);
	open_ledger(&b);
	assert_int_equal(send_as(&b, BINH, CV_KIND_APP, 1, 100, 60), CV_SENDING_ALLOWED);
	assert_int_equal(send_as(&b, BINH, CV_KIND_APP, 1, 0, 0), CV_SENDING_MESSAGES);
	smtpd_limits_clear(&own);
	assert_int_equal(smtpd_sending_set_limits(b.s, BINH, &own, &err), CV_OK);
	assert_int_equal(send_as(&b, BINH, CV_KIND_APP, 1, 0, 0), CV_SENDING_ALLOWED);
	close_bench(&b);
}

static void
test_ledger__a_restart_keeps_counts_freeze_and_who_is_known(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	to_noon();
	assert_int_equal(send_mail(&b, 3, 0, 3), CV_SENDING_ALLOWED);
	smtpd_sending_freeze(b.s, BINH, "admin", "lý do");
	close_ledger(&b);
	open_ledger(&b);
	struct smtpd_sending_view v = look(&b, HOA);
	assert_int_equal(v.counts.messages, 1);
	assert_int_equal(v.counts.rcpts, 6);
	assert_int_equal(v.counts.first_time, 3);
	assert_int_equal(v.burst, 3);
	assert_true(smtpd_sending_any_frozen(b.s));
	assert_string_equal(look(&b, BINH).freeze.reason, "lý do");
	assert_int_equal(send_as(&b, BINH, CV_KIND_PERSON, 1, 0, 0), CV_SENDING_FROZEN);
	assert_int_equal(send_mail(&b, 0, 0, 3), CV_SENDING_ALLOWED);
	assert_int_equal(look(&b, HOA).counts.first_time, 3);
	smtpd_sending_release(b.s, BINH);
	close_ledger(&b);
	open_ledger(&b);
	assert_false(smtpd_sending_any_frozen(b.s));
	close_bench(&b);
}

/* REP-02: who has the rows, and even the key, finds no address in them. */
static void
test_ledger__no_correspondent_can_be_read_from_the_rows(void **state)
{
	struct bench b;
	char command[300];

	(void)state;
	open_bench(&b);
	assert_int_equal(send_mail(&b, 0, 0, 4), CV_SENDING_ALLOWED);
	close_ledger(&b);
	snprintf(command, sizeof command, "grep -rqa 'far\\.example' %s", b.dir);
	assert_int_not_equal(system(command), 0);
	open_ledger(&b);
	close_bench(&b);
}

static void
test_known__a_page_keeps_the_latest(void **state)
{
	struct cv_buf page = CV_BUF_INIT(1000), next = CV_BUF_INIT(1000);

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		cv_buf_reset(&next);
		assert_true(smtpd_known_add(cv_buf_view(&page), i, &next));
		cv_buf_reset(&page);
		cv_buf_str(&page, cv_buf_view(&next));
		assert_true(page.n <= SMTPD_SENDING_PAGE_ITEMS * SMTPD_SENDING_ITEM_BYTES);
		/* one that is written to again and again stays */
		cv_buf_reset(&next);
		if (i && smtpd_known_add(cv_buf_view(&page), 0, &next)) {
			cv_buf_reset(&page);
			cv_buf_str(&page, cv_buf_view(&next));
		}
	}
	assert_true(smtpd_known_has(cv_buf_view(&page), 0));
	assert_true(smtpd_known_has(cv_buf_view(&page), 199));
	assert_true(smtpd_known_has(cv_buf_view(&page), 150));
	assert_false(smtpd_known_has(cv_buf_view(&page), 100));
	cv_buf_done(&page);
	cv_buf_done(&next);
}

static void
test_rows__damaged_ones_are_told_apart(void **state)
{
	struct smtpd_sending_counts c = {.day = 20261122, .messages = 3, .burst = {1, 2, 3}}, c2;
	struct smtpd_freeze f = {.since_secs = 1795000000, .by = "burst", .reason = "r"}, f2;
	struct smtpd_limits l, l2;
	struct cv_buf rows[3] = {CV_BUF_INIT(1000), CV_BUF_INIT(1000), CV_BUF_INIT(1000)};

	(void)state;
	smtpd_limits_clear(&l);
	l.n[0] = 0;
	smtpd_sending_counts_encode(&c, &rows[0]);
	smtpd_freeze_encode(&f, &rows[1]);
	smtpd_limits_encode(&l, &rows[2]);
	assert_int_equal(smtpd_sending_counts_decode(cv_buf_view(&rows[0]), &c2), CV_OK);
	assert_memory_equal(&c, &c2, sizeof c);
	assert_int_equal(smtpd_freeze_decode(cv_buf_view(&rows[1]), &f2), CV_OK);
	assert_string_equal(f2.reason, "r");
	assert_int_equal(smtpd_limits_decode(cv_buf_view(&rows[2]), &l2), CV_OK);
	assert_memory_equal(&l, &l2, sizeof l);
	for (size_t cut = 0; cut < rows[0].n; cut++)
		assert_int_equal(smtpd_sending_counts_decode(
					 cv_str_sub(cv_buf_view(&rows[0]), 0, cut), &c2),
			CV_CORRUPT);
	for (size_t cut = 0; cut < rows[1].n; cut++)
		assert_int_equal(
			smtpd_freeze_decode(cv_str_sub(cv_buf_view(&rows[1]), 0, cut), &f2),
			CV_CORRUPT);
	for (size_t cut = 0; cut < rows[2].n; cut++)
		assert_int_equal(
			smtpd_limits_decode(cv_str_sub(cv_buf_view(&rows[2]), 0, cut), &l2),
			CV_CORRUPT);
	for (int i = 0; i < 3; i++)
		cv_buf_done(&rows[i]);
}

/* ---- threads ---- */

struct crowd {
	struct bench *b;
	atomic_uint taken, frozen_seen;
	cv_acct_no acct;
};

static void *
run_sender(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < 60; i++) {
		enum cv_sending_rule rule =
			send_as(c->b, c->acct, CV_KIND_PERSON, 1, i % 7, i % 3);
		atomic_fetch_add(&c->taken, rule == CV_SENDING_ALLOWED);
		atomic_fetch_add(&c->frozen_seen, rule == CV_SENDING_FROZEN);
		(void)smtpd_sending_is_frozen(c->b->s, BINH);
	}
	return NULL;
}

static void
test_ledger__threads_count_together(void **state)
{
	struct bench b;
	struct crowd free_ones, limited;
	pthread_t threads[8];

	(void)state;
	open_bench(&b);
	b.opt.send_messages_day = b.opt.send_rcpts_day = b.opt.send_first_time_day = 0;
	b.opt.send_burst = 40;
	struct smtpd_limits own;
	struct cv_err err = {0};
	smtpd_limits_clear(&own);
	own.n[SMTPD_LIMIT_BURST] = 0;
	own.n[SMTPD_LIMIT_MESSAGES] = 200;
	assert_int_equal(smtpd_sending_set_limits(b.s, HOA, &own, &err), CV_OK);
	/* The keeper writes beside them; nobody is in the register, so nobody is told. */
	struct smtpd_server server = {.net = NULL};
	assert_int_equal(cv_register_open(b.dir, false, &server.reg, &err), CV_OK);
	assert_int_equal(smtpd_sending_start(b.s, &server, &err), CV_OK);
	free_ones = (struct crowd){.b = &b, .acct = HOA};
	limited = (struct crowd){.b = &b, .acct = BINH};
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_sender,
					 i % 2 ? &limited : &free_ones),
			0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(free_ones.taken, 200); /* 240 tried */
	assert_int_equal(look(&b, HOA).counts.messages, 200);
	assert_true(smtpd_sending_is_frozen(b.s, BINH));
	assert_true(limited.frozen_seen > 0);
	assert_true(look(&b, BINH).counts.outside <= 40);
	for (int i = 0; i < 1000 && !look(&b, BINH).freeze.is_told; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	assert_true(look(&b, BINH).freeze.is_told);
	smtpd_sending_stop(b.s);
	close_ledger(&b);
	open_ledger(&b);
	assert_int_equal(look(&b, HOA).counts.messages, 200);
	cv_register_close(server.reg);
	close_bench(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_POL_05__a_day_has_so_many_messages),
		cmocka_unit_test(test_POL_05__a_day_has_so_many_recipients),
		cmocka_unit_test(test_POL_05__only_new_outside_addresses_are_first_time),
		cmocka_unit_test(test_SPM_08__a_burst_freezes_until_it_is_released),
		cmocka_unit_test(test_SPM_08__what_is_older_than_the_window_counts_no_more),
		cmocka_unit_test(test_SPM_08__guessing_recipients_freezes_too),
		cmocka_unit_test(test_POL_05__a_freeze_stops_the_transaction_under_way),
		cmocka_unit_test(test_POL_05__sessions_side_by_side_get_no_more_than_one),
		cmocka_unit_test(test_POL_05__a_recipient_taken_back_is_not_counted),
		cmocka_unit_test(test_limits__own_ones_come_before_class_and_options),
		cmocka_unit_test(test_ledger__a_restart_keeps_counts_freeze_and_who_is_known),
		cmocka_unit_test(test_ledger__no_correspondent_can_be_read_from_the_rows),
		cmocka_unit_test(test_known__a_page_keeps_the_latest),
		cmocka_unit_test(test_rows__damaged_ones_are_told_apart),
		cmocka_unit_test(test_ledger__threads_count_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
