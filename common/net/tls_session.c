/* tls_session.c - one TLS session over a non-blocking socket. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/net/tls_context.h"
#include "common/net/tls_private.h"

struct cv_tls {
	SSL *ssl;
	struct cv_tls_set *set; /* of a server: what on_server_name() looks at */
	bool failed;            /* no close_notify after a fatal error */
};

static struct cv_tls *
wrap(SSL_CTX *ctx, struct cv_tls_set *set, int fd, struct cv_err *err)
{
	ERR_clear_error();
	SSL *ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		cv_tls_set_unref(set);
		(void)cv_tls_fail(err, CV_TEMPFAIL, "cannot begin TLS");
		return NULL;
	}
	struct cv_tls *t = cv_calloc(1, sizeof(*t));
	*t = (struct cv_tls){.ssl = ssl, .set = set};
	return t;
}

struct cv_tls *
cv_tls_new_server(struct cv_tls_server *server, int fd, struct cv_err *err)
{
	struct cv_tls_set *set = cv_tls_server_set(server);
	struct cv_tls *t = wrap(set->ctx, set, fd, err);
	if (t)
		SSL_set_accept_state(t->ssl);
	return t;
}

static bool
is_address(const char *host)
{
	unsigned char ip[16];
	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

/* The name is checked under OPPORTUNISTIC too: the handshake goes on, but cv_tls_info() can say. */
static bool
set_host(struct cv_tls *t, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host) == 1;
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(t->ssl, host) == 1 && SSL_set_tlsext_host_name(t->ssl, host) == 1;
}

/* RFC 7672 3.1: the records stand in for authorities; with DANE-EE(3) names do not matter. */
static bool
set_records(struct cv_tls *t, const struct cv_tls_peer *peer)
{
	size_t usable = 0;
	if (SSL_dane_enable(t->ssl, peer->host) != 1)
		return false;
	SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < peer->tlsa_count; i++) {
		const struct cv_tls_tlsa *r = &peer->tlsa[i];
		if (SSL_dane_tlsa_add(t->ssl, r->usage, r->selector, r->matching,
		                      (const unsigned char *)r->data.p, r->data.n) > 0)
			usable++;
	}
	ERR_clear_error();
	return usable > 0;
}

/* A call-back of NULL would leave the context's, which lets everything pass. */
static int
keep_verdict(int ok, X509_STORE_CTX *store)
{
	(void)store;
	return ok;
}

static bool
set_peer(struct cv_tls *t, const struct cv_tls_peer *peer)
{
	if (!peer->host)
		return !peer->must_verify && !peer->tlsa_count;
	if (peer->tlsa_count && !set_records(t, peer))
		return false;
	if (!set_host(t, peer->host) || (peer->also && SSL_add1_host(t->ssl, peer->also) != 1))
		return false;
	if (peer->must_verify)
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, keep_verdict);
	return true;
}

struct cv_tls *
cv_tls_new_client(struct cv_tls_client *client, const char *host, const struct cv_tls_peer *peer,
                  int fd, struct cv_err *err)
{
	if (!host && cv_tls_client_check(client) == CV_TLS_VERIFY_NAME) {
		(void)cv_fail(err, CV_INVALID, "TLS: no host name to check");
		return NULL;
	}
	struct cv_tls *t = wrap(cv_tls_client_ctx(client), NULL, fd, err);
	if (!t)
		return NULL;
	if (peer ? !set_peer(t, peer) : host && !set_host(t, host)) {
		(void)cv_tls_fail(err, CV_INVALID, "TLS: bad host name");
		cv_tls_free(t);
		return NULL;
	}
	SSL_set_connect_state(t->ssl);
	return t;
}

void
cv_tls_free(struct cv_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	cv_tls_set_unref(t->set);
	free(t);
}

/* What RESULT of an SSL_* call means. The thread's error queue is empty afterwards. */
static enum cv_status
explain(struct cv_tls *t, int result, const char *what, bool *write_out, struct cv_err *err)
{
	int errnum = errno;
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*write_out = false;
		return CV_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*write_out = true;
		return CV_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		ERR_clear_error();
		(void)cv_fail(err, CV_EOF, "%s: the peer ended", what);
		return CV_EOF;
	case SSL_ERROR_SYSCALL:
		t->failed = true;
		ERR_clear_error();
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "%s", what);
	default:
		t->failed = true;
		return cv_tls_fail(err, CV_TEMPFAIL, what);
	}
}

enum cv_status
cv_tls_handshake(struct cv_tls *t, bool *write_out, struct cv_err *err)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_do_handshake(t->ssl);
	if (result == 1)
		return CV_OK;
	long verify = SSL_get_verify_result(t->ssl);
	enum cv_status status = explain(t, result, "TLS handshake", write_out, err);
	if (status != CV_AGAIN && verify != X509_V_OK && !SSL_is_server(t->ssl))
		return cv_fail(err, CV_TEMPFAIL, "TLS handshake: certificate: %s",
		               X509_verify_cert_error_string(verify));
	return status == CV_EOF ? CV_TEMPFAIL : status;
}

enum cv_status
cv_tls_read(struct cv_tls *t, void *p, size_t n, size_t *got_out, bool *write_out,
            struct cv_err *err)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_read_ex(t->ssl, p, n, got_out);
	return result == 1 ? CV_OK : explain(t, result, "TLS read", write_out, err);
}

enum cv_status
cv_tls_write(struct cv_tls *t, const void *p, size_t n, size_t *put_out, bool *write_out,
             struct cv_err *err)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_write_ex(t->ssl, p, n, put_out);
	if (result == 1)
		return CV_OK;
	enum cv_status status = explain(t, result, "TLS write", write_out, err);
	return status == CV_EOF ? CV_TEMPFAIL : status;
}

void
cv_tls_notify(struct cv_tls *t)
{
	if (t->failed || !SSL_is_init_finished(t->ssl))
		return;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

/* ---- what is known about a session ---- */

void
cv_tls_info(struct cv_tls *t, struct cv_tls_info *out)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	int bits = SSL_get_cipher_bits(t->ssl, NULL);
	*out = (struct cv_tls_info){
		.secure = true,
		.version = SSL_get_version(t->ssl),
		.cipher = SSL_get_cipher_name(t->ssl),
		.bits = bits > 0 ? (unsigned)bits : 0,
		.sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name),
		.peer_verified = cert && SSL_get_verify_result(t->ssl) == X509_V_OK,
	};
	out->verify_error = out->peer_verified ? ""
	                                       : X509_verify_cert_error_string(
	                                                 SSL_get_verify_result(t->ssl));
	out->by_dane = out->peer_verified && SSL_get0_dane_authority(t->ssl, NULL, NULL) >= 0;
	if (cert)
		X509_NAME_oneline(X509_get_subject_name(cert), out->peer_subject,
		                  (int)sizeof(out->peer_subject));
}

/* RFC 9266: only where the session is bound to its handshake: TLS 1.3, or extended master
 * secret. */
static enum cv_status
bind_exporter(struct cv_tls *t, struct cv_buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char bytes[32];
	if (SSL_version(t->ssl) < TLS1_3_VERSION && SSL_get_extms_support(t->ssl) != 1)
		return CV_NOT_FOUND;
	if (SSL_export_keying_material(t->ssl, bytes, sizeof(bytes), label, sizeof(label) - 1,
	                               (const unsigned char *)"", 0, 1) != 1) {
		ERR_clear_error();
		return CV_NOT_FOUND;
	}
	cv_buf_add(out, bytes, sizeof(bytes));
	return CV_OK;
}

bool
cv_tls_client_cert(struct cv_tls *t, struct cv_tls_cert *out)
{
	X509 *cert = SSL_is_server(t->ssl) ? SSL_get0_peer_certificate(t->ssl) : NULL;
	/* A ticket may outlive the certificate of the handshake it came from. */
	return cert && SSL_get_verify_result(t->ssl) == X509_V_OK &&
	       X509_cmp_current_time(X509_get0_notAfter(cert)) > 0 &&
	       X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	       cv_tls_cert_fill(cert, out);
}

/* What the ticket of a resumed session says that its first handshake showed. */
static bool
end_point_of_ticket(SSL *ssl, unsigned char out[EVP_MAX_MD_SIZE], unsigned *n_out)
{
	void *data = NULL;
	size_t n = 0;
	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &n) != 1 || !n ||
	    n > EVP_MAX_MD_SIZE)
		return false;
	memcpy(out, data, n);
	*n_out = (unsigned)n;
	return true;
}

/* RFC 5929: the server's certificate, hashed as it was signed; MD5 and SHA-1 count as SHA-256. */
bool
cv_tls_end_point(SSL *ssl, unsigned char out[EVP_MAX_MD_SIZE], unsigned *n_out)
{
	int digest = NID_undef;
	if (SSL_is_server(ssl) && SSL_session_reused(ssl))
		return end_point_of_ticket(ssl, out, n_out);
	X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	if (!cert || X509_get_signature_info(cert, &digest, NULL, NULL, NULL) != 1)
		return false;
	if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1)
		digest = NID_sha256;
	const EVP_MD *md = EVP_get_digestbynid(digest);
	if (md && X509_digest(cert, md, out, n_out) == 1)
		return true;
	ERR_clear_error();
	return false;
}

static enum cv_status
bind_end_point(struct cv_tls *t, struct cv_buf *out)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!cv_tls_end_point(t->ssl, bytes, &n))
		return CV_NOT_FOUND;
	cv_buf_add(out, bytes, n);
	return CV_OK;
}

enum cv_status
cv_tls_channel_binding(struct cv_tls *t, const char *type, struct cv_buf *out)
{
	if (!strcmp(type, "tls-exporter"))
		return bind_exporter(t, out);
	if (!strcmp(type, "tls-server-end-point"))
		return bind_end_point(t, out);
	return CV_NOT_FOUND;
}
