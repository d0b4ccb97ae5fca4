/* tls_private.h - one TLS session over a non-blocking socket. Belongs to one thread at a time. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TLS_PRIVATE_H
#define CV_TLS_PRIVATE_H

#include "common/base/buf.h"
#include "common/net/net.h"
#include "common/net/tls.h"

struct cv_tls;

/* NULL when OpenSSL has no memory or a setting is refused; err says why. */
struct cv_tls *cv_tls_new_server(struct cv_tls_server *server, int fd, struct cv_err *err);
/* PEER may be NULL: then CLIENT and HOST say what is checked. */
struct cv_tls *cv_tls_new_client(struct cv_tls_client *client, const char *host,
                                 const struct cv_tls_peer *peer, int fd, struct cv_err *err);
void cv_tls_free(struct cv_tls *t);

/* CV_OK, CV_AGAIN (*write_out: waiting for room to write, else for bytes), CV_EOF, CV_TEMPFAIL. */
enum cv_status cv_tls_handshake(struct cv_tls *t, bool *write_out, struct cv_err *err);
enum cv_status cv_tls_read(struct cv_tls *t, void *p, size_t n, size_t *got_out, bool *write_out,
                           struct cv_err *err);
enum cv_status cv_tls_write(struct cv_tls *t, const void *p, size_t n, size_t *put_out,
                            bool *write_out, struct cv_err *err);
/* Sends close_notify if the socket takes it at once. */
void cv_tls_notify(struct cv_tls *t);

void cv_tls_info(struct cv_tls *t, struct cv_tls_info *info_out);
bool cv_tls_client_cert(struct cv_tls *t, struct cv_tls_cert *out);
enum cv_status cv_tls_channel_binding(struct cv_tls *t, const char *type, struct cv_buf *out);

#endif
