/* conn.c - a buffered blocking connection, plain or TLS. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/load/load.h"

#define SILENCE_SECS 60

static SSL_CTX *client_context;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;

/* The certificates of a measured server are nobody's business here; the handshake is a full one. */
static void
make_context(void)
{
	client_context = SSL_CTX_new(TLS_client_method());
	if (!client_context) {
		fputs("cvload: no TLS\n", stderr);
		exit(1);
	}
	SSL_CTX_set_verify(client_context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(client_context, SSL_MODE_RELEASE_BUFFERS);
}

bool
load_handshake(struct load_conn *c)
{
	pthread_once(&context_once, make_context);
	c->ssl = SSL_new(client_context);
	c->at = c->n = 0;
	return c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_connect(c->ssl) == 1;
}

static bool
connect_unix(struct load_conn *c, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return c->fd >= 0 && connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static bool
connect_inet(struct load_conn *c, const struct load_target *t)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;
	int one = 1;

	if (getaddrinfo(t->host, t->port, &hints, &found))
		return false;
	c->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = c->fd >= 0 && connect(c->fd, found->ai_addr, found->ai_addrlen) == 0;
	freeaddrinfo(found);
	if (ok)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return ok;
}

bool
load_connect(struct load_conn *c, const struct load_target *t)
{
	const struct timeval silence = {.tv_sec = SILENCE_SECS};

	c->fd = -1;
	c->ssl = NULL;
	c->at = c->n = 0;
	c->bytes_in = 0;
	bool ok = t->port ? connect_inet(c, t) : connect_unix(c, t->host);
	if (ok) {
		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
		setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
		ok = t->tls != LOAD_TLS || load_handshake(c);
	}
	if (!ok)
		load_close(c);
	return ok;
}

void
load_close(struct load_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

bool
load_write(struct load_conn *c, const char *data, size_t n)
{
	while (n) {
		ssize_t done = c->ssl ? SSL_write(c->ssl, data, n > 1 << 20 ? 1 << 20 : (int)n)
				      : send(c->fd, data, n, MSG_NOSIGNAL);
		if (done <= 0) {
			if (!c->ssl && done < 0 && errno == EINTR)
				continue;
			return false;
		}
		data += done;
		n -= (size_t)done;
	}
	return true;
}

bool
load_print(struct load_conn *c, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return n >= 0 && (size_t)n < sizeof text && load_write(c, text, (size_t)n);
}

static bool
fill(struct load_conn *c)
{
	if (c->at == c->n)
		c->at = c->n = 0;
	if (c->at && c->n == sizeof c->in) {
		memmove(c->in, c->in + c->at, c->n - c->at);
		c->n -= c->at;
		c->at = 0;
	}
	size_t room = sizeof c->in - c->n;
	if (!room)
		return false;
	ssize_t got;
	do
		got = c->ssl ? SSL_read(c->ssl, c->in + c->n, (int)room)
			     : recv(c->fd, c->in + c->n, room, 0);
	while (got < 0 && !c->ssl && errno == EINTR);
	if (got <= 0)
		return false;
	c->n += (size_t)got;
	c->bytes_in += (uint64_t)got;
	return true;
}

char *
load_line(struct load_conn *c)
{
	for (size_t seen = 0;;) {
		char *start = c->in + c->at;
		char *end = memchr(start + seen, '\n', c->n - c->at - seen);
		if (end) {
			c->at = (size_t)(end + 1 - c->in);
			*end = 0;
			if (end > start && end[-1] == '\r')
				end[-1] = 0;
			return start;
		}
		seen = c->n - c->at;
		if (!fill(c))
			return NULL;
	}
}

bool
load_read(struct load_conn *c, void *out, size_t n)
{
	for (char *to = out; n;) {
		if (c->at == c->n && !fill(c))
			return false;
		size_t here = c->n - c->at < n ? c->n - c->at : n;
		memcpy(to, c->in + c->at, here);
		c->at += here;
		to += here;
		n -= here;
	}
	return true;
}

bool
load_skip(struct load_conn *c, uint64_t n)
{
	while (n) {
		if (c->at == c->n && !fill(c))
			return false;
		size_t here = c->n - c->at;
		if (here > n)
			here = (size_t)n;
		c->at += here;
		n -= here;
	}
	return true;
}
