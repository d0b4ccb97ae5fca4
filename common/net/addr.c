/* addr.c - socket addresses and sets of networks. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/net/addr.h"

#define BACKLOG 1024
#define NETS_MAX 4096
#define BOTH_FAMILIES 0xffffffffu /* in sin6_flowinfo, which no address of ours uses: "*" */

static bool
parse_ip(struct cv_str text, struct sockaddr_storage *out, socklen_t *len_out)
{
	char z[INET6_ADDRSTRLEN];
	memset(out, 0, sizeof(*out));
	if (!text.n || text.n >= sizeof(z) || cv_str_find(text, '\0', 0) < text.n)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	if (inet_pton(AF_INET, z, &((struct sockaddr_in *)out)->sin_addr) == 1) {
		out->ss_family = AF_INET;
		*len_out = sizeof(struct sockaddr_in);
		return true;
	}
	if (inet_pton(AF_INET6, z, &((struct sockaddr_in6 *)out)->sin6_addr) == 1) {
		out->ss_family = AF_INET6;
		*len_out = sizeof(struct sockaddr_in6);
		return true;
	}
	return false;
}

static enum cv_status
parse_unix(struct cv_str path, struct sockaddr_storage *out, socklen_t *len_out, struct cv_err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	if (!path.n || memchr(path.p, '\0', path.n))
		return cv_fail(err, CV_INVALID, "unix: needs a path");
	if (path.n >= sizeof(un->sun_path))
		return cv_fail(err, CV_LIMIT, "socket path longer than %zu bytes",
		               sizeof(un->sun_path) - 1);
	memset(out, 0, sizeof(*out));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.p, path.n);
	*len_out = (socklen_t)sizeof(*un);
	return CV_OK;
}

enum cv_status
cv_sockaddr_parse(struct cv_str text, struct sockaddr_storage *out, socklen_t *len_out,
                  struct cv_err *err)
{
	if (cv_str_has_prefix(text, "unix:"))
		return parse_unix(cv_str_sub(text, 5, text.n), out, len_out, err);
	size_t colon = text.n;
	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	struct cv_str host = cv_str_sub(text, 0, colon ? colon - 1 : 0);
	struct cv_str port_text = cv_str_sub(text, colon, text.n);
	uint64_t port;
	if (!colon || cv_str_u64(port_text, 65535, &port))
		return cv_fail(err, CV_INVALID, "'%.*s': address:port or unix:/path expected",
		               CV_STR_ARGS(text));
	bool brackets = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	bool both = cv_str_eq_z(host, "*");
	if (both)
		host = CV_STR("::");
	else if (brackets)
		host = cv_str_sub(host, 1, host.n - 1);
	else if (memchr(host.p ? host.p : "", ':', host.n))
		return cv_fail(err, CV_INVALID, "'%.*s': IPv6 addresses go in [brackets]",
		               CV_STR_ARGS(text));
	if (!parse_ip(host, out, len_out) || (brackets && out->ss_family != AF_INET6))
		return cv_fail(err, CV_INVALID, "'%.*s' is not an IP address", CV_STR_ARGS(host));
	if (out->ss_family == AF_INET)
		((struct sockaddr_in *)out)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)out)->sin6_port = htons((uint16_t)port);
	if (both)
		((struct sockaddr_in6 *)out)->sin6_flowinfo = BOTH_FAMILIES;
	return CV_OK;
}

/* ---- looking at addresses ---- */

/* The bytes of the address; an IPv4 address inside IPv6 is the IPv4 address. 0 for other
 * families. */
static size_t
ip_bytes(const struct sockaddr_storage *a, const unsigned char **p_out)
{
	if (a->ss_family == AF_INET) {
		*p_out = (const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr;
		return 4;
	}
	if (a->ss_family != AF_INET6)
		return 0;
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
	bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
	*p_out = in6->s6_addr + (mapped ? 12 : 0);
	return mapped ? 4 : 16;
}

const char *
cv_sockaddr_text(const struct sockaddr_storage *a, char *buf, size_t n)
{
	const unsigned char *ip = NULL;
	size_t bytes = ip_bytes(a, &ip);
	if (!n)
		return buf;
	if (!bytes)
		snprintf(buf, n, "%s", a->ss_family == AF_UNIX ? "local" : "unknown");
	else if (!inet_ntop(bytes == 4 ? AF_INET : AF_INET6, ip, buf, (socklen_t)n))
		buf[0] = '\0';
	return buf;
}

unsigned
cv_sockaddr_port(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)a)->sin_port);
	if (a->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
	return 0;
}

bool
cv_sockaddr_eq_ip(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const unsigned char *pa = NULL, *pb = NULL;
	size_t na = ip_bytes(a, &pa), nb = ip_bytes(b, &pb);
	return na && na == nb && !memcmp(pa, pb, na);
}

/* ---- listening ---- */

/* A socket left by a dead process is removed; one that answers is in use. */
static enum cv_status
clear_unix_path(const struct sockaddr_un *un, struct cv_err *err)
{
	struct stat st;
	if (lstat(un->sun_path, &st))
		return errno == ENOENT ? CV_OK
		                       : cv_fail_errno(err, CV_DENIED, errno, "%s", un->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return cv_fail(err, CV_EXISTS, "%s exists and is no socket", un->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "socket");
	int failed = connect(fd, (const struct sockaddr *)un, sizeof(*un));
	int errnum = errno;
	close(fd);
	if (!failed || errnum == EAGAIN)
		return cv_fail(err, CV_EXISTS, "%s is in use by another process", un->sun_path);
	if (unlink(un->sun_path))
		return cv_fail_errno(err, CV_DENIED, errno, "cannot remove %s", un->sun_path);
	return CV_OK;
}

static int
make_socket(int family, bool v6only)
{
	int on = 1, only = v6only;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || family == AF_UNIX)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A machine without IPv6 still listens on all there is. */
static void
only_ipv4(struct sockaddr_storage *a, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	                         .sin_port = ((const struct sockaddr_in6 *)a)->sin6_port};
	memset(a, 0, sizeof(*a));
	memcpy(a, &in, sizeof(in));
	*len = sizeof(in);
}

/* For a message to whoever starts us: the first question is which port it was. */
static const char *
listener_text(const struct sockaddr_storage *a, char *buf, size_t n)
{
	char ip[64];

	if (a->ss_family == AF_UNIX)
		snprintf(buf, n, "%s", ((const struct sockaddr_un *)a)->sun_path);
	else
		snprintf(buf, n, "%s port %u", cv_sockaddr_text(a, ip, sizeof ip),
		         ntohs(a->ss_family == AF_INET6
		                       ? ((const struct sockaddr_in6 *)a)->sin6_port
		                       : ((const struct sockaddr_in *)a)->sin_port));
	return buf;
}

/* Between bind and chmod nobody can connect: the umask of the caller is not touched, the socket is
 * not listening yet. */
static enum cv_status
bind_and_listen(int fd, const struct sockaddr_storage *a, socklen_t len, unsigned mode,
                struct cv_err *err)
{
	if (bind(fd, (const struct sockaddr *)a, len)) {
		int why = errno;
		char text[128];
		return cv_fail_errno(err, why == EADDRINUSE ? CV_EXISTS : CV_DENIED, why,
		                     "cannot listen on %s", listener_text(a, text, sizeof text));
	}
	const char *path = ((const struct sockaddr_un *)a)->sun_path;
	if (a->ss_family == AF_UNIX && chmod(path, (mode_t)mode))
		return cv_fail_errno(err, CV_DENIED, errno, "cannot set the mode of %s", path);
	if (listen(fd, BACKLOG))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "listen");
	return CV_OK;
}

enum cv_status
cv_addr_listen(const struct sockaddr_storage *addr, socklen_t len, unsigned mode, int *fd_out,
               struct cv_err *err)
{
	struct sockaddr_storage a;
	enum cv_status status = CV_OK;
	bool both = false;
	memset(&a, 0, sizeof(a));
	memcpy(&a, addr, CV_MIN((size_t)len, sizeof(a)));
	if (a.ss_family == AF_INET6) {
		both = ((struct sockaddr_in6 *)&a)->sin6_flowinfo == BOTH_FAMILIES;
		((struct sockaddr_in6 *)&a)->sin6_flowinfo = 0;
	}
	if (a.ss_family == AF_UNIX)
		status = clear_unix_path((struct sockaddr_un *)&a, err);
	if (status)
		return status;
	int fd = make_socket(a.ss_family, !both);
	if (fd < 0 && both && errno == EAFNOSUPPORT) {
		only_ipv4(&a, &len);
		fd = make_socket(AF_INET, false);
	}
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make a socket");
	status = bind_and_listen(fd, &a, len, mode, err);
	if (status)
		close(fd);
	else
		*fd_out = fd;
	return status;
}

/* ---- sets of networks ---- */

struct net_row {
	unsigned char ip[16];
	size_t bytes;
	unsigned bits;
};

struct cv_netset {
	size_t count;
	struct net_row rows[];
};

static enum cv_status
parse_net(struct cv_str word, struct net_row *row, struct cv_err *err)
{
	struct sockaddr_storage a;
	socklen_t len;
	size_t slash = cv_str_find(word, '/', 0);
	uint64_t bits = 0;
	const unsigned char *ip = NULL;
	if (!parse_ip(cv_str_sub(word, 0, slash), &a, &len))
		return cv_fail(err, CV_INVALID, "'%.*s' is not a network", CV_STR_ARGS(word));
	bool mapped = a.ss_family == AF_INET6 && ip_bytes(&a, &ip) == 4;
	row->bytes = ip_bytes(&a, &ip);
	if (ip)
		memcpy(row->ip, ip, row->bytes);
	row->bits = (unsigned)row->bytes * 8;
	if (slash == word.n)
		return CV_OK;
	if (cv_str_u64(cv_str_sub(word, slash + 1, word.n), mapped ? 128 : row->bits, &bits) ||
	    (mapped && bits < 96))
		return cv_fail(err, CV_INVALID, "'%.*s': bad prefix length", CV_STR_ARGS(word));
	row->bits = (unsigned)bits - (mapped ? 96 : 0);
	return CV_OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\n' || c == '\r';
}

enum cv_status
cv_netset_parse(struct cv_str text, struct cv_netset **out, struct cv_err *err)
{
	struct cv_netset *s = cv_calloc(1, sizeof(*s));
	size_t i = 0;
	while (i < text.n) {
		size_t from = i;
		while (i < text.n && !is_blank(text.p[i]))
			i++;
		struct cv_str word = cv_str_sub(text, from, i);
		while (i < text.n && is_blank(text.p[i]))
			i++;
		if (!word.n)
			continue;
		s = cv_realloc(s, sizeof(*s) + (s->count + 1) * sizeof(s->rows[0]));
		enum cv_status status = s->count < NETS_MAX
		                                ? parse_net(word, &s->rows[s->count], err)
		                                : cv_fail(err, CV_LIMIT, "too many networks");
		if (status) {
			free(s);
			return status;
		}
		s->count++;
	}
	*out = s;
	return CV_OK;
}

void
cv_netset_free(struct cv_netset *s)
{
	free(s);
}

static bool
row_has(const struct net_row *row, const unsigned char *ip, size_t bytes)
{
	size_t whole = row->bits / 8;
	unsigned rest = row->bits % 8;
	if (row->bytes != bytes || memcmp(row->ip, ip, whole))
		return false;
	return !rest || !((row->ip[whole] ^ ip[whole]) >> (8 - rest));
}

bool
cv_netset_has(const struct cv_netset *s, const struct sockaddr_storage *a)
{
	const unsigned char *ip = NULL;
	size_t bytes = ip_bytes(a, &ip);
	if (!s || !bytes)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (row_has(&s->rows[i], ip, bytes))
			return true;
	return false;
}
