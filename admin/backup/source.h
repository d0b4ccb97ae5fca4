/* source.h - the files of one backup: where they are, and whether they changed since the last. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_SOURCE_H
#define ADMIN_BACKUP_SOURCE_H

#include <sys/stat.h>

#include "admin/backup/backup.h"
#include "common/base/map.h"

struct backup_source {
	char *path, *logical; /* where it is; "mail/bodies/00000001.vol" */
	struct stat st;
	bool is_body; /* of a volume: packed already, lives long */
};
struct backup_sources {
	struct backup_source *items;
	size_t count, room;
	uint64_t bytes;
	size_t unread;     /* folders of others than the mail that may not be read: left out */
	char unread_as[300]; /* the first of them */
};
/* Notes that PATH is left out, since it may not be read. */
void backup_sources_unread(struct backup_sources *s, const char *path);
/* Every regular file below DIR, as logical names below PREFIX; SKIP (NULL at the end) are paths
 * that are left out with all below them. A folder that is not there is CV_OK. */
CV_MUST_CHECK enum cv_status backup_sources_add(struct backup_sources *s, const char *dir,
	const char *prefix, const char *const *skip, struct cv_err *err);
/* One file, or what a link to one means (certificates often are links), unless it is not there. */
void backup_sources_add_file(struct backup_sources *s, const char *path, const char *logical);
void backup_sources_done(struct backup_sources *s);

/* Chunks of files that had this name, number, size and time when they were last read. */
struct backup_cache {
	struct cv_map files; /* logical name -> struct cached, of source.c */
};
void backup_cache_load(struct backup_cache *c, const char *path);
void backup_cache_save(struct backup_cache *c, const char *path);
void backup_cache_done(struct backup_cache *c);
/* The SHA-256s of SOURCE's chunks, or NULL when it is not known as it is now. */
const uint8_t (*backup_cache_find(
	const struct backup_cache *c, const struct backup_source *s, uint32_t *count_out))[32];
/* Takes over SHA256S (count of 32 octets). */
void backup_cache_put(struct backup_cache *c, const struct backup_source *s, uint8_t (*sha256s)[32],
	uint32_t count);

#endif
