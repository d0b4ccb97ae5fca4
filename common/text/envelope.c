/* envelope.c - IMAP strings and ENVELOPE. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/envelope.h"

#include "common/text/address.h"
#include "common/text/header.h"

void
cv_imap_string(struct cv_buf *out, struct cv_str s)
{
	size_t escapes = 0, nuls = 0;
	bool plain = s.n <= CV_IMAP_QUOTED_MAX;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		nuls += c == '\0';
		escapes += c == '"' || c == '\\';
		plain = plain && c < 0x80 && c != '\r' && c != '\n';
	}
	if (plain && !escapes && !nuls) {
		cv_buf_c(out, '"');
		cv_buf_str(out, s);
		cv_buf_c(out, '"');
		return;
	}
	if (plain)
		cv_buf_c(out, '"');
	else
		cv_buf_printf(out, "{%zu}\r\n", s.n - nuls);
	for (size_t i = 0; i < s.n; i++) {
		if (!s.p[i])
			continue;
		if (plain && (s.p[i] == '"' || s.p[i] == '\\'))
			cv_buf_c(out, '\\');
		cv_buf_c(out, s.p[i]);
	}
	if (plain)
		cv_buf_c(out, '"');
}

void
cv_imap_nstring(struct cv_buf *out, struct cv_str s)
{
	if (s.n)
		cv_imap_string(out, s);
	else
		cv_buf_z(out, "NIL");
}

enum field {
	F_DATE, F_SUBJECT, F_FROM, F_SENDER, F_REPLY_TO, F_TO, F_CC, F_BCC, F_IN_REPLY_TO,
	F_MESSAGE_ID, F_COUNT
};

static const struct {
	const char *name;
	bool addresses;
} fields[F_COUNT] = {
	[F_DATE]        = { "date",        false },
	[F_SUBJECT]     = { "subject",     false },
	[F_FROM]        = { "from",        true  },
	[F_SENDER]      = { "sender",      true  },
	[F_REPLY_TO]    = { "reply-to",    true  },
	[F_TO]          = { "to",          true  },
	[F_CC]          = { "cc",          true  },
	[F_BCC]         = { "bcc",         true  },
	[F_IN_REPLY_TO] = { "in-reply-to", false },
	[F_MESSAGE_ID]  = { "message-id",  false },
};

/* The values of the first field of each name; of address fields all, because some senders write
 * To twice. */
#define REPEATS_MAX 16
struct values {
	struct cv_str v[F_COUNT][REPEATS_MAX];
	uint8_t n[F_COUNT];
};

static void
collect(struct cv_str header, struct values *out)
{
	struct cv_header_scan scan;
	struct cv_field f;
	*out = (struct values){ 0 };
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &f)) {
		if (f.name.n < 2 || f.name.n > 11)
			continue;
		for (size_t i = 0; i < F_COUNT; i++) {
			if (!cv_str_ieq_z(f.name, fields[i].name))
				continue;
			if (out->n[i] < (fields[i].addresses ? REPEATS_MAX : 1))
				out->v[i][out->n[i]++] = f.value;
			break;
		}
	}
}

/* NIL stays NIL, but an empty host is "" (see address.h). */
static void
put_addr_text(struct cv_buf *out, struct cv_str s)
{
	if (s.p)
		cv_imap_string(out, s);
	else
		cv_buf_z(out, "NIL");
}

static void
put_addr(struct cv_buf *out, const struct cv_addr *a)
{
	cv_buf_c(out, '(');
	put_addr_text(out, a->name);
	cv_buf_c(out, ' ');
	put_addr_text(out, a->adl);
	cv_buf_c(out, ' ');
	put_addr_text(out, a->mailbox);
	cv_buf_c(out, ' ');
	put_addr_text(out, a->host);
	cv_buf_c(out, ')');
}

/* Appends the addresses of one field to OUT, and stops between two when LIMIT would be passed, in
 * front of a group's end at the least. False when there was none. */
static bool
put_addresses(struct cv_buf *out, const struct cv_str *values, size_t n, size_t limit)
{
	struct cv_arena arena = CV_ARENA_INIT;
	size_t start = out->n;
	bool in_group = false;
	for (size_t v = 0; v < n; v++) {
		struct cv_addr_list list;
		cv_addr_list_parse(&arena, values[v], &list);
		for (size_t i = 0; i < list.n; i++) {
			const struct cv_addr *a = &list.items[i];
			size_t before = out->n;
			if (out->n == start)
				cv_buf_c(out, '(');
			put_addr(out, a);
			if (out->n > limit && a->kind != CV_ADDR_GROUP_END) {
				out->n = before;
				break;
			}
			in_group = a->kind == CV_ADDR_GROUP_START ||
			           (in_group && a->kind != CV_ADDR_GROUP_END);
		}
		if (in_group)
			cv_buf_z(out, "(NIL NIL NIL NIL)");
		in_group = false;
	}
	if (out->n > start)
		cv_buf_c(out, ')');
	cv_arena_done(&arena);
	return out->n > start;
}

static void
put_text(struct cv_buf *out, const struct values *v, enum field f)
{
	if (!v->n[f]) {
		cv_buf_z(out, "NIL");
		return;
	}
	struct cv_buf text = CV_BUF_INIT(CV_ENVELOPE_TEXT_MAX);
	cv_header_unfold(cv_str_sub(v->v[f][0], 0, CV_ENVELOPE_TEXT_MAX), &text);
	cv_imap_string(out, cv_buf_view(&text));
	cv_buf_done(&text);
}

enum cv_status
cv_envelope_format(struct cv_str header, struct cv_buf *out)
{
	struct values v;
	size_t start = out->n, from_at = 0, from_n = 0;
	collect(header, &v);
	for (enum field f = 0; f < F_COUNT; f++) {
		cv_buf_c(out, f ? ' ' : '(');
		if (!fields[f].addresses) {
			put_text(out, &v, f);
			continue;
		}
		size_t at = out->n;
		if (put_addresses(out, v.v[f], v.n[f], at + CV_ENVELOPE_LIST_MAX)) {
			if (f == F_FROM) {
				from_at = at;
				from_n = out->n - at;
			}
		} else if ((f == F_SENDER || f == F_REPLY_TO) && from_n) {
			char *room = cv_buf_room(out, from_n);
			if (room) {
				memcpy(room, out->p + from_at, from_n);
				out->n += from_n;
			}
		} else {
			cv_buf_z(out, "NIL");
		}
	}
	cv_buf_c(out, ')');
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}
