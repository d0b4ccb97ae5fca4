/* tls_context.h - what tls.c makes and tls_session.c uses: sets of OpenSSL contexts. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TLS_CONTEXT_H
#define CV_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "common/net/tls.h"

/* A certificate with its key and what stands above it. */
struct cv_tls_chain {
	X509 *cert;
	STACK_OF(X509) *above;
	EVP_PKEY *key;
};
#define CV_TLS_CHAINS_MAX 64u

/* One generation of a server's certificates. Counted: a session holds the one it began with. */
struct cv_tls_set {
	_Atomic unsigned refs;
	SSL_CTX *ctx;   /* serves the first chain's name */
	char alpn[16];  /* or "" */
	unsigned count;
	struct cv_tls_chain chains[CV_TLS_CHAINS_MAX];
};

/* tls_chains.c */
/* Reads as many chains as keys into SET. err names the file. */
CV_MUST_CHECK enum cv_status cv_tls_chains_load(struct cv_tls_set *set, const char *cert_files,
                                                const char *key_files, struct cv_err *err);
void cv_tls_chains_free(struct cv_tls_set *set);
/* Gives the first chain's name to SET->ctx. */
CV_MUST_CHECK enum cv_status cv_tls_chains_set_default(struct cv_tls_set *set, struct cv_err *err);
/* Call-backs of SET->ctx: is it a name of ours; which chains serve it. */
int cv_tls_on_server_name(SSL *ssl, int *alert, void *set);
int cv_tls_on_certificate(SSL *ssl, void *set);

/* The current generation, counted up for the caller. */
struct cv_tls_set *cv_tls_server_set(struct cv_tls_server *server);
void cv_tls_set_unref(struct cv_tls_set *set);

/* tls_cert.c */
bool cv_tls_cert_fill(X509 *cert, struct cv_tls_cert *out);
/* tls_session.c: what the peer was shown, hashed for tls-server-end-point. */
bool cv_tls_end_point(SSL *ssl, unsigned char out[EVP_MAX_MD_SIZE], unsigned *n_out);

SSL_CTX *cv_tls_client_ctx(struct cv_tls_client *client);
enum cv_tls_check cv_tls_client_check(const struct cv_tls_client *client);

/* Empties this thread's OpenSSL error queue; the first entry's text goes into err. */
enum cv_status cv_tls_fail(struct cv_err *err, enum cv_status status, const char *what);

#endif
