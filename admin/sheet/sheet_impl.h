/* sheet_impl.h - what the readers of books share. Private to the room. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_SHEET_IMPL_H
#define ADMIN_SHEET_IMPL_H

#include "admin/sheet/sheet.h"
#include "common/base/map.h"

/* ---- unpack.c ---- */

struct sheet_members {
	struct cv_map by_name; /* path -> struct cv_buf */
};
/* Every .xml and .rels member, and "mimetype". */
CV_MUST_CHECK enum cv_status sheet_unpack(
	struct cv_str bytes, struct sheet_members *out, struct cv_err *err);
/* CV_STR_EMPTY when there is none. */
struct cv_str sheet_member(const struct sheet_members *m, struct cv_str path);
void sheet_members_done(struct sheet_members *m);

/* ---- xml.c ---- */

struct sheet_xml;
struct sheet_xml_handlers {
	/* NAME without its namespace; DEPTH is 1 for the root. */
	void (*start)(void *arg, struct sheet_xml *x, const char *name, const char **attrs);
	void (*end)(void *arg, struct sheet_xml *x, const char *name);
	void (*text)(void *arg, const char *p, size_t n);
};
struct sheet_xml {
	const struct sheet_xml_handlers *h;
	void *arg;
	void *parser;
	unsigned depth;
	enum cv_status status; /* set by a handler (sheet_xml_fail()), ends the parse */
	struct cv_err *err;
};
/* PATH is for the message. CV_INVALID for what is no XML, has a document type or is too deep. */
CV_MUST_CHECK enum cv_status sheet_xml_parse(struct cv_str bytes, const char *path,
	const struct sheet_xml_handlers *h, void *arg, struct cv_err *err);
/* STATUS, whose sentence is in x->err already, ends the parse. */
void sheet_xml_fail(struct sheet_xml *x, enum cv_status status);
/* The value of the attribute NAME, or NULL; with SPACE ("office") only of a namespace that has this
 * word between colons, or no namespace at all. */
const char *sheet_attr(const char **attrs, const char *space, const char *name);
/* A number attribute; DFLT when it is missing, MAX when it is larger. */
size_t sheet_attr_number(
	const char **attrs, const char *space, const char *name, size_t dflt, size_t max);

/* ---- grid.c ---- */

struct sheet_grid {
	struct cv_arena *arena;
	struct admin_sheet_row *rows;
	size_t n, cap, cells, bytes;
};
/* Puts TEXT at ROW and COLUMN (both from 0); "" does nothing. CV_LIMIT. */
CV_MUST_CHECK enum cv_status sheet_put(struct sheet_grid *g, size_t row, size_t column,
	struct cv_str text, struct cv_err *err);
struct cv_str sheet_at(const struct sheet_grid *g, size_t row, size_t column);
/* "B7" of row 6, column 1. */
const char *sheet_ref(size_t row, size_t column, char out[24]);

/* ---- value.c ---- */

/* "9.12345678E8" as 912345678 when it is a whole number; anything else stays as it is. */
void sheet_put_number(struct cv_buf *out, struct cv_str text);
/* SERIAL days, a text with a fraction maybe, since 30/12/1899; false when it is no such number. */
bool sheet_put_serial(struct cv_buf *out, struct cv_str serial, bool is_1904);
/* "2026-11-23" or "2026-11-23T07:30:00" as dd/mm/yyyy; false when it is neither. */
bool sheet_put_iso(struct cv_buf *out, struct cv_str iso);

/* ---- xlsx.c, ods.c ---- */

CV_MUST_CHECK enum cv_status sheet_read_xlsx(const struct sheet_members *m, struct cv_str name,
	struct sheet_grid *g, struct cv_str *name_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status sheet_read_ods(const struct sheet_members *m, struct cv_str name,
	struct sheet_grid *g, struct cv_str *name_out, struct cv_err *err);
/* "no sheet 'X'; there are: A, B", or "several sheets ...". */
enum cv_status sheet_fail_choice(struct cv_str wanted, struct cv_str names, struct cv_err *err);

#endif
