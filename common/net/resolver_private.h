/* resolver_private.h - the libunbound back-end as resolver.c sees it. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_RESOLVER_PRIVATE_H
#define CV_RESOLVER_PRIVATE_H

#include "common/net/resolver.h"

struct cv_unbound;

CV_MUST_CHECK enum cv_status cv_unbound_new(const struct cv_resolver_options *o,
                                            struct cv_unbound **out, struct cv_err *err);
/* What is under way is answered TEMPFAIL first. */
void cv_unbound_free(struct cv_unbound *u);
/* NAME is clean. FN is called exactly once, on the back-end's thread or before this returns. */
void cv_unbound_resolve(struct cv_unbound *u, const char *name, enum cv_dns_type type,
                        cv_resolved_fn *fn, void *arg);

#endif
