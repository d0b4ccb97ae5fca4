/* str.c - comparing, searching, cutting and reading slices. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/str.h"

static int
compare_lengths(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int
compare_folded(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int diff = cv_lower((unsigned char)a[i]) - cv_lower((unsigned char)b[i]);
		if (diff)
			return diff;
	}
	return 0;
}

bool
cv_str_eq(struct cv_str a, struct cv_str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool
cv_str_eq_z(struct cv_str a, const char *z)
{
	return cv_str_eq(a, cv_str_z(z));
}

bool
cv_str_ieq(struct cv_str a, struct cv_str b)
{
	return a.n == b.n && !compare_folded(a.p, b.p, a.n);
}

bool
cv_str_ieq_z(struct cv_str a, const char *z)
{
	return cv_str_ieq(a, cv_str_z(z));
}

int
cv_str_cmp(struct cv_str a, struct cv_str b)
{
	size_t n = CV_MIN(a.n, b.n);
	int diff = n ? memcmp(a.p, b.p, n) : 0;
	return diff ? diff : compare_lengths(a.n, b.n);
}

int
cv_str_icmp(struct cv_str a, struct cv_str b)
{
	int diff = compare_folded(a.p, b.p, CV_MIN(a.n, b.n));
	return diff ? diff : compare_lengths(a.n, b.n);
}

bool
cv_str_has_prefix(struct cv_str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && cv_str_eq_z(cv_str_sub(s, 0, n), prefix);
}

bool
cv_str_has_iprefix(struct cv_str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && cv_str_ieq_z(cv_str_sub(s, 0, n), prefix);
}

bool
cv_str_has_suffix(struct cv_str s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n >= n && cv_str_eq_z(cv_str_sub(s, s.n - n, s.n), suffix);
}

bool
cv_str_has_isuffix(struct cv_str s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n >= n && cv_str_ieq_z(cv_str_sub(s, s.n - n, s.n), suffix);
}

size_t
cv_str_find(struct cv_str s, char byte, size_t from)
{
	if (from >= s.n)
		return s.n;
	const char *at = memchr(s.p + from, byte, s.n - from);
	return at ? (size_t)(at - s.p) : s.n;
}

size_t
cv_str_search(struct cv_str s, struct cv_str needle)
{
	if (!needle.n)
		return 0;
	if (needle.n > s.n)
		return s.n;
	const char *at = memmem(s.p, s.n, needle.p, needle.n);
	return at ? (size_t)(at - s.p) : s.n;
}

size_t
cv_str_isearch(struct cv_str s, struct cv_str needle)
{
	if (!needle.n)
		return 0;
	if (needle.n > s.n)
		return s.n;
	unsigned char first = cv_lower((unsigned char)needle.p[0]);
	for (size_t i = 0; i <= s.n - needle.n; i++)
		if (cv_lower((unsigned char)s.p[i]) == first &&
			!compare_folded(s.p + i, needle.p, needle.n))
			return i;
	return s.n;
}

struct cv_str
cv_str_sub(struct cv_str s, size_t from, size_t to)
{
	if (!s.p)
		return CV_STR_EMPTY;
	to = CV_MIN(to, s.n);
	from = CV_MIN(from, to);
	return cv_str(s.p + from, to - from);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct cv_str
cv_str_trim(struct cv_str s)
{
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n && is_blank(s.p[0]))
		s = cv_str(s.p + 1, s.n - 1);
	return s;
}

bool
cv_str_split(struct cv_str *rest, char sep, struct cv_str *part_out)
{
	*part_out = CV_STR_EMPTY;
	if (!rest->p)
		return false;
	size_t at = cv_str_find(*rest, sep, 0);
	*part_out = cv_str_sub(*rest, 0, at);
	*rest = at == rest->n ? CV_STR_EMPTY : cv_str_sub(*rest, at + 1, rest->n);
	return true;
}

enum cv_status
cv_str_u64(struct cv_str s, uint64_t max, uint64_t *value_out)
{
	uint64_t value = 0;
	bool over = false;
	*value_out = 0;
	if (!s.n)
		return CV_INVALID;
	for (size_t i = 0; i < s.n; i++) {
		if (!cv_is_digit((unsigned char)s.p[i]))
			return CV_INVALID;
		unsigned digit = (unsigned)(s.p[i] - '0');
		/* Keep reading past the limit: a letter later on still makes it invalid. */
		over = over || value > (UINT64_MAX - digit) / 10;
		value = over ? 0 : value * 10 + digit;
	}
	if (over || value > max)
		return CV_LIMIT;
	*value_out = value;
	return CV_OK;
}

char *
cv_str_dup(struct cv_str s)
{
	char *copy = cv_malloc(s.n + 1);
	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

bool
cv_equal_secret(const void *a, const void *b, size_t n)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char diff = 0;
	for (size_t i = 0; i < n; i++)
		diff = (unsigned char)(diff | (x[i] ^ y[i]));
	return !diff;
}

void
cv_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

uint64_t
cv_hash(const void *p, size_t n, uint64_t seed)
{
	const unsigned char *s = p;
	uint64_t h = 0xcbf29ce484222325u ^ seed;
	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h;
}
