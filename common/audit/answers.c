/* answers.c - see answers.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/answers.h"

#include <stdlib.h>

#define ANSWERS_ACCT cv_acct(CV_CLASS_AUDIT, 3)
#define ROW_VERSION  1
#define ROWS_AT_ONCE 500u
#define ARRIVAL_KEY  21u /* "M", box, time, UID */

static void
arrival_key(cv_acct_id box, int64_t secs, uint32_t uid, struct cv_buf *out)
{
	cv_buf_c(out, 'M');
	cv_buf_be64(out, box);
	cv_buf_be64(out, (uint64_t)secs);
	cv_buf_be32(out, uid);
}

static void
sent_key(const uint8_t message[CV_SENT_HASH], struct cv_buf *out)
{
	cv_buf_c(out, 'R');
	cv_buf_add(out, message, CV_SENT_HASH);
}

static void
flag_key(cv_acct_id box, uint32_t mailbox, uint32_t uid, struct cv_buf *out)
{
	cv_buf_c(out, 'F');
	cv_buf_be64(out, box);
	cv_buf_be32(out, mailbox);
	cv_buf_be32(out, uid);
}

static enum cv_status
commit(struct cv_store *s, const struct cv_put *puts, size_t count, struct cv_err *err)
{
	struct cv_batch batch = {
		.acct = ANSWERS_ACCT, .expect = CV_VERSION_ANY, .puts = puts, .count = count};
	cv_ticket ticket;
	enum cv_status status = cv_meta_commit(cv_store_engine(s), &batch, 1, &ticket, err);

	if (!status && batch.result)
		status = cv_fail(err, batch.result, "the response clock was not written: %s",
			cv_status_name(batch.result));
	return status;
}

enum cv_status
cv_answers_arrived(struct cv_store *s, const struct cv_arrival_note *n, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(64), value = CV_BUF_INIT(128);

	arrival_key(n->box, n->secs, n->uid, &key);
	cv_buf_c(&value, ROW_VERSION);
	cv_buf_be32(&value, n->mailbox);
	cv_buf_add(&value, n->email_id, sizeof n->email_id);
	cv_buf_add(&value, n->message, sizeof n->message);
	struct cv_put put = {cv_buf_view(&key), cv_buf_view(&value)};
	enum cv_status status = commit(s, &put, 1, err);
	cv_buf_done(&key);
	cv_buf_done(&value);
	return status;
}

/* Writes SECS under those of the KEYS (COUNT, at most ROWS_AT_ONCE) that have no row yet. */
static enum cv_status
put_first(struct cv_store *s, const struct cv_str *keys, size_t count, int64_t secs,
	struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(ROWS_AT_ONCE * 64), value = CV_BUF_INIT(16);
	struct cv_str values[ROWS_AT_ONCE];
	struct cv_put puts[ROWS_AT_ONCE];
	size_t n = 0;
	enum cv_status status = cv_meta_read(
		cv_store_engine(s), ANSWERS_ACCT, keys, count, values, &hold, NULL, err);

	cv_buf_be64(&value, (uint64_t)secs);
	for (size_t i = 0; !status && i < count; i++)
		if (!values[i].p)
			puts[n++] = (struct cv_put){keys[i], cv_buf_view(&value)};
	if (!status && n)
		status = commit(s, puts, n, err);
	cv_buf_done(&hold);
	cv_buf_done(&value);
	return status;
}

enum cv_status
cv_answers_sent(struct cv_store *s, const uint8_t (*messages)[CV_SENT_HASH], size_t count,
	int64_t secs, struct cv_err *err)
{
	struct cv_buf bytes = CV_BUF_INIT(ROWS_AT_ONCE * 32);
	struct cv_str keys[CV_SENT_REFS_MAX];

	count = CV_MIN(count, CV_SENT_REFS_MAX);
	for (size_t i = 0; i < count; i++)
		sent_key(messages[i], &bytes);
	for (size_t i = 0; i < count; i++)
		keys[i] = cv_str(bytes.p + i * (CV_SENT_HASH + 1), CV_SENT_HASH + 1);
	enum cv_status status = count ? put_first(s, keys, count, secs, err) : CV_OK;
	cv_buf_done(&bytes);
	return status;
}

enum cv_status
cv_answers_flagged(struct cv_store *s, cv_acct_id box, uint32_t mailbox, const uint32_t *uids,
	size_t count, int64_t secs, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t at = 0; at < count && !status; at += ROWS_AT_ONCE) {
		struct cv_buf bytes = CV_BUF_INIT(ROWS_AT_ONCE * 32);
		struct cv_str keys[ROWS_AT_ONCE];
		size_t n = CV_MIN(count - at, ROWS_AT_ONCE);
		for (size_t i = 0; i < n; i++)
			flag_key(box, mailbox, uids[at + i], &bytes);
		for (size_t i = 0; i < n; i++)
			keys[i] = cv_str(bytes.p + i * 17, 17);
		status = put_first(s, keys, n, secs, err);
		cv_buf_done(&bytes);
	}
	return status;
}

/* ---- reading ---- */

struct reading {
	struct cv_arrival_note *list;
	size_t count, cap;
	bool is_bad;
};

static bool
on_arrival(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *g = arg;
	struct cv_rd k = cv_rd(key), v = cv_rd(value);
	struct cv_arrival_note n = {0};

	g->is_bad = key.n != ARRIVAL_KEY || cv_rd_u8(&k) != 'M' || cv_rd_u8(&v) != ROW_VERSION;
	n.box = cv_rd_be64(&k);
	n.secs = (int64_t)cv_rd_be64(&k);
	n.uid = cv_rd_be32(&k);
	n.mailbox = cv_rd_be32(&v);
	cv_rd_copy(&v, n.email_id, sizeof n.email_id);
	cv_rd_copy(&v, n.message, sizeof n.message);
	g->is_bad |= k.bad || v.bad;
	if (g->is_bad)
		return false;
	if (g->count == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 64;
		g->list = cv_realloc(g->list, g->cap * sizeof *g->list);
	}
	g->list[g->count++] = n;
	return true;
}

/* The earlier of both, 0 when there is neither. */
static int64_t
first_of(struct cv_str a, struct cv_str b)
{
	struct cv_rd x = cv_rd(a), y = cv_rd(b);
	int64_t one = a.p ? (int64_t)cv_rd_be64(&x) : 0, two = b.p ? (int64_t)cv_rd_be64(&y) : 0;

	return !one || (two && two < one) ? two : one;
}

static enum cv_status
find_answers(struct cv_store *s, struct cv_arrival_note *list, size_t count, struct cv_err *err)
{
	struct cv_buf bytes = CV_BUF_INIT(ROWS_AT_ONCE * 64), hold = CV_BUF_INIT(ROWS_AT_ONCE * 64);
	struct cv_str keys[2 * ROWS_AT_ONCE], values[2 * ROWS_AT_ONCE];
	size_t each = CV_SENT_HASH + 1 + 17;

	for (size_t i = 0; i < count; i++) {
		sent_key(list[i].message, &bytes);
		flag_key(list[i].box, list[i].mailbox, list[i].uid, &bytes);
	}
	for (size_t i = 0; i < count; i++) {
		keys[2 * i] = cv_str(bytes.p + i * each, CV_SENT_HASH + 1);
		keys[2 * i + 1] = cv_str(bytes.p + i * each + CV_SENT_HASH + 1, 17);
	}
	enum cv_status status = cv_meta_read(
		cv_store_engine(s), ANSWERS_ACCT, keys, 2 * count, values, &hold, NULL, err);
	for (size_t i = 0; !status && i < count; i++)
		list[i].answered_secs = first_of(values[2 * i], values[2 * i + 1]);
	cv_buf_done(&bytes);
	cv_buf_done(&hold);
	return status;
}

enum cv_status
cv_answers_each(struct cv_store *s, cv_acct_id box, int64_t from_secs, int64_t to_secs,
	bool (*fn)(void *arg, const struct cv_arrival_note *n), void *arg, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(64), to = CV_BUF_INIT(64);
	struct reading g = {0};

	arrival_key(box, from_secs, 0, &from);
	arrival_key(box, to_secs, 0, &to);
	enum cv_status status = cv_meta_scan(cv_store_engine(s), ANSWERS_ACCT, cv_buf_view(&from),
		cv_buf_view(&to), 0, on_arrival, &g, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && g.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row of the response clock is damaged");
	for (size_t at = 0; at < g.count && !status; at += ROWS_AT_ONCE)
		status = find_answers(s, g.list + at, CV_MIN(g.count - at, ROWS_AT_ONCE), err);
	for (size_t i = 0; i < g.count && !status; i++)
		if (!fn(arg, &g.list[i]))
			break;
	free(g.list);
	return status;
}

/* ---- the end of rows ---- */

struct expiring {
	int64_t before; /* rows from before it go */
	struct cv_buf keys;
	size_t ends[ROWS_AT_ONCE], count;
};

static bool
is_over(const struct expiring *e, struct cv_str key, struct cv_str value)
{
	bool is_arrival = key.n && key.p[0] == 'M';
	struct cv_rd rd = cv_rd(is_arrival ? cv_str_sub(key, 9, key.n) : value);
	int64_t secs = (int64_t)cv_rd_be64(&rd);

	return rd.bad || secs < e->before;
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

enum cv_status
cv_answers_expire(struct cv_store *s, int64_t now_secs, struct cv_err *err)
{
	struct expiring e = {.before = now_secs - CV_ANSWERS_KEEP_SECS,
		.keys = CV_BUF_INIT(ROWS_AT_ONCE * 64)};
	struct cv_buf from = CV_BUF_INIT(64); /* all before it was looked at */
	struct cv_put *puts = cv_calloc(ROWS_AT_ONCE, sizeof *puts);
	enum cv_status status = CV_OK;

	do {
		e.count = 0;
		cv_buf_reset(&e.keys);
		status = cv_meta_scan(cv_store_engine(s), ANSWERS_ACCT, cv_buf_view(&from),
			CV_STR_EMPTY, 0, collect_over, &e, err);
		for (size_t i = 0; i < e.count; i++) {
			size_t at = i ? e.ends[i - 1] : 0;
			puts[i].key = cv_str(e.keys.p + at, e.ends[i] - at);
		}
		if (status || !e.count)
			break;
		cv_buf_reset(&from);
		cv_buf_str(&from, puts[e.count - 1].key);
		status = commit(s, puts, e.count, err);
	} while (!status && e.count == ROWS_AT_ONCE);
	free(puts);
	cv_buf_done(&from);
	cv_buf_done(&e.keys);
	return status;
}
