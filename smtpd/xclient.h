/* xclient.h - the attributes of XCLIENT, as Postfix's XCLIENT_README describes them. Pure.
 *
 *   XCLIENT NAME=mail.far.example ADDR=192.0.2.7 HELO=far.example PROTO=ESMTP
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_XCLIENT_H
#define SMTPD_XCLIENT_H

#include <sys/socket.h>

#include "common/base/str.h"

enum smtpd_xclient_attribute {
	XCLIENT_NAME = 1, XCLIENT_ADDR = 2, XCLIENT_PORT = 4, XCLIENT_PROTO = 8, XCLIENT_HELO = 16,
	XCLIENT_LOGIN = 32, XCLIENT_DESTADDR = 64, XCLIENT_DESTPORT = 128
};

struct smtpd_xclient {
	unsigned named;              /* attributes that the command had */
	unsigned known;              /* those with a value, not [UNAVAILABLE] or [TEMPUNAVAIL] */
	unsigned later;              /* those that were [TEMPUNAVAIL] */
	char name[256], helo[256], login[320];
	struct sockaddr_storage addr, dest; /* port 0; family 0 unless known */
	uint16_t port, dest_port;
	bool extended;               /* PROTO=ESMTP */
};

/* False when ARGS are not attributes that are known here, each at most once, in xtext, with values
 * that fit them and at most 255 octets. */
bool smtpd_xclient_parse(struct cv_str args, struct smtpd_xclient *out);

#endif
