/* archive.c - lists archives and looks at what they hold, within bounds.
 *
 * libarchive reads; archive_guard.c looks first at the counts that it would believe. Streams (gzip,
 * xz, ...) are unpacked here piece by piece before anything is listed in them, because passing over
 * a member of a tar inside one is unpacking it. Entries of solid archives are listed only as far as
 * the unpacked octets may go. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <pthread.h>

#include "common/text/charset.h"
#include "common/text/charset_guess.h"
#include "spamfilter/walk/archive_guard.h"
#include "spamfilter/walk/walk_impl.h"

#define HEAD_BYTES  4096u /* of a member whose name says nothing */
#define PIECE_BYTES 65536u

/* libarchive turns names into UTF-8 by the locale of the thread. */
static locale_t utf8_locale;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void
make_locale(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

struct listing {
	struct spam_walk *w;
	uint32_t file; /* the archive */
	uint32_t part, level;
	struct archive *a;
	struct spam_guard guard;
	uint64_t passed; /* octets that passing over entries unpacks */
	unsigned entries;
	bool is_document; /* its members are parts of one document, no files */
};

static struct spam_file *
container(const struct listing *l)
{
	return &l->w->files[l->file];
}

/* ---- members ---- */

/* The member's name in UTF-8; names that are not UTF-8 by the charset they read in. */
static struct cv_str
member_name(struct archive_entry *entry, struct cv_buf *out)
{
	const char *utf8 = archive_entry_pathname_utf8(entry), *raw = archive_entry_pathname(entry);

	if (utf8 && cv_utf8_is_valid(cv_str_z(utf8))) {
		cv_buf_z(out, utf8);
	} else if (raw) {
		struct cv_str octets = cv_str_sub(cv_str_z(raw), 0, SPAM_FILE_NAME_MAX * 2);
		const char *guess = cv_charset_guess(CV_STR_EMPTY, octets);
		(void)cv_charset_to_utf8(cv_str_z(guess ? guess : "ibm437"), octets, out);
	}
	return cv_buf_view(out);
}

/* Up to N octets of the entry that was just read. */
static void
read_member(struct listing *l, size_t n, struct cv_buf *out)
{
	struct spam_walk *w = l->w;

	while (out->n < n && spam_walk_has_time(w)) {
		size_t want = CV_MIN(n - out->n, PIECE_BYTES);
		if (w->unpacked_bytes + want > SPAM_ARCHIVE_BYTES) {
			w->facts |= SPAM_FACT(LIMITS);
			return;
		}
		char *room = cv_buf_room(out, want);
		la_ssize_t got = room ? archive_read_data(l->a, room, want) : 0;
		if (got <= 0)
			return;
		out->n += (size_t)got;
		w->unpacked_bytes += (size_t)got;
	}
}

/* Members whose content says more than their name. */
static bool
wants_content(const struct listing *l, const struct spam_file *f)
{
	static const char *const documents[] = {"doc", "xls", "ppt", "docx", "xlsx", "pptx", "docm",
		"xlsm", "pptm", "xlsb", "dotm", "rtf", "pdf", "htm", "html", "svg", "msg", "eml",
		""};

	if (spam_lists_has(l->w->types, "archive", f->extension) ||
		spam_lists_has(l->w->types, "macro", f->extension))
		return true;
	for (size_t i = 0; i < CV_COUNT(documents); i++)
		if (cv_str_eq_z(f->extension, documents[i]))
			return true;
	return false;
}

static bool
is_office_part(struct cv_str name)
{
	return cv_str_has_isuffix(name, "vbaProject.bin") || cv_str_has_isuffix(name, ".rels") ||
	       cv_str_search(name, CV_STR("macrosheets/")) < name.n ||
	       cv_str_search(name, CV_STR("embeddings/")) < name.n ||
	       cv_str_search(name, CV_STR("activeX/")) < name.n ||
	       cv_str_has_prefix(name, "Basic/") || cv_str_has_prefix(name, "Scripts/");
}

/* A member of an office document: no file of its own, but it may make the document one with
 * macros. */
static void
look_at_office_part(struct listing *l, struct cv_str name)
{
	struct cv_buf bytes = CV_BUF_INIT(SPAM_ARCHIVE_MEMBER_MAX);

	if (!is_office_part(name))
		return;
	read_member(l, SPAM_ARCHIVE_MEMBER_MAX, &bytes);
	spam_walk_office_member(l->w, l->file, name, cv_buf_view(&bytes));
	cv_buf_done(&bytes);
}

static void
look_at_member(struct listing *l, struct archive_entry *entry, struct cv_str name)
{
	struct spam_walk *w = l->w;
	uint64_t size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
	bool is_crypted = archive_entry_is_encrypted(entry) > 0;
	struct spam_file *f = spam_walk_add_file(w, l->part, l->file, l->level, name, CV_STR_EMPTY);

	if (is_crypted)
		container(l)->flags |= SPAM_FILE_ENCRYPTED;
	if (!f)
		return;
	f->size_bytes = size;
	if (is_crypted) {
		f->flags |= SPAM_FILE_ENCRYPTED;
		return;
	}
	uint32_t number = (uint32_t)(f - w->files);
	bool whole = wants_content(l, f) && size <= SPAM_ARCHIVE_MEMBER_MAX;
	struct cv_buf bytes = CV_BUF_INIT(SPAM_ARCHIVE_MEMBER_MAX);
	read_member(l, whole ? SPAM_ARCHIVE_MEMBER_MAX : HEAD_BYTES, &bytes);
	if (bytes.n)
		spam_walk_look(w, number, cv_buf_view(&bytes));
	/* The same octets again, one level deeper: a bomb that unpacks itself. */
	if (l->level >= SPAM_ARCHIVE_LEVELS && spam_file_has_inside(w->files[number].kind) &&
		spam_lists_has(w->types, "archive", w->files[number].extension))
		w->files[l->file].flags |= SPAM_FILE_BOMB;
	cv_buf_done(&bytes);
}

/* ---- archives ---- */

/* How an archive of KIND is opened; NULL when it cannot be. */
static struct archive *
open_archive(enum spam_file_kind kind, struct cv_str bytes)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	if (kind == SPAM_FILE_ZIP || kind == SPAM_FILE_OOXML || kind == SPAM_FILE_ODF) {
		archive_read_support_format_zip_seekable(a);
	} else if (kind == SPAM_FILE_7Z) {
		archive_read_support_format_7zip(a);
	} else if (kind == SPAM_FILE_RAR) {
		archive_read_support_format_rar(a);
		archive_read_support_format_rar5(a);
	} else if (kind == SPAM_FILE_TAR) {
		archive_read_support_format_tar(a);
	} else if (kind == SPAM_FILE_CAB) {
		archive_read_support_format_cab(a);
	} else {
		archive_read_support_filter_gzip(a);
		archive_read_support_filter_bzip2(a);
		archive_read_support_filter_xz(a);
		archive_read_support_filter_lzma(a);
		archive_read_support_filter_lzip(a);
		archive_read_support_filter_zstd(a);
		archive_read_support_filter_compress(a);
		archive_read_support_format_raw(a);
	}
	if (archive_read_open_memory(a, bytes.p, bytes.n) == ARCHIVE_OK)
		return a;
	archive_read_free(a);
	return NULL;
}

/* Passing over this entry may mean unpacking it. */
static bool
may_pass(struct listing *l, struct archive_entry *entry)
{
	enum spam_file_kind kind = container(l)->kind;
	bool unpacks = kind == SPAM_FILE_7Z || kind == SPAM_FILE_CAB ||
		       (kind == SPAM_FILE_RAR && l->guard.is_solid);

	if (!unpacks || !archive_entry_size_is_set(entry))
		return true;
	l->passed += (uint64_t)archive_entry_size(entry);
	return l->passed <= SPAM_ARCHIVE_BYTES;
}

static void
note_failure(struct listing *l)
{
	const char *why = archive_error_string(l->a);
	struct spam_file *f = container(l);

	if (archive_read_has_encrypted_entries(l->a) > 0 || (why && strstr(why, "ncrypt")))
		f->flags |= SPAM_FILE_ENCRYPTED;
	else
		f->flags |= SPAM_FILE_BROKEN;
}

static void
list_entries(struct listing *l)
{
	struct spam_walk *w = l->w;
	struct archive_entry *entry;

	while (spam_walk_has_time(w)) {
		struct cv_buf name = CV_BUF_INIT(SPAM_FILE_NAME_MAX * 8);
		int result = archive_read_next_header(l->a, &entry);
		if (result == ARCHIVE_EOF)
			break;
		if (result == ARCHIVE_FATAL || result == ARCHIVE_RETRY) {
			note_failure(l);
			break;
		}
		if (++l->entries > SPAM_ARCHIVE_ENTRIES) {
			container(l)->flags |= SPAM_FILE_BOMB;
			break;
		}
		if (archive_entry_filetype(entry) != AE_IFDIR) {
			(void)member_name(entry, &name);
			if (l->is_document)
				look_at_office_part(l, cv_buf_view(&name));
			else
				look_at_member(l, entry, cv_buf_view(&name));
		}
		cv_buf_done(&name);
		if (!may_pass(l, entry)) {
			w->facts |= SPAM_FACT(LIMITS);
			break;
		}
	}
}

/* One stream: what it unpacks to is a file, most often a tar. */
static void
read_stream(struct listing *l)
{
	struct spam_walk *w = l->w;
	struct spam_file *stream = container(l);
	struct archive_entry *entry;
	struct cv_buf bytes = CV_BUF_INIT(SPAM_ARCHIVE_BYTES);
	struct cv_str name = stream->name;

	int result = archive_read_next_header(l->a, &entry);
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
		stream->flags |= SPAM_FILE_BROKEN;
		return;
	}
	read_member(l, SPAM_ARCHIVE_BYTES, &bytes);
	if (!bytes.n)
		stream->flags |= SPAM_FILE_BROKEN;
	if (bytes.n == SPAM_ARCHIVE_BYTES) {
		w->facts |= SPAM_FACT(LIMITS);
		stream->flags |= stream->size_bytes < bytes.n / 100 ? SPAM_FILE_BOMB : 0;
	}
	/* "a.txt.gz" holds "a.txt". */
	if (stream->extension.n && name.n > stream->extension.n + 1)
		name = cv_str_sub(name, 0, name.n - stream->extension.n - 1);
	struct spam_file *f =
		bytes.n ? spam_walk_add_file(w, l->part, l->file, l->level, name, CV_STR_EMPTY)
			: NULL;
	if (f) {
		f->size_bytes = bytes.n;
		spam_walk_look(w, (uint32_t)(f - w->files), cv_buf_view(&bytes));
	}
	cv_buf_done(&bytes);
}

/* What the archive says of itself; false when it is not to be opened. */
static bool
check_guard(struct listing *l, struct cv_str bytes)
{
	struct spam_file *f = container(l);

	l->guard = (struct spam_guard){.is_safe = true};
	if (f->kind == SPAM_FILE_ZIP)
		spam_guard_zip(bytes, &l->guard);
	else if (f->kind == SPAM_FILE_7Z)
		spam_guard_7z(bytes, &l->guard);
	else if (f->kind == SPAM_FILE_RAR)
		spam_guard_rar(bytes, &l->guard);
	f->flags |= (l->guard.is_encrypted ? SPAM_FILE_ENCRYPTED : 0) |
		    (l->guard.is_broken ? SPAM_FILE_BROKEN : 0) |
		    (l->guard.is_large || l->guard.is_bomb ? SPAM_FILE_BOMB : 0) |
		    (l->guard.contradicts ? SPAM_FILE_CONTRADICTS : 0);
	if (l->guard.is_ooxml)
		f->kind = SPAM_FILE_OOXML;
	else if (l->guard.is_odf)
		f->kind = SPAM_FILE_ODF;
	l->is_document = l->guard.is_ooxml || l->guard.is_odf;
	return l->guard.is_safe;
}

void
spam_walk_list(struct spam_walk *w, uint32_t file, struct cv_str bytes)
{
	struct listing l = {.w = w,
		.file = file,
		.part = w->files[file].part,
		.level = w->files[file].level + 1};

	if (l.level > SPAM_ARCHIVE_LEVELS) {
		w->facts |= SPAM_FACT(LIMITS);
		return;
	}
	if (!check_guard(&l, bytes))
		return;
	pthread_once(&utf8_once, make_locale);
	locale_t before = utf8_locale ? uselocale(utf8_locale) : (locale_t)0;
	l.a = open_archive(w->files[file].kind, bytes);
	if (!l.a)
		w->files[file].flags |= SPAM_FILE_BROKEN;
	else if (w->files[file].kind == SPAM_FILE_GZIP)
		read_stream(&l);
	else
		list_entries(&l);
	if (l.a)
		archive_read_free(l.a);
	if (before)
		uselocale(before);
}
