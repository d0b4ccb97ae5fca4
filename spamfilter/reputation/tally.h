/* tally.h - a table of small counters by key that can never outgrow its room.
 *
 * Peers choose the keys (domains, networks, addresses), so the table is of one size for ever: a key
 * belongs to one bucket of eight, and a new key in a full bucket takes the place of the one that
 * was touched longest ago. Everything is in memory; what changed is written behind to rows of the
 * statistics, a bucket a row, and read again at the next start. A crash loses what was counted
 * since the last writing, which statistics may.
 *
 * Threads: all calls from any thread; an update sees no other of the same key in between.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_TALLY_H
#define SPAM_TALLY_H

#include "common/store/engine.h"

#define SPAM_TALLY_COUNTS 4

struct spam_tally;

struct spam_tally_options {
	cv_acct_id acct;      /* whose rows these are; this table's alone */
	uint32_t entries_max; /* 8 to 2^27; an entry takes 40 bytes */
	uint32_t keep_secs;   /* an entry untouched for longer is as good as gone */
};

/* A digest of what is counted: equal keys are equal things, whoever chose their names. */
struct spam_tally_key {
	uint64_t high, low;
};
/* KIND tells apart what shares a table; PARTS are taken with their lengths, so that "a","bc" is not
 * "ab","c". */
struct spam_tally_key spam_tally_key(char kind, const struct cv_str *parts, size_t count);

struct spam_tally_entry {
	uint32_t counts[SPAM_TALLY_COUNTS];
	uint32_t first_secs, last_secs; /* Unix time; both 0 in an entry that was not there */
};

/* Reads the rows of ENGINE; NULL: an empty table. CV_CORRUPT never: rows that cannot be read are
 * passed over, and logged. */
CV_MUST_CHECK enum cv_status spam_tally_open(const struct spam_tally_options *o,
	struct cv_engine *engine, struct spam_tally **out, struct cv_err *err);
/* What was not written is lost. NULL is fine. */
void spam_tally_close(struct spam_tally *t);

/* False, and an empty entry, when there is none. */
bool spam_tally_get(
	struct spam_tally *t, struct spam_tally_key key, struct spam_tally_entry *out);
/* FN changes the counts (and first_secs, if it likes) of the entry, made when missing; it must be
 * quick. */
typedef void spam_tally_fn(struct spam_tally_entry *entry, void *arg);
void spam_tally_update(
	struct spam_tally *t, struct spam_tally_key key, spam_tally_fn *fn, void *arg);
/* Adds N to the count at INDEX, which stays at its largest value; answers the entry then. */
struct spam_tally_entry spam_tally_add(
	struct spam_tally *t, struct spam_tally_key key, unsigned index, uint32_t n);

/* Writes every bucket that changed since the last time; any thread may, one at a time does. */
CV_MUST_CHECK enum cv_status spam_tally_write(
	struct spam_tally *t, struct cv_engine *engine, struct cv_err *err);
/* Entries in use now, and the bytes of memory the table takes. */
size_t spam_tally_used(struct spam_tally *t);
size_t spam_tally_bytes(const struct spam_tally *t);

#endif
