/* input.h - from the bytes of a connection to whole commands.
 *
 * A command is a line, or lines joined by literals. Bytes go in as they come; what comes out is the
 * whole command with its literals in place, or word that the peer waits for "+". Messages of APPEND
 * and REPLACE never enter the command: they go to spools, and only their marker "{n}" CRLF stays in
 * the text.
 * What passes a limit is thrown away up to the end of the command, so that the next one is read
 * rightly. Pure but for the spools; belongs to one connection.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_INPUT_H
#define IMAPD_INPUT_H

#include "common/base/spool.h"

#define IMAPD_TAG_MAX      64
#define IMAPD_MESSAGES_MAX 256 /* in one APPEND */

struct imapd_input_limits {
	size_t line;           /* bytes of a command outside its literals */
	size_t literal;        /* bytes of one literal that stays in the text */
	size_t text;           /* bytes of a command with such literals */
	uint64_t message;      /* bytes of one message; 0: none may come */
	const char *spool_dir; /* outlives the input */
};

enum imapd_input_result {
	IMAPD_INPUT_MORE,    /* incomplete: feed more */
	IMAPD_INPUT_GO,      /* the peer waits for a continuation before it sends a literal */
	IMAPD_INPUT_COMMAND, /* `command` is whole */
	IMAPD_INPUT_REFUSED, /* a limit was passed: `tag` and `refusal` say what to answer */
	IMAPD_INPUT_HOPELESS /* the same, and there is no way to find the next command: close */
};

enum imapd_refusal {
	IMAPD_REFUSAL_LINE,    /* line too long */
	IMAPD_REFUSAL_LITERAL, /* literal too large */
	IMAPD_REFUSAL_MESSAGE, /* message larger than is taken */
	IMAPD_REFUSAL_COUNT,   /* more messages than are taken at once */
};

struct imapd_input {
	enum { IMAPD_IN_LINE, IMAPD_IN_LITERAL, IMAPD_IN_SPOOL, IMAPD_IN_SKIP } phase;
	bool is_refused; /* the command goes on, but only to be thrown away */
	bool has_ended;  /* the text holds a command that was handed out */
	enum imapd_refusal refusal;
	char tag[IMAPD_TAG_MAX + 1]; /* of a refused command; "*" when it cannot be read */
	uint64_t left;               /* bytes of the literal still to come */
	size_t segment;              /* where the line behind the last literal starts in text */
	size_t literal_bytes;        /* bytes of literals in text */
	uint64_t message_bytes;      /* of all messages of this command */
	struct cv_buf text;
	struct cv_spool **spools; /* messages, in order; the input's until imapd_input_reset() */
	unsigned spool_count;
	struct cv_str command; /* without its last line end; valid until the next call */
};

/* A zeroed struct is ready for use. */
void imapd_input_done(struct imapd_input *in);
/* Forgets the command and its spools: call it when the command is done with. */
void imapd_input_reset(struct imapd_input *in);
/* Whether nothing of a command has been taken in yet. */
bool imapd_input_is_empty(const struct imapd_input *in);

/* Takes from BYTES; *used_out says how many are done with. After COMMAND and GO call again with the
 * rest. `command` may point into BYTES. */
enum imapd_input_result imapd_input_feed(struct imapd_input *in,
	const struct imapd_input_limits *limits, struct cv_str bytes, size_t *used_out);
/* The same for a single line without literals (answers to "+"). */
enum imapd_input_result imapd_input_feed_line(struct imapd_input *in,
	const struct imapd_input_limits *limits, struct cv_str bytes, size_t *used_out);

#endif
