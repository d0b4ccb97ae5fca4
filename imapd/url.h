/* url.h - the URLs of CATENATE (RFC 4469): a message of this account, or a part of one.
 *
 * "/mailbox;UIDVALIDITY=n/;UID=n/;SECTION=s/;PARTIAL=o.n" of RFC 5092, or from ";UID=" on for the
 * selected mailbox. Whatever names a server or a user is none of ours. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_URL_H
#define IMAPD_URL_H

#include "imapd/args.h"

struct imapd_url {
	struct cv_str mailbox; /* UTF-8 in NFC; p NULL: the selected one */
	uint32_t uidvalidity;  /* 0: any */
	uint32_t uid;
	struct imapd_section section; /* of the whole message, without SECTION */
};

/* Slices lie in ARENA. False: not such a URL. */
bool imapd_parse_url(struct cv_str url, struct cv_arena *arena, struct imapd_url *out);

#endif
