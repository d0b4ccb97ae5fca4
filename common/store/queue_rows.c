/* queue_rows.c - see queue_rows.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/queue_rows.h"

#define ROW_FORMAT 2 /* 1 knew neither times nor priorities */

enum {
	FLAG_RET_FULL = 1, FLAG_UTF8 = 2, FLAG_TLS = 4, FLAG_RET_HDRS = 8, FLAG_TLS_OPTIONAL = 16,
	FLAG_BY_TRACE = 32
};
enum { TOLD_DELAY = 1, TOLD_BY = 2, PLACE_SHIFT = 2 };

/* ---- keys ---- */

void
cv_queue_key_msg(struct cv_buf *out, uint64_t id)
{
	cv_buf_c(out, 'Q');
	cv_buf_be64(out, id);
}

void
cv_queue_key_rcpt(struct cv_buf *out, uint64_t id, uint32_t number)
{
	cv_buf_c(out, 'R');
	cv_buf_be64(out, id);
	cv_buf_be32(out, number);
}

void
cv_queue_key_due(struct cv_buf *out, int64_t due_secs, uint64_t id, uint32_t number)
{
	cv_buf_c(out, 'T');
	cv_buf_be64(out, due_secs > 0 ? (uint64_t)due_secs : 0);
	cv_buf_be64(out, id);
	cv_buf_be32(out, number);
}

bool
cv_queue_key_msg_read(struct cv_str key, uint64_t *id_out)
{
	struct cv_rd r = cv_rd(key);

	if (cv_rd_u8(&r) != 'Q')
		return false;
	*id_out = cv_rd_be64(&r);
	return !r.bad && !cv_rd_left(&r);
}

bool
cv_queue_key_rcpt_read(struct cv_str key, uint64_t *id_out, uint32_t *number_out)
{
	struct cv_rd r = cv_rd(key);

	if (cv_rd_u8(&r) != 'R')
		return false;
	*id_out = cv_rd_be64(&r);
	*number_out = cv_rd_be32(&r);
	return !r.bad && !cv_rd_left(&r);
}

bool
cv_queue_key_due_read(struct cv_str key, struct cv_queue_due *out)
{
	struct cv_rd r = cv_rd(key);

	if (cv_rd_u8(&r) != 'T')
		return false;
	out->due_secs = (int64_t)cv_rd_be64(&r);
	out->id = cv_rd_be64(&r);
	out->number = cv_rd_be32(&r);
	return !r.bad && !cv_rd_left(&r);
}

/* ---- values ---- */

void
cv_queue_due_encode(uint32_t dest, int8_t priority, struct cv_buf *out)
{
	cv_buf_be32(out, dest);
	cv_buf_c(out, (char)(priority + CV_QUEUE_PRIORITY_MAX));
}

bool
cv_queue_due_decode(struct cv_str value, struct cv_queue_due *out)
{
	struct cv_rd r = cv_rd(value);

	out->dest = cv_rd_be32(&r);
	unsigned priority = cv_rd_left(&r) ? cv_rd_u8(&r) : CV_QUEUE_PRIORITY_MAX;
	out->priority = (int8_t)((int)priority - CV_QUEUE_PRIORITY_MAX);
	return !r.bad && !cv_rd_left(&r) && priority <= 2 * CV_QUEUE_PRIORITY_MAX;
}

void
cv_queue_msg_encode(const struct cv_queue_msg *msg, uint32_t left, struct cv_buf *out)
{
	unsigned flags = (msg->ret_full ? FLAG_RET_FULL : 0u) | (msg->smtputf8 ? FLAG_UTF8 : 0u)
		| (msg->require_tls ? FLAG_TLS : 0u) | (msg->ret_hdrs ? FLAG_RET_HDRS : 0u)
		| (msg->tls_optional ? FLAG_TLS_OPTIONAL : 0u)
		| (msg->by_trace ? FLAG_BY_TRACE : 0u);

	cv_buf_c(out, ROW_FORMAT);
	cv_buf_bytes(out, msg->delivery_id);
	cv_buf_bytes(out, msg->sender);
	cv_buf_bytes(out, msg->envid);
	cv_buf_varint(out, flags);
	cv_buf_varint(out, (uint64_t)msg->body_kind);
	cv_buf_varint(out, (uint64_t)msg->arrived_secs);
	cv_buf_varint(out, (uint64_t)msg->expires_secs);
	cv_buf_varint(out, msg->size_bytes);
	cv_buf_bytes(out, cv_str((const char *)msg->body.bytes, msg->body.n));
	cv_buf_bytes(out, msg->auth_account);
	cv_buf_varint(out, msg->rcpt_count);
	cv_buf_varint(out, left);
	cv_buf_c(out, (char)(msg->priority + CV_QUEUE_PRIORITY_MAX));
	cv_buf_varint(out, (uint64_t)msg->by_mode);
	cv_buf_varint(out, (uint64_t)msg->by_secs);
	cv_buf_varint(out, (uint64_t)msg->hold_secs);
}

/* What format 2 added. */
static bool
read_times(struct cv_rd *r, struct cv_queue_msg *out)
{
	unsigned priority = cv_rd_u8(r);
	uint64_t mode = cv_rd_varint(r);

	out->priority = (int8_t)((int)CV_MIN(priority, 100u) - CV_QUEUE_PRIORITY_MAX);
	out->by_mode = (enum cv_queue_by)mode;
	out->by_secs = (int64_t)cv_rd_varint(r);
	out->hold_secs = (int64_t)cv_rd_varint(r);
	return priority <= 2 * CV_QUEUE_PRIORITY_MAX && mode <= CV_BY_RETURN;
}

enum cv_status
cv_queue_msg_decode(struct cv_str row, struct cv_queue_msg *out, uint32_t *left_out,
	struct cv_err *err)
{
	struct cv_rd r = cv_rd(row);

	unsigned format = cv_rd_u8(&r);

	*out = (struct cv_queue_msg){ 0 };
	if (!format || format > ROW_FORMAT)
		return cv_fail(err, CV_CORRUPT, "a message row of the queue has an unknown format");
	out->delivery_id = cv_rd_bytes(&r);
	out->sender = cv_rd_bytes(&r);
	out->envid = cv_rd_bytes(&r);
	uint64_t flags = cv_rd_varint(&r), kind = cv_rd_varint(&r);
	out->ret_full = flags & FLAG_RET_FULL;
	out->smtputf8 = flags & FLAG_UTF8;
	out->require_tls = flags & FLAG_TLS;
	out->ret_hdrs = flags & FLAG_RET_HDRS;
	out->tls_optional = flags & FLAG_TLS_OPTIONAL;
	out->by_trace = flags & FLAG_BY_TRACE;
	out->body_kind = (enum cv_queue_body)kind;
	out->arrived_secs = (int64_t)cv_rd_varint(&r);
	out->expires_secs = (int64_t)cv_rd_varint(&r);
	out->size_bytes = cv_rd_varint(&r);
	struct cv_str ref = cv_rd_bytes(&r);
	out->auth_account = cv_rd_bytes(&r);
	out->rcpt_count = (size_t)cv_rd_varint(&r);
	*left_out = (uint32_t)cv_rd_varint(&r);
	bool good = format < 2 || read_times(&r, out);
	if (!good || r.bad || cv_rd_left(&r) || kind > CV_BODY_BINARYMIME
		|| ref.n > CV_BLOB_REF_MAX)
		return cv_fail(err, CV_CORRUPT, "a message row of the queue is damaged");
	memcpy(out->body.bytes, ref.p, ref.n);
	out->body.n = (uint8_t)ref.n;
	return CV_OK;
}

void
cv_queue_rcpt_encode(const struct cv_queue_rcpt *rcpt, struct cv_buf *out)
{
	cv_buf_c(out, ROW_FORMAT);
	cv_buf_bytes(out, rcpt->address);
	cv_buf_bytes(out, rcpt->orcpt);
	cv_buf_varint(out, rcpt->notify);
	cv_buf_varint(out, rcpt->local_acct);
	cv_buf_varint(out, (uint64_t)rcpt->state);
	cv_buf_varint(out, (uint64_t)rcpt->next_secs);
	cv_buf_varint(out, rcpt->attempts);
	cv_buf_bytes(out, cv_str_sub(rcpt->last_reply, 0, CV_QUEUE_REPLY_MAX));
	cv_buf_varint(out, (rcpt->delay_notified ? TOLD_DELAY : 0u)
		| (rcpt->by_notified ? TOLD_BY : 0u)
		| (uint64_t)rcpt->place << PLACE_SHIFT);
}

enum cv_status
cv_queue_rcpt_decode(struct cv_str row, struct cv_queue_rcpt *out, struct cv_err *err)
{
	struct cv_rd r = cv_rd(row);

	unsigned format = cv_rd_u8(&r);

	*out = (struct cv_queue_rcpt){ 0 };
	if (!format || format > ROW_FORMAT)
		return cv_fail(err, CV_CORRUPT, "a recipient row of the queue has an unknown format");
	out->address = cv_rd_bytes(&r);
	out->orcpt = cv_rd_bytes(&r);
	out->notify = (uint32_t)cv_rd_varint(&r);
	out->local_acct = cv_rd_varint(&r);
	uint64_t state = cv_rd_varint(&r);
	out->state = (enum cv_queue_state)state;
	out->next_secs = (int64_t)cv_rd_varint(&r);
	out->attempts = (uint32_t)cv_rd_varint(&r);
	out->last_reply = cv_rd_bytes(&r);
	uint64_t told = cv_rd_varint(&r), place = told >> PLACE_SHIFT;
	out->place = (enum cv_queue_place)place;
	out->delay_notified = told & TOLD_DELAY;
	out->by_notified = told & TOLD_BY;
	if (r.bad || place > CV_Q_QUARANTINE || cv_rd_left(&r) || state > CV_Q_DONE)
		return cv_fail(err, CV_CORRUPT, "a recipient row of the queue is damaged");
	return CV_OK;
}
