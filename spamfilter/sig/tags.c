/* tags.c - see tags.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/sig/tags.h"

#include "common/text/encode.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_name(struct cv_str s)
{
	if (!s.n || !cv_is_alpha((unsigned char)s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && c != '_')
			return false;
	}
	return true;
}

/* Printable ASCII and blanks. Octets above ASCII pass: internationalised mail has them (RFC 8616).
 */
static bool
is_value(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && !is_blank(s.p[i])) || s.p[i] == 0x7f)
			return false;
	return true;
}

bool
sig_tags_parse(struct cv_str text, struct sig_tags *out)
{
	out->count = 0;
	for (size_t at = 0; at < text.n;) {
		size_t end = cv_str_find(text, ';', at);
		size_t equal = cv_str_find(cv_str_sub(text, 0, end), '=', at);
		if (end == text.n && !cv_str_trim(cv_str_sub(text, at, end)).n)
			break; /* blanks behind the last ";" */
		if (equal == end || out->count == SIG_TAGS_MAX)
			return false;
		struct sig_tag *tag = &out->tag[out->count];
		tag->name = cv_str_trim(cv_str_sub(text, at, equal));
		tag->from = equal + 1;
		tag->to = end;
		tag->value = cv_str_trim(cv_str_sub(text, tag->from, tag->to));
		if (!is_name(tag->name) || !is_value(tag->value))
			return false;
		for (size_t i = 0; i < out->count; i++)
			if (cv_str_eq(out->tag[i].name, tag->name))
				return false;
		out->count++;
		at = end + 1;
	}
	return out->count > 0;
}

const struct sig_tag *
sig_tag_find(const struct sig_tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (cv_str_eq_z(tags->tag[i].name, name))
			return &tags->tag[i];
	return NULL;
}

struct cv_str
sig_tag_value(const struct sig_tags *tags, const char *name, struct cv_str fallback)
{
	const struct sig_tag *tag = sig_tag_find(tags, name);

	return tag ? tag->value : fallback;
}

struct cv_str
sig_without_blanks(struct cv_arena *arena, struct cv_str s)
{
	char *out = cv_arena_alloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (!is_blank(s.p[i]))
			out[n++] = s.p[i];
	return cv_str(out, n);
}

struct cv_str
sig_base64(struct cv_arena *arena, struct cv_str s)
{
	struct cv_buf out = CV_BUF_INIT(64u << 10);
	struct cv_str bytes = CV_STR_EMPTY;

	if (cv_base64_decode(sig_without_blanks(arena, s), &out) == CV_OK && out.n)
		bytes = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return bytes;
}

bool
sig_list_has(struct cv_str list, const char *part)
{
	struct cv_str word;

	while (cv_str_split(&list, ':', &word))
		if (cv_str_ieq_z(cv_str_trim(word), part))
			return true;
	return false;
}
