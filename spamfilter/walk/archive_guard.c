/* archive_guard.c - see archive_guard.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/archive_guard.h"

#include <lzma.h>
#include <stdlib.h>

#include "common/base/buf.h"

/* ---- little-endian numbers ---- */

static uint64_t
le(struct cv_str s, size_t at, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n && at + i < s.n; i++)
		v |= (uint64_t)(unsigned char)s.p[at + i] << (8 * i);
	return v;
}

static bool
has_at(struct cv_str s, size_t at, const char *octets, size_t n)
{
	return at <= s.n && n <= s.n - at && !memcmp(s.p + at, octets, n);
}

/* ---- zip (APPNOTE 4.3) ---- */

#define END_RECORD   22u
#define BOMB_BYTES   (100u << 20)
#define BOMB_GROWTH  100u
#define CENTRAL      46u
#define LOCAL        30u
#define COMMENT_MAX  65535u
#define FLAG_CRYPTED 0x0001u
#define FLAG_MASKED  0x2000u /* the directory itself is encrypted */

/* The end of central directory, from the end backwards; bytes.n: none. */
static size_t
find_end_record(struct cv_str bytes)
{
	size_t least = bytes.n > END_RECORD + COMMENT_MAX ? bytes.n - END_RECORD - COMMENT_MAX : 0;

	for (size_t at = bytes.n >= END_RECORD ? bytes.n - END_RECORD + 1 : 0; at-- > least;)
		if (has_at(bytes, at, "PK\x05\x06", 4))
			return at;
	return bytes.n;
}

static void
note_zip_name(struct cv_str name, struct spam_guard *out)
{
	if (cv_str_eq_z(name, "[Content_Types].xml"))
		out->is_ooxml = true;
	if (cv_str_eq_z(name, "META-INF/manifest.xml"))
		out->is_odf = true;
}

/* Files that stand in the archive, each with its own header, but not in its directory: readers that
 * go by the one see other files than those that go by the other. */
static unsigned
count_local(struct cv_str bytes, size_t end)
{
	unsigned count = 0;

	for (size_t at = 0; at + LOCAL <= end && has_at(bytes, at, "PK\x03\x04", 4);) {
		uint64_t size = le(bytes, at + 18, 4);
		/* Sizes that stand behind the data are not known here. */
		if (le(bytes, at + 6, 2) & 0x0008 || size == UINT32_MAX)
			return count + 1;
		count++;
		at += LOCAL + (size_t)le(bytes, at + 26, 2) + (size_t)le(bytes, at + 28, 2) +
		      (size_t)size;
	}
	return count;
}

void
spam_guard_zip(struct cv_str bytes, struct spam_guard *out)
{
	size_t end = find_end_record(bytes);

	*out = (struct spam_guard){0};
	if (end == bytes.n) {
		out->is_broken = true;
		return;
	}
	uint64_t size = le(bytes, end + 12, 4), offset = le(bytes, end + 16, 4);
	/* In a zip behind other octets offsets count from its own start. */
	size_t at = size <= end ? end - (size_t)size : end;
	if (size == UINT32_MAX || !has_at(bytes, at, "PK\x01\x02", 4))
		at = offset < end ? (size_t)offset : end;
	uint64_t total = 0;
	while (at + CENTRAL <= end && has_at(bytes, at, "PK\x01\x02", 4)) {
		total += le(bytes, at + 24, 4);
		size_t name_n = (size_t)le(bytes, at + 28, 2);
		unsigned flags = (unsigned)le(bytes, at + 8, 2);
		if (++out->entries > SPAM_GUARD_ENTRIES_MAX) {
			out->is_large = true;
			return;
		}
		out->is_encrypted |= (flags & (FLAG_CRYPTED | FLAG_MASKED)) != 0;
		note_zip_name(cv_str_sub(bytes, at + CENTRAL, at + CENTRAL + name_n), out);
		at += CENTRAL + name_n + (size_t)le(bytes, at + 30, 2) +
		      (size_t)le(bytes, at + 32, 2);
	}
	out->is_bomb = total > BOMB_BYTES && total / BOMB_GROWTH > bytes.n;
	out->is_safe = out->entries > 0;
	out->is_broken = !out->entries && le(bytes, end + 10, 2);
	out->contradicts = count_local(bytes, end) > out->entries;
}

/* ---- RAR 5 ---- */

static uint64_t
vint(struct cv_str s, size_t *at)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 63 && *at < s.n; shift += 7) {
		unsigned char c = (unsigned char)s.p[(*at)++];
		v |= (uint64_t)(c & 0x7F) << shift;
		if (!(c & 0x80))
			break;
	}
	return v;
}

void
spam_guard_rar(struct cv_str bytes, struct spam_guard *out)
{
	*out = (struct spam_guard){.is_safe = true};
	if (!has_at(bytes, 0, "Rar!\x1a\x07\x01", 7)) {
		/* RAR 4: the flags of the main header. */
		out->is_encrypted = (le(bytes, 10, 2) & 0x0080) != 0;
		return;
	}
	size_t at = 8 + 4;
	(void)vint(bytes, &at); /* size */
	uint64_t type = vint(bytes, &at), flags = vint(bytes, &at);
	if (flags & 1)
		(void)vint(bytes, &at);
	if (type == 4)
		out->is_encrypted = true;
	if (type == 1)
		out->is_solid = (vint(bytes, &at) & 0x0004) != 0;
}

/* ---- 7z (7zFormat.txt) ---- */

enum {
	K_END = 0x00,
	K_HEADER = 0x01,
	K_MAIN_STREAMS = 0x04,
	K_FILES = 0x05,
	K_PACK_INFO = 0x06,
	K_UNPACK_INFO = 0x07,
	K_SUBSTREAMS = 0x08,
	K_SIZE = 0x09,
	K_CRC = 0x0A,
	K_FOLDER = 0x0B,
	K_UNPACK_SIZE = 0x0C,
	K_NUM_UNPACK = 0x0D,
	K_ENCODED = 0x17
};
#define CODERS_MAX  32u
#define FOLDERS_MAX 1000u

struct sevenzip {
	struct cv_rd r;
	struct spam_guard *out;
	uint64_t pack_pos, pack_size; /* of the first packed stream */
	uint64_t unpack_size;         /* of the first folder */
	uint64_t folders;
	uint64_t streams_of[FOLDERS_MAX]; /* files in a folder */
	bool has_crc[FOLDERS_MAX];
	unsigned char props[5]; /* of its LZMA coder */
	bool has_lzma;
	unsigned first_coders;
};

/* The numbers of 7z: as many octets follow as the first one has leading ones. */
static uint64_t
number(struct cv_rd *r)
{
	uint8_t first = cv_rd_u8(r), mask = 0x80;
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++, mask >>= 1) {
		if (!(first & mask))
			return v | (uint64_t)(first & (mask - 1u)) << (8 * i);
		v |= (uint64_t)cv_rd_u8(r) << (8 * i);
	}
	return v;
}

/* A count of things that take an octet each at least, or are limited anyhow. */
static uint64_t
count(struct sevenzip *z, uint64_t max)
{
	uint64_t n = number(&z->r);

	if (n > max) {
		z->out->is_large = true;
		z->r.bad = true;
		return 0;
	}
	return n;
}

/* Digests of N things: which are defined, then four octets each. DEFINED may be NULL. */
static void
read_digests(struct sevenzip *z, uint64_t n, bool *defined)
{
	bool all = cv_rd_u8(&z->r);
	struct cv_str bits = all ? CV_STR_EMPTY : cv_rd_take(&z->r, (size_t)((n + 7) / 8));
	uint64_t there = 0;

	for (uint64_t i = 0; i < n && !z->r.bad; i++) {
		bool one = all || ((unsigned char)bits.p[i / 8] & (0x80u >> (i % 8)));
		there += one;
		if (defined)
			defined[i] = one;
	}
	(void)cv_rd_take(&z->r, (size_t)(4 * there));
}

static void
read_pack_info(struct sevenzip *z)
{
	z->pack_pos = number(&z->r);
	uint64_t n = count(z, SPAM_GUARD_ENTRIES_MAX);

	for (uint64_t id; !z->r.bad && (id = number(&z->r)) != K_END;) {
		for (uint64_t i = 0; id == K_SIZE && i < n && !z->r.bad; i++) {
			uint64_t size = number(&z->r);
			if (!i)
				z->pack_size = size;
		}
		if (id == K_CRC) {
			read_digests(z, n, NULL);
		} else if (id != K_SIZE) {
			z->r.bad = true;
		}
	}
}

/* One folder; answers how many unpacked sizes it has. */
static uint64_t
read_folder(struct sevenzip *z, bool is_first)
{
	uint64_t coders = count(z, CODERS_MAX), ins = 0, outs = 0;

	if (is_first)
		z->first_coders = (unsigned)coders;
	for (uint64_t i = 0; i < coders && !z->r.bad; i++) {
		uint8_t flags = cv_rd_u8(&z->r);
		struct cv_str id = cv_rd_take(&z->r, flags & 15), props = CV_STR_EMPTY;
		uint64_t in = 1, out = 1;
		if (flags & 0x10) {
			in = count(z, CODERS_MAX);
			out = count(z, CODERS_MAX);
		}
		if (flags & 0x20)
			props = cv_rd_take(&z->r, (size_t)count(z, 65536));
		ins += in;
		outs += out;
		if (id.n == 4 && !memcmp(id.p, "\x06\xf1\x07\x01", 4))
			z->out->is_encrypted = true;
		if (is_first && id.n == 3 && !memcmp(id.p, "\x03\x01\x01", 3) && props.n == 5) {
			memcpy(z->props, props.p, 5);
			z->has_lzma = true;
		}
	}
	if (!outs || ins > 4 * CODERS_MAX) {
		z->r.bad = true;
		return 0;
	}
	for (uint64_t i = 0; i + 1 < outs && !z->r.bad; i++) { /* bind pairs */
		(void)number(&z->r);
		(void)number(&z->r);
	}
	uint64_t packed = ins - (outs - 1);
	for (uint64_t i = 0; packed > 1 && packed <= ins && i < packed && !z->r.bad; i++)
		(void)number(&z->r);
	return outs;
}

static void
read_unpack_info(struct sevenzip *z)
{
	uint64_t sizes = 0;

	if (number(&z->r) != K_FOLDER) {
		z->r.bad = true;
		return;
	}
	z->folders = count(z, FOLDERS_MAX);
	if (cv_rd_u8(&z->r)) /* external: nobody writes that */
		z->r.bad = true;
	for (uint64_t i = 0; i < z->folders && !z->r.bad; i++)
		sizes += read_folder(z, !i);
	if (number(&z->r) != K_UNPACK_SIZE)
		z->r.bad = true;
	for (uint64_t i = 0; i < sizes && !z->r.bad; i++) {
		uint64_t size = number(&z->r);
		if (!i)
			z->unpack_size = size;
	}
	for (uint64_t id; !z->r.bad && (id = number(&z->r)) != K_END;) {
		if (id != K_CRC) {
			z->r.bad = true;
			break;
		}
		read_digests(z, z->folders, z->has_crc);
	}
	for (uint64_t i = 0; i < z->folders; i++)
		z->streams_of[i] = 1;
}

static void
read_substreams(struct sevenzip *z)
{
	uint64_t id = number(&z->r), total = 0, digests = 0;

	if (id == K_NUM_UNPACK) {
		for (uint64_t i = 0; i < z->folders && !z->r.bad; i++) {
			z->streams_of[i] = count(z, SPAM_GUARD_ENTRIES_MAX);
			total += z->streams_of[i];
		}
		if (total > SPAM_GUARD_ENTRIES_MAX) {
			z->out->is_large = true;
			z->r.bad = true;
		}
		id = number(&z->r);
	}
	if (id == K_SIZE) { /* of all files of a folder but the last */
		for (uint64_t i = 0; i < z->folders; i++)
			for (uint64_t k = 1; k < z->streams_of[i] && !z->r.bad; k++)
				(void)number(&z->r);
		id = number(&z->r);
	}
	for (uint64_t i = 0; i < z->folders; i++)
		if (z->streams_of[i] != 1 || !z->has_crc[i])
			digests += z->streams_of[i];
	if (id == K_CRC && !z->r.bad) {
		read_digests(z, digests, NULL);
		id = number(&z->r);
	}
	if (id != K_END)
		z->r.bad = true;
}

static bool
read_streams(struct sevenzip *z)
{
	for (uint64_t id; !z->r.bad && (id = number(&z->r)) != K_END;) {
		if (id == K_PACK_INFO)
			read_pack_info(z);
		else if (id == K_UNPACK_INFO)
			read_unpack_info(z);
		else if (id == K_SUBSTREAMS)
			read_substreams(z);
		else
			z->r.bad = true;
	}
	return !z->r.bad;
}

/* A header that is not packed: streams, then how many files there are. */
static void
read_header(struct sevenzip *z)
{
	uint64_t id = number(&z->r);

	if (id == K_MAIN_STREAMS) {
		(void)read_streams(z);
		id = number(&z->r);
	}
	if (id == K_FILES)
		z->out->entries = (unsigned)count(z, SPAM_GUARD_ENTRIES_MAX);
	else if (id != K_END)
		z->r.bad = true;
}

/* The packed header, unpacked into OUT. */
static bool
unpack_header(struct sevenzip *z, struct cv_str bytes, struct cv_buf *out)
{
	lzma_filter filters[2] = {{.id = LZMA_FILTER_LZMA1}, {.id = LZMA_VLI_UNKNOWN}};
	lzma_stream stream = LZMA_STREAM_INIT;
	uint64_t from = 32 + z->pack_pos;

	if (!z->has_lzma || z->first_coders != 1 || z->unpack_size > SPAM_GUARD_HEADER_MAX ||
		z->pack_pos > bytes.n || from > bytes.n || z->pack_size > bytes.n - from)
		return false;
	if (lzma_properties_decode(&filters[0], NULL, z->props, 5) != LZMA_OK)
		return false;
	/* A dictionary larger than what comes out is of no use and costs memory. */
	((lzma_options_lzma *)filters[0].options)->dict_size =
		CV_MIN(((lzma_options_lzma *)filters[0].options)->dict_size, SPAM_GUARD_HEADER_MAX);
	bool ok = lzma_raw_decoder(&stream, filters) == LZMA_OK;
	char *room = ok ? cv_buf_room(out, (size_t)z->unpack_size) : NULL;
	if (room) {
		stream.next_in = (const uint8_t *)bytes.p + from;
		stream.avail_in = (size_t)z->pack_size;
		stream.next_out = (uint8_t *)room;
		stream.avail_out = (size_t)z->unpack_size;
		while (stream.avail_out && lzma_code(&stream, LZMA_RUN) == LZMA_OK)
			;
		out->n += (size_t)z->unpack_size - stream.avail_out;
		ok = !stream.avail_out;
	}
	lzma_end(&stream);
	free(filters[0].options);
	return ok && room;
}

void
spam_guard_7z(struct cv_str bytes, struct spam_guard *out)
{
	uint64_t offset = le(bytes, 12, 8), size = le(bytes, 20, 8);
	struct cv_buf unpacked = CV_BUF_INIT(SPAM_GUARD_HEADER_MAX);
	struct sevenzip *z = cv_calloc(1, sizeof *z);

	*out = (struct spam_guard){.is_broken = true};
	bool fits = bytes.n >= 32 && offset <= bytes.n - 32 && size <= bytes.n - 32 - offset &&
		    size <= SPAM_GUARD_HEADER_MAX;
	struct cv_str header = CV_STR_EMPTY;
	if (fits)
		header = cv_str_sub(bytes, 32 + (size_t)offset, 32 + (size_t)(offset + size));
	for (int level = 0; header.n && level < 3; level++) {
		struct cv_buf next = CV_BUF_INIT(SPAM_GUARD_HEADER_MAX);
		*z = (struct sevenzip){.out = out, .r = cv_rd(header)};
		uint64_t kind = number(&z->r);
		if (kind == K_HEADER) {
			read_header(z);
			out->is_broken = z->r.bad && !out->is_large;
			out->is_safe = !z->r.bad;
			break;
		}
		bool ok = kind == K_ENCODED && read_streams(z) && !out->is_encrypted &&
			  unpack_header(z, bytes, &next);
		out->is_large |= z->unpack_size > SPAM_GUARD_HEADER_MAX;
		out->is_broken = !out->is_encrypted && !out->is_large;
		cv_buf_done(&unpacked);
		unpacked = next;
		header = ok ? cv_buf_view(&unpacked) : CV_STR_EMPTY;
	}
	cv_buf_done(&unpacked);
	free(z);
}
