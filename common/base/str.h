/* str.h - slices of bytes that belong to somebody else.
 *
 * Bytes from outside are never assumed to end in NUL: they travel as a pointer and a length.
 * A slice owns nothing and is valid as long as the buffer it points into.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_STR_H
#define CV_STR_H

#include <string.h>

#include "common/base/base.h"

struct cv_str {
	const char *p; /* may be NULL when n is 0 */
	size_t n;
};

/* For printf's %.*s; longer slices are cut, which is right for messages. */
#define CV_STR_ARGS(s)  (int)((s).n > 1024 ? 1024 : (s).n), ((s).p ? (s).p : "")
#define CV_STR(literal) ((struct cv_str){(literal), sizeof(literal) - 1})
#define CV_STR_EMPTY    ((struct cv_str){NULL, 0})

static inline struct cv_str
cv_str(const char *p, size_t n)
{
	return (struct cv_str){p, n};
}

static inline struct cv_str
cv_str_z(const char *z)
{
	return (struct cv_str){z, z ? strlen(z) : 0};
}

bool cv_str_eq(struct cv_str a, struct cv_str b);
bool cv_str_eq_z(struct cv_str a, const char *z);
/* ASCII case folded; bytes above 127 compare as they are. */
bool cv_str_ieq(struct cv_str a, struct cv_str b);
bool cv_str_ieq_z(struct cv_str a, const char *z);
int cv_str_cmp(struct cv_str a, struct cv_str b);
int cv_str_icmp(struct cv_str a, struct cv_str b);
bool cv_str_has_prefix(struct cv_str s, const char *prefix);
bool cv_str_has_iprefix(struct cv_str s, const char *prefix);
bool cv_str_has_suffix(struct cv_str s, const char *suffix);
bool cv_str_has_isuffix(struct cv_str s, const char *suffix);

/* The index of the first BYTE at or after FROM, or s.n when there is none. */
size_t cv_str_find(struct cv_str s, char byte, size_t from);
/* The index of the first NEEDLE (exact bytes / ASCII case folded), or s.n. */
size_t cv_str_search(struct cv_str s, struct cv_str needle);
size_t cv_str_isearch(struct cv_str s, struct cv_str needle);
/* [from, to) of S, both clamped to its length. */
struct cv_str cv_str_sub(struct cv_str s, size_t from, size_t to);
/* Without blanks, tabs, CR and LF at both ends. */
struct cv_str cv_str_trim(struct cv_str s);
/* Cuts the part before the first SEP off *REST and returns it; without SEP all of *REST.
 * False in the result means *REST was already exhausted (p == NULL). */
bool cv_str_split(struct cv_str *rest, char sep, struct cv_str *part_out);

/* Decimal digits only, no sign, no blanks, nothing after: else CV_INVALID; above MAX CV_LIMIT. */
CV_MUST_CHECK enum cv_status cv_str_u64(struct cv_str s, uint64_t max, uint64_t *value_out);

/* A NUL-terminated copy on the heap; the caller frees it. */
char *cv_str_dup(struct cv_str s);

/* Compares N bytes in time that does not depend on where they differ. */
bool cv_equal_secret(const void *a, const void *b, size_t n);
/* Overwrites a secret so that the compiler may not drop it. */
void cv_wipe(void *p, size_t n);

static inline unsigned char
cv_lower(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') ? (unsigned char)(c + 32) : c;
}
static inline bool
cv_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}
static inline bool
cv_is_alpha(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* FNV-1a with a final mix: hash tables of trusted or seeded keys only. */
uint64_t cv_hash(const void *p, size_t n, uint64_t seed);

#endif
