/* token_set.c - see token_set.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/token_set.h"

#include "common/text/charset.h"
#include "common/text/fold.h"

#define WORD_MAX      40 /* octets; what is longer is no word, only a length */
#define NUMBER_MAX    4  /* digits of a number that is kept as it is */
#define LINKS_MAX     100u
#define LINK_MAX      512u
#define HOST_LABELS   5
#define PATH_WORDS    8
#define PATH_WORD_MAX 20

void
spam_token_set_init(struct spam_token_set *set, const struct spam_token_how *how)
{
	*set = (struct spam_token_set){.seed = how->seed,
		.without_pairs = how->without_pairs,
		.with_gaps = how->with_gaps,
		.words_left = SPAM_TOKENS_WORDS_MAX,
		.slots = cv_calloc(SPAM_TOKEN_SLOTS, sizeof(uint64_t)),
		.cased = CV_BUF_INIT(8 * SPAM_TOKENS_TEXT_MAX),
		.folded = CV_BUF_INIT(4096)};
}

void
spam_token_set_done(struct spam_token_set *set)
{
	free(set->slots);
	cv_buf_done(&set->cased);
	cv_buf_done(&set->folded);
}

/* ---- the set ---- */

static void
add_hash(struct spam_token_set *set, uint64_t hash)
{
	if (!hash)
		hash = 1;
	for (size_t at = hash & (SPAM_TOKEN_SLOTS - 1);; at = (at + 1) & (SPAM_TOKEN_SLOTS - 1)) {
		if (set->slots[at] == hash)
			return;
		if (set->slots[at])
			continue;
		if (set->count < SPAM_TOKENS_MAX) {
			set->slots[at] = hash;
			set->count++;
		}
		return;
	}
}

static uint64_t
hash_of(const struct spam_token_set *set, const char *kind, struct cv_str text)
{
	return cv_hash(text.p, text.n, set->seed ^ cv_hash(kind, strlen(kind), 7));
}

void
spam_token_add(struct spam_token_set *set, const char *kind, struct cv_str text)
{
	add_hash(set, hash_of(set, kind, text));
}

void
spam_token_add_count(struct spam_token_set *set, const char *kind, uint64_t n)
{
	char step = 'a';

	for (; n; n >>= 1)
		step++;
	spam_token_add(set, kind, cv_str(&step, 1));
}

/* ---- words ---- */

static bool
is_word_octet(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c);
}

/* Punctuation and blanks beyond ASCII part words too. */
static bool
is_word_code(uint32_t c)
{
	return c >= 0xc0 && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x2bff) &&
	       !(c >= 0x3000 && c <= 0x303f) && c != 0xfffd && c != 0xfeff;
}

struct word {
	struct cv_str text; /* in small letters, composed */
	bool is_ascii;
	bool has_digit, has_letter;
};

static bool
next_word(struct cv_str text, size_t *pos, struct word *out)
{
	size_t at = *pos, start = text.n;

	*out = (struct word){.is_ascii = true};
	while (at < text.n) {
		size_t before = at;
		unsigned char c = (unsigned char)text.p[at];
		bool is_in;
		if (c < 0x80) {
			at++;
			is_in = is_word_octet(c);
			out->has_digit |= is_in && cv_is_digit(c);
			out->has_letter |= is_in && !cv_is_digit(c);
		} else {
			is_in = is_word_code(cv_utf8_next(text, &at));
			out->is_ascii &= !is_in;
			out->has_letter |= is_in;
		}
		if (is_in && start == text.n)
			start = before;
		if (!is_in && start != text.n) {
			out->text = cv_str_sub(text, start, before);
			*pos = at;
			return true;
		}
	}
	*pos = text.n;
	out->text = cv_str_sub(text, start, text.n);
	return start != text.n;
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ (b << 29 | b >> 35)) * 0x9e3779b97f4a7c15u;

	return h ^ h >> 32;
}

/* What stands for a word that is no word: numbers and keys by their kind and length alone. */
static bool
shape_of(const struct word *w, char shape[8], size_t *n)
{
	bool is_number = w->has_digit && !w->has_letter;

	if (is_number ? w->text.n <= NUMBER_MAX : w->text.n <= WORD_MAX / 2)
		return false;
	if (!is_number && !w->has_digit && w->text.n <= WORD_MAX)
		return false;
	shape[0] = is_number ? '#' : w->has_digit ? '%' : '~';
	shape[1] = (char)('a' + CV_MIN(w->text.n / 3, 25u));
	*n = 2;
	return true;
}

/* Adds the tokens of one word and returns the hash that stands for it in pairs. */
static uint64_t
add_word(struct spam_token_set *set, const uint64_t kinds[2], const struct word *w)
{
	char shape[8];
	struct cv_str folded = w->text;
	size_t n;

	set->words++;
	if (shape_of(w, shape, &n)) {
		folded = cv_str(shape, n);
	} else if (!w->is_ascii) {
		set->words_marked++;
		add_hash(set, cv_hash(w->text.p, w->text.n, kinds[1]));
		cv_buf_reset(&set->folded);
		if (cv_fold(w->text, &set->folded) == CV_OK)
			folded = cv_buf_view(&set->folded);
	}
	uint64_t hash = cv_hash(folded.p, folded.n, kinds[0]);
	add_hash(set, hash);
	return hash;
}

/* Takes out what nobody sees and what only parts a word from itself: zero-width blanks and joiners,
 * direction marks, soft hyphens. Whether there were any. */
static bool
drop_unseen(struct cv_buf *text)
{
	static const char *const unseen[] = {"\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d",
		"\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x81\xa0", "\xef\xbb\xbf", "\xc2\xad"};
	size_t to = 0;

	for (size_t from = 0; from < text->n;) {
		struct cv_str rest = cv_str_sub(cv_buf_view(text), from, text->n);
		unsigned char c = (unsigned char)rest.p[0];
		bool may_begin = c == 0xe2 || c == 0xef || c == 0xc2;
		size_t skip = 0;
		for (size_t i = 0; may_begin && i < CV_COUNT(unseen); i++)
			if (cv_str_has_prefix(rest, unseen[i]))
				skip = strlen(unseen[i]);
		if (!skip)
			text->p[to++] = text->p[from++];
		from += skip;
	}
	bool any = to < text->n;
	text->n = to;
	return any;
}

void
spam_token_add_text(struct spam_token_set *set, const char *kind, struct cv_str text)
{
	uint64_t kind_hash = set->seed ^ cv_hash(kind, strlen(kind), 7);
	const uint64_t kinds[2] = {kind_hash, mix(kind_hash, 11)};
	uint64_t before[2] = {0, 0};
	struct word word;

	cv_buf_reset(&set->cased);
	if (cv_fold_case(cv_str_sub(text, 0, 2 * SPAM_TOKENS_TEXT_MAX), &set->cased) != CV_OK)
		return;
	if (drop_unseen(&set->cased))
		spam_token_add(set, "text!", CV_STR("unseen"));
	struct cv_str all = cv_buf_view(&set->cased);
	for (size_t pos = 0; set->words_left && next_word(all, &pos, &word); set->words_left--) {
		uint64_t hash = add_word(set, kinds, &word);
		if (before[0] && !set->without_pairs)
			add_hash(set, mix(mix(before[0], hash), 13));
		if (before[1] && set->with_gaps)
			add_hash(set, mix(mix(before[1], hash), 17));
		before[1] = before[0];
		before[0] = hash;
	}
}

/* ---- links ---- */

void
spam_token_add_host(struct spam_token_set *set, const char *kind, struct cv_str host)
{
	char small[256];

	host = cv_str_sub(cv_str_trim(host), 0, sizeof small);
	for (size_t i = 0; i < host.n; i++)
		small[i] = (char)cv_lower((unsigned char)host.p[i]);
	host.p = small;
	if (!host.n)
		return;
	spam_token_add(set, kind, host);
	for (unsigned label = 1; label < HOST_LABELS; label++) {
		size_t dot = cv_str_find(host, '.', 0);
		if (dot >= host.n)
			return;
		struct cv_str above = cv_str_sub(host, dot + 1, host.n);
		if (cv_str_find(above, '.', 0) >= above.n)
			break;
		spam_token_add(set, kind, above);
		host = above;
	}
	/* The top alone says much of strangers. */
	for (size_t i = host.n; i > 0; i--)
		if (host.p[i - 1] == '.') {
			spam_token_add(set, kind, cv_str_sub(host, i - 1, host.n));
			return;
		}
}

static void
add_path(struct spam_token_set *set, struct cv_str path)
{
	char small[PATH_WORD_MAX];
	size_t n = 0, words = 0;

	for (size_t i = 0; i <= path.n && words < PATH_WORDS; i++) {
		unsigned char c = i < path.n ? (unsigned char)path.p[i] : '/';
		if (is_word_octet(c)) {
			if (n < sizeof small)
				small[n] = (char)cv_lower(c);
			n++;
			continue;
		}
		if (n > sizeof small)
			spam_token_add_count(set, "u~", n);
		else if (n)
			spam_token_add(set, "up", cv_str(small, n));
		words += n != 0;
		n = 0;
	}
}

static void
add_link(struct spam_token_set *set, struct cv_str link)
{
	size_t at = cv_str_search(link, CV_STR("://")) + 3, end = at;

	while (end < link.n && !strchr("/?#", link.p[end]))
		end++;
	struct cv_str host = cv_str_sub(link, at, end), path = cv_str_sub(link, end, link.n);
	size_t user = cv_str_find(host, '@', 0);
	if (user < host.n) {
		spam_token_add(set, "u!", CV_STR("user"));
		host = cv_str_sub(host, user + 1, host.n);
	}
	size_t colon = cv_str_find(host, ':', 0);
	if (colon < host.n)
		spam_token_add(set, "u!", CV_STR("port"));
	host = cv_str_sub(host, 0, colon);
	if (host.n && cv_is_digit((unsigned char)host.p[host.n - 1]))
		spam_token_add(set, "u!", CV_STR("number"));
	if (cv_str_isearch(host, CV_STR("xn--")) < host.n)
		spam_token_add(set, "u!", CV_STR("idn"));
	if (!cv_str_has_iprefix(link, "https"))
		spam_token_add(set, "u!", CV_STR("plain"));
	spam_token_add_host(set, "u", host);
	add_path(set, path);
}

void
spam_token_add_links(struct spam_token_set *set, struct cv_str text)
{
	for (size_t at = 0; set->urls < LINKS_MAX;) {
		struct cv_str rest = cv_str_sub(text, at, text.n);
		size_t colon = cv_str_search(rest, CV_STR("://"));
		if (colon >= rest.n)
			return;
		size_t start = colon, end = colon + 3;
		while (start > 0 && colon - start < 5 &&
			cv_is_alpha((unsigned char)rest.p[start - 1]))
			start--;
		while (end < rest.n && end - start < LINK_MAX && (unsigned char)rest.p[end] > ' ' &&
			!strchr("<>\"'`()[]{}", rest.p[end]))
			end++;
		struct cv_str link = cv_str_sub(rest, start, end);
		if (cv_str_has_iprefix(link, "http") || cv_str_has_iprefix(link, "ftp")) {
			set->urls++;
			add_link(set, link);
		}
		at += end;
	}
}
