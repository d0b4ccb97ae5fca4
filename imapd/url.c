/* url.c - see url.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/url.h"

#include "common/text/encode.h"
#include "imapd/names.h"

/* Up to WORD (any case), which is passed over; false, and nothing taken, when it is not there. */
static bool
cut_at(struct cv_str *rest, const char *word, struct cv_str *before_out)
{
	for (size_t at = 0; at < rest->n; at++) {
		if (!cv_str_has_iprefix(cv_str_sub(*rest, at, rest->n), word))
			continue;
		*before_out = cv_str(rest->p, at);
		*rest = cv_str_sub(*rest, at + strlen(word), rest->n);
		return true;
	}
	return false;
}

static bool
take(struct cv_str *rest, const char *word)
{
	if (!cv_str_has_iprefix(*rest, word))
		return false;
	*rest = cv_str_sub(*rest, strlen(word), rest->n);
	return true;
}

static bool
take_number(struct cv_str *rest, uint32_t *out)
{
	size_t n = 0;
	uint64_t value;

	while (n < rest->n && cv_is_digit((unsigned char)rest->p[n]))
		n++;
	if (!n || cv_str_u64(cv_str(rest->p, n), UINT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	*rest = cv_str_sub(*rest, n, rest->n);
	return true;
}

/* Undoes "%xx"; false for a bad one, NUL and line ends. */
static bool
unescape(struct cv_str in, struct cv_arena *arena, struct cv_str *out)
{
	char *to = cv_arena_alloc(arena, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (c == '%') {
			if (in.n - i < 3)
				return false;
			int high = cv_hex_digit((unsigned char)in.p[i + 1]);
			int low = cv_hex_digit((unsigned char)in.p[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || c == '\r' || c == '\n')
			return false;
		to[n++] = (char)c;
	}
	*out = cv_str(to, n);
	return true;
}

/* A section is read as FETCH reads it. */
static bool
read_section(struct cv_str words, struct cv_arena *arena, struct imapd_section *out)
{
	struct imapd_args args = {0};
	struct imapd_parse p = {.arena = arena};

	p.text = cv_arena_printf(arena, "BODY.PEEK[%.*s]", CV_STR_ARGS(words));
	if (!imapd_parse_fetch(&p, &args) || !imapd_at_end(&p) || args.fetch->section_count != 1 ||
		args.fetch->items)
		return false;
	*out = args.fetch->sections[0];
	return !out->is_partial;
}

static bool
read_mailbox(struct cv_str words, struct cv_arena *arena, struct imapd_url *out)
{
	struct cv_str rest = words, name;

	if (cut_at(&rest, ";UIDVALIDITY=", &name)) {
		if (!take_number(&rest, &out->uidvalidity) || rest.n || !out->uidvalidity)
			return false;
		words = name;
	}
	return words.n && unescape(words, arena, &name) &&
	       imapd_name_from_utf8(name, arena, &out->mailbox);
}

/* "/;PARTIAL=first[.length]" at the end */
static bool
read_partial(struct cv_str rest, struct imapd_section *out)
{
	uint32_t first, length;

	if (!rest.n)
		return true;
	if (!take(&rest, "/;PARTIAL=") || !take_number(&rest, &first))
		return false;
	out->is_partial = true;
	out->first = first;
	out->length = UINT64_MAX;
	if (!rest.n)
		return true;
	if (!take(&rest, ".") || !take_number(&rest, &length) || rest.n)
		return false;
	out->length = length;
	return length > 0;
}

bool
imapd_parse_url(struct cv_str url, struct cv_arena *arena, struct imapd_url *out)
{
	struct cv_str mailbox, section;

	*out = (struct imapd_url){0};
	if (take(&url, "/")) {
		if (cv_str_has_iprefix(url, "/") || !cut_at(&url, "/;UID=", &mailbox) ||
			!read_mailbox(mailbox, arena, out))
			return false;
	} else if (!take(&url, ";UID=")) {
		return false;
	}
	if (!take_number(&url, &out->uid) || !out->uid)
		return false;
	if (take(&url, "/;SECTION=")) {
		struct cv_str rest = url, words = url;
		if (cut_at(&rest, "/;PARTIAL=", &words))
			url = cv_str(words.p + words.n, url.n - words.n);
		else
			url = cv_str(url.p + url.n, 0);
		if (!words.n || !unescape(words, arena, &section) ||
			!read_section(section, arena, &out->section))
			return false;
	}
	return read_partial(url, &out->section);
}
