/* import_rows.h - files of rows that an import refused or repaired: the list's own columns, and
 * why.
 *
 * "x.xlsx" is written as XLSX, any other name as CSV with BOM. The columns and the heading are
 * those of the list, the rows as they stand there; behind them stand reason, proposal (or what the
 * cells say now) and the row's number. Group rows come along, so that such a file, once it was
 * corrected, is a list like any other.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_IMPORT_ROWS_H
#define ADMIN_IMPORT_ROWS_H

#include "admin/admin.h"

struct admin_row_file {
	const char *option; /* that names it; not given: no file */
	const char *key;    /* of the answer's rows */
	FILE *f;
};
/* Opens what was asked for, before anything is done; says what fails. Exit code. */
int admin_row_files_open(
	const struct admin_call *call, struct admin_row_file *files, size_t count);
void admin_row_files_close(struct admin_row_file *files, size_t count);
/* Writes and closes them all. Exit code. */
int admin_row_files_write(const struct admin_call *call, struct admin_row_file *files,
	size_t count, const json_t *reply);

#endif
