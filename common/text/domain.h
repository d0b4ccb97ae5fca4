/* domain.h - domain names and address literals: is it one, are two the same, in which letters.
 *
 * Internationalised names follow IDNA 2008 without transitional mapping (libidn2). Names are
 * compared as A-labels in lower case; what was written is kept by whoever needs to show it. Pure
 * functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DOMAIN_H
#define CV_DOMAIN_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_DOMAIN_MAX 255      /* octets right of the @ (RFC 5321 4.5.3.1.2) */
#define CV_DOMAIN_NAME_MAX 253 /* octets of a name in A-labels, without a last dot */
#define CV_LABEL_MAX 63
#define CV_DOMAIN_INPUT_MAX 1000 /* octets of a name in UTF-8 that is looked at */

/* Letters, digits and hyphens in labels of 1 to 63, no dot at either end, 253 octets at most; with
 * ALLOW_UTF8 also labels that IDNA 2008 accepts. One label is enough ("localhost"). */
bool cv_domain_is_valid(struct cv_str domain, bool allow_utf8);
/* Valid, at least two labels, the last not all digits: fit to be given an address by an admin. */
bool cv_domain_is_full(struct cv_str domain);

/* Appends DOMAIN in lower-case A-labels; a last dot goes. Names of ASCII need only be made of
 * printable bytes without blanks: DNS owners such as _dmarc.example pass. CV_INVALID when IDNA or a
 * length forbids it. */
CV_MUST_CHECK enum cv_status cv_domain_to_ascii(struct cv_str domain, struct cv_buf *out,
                                                struct cv_err *err);
/* Appends DOMAIN in U-labels for people; a label that cannot be shown stays an A-label. */
void cv_domain_to_unicode(struct cv_str domain, struct cv_buf *out);

/* Same name: any case, a last dot, A- or U-labels. Names that are not valid are equal only byte for
 * byte, ASCII case aside. */
bool cv_domain_eq(struct cv_str a, struct cv_str b);
/* DOMAIN is PARENT or below it. Both in A-labels. */
bool cv_domain_is_below(struct cv_str domain, struct cv_str parent);
/* Cuts the first label off: "a.b.c" gives "b.c"; empty after the last. */
struct cv_str cv_domain_parent(struct cv_str domain);

enum cv_literal_kind { CV_LITERAL_IPV4, CV_LITERAL_IPV6, CV_LITERAL_GENERAL };
struct cv_literal {
	enum cv_literal_kind kind;
	unsigned char ip[16];  /* 4 or 16 bytes in network order */
	struct cv_str tag;     /* general: slices of the input */
	struct cv_str content;
};

/* Reads "[192.0.2.1]", "[IPv6:2001:db8::1]" or "[tag:content]", brackets included (RFC 5321
 * 4.1.3). */
bool cv_literal_parse(struct cv_str in, struct cv_literal *out);

/* A bare IPv4 or IPv6 address, as a resolver or a PROXY line writes it; IPv4 gives kind IPV4. */
bool cv_ip_parse(struct cv_str in, struct cv_literal *out);

#endif
