/* stats.h - the filter's small tables: one engine in stats_dir, one account a table.
 *
 * Statistics may be lost, mail may not: nothing here waits for the disk, and a table keeps its
 * changes in memory and writes them behind (spam_stats_behind()). Without a folder there is no
 * engine and nothing is kept. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_STATS_H
#define SPAM_STATS_H

#include "common/store/engine.h"

#define SPAM_STATS_CACHE_BYTES (16u << 20)
#define SPAM_STATS_FLUSH_SECS  10
#define SPAM_STATS_TABLES_MAX  16

/* The tables: numbers are on disk and never change. */
enum spam_stats_table {
	SPAM_TABLE_SIGNUPS = 1,
	SPAM_TABLE_AGENCIES = 2,       /* verdicts by agency and day */
	SPAM_TABLE_DMARC = 3,          /* rows of aggregate reports */
	SPAM_TABLE_REPUTATION = 4,
	SPAM_TABLE_GREYLIST = 5,
	SPAM_TABLE_CORRESPONDENTS = 6,
	SPAM_TABLE_QUARANTINE = 7,
	SPAM_TABLE_COPIES = 20, /* sketches of texts */
	SPAM_TABLE_BURSTS = 21  /* accounts that send */
};
cv_acct_id spam_stats_acct(enum spam_stats_table table);

struct spam_stats;

/* DIR is stats_dir; NULL or "": nothing is kept. */
CV_MUST_CHECK enum cv_status spam_stats_open(
	const char *dir, struct spam_stats **out, struct cv_err *err);
/* Frees all; nobody may call in any more. NULL is fine. */
void spam_stats_close(struct spam_stats *st);
/* Writes what is behind and closes the engine for good while others may still call in. */
void spam_stats_stop(struct spam_stats *st);

/* The engine, held open until spam_stats_done(); NULL, with nothing held, when nothing is kept. Not
 * to be held while waiting for a peer. */
struct cv_engine *spam_stats_engine(struct spam_stats *st);
void spam_stats_done(struct spam_stats *st);

/* FN(ARG) writes what a table has in memory: every SPAM_STATS_FLUSH_SECS, and once more when the
 * engine is about to close. It runs on the one writing thread, with the engine held for it. Before
 * spam_stats_start(). */
void spam_stats_behind(
	struct spam_stats *st, void (*fn)(struct cv_engine *e, void *arg), void *arg);
/* Starts the writing thread; not before the sandbox is entered. */
CV_MUST_CHECK enum cv_status spam_stats_start(struct spam_stats *st, struct cv_err *err);

/* Deletes the rows with FROM <= key < TO, some thousands at most in one call; how many in
 * *COUNT_OUT (may be NULL). */
CV_MUST_CHECK enum cv_status spam_stats_sweep(struct cv_engine *e, enum spam_stats_table table,
	struct cv_str from, struct cv_str to, size_t *count_out, struct cv_err *err);
/* Days in Việt Nam since 1970. */
uint32_t spam_stats_today(void);

#endif
