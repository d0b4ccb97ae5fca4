/* opendkim.h - libopendkim, the verifier and RSA signer of record, and its odd ways kept inside.
 *
 * It sees only signatures that the guard (dkim.c, spamfilter/sig) found well formed, and only key
 * records that the guard could read. Threads: one handle belongs to one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_OPENDKIM_H
#define SPAM_OPENDKIM_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "spamfilter/sig/sig.h"

struct spam_opendkim;

/* The text of the key record NAME into TEXT, and the key read from it, which must stay until the
 * handle is freed, into *KEY_OUT; false: there is none that may be used. */
typedef bool spam_opendkim_key_fn(
	void *arg, const char *name, struct cv_buf *text, const struct sig_key **key_out);

struct spam_opendkim *spam_opendkim_verifier(spam_opendkim_key_fn *key, void *arg);
/* relaxed/relaxed, rsa-sha256, over the fields below. KEY is what PEM holds; both must stay. */
struct spam_opendkim *spam_opendkim_signer(
	const char *pem, EVP_PKEY *key, const char *selector, const char *domain);
/* dkim_sign.c: what is signed, and what is named once more than it occurs; both end in NULL. */
extern const char *const spam_dkim_signed_fields[], *const spam_dkim_oversigned[];
void spam_opendkim_header(struct spam_opendkim *o, const struct sig_field *field);
void spam_opendkim_eoh(struct spam_opendkim *o);
void spam_opendkim_body(struct spam_opendkim *o, struct cv_str bytes);
void spam_opendkim_end(struct spam_opendkim *o);  /* once */
void spam_opendkim_free(struct spam_opendkim *o); /* NULL is fine */

enum spam_opendkim_opinion {
	SPAM_OPENDKIM_GOOD,
	SPAM_OPENDKIM_PARTLY, /* good, but l= leaves part of the body out */
	SPAM_OPENDKIM_BODY,   /* the body's hash does not match */
	SPAM_OPENDKIM_SHORT,  /* l= is longer than the body */
	SPAM_OPENDKIM_BAD     /* does not match, or is not taken for a signature */
};
/* What it says of SIG, after the end. *WHY_OUT is its own word for BAD. */
enum spam_opendkim_opinion spam_opendkim_opinion(
	struct spam_opendkim *o, const struct sig *sig, const char **why_out);

/* The value of the new field, folds as lone LF. CV_INVALID with its reason. */
CV_MUST_CHECK enum cv_status spam_opendkim_write(
	struct spam_opendkim *o, struct cv_buf *out, struct cv_err *err);

#endif
