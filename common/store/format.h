/* format.h - which programs may open what lies in a folder of the store (OPS-02).
 *
 * Beside the environment lies the file `format`: the number of the format that was written, the
 * oldest format whose programs can still read and write it, and the version of the program. A
 * change that older programs can live with raises the first number alone: then one version may be
 * taken back without loss. A change that they cannot live with raises the second too, and those
 * programs refuse to open the folder instead of harming it. A folder without the file was made
 * before there was one: format 1.
 *
 * The numbers never go back: an older program that opens a newer folder leaves them.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_STORE_FORMAT_H
#define CV_STORE_FORMAT_H

#include "common/base/err.h"
#include "common/base/str.h"

#define CV_FORMAT        1u /* what this program writes */
#define CV_FORMAT_READER 1u /* the oldest that can work on it */
#define CV_FORMAT_FIRST  1u /* the oldest that this program can work on */

struct cv_format {
	uint32_t number, reader;
	char writer[32]; /* version of the program, printable */
};

/* What this program is. */
struct cv_format cv_format_here(void);
/* Reads the words of the file; CV_CORRUPT. */
CV_MUST_CHECK enum cv_status cv_format_parse(
	struct cv_str text, struct cv_format *out, struct cv_err *err);
/* What lies in the folder DIR_FD; CV_NOT_FOUND when there is no such file. */
CV_MUST_CHECK enum cv_status cv_format_read(int dir_fd, struct cv_format *out, struct cv_err *err);
/* May a program of format HERE open what FOUND describes: CV_OK, or CV_INVALID and what to do. */
CV_MUST_CHECK enum cv_status cv_format_fits(
	const struct cv_format *found, const struct cv_format *here, struct cv_err *err);
/* Checks the folder DIR_FD, called DIR in errors, and writes this program's numbers durably where
 * they are higher. For the folder's owner. */
CV_MUST_CHECK enum cv_status cv_format_open(int dir_fd, const char *dir, struct cv_err *err);

#endif
