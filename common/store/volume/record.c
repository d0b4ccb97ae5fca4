/* record.c - the bytes of a record, of a volume's header and of a ref.
 *
 * A header is checked by the first 8 bytes of a SHA-256 over the volume's salt, the header and the
 * index: a body cannot hold something that passes for a record of the volume it lies in.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>

#include "common/store/volume/volume.h"

#define RECORD_MAGIC 0xc0de7e57u
#define VOLUME_MAGIC "congvuV1"
#define FORMAT 1u
#define FORMAT_COMPACTED 2u
#define CHECK_AT 120u

/* ---- CRC-32C ---- */

#define LANE_BYTES 512u /* three of them side by side: the instruction takes three cycles */

static uint32_t crc_table[8][256];
static uint32_t lane_table[4][256]; /* what LANE_BYTES zeros make of a CRC, octet by octet */

/* Zeros are linear: what they make of each bit tells what they make of all. */
static void
fill_lane_table(void)
{
	uint32_t of_bit[32];
	for (int bit = 0; bit < 32; bit++) {
		uint32_t c = 1u << bit;
		for (unsigned i = 0; i < LANE_BYTES; i++)
			c = crc_table[0][c & 255] ^ c >> 8;
		of_bit[bit] = c;
	}
	for (int octet = 0; octet < 4; octet++)
		for (uint32_t i = 0; i < 256; i++)
			for (int bit = 0; bit < 8; bit++)
				if (i >> bit & 1)
					lane_table[octet][i] ^= of_bit[8 * octet + bit];
}

__attribute__((constructor)) static void
fill_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			crc_table[t][i] = crc_table[0][crc_table[t - 1][i] & 255] ^
			                  crc_table[t - 1][i] >> 8;
	fill_lane_table();
}

static uint32_t
crc_plain(uint32_t c, const unsigned char *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8)
		c = crc_table[7][(p[0] ^ c) & 255] ^ crc_table[6][(p[1] ^ c >> 8) & 255] ^
		    crc_table[5][(p[2] ^ c >> 16) & 255] ^ crc_table[4][(p[3] ^ c >> 24) & 255] ^
		    crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
		    crc_table[0][p[7]];
	while (n--)
		c = crc_table[0][(*p++ ^ c) & 255] ^ c >> 8;
	return c;
}

#ifdef __x86_64__
static uint32_t
behind_zeros(uint32_t c)
{
	return lane_table[0][c & 255] ^ lane_table[1][c >> 8 & 255] ^
	       lane_table[2][c >> 16 & 255] ^ lane_table[3][c >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t
crc_fast(uint32_t c, const unsigned char *p, size_t n)
{
	uint64_t wide = c, word;
	for (; n >= 3 * LANE_BYTES; n -= 3 * LANE_BYTES, p += 3 * LANE_BYTES) {
		uint64_t second = 0, third = 0;
		for (size_t i = 0; i < LANE_BYTES; i += 8) {
			memcpy(&word, p + i, 8);
			wide = __builtin_ia32_crc32di(wide, word);
			memcpy(&word, p + LANE_BYTES + i, 8);
			second = __builtin_ia32_crc32di(second, word);
			memcpy(&word, p + 2 * LANE_BYTES + i, 8);
			third = __builtin_ia32_crc32di(third, word);
		}
		wide = behind_zeros((uint32_t)wide) ^ second;
		wide = behind_zeros((uint32_t)wide) ^ third;
	}
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	c = (uint32_t)wide;
	while (n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return c;
}
#endif

uint32_t
cv_crc32c(const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_fast(~0u, p, n);
#endif
	return ~crc_plain(~0u, p, n);
}

/* ---- numbers ---- */

static unsigned char *
put_be(unsigned char *p, uint64_t v, unsigned n)
{
	for (unsigned i = n; i-- > 0; v >>= 8)
		p[i] = (unsigned char)v;
	return p + n;
}

static uint64_t
get_be(const unsigned char **p, unsigned n)
{
	uint64_t v = 0;
	for (; n; n--)
		v = v << 8 | *(*p)++;
	return v;
}

/* ---- refs ---- */

void
cv_place_encode(const struct cv_place *place, struct cv_blob_ref *ref)
{
	unsigned char *p = ref->bytes;
	*p++ = CV_REF_VOLUME;
	p = put_be(p, place->volume, 4);
	p = put_be(p, place->at, 5);
	p = put_be(p, place->size, 5);
	p = put_be(p, place->stored, 5);
	memcpy(p, place->check, sizeof place->check);
	ref->n = CV_REF_BYTES;
}

enum cv_status
cv_place_decode(const struct cv_blob_ref *ref, struct cv_place *place, struct cv_err *err)
{
	const unsigned char *p = ref->bytes;
	if (ref->n != CV_REF_BYTES || *p++ != CV_REF_VOLUME)
		return cv_fail(err, CV_INVALID, "not the ref of a body in a volume");
	place->volume = (uint32_t)get_be(&p, 4);
	place->at = get_be(&p, 5);
	place->size = get_be(&p, 5);
	place->stored = get_be(&p, 5);
	memcpy(place->check, p, sizeof place->check);
	if (place->size > CV_BODY_MAX || place->stored > place->size || place->at % CV_RECORD_ALIGN)
		return cv_fail(err, CV_INVALID, "a ref that no volume gave");
	return CV_OK;
}

/* ---- records ---- */

uint32_t
cv_record_frames(uint64_t size)
{
	return (uint32_t)((size + CV_FRAME_BYTES - 1) / CV_FRAME_BYTES);
}

size_t
cv_record_head_bytes(uint32_t frames)
{
	return CV_RECORD_HEADER + (size_t)frames * 8;
}

uint64_t
cv_record_bytes(uint64_t size, uint64_t stored)
{
	uint64_t n = cv_record_head_bytes(cv_record_frames(size)) + stored;
	return (n + CV_RECORD_ALIGN - 1) / CV_RECORD_ALIGN * CV_RECORD_ALIGN;
}

/* SHA256() looks its algorithm up each time. */
static EVP_MD *sha256;

static void
fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		cv_die("OpenSSL has no SHA-256");
}

static void
check_of(const unsigned char *head, size_t n, const uint8_t salt[16], unsigned char out[8])
{
	static const unsigned char zeros[8];
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	unsigned char small[16 + CV_RECORD_HEADER + 8 * 8];
	unsigned char *all = n <= sizeof small - 16 ? small : cv_malloc(n + 16);
	memcpy(all, salt, 16);
	memcpy(all + 16, head, n);
	memcpy(all + 16 + CHECK_AT, zeros, 8);
	pthread_once(&once, fetch_sha256);
	if (EVP_Digest(all, n + 16, digest, NULL, sha256, NULL) != 1)
		cv_die("SHA-256 failed");
	memcpy(out, digest, 8);
	if (all != small)
		free(all);
}

void
cv_record_encode(const struct cv_record *r, const struct cv_frame *frames, const uint8_t salt[16],
                 unsigned char *out)
{
	unsigned char *p = out;
	p = put_be(p, RECORD_MAGIC, 4);
	p = put_be(p, FORMAT, 2);
	p = put_be(p, r->id_n, 1);
	p = put_be(p, 0, 1);
	p = put_be(p, r->size, 8);
	p = put_be(p, r->stored, 8);
	memcpy(p, r->sha256, 32);
	memcpy(p + 32, r->id, CV_DELIVERY_ID_BYTES);
	p = out + CV_RECORD_HEADER;
	for (uint32_t i = 0; i < r->frames; i++) {
		p = put_be(p, frames[i].stored, 4);
		p = put_be(p, frames[i].crc, 4);
	}
	check_of(out, (size_t)(p - out), salt, out + CHECK_AT);
}

bool
cv_record_peek(const unsigned char *p, struct cv_record *r)
{
	if (get_be(&p, 4) != RECORD_MAGIC || get_be(&p, 2) != FORMAT)
		return false;
	r->id_n = (uint8_t)get_be(&p, 1);
	p++;
	r->size = get_be(&p, 8);
	r->stored = get_be(&p, 8);
	memcpy(r->sha256, p, 32);
	memcpy(r->id, p + 32, CV_DELIVERY_ID_BYTES);
	if (r->size > CV_BODY_MAX || r->stored > r->size || r->id_n > CV_DELIVERY_ID_BYTES)
		return false;
	r->frames = cv_record_frames(r->size);
	return true;
}

/* Every frame's stored length is possible, and together they are what the header says. */
static bool
frames_fit(const struct cv_record *r, const struct cv_frame *frames)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < r->frames; i++) {
		uint64_t raw_n = CV_MIN(r->size - (uint64_t)i * CV_FRAME_BYTES, CV_FRAME_BYTES);
		uint32_t n = frames[i].stored & ~CV_FRAME_RAW;
		if (frames[i].stored & CV_FRAME_RAW ? n != raw_n : n >= raw_n)
			return false;
		sum += n;
	}
	return sum == r->stored;
}

bool
cv_record_decode(const unsigned char *head, const uint8_t salt[16], struct cv_record *r,
                 struct cv_frame *frames)
{
	unsigned char check[8];
	if (!cv_record_peek(head, r))
		return false;
	check_of(head, cv_record_head_bytes(r->frames), salt, check);
	if (memcmp(check, head + CHECK_AT, sizeof check) != 0)
		return false;
	const unsigned char *p = head + CV_RECORD_HEADER;
	for (uint32_t i = 0; i < r->frames; i++) {
		frames[i].stored = (uint32_t)get_be(&p, 4);
		frames[i].crc = (uint32_t)get_be(&p, 4);
	}
	return frames_fit(r, frames);
}

/* ---- volume headers: magic (8), number (4), format (4: 2 when compacted), salt (16), zeros,
 * check (4) ---- */

void
cv_volume_header(uint32_t number, const uint8_t salt[16], bool is_compacted,
                 unsigned char out[CV_VOLUME_HEADER])
{
	memset(out, 0, CV_VOLUME_HEADER);
	memcpy(out, VOLUME_MAGIC, 8);
	put_be(out + 8, number, 4);
	put_be(out + 12, is_compacted ? FORMAT_COMPACTED : FORMAT, 4);
	memcpy(out + 16, salt, 16);
	put_be(out + 60, cv_crc32c(out, 60), 4);
}

bool
cv_volume_header_read(const unsigned char *p, uint32_t number, uint8_t salt_out[16],
                      bool *is_compacted_out)
{
	unsigned char want[CV_VOLUME_HEADER];
	memcpy(salt_out, p + 16, 16);
	*is_compacted_out = p[15] == FORMAT_COMPACTED;
	cv_volume_header(number, salt_out, *is_compacted_out, want);
	return memcmp(want, p, sizeof want) == 0;
}
