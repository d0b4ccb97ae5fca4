/* quarantine_page.h - the pages behind the links of a digest: see one held message, release it or
 * delete it.
 *
 * Served on loopback addresses (quarantine_listen) for an HTTPS proxy in front; the token in the
 * last part of the path is all the authority there is, for one item. GET shows and never changes
 * anything, since mail scanners follow links; only a POST of the page's form does. No cookies, no
 * scripts; repeated or expired links say so. Peers are counted by the address that the proxy puts
 * last into X-Forwarded-For.
 * Threads: open and close from the main one.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_QUARANTINE_PAGE_H
#define IMAPD_QUARANTINE_PAGE_H

#include "imapd/server.h"

struct imapd_pages;
/* Listens where the options of CONFIG say; *out is NULL when that is nowhere. */
CV_MUST_CHECK enum cv_status imapd_pages_open(struct imapd *d, const struct imapd_config *config,
	struct imapd_pages **out, struct cv_err *err);
/* After the net stopped: ends what is under way. NULL is fine, here and below. */
void imapd_pages_stop(struct imapd_pages *p);
/* After the net was freed. */
void imapd_pages_free(struct imapd_pages *p);

#endif
