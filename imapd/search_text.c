/* search_text.c - looks for texts in whole messages; see imapd_finder in search.h.
 *
 * The MIME scanner hands out the bytes of each leaf. Text leaves are decoded and gather in `raw`;
 * when a window is full it is cut at the last blank or line end, made UTF-8 and folded into
 * `folded`, behind the tail of the window before, so that no match is lost between two. The header
 * is kept whole (it has a limit of its own) and compared field by field. Leaves that are no text
 * are not searched.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extract/gather.h"
#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/fold.h"
#include "common/text/header.h"
#include "imapd/search.h"
#include "imapd/signature.h"

#define WINDOW_BYTES (64u << 10)
#define RAW_MAX      (WINDOW_BYTES + (64u << 10))

struct imapd_finder {
	const struct imapd_search *search;
	struct imapd_signer *signer; /* gets all that is compared; or NULL */
	bool *in_header, *in_body;
	/* for each text what was seen of its words, then its score; NULL: none is inside FUZZY */
	struct imapd_fuzzy_found *fuzzy_header, *fuzzy_body;
	uint8_t *header_scores, *body_scores;
	size_t overlap; /* bytes kept between two windows */
	struct cv_arena arena;
	struct cv_mime_scan *scan;
	uint32_t part; /* whose bytes are in `raw`; CV_MIME_NONE: none */
	bool is_text, has_documents;
	uint64_t body_at; /* where that part's body begins */
	enum cv_mime_encoding encoding;
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	struct cv_str charset; /* in the arena */
	struct cv_buf raw, utf8, folded;
	struct cv_buf cased, cased_line; /* beside folded and folded_line, for exact texts */
	struct cv_buf header;            /* of the message, raw */
	struct cv_buf line, folded_line; /* one field of it */
	bool is_header_whole;
};

struct imapd_finder *
imapd_finder_new(const struct imapd_search *search)
{
	struct imapd_finder *f = cv_calloc(1, sizeof(*f));

	f->search = search;
	f->part = CV_MIME_NONE;
	f->in_header = cv_calloc(search->text_count + 1, sizeof(bool));
	f->in_body = cv_calloc(search->text_count + 1, sizeof(bool));
	for (uint32_t i = 0; i < search->text_count; i++)
		f->overlap = CV_MAX(f->overlap, CV_MAX(search->texts[i].n, search->exacts[i].n));
	if (search->has_fuzzy && search->text_count) {
		f->fuzzy_header = cv_calloc(search->text_count, sizeof(*f->fuzzy_header));
		f->fuzzy_body = cv_calloc(search->text_count, sizeof(*f->fuzzy_body));
		f->header_scores = cv_calloc(search->text_count, 1);
		f->body_scores = cv_calloc(search->text_count, 1);
	}
	cv_buf_init(&f->raw, RAW_MAX);
	cv_buf_init(&f->utf8, CV_CHARSET_GROWTH * RAW_MAX + 1024);
	cv_buf_init(&f->folded, 3 * CV_CHARSET_GROWTH * RAW_MAX + IMAPD_SEARCH_NEEDLE_MAX + 1024);
	cv_buf_init(
		&f->cased, 6 * CV_CHARSET_GROWTH * RAW_MAX + 2 * IMAPD_SEARCH_NEEDLE_MAX + 1024);
	cv_buf_init(&f->cased_line, 48 * CV_HEADER_BYTES_MAX);
	cv_buf_init(&f->header, CV_HEADER_BYTES_MAX);
	cv_buf_init(&f->line, 8 * CV_HEADER_BYTES_MAX);
	cv_buf_init(&f->folded_line, 24 * CV_HEADER_BYTES_MAX);
	return f;
}

struct imapd_finder *
imapd_finder_new_signing(struct imapd_signer *signer)
{
	static const struct imapd_search nothing;
	struct imapd_finder *f = imapd_finder_new(&nothing);

	f->signer = signer;
	f->overlap = IMAPD_FEATURE_BYTES_MAX;
	return f;
}

void
imapd_finder_free(struct imapd_finder *f)
{
	if (!f)
		return;
	if (f->scan)
		cv_mime_abandon(f->scan);
	cv_arena_done(&f->arena);
	cv_buf_done(&f->raw);
	cv_buf_done(&f->utf8);
	cv_buf_done(&f->folded);
	cv_buf_done(&f->header);
	cv_buf_done(&f->line);
	cv_buf_done(&f->folded_line);
	cv_buf_done(&f->cased);
	cv_buf_done(&f->cased_line);
	free(f->in_header);
	free(f->in_body);
	free(f->fuzzy_header);
	free(f->fuzzy_body);
	free(f->header_scores);
	free(f->body_scores);
	free(f);
}

static bool
contains(struct cv_str hay, struct cv_str needle)
{
	return !needle.n || memmem(hay.p ? hay.p : "", hay.n, needle.p, needle.n);
}

/* Marks in FOUND which texts HAY, folded, holds; CASED is the same with its diacritics where these
 * count. Everything that is compared passes here: so the index knows exactly what a search could
 * find. */
static void
look(const struct imapd_finder *f, struct cv_str hay, struct cv_str cased, bool *found)
{
	struct imapd_fuzzy_found *fuzzy = found == f->in_header ? f->fuzzy_header : f->fuzzy_body;

	for (uint32_t i = 0; i < f->search->text_count; i++) {
		if (fuzzy && f->search->fuzzies[i])
			imapd_fuzzy_look(f->search->fuzzies[i], hay, &fuzzy[i]);
		else if (!found[i])
			found[i] = f->search->exacts[i].p ? contains(cased, f->search->exacts[i])
							  : contains(hay, f->search->texts[i]);
	}
	if (f->signer)
		imapd_signer_add(f->signer, hay);
}

/* Appends UTF8 with its diacritics where a text is compared so. */
static bool
keep_case(const struct imapd_finder *f, struct cv_str utf8, struct cv_buf *out)
{
	return !f->search->is_exact || !cv_fold_case(utf8, out);
}

/* Searches the first N bytes of `raw` and drops them. */
static void
search_window(struct imapd_finder *f, size_t n)
{
	cv_buf_reset(&f->utf8);
	if (cv_charset_decode(f->charset, cv_str(f->raw.p, n), &f->utf8) != CV_LIMIT &&
		!cv_fold(cv_buf_view(&f->utf8), &f->folded) &&
		keep_case(f, cv_buf_view(&f->utf8), &f->cased))
		look(f, cv_buf_view(&f->folded), cv_buf_view(&f->cased), f->in_body);
	cv_buf_drop(&f->raw, n);
	if (f->folded.n > f->overlap)
		cv_buf_drop(&f->folded, f->folded.n - f->overlap);
	if (f->cased.n > f->overlap)
		cv_buf_drop(&f->cased, f->cased.n - f->overlap);
}

/* Behind the last blank or line end, so that no character is split in two. */
static size_t
good_cut(struct cv_str raw)
{
	for (size_t at = raw.n; at > raw.n / 2; at--)
		if (raw.p[at - 1] == '\n' || raw.p[at - 1] == ' ')
			return at;
	return raw.n;
}

static void
end_part(struct imapd_finder *f)
{
	if (f->part != CV_MIME_NONE && f->is_text) {
		if (f->encoding == CV_MIME_QP)
			cv_qp_read_end(&f->qp, &f->raw);
		else if (f->encoding == CV_MIME_BASE64)
			cv_base64_read_end(&f->base64, &f->raw);
		if (f->raw.n)
			search_window(f, f->raw.n);
	}
	f->part = CV_MIME_NONE;
	cv_buf_reset(&f->raw);
	cv_buf_reset(&f->folded);
	cv_buf_reset(&f->cased);
}

static void
begin_part(struct imapd_finder *f, uint32_t index, const struct cv_mime_part *part)
{
	end_part(f);
	f->part = index;
	f->is_text = part->at.kind == CV_MIME_TEXT || cv_str_ieq_z(part->at.type, "text");
	f->has_documents |= !f->is_text && cv_gather_is_document(&f->arena, part);
	f->body_at = part->at.body_offset;
	f->encoding = part->at.encoding;
	f->charset = part->at.charset;
	f->base64 = (struct cv_base64_reader){0};
	f->qp = (struct cv_qp_reader){0};
}

static void
on_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct imapd_finder *f = ctx;

	if (index != f->part)
		begin_part(f, index, part);
	if (!f->is_text)
		return;
	while (bytes.n) {
		struct cv_str some = cv_str_sub(bytes, 0, 16u << 10);
		bytes = cv_str_sub(bytes, some.n, bytes.n);
		if (f->encoding == CV_MIME_QP)
			cv_qp_read(&f->qp, some, &f->raw);
		else if (f->encoding == CV_MIME_BASE64)
			cv_base64_read(&f->base64, some, &f->raw);
		else
			cv_buf_str(&f->raw, some);
		/* Windows are cut at the same places however the bytes came. */
		while (f->raw.n >= WINDOW_BYTES)
			search_window(f, good_cut(cv_str(f->raw.p, WINDOW_BYTES)));
	}
}

void
imapd_finder_reset(struct imapd_finder *f)
{
	if (f->scan)
		cv_mime_abandon(f->scan);
	cv_arena_reset(&f->arena);
	memset(f->in_header, 0, f->search->text_count * sizeof(bool));
	memset(f->in_body, 0, f->search->text_count * sizeof(bool));
	if (f->fuzzy_header) {
		memset(f->fuzzy_header, 0, f->search->text_count * sizeof(*f->fuzzy_header));
		memset(f->fuzzy_body, 0, f->search->text_count * sizeof(*f->fuzzy_body));
	}
	f->part = CV_MIME_NONE;
	cv_buf_reset(&f->raw);
	cv_buf_reset(&f->folded);
	cv_buf_reset(&f->cased);
	cv_buf_reset(&f->header);
	f->is_header_whole = false;
	f->has_documents = false;
	f->scan = cv_mime_begin(&f->arena);
	cv_mime_watch(f->scan, on_body, f);
	cv_mime_only_parts(f->scan); /* the message's header is searched as it is shown */
}

/* Keeps the message's header: everything up to the first empty line. */
static void
gather_header(struct imapd_finder *f, struct cv_str bytes)
{
	size_t room = f->header.max - f->header.n;
	size_t from = f->header.n > 3 ? f->header.n - 3 : 0;

	cv_buf_str(&f->header, cv_str_sub(bytes, 0, room));
	struct cv_str have = cv_buf_view(&f->header);
	f->is_header_whole = bytes.n > room;
	for (size_t at = from; (at = cv_str_find(have, '\n', at)) + 1 < have.n; at++) {
		if (have.p[at + 1] == '\n' ||
			(at + 2 < have.n && have.p[at + 1] == '\r' && have.p[at + 2] == '\n')) {
			f->header.n = at + 1;
			f->is_header_whole = true;
			return;
		}
	}
}

void
imapd_finder_feed(struct imapd_finder *f, struct cv_str bytes)
{
	if (!f->is_header_whole)
		gather_header(f, bytes);
	cv_mime_feed(f->scan, bytes);
}

bool
imapd_finder_skip(struct imapd_finder *f, uint64_t body_at, uint64_t n)
{
	return f->is_header_whole && f->part != CV_MIME_NONE && !f->is_text &&
	       f->body_at == body_at && cv_mime_skip(f->scan, n);
}

/* TEXT searches the header as it is shown: unfolded, words decoded, names of fields included. */
static void
search_header(struct imapd_finder *f)
{
	struct cv_header_scan scan;
	struct cv_field field;

	cv_header_scan_init(&scan, cv_buf_view(&f->header));
	while (cv_header_next(&scan, &field)) {
		cv_buf_reset(&f->line);
		cv_buf_reset(&f->folded_line);
		cv_buf_str(&f->line, field.name);
		cv_buf_add(&f->line, ": ", 2);
		cv_words_decode(field.value, CV_STR_EMPTY, &f->line);
		cv_buf_reset(&f->cased_line);
		if (!cv_fold(cv_buf_view(&f->line), &f->folded_line) &&
			keep_case(f, cv_buf_view(&f->line), &f->cased_line))
			look(f, cv_buf_view(&f->folded_line), cv_buf_view(&f->cased_line),
				f->in_header);
	}
}

/* The headers of parts belong to the body: file names, subjects of enclosed messages. */
static void
search_part_facts(struct imapd_finder *f, const struct cv_mime_tree *tree)
{
	struct cv_buf folded = CV_BUF_INIT(1u << 20), cased = CV_BUF_INIT(2u << 20);

	for (uint32_t i = 1; i < tree->count; i++) {
		struct cv_str name = cv_mime_filename(&f->arena, &tree->parts[i]);
		struct cv_str texts[] = {name, tree->parts[i].description, tree->parts[i].envelope};
		for (size_t k = 0; k < CV_COUNT(texts); k++) {
			if (!texts[k].n)
				continue;
			struct cv_buf plain = CV_BUF_INIT(1u << 20);
			cv_words_decode(texts[k], CV_STR_EMPTY, &plain);
			cv_buf_reset(&folded);
			cv_buf_reset(&cased);
			if (!cv_fold(cv_buf_view(&plain), &folded) &&
				keep_case(f, cv_buf_view(&plain), &cased))
				look(f, cv_buf_view(&folded), cv_buf_view(&cased), f->in_body);
			cv_buf_done(&plain);
		}
	}
	cv_buf_done(&folded);
	cv_buf_done(&cased);
}

static void
score(struct imapd_finder *f)
{
	for (uint32_t i = 0; f->fuzzy_header && i < f->search->text_count; i++) {
		const struct imapd_fuzzy *fuzzy = f->search->fuzzies[i];
		if (!fuzzy)
			continue;
		f->header_scores[i] = (uint8_t)imapd_fuzzy_score(fuzzy, &f->fuzzy_header[i]);
		f->body_scores[i] = (uint8_t)imapd_fuzzy_score(fuzzy, &f->fuzzy_body[i]);
	}
}

bool
imapd_finder_has_documents(const struct imapd_finder *f)
{
	return f->has_documents;
}

/* UTF-8 as it is, window by window like the text of a part. */
static void
search_plain(struct imapd_finder *f, struct cv_str text)
{
	f->charset = CV_STR("utf-8");
	while (text.n) {
		struct cv_str some = cv_str_sub(text, 0, 16u << 10);
		text = cv_str_sub(text, some.n, text.n);
		cv_buf_str(&f->raw, some);
		while (f->raw.n >= WINDOW_BYTES)
			search_window(f, good_cut(cv_str(f->raw.p, WINDOW_BYTES)));
	}
	if (f->raw.n)
		search_window(f, f->raw.n);
	cv_buf_reset(&f->folded);
	cv_buf_reset(&f->cased);
}

void
imapd_finder_texts(struct imapd_finder *f, struct cv_str texts)
{
	struct cv_rd rd = cv_rd(texts);

	end_part(f);
	while (cv_rd_left(&rd) && !rd.bad)
		search_plain(f, cv_rd_bytes(&rd));
}

void
imapd_finder_finish(struct imapd_finder *f)
{
	const struct cv_mime_tree *tree = cv_mime_finish(f->scan);

	f->scan = NULL;
	end_part(f);
	search_part_facts(f, tree);
	search_header(f);
	score(f);
}

struct cv_str
imapd_finder_header(const struct imapd_finder *f)
{
	return cv_buf_view(&f->header);
}

const bool *
imapd_finder_in_header(const struct imapd_finder *f)
{
	return f->in_header;
}

const bool *
imapd_finder_in_body(const struct imapd_finder *f)
{
	return f->in_body;
}

const uint8_t *
imapd_finder_header_scores(const struct imapd_finder *f)
{
	return f->header_scores;
}

const uint8_t *
imapd_finder_body_scores(const struct imapd_finder *f)
{
	return f->body_scores;
}
