/* signup.c - see signup.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/signup.h"

#include <pthread.h>
#include <time.h>

#include "common/base/log.h"

#define KEEP_DAYS      400
#define DAY_SECS       86400
#define DOMAIN_KEY_MAX 200
#define TRIES          5

struct spam_signup {
	struct spam_stats *stats;
	pthread_mutex_t lock; /* one writer: counting is read and write */
	uint32_t swept_day;
};

struct spam_signup *
spam_signup_new(struct spam_stats *stats)
{
	struct spam_signup *s = cv_calloc(1, sizeof *s);

	pthread_mutex_init(&s->lock, NULL);
	s->stats = stats;
	return s;
}

void
spam_signup_free(struct spam_signup *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- rows: "E" day account domain NUL class -> count, address, class ---- */

static void
write_key(struct cv_buf *key, uint32_t day, uint64_t acct, struct cv_str address,
	struct cv_str domain, const char *class)
{
	cv_buf_c(key, 'E');
	cv_buf_be32(key, day);
	cv_buf_be64(key, acct);
	/* Addresses outside the register share account 0. */
	cv_buf_be64(key, acct ? 0 : cv_hash(address.p, address.n, 1));
	cv_buf_str(key, cv_str_sub(domain, 0, DOMAIN_KEY_MAX));
	cv_buf_c(key, '\0');
	cv_buf_z(key, class);
}

static void
write_value(struct cv_buf *value, uint64_t count, struct cv_str address, struct cv_str class)
{
	cv_buf_c(value, 1); /* form of the row */
	cv_buf_varint(value, count);
	cv_buf_bytes(value, cv_str_sub(address, 0, 320));
	cv_buf_bytes(value, cv_str_sub(class, 0, 64));
}

static enum cv_status
count_up(struct cv_engine *e, struct cv_str key, struct cv_str address, const char *class,
	struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX), value = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str old;
	uint64_t version;
	cv_ticket ticket;
	const cv_acct_id acct = spam_stats_acct(SPAM_TABLE_SIGNUPS);
	enum cv_status status =
		cv_meta_read(e, acct, &key, 1, &old, &hold, &version, err);

	if (status == CV_OK) {
		struct cv_rd r = cv_rd(old);
		uint64_t count = old.p && cv_rd_u8(&r) == 1 ? cv_rd_varint(&r) : 0;
		write_value(&value, count + 1, address, cv_str_z(class));
		struct cv_put put = {key, cv_buf_view(&value)};
		struct cv_batch batch = {
			.acct = acct, .expect = version, .puts = &put, .count = 1};
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
		if (status == CV_OK)
			status = batch.result;
	}
	cv_buf_done(&hold);
	cv_buf_done(&value);
	return status;
}

/* Once a day, the rows that are too old go, some hundreds at a time. */
static void
sweep(struct spam_signup *s, struct cv_engine *e)
{
	struct cv_buf to = CV_BUF_INIT(16);
	struct cv_err err;

	if (s->swept_day == spam_stats_today())
		return;
	s->swept_day = spam_stats_today();
	cv_buf_c(&to, 'E');
	cv_buf_be32(&to, s->swept_day - KEEP_DAYS);
	if (spam_stats_sweep(
		    e, SPAM_TABLE_SIGNUPS, CV_STR("E"), cv_buf_view(&to), NULL, &err) != CV_OK)
		cv_log(0, CV_WARN, "signup.sweep", "error=\"%s\"", err.text);
	cv_buf_done(&to);
}

void
spam_signup_note(struct spam_signup *s, uint64_t acct, struct cv_str address,
	struct cv_str sender_domain, const char *class)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	struct cv_err err = {0};
	enum cv_status status = CV_OK;

	struct cv_engine *e = spam_stats_engine(s->stats);

	if (!e)
		return;
	write_key(&key, spam_stats_today(), acct, address, sender_domain, class);
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < TRIES; i++) {
		status = count_up(e, cv_buf_view(&key), address, class, &err);
		if (status != CV_CONFLICT && status != CV_RETRY)
			break;
	}
	sweep(s, e);
	pthread_mutex_unlock(&s->lock);
	spam_stats_done(s->stats);
	/* A count lost is not worth a mail: the log has the event. */
	if (status)
		cv_log(0, CV_WARN, "signup.lost", "acct=%llu error=\"%s\"",
			(unsigned long long)acct, err.text[0] ? err.text : cv_status_name(status));
	cv_buf_done(&key);
}

/* ---- the list ---- */

struct listing {
	const struct spam_signup_asked *asked;
	json_t *rows;
};

static bool
take_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct listing *l = arg;
	struct cv_rd k = cv_rd(key), v = cv_rd(value);
	char day[16];
	struct tm tm;

	(void)cv_rd_u8(&k);
	time_t secs = (time_t)cv_rd_be32(&k) * DAY_SECS;
	uint64_t acct = cv_rd_be64(&k);
	(void)cv_rd_be64(&k);
	struct cv_str domain = cv_rd_take(&k, cv_rd_left(&k));
	domain = cv_str_sub(domain, 0, cv_str_find(domain, '\0', 0));
	if (cv_rd_u8(&v) != 1)
		return true;
	uint64_t count = cv_rd_varint(&v);
	struct cv_str address = cv_rd_bytes(&v), class = cv_rd_bytes(&v);
	if (k.bad || v.bad || !gmtime_r(&secs, &tm))
		return true;
	if (cv_str_eq_z(class, SPAM_SIGNUP_FREE_MAIL) != l->asked->own_free_mail)
		return true;
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	json_t *row = json_pack("{s:s, s:I, s:s%, s:s%, s:s%, s:I}", "day", day, "account",
		(json_int_t)acct, "address", address.p, address.n, "domain", domain.p, domain.n,
		"class", class.p, class.n, "count", (json_int_t)count);
	if (row)
		json_array_append_new(l->rows, row);
	return true;
}

enum cv_status
spam_signup_list(struct spam_signup *s, const struct spam_signup_asked *asked, json_t **out,
	struct cv_err *err)
{
	struct listing l = {asked, json_array()};
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	struct cv_engine *e = spam_stats_engine(s->stats);
	enum cv_status status = CV_OK;

	cv_buf_c(&from, 'E');
	cv_buf_be32(&from, asked->from);
	cv_buf_c(&to, 'E');
	cv_buf_be32(&to, asked->to + 1);
	if (e) {
		status = cv_meta_scan(e, spam_stats_acct(SPAM_TABLE_SIGNUPS), cv_buf_view(&from),
			cv_buf_view(&to), 0, take_row, &l, err);
		spam_stats_done(s->stats);
	}
	cv_buf_done(&from);
	cv_buf_done(&to);
	json_t *newest = json_array();
	for (size_t i = json_array_size(l.rows); i > 0; i--)
		if (json_array_size(newest) < asked->limit)
			json_array_append(newest, json_array_get(l.rows, i - 1));
	json_decref(l.rows);
	if (status) {
		json_decref(newest);
		return status;
	}
	*out = newest;
	return CV_OK;
}
