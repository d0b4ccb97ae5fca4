/* errors.h - the Vietnamese of error sentences that come in English alone.
 *
 * The register, the store and most of the tool's own code fail with one English sentence
 * (common/base/err.h). error_texts.def pairs the formats of those sentences with Vietnamese ones;
 * here the sentence that came is matched against the formats, and what stood for each conversion is
 * put into the Vietnamese. tools/error_texts.py counts the formats that have none.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_ERRORS_H
#define ADMIN_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the longest translation: Vietnamese takes more octets than English. */
#define ADMIN_ERROR_VI_MAX 1600

/* SENTENCE is what the printf format EN makes of some arguments: writes the same in the format VI
 * to OUT (N bytes, ended). Numbers (%u, %llx) stand for digits, %s for anything, %.0s for nothing;
 * VI has the same conversions in the same order, or numbered as %2$s. False, OUT undefined, when it
 * is not, when OUT is too small, or when SENTENCE is longer than a cv_err holds. */
bool admin_error_match(const char *en, const char *vi, const char *sentence, char *out, size_t n);

/* The Vietnamese of SENTENCE by the table, the format with the most fixed text first. What stands
 * at a sentence's end, and what follows a ": ", may be a sentence of the table too, up to three
 * deep; what the table does not know there stays as it is. False: nothing of it is in the table.
 * The work is bounded by the table's size times CV_ERR_TEXT_MAX. Not for threads. */
bool admin_error_vietnamese(const char *sentence, char *out, size_t n);

#endif
