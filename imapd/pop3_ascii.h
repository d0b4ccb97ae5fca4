/* pop3_ascii.h - a header for a client that did not say UTF8: nothing in it but ASCII (RFC 6856
 * 2.1, in the way of RFC 6857 and 6858). Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_POP3_ASCII_H
#define IMAPD_POP3_ASCII_H

#include "common/base/buf.h"

/* Where the body of a message that begins with BYTES starts; 0 while the blank line is not in them.
 */
size_t imapd_pop3_header_end(struct cv_str bytes);
bool imapd_pop3_is_ascii(struct cv_str bytes);

/* Appends HEADER, whole lines with the blank one behind them, as ASCII. Words become encoded words
 * (RFC 2047), parameters of Content-Type and -Disposition are written by RFC 2231, an address that
 * is not ASCII becomes an empty group that names it (RFC 6857 3.1.8): it can be read, not answered.
 * Fields that are ASCII stay as they are. At most 16 times as long. */
void imapd_pop3_ascii_header(struct cv_str header, struct cv_buf *out);

#endif
