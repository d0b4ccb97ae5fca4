/* index.h - what the server remembers of the packs on one target: which chunk lies where.
 *
 * A file of records, one a pack, appended and synced when the target has the pack, so that a backup
 * that breaks off goes on where it was. A record that is torn ends the file. What is remembered is
 * believed only as far as the target lists a pack of that name and size.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_INDEX_H
#define ADMIN_BACKUP_INDEX_H

#include "admin/backup/manifest.h"

struct backup_index {
	char *path;
	struct backup_public pub;
	int fd;
	struct backup_pack *packs;
	bool *is_there; /* the target lists it, or it was put just now */
	uint32_t pack_count, pack_room;
	struct backup_chunk *chunks;
	uint32_t chunk_count, chunk_room;
	uint32_t *table; /* chunk number + 1 by hash; 0: free */
	size_t table_size;
};

/* Opens (creating) the file at PATH; one for another key is begun anew. */
CV_MUST_CHECK enum cv_status backup_index_open(const char *path, const struct backup_public *pub,
	struct backup_index *out, struct cv_err *err);
void backup_index_close(struct backup_index *x);
/* From the file's bytes, what can be read: for opening, and for fuzzing. Returns the octets that
 * whole records take. */
size_t backup_index_load(struct backup_index *x, struct cv_str bytes);
/* The target lists this pack. */
void backup_index_saw(struct backup_index *x, struct cv_str name, uint64_t size);
/* A pack that is being filled; its number. */
uint32_t backup_index_begin(struct backup_index *x, const char *name);
void backup_index_add(struct backup_index *x, const struct backup_chunk *c);
/* The pack is on the target: its chunks FIRST and after it are written down. */
CV_MUST_CHECK enum cv_status backup_index_keep(
	struct backup_index *x, uint32_t pack, uint32_t first, struct cv_err *err);
/* The number of the chunk with these bytes that is there, or UINT32_MAX. */
uint32_t backup_index_find(const struct backup_index *x, const uint8_t sha256[32]);

#endif
