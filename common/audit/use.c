/* use.c - see use.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/use.h"

#include "common/audit/audit_impl.h"

#define ROW_VERSION  1
#define ROWS_AT_ONCE 2000u
#define KEY_BYTES    15u /* "U", account, day, days */
#define VALUE_BYTES  17u

static void
span_key(cv_acct_id acct, uint32_t from_day, uint32_t days, struct cv_buf *out)
{
	cv_buf_c(out, 'U');
	cv_buf_be64(out, acct);
	cv_buf_be32(out, from_day);
	cv_buf_be16(out, (uint16_t)days);
}

static void
encode(const struct cv_use_span *s, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_be32(out, s->active);
	cv_buf_be32(out, s->sent);
	cv_buf_be32(out, s->received);
	cv_buf_be32(out, s->opened);
}

static bool
decode(struct cv_str key, struct cv_str value, struct cv_use_span *out)
{
	struct cv_rd k = cv_rd(key), v = cv_rd(value);

	*out = (struct cv_use_span){0};
	if (key.n != KEY_BYTES || cv_rd_u8(&k) != 'U' || cv_rd_u8(&v) != ROW_VERSION)
		return false;
	out->acct = cv_rd_be64(&k);
	out->from_day = cv_rd_be32(&k);
	out->days = cv_rd_be16(&k);
	out->active = cv_rd_be32(&v);
	out->sent = cv_rd_be32(&v);
	out->received = cv_rd_be32(&v);
	out->opened = cv_rd_be32(&v);
	return !k.bad && !v.bad;
}

static enum cv_status
put_some(struct cv_audit *a, const struct cv_use_span *spans, size_t count, struct cv_err *err)
{
	struct cv_buf keys = CV_BUF_INIT(CV_BATCH_MAX), values = CV_BUF_INIT(CV_BATCH_MAX);
	struct cv_put *puts = cv_calloc(count, sizeof *puts);
	cv_ticket ticket;

	for (size_t i = 0; i < count; i++) {
		span_key(spans[i].acct, spans[i].from_day, spans[i].days, &keys);
		encode(&spans[i], &values);
	}
	for (size_t i = 0; i < count; i++)
		puts[i] = (struct cv_put){cv_str(keys.p + i * KEY_BYTES, KEY_BYTES),
			cv_str(values.p + i * VALUE_BYTES, VALUE_BYTES)};
	struct cv_batch batch = {.acct = AUDIT_COUNT_ACCT,
		.expect = CV_VERSION_ANY,
		.puts = puts,
		.count = count};
	enum cv_status status =
		cv_meta_commit(cv_store_engine(a->store), &batch, 1, &ticket, err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "the use brought along was not written: %s",
			cv_status_name(batch.result));
	free(puts);
	cv_buf_done(&keys);
	cv_buf_done(&values);
	return status;
}

enum cv_status
cv_use_put(struct cv_audit *a, const struct cv_use_span *spans, size_t count, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t at = 0; at < count && !status; at += ROWS_AT_ONCE)
		status = put_some(a, spans + at, CV_MIN(count - at, ROWS_AT_ONCE), err);
	return status;
}

struct reading {
	bool (*fn)(void *arg, const struct cv_use_span *s);
	void *arg;
	uint32_t to_day;
	bool is_bad;
};

static bool
on_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *g = arg;
	struct cv_use_span s;

	if (!decode(key, value, &s)) {
		g->is_bad = true;
		return false;
	}
	if ((uint64_t)s.from_day + s.days > (uint64_t)g->to_day + 1)
		return true; /* it reaches beyond */
	return g->fn(g->arg, &s);
}

enum cv_status
cv_use_each(struct cv_audit *a, cv_acct_id acct, uint32_t from_day, uint32_t to_day,
	bool (*fn)(void *arg, const struct cv_use_span *s), void *arg, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(64), to = CV_BUF_INIT(64);
	struct reading g = {fn, arg, to_day, false};

	span_key(acct, from_day, 0, &from);
	span_key(acct, to_day, UINT16_MAX, &to);
	enum cv_status status = cv_meta_scan(cv_store_engine(a->store), AUDIT_COUNT_ACCT,
		cv_buf_view(&from), cv_buf_view(&to), 0, on_row, &g, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && g.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row of use brought along is damaged");
	return status;
}
