/* milter_wire.h - the milter protocol's packets and the header block they edit. Pure.
 *
 * A packet is a length (u32, big-endian, of what follows), a command byte and data. Filters are
 * trusted with mail, not with memory: every text they return is checked.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_MILTER_WIRE_H
#define SMTPD_MILTER_WIRE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define MILTER_PACKET_MAX ((1u << 20) + 1)
#define MILTER_CHUNK 65535u /* data in one packet, unless the filter agreed to more */

/* Actions a filter may ask for; what smtpd honours is what it offers. */
enum {
	MILTER_ADD_HEADER = 0x01,
	MILTER_CHANGE_BODY = 0x02,
	MILTER_ADD_RCPT = 0x04,
	MILTER_DEL_RCPT = 0x08,
	MILTER_CHANGE_HEADER = 0x10,
	MILTER_QUARANTINE = 0x20,
	MILTER_CHANGE_FROM = 0x40,
	MILTER_ADD_RCPT_PAR = 0x80,
	MILTER_SET_MACROS = 0x100
};
/* Protocol steps a filter can do without (NO_*), or does not answer (NR_*). */
enum {
	MILTER_NO_CONNECT = 0x01,
	MILTER_NO_HELO = 0x02,
	MILTER_NO_MAIL = 0x04,
	MILTER_NO_RCPT = 0x08,
	MILTER_NO_BODY = 0x10,
	MILTER_NO_HEADER = 0x20,
	MILTER_NO_EOH = 0x40,
	MILTER_NR_HEADER = 0x80,
	MILTER_NO_UNKNOWN = 0x100,
	MILTER_NO_DATA = 0x200,
	MILTER_SKIP = 0x400,
	MILTER_RCPT_REJ = 0x800, /* it hears of recipients that smtpd refused */
	MILTER_NR_CONNECT = 0x1000,
	MILTER_NR_HELO = 0x2000,
	MILTER_NR_MAIL = 0x4000,
	MILTER_NR_RCPT = 0x8000,
	MILTER_NR_DATA = 0x10000,
	MILTER_NR_UNKNOWN = 0x20000,
	MILTER_NR_EOH = 0x40000,
	MILTER_NR_BODY = 0x80000,
	MILTER_LEADING_SPACE = 0x100000,
	MILTER_DATA_256K = 0x10000000, /* packets may hold so much */
	MILTER_DATA_1M = 0x20000000
};
#define MILTER_OFFERED_ACTIONS 0x1ffu
#define MILTER_OFFERED_PROTOCOL 0x301fffffu /* every bit above */

/* Stages for which a filter may name the macros it wants. */
enum milter_stage {
	MILTER_AT_CONNECT, MILTER_AT_HELO, MILTER_AT_MAIL, MILTER_AT_RCPT, MILTER_AT_DATA,
	MILTER_AT_EOM, MILTER_AT_EOH, MILTER_STAGES
};
#define MILTER_MACRO_LIST_MAX 512u

/* What a filter answered to the offer. */
struct milter_offer {
	uint32_t version, actions, protocol;
	uint32_t chunk;                 /* most data in one packet */
	char macros[MILTER_STAGES][MILTER_MACRO_LIST_MAX]; /* apart by blanks */
	bool has_macros[MILTER_STAGES]; /* the filter named its own */
};
/* Reads the data of such a packet. CV_INVALID when it asks for what was not offered. */
CV_MUST_CHECK enum cv_status milter_offer_parse(struct cv_str data, struct milter_offer *out);

/* Starts a packet in OUT and ends it: the length is filled in by the end. */
size_t milter_packet_begin(struct cv_buf *out, char command);
void milter_packet_end(struct cv_buf *out, size_t begin);
/* Appends TEXT with blanks for NULs: filters take a NUL for the end, and must not miss what is
 * behind it. */
void milter_put_bytes(struct cv_buf *out, struct cv_str text);
/* Text and the NUL behind it; NULs inside become blanks. */
void milter_put_text(struct cv_buf *out, struct cv_str text);

/* Takes a whole packet off IN. CV_AGAIN: more bytes are needed; CV_LIMIT: longer than
 * MILTER_PACKET_MAX or empty. *used_out is what to consume. */
CV_MUST_CHECK enum cv_status milter_packet_parse(struct cv_str in, char *command_out,
                                                 struct cv_str *data_out, size_t *used_out);
/* The next NUL-ended text of a packet's data. False when there is none. */
bool milter_get_text(struct cv_str *data, struct cv_str *out);

/* "550 5.7.1 text", one line, or several "550-..." joined by CRLF: digits right, no control bytes.
 * Only 4xx and 5xx. */
bool milter_reply_is_valid(struct cv_str text);

/* ---- changes of the envelope ---- */
#define MILTER_ENVELOPE_MAX 10000u       /* changes of one message, by all filters */
#define MILTER_ENVELOPE_TEXT_MAX 1024u   /* of an address; as much for its parameters */

enum milter_envelope_kind { MILTER_RCPT_ADDED, MILTER_RCPT_DELETED, MILTER_FROM_CHANGED };
struct milter_envelope_change {
	enum milter_envelope_kind kind;
	struct cv_str address;  /* as the filter wrote it, usually in brackets */
	struct cv_str params;   /* ESMTP parameters; may be empty */
};
/* Reads the data of packet COMMAND ('+', '2', '-', 'e'); slices point into it. CV_INVALID for other
 * commands, texts without end and control bytes; CV_LIMIT for long ones. */
CV_MUST_CHECK enum cv_status milter_envelope_parse(char command, struct cv_str data,
                                                   struct milter_envelope_change *out);

/* ---- the header block under edit ---- */
struct milter_field {
	struct cv_str name;
	struct cv_str value;   /* behind the colon; for fields a filter wrote without line ends at
			        * the end */
	struct cv_str raw;     /* the whole field as it came, or p NULL for one a filter wrote */
};
struct milter_header {
	struct cv_arena arena;
	struct milter_field *fields;
	size_t count, room;
	size_t body_at;        /* in the message the fields were read from */
	struct cv_str separator; /* the blank line between header and body as it came */
	bool changed;
};

/* What a filter's changes are undone to. */
struct milter_header_copy {
	struct milter_field *fields;
	size_t count;
	bool changed;
};

/* Reads the header block of MESSAGE; slices point into it. */
void milter_header_read(struct milter_header *h, struct cv_str message);
void milter_header_done(struct milter_header *h);
/* Keeps the fields as they are now in COPY (a zeroed or used one), and brings them back. */
void milter_header_save(const struct milter_header *h, struct milter_header_copy *copy);
void milter_header_restore(struct milter_header *h, const struct milter_header_copy *copy);
/* The edits a filter can ask for. Values may hold LF or CRLF folds; line ends behind the last line
 * are dropped. CV_INVALID for names that are no
 * token, values with other control bytes or with a line that would start a field of its own. */
CV_MUST_CHECK enum cv_status milter_header_add(struct milter_header *h, struct cv_str name,
                                               struct cv_str value);
CV_MUST_CHECK enum cv_status milter_header_insert(struct milter_header *h, uint32_t index,
                                                  struct cv_str name, struct cv_str value);
/* The NTH (from 1) field NAME; an empty VALUE deletes it; a missing one is added. */
CV_MUST_CHECK enum cv_status milter_header_change(struct milter_header *h, uint32_t nth,
                                                  struct cv_str name, struct cv_str value);
/* The block with its blank line: untouched fields byte for byte. */
void milter_header_write(const struct milter_header *h, struct cv_buf *out);

#endif
