/* sheet.h - lists as office programs keep them: one sheet of an XLSX or ODS file as rows of texts.
 *
 * A cell's text is what its author wrote: a text as it stands; a number with the digits that the
 * file holds (912345678, 150.00000000000003; a format of zeros alone pads it); a date dd/mm/yyyy,
 * with HH:MM:SS when it has a time; TRUE or FALSE; of a formula the value that was stored with it.
 * A cell that was merged with those below it stands in each of them; one that was merged to the
 * right stands in its first. Nothing is guessed: a formula without a value, a book with several
 * sheets that hold something and no name said, and what is no spreadsheet are refused.
 *
 * Files are hostile: ECMA-376 and OpenDocument 1.3 without document types, with hard limits on
 * members, unpacked sizes, ratios, rows, cells, texts and depth. Pure; no thread shares a result.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_SHEET_H
#define ADMIN_SHEET_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define ADMIN_SHEET_FILE_MAX    (32u << 20)
#define ADMIN_SHEET_MEMBERS_MAX 2000
#define ADMIN_SHEET_BYTES_MAX   (192u << 20) /* of all members that are read, unpacked */
#define ADMIN_SHEET_RATIO_MAX   200          /* unpacked to packed, beyond the first 16 MB */
#define ADMIN_SHEET_ROWS_MAX    200000
#define ADMIN_SHEET_COLUMNS_MAX 256
#define ADMIN_SHEET_CELLS_MAX   4000000
#define ADMIN_SHEET_CELL_MAX    (32u << 10)
#define ADMIN_SHEET_TEXT_MAX    (64u << 20)  /* of all cells together */

enum admin_sheet_kind { ADMIN_SHEET_NONE, ADMIN_SHEET_XLSX, ADMIN_SHEET_ODS, ADMIN_SHEET_OLD };
/* By the first bytes. NONE: not packed at all, such as CSV. OLD: a format of before 2007, or one
 * that needs a password. A packed file that is neither XLSX nor ODS is XLSX until it is read. */
enum admin_sheet_kind admin_sheet_kind_of(struct cv_str bytes);

struct admin_sheet_row {
	struct cv_str *cells;
	size_t n;
};
struct admin_sheet {
	struct admin_sheet_row *rows; /* row i is number i + 1 in the office program */
	size_t n;
	struct cv_str name;
};
/* Reads the sheet NAME ("": the only one that holds something) of a book. Everything lives in
 * ARENA. CV_INVALID: damaged, encrypted, no spreadsheet, a formula without a value; CV_NOT_FOUND:
 * no such sheet (the error lists them), CV_LIMIT. */
CV_MUST_CHECK enum cv_status admin_sheet_read(struct cv_arena *arena, struct cv_str bytes,
	struct cv_str name, struct admin_sheet *out, struct cv_err *err);
/* As CSV in UTF-8, every cell quoted, a line a row. */
void admin_sheet_put_csv(const struct admin_sheet *sheet, struct cv_buf *out);

#endif
