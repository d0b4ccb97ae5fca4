/* proxy.c - PROXY protocol headers, as HAProxy's document describes them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/net/proxy.h"

#define V1_MAX 107 /* with its CRLF */
#define V2_HEAD 16

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum cv_status
bad(struct cv_err *err, const char *what)
{
	return cv_fail(err, CV_INVALID, "PROXY header: %s", what);
}

static void
set_address(struct sockaddr_storage *out, int family, const void *ip, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		memcpy(&in->sin_addr, ip, 4);
		in->sin_port = htons(port);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
		memcpy(&in6->sin6_addr, ip, 16);
		in6->sin6_port = htons(port);
	}
}

/* ---- version 1: one line of words ---- */

static bool
parse_ip(struct cv_str word, int family, unsigned char ip[16])
{
	char text[INET6_ADDRSTRLEN];
	if (word.n >= sizeof(text) || !word.n || memchr(word.p, '\0', word.n))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return inet_pton(family, text, ip) == 1;
}

static bool
parse_port(struct cv_str word, uint16_t *port_out)
{
	uint64_t port;
	if (word.n > 5 || (word.n > 1 && word.p[0] == '0') || cv_str_u64(word, 65535, &port))
		return false;
	*port_out = (uint16_t)port;
	return true;
}

static enum cv_status
parse_v1_words(struct cv_str line, struct cv_proxy *out, struct cv_err *err)
{
	struct cv_str word[7], rest = line;
	size_t count = 0;
	while (count < CV_COUNT(word) && cv_str_split(&rest, ' ', &word[count]))
		count++;
	if (count >= 2 && cv_str_eq_z(word[1], "UNKNOWN"))
		return CV_OK;
	if (count != 6)
		return bad(err, "six words expected");
	int family = cv_str_eq_z(word[1], "TCP4")   ? AF_INET
	             : cv_str_eq_z(word[1], "TCP6") ? AF_INET6
	                                            : AF_UNSPEC;
	if (family == AF_UNSPEC)
		return bad(err, "unknown family");
	unsigned char src[16], dst[16];
	uint16_t src_port, dst_port;
	if (!parse_ip(word[2], family, src) || !parse_ip(word[3], family, dst))
		return bad(err, "bad address");
	if (!parse_port(word[4], &src_port) || !parse_port(word[5], &dst_port))
		return bad(err, "bad port");
	set_address(&out->peer, family, src, src_port);
	set_address(&out->local, family, dst, dst_port);
	out->has_addresses = true;
	return CV_OK;
}

static enum cv_status
parse_v1(struct cv_str in, struct cv_proxy *out, size_t *used_out, struct cv_err *err)
{
	struct cv_str head = cv_str_sub(in, 0, V1_MAX);
	size_t end = cv_str_search(head, CV_STR("\r\n"));
	if (end == head.n)
		return in.n >= V1_MAX ? bad(err, "line too long") : CV_AGAIN;
	*used_out = end + 2;
	return parse_v1_words(cv_str_sub(in, 0, end), out, err);
}

/* ---- version 2: binary ---- */

static enum cv_status
parse_v2(struct cv_str in, struct cv_proxy *out, size_t *used_out, struct cv_err *err)
{
	const unsigned char *p = (const unsigned char *)in.p;
	if (in.n < V2_HEAD)
		return CV_AGAIN;
	size_t length = (size_t)p[14] << 8 | p[15];
	unsigned command = p[12] & 15u, family = p[13] >> 4, transport = p[13] & 15u;
	if (p[12] >> 4 != 2 || command > 1)
		return bad(err, "unknown version or command");
	if (V2_HEAD + length > CV_PROXY_MAX)
		return bad(err, "too long");
	if (in.n < V2_HEAD + length)
		return CV_AGAIN;
	*used_out = V2_HEAD + length;
	/* LOCAL: the front end's own check. Other families and datagrams: nothing we can use. */
	if (command == 0 || (family != 1 && family != 2) || transport != 1)
		return CV_OK;
	size_t ip_bytes = family == 1 ? 4 : 16;
	if (length < 2 * ip_bytes + 4)
		return bad(err, "addresses cut off");
	const unsigned char *a = p + V2_HEAD, *ports = a + 2 * ip_bytes;
	int af = family == 1 ? AF_INET : AF_INET6;
	set_address(&out->peer, af, a, (uint16_t)(ports[0] << 8 | ports[1]));
	set_address(&out->local, af, a + ip_bytes, (uint16_t)(ports[2] << 8 | ports[3]));
	out->has_addresses = true;
	return CV_OK;
}

enum cv_status
cv_proxy_parse(struct cv_str in, struct cv_proxy *out, size_t *used_out, struct cv_err *err)
{
	static const char v1_start[6] = "PROXY ";
	memset(out, 0, sizeof(*out));
	if (!in.n)
		return CV_AGAIN;
	if (!memcmp(in.p, v1_start, CV_MIN(in.n, sizeof(v1_start))))
		return in.n < sizeof(v1_start) ? CV_AGAIN : parse_v1(in, out, used_out, err);
	if (!memcmp(in.p, v2_signature, CV_MIN(in.n, sizeof(v2_signature))))
		return parse_v2(in, out, used_out, err);
	return bad(err, "neither version 1 nor 2");
}
