/* origin.h - where a stored message came from, read from its own header: for `explain` when nobody
 * says. Pure.
 *
 * The envelope sender is the first Return-Path's. The client is named by the first Received field,
 * from the top, whose "from" is an address outside the networks given: the fields above it are
 * those of our own hosts. A message that did not pass through hosts of ours can say what it likes
 * here.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_ORIGIN_H
#define SPAM_ORIGIN_H

#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/net/addr.h"

struct spam_origin {
	bool has_client, has_sender;
	struct sockaddr_storage client;
	char name[256], helo[256]; /* "" when not told */
	struct cv_str sender;      /* between the brackets; slice of the message */
};

/* INSIDE are networks of ours; NULL: none. */
void spam_origin_read(
	struct cv_str message, const struct cv_netset *inside, struct spam_origin *out);
/* "192.0.2.1", "IPv6:2001:db8::1", "2001:db8::1". */
bool spam_origin_address(struct cv_str text, struct sockaddr_storage *out);

#endif
