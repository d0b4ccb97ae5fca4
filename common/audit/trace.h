/* trace.h - the course of every message, kept for weeks apart from the log, for `congvu trace`.
 *
 * A record is a line, one JSON object: {"m": id of the message, "t": Unix milliseconds,
 * "e": event, ...}. Records gather in memory and are written by a thread of their own, so that no
 * delivery waits for them; a crash loses at most the last half second, a disk that is full loses
 * records and says so, never mail. Segments (up to 64 MB, named by the time of their first record)
 * are deleted when they are older than the limit of days, or when all together are larger than the
 * limit of bytes.
 *
 * Addresses and message ids are personal data: folder 0700, files 0600, no subjects, no content.
 * The reader works on the files alone, so it serves while the daemon is down. It reads them from
 * end to end (docs/adr/0042).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TRACE_H
#define CV_TRACE_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct cv_trace;

/* Makes DIR when it is missing. DAYS 0: nothing is kept. */
CV_MUST_CHECK enum cv_status cv_trace_open(const char *dir, unsigned days, uint64_t max_bytes,
                                           struct cv_trace **out, struct cv_err *err);
/* Writes what is left. */
void cv_trace_close(struct cv_trace *t);
void cv_trace_limits(struct cv_trace *t, unsigned days, uint64_t max_bytes);
/* Writes what has gathered, now. */
void cv_trace_flush(struct cv_trace *t);

struct cv_trace_field {
	const char *key;
	struct cv_str value; /* left out when empty; cut at 600 bytes */
	bool is_address;     /* kept in lower case, as it will be looked for */
};
/* Any thread; cheap; never waits for the disk. T may be NULL. */
void cv_trace_put(struct cv_trace *t, struct cv_str id, const char *event,
                  const struct cv_trace_field *fields, size_t count);
#define CV_TRACE(t, id, event, ...)                                                                \
	cv_trace_put(t, id, event, (const struct cv_trace_field[]){__VA_ARGS__},                   \
	             CV_COUNT(((const struct cv_trace_field[]){__VA_ARGS__})))

/* ---- reading ---- */
struct cv_trace_query {
	struct cv_str term;          /* a whole value: message id, address, queue id, Message-ID */
	int64_t since_ms, until_ms;  /* 0: no limit */
	size_t messages_max;         /* stop gathering behind so many */
};
/* Calls FN with every record of every message that has TERM in some record, in the order written;
 * false stops. *MORE_OUT: there were more messages than wanted. */
typedef bool cv_trace_fn(void *arg, struct cv_str line);
CV_MUST_CHECK enum cv_status cv_trace_search(const char *dir, const struct cv_trace_query *q,
                                             cv_trace_fn *fn, void *arg, bool *more_out,
                                             struct cv_err *err);

#endif
