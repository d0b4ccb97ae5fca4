/* catenate.h - messages put together of texts and of messages that are there (RFC 4469). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_CATENATE_H
#define IMAPD_CATENATE_H

#include "imapd/conn.h"

/* Makes the messages of this command's APPEND that are lists of parts; they are the command's.
 * False: the command is answered (BADURL, TOOBIG, a fault). */
bool imapd_catenate(struct imapd_conn *c);

#endif
