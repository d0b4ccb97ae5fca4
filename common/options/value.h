/* value.h - one option's text turned into its value, within the limits of its row. Private to the
 * folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_OPTIONS_VALUE_H
#define CV_OPTIONS_VALUE_H

#include "common/options/options.h"

/* Reads TEXT as KIND's number ("28M", "5m", "yes"). CV_INVALID for what is none. */
CV_MUST_CHECK enum cv_status cv_opt_number(enum cv_opt_kind kind, struct cv_str text,
                                           uint64_t *value_out);
/* Stores TEXT into the field of ROW in the struct at BASE; texts are copied into ARENA. The error
 * says what is wrong with the value, without file and line. */
CV_MUST_CHECK enum cv_status cv_opt_store(const struct cv_option *row, struct cv_str text,
                                          void *base, struct cv_arena *arena, struct cv_err *err);
bool cv_opt_is_text(enum cv_opt_kind kind);
/* What a value of KIND looks like, for people. */
const char *cv_opt_kind_hint(enum cv_opt_kind kind);

#endif
