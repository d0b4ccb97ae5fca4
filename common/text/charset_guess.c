/* charset_guess.c - see charset_guess.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset_guess.h"

#include <unicase.h>
#include <uninorm.h>

#include "common/text/charset.h"

#define WORD_MAX      40   /* octets of a word that can be a syllable */
#define MEND_SEEN_MAX (32u << 10)
#define MENDED_MIN    3

/* ---- syllables ---- */

static const char *const initials[] = {"", "b", "c", "ch", "d", "g", "gh", "gi", "h", "k", "kh",
	"l", "m", "n", "ng", "ngh", "nh", "p", "ph", "q", "r", "s", "t", "th", "tr", "v", "x"};
static const char *const nuclei[] = {"a", "ai", "ao", "au", "ay", "e", "eo", "eu", "i", "ia", "ie",
	"ieu", "iu", "o", "oa", "oai", "oao", "oay", "oe", "oeo", "oi", "oo", "u", "ua", "uai",
	"uao", "uau", "uay", "ue", "ueo", "ui", "uo", "uoi", "uou", "uu", "uy", "uya", "uye", "uyu",
	"y", "ye", "yeu"};
static const char *const finals[] = {"", "c", "ch", "m", "n", "ng", "nh", "p", "t"};

static bool
is_in(const char *s, size_t n, const char *const *list, size_t count)
{
	char first = n ? s[0] : '\0';

	for (size_t i = 0; i < count; i++)
		if (list[i][0] == first && strlen(list[i]) == n && !memcmp(list[i], s, n))
			return true;
	return false;
}

/* What a letter is made of: its plain form, whether it has a tone and a shape. 0: no letter that
 * Vietnamese has. */
static char
plain_letter(uint32_t cp, unsigned *tones, unsigned *shapes)
{
	ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];

	cp = uc_tolower(cp);
	for (int depth = 0; depth < 3; depth++) {
		if (cp == 0x111) {
			++*shapes;
			return 'd';
		}
		if (cp < 0x80)
			return cp >= 'a' && cp <= 'z' ? (char)cp : 0;
		if (uc_canonical_decomposition(cp, parts) != 2)
			return 0;
		if (parts[1] == 0x302 || parts[1] == 0x306 || parts[1] == 0x31B)
			++*shapes;
		else if (parts[1] == 0x300 || parts[1] == 0x301 || parts[1] == 0x303
			 || parts[1] == 0x309 || parts[1] == 0x323)
			++*tones;
		else
			return 0;
		cp = parts[0];
	}
	return 0;
}

static bool
is_vowel(char c)
{
	return strchr("aeiouy", c) != NULL;
}

bool
cv_is_vietnamese_syllable(struct cv_str word)
{
	char letters[12];
	size_t n = 0, from = 0, to;
	unsigned tones = 0, shapes = 0;

	if (!word.n || word.n > WORD_MAX)
		return false;
	for (size_t i = 0; i < word.n;) {
		uint32_t cp = cv_utf8_next(word, &i);
		char c = plain_letter(cp, &tones, &shapes);
		if (!c || n == sizeof letters - 1)
			return false;
		letters[n++] = c;
	}
	letters[n] = '\0';
	if (tones > 1 || shapes > 3)
		return false;
	while (from < n && !is_vowel(letters[from]))
		from++;
	/* The i of gi and the u of qu belong to the beginning when a vowel follows. */
	if (from == 1 && n > 2 && is_vowel(letters[2])
		&& ((letters[0] == 'g' && letters[1] == 'i')
			|| (letters[0] == 'q' && letters[1] == 'u')))
		from = 2;
	to = from;
	while (to < n && is_vowel(letters[to]))
		to++;
	size_t begin = from == 2 && letters[0] == 'q' ? 1 : from;
	return is_in(letters, begin, initials, CV_COUNT(initials))
	       && is_in(letters + from, to - from, nuclei, CV_COUNT(nuclei))
	       && is_in(letters + to, n - to, finals, CV_COUNT(finals));
}

static bool
is_word_char(uint32_t cp)
{
	return cp >= 0x80 ? cp != 0xA0 && !(cp >= 0x2000 && cp <= 0x206F) && cp != 0xFEFF
			  : cv_is_alpha((unsigned char)cp);
}

/* The next word of TEXT from *POS on; *HIGH: it has letters above ASCII. False at the end. */
static bool
next_word(struct cv_str text, size_t *pos, struct cv_str *word, bool *high)
{
	size_t at = *pos, from, here;
	uint32_t cp = 0;

	for (;;) {
		here = at;
		if (at >= text.n)
			return false;
		cp = (unsigned char)text.p[at] < 0x80 ? (unsigned char)text.p[at++]
						      : cv_utf8_next(text, &at);
		if (is_word_char(cp))
			break;
	}
	from = here;
	*high = cp >= 0x80;
	while (at < text.n) {
		here = at;
		cp = (unsigned char)text.p[at] < 0x80 ? (unsigned char)text.p[at++]
						      : cv_utf8_next(text, &at);
		if (!is_word_char(cp)) {
			at = here;
			break;
		}
		*high |= cp >= 0x80;
	}
	*word = cv_str_sub(text, from, at);
	*pos = at;
	return true;
}

void
cv_vietnamese_words(struct cv_str text, unsigned *good_out, unsigned *bad_out)
{
	struct cv_str word;
	size_t pos = 0;
	bool high;

	*good_out = *bad_out = 0;
	while (next_word(text, &pos, &word, &high)) {
		if (!high)
			continue;
		if (cv_is_vietnamese_syllable(word))
			++*good_out;
		else
			++*bad_out;
	}
}

/* ---- octets ---- */

static const char *const candidates[] = {
	"utf-8", "windows-1258", "tcvn3", "vni", "viscii", "vps"};

/* The part of OCTETS where words above ASCII begin. */
static struct cv_str
sample(struct cv_str octets)
{
	size_t from = 0;

	while (from < octets.n && (unsigned char)octets.p[from] < 0x80)
		from++;
	while (from && octets.p[from - 1] != ' ' && octets.p[from - 1] != '\n')
		from--;
	return cv_str_sub(octets, from, from + CV_GUESS_OCTETS_MAX);
}

static long
score(const char *charset, struct cv_str octets)
{
	struct cv_buf text = CV_BUF_INIT(CV_GUESS_OCTETS_MAX * CV_CHARSET_GROWTH * 2);
	unsigned good, bad;

	if (cv_charset_to_utf8(cv_str_z(charset), octets, &text) == CV_LIMIT) {
		cv_buf_done(&text);
		return -1;
	}
	cv_vietnamese_words(cv_buf_view(&text), &good, &bad);
	cv_buf_done(&text);
	return (long)good - 2 * (long)bad;
}

const char *
cv_charset_guess(struct cv_str declared, struct cv_str octets)
{
	char name[CV_CHARSET_NAME_MAX + 1];
	const char *best = NULL;
	struct cv_str seen = sample(octets);
	/* A cut in the middle of a letter is no fault. */
	bool is_utf8 = cv_utf8_valid_prefix(seen) + 4 > seen.n;

	if (!seen.n || (is_utf8 && (!declared.n || cv_str_ieq_z(declared, "utf-8"))))
		return NULL;
	snprintf(name, sizeof name, "%.*s", (int)CV_MIN(declared.n, CV_CHARSET_NAME_MAX),
		declared.p ? declared.p : "");
	long declared_score = score(cv_charset_known(declared) ? name : "us-ascii", seen);
	long best_score = CV_MAX(declared_score, 0) + CV_MAX(2, declared_score / 5);
	for (size_t i = 0; i < CV_COUNT(candidates); i++) {
		if (!i && !is_utf8)
			continue;
		long s = score(candidates[i], seen);
		if (s > best_score) {
			best_score = s;
			best = candidates[i];
		}
	}
	return best;
}

/* ---- text ---- */

/* WORD, letters of windows-1252, as octets of CHARSET; false when that is no syllable. */
static bool
mend_word(struct cv_str word, const char *charset, struct cv_buf *octets, struct cv_buf *out)
{
	cv_buf_reset(octets);
	cv_buf_reset(out);
	if (word.n > 2 * WORD_MAX
		|| cv_charset_from_utf8(CV_STR("windows-1252"), word, octets) != CV_OK
		|| memchr(octets->p, '?', octets->n)
		|| cv_charset_to_utf8(cv_str_z(charset), cv_buf_view(octets), out) != CV_OK)
		return false;
	return cv_is_vietnamese_syllable(cv_buf_view(out));
}

/* The charset that most of the words of TEXT that are no syllables are syllables in. */
static const char *
mending_charset(struct cv_str text, struct cv_buf *octets, struct cv_buf *mended)
{
	unsigned good[CV_COUNT(candidates)] = {0}, wrong = 0;
	size_t pos = 0, best = 1;
	struct cv_str word;
	bool high;

	while (next_word(text, &pos, &word, &high)) {
		if (!high || cv_is_vietnamese_syllable(word))
			continue;
		wrong++;
		for (size_t i = 1; i < CV_COUNT(candidates); i++)
			good[i] += mend_word(word, candidates[i], octets, mended);
	}
	for (size_t i = 2; i < CV_COUNT(candidates); i++)
		if (good[i] > good[best])
			best = i;
	return good[best] >= MENDED_MIN && good[best] * 3 >= wrong * 2 ? candidates[best] : NULL;
}

unsigned
cv_charset_mend(struct cv_str text, struct cv_buf *out, const char **charset_out)
{
	struct cv_buf octets = CV_BUF_INIT(1024), mended = CV_BUF_INIT(4096);
	const char *charset =
		mending_charset(cv_utf8_cut(text, MEND_SEEN_MAX), &octets, &mended);
	size_t pos = 0, done = 0;
	struct cv_str word;
	unsigned count = 0;
	bool high;

	while (charset && !out->full && next_word(text, &pos, &word, &high)) {
		/* "Céng" is a syllable too, but not among words that are none. */
		if (!high || !mend_word(word, charset, &octets, &mended))
			continue;
		size_t at = (size_t)(word.p - text.p);
		cv_buf_str(out, cv_str_sub(text, done, at));
		cv_buf_str(out, cv_buf_view(&mended));
		done = at + word.n;
		count++;
	}
	cv_buf_str(out, cv_str_sub(text, done, text.n));
	cv_buf_done(&octets);
	cv_buf_done(&mended);
	*charset_out = charset;
	return count;
}
