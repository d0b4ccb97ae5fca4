/* base.h - the words every other file is written in: attributes, sizes, statuses.
 *
 * Threads: everything here is either constant or thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_BASE_H
#define CV_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CV_MUST_CHECK         __attribute__((warn_unused_result))
#define CV_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define CV_UNUSED             __attribute__((unused))
#define CV_NORETURN           __attribute__((noreturn))
#define CV_COUNT(array)       (sizeof(array) / sizeof((array)[0]))
#define CV_MIN(a, b)          ((a) < (b) ? (a) : (b))
#define CV_MAX(a, b)          ((a) > (b) ? (a) : (b))

/* The structure of type TYPE whose member MEMBER is at PTR. */
#define CV_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* What a function that can fail answers. Few codes, each with one meaning in every layer. */
enum cv_status {
	CV_OK = 0,
	CV_NOT_FOUND, /* the thing named does not exist */
	CV_EXISTS,    /* it exists already */
	CV_DENIED,    /* the caller may not */
	CV_INVALID,   /* the input breaks a grammar or a rule */
	CV_LIMIT,     /* the input is larger or deeper than a hard limit */
	CV_OVERQUOTA, /* the mailbox's owner has no room left */
	CV_CONFLICT,  /* the account changed since it was read: read again, try again */
	CV_UNKNOWN,   /* a commit was sent and no answer came: look the delivery id up */
	CV_MOVED,     /* the account lives elsewhere */
	CV_FULL,      /* the disk is full */
	CV_RETRY,     /* a passing fault inside; the same call may succeed */
	CV_TEMPFAIL,  /* a service is down or failed; try again later */
	CV_AGAIN,     /* nothing to read or no room to write now */
	CV_EOF,       /* the peer or the file ended */
	CV_CORRUPT    /* stored bytes fail their check */
};

/* The English word of STATUS ("not found"), for logs. Never NULL. */
const char *cv_status_name(enum cv_status status);

/* Writes a message to stderr and aborts: memory ran out or a promise of our own was broken. */
CV_NORETURN void cv_die(const char *fmt, ...) CV_PRINTF(1, 2);

/* malloc, calloc, realloc and strdup that end the process when memory runs out. */
void *cv_malloc(size_t n);
void *cv_calloc(size_t count, size_t n);
void *cv_realloc(void *p, size_t n);
char *cv_strdup(const char *s);
char *cv_strndup(const char *s, size_t n);

#endif
