/* names.h - mailbox names between the wire (modified UTF-7, or UTF-8) and the store (UTF-8 in NFC),
 * patterns, the words for flags and special uses, and object ids (RFC 8474). Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_NAMES_H
#define IMAPD_NAMES_H

#include "common/base/arena.h"
#include "common/store/mailbox.h"

/* False when WIRE is no modified UTF-7. INBOX in any case, alone or as the first level, becomes
 * "INBOX". */
bool imapd_name_from_wire(struct cv_str wire, struct cv_arena *arena, struct cv_str *out);
/* The same for a client that enabled UTF-8: an ampersand is one (RFC 9755 3, RFC 9051 5.1). False
 * for what is no UTF-8 and for the control characters and line ends that no name may hold. */
bool imapd_name_from_utf8(struct cv_str wire, struct cv_arena *arena, struct cv_str *out);
/* Appends NAME as an IMAP string: in UTF-8, or in modified UTF-7. */
void imapd_write_name(struct cv_buf *out, struct cv_str name, bool utf8);

/* "*" matches anything, "%" anything but SEPARATOR. INBOX matches in any case. */
bool imapd_pattern_matches(struct cv_str pattern, struct cv_str name, char separator);

/* "\Seen" -> CV_FLAG_SEEN; 0 for what is no system flag. */
uint32_t imapd_flag_of(struct cv_str word);
/* Appends "\Seen word": no parentheses. RECENT adds \Recent. */
void imapd_write_flags(struct cv_buf *out, uint32_t flags, uint64_t keywords,
	const struct cv_keywords *names, bool is_recent);

/* "\Sent", or NULL for CV_USE_NONE. */
const char *imapd_use_word(enum cv_special_use use);
/* CV_USE_NONE for what is none. */
enum cv_special_use imapd_use_of(struct cv_str word);

#define IMAPD_OBJECTID_MAX 40 /* bytes with the NUL */
/* The ids of a message and of the mailbox with the number ID, in OUT. Such numbers are an
 * account's: OTHER is the account, unless it is the person's own (0). */
const char *imapd_email_id(const struct cv_msg *msg, char out[IMAPD_OBJECTID_MAX]);
const char *imapd_thread_id(const struct cv_msg *msg, char out[IMAPD_OBJECTID_MAX]);
const char *imapd_mailbox_id(uint64_t id, uint64_t other, char out[IMAPD_OBJECTID_MAX]);

#endif
