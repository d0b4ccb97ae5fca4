/* err.c - filling a cv_err. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/err.h"

#include <errno.h>

#undef cv_fail /* what err.h tells the analyzer */
#undef cv_fail_errno

/* Peers' bytes reach these sentences; a newline or a control byte in one would forge a log line. */
static void
flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

enum cv_status
cv_fail(struct cv_err *err, enum cv_status code, const char *fmt, ...)
{
	if (!err)
		return code;
	va_list args;
	va_start(args, fmt);
	err->code = code;
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	flatten(err->text);
	return code;
}

enum cv_status
cv_fail_errno(struct cv_err *err, enum cv_status code, int errnum, const char *fmt, ...)
{
	if (errnum == ENOSPC || errnum == EDQUOT)
		code = CV_FULL;
	if (!err)
		return code;
	va_list args;
	va_start(args, fmt);
	err->code = code;
	int n = vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	/* In English whatever the locale is: the sentence has one language, as logs have. */
	const char *why = strerrordesc_np(errnum);
	size_t used = CV_MIN((size_t)CV_MAX(n, 0), sizeof err->text - 1);
	snprintf(err->text + used, sizeof err->text - used, ": %s", why ? why : "unknown error");
	flatten(err->text);
	return code;
}
