/* zip.c - see zip.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extractor/zip.h"

#include <zlib.h>

#define END_BYTES     22u
#define COMMENT_MAX   65535u
#define CENTRAL_BYTES 46u
#define LOCAL_BYTES   30u
#define PIECE         (32u << 10)

static uint32_t
le(struct cv_str s, size_t at, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | (unsigned char)s.p[at + i];
	return v;
}

bool
extractor_zip_open(struct extractor_zip *z, struct cv_str archive)
{
	*z = (struct extractor_zip){.archive = archive};
	if (archive.n < END_BYTES)
		return false;
	size_t lowest =
		archive.n - END_BYTES > COMMENT_MAX ? archive.n - END_BYTES - COMMENT_MAX : 0;
	for (size_t at = archive.n - END_BYTES + 1; at-- > lowest;) {
		if (memcmp(archive.p + at, "PK\x05\x06", 4) != 0)
			continue;
		uint64_t size = le(archive, at + 12, 4), from = le(archive, at + 16, 4);
		z->left = CV_MIN(le(archive, at + 10, 2), EXTRACTOR_ZIP_MEMBERS_MAX);
		z->at = (size_t)from;
		z->end = (size_t)(from + size);
		return from + size <= at;
	}
	return false;
}

/* The packed octets behind the member's local header at AT. */
static struct cv_str
packed_at(struct cv_str archive, uint64_t at, uint64_t n)
{
	if (at + LOCAL_BYTES > archive.n || memcmp(archive.p + at, "PK\x03\x04", 4) != 0)
		return CV_STR_EMPTY;
	uint64_t from = at + LOCAL_BYTES + le(archive, (size_t)at + 26, 2) +
			le(archive, (size_t)at + 28, 2);
	if (from > archive.n || n > archive.n - from)
		return CV_STR_EMPTY;
	return cv_str(archive.p + from, (size_t)n);
}

bool
extractor_zip_next(struct extractor_zip *z, struct extractor_member *m)
{
	struct cv_str a = z->archive;

	if (!z->left || z->end - z->at < CENTRAL_BYTES || z->at > z->end ||
		memcmp(a.p + z->at, "PK\x01\x02", 4) != 0)
		return false;
	size_t name_n = le(a, z->at + 28, 2), extra_n = le(a, z->at + 30, 2),
	       comment_n = le(a, z->at + 32, 2);
	if (z->end - z->at - CENTRAL_BYTES < name_n)
		return false;
	*m = (struct extractor_member){
		.name = cv_str(a.p + z->at + CENTRAL_BYTES, name_n),
		.is_encrypted = le(a, z->at + 8, 2) & 1,
		.method = le(a, z->at + 10, 2),
		.packed = packed_at(a, le(a, z->at + 42, 4), le(a, z->at + 20, 4)),
	};
	z->left--;
	z->at += CENTRAL_BYTES + name_n + extra_n + comment_n;
	return true;
}

static bool
give(struct extractor_zip *z, struct cv_str bytes, extractor_zip_fn *fn, void *arg, bool *stop)
{
	z->unpacked += bytes.n;
	z->is_too_large |= z->unpacked > EXTRACTOR_ZIP_BYTES_MAX;
	if (z->is_too_large)
		return false;
	*stop = bytes.n && !fn(arg, bytes);
	return true;
}

static bool
inflate_member(struct extractor_zip *z, struct cv_str packed, extractor_zip_fn *fn, void *arg)
{
	unsigned char piece[PIECE];
	z_stream s = {
		.next_in = (unsigned char *)(uintptr_t)packed.p, .avail_in = (unsigned)packed.n};
	bool good = true, stop = false;
	int result = Z_OK;

	if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
		return false;
	while (good && !stop && result == Z_OK) {
		s.next_out = piece;
		s.avail_out = sizeof piece;
		result = inflate(&s, Z_NO_FLUSH);
		good = (result == Z_OK || result == Z_STREAM_END) &&
		       give(z, cv_str((const char *)piece, sizeof piece - s.avail_out), fn, arg,
			       &stop);
		/* Nothing left to read, and no end came. */
		good &= stop || result == Z_STREAM_END || s.avail_out != sizeof piece || s.avail_in;
	}
	inflateEnd(&s);
	return good;
}

bool
extractor_zip_read(
	struct extractor_zip *z, const struct extractor_member *m, extractor_zip_fn *fn, void *arg)
{
	bool stop;

	if (!m->packed.p || m->is_encrypted || (m->method != 0 && m->method != 8))
		return false;
	return m->method == 8 ? inflate_member(z, m->packed, fn, arg)
			      : give(z, m->packed, fn, arg, &stop);
}
