/* csv.h - reading and writing comma-separated values (RFC 4180), as spreadsheets make them. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_CSV_H
#define ADMIN_CSV_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define ADMIN_CSV_COLUMNS_MAX 64

struct admin_csv {
	struct cv_str text; /* all of it; a byte order mark is skipped */
	size_t pos;
	char separator; /* ',' or ';' or tab, whichever the first line has most of */
	unsigned line;  /* of the row read last, from 1 */
};
void admin_csv_init(struct admin_csv *c, struct cv_str text);
/* The next row that is not empty; fields live in ARENA. CV_EOF at the end; CV_INVALID for a quote
 * that does not end or has text behind it; CV_LIMIT for too many columns. */
CV_MUST_CHECK enum cv_status admin_csv_next(struct admin_csv *c, struct cv_arena *arena,
	struct cv_str fields_out[ADMIN_CSV_COLUMNS_MAX], size_t *count_out, struct cv_err *err);

/* Appends one field, quoted when it must be; with a blank put before what a spreadsheet would take
 * for a formula. IS_LAST ends the line with CRLF, else a comma follows. */
void admin_csv_put(struct cv_buf *out, struct cv_str field, bool is_last);

#endif
