/* snapshot_format.h - the bytes of register.snap and register.secret. Private to the folder.
 *
 * Both files are written whole and never changed, so a reader maps them and looks things up in
 * place: records of fixed size, texts as (offset, length) into one pool, no pointers. Numbers are
 * in the machine's own order; `order` tells a file from another machine apart. A reader checks the
 * SHA-256 and then every offset once, so look-ups need no checks. register.gen is eight bytes that
 * the owner counts up after each change; readers map it and know at once when to look again.
 *
 *  R1  Domains, agencies, accounts and secrets are sorted by name, code and number, devices by
 *      account and number, certificates by fingerprint.
 *  R2  The slots (open addressing, a power of two) hold address index + 1 or 0, and at least one 0.
 *  R3  Links of one account lie together; so do its targets. Routes are sorted by account.
 *  R4  The secret file is renamed into place before the snapshot, so a reader may see a newer
 *  secret
 *      with an older snapshot, never an account without its secret.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SNAPSHOT_FORMAT_H
#define CV_SNAPSHOT_FORMAT_H

#include "common/register/model.h"

#define SNAP_FILE "register.snap"
#define SNAP_SECRET_FILE "register.secret"
#define SNAP_GEN_FILE "register.gen"
#define SNAP_MAGIC "CVREGSN3"
#define SNAP_SECRET_MAGIC "CVREGSC3"
#define SNAP_ORDER 0x01020304u
#define SNAP_BYTES_MAX (1u << 30)

struct snap_ref { uint32_t offset, n; };
struct snap_range { uint64_t offset; uint32_t count, reserved; };

struct snap_domain { struct snap_ref name, target; };
struct snap_agency {
	struct snap_ref code, text[AG_COUNT];
	uint32_t rank, reserved;
};
enum { SNAP_LISTED = 1, SNAP_CONSENT = 2, SNAP_MUST_CHANGE = 4, SNAP_ROUTED = 8 };
struct snap_account {
	uint64_t acct, quota_bytes;
	int64_t created_secs;
	struct snap_ref text[T_COUNT];
	uint32_t members_first, members_count, delegates_first, delegates_count;
	uint32_t readers_first, readers_count, stewards_first, stewards_count;
	uint32_t rank;
	uint8_t kind, state, flags, reserved;
};
struct snap_route {           /* of an account that is flagged SNAP_ROUTED */
	uint32_t account;     /* index */
	uint32_t post;
	struct snap_ref text[RT_COUNT];
	int64_t secs[RM_COUNT];
	uint32_t targets_first, targets_count, posters_first, posters_count;
};
struct snap_target {
	struct snap_ref address;
	int64_t until_secs;
	uint32_t kind, keep;
};
/* Barred: in an alias domain, of somebody who has it no more; the target domain's address of that
 * name may be another person's. */
enum snap_address_kind { SNAP_PRIMARY, SNAP_ALIAS, SNAP_BARRED };
struct snap_address {
	struct snap_ref key;
	uint32_t account; /* index */
	uint32_t kind;    /* enum snap_address_kind */
};
struct snap_header {
	char magic[8];
	uint32_t order, header_bytes;
	uint64_t file_bytes, generation, hash_seed;
	int64_t written_secs;
	struct snap_range texts, domains, agencies, accounts, addresses, slots, links;
	struct snap_range routes, targets;
	struct snap_ref default_domain;
	uint8_t sha256[32]; /* of the file with these bytes zero */
};

struct snap_secret {
	uint64_t acct;
	int64_t changed_secs, expires_secs;
	uint32_t version, iterations;
	uint8_t salt[16], stored_key[32], server_key[32];
	char argon[REG_ARGON_MAX]; /* NUL-terminated */
	uint8_t totp[20];          /* of the second factor, when there is one */
	uint8_t has_totp, reserved[3];
};
struct snap_device {
	uint64_t acct;
	int64_t created_secs;
	uint32_t number;
	uint8_t type, scope, reserved[2];
	uint8_t check[32], stored_key[32], server_key[32];
	char name[64];             /* NUL-terminated */
};
struct snap_certificate {
	uint8_t sha256[32];
	uint32_t device;           /* index */
	uint32_t reserved;
};
struct snap_secret_header {
	char magic[8];
	uint32_t order, header_bytes;
	uint64_t file_bytes, generation;
	struct snap_range secrets, devices, certificates;
	uint8_t dummy_key[32]; /* makes SCRAM salts for unknown names stable */
	uint8_t sha256[32];
};

/* SHA-256 of the N bytes at P, with the 32 bytes at HOLE taken as zero. */
void snap_digest(const void *p, size_t n, size_t hole, uint8_t out[32]);

/* Builds both files from M. */
void snap_build(const struct reg_model *m, uint64_t generation, const uint8_t dummy_key[32],
                struct cv_buf *snap, struct cv_buf *secret);
/* Puts both into DIR, durably. */
CV_MUST_CHECK enum cv_status snap_write(const char *dir, struct cv_str snap, struct cv_str secret,
                                        struct cv_err *err);

/* What auth.c needs beside the public record. False when the account has no password. */
bool cv_snapshot_secret(const struct cv_snapshot *s, cv_acct_no acct,
                        const struct snap_secret **out);
/* The devices of an account, one after the other; 0 when it has none. */
size_t cv_snapshot_devices(const struct cv_snapshot *s, cv_acct_no acct,
                           const struct snap_device **first_out);
/* The device registered with that certificate, or NULL. */
const struct snap_device *cv_snapshot_certificate(const struct cv_snapshot *s,
                                                  const uint8_t sha256[32]);
/* 32 bytes that stay the same for the life of the register; NULL without secrets. */
const uint8_t *cv_snapshot_dummy_key(const struct cv_snapshot *s);

/* A snapshot over bytes that the caller keeps (fuzzing and tests). SECRET may be empty. */
CV_MUST_CHECK enum cv_status snap_open_bytes(struct cv_str snap, struct cv_str secret,
                                             bool check_digest, struct cv_snapshot **out,
                                             struct cv_err *err);
/* Maps both files; a missing snapshot gives an empty one. */
CV_MUST_CHECK enum cv_status snap_open_dir(const char *dir, bool with_secrets,
                                           struct cv_snapshot **out, struct cv_err *err);
void snap_ref(const struct cv_snapshot *s);

#endif
