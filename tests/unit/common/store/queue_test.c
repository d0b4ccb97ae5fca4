/* queue_test.c - the queue on a real environment: putting, trying, finishing, dying at every point.
 */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/rng.h"
#include "common/store/queue_internal.h"
#include "tests/unit/check.h"

/* ThreadSanitizer's search for lock cycles takes minutes over a scan of thousands of rows, for
 * Berkeley DB has a mutex for each page: 80 s instead of 8, and one scan beyond the watchdog's
 * limit. Races are looked for as everywhere; what TSAN_OPTIONS says goes before this. */
const char *__tsan_default_options(void);
const char *
__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}

static char dir[64];

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/cv-queue-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static struct cv_queue *
open_queue(void)
{
	struct cv_queue *q = NULL;
	struct cv_err err = { 0 };

	if (cv_queue_open(dir, &q, &err) != CV_OK)
		fail_msg("open: %s", err.text);
	return q;
}

/* A message to COUNT recipients, number I due at BASE + I. */
static enum cv_status
put(struct cv_queue *q, size_t count, int64_t base, const char *text, uint64_t *id_out,
	cv_ticket *ticket_out)
{
	struct cv_queue_rcpt *rcpts = cv_calloc(count, sizeof *rcpts);
	struct cv_queue_msg msg = { .delivery_id = CV_STR("d1"), .sender = CV_STR("a@b.example"),
		.envid = CV_STR("QQ314159"), .ret_full = true, .body_kind = CV_BODY_8BITMIME,
		.arrived_secs = 1000, .expires_secs = 2000, .auth_account = CV_STR("a"),
		.rcpt_count = count, .rcpts = rcpts };
	char(*names)[40] = cv_calloc(count, sizeof *names);
	struct cv_spool spool;
	struct cv_err err = { 0 };

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "user%zu@D%zu.example", i, i % 3);
		rcpts[i] = (struct cv_queue_rcpt){ .address = cv_str_z(names[i]),
			.orcpt = CV_STR("rfc822;x@y"), .notify = CV_NOTIFY_FAILURE,
			.local_acct = i % 3 ? 0 : 77, .next_secs = base + (int64_t)i };
	}
	cv_spool_init(&spool, dir);
	enum cv_status status = cv_spool_write(&spool, cv_str_z(text), &err);
	if (status == CV_OK)
		status = cv_queue_put(q, &msg, CV_STR("Received: x\r\n"), &spool, ticket_out, &err);
	cv_spool_done(&spool);
	free(names);
	free(rcpts);
	*id_out = msg.id;
	return status;
}

static enum cv_status
to_buf(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

static size_t
bodies(struct cv_queue *q);

struct seen {
	struct cv_queue_due items[64];
	size_t count, stop_at;
};

static bool
see(void *arg, const struct cv_queue_due *due)
{
	struct seen *s = arg;

	s->items[s->count++] = *due;
	return s->count != s->stop_at && s->count < 64;
}

static size_t
count_due(struct cv_queue *q, int64_t now)
{
	struct seen s = { .count = 0 };
	struct cv_err err;

	assert_int_equal(cv_queue_due(q, now, 64, see, &s, &err), CV_OK);
	return s.count;
}

static enum cv_status
finish(struct cv_queue *q, uint64_t id, uint32_t first, uint32_t count, enum cv_queue_state state,
	int64_t next, cv_ticket *ticket)
{
	struct cv_queue_rcpt *rcpts = cv_calloc(count, sizeof *rcpts);
	struct cv_err err = { 0 };

	for (uint32_t i = 0; i < count; i++)
		rcpts[i] = (struct cv_queue_rcpt){ .number = first + i, .state = state,
			.next_secs = next, .attempts = 1, .last_reply = CV_STR("450 4.2.1 later") };
	enum cv_status status = cv_queue_update(q, id, rcpts, count, ticket, &err);
	free(rcpts);
	return status;
}

static void
test_queue__gives_back_what_was_put_after_reopening(void **state)
{
	struct cv_queue *q = open_queue();
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf body = CV_BUF_INIT(1000);
	struct cv_queue_msg msg;
	struct cv_queue_stats stats;
	struct cv_err err;
	uint64_t id;
	cv_ticket ticket;

	(void)state;
	assert_int_equal(put(q, 3, 500, "Subject: x\r\n\r\nhello\r\n", &id, &ticket), CV_OK);
	cv_ticket_block(cv_queue_engine(q), ticket);
	cv_queue_close(q);
	q = open_queue();
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_OK);
	assert_int_equal(msg.id, id);
	assert_true(cv_str_eq_z(msg.delivery_id, "d1"));
	assert_true(cv_str_eq_z(msg.sender, "a@b.example"));
	assert_true(cv_str_eq_z(msg.envid, "QQ314159"));
	assert_true(cv_str_eq_z(msg.auth_account, "a"));
	assert_true(msg.ret_full && !msg.ret_hdrs && !msg.smtputf8);
	assert_true(!msg.require_tls && !msg.tls_optional);
	assert_int_equal(msg.body_kind, CV_BODY_8BITMIME);
	assert_int_equal(msg.arrived_secs, 1000);
	assert_int_equal(msg.expires_secs, 2000);
	assert_int_equal(msg.rcpt_count, 3);
	assert_int_equal(msg.rcpts[1].number, 1);
	assert_true(cv_str_eq_z(msg.rcpts[1].address, "user1@D1.example"));
	assert_true(cv_str_eq_z(msg.rcpts[1].orcpt, "rfc822;x@y"));
	assert_int_equal(msg.rcpts[1].notify, CV_NOTIFY_FAILURE);
	assert_int_equal(msg.rcpts[0].local_acct, 77);
	assert_int_equal(msg.rcpts[1].next_secs, 501);
	assert_int_equal(cv_queue_read(q, &msg, to_buf, &body, &err), CV_OK);
	assert_string_equal(body.p, "Received: x\r\nSubject: x\r\n\r\nhello\r\n");
	assert_int_equal(msg.size_bytes, body.n);
	cv_buf_reset(&body);
	assert_int_equal(cv_queue_read_at(q, &msg, 10, 4, to_buf, &body, &err), CV_OK);
	assert_memory_equal(body.p, "x\r\nS", 4);
	cv_queue_stats(q, &stats);
	assert_int_equal(stats.messages, 1);
	assert_int_equal(stats.recipients, 3);
	assert_int_equal(stats.bytes, msg.size_bytes);
	assert_true(cv_wall_secs() - stats.oldest_secs < 60);
	cv_arena_done(&arena);
	cv_buf_done(&body);
	cv_queue_close(q);
}

static void
test_queue__names_the_due_oldest_first_and_stops_when_told(void **state)
{
	struct cv_queue *q = open_queue();
	struct seen s = { .count = 0 };
	struct cv_err err;
	uint64_t a, b;
	cv_ticket ticket;

	(void)state;
	assert_int_equal(put(q, 2, 500, "x\r\n", &a, &ticket), CV_OK);
	assert_int_equal(put(q, 3, 400, "y\r\n", &b, &ticket), CV_OK);
	assert_true(b > a);
	assert_int_equal(count_due(q, 399), 0);
	assert_int_equal(count_due(q, 401), 2);
	assert_int_equal(count_due(q, 10000), 5);
	assert_int_equal(cv_queue_due(q, 10000, 64, see, &s, &err), CV_OK);
	for (size_t i = 1; i < s.count; i++)
		assert_true(s.items[i - 1].due_secs <= s.items[i].due_secs);
	assert_int_equal(s.items[0].id, b);
	assert_int_equal(s.items[0].dest, CV_QUEUE_DEST_LOCAL);
	assert_true(s.items[1].dest != CV_QUEUE_DEST_LOCAL);
	s = (struct seen){ .stop_at = 2 };
	assert_int_equal(cv_queue_due(q, 10000, 64, see, &s, &err), CV_OK);
	assert_int_equal(s.count, 2);
	s = (struct seen){ .count = 0 };
	assert_int_equal(cv_queue_due(q, 10000, 3, see, &s, &err), CV_OK);
	assert_int_equal(s.count, 3);
	assert_int_equal(cv_queue_next_due(q, 0), 400);
	assert_int_equal(cv_queue_next_due(q, 402), 500);
	assert_int_equal(cv_queue_next_due(q, 501), INT64_MAX);
	cv_queue_close(q);
}

static void
test_queue__moves_recipients_through_their_states(void **state)
{
	struct cv_queue *q = open_queue();
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_msg msg;
	struct cv_queue_stats stats;
	struct cv_err err;
	uint64_t id;
	cv_ticket ticket;

	(void)state;
	assert_int_equal(put(q, 4, 500, "x\r\n", &id, &ticket), CV_OK);
	assert_int_equal(finish(q, id, 0, 1, CV_Q_WAITING, 900, &ticket), CV_OK);
	assert_int_equal(count_due(q, 600), 3);
	assert_int_equal(count_due(q, 900), 4);
	assert_int_equal(finish(q, id, 1, 1, CV_Q_HELD, 0, &ticket), CV_OK);
	assert_int_equal(count_due(q, 900), 3);
	cv_queue_stats(q, &stats);
	assert_int_equal(stats.held, 1);
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_OK);
	assert_int_equal(msg.rcpts[0].attempts, 1);
	assert_true(cv_str_eq_z(msg.rcpts[0].last_reply, "450 4.2.1 later"));
	assert_int_equal(msg.rcpts[1].state, CV_Q_HELD);
	/* the same time again: the due row stays */
	assert_int_equal(finish(q, id, 0, 1, CV_Q_WAITING, 900, &ticket), CV_OK);
	assert_int_equal(count_due(q, 900), 3);
	assert_int_equal(finish(q, id, 0, 2, CV_Q_DONE, 0, &ticket), CV_OK);
	assert_int_equal(count_due(q, 900), 2);
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_OK);
	assert_int_equal(msg.rcpt_count, 2);
	/* done twice is done once */
	assert_int_equal(finish(q, id, 0, 2, CV_Q_DONE, 0, &ticket), CV_OK);
	assert_int_equal(finish(q, id, 2, 2, CV_Q_DONE, 0, &ticket), CV_OK);
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_NOT_FOUND);
	assert_int_equal(finish(q, id, 2, 2, CV_Q_DONE, 0, &ticket), CV_NOT_FOUND);
	cv_queue_stats(q, &stats);
	assert_int_equal(stats.messages + stats.recipients + stats.held + stats.bytes, 0);
	cv_ticket_block(cv_queue_engine(q), ticket);
	cv_queue_close(q);
	q = open_queue();
	assert_int_equal(bodies(q), 0);
	cv_arena_done(&arena);
	cv_queue_close(q);
}

static void
test_queue__takes_messages_of_thousands_of_recipients(void **state)
{
	struct cv_queue *q = open_queue();
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_msg msg;
	struct cv_err err;
	uint64_t id;
	cv_ticket ticket;
	enum { MANY = 3001 };

	(void)state;
	assert_int_equal(put(q, MANY, 500, "x\r\n", &id, &ticket), CV_OK);
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_OK);
	assert_int_equal(msg.rcpt_count, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(msg.rcpts[i].number, i);
	assert_int_equal(finish(q, id, 0, MANY - 1, CV_Q_WAITING, 9000, &ticket), CV_OK);
	assert_int_equal(finish(q, id, 0, MANY - 1, CV_Q_DONE, 0, &ticket), CV_OK);
	cv_arena_reset(&arena);
	assert_int_equal(cv_queue_get(q, id, &arena, &msg, &err), CV_OK);
	assert_int_equal(msg.rcpt_count, 1);
	assert_int_equal(put(q, CV_QUEUE_RCPTS_MAX + 1, 0, "x", &id, &ticket), CV_LIMIT);
	assert_int_equal(put(q, 0, 0, "x", &id, &ticket), CV_LIMIT);
	cv_arena_done(&arena);
	cv_queue_close(q);
}

static bool
count_body(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	(void)ref;
	(void)size_bytes;
	*(size_t *)arg += !dead;
	return true;
}

static size_t
bodies(struct cv_queue *q)
{
	struct cv_err err;
	size_t n = 0;

	assert_int_equal(cv_blob_each(cv_queue_engine(q), count_body, &n, &err), CV_OK);
	return n;
}

/* What the child had promised to the outside world when it died. */
struct promise {
	unsigned acknowledged;  /* messages whose put was durable */
	unsigned finished;      /* messages whose end was durable */
	uint64_t ids[64], done[64];
};

static void
child(const char *where, struct promise *p)
{
	setenv("CONGVU_KILL", where, 1);
	cv_kill_reload();
	struct cv_queue *q = open_queue();
	for (unsigned i = 0; i < 20; i++) {
		cv_ticket ticket;
		uint64_t id;
		if (put(q, i % 5 ? 3 : 2500, 500, "Subject: x\r\n\r\nbody\r\n", &id, &ticket) !=
			CV_OK)
			_exit(3);
		cv_ticket_block(cv_queue_engine(q), ticket);
		p->ids[p->acknowledged++] = id;
		if (i % 2)
			continue;
		if (finish(q, id, 0, i % 5 ? 3 : 2500, CV_Q_DONE, 0, &ticket) != CV_OK)
			_exit(4);
		cv_ticket_block(cv_queue_engine(q), ticket);
		p->done[p->finished++] = id;
	}
	cv_queue_close(q);
	_exit(0);
}

struct check_call {
	size_t messages, recipients, whole;
};

static bool
check_message(void *arg, const struct cv_queue_msg *msg)
{
	struct check_call *call = arg;

	call->messages++;
	call->recipients += msg->rcpt_count;
	call->whole += msg->size_bytes == 33;
	return true;
}

static void
check_after_death(const char *where, const struct promise *p)
{
	struct cv_queue *q = open_queue();
	struct check_call call = { 0 };
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_stats stats;
	struct cv_queue_msg msg;
	struct cv_err err;
	struct seen due = { .count = 0 };

	for (unsigned i = 0; i < p->acknowledged; i++) {
		bool done = false;
		for (unsigned d = 0; d < p->finished; d++)
			done |= p->done[d] == p->ids[i];
		enum cv_status status = cv_queue_get(q, p->ids[i], &arena, &msg, &err);
		/* The last one may have been finished without its promise being given yet. */
		if (done)
			CHECK(where, status == CV_NOT_FOUND);
		else if (i + 1 < p->acknowledged)
			CHECK(where, status == CV_OK);
		if (status == CV_OK) {
			struct cv_buf body = CV_BUF_INIT(1000);
			CHECK(where, cv_queue_read(q, &msg, to_buf, &body, &err) == CV_OK);
			CHECK(where, cv_str_has_suffix(cv_buf_view(&body), "body\r\n"));
			cv_buf_done(&body);
		}
	}
	CHECK(where, cv_queue_each(q, check_message, &call, &err) == CV_OK);
	CHECK(where, bodies(q) == call.messages);
	cv_queue_stats(q, &stats);
	CHECK(where, stats.messages == call.messages);
	CHECK(where, stats.recipients == call.recipients);
	CHECK(where, cv_queue_due(q, 1 << 30, 64, see, &due, &err) == CV_OK);
	for (size_t i = 0; i < due.count; i++)
		CHECK(where, cv_queue_get(q, due.items[i].id, &arena, &msg, &err) == CV_OK);
	cv_arena_done(&arena);
	cv_queue_close(q);
}

static void
test_queue__keeps_its_promises_wherever_the_process_dies(void **state)
{
	static const char *const points[] = { "queue.put.body:1", "queue.put.body:7",
		"queue.put.rows:1", "queue.put.rows:4", "queue.put.committed:1",
		"queue.put.committed:6", "queue.update.committed:1", "queue.update.committed:5",
		"queue.update.committed:12", "queue.remove:1", "queue.remove:3" };
	struct promise *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < CV_COUNT(points); i++) {
		int status;
		memset(p, 0, sizeof *p);
		pid_t pid = fork();
		if (!pid)
			child(points[i], p);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		CHECK(points[i], WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_after_death(points[i], p);
		remove_dir(state);
		make_dir(state);
	}
	munmap(p, sizeof *p);
	CHECK_END();
}

static void
test_queue__gives_the_room_of_finished_messages_back(void **state)
{
	enum { MESSAGES = 72, BYTES = 1 << 20 };
	struct cv_queue *q = open_queue();
	struct cv_engine_stats before, after;
	char *noise = cv_malloc(BYTES + 1);
	uint64_t ids[MESSAGES];
	cv_ticket ticket;

	for (size_t i = 0; i < MESSAGES; i++) {
		cv_random(noise, BYTES); /* nothing that compresses */
		for (size_t k = 0; k < BYTES; k++)
			noise[k] = noise[k] ? noise[k] : 'x';
		noise[BYTES] = '\0';
		assert_int_equal(put(q, 1, 500, noise, &ids[i], &ticket), CV_OK);
	}
	free(noise);
	cv_engine_stats(cv_queue_engine(q), &before);
	assert_true(before.blob_bytes >= (uint64_t)MESSAGES * BYTES);
	for (size_t i = 0; i + 1 < MESSAGES; i++)
		assert_int_equal(finish(q, ids[i], 0, 1, CV_Q_DONE, 0, &ticket), CV_OK);
	for (int i = 0; i < 500; i++) {
		cv_engine_stats(cv_queue_engine(q), &after);
		if (after.blob_bytes < before.blob_bytes / 2)
			break;
		usleep(20000);
	}
	assert_true(after.blob_bytes < before.blob_bytes / 2);
	assert_int_equal(bodies(q), 1);
	cv_queue_close(q);
	(void)state;
}

static void
test_queue__reads_only_ids_it_writes(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t id;
	} rows[] = {
		{ "0", true, 0 },
		{ "Z", true, 35 },
		{ "1x9k3", true, 0 },
		{ "3W5E11264SGSF", true, UINT64_MAX },
		{ "3W5E11264SGSG", false, 0 },
		{ "", false, 0 },
		{ "A-B", false, 0 },
		{ "00000000000000", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint64_t id = 0;
		bool ok = cv_queue_id_parse(cv_str_z(rows[i].text), &id);
		CHECK(rows[i].text, ok == rows[i].ok);
		if (ok && rows[i].id)
			CHECK(rows[i].text, id == rows[i].id);
		char text[16];
		cv_queue_id_text(id, text);
		uint64_t again;
		CHECK(text, cv_queue_id_parse(cv_str_z(text), &again) && again == id);
	}
	CHECK_END();
}

static void
test_queue__refuses_damaged_rows(void **state)
{
	struct cv_queue_msg msg = { .sender = CV_STR("a@b"), .rcpt_count = 1 };
	struct cv_queue_rcpt rcpt = { .address = CV_STR("c@d") };
	struct cv_buf row = CV_BUF_INIT(1000);
	struct cv_err err;
	uint32_t left;

	(void)state;
	cv_queue_msg_encode(&msg, 1, &row);
	for (size_t n = 0; n < row.n; n++)
		CHECK("message",
			cv_queue_msg_decode(cv_str(row.p, n), &msg, &left, &err) == CV_CORRUPT);
	cv_buf_reset(&row);
	cv_queue_rcpt_encode(&rcpt, &row);
	for (size_t n = 0; n < row.n; n++)
		CHECK("recipient",
			cv_queue_rcpt_decode(cv_str(row.p, n), &rcpt, &err) == CV_CORRUPT);
	cv_buf_done(&row);
	CHECK_END();
}

static void
test_queue__remembers_each_wish_of_a_sender_by_itself(void **state)
{
	static const struct {
		const char *name;
		bool ret_full, ret_hdrs, smtputf8, require_tls, tls_optional;
	} rows[] = {
		{ "none", 0, 0, 0, 0, 0 }, { "RET=FULL", 1, 0, 0, 0, 0 },
		{ "RET=HDRS", 0, 1, 0, 0, 0 }, { "SMTPUTF8", 0, 0, 1, 0, 0 },
		{ "REQUIRETLS", 0, 0, 0, 1, 0 }, { "TLS-Required: No", 0, 0, 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_queue_msg in = { .ret_full = rows[i].ret_full,
			.ret_hdrs = rows[i].ret_hdrs, .smtputf8 = rows[i].smtputf8,
			.require_tls = rows[i].require_tls,
			.tls_optional = rows[i].tls_optional }, out;
		struct cv_buf row = CV_BUF_INIT(1000);
		struct cv_err err;
		uint32_t left;
		cv_queue_msg_encode(&in, 1, &row);
		enum cv_status status = cv_queue_msg_decode(cv_buf_view(&row), &out, &left, &err);
		CHECK(rows[i].name, status == CV_OK && out.ret_full == in.ret_full
			&& out.ret_hdrs == in.ret_hdrs && out.smtputf8 == in.smtputf8
			&& out.require_tls == in.require_tls
			&& out.tls_optional == in.tls_optional);
		cv_buf_done(&row);
	}
	CHECK_END();
}

static void
test_queue__remembers_times_and_priority(void **state)
{
	struct cv_queue_msg in = { .priority = -9, .by_mode = CV_BY_RETURN, .by_trace = true,
		.by_secs = 1763000000, .hold_secs = 1763000001 }, out;
	struct cv_queue_rcpt rcpt = { .by_notified = true, .place = CV_Q_JUNK }, back;
	struct cv_buf row = CV_BUF_INIT(1000);
	struct cv_err err;
	uint32_t left;

	(void)state;
	for (; in.priority <= 9; in.priority += 6) {
		cv_buf_reset(&row);
		cv_queue_msg_encode(&in, 1, &row);
		assert_int_equal(cv_queue_msg_decode(cv_buf_view(&row), &out, &left, &err), CV_OK);
		assert_true(out.priority == in.priority && out.by_mode == in.by_mode
			&& out.by_trace && out.by_secs == in.by_secs
			&& out.hold_secs == in.hold_secs);
	}
	cv_buf_reset(&row);
	cv_queue_rcpt_encode(&rcpt, &row);
	assert_int_equal(cv_queue_rcpt_decode(cv_buf_view(&row), &back, &err), CV_OK);
	assert_true(back.by_notified && !back.delay_notified && back.place == CV_Q_JUNK);
	cv_buf_done(&row);
}

static void
test_queue__reads_rows_of_the_format_before(void **state)
{
	/* id, sender, envid, flags, body kind, three numbers, body, account, two numbers */
	static const char msg[] = "\1\1d\3a@b\0\2\1\5\6\7\0\0\1\1";
	static const char rcpt[] = "\1\3c@d\0\0\0\0\5\1\0\1";
	struct cv_queue_msg m;
	struct cv_queue_rcpt r;
	struct cv_err err;
	uint32_t left;

	(void)state;
	assert_int_equal(cv_queue_msg_decode(cv_str(msg, sizeof msg - 1), &m, &left, &err), CV_OK);
	assert_true(m.smtputf8 && m.body_kind == CV_BODY_8BITMIME && m.size_bytes == 7);
	assert_true(!m.priority && m.by_mode == CV_BY_NONE && !m.hold_secs && left == 1);
	assert_int_equal(cv_queue_rcpt_decode(cv_str(rcpt, sizeof rcpt - 1), &r, &err), CV_OK);
	assert_true(r.delay_notified && !r.by_notified && r.next_secs == 5);
	struct cv_queue_due due;
	assert_true(cv_queue_due_decode(CV_STR("\0\0\0\7"), &due));
	assert_true(due.dest == 7 && !due.priority);
	assert_false(cv_queue_due_decode(CV_STR("\0\0\0\7\23"), &due));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue__remembers_times_and_priority),
		cmocka_unit_test(test_queue__reads_rows_of_the_format_before),
		cmocka_unit_test_setup_teardown(
			test_queue__gives_back_what_was_put_after_reopening, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			test_queue__names_the_due_oldest_first_and_stops_when_told, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			test_queue__moves_recipients_through_their_states, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			test_queue__takes_messages_of_thousands_of_recipients, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			test_queue__keeps_its_promises_wherever_the_process_dies, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			test_queue__gives_the_room_of_finished_messages_back, make_dir, remove_dir),
		cmocka_unit_test(test_queue__reads_only_ids_it_writes),
		cmocka_unit_test(test_queue__refuses_damaged_rows),
		cmocka_unit_test(test_queue__remembers_each_wish_of_a_sender_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
