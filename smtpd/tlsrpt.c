/* tlsrpt.c - see tlsrpt.h: the lists, the rows, and when a day is told. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlsrpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/net/thread.h"
#include "common/text/date.h"
#include "common/text/header.h"
#include "smtpd/filters.h"
#include "smtpd/tlsrpt_internal.h"

#define EVENTS_MAX     20000u          /* noted and not yet counted */
#define DOMAINS_MAX    20000u          /* of one day */
#define MAILS_MAX      20u             /* reports that came and are not yet read */
#define RECEIVED_MAX   20000u          /* summaries kept */
#define RECEIVED_DAYS  90
#define SENT_DAYS      30
#define LOOK_MS        30000           /* between two looks at the days that are over */
#define SENDERS        4u
#define SENDS_MAX      64u             /* under way */
#define GIVE_UP_SECS   (2 * TLSRPT_DAY) /* after the day began its wait, a day of tries (3) */
#define RETRY_MIN_SECS 600

struct mail {
	struct cv_link link;
	struct cv_buf text;
};

/* ---- rows ---- */

/* "D" + day + domain. */
static void
make_key(int64_t day, const char *domain, struct cv_buf *out)
{
	cv_buf_c(out, 'D');
	cv_buf_be32(out, (uint32_t)day);
	cv_buf_z(out, domain);
}

/* NULL: absent, or damaged. */
static json_t *
row_read(struct smtpd_tlsrpt *t, struct cv_str key)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX + 1000);
	struct cv_err err = { 0 };
	struct cv_str value;
	json_t *row = NULL;

	if (cv_meta_read(t->engine, TLSRPT_ACCT, &key, 1, &value, &hold, NULL, &err) != CV_OK)
		cv_log(0, CV_ERROR, "tlsrpt.unreadable", "error=\"%s\"", err.text);
	else if (value.p)
		row = json_loadb(value.p, value.n, 0, NULL);
	cv_buf_done(&hold);
	return row;
}

static enum cv_status
row_write(struct smtpd_tlsrpt *t, struct cv_str key, const json_t *row, cv_ticket *ticket_out,
	struct cv_err *err)
{
	char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
	struct cv_put put = { key, row ? cv_str_z(text) : cv_str(NULL, 0) };
	struct cv_batch batch = { .acct = TLSRPT_ACCT, .expect = CV_VERSION_ANY, .puts = &put,
		.count = 1 };
	enum cv_status status = row && !text ? cv_fail(err, CV_INVALID, "a row cannot be written")
		: put.value.n > CV_VALUE_MAX ? cv_fail(err, CV_LIMIT, "a row is too large")
		: cv_meta_commit(t->engine, &batch, 1, ticket_out, err);

	if (status == CV_OK && batch.result != CV_OK)
		status = cv_fail(err, batch.result, "a row is refused");
	free(text);
	return status;
}

/* Durable when it returns. ROW NULL removes it. Under `rows`. */
static enum cv_status
row_put(struct smtpd_tlsrpt *t, struct cv_str key, const json_t *row, struct cv_err *err)
{
	cv_ticket ticket;
	enum cv_status status = row_write(t, key, row, &ticket, err);

	if (status == CV_OK)
		cv_ticket_block(t->engine, ticket);
	return status;
}

/* ROW is borrowed; false stops. */
typedef bool row_fn(void *arg, struct cv_str key, json_t *row);
struct walk {
	row_fn *fn;
	void *arg;
};

static bool
walk_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct walk *w = arg;
	json_t *row = json_loadb(value.p, value.n, 0, NULL);
	bool more = !row || w->fn(w->arg, key, row);

	json_decref(row);
	return more;
}

/* Each row whose key begins with FIRST. */
static enum cv_status
each_row(struct smtpd_tlsrpt *t, char first, row_fn *fn, void *arg, struct cv_err *err)
{
	char from[1] = { first }, to[1] = { (char)(first + 1) };
	struct walk w = { fn, arg };

	return cv_meta_scan(t->engine, TLSRPT_ACCT, cv_str(from, 1), cv_str(to, 1), 0, walk_row, &w,
		err);
}

static int64_t
day_of_key(struct cv_str key)
{
	struct cv_rd r = cv_rd(cv_str_sub(key, 1, key.n));

	return cv_rd_be32(&r);
}

/* ---- counting ---- */

static json_t *
new_row(int64_t from_secs)
{
	return json_pack("{s:I, s:[], s:s}", "from", (json_int_t)from_secs, "policies", "state",
		"pending");
}

/* A day under way that was told before its end begins anew. */
static json_t *
row_for(struct smtpd_tlsrpt *t, struct cv_str key, int64_t day)
{
	json_t *row = row_read(t, key);
	const char *state = json_string_value(json_object_get(row, "state"));

	if (state && !strcmp(state, "pending"))
		return row;
	if (!row && t->day_rows >= DOMAINS_MAX)
		return NULL;
	t->day_rows += !row;
	json_decref(row);
	return new_row(state ? cv_wall_secs() : day * TLSRPT_DAY);
}

/* All events of one domain: they stand together in EVENTS from FIRST on and go. */
static void
count_domain(struct smtpd_tlsrpt *t, struct cv_link *events, int64_t day, cv_ticket *ticket)
{
	struct smtpd_tlsrpt_event *first =
		CV_CONTAINER(events->next, struct smtpd_tlsrpt_event, link);
	struct cv_buf key = CV_BUF_INIT(300);
	struct cv_err err = { 0 };
	char domain[256];

	snprintf(domain, sizeof domain, "%s", first->domain);
	make_key(day, domain, &key);
	json_t *row = row_for(t, cv_buf_view(&key), day);
	CV_LIST_EACH(l, next, events) {
		struct smtpd_tlsrpt_event *e = CV_CONTAINER(l, struct smtpd_tlsrpt_event, link);
		if (strcmp(e->domain, domain) != 0)
			continue;
		if (row)
			smtpd_tlsrpt_count(json_object_get(row, "policies"), e);
		cv_list_remove(l);
		smtpd_tlsrpt_event_free(e);
	}
	if (row && row_write(t, cv_buf_view(&key), row, ticket, &err) != CV_OK)
		cv_log(0, CV_ERROR, "tlsrpt.unwritten", "domain=%s error=\"%s\"", domain, err.text);
	json_decref(row);
	cv_buf_done(&key);
}

static void
count_events(struct smtpd_tlsrpt *t, struct cv_link *events)
{
	int64_t day = cv_wall_secs() / TLSRPT_DAY;
	cv_ticket ticket = 0;

	pthread_mutex_lock(&t->rows);
	if (t->day != day) {
		t->day = day;
		t->day_rows = 0;
	}
	while (!cv_list_is_empty(events))
		count_domain(t, events, day, &ticket);
	pthread_mutex_unlock(&t->rows);
	cv_ticket_block(t->engine, ticket); /* the last one covers all */
}

void
smtpd_tlsrpt_note(struct smtpd_tlsrpt *t, struct smtpd_tlsrpt_event *e)
{
	bool taken = false;

	if (t) {
		pthread_mutex_lock(&t->lock);
		taken = !t->stopping && t->event_count < EVENTS_MAX;
		if (taken) {
			cv_list_append(&t->events, &e->link);
			t->event_count++;
		}
		t->dropped += !taken;
		pthread_mutex_unlock(&t->lock);
	}
	if (!taken)
		smtpd_tlsrpt_event_free(e);
}

/* ---- reports that come ---- */

static void
keep_report(struct smtpd_tlsrpt *t, json_t *summary)
{
	const char *id = json_string_value(json_object_get(summary, "report_id"));
	const char *who = json_string_value(json_object_get(summary, "organization"));
	struct cv_buf key = CV_BUF_INIT(20);
	struct cv_err err = { 0 };
	enum cv_status status = CV_OK;

	cv_buf_c(&key, 'I'); /* the same report again takes its own place */
	cv_buf_be64(&key, cv_hash(id, strlen(id), cv_hash(who, strlen(who), 0)));
	pthread_mutex_lock(&t->rows);
	json_t *old = row_read(t, cv_buf_view(&key));
	if (!old && t->received_rows >= RECEIVED_MAX)
		status = cv_fail(&err, CV_LIMIT, "too many reports are kept");
	if (status == CV_OK)
		status = row_put(t, cv_buf_view(&key), summary, &err);
	t->received_rows += status == CV_OK && !old;
	pthread_mutex_unlock(&t->rows);
	json_decref(old);
	cv_buf_done(&key);
	if (status == CV_OK)
		cv_log(0, CV_INFO, "tlsrpt.received", "from=\"%s\" report=\"%s\"", who, id);
	else
		cv_log(0, CV_WARN, "tlsrpt.unkept", "from=\"%s\" error=\"%s\"", who, err.text);
}

static void
read_report(struct smtpd_tlsrpt *t, struct cv_str message)
{
	struct cv_err err = { 0 };
	json_t *summary;
	enum cv_status status = smtpd_tlsrpt_read_mail(message, &summary, &err);

	if (status != CV_OK) {
		cv_log(0, CV_INFO, "tlsrpt.no_report", "why=\"%s\"", err.text);
		return;
	}
	json_object_set_new(summary, "arrived", json_integer((json_int_t)cv_wall_secs()));
	/* RFC 8460 3 wants every report signed. */
	json_object_set_new(summary, "signed", json_boolean(
		smtpd_filters_said(t->server, message, CV_STR("dkim=pass"))));
	keep_report(t, summary);
	json_decref(summary);
}

void
smtpd_tlsrpt_offer(struct smtpd_tlsrpt *t, struct cv_str address, struct cv_spool *message)
{
	struct cv_err err = { 0 };
	struct cv_str view;

	if (!t || !cv_str_ieq_z(address, t->contact)
		|| message->size_bytes > 2 * SMTPD_TLSRPT_PACKED_MAX
		|| cv_spool_map(message, &view, &err) != CV_OK)
		return;
	struct mail *m = cv_calloc(1, sizeof *m);
	cv_buf_init(&m->text, view.n + 1);
	cv_buf_str(&m->text, view);
	cv_spool_unmap(message, view);
	pthread_mutex_lock(&t->lock);
	bool taken = !t->stopping && t->mail_count < MAILS_MAX;
	if (taken) {
		cv_list_append(&t->mails, &m->link);
		t->mail_count++;
	}
	pthread_mutex_unlock(&t->lock);
	if (taken)
		return;
	cv_log(0, CV_WARN, "tlsrpt.unkept", "from=\"%.*s\" error=\"too many at once\"",
		CV_STR_ARGS(address));
	cv_buf_done(&m->text);
	free(m);
}

/* ---- the end of a day ---- */

struct sending {
	struct smtpd_tlsrpt *t;
	struct cv_buf key;
	int64_t to_secs;
};

/* What became of a try: kept, tried again later, or given up. */
static void
after_try(struct smtpd_tlsrpt *t, struct cv_str key, json_t *row, bool drop)
{
	struct cv_err err = { 0 };

	pthread_mutex_lock(&t->rows);
	if (row_put(t, key, drop ? NULL : row, &err) != CV_OK)
		cv_log(0, CV_ERROR, "tlsrpt.unwritten", "domain=%.*s error=\"%s\"",
			CV_STR_ARGS(cv_str_sub(key, 5, key.n)), err.text);
	pthread_mutex_unlock(&t->rows);
}

static void
set_next(json_t *row, int64_t begun_secs)
{
	json_int_t tries = json_integer_value(json_object_get(row, "tries")) + 1;
	int64_t now = cv_wall_secs(), wait = RETRY_MIN_SECS << CV_MIN(tries - 1, (json_int_t)5);

	json_object_set_new(row, "tries", json_integer(tries));
	json_object_set_new(row, "next", json_integer((json_int_t)(now + wait)));
	if (now + wait > begun_secs + GIVE_UP_SECS)
		json_object_set_new(row, "state", json_string("failed"));
}

static void
send_one(void *arg)
{
	struct sending *s = arg;
	struct smtpd_tlsrpt *t = s->t;
	struct cv_str key = cv_buf_view(&s->key);
	char domain[256];

	snprintf(domain, sizeof domain, "%.*s", (int)(key.n - 5), key.p + 5);
	pthread_mutex_lock(&t->rows);
	json_t *row = row_read(t, key);
	pthread_mutex_unlock(&t->rows);
	const char *state = json_string_value(json_object_get(row, "state"));
	if (state && !strcmp(state, "pending") && !atomic_load(&t->stop)) {
		bool drop = false;
		tlsrpt_send(t, domain, row, s->to_secs, &drop);
		state = json_string_value(json_object_get(row, "state"));
		if (!drop && !strcmp(state, "pending"))
			set_next(row, s->to_secs);
		after_try(t, key, row, drop);
	}
	json_decref(row);
	pthread_mutex_lock(&t->lock);
	cv_map_del(&t->under_way, key);
	pthread_mutex_unlock(&t->lock);
	cv_buf_done(&s->key);
	free(s);
}

static bool
start_sending(struct smtpd_tlsrpt *t, struct cv_str key, int64_t to_secs)
{
	pthread_mutex_lock(&t->lock);
	bool free_now = t->under_way.used < SENDS_MAX && !cv_map_get(&t->under_way, key);
	if (free_now)
		cv_map_put(&t->under_way, key, t);
	pthread_mutex_unlock(&t->lock);
	if (!free_now)
		return false;
	struct sending *s = cv_calloc(1, sizeof *s);
	s->t = t;
	s->to_secs = to_secs;
	cv_buf_init(&s->key, 300);
	cv_buf_str(&s->key, key);
	if (cv_pool_run(t->pool, send_one, s) == CV_OK)
		return true;
	pthread_mutex_lock(&t->lock);
	cv_map_del(&t->under_way, key);
	pthread_mutex_unlock(&t->lock);
	cv_buf_done(&s->key);
	free(s);
	return false;
}

struct look {
	struct smtpd_tlsrpt *t;
	int64_t now;
	bool everything;           /* today's too, whatever they wait for */
	struct cv_arena arena;
	struct cv_put old[500];    /* rows whose time is over */
	size_t old_count, started;
};

static bool
look_at_day(void *arg, struct cv_str key, json_t *row)
{
	struct look *l = arg;
	int64_t day = day_of_key(key), end = (day + 1) * TLSRPT_DAY;
	const char *state = json_string_value(json_object_get(row, "state"));
	int64_t next = (int64_t)json_integer_value(json_object_get(row, "next"));

	if (l->now > end + SENT_DAYS * TLSRPT_DAY && l->old_count < CV_COUNT(l->old))
		l->old[l->old_count++] = (struct cv_put){ cv_arena_str(&l->arena, key), { 0 } };
	if (!state || strcmp(state, "pending") != 0)
		return true;
	if (!l->everything && (l->now < end + l->t->delay_secs || l->now < next))
		return true;
	l->started += start_sending(l->t, key, CV_MIN(end - 1, l->now));
	return true;
}

static bool
look_at_received(void *arg, struct cv_str key, json_t *row)
{
	struct look *l = arg;
	int64_t at = (int64_t)json_integer_value(json_object_get(row, "arrived"));

	if (l->now > at + RECEIVED_DAYS * TLSRPT_DAY && l->old_count < CV_COUNT(l->old))
		l->old[l->old_count++] = (struct cv_put){ cv_arena_str(&l->arena, key), { 0 } };
	return true;
}

static void
remove_old(struct look *l)
{
	struct cv_batch batch = { .acct = TLSRPT_ACCT, .expect = CV_VERSION_ANY, .puts = l->old,
		.count = l->old_count };
	struct cv_err err = { 0 };
	cv_ticket ticket;

	if (l->old_count && cv_meta_commit(l->t->engine, &batch, 1, &ticket, &err) != CV_OK)
		cv_log(0, CV_ERROR, "tlsrpt.unwritten", "domain=- error=\"%s\"", err.text);
}

static size_t
look(struct smtpd_tlsrpt *t, bool everything)
{
	struct look *l = cv_calloc(1, sizeof *l);
	struct cv_err err = { 0 };

	*l = (struct look){ .t = t, .now = cv_wall_secs(), .everything = everything,
		.arena = CV_ARENA_INIT };
	enum cv_status status = each_row(t, 'D', look_at_day, l, &err);
	size_t days = l->old_count;
	if (status == CV_OK)
		status = each_row(t, 'I', look_at_received, l, &err);
	if (status != CV_OK)
		cv_log(0, CV_ERROR, "tlsrpt.unreadable", "error=\"%s\"", err.text);
	remove_old(l);
	pthread_mutex_lock(&t->rows);
	t->received_rows -= CV_MIN(t->received_rows, l->old_count - days);
	pthread_mutex_unlock(&t->rows);
	size_t started = l->started;
	cv_arena_done(&l->arena);
	free(l);
	return started;
}

/* ---- the thread ---- */

static void
take_all(struct cv_link *from, struct cv_link *to)
{
	for (struct cv_link *l; (l = cv_list_pop(from));)
		cv_list_append(to, l);
}

/* Waits a second or until the end; false at the end. */
static bool
wait_a_second(struct smtpd_tlsrpt *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&t->lock);
	if (!t->stopping)
		pthread_cond_timedwait(&t->wake, &t->lock, &until);
	bool more = !t->stopping;
	pthread_mutex_unlock(&t->lock);
	return more;
}

static void
work_off(struct smtpd_tlsrpt *t)
{
	struct cv_link events, mails;

	cv_list_init(&events);
	cv_list_init(&mails);
	pthread_mutex_lock(&t->lock);
	take_all(&t->events, &events);
	take_all(&t->mails, &mails);
	t->event_count = t->mail_count = 0;
	uint64_t dropped = t->dropped;
	t->dropped = 0;
	pthread_mutex_unlock(&t->lock);
	if (dropped)
		cv_log(0, CV_WARN, "tlsrpt.dropped", "events=%llu", (unsigned long long)dropped);
	if (!cv_list_is_empty(&events))
		count_events(t, &events);
	for (struct cv_link *l; (l = cv_list_pop(&mails));) {
		struct mail *m = CV_CONTAINER(l, struct mail, link);
		read_report(t, cv_buf_view(&m->text));
		cv_buf_done(&m->text);
		free(m);
	}
}

static void *
keep_books(void *arg)
{
	struct smtpd_tlsrpt *t = arg;
	int64_t look_ms = 0;

	while (wait_a_second(t)) {
		work_off(t);
		if (cv_mono_ms() < look_ms)
			continue;
		look_ms = cv_mono_ms() + LOOK_MS;
		look(t, false);
	}
	work_off(t);
	return NULL;
}

/* ---- asking ---- */

struct listing {
	json_t *list;
	bool pending;
	int64_t since;
};

static bool
list_day(void *arg, struct cv_str key, json_t *row)
{
	struct listing *l = arg;
	const char *state = json_string_value(json_object_get(row, "state"));
	struct cv_buf day = CV_BUF_INIT(40);
	json_int_t good, bad;

	if (!state || (!strcmp(state, "pending")) != l->pending)
		return true;
	cv_date_write_iso_day(&day, cv_date_at(day_of_key(key) * TLSRPT_DAY, 0));
	smtpd_tlsrpt_sums(json_object_get(row, "policies"), &good, &bad);
	json_t *one = json_pack("{s:s, s:s%, s:I, s:I}", "day", day.p, "domain", key.p + 5,
		key.n - 5, "good", good, "bad", bad);
	json_object_update_missing(one, row);
	json_array_append_new(l->list, one);
	cv_buf_done(&day);
	return true;
}

static bool
list_received(void *arg, struct cv_str key, json_t *row)
{
	struct listing *l = arg;

	(void)key;
	if (json_integer_value(json_object_get(row, "arrived")) >= (json_int_t)l->since)
		json_array_append(l->list, row);
	return true;
}

static enum cv_status
answer_list(struct smtpd_tlsrpt *t, const char *what, json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	bool received = !strcmp(what, "tlsrpt.received");
	json_int_t days = json_integer_value(json_object_get(request, "days"));
	struct listing l = { .list = json_array(), .pending = !strcmp(what, "tlsrpt.pending"),
		.since = cv_wall_secs() - (days > 0 ? CV_MIN(days, (json_int_t)RECEIVED_DAYS) : 7)
			* TLSRPT_DAY };
	enum cv_status status = received ? each_row(t, 'I', list_received, &l, err)
		: each_row(t, 'D', list_day, &l, err);

	*reply_out = json_pack("{s:o}", "reports", l.list);
	return status;
}

enum cv_status
smtpd_tlsrpt_do(struct smtpd_tlsrpt *t, json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(request, "do"));

	if (!t)
		return cv_fail(err, CV_NOT_FOUND, "tls_reports is off");
	if (!strcmp(what, "tlsrpt.pending") || !strcmp(what, "tlsrpt.sent")
		|| !strcmp(what, "tlsrpt.received"))
		return answer_list(t, what, request, reply_out, err);
	if (strcmp(what, "tlsrpt.send") != 0)
		return cv_fail(err, CV_NOT_FOUND, "smtpd knows no request \"%s\"", what);
	work_off(t);
	size_t started = look(t, json_is_true(json_object_get(request, "today")));
	*reply_out = json_pack("{s:I}", "reports", (json_int_t)started);
	return CV_OK;
}

/* ---- life ---- */

void
smtpd_tlsrpt_contact(const struct smtpd_server *server, char out[320])
{
	if (server->opt->tls_report_contact[0])
		snprintf(out, 320, "%s", server->opt->tls_report_contact);
	else
		snprintf(out, 320, "tlsrpt@%s", server->main->default_domain);
}

static bool
count_row(void *arg, struct cv_str key, json_t *row)
{
	struct smtpd_tlsrpt *t = arg;

	(void)row;
	if (key.p[0] == 'I')
		t->received_rows++;
	else if (day_of_key(key) == t->day)
		t->day_rows++;
	return true;
}

static enum cv_status
count_rows(struct smtpd_tlsrpt *t, struct cv_err *err)
{
	enum cv_status status = each_row(t, 'D', count_row, t, err);

	return status == CV_OK ? each_row(t, 'I', count_row, t, err) : status;
}

enum cv_status
smtpd_tlsrpt_start(struct smtpd_server *server, struct smtpd_outbound *outbound,
	struct smtpd_tlsrpt **out, struct cv_err *err)
{
	struct smtpd_tlsrpt *t = cv_calloc(1, sizeof *t);
	pthread_condattr_t attr;

	t->server = server;
	t->outbound = outbound;
	t->engine = cv_queue_engine(server->queue);
	smtpd_tlsrpt_contact(server, t->contact);
	const char *at = strrchr(t->contact, '@');
	t->submitter = at ? at + 1 : server->main->default_domain;
	/* RFC 8460 4.1: everybody's midnight is the same; the lot spreads reports. */
	t->delay_secs = (int64_t)cv_random_below((uint64_t)server->opt->tls_report_delay + 1);
	t->day = cv_wall_secs() / TLSRPT_DAY;
	atomic_init(&t->stop, false);
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->rows, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	cv_list_init(&t->events);
	cv_list_init(&t->mails);
	cv_map_init(&t->under_way);
	enum cv_status status = count_rows(t, err);
	if (status == CV_OK)
		status = cv_pool_new("tls-report", SENDERS, SENDS_MAX, &t->pool, err);
	if (status == CV_OK)
		status = cv_thread_start(&t->thread, "tls-books", keep_books, t, err);
	t->started = status == CV_OK;
	if (status == CV_OK)
		*out = t;
	else
		smtpd_tlsrpt_free(t);
	return status;
}

void
smtpd_tlsrpt_stop(struct smtpd_tlsrpt *t)
{
	if (!t)
		return;
	atomic_store(&t->stop, true);
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->started)
		pthread_join(t->thread, NULL);
	t->started = false;
	if (t->pool)
		cv_pool_free(t->pool);
	t->pool = NULL;
}

void
smtpd_tlsrpt_free(struct smtpd_tlsrpt *t)
{
	if (!t)
		return;
	smtpd_tlsrpt_stop(t);
	cv_map_done(&t->under_way);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->rows);
	pthread_cond_destroy(&t->wake);
	free(t);
}
