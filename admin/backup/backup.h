/* backup.h - what the commands of `congvu backup` share: the configuration, the keys, the state
 * kept on the server, reading a backup (docs/adr/0134 to 0137).
 *
 * The folder <base_dir>/backup holds `lock` (one command at a time), status.json (backup_status),
 * drills/ and a folder for each target: `packs`, what was put there (index.h), and `files`, which
 * files were unchanged (source.h). All of it but the lock can be lost: the next backup is a whole
 * one then.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_BACKUP_H
#define ADMIN_BACKUP_BACKUP_H

#include "admin/admin.h"
#include "admin/backup/target.h"

#define BACKUP_PUBLIC_FILE "backup.pub" /* in keys_dir */
#define BACKUP_SIGN_FILE   "backup.sign"
#define BACKUP_MARK        "congvu-backup" /* the object that says whose target it is */

struct backup {
	struct admin_call *call;
	const struct congvu_options *main;
	const struct admin_options *opt;
	char dir[1100];
	int lock_fd;
	bool has_public, has_sign, has_secret;
	struct backup_public pub;
	uint8_t sign[BACKUP_SIGN_SECRET];
	struct backup_secret secret;
	struct backup_place places[BACKUP_TARGETS];
	unsigned place_count;
};
enum backup_need {
	BACKUP_WRITES = 1,  /* takes the lock; needs the server's two keys */
	BACKUP_OPENS = 2,   /* needs the operator's key: --key, --passphrase-file or a question */
	BACKUP_AS_ROOT = 4, /* stays root where it is */
	BACKUP_LOCKS = 8
};
/* Reads configuration, targets and keys; root becomes the daemons' user. False after saying what
 * is wrong; *EXIT_OUT then says how to exit. */
bool backup_begin(struct admin_call *call, unsigned needs, struct backup *b, int *exit_out);
void backup_end(struct backup *b);
/* Prints ERR; the exit code for it. */
int backup_fail(struct backup *b, const struct cv_err *err);
/* The target that --target names, or the first; NULL after saying so. */
const struct backup_place *backup_choose(struct backup *b);
/* Opens PLACE and checks that it is ours: its mark has our public key. With MAY_MARK a target that
 * has none gets one, unless we remember packs there (its disk is not mounted). */
CV_MUST_CHECK enum cv_status backup_open_target(struct backup *b, const struct backup_place *place,
	bool may_mark, struct backup_target **out, struct cv_err *err);

/* ---- what is on a target ---- */
struct backup_names {
	char (*names)[BACKUP_NAME_MAX]; /* ascending: the oldest first */
	uint64_t *sizes;
	size_t count, room;
};
CV_MUST_CHECK enum cv_status backup_manifests(
	struct backup_target *t, struct backup_names *out, struct cv_err *err);
void backup_names_done(struct backup_names *n);
/* The manifest NAME with its head; OBJECT (may be NULL) gets its bytes. Done
 * already when it fails. */
CV_MUST_CHECK enum cv_status backup_manifest_get(struct backup *b, struct backup_target *t,
	const char *name, struct backup_manifest *m, struct cv_buf *object, struct cv_err *err);
/* The one that TEXT means: a name, the beginning of one, "latest" (or NULL), or the last at or
 * before a day "2026-11-23". With its tables. */
CV_MUST_CHECK enum cv_status backup_find(struct backup *b, struct backup_target *t,
	const char *text, struct backup_manifest *m, struct cv_err *err);

/* ---- status.json ---- */
/* {"format": 1, "targets": {NAME: {"url", "append_only", "tried", "good", "manifest", "error",
 *  "backups", "bytes", "new_bytes", "took_ms", "verified", "verify_faults"}},
 *  "drill": {"time", "ok", "target", "manifest", "took_ms"}}; times are Unix seconds, 0 never. */
json_t *backup_status_load(const struct backup *b); /* never NULL */
json_t *backup_status_target(json_t *status, const struct backup_place *place);
void backup_status_save(const struct backup *b, json_t *status);

/* ---- reading a backup (fetch.c) ---- */
struct backup_reader;
CV_MUST_CHECK enum cv_status backup_reader_open(struct backup *b, struct backup_target *t,
	const struct backup_manifest *m, struct backup_reader **out, struct cv_err *err);
void backup_reader_close(struct backup_reader *r);
/* Writes every file for which WANT answers a path (a new string; NULL: not that one), pack after
 * pack, each read once. PROGRESS may be NULL. Everything is synced when it returns. */
typedef char *backup_want_fn(void *arg, const struct backup_file *f);
CV_MUST_CHECK enum cv_status backup_extract(struct backup_reader *r, backup_want_fn *want,
	void *arg, struct admin_call *progress, uint64_t *bytes_out, struct cv_err *err);
/* The bytes of chunk I of the manifest, appended to OUT. */
CV_MUST_CHECK enum cv_status backup_read_chunk(
	struct backup_reader *r, uint32_t i, struct cv_buf *out, struct cv_err *err);
/* Reads the pack I whole and compares: its length, its SHA-256, and with the operator's key each of
 * its chunks that the manifest names. */
CV_MUST_CHECK enum cv_status backup_check_pack(
	struct backup_reader *r, uint32_t i, struct cv_err *err);

/* ---- a whole restore into folders (restore.c), shared with the drill ---- */
struct backup_roots {
	const char *mail, *queue, *stats, *base, *conf; /* NULL: not that part */
};
CV_MUST_CHECK enum cv_status backup_restore_files(struct backup_reader *r,
	const struct backup_roots *roots, struct admin_call *progress, uint64_t *bytes_out,
	struct cv_err *err);

CV_MUST_CHECK enum cv_status backup_remove_tree(const char *path, struct cv_err *err);
/* Keeps what retention asks for on T, and removes the rest (prune.c). */
CV_MUST_CHECK enum cv_status backup_prune_target(struct backup *b, struct backup_target *t,
	bool dry_run, uint64_t *manifests_out, uint64_t *packs_out, uint64_t *bytes_out,
	struct cv_err *err);

#endif
