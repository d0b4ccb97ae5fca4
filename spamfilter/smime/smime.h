/* smime.h - S/MIME signatures (RFC 8551) looked at, for Authentication-Results (RFC 7281).
 *
 * multipart/signed and application/pkcs7-mime with signed-data. The message is read, never changed.
 * Certificates are checked against a file of roots; no revocation list is fetched.
 * Threads: one spam_smime serves all.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SMIME_H
#define SPAM_SMIME_H

#include "common/base/err.h"
#include "common/base/str.h"

#define SPAM_SMIME_SIGNATURE_MAX (256u << 10) /* octets of a detached signature */
#define SPAM_SMIME_OPAQUE_MAX    (32u << 20)  /* octets of signed-data with its content */
#define SPAM_SMIME_SIGNERS_MAX   5
#define SPAM_SMIME_CERTS_MAX     20

enum spam_smime_result {
	SPAM_SMIME_NONE,
	SPAM_SMIME_PASS,
	SPAM_SMIME_FAIL,   /* what was signed is not what came */
	SPAM_SMIME_POLICY, /* signed well, by one we have no reason to trust for this author */
	SPAM_SMIME_NEUTRAL /* nothing that can be read as a signature */
};
const char *spam_smime_word(enum spam_smime_result result);

struct spam_smime_answer {
	enum spam_smime_result result;
	const char *why;  /* of what is no pass; "" otherwise */
	const char *part; /* the part with the signature: "2"; "1" when all is one */
	char signer[256]; /* the first address of the certificate, printable ASCII; or "" */
	char serial[80];  /* hexadecimal digits of the certificate's number */
	char issuer[256]; /* its issuer's name, printable ASCII */
};

struct spam_smime;

/* TRUST_FILE: PEM certificates of roots; NULL or "": nobody is trusted. CV_INVALID when it holds no
 * certificate or cannot be read. */
CV_MUST_CHECK enum cv_status spam_smime_new(
	const char *trust_file, struct spam_smime **out, struct cv_err *err);
void spam_smime_free(struct spam_smime *s); /* NULL is fine */

/* TYPE and ENCODING are the values of Content-Type and Content-Transfer-Encoding ("" for none),
 * BODY the whole body with CRLF lines, AUTHOR the address in From (empty when there is no plain
 * one). */
void spam_smime_check(const struct spam_smime *s, struct cv_str type, struct cv_str encoding,
	struct cv_str body, struct cv_str author, struct spam_smime_answer *out);
/* Whether TYPE asks for that at all. */
bool spam_smime_is_signed(struct cv_str type);

#endif
