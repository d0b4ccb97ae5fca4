/* csv.h - a list as a spreadsheet writes it, into rows of cells. Private to the folder; pure.
 *
 * RFC 4180 with any of "," ";" and tab between cells, UTF-8 with or without BOM, UTF-16 with one,
 * or a declared charset. Hard limits: 32 MB, 200,000 rows, 256 cells a row, 32 KB a cell.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_CSV_H
#define CV_REGISTER_CSV_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define CSV_BYTES_MAX (32u << 20)
#define CSV_ROWS_MAX 200000
#define CSV_CELLS_MAX 256
#define CSV_CELL_BYTES_MAX (32u << 10)

struct csv_row {
	struct cv_str *cells;
	size_t n;
};
struct csv {
	struct csv_row *rows; /* row i is number i + 1 in the spreadsheet */
	size_t n;
	char separator;
};

/* BYTES as a file; CHARSET "" means: UTF-8, or what a BOM says. Cells live in ARENA. */
CV_MUST_CHECK enum cv_status csv_read(struct cv_arena *arena, struct cv_str bytes,
                                      const char *charset, struct csv *out, struct cv_err *err);

#endif
