/* agencies.c - see agencies.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/agencies.h"

#include <pthread.h>

#include "common/base/log.h"
#include "common/text/date.h"
#include "spamfilter/verdict.h"

#define CODE_MAX    40
#define ROW_BYTES   (16u << 10)
#define ROW_VERSION 1

/* A row, in memory. */
struct row {
	uint32_t day;
	bool is_out;
	char agency[CODE_MAX];
	uint64_t messages, actions[SPAM_ACTIONS], rules[SPAM_RULES];
};

struct spam_agencies {
	struct spam_stats *stats;
	pthread_mutex_t lock;  /* over rows */
	pthread_mutex_t write; /* one writer at a time: adding is read and write; taken first */
	struct row **rows;
	size_t count;
	uint32_t swept_day;
};

static void write_behind(struct cv_engine *e, void *arg);

struct spam_agencies *
spam_agencies_new(struct spam_stats *stats)
{
	struct spam_agencies *a = cv_calloc(1, sizeof *a);

	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->write, NULL);
	a->stats = stats;
	a->rows = cv_calloc(SPAM_AGENCIES_ROWS_MAX, sizeof *a->rows);
	spam_stats_behind(stats, write_behind, a);
	return a;
}

void
spam_agencies_free(struct spam_agencies *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->rows[i]);
	free(a->rows);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->write);
	free(a);
}

/* ---- counting ---- */

static struct row *
find_row(struct spam_agencies *a, uint32_t day, bool is_out, struct cv_str agency)
{
	for (size_t i = a->count; i > 0; i--) {
		struct row *r = a->rows[i - 1];
		if (r->day == day && r->is_out == is_out && cv_str_eq_z(agency, r->agency))
			return r;
	}
	if (a->count == SPAM_AGENCIES_ROWS_MAX)
		return NULL;
	struct row *r = cv_calloc(1, sizeof *r);
	r->day = day;
	r->is_out = is_out;
	snprintf(r->agency, sizeof r->agency, "%.*s", CV_STR_ARGS(agency));
	a->rows[a->count++] = r;
	return r;
}

void
spam_agencies_note(struct spam_agencies *a, struct cv_str agency, bool is_submission,
	const struct spam_verdict *v)
{
	struct cv_str code = agency.n && agency.n < CODE_MAX ? agency : CV_STR("-");

	/* Nothing would ever be written. */
	if (!spam_stats_engine(a->stats))
		return;
	spam_stats_done(a->stats);
	pthread_mutex_lock(&a->lock);
	/* More rows than there is room for until they are written: the count is lost. */
	struct row *r = find_row(a, spam_stats_today(), is_submission, code);
	if (r) {
		r->messages++;
		r->actions[v->action]++;
		for (size_t i = 0; i < v->count; i++)
			r->rules[v->found[i].rule]++;
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- rows: "A" day direction agency -> messages, actions, rules by name ---- */

static void
write_key(struct cv_buf *key, const struct row *r)
{
	cv_buf_c(key, 'A');
	cv_buf_be32(key, r->day);
	cv_buf_c(key, r->is_out ? 'O' : 'I');
	cv_buf_z(key, r->agency);
}

/* A rule that is gone since is passed over: its counts go with the row's next change. */
static bool
read_value(struct cv_str value, struct row *r)
{
	struct cv_rd rd = cv_rd(value);

	if (cv_rd_u8(&rd) != ROW_VERSION)
		return false;
	r->messages += cv_rd_varint(&rd);
	for (size_t i = 0; i < SPAM_ACTIONS; i++)
		r->actions[i] += cv_rd_varint(&rd);
	for (uint64_t n = cv_rd_varint(&rd); n && !rd.bad; n--) {
		enum spam_rule rule = spam_rule_named(cv_rd_bytes(&rd));
		uint64_t count = cv_rd_varint(&rd);
		if (rule < SPAM_RULES)
			r->rules[rule] += count;
	}
	return !rd.bad;
}

static void
write_value(struct cv_buf *value, const struct row *r)
{
	uint64_t named = 0;

	cv_buf_c(value, ROW_VERSION);
	cv_buf_varint(value, r->messages);
	for (size_t i = 0; i < SPAM_ACTIONS; i++)
		cv_buf_varint(value, r->actions[i]);
	for (enum spam_rule rule = 0; rule < SPAM_RULES; rule++)
		named += r->rules[rule] > 0;
	cv_buf_varint(value, named);
	for (enum spam_rule rule = 0; rule < SPAM_RULES; rule++) {
		if (!r->rules[rule])
			continue;
		cv_buf_bytes(value, cv_str_z(spam_rules[rule].name));
		cv_buf_varint(value, r->rules[rule]);
	}
}

/* ---- writing behind ---- */

static enum cv_status
add_row(struct cv_engine *e, const struct row *r, struct cv_err *err)
{
	const cv_acct_id acct = spam_stats_acct(SPAM_TABLE_AGENCIES);
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), value = CV_BUF_INIT(ROW_BYTES),
		      hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct row sum = *r, old = {0};
	struct cv_str before, name;
	cv_ticket ticket;

	write_key(&key, r);
	name = cv_buf_view(&key);
	enum cv_status status = cv_meta_read(e, acct, &name, 1, &before, &hold, NULL, err);
	if (status == CV_OK && before.p && read_value(before, &old)) {
		sum.messages += old.messages;
		for (size_t i = 0; i < SPAM_ACTIONS; i++)
			sum.actions[i] += old.actions[i];
		for (size_t i = 0; i < SPAM_RULES; i++)
			sum.rules[i] += old.rules[i];
	}
	if (status == CV_OK) {
		write_value(&value, &sum);
		struct cv_put put = {name, cv_buf_view(&value)};
		struct cv_batch batch = {
			.acct = acct, .expect = CV_VERSION_ANY, .puts = &put, .count = 1};
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
		if (status == CV_OK)
			status = batch.result;
	}
	cv_buf_done(&key);
	cv_buf_done(&value);
	cv_buf_done(&hold);
	return status;
}

/* Once a day, the rows that are too old go. */
static void
sweep(struct spam_agencies *a, struct cv_engine *e)
{
	struct cv_buf to = CV_BUF_INIT(16);
	struct cv_err err;

	if (a->swept_day == spam_stats_today())
		return;
	a->swept_day = spam_stats_today();
	cv_buf_c(&to, 'A');
	cv_buf_be32(&to, a->swept_day - SPAM_AGENCIES_KEEP_DAYS);
	if (spam_stats_sweep(
		    e, SPAM_TABLE_AGENCIES, CV_STR("A"), cv_buf_view(&to), NULL, &err) != CV_OK)
		cv_log(0, CV_WARN, "stats.sweep", "table=agencies error=\"%s\"", err.text);
	cv_buf_done(&to);
}

static void
write_behind(struct cv_engine *e, void *arg)
{
	struct spam_agencies *a = arg;
	struct row **rows = cv_calloc(SPAM_AGENCIES_ROWS_MAX, sizeof *rows);
	struct cv_err err = {0};
	unsigned lost = 0;

	pthread_mutex_lock(&a->write);
	pthread_mutex_lock(&a->lock);
	size_t count = a->count;
	memcpy(rows, a->rows, count * sizeof *rows);
	a->count = 0;
	pthread_mutex_unlock(&a->lock);
	for (size_t i = 0; i < count; i++) {
		lost += add_row(e, rows[i], &err) != CV_OK;
		free(rows[i]);
	}
	sweep(a, e);
	pthread_mutex_unlock(&a->write);
	if (lost)
		cv_log(0, CV_WARN, "stats.lost", "table=agencies rows=%u error=\"%s\"", lost,
			err.text);
	free(rows);
}

/* ---- the list ---- */

struct listing {
	struct cv_str agency; /* "": all */
	json_t *rows;
	bool is_full;
};

static json_t *
counts(const uint64_t *values, size_t n, const char *(*name)(size_t i), bool zeros)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++)
		if (zeros || values[i])
			json_object_set_new(o, name(i), json_integer((json_int_t)values[i]));
	return o;
}

static const char *
action_name(size_t i)
{
	return spam_action_word((enum spam_action)i);
}

static const char *
rule_name(size_t i)
{
	return spam_rules[i].name;
}

static bool
take_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct listing *l = arg;
	struct cv_rd k = cv_rd(key);
	struct row r = {0};
	struct cv_civil civil = {0};
	char day[16];

	(void)cv_rd_u8(&k);
	r.day = cv_rd_be32(&k);
	r.is_out = cv_rd_u8(&k) == 'O';
	struct cv_str agency = cv_rd_take(&k, cv_rd_left(&k));
	if (k.bad || (l->agency.n && !cv_str_eq(agency, l->agency)) || !read_value(value, &r))
		return true;
	if (json_array_size(l->rows) == SPAM_AGENCIES_LIST_MAX) {
		l->is_full = true;
		return false;
	}
	cv_civil_from_days(r.day, &civil);
	snprintf(day, sizeof day, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
	json_t *row = json_pack("{s:s, s:s%, s:s, s:I, s:o, s:o}", "day", day, "agency", agency.p,
		agency.n, "direction", r.is_out ? "out" : "in", "messages",
		(json_int_t)r.messages, "actions",
		counts(r.actions, SPAM_ACTIONS, action_name, true), "rules",
		counts(r.rules, SPAM_RULES, rule_name, false));
	if (row)
		json_array_append_new(l->rows, row);
	return true;
}

enum cv_status
spam_agencies_list(struct spam_agencies *a, uint32_t from_day, uint32_t to_day,
	struct cv_str agency, json_t **out, struct cv_err *err)
{
	struct listing l = {.agency = agency, .rows = json_array()};
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	struct cv_engine *e = spam_stats_engine(a->stats);
	enum cv_status status = CV_OK;

	cv_buf_c(&from, 'A');
	cv_buf_be32(&from, from_day);
	cv_buf_c(&to, 'A');
	cv_buf_be32(&to, to_day + 1);
	if (e) {
		write_behind(e, a);
		status = cv_meta_scan(e, spam_stats_acct(SPAM_TABLE_AGENCIES), cv_buf_view(&from),
			cv_buf_view(&to), 0, take_row, &l, err);
		spam_stats_done(a->stats);
	}
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (status == CV_OK && l.is_full)
		status = cv_fail(err, CV_LIMIT, "more than %d rows: ask for fewer days or one agency",
			SPAM_AGENCIES_LIST_MAX);
	if (status) {
		json_decref(l.rows);
		return status;
	}
	*out = l.rows;
	return CV_OK;
}
