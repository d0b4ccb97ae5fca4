/* walk.c - goes over the parts of a message and hands each to whom it concerns.
 *
 * The scanner of common/text/mime.h cuts the message; bodies are decoded while they pass, one part
 * at a time in one buffer. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/walk.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/text/charset.h"
#include "common/text/charset_guess.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "spamfilter/walk/html.h"
#include "spamfilter/walk/walk_impl.h"

#define PIECE_BYTES    (64u << 10) /* fed to the scanner between two looks at the clock */
#define HIDDEN_MIN     40          /* letters that make hidden text worth telling */
#define ZERO_WIDTH_MIN 3
#define IMAGE_TEXT_MAX 200 /* visible letters of a mail that is pictures only */

static _Atomic(struct spam_lists *) file_types; /* what a reload replaced is kept: it is small */

enum cv_status
spam_walk_prepare(const char *types_file, const char *shorteners_file, struct cv_err *err)
{
	struct spam_lists *old = atomic_load(&file_types), *lists;
	enum cv_status status = spam_url_prepare(shorteners_file, err);

	/* Built-in lists never change. */
	if (status || (old && old->is_built_in && !(types_file && types_file[0])))
		return status;
	status = spam_lists_read("attachment-types.txt", types_file, &lists, err);
	if (status)
		return status;
	lists->older = old;
	atomic_store(&file_types, lists);
	return CV_OK;
}

/* ---- time ---- */

static int64_t
cpu_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool
spam_walk_has_time(struct spam_walk *w)
{
	if (!w->is_over && cpu_now_us() - w->began_us > w->limit_us) {
		w->is_over = true;
		w->facts |= SPAM_FACT(COSTLY);
	}
	return !w->is_over;
}

/* ---- parts ---- */

enum use { USE_NOTHING, USE_TEXT, USE_FILE };

/* The leaf under way. */
struct leaf {
	struct spam_walk *w;
	uint32_t index; /* CV_MIME_NONE: none */
	enum use use;
	bool is_attachment;
	bool wants_all; /* a file that is looked into */
	bool is_cut;
	enum cv_mime_encoding encoding;
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	struct cv_buf octets; /* decoded */
	uint64_t raw_bytes;
	const struct cv_mime_part *part;
	uint32_t file; /* its number, when USE_FILE */
	unsigned message_depth;
};

static bool
is_type(const struct cv_mime_part *p, const char *type, const char *subtype)
{
	return cv_str_eq_z(p->at.type, type) && (!subtype || cv_str_eq_z(p->at.subtype, subtype));
}

/* S/MIME and PGP, calendars: facts of the message. */
static void
note_type(struct spam_walk *w, const struct cv_mime_part *p)
{
	static const struct {
		const char *type, *subtype;
		uint64_t fact;
	} rows[] = {
		{"multipart",   "signed",            SPAM_FACT(SIGNED)   },
		{"multipart",   "encrypted",         SPAM_FACT(ENCRYPTED)},
		{"application", "pkcs7-signature",   SPAM_FACT(SIGNED)   },
		{"application", "x-pkcs7-signature", SPAM_FACT(SIGNED)   },
		{"application", "pgp-signature",     SPAM_FACT(SIGNED)   },
		{"application", "pgp-encrypted",     SPAM_FACT(ENCRYPTED)},
		{"text",        "calendar",          SPAM_FACT(CALENDAR) },
		{"application", "ics",               SPAM_FACT(CALENDAR) },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (is_type(p, rows[i].type, rows[i].subtype))
			w->facts |= rows[i].fact;
	if (is_type(p, "application", "pkcs7-mime") || is_type(p, "application", "x-pkcs7-mime")) {
		const struct cv_param *kind = cv_params_find(&p->params, "smime-type");
		bool is_signed = kind && cv_str_ieq_z(kind->value, "signed-data");
		w->facts |= is_signed ? SPAM_FACT(SIGNED) : SPAM_FACT(ENCRYPTED);
	}
}

static bool
is_inline_text(const struct cv_mime_part *p, struct cv_str name)
{
	if (!is_type(p, "text", NULL) && !is_type(p, "application", "xhtml+xml"))
		return false;
	if (cv_str_eq_z(p->disposition, "attachment"))
		return false;
	/* A name alone does not make a text a file for readers that show it in place. */
	return !name.n || is_type(p, "text", "plain") || is_type(p, "text", "html");
}

static struct cv_str
declared_type(struct spam_walk *w, const struct cv_mime_part *p)
{
	return p->has_type ? cv_arena_printf(&w->arena, "%.*s/%.*s", CV_STR_ARGS(p->at.type),
				     CV_STR_ARGS(p->at.subtype))
			   : CV_STR_EMPTY;
}

static void
begin_file(struct leaf *l, const struct cv_mime_part *p, struct cv_str name)
{
	struct spam_walk *w = l->w;
	struct spam_file *f = spam_walk_add_file(
		w, l->index, SPAM_FILE_NO_CONTAINER, 0, name, declared_type(w, p));

	if (!f)
		return;
	l->use = USE_FILE;
	l->file = (uint32_t)(f - w->files);
	f->is_inline = p->id.n || cv_str_eq_z(p->disposition, "inline");
}

/* The leaf's octets are all there. */
static void
end_leaf(struct leaf *l)
{
	struct spam_walk *w = l->w;

	if (l->index == CV_MIME_NONE)
		return;
	if (l->encoding == CV_MIME_BASE64)
		cv_base64_read_end(&l->base64, &l->octets);
	else if (l->encoding == CV_MIME_QP)
		cv_qp_read_end(&l->qp, &l->octets);
	struct cv_str octets = cv_buf_view(&l->octets);
	if (l->use == USE_TEXT && spam_walk_has_time(w)) {
		w->source_bytes += octets.n;
		if (l->is_cut)
			w->facts |= SPAM_FACT(LIMITS);
		(void)spam_walk_read_text(w, l->index, l->part, octets, l->is_attachment);
	} else if (l->use == USE_FILE) {
		struct spam_file *f = &w->files[l->file];
		f->size_bytes = !l->is_cut                      ? octets.n
				: l->encoding == CV_MIME_BASE64 ? l->raw_bytes / 4 * 3
								: l->raw_bytes;
		if (l->is_cut && l->wants_all)
			w->facts |= SPAM_FACT(LIMITS);
		spam_walk_look(w, l->file, octets);
	}
	l->index = CV_MIME_NONE;
	if (l->octets.cap > (1u << 20))
		cv_buf_done(&l->octets);
	cv_buf_reset(&l->octets);
}

/* Whether part INDEX is inside a message that is inside the message. */
static bool
is_inner(const struct cv_mime_part *parts, const struct cv_mime_part *p)
{
	while (p->parent != CV_MIME_NONE) {
		p = &parts[p->parent];
		if (p->at.kind == CV_MIME_MESSAGE)
			return true;
	}
	return false;
}

static void
see_header(void *ctx, uint32_t index, const struct cv_mime_part *p, struct cv_str block)
{
	struct leaf *l = ctx;
	struct spam_walk *w = l->w;

	(void)block;
	end_leaf(l);
	note_type(w, p);
	if (is_type(p, "multipart", NULL) || is_type(p, "message", "rfc822") ||
		is_type(p, "message", "global"))
		return;
	*l = (struct leaf){
		.w = w, .index = index, .part = p, .encoding = p->at.encoding, .octets = l->octets};
	struct cv_str name = cv_mime_filename(&w->arena, p);
	l->is_attachment = !is_inline_text(p, name) || is_inner(p - index, p);
	if (is_inline_text(p, name)) {
		l->use = w->source_bytes < SPAM_WALK_SOURCES_MAX ? USE_TEXT : USE_NOTHING;
		if (l->use == USE_NOTHING)
			w->facts |= SPAM_FACT(LIMITS);
		l->octets.max =
			CV_MIN(SPAM_WALK_SOURCE_MAX, SPAM_WALK_SOURCES_MAX - w->source_bytes);
		struct spam_file *f = name.n ? spam_walk_add_file(w, index, SPAM_FILE_NO_CONTAINER,
						       0, name, declared_type(w, p))
					     : NULL;
		if (f) {
			f->kind = is_type(p, "text", "html") ? SPAM_FILE_HTML : SPAM_FILE_TEXT;
			f->is_inline = true;
		}
	} else {
		l->octets.max = SPAM_WALK_FILE_HEAD;
		begin_file(l, p, name);
	}
}

/* The head of a file is there: is the rest wanted? */
static void
decide_on_file(struct leaf *l)
{
	enum spam_file_kind kind = spam_file_sniff(cv_buf_view(&l->octets));

	l->wants_all = spam_file_has_inside(kind);
	if (l->wants_all)
		l->octets.max = SPAM_WALK_FILE_BYTES;
	else
		l->is_cut = true;
}

static void
decode_octets(struct leaf *l, struct cv_str bytes)
{
	if (l->encoding == CV_MIME_BASE64)
		cv_base64_read(&l->base64, bytes, &l->octets);
	else if (l->encoding == CV_MIME_QP)
		cv_qp_read(&l->qp, bytes, &l->octets);
	else
		cv_buf_str(&l->octets, bytes);
}

static void
decode_piece(struct leaf *l, struct cv_str bytes)
{
	/* Room for what a piece can become: decoders drop what does not fit. */
	if (l->octets.n + bytes.n + 1024 > l->octets.max) {
		bytes = cv_str_sub(bytes, 0,
			l->octets.max > l->octets.n + 1024 ? l->octets.max - l->octets.n - 1024
							   : 0);
		l->is_cut = true;
	}
	decode_octets(l, bytes);
}

static void
see_body(void *ctx, uint32_t index, const struct cv_mime_part *p, struct cv_str bytes)
{
	struct leaf *l = ctx;

	(void)p;
	if (index != l->index || l->use == USE_NOTHING)
		return;
	l->raw_bytes += bytes.n;
	if (l->is_cut)
		return;
	if (l->use == USE_FILE && !l->wants_all) {
		/* The head first: it says whether the rest is wanted. */
		size_t room = l->octets.max - 1024 - CV_MIN(l->octets.n, l->octets.max - 1024);
		struct cv_str head = cv_str_sub(bytes, 0, room);
		decode_octets(l, head);
		bytes = cv_str_sub(bytes, head.n, bytes.n);
		if (!bytes.n)
			return;
		decide_on_file(l);
		if (l->is_cut)
			return;
	}
	decode_piece(l, bytes);
}

static void
scan_parts(struct spam_walk *w)
{
	struct leaf leaf = {
		.w = w, .index = CV_MIME_NONE, .octets = CV_BUF_INIT(SPAM_WALK_FILE_HEAD)};
	const struct cv_str pieces[] = {w->header, w->body};

	w->scan = cv_mime_begin(&w->arena);
	cv_mime_only_parts(w->scan);
	cv_mime_watch_headers(w->scan, see_header, &leaf);
	cv_mime_watch(w->scan, see_body, &leaf);
	for (size_t i = 0; i < CV_COUNT(pieces); i++)
		for (size_t at = 0; at < pieces[i].n && spam_walk_has_time(w); at += PIECE_BYTES)
			cv_mime_feed(w->scan, cv_str_sub(pieces[i], at, at + PIECE_BYTES));
	/* What the scanner held back comes with its end. */
	w->tree = cv_mime_finish(w->scan);
	w->scan = NULL;
	if (leaf.index != CV_MIME_NONE)
		leaf.part = &w->tree->parts[leaf.index];
	end_leaf(&leaf);
	cv_buf_done(&leaf.octets);
	if (w->tree->limited)
		w->facts |= SPAM_FACT(LIMITS);
}

/* ---- the header ---- */

/* Raw octets of a field that are no UTF-8 by the charset they read in. */
static void
decode_field(struct cv_str value, struct cv_buf *out)
{
	const char *guess = cv_charset_guess(CV_STR("us-ascii"), value), *charset;
	struct cv_buf text = CV_BUF_INIT(SPAM_WALK_SUBJECT_MAX),
		      plain = CV_BUF_INIT(SPAM_WALK_SUBJECT_MAX);
	unsigned ignored = 0;

	cv_words_decode(cv_str_sub(value, 0, SPAM_WALK_SUBJECT_MAX / 4),
		cv_str_z(guess ? guess : "windows-1252"), &text);
	(void)cv_charset_mend(cv_buf_view(&text), &plain, &charset);
	spam_text_put(cv_buf_view(&plain), false, out, &ignored);
	cv_buf_done(&text);
	cv_buf_done(&plain);
}

static void
read_subject(struct spam_walk *w)
{
	struct cv_field field;

	for (size_t i = 0; i < 4 && cv_header_find(w->header, "Subject", i, &field); i++) {
		if (i && !w->subject.full)
			cv_buf_c(&w->subject, '\n');
		decode_field(field.value, &w->subject);
	}
	spam_walk_add_urls_of(w, 0, SPAM_URL_HEADER, cv_buf_view(&w->subject));
}

/* ---- the whole ---- */

/* A text whose later sibling in a multipart/alternative is there too says the same. */
static void
mark_alternatives(struct spam_walk *w)
{
	for (size_t i = 0; i < w->text_count; i++) {
		uint32_t parent = w->tree->parts[w->texts[i].part].parent;
		if (parent == CV_MIME_NONE ||
			!is_type(&w->tree->parts[parent], "multipart", "alternative"))
			continue;
		w->texts[i].is_alternative =
			w->tree->parts[w->texts[i].part].next_sibling != CV_MIME_NONE;
	}
}

static uint64_t
visible_letters(const struct spam_walk *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->visible.n; i++)
		n += (unsigned char)w->visible.p[i] > '@' && (w->visible.p[i] & 0xC0) != 0x80;
	return n;
}

static void
conclude(struct spam_walk *w)
{
	w->visible_letters = visible_letters(w);
	if (w->hidden_letters >= HIDDEN_MIN)
		w->facts |= SPAM_FACT(HIDDEN_TEXT);
	if (w->zero_width >= ZERO_WIDTH_MIN)
		w->facts |= SPAM_FACT(ZERO_WIDTH);
	if (w->mixed_words)
		w->facts |= SPAM_FACT(HOMOGLYPHS);
	if (w->pictures && w->visible_letters < IMAGE_TEXT_MAX)
		w->facts |= SPAM_FACT(IMAGE_ONLY);
	if (w->options.is_cut)
		w->facts |= SPAM_FACT(CUT);
	w->cpu_us = (uint64_t)(cpu_now_us() - w->began_us);
}

struct spam_walk *
spam_walk_message(struct cv_str header, struct cv_str body, const struct spam_walk_options *options)
{
	struct spam_walk *w = cv_calloc(1, sizeof *w);

	w->header = header;
	w->body = body;
	if (options)
		w->options = *options;
	w->types = atomic_load(&file_types);
	w->began_us = cpu_now_us();
	w->limit_us = (int64_t)(w->options.cpu_ms ? w->options.cpu_ms : SPAM_WALK_CPU_MS) * 1000;
	w->visible = CV_BUF_INIT(SPAM_WALK_TEXT_MAX);
	w->hidden = CV_BUF_INIT(SPAM_WALK_HIDDEN_MAX);
	w->subject = CV_BUF_INIT(SPAM_WALK_SUBJECT_MAX);
	w->folded = CV_BUF_INIT(SPAM_WALK_TEXT_MAX * 3 + 64);
	w->folded_subject = CV_BUF_INIT(SPAM_WALK_SUBJECT_MAX * 3 + 64);
	cv_map_init(&w->url_index);
	read_subject(w);
	scan_parts(w);
	mark_alternatives(w);
	spam_walk_fold(cv_buf_view(&w->subject), &w->folded_subject, &w->mixed_words);
	spam_walk_fold(cv_buf_view(&w->visible), &w->folded, &w->mixed_words);
	conclude(w);
	return w;
}

void
spam_walk_free(struct spam_walk *w)
{
	if (!w)
		return;
	struct cv_buf *all[] = {
		&w->visible, &w->hidden, &w->subject, &w->folded, &w->folded_subject};
	for (size_t i = 0; i < CV_COUNT(all); i++)
		cv_buf_done(all[i]);
	cv_map_done(&w->url_index);
	cv_arena_done(&w->arena);
	free(w);
}

/* ---- what was found ---- */

struct cv_str
spam_walk_subject(const struct spam_walk *w)
{
	return cv_buf_view(&w->subject);
}

struct cv_str
spam_walk_visible(const struct spam_walk *w)
{
	return cv_buf_view(&w->visible);
}

struct cv_str
spam_walk_hidden(const struct spam_walk *w)
{
	return cv_buf_view(&w->hidden);
}

struct cv_str
spam_walk_folded_subject(const struct spam_walk *w)
{
	return cv_buf_view(&w->folded_subject);
}

struct cv_str
spam_walk_folded(const struct spam_walk *w)
{
	return cv_buf_view(&w->folded);
}

size_t
spam_walk_texts(const struct spam_walk *w, const struct spam_text **out)
{
	*out = w->texts;
	return w->text_count;
}

size_t
spam_walk_urls(const struct spam_walk *w, const struct spam_url **out)
{
	*out = w->urls;
	return w->url_count;
}

size_t
spam_walk_files(const struct spam_walk *w, const struct spam_file **out)
{
	*out = w->files;
	return w->file_count;
}

uint64_t
spam_walk_facts(const struct spam_walk *w)
{
	return w->facts;
}

const struct cv_mime_tree *
spam_walk_tree(const struct spam_walk *w)
{
	return w->tree;
}

uint64_t
spam_walk_cpu_us(const struct spam_walk *w)
{
	return w->cpu_us;
}

const char *
spam_fact_word(enum spam_fact fact)
{
	/* clang-format off */
	static const char *const words[SPAM_FACT_COUNT] = {
		"hidden-text", "zero-width", "homoglyphs", "mislabelled", "html-form", "html-password",
		"html-script", "html-data-url", "html-refresh", "html-base", "html-frame", "remote-image",
		"tracker", "image-only", "link-mismatch", "urls-cut", "calendar", "signed",
		"encrypted", "limits", "costly", "cut"};
	/* clang-format on */
	return words[fact];
}

/* N octets of the message from OFFSET, header and body one behind the other. */
static struct cv_str
octets_at(const struct spam_walk *w, uint64_t offset, uint64_t n)
{
	/* A header slice may hold the whole message; else bodies lie behind it. */
	if (offset < w->header.n)
		return cv_str_sub(w->header, (size_t)offset, (size_t)(offset + n));
	offset -= w->header.n;
	if (offset >= w->body.n)
		return CV_STR_EMPTY;
	return cv_str_sub(w->body, (size_t)offset, (size_t)(offset + n));
}

enum cv_status
spam_walk_file_bytes(const struct spam_walk *w, size_t file, struct cv_buf *out)
{
	if (file >= w->file_count || w->files[file].level)
		return CV_NOT_FOUND;
	const struct cv_mime_place *at = &w->tree->parts[w->files[file].part].at;
	struct cv_str raw = octets_at(w, at->body_offset, at->body_bytes);
	if (at->encoding == CV_MIME_BASE64) {
		struct cv_base64_reader r = {0};
		for (size_t i = 0; i < raw.n && !out->full; i += PIECE_BYTES)
			cv_base64_read(&r, cv_str_sub(raw, i, i + PIECE_BYTES), out);
		cv_base64_read_end(&r, out);
	} else if (at->encoding == CV_MIME_QP) {
		struct cv_qp_reader r = {0};
		for (size_t i = 0; i < raw.n && !out->full; i += PIECE_BYTES)
			cv_qp_read(&r, cv_str_sub(raw, i, i + PIECE_BYTES), out);
		cv_qp_read_end(&r, out);
	} else {
		cv_buf_str(out, cv_str_sub(raw, 0, out->max - out->n));
		out->full |= raw.n > out->max;
	}
	return out->full ? CV_LIMIT : CV_OK;
}
