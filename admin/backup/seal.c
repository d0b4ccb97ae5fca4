/* seal.c - see seal.h. The only file that knows libsodium. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/seal.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <zstd.h>

#include "common/text/encode.h"

#define MAGIC       "CVPACK1\n"
#define MAGIC_BYTES 8u
#define INNER_BYTES 5u /* how it is packed, how long it is */
#define ZSTD_LEVEL  3
#define WORK_OPS    3u /* of argon2id, and its memory */
#define WORK_MEMORY (64u << 20)
#define OPS_MAX     20u
#define MEMORY_MAX  ((uint64_t)1 << 30)
#define PUBLIC_LINE "congvu-backup-public 1"
#define SECRET_LINE "congvu-backup-key 1"

_Static_assert(crypto_box_PUBLICKEYBYTES == BACKUP_KEY_BYTES, "X25519");
_Static_assert(crypto_sign_BYTES == BACKUP_SIGNATURE, "Ed25519");
_Static_assert(BACKUP_HEAD_BYTES ==
		       MAGIC_BYTES + BACKUP_ID_BYTES + crypto_box_SEALBYTES + BACKUP_KEY_BYTES,
	"head of a pack");

void
backup_seal_start(void)
{
	if (sodium_init() < 0)
		cv_die("libsodium cannot start");
}

void
backup_keys_make(struct backup_secret *secret, uint8_t sign_secret[BACKUP_SIGN_SECRET])
{
	crypto_box_keypair(secret->pub.box, secret->box);
	crypto_sign_keypair(secret->pub.sign, sign_secret);
}

/* ---- key files: lines of a word and base64 ---- */

static void
put_line(struct cv_buf *out, const char *word, const void *bytes, size_t n)
{
	cv_buf_printf(out, "%s ", word);
	cv_base64_encode(cv_str(bytes, n), out);
	cv_buf_c(out, '\n');
}

/* The value of the line that begins with WORD, exactly N octets. */
static bool
get_line(struct cv_str text, const char *word, void *bytes, size_t n)
{
	struct cv_str line, name;
	bool ok = false;
	while (!ok && text.n && cv_str_split(&text, '\n', &line)) {
		line = cv_str_trim(line);
		if (!cv_str_split(&line, ' ', &name) || !cv_str_eq_z(name, word))
			continue;
		struct cv_buf raw = CV_BUF_INIT(4096);
		ok = !cv_base64_decode(line, &raw) && raw.n == n;
		if (ok)
			memcpy(bytes, raw.p, n);
		cv_wipe(raw.p, raw.n);
		cv_buf_done(&raw);
	}
	return ok;
}

void
backup_public_print(const struct backup_public *pub, struct cv_buf *out)
{
	cv_buf_z(out, PUBLIC_LINE "\n");
	put_line(out, "box", pub->box, sizeof pub->box);
	put_line(out, "sign", pub->sign, sizeof pub->sign);
}

enum cv_status
backup_public_parse(struct cv_str text, struct backup_public *out, struct cv_err *err)
{
	if (!cv_str_has_prefix(text, PUBLIC_LINE) || !get_line(text, "box", out->box, 32) ||
		!get_line(text, "sign", out->sign, 32))
		return cv_fail(err, CV_INVALID, "not a public key of congvu's backups");
	return CV_OK;
}

struct wrapping {
	uint8_t salt[crypto_pwhash_SALTBYTES];
	uint8_t work[8]; /* operations, KiB of memory */
	uint8_t sealed[crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + 32];
};

static bool
wrapping_key(const struct wrapping *w, struct cv_str passphrase, uint8_t key[32])
{
	struct cv_rd r = cv_rd(cv_str((const char *)w->work, sizeof w->work));
	uint32_t ops = cv_rd_be32(&r);
	uint64_t memory = (uint64_t)cv_rd_be32(&r) << 10;
	if (!ops || ops > OPS_MAX || memory < crypto_pwhash_MEMLIMIT_MIN || memory > MEMORY_MAX)
		return false;
	return crypto_pwhash(key, 32, passphrase.p ? passphrase.p : "", passphrase.n, w->salt, ops,
		       (size_t)memory, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

void
backup_secret_print(
	const struct backup_secret *secret, struct cv_str passphrase, struct cv_buf *out)
{
	struct wrapping w;
	uint8_t key[32];
	struct cv_buf work = CV_BUF_INIT(sizeof w.work);
	cv_buf_be32(&work, WORK_OPS);
	cv_buf_be32(&work, WORK_MEMORY >> 10);
	memcpy(w.work, work.p, sizeof w.work);
	cv_buf_done(&work);
	randombytes_buf(w.salt, sizeof w.salt);
	randombytes_buf(w.sealed, crypto_secretbox_NONCEBYTES);
	if (!wrapping_key(&w, passphrase, key))
		cv_die("no memory for the key of a passphrase");
	crypto_secretbox_easy(
		w.sealed + crypto_secretbox_NONCEBYTES, secret->box, 32, w.sealed, key);
	cv_wipe(key, sizeof key);
	cv_buf_z(out, SECRET_LINE "\n");
	put_line(out, "box", secret->pub.box, sizeof secret->pub.box);
	put_line(out, "sign", secret->pub.sign, sizeof secret->pub.sign);
	put_line(out, "salt", w.salt, sizeof w.salt);
	put_line(out, "work", w.work, sizeof w.work);
	put_line(out, "secret", w.sealed, sizeof w.sealed);
}

enum cv_status
backup_secret_parse(
	struct cv_str text, struct cv_str passphrase, struct backup_secret *out, struct cv_err *err)
{
	struct wrapping w;
	uint8_t key[32], check[32];
	if (!cv_str_has_prefix(text, SECRET_LINE) || !get_line(text, "box", out->pub.box, 32) ||
		!get_line(text, "sign", out->pub.sign, 32) ||
		!get_line(text, "salt", w.salt, sizeof w.salt) ||
		!get_line(text, "work", w.work, sizeof w.work) ||
		!get_line(text, "secret", w.sealed, sizeof w.sealed))
		return cv_fail(err, CV_INVALID, "not a key file of congvu's backups");
	if (!wrapping_key(&w, passphrase, key))
		return cv_fail(err, CV_INVALID, "the key file asks for too much work or memory");
	int bad = crypto_secretbox_open_easy(out->box, w.sealed + crypto_secretbox_NONCEBYTES,
		sizeof w.sealed - crypto_secretbox_NONCEBYTES, w.sealed, key);
	cv_wipe(key, sizeof key);
	if (bad)
		return cv_fail(err, CV_DENIED, "the passphrase does not open this key file");
	/* A key file whose halves do not belong together would open nothing. */
	if (crypto_scalarmult_base(check, out->box) || memcmp(check, out->pub.box, 32) != 0)
		return cv_fail(err, CV_INVALID, "the halves of the key do not belong together");
	return CV_OK;
}

void
backup_secret_wipe(struct backup_secret *secret)
{
	cv_wipe(secret, sizeof *secret);
}

/* ---- signatures, hashes, hex ---- */

void
backup_sign(const uint8_t sign_secret[BACKUP_SIGN_SECRET], struct cv_str bytes,
	uint8_t out[BACKUP_SIGNATURE])
{
	crypto_sign_detached(out, NULL, (const unsigned char *)bytes.p, bytes.n, sign_secret);
}

bool
backup_sign_check(const struct backup_public *pub, struct cv_str bytes,
	const uint8_t signature[BACKUP_SIGNATURE])
{
	return crypto_sign_verify_detached(
		       signature, (const unsigned char *)bytes.p, bytes.n, pub->sign) == 0;
}

/* OpenSSL's uses the processor's instructions for it, and volumes are large. */
void
backup_sha256(struct cv_str bytes, uint8_t out[32])
{
	if (EVP_Digest(bytes.p ? bytes.p : "", bytes.n, out, NULL, EVP_sha256(), NULL) != 1)
		cv_die("OpenSSL offers no SHA-256");
}

void
backup_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
backup_hex_parse(struct cv_str text, uint8_t *out, size_t n)
{
	if (text.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = nibble(text.p[2 * i]), low = nibble(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* ---- packs ---- */

void
backup_pack_begin(const struct backup_public *pub, struct backup_cipher *c, struct cv_buf *out)
{
	uint8_t sealed[crypto_box_SEALBYTES + BACKUP_KEY_BYTES];
	randombytes_buf(c->id, sizeof c->id);
	randombytes_buf(c->key, sizeof c->key);
	if (crypto_box_seal(sealed, c->key, sizeof c->key, pub->box))
		cv_die("a key cannot be sealed");
	cv_buf_add(out, MAGIC, MAGIC_BYTES);
	cv_buf_add(out, c->id, sizeof c->id);
	cv_buf_add(out, sealed, sizeof sealed);
}

static void
nonce_at(uint64_t offset, uint8_t nonce[24])
{
	memset(nonce, 0, 24);
	for (size_t i = 0; i < 8; i++)
		nonce[16 + i] = (uint8_t)(offset >> (56 - 8 * i));
}

/* How a chunk is packed, its length and its bytes, in INNER. */
static void
put_inner(struct cv_buf *inner, struct cv_str plain, bool packs)
{
	size_t packed = 0;
	cv_buf_c(inner, 0);
	cv_buf_be32(inner, (uint32_t)plain.n);
	if (packs && plain.n > 64) {
		char *room = cv_buf_room(inner, ZSTD_compressBound(plain.n));
		packed = ZSTD_compress(
			room, ZSTD_compressBound(plain.n), plain.p, plain.n, ZSTD_LEVEL);
	}
	if (packed && !ZSTD_isError(packed) && packed < plain.n - plain.n / 16) {
		inner->p[0] = 1;
		inner->n = INNER_BYTES + packed;
	} else {
		inner->n = INNER_BYTES;
		cv_buf_str(inner, plain);
	}
}

uint32_t
backup_chunk_seal(
	const struct backup_cipher *c, struct cv_str plain, bool packs, struct cv_buf *out)
{
	uint8_t nonce[24];
	struct cv_buf inner = CV_BUF_INIT(4u << 20);
	size_t at = out->n;
	assert(plain.n <= BACKUP_CHUNK_MAX);
	put_inner(&inner, plain, packs);
	unsigned long long n = inner.n + crypto_aead_xchacha20poly1305_ietf_ABYTES;
	cv_buf_be32(out, (uint32_t)n);
	unsigned char *room = (unsigned char *)cv_buf_room(out, (size_t)n);
	assert(room);
	nonce_at(at, nonce);
	crypto_aead_xchacha20poly1305_ietf_encrypt(room, &n, (unsigned char *)inner.p, inner.n,
		c->id, sizeof c->id, NULL, nonce, c->key);
	out->n = at + 4 + (size_t)n;
	cv_buf_done(&inner);
	return (uint32_t)(out->n - at);
}

enum cv_status
backup_pack_open(const struct backup_secret *secret, struct cv_str head, struct backup_cipher *out,
	struct cv_err *err)
{
	if (head.n < BACKUP_HEAD_BYTES || memcmp(head.p, MAGIC, MAGIC_BYTES) != 0)
		return cv_fail(err, CV_CORRUPT, "not a pack of a backup");
	const unsigned char *p = (const unsigned char *)head.p + MAGIC_BYTES;
	memcpy(out->id, p, sizeof out->id);
	if (crypto_box_seal_open(out->key, p + BACKUP_ID_BYTES,
		    crypto_box_SEALBYTES + BACKUP_KEY_BYTES, secret->pub.box, secret->box))
		return cv_fail(err, CV_DENIED,
			"this key does not open the pack: it is damaged or "
			"belongs to another key");
	return CV_OK;
}

static enum cv_status
unpack(struct cv_str inner, struct cv_buf *out, struct cv_err *err)
{
	struct cv_rd r = cv_rd(inner);
	uint8_t how = cv_rd_u8(&r);
	uint32_t n = cv_rd_be32(&r);
	struct cv_str rest = cv_rd_take(&r, cv_rd_left(&r));
	if (r.bad || how > 1 || n > BACKUP_CHUNK_MAX || (!how && rest.n != n))
		return cv_fail(err, CV_CORRUPT, "a chunk is not what it says");
	if (!how) {
		cv_buf_str(out, rest);
		return out->full ? cv_fail(err, CV_LIMIT, "a chunk is too long") : CV_OK;
	}
	char *room = cv_buf_room(out, n);
	if (!room)
		return cv_fail(err, CV_LIMIT, "a chunk is too long");
	size_t got = ZSTD_decompress(room, n, rest.p, rest.n);
	if (ZSTD_isError(got) || got != n)
		return cv_fail(err, CV_CORRUPT, "a chunk cannot be unpacked");
	out->n += n;
	return CV_OK;
}

enum cv_status
backup_chunk_open(const struct backup_cipher *c, uint64_t offset, struct cv_str stored,
	struct cv_buf *out, struct cv_err *err)
{
	uint8_t nonce[24];
	struct cv_rd r = cv_rd(stored);
	uint32_t n = cv_rd_be32(&r);
	if (r.bad || n != cv_rd_left(&r) ||
		n < crypto_aead_xchacha20poly1305_ietf_ABYTES + INNER_BYTES ||
		n > 2 * BACKUP_CHUNK_MAX)
		return cv_fail(err, CV_CORRUPT, "a chunk has a length that cannot be");
	unsigned char *plain = cv_malloc(n);
	unsigned long long plain_n = 0;
	nonce_at(offset, nonce);
	enum cv_status status = CV_OK;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, &plain_n, NULL, r.p, n, c->id, sizeof c->id, nonce, c->key))
		status = cv_fail(err, CV_CORRUPT, "a chunk fails its check");
	else
		status = unpack(cv_str((char *)plain, (size_t)plain_n), out, err);
	free(plain);
	return status;
}

void
backup_cipher_wipe(struct backup_cipher *c)
{
	cv_wipe(c, sizeof *c);
}
