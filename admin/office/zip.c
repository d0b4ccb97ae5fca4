/* zip.c - the archive around an ODT file: see office_impl.h.
 *
 * Written here and not by a library: the file "mimetype" of an OpenDocument package must come
 * first, stored and without an extra field (ODF 1.2 part 3, 3.3), and nothing may tell the time of
 * writing.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <zlib.h>

#include "admin/office/office_impl.h"

#define ENTRY_SIGNATURE     0x04034b50u
#define DIRECTORY_SIGNATURE 0x02014b50u
#define END_SIGNATURE       0x06054b50u
#define VERSION_NEEDED      20
#define FLAG_UTF8           0x0800
#define DAY_1980_01_01      0x0021
#define FILE_MAX            (1u << 30)

static void
put16(struct cv_buf *out, unsigned n)
{
	cv_buf_c(out, (char)(n & 0xff));
	cv_buf_c(out, (char)(n >> 8 & 0xff));
}

static void
put32(struct cv_buf *out, uint32_t n)
{
	put16(out, n & 0xffff);
	put16(out, n >> 16);
}

void
admin_zip_begin(struct admin_zip *z, struct cv_buf *out)
{
	*z = (struct admin_zip){.out = out, .directory = CV_BUF_INIT(1u << 20), .base = out->n};
}

/* BYTES as a raw deflate stream. */
static enum cv_status
pack_bytes(struct cv_str bytes, struct cv_buf *out, struct cv_err *err)
{
	z_stream stream = {0};

	if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return cv_fail(err, CV_TEMPFAIL, "zlib does not start");
	unsigned long room = deflateBound(&stream, bytes.n);
	char *to = cv_buf_room(out, room);
	if (!to) {
		deflateEnd(&stream);
		return cv_fail(err, CV_LIMIT, "the document is too large");
	}
	stream.next_in = (unsigned char *)(uintptr_t)bytes.p;
	stream.avail_in = (unsigned)bytes.n;
	stream.next_out = (unsigned char *)to;
	stream.avail_out = (unsigned)room;
	int result = deflate(&stream, Z_FINISH);
	out->n += stream.total_out;
	deflateEnd(&stream);
	return result == Z_STREAM_END ? CV_OK : cv_fail(err, CV_TEMPFAIL, "zlib failed");
}

/* The fields that an entry and its row of the directory share. */
static void
put_fields(struct cv_buf *out, bool pack, uint32_t crc, size_t packed, size_t plain, size_t name)
{
	put16(out, VERSION_NEEDED);
	put16(out, FLAG_UTF8);
	put16(out, pack ? 8 : 0);
	put16(out, 0);
	put16(out, DAY_1980_01_01);
	put32(out, crc);
	put32(out, (uint32_t)packed);
	put32(out, (uint32_t)plain);
	put16(out, (unsigned)name);
	put16(out, 0); /* no extra field */
}

enum cv_status
admin_zip_add(
	struct admin_zip *z, const char *name, struct cv_str bytes, bool pack, struct cv_err *err)
{
	struct cv_buf packed = CV_BUF_INIT(FILE_MAX);
	size_t start = z->out->n - z->base;
	enum cv_status status = CV_OK;

	if (bytes.n > FILE_MAX || start > FILE_MAX)
		return cv_fail(err, CV_LIMIT, "the document is too large");
	if (pack)
		status = pack_bytes(bytes, &packed, err);
	if (status == CV_OK) {
		struct cv_str body = pack ? cv_buf_view(&packed) : bytes;
		const unsigned char *plain = (const unsigned char *)bytes.p;
		uint32_t crc = (uint32_t)crc32(0, plain, (unsigned)bytes.n);
		put32(z->out, ENTRY_SIGNATURE);
		put_fields(z->out, pack, crc, body.n, bytes.n, strlen(name));
		cv_buf_z(z->out, name);
		cv_buf_str(z->out, body);

		put32(&z->directory, DIRECTORY_SIGNATURE);
		put16(&z->directory, VERSION_NEEDED);
		put_fields(&z->directory, pack, crc, body.n, bytes.n, strlen(name));
		put16(&z->directory, 0); /* no comment */
		put16(&z->directory, 0); /* first disk */
		put16(&z->directory, 0);
		put32(&z->directory, 0);
		put32(&z->directory, (uint32_t)start);
		cv_buf_z(&z->directory, name);
		z->files++;
	}
	cv_buf_done(&packed);
	return status;
}

enum cv_status
admin_zip_end(struct admin_zip *z, struct cv_err *err)
{
	size_t start = z->out->n - z->base;
	bool is_good = !z->directory.full;

	cv_buf_str(z->out, cv_buf_view(&z->directory));
	put32(z->out, END_SIGNATURE);
	put16(z->out, 0);
	put16(z->out, 0);
	put16(z->out, z->files);
	put16(z->out, z->files);
	put32(z->out, (uint32_t)z->directory.n);
	put32(z->out, (uint32_t)start);
	put16(z->out, 0);
	cv_buf_done(&z->directory);
	return is_good && !z->out->full ? CV_OK
					: cv_fail(err, CV_LIMIT, "the document is too large");
}
