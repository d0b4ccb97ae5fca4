/* bearer.h - what a client says in OAUTHBEARER (RFC 7628 3.1) and XOAUTH2. Pure; the slices point
 * into the message. Private to the folder, and for its fuzz target. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_BEARER_H
#define CV_REGISTER_BEARER_H

#include "common/base/buf.h"

#define BEARER_TOKEN_MAX 8192

/* "n,a=user@example.com,\1auth=Bearer ...\1\1". USER gets the name to act as, decoded, or nothing
 * when there is none. False when the message is not well formed. */
bool bearer_parse_oauthbearer(struct cv_str message, struct cv_buf *user, struct cv_str *token_out);
/* "user=user@example.com\1auth=Bearer ...\1\1". */
bool bearer_parse_xoauth2(struct cv_str message, struct cv_buf *user, struct cv_str *token_out);

#endif
