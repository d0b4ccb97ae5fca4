/* fuzzy.c - see fuzzy.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/fuzzy.h"

#include <string.h>

#define WORD_MAX     32 /* bytes; longer ones are compared as they are */
#define SYLLABLE_MAX 7
#define LONG_WORD    8 /* letters from which two edits count */
#define SHORT_WORD   4 /* and one */

enum { SAME = 100, BEGUN = 85, SOUNDS = 75, ONE_EDIT = 65, TWO_EDITS = 45 };
/* What all words together are worth at most and at least, before it is spread over 1..100. */
enum { WORDS_BEST = 95, WORST = 40 };

/* Letters outside ASCII are single bytes here: a folded Vietnamese text has none. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool
next_word(struct cv_str *rest, struct cv_str *out)
{
	size_t from = 0, to;

	while (from < rest->n && !is_letter(rest->p[from]))
		from++;
	for (to = from; to < rest->n && is_letter(rest->p[to]);)
		to++;
	*out = cv_str_sub(*rest, from, to);
	*rest = cv_str_sub(*rest, to, rest->n);
	return out->n > 0;
}

static uint32_t
letters_of(struct cv_str word)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i];
		bits |= c >= 'a' && c <= 'z' ? 1u << (c - 'a') : 1u << (26 + (unsigned char)c % 6);
	}
	return bits;
}

/* ---- sounds ---- */

struct sound_row {
	const char *spelt, *sounds;
};

/* The first that fits. */
static const struct sound_row begins[] = {
	{"ngh", "ng"},
	{"ng",  "ng"},
	{"nh",  "nh"},
	{"gi",  "zi"},
	{"gh",  "g" },
	{"tr",  "ch"},
	{"ph",  "f" },
	{"qu",  "qu"},
	{"k",   "c" },
	{"x",   "s" },
	{"d",   "z" },
	{"r",   "z" },
	{"n",   "l" },
};
static const struct sound_row ends[] = {
	{"ng", "n"},
	{"c",  "t"},
};

static bool
is_vowel(char c)
{
	return c && strchr("aeiouy", c);
}

static size_t
put(char *out, size_t at, const char *text)
{
	while (*text)
		out[at++] = *text++;
	return at;
}

/* What WORD sounds like, in OUT; "" when it is no syllable. "gia" is "da", but "gi" keeps its
 * vowel. */
static void
sound_of(struct cv_str word, char out[12])
{
	size_t from = 0, to = word.n, at = 0;
	const char *last = "";

	out[0] = 0;
	if (word.n < 2 || word.n > SYLLABLE_MAX)
		return;
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] < 'a' || word.p[i] > 'z')
			return;
	for (size_t i = 0; i < CV_COUNT(begins) && !from; i++)
		if (cv_str_has_prefix(word, begins[i].spelt)) {
			from = strlen(begins[i].spelt);
			at = put(out, 0, begins[i].sounds);
			if (out[0] == 'z' && at == 2 && from < word.n && is_vowel(word.p[from]))
				at--;
		}
	for (size_t i = 0; i < CV_COUNT(ends) && to == word.n; i++) {
		size_t n = strlen(ends[i].spelt);
		if (word.n > from + n && cv_str_has_suffix(word, ends[i].spelt) &&
			is_vowel(word.p[word.n - n - 1])) {
			to -= n;
			last = ends[i].sounds;
		}
	}
	for (; from < to; from++)
		out[at++] = word.p[from] == 'y' ? 'i' : word.p[from];
	out[put(out, at, last)] = 0;
}

/* ---- edits ---- */

/* Letters put in, left out, changed or swapped with their neighbour between A and B; MAX + 1 when
 * there are more than MAX. */
static unsigned
edits(struct cv_str a, struct cv_str b, unsigned max)
{
	uint8_t rows[3][WORD_MAX + 1];
	uint8_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t k = 0; k <= b.n; k++)
		last[k] = (uint8_t)k;
	for (size_t i = 1; i <= a.n; i++) {
		uint8_t least = row[0] = (uint8_t)i;
		for (size_t k = 1; k <= b.n; k++) {
			unsigned best = last[k - 1] + (unsigned)(a.p[i - 1] != b.p[k - 1]);
			best = CV_MIN(best, CV_MIN(last[k], row[k - 1]) + 1u);
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
				best = CV_MIN(best, before[k - 2] + 1u);
			row[k] = (uint8_t)best;
			least = CV_MIN(least, row[k]);
		}
		if (least > max)
			return max + 1;
		uint8_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return CV_MIN((unsigned)last[b.n], max + 1);
}

/* ---- the whole ---- */

struct imapd_fuzzy *
imapd_fuzzy_new(struct cv_str needle, struct cv_arena *arena)
{
	struct imapd_fuzzy *f = CV_ARENA_NEW(arena, struct imapd_fuzzy);
	struct cv_str rest = needle, word;

	f->whole = needle;
	while (f->count < IMAPD_FUZZY_WORDS && next_word(&rest, &word)) {
		struct imapd_fuzzy_word *w = &f->words[f->count++];
		w->text = word;
		w->letters = letters_of(word);
		if (word.n <= WORD_MAX)
			w->reach = word.n >= LONG_WORD ? 2 : word.n >= SHORT_WORD;
		sound_of(word, w->sound);
	}
	return f;
}

/* How near WORD of a text comes to W. */
static unsigned
grade(const struct imapd_fuzzy_word *w, struct cv_str word, uint32_t letters)
{
	size_t longer = CV_MAX(w->text.n, word.n), shorter = CV_MIN(w->text.n, word.n);
	char sound[12];

	if (word.n >= w->text.n && w->text.n > 1 && !memcmp(word.p, w->text.p, w->text.n))
		return word.n == w->text.n ? SAME : BEGUN;
	if (cv_str_eq(word, w->text))
		return SAME;
	if (w->sound[0] && word.n <= SYLLABLE_MAX) {
		sound_of(word, sound);
		if (!strcmp(sound, w->sound))
			return SOUNDS;
	}
	if (!w->reach || word.n > WORD_MAX || longer - shorter > w->reach ||
		(unsigned)__builtin_popcount(letters ^ w->letters) > 2 * w->reach)
		return 0;
	unsigned n = edits(word, w->text, w->reach);
	return n > w->reach ? 0 : n == 1 ? ONE_EDIT : TWO_EDITS;
}

void
imapd_fuzzy_look(
	const struct imapd_fuzzy *f, struct cv_str hay, struct imapd_fuzzy_found *found)
{
	struct cv_str rest = hay, word;

	if (!f->whole.n || cv_str_search(hay, f->whole) < hay.n)
		found->has_whole = true;
	while (!found->has_whole && next_word(&rest, &word)) {
		uint32_t letters = letters_of(word);
		for (unsigned i = 0; i < f->count; i++) {
			if (found->best[i] == SAME)
				continue;
			unsigned g = grade(&f->words[i], word, letters);
			found->best[i] = CV_MAX(found->best[i], (uint8_t)g);
		}
	}
}

unsigned
imapd_fuzzy_score(const struct imapd_fuzzy *f, const struct imapd_fuzzy_found *found)
{
	unsigned sum = 0, lacking = 0;

	if (found->has_whole)
		return 100;
	for (unsigned i = 0; i < f->count; i++) {
		sum += found->best[i];
		lacking += !found->best[i];
	}
	if (!f->count || lacking > f->count / 3)
		return 0;
	unsigned score = sum * WORDS_BEST / (100 * f->count);
	return score <= WORST ? 1 : CV_MAX(1u, (score - WORST) * 100 / (100 - WORST));
}

unsigned
imapd_fuzzy_near(uint64_t distance, uint64_t slack)
{
	if (distance >= slack)
		return 0;
	uint64_t percent = distance <= UINT64_MAX / 100 ? distance * 100 / slack
							: distance / (slack / 100);
	return (unsigned)CV_MAX(100 - CV_MIN(percent, 100ull), 1ull);
}
