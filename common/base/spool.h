/* spool.h - a message on its way: in memory while small, in an unlinked file when large.
 *
 * Written once from front to back, then read at any offset. Nothing here is durable: it is the
 * work space between a peer's DATA and the store. Belongs to one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SPOOL_H
#define CV_SPOOL_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_SPOOL_MEMORY_BYTES (256u << 10)
/* All spools of the process together hold about so much in memory; above it each goes to its file
 * once it has more than CV_SPOOL_SMALL_BYTES, so that many slow senders cannot fill the memory. */
#define CV_SPOOL_TOTAL_BYTES (64u << 20)
#define CV_SPOOL_SMALL_BYTES (8u << 10)

struct cv_spool {
	struct cv_buf mem;
	int fd; /* -1 while in memory */
	uint64_t size_bytes;
	const char *dir;       /* where the file goes; kept, not copied */
	enum cv_status failed; /* a write failed; all later writes are no-ops */
	size_t counted;        /* of the memory of all spools */
};

void cv_spool_init(struct cv_spool *s, const char *dir);
void cv_spool_done(struct cv_spool *s);
void cv_spool_reset(struct cv_spool *s);
/* CV_FULL or CV_TEMPFAIL when the file cannot be written. */
CV_MUST_CHECK enum cv_status cv_spool_write(
	struct cv_spool *s, struct cv_str bytes, struct cv_err *err);
/* Reads up to N bytes at OFFSET into P; *n_out is less than N only at the end. */
CV_MUST_CHECK enum cv_status cv_spool_read(
	struct cv_spool *s, uint64_t offset, void *p, size_t n, size_t *n_out, struct cv_err *err);
/* Memory that all spools hold now. */
size_t cv_spool_memory_total(void);
/* The whole content as one slice, valid until the spool changes: memory, or a private map. */
CV_MUST_CHECK enum cv_status cv_spool_map(
	struct cv_spool *s, struct cv_str *view_out, struct cv_err *err);
void cv_spool_unmap(struct cv_spool *s, struct cv_str view);

#endif
