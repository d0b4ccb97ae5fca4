/* fuzz: imapd */
/* imap_index_fuzz.c - a text that is looked for, up to the first line end, and a message behind it:
 * what a scan finds no signature denies, and passing over attachments finds the same. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/fold.h"
#include "imapd/search.h"
#include "imapd/signature.h"

#define PLACES_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds MESSAGE; SKIPS passes over the insides of what is no text, in pieces of PIECE. */
static void
feed(struct imapd_finder *f, struct cv_str message, const struct cv_mime_tree *tree, size_t piece,
	bool skips)
{
	size_t at = 0;

	imapd_finder_reset(f);
	for (uint32_t i = 0; skips && i < tree->count; i++) {
		const struct cv_mime_place *place = &tree->parts[i].at;
		size_t from = (size_t)place->body_offset + 2;
		size_t end = (size_t)(place->body_offset + place->body_bytes);
		if (place->kind != CV_MIME_LEAF || from < at || end < from + 2)
			continue;
		imapd_finder_feed(f, cv_str_sub(message, at, from));
		at = from;
		if (imapd_finder_skip(f, place->body_offset, end - 2 - from))
			at = end - 2;
	}
	for (; at < message.n; at += CV_MIN(piece, message.n - at))
		imapd_finder_feed(f, cv_str_sub(message, at, at + piece));
	imapd_finder_finish(f);
}

/* Bit 0: in the header, bit 1: in the body. */
static unsigned
find(struct cv_str needle, struct cv_str message, const struct cv_mime_tree *tree, size_t piece,
	bool skips)
{
	struct cv_str exact = CV_STR_EMPTY;
	struct imapd_search search = {.texts = &needle, .exacts = &exact, .text_count = 1};
	struct imapd_finder *f = imapd_finder_new(&search);

	feed(f, message, tree, piece, skips);
	unsigned found = imapd_finder_in_header(f)[0] | (unsigned)imapd_finder_in_body(f)[0] << 1;
	imapd_finder_free(f);
	return found;
}

static bool
may_have(struct cv_str needle, struct cv_str message, const struct cv_mime_tree *tree, size_t piece,
	bool skips)
{
	static uint64_t bits[IMAPD_SIGNATURE_WORDS_MAX];
	struct imapd_signer *signer = imapd_signer_new();
	struct imapd_finder *f = imapd_finder_new_signing(signer);
	uint32_t places[PLACES_MAX];

	feed(f, message, tree, piece, skips);
	uint32_t words = imapd_signer_finish(signer, bits);
	uint32_t count = imapd_signature_places(needle, places, PLACES_MAX);
	imapd_finder_free(f);
	imapd_signer_free(signer);
	return imapd_signature_has(bits, words, places, count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	size_t piece = 1 + data[0];
	struct cv_str bytes = cv_str((const char *)data + 1, size - 1);
	size_t end = cv_str_find(bytes, '\n', 0);
	struct cv_str message = cv_str_sub(bytes, end + 1, bytes.n);
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf needle = CV_BUF_INIT(IMAPD_SEARCH_NEEDLE_MAX);
	const struct cv_mime_tree *tree = cv_mime_scan(&arena, message);

	if (!cv_fold(cv_str_sub(bytes, 0, end), &needle) && needle.n) {
		struct cv_str text = cv_buf_view(&needle);
		unsigned found = find(text, message, tree, SIZE_MAX / 2, false);
		assert(found == find(text, message, tree, piece, false));
		assert(found == find(text, message, tree, piece, true));
		assert(!found || may_have(text, message, tree, SIZE_MAX / 2, false));
		assert(!found || may_have(text, message, tree, piece, true));
	}
	cv_buf_done(&needle);
	cv_arena_done(&arena);
	return 0;
}
