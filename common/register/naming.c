/* naming.c - from a Vietnamese name to the local part of an address. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/naming.h"

#include "common/text/charset.h"
#include "common/text/fold.h"

#define NAME_BYTES_MAX 400
#define LOCAL_BYTES_MAX 64
#define WORDS_MAX 16

enum cv_status
cv_name_template_parse(const char *word, enum cv_name_template *out)
{
	static const char *const words[] = {
		[CV_NAME_INITIALS] = "initials", [CV_NAME_FLAT] = "flat", [CV_NAME_GIVEN] = "given",
	};
	for (size_t i = 0; i < CV_COUNT(words); i++) {
		if (word && !strcmp(word, words[i])) {
			*out = (enum cv_name_template)i;
			return CV_OK;
		}
	}
	return CV_INVALID;
}

/* ---- words ---- */

struct words {
	struct cv_str w[WORDS_MAX];
	size_t n;
};

/* Blank, tab, no-break space (U+00A0). Returns its length, or 0. */
static size_t
blank_at(struct cv_str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];
	if (c <= ' ')
		return 1;
	return c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] == 0xa0 ? 2 : 0;
}

static bool
split_words(struct cv_str s, struct words *out)
{
	out->n = 0;
	for (size_t i = 0; i < s.n;) {
		size_t blank = blank_at(s, i);
		if (blank) {
			i += blank;
			continue;
		}
		size_t start = i;
		while (i < s.n && !blank_at(s, i))
			i++;
		if (out->n == WORDS_MAX)
			return false;
		out->w[out->n++] = cv_str_sub(s, start, i);
	}
	return true;
}

/* Letters and digits of the folded WORD; apostrophes and the like fall out. */
static void
add_letters(struct cv_str word, size_t most, struct cv_buf *out)
{
	struct cv_buf folded = CV_BUF_INIT(NAME_BYTES_MAX * 3);
	(void)cv_fold(word, &folded);
	for (size_t i = 0; i < folded.n && most; i++) {
		unsigned char c = (unsigned char)folded.p[i];
		if ((c >= 'a' && c <= 'z') || cv_is_digit(c)) {
			cv_buf_c(out, (char)c);
			most--;
		}
	}
	cv_buf_done(&folded);
}

static void
add_all(const struct words *words, size_t most_each, struct cv_buf *out)
{
	for (size_t i = 0; i < words->n; i++)
		add_letters(words->w[i], most_each, out);
}

/* ---- the local part ---- */

enum cv_status
cv_name_local_part(enum cv_name_template t, struct cv_str surname, struct cv_str middle,
                   struct cv_str given, struct cv_str unit, unsigned number, struct cv_buf *out,
                   struct cv_err *err)
{
	struct words s, m, g;
	if (surname.n + middle.n + given.n > NAME_BYTES_MAX || !split_words(surname, &s) ||
	    !split_words(middle, &m) || !split_words(given, &g))
		return cv_fail(err, CV_LIMIT, "the name is too long for an address");
	struct cv_buf local = CV_BUF_INIT(NAME_BYTES_MAX * 3 + 64);
	switch (t) {
	case CV_NAME_INITIALS:
		add_all(&s, 1, &local);
		add_all(&m, 1, &local);
		add_all(&g, SIZE_MAX, &local);
		break;
	case CV_NAME_FLAT:
		add_all(&s, SIZE_MAX, &local);
		add_all(&m, SIZE_MAX, &local);
		add_all(&g, SIZE_MAX, &local);
		break;
	case CV_NAME_GIVEN:
		add_all(&g, SIZE_MAX, &local);
		add_all(&s, 1, &local);
		add_all(&m, 1, &local);
		break;
	}
	enum cv_status status = CV_OK;
	if (!local.n)
		status = cv_fail(err, CV_INVALID, "the name '%.*s' has no letters for an address",
			CV_STR_ARGS(given));
	if (number)
		cv_buf_printf(&local, "%u", number);
	if (unit.n) {
		cv_buf_c(&local, '.');
		add_letters(unit, SIZE_MAX, &local);
	}
	if (!status && local.n > LOCAL_BYTES_MAX)
		status = cv_fail(err, CV_LIMIT, "the address of '%.*s' would be longer than %d letters",
			CV_STR_ARGS(given), LOCAL_BYTES_MAX);
	if (!status)
		cv_buf_str(out, cv_buf_view(&local));
	cv_buf_done(&local);
	return status;
}

/* ---- splitting ---- */

/* Surnames of more than one word, folded. The longer of two that begin alike comes first. */
static const char *const compound_surnames[] = {
	"cong tang ton nu", "cong huyen ton nu", "ton nu", "ton that", "ro mah", "ro cham", "ro o",
	"ro lan", "ra lan", "rah lan", "ro chom", "ro man", "buon krong", "buon ya",
	"nie kdam", "nie brit", "mlo duon du", "cil pam", "lieng hot", "bon to", "da cat", "da got",
};
/* Clan names of the Ê Đê, which stand last: Y Bhiu Niê, H'Hen Niê, Y Moan Ênuôl. */
static const char *const clans[] = {
	"nie", "mlo", "eban", "enuol", "kbuor", "bya", "ayun", "knul", "kdoh", "kpor", "adrong",
	"ktla", "bkrong", "hwing", "krieng", "hmok", "hdok", "hlong", "kbor", "buon krong", "buon ya",
	"nie kdam", "mjao", "ktul", "ksor", "siu", "nay",
};

static void
fold_words(const struct words *words, size_t from, size_t count, struct cv_buf *out)
{
	for (size_t i = from; i < from + count; i++) {
		if (i > from)
			cv_buf_c(out, ' ');
		(void)cv_fold(words->w[i], out);
	}
}

static size_t
word_count(const char *s)
{
	size_t n = 1;
	for (; *s; s++)
		n += *s == ' ';
	return n;
}

/* How many words at FROM make one of LIST; 0 for none. */
static size_t
match(const struct words *words, size_t from, bool at_end, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = word_count(list[i]);
		if (from + n > words->n || (at_end && from + n != words->n))
			continue;
		struct cv_buf folded = CV_BUF_INIT(NAME_BYTES_MAX * 3);
		fold_words(words, from, n, &folded);
		bool same = cv_str_eq_z(cv_buf_view(&folded), list[i]);
		cv_buf_done(&folded);
		if (same)
			return n;
	}
	return 0;
}

/* "Y" before a man's name, "H'" or "H" before a woman's. */
static bool
is_ede_prefix(struct cv_str word)
{
	if (cv_str_ieq_z(word, "y") || cv_str_ieq_z(word, "h"))
		return true;
	return word.n > 2 && cv_lower((unsigned char)word.p[0]) == 'h' &&
		(word.p[1] == '\'' || !strncmp(word.p + 1, "\xe2\x80\x99", 3));
}

static void
join(const struct words *words, size_t from, size_t to, struct cv_buf *out)
{
	for (size_t i = from; i < to; i++) {
		if (i > from)
			cv_buf_c(out, ' ');
		cv_buf_str(out, words->w[i]);
	}
}

/* Clan last: what stands before it is "Y" and the given name. */
static bool
split_ede(const struct words *w, struct cv_buf *surname, struct cv_buf *middle,
          struct cv_buf *given)
{
	if (w->n < 2 || !is_ede_prefix(w->w[0]))
		return false;
	for (size_t from = 1; from < w->n; from++) {
		if (!match(w, from, true, clans, CV_COUNT(clans)))
			continue;
		bool is_marker = w->w[0].n == 1 && from > 1;
		join(w, from, w->n, surname);
		join(w, 0, is_marker, middle);
		join(w, is_marker, from, given);
		return true;
	}
	return false;
}

enum cv_status
cv_name_split(struct cv_str full, struct cv_buf *surname, struct cv_buf *middle,
              struct cv_buf *given, struct cv_err *err)
{
	struct cv_buf nfc = CV_BUF_INIT(NAME_BYTES_MAX * 2);
	struct words w;
	enum cv_status status = CV_OK;
	if (!cv_utf8_is_valid(full))
		status = cv_fail(err, CV_INVALID, "the name is not valid UTF-8");
	else if (cv_utf8_nfc(full, &nfc) != CV_OK || !split_words(cv_buf_view(&nfc), &w))
		status = cv_fail(err, CV_LIMIT, "the name is too long");
	else if (!w.n)
		status = cv_fail(err, CV_INVALID, "an empty name");
	else if (!split_ede(&w, surname, middle, given)) {
		size_t first = match(&w, 0, false, compound_surnames, CV_COUNT(compound_surnames));
		if (first >= w.n)
			first = 0; /* a compound surname alone is no name: take it word by word */
		first = first ? first : (w.n > 1);
		join(&w, 0, first, surname);
		join(&w, first, w.n - 1, middle);
		join(&w, w.n - 1, w.n, given);
	}
	cv_buf_done(&nfc);
	return status;
}

/* ---- refused names ---- */

struct data_file {
	const char *name, *text;
};
static const struct data_file reserved_files[] = {
#include "common/register/reserved.inc"
};

/* One shape for what the eye takes for the same: 0 o, 1 l i, 5 s, rn m, vv w; separators
 * dropped. */
static void
skeleton(struct cv_str s, struct cv_buf *out)
{
	static const char from[] = "01345789i$@", to[] = "oleastbglsa";
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)cv_lower((unsigned char)s.p[i]);
		char next = i + 1 < s.n ? (char)cv_lower((unsigned char)s.p[i + 1]) : 0;
		if (c == '-' || c == '_' || c == '.')
			continue;
		if ((c == 'r' && next == 'n') || (c == 'v' && next == 'v')) {
			cv_buf_c(out, c == 'r' ? 'm' : 'w');
			i++;
			continue;
		}
		const char *at = c ? strchr(from, c) : NULL;
		cv_buf_c(out, at ? to[at - from] : c);
	}
}

static bool
looks_like(struct cv_str a, struct cv_str b)
{
	struct cv_buf x = CV_BUF_INIT(1024), y = CV_BUF_INIT(1024);
	skeleton(a, &x);
	skeleton(b, &y);
	bool same = x.n && cv_str_eq(cv_buf_view(&x), cv_buf_view(&y));
	cv_buf_done(&x);
	cv_buf_done(&y);
	return same;
}

static bool
refused_by_word(struct cv_str local, struct cv_str word, bool is_indecent, const char **why_out,
                const char **why_vi_out)
{
	if (is_indecent) {
		struct cv_str base = local;
		while (base.n && cv_is_digit((unsigned char)base.p[base.n - 1]))
			base.n--;
		base.n = cv_str_find(base, '.', 0);
		while (base.n && cv_is_digit((unsigned char)base.p[base.n - 1]))
			base.n--;
		if (!cv_str_ieq(base, word))
			return false;
		*why_out = "reads as an indecent word";
		*why_vi_out = "đọc thành từ không phù hợp";
		return true;
	}
	if (cv_str_ieq(local, word)) {
		*why_out = "is reserved";
		*why_vi_out = "là tên dành riêng";
		return true;
	}
	if (!looks_like(local, word))
		return false;
	*why_out = "looks like a reserved name";
	*why_vi_out = "dễ nhầm với tên dành riêng";
	return true;
}

bool
cv_name_is_refused(struct cv_str local_part, const char *more_reserved, const char **why_out,
                   const char **why_vi_out)
{
	for (size_t i = 0; i < CV_COUNT(reserved_files); i++) {
		struct cv_str rest = cv_str_z(reserved_files[i].text), line;
		bool is_indecent = false;
		while (cv_str_split(&rest, '\n', &line)) {
			line = cv_str_trim(line);
			if (!line.n || line.p[0] == '#')
				continue;
			if (line.p[0] == '[')
				is_indecent = cv_str_eq_z(line, "[indecent]");
			else if (refused_by_word(local_part, line, is_indecent, why_out,
			                         why_vi_out))
				return true;
		}
	}
	struct cv_str rest = cv_str_z(more_reserved ? more_reserved : ""), word;
	while (cv_str_split(&rest, ' ', &word))
		if (word.n && refused_by_word(local_part, word, false, why_out, why_vi_out))
			return true;
	return false;
}
