/* document.c - PDF, RTF and the parts of office documents in zips: what runs or loads by itself. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/deflate.h"
#include "common/text/encode.h"
#include "spamfilter/walk/walk_impl.h"

#define STREAMS_MAX    200          /* packed streams of a PDF that are looked into */
#define UNPACKED_MAX   (256u << 10) /* of one */
#define UNPACKED_TOTAL (2u << 20)
#define URI_MAX        2048
#define URIS_MAX       300
#define CLEAN_MAX      (2u << 20)

/* ---- PDF (ISO 32000) ---- */

static const struct {
	const char *name;
	unsigned flags;
} pdf_names[] = {
	{"JavaScript",   SPAM_FILE_SCRIPTED },
	{"JS",           SPAM_FILE_SCRIPTED },
	{"Launch",       SPAM_FILE_ACTION   },
	{"SubmitForm",   SPAM_FILE_FORM     },
	{"ImportData",   SPAM_FILE_ACTION   },
	{"EmbeddedFile", SPAM_FILE_EMBEDDED },
	{"RichMedia",    SPAM_FILE_EMBEDDED },
	{"XFA",          SPAM_FILE_FORM     },
	{"Encrypt",      SPAM_FILE_ENCRYPTED},
};

struct pdf {
	struct spam_walk *w;
	uint32_t file;
	unsigned streams, uris;
	size_t unpacked;
	bool opens; /* has /OpenAction or /AA */
};

/* The name behind the "/" at AT, #xx undone (7.3.5); answers where it ends. */
static size_t
read_name(struct cv_str s, size_t at, char out[24])
{
	size_t n = 0;

	for (at++; at < s.n && (unsigned char)s.p[at] > ' ' && !strchr("()<>[]{}/%", s.p[at]);
		at++) {
		char c = s.p[at];
		if (c == '#' && at + 2 < s.n && cv_hex_digit((unsigned char)s.p[at + 1]) >= 0 &&
			cv_hex_digit((unsigned char)s.p[at + 2]) >= 0) {
			c = (char)(cv_hex_digit((unsigned char)s.p[at + 1]) * 16 +
				   cv_hex_digit((unsigned char)s.p[at + 2]));
			at += 2;
		}
		if (n < 23)
			out[n++] = c;
	}
	out[n] = '\0';
	return at;
}

/* "(http://...)" behind /URI. */
static void
read_uri(struct pdf *p, struct cv_str s, size_t at)
{
	struct cv_buf uri = CV_BUF_INIT(URI_MAX);

	if (p->uris++ >= URIS_MAX)
		return;
	while (at < s.n && (unsigned char)s.p[at] <= ' ')
		at++;
	if (at < s.n && s.p[at] == '(') {
		unsigned depth = 1;
		for (at++; at < s.n && !uri.full; at++) {
			if (s.p[at] == '\\' && at + 1 < s.n) {
				cv_buf_c(&uri, s.p[++at]);
				continue;
			}
			depth = s.p[at] == '(' ? depth + 1 : s.p[at] == ')' ? depth - 1 : depth;
			if (!depth)
				break;
			cv_buf_c(&uri, s.p[at]);
		}
	} else if (at < s.n && s.p[at] == '<') {
		size_t end = CV_MIN(cv_str_find(s, '>', at), at + 2 * URI_MAX);
		struct cv_str hex = cv_str_sub(s, at + 1, end);
		if (hex.n % 2 || cv_hex_decode(hex, &uri) != CV_OK)
			cv_buf_reset(&uri);
	}
	if (uri.n)
		spam_walk_add_url(p->w, p->w->files[p->file].part, SPAM_URL_FILE, cv_buf_view(&uri),
			CV_STR_EMPTY, 0);
	cv_buf_done(&uri);
}

static void
scan_names(struct pdf *p, struct cv_str s)
{
	struct spam_file *f = &p->w->files[p->file];
	char name[24];
	unsigned names = 0;

	for (size_t at = 0; at < s.n;) {
		at = cv_str_find(s, '/', at);
		if (at == s.n || (++names % 256 == 0 && !spam_walk_has_time(p->w)))
			return;
		at = read_name(s, at, name);
		if (!strcmp(name, "OpenAction") || !strcmp(name, "AA"))
			p->opens = true;
		else if (!strcmp(name, "URI"))
			read_uri(p, s, at);
		for (size_t i = 0; i < CV_COUNT(pdf_names); i++)
			if (!strcmp(name, pdf_names[i].name))
				f->flags |= pdf_names[i].flags;
	}
}

/* A stream packed with Flate (7.4.4): zlib's two octets, then DEFLATE. */
static void
scan_packed(struct pdf *p, struct cv_str packed)
{
	struct cv_buf out = CV_BUF_INIT(UNPACKED_MAX);
	struct cv_unpack u = {0};
	struct cv_str in = cv_str_sub(packed, 2, packed.n);
	struct cv_err err;

	while (out.n < UNPACKED_MAX) {
		char *room = cv_buf_room(&out, CV_MIN(16384, UNPACKED_MAX - out.n));
		size_t used = 0, got = 0;
		if (!room)
			break;
		enum cv_status status = cv_unpack_bytes(
			&u, in, &used, room, CV_MIN(16384, UNPACKED_MAX - out.n), &got, &err);
		out.n += got;
		in = cv_str_sub(in, used, in.n);
		if (status || (!got && !in.n))
			break;
	}
	cv_unpack_done(&u);
	p->unpacked += out.n;
	scan_names(p, cv_buf_view(&out));
	cv_buf_done(&out);
}

/* Streams that hold objects: what is packed there is as good as written plainly. Contents of pages
 * and pictures are passed over: their octets could read as anything. */
static void
scan_streams(struct pdf *p, struct cv_str bytes)
{
	size_t begin = 0;

	while (begin < bytes.n && spam_walk_has_time(p->w)) {
		size_t at =
			begin + cv_str_search(cv_str_sub(bytes, begin, bytes.n), CV_STR("stream"));
		if (at >= bytes.n) {
			scan_names(p, cv_str_sub(bytes, begin, bytes.n));
			return;
		}
		scan_names(p, cv_str_sub(bytes, begin, at));
		struct cv_str dictionary = cv_str_sub(bytes, at > 400 ? at - 400 : 0, at);
		size_t data = at + 6;
		data += data < bytes.n && bytes.p[data] == '\r';
		data += data < bytes.n && bytes.p[data] == '\n';
		size_t end =
			data + cv_str_search(cv_str_sub(bytes, data, bytes.n), CV_STR("endstream"));
		bool holds_objects = cv_str_search(dictionary, CV_STR("ObjStm")) < dictionary.n &&
				     cv_str_search(dictionary, CV_STR("Flate")) < dictionary.n;
		if (holds_objects && p->streams++ < STREAMS_MAX && p->unpacked < UNPACKED_TOTAL)
			scan_packed(p, cv_str_sub(bytes, data, end));
		begin = end < bytes.n ? end + 9 : bytes.n;
	}
}

void
spam_walk_pdf(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	struct pdf p = {.w = w, .file = file};

	scan_streams(&p, bytes);
	/* Forms run small scripts in good faith; what starts by itself is another matter. */
	if (p.opens && w->files[file].flags & (SPAM_FILE_SCRIPTED | SPAM_FILE_ACTION))
		w->files[file].flags |= SPAM_FILE_ACTION;
}

/* ---- RTF ---- */

void
spam_walk_rtf(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	static const struct {
		const char *word;
		unsigned flags;
	} rows[] = {
		{"\\objdata",     SPAM_FILE_EMBEDDED                    },
		{"\\objocx",      SPAM_FILE_EMBEDDED                    },
		{"\\objhtml",     SPAM_FILE_EMBEDDED                    },
		{"\\objupdate",   SPAM_FILE_EMBEDDED | SPAM_FILE_AUTORUN},
		{"\\objautlink",  SPAM_FILE_EMBEDDED | SPAM_FILE_AUTORUN},
		{"\\ddeauto",     SPAM_FILE_AUTORUN                     },
		{"\\*\\template", SPAM_FILE_REMOTE                      },
	};
	struct cv_buf clean = CV_BUF_INIT(CLEAN_MAX);

	/* Line ends and blanks inside of control words are how these are hidden. */
	for (size_t i = 0; i < bytes.n && !clean.full; i++)
		if ((unsigned char)bytes.p[i] > ' ')
			cv_buf_c(&clean, (char)cv_lower((unsigned char)bytes.p[i]));
	struct cv_str text = cv_buf_view(&clean);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_search(text, cv_str_z(rows[i].word)) < text.n)
			w->files[file].flags |= rows[i].flags;
	spam_walk_add_urls_of(
		w, w->files[file].part, SPAM_URL_FILE, cv_str_sub(bytes, 0, SPAM_FILE_TEXT_URLS));
	cv_buf_done(&clean);
}

/* ---- office documents in zips ---- */

/* Relationships that lead out of the document: links are harmless, templates and objects are not.
 */
static void
look_at_relations(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	static const char *const loading[] = {
		"attachedTemplate", "oleObject", "frame", "subDocument", "externalLinkPath"};
	struct cv_str rest = bytes;

	for (;;) {
		size_t at = cv_str_search(rest, CV_STR("<Relationship "));
		if (at == rest.n)
			return;
		size_t end = cv_str_find(rest, '>', at);
		struct cv_str one = cv_str_sub(rest, at, end);
		rest = cv_str_sub(rest, end, rest.n);
		if (cv_str_search(one, CV_STR("\"External\"")) == one.n)
			continue;
		for (size_t i = 0; i < CV_COUNT(loading); i++)
			if (cv_str_search(one, cv_str_z(loading[i])) < one.n)
				w->files[file].flags |= SPAM_FILE_REMOTE;
		size_t target = cv_str_search(one, CV_STR("Target=\""));
		struct cv_str url = cv_str_sub(one, target + 8, one.n);
		url.n = cv_str_find(url, '"', 0);
		if (url.n)
			spam_walk_add_url(
				w, w->files[file].part, SPAM_URL_FILE, url, CV_STR_EMPTY, 0);
	}
}

void
spam_walk_office_member(struct spam_walk *w, uint32_t file, struct cv_str name, struct cv_str bytes)
{
	struct spam_file *f = &w->files[file];

	if (cv_str_has_isuffix(name, "vbaProject.bin")) {
		f->flags |= SPAM_FILE_MACRO;
		spam_walk_ole(w, file, bytes);
	} else if (cv_str_search(name, CV_STR("macrosheets/")) < name.n ||
		   cv_str_has_prefix(name, "Basic/") || cv_str_has_prefix(name, "Scripts/")) {
		f->flags |= SPAM_FILE_MACRO;
	} else if (cv_str_has_isuffix(name, ".rels")) {
		look_at_relations(w, file, bytes);
	} else if (spam_file_sniff(bytes) == SPAM_FILE_OLE) {
		spam_walk_ole(w, file, bytes);
		f->flags |= SPAM_FILE_EMBEDDED;
	} else if (spam_file_sniff(bytes) == SPAM_FILE_PROGRAM) {
		f->flags |= SPAM_FILE_EMBEDDED | SPAM_FILE_DANGEROUS;
	}
}
