/* volume.h - the blob engine: bodies in append-only files.
 *
 *   bodies/catalog        which volumes there are, how far each is known durable, which are sealed
 *   bodies/00000012.vol   64 bytes of volume header, then records at multiples of 8
 *   bodies/00000012.dead  16 bytes a removed record; a torn tail is ignored
 *   bodies/00000012.new   a compaction under way; removed by the next open
 *
 * A record is a header (128 bytes), an index of 8 bytes a frame, and the frames: 128 KB of body
 * each, by itself compressed with zstd, or raw where that gains nothing. A range read opens only
 * the frames it needs. A ref names volume and place, and carries size and stored length, so that a
 * small body is one pread.
 *
 * Invariants
 *  V1  A volume has one writer at a time, and its records lie in the order they were written: once
 *      a record is durable, so is all before it.
 *  V2  A place is never given to another body: after a crash a volume is cut behind its last whole
 *      record and sealed. So a ref whose body was lost never shows somebody else's.
 *  V3  A sealed volume is never written to. Compaction puts another file in its place, at once and
 *      whole, in which the living records lie closer and a map at the end tells where each was: a
 *      ref
 *      keeps its meaning for ever.
 *  V4  `end` of a volume grows only when the record is whole in the file.
 * Small bodies (compressed up to STAGE_MAX) are put together in memory and go to the current volume
 * in one write; larger ones stream into a volume (a `lane`) that is theirs while they last.
 * The current volume is filled with zeros ahead of its end, so that syncing an append changes
 * nothing of the file but its data (docs/adr/0013-syncing.md). Zeros are no record: recovery cuts
 * them off, and a volume that is sealed or closed ends where its last record does.
 *
 * Locks, in the order they may be taken: append (current volume), lock (table, descriptors, lanes).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_VOLUME_H
#define CV_VOLUME_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include <openssl/evp.h>
#include <zstd.h>

#include "common/base/list.h"
#include "common/store/engine_impl.h"

#define CV_VOLUME_HEADER 64u
#define CV_RECORD_HEADER 128u
#define CV_RECORD_ALIGN 8u
#define CV_FRAME_BYTES (128u << 10)
#define CV_BODY_MAX ((uint64_t)2 << 30)
#define CV_STAGE_MAX (4u << 20)
#define CV_DELIVERY_ID_BYTES 64u
#define CV_OPEN_VOLUMES_MAX 128u

struct cv_volume {
	uint32_t number;
	int fd;                /* -1: closed */
	unsigned users;        /* readers and writers that need fd; 0: may be closed */
	struct cv_link lru;    /* of the open ones without users */
	uint8_t salt[16];      /* from the volume header; known once opened */
	bool is_known;
	bool is_bad;           /* its header fails its check */
	bool is_sealed, is_dirty;
	bool is_compacted;     /* known once opened; then `forward` translates places */
	_Atomic uint64_t end;  /* behind the last whole record */
	_Atomic uint64_t durable;
	uint64_t zeroed;       /* the file is filled with zeros up to here; append lock held */
	struct cv_forward *forward; /* ascending by both */
	size_t forward_count;
};
struct cv_forward {
	uint64_t was, is;
};

struct cv_volumes {
	struct cv_blobs blobs;
	char *dir;
	int dir_fd;
	uint64_t volume_bytes;
	struct cv_watchdog *watchdog; /* not ours */
	EVP_MD *sha256;
	bool (*fetch)(void *arg, const char *name, uint64_t from, uint64_t n); /* or NULL */
	void *fetch_arg;

	pthread_mutex_t append; /* the current volume's writer */
	struct cv_volume *current;

	pthread_mutex_t lock;
	struct cv_volume **table; /* by number; NULL: no such volume */
	uint32_t table_count;
	uint32_t next_number;
	struct cv_link lru;
	size_t open_count;
	struct cv_volume *lanes[16]; /* unsealed, without a writer now */
	size_t lane_count;
	struct cv_volume **dirty;
	size_t dirty_count, dirty_cap;

	pthread_mutex_t dead_lock; /* appends to .dead files; nothing is taken below it */

	pthread_mutex_t spare_lock;
	ZSTD_CCtx *cctx[8];
	ZSTD_DCtx *dctx[8];
	char *frames[8];
	size_t cctx_count, dctx_count, frame_count;

	struct cv_blob_tail *tails;
	size_t tail_count;
	_Atomic uint64_t appended, marked; /* bytes since open; of these, at the last checkpoint */
};

/* Opens (creating) the bodies in DIR. WAS_CLEAN: the last owner closed, so tails are whole. */
CV_MUST_CHECK enum cv_status cv_volumes_open(const char *dir, const struct cv_engine_options *o,
                                             bool was_clean, struct cv_watchdog *w,
                                             struct cv_blobs **out, struct cv_err *err);

/* ---- inside the folder ---- */
struct cv_place { /* a decoded ref */
	uint32_t volume;
	uint64_t at, size, stored;
	uint8_t check[4];
};
void cv_place_encode(const struct cv_place *p, struct cv_blob_ref *ref);
CV_MUST_CHECK enum cv_status cv_place_decode(const struct cv_blob_ref *ref, struct cv_place *p,
                                             struct cv_err *err);

/* record.c: bytes only */
#define CV_FRAME_RAW 0x80000000u /* in a frame's stored length */
struct cv_frame {
	uint32_t stored; /* bytes, and CV_FRAME_RAW */
	uint32_t crc;    /* CRC-32C of the stored bytes */
};
struct cv_record {
	uint64_t size, stored; /* of the body; of all frames together */
	uint8_t sha256[32];
	uint8_t id[CV_DELIVERY_ID_BYTES];
	uint8_t id_n;
	uint32_t frames;
};
uint32_t cv_crc32c(const void *p, size_t n);
uint32_t cv_record_frames(uint64_t size);
size_t cv_record_head_bytes(uint32_t frames); /* header and index */
uint64_t cv_record_bytes(uint64_t size, uint64_t stored); /* all of it, padded */
void cv_record_encode(const struct cv_record *r, const struct cv_frame *frames,
                      const uint8_t salt[16], unsigned char *out);
/* The first CV_RECORD_HEADER bytes, not yet checked. False: not a record. */
bool cv_record_peek(const unsigned char *p, struct cv_record *r);
/* Header and index together. False when they fail their check. */
bool cv_record_decode(const unsigned char *p, const uint8_t salt[16], struct cv_record *r,
                      struct cv_frame *frames);
void cv_volume_header(uint32_t number, const uint8_t salt[16], bool is_compacted,
                      unsigned char out[CV_VOLUME_HEADER]);
bool cv_volume_header_read(const unsigned char *p, uint32_t number, uint8_t salt_out[16],
                           bool *is_compacted_out);

/* frame.c: compression, with contexts kept for the next */
struct cv_frame cv_frame_pack(struct cv_volumes *s, struct cv_str raw, char *out, size_t out_max);
size_t cv_frame_room(void); /* for any packed frame */
/* RAW_N bytes into OUT; false when the stored bytes do not hold. */
bool cv_frame_unpack(struct cv_volumes *s, struct cv_frame f, const char *stored, char *out,
                     size_t raw_n);
char *cv_frame_take(struct cv_volumes *s); /* memory for one frame and its head */
void cv_frame_give(struct cv_volumes *s, char *p);
#define CV_FRAME_MEMORY (2 * CV_FRAME_BYTES)
void cv_frames_done(struct cv_volumes *s);

/* table.c */
struct cv_volume *cv_volume_add(struct cv_volumes *s, uint32_t number); /* lock held */
/* A new, durable, empty volume, in use by the caller. */
CV_MUST_CHECK enum cv_status cv_volume_create(struct cv_volumes *s, struct cv_volume **out,
                                              struct cv_err *err);
/* Keeps the volume's descriptor open until cv_volume_put(). CV_NOT_FOUND, CV_CORRUPT. */
CV_MUST_CHECK enum cv_status cv_volume_get(struct cv_volumes *s, uint32_t number,
                                           struct cv_volume **out, struct cv_err *err);
void cv_volume_put(struct cv_volumes *s, struct cv_volume *v);
/* The same for the volume where P is now; a compacted volume's P is changed to the new place. */
CV_MUST_CHECK enum cv_status cv_volume_find(struct cv_volumes *s, struct cv_place *p,
                                            struct cv_volume **out, struct cv_err *err);
void cv_volume_seal(struct cv_volumes *s, struct cv_volume *v); /* and cv_volume_put() */
void cv_volume_dirty(struct cv_volumes *s, struct cv_volume *v); /* to be synced by the flusher */
CV_MUST_CHECK enum cv_status cv_volume_sync_dirty(struct cv_volumes *s, struct cv_err *err);
CV_MUST_CHECK bool cv_pread_all(int fd, void *p, size_t n, uint64_t at);
/* The same of volume NUMBER, whose file FD is; fetches the bytes first where that is asked for. */
CV_MUST_CHECK bool cv_volume_pread(struct cv_volumes *s, uint32_t number, int fd, void *p, size_t n,
                                   uint64_t at);
void cv_volume_name(uint32_t number, const char *suffix, char out[32]);

/* dead.c */
struct cv_dead {
	uint64_t *at; /* ascending */
	size_t count;
};
CV_MUST_CHECK enum cv_status cv_dead_load(struct cv_volumes *s, uint32_t number,
                                          struct cv_dead *out, struct cv_err *err);
bool cv_dead_has(const struct cv_dead *d, uint64_t at);
void cv_dead_done(struct cv_dead *d);
CV_MUST_CHECK enum cv_status cv_dead_add(struct cv_volumes *s, uint32_t number, uint64_t at,
                                         struct cv_err *err);

/* compact.c */
/* Loads the map of a compacted volume from FD and sets its end. False when it is broken. */
CV_MUST_CHECK bool cv_forward_load(struct cv_volumes *s, struct cv_volume *v, int fd);
/* Where the record that was at WAS is now, or 0. And back. */
uint64_t cv_forward_is(const struct cv_volume *v, uint64_t was);
uint64_t cv_forward_was(const struct cv_volume *v, uint64_t is);

/* catalog.c */
CV_MUST_CHECK enum cv_status cv_catalog_write(struct cv_volumes *s, int dir_fd, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_catalog_read(struct cv_volumes *s, struct cv_err *err);

/* recover.c */
CV_MUST_CHECK enum cv_status cv_volumes_recover(struct cv_volumes *s, bool was_clean,
                                                struct cv_err *err);

/* read.c: a record opened for reading */
struct cv_reader {
	struct cv_volumes *s;
	struct cv_volume *v;   /* kept open by the caller */
	uint64_t at;
	struct cv_record record;
	struct cv_frame *frames;
	char *stored;          /* cv_frame_take(): bytes of the file [from, from + have) */
	uint64_t from;
	size_t have;
};
/* Opens the record at AT, which ends at or before LIMIT; WANT bytes behind its beginning are read
 * ahead. False: there is none, or it fails its check. Close it in either case. */
CV_MUST_CHECK bool cv_reader_open(struct cv_volumes *s, struct cv_volume *v, uint64_t at,
                                  uint64_t limit, size_t want, struct cv_reader *r);
void cv_reader_close(struct cv_reader *r);
/* Frame I of the body into OUT (CV_FRAME_BYTES); its length, or 0 when it fails its check. */
size_t cv_reader_frame(struct cv_reader *r, uint32_t i, char *out);
/* Reads all of it: is it what its SHA-256 says? */
bool cv_reader_is_whole(struct cv_reader *r);
/* The first record at or after AT that opens, or LIMIT. */
uint64_t cv_record_find(struct cv_volumes *s, struct cv_volume *v, uint64_t at, uint64_t limit);

enum cv_status cv_volumes_begin(struct cv_blobs *b, struct cv_str delivery_id, uint64_t size_bytes,
                                struct cv_blob_put **out, struct cv_err *err);
enum cv_status cv_volumes_write(struct cv_blob_put *p, struct cv_str bytes, struct cv_err *err);
enum cv_status cv_volumes_finish(struct cv_blob_put *p, struct cv_blob_ref *ref_out,
                                 struct cv_err *err);
void cv_volumes_abort(struct cv_blob_put *p);
enum cv_status cv_volumes_read(struct cv_blobs *b, const struct cv_blob_ref *ref, uint64_t offset,
                               uint64_t length, cv_sink_fn *sink, void *arg, struct cv_err *err);
enum cv_status cv_volumes_stat(struct cv_blobs *b, const struct cv_blob_ref *ref,
                               struct cv_blob_stat *out, struct cv_err *err);
enum cv_status cv_volumes_remove(struct cv_blobs *b, const struct cv_blob_ref *ref,
                                 struct cv_err *err);
enum cv_status cv_volumes_each(struct cv_blobs *b, cv_blob_fn *fn, void *arg, struct cv_err *err);

enum cv_status cv_volumes_backup(struct cv_blobs *b, const char *dir, enum cv_blob_copy what,
                                 struct cv_err *err);
enum cv_status cv_volumes_compact(struct cv_blobs *b, const struct cv_compact *how,
                                  uint64_t *freed_out, struct cv_err *err);

static inline struct cv_volumes *
cv_volumes_of(struct cv_blobs *b)
{
	return CV_CONTAINER(b, struct cv_volumes, blobs);
}

#endif
