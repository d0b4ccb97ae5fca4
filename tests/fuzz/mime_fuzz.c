/* fuzz: text */
/* The scanner: the same tree whole and in pieces (the first byte is their size), parts inside each
 * other, the header where the header reader sees it, and IMAP strings that parse.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/bodystructure.h"
#include "common/text/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One atom, quoted string or literal at AT; returns where it ends. */
static size_t
check_item(struct cv_str s, size_t at)
{
	if (s.p[at] == '"') {
		for (at++; at < s.n && s.p[at] != '"'; at++) {
			assert((unsigned char)s.p[at] < 0x80 && s.p[at] != '\r' &&
			       s.p[at] != '\n' && s.p[at]);
			at += s.p[at] == '\\';
		}
		assert(at < s.n);
		return at + 1;
	}
	if (s.p[at] == '{') {
		size_t end = cv_str_find(s, '}', at);
		uint64_t n;
		assert(end + 2 < s.n && s.p[end + 1] == '\r' && s.p[end + 2] == '\n');
		enum cv_status status = cv_str_u64(cv_str_sub(s, at + 1, end), s.n, &n);
		assert(status == CV_OK && end + 3 + n <= s.n);
		assert(!memchr(s.p + end + 3, 0, n));
		return end + 3 + n;
	}
	if (cv_str_has_prefix(cv_str_sub(s, at, s.n), "NIL"))
		return at + 3;
	assert(cv_is_digit((unsigned char)s.p[at]));
	while (at < s.n && cv_is_digit((unsigned char)s.p[at]))
		at++;
	return at;
}

/* One balanced list that fills S. */
static void
check_list(struct cv_str s)
{
	size_t depth = 0, at = 0;
	while (at < s.n) {
		if (s.p[at] == '(') {
			depth++;
			at++;
		} else if (s.p[at] == ')') {
			assert(depth > 0);
			depth--;
			at++;
			assert(depth || at == s.n);
		} else if (s.p[at] == ' ') {
			assert(at + 1 < s.n && s.p[at + 1] != ' ' && s.p[at + 1] != ')');
			at++;
		} else {
			at = check_item(s, at);
		}
	}
	assert(depth == 0);
}

static void
check_tree(const struct cv_mime_tree *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct cv_mime_part *p = &t->parts[i];
		assert(p->at.header_offset + p->at.header_bytes == p->at.body_offset);
		assert(p->at.body_offset + p->at.body_bytes <= t->size_bytes);
		assert(p->at.type.n && p->at.subtype.n && p->at.lines <= p->at.body_bytes);
		assert((p->at.kind == CV_MIME_MULTIPART) ==
		       (p->child_count && p->at.kind != CV_MIME_MESSAGE));
		assert(p->at.kind != CV_MIME_MESSAGE || p->child_count == 1);
		if (p->parent != CV_MIME_NONE) {
			const struct cv_mime_part *up = &t->parts[p->parent];
			assert(p->parent < i && p->at.depth == up->at.depth + 1);
			assert(p->at.header_offset >= up->at.body_offset);
			assert(p->at.body_offset + p->at.body_bytes <=
			       up->at.body_offset + up->at.body_bytes);
		}
	}
}

/* Whether part I is a message: the whole, or what is in a message/rfc822. */
static bool
is_message(const struct cv_mime_tree *t, uint32_t i)
{
	uint32_t parent = t->parts[i].parent;
	return parent == CV_MIME_NONE || t->parts[parent].at.kind == CV_MIME_MESSAGE;
}

/* The number that leads from its parent to part I; 0 for a multipart that is a whole message. */
static uint32_t
number_of(const struct cv_mime_tree *t, uint32_t i)
{
	uint32_t number = 1;
	if (is_message(t, i))
		return t->parts[i].at.kind == CV_MIME_MULTIPART ? 0 : 1;
	for (uint32_t k = t->parts[t->parts[i].parent].first_child; k != i;
	     k = t->parts[k].next_sibling)
		number++;
	return number;
}

/* Each part is found by its numbers. */
static void
check_sections(const struct cv_mime_tree *t)
{
	for (uint32_t i = 0; i < t->count && i < 100; i++) {
		uint32_t numbers[CV_MIME_DEPTH_MAX + 1], n = 0;
		struct cv_buf path = CV_BUF_INIT(2000);
		struct cv_mime_section s;
		if (!number_of(t, i))
			continue;
		for (uint32_t k = i; k != CV_MIME_NONE; k = t->parts[k].parent)
			if (number_of(t, k))
				numbers[n++] = number_of(t, k);
		while (n--)
			cv_buf_printf(&path, "%s%u", path.n ? "." : "", numbers[n]);
		enum cv_status status =
			cv_mime_section(cv_mime_tree_places(t), cv_buf_view(&path), &s);
		assert(status == CV_OK && s.index == i);
		assert(s.offset == t->parts[i].at.body_offset);
		assert(s.bytes == t->parts[i].at.body_bytes);
		cv_buf_done(&path);
	}
}

static void
describe(const struct cv_mime_tree *t, struct cv_buf *out)
{
	struct cv_buf body = CV_BUF_INIT(64 << 20);
	check_tree(t);
	assert(cv_bodystructure_format(t, true, out) == CV_OK);
	check_list(cv_buf_view(out));
	assert(cv_bodystructure_format(t, false, &body) == CV_OK);
	check_list(cv_buf_view(&body));
	check_list(t->parts[0].envelope);
	cv_mime_places_encode(t, out);
	cv_buf_done(&body);
}

static void
check_places(const struct cv_mime_tree *t)
{
	struct cv_buf stored = CV_BUF_INIT(64 << 20);
	cv_mime_places_encode(t, &stored);
	struct cv_mime_places a = cv_mime_tree_places(t),
			      b = cv_mime_places_decode(cv_buf_view(&stored));
	struct cv_mime_place x, y;
	while (cv_mime_places_next(&a, &x)) {
		bool more = cv_mime_places_next(&b, &y);
		assert(more && x.body_offset == y.body_offset && x.body_bytes == y.body_bytes);
		assert(x.kind == y.kind && x.encoding == y.encoding &&
		       cv_str_eq(x.subtype, y.subtype));
	}
	assert(!cv_mime_places_next(&b, &y));
	cv_buf_done(&stored);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct cv_str in = cv_str((const char *)data + 1, size - 1);
	size_t piece = 1 + data[0] % 64;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf whole = CV_BUF_INIT(64 << 20), cut = CV_BUF_INIT(64 << 20);

	const struct cv_mime_tree *t = cv_mime_scan(&arena, in);
	assert(t->parts[0].at.header_bytes == cv_header_body_at(in));
	describe(t, &whole);
	check_places(t);
	check_sections(t);
	struct cv_mime_scan *m = cv_mime_begin(&arena);
	for (size_t i = 0; i < in.n; i += piece)
		cv_mime_feed(m, cv_str_sub(in, i, i + piece));
	describe(cv_mime_finish(m), &cut);
	assert(cv_str_eq(cv_buf_view(&whole), cv_buf_view(&cut)));

	struct cv_mime_section section;
	(void)!cv_mime_section(cv_mime_tree_places(t), cv_str_sub(in, 0, 20), &section);
	cv_buf_done(&whole);
	cv_buf_done(&cut);
	cv_arena_done(&arena);
	return 0;
}
