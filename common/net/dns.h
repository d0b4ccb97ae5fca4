/* dns.h - what the resolver's back-ends share: names, wire form, building answers. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DNS_H
#define CV_DNS_H

#include "common/net/resolver.h"

#define CV_DNS_NAME_MAX 253

/* Lower case, no final dot. False when NAME breaks the limits of DNS or holds blanks, controls,
 * escapes or bytes above ASCII. The root is "". */
bool cv_dns_name_clean(struct cv_str name, char out[256]);
/* NAME (clean) in wire form into OUT (at least 255 bytes). Returns its length. */
size_t cv_dns_name_wire(const char *name, unsigned char *out);

struct cv_dns_answer *cv_dns_answer_new(enum cv_dns_state state);
/* Adds one record of TYPE from its uncompressed wire form. False (and nothing added) when it is
 * malformed or there are too many. */
bool cv_dns_answer_add(struct cv_dns_answer *a, enum cv_dns_type type, struct cv_str wire);
/* Sorts by preference; an OK answer whose records were all malformed becomes TEMPFAIL. */
void cv_dns_answer_finish(struct cv_dns_answer *a, enum cv_dns_type type);

#endif
