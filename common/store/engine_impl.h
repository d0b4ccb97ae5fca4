/* engine_impl.h - what a meta engine and a blob engine offer to engine.c; no other folder sees it.
 *
 * engine.c owns the directory, the lock file, the flusher, the watchdog and the upkeep thread, and
 * checks limits; the engines below keep rows and bodies. A later engine (PostgreSQL, S3) fills the
 * same two tables. All operations may be called from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ENGINE_IMPL_H
#define CV_ENGINE_IMPL_H

#include <stdatomic.h>

#include "common/store/engine.h"

struct cv_watchdog;

/* The parts of a copy of the bodies: lists of removed ones before the rows, the rest after them. */
enum cv_blob_copy { CV_COPY_REMOVED, CV_COPY_BODIES };

/* ---- rows ---- */
struct cv_meta {
	const struct cv_meta_ops *ops;
};
struct cv_meta_ops {
	enum cv_status (*read)(struct cv_meta *m, cv_acct_id acct, const struct cv_str *keys,
	                       size_t count, struct cv_str *values, struct cv_buf *hold,
	                       uint64_t *version_out, struct cv_err *err);
	enum cv_status (*scan)(struct cv_meta *m, cv_acct_id acct, struct cv_str from,
	                       struct cv_str to, size_t limit, bool importing, cv_row_fn *fn,
	                       void *arg, struct cv_err *err);
	enum cv_status (*accts)(struct cv_meta *m, enum cv_acct_class class_,
	                        bool (*fn)(void *arg, cv_acct_id acct, uint64_t version),
	                        void *arg, struct cv_err *err);
	enum cv_status (*versions)(struct cv_meta *m, const cv_acct_id *accts, size_t count,
	                           uint64_t *versions_out, struct cv_err *err);
	/* Batches whose result is not OK on entry are passed over. With IMPORTING the account must
	 * be closed (below), without it it must not. */
	enum cv_status (*commit)(struct cv_meta *m, struct cv_batch *batches, size_t count,
	                         bool importing, struct cv_err *err);
	/* Sets the account's version; a closed one answers CV_RETRY to all but an import. */
	enum cv_status (*mark)(struct cv_meta *m, cv_acct_id acct, uint64_t version, bool closed,
	                       struct cv_err *err);
	/* Everything committed is on disk when it returns. CV_FULL, or CV_TEMPFAIL: the disk failed
	 * and nobody knows what it holds. */
	enum cv_status (*sync)(struct cv_meta *m, struct cv_err *err);
	enum cv_status (*checkpoint)(struct cv_meta *m, struct cv_err *err);
	/* A consistent copy of the rows in DIR, which exists. */
	enum cv_status (*backup)(struct cv_meta *m, const char *dir, struct cv_err *err);
	uint64_t (*log_bytes)(struct cv_meta *m); /* written since the last checkpoint */
	void (*stats)(struct cv_meta *m, struct cv_engine_stats *out); /* its own fields only */
	enum cv_status (*close)(struct cv_meta *m, struct cv_err *err);
};

/* ---- bodies ---- */
struct cv_blobs {
	const struct cv_blob_ops *ops;
};
struct cv_blob_put {
	struct cv_engine *engine;
	struct cv_blobs *blobs;
};
/* A volume whose tail was looked through after a crash: PLACES (ascending) are the records at or
 * after FROM that are whole. */
struct cv_blob_tail {
	uint32_t volume;
	uint64_t from;
	uint64_t *places;
	size_t count;
};
struct cv_compact {
	unsigned dead_percent;  /* volumes with less dead bytes are left alone */
	uint64_t bytes_per_sec; /* 0: as fast as it goes */
	/* Everything committed up to now is durable when it returns: a removal was noted before the
	 * rows' own removal was on disk, perhaps. */
	void (*settle)(void *arg);
	void *arg;
	/* Above 0: somebody waits for the compaction, which ends soon; the volume it was at stays
	 * as it was. */
	const _Atomic unsigned *hurry;
};
struct cv_blob_ops {
	enum cv_status (*begin)(struct cv_blobs *b, struct cv_str delivery_id, uint64_t size_bytes,
	                        struct cv_blob_put **out, struct cv_err *err);
	enum cv_status (*write)(struct cv_blob_put *p, struct cv_str bytes, struct cv_err *err);
	enum cv_status (*finish)(struct cv_blob_put *p, struct cv_blob_ref *ref_out,
	                         struct cv_err *err);
	void (*abort)(struct cv_blob_put *p);
	enum cv_status (*read)(struct cv_blobs *b, const struct cv_blob_ref *ref, uint64_t offset,
	                       uint64_t length, cv_sink_fn *sink, void *arg, struct cv_err *err);
	enum cv_status (*stat)(struct cv_blobs *b, const struct cv_blob_ref *ref,
	                       struct cv_blob_stat *out, struct cv_err *err);
	enum cv_status (*remove)(struct cv_blobs *b, const struct cv_blob_ref *ref,
	                         struct cv_err *err);
	enum cv_status (*each)(struct cv_blobs *b, cv_blob_fn *fn, void *arg, struct cv_err *err);
	enum cv_status (*sync)(struct cv_blobs *b, struct cv_err *err);
	bool (*is_dirty)(struct cv_blobs *b); /* there is something to sync */
	/* Writes down how far bodies are durable, so that recovery need not look before that. */
	enum cv_status (*checkpoint)(struct cv_blobs *b, struct cv_err *err);
	uint64_t (*unmarked_bytes)(struct cv_blobs *b); /* appended since the last checkpoint */
	/* Copies a part into DIR, which is made; what is there already and the same is left. */
	enum cv_status (*backup)(struct cv_blobs *b, const char *dir, enum cv_blob_copy what,
	                         struct cv_err *err);
	/* The I-th tail recovered by this open, or NULL. */
	const struct cv_blob_tail *(*tail)(struct cv_blobs *b, size_t i);
	enum cv_status (*compact)(struct cv_blobs *b, const struct cv_compact *how,
	                          uint64_t *freed_out, struct cv_err *err);
	uint64_t (*bytes)(struct cv_blobs *b); /* on disk */
	enum cv_status (*close)(struct cv_blobs *b, struct cv_err *err);
};

/* A ref names its volume and place: 'v', volume (4), place (5), size (5), stored (5), and the first
 * 4 bytes of the SHA-256, all big-endian. */
#define CV_REF_VOLUME 'v'
#define CV_REF_BYTES 24

/* ---- for engine_*.c ---- */
/* cv_meta_commit(), and the same on an account closed for an import. */
enum cv_status cv_engine_commit(struct cv_engine *e, struct cv_batch *batches, size_t count,
                                bool importing, cv_ticket *ticket_out, struct cv_err *err);
cv_ticket cv_engine_ticket(struct cv_engine *e);
struct cv_meta *cv_engine_meta(struct cv_engine *e);
struct cv_blobs *cv_engine_blobs(struct cv_engine *e); /* NULL: rows only */

/* ---- a thread that syncs bodies beside the flusher ---- */
struct cv_blob_syncer;
CV_MUST_CHECK enum cv_status cv_blob_syncer_start(struct cv_blobs *blobs,
                                                  struct cv_blob_syncer **out, struct cv_err *err);
void cv_blob_syncer_stop(struct cv_blob_syncer *y);
/* Everything written before BEGIN is on disk when END returns; a failure is END's. */
void cv_blob_syncer_begin(struct cv_blob_syncer *y);
CV_MUST_CHECK enum cv_status cv_blob_syncer_end(struct cv_blob_syncer *y, struct cv_err *err);

/* ---- the watchdog: a thread inside one call for too long ends the process ---- */
/* LIMIT_SECS 0: 5, or 60 under sanitizers and valgrind. */
struct cv_watchdog *cv_watchdog_start(unsigned limit_secs);
void cv_watchdog_stop(struct cv_watchdog *w);
/* Brackets a stretch that must end soon; WHAT is a literal. The result goes to cv_watch_leave(). */
unsigned cv_watch_enter(struct cv_watchdog *w, const char *what);
void cv_watch_leave(struct cv_watchdog *w, unsigned slot);
/* While the disk itself is slow (a sync under way for long), stretches may last a minute. */
void cv_watch_sync(struct cv_watchdog *w, bool under_way);

/* Logs and ends the process at once, without any clean-up: the next open recovers. */
CV_NORETURN void cv_engine_die(int status, const char *event, const char *fmt, ...)
	CV_PRINTF(3, 4);

#endif
