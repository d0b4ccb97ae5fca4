/* vcard.c - the directory as address cards: version 4 (RFC 6350) for what reads it, version 3 (RFC
 * 2426) for Outlook, which refuses newer ones (DIR-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/site.h"

#define LINE_OCTETS 75 /* without CRLF (RFC 6350 3.2) */

struct writer {
	struct cv_buf *out;
	struct cv_buf line;
};

/* A character is never cut in two. */
static void
put_line(struct writer *w)
{
	size_t room = LINE_OCTETS;

	for (size_t at = 0; at < w->line.n;) {
		size_t n = CV_MIN(room, w->line.n - at);
		while (at + n < w->line.n && ((unsigned char)w->line.p[at + n] & 0xc0) == 0x80)
			n--;
		cv_buf_add(w->out, w->line.p + at, n);
		at += n;
		cv_buf_z(w->out, at < w->line.n ? "\r\n " : "\r\n");
		room = LINE_OCTETS - 1;
	}
	cv_buf_reset(&w->line);
}

static void
add_text(struct writer *w, struct cv_str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (strchr("\\,;", text.p[i]))
			cv_buf_c(&w->line, '\\');
		cv_buf_c(&w->line, text.p[i]);
	}
}

static void
put_property(struct writer *w, const char *name, struct cv_str text)
{
	if (!text.n)
		return;
	cv_buf_z(&w->line, name);
	cv_buf_c(&w->line, ':');
	add_text(w, text);
	put_line(w);
}

static void
put_names(struct writer *w, const struct admin_entry *e)
{
	put_property(w, "FN", e->name);
	cv_buf_z(&w->line, "N:");
	if (e->given.n) {
		add_text(w, e->surname);
		cv_buf_c(&w->line, ';');
		add_text(w, e->given);
		cv_buf_c(&w->line, ';');
		add_text(w, e->middle);
		cv_buf_z(&w->line, ";;");
	} else {
		add_text(w, e->name);
		cv_buf_z(&w->line, ";;;;");
	}
	put_line(w);
}

static void
put_card(
	struct writer *w, const struct admin_unit *u, const struct admin_entry *e, unsigned version)
{
	cv_buf_z(&w->line, "BEGIN:VCARD");
	put_line(w);
	cv_buf_printf(&w->line, "VERSION:%u.0", version);
	put_line(w);
	if (version == 4)
		put_property(w, "KIND", e->is_role ? CV_STR("org") : CV_STR("individual"));
	cv_buf_z(&w->line, "UID:mailto:");
	cv_buf_str(&w->line, e->address);
	put_line(w);
	put_names(w, e);
	cv_buf_z(&w->line, "ORG:");
	add_text(w, u->name);
	if (e->department.n) {
		cv_buf_c(&w->line, ';');
		add_text(w, e->department);
	}
	put_line(w);
	put_property(w, "TITLE", e->title);
	put_property(w, version == 4 ? "TEL;TYPE=work" : "TEL;TYPE=WORK,VOICE", e->phone_office);
	put_property(w, version == 4 ? "TEL;TYPE=cell" : "TEL;TYPE=CELL,VOICE", e->phone_mobile);
	put_property(w, version == 4 ? "EMAIL;TYPE=work" : "EMAIL;TYPE=INTERNET", e->address);
	cv_buf_z(&w->line, "END:VCARD");
	put_line(w);
}

void
admin_vcard(const struct admin_directory *d, const struct admin_unit *only, unsigned version,
	struct cv_buf *out)
{
	struct writer w = {.out = out, .line = CV_BUF_INIT(64u << 10)};

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		if (only && u != only)
			continue;
		const struct admin_entry own = {.name = u->name,
			.address = u->address,
			.phone_office = u->phone,
			.is_role = true};
		if (u->address.n)
			put_card(&w, u, &own, version);
		for (size_t k = 0; k < u->count; k++)
			put_card(&w, u, &u->entries[k], version);
	}
	cv_buf_done(&w.line);
}
