/* tls_cert.c - what a client's certificate says about its owner. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/net/tls_context.h"

static void
add_name(const ASN1_IA5STRING *text, struct cv_tls_cert *out)
{
	int n = ASN1_STRING_length(text);
	const unsigned char *p = ASN1_STRING_get0_data(text);
	if (n <= 0 || (size_t)n >= sizeof(out->names[0]) || out->name_count == CV_TLS_CERT_NAMES)
		return;
	/* A NUL or a line end in a name is a forger's. */
	for (int i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f)
			return;
	char *name = out->names[out->name_count++];
	memcpy(name, p, (size_t)n);
	name[n] = '\0';
}

bool
cv_tls_cert_fill(X509 *cert, struct cv_tls_cert *out)
{
	unsigned n = 0;
	memset(out, 0, sizeof(*out));
	if (X509_digest(cert, EVP_sha256(), out->sha256, &n) != 1 || n != sizeof(out->sha256)) {
		ERR_clear_error();
		return false;
	}
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type == GEN_EMAIL)
			add_name(g->d.rfc822Name, out);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return true;
}

bool
cv_tls_cert_read(struct cv_str der, struct cv_tls_cert *out)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *cert = der.n <= 1u << 20 ? d2i_X509(NULL, &p, (long)der.n) : NULL;
	bool ok = cert && cv_tls_cert_fill(cert, out);
	X509_free(cert);
	ERR_clear_error();
	return ok;
}
