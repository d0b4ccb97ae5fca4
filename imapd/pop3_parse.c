/* pop3_parse.c - see pop3_parse.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/pop3_parse.h"

enum imapd_pop3_frame
imapd_pop3_frame(struct cv_str bytes, size_t max, bool *is_skipping, struct cv_str *line_out,
	size_t *used_out)
{
	size_t end = cv_str_find(bytes, '\n', 0);
	bool was_skipping = *is_skipping;

	if (end >= bytes.n) {
		size_t n = bytes.n - (bytes.n && bytes.p[bytes.n - 1] == '\r');
		*is_skipping = was_skipping || n > max;
		*used_out = *is_skipping ? bytes.n : 0;
		return IMAPD_POP3_MORE;
	}
	*is_skipping = false;
	*used_out = end + 1;
	struct cv_str line = cv_str_sub(bytes, 0, end);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (was_skipping || line.n > max)
		return IMAPD_POP3_TOO_LONG;
	*line_out = line;
	return IMAPD_POP3_LINE;
}

bool
imapd_pop3_verb(struct cv_str line, struct cv_str *verb_out, struct cv_str *rest_out)
{
	if (cv_str_find(line, '\0', 0) < line.n || cv_str_find(line, '\r', 0) < line.n)
		return false;
	size_t end = CV_MIN(cv_str_find(line, ' ', 0), line.n);
	*verb_out = cv_str_sub(line, 0, end);
	*rest_out = end < line.n ? cv_str_sub(line, end + 1, line.n) : CV_STR("");
	return end > 0;
}

static bool
read_number(struct cv_str word, uint32_t *out)
{
	uint64_t n = 0;

	if (!word.n || word.n > 10)
		return false;
	for (size_t i = 0; i < word.n; i++) {
		if (!cv_is_digit((unsigned char)word.p[i]))
			return false;
		n = n * 10 + (unsigned)(word.p[i] - '0');
	}
	*out = (uint32_t)n;
	return n <= UINT32_MAX;
}

/* Words between blanks, at most two. */
static bool
split(struct cv_str rest, struct imapd_pop3_args *out)
{
	struct cv_str word;

	while (rest.n && cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (out->count == CV_COUNT(out->word))
			return false;
		out->word[out->count++] = word;
	}
	return true;
}

bool
imapd_pop3_args(struct cv_str rest, enum imapd_pop3_grammar grammar, struct imapd_pop3_args *out)
{
	static const struct {
		unsigned least, most;
		bool are_numbers;
	} rules[] = {
		[IMAPD_POP3_NOTHING] = {0, 0, false},
		[IMAPD_POP3_NUMBER] = {1, 1, true},
		[IMAPD_POP3_MAY_NUMBER] = {0, 1, true},
		[IMAPD_POP3_TWO_NUMBERS] = {2, 2, true},
		[IMAPD_POP3_WORD] = {1, 1, false},
		[IMAPD_POP3_MAY_WORD] = {0, 1, false},
		[IMAPD_POP3_MAY_WORDS] = {0, 2, false},
	};

	*out = (struct imapd_pop3_args){0};
	if (grammar == IMAPD_POP3_REST) {
		out->word[0] = rest;
		out->count = 1;
		return rest.n > 0;
	}
	if (!split(rest, out) || out->count < rules[grammar].least ||
		out->count > rules[grammar].most)
		return false;
	for (unsigned i = 0; i < out->count && rules[grammar].are_numbers; i++)
		if (!read_number(out->word[i], &out->number[i]))
			return false;
	return true;
}
