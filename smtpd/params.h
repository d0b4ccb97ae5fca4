/* params.h - ESMTP parameters after a path: "SIZE=1000 BODY=8BITMIME". Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H

#include "common/base/str.h"

/* Takes the next parameter off *REST (RFC 5321 4.1.2: keyword of letters, digits and hyphens, value
 * without blanks, "=" or control bytes). False at the end; *bad_out when the grammar is broken. */
bool smtpd_param_next(struct cv_str *rest, struct cv_str *name_out, struct cv_str *value_out,
                      bool *has_value_out, bool *bad_out);

#endif
