/* tls_context.h - what tls.c makes and tls_session.c uses: sets of OpenSSL contexts. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TLS_CONTEXT_H
#define CV_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "common/net/tls.h"

/* One generation of a server's certificates. Counted: a session holds the one it began with. */
struct cv_tls_set {
	_Atomic unsigned refs;
	unsigned count;
	SSL_CTX *ctx[]; /* the first is the default, the others are chosen by SNI */
};

/* The current generation, counted up for the caller. */
struct cv_tls_set *cv_tls_server_set(struct cv_tls_server *server);
void cv_tls_set_unref(struct cv_tls_set *set);

SSL_CTX *cv_tls_client_ctx(struct cv_tls_client *client);
enum cv_tls_check cv_tls_client_check(const struct cv_tls_client *client);

/* Empties this thread's OpenSSL error queue; the first entry's text goes into err. */
enum cv_status cv_tls_fail(struct cv_err *err, enum cv_status status, const char *what);

#endif
