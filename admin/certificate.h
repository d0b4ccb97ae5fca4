/* certificate.h - keys, certificates and digests: all that the admin tool needs of OpenSSL. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_CERTIFICATE_H
#define ADMIN_CERTIFICATE_H

#include "admin/files.h"
#include "common/base/buf.h"

/* Makes a small authority and a server certificate signed by it, both EC P-256, below DIR:
 * ca.pem (give it to mail clients), ca.key (0600: keep it off-line), server.pem (certificate and
 * authority), server.key. The server's names: HOSTNAME, localhost, 127.0.0.1, ::1. Refuses to
 * overwrite. The daemons' OWNER gets the server's key only. */
CV_MUST_CHECK enum cv_status admin_certificate_make(const char *dir, const char *hostname,
	const char *organisation, struct admin_owner owner, struct cv_err *err);

/* A key pair for DKIM: the private half as PKCS #8 PEM, the public one as `p=` wants it (RSA:
 * SubjectPublicKeyInfo; ed25519: the bare 32 octets; RFC 8463), in base64. */
enum admin_key { ADMIN_KEY_RSA, ADMIN_KEY_ED25519 };
CV_MUST_CHECK enum cv_status admin_key_make(
	enum admin_key kind, unsigned rsa_bits, struct cv_buf *pem_out, struct cv_err *err);
/* The public half of a private key in PEM; says which kind it is. */
CV_MUST_CHECK enum cv_status admin_key_public(
	struct cv_str pem, enum admin_key *kind_out, struct cv_buf *base64_out, struct cv_err *err);

/* SHA-256 of the public key of the first certificate in the PEM file PATH, or of the private key in
 * it: the data of TLSA 3 1 1 (RFC 7672 3.1.1). */
CV_MUST_CHECK enum cv_status admin_key_digest(
	const char *path, char hex_out[65], struct cv_err *err);

/* SHA-256 in lower-case hex, NUL behind it. */
void admin_sha256(struct cv_str bytes, char hex_out[65]);

#endif
