/* access.c - see access.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/access.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/audit/answers.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"

#define ACCESS_ACCT   cv_acct(CV_CLASS_AUDIT, 2)
#define ROW_VERSION   1
#define WAITING_MAX   200000u /* openings in memory; beyond it who opens writes */
#define ROWS_AT_ONCE  1000u
#define EXPIRE_SECS   21600
#define LATE_SECS     300 /* the last signs are written when they moved so far */
#define OPENING_KEY   33u /* "O", owner, message, person */
#define VISIT_KEY     21u /* "V", owner, day, person */

struct waiting { /* a visit row in memory */
	struct cv_visits v;
	int64_t written_any;
	bool is_dirty;
};
struct cv_access {
	struct cv_access_options o;
	pthread_mutex_t lock;       /* rank: leaf; guards the maps and `stop` */
	pthread_mutex_t flush_lock; /* one flush at a time; rank: above lock */
	pthread_cond_t wake;
	struct cv_map openings; /* row's key -> struct cv_opening */
	struct cv_map visits;   /* row's key -> struct waiting */
	bool stop, has_thread;
	int64_t expired_ms;
	pthread_t thread;
};

/* ---- days ---- */

static uint32_t
day_of(int64_t secs, uint16_t *minute_out)
{
	time_t t = (time_t)secs;
	struct tm tm;
	localtime_r(&t, &tm);
	int64_t local = secs + tm.tm_gmtoff;
	if (minute_out)
		*minute_out = (uint16_t)(local % 86400 / 60);
	return (uint32_t)(local / 86400);
}

uint32_t
cv_access_day(int64_t secs)
{
	return day_of(secs, NULL);
}

/* ---- rows ---- */

static void
opening_key(const struct cv_opening *o, struct cv_buf *out)
{
	cv_buf_c(out, 'O');
	cv_buf_be64(out, o->owner);
	cv_buf_add(out, o->email_id, sizeof o->email_id);
	cv_buf_be64(out, o->person);
}

static void
visit_key(cv_acct_id owner, uint32_t day, cv_acct_id person, struct cv_buf *out)
{
	cv_buf_c(out, 'V');
	cv_buf_be64(out, owner);
	cv_buf_be32(out, day);
	cv_buf_be64(out, person);
}

static void
encode_opening(const struct cv_opening *o, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_be64(out, (uint64_t)o->secs);
	cv_buf_be32(out, o->box);
	cv_buf_be32(out, o->uid);
}

static bool
decode_opening(struct cv_str key, struct cv_str value, struct cv_opening *out)
{
	struct cv_rd k = cv_rd(key), v = cv_rd(value);
	*out = (struct cv_opening){0};
	if (key.n != OPENING_KEY || cv_rd_u8(&k) != 'O' || cv_rd_u8(&v) != ROW_VERSION)
		return false;
	out->owner = cv_rd_be64(&k);
	memcpy(out->email_id, cv_rd_take(&k, sizeof out->email_id).p, sizeof out->email_id);
	out->person = cv_rd_be64(&k);
	out->secs = (int64_t)cv_rd_be64(&v);
	out->box = cv_rd_be32(&v);
	out->uid = cv_rd_be32(&v);
	return !k.bad && !v.bad;
}

static void
encode_visits(const struct cv_visits *v, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_be32(out, v->count);
	cv_buf_be64(out, (uint64_t)v->last_secs);
	cv_buf_be64(out, (uint64_t)v->last_any_secs);
	cv_buf_be64(out, (uint64_t)v->last_strong_secs);
	for (uint32_t i = 0; i < v->count && i < CV_VISIT_TIMES_MAX; i++)
		cv_buf_be16(out, v->times[i]);
}

static bool
decode_visits(struct cv_str key, struct cv_str value, struct cv_visits *out)
{
	struct cv_rd k = cv_rd(key), v = cv_rd(value);
	*out = (struct cv_visits){0};
	if (key.n != VISIT_KEY || cv_rd_u8(&k) != 'V' || cv_rd_u8(&v) != ROW_VERSION)
		return false;
	out->owner = cv_rd_be64(&k);
	out->day = cv_rd_be32(&k);
	out->person = cv_rd_be64(&k);
	out->count = cv_rd_be32(&v);
	out->last_secs = (int64_t)cv_rd_be64(&v);
	out->last_any_secs = (int64_t)cv_rd_be64(&v);
	out->last_strong_secs = (int64_t)cv_rd_be64(&v);
	for (uint32_t i = 0; i < out->count && i < CV_VISIT_TIMES_MAX; i++)
		out->times[i] = cv_rd_be16(&v);
	return !k.bad && !v.bad;
}

/* ---- what comes ---- */

void
cv_access_opened(struct cv_access *a, const struct cv_opening *opening)
{
	struct cv_buf key = CV_BUF_INIT(64);
	opening_key(opening, &key);
	pthread_mutex_lock(&a->lock);
	bool is_full = a->openings.used >= WAITING_MAX;
	if (!cv_map_get(&a->openings, cv_buf_view(&key))) {
		struct cv_opening *copy = cv_malloc(sizeof *copy);
		*copy = *opening;
		cv_map_put(&a->openings, cv_buf_view(&key), copy);
	}
	pthread_mutex_unlock(&a->lock);
	cv_buf_done(&key);
	struct cv_err err;
	if (is_full && cv_access_flush(a, &err))
		cv_log(0, CV_WARN, "access.not_written", "error=\"%s\"", err.text);
}

/* The row of that day as it is on disk, or an empty one. */
static struct waiting *
read_visits(struct cv_access *a, cv_acct_id owner, uint32_t day, cv_acct_id person)
{
	struct waiting *w = cv_calloc(1, sizeof *w);
	struct cv_buf key = CV_BUF_INIT(64), hold = CV_BUF_INIT(4096);
	struct cv_str value;
	visit_key(owner, day, person, &key);
	struct cv_str k = cv_buf_view(&key);
	if (cv_meta_read(cv_store_engine(a->o.store), ACCESS_ACCT, &k, 1, &value, &hold, NULL,
		    NULL) ||
		!value.p || !decode_visits(k, value, &w->v))
		w->v = (struct cv_visits){.owner = owner, .person = person, .day = day};
	w->written_any = w->v.last_any_secs;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return w;
}

/* Whether a check begins with this sign. */
static bool
begins_check(const struct cv_visits *v, int64_t secs, bool is_strong)
{
	int64_t before = secs - CV_VISIT_GAP_SECS;
	if (v->last_secs > before)
		return false;
	return is_strong ? v->last_strong_secs <= before : v->last_any_secs <= before;
}

static bool
add_sign(struct waiting *w, int64_t secs, bool is_strong, uint16_t minute)
{
	struct cv_visits *v = &w->v;
	bool begins = begins_check(v, secs, is_strong);
	if (begins) {
		if (v->count < CV_VISIT_TIMES_MAX)
			v->times[v->count] = minute;
		v->count++;
		v->last_secs = secs;
	}
	v->last_any_secs = CV_MAX(v->last_any_secs, secs);
	if (is_strong)
		v->last_strong_secs = CV_MAX(v->last_strong_secs, secs);
	w->is_dirty |= begins || v->last_any_secs >= w->written_any + LATE_SECS;
	return begins;
}

void
cv_access_visit(
	struct cv_access *a, cv_acct_id owner, cv_acct_id person, int64_t secs, bool is_strong)
{
	uint16_t minute;
	uint32_t day = day_of(secs, &minute);
	struct cv_buf key = CV_BUF_INIT(64);
	struct waiting *fresh = NULL;
	visit_key(owner, day, person, &key);
	pthread_mutex_lock(&a->lock);
	struct waiting *w = cv_map_get(&a->visits, cv_buf_view(&key));
	if (!w) { /* the first of the day, or since the daemon started */
		pthread_mutex_unlock(&a->lock);
		fresh = read_visits(a, owner, day, person);
		pthread_mutex_lock(&a->lock);
		w = cv_map_get(&a->visits, cv_buf_view(&key));
	}
	if (!w) {
		cv_map_put(&a->visits, cv_buf_view(&key), fresh);
		w = fresh;
		fresh = NULL;
	}
	bool begins = add_sign(w, secs, is_strong, minute);
	pthread_mutex_unlock(&a->lock);
	free(fresh);
	cv_buf_done(&key);
	if (begins && a->o.audit)
		cv_audit_count(a->o.audit, owner, CV_COUNT_CHECKS, 1);
}

/* ---- writing ---- */

struct batch {
	struct cv_str keys[ROWS_AT_ONCE], values[ROWS_AT_ONCE];
	struct cv_put puts[ROWS_AT_ONCE];
	char key_space[ROWS_AT_ONCE][VISIT_KEY];
	size_t ends[ROWS_AT_ONCE]; /* of the values in `text` */
	size_t count;
	struct cv_buf text;
};

static enum cv_status
commit(struct cv_access *a, const struct cv_put *puts, size_t count, struct cv_err *err)
{
	struct cv_batch batch = {
		.acct = ACCESS_ACCT, .expect = CV_VERSION_ANY, .puts = puts, .count = count};
	cv_ticket ticket;
	if (!count)
		return CV_OK;
	enum cv_status status =
		cv_meta_commit(cv_store_engine(a->o.store), &batch, 1, &ticket, err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "the log of readers was not written: %s",
			cv_status_name(batch.result));
	return status;
}

/* Rows that are not there yet. */
static enum cv_status
write_openings(struct cv_access *a, struct batch *b, struct cv_opening **list, size_t count,
	struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_BATCH_MAX);
	enum cv_status status = cv_meta_read(cv_store_engine(a->o.store), ACCESS_ACCT, b->keys,
		count, b->values, &hold, NULL, err);
	cv_buf_reset(&b->text);
	size_t n = 0, size = 0;
	for (size_t i = 0; !status && i < count; i++) {
		if (b->values[i].p)
			continue;
		size_t at = b->text.n;
		encode_opening(list[i], &b->text);
		size = b->text.n - at;
		b->puts[n++].key = b->keys[i];
	}
	for (size_t i = 0; i < n; i++)
		b->puts[i].value = cv_str(b->text.p + i * size, size);
	cv_buf_done(&hold);
	return status ? status : commit(a, b->puts, n, err);
}

/* Puts back what could not be written, for the next try. */
static void
keep_openings(struct cv_access *a, struct cv_map *taken)
{
	struct cv_str key;
	void *value;
	pthread_mutex_lock(&a->lock);
	for (size_t pos = 0; cv_map_each(taken, &pos, &key, &value);)
		free(cv_map_put(&a->openings, key, value));
	pthread_mutex_unlock(&a->lock);
}

static enum cv_status
flush_openings(struct cv_access *a, struct batch *b, struct cv_err *err)
{
	struct cv_map taken;
	pthread_mutex_lock(&a->lock);
	taken = a->openings;
	cv_map_init(&a->openings);
	pthread_mutex_unlock(&a->lock);
	struct cv_opening **list = cv_malloc(ROWS_AT_ONCE * sizeof(struct cv_opening *));
	enum cv_status status = CV_OK;
	struct cv_str key;
	void *value;
	size_t n = 0;
	for (size_t pos = 0; !status && cv_map_each(&taken, &pos, &key, &value);) {
		b->keys[n] = key;
		list[n++] = value;
		if (n == ROWS_AT_ONCE) {
			status = write_openings(a, b, list, n, err);
			n = 0;
		}
	}
	if (!status && n)
		status = write_openings(a, b, list, n, err);
	if (status) {
		keep_openings(a, &taken);
	} else {
		for (size_t pos = 0; cv_map_each(&taken, &pos, &key, &value);)
			free(value);
	}
	cv_map_done(&taken);
	free(list);
	return status;
}

/* The dirty ones as they are now, at most a batch; those of days before, written, are forgotten. */
static void
take_visits(struct cv_access *a, struct batch *b, uint32_t today)
{
	struct cv_str key;
	void *value;
	b->count = 0;
	cv_buf_reset(&b->text);
	pthread_mutex_lock(&a->lock);
	for (size_t pos = 0; cv_map_each(&a->visits, &pos, &key, &value);) {
		struct waiting *w = value;
		if (!w->is_dirty && w->v.day + 1 < today) {
			free(cv_map_del(&a->visits, key));
			continue;
		}
		if (!w->is_dirty || b->count == ROWS_AT_ONCE)
			continue;
		memcpy(b->key_space[b->count], key.p, VISIT_KEY);
		b->keys[b->count] = cv_str(b->key_space[b->count], VISIT_KEY);
		encode_visits(&w->v, &b->text);
		b->ends[b->count++] = b->text.n;
		w->is_dirty = false;
		w->written_any = w->v.last_any_secs;
	}
	pthread_mutex_unlock(&a->lock);
}

static enum cv_status
flush_visits(struct cv_access *a, struct batch *b, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	do {
		take_visits(a, b, cv_access_day(cv_wall_secs()));
		for (size_t i = 0; i < b->count; i++) {
			size_t from = i ? b->ends[i - 1] : 0;
			b->puts[i] = (struct cv_put){b->keys[i],
				cv_str(b->text.p + from, b->ends[i] - from)};
		}
		status = commit(a, b->puts, b->count, err);
		pthread_mutex_lock(&a->lock);
		for (size_t i = 0; status && i < b->count; i++) {
			struct waiting *w = cv_map_get(&a->visits, b->keys[i]);
			if (w)
				w->is_dirty = true;
		}
		pthread_mutex_unlock(&a->lock);
	} while (!status && b->count == ROWS_AT_ONCE);
	return status;
}

enum cv_status
cv_access_flush(struct cv_access *a, struct cv_err *err)
{
	struct batch *b = cv_calloc(1, sizeof *b);
	struct cv_err second;
	b->text = CV_BUF_INIT(CV_BATCH_MAX);
	pthread_mutex_lock(&a->flush_lock);
	enum cv_status status = flush_openings(a, b, err);
	enum cv_status other = flush_visits(a, b, status ? &second : err);
	pthread_mutex_unlock(&a->flush_lock);
	cv_buf_done(&b->text);
	free(b);
	return status ? status : other;
}

/* ---- the end of rows ---- */

#define DAYS_MAX 8000u

struct expiring {
	int64_t now, before; /* rows from before it go */
	uint64_t by_age[DAYS_MAX]; /* openings so many days old */
	struct cv_buf keys;
	size_t ends[ROWS_AT_ONCE], count;
};

static bool
count_age(void *arg, struct cv_str key, struct cv_str value)
{
	struct expiring *e = arg;
	struct cv_opening o;
	if (!decode_opening(key, value, &o))
		return true;
	int64_t age = (e->now - o.secs) / 86400;
	e->by_age[CV_MAX(CV_MIN(age, (int64_t)DAYS_MAX - 1), 0)]++;
	return true;
}

static bool
is_over(const struct expiring *e, struct cv_str key, struct cv_str value)
{
	struct cv_opening o;
	struct cv_visits v;
	if (key.n && key.p[0] == 'V')
		return !decode_visits(key, value, &v) || v.last_any_secs < e->before;
	return !decode_opening(key, value, &o) || o.secs < e->before;
}

static bool
collect_over(void *arg, struct cv_str key, struct cv_str value)
{
	struct expiring *e = arg;
	if (is_over(e, key, value)) {
		cv_buf_str(&e->keys, key);
		e->ends[e->count++] = e->keys.n;
	}
	return e->count < ROWS_AT_ONCE;
}

static enum cv_status
remove_over(struct cv_access *a, struct expiring *e, const char *from, const char *to,
	struct cv_err *err)
{
	struct cv_put *puts = cv_calloc(ROWS_AT_ONCE, sizeof *puts);
	enum cv_status status = CV_OK;
	do {
		e->count = 0;
		cv_buf_reset(&e->keys);
		status = cv_meta_scan(cv_store_engine(a->o.store), ACCESS_ACCT, cv_str_z(from),
			cv_str_z(to), 0, collect_over, e, err);
		for (size_t i = 0; i < e->count; i++) {
			size_t at = i ? e->ends[i - 1] : 0;
			puts[i].key = cv_str(e->keys.p + at, e->ends[i] - at);
		}
		if (!status)
			status = commit(a, puts, e->count, err);
	} while (!status && e->count == ROWS_AT_ONCE);
	free(puts);
	return status;
}

enum cv_status
cv_access_expire(struct cv_access *a, int64_t now_secs, struct cv_err *err)
{
	struct expiring *e = cv_calloc(1, sizeof *e);
	e->now = now_secs;
	e->keys = CV_BUF_INIT(ROWS_AT_ONCE * 64);
	e->before = a->o.keep_secs ? now_secs - a->o.keep_secs : INT64_MIN;
	enum cv_status status = CV_OK;
	if (a->o.max_rows)
		status = cv_meta_scan(cv_store_engine(a->o.store), ACCESS_ACCT, CV_STR("O"),
			CV_STR("P"), 0, count_age, e, err);
	uint64_t total = 0;
	int64_t cut = e->before;
	for (size_t day = 0; a->o.max_rows && day < DAYS_MAX; day++) {
		total += e->by_age[day];
		if (total > a->o.max_rows) {
			cut = CV_MAX(cut, now_secs - (int64_t)day * 86400);
			break;
		}
	}
	if (!status && e->before > INT64_MIN)
		status = remove_over(a, e, "V", "W", err);
	e->before = cut;
	if (!status && cut > INT64_MIN)
		status = remove_over(a, e, "O", "P", err);
	cv_buf_done(&e->keys);
	free(e);
	return status;
}

/* ---- the thread ---- */

static void
work(struct cv_access *a)
{
	struct cv_err err;
	if (cv_access_flush(a, &err))
		cv_log(0, CV_WARN, "access.not_written", "error=\"%s\"", err.text);
	if (cv_mono_ms() - a->expired_ms < EXPIRE_SECS * 1000)
		return;
	a->expired_ms = cv_mono_ms();
	if (cv_access_expire(a, cv_wall_secs(), &err))
		cv_log(0, CV_WARN, "access.not_expired", "error=\"%s\"", err.text);
	if (cv_answers_expire(a->o.store, cv_wall_secs(), &err))
		cv_log(0, CV_WARN, "answers.not_expired", "error=\"%s\"", err.text);
}

static void *
run(void *arg)
{
	struct cv_access *a = arg;
	pthread_setname_np(pthread_self(), "access");
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += CV_ACCESS_FLUSH_SECS;
		pthread_cond_timedwait(&a->wake, &a->lock, &until);
		pthread_mutex_unlock(&a->lock);
		work(a);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

enum cv_status
cv_access_open(const struct cv_access_options *o, struct cv_access **out, struct cv_err *err)
{
	struct cv_access *a = cv_calloc(1, sizeof *a);
	a->o = *o;
	a->expired_ms = cv_mono_ms();
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->flush_lock, NULL);
	cv_cond_init(&a->wake);
	cv_map_init(&a->openings);
	cv_map_init(&a->visits);
	*out = a;
	int failed = pthread_create(&a->thread, NULL, run, a);
	if (failed) {
		cv_access_close(a);
		*out = NULL;
		return cv_fail_errno(
			err, CV_TEMPFAIL, failed, "cannot start the thread of the log of readers");
	}
	a->has_thread = true;
	return CV_OK;
}

void
cv_access_close(struct cv_access *a)
{
	struct cv_err err;
	struct cv_str key;
	void *value;
	if (!a)
		return;
	if (a->has_thread) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->wake);
		pthread_mutex_unlock(&a->lock);
		pthread_join(a->thread, NULL);
		if (cv_access_flush(a, &err))
			cv_log(0, CV_WARN, "access.not_written", "error=\"%s\"", err.text);
	}
	for (size_t pos = 0; cv_map_each(&a->openings, &pos, &key, &value);)
		free(value);
	for (size_t pos = 0; cv_map_each(&a->visits, &pos, &key, &value);)
		free(value);
	cv_map_done(&a->openings);
	cv_map_done(&a->visits);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->flush_lock);
	pthread_cond_destroy(&a->wake);
	free(a);
}

/* ---- reading ---- */

struct reading {
	int64_t since;
	bool (*on_opening)(void *arg, const struct cv_opening *o);
	bool (*on_visits)(void *arg, const struct cv_visits *v);
	void *arg;
	bool is_bad;
};

static bool
read_opening(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *r = arg;
	struct cv_opening o;
	if (!decode_opening(key, value, &o)) {
		r->is_bad = true;
		return true;
	}
	return o.secs < r->since || r->on_opening(r->arg, &o);
}

static bool
read_visit(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *r = arg;
	struct cv_visits v;
	if (!decode_visits(key, value, &v)) {
		r->is_bad = true;
		return true;
	}
	return r->on_visits(r->arg, &v);
}

static enum cv_status
scan(struct cv_store *s, struct cv_buf *from, struct cv_buf *to, cv_row_fn *fn, struct reading *r,
	struct cv_err *err)
{
	enum cv_status status = cv_meta_scan(cv_store_engine(s), ACCESS_ACCT, cv_buf_view(from),
		cv_buf_view(to), 0, fn, r, err);
	cv_buf_done(from);
	cv_buf_done(to);
	if (!status && r->is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row of the log of readers is damaged");
	return status;
}

enum cv_status
cv_access_openings(struct cv_store *s, cv_acct_id owner, const uint8_t *email_id,
	int64_t since_secs, bool (*fn)(void *arg, const struct cv_opening *o), void *arg,
	struct cv_err *err)
{
	struct reading r = {.since = since_secs, .on_opening = fn, .arg = arg};
	struct cv_buf from = CV_BUF_INIT(64), to = CV_BUF_INIT(64);
	cv_buf_c(&from, 'O');
	cv_buf_be64(&from, owner);
	cv_buf_c(&to, 'O');
	cv_buf_be64(&to, owner + (email_id ? 0 : 1));
	if (email_id) {
		cv_buf_add(&from, email_id, 16);
		cv_buf_add(&to, email_id, 16);
		cv_buf_be64(&to, UINT64_MAX); /* no person has this number */
	}
	return scan(s, &from, &to, read_opening, &r, err);
}

enum cv_status
cv_access_visits(struct cv_store *s, cv_acct_id owner, uint32_t from_day, uint32_t to_day,
	bool (*fn)(void *arg, const struct cv_visits *v), void *arg, struct cv_err *err)
{
	struct reading r = {.on_visits = fn, .arg = arg};
	struct cv_buf from = CV_BUF_INIT(64), to = CV_BUF_INIT(64);
	visit_key(owner, from_day, 0, &from);
	visit_key(owner, to_day, UINT64_MAX, &to);
	return scan(s, &from, &to, read_visit, &r, err);
}
