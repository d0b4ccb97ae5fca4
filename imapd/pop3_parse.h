/* pop3_parse.h - bytes to POP3 lines, lines to commands. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_POP3_PARSE_H
#define IMAPD_POP3_PARSE_H

#include "common/base/str.h"

enum imapd_pop3_frame {
	IMAPD_POP3_MORE,    /* no whole line yet */
	IMAPD_POP3_LINE,
	IMAPD_POP3_TOO_LONG /* a line over MAX went by, all of it */
};
/* Looks for one line in BYTES, which begin where the last call's *used_out ended. The line comes
 * without its end, CRLF or LF. *is_skipping is the caller's, false at first: a line over MAX bytes
 * is thrown away as it comes. */
enum imapd_pop3_frame imapd_pop3_frame(struct cv_str bytes, size_t max, bool *is_skipping,
	struct cv_str *line_out, size_t *used_out);

/* What may follow a verb. */
enum imapd_pop3_grammar {
	IMAPD_POP3_NOTHING,
	IMAPD_POP3_NUMBER,
	IMAPD_POP3_MAY_NUMBER,
	IMAPD_POP3_TWO_NUMBERS,
	IMAPD_POP3_WORD,
	IMAPD_POP3_MAY_WORD,
	IMAPD_POP3_MAY_WORDS, /* none, one or two */
	IMAPD_POP3_REST       /* all behind one blank, blanks too (RFC 1939 7, PASS) */
};
struct imapd_pop3_args {
	struct cv_str word[2];
	uint32_t number[2];
	unsigned count; /* of words or numbers */
};

/* LINE's verb and what follows it; slices of LINE. False when there is no verb, or a byte that no
 * line may hold (NUL, CR). */
bool imapd_pop3_verb(struct cv_str line, struct cv_str *verb_out, struct cv_str *rest_out);
/* REST as GRAMMAR wants it. */
bool imapd_pop3_args(
	struct cv_str rest, enum imapd_pop3_grammar grammar, struct imapd_pop3_args *out);

#endif
