/* phrases.c - see phrases.h. Chains by the first word, so that hundreds of phrases cost one look-up
 * a word of the text; choices inside a phrase are tried in turn. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/phrases.h"

#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/fold.h"

#define GAP_WORDS    5 /* that "*" stands for, at most */
#define WORD_BYTES   64
#define DEPTH_MAX    8
#define ATTEMPTS_MAX 4000

/* ---- flat text ---- */

/* Letters of Cyrillic, Greek, Armenian and Cherokee, in small, that look like a Latin one. */
static const struct {
	uint32_t from;
	char to;
} look_alikes[] = {
	{ 0x430, 'a' }, { 0x432, 'b' }, { 0x435, 'e' }, { 0x43a, 'k' }, { 0x43c, 'm' },
	{ 0x43d, 'h' }, { 0x43e, 'o' }, { 0x440, 'p' }, { 0x441, 'c' }, { 0x442, 't' },
	{ 0x443, 'y' }, { 0x445, 'x' }, { 0x455, 's' }, { 0x456, 'i' }, { 0x457, 'i' },
	{ 0x458, 'j' }, { 0x451, 'e' }, { 0x501, 'd' }, { 0x4bb, 'h' }, { 0x4cf, 'l' },
	{ 0x51b, 'q' }, { 0x51d, 'w' }, { 0x475, 'v' }, { 0x261, 'g' }, { 0x3b1, 'a' },
	{ 0x3b5, 'e' }, { 0x3b9, 'i' }, { 0x3ba, 'k' }, { 0x3bd, 'v' }, { 0x3bf, 'o' },
	{ 0x3c1, 'p' }, { 0x3c4, 't' }, { 0x3c5, 'u' }, { 0x3c7, 'x' }, { 0x3b7, 'n' },
	{ 0x3b3, 'y' }, { 0x3f2, 'c' }, { 0x3f3, 'j' }, { 0x131, 'i' }, { 0x1d0f, 'o' },
	{ 0x280, 'r' }, { 0x29f, 'l' }, { 0x1d00, 'a' }, { 0x585, 'o' }, { 0x57d, 'u' },
	{ 0x578, 'n' }, { 0x570, 'h' }, { 0x566, 'q' }, { 0x581, 'g' }, { 0x251, 'a' },
	{ 0x26a, 'i' }, { 0x274, 'n' }, { 0x1d04, 'c' }, { 0x1d07, 'e' }, { 0x1d0b, 'k' },
	{ 0x1d0d, 'm' }, { 0x1d18, 'p' }, { 0x1d1b, 't' }, { 0x1d1c, 'u' }, { 0x1d20, 'v' },
};

/* Whether some letter is one of many forms that Unicode has of plain ones (mathematical, circled).
 */
static bool
has_styled(struct cv_str s)
{
	for (size_t i = 0; i + 1 < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], d = (unsigned char)s.p[i + 1];
		if (c == 0xf0 || (c == 0xe2 && d >= 0x81 && d <= 0x93) || c == 0xef)
			return true;
	}
	return false;
}

static bool
is_hidden(uint32_t c)
{
	return c == 0xad || c == 0x34f || c == 0x61c || c == 0x180e || c == 0x115f ||
		(c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
		(c >= 0x2060 && c <= 0x2064) || c == 0xfeff || (c >= 0xfe00 && c <= 0xfe0f);
}

static void
put_flat(uint32_t c, struct cv_buf *out)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
		cv_buf_c(out, (char)c);
		return;
	}
	if (is_hidden(c))
		return;
	for (size_t i = 0; c >= 0x80 && i < CV_COUNT(look_alikes); i++)
		if (look_alikes[i].from == c) {
			cv_buf_c(out, look_alikes[i].to);
			return;
		}
	/* Other letters stay; signs, dashes, quotes and all space part words. */
	bool parts = c < 0xc0 || (c >= 0x2000 && c < 0x2c00) || (c >= 0x3000 && c < 0x3040) ||
		c == 0xfffd || (c >= 0xff00 && c < 0xff10);
	if (!parts)
		cv_utf8_put(out, c);
	else if (out->n && out->p[out->n - 1] != ' ')
		cv_buf_c(out, ' ');
}

void
policy_flatten(struct cv_str utf8, size_t max, struct cv_buf *out)
{
	struct cv_str text = cv_utf8_cut(utf8, max);
	struct cv_buf folded = CV_BUF_INIT(max * 4 + 64);
	uint8_t *plain = NULL;
	if (has_styled(text)) {
		size_t n = 0;
		struct cv_str valid = cv_str_sub(text, 0, cv_utf8_valid_prefix(text));
		plain = u8_normalize(UNINORM_NFKC, (const uint8_t *)valid.p, valid.n, NULL, &n);
		if (plain)
			text = cv_str((const char *)plain, n);
	}
	(void)cv_fold(text, &folded);
	free(plain);
	struct cv_str s = cv_buf_view(&folded);
	cv_buf_c(out, ' ');
	for (size_t pos = 0; pos < s.n;)
		put_flat(cv_utf8_next(s, &pos), out);
	if (out->n && out->p[out->n - 1] != ' ')
		cv_buf_c(out, ' ');
	cv_buf_done(&folded);
}

/* ---- walking a phrase ---- */

/* Where a choice goes on once one of its branches is done. */
struct frame {
	size_t k, end;
	const struct frame *outer;
};

/* The ')' of the '(' at K. */
static size_t
closing(struct cv_str phrase, size_t k)
{
	unsigned depth = 0;
	for (; k < phrase.n; k++) {
		depth += phrase.p[k] == '(';
		if (phrase.p[k] == ')' && !--depth)
			return k;
	}
	return phrase.n;
}

/* The end of the branch that begins at K, within a choice that ends at END. */
static size_t
branch_end(struct cv_str phrase, size_t k, size_t end)
{
	while (k < end && phrase.p[k] != '|')
		k = phrase.p[k] == '(' ? closing(phrase, k) + 1 : k + 1;
	return k;
}

/* ---- building ---- */

/* So that trying a phrase need not look for the ends of its choices. */
static void
map_choices(struct policy_phrase *phrase, struct cv_arena *arena)
{
	struct cv_str text = phrase->text;
	uint16_t *close = CV_ARENA_ARRAY(arena, uint16_t, text.n + 1);
	uint16_t *bar = CV_ARENA_ARRAY(arena, uint16_t, text.n + 1);
	size_t opened[DEPTH_MAX], last[DEPTH_MAX], depth = 0;

	for (size_t k = 0; k < text.n; k++) {
		if (text.p[k] == '(') {
			opened[depth] = last[depth] = k;
			depth++;
		} else if (depth && (text.p[k] == '|' || text.p[k] == ')')) {
			bar[last[depth - 1]] = (uint16_t)k;
			last[depth - 1] = k;
			if (text.p[k] == ')')
				close[opened[--depth]] = (uint16_t)k;
		}
	}
	phrase->close = close;
	phrase->bar = bar;
}

struct builder {
	struct policy_phrases *p;
	struct cv_arena *arena;
	struct cv_str phrase;
	unsigned index;
	struct cv_err *err;
};

static unsigned
head_of(struct cv_str word)
{
	return (unsigned)(cv_hash(word.p, word.n, 7) & (POLICY_HEADS - 1));
}

static enum cv_status
add_first(struct builder *b, struct cv_str word, bool is_whole)
{
	struct policy_phrases *p = b->p;
	if (!word.n || word.p[0] == '*')
		return cv_fail(b->err, CV_INVALID, "a phrase begins with a word");
	unsigned *head = &p->heads[head_of(word)];
	for (unsigned i = *head; i; i = p->firsts[i - 1].next)
		if (p->firsts[i - 1].phrase == b->index &&
		    cv_str_eq(p->firsts[i - 1].word, word)) {
			p->firsts[i - 1].is_whole |= is_whole;
			return CV_OK;
		}
	if (p->first_count >= POLICY_PHRASES_MAX)
		return cv_fail(b->err, CV_LIMIT, "more than %d first words", POLICY_PHRASES_MAX);
	if (p->first_count == p->first_cap) {
		p->first_cap = p->first_cap ? p->first_cap * 2 : 256;
		p->firsts = cv_realloc(p->firsts, p->first_cap * sizeof *p->firsts);
	}
	p->firsts[p->first_count++] =
		(struct policy_first){ cv_arena_str(b->arena, word), b->index, is_whole, *head };
	*head = (unsigned)p->first_count;
	return CV_OK;
}

/* Every word that the phrase may begin with, read from K on; WORD is what was read of it. */
static enum cv_status
add_firsts(struct builder *b, size_t k, size_t end, const struct frame *outer, struct cv_str word)
{
	char text[WORD_BYTES];
	memcpy(text, word.p, word.n);
	struct cv_str phrase = b->phrase;
	for (;; k++) {
		if (k == end && outer)
			return add_firsts(b, outer->k, outer->end, outer->outer,
			                  cv_str(text, word.n));
		if (k == end || (phrase.p[k] == ' ' && word.n) || word.n == sizeof text)
			return add_first(b, cv_str(text, word.n),
			                 k == end && word.n && text[0] != '#');
		if (phrase.p[k] == '(')
			break;
		if (phrase.p[k] != ' ')
			text[word.n++] = phrase.p[k];
	}
	struct frame frame = { closing(phrase, k) + 1, end, outer };
	size_t close = frame.k - 1;
	enum cv_status status = CV_OK;
	for (size_t from = k + 1; !status && from <= close;) {
		size_t to = branch_end(phrase, from, close);
		status = add_firsts(b, from, to, &frame, cv_str(text, word.n));
		from = to + 1;
	}
	return status;
}

static bool
brackets_fit(struct cv_str phrase)
{
	int depth = 0, deepest = 0;
	for (size_t i = 0; i < phrase.n && depth >= 0; i++) {
		depth += (phrase.p[i] == '(') - (phrase.p[i] == ')');
		deepest = CV_MAX(deepest, depth);
		if (phrase.p[i] == '|' && !depth)
			return false;
	}
	return !depth && deepest <= DEPTH_MAX;
}

enum cv_status
policy_phrases_add(struct policy_phrases *p, struct cv_arena *arena, struct cv_str line,
                   unsigned group, struct cv_err *err)
{
	line = cv_str_trim(line);
	if (cv_str_has_suffix(line, " *"))
		line = cv_str_sub(line, 0, line.n - 2);
	if (!brackets_fit(line))
		return cv_fail(err, CV_INVALID, "brackets do not fit");
	if (line.n > UINT16_MAX)
		return cv_fail(err, CV_LIMIT, "a phrase is longer than %d octets", UINT16_MAX);
	if (p->n >= POLICY_PHRASES_MAX)
		return cv_fail(err, CV_LIMIT, "more than %d phrases", POLICY_PHRASES_MAX);
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		p->items = cv_realloc(p->items, p->cap * sizeof *p->items);
	}
	struct cv_str text = cv_arena_str(arena, line);
	p->items[p->n] = (struct policy_phrase){ .text = text, .group = group };
	map_choices(&p->items[p->n], arena);
	struct builder b = { p, arena, text, (unsigned)p->n, err };
	p->n++;
	return add_firsts(&b, 0, text.n, NULL, CV_STR(""));
}

void
policy_phrases_done(struct policy_phrases *p)
{
	free(p->items);
	free(p->firsts);
	*p = (struct policy_phrases){ 0 };
}

/* ---- finding ---- */

/* What is tried of one phrase at one place, at most: data files may hold what multiplies. */
struct attempt {
	struct cv_str text;
	const struct policy_phrase *phrase;
	unsigned left;
	size_t end; /* out: where it ended */
};

static bool matches(struct attempt *a, size_t i, size_t k, size_t end, const struct frame *outer);

/* Behind "*" words of the text are left out, from none to GAP_WORDS. */
static bool
matches_gap(struct attempt *a, size_t i, size_t k, size_t end, const struct frame *outer)
{
	for (unsigned gap = 0; gap <= GAP_WORDS && i < a->text.n; gap++) {
		if (matches(a, i, k, end, outer))
			return true;
		i = cv_str_find(a->text, ' ', i) + 1;
	}
	return false;
}

static bool
matches_choice(struct attempt *a, size_t i, size_t k, size_t end, const struct frame *outer)
{
	const struct policy_phrase *phrase = a->phrase;
	size_t close = phrase->close[k];
	struct frame frame = { close + 1, end, outer };
	char next = i < a->text.n ? a->text.p[i] : 0;
	for (size_t at = k, to; at != close; at = to) {
		to = phrase->bar[at];
		/* Most branches fail at their first letter. */
		char c = at + 1 < to ? phrase->text.p[at + 1] : '*';
		bool may_fit = c == next || c == '(' || c == '*' || c == '#' || c == ' ';
		if (may_fit && matches(a, i, at + 1, to, &frame))
			return true;
	}
	return false;
}

/* The phrase from K on at TEXT + I, up to the end of a word. */
static bool
matches(struct attempt *a, size_t i, size_t k, size_t end, const struct frame *outer)
{
	if (!a->left)
		return false;
	a->left--;
	for (; k < end; k++) {
		char c = a->phrase->text.p[k];
		if (c == '(')
			return matches_choice(a, i, k, end, outer);
		if (c == '*')
			return matches_gap(a, i, k + 1, end, outer);
		if (c == ' ' && a->text.p[i - 1] == ' ')
			continue; /* an empty branch stood before it */
		if (c == '#') {
			size_t start = i;
			while (i < a->text.n && cv_is_digit((unsigned char)a->text.p[i]))
				i++;
			if (i == start)
				return false;
		} else if (i >= a->text.n || a->text.p[i++] != c) {
			return false;
		}
	}
	if (outer)
		return matches(a, i, outer->k, outer->end, outer->outer);
	a->end = i;
	return a->text.p[i - 1] == ' ' || (i < a->text.n && a->text.p[i] == ' ');
}

static bool
is_noted(const struct policy_hits *hits, const struct policy_phrase *phrase)
{
	unsigned n = hits->count[phrase->group];
	for (unsigned i = 0; i < n; i++)
		if (hits->seen[phrase->group][i] == phrase)
			return true;
	return n == POLICY_HITS_MAX;
}

/* NOTED: what need not be tried again; or NULL. */
static void
walk(const struct policy_phrases *p, struct cv_str flat, const struct policy_hits *noted,
     policy_phrase_seen *seen, void *arg)
{
	for (size_t at = 1; at < flat.n;) {
		size_t end = cv_str_find(flat, ' ', at);
		struct cv_str word = cv_is_digit((unsigned char)flat.p[at])
			? CV_STR("#") : cv_str_sub(flat, at, end);
		unsigned i = p->heads[head_of(word)];
		for (; i; i = p->firsts[i - 1].next) {
			const struct policy_first *first = &p->firsts[i - 1];
			const struct policy_phrase *phrase = &p->items[first->phrase];
			struct attempt a = { flat, phrase, ATTEMPTS_MAX, 0 };
			if (cv_str_eq(first->word, word) &&
			    !(noted && is_noted(noted, phrase)) &&
			    (first->is_whole || matches(&a, at, 0, phrase->text.n, NULL)))
				seen(arg, phrase, at);
		}
		at = end + 1;
	}
}

void
policy_phrases_each(const struct policy_phrases *p, struct cv_str flat, policy_phrase_seen *seen,
                    void *arg)
{
	walk(p, flat, NULL, seen, arg);
}

static void
note_hit(void *arg, const struct policy_phrase *phrase, size_t at)
{
	struct policy_hits *hits = arg;
	unsigned g = phrase->group;
	(void)at;
	if (!is_noted(hits, phrase))
		hits->seen[g][hits->count[g]++] = phrase;
}

void
policy_phrases_find(const struct policy_phrases *p, struct cv_str flat, struct policy_hits *hits)
{
	walk(p, flat, hits, note_hit, hits);
}
