/* journal.h - acts: changes of any size that happen wholly or not at all, and can be taken back.
 * Private to the folder; handlers use reg_commit_act() of registry_impl.h.
 *
 * A batch of the engine is at most 1 MB, an act may touch every row of the register. So:
 *   1. staged: the old and new value of every row goes into pages, in as many batches as needed;
 *   2. switched on: one small batch makes the head say ON, together with the audit event. From
 *      here on the act has happened, whatever becomes of the process;
 *   3. rolled forward: the new values are written from the pages, batch by batch; then the head
 *      says DONE. Writing them twice is the same as once.
 * Loading the register rolls an act that is ON forward and removes one that is only staged before
 * it reads a single row, and nobody reads the rows meanwhile (the registry's lock is held), so
 * nobody ever sees half an act. A small act is one batch.
 *
 * Rows (of the register's account; the model does not hold them):
 *   JC                    number of the next act
 *   JH + number           head
 *   JP + number + page    entries: key, then the old and the new value, each there or not
 * Heads stay DAYS and pages with them; the oldest go earlier when all together are too many bytes.
 * A journal holds what the rows held: keys made of passwords too, until it expires.
 *
 * Threads: under the registry's lock.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_JOURNAL_H
#define CV_REGISTER_JOURNAL_H

#include "common/register/registry_impl.h"

#define REG_JOURNAL_DAYS 30
#define REG_JOURNAL_SECS (REG_JOURNAL_DAYS * (int64_t)86400)
#define REG_JOURNAL_BYTES ((uint64_t)512 << 20) /* of all pages */
#define REG_ACT_BYTES ((uint64_t)128 << 20)     /* of the pages of one act */

/* One row of an act. NULL values: there was, or is, no row. Slices live as long as the call. */
struct reg_entry {
	struct cv_str key, old, new;
};

/* Reads the heads, finishes acts that are ON, removes staged ones. For load(). */
CV_MUST_CHECK enum cv_status reg_journal_recover(struct cv_registry *r, struct cv_err *err);
/* Removes acts older than the limit, and the oldest until ROOM bytes fit. */
CV_MUST_CHECK enum cv_status reg_journal_expire(struct cv_registry *r, uint64_t room,
                                                struct cv_err *err);
void reg_journal_done(struct reg_journal *j);
struct reg_act *reg_journal_find(struct reg_journal *j, uint64_t id);
/* The act after ID that took ID back and was not taken back itself; NULL: ID stands. */
const struct reg_act *reg_journal_undone_by(const struct reg_journal *j, uint64_t id);
/* All entries of ACT, in C's arena. */
CV_MUST_CHECK enum cv_status reg_journal_entries(struct reg_call *c, const struct reg_act *act,
                                                 struct reg_entry **out, size_t *count_out,
                                                 struct cv_err *err);
/* What the rows of ENTRIES hold now, in C's arena, in their order. */
CV_MUST_CHECK enum cv_status reg_journal_values(struct reg_call *c, const struct reg_entry *entries,
                                                size_t count, struct cv_str *values,
                                                struct cv_err *err);
/* reg_commit_act() as the taking back of act UNDOES. */
CV_MUST_CHECK enum cv_status reg_journal_commit(struct reg_call *c, const char *action,
                                                const char *object, json_t *detail, uint64_t undoes,
                                                struct cv_err *err);

/* ---- registry_rows.c ---- */
enum reg_row_shape {
	REG_ROW_ONE,    /* the letter is the whole key */
	REG_ROW_TEXT,   /* a name: address, code */
	REG_ROW_ACCT,   /* the number of an account first */
	REG_ROW_LINK,   /* two accounts: the owner first */
	REG_ROW_ITEM    /* a number of its own */
};
struct reg_row_kind {
	char letter;
	enum reg_row_shape shape;
	const char *name, *name_vi;
};
/* NULL for a row that no release up to this one knows. */
const struct reg_row_kind *reg_row_kind(struct cv_str key);
/* {"kind", "kind_vi", "name"} of the row KEY, for people. */
json_t *reg_row_json(const struct reg_model *m, struct cv_str key);

#endif
