/* dkim.h - DKIM (RFC 6376, 8301, 8463, 8616): verify what came, sign what leaves.
 *
 * A message goes through a verifier or a signer as a stream: fields, the end of the header, the
 * body in pieces of any size, the end. Line ends of the body are CRLF; folds in fields may be CRLF
 * or lone LF. The reading and the hashing are in spamfilter/sig; why they are our own:
 * docs/adr/0071-signatures.md. Threads: a verifier or signer belongs to one thread at a time and
 * waits for DNS on it; private keys are shared.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DKIM_H
#define SPAM_DKIM_H

#include "common/base/buf.h"
#include "spamfilter/dns.h"

#define SPAM_DKIM_SIGNATURES_MAX 8 /* looked at in one message; more are left out */

struct spam_dkim_stream;

enum spam_dkim_alg { SPAM_RSA_SHA256, SPAM_ED25519_SHA256 };

/* A private key, read once. CV_INVALID when PEM holds none of ALG, or RSA outside of 1024 to 4096
 * bits. */
struct spam_dkim_key;
CV_MUST_CHECK enum cv_status spam_dkim_key_read(
	const char *pem, enum spam_dkim_alg alg, struct spam_dkim_key **out, struct cv_err *err);
void spam_dkim_key_free(struct spam_dkim_key *key); /* NULL is fine */

/* Keys are asked for through LOOKUPS, which outlives the stream. */
struct spam_dkim_stream *spam_dkim_verifier(struct spam_lookups *lookups);
/* KEY must stay until the signature is written. */
struct spam_dkim_stream *spam_dkim_signer(
	const struct spam_dkim_key *key, const char *selector, const char *domain);
/* VALUE as it came, with its leading blank if it had one. NAME and VALUE must stay where they are
 * as long as the stream. */
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
	char domain[256]; /* lower-case A-labels; "" when d= is none */
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
