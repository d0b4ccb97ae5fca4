/* err.h - one code and one sentence for what went wrong.
 *
 * A function that can fail returns a cv_status and, when it fails, fills the caller's cv_err.
 * A layer adds words only where it knows more than the layer below; nobody rewrites the code.
 * Common code never logs its errors: the program that answers the client logs once.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ERR_H
#define CV_ERR_H

#include "common/base/base.h"

#define CV_ERR_TEXT_MAX 400

struct cv_err {
	enum cv_status code;
	char text[CV_ERR_TEXT_MAX]; /* one English sentence, no newline, never a secret */
};

/* Sets *ERR (may be NULL) and returns CODE, so that `return cv_fail(...)` reads straight. */
enum cv_status cv_fail(struct cv_err *err, enum cv_status code, const char *fmt, ...)
	CV_PRINTF(3, 4);

/* The same, with ": " and the text of errno value ERRNUM appended. ENOSPC and EDQUOT turn CODE
 * into CV_FULL. */
enum cv_status cv_fail_errno(
	struct cv_err *err, enum cv_status code, int errnum, const char *fmt, ...) CV_PRINTF(4, 5);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time: without this it believes that they may return CV_OK. */
#define cv_fail(err, code, ...)                                                                    \
	({                                                                                         \
		enum cv_status code_ = (code);                                                     \
		(cv_fail)((err), code_, __VA_ARGS__);                                              \
		code_;                                                                             \
	})
#define cv_fail_errno(err, code, errnum, ...)                                                      \
	({                                                                                         \
		enum cv_status code_ = (code);                                                     \
		(cv_fail_errno)((err), code_, (errnum), __VA_ARGS__);                              \
		code_;                                                                             \
	})
#endif

#endif
