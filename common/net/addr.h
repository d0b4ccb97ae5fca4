/* addr.h - socket addresses and sets of networks. Pure but for cv_addr_listen(). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ADDR_H
#define CV_ADDR_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/str.h"

/* "127.0.0.1:25", "[::1]:25", "*:25" (both families on one socket), "unix:/path". */
CV_MUST_CHECK enum cv_status cv_sockaddr_parse(struct cv_str text, struct sockaddr_storage *out,
                                               socklen_t *len_out, struct cv_err *err);
/* The address alone; ::ffff:1.2.3.4 as 1.2.3.4. Returns BUF. */
const char *cv_sockaddr_text(const struct sockaddr_storage *a, char *buf, size_t n);
unsigned cv_sockaddr_port(const struct sockaddr_storage *a);
bool cv_sockaddr_eq_ip(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* Binds and listens: TCP with SO_REUSEADDR and IPV6_V6ONLY, or a Unix socket (a stale one is
 * replaced, MODE applied). */
CV_MUST_CHECK enum cv_status cv_addr_listen(const struct sockaddr_storage *a, socklen_t len,
                                            unsigned mode, int *fd_out, struct cv_err *err);

/* A set of networks: "127.0.0.0/8 ::1/128 10.0.0.0/8", separated by blanks or commas. */
struct cv_netset;
CV_MUST_CHECK enum cv_status cv_netset_parse(struct cv_str text, struct cv_netset **out,
                                             struct cv_err *err);
void cv_netset_free(struct cv_netset *s);
/* NULL set: false */
bool cv_netset_has(const struct cv_netset *s, const struct sockaddr_storage *a);

#endif
