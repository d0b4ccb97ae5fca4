/* seal.h - what protects a backup: keys, sealed packs, signatures (docs/adr/0134).
 *
 * The server holds a public key to seal with and a secret key to sign with; what opens a backup is
 * the operator's alone, in a file wrapped by a passphrase. A pack is a run of sealed chunks under a
 * key of its own, which only the operator's key opens:
 *
 *   0    "CVPACK1\n"
 *   8    the pack's id, 16 random octets
 *   24   the pack's key, sealed to the public key (X25519, XSalsa20-Poly1305): 80 octets
 *   104  chunks: 4 octets length (big-endian), then so many octets of XChaCha20-Poly1305; the nonce
 *        is the chunk's offset in the pack, the pack's id is authenticated with it. Inside: one
 *        octet (0 as it is, 1 zstd), 4 octets length, the bytes.
 *
 * Threads: no state is shared but libsodium's, which backup_seal_start() makes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_SEAL_H
#define ADMIN_BACKUP_SEAL_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define BACKUP_KEY_BYTES   32u
#define BACKUP_SIGN_SECRET 64u
#define BACKUP_SIGNATURE   64u
#define BACKUP_ID_BYTES    16u
#define BACKUP_HEAD_BYTES  104u
#define BACKUP_CHUNK_MAX   (1u << 20) /* bytes of a file in one chunk */
#define BACKUP_PACK_MAX    (40u << 20)

/* What the server has: enough to write backups and to see that they are whole. */
struct backup_public {
	uint8_t box[BACKUP_KEY_BYTES];  /* to seal with */
	uint8_t sign[BACKUP_KEY_BYTES]; /* to check signatures with */
};
/* What the operator has. */
struct backup_secret {
	struct backup_public pub;
	uint8_t box[BACKUP_KEY_BYTES];
};

void backup_seal_start(void); /* once, before all others; ends the process when it cannot */
/* SIGN_SECRET stays on the server, BOX of SECRET leaves it. */
void backup_keys_make(struct backup_secret *secret, uint8_t sign_secret[BACKUP_SIGN_SECRET]);

/* The lines of keys/backup.pub and back. */
void backup_public_print(const struct backup_public *pub, struct cv_buf *out);
CV_MUST_CHECK enum cv_status backup_public_parse(
	struct cv_str text, struct backup_public *out, struct cv_err *err);
/* The operator's key file: the secret key under a key that argon2id makes of PASSPHRASE. Parsing
 * answers CV_DENIED for a wrong passphrase. */
void backup_secret_print(
	const struct backup_secret *secret, struct cv_str passphrase, struct cv_buf *out);
CV_MUST_CHECK enum cv_status backup_secret_parse(struct cv_str text, struct cv_str passphrase,
	struct backup_secret *out, struct cv_err *err);
void backup_secret_wipe(struct backup_secret *secret);

void backup_sign(const uint8_t sign_secret[BACKUP_SIGN_SECRET], struct cv_str bytes,
	uint8_t out[BACKUP_SIGNATURE]);
bool backup_sign_check(const struct backup_public *pub, struct cv_str bytes,
	const uint8_t signature[BACKUP_SIGNATURE]);

void backup_sha256(struct cv_str bytes, uint8_t out[32]);
/* 2 * N characters and NUL. */
void backup_hex(const uint8_t *bytes, size_t n, char *out);
CV_MUST_CHECK bool backup_hex_parse(struct cv_str text, uint8_t *out, size_t n);

/* ---- packs ---- */
struct backup_cipher {
	uint8_t id[BACKUP_ID_BYTES], key[BACKUP_KEY_BYTES];
};
/* Appends the head of a new pack to the empty OUT. */
void backup_pack_begin(
	const struct backup_public *pub, struct backup_cipher *c, struct cv_buf *out);
/* Appends a chunk; PACKS tells whether compressing may gain anything. Returns its length. */
uint32_t backup_chunk_seal(
	const struct backup_cipher *c, struct cv_str plain, bool packs, struct cv_buf *out);
/* Reads the head. CV_CORRUPT, CV_DENIED when it was sealed to another key. */
CV_MUST_CHECK enum cv_status backup_pack_open(const struct backup_secret *secret,
	struct cv_str head, struct backup_cipher *out, struct cv_err *err);
/* The chunk whose bytes (length first) are STORED, at OFFSET of its pack, appended to OUT. */
CV_MUST_CHECK enum cv_status backup_chunk_open(const struct backup_cipher *c, uint64_t offset,
	struct cv_str stored, struct cv_buf *out, struct cv_err *err);
void backup_cipher_wipe(struct backup_cipher *c);

#endif
