/* summary_internal.h - what summary.c and summary_fields.c share. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SUMMARY_INTERNAL_H
#define CV_SUMMARY_INTERNAL_H

#include "common/text/summary.h"

/* Appends the fields of HEADER that a summary holds, raw, each with a line end. */
void cv_summary_cache_fields(struct cv_str header, struct cv_buf *out);

#endif
