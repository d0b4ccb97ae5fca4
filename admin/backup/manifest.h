/* manifest.h - what one backup consists of (docs/adr/0135).
 *
 * An object of the target, written last: a backup exists when its manifest does.
 *
 *   "CVMFST1\n"
 *   4 octets length, then the head: JSON that the server can read again, for it can check and prune
 *     with it: format, id, time, host, version, previous (name and SHA-256 of the manifest before
 *     it on this target: the chain), packs (name, size, SHA-256 of each), body_sha256, figures
 *   64 octets Ed25519 signature over all before
 *   the body: a pack (seal.h) whose chunks together are the tables of files and chunks
 *
 * Everything here may have been changed by whoever holds the target: parsers check every number.
 * Threads: none shared.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_MANIFEST_H
#define ADMIN_BACKUP_MANIFEST_H

#include "admin/backup/seal.h"

#define BACKUP_NAME_MAX     64u /* of an object without its folder, NUL included */
#define BACKUP_PATH_MAX     1000u
#define BACKUP_MANIFEST_MAX (1u << 30)
#define BACKUP_PACKS_MAX    4000000u
#define BACKUP_CHUNKS_MAX   400000000u
#define BACKUP_FILES_MAX    1000000u

struct backup_pack {
	char name[BACKUP_NAME_MAX]; /* "20261123/<32 hex digits>", below packs/ */
	uint64_t size;
	uint8_t sha256[32];
};
struct backup_chunk {
	uint8_t sha256[32];
	uint32_t pack;           /* index into packs */
	uint32_t offset, stored; /* in the pack, length included */
	uint32_t size;           /* of the plain bytes */
};
struct backup_file {
	char *path; /* "mail/rows/hot.db": relative, no ".." */
	uint32_t mode;
	int64_t mtime_secs;
	uint64_t size;
	uint32_t *chunks; /* indexes, in order; their sizes add up to `size` */
	uint32_t count;
};
struct backup_manifest {
	char name[BACKUP_NAME_MAX]; /* "20261123T020000Z-1a2b3c4d", below manifests/ */
	char previous[BACKUP_NAME_MAX];
	uint8_t previous_sha256[32];
	uint8_t sha256[32]; /* of the whole object */
	int64_t time_secs, took_ms;
	char host[256], version[32];
	uint64_t bytes, new_bytes; /* of all files; uploaded for this backup */
	struct backup_pack *packs;
	uint32_t pack_count;
	uint64_t file_count_said; /* by the head, for lists */
	/* the body, when it was opened */
	struct backup_chunk *chunks;
	uint32_t chunk_count;
	struct backup_file *files;
	uint32_t file_count;
};

void backup_manifest_done(struct backup_manifest *m);
/* Names it after its time, with random digits behind. */
void backup_manifest_name(struct backup_manifest *m);
/* The object, appended to OUT; sets m->sha256. */
void backup_manifest_print(struct backup_manifest *m, const struct backup_public *pub,
	const uint8_t sign_secret[BACKUP_SIGN_SECRET], struct cv_buf *out);
/* Reads the head of OBJECT; CV_CORRUPT when anything of the object fails its check, CV_DENIED when
 * PUB (NULL: unchecked, for fuzzing) did not sign it. M is zeroed before and done by the caller. */
CV_MUST_CHECK enum cv_status backup_manifest_parse(struct cv_str object,
	const struct backup_public *pub, struct backup_manifest *m, struct cv_err *err);
/* Reads the body too; after the head. */
CV_MUST_CHECK enum cv_status backup_manifest_open(struct cv_str object,
	const struct backup_secret *secret, struct backup_manifest *m, struct cv_err *err);
/* The plain tables, as the body holds them, and back. */
void backup_tables_print(const struct backup_manifest *m, struct cv_buf *out);
CV_MUST_CHECK enum cv_status backup_tables_parse(
	struct cv_str plain, struct backup_manifest *m, struct cv_err *err);
/* "20261123/<hex>" and "20261123T020000Z-<hex>": nothing else is ever asked of a target. */
bool backup_is_pack_name(struct cv_str name);
bool backup_is_manifest_name(struct cv_str name);
/* Relative, no empty, "." or ".." parts, no control characters. */
bool backup_is_path(struct cv_str path);

#endif
