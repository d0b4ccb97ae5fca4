/* ole.c - compound files ([MS-CFB]): Word, Excel and PowerPoint of 1997, and what else hides in
 * them.
 *
 * Reads the directory and, of some streams, the octets, along the chains of the allocation table;
 * every chain ends after as many steps as there are sectors. Source of macros is unpacked as
 * [MS-OVBA] 2.4.1 says, and searched for the names that run by themselves. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/text/charset.h"
#include "common/text/charset_guess.h"
#include "spamfilter/walk/walk_impl.h"

#define HEADER_BYTES  512u
#define ENTRY_BYTES   128u
#define ENTRIES_MAX   4000u
#define DIFAT_MAX     200u /* sectors of the table's own table */
#define STREAM_MAX    (256u << 10)
#define STREAMS_TOTAL (2u << 20) /* octets of streams that are read of one file */
#define SOURCE_MAX    (256u << 10)
#define END_OF_CHAIN  0xFFFFFFFAu /* and above: no sector */

struct ole {
	struct spam_walk *w;
	uint32_t file;
	struct cv_str bytes;
	unsigned shift; /* of the sector size */
	uint32_t sectors;
	struct cv_buf table, mini_table; /* allocation tables, little-endian numbers */
	struct cv_buf mini;              /* the stream that small streams are in */
	size_t read_bytes;
	bool has_macros;
};

static uint64_t
le(struct cv_str s, size_t at, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n && at + i < s.n; i++)
		v |= (uint64_t)(unsigned char)s.p[at + i] << (8 * i);
	return v;
}

static struct cv_str
sector(const struct ole *o, uint32_t number)
{
	uint64_t at = ((uint64_t)number + 1) << o->shift;

	if (number >= END_OF_CHAIN || at >= o->bytes.n)
		return CV_STR_EMPTY;
	return cv_str_sub(o->bytes, (size_t)at, (size_t)at + ((size_t)1 << o->shift));
}

static uint32_t
next_in(const struct cv_buf *table, uint32_t number)
{
	size_t at = (size_t)number * 4;

	return at + 4 <= table->n ? (uint32_t)le(cv_buf_view(table), at, 4) : END_OF_CHAIN;
}

/* The octets of the chain that starts at NUMBER, N at most. */
static void
read_chain(const struct ole *o, uint32_t number, size_t n, struct cv_buf *out)
{
	for (uint32_t steps = 0; out->n < n && number < END_OF_CHAIN && steps <= o->sectors;
		steps++) {
		struct cv_str s = sector(o, number);
		if (!s.n)
			return;
		cv_buf_str(out, cv_str_sub(s, 0, n - out->n));
		number = next_in(&o->table, number);
	}
}

/* The allocation table: 109 of its sectors are named in the header, the others in a chain. */
static void
read_table(struct ole *o)
{
	size_t per = ((size_t)1 << o->shift) / 4;

	for (size_t i = 0; i < 109 && !o->table.full; i++)
		cv_buf_str(&o->table, sector(o, (uint32_t)le(o->bytes, 76 + i * 4, 4)));
	uint32_t next = (uint32_t)le(o->bytes, 68, 4);
	for (size_t k = 0; k < DIFAT_MAX && next < END_OF_CHAIN && !o->table.full; k++) {
		struct cv_str s = sector(o, next);
		if (!s.n)
			return;
		for (size_t i = 0; i + 1 < per && !o->table.full; i++)
			cv_buf_str(&o->table, sector(o, (uint32_t)le(s, i * 4, 4)));
		next = (uint32_t)le(s, (per - 1) * 4, 4);
	}
}

/* A stream of the directory's ENTRY, STREAM_MAX octets of it at most. */
static void
read_stream(struct ole *o, struct cv_str entry, struct cv_buf *out)
{
	uint32_t start = (uint32_t)le(entry, 116, 4);
	size_t size = (size_t)CV_MIN(le(entry, 120, 4), STREAM_MAX);

	if (o->read_bytes + size > STREAMS_TOTAL)
		return;
	o->read_bytes += size;
	if (le(entry, 120, 4) >= 4096) {
		read_chain(o, start, size, out);
		return;
	}
	for (size_t steps = 0; out->n < size && start < END_OF_CHAIN && steps <= 64; steps++) {
		struct cv_str piece = cv_str_sub(
			cv_buf_view(&o->mini), (size_t)start * 64, (size_t)start * 64 + 64);
		if (!piece.n)
			return;
		cv_buf_str(out, cv_str_sub(piece, 0, size - out->n));
		start = next_in(&o->mini_table, start);
	}
}

/* ---- macros ---- */

/* One chunk of [MS-OVBA] 2.4.1.3.2 at AT; answers where the next one is, 0 at the end. */
static size_t
unpack_chunk(struct cv_str in, size_t at, struct cv_buf *out)
{
	if (at + 2 > in.n)
		return 0;
	unsigned header = (unsigned)le(in, at, 2);
	size_t end = CV_MIN(in.n, at + (header & 0x0FFF) + 3), base = out->n;
	if ((header >> 12 & 7) != 3)
		return 0;
	at += 2;
	if (!(header & 0x8000)) {
		cv_buf_str(out, cv_str_sub(in, at, at + 4096));
		return at + 4096;
	}
	while (at < end && !out->full) {
		unsigned flags = (unsigned char)in.p[at++];
		for (unsigned bit = 0; bit < 8 && at < end && !out->full; bit++) {
			if (!(flags >> bit & 1)) {
				cv_buf_c(out, in.p[at++]);
				continue;
			}
			if (at + 2 > end)
				return end;
			unsigned token = (unsigned)le(in, at, 2), bits = 4;
			while (bits < 12 && ((size_t)1 << bits) < out->n - base)
				bits++;
			size_t length = (token & (0xFFFFu >> bits)) + 3;
			size_t offset = (token >> (16 - bits)) + 1;
			at += 2;
			for (size_t i = 0; i < length && offset <= out->n - base; i++)
				cv_buf_c(out, out->p[out->n - offset]);
		}
	}
	return end;
}

/* Names of procedures that Office runs by itself. */
static bool
runs_alone(struct cv_str source)
{
	static const char *const names[] = {"autoopen", "auto_open", "autoexec", "autoclose",
		"auto_close", "autonew", "autoexit", "document_open", "documentopen",
		"document_close", "document_new", "workbook_open", "workbook_activate",
		"workbook_close", "workbook_beforeclose", "_layout", "_painted", "_mouseover"};

	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (cv_str_isearch(source, cv_str_z(names[i])) < source.n)
			return true;
	return false;
}

/* A module's stream: its source is packed behind other data and begins with "Attribut". */
static void
look_at_module(struct ole *o, struct cv_str stream)
{
	struct cv_buf source = CV_BUF_INIT(SOURCE_MAX);
	size_t at = cv_str_search(stream, cv_str("\0Attribut", 9));

	if (at < stream.n && at >= 3) {
		size_t next = at - 2;
		while (next && !source.full)
			next = unpack_chunk(stream, next, &source);
		if (runs_alone(cv_buf_view(&source)))
			o->w->files[o->file].flags |= SPAM_FILE_AUTORUN;
	}
	cv_buf_done(&source);
}

/* ---- objects ---- */

/* "\1Ole10Native": a file inside the document; its name counts like any other. */
static void
look_at_object(struct ole *o, struct cv_str stream)
{
	struct spam_walk *w = o->w;
	struct cv_str rest = cv_str_sub(stream, 6, stream.n), label, name;
	struct cv_buf utf8 = CV_BUF_INIT(SPAM_FILE_NAME_MAX * 4);

	w->files[o->file].flags |= SPAM_FILE_EMBEDDED;
	if (!cv_str_split(&rest, '\0', &label) || !rest.p || !cv_str_split(&rest, '\0', &name))
		return;
	label = cv_str_sub(label, 0, SPAM_FILE_NAME_MAX);
	const char *guess = cv_charset_guess(CV_STR_EMPTY, label);
	(void)cv_charset_to_utf8(cv_str_z(guess ? guess : "windows-1258"), label, &utf8);
	(void)spam_walk_add_file(w, w->files[o->file].part, o->file, w->files[o->file].level + 1,
		cv_buf_view(&utf8), CV_STR_EMPTY);
	cv_buf_done(&utf8);
}

/* ---- the main streams ---- */

/* FIB of Word: fEncrypted ([MS-DOC] 2.5.2). */
static void
look_at_word(struct ole *o, struct cv_str stream)
{
	if (le(stream, 10, 2) & 0x0100)
		o->w->files[o->file].flags |= SPAM_FILE_ENCRYPTED;
}

/* Records of Excel: FILEPASS says encrypted, BOUNDSHEET of type 1 is a sheet of macros. */
static void
look_at_workbook(struct ole *o, struct cv_str stream)
{
	struct spam_file *f = &o->w->files[o->file];

	for (size_t at = 0; at + 4 <= stream.n;) {
		unsigned id = (unsigned)le(stream, at, 2);
		size_t n = (size_t)le(stream, at + 2, 2);
		if (id == 0x002F)
			f->flags |= SPAM_FILE_ENCRYPTED;
		if (id == 0x0085 && n >= 6 && at + 10 <= stream.n && stream.p[at + 4 + 5] == 1)
			f->flags |= SPAM_FILE_MACRO;
		/* A built-in name Auto_Open or Auto_Close of such a sheet. */
		if (id == 0x0018 && n >= 16 && at + 20 <= stream.n &&
			(le(stream, at + 4, 2) & 0x0020) &&
			(stream.p[at + 4 + 15] == 1 || stream.p[at + 4 + 15] == 2))
			f->flags |= SPAM_FILE_AUTORUN;
		at += 4 + n;
	}
}

/* ---- the directory ---- */

static struct cv_str
entry_name(struct cv_str entry, struct cv_buf *out)
{
	size_t n = (size_t)CV_MIN(le(entry, 64, 2), 64);

	cv_buf_reset(out);
	for (size_t i = 0; i + 3 < n; i += 2) /* the last one is a zero */
		cv_utf8_put(out, (uint32_t)le(entry, i, 2));
	return cv_buf_view(out);
}

static void
look_at_entry(struct ole *o, struct cv_str entry, struct cv_str name)
{
	static const struct {
		const char *name;
		unsigned flags;
		void (*look)(struct ole *o, struct cv_str stream);
	} rows[] = {
		{"VBA",			 SPAM_FILE_MACRO,     NULL            },
		{"Macros",                      SPAM_FILE_MACRO,     NULL            },
		{"_VBA_PROJECT_CUR",            SPAM_FILE_MACRO,     NULL            },
		{"_VBA_PROJECT",                SPAM_FILE_MACRO,     NULL            },
		{"EncryptedPackage",            SPAM_FILE_ENCRYPTED, NULL            },
		{"\x06"
		 "DataSpaces", SPAM_FILE_ENCRYPTED, NULL            },
		{"\x01Ole10Native",             SPAM_FILE_EMBEDDED,  look_at_object  },
		{"Package",                     SPAM_FILE_EMBEDDED,  NULL            },
		{"WordDocument",                0,                   look_at_word    },
		{"Workbook",                    0,                   look_at_workbook},
		{"Book",                        0,                   look_at_workbook},
	};
	struct cv_buf stream = CV_BUF_INIT(STREAM_MAX);
	bool is_stream = entry.p[66] == 2, known = false;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (!cv_str_eq_z(name, rows[i].name))
			continue;
		known = true;
		o->w->files[o->file].flags |= rows[i].flags;
		if (rows[i].look && is_stream) {
			read_stream(o, entry, &stream);
			rows[i].look(o, cv_buf_view(&stream));
		}
	}
	if (!known && is_stream && o->has_macros && name.n && (unsigned char)name.p[0] > ' ') {
		read_stream(o, entry, &stream);
		look_at_module(o, cv_buf_view(&stream));
	}
	cv_buf_done(&stream);
}

static bool
is_macro_storage(struct cv_str name)
{
	return cv_str_eq_z(name, "VBA") || cv_str_eq_z(name, "Macros") ||
	       cv_str_eq_z(name, "_VBA_PROJECT_CUR") || cv_str_eq_z(name, "_VBA_PROJECT");
}

static void
read_directory(struct ole *o)
{
	struct cv_buf directory = CV_BUF_INIT(ENTRIES_MAX * ENTRY_BYTES), name = CV_BUF_INIT(256);

	read_chain(o, (uint32_t)le(o->bytes, 48, 4), directory.max, &directory);
	struct cv_str all = cv_buf_view(&directory);
	if (all.n >= ENTRY_BYTES) { /* the root: its stream holds the small ones */
		size_t size = (size_t)CV_MIN(le(all, 120, 4), o->mini.max);
		read_chain(o, (uint32_t)le(all, 116, 4), size, &o->mini);
		/* Windows Installer packages: {000C1084-0000-0000-C000-000000000046} */
		if (!memcmp(all.p + 80, "\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 16))
			o->w->files[o->file].flags |= SPAM_FILE_DANGEROUS;
	} else {
		o->w->files[o->file].flags |= SPAM_FILE_BROKEN;
	}
	for (size_t at = 0; at + ENTRY_BYTES <= all.n; at += ENTRY_BYTES)
		o->has_macros |=
			is_macro_storage(entry_name(cv_str_sub(all, at, at + ENTRY_BYTES), &name));
	for (size_t at = 0; at + ENTRY_BYTES <= all.n && spam_walk_has_time(o->w);
		at += ENTRY_BYTES) {
		struct cv_str entry = cv_str_sub(all, at, at + ENTRY_BYTES);
		look_at_entry(o, entry, entry_name(entry, &name));
	}
	cv_buf_done(&directory);
	cv_buf_done(&name);
}

void
spam_walk_ole(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	struct ole o = {.w = w,
		.file = file,
		.bytes = bytes,
		.shift = (unsigned)le(bytes, 30, 2),
		.table = CV_BUF_INIT(1u << 20),
		.mini_table = CV_BUF_INIT(256u << 10),
		.mini = CV_BUF_INIT(1u << 20)};

	if (bytes.n < HEADER_BYTES || (o.shift != 9 && o.shift != 12)) {
		w->files[file].flags |= SPAM_FILE_BROKEN;
		return;
	}
	o.sectors = (uint32_t)(bytes.n >> o.shift);
	read_table(&o);
	read_chain(&o, (uint32_t)le(bytes, 60, 4), o.mini_table.max, &o.mini_table);
	read_directory(&o);
	cv_buf_done(&o.table);
	cv_buf_done(&o.mini_table);
	cv_buf_done(&o.mini);
}
