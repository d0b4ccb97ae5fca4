/* pop3_lines.h - a message as a multi-line answer: dots stuffed, and cut after some lines for TOP.
 * Pure; start with a zeroed struct and LEFT. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_POP3_LINES_H
#define IMAPD_POP3_LINES_H

#include "common/base/buf.h"

#define IMAPD_POP3_ALL_LINES UINT64_MAX

struct imapd_pop3_lines {
	uint64_t left;    /* lines of the body still wanted */
	bool is_body;     /* the blank line behind the header went by */
	bool is_inside;   /* of a line: something of it was written */
	bool has_text;    /* of the line: more than a CR */
	bool ends_in_cr;
	bool is_complete; /* no more is wanted */
};

/* Appends BYTES, the next of the message. A dot at the start of a line is doubled, and a line may
 * begin behind a bare LF too, so that no message can end the answer for a client that takes one
 * for the other. At most twice as long. */
void imapd_pop3_lines_add(struct imapd_pop3_lines *l, struct cv_str bytes, struct cv_buf *out);
/* A line end where the message has none, and the final dot. */
void imapd_pop3_lines_end(struct imapd_pop3_lines *l, struct cv_buf *out);

#endif
