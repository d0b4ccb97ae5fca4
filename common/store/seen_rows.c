/* seen_rows.c - the rows of seen.h. Decoding trusts nothing. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/seen.h"

enum form { FORM_RUNS, FORM_BITS };

void
cv_key_seen(struct cv_buf *out, uint32_t box, cv_acct_id person, uint32_t n)
{
	cv_key_box(out, 'P', box);
	cv_buf_be64(out, person);
	cv_buf_be32(out, n);
}

bool
cv_key_read_seen(struct cv_str key, uint32_t *box_out, cv_acct_id *person_out, uint32_t *n_out)
{
	struct cv_rd r = cv_rd(key);
	uint8_t kind = cv_rd_u8(&r);

	*box_out = cv_rd_be32(&r);
	*person_out = cv_rd_be64(&r);
	*n_out = cv_rd_be32(&r);
	return !r.bad && kind == 'P' && !cv_rd_left(&r);
}

void
cv_row_seen_encode(const struct cv_seen *s, struct cv_buf *out)
{
	cv_buf_c(out, CV_ROW_VERSION);
	cv_buf_varint(out, s->seen);
	cv_buf_varint(out, s->gaps);
	cv_buf_varint(out, s->recent_from);
}

static uint32_t
read_u32(struct cv_rd *r)
{
	uint64_t v = cv_rd_varint(r);

	if (v > UINT32_MAX)
		r->bad = true;
	return (uint32_t)v;
}

enum cv_status
cv_row_seen_decode(struct cv_str value, struct cv_seen *out)
{
	struct cv_rd r = cv_rd(value);

	if (cv_rd_u8(&r) != CV_ROW_VERSION)
		return CV_CORRUPT;
	out->seen = read_u32(&r);
	out->gaps = read_u32(&r);
	out->recent_from = read_u32(&r);
	return r.bad || cv_rd_left(&r) || !out->recent_from ? CV_CORRUPT : CV_OK;
}

static bool
bit(const struct cv_seen_chunk *chunk, uint32_t at)
{
	return chunk->bits[at / 64] >> (at % 64) & 1;
}

static void
encode_runs(const struct cv_seen_chunk *chunk, struct cv_buf *out)
{
	uint32_t place = 0;

	for (uint32_t at = 0; at < CV_SEEN_CHUNK;) {
		uint32_t n = 0;
		while (at + n < CV_SEEN_CHUNK && bit(chunk, at + n))
			n++;
		if (!n) {
			at++;
			continue;
		}
		cv_buf_varint(out, at - place);
		cv_buf_varint(out, n - 1);
		at += n;
		place = at;
	}
}

void
cv_row_chunk_encode(const struct cv_seen_chunk *chunk, struct cv_buf *out)
{
	struct cv_buf runs = CV_BUF_INIT(4 * CV_SEEN_CHUNK);

	encode_runs(chunk, &runs);
	cv_buf_c(out, CV_ROW_VERSION);
	if (runs.n < sizeof(chunk->bits)) {
		cv_buf_c(out, FORM_RUNS);
		cv_buf_str(out, cv_buf_view(&runs));
	} else {
		cv_buf_c(out, FORM_BITS);
		for (size_t i = 0; i < CV_SEEN_WORDS; i++)
			cv_buf_be64(out, chunk->bits[i]);
	}
	cv_buf_done(&runs);
}

static void
set_bit(struct cv_seen_chunk *chunk, uint32_t at)
{
	chunk->bits[at / 64] |= (uint64_t)1 << (at % 64);
}

static void
decode_runs(struct cv_rd *r, struct cv_seen_chunk *out)
{
	uint64_t place = 0;

	while (!r->bad && cv_rd_left(r)) {
		uint64_t gap = cv_rd_varint(r), more = cv_rd_varint(r);
		if (gap >= CV_SEEN_CHUNK || more >= CV_SEEN_CHUNK ||
			place + gap + more >= CV_SEEN_CHUNK) {
			r->bad = true;
			return;
		}
		place += gap;
		for (uint64_t i = 0; i <= more; i++)
			set_bit(out, (uint32_t)place++);
	}
}

enum cv_status
cv_row_chunk_decode(struct cv_str value, struct cv_seen_chunk *out)
{
	struct cv_rd r = cv_rd(value);

	memset(out->bits, 0, sizeof(out->bits));
	if (cv_rd_u8(&r) != CV_ROW_VERSION)
		return CV_CORRUPT;
	uint8_t form = cv_rd_u8(&r);
	if (form == FORM_RUNS)
		decode_runs(&r, out);
	else if (form == FORM_BITS)
		for (size_t i = 0; i < CV_SEEN_WORDS; i++)
			out->bits[i] = cv_rd_be64(&r);
	else
		r.bad = true;
	return r.bad || cv_rd_left(&r) ? CV_CORRUPT : CV_OK;
}
