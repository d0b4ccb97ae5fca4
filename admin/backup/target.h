/* target.h - where backups go: a folder, S3-compatible storage, a machine with SFTP.
 *
 * A target keeps objects under names such as "packs/20261123/...": at most BACKUP_PACK_MAX octets
 * (manifests up to 1 GB), written whole or not at all, never overwritten by us. Every call waits;
 * what fails in passing (CV_TEMPFAIL) was tried several times, with growing pauses, before it is
 * answered. Threads: one at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_TARGET_H
#define ADMIN_BACKUP_TARGET_H

#include "admin/backup/manifest.h"

#define BACKUP_TARGET_MAX 32u /* of a target's name, NUL included */
#define BACKUP_TARGETS    8u
#define BACKUP_NAMES_MAX  2000000u /* below one prefix: 2 million packs are 60 TB and more */

/* One target as the configuration has it: NAME=URL[,setting=value]... */
struct backup_place {
	char name[BACKUP_TARGET_MAX];
	char url[1024];                    /* file:/dir, s3+https://host[:port]/bucket[/prefix],
					    * sftp://user@host[:port]/dir */
	char region[64];                   /* s3; "us-east-1" */
	char credentials[1024];            /* s3: a file with the line id:secret, mode 0600 */
	char key[1024], known_hosts[1024]; /* sftp: a private key; the servers' keys */
	char ca[1024];                     /* s3: authority of the certificate; "": the system's */
	bool append_only;                  /* nothing is ever removed there by us */
	uint64_t bytes_per_sec;            /* 0: no limit */
};
CV_MUST_CHECK enum cv_status backup_place_parse(
	struct cv_str text, struct backup_place *out, struct cv_err *err);

struct backup_target;
/* One object found: its name behind the prefix, its size. False ends the list. */
typedef bool backup_list_fn(void *arg, struct cv_str name, uint64_t size);
struct backup_target_ops {
	enum cv_status (*put)(
		struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err);
	/* [from, from + n) of the object, or all of it with N 0, appended to OUT. */
	enum cv_status (*get)(struct backup_target *t, const char *name, uint64_t from, uint64_t n,
		struct cv_buf *out, struct cv_err *err);
	/* Every object below PREFIX, which ends in '/'; nothing there is CV_OK. */
	enum cv_status (*list)(struct backup_target *t, const char *prefix, backup_list_fn *fn,
		void *arg, struct cv_err *err);
	enum cv_status (*remove)(struct backup_target *t, const char *name, struct cv_err *err);
	void (*close)(struct backup_target *t);
};
struct backup_target {
	const struct backup_target_ops *ops;
	struct backup_place place;
	int64_t slow_ms; /* when the next octets may go, for the limit of speed */
};

CV_MUST_CHECK enum cv_status backup_target_open(
	const struct backup_place *place, struct backup_target **out, struct cv_err *err);
void backup_target_close(struct backup_target *t); /* NULL is nothing */
/* CV_EXISTS cannot happen: names are random. CV_FULL, CV_DENIED, CV_TEMPFAIL. */
CV_MUST_CHECK enum cv_status backup_target_put(
	struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err);
/* CV_NOT_FOUND when there is no such object; CV_LIMIT when it does not go into OUT. */
CV_MUST_CHECK enum cv_status backup_target_get(struct backup_target *t, const char *name,
	uint64_t from, uint64_t n, struct cv_buf *out, struct cv_err *err);
/* CV_OK: FN saw every name, or ended the list. A list that is cut off is never CV_OK: CV_LIMIT over
 * BACKUP_NAMES_MAX names, or pages without end. */
CV_MUST_CHECK enum cv_status backup_target_list(struct backup_target *t, const char *prefix,
	backup_list_fn *fn, void *arg, struct cv_err *err);
/* CV_DENIED on an append-only target, without asking it. One that is gone is CV_OK. */
CV_MUST_CHECK enum cv_status backup_target_remove(
	struct backup_target *t, const char *name, struct cv_err *err);

/* ---- the kinds ---- */
/* After try *TRIES of a call that answered STATUS: true, after a pause, when another is worth it.
 * Lists use it page by page. */
bool backup_again(enum cv_status status, unsigned *tries);
CV_MUST_CHECK enum cv_status backup_folder_open(
	const struct backup_place *place, struct backup_target **out, struct cv_err *err);
CV_MUST_CHECK enum cv_status backup_s3_open(
	const struct backup_place *place, struct backup_target **out, struct cv_err *err);
CV_MUST_CHECK enum cv_status backup_sftp_open(
	const struct backup_place *place, struct backup_target **out, struct cv_err *err);
/* A file with secrets that nobody else can read: its first line. The caller wipes and frees. */
CV_MUST_CHECK enum cv_status backup_read_secret_file(
	const char *path, char **out, struct cv_err *err);

#endif
