/* macro.h - macros of SPF (RFC 7208, section 7): checked by the grammar, then expanded.
 *
 * Pure but for the %{p} call-back.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_MACRO_H
#define SPAM_SPF_MACRO_H

#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define SPF_MACROS_MAX 100 /* in one record */

enum spf_text {
	SPF_DOMAIN_SPEC,  /* macro-string ending in a top label or a macro; no c, r, t */
	SPF_MACRO_STRING, /* an unknown modifier's value */
	SPF_EXPLANATION   /* the text behind exp=: blanks too */
};

/* Checks TEXT by the grammar. *macros (may be NULL) is raised by the number of macros in it. */
CV_MUST_CHECK enum cv_status spf_macro_check(
	struct cv_str text, enum spf_text kind, unsigned *macros, struct cv_err *err);

/* What macros stand for. */
struct spf_macro_values {
	struct cv_str local, domain;    /* of the sender: %{l} %{o} %{s} */
	struct cv_str current;          /* %{d} */
	struct cv_str helo;             /* %{h} */
	struct cv_str receiver;         /* %{r}; empty: "unknown" */
	struct sockaddr_storage client; /* %{i} %{v}; IPv4-mapped addresses are IPv4 already */
	/* The validated name for %{p}; only called when it is used. */
	const char *(*validated)(void *arg);
	void *arg;
};

/* Appends TEXT (checked) expanded. CV_LIMIT when OUT became full. */
CV_MUST_CHECK enum cv_status spf_macro_expand(
	struct cv_str text, const struct spf_macro_values *v, struct cv_buf *out);

/* Expands a domain-spec and makes a name of it: shortened from the left to 253 octets, lower case,
 * no final dot. False when the result is no name that DNS could hold. */
bool spf_macro_domain(struct cv_str spec, const struct spf_macro_values *v, char out[256]);

#endif
