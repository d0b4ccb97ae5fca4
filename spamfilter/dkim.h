/* dkim.h - DKIM (RFC 6376, 8301, 8463): verify what came, sign what leaves; libopendkim inside.
 *
 * A message goes through a verifier or a signer as a stream: fields, the end of the header, the
 * body in pieces of any size, the end. Line ends of the body are CRLF; folds in fields may be CRLF
 * or lone LF. Threads: one spam_dkim serves all; a verifier or signer belongs to one thread at a
 * time and waits for DNS on it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DKIM_H
#define SPAM_DKIM_H

#include "common/base/buf.h"
#include "common/net/resolver.h"

#define SPAM_DKIM_SIGNATURES_MAX 8 /* looked at in one message; more are left out */
#define SPAM_DKIM_KEY_BITS_MIN   1024

struct spam_dkim;
struct spam_dkim_stream;

CV_MUST_CHECK enum cv_status spam_dkim_new(
	struct cv_resolver *resolver, struct spam_dkim **out, struct cv_err *err);
void spam_dkim_free(struct spam_dkim *d);

enum spam_dkim_alg { SPAM_RSA_SHA256, SPAM_ED25519_SHA256 };

/* ID is for libopendkim's own messages. NULL when there is no memory for it. */
struct spam_dkim_stream *spam_dkim_verifier(struct spam_dkim *d, const char *id);
/* PEM is the private key; it is not needed after spam_dkim_end(). */
struct spam_dkim_stream *spam_dkim_signer(struct spam_dkim *d, const char *id, const char *pem,
	const char *selector, const char *domain, enum spam_dkim_alg alg);
/* VALUE as it came, with its leading blank if it had one. Fields DKIM cannot take are left out. */
void spam_dkim_header(struct spam_dkim_stream *s, struct cv_str name, struct cv_str value);
void spam_dkim_eoh(struct spam_dkim_stream *s);
void spam_dkim_body(struct spam_dkim_stream *s, struct cv_str bytes);
/* Completes the body's last line and settles everything. Once. */
void spam_dkim_end(struct spam_dkim_stream *s);
void spam_dkim_stream_free(struct spam_dkim_stream *s); /* NULL is fine */

enum spam_dkim_result {
	SPAM_DKIM_NONE,
	SPAM_DKIM_PASS,
	SPAM_DKIM_FAIL,
	SPAM_DKIM_POLICY,
	SPAM_DKIM_NEUTRAL,
	SPAM_DKIM_TEMPERROR,
	SPAM_DKIM_PERMERROR
};
const char *spam_dkim_word(enum spam_dkim_result result);

/* One signature. Only PASS is worth anything for alignment. */
struct spam_dkim_signature {
	enum spam_dkim_result result;
	char domain[256]; /* lower case */
	char selector[256];
	char alg[32];    /* "rsa-sha256" */
	char b[20];      /* the first characters of b=, telling signatures apart */
	const char *why; /* of what is no pass; "" otherwise */
};
/* After spam_dkim_end() of a verifier: how many were looked at, and each. */
size_t spam_dkim_signatures(
	struct spam_dkim_stream *s, struct spam_dkim_signature out[SPAM_DKIM_SIGNATURES_MAX]);
/* After spam_dkim_end() of a signer: appends the value of DKIM-Signature, folds as lone LF.
 * CV_INVALID with the reason when it cannot be signed. */
CV_MUST_CHECK enum cv_status spam_dkim_signature_write(
	struct spam_dkim_stream *s, struct cv_buf *out, struct cv_err *err);

#endif
