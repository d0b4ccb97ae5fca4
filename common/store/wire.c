/* wire.c - writing and reading the frames of a delivery. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/wire.h"

#include <openssl/sha.h>

#define FOLDER_MAX 1000u

enum cv_status
cv_wire_next(struct cv_str in, struct cv_wire_frame *out, size_t *used_out)
{
	if (in.n < 4)
		return CV_AGAIN;
	struct cv_rd r = cv_rd(in);
	uint32_t n = cv_rd_be32(&r);
	if (n < CV_WIRE_HEADER_BYTES - 4 || n > CV_WIRE_HEADER_BYTES - 4 + CV_WIRE_PAYLOAD_MAX)
		return CV_INVALID;
	if (in.n > 4 && (in.p[4] < CV_WIRE_HELLO || in.p[4] > CV_WIRE_SENT))
		return CV_INVALID;
	if (in.n - 4 < n)
		return CV_AGAIN;
	out->type = (enum cv_wire_type)cv_rd_u8(&r);
	out->tag = cv_rd_be64(&r);
	out->payload = cv_rd_take(&r, n - (CV_WIRE_HEADER_BYTES - 4));
	*used_out = 4 + (size_t)n;
	return CV_OK;
}

bool
cv_wire_each(struct cv_buf *in, cv_wire_fn *fn, void *arg)
{
	struct cv_wire_frame f;
	enum cv_status status;
	size_t done = 0, used;

	while (!(status = cv_wire_next(cv_str_sub(cv_buf_view(in), done, in->n), &f, &used))) {
		done += used;
		if (!fn(arg, &f))
			return false;
	}
	cv_buf_drop(in, done);
	return status == CV_AGAIN;
}

void
cv_wire_header(unsigned char header[CV_WIRE_HEADER_BYTES], enum cv_wire_type type, uint64_t tag,
	size_t payload_bytes)
{
	uint32_t n = (uint32_t)(payload_bytes + CV_WIRE_HEADER_BYTES - 4);
	for (int i = 0; i < 4; i++)
		header[i] = (unsigned char)(n >> (24 - 8 * i));
	header[4] = (unsigned char)type;
	for (int i = 0; i < 8; i++)
		header[5 + i] = (unsigned char)(tag >> (56 - 8 * i));
}

/* Room for a header at the end of OUT; its place, to be filled in when the payload is there. */
static size_t
begin(struct cv_buf *out)
{
	size_t at = out->n;
	static const char zero[CV_WIRE_HEADER_BYTES];
	cv_buf_add(out, zero, sizeof zero);
	return at;
}

static void
end(struct cv_buf *out, size_t at, enum cv_wire_type type, uint64_t tag)
{
	if (!out->full)
		cv_wire_header((unsigned char *)out->p + at, type, tag,
			out->n - at - CV_WIRE_HEADER_BYTES);
}

static enum cv_status
whole(const struct cv_rd *r)
{
	return r->bad || cv_rd_left(r) ? CV_INVALID : CV_OK;
}

static enum cv_status
to_status(uint64_t byte, struct cv_rd *r)
{
	if (byte > CV_CORRUPT)
		r->bad = true;
	return (enum cv_status)byte;
}

/* ---- hello ---- */

void
cv_wire_put_hello(struct cv_buf *out)
{
	size_t at = begin(out);
	cv_buf_c(out, CV_WIRE_VERSION);
	end(out, at, CV_WIRE_HELLO, 0);
}

enum cv_status
cv_wire_read_hello(struct cv_str payload)
{
	struct cv_rd r = cv_rd(payload);
	return cv_rd_u8(&r) == CV_WIRE_VERSION ? whole(&r) : CV_INVALID;
}

/* ---- deliver ---- */

enum cv_status
cv_wire_put_deliver(struct cv_buf *out, uint64_t tag, const struct cv_delivery *d)
{
	if (d->id.n > CV_DELIVERY_ID_MAX || d->prefix.n > CV_WIRE_PREFIX_MAX ||
		d->rcpt_count > CV_DELIVER_RCPTS_MAX)
		return CV_LIMIT;
	size_t at = begin(out);
	cv_buf_bytes(out, d->id);
	cv_buf_bytes(out, d->prefix);
	cv_buf_varint(out, d->message->size_bytes);
	cv_buf_varint(out, d->rcpt_count);
	for (size_t i = 0; i < d->rcpt_count; i++) {
		if (d->rcpts[i].folder.n > FOLDER_MAX)
			return CV_LIMIT;
		cv_buf_be64(out, d->rcpts[i].acct);
		cv_buf_varint(out, d->rcpts[i].flags);
		cv_buf_bytes(out, d->rcpts[i].folder);
	}
	end(out, at, CV_WIRE_DELIVER, tag);
	return out->full ? CV_LIMIT : CV_OK;
}

enum cv_status
cv_wire_read_deliver(
	struct cv_str payload, struct cv_arena *arena, struct cv_delivery *d, uint64_t *size_out)
{
	struct cv_rd r = cv_rd(payload);
	d->id = cv_rd_bytes(&r);
	d->prefix = cv_rd_bytes(&r);
	*size_out = cv_rd_varint(&r);
	uint64_t count = cv_rd_varint(&r);
	if (r.bad || !d->id.n || d->id.n > CV_DELIVERY_ID_MAX || d->prefix.n > CV_WIRE_PREFIX_MAX ||
		!count || count > CV_DELIVER_RCPTS_MAX)
		return CV_INVALID;
	d->rcpt_count = (size_t)count;
	d->rcpts = CV_ARENA_ARRAY(arena, struct cv_deliver_rcpt, d->rcpt_count);
	for (size_t i = 0; i < d->rcpt_count; i++) {
		struct cv_deliver_rcpt *rcpt = &d->rcpts[i];
		rcpt->acct = cv_rd_be64(&r);
		rcpt->flags = (uint32_t)(cv_rd_varint(&r) & 31u);
		rcpt->folder = cv_rd_bytes(&r);
		rcpt->result = CV_TEMPFAIL;
		if (rcpt->folder.n > FOLDER_MAX ||
			rcpt->acct >> CV_ACCT_CLASS_SHIFT != CV_CLASS_USER)
			r.bad = true;
	}
	return whole(&r);
}

void
cv_wire_put_result(struct cv_buf *out, uint64_t tag, const struct cv_delivery *d)
{
	size_t at = begin(out);
	cv_buf_varint(out, d->rcpt_count);
	for (size_t i = 0; i < d->rcpt_count; i++)
		cv_buf_c(out, (char)(d->rcpts[i].result << 1 | d->rcpts[i].duplicate));
	end(out, at, CV_WIRE_RESULT, tag);
}

enum cv_status
cv_wire_read_result(struct cv_str payload, struct cv_delivery *d)
{
	struct cv_rd r = cv_rd(payload);
	if (cv_rd_varint(&r) != d->rcpt_count || cv_rd_left(&r) != d->rcpt_count)
		return CV_INVALID;
	for (size_t i = 0; i < d->rcpt_count; i++) {
		uint8_t byte = cv_rd_u8(&r);
		d->rcpts[i].result = to_status(byte >> 1, &r);
		d->rcpts[i].duplicate = byte & 1;
	}
	return whole(&r);
}

/* ---- probe ---- */

void
cv_wire_put_probe(struct cv_buf *out, uint64_t tag, const struct cv_probe *probe)
{
	size_t at = begin(out);
	cv_buf_be64(out, probe->acct);
	cv_buf_varint(out, probe->size_bytes);
	end(out, at, CV_WIRE_PROBE, tag);
}

enum cv_status
cv_wire_read_probe(struct cv_str payload, struct cv_probe *probe)
{
	struct cv_rd r = cv_rd(payload);
	probe->acct = cv_rd_be64(&r);
	probe->size_bytes = cv_rd_varint(&r);
	if (probe->acct >> CV_ACCT_CLASS_SHIFT != CV_CLASS_USER)
		r.bad = true;
	return whole(&r);
}

void
cv_wire_put_probed(struct cv_buf *out, uint64_t tag, enum cv_status result)
{
	size_t at = begin(out);
	cv_buf_c(out, (char)result);
	end(out, at, CV_WIRE_PROBED, tag);
}

enum cv_status
cv_wire_read_probed(struct cv_str payload, enum cv_status *result)
{
	struct cv_rd r = cv_rd(payload);
	*result = to_status(cv_rd_u8(&r), &r);
	return whole(&r);
}

void
cv_wire_put_sent(struct cv_buf *out, uint64_t tag, const struct cv_sent_note *note)
{
	size_t at = begin(out);
	cv_buf_be64(out, note->acct);
	cv_buf_varint(out, note->ref_count);
	cv_buf_add(out, note->refs, note->ref_count * CV_SENT_HASH);
	end(out, at, CV_WIRE_SENT, tag);
}

enum cv_status
cv_wire_read_sent(struct cv_str payload, struct cv_sent_note *note)
{
	struct cv_rd r = cv_rd(payload);
	note->acct = cv_rd_be64(&r);
	uint64_t count = cv_rd_varint(&r);
	if (r.bad || count > CV_SENT_REFS_MAX || note->acct >> CV_ACCT_CLASS_SHIFT != CV_CLASS_USER)
		return CV_INVALID;
	note->ref_count = (size_t)count;
	cv_rd_copy(&r, note->refs, note->ref_count * CV_SENT_HASH);
	return whole(&r);
}

void
cv_sent_hash(struct cv_str message_id, uint8_t out[CV_SENT_HASH])
{
	unsigned char digest[32];
	struct cv_str id = cv_str_trim(message_id);

	if (id.n > 1 && id.p[0] == '<' && id.p[id.n - 1] == '>')
		id = cv_str_sub(id, 1, id.n - 1);
	SHA256((const unsigned char *)(id.p ? id.p : ""), id.n, digest);
	memcpy(out, digest, CV_SENT_HASH);
}
