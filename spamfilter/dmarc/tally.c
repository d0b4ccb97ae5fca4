/* tally.c - see tally.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/tally.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/text/domain.h"
#include "spamfilter/stats.h"

#define DAY_SECS    86400
#define ROW_VERSION 1
#define TRIES       5

/* A row in memory; the map's key is day, domain and record. */
struct pending {
	uint32_t day;
	char domain[256];
	char *record, *policy; /* JSON */
	uint64_t count;
};

struct spam_tally {
	struct spam_stats *stats;
	pthread_mutex_t lock;  /* over the next lines */
	struct cv_map rows;    /* -> struct pending */
	uint64_t lost;         /* since the last flush, for want of room */
	pthread_mutex_t write; /* one writer: adding is read and write; taken first */
	uint32_t domains_day;  /* whose domains are counted in: */
	size_t domains;
	cv_ticket last; /* of what was written */
};

static void write_behind(struct cv_engine *e, void *arg);

struct spam_tally *
spam_tally_new(struct spam_stats *stats)
{
	struct spam_tally *t = cv_calloc(1, sizeof *t);

	t->stats = stats;
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->write, NULL);
	cv_map_init(&t->rows);
	spam_stats_behind(stats, write_behind, t);
	return t;
}

static void
pending_free(struct pending *p)
{
	free(p->record);
	free(p->policy);
	free(p);
}

void
spam_tally_free(struct spam_tally *t)
{
	struct cv_str key;
	size_t pos = 0;
	void *p;

	if (!t)
		return;
	while (cv_map_each(&t->rows, &pos, &key, &p))
		pending_free(p);
	cv_map_done(&t->rows);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->write);
	free(t);
}

uint32_t
spam_tally_today(void)
{
	return (uint32_t)(cv_wall_secs() / DAY_SECS);
}

/* ---- a message as a record ---- */

/* Bytes of a peer's that are no UTF-8 would make JSON fail: domains and selectors are ASCII here,
 * or they are not told. */
static json_t *
ascii(struct cv_str s)
{
	char text[256];
	size_t n = CV_MIN(s.n, sizeof text - 1);

	for (size_t i = 0; i < n; i++)
		text[i] = s.p[i] > ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	return json_stringn(text, n);
}

/* Strictly aligned passes first, then relaxed ones, other passes, the rest (3.1.3). */
static int
signature_rank(const struct spam_mail *m, size_t i)
{
	if (m->sigs[i].result != SPAM_DKIM_PASS)
		return 3;
	if (cv_str_eq_z(m->dmarc_outcome.domain, m->sigs[i].domain))
		return 0;
	return cv_domain_is_below(cv_str_z(m->sigs[i].domain), cv_str_z(m->dmarc.organisation)) ? 1
												: 2;
}

static json_t *
signatures(const struct spam_mail *m)
{
	json_t *list = json_array();

	for (int rank = 0; rank <= 3; rank++)
		for (size_t i = 0; i < m->sig_count; i++)
			if (signature_rank(m, i) == rank &&
				json_array_size(list) < SPAM_TALLY_KEYS_KEPT)
				json_array_append_new(list,
					json_pack("{s:o, s:o, s:s}", "domain",
						ascii(cv_str_z(m->sigs[i].domain)), "selector",
						ascii(cv_str_z(m->sigs[i].selector)), "result",
						spam_dkim_word(m->sigs[i].result)));
	return list;
}

static char *
record_of(const struct spam_mail *m)
{
	const struct spam_dmarc_outcome *o = &m->dmarc_outcome;
	json_t *r = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "ip", m->client_text,
		"disposition", spam_dmarc_disposition_word(o->disposition), "dkim",
		m->dmarc.dkim_aligned ? "pass" : "fail", "spf",
		m->dmarc.spf_aligned ? "pass" : "fail", "from", ascii(o->domain), "envelope",
		ascii(m->sender_domain), "keys", signatures(m));

	if (o->override != SPAM_OVERRIDE_NONE) {
		json_object_set_new(r, "reason", json_string(spam_override_word(o->override)));
		json_object_set_new(r, "comment", json_string(o->comment));
	}
	/* Only MAIL FROM is told of (3.1.1.12). */
	if (m->has_spf && !m->spf.by_helo) {
		json_object_set_new(r, "spf_domain", ascii(cv_str_z(m->spf.domain)));
		json_object_set_new(r, "spf_result", json_string(spam_spf_word(m->spf.result)));
	}
	char *text = json_dumps(r, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(r);
	return text;
}

static char *
policy_of(const struct spam_mail *m)
{
	const struct spam_dmarc_record *r = &m->dmarc.record;
	json_t *rua = json_array();
	char fo[16];

	for (size_t i = 0; i < r->rua_count; i++)
		json_array_append_new(rua,
			json_pack("{s:s, s:I}", "address", r->rua[i].address, "limit",
				(json_int_t)CV_MIN(r->rua[i].limit_bytes, (uint64_t)INT64_MAX)));
	snprintf(fo, sizeof fo, "%s%s%s%s", r->fo & SPAM_DMARC_FO_0 ? "0:" : "",
		r->fo & SPAM_DMARC_FO_1 ? "1:" : "", r->fo & SPAM_DMARC_FO_D ? "d:" : "",
		r->fo & SPAM_DMARC_FO_S ? "s:" : "");
	if (fo[0])
		fo[strlen(fo) - 1] = 0;
	bool by_walk = spam_dmarc_method_named(m->opt->dmarc_method) == SPAM_DMARC_TREE_WALK;
	json_t *p = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "method",
		by_walk ? "treewalk" : "psl", "p", spam_dmarc_policy_word(r->p), "sp",
		spam_dmarc_policy_word(r->sp), "np", spam_dmarc_policy_word(r->np), "adkim",
		r->strict_dkim ? "s" : "r", "aspf", r->strict_spf ? "s" : "r", "testing",
		r->is_testing ? "y" : "n", "fo", fo, "rua", rua);
	char *text = json_dumps(p, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(p);
	return text;
}

void
spam_tally_note(struct spam_tally *t, const struct spam_mail *m)
{
	struct cv_buf key = CV_BUF_INIT(16384);
	uint32_t day = spam_tally_today();

	if (!m->has_dmarc || !m->dmarc.has_record || !m->dmarc.record.rua_count ||
		m->dmarc.result == SPAM_DMARC_TEMPERROR || m->client.ss_family == AF_UNSPEC ||
		!spam_stats_engine(t->stats))
		return;
	spam_stats_done(t->stats);
	char *record = record_of(m), *policy = policy_of(m);
	cv_buf_printf(&key, "%u %s %s", day, m->dmarc.record_domain, record);
	pthread_mutex_lock(&t->lock);
	struct pending *p = cv_map_get(&t->rows, cv_buf_view(&key));
	if (!p && t->rows.used < SPAM_TALLY_MEMORY) {
		p = cv_calloc(1, sizeof *p);
		p->day = day;
		snprintf(p->domain, sizeof p->domain, "%s", m->dmarc.record_domain);
		p->record = record;
		record = NULL;
		cv_map_put(&t->rows, cv_buf_view(&key), p);
	}
	if (p) {
		p->count++;
		free(p->policy);
		p->policy = policy;
		policy = NULL;
	} else {
		t->lost++;
	}
	pthread_mutex_unlock(&t->lock);
	free(record);
	free(policy);
	cv_buf_done(&key);
}

/* ---- rows ---- */

static cv_acct_id
acct(void)
{
	return spam_stats_acct(SPAM_TABLE_DMARC);
}

static void
write_key(struct cv_buf *key, char kind, uint32_t day, const char *domain)
{
	cv_buf_c(key, kind);
	cv_buf_be32(key, day);
	cv_buf_z(key, domain);
}

static json_t *
read_json(struct cv_engine *e, struct cv_str key)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value;
	struct cv_err err;
	json_t *out = NULL;

	if (cv_meta_read(e, acct(), &key, 1, &value, &hold, NULL, &err) == CV_OK && value.p)
		out = json_loadb(value.p, value.n, 0, NULL);
	cv_buf_done(&hold);
	return out;
}

static enum cv_status
put(struct cv_engine *e, struct cv_str key, struct cv_str value, cv_ticket *ticket,
	struct cv_err *err)
{
	struct cv_put one = {key, value};
	struct cv_batch batch = {
		.acct = acct(), .expect = CV_VERSION_ANY, .puts = &one, .count = 1};
	enum cv_status status = CV_OK;

	for (int i = 0; i < TRIES; i++) {
		status = cv_meta_commit(e, &batch, 1, ticket, err);
		if (status == CV_OK)
			status = batch.result;
		if (status != CV_RETRY && status != CV_CONFLICT)
			break;
	}
	return status;
}

static enum cv_status
put_json(struct cv_engine *e, struct cv_str key, const json_t *value, cv_ticket *ticket,
	struct cv_err *err)
{
	char *text = json_dumps(value, JSON_COMPACT);
	enum cv_status status = put(e, key, cv_str_z(text), ticket, err);

	free(text);
	return status;
}

static bool
count_row(void *arg, struct cv_str key, struct cv_str value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return true;
}

/* How many domains the day has, read once. */
static bool
has_room(struct spam_tally *t, struct cv_engine *e, uint32_t day)
{
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	struct cv_err err;

	if (t->domains_day != day) {
		t->domains_day = day;
		t->domains = 0;
		write_key(&from, 'P', day, "");
		write_key(&to, 'P', day + 1, "");
		if (cv_meta_scan(e, acct(), cv_buf_view(&from), cv_buf_view(&to), 0, count_row,
			    &t->domains, &err) != CV_OK)
			t->domains = 0;
		cv_buf_done(&from);
		cv_buf_done(&to);
	}
	return t->domains < SPAM_TALLY_DOMAINS;
}

static json_int_t
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* Adds to the record's row, or to what is left out when the domain has no room for a new one. */
static enum cv_status
add_record(struct spam_tally *t, struct cv_engine *e, const struct pending *p, json_t *head,
	struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), value = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str old, record = cv_str_z(p->record);
	uint64_t count = 0;

	write_key(&key, 'R', p->day, p->domain);
	cv_buf_c(&key, 0);
	cv_buf_be64(&key, cv_hash(record.p, record.n, 1));
	struct cv_str k = cv_buf_view(&key);
	enum cv_status status = cv_meta_read(e, acct(), &k, 1, &old, &hold, NULL, err);
	if (status == CV_OK && old.p) {
		struct cv_rd r = cv_rd(old);
		if (cv_rd_u8(&r) == ROW_VERSION)
			count = cv_rd_varint(&r);
	}
	if (status == CV_OK && !count) {
		if (number_of(head, "rows") >= (json_int_t)SPAM_TALLY_ROWS) {
			json_object_set_new(head, "left_out",
				json_integer(number_of(head, "left_out") + (json_int_t)p->count));
			goto out;
		}
		json_object_set_new(head, "rows", json_integer(number_of(head, "rows") + 1));
	}
	if (status == CV_OK) {
		cv_buf_c(&value, ROW_VERSION);
		cv_buf_varint(&value, count + p->count);
		cv_buf_str(&value, record);
		status = put(e, k, cv_buf_view(&value), &t->last, err);
	}
out:
	cv_buf_done(&key);
	cv_buf_done(&value);
	cv_buf_done(&hold);
	return status;
}

static enum cv_status
write_one(struct spam_tally *t, struct cv_engine *e, const struct pending *p, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);

	write_key(&key, 'P', p->day, p->domain);
	json_t *head = read_json(e, cv_buf_view(&key));
	if (!head && !has_room(t, e, p->day)) {
		cv_buf_done(&key);
		return cv_fail(err, CV_LIMIT, "too many domains in a day");
	}
	t->domains += !head;
	if (!head)
		head = json_pack("{s:i, s:i}", "rows", 0, "left_out", 0);
	json_t *policy = json_loads(p->policy, 0, NULL);
	json_object_update(head, policy); /* the last configuration seen (RFC 9990 3.2) */
	json_decref(policy);
	json_object_set_new(
		head, "messages", json_integer(number_of(head, "messages") + (json_int_t)p->count));
	enum cv_status status = add_record(t, e, p, head, err);
	if (status == CV_OK)
		status = put_json(e, cv_buf_view(&key), head, &t->last, err);
	json_decref(head);
	cv_buf_done(&key);
	return status;
}

static void
write_behind(struct cv_engine *e, void *arg)
{
	struct spam_tally *t = arg;
	struct cv_map rows;
	struct cv_str key;
	struct cv_err err = {0};
	size_t pos = 0, failed = 0;
	uint64_t lost;
	void *p;

	pthread_mutex_lock(&t->write);
	pthread_mutex_lock(&t->lock);
	rows = t->rows;
	cv_map_init(&t->rows);
	lost = t->lost;
	t->lost = 0;
	pthread_mutex_unlock(&t->lock);
	while (cv_map_each(&rows, &pos, &key, &p)) {
		failed += write_one(t, e, p, &err) != CV_OK;
		pending_free(p);
	}
	cv_map_done(&rows);
	pthread_mutex_unlock(&t->write);
	if (failed || lost)
		cv_log(0, CV_WARN, "dmarc.uncounted", "rows=%zu messages=%llu error=\"%s\"", failed,
			(unsigned long long)lost, err.text);
}

void
spam_tally_flush(struct spam_tally *t)
{
	struct cv_engine *e = spam_stats_engine(t->stats);

	if (!e)
		return;
	write_behind(e, t);
	pthread_mutex_lock(&t->write);
	cv_ticket last = t->last;
	pthread_mutex_unlock(&t->write);
	cv_ticket_block(e, last);
	spam_stats_done(t->stats);
}

/* ---- reading ---- */

static bool
take_record(void *arg, struct cv_str key, struct cv_str value)
{
	json_t *records = arg;
	struct cv_rd r = cv_rd(value);

	(void)key;
	if (cv_rd_u8(&r) != ROW_VERSION)
		return true;
	uint64_t count = cv_rd_varint(&r);
	struct cv_str text = cv_rd_take(&r, cv_rd_left(&r));
	json_t *record = r.bad ? NULL : json_loadb(text.p, text.n, 0, NULL);
	if (record) {
		json_object_set_new(record, "count", json_integer((json_int_t)count));
		json_array_append_new(records, record);
	}
	return true;
}

enum cv_status
spam_tally_load(
	struct spam_tally *t, uint32_t day, const char *domain, json_t **out, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), from = CV_BUF_INIT(CV_KEY_MAX),
		      to = CV_BUF_INIT(CV_KEY_MAX);
	struct cv_engine *e = spam_stats_engine(t->stats);
	json_t *records = json_array(), *policy = NULL;
	enum cv_status status = CV_OK;

	if (e && strlen(domain) < 256) {
		write_key(&key, 'P', day, domain);
		write_key(&from, 'R', day, domain);
		cv_buf_c(&from, 0);
		write_key(&to, 'R', day, domain);
		cv_buf_c(&to, 1);
		policy = read_json(e, cv_buf_view(&key));
		status = cv_meta_scan(e, acct(), cv_buf_view(&from), cv_buf_view(&to), 0,
			take_record, records, err);
	}
	if (e)
		spam_stats_done(t->stats);
	cv_buf_done(&key);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (status == CV_OK && !policy)
		status = cv_fail(err, CV_NOT_FOUND, "nothing was counted for %.255s", domain);
	if (status != CV_OK) {
		json_decref(policy);
		json_decref(records);
		return status;
	}
	*out = json_pack("{s:I, s:o, s:o}", "left_out", number_of(policy, "left_out"), "policy",
		policy, "records", records);
	return CV_OK;
}

json_t *
spam_tally_state(struct spam_tally *t, uint32_t day, const char *domain)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	struct cv_engine *e = spam_stats_engine(t->stats);
	json_t *state = NULL;

	if (!e)
		return NULL;
	write_key(&key, 'S', day, domain);
	state = read_json(e, cv_buf_view(&key));
	spam_stats_done(t->stats);
	cv_buf_done(&key);
	return state;
}

enum cv_status
spam_tally_set_state(struct spam_tally *t, uint32_t day, const char *domain, const json_t *state,
	struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	struct cv_engine *e = spam_stats_engine(t->stats);
	cv_ticket ticket = 0;

	if (!e)
		return cv_fail(err, CV_TEMPFAIL, "no statistics are kept");
	write_key(&key, 'S', day, domain);
	enum cv_status status = put_json(e, cv_buf_view(&key), state, &ticket, err);
	if (status == CV_OK) /* or the report would go out twice */
		cv_ticket_block(e, ticket);
	spam_stats_done(t->stats);
	cv_buf_done(&key);
	return status;
}

struct each {
	bool (*fn)(void *arg, uint32_t day, const char *domain, const json_t *policy);
	void *arg;
};

static bool
take_policy(void *arg, struct cv_str key, struct cv_str value)
{
	struct each *each = arg;
	struct cv_rd r = cv_rd(key);
	char domain[256];

	(void)cv_rd_u8(&r);
	uint32_t day = cv_rd_be32(&r);
	struct cv_str name = cv_rd_take(&r, cv_rd_left(&r));
	json_t *policy = json_loadb(value.p, value.n, 0, NULL);
	if (r.bad || !policy || name.n >= sizeof domain) {
		json_decref(policy);
		return true;
	}
	snprintf(domain, sizeof domain, "%.*s", CV_STR_ARGS(name));
	bool go_on = each->fn(each->arg, day, domain, policy);
	json_decref(policy);
	return go_on;
}

enum cv_status
spam_tally_each(struct spam_tally *t,
	bool (*fn)(void *arg, uint32_t day, const char *domain, const json_t *policy), void *arg,
	struct cv_err *err)
{
	struct each each = {fn, arg};
	struct cv_engine *e = spam_stats_engine(t->stats);

	if (!e)
		return CV_OK;
	enum cv_status status =
		cv_meta_scan(e, acct(), CV_STR("P"), CV_STR("Q"), 0, take_policy, &each, err);
	spam_stats_done(t->stats);
	return status;
}

void
spam_tally_sweep(struct spam_tally *t)
{
	struct cv_engine *e = spam_stats_engine(t->stats);
	uint32_t oldest = spam_tally_today() - SPAM_TALLY_DAYS;
	struct cv_err err;

	for (const char *kind = "PRS"; e && *kind; kind++) {
		struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
		cv_buf_c(&from, *kind);
		write_key(&to, *kind, oldest, "");
		if (spam_stats_sweep(e, SPAM_TABLE_DMARC, cv_buf_view(&from), cv_buf_view(&to),
			    NULL, &err) != CV_OK)
			cv_log(0, CV_WARN, "dmarc.sweep", "error=\"%s\"", err.text);
		cv_buf_done(&from);
		cv_buf_done(&to);
	}
	if (e)
		spam_stats_done(t->stats);
}
