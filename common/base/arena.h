/* arena.h - memory that is given back all at once.
 *
 * A command takes everything it needs from its connection's arena; cv_arena_reset() at its end
 * gives it back whole and keeps one block for the next command. Running out of memory ends the
 * process; limits on input keep peers from causing it. Not thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ARENA_H
#define CV_ARENA_H

#include "common/base/str.h"

struct cv_arena_block;

struct cv_arena {
	struct cv_arena_block *blocks; /* newest first */
	size_t used_bytes;             /* handed out since the last reset */
};

#define CV_ARENA_INIT ((struct cv_arena){0})

void cv_arena_done(struct cv_arena *a);  /* frees everything */
void cv_arena_reset(struct cv_arena *a); /* forgets everything, keeps at most one small block */
/* Aligned for any type; zeroed. Valid until reset or done. */
void *cv_arena_alloc(struct cv_arena *a, size_t n);
#define CV_ARENA_NEW(arena, type)          ((type *)cv_arena_alloc((arena), sizeof(type)))
#define CV_ARENA_ARRAY(arena, type, count) ((type *)cv_arena_array((arena), (count), sizeof(type)))
void *cv_arena_array(struct cv_arena *a, size_t count, size_t n); /* dies on overflow */
struct cv_str cv_arena_str(struct cv_arena *a, struct cv_str s);  /* copy, NUL behind it */
char *cv_arena_z(struct cv_arena *a, struct cv_str s);            /* NUL-terminated copy */
struct cv_str cv_arena_printf(struct cv_arena *a, const char *fmt, ...) CV_PRINTF(2, 3);

#endif
