/* file.c - files of a message: what their names pretend and what their first octets say. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "spamfilter/walk/walk_impl.h"

#define BLANKS_MIN 3 /* blanks in a row that push an extension out of sight */

/* ---- names ---- */

/* Marks that change the direction of what follows (Unicode 9). */
static bool
is_direction_mark(uint32_t cp)
{
	return cp == 0x200E || cp == 0x200F || (cp >= 0x202A && cp <= 0x202E) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0x61C;
}

static bool
is_dropped(uint32_t cp)
{
	return cp < ' ' || cp == 0x7F || cp == 0xAD || (cp >= 0x200B && cp <= 0x200D) ||
	       cp == 0x2060 || cp == 0xFEFF;
}

/* The last part of a path, in NFC, without marks that cannot be seen; flags of what it had. */
static struct cv_str
clean_name(struct spam_walk *w, struct cv_str raw, unsigned *flags)
{
	struct cv_buf nfc = CV_BUF_INIT(SPAM_FILE_NAME_MAX * 4),
		      out = CV_BUF_INIT(SPAM_FILE_NAME_MAX);
	size_t from = 0;

	/* The end of a long name is what counts: its extension. */
	if (raw.n > SPAM_FILE_NAME_MAX)
		raw = cv_str_sub(raw, raw.n - SPAM_FILE_NAME_MAX, raw.n);
	(void)cv_utf8_nfc(raw, &nfc);
	struct cv_str name = cv_buf_view(&nfc);
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '/' || name.p[i] == '\\')
			from = i + 1 < name.n ? i + 1 : from;
	for (size_t i = from; i < name.n;) {
		uint32_t cp = cv_utf8_next(name, &i);
		if (cp == 0x202E || cp == 0x2067 || cp == 0x202B)
			*flags |= SPAM_FILE_REVERSED;
		if (!is_direction_mark(cp) && !is_dropped(cp))
			cv_utf8_put(&out, cp == 0xA0 || cp == 0x3000 ? ' ' : cp);
	}
	struct cv_str done = cv_arena_str(&w->arena, cv_buf_view(&out));
	cv_buf_done(&nfc);
	cv_buf_done(&out);
	return done;
}

/* What stands behind the last dot of NAME, blanks around it dropped; *DOT_OUT: where the dot is. */
static struct cv_str
extension_of(struct cv_str name, size_t *dot_out)
{
	size_t dot = name.n;

	while (dot && name.p[dot - 1] != '.')
		dot--;
	*dot_out = dot ? dot - 1 : 0;
	return dot > 1 ? cv_str_trim(cv_str_sub(name, dot, name.n)) : CV_STR_EMPTY;
}

static struct cv_str
lower(struct spam_walk *w, struct cv_str s)
{
	char *copy = cv_arena_z(&w->arena, s);

	for (size_t i = 0; i < s.n; i++)
		copy[i] = (char)cv_lower((unsigned char)copy[i]);
	return cv_str(copy, s.n);
}

static bool
has_blank_run(struct cv_str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		run = s.p[i] == ' ' || s.p[i] == '_' ? run + 1 : 0;
		if (run >= BLANKS_MIN)
			return true;
	}
	return false;
}

/* hoso.pdf.exe, "hoso.pdf     .exe", and the macro documents by name. */
static void
judge_name(struct spam_walk *w, struct spam_file *f)
{
	struct cv_str name = f->name;
	size_t dot, inner_dot;

	while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' ')) {
		f->flags |= SPAM_FILE_TRAILING;
		name.n--;
	}
	f->extension = lower(w, extension_of(name, &dot));
	bool runs = spam_lists_has(w->types, "dangerous", f->extension);
	if (runs)
		f->flags |= SPAM_FILE_DANGEROUS;
	/* "a.lnk.download" and the like: the part before may be what counts to the system. */
	struct cv_str inner =
		lower(w, extension_of(cv_str_trim(cv_str_sub(name, 0, dot)), &inner_dot));
	if (inner.n && runs && (spam_lists_has(w->types, "document", inner) || has_blank_run(name)))
		f->flags |= SPAM_FILE_DOUBLE;
	if (runs && has_blank_run(cv_str_sub(name, 0, dot)) && memchr(name.p, '.', dot))
		f->flags |= SPAM_FILE_DOUBLE;
}

struct spam_file *
spam_walk_add_file(struct spam_walk *w, uint32_t part, uint32_t container, uint32_t level,
	struct cv_str raw_name, struct cv_str type)
{
	if (w->file_count == SPAM_WALK_FILES_MAX) {
		w->facts |= SPAM_FACT(LIMITS);
		return NULL;
	}
	struct spam_file *f = &w->files[w->file_count++];
	*f = (struct spam_file){.part = part, .container = container, .level = level, .type = type};
	f->name = clean_name(w, raw_name, &f->flags);
	judge_name(w, f);
	return f;
}

/* ---- first octets ---- */

/* clang-format off */
static const struct magic {
	size_t at;
	const char *octets;
	size_t n;
	enum spam_file_kind kind;
} magics[] = {
#define MAGIC(at, text, kind) {at, text, sizeof text - 1, SPAM_FILE_##kind}
	MAGIC(0, "MZ", PROGRAM),                  MAGIC(0, "\x7f" "ELF", PROGRAM),
	MAGIC(0, "\xfe\xed\xfa\xce", PROGRAM),    MAGIC(0, "\xfe\xed\xfa\xcf", PROGRAM),
	MAGIC(0, "\xce\xfa\xed\xfe", PROGRAM),    MAGIC(0, "\xcf\xfa\xed\xfe", PROGRAM),
	MAGIC(0, "\xca\xfe\xba\xbe", PROGRAM),    MAGIC(0, "\0asm", PROGRAM),
	MAGIC(0, "dex\n", PROGRAM),
	MAGIC(0, "#!", SCRIPT),                   MAGIC(0, "\xef\xbb\xbf#!", SCRIPT),
	MAGIC(0, "PK\x03\x04", ZIP),              MAGIC(0, "PK\x05\x06", ZIP),
	MAGIC(0, "PK\x07\x08PK", ZIP),            MAGIC(0, "PK00PK\x03\x04", ZIP),
	MAGIC(0, "7z\xbc\xaf\x27\x1c", 7Z),
	MAGIC(0, "Rar!\x1a\x07\0", RAR),          MAGIC(0, "Rar!\x1a\x07\x01\0", RAR),
	MAGIC(0, "\x1f\x8b", GZIP),               MAGIC(0, "BZh", GZIP),
	MAGIC(0, "\xfd" "7zXZ\0", GZIP),          MAGIC(0, "\x28\xb5\x2f\xfd", GZIP),
	MAGIC(0, "\x1f\x9d", GZIP),               MAGIC(0, "\x5d\0\0", GZIP),
	MAGIC(0, "LZIP", GZIP),
	MAGIC(257, "ustar", TAR),
	MAGIC(0, "MSCF", CAB),                    MAGIC(0, "ISc(", CAB),
	MAGIC(0, "\x60\xea", ARJ),                MAGIC(7, "**ACE**", ARJ),
	MAGIC(2, "-lh", ARJ),                     MAGIC(2, "-lz", ARJ),
	MAGIC(0, "ALZ\x01", ARJ),                 MAGIC(0, "EGGA", ARJ),
	MAGIC(0x8001, "CD001", ISO),              MAGIC(0x8801, "CD001", ISO),
	MAGIC(0x8001, "BEA01", ISO),              MAGIC(0x8001, "NSR0", ISO),
	MAGIC(0, "conectix", ISO),                MAGIC(0, "vhdxfile", ISO),
	MAGIC(0, "KDMV", ISO),                    MAGIC(0, "MSWIM\0\0\0", ISO),
	MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
	MAGIC(0, "{\\rt", RTF),                   MAGIC(0, "\xef\xbb\xbf{\\rt", RTF),
	MAGIC(0, "\x4c\0\0\0\x01\x14\x02\0", SHORTCUT),
	MAGIC(0, "[InternetShortcut]", SHORTCUT), MAGIC(0, "ITSF", HELP),
	MAGIC(0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", ONENOTE),
	MAGIC(0, "\x89PNG\r\n\x1a\n", IMAGE),     MAGIC(0, "\xff\xd8\xff", IMAGE),
	MAGIC(0, "GIF8", IMAGE),                  MAGIC(0, "BM", IMAGE),
	MAGIC(0, "II*\0", IMAGE),                 MAGIC(0, "MM\0*", IMAGE),
	MAGIC(8, "WEBP", IMAGE),                  MAGIC(0, "\0\0\x01\0", IMAGE),
	MAGIC(4, "ftyphei", IMAGE),               MAGIC(4, "ftypavif", IMAGE),
	MAGIC(0, "ID3", MEDIA),                   MAGIC(0, "\xff\xfb", MEDIA),
	MAGIC(0, "OggS", MEDIA),                  MAGIC(4, "ftyp", MEDIA),
	MAGIC(8, "AVI ", MEDIA),                  MAGIC(8, "WAVE", MEDIA),
	MAGIC(0, "\x1a\x45\xdf\xa3", MEDIA),      MAGIC(0, "fLaC", MEDIA),
	MAGIC(0, "BEGIN:VCALENDAR", CALENDAR),    MAGIC(0, "-----BEGIN PGP", SIGNATURE),
#undef MAGIC
};
/* clang-format on */

/* Where a text is HTML as browsers sniff it (MIME sniffing standard, 7.1), or a script host's. */
static enum spam_file_kind
sniff_text(struct cv_str head)
{
	static const struct {
		const char *start;
		enum spam_file_kind kind;
	} rows[] = {
		{"<!doctype html", SPAM_FILE_HTML  },
	{"<html",          SPAM_FILE_HTML  },
		{"<head",          SPAM_FILE_HTML  },
	{"<script",        SPAM_FILE_HTML  },
	{"<iframe",        SPAM_FILE_HTML  },
		{"<body",          SPAM_FILE_HTML  },
	{"<form",          SPAM_FILE_HTML  },
	{"<table",         SPAM_FILE_HTML  },
		{"<div",           SPAM_FILE_HTML  },
	{"<meta",          SPAM_FILE_HTML  },
	{"<title",         SPAM_FILE_HTML  },
		{"<a ",            SPAM_FILE_HTML  },
	{"<svg",           SPAM_FILE_HTML  },
	{"<hta:",          SPAM_FILE_SCRIPT},
		{"<job",           SPAM_FILE_SCRIPT},
	{"<package",       SPAM_FILE_SCRIPT},
		{"<scriptlet",     SPAM_FILE_SCRIPT},
	{"@echo off",      SPAM_FILE_SCRIPT}
	};
	struct cv_str s = head;

	if (cv_str_has_prefix(s, "\xEF\xBB\xBF"))
		s = cv_str_sub(s, 3, s.n);
	s = cv_str_trim(cv_str_sub(s, 0, 4096));
	while (cv_str_has_prefix(s, "<!--") || cv_str_has_prefix(s, "<?xml")) {
		size_t end = cv_str_search(
			s, cv_str_has_prefix(s, "<!--") ? CV_STR("-->") : CV_STR("?>"));
		s = cv_str_trim(cv_str_sub(s, end + 2, s.n));
		if (s.n && s.p[0] == '>')
			s = cv_str_trim(cv_str_sub(s, 1, s.n));
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_has_iprefix(s, rows[i].start))
			return rows[i].kind;
	for (size_t i = 0; i < CV_MIN(head.n, 1024); i++)
		if ((unsigned char)head.p[i] < ' ' && !strchr("\t\r\n\f\x1b", head.p[i]))
			return SPAM_FILE_UNKNOWN;
	for (size_t i = 0; i < CV_MIN(head.n, 1024); i++)
		if (!head.p[i])
			return SPAM_FILE_UNKNOWN;
	return SPAM_FILE_TEXT;
}

enum spam_file_kind
spam_file_sniff(struct cv_str head)
{
	if (!head.n)
		return SPAM_FILE_EMPTY;
	for (size_t i = 0; i < CV_COUNT(magics); i++) {
		const struct magic *m = &magics[i];
		if (m->at + m->n > head.n || memcmp(head.p + m->at, m->octets, m->n))
			continue;
		/* "BM01" begins texts too; pictures have zeros behind the size. */
		bool is_bmp = head.n >= 10 && !memcmp(head.p + 6, "\0\0\0\0", 4);
		if (!memcmp(head.p, "BM", 2) && !is_bmp)
			continue;
		return m->kind;
	}
	/* Readers look for this in the first kilobyte. */
	struct cv_str start = cv_str_sub(head, 0, 1024);
	if (cv_str_search(start, CV_STR("%PDF-")) < start.n)
		return SPAM_FILE_PDF;
	return sniff_text(head);
}

bool
spam_file_has_inside(enum spam_file_kind kind)
{
	switch (kind) {
	case SPAM_FILE_HTML:
	case SPAM_FILE_PDF:
	case SPAM_FILE_RTF:
	case SPAM_FILE_OLE:
	case SPAM_FILE_ZIP:
	case SPAM_FILE_7Z:
	case SPAM_FILE_RAR:
	case SPAM_FILE_TAR:
	case SPAM_FILE_GZIP:
	case SPAM_FILE_CAB:
		return true;
	default:
		return false;
	}
}

const char *
spam_file_kind_word(enum spam_file_kind kind)
{
	static const char *const words[SPAM_FILE_KINDS] = {"unknown", "empty", "text", "html",
		"image", "media", "pdf", "rtf", "ole", "ooxml", "odf", "zip", "7z", "rar", "tar",
		"gzip", "cab", "arj", "iso", "program", "script", "shortcut", "help", "onenote",
		"signature", "calendar", "message"};

	return words[kind];
}

/* ---- contradictions ---- */

/* What a name or a declared type promises, where that can be held against the octets. */
static const struct promise {
	const char *extension, *type;
	enum spam_file_kind kinds[5]; /* what it may be; 0 ends */
} promises[] = {
	{"pdf",  "application/pdf",							   {SPAM_FILE_PDF}                                    },
	{"jpg",  "image/jpeg",								{SPAM_FILE_IMAGE}                                  },
	{"jpeg", "image/pjpeg",							       {SPAM_FILE_IMAGE}                                  },
	{"png",  "image/png",								 {SPAM_FILE_IMAGE}                                  },
	{"gif",  "image/gif",								 {SPAM_FILE_IMAGE}                                  },
	{"bmp",  "image/bmp",								 {SPAM_FILE_IMAGE}                                  },
	{"doc",  "application/msword",
	{SPAM_FILE_OLE, SPAM_FILE_RTF, SPAM_FILE_OOXML, SPAM_FILE_HTML, SPAM_FILE_TEXT}                                                         },
	{"xls",  "application/vnd.ms-excel",
	{SPAM_FILE_OLE, SPAM_FILE_OOXML, SPAM_FILE_HTML, SPAM_FILE_TEXT, SPAM_FILE_ZIP}                                                         },
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	{SPAM_FILE_OOXML, SPAM_FILE_OLE}													},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	{SPAM_FILE_OOXML, SPAM_FILE_OLE}													},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	{SPAM_FILE_OOXML, SPAM_FILE_OLE}													},
	{"txt",  "text/plain",								{SPAM_FILE_TEXT, SPAM_FILE_UNKNOWN, SPAM_FILE_HTML}},
	{"mp3",  "audio/mpeg",								{SPAM_FILE_MEDIA, SPAM_FILE_UNKNOWN}               },
	{"mp4",  "video/mp4",								 {SPAM_FILE_MEDIA, SPAM_FILE_UNKNOWN}               },
};

static bool
breaks(const struct promise *p, enum spam_file_kind kind)
{
	for (size_t i = 0; i < CV_COUNT(p->kinds); i++)
		if (p->kinds[i] && p->kinds[i] == kind)
			return false;
	return true;
}

/* Runs or leads elsewhere, whatever it is called. */
static bool
is_active(enum spam_file_kind kind)
{
	return kind == SPAM_FILE_PROGRAM || kind == SPAM_FILE_SCRIPT ||
	       kind == SPAM_FILE_SHORTCUT || kind == SPAM_FILE_HELP || kind == SPAM_FILE_ISO ||
	       kind == SPAM_FILE_ONENOTE;
}

static void
compare_promises(struct spam_file *f)
{
	if (f->kind == SPAM_FILE_EMPTY)
		return;
	for (size_t i = 0; i < CV_COUNT(promises); i++) {
		const struct promise *p = &promises[i];
		bool named = cv_str_eq_z(f->extension, p->extension);
		bool typed = cv_str_eq_z(f->type, p->type);
		if (named && breaks(p, f->kind))
			f->flags |= SPAM_FILE_MISNAMED;
		/* Senders write wrong types all the time; only what runs is worth telling. */
		if (typed && is_active(f->kind))
			f->flags |= SPAM_FILE_MISNAMED;
	}
	if (is_active(f->kind))
		f->flags |= SPAM_FILE_DANGEROUS;
}

/* ---- looking ---- */

static void
look_at_html(struct spam_walk *w, struct spam_file *f, struct cv_str bytes)
{
	struct cv_mime_part html = {.at.subtype = CV_STR("html")};
	uint64_t facts;

	if (w->source_bytes >= SPAM_WALK_SOURCES_MAX)
		return;
	bytes = cv_str_sub(bytes, 0, SPAM_WALK_SOURCES_MAX - w->source_bytes);
	w->source_bytes += bytes.n;
	facts = spam_walk_read_text(w, f->part, &html, bytes, true);
	if (facts & SPAM_FACT(HTML_SCRIPT))
		f->flags |= SPAM_FILE_SCRIPTED;
	if (facts & (SPAM_FACT(HTML_PASSWORD) | SPAM_FACT(HTML_FORM)))
		f->flags |= SPAM_FILE_FORM;
	if (facts & SPAM_FACT(HTML_REFRESH))
		f->flags |= SPAM_FILE_ACTION;
}

void
spam_walk_look(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	struct spam_file *f = &w->files[file];

	f->kind = spam_file_sniff(bytes);
	if (cv_str_has_prefix(f->type, "application/pkcs7") ||
		cv_str_has_prefix(f->type, "application/x-pkcs7") ||
		cv_str_has_prefix(f->type, "application/pgp"))
		f->kind = SPAM_FILE_SIGNATURE;
	if (cv_str_eq_z(f->type, "text/calendar") || cv_str_eq_z(f->extension, "ics"))
		f->kind = SPAM_FILE_CALENDAR;
	if (f->kind == SPAM_FILE_TEXT &&
		(cv_str_eq_z(f->extension, "html") || cv_str_eq_z(f->extension, "htm") ||
			cv_str_eq_z(f->extension, "shtml") || cv_str_eq_z(f->extension, "xhtml") ||
			cv_str_eq_z(f->type, "text/html")))
		f->kind = SPAM_FILE_HTML;
	if (!spam_walk_has_time(w))
		return;
	switch (f->kind) {
	case SPAM_FILE_HTML:
		look_at_html(w, f, bytes);
		break;
	case SPAM_FILE_ZIP:
	case SPAM_FILE_7Z:
	case SPAM_FILE_RAR:
	case SPAM_FILE_TAR:
	case SPAM_FILE_GZIP:
	case SPAM_FILE_CAB:
		spam_walk_list(w, file, bytes);
		break;
	case SPAM_FILE_ARJ:
		f->flags |= SPAM_FILE_NOT_LISTED;
		break;
	case SPAM_FILE_OLE:
		spam_walk_ole(w, file, bytes);
		break;
	case SPAM_FILE_RTF:
		spam_walk_rtf(w, file, bytes);
		break;
	case SPAM_FILE_PDF:
		spam_walk_pdf(w, file, bytes);
		break;
	default:
		break;
	}
	compare_promises(f);
}
