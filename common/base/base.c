/* base.c - status names, and allocation that ends the process instead of failing. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/base.h"

#include <unistd.h>

const char *
cv_status_name(enum cv_status status)
{
	static const char *const names[] = {
		[CV_OK] = "ok",
		[CV_NOT_FOUND] = "not found",
		[CV_EXISTS] = "exists already",
		[CV_DENIED] = "denied",
		[CV_INVALID] = "invalid",
		[CV_LIMIT] = "over a limit",
		[CV_OVERQUOTA] = "over quota",
		[CV_CONFLICT] = "conflict",
		[CV_UNKNOWN] = "outcome unknown",
		[CV_MOVED] = "moved elsewhere",
		[CV_FULL] = "disk full",
		[CV_RETRY] = "passing fault",
		[CV_TEMPFAIL] = "temporary failure",
		[CV_AGAIN] = "nothing now",
		[CV_EOF] = "end",
		[CV_CORRUPT] = "corrupt",
	};
	size_t i = (size_t)status;
	return i < CV_COUNT(names) ? names[i] : "no such status";
}

void
cv_die(const char *fmt, ...)
{
	/* One write, no allocation: memory may just have run out. */
	char why[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	dprintf(STDERR_FILENO, "fatal: %s\n", why);
	abort();
}

/* The answer for size 0 is one byte, so that NULL always means failure. */
void *
cv_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (!p)
		cv_die("out of memory (%zu bytes wanted)", n);
	return p;
}

void *
cv_calloc(size_t count, size_t n)
{
	void *p = count && n ? calloc(count, n) : calloc(1, 1);
	if (!p)
		cv_die("out of memory (%zu times %zu bytes wanted)", count, n);
	return p;
}

void *
cv_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (!q)
		cv_die("out of memory (%zu bytes wanted)", n);
	return q;
}

char *
cv_strdup(const char *s)
{
	return cv_strndup(s, strlen(s));
}

char *
cv_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = cv_malloc(len + 1);
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}
