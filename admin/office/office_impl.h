/* office_impl.h - what the writers share. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_OFFICE_IMPL_H
#define ADMIN_OFFICE_IMPL_H

#include "admin/office/office.h"

void admin_write_terminal(const struct admin_doc *d, struct cv_buf *out);
void admin_write_html(const struct admin_doc *d, struct cv_buf *out);
void admin_write_csv(const struct admin_doc *d, struct cv_buf *out);
void admin_write_json(const struct admin_doc *d, struct cv_buf *out);
CV_MUST_CHECK enum cv_status admin_write_xlsx(
	const struct admin_doc *d, struct cv_buf *out, struct cv_err *err);
CV_MUST_CHECK enum cv_status admin_write_odt(
	const struct admin_doc *d, struct cv_buf *out, struct cv_err *err);

/* An <svg> element with the chart of BLOCK; NUMBER makes its ids unique in the page. */
void admin_write_chart(const struct admin_block *block, unsigned number, struct cv_buf *out);

/* Appends TEXT escaped for XML and HTML. */
void admin_put_xml(struct cv_buf *out, struct cv_str text);
/* The value as people read it: "–" where nothing is known. */
void admin_put_shown(struct cv_buf *out, struct admin_value value);
/* Stands right in its column. */
bool admin_is_number(enum admin_value_kind kind);
/* The value as a number: a share is 0..1, a day the count of spreadsheets. */
double admin_value_number(struct admin_value value);

/* ---- zip.c: what ODT files are packed in (APPNOTE 4.3, without dates and extra fields) ---- */
struct admin_zip {
	struct cv_buf *out;
	struct cv_buf directory;
	size_t base; /* of the file in OUT */
	unsigned files;
};
void admin_zip_begin(struct admin_zip *z, struct cv_buf *out);
/* Adds a file; PACK false stores it as it is. */
CV_MUST_CHECK enum cv_status admin_zip_add(
	struct admin_zip *z, const char *name, struct cv_str bytes, bool pack, struct cv_err *err);
/* Ends the archive and frees what Z holds; also after a fault. */
CV_MUST_CHECK enum cv_status admin_zip_end(struct admin_zip *z, struct cv_err *err);

#endif
