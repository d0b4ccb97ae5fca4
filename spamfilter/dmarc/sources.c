/* sources.c - see sources.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/sources.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/domain.h"

#define DAY_SECS      86400
#define REPORTERS_MAX 5u
#define BATCH_ROWS    200u

struct spam_sources {
	struct spam_stats *stats;
	pthread_mutex_t lock; /* one writer: adding is read and write */
	uint32_t swept_day;
};

struct spam_sources *
spam_sources_new(struct spam_stats *stats)
{
	struct spam_sources *s = cv_calloc(1, sizeof *s);

	s->stats = stats;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
spam_sources_free(struct spam_sources *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static cv_acct_id
acct(void)
{
	return spam_stats_acct(SPAM_TABLE_DMARC);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
add_number(json_t *o, const char *key, json_int_t n)
{
	json_object_set_new(o, key, json_integer(number_of(o, key) + n));
}

/* ---- one report, summed by address ---- */

static void
add_reporter(json_t *row, const char *who)
{
	json_t *list = json_object_get(row, "reporters"), *one;
	size_t i;

	if (!list) {
		list = json_array();
		json_object_set_new(row, "reporters", list);
	}
	json_array_foreach(list, i, one) if (!strcmp(json_string_value(one), who)) return;
	if (json_array_size(list) < REPORTERS_MAX)
		json_array_append_new(list, json_string(who));
}

static void
add_record(json_t *row, const json_t *record)
{
	static const char *const hints[] = {"dkim_domain", "envelope", "from"};
	json_int_t count = number_of(record, "count");
	bool dkim = !strcmp(text_of(record, "dkim"), "pass");
	bool spf = !strcmp(text_of(record, "spf"), "pass");
	const char *done = text_of(record, "disposition");

	add_number(row, "messages", count);
	add_number(row, "aligned", dkim || spf ? count : 0);
	add_number(row, "dkim", dkim ? count : 0);
	add_number(row, "spf", spf ? count : 0);
	if (!strcmp(done, "quarantine") || !strcmp(done, "reject"))
		add_number(row, done, count);
	for (size_t i = 0; i < CV_COUNT(hints); i++)
		if (text_of(record, hints[i])[0])
			json_object_set(row, hints[i], json_object_get(record, hints[i]));
}

/* {"<address>": row} */
static json_t *
sum_up(const json_t *report)
{
	json_t *rows = json_object(), *record;
	size_t i;

	json_array_foreach(json_object_get(report, "records"), i, record)
	{
		const char *ip = text_of(record, "ip");
		json_t *row = json_object_get(rows, ip);
		if (!row && json_object_size(rows) >= SPAM_SOURCES_PER_REPORT) {
			ip = "other";
			row = json_object_get(rows, ip);
		}
		if (!row) {
			row = json_object();
			json_object_set_new(rows, ip, row);
		}
		add_record(row, record);
	}
	return rows;
}

/* What is there already and what comes, in one row. */
static void
merge(json_t *row, const json_t *old)
{
	static const char *const numbers[] = {
		"messages", "aligned", "dkim", "spf", "quarantine", "reject"};
	json_t *who;
	size_t i;

	for (i = 0; i < CV_COUNT(numbers); i++)
		if (number_of(old, numbers[i]))
			add_number(row, numbers[i], number_of(old, numbers[i]));
	json_array_foreach(json_object_get(old, "reporters"), i, who)
		add_reporter(row, json_string_value(who));
}

/* ---- rows ---- */

static void
source_key(struct cv_buf *key, uint32_t day, const char *domain, const char *ip)
{
	cv_buf_c(key, 'C');
	cv_buf_be32(key, day);
	cv_buf_z(key, domain);
	cv_buf_c(key, 0);
	cv_buf_z(key, ip);
}

static void
report_key(struct cv_buf *key, const json_t *report)
{
	struct cv_buf name = CV_BUF_INIT(2000);

	cv_buf_printf(&name, "%s\n%s\n%s", text_of(report, "organization"), text_of(report, "id"),
		text_of(report, "domain"));
	cv_buf_c(key, 'I');
	cv_buf_be64(key, cv_hash(name.p, name.n, 3));
	cv_buf_done(&name);
}

static json_t *
read_json(struct cv_engine *e, struct cv_str key, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value;
	json_t *out = NULL;

	if (cv_meta_read(e, acct(), &key, 1, &value, &hold, NULL, err) == CV_OK && value.p)
		out = json_loadb(value.p, value.n, 0, NULL);
	cv_buf_done(&hold);
	return out;
}

struct writer {
	struct cv_put puts[BATCH_ROWS];
	struct cv_buf keys[BATCH_ROWS];
	char *values[BATCH_ROWS];
	size_t count;
};

static enum cv_status
commit(struct cv_engine *e, struct writer *w, struct cv_err *err)
{
	struct cv_batch batch = {
		.acct = acct(), .expect = CV_VERSION_ANY, .puts = w->puts, .count = w->count};
	cv_ticket ticket;
	enum cv_status status = CV_OK;

	if (w->count)
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
	if (status == CV_OK && w->count)
		status = batch.result;
	for (size_t i = 0; i < w->count; i++) {
		cv_buf_done(&w->keys[i]);
		free(w->values[i]);
	}
	w->count = 0;
	return status;
}

/* KEY's memory goes to W. */
static void
put(struct writer *w, struct cv_buf key, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	w->keys[w->count] = key;
	w->values[w->count] = text;
	w->puts[w->count++] = (struct cv_put){cv_buf_view(&key), cv_str_z(text)};
}

static enum cv_status
write_rows(struct cv_engine *e, const json_t *report, json_t *rows, struct cv_err *err)
{
	uint32_t day = (uint32_t)(number_of(report, "begin") / DAY_SECS);
	struct writer *w = cv_calloc(1, sizeof *w);
	enum cv_status status = CV_OK;
	const char *ip;
	json_t *row;

	json_object_foreach(rows, ip, row)
	{
		struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
		source_key(&key, day, text_of(report, "domain"), ip);
		json_t *old = read_json(e, cv_buf_view(&key), err);
		add_reporter(row, text_of(report, "organization"));
		merge(row, old);
		json_decref(old);
		put(w, key, row);
		if (w->count == BATCH_ROWS && status == CV_OK)
			status = commit(e, w, err);
		if (status != CV_OK)
			break;
	}
	if (status == CV_OK)
		status = commit(e, w, err);
	else
		for (size_t i = 0; i < w->count; i++) {
			cv_buf_done(&w->keys[i]);
			free(w->values[i]);
		}
	free(w);
	return status;
}

/* The mark comes first: a crash between loses counts, and never doubles them. */
static enum cv_status
mark_read(struct cv_engine *e, const json_t *report, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	struct writer *w = cv_calloc(1, sizeof *w);

	report_key(&key, report);
	json_t *old = read_json(e, cv_buf_view(&key), err);
	if (old) {
		json_decref(old);
		cv_buf_done(&key);
		free(w);
		return cv_fail(
			err, CV_CONFLICT, "the report %s was read before", text_of(report, "id"));
	}
	json_t *mark = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "organization",
		text_of(report, "organization"), "id", text_of(report, "id"), "domain",
		text_of(report, "domain"), "begin", number_of(report, "begin"), "messages",
		number_of(report, "messages"), "arrived", (json_int_t)cv_wall_secs());
	put(w, key, mark);
	enum cv_status status = commit(e, w, err);
	json_decref(mark);
	free(w);
	return status;
}

/* Once a day. Marks have no day in their keys: they go by what is in them. */
static bool
is_old_mark(struct cv_str value, int64_t oldest)
{
	json_t *mark = json_loadb(value.p, value.n, 0, NULL);
	bool is_old = !mark || number_of(mark, "arrived") < oldest;

	json_decref(mark);
	return is_old;
}

struct old_marks {
	struct cv_buf keys; /* each with its length */
	int64_t oldest;
	size_t count;
};

static bool
take_mark(void *arg, struct cv_str key, struct cv_str value)
{
	struct old_marks *o = arg;

	if (!is_old_mark(value, o->oldest))
		return true;
	cv_buf_bytes(&o->keys, key);
	return ++o->count < BATCH_ROWS;
}

static void
sweep(struct spam_sources *s, struct cv_engine *e)
{
	uint32_t today = (uint32_t)(cv_wall_secs() / DAY_SECS);
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	struct old_marks old = {.keys = CV_BUF_INIT(1u << 20),
		.oldest = ((int64_t)today - SPAM_SOURCES_DAYS) * DAY_SECS};
	struct cv_put puts[BATCH_ROWS];
	struct cv_err err = {0};
	cv_ticket ticket;

	if (s->swept_day == today)
		return;
	s->swept_day = today;
	cv_buf_c(&from, 'C');
	cv_buf_c(&to, 'C');
	cv_buf_be32(&to, today - SPAM_SOURCES_DAYS);
	enum cv_status status = spam_stats_sweep(
		e, SPAM_TABLE_DMARC, cv_buf_view(&from), cv_buf_view(&to), NULL, &err);
	if (status == CV_OK)
		status =
			cv_meta_scan(e, acct(), CV_STR("I"), CV_STR("J"), 0, take_mark, &old, &err);
	struct cv_rd r = cv_rd(cv_buf_view(&old.keys));
	for (size_t i = 0; i < old.count; i++)
		puts[i] = (struct cv_put){cv_rd_bytes(&r), CV_STR_EMPTY};
	struct cv_batch batch = {
		.acct = acct(), .expect = CV_VERSION_ANY, .puts = puts, .count = old.count};
	if (status == CV_OK && old.count)
		status = cv_meta_commit(e, &batch, 1, &ticket, &err);
	if (status != CV_OK)
		cv_log(0, CV_WARN, "dmarc.sweep", "error=\"%s\"", err.text);
	cv_buf_done(&from);
	cv_buf_done(&to);
	cv_buf_done(&old.keys);
}

enum cv_status
spam_sources_add(struct spam_sources *s, const json_t *report, struct cv_err *err)
{
	struct cv_engine *e = spam_stats_engine(s->stats);

	if (!e)
		return cv_fail(err, CV_TEMPFAIL, "no statistics are kept");
	json_t *rows = sum_up(report);
	pthread_mutex_lock(&s->lock);
	sweep(s, e);
	enum cv_status status = mark_read(e, report, err);
	if (status == CV_OK)
		status = write_rows(e, report, rows, err);
	pthread_mutex_unlock(&s->lock);
	spam_stats_done(s->stats);
	json_decref(rows);
	return status;
}

/* ---- the list ---- */

struct listing {
	const char *domain;
	json_t *rows; /* {"<domain> <address>": row} */
};

static bool
take_source(void *arg, struct cv_str key, struct cv_str value)
{
	struct listing *l = arg;
	struct cv_rd r = cv_rd(cv_str_sub(key, 5, key.n));
	struct cv_str rest = cv_rd_take(&r, cv_rd_left(&r)), domain;
	char name[600];

	if (!cv_str_split(&rest, 0, &domain) ||
		(l->domain[0] && !cv_domain_is_below(domain, cv_str_z(l->domain))))
		return true;
	json_t *row = json_loadb(value.p, value.n, 0, NULL);
	snprintf(name, sizeof name, "%.*s %.*s", CV_STR_ARGS(domain), CV_STR_ARGS(rest));
	json_t *sum = json_object_get(l->rows, name);
	if (row && !sum) {
		json_object_set_new(row, "domain", json_stringn(domain.p, domain.n));
		json_object_set_new(row, "ip", json_stringn(rest.p ? rest.p : "", rest.n));
		json_object_set(l->rows, name, row);
	} else if (row) {
		merge(sum, row);
	}
	json_decref(row);
	return true;
}

static int
compare_sources(const void *a, const void *b)
{
	json_int_t x = number_of(*(json_t *const *)a, "messages");
	json_int_t y = number_of(*(json_t *const *)b, "messages");

	return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *
sorted(json_t *rows)
{
	size_t n = json_object_size(rows), i = 0;
	json_t **all = cv_calloc(n + 1, sizeof *all), *out = json_array(), *row;
	const char *name;

	json_object_foreach(rows, name, row) all[i++] = row;
	qsort(all, n, sizeof *all, compare_sources);
	for (i = 0; i < CV_MIN(n, (size_t)SPAM_SOURCES_LISTED); i++)
		json_array_append(out, all[i]);
	free(all);
	return out;
}

static bool
count_mark(void *arg, struct cv_str key, struct cv_str value)
{
	(void)key;
	(void)value;
	++*(json_int_t *)arg;
	return true;
}

enum cv_status
spam_sources_list(
	struct spam_sources *s, unsigned days, const char *domain, json_t **out, struct cv_err *err)
{
	struct cv_engine *e = spam_stats_engine(s->stats);
	struct listing l = {domain, json_object()};
	struct cv_buf from = CV_BUF_INIT(16);
	uint32_t today = (uint32_t)(cv_wall_secs() / DAY_SECS);
	json_int_t reports = 0;
	enum cv_status status = CV_OK;

	cv_buf_c(&from, 'C');
	cv_buf_be32(&from, today > days ? today - days : 0);
	if (e) {
		status = cv_meta_scan(
			e, acct(), cv_buf_view(&from), CV_STR("D"), 0, take_source, &l, err);
		if (status == CV_OK)
			status = cv_meta_scan(
				e, acct(), CV_STR("I"), CV_STR("J"), 0, count_mark, &reports, err);
		spam_stats_done(s->stats);
	}
	cv_buf_done(&from);
	if (status == CV_OK)
		*out = json_pack("{s:o, s:I}", "sources", sorted(l.rows), "reports", reports);
	json_decref(l.rows);
	return status;
}
