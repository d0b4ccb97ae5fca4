/* import.h - from a staff list to people: which column is what, what is repaired, what is refused.
 * Private to the folder; pure but for the register looked at. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_IMPORT_H
#define CV_REGISTER_IMPORT_H

#include <jansson.h>

#include "common/register/csv.h"
#include "common/register/registry_impl.h"

enum import_field {
	IM_NONE = -1, IM_NUMBER, IM_NAME, IM_SURNAME, IM_SURNAME_MIDDLE, IM_MIDDLE, IM_GIVEN,
	IM_TITLE, IM_AGENCY, IM_DEPARTMENT, IM_PHONE, IM_PHONE_OFFICE, IM_PHONE_MOBILE, IM_EMAIL,
	IM_STAFF_ID, IM_CONSENT, IM_PASSWORD, IM_COUNT
};
struct import_row {
	size_t number;                 /* in the spreadsheet, from 1 */
	struct cv_str raw[IM_COUNT];   /* as written; empty when there is no such cell */
	struct cv_str group;           /* text of the group row above, or empty */
	size_t group_number;           /* that row's number, or 0 */
};
struct import_rows {
	struct import_row *rows;
	size_t n;
	bool has[IM_COUNT];            /* columns the list has */
	size_t header, header_rows;    /* number of the first header row; 1 or 2 of them */
};
/* Finds the header (one row or two, within the first 20) and the rows below it. */
CV_MUST_CHECK enum cv_status import_read(struct cv_arena *arena, const struct csv *csv,
                                         struct import_rows *out, struct cv_err *err);

enum import_fault {
	/* repaired with a note */
	FIX_BLANK_AT_SIGN, FIX_LINE_BREAK, FIX_BLANKS, FIX_NFD, FIX_TONE, FIX_PHONE_FLOAT,
	FIX_PHONE_COUNTRY, FIX_PHONE_ZERO, FIX_PHONE_DOTS, FIX_PHONE_TWO, FIX_PHONE_LENGTH,
	FIX_NUMBER,
	/* refused with a proposal */
	NO_COMMA, NO_DOUBLED, NO_AT_SIGN, NO_DOMAIN, NO_GO, NO_LOCAL, NO_TYPO, NO_FREE_MAIL,
	NO_TWO_PEOPLE, NO_HONORIFIC, NO_TITLE_IN_NAME, NO_PHONE_IN_NAME, NO_TITLE_IN_UNIT,
	NO_SPLIT_ROW, NO_NAME, NO_SHORT_NAME, NO_FOREIGN, NO_AGENCY, NO_UNKNOWN_AGENCY,
	NO_SAME_AGENCY, NO_ACCOUNT, IMPORT_FAULTS
};
const char *import_fault_code(enum import_fault f);
const char *import_fault_text(enum import_fault f, bool vietnamese);

struct import_verdict {
	unsigned fixed;                /* bit i: enum import_fault i */
	bool is_refused;
	enum import_fault why;
	struct cv_str name, title, department, email, phone_office, phone_mobile, staff_id,
		agency_text;
	struct cv_str proposal;
};
/* Cleans the cells of ROW and judges all that needs no register; NEXT may be NULL. */
void import_check(struct cv_arena *arena, const struct import_rows *all,
                  const struct import_row *row, const struct import_row *next,
                  struct import_verdict *out);
/* Judges the address of a cleaned row: OFFICIAL is what the person would get, "" if unknown. */
void import_check_email(struct cv_arena *arena, const char *default_domain, struct cv_str official,
                        struct import_verdict *v);
/* ROW is the second half of the row before it. */
bool import_is_continuation(const struct import_rows *all, const struct import_row *row,
                            const struct import_row *next);

#endif
