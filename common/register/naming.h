/* naming.h - official addresses from Vietnamese names (ADR-01..04). Pure.
 *
 * initials template: first letters of surname and middle names, then the given name, then the unit:
 * họ "Đặng", đệm "Thị", tên "Duyên", stp -> "dtduyen.stp". Diacritics are folded, đ is d;
 * apostrophes and blanks inside a given name are dropped ("H'Bia" -> hbia, "Rơ Mah" gives initial
 * "r m").
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_NAMING_H
#define CV_NAMING_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum cv_name_template { CV_NAME_INITIALS, CV_NAME_FLAT, CV_NAME_GIVEN };
CV_MUST_CHECK enum cv_status cv_name_template_parse(const char *word, enum cv_name_template *out);

/* The local part without collision number. CV_INVALID when nothing is left of the name. */
CV_MUST_CHECK enum cv_status cv_name_local_part(enum cv_name_template t, struct cv_str surname,
                                                struct cv_str middle, struct cv_str given,
                                                struct cv_str unit, unsigned number /* 0, 2, 3 */,
                                                struct cv_buf *out, struct cv_err *err);
/* Splits a full name in writing order into họ, tên đệm, tên: compound surnames of ethnic minorities
 * (Rơ Mah, Rơ Châm, Kpă, ...) kept whole; Y/H' prefixes handled; two words: no middle name. */
CV_MUST_CHECK enum cv_status cv_name_split(struct cv_str full, struct cv_buf *surname,
                                           struct cv_buf *middle, struct cv_buf *given,
                                           struct cv_err *err);
/* Reserved, indecent or look-alike (ADR-04): *why_out is an English clause, *why_vi_out the
 * same. */
bool cv_name_is_refused(struct cv_str local_part, const char *more_reserved, const char **why_out,
                        const char **why_vi_out);

#endif
