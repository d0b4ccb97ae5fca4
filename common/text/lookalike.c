/* lookalike.c - see lookalike.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/lookalike.h"

#include "common/text/charset.h"
#include "common/text/fold.h"

#define TYPING_MIN 6u /* letters; shorter names differ by one letter all the time */
#define WORDS_MIN  4u

/* ---- letters ---- */

struct alike {
	uint32_t code_point;
	char as;
};

/* Before folding: capitals whose small letters look like something else. Sorted. */
/* clang-format off */
static const struct alike capitals[] = {
	{0x0392, 'b'}, {0x0395, 'e'}, {0x0396, 'z'}, {0x0397, 'h'}, {0x0399, 'l'}, {0x039a, 'k'},
	{0x039c, 'm'}, {0x039d, 'n'}, {0x03a1, 'p'}, {0x03a4, 't'}, {0x03a5, 'y'}, {0x03a7, 'x'},
	{0x0412, 'b'}, {0x041d, 'h'}, {0x0423, 'y'},
	{0x13a0, 'd'}, {0x13a2, 't'}, {0x13a5, 'l'}, {0x13aa, 'a'}, {0x13ab, 'j'}, {0x13ac, 'e'},
	{0x13b3, 'w'}, {0x13b7, 'm'}, {0x13bb, 'h'}, {0x13c0, 'g'}, {0x13c3, 'z'}, {0x13cb, 'h'},
	{0x13cc, 'u'}, {0x13cf, 'b'}, {0x13d2, 'r'}, {0x13d4, 'w'}, {0x13d5, 's'}, {0x13d9, 'v'},
	{0x13da, 's'}, {0x13de, 'l'}, {0x13df, 'c'}, {0x13e2, 'p'}, {0x13e6, 'k'}, {0x13f4, 'b'},
};

/* Behind folding. Sorted. "i" and "1" are "l", "0" is "o". */
static const struct alike letters[] = {
	{'!', 'l'}, {'0', 'o'}, {'1', 'l'}, {'5', 's'}, {'i', 'l'}, {'|', 'l'},
	{0x00e6, 'a'}, {0x00f8, 'o'}, {0x0127, 'h'}, {0x0131, 'l'}, {0x0138, 'k'}, {0x0142, 'l'},
	{0x014b, 'n'}, {0x0167, 't'}, {0x0180, 'b'}, {0x0185, 'b'}, {0x0188, 'c'}, {0x0192, 'f'},
	{0x0199, 'k'}, {0x019a, 'l'}, {0x019e, 'n'}, {0x01a5, 'p'}, {0x01ad, 't'}, {0x01b4, 'y'},
	{0x01b6, 'z'}, {0x01c0, 'l'}, {0x0237, 'j'}, {0x023c, 'c'}, {0x0247, 'e'}, {0x0249, 'j'},
	{0x024d, 'r'}, {0x024f, 'y'}, {0x0251, 'a'}, {0x0253, 'b'}, {0x0256, 'd'}, {0x0257, 'd'},
	{0x025b, 'e'}, {0x0260, 'g'}, {0x0261, 'g'}, {0x0262, 'g'}, {0x0266, 'h'}, {0x0268, 'l'},
	{0x0269, 'l'}, {0x026a, 'l'}, {0x026b, 'l'}, {0x026d, 'l'}, {0x026f, 'w'}, {0x0271, 'm'},
	{0x0272, 'n'}, {0x0273, 'n'}, {0x0274, 'n'}, {0x0275, 'o'}, {0x027c, 'r'}, {0x027d, 'r'},
	{0x0280, 'r'}, {0x0282, 's'}, {0x0288, 't'}, {0x0289, 'u'}, {0x028b, 'u'}, {0x028f, 'y'},
	{0x0290, 'z'}, {0x0299, 'b'}, {0x029c, 'h'}, {0x029f, 'l'}, {0x02a0, 'q'},
	{0x03b1, 'a'}, {0x03b2, 'b'}, {0x03b3, 'y'}, {0x03b5, 'e'}, {0x03b7, 'n'}, {0x03b9, 'l'},
	{0x03ba, 'k'}, {0x03bd, 'v'}, {0x03bf, 'o'}, {0x03c1, 'p'}, {0x03c2, 'c'}, {0x03c3, 'o'},
	{0x03c4, 't'}, {0x03c5, 'u'}, {0x03c7, 'x'}, {0x03c9, 'w'}, {0x03f2, 'c'}, {0x03f3, 'j'},
	{0x0430, 'a'}, {0x0432, 'b'}, {0x0433, 'r'}, {0x0435, 'e'}, {0x043a, 'k'}, {0x043c, 'm'},
	{0x043d, 'h'}, {0x043e, 'o'}, {0x043f, 'n'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0442, 't'},
	{0x0443, 'y'}, {0x0445, 'x'}, {0x044c, 'b'}, {0x0451, 'e'}, {0x0455, 's'}, {0x0456, 'l'},
	{0x0457, 'l'}, {0x0458, 'j'}, {0x045b, 'h'}, {0x0461, 'w'}, {0x0475, 'v'}, {0x04af, 'y'},
	{0x04bb, 'h'}, {0x04cf, 'l'}, {0x0501, 'd'}, {0x051b, 'q'}, {0x051d, 'w'},
	{0x0561, 'w'}, {0x0563, 'q'}, {0x0566, 'q'}, {0x0570, 'h'}, {0x0575, 'j'}, {0x0578, 'n'},
	{0x057c, 'n'}, {0x057d, 'u'}, {0x0581, 'g'}, {0x0582, 'l'}, {0x0584, 'f'}, {0x0585, 'o'},
	{0x1d00, 'a'}, {0x1d04, 'c'}, {0x1d05, 'd'}, {0x1d07, 'e'}, {0x1d0a, 'j'}, {0x1d0b, 'k'},
	{0x1d0d, 'm'}, {0x1d0f, 'o'}, {0x1d11, 'o'}, {0x1d18, 'p'}, {0x1d1b, 't'}, {0x1d1c, 'u'},
	{0x1d20, 'v'}, {0x1d21, 'w'}, {0x1d22, 'z'}, {0x2113, 'l'}, {0x2170, 'l'}, {0x2174, 'v'},
	{0x2179, 'x'}, {0x217c, 'l'}, {0x217d, 'c'}, {0x217e, 'd'}, {0x217f, 'm'}, {0x2223, 'l'},
	{0xa731, 's'}, {0xab35, 'f'}, {0xab4e, 'u'}, {0xab52, 'u'}, {0xab5a, 'y'}, {0xab75, 'l'},
	{0xab81, 'r'}, {0xab83, 'w'}, {0xab93, 'z'}, {0xaba9, 'v'}, {0xabaa, 's'}, {0xabaf, 'c'},
};
/* clang-format on */

static char
find_alike(const struct alike *rows, size_t count, uint32_t c)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (rows[middle].code_point < c)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && rows[low].code_point == c ? rows[low].as : 0;
}

/* Alphabets that Unicode repeats whole: mathematical, enclosed, squared. */
static char
find_styled(uint32_t c)
{
	if (c >= 0x1d400 && c <= 0x1d6a3)
		return (char)('a' + (c - 0x1d400) % 52 % 26);
	if (c >= 0x1d7ce && c <= 0x1d7ff)
		return (char)('0' + (c - 0x1d7ce) % 10);
	if (c >= 0x24b6 && c <= 0x24e9)
		return (char)('a' + (c - 0x24b6) % 26);
	if (c >= 0x1f130 && c <= 0x1f189)
		return (char)('a' + (c - 0x1f130) % 32 % 26);
	return 0;
}

static bool
is_unseen(uint32_t c)
{
	return c == 0xad || c == 0x34f || c == 0x61c || c == 0xfeff || c == 0x180e ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x2069) || (c >= 0xfe00 && c <= 0xfe0f);
}

/* Groups of letters that run together, in place. */
static size_t
join_groups(char *p, size_t n)
{
	static const struct {
		char first, second, as;
	} groups[] = {
		{'r', 'n', 'm'},
		{'v', 'v', 'w'},
		{'c', 'l', 'd'},
	};
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		for (size_t g = 0; i + 1 < n && g < CV_COUNT(groups); g++) {
			if (p[i] != groups[g].first || p[i + 1] != groups[g].second)
				continue;
			c = groups[g].as;
			i++;
			break;
		}
		p[out++] = c;
	}
	return out;
}

enum cv_status
cv_skeleton(struct cv_str utf8, struct cv_buf *out)
{
	struct cv_buf plain = CV_BUF_INIT(4 * utf8.n + 4), folded = CV_BUF_INIT(12 * utf8.n + 12);
	struct cv_buf done = CV_BUF_INIT(12 * utf8.n + 12);
	enum cv_status status = CV_OK;

	for (size_t at = 0; at < utf8.n;) {
		uint32_t c = cv_utf8_next(utf8, &at);
		char as = find_alike(capitals, CV_COUNT(capitals), c);
		if (!as)
			as = find_styled(c);
		if (as)
			cv_buf_c(&plain, as);
		else if (!is_unseen(c))
			cv_utf8_put(&plain, c);
	}
	status = cv_fold(cv_buf_view(&plain), &folded);
	for (size_t at = 0; at < folded.n;) {
		uint32_t c = cv_utf8_next(cv_buf_view(&folded), &at);
		char as = find_alike(letters, CV_COUNT(letters), c);
		if (as)
			cv_buf_c(&done, as);
		else
			cv_utf8_put(&done, c);
	}
	if (done.n)
		done.n = join_groups(done.p, done.n);
	if (out->n + done.n > out->max) {
		out->full = true;
		status = CV_LIMIT;
	}
	if (status == CV_OK)
		cv_buf_str(out, cv_buf_view(&done));
	cv_buf_done(&plain);
	cv_buf_done(&folded);
	cv_buf_done(&done);
	return status;
}

char
cv_lookalike_latin(uint32_t c)
{
	static const uint32_t like_i[] = {0x131, 0x268, 0x269, 0x26a, 0x399, 0x3b9, 0x406, 0x407,
		0x456, 0x457, 0x13a5, 0x2170};
	char as = 0;

	if (c < 0x80 || (c >= 0xc0 && c < 0x131) || (c >= 0x1e00 && c <= 0x1eff))
		return 0;
	for (size_t i = 0; i < CV_COUNT(like_i); i++)
		if (c == like_i[i])
			return 'i';
	as = find_alike(capitals, CV_COUNT(capitals), c);
	if (!as)
		as = find_styled(c);
	if (!as)
		as = find_alike(letters, CV_COUNT(letters), c);
	if (as || c < 0x370)
		return as;
	/* Capitals are as their small letters where those look alike. */
	uint32_t low = c >= 0x391 && c <= 0x3a9   ? c + 0x20
		       : c >= 0x410 && c <= 0x42f ? c + 0x20
		       : c >= 0x400 && c <= 0x40f ? c + 0x50
						  : 0;
	return low ? find_alike(letters, CV_COUNT(letters), low) : 0;
}

/* ---- scripts ---- */

/* Of letters only; 0 for what belongs to all. Scripts of one family that are written together
 * (Han, kana, hangul) are one. */
static unsigned
script_of(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		unsigned script;
	} rows[] = {
		{'A',    'Z',    1 },
		{'a',    'z',    1 },
		{0xc0,   0x24f,  1 },
		{0x250,  0x2af,  1 },
		{0x370,  0x3ff,  2 },
		{0x400,  0x52f,  3 },
		{0x531,  0x587,  4 },
		{0x5d0,  0x5ea,  5 },
		{0x620,  0x64a,  6 },
		{0xe01,  0xe30,  7 },
		{0x10a0, 0x10ff, 8 },
		{0x13a0, 0x13f5, 9 },
		{0x1e00, 0x1eff, 1 },
		{0x1f00, 0x1fff, 2 },
		{0x3041, 0x30ff, 10},
		{0x3400, 0x9fff, 10},
		{0xab70, 0xabbf, 9 },
		{0xac00, 0xd7a3, 10},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (c >= rows[i].from && c <= rows[i].to)
			return rows[i].script;
	return 0;
}

bool
cv_is_mixed_script(struct cv_str utf8)
{
	unsigned seen = 0;

	for (size_t at = 0; at < utf8.n;) {
		unsigned script = script_of(cv_utf8_next(utf8, &at));
		/* East Asian words have Latin ones among them. */
		if (!script || script == 10)
			continue;
		if (seen && seen != script)
			return true;
		seen = script;
	}
	return false;
}

/* ---- likeness ---- */

const char *
cv_likeness_word(enum cv_likeness likeness)
{
	static const char *const words[] = {"unlike", "equal", "letters", "typing", "words"};

	return words[likeness];
}

/* One letter put in, left out or changed, or two neighbours swapped. */
static bool
is_one_step(struct cv_str a, struct cv_str b)
{
	size_t head = 0, tail = 0;

	if (a.n < b.n) {
		struct cv_str swap = a;
		a = b;
		b = swap;
	}
	if (a.n - b.n > 1)
		return false;
	while (head < b.n && a.p[head] == b.p[head])
		head++;
	while (tail < b.n - head && a.p[a.n - 1 - tail] == b.p[b.n - 1 - tail])
		tail++;
	size_t left = a.n - head - tail;
	if (left <= 1)
		return a.n != b.n || left == 1;
	return left == 2 && a.n == b.n && a.p[head] == b.p[head + 1] && a.p[head + 1] == b.p[head];
}

/* TEXT is nothing but OFFICIAL words, with or without hyphens between. */
static bool
is_official(struct cv_str text, const char *const *official)
{
	while (text.n) {
		size_t longest = 0;
		if (text.p[0] == '-') {
			text = cv_str_sub(text, 1, text.n);
			continue;
		}
		for (size_t i = 0; official && official[i]; i++)
			if (cv_str_has_prefix(text, official[i]))
				longest = CV_MAX(longest, strlen(official[i]));
		if (!longest)
			return false;
		text = cv_str_sub(text, longest, text.n);
	}
	return true;
}

/* OURS stands in THEIRS at AT: as a word of its own, or glued to official words. */
static bool
is_word_at(struct cv_str theirs, size_t at, size_t n, const char *const *official)
{
	struct cv_str left = cv_str_sub(theirs, 0, at),
		      right = cv_str_sub(theirs, at + n, theirs.n);
	bool left_free = !left.n || left.p[left.n - 1] == '-';
	bool right_free = !right.n || right.p[0] == '-';
	bool is_named = is_official(left, official) && is_official(right, official);

	if (!left.n && !right.n)
		return false;
	return is_named || (n >= WORDS_MIN && left_free && right_free);
}

static bool
has_words(struct cv_str theirs, struct cv_str ours, const char *const *official)
{
	for (size_t at = 0; at + ours.n <= theirs.n; at++)
		if (!memcmp(theirs.p + at, ours.p, ours.n) &&
			is_word_at(theirs, at, ours.n, official))
			return true;
	return false;
}

enum cv_likeness
cv_likeness(struct cv_str theirs, struct cv_str ours, const char *const *official)
{
	struct cv_buf a = CV_BUF_INIT(1024), b = CV_BUF_INIT(1024);
	struct cv_buf sa = CV_BUF_INIT(1024), sb = CV_BUF_INIT(1024);
	enum cv_likeness found = CV_UNLIKE;

	/* Longer ones are no labels, and compared with nothing. */
	if (theirs.n > 4 * CV_LOOKALIKE_LABEL_MAX || ours.n > 4 * CV_LOOKALIKE_LABEL_MAX || !ours.n)
		return CV_UNLIKE;
	if (cv_str_ieq(theirs, ours))
		return CV_ALIKE_EQUAL;
	if (cv_fold(theirs, &a) != CV_OK || cv_fold(ours, &b) != CV_OK ||
		cv_skeleton(theirs, &sa) != CV_OK || cv_skeleton(ours, &sb) != CV_OK)
		found = CV_UNLIKE;
	else if (cv_str_eq(cv_buf_view(&sa), cv_buf_view(&sb)))
		found = CV_ALIKE_LETTERS;
	else if (b.n >= TYPING_MIN && (is_one_step(cv_buf_view(&a), cv_buf_view(&b)) ||
					      is_one_step(cv_buf_view(&sa), cv_buf_view(&sb))))
		found = CV_ALIKE_TYPING;
	else if (has_words(cv_buf_view(&a), cv_buf_view(&b), official))
		found = CV_ALIKE_WORDS;
	cv_buf_done(&a);
	cv_buf_done(&b);
	cv_buf_done(&sa);
	cv_buf_done(&sb);
	return found;
}
