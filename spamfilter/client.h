/* client.h - the address of a client, as checks compare it. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLIENT_H
#define SPAM_CLIENT_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/base.h"

/* An IPv4 address in IPv6 form becomes an IPv4 address. */
static inline void
spam_client_unmap(struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *in6 = (const void *)a;
	struct sockaddr_in in4 = {.sin_family = AF_INET};

	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return;
	memcpy(&in4.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
	memset(a, 0, sizeof *a);
	memcpy(a, &in4, sizeof in4);
}

/* Its octets: 16 of IPv6, else 4. */
static inline const unsigned char *
spam_client_ip(const struct sockaddr_storage *a, size_t *n_out)
{
	if (a->ss_family == AF_INET6) {
		*n_out = 16;
		return ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
	}
	*n_out = 4;
	return (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
}

static inline bool
spam_client_is_loopback(const struct sockaddr_storage *a)
{
	struct sockaddr_storage plain = *a;
	size_t n;

	spam_client_unmap(&plain);
	const unsigned char *ip = spam_client_ip(&plain, &n);
	return n == 4 ? ip[0] == 127
		      : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)ip);
}

#endif
