/* secrecy.c - secrecy marks (POL-04): MẬT, TỐI MẬT, TUYỆT MẬT, and all that only looks like them.
 *
 * A mark counts when it stands in brackets, in capitals by itself, beside a document number, or in
 * a file's name. "bảo mật", "mật khẩu" and the other decoys never count. Text is looked at in NFC,
 * so NFD makes no difference; letters without diacritics (MAT) count only in brackets or file
 * names, in capitals.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define TEXT_BYTES_MAX 2048
#define TOKENS_MAX 700
#define TOKEN_BYTES_MAX 40
#define NEAR_TOKENS 5
#define PHRASE_WORDS_MAX 4

enum gap {
	GAP_BLANK = 1,
	GAP_PUNCT = 2,
	GAP_OPEN = 4,
	GAP_CLOSE = 8,
	GAP_SLASH = 16,
	GAP_JOIN = 32
};

struct token {
	char lower[TOKEN_BYTES_MAX], folded[TOKEN_BYTES_MAX];
	unsigned before;   /* enum gap: what stands between this and the token before; the edge is
			    * PUNCT */
	bool is_caps, is_number, is_ascii;
};
struct tokens {
	struct token t[TOKENS_MAX];
	size_t n;
	unsigned end;      /* the gap behind the last */
};
enum place { PLACE_SUBJECT, PLACE_FILE, PLACE_TEXT };

/* ---- tokens ---- */

static bool
is_letter(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) || (c >= 0x300 && c <= 0x36f) ||
		(c >= 0x1e00 && c <= 0x1eff);
}

static unsigned
gap_of(uint32_t c)
{
	switch (c) {
	case ' ': case '\t': case 0xa0: case 0x3000:
		return GAP_BLANK;
	case '(': case '[': case '{': case '<': case 0x3010: case 0xff08: case 0xff3b: case 0x300a:
		return GAP_OPEN;
	case ')': case ']': case '}': case '>': case 0x3011: case 0xff09: case 0xff3d: case 0x300b:
		return GAP_CLOSE;
	case '/':
		return GAP_SLASH;
	case '_': case '-':
		return GAP_JOIN;
	default:
		return GAP_PUNCT;
	}
}

static void
fill_token(struct token *t, struct cv_str word, unsigned before)
{
	struct cv_buf low = CV_BUF_INIT(TOKEN_BYTES_MAX * 4),
		      fold = CV_BUF_INIT(TOKEN_BYTES_MAX * 4);
	*t = (struct token){ .before = before, .is_number = true, .is_ascii = true };
	for (size_t i = 0; i < word.n; i++) {
		t->is_number = t->is_number && cv_is_digit((unsigned char)word.p[i]);
		t->is_ascii = t->is_ascii && (unsigned char)word.p[i] < 0x80;
	}
	policy_lower(word, &low);
	(void)cv_fold(word, &fold);
	snprintf(t->lower, sizeof t->lower, "%s", low.p ? low.p : "");
	snprintf(t->folded, sizeof t->folded, "%s", fold.p ? fold.p : "");
	/* In capitals: no small letter was there, so lowering every letter changed it. */
	bool any = false, small = false;
	for (size_t pos = 0; pos < word.n;) {
		size_t at = pos;
		if (cv_is_alpha((unsigned char)word.p[pos])) {
			bool large = word.p[pos++] <= 'Z';
			any = any || large;
			small = small || !large;
			continue;
		}
		cv_utf8_next(word, &pos);
		struct cv_buf one = CV_BUF_INIT(16);
		policy_lower(cv_str_sub(word, at, pos), &one);
		bool same = cv_str_eq(cv_buf_view(&one), cv_str_sub(word, at, pos));
		any = any || !same;
		small = small || (same && !cv_is_digit((unsigned char)word.p[at]));
		cv_buf_done(&one);
	}
	t->is_caps = any && !small;
	cv_buf_done(&low);
	cv_buf_done(&fold);
}

static bool
is_unseen(uint32_t c)
{
	return c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x2060 && c <= 0x2064) ||
		c == 0xfeff;
}

/* TEXT in NFC without what nobody sees, which converters leave inside words; stamps that are set
 * letter by letter as words: "M Ậ T". */
static void
read_as_seen(struct cv_str text, struct cv_buf *out)
{
	static const struct {
		const char *spaced, *word;
	} stamps[] = { { "M Ậ T", "MẬT" }, { "T Ố I", "TỐI" }, { "T U Y Ệ T", "TUYỆT" } };
	struct cv_buf seen = CV_BUF_INIT(TEXT_BYTES_MAX * 4), nfc = CV_BUF_INIT(TEXT_BYTES_MAX * 4);
	text = cv_utf8_cut(text, TEXT_BYTES_MAX);
	for (size_t pos = 0; pos < text.n;) {
		uint32_t c = cv_utf8_next(text, &pos);
		if (!is_unseen(c))
			cv_utf8_put(&seen, c);
	}
	(void)cv_utf8_nfc(cv_buf_view(&seen), &nfc);
	for (size_t i = 0; i < nfc.n;) {
		struct cv_str rest = cv_str_sub(cv_buf_view(&nfc), i, nfc.n);
		bool begins = !i || (unsigned char)nfc.p[i - 1] <= ' ' || nfc.p[i - 1] == '(';
		size_t taken = 0;
		for (size_t k = 0; begins && !taken && k < CV_COUNT(stamps); k++) {
			size_t n = strlen(stamps[k].spaced);
			if (!cv_str_has_prefix(rest, stamps[k].spaced) ||
			    (n < rest.n && ((unsigned char)rest.p[n] >= 0x80 ||
			                    cv_is_alpha((unsigned char)rest.p[n]))))
				continue;
			cv_buf_z(out, stamps[k].word);
			taken = n;
		}
		if (!taken)
			cv_buf_c(out, rest.p[0]);
		i += CV_MAX(taken, 1u);
	}
	cv_buf_done(&seen);
	cv_buf_done(&nfc);
}

/* S as read_as_seen() makes it. */
static void
tokenise(struct cv_str s, struct tokens *out)
{
	out->n = 0;
	out->end = GAP_PUNCT;
	unsigned gap = GAP_PUNCT;
	for (size_t pos = 0; pos < s.n && out->n < TOKENS_MAX;) {
		size_t start = pos;
		uint32_t c = cv_utf8_next(s, &pos);
		if (!is_letter(c)) {
			gap |= gap_of(c);
			out->end = gap;
			continue;
		}
		size_t end = pos;
		while (pos < s.n && is_letter(cv_utf8_next(s, &pos)))
			end = pos;
		pos = end;
		struct cv_str word = cv_str_sub(s, start, end);
		if (word.n < TOKEN_BYTES_MAX)
			fill_token(&out->t[out->n++], word, gap);
		gap = 0;
		out->end = GAP_PUNCT;
	}
}

static unsigned
gap_behind(const struct tokens *ts, size_t i)
{
	return i + 1 < ts->n ? ts->t[i + 1].before : ts->end;
}

/* ---- phrases ---- */

/* How many tokens at I make PHRASE (words in full spelling); 0 for none. Words of a phrase have
 * only blanks or joins between them. PLAIN, unless empty: the phrase without diacritics, which will
 * do too. */
static size_t
phrase_at(const struct tokens *ts, size_t i, struct cv_str phrase, struct cv_str plain)
{
	struct cv_str word, bare = CV_STR_EMPTY;
	size_t count = 0;
	while (cv_str_split(&phrase, ' ', &word)) {
		if (i + count >= ts->n)
			return 0;
		const struct token *t = &ts->t[i + count];
		/* "bảo mật", "bao_mat"; not "MẬT - Báo cáo" */
		if (count && t->before != GAP_BLANK && t->before != GAP_JOIN)
			return 0;
		bool has_bare = cv_str_split(&plain, ' ', &bare);
		if (!cv_str_eq_z(word, t->lower) && !(has_bare && cv_str_eq_z(bare, t->folded)))
			return 0;
		count++;
	}
	return count;
}

static bool
is_decoy(const struct cv_policy *p, const struct tokens *ts, size_t i, size_t count,
         bool without_marks)
{
	size_t first = i >= PHRASE_WORDS_MAX ? i - PHRASE_WORDS_MAX : 0;
	for (size_t from = first; from <= i; from++) {
		for (size_t d = 0; d < p->decoys.n; d++) {
			struct cv_str plain = without_marks ? p->plain_decoys.items[d]
				: CV_STR_EMPTY;
			/* Most begin otherwise, and somebody may write thousands of marks. */
			if (p->decoys.items[d].p[0] != ts->t[from].lower[0] &&
			    !(plain.n && plain.p[0] == ts->t[from].folded[0]))
				continue;
			size_t n = phrase_at(ts, from, p->decoys.items[d], plain);
			/* A mark of two words is not undone by a shorter decoy. */
			if (n >= count && n > 1 && from + n > i)
				return true;
		}
	}
	return false;
}

/* "123/UBND-NC": a number, a slash, capitals. */
static bool
is_number_at(const struct tokens *ts, size_t i)
{
	return ts->t[i].is_number && (gap_behind(ts, i) & GAP_SLASH) && i + 1 < ts->n &&
		ts->t[i + 1].is_caps;
}

static bool
is_near_number(const struct tokens *ts, size_t i, size_t count)
{
	size_t from = i >= NEAR_TOKENS ? i - NEAR_TOKENS : 0;
	size_t to = CV_MIN(i + count + NEAR_TOKENS, ts->n);
	for (size_t j = from; j < to; j++)
		if (is_number_at(ts, j))
			return true;
	return false;
}

static bool
all_caps(const struct tokens *ts, size_t i, size_t count)
{
	for (size_t j = i; j < i + count; j++)
		if (!ts->t[j].is_caps)
			return false;
	return true;
}

/* In capitals while its neighbours are not, or parted from them. */
static bool
stands_out(const struct tokens *ts, size_t i, size_t count)
{
	static const unsigned parted = GAP_PUNCT | GAP_OPEN | GAP_CLOSE | GAP_SLASH | GAP_JOIN;
	bool before = !i || (ts->t[i].before & parted) || !ts->t[i - 1].is_caps;
	size_t next = i + count;
	bool behind = next >= ts->n || (ts->t[next].before & parted) || !ts->t[next].is_caps;
	return before && behind;
}

/* "Độ mật: Tối mật" */
static bool
follows_label(const struct tokens *ts, size_t i)
{
	return i >= 2 && !strcmp(ts->t[i - 2].lower, "độ") && !strcmp(ts->t[i - 1].lower, "mật") &&
		(ts->t[i].before & GAP_PUNCT);
}

static bool
is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

/* "ông Mật", "Trần Văn Mật", "LÊ THỊ MẬT": a name people have. */
static bool
is_name(const struct cv_policy *p, const struct tokens *ts, size_t i)
{
	static const char *const titles[] = { "ông", "bà", "anh", "chị", "cô", "chú", "bác", "em",
		"thầy", "ong", "ba", "thay", "chu" };
	static const char *const middles[] = { "van", "thi", "duc", "huu", "ngoc", "xuan", "thanh",
		"minh", "quoc", "dinh", "cong", "duy" };
	if (!i || (ts->t[i].before != GAP_BLANK && ts->t[i].before != GAP_JOIN))
		return false;
	const struct token *before = &ts->t[i - 1];
	bool of_title = is_one_of(before->lower, titles, CV_COUNT(titles));
	bool of_middle = is_one_of(before->folded, middles, CV_COUNT(middles));
	/* In capitals "TRẦN VĂN MẬT" as a whole; "Văn bản MẬT" is none. */
	if ((!of_title && !of_middle) || before->is_caps != ts->t[i].is_caps)
		return false;
	if (of_title || i < 2)
		return of_title;
	for (size_t k = 0; k < p->surnames.n; k++)
		if (cv_str_eq_z(p->surnames.items[k], ts->t[i - 2].folded))
			return true;
	return false;
}

static bool
counts(const struct cv_policy *p, const struct tokens *ts, size_t i, size_t count, bool is_spelled,
       enum place place)
{
	bool caps = all_caps(ts, i, count);
	bool in_brackets = (ts->t[i].before & GAP_OPEN) &&
	                   (gap_behind(ts, i + count - 1) & GAP_CLOSE);
	bool is_mark = false;
	if (!is_spelled)
		is_mark = caps && (in_brackets ||
		                   (place == PLACE_FILE && (count > 1 || stands_out(ts, i, 1))));
	else
		is_mark = in_brackets || follows_label(ts, i) || place == PLACE_FILE ||
			(caps && (count > 1 || stands_out(ts, i, count))) ||
			is_near_number(ts, i, count);
	return is_mark && !is_decoy(p, ts, i, count, !is_spelled) &&
		!(count == 1 && is_name(p, ts, i));
}

/* Whether the last word of some mark occurs at all, folded: most mail ends here. */
static bool
may_hold_mark(const struct cv_policy *p, struct cv_str text)
{
	struct cv_buf folded = CV_BUF_INIT(TEXT_BYTES_MAX * 4);
	bool may = false;
	(void)cv_fold(text, &folded);
	for (size_t i = 0; !may && i < p->marks.n; i++) {
		struct cv_str mark = p->marks.items[i];
		size_t at = mark.n;
		while (at && mark.p[at - 1] != ' ')
			at--;
		struct cv_buf word = CV_BUF_INIT(200);
		(void)cv_fold(cv_str_sub(mark, at, mark.n), &word);
		may = cv_str_search(cv_buf_view(&folded), cv_buf_view(&word)) < folded.n;
		cv_buf_done(&word);
	}
	cv_buf_done(&folded);
	return may;
}

static bool
find_mark(const struct cv_policy *p, struct cv_str text, enum place place, struct cv_str *mark_out)
{
	struct cv_buf seen = CV_BUF_INIT(TEXT_BYTES_MAX * 4);
	read_as_seen(text, &seen);
	if (!may_hold_mark(p, cv_buf_view(&seen))) {
		cv_buf_done(&seen);
		return false;
	}
	struct tokens *ts = cv_malloc(sizeof *ts);
	bool found = false;
	tokenise(cv_buf_view(&seen), ts);
	cv_buf_done(&seen);
	for (size_t i = 0; !found && i < ts->n; i++) {
		for (size_t m = 0; !found && m < p->marks.n; m++) {
			size_t spelled = phrase_at(ts, i, p->marks.items[m], CV_STR_EMPTY);
			size_t bare = spelled ? 0 : phrase_at(ts, i, p->marks.items[m],
				p->plain_marks.items[m]);
			/* Without diacritics only if typed so: MẶT and MẤT are other words. */
			for (size_t j = i; j < i + bare; j++)
				bare = ts->t[j].is_ascii ? bare : 0;
			size_t count = spelled ? spelled : bare;
			found = count && counts(p, ts, i, count, spelled > 0, place);
			*mark_out = p->marks.items[m];
		}
	}
	free(ts);
	return found;
}

void
cv_policy_secrecy(const struct cv_policy *p, struct cv_str subject, const struct cv_str *file_names,
                  size_t file_count, struct cv_str text, struct cv_decision *out)
{
	struct cv_str mark = CV_STR_EMPTY;
	bool found = find_mark(p, subject, PLACE_SUBJECT, &mark);
	for (size_t i = 0; !found && i < file_count; i++)
		found = find_mark(p, file_names[i], PLACE_FILE, &mark);
	if (!found)
		found = find_mark(p, text, PLACE_TEXT, &mark);
	policy_decide(out, found ? RULE_SECRECY : RULE_ALLOW, mark);
}
