/* outbound_summary.h - the queue by domain and age, for people. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_SUMMARY_H
#define SMTPD_OUTBOUND_SUMMARY_H

#include <jansson.h>

#include "common/base/err.h"
#include "common/base/str.h"

struct smtpd_outbound;

CV_MUST_CHECK enum cv_status smtpd_outbound_summary(struct smtpd_outbound *o, json_t *request,
                                                    json_t **reply_out, struct cv_err *err);
/* outbound_ctl.c: S as JSON, whatever its bytes. */
json_t *out_json_text(struct cv_str s);

#endif
