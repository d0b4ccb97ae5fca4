/* arena.c - blocks of 4 KB growing to 64 KB; what is larger than a quarter of that gets its own.
 *
 * Under AddressSanitizer the free part of a block is poisoned and pieces are kept apart, so that
 * running over the end of one is caught as it would be with malloc.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define GAP_BYTES 16u
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define GAP_BYTES                         0u
#endif

#define ALIGN          ((size_t)16)
#define SMALLEST_BLOCK ((size_t)4096)
#define LARGEST_BLOCK  ((size_t)65536)
#define OWN_BLOCK      (LARGEST_BLOCK / 4)

struct cv_arena_block {
	struct cv_arena_block *next;
	size_t cap; /* bytes in data */
	size_t n;   /* bytes given out */
	_Alignas(16) char data[];
};

static void
free_block(struct cv_arena_block *block)
{
	ASAN_UNPOISON_MEMORY_REGION(block->data, block->cap);
	free(block);
}

static struct cv_arena_block *
new_block(size_t cap)
{
	struct cv_arena_block *block = cv_malloc(sizeof *block + cap);
	block->next = NULL;
	block->cap = cap;
	block->n = 0;
	ASAN_POISON_MEMORY_REGION(block->data, cap);
	return block;
}

void
cv_arena_done(struct cv_arena *a)
{
	while (a->blocks) {
		struct cv_arena_block *block = a->blocks;
		a->blocks = block->next;
		free_block(block);
	}
	a->used_bytes = 0;
}

void
cv_arena_reset(struct cv_arena *a)
{
	struct cv_arena_block *kept = NULL;
	while (a->blocks) {
		struct cv_arena_block *block = a->blocks;
		a->blocks = block->next;
		if (!kept && block->cap == SMALLEST_BLOCK - sizeof *block)
			kept = block;
		else
			free_block(block);
	}
	a->used_bytes = 0;
	if (!kept)
		return;
	kept->next = NULL;
	kept->n = 0;
	ASAN_POISON_MEMORY_REGION(kept->data, kept->cap);
	a->blocks = kept;
}

/* A piece too large to share a block goes behind the newest one, which still has room. */
static struct cv_arena_block *
add_own_block(struct cv_arena *a, size_t n)
{
	struct cv_arena_block *block = new_block(n);
	if (a->blocks) {
		block->next = a->blocks->next;
		a->blocks->next = block;
	} else {
		a->blocks = block;
	}
	return block;
}

static struct cv_arena_block *
block_for(struct cv_arena *a, size_t n)
{
	struct cv_arena_block *newest = a->blocks;
	if (newest && n <= newest->cap - newest->n)
		return newest;
	if (n > OWN_BLOCK)
		return add_own_block(a, n);
	size_t total = SMALLEST_BLOCK;
	if (newest)
		total = CV_MIN((newest->cap + sizeof *newest) * 2, LARGEST_BLOCK);
	while (total - sizeof *newest < n)
		total *= 2;
	struct cv_arena_block *block = new_block(total - sizeof *block);
	block->next = newest;
	a->blocks = block;
	return block;
}

void *
cv_arena_alloc(struct cv_arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		cv_die("out of memory (%zu bytes wanted from an arena)", n);
	size_t whole = ((n ? n : 1) + GAP_BYTES + ALIGN - 1) & ~(ALIGN - 1);
	struct cv_arena_block *block = block_for(a, whole);
	char *p = block->data + block->n;
	block->n += whole;
	a->used_bytes += whole;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return memset(p, 0, n);
}

void *
cv_arena_array(struct cv_arena *a, size_t count, size_t n)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, n, &bytes))
		cv_die("an array of %zu times %zu bytes is too large", count, n);
	return cv_arena_alloc(a, bytes);
}

struct cv_str
cv_arena_str(struct cv_arena *a, struct cv_str s)
{
	return cv_str(cv_arena_z(a, s), s.n);
}

char *
cv_arena_z(struct cv_arena *a, struct cv_str s)
{
	char *copy = cv_arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(copy, s.p, s.n);
	return copy;
}

struct cv_str
cv_arena_printf(struct cv_arena *a, const char *fmt, ...)
{
	char small[256];
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(small, sizeof small, fmt, args);
	va_end(args);
	if (n < 0)
		cv_die("cannot format \"%s\"", fmt);
	char *p = cv_arena_alloc(a, (size_t)n + 1);
	if ((size_t)n < sizeof small)
		memcpy(p, small, (size_t)n);
	else
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return cv_str(p, (size_t)n);
}
