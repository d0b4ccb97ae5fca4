/* dkim_keys.h - where DKIM keys lie, and what DNS must say about them.
 *
 *   <keys_dir>/dkim/<domain>/<selector>.pem           an RSA key
 *   <keys_dir>/dkim/<domain>/<selector>.ed25519.pem   an ed25519 key
 *   <keys_dir>/dkim/<domain>/current                  the selectors that sign, one a line
 *
 * Both keys of a pair have selectors of their own, as RFC 8463 wants it: s2026a and s2026a-ed. The
 * filter signs with every selector in `current`. Keys that are no longer there stay in the folder
 * until their DNS records may go.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DKIM_KEYS_H
#define ADMIN_DKIM_KEYS_H

#include "admin/certificate.h"

#define ADMIN_DKIM_BITS         2048
#define ADMIN_DKIM_SELECTOR_MAX 60

/* Makes the pair of SELECTOR ("" takes the first free one of s<year>a to s<year>z) and writes the
 * selector to *CHOSEN_OUT. DOMAIN in A-labels. It becomes current when none was, or with ACTIVATE;
 * ACTIVATE with a pair that exists only switches to it. CV_EXISTS otherwise. */
CV_MUST_CHECK enum cv_status admin_dkim_make(const char *keys_dir, const char *domain,
	const char *selector, unsigned bits, bool activate, struct admin_owner owner,
	char chosen_out[ADMIN_DKIM_SELECTOR_MAX + 4], struct cv_err *err);

struct admin_dkim_record {
	char selector[ADMIN_DKIM_SELECTOR_MAX + 4];
	enum admin_key kind;
	bool is_current;
	char *value; /* "v=DKIM1; k=rsa; p=..." */
};
/* Every key pair of DOMAIN, by selector. CV_NOT_FOUND when there are none. Free with
 * admin_dkim_records_free(). */
CV_MUST_CHECK enum cv_status admin_dkim_records(const char *keys_dir, const char *domain,
	struct admin_dkim_record **out, size_t *count_out, struct cv_err *err);
void admin_dkim_records_free(struct admin_dkim_record *records, size_t count);
/* Appends the line of a zone file, the text split into strings of 255 octets at most. */
void admin_dkim_zone_line(
	const struct admin_dkim_record *r, const char *domain, struct cv_buf *out);

#endif
