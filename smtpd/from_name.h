/* from_name.h - the sender's name on submission is the one that the register has for the address.
 *
 * A name in From is what people look at, and anybody can type one. The From field is written anew
 * when one of its names is not the register's; every other octet of the message stays. Names are
 * compared decoded, in NFC. What a signature of the content covers (S/MIME, PGP/MIME) is a body
 * part and is not touched. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_FROM_NAME_H
#define SMTPD_FROM_NAME_H

#include "common/text/address.h"

/* Appends the register's name for an address; false: it has none, the name stays as it is. */
typedef bool smtpd_from_name_fn(void *arg, struct cv_str local, struct cv_str domain,
                                struct cv_buf *name_out);
/* True when HEADER's From must be changed: OUT is the new field with its line ending, to stand in
 * place of the octets [*start_out, *end_out). False: the message stays as it is (also when From
 * cannot be read strictly or stands twice: such mail is refused elsewhere). */
bool smtpd_from_name_edit(struct cv_str header, smtpd_from_name_fn *fn, void *arg,
                          size_t *start_out, size_t *end_out, struct cv_buf *out);

#endif
