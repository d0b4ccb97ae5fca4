/* ed25519.h - writes ed25519-sha256 signatures (RFC 8463), relaxed/relaxed, by OpenSSL alone.
 *
 * libopendkim forgets a key for each such signature it writes
 * (docs/adr/0021-ed25519-signatures.md); it still verifies them. One signer belongs to one thread
 * at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_ED25519_H
#define SPAM_ED25519_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct spam_ed25519;

/* CV_INVALID when PEM is no ed25519 private key. */
CV_MUST_CHECK enum cv_status spam_ed25519_new(const char *pem, const char *selector,
	const char *domain, struct spam_ed25519 **out, struct cv_err *err);
void spam_ed25519_free(struct spam_ed25519 *s);
void spam_ed25519_header(struct spam_ed25519 *s, struct cv_str name, struct cv_str value);
void spam_ed25519_body(struct spam_ed25519 *s, struct cv_str bytes);
/* Appends the value of DKIM-Signature, folds as lone LF. FIELDS ends in NULL: each that occurs is
 * signed, those of OVERSIGNED named once more than they occur. Once. */
CV_MUST_CHECK enum cv_status spam_ed25519_write(struct spam_ed25519 *s, const char *const *fields,
	const char *const *oversigned, struct cv_buf *out, struct cv_err *err);

#endif
