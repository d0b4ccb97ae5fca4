/* mime_section.c - places of parts: stored, walked, and found by section number. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/mime.h"

struct cv_mime_places
cv_mime_tree_places(const struct cv_mime_tree *tree)
{
	return (struct cv_mime_places){ .parts = tree->parts, .left = tree->count };
}

/* Stored: the count, then for each place depth, kind and encoding in a byte, the header's offset
 * behind that of the place before, its length, body length, lines, type, subtype, charset. */
void
cv_mime_places_encode(const struct cv_mime_tree *tree, struct cv_buf *out)
{
	uint64_t offset = 0;
	cv_buf_varint(out, tree->count);
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct cv_mime_place *at = &tree->parts[i].at;
		cv_buf_varint(out, at->depth);
		cv_buf_c(out, (char)((unsigned)at->kind << 4 | (unsigned)at->encoding));
		cv_buf_varint(out, at->header_offset - offset);
		cv_buf_varint(out, at->header_bytes);
		cv_buf_varint(out, at->body_bytes);
		cv_buf_varint(out, at->lines);
		cv_buf_bytes(out, at->type);
		cv_buf_bytes(out, at->subtype);
		cv_buf_bytes(out, at->charset);
		offset = at->header_offset;
	}
}

struct cv_mime_places
cv_mime_places_decode(struct cv_str stored)
{
	struct cv_mime_places p = { .table = cv_rd(stored) };
	uint64_t count = cv_rd_varint(&p.table);
	p.left = count <= CV_MIME_PARTS_MAX ? (uint32_t)count : 0;
	return p;
}

bool
cv_mime_places_next(struct cv_mime_places *places, struct cv_mime_place *out)
{
	if (!places->left)
		return false;
	places->left--;
	if (places->parts) {
		*out = places->parts++->at;
		return true;
	}
	struct cv_rd *r = &places->table;
	uint64_t depth = cv_rd_varint(r);
	uint8_t kinds = cv_rd_u8(r);
	uint64_t step = cv_rd_varint(r), header = cv_rd_varint(r);
	*out = (struct cv_mime_place){
		.depth = (uint32_t)depth,
		.kind = (enum cv_mime_kind)(kinds >> 4),
		.encoding = (enum cv_mime_encoding)(kinds & 15),
		.header_offset = places->next_offset + step,
		.header_bytes = header,
		.body_offset = places->next_offset + step + header,
		.body_bytes = cv_rd_varint(r),
		.lines = cv_rd_varint(r),
		.type = cv_rd_bytes(r),
		.subtype = cv_rd_bytes(r),
		.charset = cv_rd_bytes(r),
	};
	places->next_offset = out->header_offset;
	if (depth > CV_MIME_DEPTH_MAX || kinds >> 4 > CV_MIME_MESSAGE ||
	    (kinds & 15) > CV_MIME_OTHER)
		r->bad = true;
	if (r->bad)
		places->left = 0;
	return !r->bad;
}

/* ---- finding ---- */

struct path {
	uint32_t numbers[CV_MIME_PATH_MAX];
	uint32_t count;
	enum cv_mime_what what;
};

static bool
read_word(struct cv_str word, struct path *out)
{
	if (cv_str_ieq_z(word, "HEADER"))
		out->what = CV_MIME_HEADER;
	else if (cv_str_ieq_z(word, "TEXT"))
		out->what = CV_MIME_BODY;
	else if (cv_str_ieq_z(word, "MIME") && out->count)
		out->what = CV_MIME_MIME;
	else
		return false;
	return true;
}

/* CV_INVALID against the grammar, CV_NOT_FOUND for numbers no message can have. */
static enum cv_status
read_path(struct cv_str s, struct path *out)
{
	struct cv_str word;
	*out = (struct path){ .what = CV_MIME_WHOLE };
	if (!s.n)
		return CV_OK;
	if (s.p[s.n - 1] == '.')
		return CV_INVALID;
	bool too_much = false;
	while (cv_str_split(&s, '.', &word)) {
		uint64_t number;
		if (out->what != CV_MIME_WHOLE || !word.n)
			return CV_INVALID;
		if (!cv_is_digit((unsigned char)word.p[0])) {
			if (!read_word(word, out))
				return CV_INVALID;
			continue;
		}
		enum cv_status status = cv_str_u64(word, UINT32_MAX, &number);
		if (status == CV_INVALID || (status == CV_OK && (number == 0 || word.p[0] == '0')))
			return CV_INVALID;
		too_much |= status != CV_OK || out->count == CV_MIME_PATH_MAX;
		if (!too_much)
			out->numbers[out->count++] = (uint32_t)number;
	}
	return too_much ? CV_NOT_FOUND : CV_OK;
}

struct walk {
	struct cv_mime_places places;
	struct cv_mime_place at;
	uint32_t index;
};

static bool
walk_on(struct walk *w)
{
	w->index++;
	return cv_mime_places_next(&w->places, &w->at);
}

/* Moves to child NUMBER of the place walked to. */
static bool
walk_to_child(struct walk *w, uint32_t number)
{
	uint32_t depth = w->at.depth + 1;
	while (walk_on(w) && w->at.depth >= depth)
		if (w->at.depth == depth && --number == 0)
			return true;
	return false;
}

/* From a message's root place to part NUMBER of that message. */
static bool
walk_to_part(struct walk *w, uint32_t number)
{
	if (w->at.kind == CV_MIME_MULTIPART)
		return walk_to_child(w, number);
	return number == 1;
}

/* Follows the numbers. */
static bool
walk_path(struct walk *w, const struct path *path)
{
	if (!walk_on(w))
		return false;
	bool at_root = true; /* at a place that stands for a whole message, not for a part of it */
	for (uint32_t i = 0; i < path->count; i++) {
		if (!at_root && w->at.kind == CV_MIME_MESSAGE) {
			if (!walk_to_child(w, 1))
				return false;
			at_root = true;
		}
		if (!at_root && w->at.kind != CV_MIME_MULTIPART)
			return false;
		if (!walk_to_part(w, path->numbers[i]))
			return false;
		at_root = false;
	}
	return true;
}

enum cv_status
cv_mime_section(struct cv_mime_places places, struct cv_str path_text, struct cv_mime_section *out)
{
	struct path path;
	struct walk w = { .places = places, .index = UINT32_MAX };
	enum cv_status status = read_path(path_text, &path);
	if (status)
		return status;
	if (!walk_path(&w, &path))
		return CV_NOT_FOUND;
	bool inner = path.count && (path.what == CV_MIME_HEADER || path.what == CV_MIME_BODY);
	if (inner && (w.at.kind != CV_MIME_MESSAGE || !walk_to_child(&w, 1)))
		return CV_NOT_FOUND;

	*out = (struct cv_mime_section){ .index = w.index, .what = path.what, .place = w.at };
	out->offset = w.at.header_offset;
	out->bytes = w.at.header_bytes;
	if (path.what == CV_MIME_BODY || (path.what == CV_MIME_WHOLE && path.count)) {
		out->offset = w.at.body_offset;
		out->bytes = w.at.body_bytes;
	} else if (path.what == CV_MIME_WHOLE) {
		out->bytes = w.at.header_bytes + w.at.body_bytes;
	}
	return CV_OK;
}
