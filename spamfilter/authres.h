/* authres.h - Authentication-Results (RFC 8601): written, and known again when somebody forged
 * ours. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_AUTHRES_H
#define SPAM_AUTHRES_H

#include "common/base/buf.h"

#define SPAM_AUTHRES_MAX (16u << 10)

/* Whether VALUE (raw) claims to be from AUTHSERV_ID, read as RFC 8601 2.2 says: comments and
 * folding passed over, quotes undone, any case. What cannot be read claims it if the name occurs in
 * it. */
bool spam_authres_is_from(struct cv_str value, const char *authserv_id);

/* Whether VALUE (of Authentication-Results, or behind the instance of its ARC form) says
 * METHOD=pass with PROPERTY=DOMAIN (any case). What cannot be read says nothing. */
bool spam_authres_has_pass(
	struct cv_str value, const char *method, const char *property, struct cv_str domain);

/* Writing, folded with lone LF between results: begin, a result and its properties, end. Values
 * that are no tokens are quoted; control octets never get through. */
void spam_authres_begin(struct cv_buf *out, const char *authserv_id);
/* WHY is a comment; "" for none. */
void spam_authres_result(
	struct cv_buf *out, const char *method, const char *result, const char *why);
void spam_authres_reason(struct cv_buf *out, const char *reason);
/* NAME is "header.d"; an empty VALUE is left out. */
void spam_authres_property(struct cv_buf *out, const char *name, struct cv_str value);
/* "none" when there was no result. */
void spam_authres_end(struct cv_buf *out);

#endif
