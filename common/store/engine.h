/* engine.h - the seam below the mailbox API: rows in a meta engine, bodies in a blob engine.
 *
 * Promises every engine keeps (tests/unit/common/store/engine_conformance_test.c runs against
 * each):
 *  E1  A batch touches one account, is conditional on that account's version, and is atomic.
 *  E2  Batches of one commit are independent of one another: each has its own result. Those that
 *      succeed become visible together or one by one, in the order given, never reordered.
 *  E3  A commit returns a ticket; once the ticket is durable, the rows survive kill -9 and power
 *      loss, and so do all bodies finished before the commit was called.
 *  E4  A row that survives a crash never names a body that did not (the engine repairs on open).
 *  E5  CONFLICT, FULL and RETRY change nothing. UNKNOWN may have changed everything or nothing.
 *  E6  No cursor, lock or buffer of the engine is held when a call returns.
 * Values are at most CV_VALUE_MAX, a batch at most CV_BATCH_MAX; larger is CV_LIMIT.
 *
 * Threads: all calls from any thread. Nothing above this seam knows Berkeley DB or a file name.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ENGINE_H
#define CV_ENGINE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_VALUE_MAX (90u << 10)
#define CV_KEY_MAX 512u
#define CV_BATCH_MAX (1u << 20)
#define CV_BLOB_REF_MAX 96u

/* An account is a namespace of rows with one version. The class is the top byte. */
typedef uint64_t cv_acct_id;
#define CV_ACCT_CLASS_SHIFT 56
enum cv_acct_class {
	CV_CLASS_USER = 1,     /* a mailbox owner: person, role, agency, application */
	CV_CLASS_BODY = 2,     /* reference counts of the bodies of one shard (volume) */
	CV_CLASS_REGISTER = 3, /* the provincial register */
	CV_CLASS_AUDIT = 4,    /* audit chain and counters */
	CV_CLASS_QUEUE = 5,    /* outbound queue */
	CV_CLASS_STATS = 6,    /* spam statistics and sign-up events */
	CV_CLASS_SYSTEM = 7    /* store-wide facts: clean shutdown mark, fence epoch, leases */
};
static inline cv_acct_id
cv_acct(enum cv_acct_class class_, uint64_t number)
{
	return ((uint64_t)class_ << CV_ACCT_CLASS_SHIFT) | number;
}

#define CV_VERSION_ANY UINT64_MAX /* commit whatever the version is (counters, append-only rows) */
/* A version of 0 means the account has no rows yet. */

struct cv_put {
	struct cv_str key;
	struct cv_str value; /* value.p NULL deletes the row (absent rows are fine) */
};
struct cv_batch {
	cv_acct_id acct;
	uint64_t expect;         /* the version read, or CV_VERSION_ANY */
	const struct cv_put *puts;
	size_t count;
	enum cv_status result;   /* OK, CONFLICT, LIMIT, ... for this batch */
	uint64_t version;        /* after the batch, when OK */
};

/* A promise of the disk: 0 is durable already. Tickets grow. */
typedef uint64_t cv_ticket;

/* Keys beginning with this byte go to the tree of large, rebuildable values. */
#define CV_KEY_SUMMARY 'S'

typedef bool cv_row_fn(void *arg, struct cv_str key, struct cv_str value); /* false stops */
struct cv_blob_put;

struct cv_engine_options {
	const char *dir;           /* created when absent, mode 0700 */
	size_t cache_bytes;        /* 0: 64 MB */
	uint64_t volume_bytes;     /* 0: 256 MB */
	bool with_blobs;           /* false: rows only (queue statistics) */
	unsigned checkpoint_secs;  /* 0: 60 */
	uint64_t checkpoint_log_bytes; /* 0: 64 MB */
	unsigned stuck_secs;       /* a thread longer than this inside ends the process; 0: 5 */
	/* For a copy whose volumes are fetched as they are read: called before N bytes at FROM of
	 * the file NAME in bodies/ are read; false when they cannot be had. NULL: they are there.
	 */
	bool (*fetch)(void *arg, const char *name, uint64_t from, uint64_t n);
	void *fetch_arg;
};

/* Statuses with which an engine ends its process at once, after a log line: the supervisor starts
 * it again, and opening recovers. */
enum {
	CV_EXIT_RECOVER = 81, /* the environment asks for recovery */
	CV_EXIT_SYNC = 82,    /* a sync failed: only recovery knows what the disk holds */
	CV_EXIT_STUCK = 83    /* a thread was stuck inside the engine */
};

struct cv_engine;

/* Opens (creating) the environment; recovers when the last owner died. *crashed_out tells, so that
 * the caller fences. CV_TEMPFAIL with a clear text when another process owns it. */
CV_MUST_CHECK enum cv_status cv_engine_open(const struct cv_engine_options *o,
                                            struct cv_engine **out, bool *crashed_out,
                                            struct cv_err *err);
/* Clean stop: everything durable, recovery not needed next time. */
void cv_engine_close(struct cv_engine *e);

/* Values of KEYS in one consistent read, in VALUES (one slice per key into *hold, p NULL when the
 * row is absent). *version_out is the account's version at that moment (may be NULL). */
CV_MUST_CHECK enum cv_status cv_meta_read(struct cv_engine *e, cv_acct_id acct,
                                          const struct cv_str *keys, size_t count,
                                          struct cv_str *values, struct cv_buf *hold,
                                          uint64_t *version_out, struct cv_err *err);
/* Rows with from <= key < to in key order, at most LIMIT (0: all). Fetched in bulk; FN runs after
 * the engine's locks are gone. Rows committed meanwhile may or may not be seen. TO empty: to the
 * end. */
CV_MUST_CHECK enum cv_status cv_meta_scan(struct cv_engine *e, cv_acct_id acct, struct cv_str from,
                                          struct cv_str to, size_t limit, cv_row_fn *fn, void *arg,
                                          struct cv_err *err);
/* Every account of CLASS_ that has rows, in order. */
CV_MUST_CHECK enum cv_status cv_meta_accts(struct cv_engine *e, enum cv_acct_class class_,
                                           bool (*fn)(void *arg, cv_acct_id acct, uint64_t version),
                                           void *arg, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_meta_versions(struct cv_engine *e, const cv_acct_id *accts,
                                              size_t count, uint64_t *versions_out,
                                              struct cv_err *err);
/* Commits without waiting for the disk. The status is OK when the commit itself worked, whatever
 * the batches' own results are. *ticket_out covers every batch that is OK. */
CV_MUST_CHECK enum cv_status cv_meta_commit(struct cv_engine *e, struct cv_batch *batches,
                                            size_t count, cv_ticket *ticket_out,
                                            struct cv_err *err);
/* Takes or renews the named lease for HOLDER until now + SECS; CV_DENIED while another holds it. */
CV_MUST_CHECK enum cv_status cv_meta_lease(struct cv_engine *e, struct cv_str name,
                                           struct cv_str holder, unsigned secs, struct cv_err *err);
/* All rows of ACCT as a byte stream, unless its version is at or below SINCE (then nothing is sent;
 * 0: always), and back. CV_CONFLICT when the account changed meanwhile: the stream has no end and
 * an import refuses it. Import replaces the account, whose version grows; until it is done (or,
 * after a crash, repeated) everything else on the account answers CV_RETRY. Bodies travel
 * separately by ref. */
typedef enum cv_status cv_sink_fn(void *arg, struct cv_str bytes, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_meta_export(struct cv_engine *e, cv_acct_id acct, uint64_t since,
                                            cv_sink_fn *sink, void *arg, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_meta_import(struct cv_engine *e, cv_acct_id acct,
                                            struct cv_str bytes, cv_ticket *ticket_out,
                                            struct cv_err *err);
/* Log archiving, checkpoint, copy of a consistent environment into DIR while running. */
CV_MUST_CHECK enum cv_status cv_engine_checkpoint(struct cv_engine *e, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_engine_backup(struct cv_engine *e, const char *dir,
                                              struct cv_err *err);
/* The same into the folder `backup` of the store itself, where sealed volumes cost no room, in
 * place of the copy that was there; *PATH_OUT (a new string) names it. CV_FULL when the copied rows
 * would leave the disk too little. cv_engine_unstage() removes it: what was copied is elsewhere. */
CV_MUST_CHECK enum cv_status cv_engine_stage(struct cv_engine *e, char **path_out,
                                             struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_engine_unstage(struct cv_engine *e, struct cv_err *err);

/* ---- tickets: the flusher ---- */
/* A waiter lives in the caller's memory until fn was called. FN runs on the flusher thread, in
 * ticket order, and must be quick (wake a connection). */
struct cv_waiter {
	cv_ticket ticket;
	void (*fn)(struct cv_waiter *w);
	struct cv_waiter *next;
};
/* Calls w->fn when TICKET is durable; at once, on this thread, when it already is. */
void cv_ticket_wait(struct cv_engine *e, cv_ticket ticket, struct cv_waiter *w);
bool cv_ticket_is_durable(struct cv_engine *e, cv_ticket ticket);
/* Blocks until durable: for pool threads and tools. */
void cv_ticket_block(struct cv_engine *e, cv_ticket ticket);

/* ---- bodies ---- */
struct cv_blob_ref {
	uint8_t bytes[CV_BLOB_REF_MAX];
	uint8_t n;
};
struct cv_blob_stat {
	uint64_t size_bytes;     /* of the body */
	uint64_t stored_bytes;   /* on disk, after compression */
	uint8_t sha256[32];
};
/* Writes one body of SIZE_BYTES (known). Several puts may be under way at once. */
CV_MUST_CHECK enum cv_status cv_blob_begin(struct cv_engine *e, struct cv_str delivery_id,
                                           uint64_t size_bytes, struct cv_blob_put **out,
                                           struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_blob_write(struct cv_blob_put *p, struct cv_str bytes,
                                           struct cv_err *err);
/* The ref is usable at once and durable with any ticket taken afterwards. Frees P in every case. */
CV_MUST_CHECK enum cv_status cv_blob_finish(struct cv_blob_put *p, struct cv_blob_ref *ref_out,
                                            struct cv_err *err);
void cv_blob_abort(struct cv_blob_put *p);
/* Sends [offset, offset + length) to SINK in pieces; reads past the end are cut. CV_CORRUPT when
 * the stored bytes fail their check. */
CV_MUST_CHECK enum cv_status cv_blob_read(struct cv_engine *e, const struct cv_blob_ref *ref,
                                          uint64_t offset, uint64_t length, cv_sink_fn *sink,
                                          void *arg, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_blob_stat(struct cv_engine *e, const struct cv_blob_ref *ref,
                                          struct cv_blob_stat *out, struct cv_err *err);
/* Marks the body dead; its space comes back when the volume is compacted (cv_engine_compact). */
CV_MUST_CHECK enum cv_status cv_blob_remove(struct cv_engine *e, const struct cv_blob_ref *ref,
                                            struct cv_err *err);
/* Every body record in the volumes, dead ones flagged: for `store check`. */
typedef bool cv_blob_fn(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead);
CV_MUST_CHECK enum cv_status cv_blob_each(struct cv_engine *e, cv_blob_fn *fn, void *arg,
                                          struct cv_err *err);
/* The account of class BODY that holds REF's count row, and that row's key ("C" + place in the
 * volume, so that counts of one volume lie in the order of the bodies). */
cv_acct_id cv_blob_acct(const struct cv_blob_ref *ref);
void cv_blob_count_key(const struct cv_blob_ref *ref, struct cv_buf *key_out);

/* After an open that found a crash: the count rows whose bodies did not survive (only a power
 * failure takes any, and none that was acknowledged). The caller removes these and the rows whose
 * ref has that cv_blob_acct() and cv_blob_count_key(). A lost body's place is never given to
 * another. */
typedef bool cv_lost_fn(void *arg, cv_acct_id acct, struct cv_str count_key); /* false stops */
CV_MUST_CHECK enum cv_status cv_engine_lost_bodies(struct cv_engine *e, cv_lost_fn *fn, void *arg,
                                                   struct cv_err *err);

/* Gives back the room of removed bodies in volumes that are dead by at least DEAD_PERCENT of their
 * bytes, reading and writing at most BYTES_PER_SEC (0: no limit). Refs stay valid. Runs as long as
 * it takes, beside everything but a backup, for which it ends early: for a thread that has time. */
CV_MUST_CHECK enum cv_status cv_engine_compact(struct cv_engine *e, unsigned dead_percent,
                                               uint64_t bytes_per_sec, uint64_t *freed_out,
                                               struct cv_err *err);
/* The store is about to close: a compaction under way ends soon, and no other begins. */
void cv_engine_end_compaction(struct cv_engine *e);

struct cv_engine_stats {
	uint64_t commits, batches, conflicts, deadlocks, flushes, checkpoints, blob_bytes,
		log_bytes;
	uint64_t waiters; /* answers parked now */
};
void cv_engine_stats(struct cv_engine *e, struct cv_engine_stats *out);

#endif
