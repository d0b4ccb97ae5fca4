/* probe.c - see probe.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/doctor/probe.h"
#include "common/base/buf.h"

#define LINES_MAX 200u

struct probe {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	char in[4096];
	size_t from, to;
};

enum cv_status
probe_open(const struct sockaddr_storage *to, socklen_t len, unsigned secs, struct probe **out,
	struct cv_err *err)
{
	struct timeval limit = {.tv_sec = (time_t)secs};
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "no socket");
	/* The limit for sending is the one for connecting too. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) ||
		connect(fd, (const struct sockaddr *)to, len)) {
		int why = errno == EINPROGRESS ? ETIMEDOUT : errno;
		close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, why, "cannot connect");
	}
	*out = cv_calloc(1, sizeof **out);
	(*out)->fd = fd;
	return CV_OK;
}

void
probe_close(struct probe *p)
{
	if (!p)
		return;
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
	free(p);
}

/* ---- bytes ---- */

static bool
fill(struct probe *p)
{
	ssize_t n = p->ssl ? SSL_read(p->ssl, p->in, (int)sizeof p->in)
			   : read(p->fd, p->in, sizeof p->in);

	p->from = 0;
	p->to = n > 0 ? (size_t)n : 0;
	return n > 0;
}

enum cv_status
probe_line(struct probe *p, char out[PROBE_LINE_MAX], struct cv_err *err)
{
	size_t n = 0;

	for (;;) {
		if (p->from == p->to && !fill(p)) {
			ERR_clear_error();
			return cv_fail(err, CV_TEMPFAIL, "no answer, or the connection was closed");
		}
		char c = p->in[p->from++];
		if (c == '\n')
			break;
		if (n + 1 == PROBE_LINE_MAX)
			return cv_fail(err, CV_LIMIT, "a line without end");
		out[n++] = (unsigned char)c < ' ' || (unsigned char)c > '~' ? '?' : c;
	}
	if (n && out[n - 1] == '?')
		n--; /* CR */
	out[n] = '\0';
	return CV_OK;
}

enum cv_status
probe_say(struct probe *p, const char *line, struct cv_err *err)
{
	char text[PROBE_LINE_MAX];
	int n = snprintf(text, sizeof text, "%s\r\n", line);
	ssize_t sent = n < 0 || n >= (int)sizeof text ? -1
		       : p->ssl			      ? SSL_write(p->ssl, text, n)
						      : write(p->fd, text, (size_t)n);

	if (sent == n)
		return CV_OK;
	ERR_clear_error();
	return cv_fail(err, CV_TEMPFAIL, "cannot send");
}

enum cv_status
probe_smtp(struct probe *p, const char *line, unsigned *code_out, struct cv_buf *out,
	struct cv_err *err)
{
	char text[PROBE_LINE_MAX];
	enum cv_status status = line ? probe_say(p, line, err) : CV_OK;

	for (unsigned i = 0; status == CV_OK && i < LINES_MAX; i++) {
		uint64_t code;
		status = probe_line(p, text, err);
		if (status != CV_OK)
			return status;
		if (cv_str_u64(cv_str_sub(cv_str_z(text), 0, 3), 599, &code) != CV_OK)
			return cv_fail(err, CV_INVALID, "no SMTP reply: %.80s", text);
		*code_out = (unsigned)code;
		if (out)
			cv_buf_printf(out, "%s\n", text);
		if (text[3] != '-')
			return CV_OK;
	}
	return status ? status : cv_fail(err, CV_LIMIT, "a reply without end");
}

/* ---- TLS ---- */

enum cv_status
probe_tls(struct probe *p, const char *host, bool old, struct cv_err *err)
{
	char text[120];

	p->ctx = SSL_CTX_new(TLS_client_method());
	if (!p->ctx)
		return cv_fail(err, CV_TEMPFAIL, "OpenSSL has no memory");
	if (old) {
		/* What our own library would not offer by itself. */
		SSL_CTX_set_security_level(p->ctx, 0);
		(void)!SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
		(void)!SSL_CTX_set_max_proto_version(p->ctx, TLS1_1_VERSION);
	}
	p->ssl = SSL_new(p->ctx);
	if (p->ssl && SSL_set_fd(p->ssl, p->fd) && SSL_set_tlsext_host_name(p->ssl, host) &&
		SSL_connect(p->ssl) == 1)
		return CV_OK;
	ERR_error_string_n(ERR_get_error(), text, sizeof text);
	ERR_clear_error();
	SSL_free(p->ssl);
	p->ssl = NULL;
	return cv_fail(err, CV_DENIED, "no TLS: %s", text);
}

const char *
probe_tls_version(const struct probe *p)
{
	return p->ssl ? SSL_get_version(p->ssl) : "-";
}

bool
probe_key(const struct probe *p, char hex_out[65])
{
	X509 *cert = p->ssl ? SSL_get0_peer_certificate(p->ssl) : NULL;
	unsigned char *der = NULL;
	int n = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;

	if (n > 0)
		admin_sha256(cv_str((const char *)der, (size_t)n), hex_out);
	OPENSSL_free(der);
	return n > 0;
}
