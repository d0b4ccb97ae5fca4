/* classifier.c - see classifier.h: lessons, what is remembered of them, and writing behind. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/classifier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/net/thread.h"
#include "common/store/engine.h"
#include "spamfilter/classify/rows.h"

#define SIZE_MAX_DEFAULT (256u << 20)
#define SIZE_FIXED       (72u << 20) /* ballast, logs, cache, lessons: beside the tokens */
#define TOKEN_BYTES      80u         /* of a token, on disk or in memory, whichever is more */
#define LAYER_SHARE      16u         /* an agency may have one of so many tokens */
#define FLUSH_MS         1500
#define FLUSH_KEYS       4000u /* tokens that wait at most, but for one lesson's and a tidying */
#define BATCH_ROWS       8000u /* of one batch: far below CV_BATCH_MAX */
#define CACHE_BYTES      (32u << 20)
#define LOG_BYTES        (8u << 20)
#define ACCOUNTS_MAX     20000u
#define DAY_SECS         86400
#define LOCAL_ZONE       (7 * 3600) /* days are days in Việt Nam */

/* Keys that wait to be written, each once. */
struct waiting {
	uint64_t *slots; /* 0: free; a power of two */
	size_t cap, count;
};

struct account {
	uint32_t day, count;
	bool waits;
};

struct spam_classifier {
	struct spam_model *model;
	struct cv_engine *engine; /* NULL: in memory only */
	uint64_t seed;
	size_t tokens_max, remember_max;
	atomic_uint ham_min, spam_min, account_day_max;

	pthread_mutex_t names_lock; /* names, name_map, layers */
	char *names[SPAM_MODEL_LAYERS];
	struct cv_map name_map; /* -> a place in names */
	uint32_t layers;

	pthread_mutex_t lock; /* everything below, and all changes of the model */
	pthread_cond_t wake;
	uint32_t number;
	struct spam_lesson_row
		*lessons; /* remember_max places, number modulo that; number 0: none */
	size_t lesson_count;
	struct cv_map digests; /* -> a place in lessons */
	struct cv_map accounts;
	struct waiting waiting;
	bool waits_layers[SPAM_MODEL_LAYERS];
	struct cv_buf gone; /* numbers (be32) of lessons whose rows are to be removed */
	uint32_t written_number;
	bool is_closing, has_thread, has_failed;
	pthread_t thread;
};

static cv_acct_id
rows_acct(void)
{
	return cv_acct(CV_CLASS_STATS, 1);
}

static uint32_t
today(void)
{
	return (uint32_t)((cv_wall_secs() + LOCAL_ZONE) / DAY_SECS);
}

/* ---- keys that wait ---- */

static bool
put_waiting(uint64_t *slots, size_t cap, uint64_t key)
{
	size_t at = key & (cap - 1);

	for (; slots[at]; at = (at + 1) & (cap - 1))
		if (slots[at] == key)
			return false;
	slots[at] = key;
	return true;
}

static void
wait_for(void *arg, uint64_t key)
{
	struct spam_classifier *c = arg;
	struct waiting *w = &c->waiting;

	if (!c->engine)
		return;
	if (w->count * 2 >= w->cap) {
		struct waiting bigger = {.cap = w->cap ? 2 * w->cap : 1024, .count = w->count};
		bigger.slots = cv_calloc(bigger.cap, sizeof *bigger.slots);
		for (size_t i = 0; i < w->cap; i++)
			if (w->slots[i])
				(void)put_waiting(bigger.slots, bigger.cap, w->slots[i]);
		free(w->slots);
		*w = bigger;
	}
	w->count += put_waiting(w->slots, w->cap, key);
}

/* ---- writing behind; the lock is held ---- */

struct rows {
	struct cv_buf bytes; /* keys and values, each with its length; value empty: to be removed */
	size_t count;
};

static void
add_row(struct rows *rows, struct cv_str key, struct cv_str value)
{
	cv_buf_bytes(&rows->bytes, key);
	cv_buf_bytes(&rows->bytes, value);
	rows->count++;
}

static enum cv_status
commit_rows(struct spam_classifier *c, struct rows *rows, struct cv_err *err)
{
	struct cv_rd r = cv_rd(cv_buf_view(&rows->bytes));
	struct cv_put *puts = cv_calloc(rows->count + 1, sizeof *puts);
	cv_ticket ticket;

	for (size_t i = 0; i < rows->count; i++) {
		puts[i].key = cv_rd_bytes(&r);
		puts[i].value = cv_rd_bytes(&r);
		if (!puts[i].value.n)
			puts[i].value = CV_STR_EMPTY;
	}
	assert(!r.bad && !rows->bytes.full);
	struct cv_batch batch = {
		.acct = rows_acct(), .expect = CV_VERSION_ANY, .puts = puts, .count = rows->count};
	enum cv_status status = cv_meta_commit(c->engine, &batch, 1, &ticket, err);
	if (status == CV_OK && batch.result)
		status = cv_fail(err, batch.result, "the classifier's rows were not taken");
	free(puts);
	cv_buf_reset(&rows->bytes);
	rows->count = 0;
	return status;
}

static void
add_token_row(struct spam_classifier *c, uint64_t key, struct rows *rows)
{
	struct cv_buf k = CV_BUF_INIT(16), v = CV_BUF_INIT(64);
	struct spam_model_entry e;

	spam_token_key_write(key, &k);
	if (spam_model_get(c->model, key, &e))
		spam_token_row_write(&e, &v);
	add_row(rows, cv_buf_view(&k), cv_buf_view(&v));
	cv_buf_done(&k);
	cv_buf_done(&v);
}

static void
add_layer_rows(struct spam_classifier *c, struct rows *rows)
{
	struct cv_buf k = CV_BUF_INIT(16), v = CV_BUF_INIT(256);

	for (uint32_t i = 0; i < SPAM_MODEL_LAYERS; i++) {
		if (!c->waits_layers[i])
			continue;
		struct spam_layer_row row = {.layer = i, .name = cv_str_z(c->names[i])};
		for (unsigned class_ = 0; class_ < SPAM_CLASSES; class_++)
			row.totals[class_] = spam_model_total(c->model, i, class_);
		cv_buf_reset(&k);
		cv_buf_reset(&v);
		spam_layer_row_write(&row, &k, &v);
		add_row(rows, cv_buf_view(&k), cv_buf_view(&v));
		c->waits_layers[i] = false;
	}
	cv_buf_done(&k);
	cv_buf_done(&v);
}

static void
add_lesson_rows(struct spam_classifier *c, struct rows *rows)
{
	struct cv_buf k = CV_BUF_INIT(16), v = CV_BUF_INIT(64);
	struct cv_rd gone = cv_rd(cv_buf_view(&c->gone));

	while (cv_rd_left(&gone)) {
		cv_buf_reset(&k);
		spam_lesson_key_write(cv_rd_be32(&gone), &k);
		add_row(rows, cv_buf_view(&k), CV_STR_EMPTY);
	}
	for (uint32_t n = c->written_number + 1; n && n <= c->number; n++) {
		const struct spam_lesson_row *l = &c->lessons[n % c->remember_max];
		if (l->number != n)
			continue;
		cv_buf_reset(&k);
		cv_buf_reset(&v);
		spam_lesson_key_write(n, &k);
		spam_lesson_row_write(l, &v);
		add_row(rows, cv_buf_view(&k), cv_buf_view(&v));
	}
	cv_buf_done(&k);
	cv_buf_done(&v);
}

static void
add_account_rows(struct spam_classifier *c, struct rows *rows)
{
	struct cv_buf k = CV_BUF_INIT(16), v = CV_BUF_INIT(64);
	struct cv_str name;
	void *value;

	for (size_t pos = 0; cv_map_each(&c->accounts, &pos, &name, &value);) {
		struct account *a = value;
		struct spam_account_row row = {.day = a->day, .count = a->count};
		if (!a->waits)
			continue;
		memcpy(&row.account, name.p, sizeof row.account);
		a->waits = false;
		cv_buf_reset(&k);
		cv_buf_reset(&v);
		spam_account_row_write(&row, &k, &v);
		add_row(rows, cv_buf_view(&k), cv_buf_view(&v));
	}
	cv_buf_done(&k);
	cv_buf_done(&v);
}

static void
add_head_row(struct spam_classifier *c, struct rows *rows)
{
	struct spam_head_row head = {
		.version = SPAM_TOKENS_VERSION, .seed = c->seed, .number = c->number};
	struct cv_buf v = CV_BUF_INIT(64);

	spam_head_row_write(&head, &v);
	add_row(rows, CV_STR("H"), cv_buf_view(&v));
	cv_buf_done(&v);
}

/* Everything that waits. In one batch, so that a lesson is there whole or not at all; only after a
 * tidying, whose rows are no lesson's, in several. */
static enum cv_status
write_behind(struct spam_classifier *c, struct cv_err *err)
{
	struct rows rows = {.bytes = CV_BUF_INIT(CV_BATCH_MAX)};
	enum cv_status status = CV_OK;

	if (!c->engine)
		return CV_OK;
	if (!c->waiting.count && c->written_number == c->number && !c->gone.n && !c->has_failed)
		return CV_OK;
	/* First those that go: of few lessons' tokens there is room behind them. */
	for (size_t i = 0; i < c->waiting.cap && status == CV_OK; i++) {
		struct spam_model_entry e;
		if (!c->waiting.slots[i] || c->waiting.count <= BATCH_ROWS ||
			spam_model_get(c->model, c->waiting.slots[i], &e))
			continue;
		add_token_row(c, c->waiting.slots[i], &rows);
		if (rows.count == BATCH_ROWS)
			status = commit_rows(c, &rows, err);
	}
	if (status == CV_OK && rows.count)
		status = commit_rows(c, &rows, err);
	for (size_t i = 0; i < c->waiting.cap && status == CV_OK; i++) {
		if (!c->waiting.slots[i])
			continue;
		add_token_row(c, c->waiting.slots[i], &rows);
		if (rows.count == 2 * BATCH_ROWS)
			status = commit_rows(c, &rows, err);
	}
	if (status == CV_OK) {
		add_lesson_rows(c, &rows);
		add_layer_rows(c, &rows);
		add_account_rows(c, &rows);
		add_head_row(c, &rows);
		status = commit_rows(c, &rows, err);
	}
	cv_buf_done(&rows.bytes);
	c->has_failed = status != CV_OK;
	if (status)
		return status; /* tokens wait on: the next time may do */
	c->written_number = c->number;
	cv_buf_reset(&c->gone);
	free(c->waiting.slots);
	c->waiting = (struct waiting){0};
	return CV_OK;
}

static void *
writer_main(void *arg)
{
	struct spam_classifier *c = arg;
	struct cv_err err;

	pthread_mutex_lock(&c->lock);
	while (!c->is_closing) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += FLUSH_MS / 1000;
		until.tv_nsec += FLUSH_MS % 1000 * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
		bool had_failed = c->has_failed;
		if (!c->is_closing && write_behind(c, &err) && !had_failed)
			cv_log(0, CV_ERROR, "classifier.unwritten", "error=\"%s\"", err.text);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- opening ---- */

static void
set_limits(struct spam_classifier *c, const struct spam_classifier_options *o)
{
	size_t size = o->size_max ? o->size_max : SIZE_MAX_DEFAULT;

	c->tokens_max = o->tokens_max;
	if (!c->tokens_max)
		c->tokens_max = size > 2 * SIZE_FIXED ? (size - SIZE_FIXED) / TOKEN_BYTES
						      : size / 2 / TOKEN_BYTES;
	c->remember_max = o->remember_max ? o->remember_max : SPAM_REMEMBER_MAX;
}

void
spam_classifier_configure(struct spam_classifier *c, const struct spam_classifier_options *o)
{
	atomic_store(&c->ham_min, o->ham_min);
	atomic_store(&c->spam_min, o->spam_min);
	atomic_store(&c->account_day_max, o->account_day_max);
}

static void
name_layer(struct spam_classifier *c, uint32_t layer, struct cv_str name)
{
	if (c->names[layer] || !name.n)
		return;
	c->names[layer] = cv_str_dup(name);
	cv_map_put(&c->name_map, name, &c->names[layer]);
	c->layers = CV_MAX(c->layers, layer + 1);
}

struct loading {
	struct spam_classifier *c;
	struct cv_buf old; /* keys of rows that are no longer wanted */
	size_t unread;
};

static void
load_lesson(struct spam_classifier *c, const struct spam_lesson_row *l, struct loading *loading,
	struct cv_str key)
{
	struct spam_lesson_row *place = &c->lessons[l->number % c->remember_max];

	if (l->number > c->number || c->number - l->number >= c->remember_max || place->number) {
		cv_buf_bytes(&loading->old, key);
		return;
	}
	*place = *l;
	c->lesson_count++;
	cv_map_put(&c->digests, cv_str((char *)place->digest, sizeof place->digest), place);
}

static void
load_account(struct spam_classifier *c, const struct spam_account_row *row, struct loading *loading,
	struct cv_str key)
{
	if (row->day != today() || c->accounts.used >= ACCOUNTS_MAX) {
		cv_buf_bytes(&loading->old, key);
		return;
	}
	struct account *a = cv_calloc(1, sizeof *a);
	a->day = row->day;
	a->count = row->count;
	free(cv_map_put(&c->accounts, cv_str((const char *)&row->account, 8), a));
}

static bool
load_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct loading *loading = arg;
	struct spam_classifier *c = loading->c;
	struct spam_model_entry e;
	struct spam_layer_row layer;
	struct spam_lesson_row lesson;
	struct spam_account_row account;

	if (spam_token_row_read(key, value, &e)) {
		spam_model_load(c->model, &e);
	} else if (spam_layer_row_read(key, value, &layer)) {
		for (unsigned i = 0; i < SPAM_CLASSES; i++)
			spam_model_load_total(c->model, layer.layer, i, layer.totals[i]);
		name_layer(c, layer.layer, layer.name);
	} else if (spam_lesson_row_read(key, value, &lesson)) {
		load_lesson(c, &lesson, loading, key);
	} else if (spam_account_row_read(key, value, &account)) {
		load_account(c, &account, loading, key);
	} else if (!cv_str_eq_z(key, "H")) {
		loading->unread++;
		cv_buf_bytes(&loading->old, key);
	}
	return !loading->old.full;
}

static enum cv_status
remove_rows(struct spam_classifier *c, struct cv_str keys, struct cv_err *err)
{
	struct rows rows = {.bytes = CV_BUF_INIT(CV_BATCH_MAX)};
	struct cv_rd r = cv_rd(keys);
	enum cv_status status = CV_OK;

	while (cv_rd_left(&r) && !r.bad && status == CV_OK) {
		add_row(&rows, cv_rd_bytes(&r), CV_STR_EMPTY);
		if (rows.count == BATCH_ROWS)
			status = commit_rows(c, &rows, err);
	}
	if (status == CV_OK && rows.count)
		status = commit_rows(c, &rows, err);
	cv_buf_done(&rows.bytes);
	return status;
}

static bool
take_key(void *arg, struct cv_str key, struct cv_str value)
{
	struct loading *loading = arg;

	(void)value;
	loading->unread++;
	cv_buf_bytes(&loading->old, key);
	return true;
}

/* Tokens of another version mean nothing any more. */
static enum cv_status
empty_folder(struct spam_classifier *c, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t removed = 1; removed && status == CV_OK;) {
		struct loading loading = {.c = c, .old = CV_BUF_INIT(8u << 20)};
		status = cv_meta_scan(c->engine, rows_acct(), CV_STR_EMPTY, CV_STR_EMPTY,
			BATCH_ROWS, take_key, &loading, err);
		removed = loading.unread;
		if (status == CV_OK)
			status = remove_rows(c, cv_buf_view(&loading.old), err);
		cv_buf_done(&loading.old);
	}
	return status;
}

static enum cv_status
load(struct spam_classifier *c, struct cv_err *err)
{
	struct loading loading = {.c = c, .old = CV_BUF_INIT(64u << 20)};
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct spam_head_row head;
	struct cv_str key = CV_STR("H"), value;
	enum cv_status status =
		cv_meta_read(c->engine, rows_acct(), &key, 1, &value, &hold, NULL, err);

	bool is_ours = status == CV_OK && value.p && spam_head_row_read(value, &head) &&
		       head.version == SPAM_TOKENS_VERSION;
	if (status == CV_OK && !is_ours) {
		status = empty_folder(c, err);
		c->seed = cv_random_u64();
		c->has_failed = true; /* the head is to be written */
	} else if (status == CV_OK) {
		c->seed = head.seed;
		c->number = c->written_number = head.number;
		status = cv_meta_scan(c->engine, rows_acct(), CV_STR_EMPTY, CV_STR_EMPTY, 0,
			load_row, &loading, err);
	}
	if (status == CV_OK && loading.old.n)
		status = remove_rows(c, cv_buf_view(&loading.old), err);
	if (loading.unread)
		cv_log(0, CV_WARN, "classifier.unread", "rows=%zu", loading.unread);
	spam_model_tidy(c->model, c->number, wait_for, c);
	cv_buf_done(&hold);
	cv_buf_done(&loading.old);
	return status;
}

struct cv_engine *
spam_classifier_engine(struct spam_classifier *c)
{
	return c->engine;
}

static enum cv_status
open_folder(struct spam_classifier *c, const char *dir, struct cv_err *err)
{
	struct cv_engine_options o = {
		.dir = dir, .cache_bytes = CACHE_BYTES, .checkpoint_log_bytes = LOG_BYTES};
	int64_t begin = cv_mono_ms();
	bool crashed = false;
	enum cv_status status = cv_engine_open(&o, &c->engine, &crashed, err);

	if (status == CV_OK)
		status = load(c, err);
	if (status == CV_OK)
		status = write_behind(c, err);
	if (status == CV_OK)
		status = cv_thread_start(&c->thread, "classifier", writer_main, c, err);
	if (status)
		return status;
	c->has_thread = true;
	cv_log(0, CV_INFO, "classifier.open", "tokens=%zu ham=%llu spam=%llu crashed=%d ms=%lld",
		spam_model_tokens(c->model),
		(unsigned long long)spam_model_total(c->model, 0, SPAM_CLASS_HAM),
		(unsigned long long)spam_model_total(c->model, 0, SPAM_CLASS_SPAM), crashed,
		(long long)(cv_mono_ms() - begin));
	return CV_OK;
}

enum cv_status
spam_classifier_open(
	const struct spam_classifier_options *o, struct spam_classifier **out, struct cv_err *err)
{
	struct spam_classifier *c = cv_calloc(1, sizeof *c);

	set_limits(c, o);
	spam_classifier_configure(c, o);
	struct spam_model_limits limits = {c->tokens_max, c->tokens_max / LAYER_SHARE + 1};
	c->model = spam_model_new(&limits);
	c->lessons = cv_calloc(c->remember_max, sizeof *c->lessons);
	c->layers = 1;
	cv_buf_init(&c->gone, 8u << 20);
	cv_map_init(&c->name_map);
	cv_map_init(&c->digests);
	cv_map_init(&c->accounts);
	pthread_mutex_init(&c->names_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	cv_cond_init(&c->wake);
	enum cv_status status = o->dir && o->dir[0] ? open_folder(c, o->dir, err) : CV_OK;
	if (status) {
		spam_classifier_close(c);
		return status;
	}
	*out = c;
	return CV_OK;
}

static void
drop_accounts(struct spam_classifier *c)
{
	struct cv_str key;
	void *value;

	for (size_t pos = 0; cv_map_each(&c->accounts, &pos, &key, &value);)
		free(value);
	cv_map_done(&c->accounts);
}

void
spam_classifier_stop(struct spam_classifier *c)
{
	struct cv_err err;

	pthread_mutex_lock(&c->lock);
	c->is_closing = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->has_thread)
		pthread_join(c->thread, NULL);
	c->has_thread = false;
	pthread_mutex_lock(&c->lock);
	if (write_behind(c, &err))
		cv_log(0, CV_ERROR, "classifier.unwritten", "error=\"%s\"", err.text);
	if (c->engine)
		cv_engine_close(c->engine);
	c->engine = NULL;
	pthread_mutex_unlock(&c->lock);
}

void
spam_classifier_close(struct spam_classifier *c)
{
	if (!c)
		return;
	spam_classifier_stop(c);
	spam_model_free(c->model);
	free(c->waiting.slots);
	cv_buf_done(&c->gone);
	cv_map_done(&c->digests);
	drop_accounts(c);
	cv_map_done(&c->name_map);
	for (size_t i = 0; i < SPAM_MODEL_LAYERS; i++)
		free(c->names[i]);
	free(c->lessons);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->names_lock);
	free(c);
}

/* ---- agencies ---- */

/* The layer of AGENCY, or the province's. */
static uint32_t
layer_of(struct spam_classifier *c, struct cv_str agency, bool make)
{
	uint32_t layer = SPAM_MODEL_PROVINCE;

	agency = cv_str_sub(agency, 0, SPAM_AGENCY_MAX);
	if (!agency.n)
		return layer;
	pthread_mutex_lock(&c->names_lock);
	char **place = cv_map_get(&c->name_map, agency);
	if (!place && make && c->layers < SPAM_MODEL_LAYERS) {
		name_layer(c, c->layers, agency);
		place = cv_map_get(&c->name_map, agency);
	}
	if (place)
		layer = (uint32_t)(place - c->names);
	pthread_mutex_unlock(&c->names_lock);
	return layer;
}

/* ---- judging ---- */

uint64_t
spam_classifier_seed(const struct spam_classifier *c)
{
	return c->seed;
}

void
spam_classifier_judge(struct spam_classifier *c, struct cv_str agency,
	const struct spam_tokens *tokens, struct spam_classified *out)
{
	struct spam_opinion opinion;

	*out = (struct spam_classified){.share = 0.5, .tokens = (unsigned)tokens->count};
	out->ham = spam_model_total(c->model, SPAM_MODEL_PROVINCE, SPAM_CLASS_HAM);
	out->spam = spam_model_total(c->model, SPAM_MODEL_PROVINCE, SPAM_CLASS_SPAM);
	if (out->ham < CV_MAX(atomic_load(&c->ham_min), 1u) ||
		out->spam < CV_MAX(atomic_load(&c->spam_min), 1u))
		return;
	spam_model_judge(c->model, layer_of(c, agency, false), tokens, &opinion);
	out->evidence = opinion.evidence;
	out->known = opinion.known;
	out->lean = opinion.lean;
	out->state = opinion.evidence ? SPAM_OPINION_GIVEN : SPAM_OPINION_SILENT;
	if (opinion.evidence)
		out->share = spam_opinion_share(&opinion);
}

/* ---- lessons ---- */

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
digest_of(const struct spam_tokens *tokens, unsigned char out[SPAM_DIGEST_BYTES])
{
	qsort(tokens->hashes, tokens->count, sizeof tokens->hashes[0], by_value);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t h = cv_hash(tokens->hashes, tokens->count * sizeof(uint64_t), 0x51 + i);
		memcpy(out + 8 * i, &h, sizeof h);
	}
}

static bool
may_teach(struct spam_classifier *c, uint64_t account)
{
	unsigned limit = atomic_load(&c->account_day_max);
	struct cv_str key = cv_str((const char *)&account, sizeof account);

	if (!account || !limit)
		return true;
	struct account *a = cv_map_get(&c->accounts, key);
	if (!a) {
		if (c->accounts.used >= ACCOUNTS_MAX) { /* yesterday's, mostly */
			drop_accounts(c);
			cv_map_init(&c->accounts);
		}
		a = cv_calloc(1, sizeof *a);
		cv_map_put(&c->accounts, key, a);
	}
	if (a->day != today())
		*a = (struct account){.day = today()};
	if (a->count >= limit)
		return false;
	a->count++;
	a->waits = true;
	return true;
}

static struct spam_model_change
change_of(struct spam_classifier *c, const struct spam_lesson_row *l, uint32_t layer)
{
	return (struct spam_model_change){.layer = layer,
		.class_ = l->class_,
		.weight = l->weight,
		.number = l->number,
		.changed = wait_for,
		.arg = c};
}

/* Counts L in, or takes it out again, in the province and its agency. */
static void
apply(struct spam_classifier *c, const struct spam_lesson_row *l, const struct spam_tokens *tokens,
	bool take)
{
	for (unsigned i = 0; i < 2; i++) {
		uint32_t layer = i ? l->layer : SPAM_MODEL_PROVINCE;
		if (i && !layer)
			break;
		struct spam_model_change change = change_of(c, l, layer);
		(take ? spam_model_take : spam_model_add)(c->model, &change, tokens);
		c->waits_layers[layer] = true;
	}
}

static void
drop_lesson(struct spam_classifier *c, struct spam_lesson_row *l)
{
	if (c->engine && l->number <= c->written_number)
		cv_buf_be32(&c->gone, l->number);
	cv_map_del(&c->digests, cv_str((char *)l->digest, sizeof l->digest));
	*l = (struct spam_lesson_row){0};
	c->lesson_count--;
}

static void
take_lesson(struct spam_classifier *c, struct spam_lesson_row *l, const struct spam_tokens *tokens)
{
	apply(c, l, tokens, true);
	drop_lesson(c, l);
}

static void
add_lesson(struct spam_classifier *c, const struct spam_lesson *lesson,
	const unsigned char digest[SPAM_DIGEST_BYTES])
{
	uint32_t number = ++c->number;
	struct spam_lesson_row *place = &c->lessons[number % c->remember_max];

	if (place->number)
		drop_lesson(c, place);
	*place = (struct spam_lesson_row){.number = number,
		.class_ = lesson->class_,
		.weight = CV_MIN(CV_MAX(lesson->weight, 1u), SPAM_WEIGHT_MAX),
		.layer = layer_of(c, lesson->agency, true),
		.account = lesson->account};
	memcpy(place->digest, digest, SPAM_DIGEST_BYTES);
	cv_map_put(&c->digests, cv_str((char *)place->digest, SPAM_DIGEST_BYTES), place);
	c->lesson_count++;
	apply(c, place, lesson->tokens, false);
}

static enum spam_learned
learn(struct spam_classifier *c, const struct spam_lesson *lesson,
	const unsigned char digest[SPAM_DIGEST_BYTES])
{
	struct spam_lesson_row *known =
		cv_map_get(&c->digests, cv_str((const char *)digest, SPAM_DIGEST_BYTES));

	if (lesson->is_forget && !known)
		return SPAM_NOT_KNOWN;
	if (known && !lesson->is_forget && known->class_ == lesson->class_)
		return SPAM_LEARNED_BEFORE;
	bool is_undo = known && lesson->is_undo && known->account == lesson->account &&
		       known->class_ == SPAM_CLASS_SPAM;
	/* Taking back one's own is free: it can only undo. */
	if (!is_undo && !may_teach(c, lesson->account))
		return SPAM_OVER_LIMIT;
	if (known)
		take_lesson(c, known, lesson->tokens);
	if (is_undo || lesson->is_forget)
		return SPAM_FORGOTTEN;
	add_lesson(c, lesson, digest);
	return known ? SPAM_CHANGED_SIDES : SPAM_LEARNED;
}

enum cv_status
spam_classifier_learn(struct spam_classifier *c, const struct spam_lesson *lesson,
	enum spam_learned *out, struct cv_err *err)
{
	unsigned char digest[SPAM_DIGEST_BYTES];
	enum cv_status status = CV_OK;

	digest_of(lesson->tokens, digest);
	pthread_mutex_lock(&c->lock);
	*out = learn(c, lesson, digest);
	if (c->waiting.count >= FLUSH_KEYS)
		status = write_behind(c, err);
	pthread_mutex_unlock(&c->lock);
	return status;
}

enum cv_status
spam_classifier_flush(struct spam_classifier *c, struct cv_err *err)
{
	pthread_mutex_lock(&c->lock);
	enum cv_status status = write_behind(c, err);
	pthread_mutex_unlock(&c->lock);
	if (status == CV_OK && c->engine)
		status = cv_engine_checkpoint(c->engine, err);
	return status;
}

const char *
spam_learned_word(enum spam_learned result)
{
	static const char *const words[] = {
		[SPAM_LEARNED] = "learned",
		[SPAM_LEARNED_BEFORE] = "known",
		[SPAM_CHANGED_SIDES] = "changed",
		[SPAM_FORGOTTEN] = "forgotten",
		[SPAM_NOT_KNOWN] = "unknown",
		[SPAM_OVER_LIMIT] = "limit",
	};

	return words[result];
}

json_t *
spam_classifier_status(struct spam_classifier *c)
{
	uint64_t ham = spam_model_total(c->model, 0, SPAM_CLASS_HAM);
	uint64_t spam = spam_model_total(c->model, 0, SPAM_CLASS_SPAM);
	unsigned ham_min = atomic_load(&c->ham_min), spam_min = atomic_load(&c->spam_min);
	json_t *agencies = json_array();

	pthread_mutex_lock(&c->names_lock);
	for (uint32_t i = 1; i < c->layers; i++)
		json_array_append_new(agencies,
			json_pack("{s:s, s:I, s:I}", "agency", c->names[i] ? c->names[i] : "",
				"ham", (json_int_t)spam_model_total(c->model, i, SPAM_CLASS_HAM),
				"spam",
				(json_int_t)spam_model_total(c->model, i, SPAM_CLASS_SPAM)));
	pthread_mutex_unlock(&c->names_lock);
	pthread_mutex_lock(&c->lock);
	size_t remembered = c->lesson_count;
	pthread_mutex_unlock(&c->lock);
	return json_pack("{s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:o}", "ham",
		(json_int_t)ham, "spam", (json_int_t)spam, "ham_min", (json_int_t)ham_min,
		"spam_min", (json_int_t)spam_min, "ready", ham >= ham_min && spam >= spam_min,
		"tokens", (json_int_t)spam_model_tokens(c->model), "tokens_max",
		(json_int_t)c->tokens_max, "memory_bytes",
		(json_int_t)(spam_model_bytes(c->model) + c->remember_max * sizeof *c->lessons),
		"remembered", (json_int_t)remembered, "agencies", agencies);
}
