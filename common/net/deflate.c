/* deflate.c - see deflate.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#define LEVEL 3 /* mail is text: four fifths of the gain of level 6 in half of its time */
#define WINDOW_BITS (-15)
#define MEMORY_LEVEL 8
#define HISTORY_MAX (32u << 10)

/* What zlib leaves in data_type: unused bits of the last octet, and whether a block has ended. */
#define UNUSED_BITS 63
#define BETWEEN_BLOCKS 128

void
cv_pack_chunk(struct cv_pack *p, struct cv_str plain, struct cv_buf *out)
{
	z_stream *z = p->stream;

	if (!plain.n)
		return;
	if (!z) {
		z = p->stream = cv_calloc(1, sizeof(*z));
		if (deflateInit2(z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
			    Z_DEFAULT_STRATEGY) != Z_OK)
			cv_die("out of memory");
	}
	size_t room = deflateBound(z, (uLong)plain.n) + 16;
	char *to = cv_buf_room(out, room);
	assert(to && plain.n <= CV_PACK_CHUNK_BYTES);
	z->next_in = (Bytef *)(uintptr_t)plain.p;
	z->avail_in = (uInt)plain.n;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in || !z->avail_out)
		cv_die("deflate: its bound does not hold");
	out->n += room - z->avail_out;
	/* The flush ended on a whole octet: a new start is a valid continuation. */
	deflateReset(z);
}

void
cv_pack_done(struct cv_pack *p)
{
	if (p->stream)
		deflateEnd(p->stream);
	free(p->stream);
	p->stream = NULL;
}

static z_stream *
wake_up(struct cv_unpack *u)
{
	z_stream *z = u->stream;

	if (z)
		return z;
	z = u->stream = cv_calloc(1, sizeof(*z));
	if (inflateInit2(z, WINDOW_BITS) != Z_OK)
		cv_die("out of memory");
	if (u->history_bytes &&
		inflateSetDictionary(z, (Bytef *)u->history, (uInt)u->history_bytes) != Z_OK)
		cv_die("inflate: the history is not taken back");
	free(u->history);
	u->history = NULL;
	u->history_bytes = 0;
	return z;
}

enum cv_status
cv_unpack_bytes(struct cv_unpack *u, struct cv_str in, size_t *used_out, char *out, size_t room,
                size_t *got_out, struct cv_err *err)
{
	z_stream *z = wake_up(u);

	assert(room && room <= UINT32_MAX && in.n <= UINT32_MAX);
	z->next_in = (Bytef *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	z->next_out = (Bytef *)out;
	z->avail_out = (uInt)room;
	int result = inflate(z, Z_SYNC_FLUSH);
	*used_out = in.n - z->avail_in;
	*got_out = room - z->avail_out;
	/* A call that had nothing to do forgets where it stands. */
	if (*used_out || *got_out)
		u->is_aligned = (z->data_type & BETWEEN_BLOCKS) && !(z->data_type & UNUSED_BITS);
	u->may_have_more = !z->avail_out && !u->is_aligned;
	u->barren = *got_out ? 0 : u->barren + *used_out;
	if (result == Z_STREAM_END)
		return CV_EOF;
	/* Z_BUF_ERROR: there was nothing to do, or no room. */
	if (result != Z_OK && result != Z_BUF_ERROR)
		return cv_fail(err, CV_INVALID, "the compressed stream is broken");
	if (u->barren > CV_UNPACK_BARREN_MAX)
		return cv_fail(err, CV_INVALID, "the compressed stream holds nothing");
	return CV_OK;
}

void
cv_unpack_rest(struct cv_unpack *u)
{
	Bytef window[HISTORY_MAX];
	uInt n = 0;

	if (!u->stream || !u->is_aligned || u->may_have_more ||
		inflateGetDictionary(u->stream, window, &n) != Z_OK)
		return;
	u->history = n ? cv_malloc(n) : NULL;
	if (n)
		memcpy(u->history, window, n);
	u->history_bytes = n;
	inflateEnd(u->stream);
	free(u->stream);
	u->stream = NULL;
}

void
cv_unpack_done(struct cv_unpack *u)
{
	if (u->stream)
		inflateEnd(u->stream);
	free(u->stream);
	free(u->history);
	*u = (struct cv_unpack){0};
}

enum cv_status
cv_gzip(struct cv_str in, struct cv_buf *out, struct cv_err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)in.p, .avail_in = (unsigned)in.n };

	/* 15 bits of window; 16 more ask for the form of gzip. */
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return cv_fail(err, CV_TEMPFAIL, "a report cannot be compressed");
	size_t most = deflateBound(&z, (unsigned long)in.n);
	char *room = cv_buf_room(out, most);
	int result = Z_MEM_ERROR;
	if (room) {
		z.next_out = (unsigned char *)room;
		z.avail_out = (unsigned)most;
		result = deflate(&z, Z_FINISH);
		out->n += z.total_out;
	}
	deflateEnd(&z);
	return result == Z_STREAM_END ? CV_OK : cv_fail(err, CV_LIMIT, "a report is too large");
}
