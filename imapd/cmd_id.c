/* cmd_id.c - ID (RFC 2971), and what front ends say in it.
 *
 * Proxies tell by ID, before the log-in, for whom they speak: x-originating-ip and -port are the
 * client's, x-connected-ip and -port the address that it reached, x-session-id is the proxy's name
 * for it. Only peers in id_networks are believed, judged by the address of the connection (after a
 * PROXY header), not by whom they name; from all others these are words like any. The addresses
 * count from then on: for limits, for what is inside, in the log. TLS, and log-in without it, stay
 * what they are between the front end and us, so nothing that binds to TLS is offered.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/log.h"
#include "imapd/conn.h"

#define SESSION_MAX 100 /* bytes of a proxy's word that are logged */

/* TEXT and PORT as an address; false: not one, and *out is nobody's. */
static bool
read_address(struct cv_str text, struct cv_str port_text, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char ip[INET6_ADDRSTRLEN];
	uint64_t port = 0;

	memset(out, 0, sizeof(*out));
	if (port_text.n && cv_str_u64(port_text, UINT16_MAX, &port))
		return false;
	if (!text.n || text.n >= sizeof(ip) || memchr(text.p, 0, text.n))
		return false;
	memcpy(ip, text.p, text.n);
	ip[text.n] = '\0';
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return true;
	}
	if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return true;
	}
	return false;
}

/* What of a proxy's word may stand in a log. */
static const char *
loggable(struct cv_str word, char out[SESSION_MAX + 1])
{
	size_t n = CV_MIN(word.n, (size_t)SESSION_MAX);

	for (size_t i = 0; i < n; i++)
		out[i] = word.p[i] > ' ' && word.p[i] < 127 && word.p[i] != '"' ? word.p[i] : '?';
	out[n] = '\0';
	return n ? out : "-";
}

/* False: there is no room for the client. */
static bool
forward(struct imapd_conn *c, const struct imapd_id *id)
{
	struct sockaddr_storage peer, local;
	char by[64], session[SESSION_MAX + 1];

	cv_sockaddr_text(cv_conn_peer(c->conn), by, sizeof(by));
	/* decided by the wire, before somebody else's address stands for it */
	if (!c->is_forwarded)
		c->front_may_log_in = imapd_may_log_in(c);
	c->is_forwarded = true;
	/* an address that cannot be read is nobody's, and never inside */
	bool is_known = read_address(id->ip, id->port, &peer);
	cv_conn_set_peer(c->conn, &peer);
	if (read_address(id->connected_ip, id->connected_port, &local))
		cv_conn_set_local(c->conn, &local);
	cv_log(cv_conn_id(c->conn), is_known ? CV_INFO : CV_WARN, "imap.forwarded",
		"peer=%s by=%s session=%s", cv_conn_peer_text(c->conn), by,
		loggable(id->session, session));
	return cv_conn_recount(c->conn);
}

enum cv_step
imapd_cmd_id(struct imapd_conn *c)
{
	const struct imapd_id *id = &c->cmd->args.id;

	if (c->may_forward && c->state == IMAPD_S_GREETED && id->ip.p && !forward(c, id)) {
		c->is_unwelcome = true;
		return imapd_done(c, IMAPD_R_TOO_MANY_PEERS);
	}
	cv_buf_z(imapd_out(c), "* ID (\"name\" \"congvu\" \"version\" \"" CV_VERSION "\")\r\n");
	return imapd_done(c, IMAPD_R_OK);
}
