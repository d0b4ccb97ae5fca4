/* freemail.c - free mail: slips in its domains, staff who write to their own (POL-01); and labels
 * of advertising (SPM-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define NAME_WORDS_MAX 12
#define NAME_BYTES_MAX 300

/* ---- slips ---- */

struct cv_str
cv_policy_typo(const struct cv_policy *p, struct cv_str domain)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	struct cv_str meant = CV_STR_EMPTY;
	if (domain.n && domain.n <= CV_DOMAIN_INPUT_MAX &&
	    !cv_domain_to_ascii(domain, &ascii, NULL))
		for (size_t i = 0; !meant.n && i < p->typos.n; i++) {
			struct cv_str wrong, rest = p->typos.items[i];
			(void)cv_str_split(&rest, ' ', &wrong);
			if (cv_str_eq(wrong, cv_buf_view(&ascii)))
				meant = rest;
		}
	cv_buf_done(&ascii);
	return meant;
}

void
cv_policy_recipient_typo(const struct cv_policy *p, struct cv_str domain, struct cv_decision *out)
{
	struct cv_str meant = cv_policy_typo(p, domain);
	policy_decide(out, meant.n ? RULE_TYPO : RULE_ALLOW, meant);
}

/* ---- own names ---- */

/* The words of NAME, folded, without titles in brackets. */
static size_t
words_of(struct cv_str name, struct cv_buf *flat, struct cv_str words[NAME_WORDS_MAX])
{
	size_t n = 0;
	policy_flatten(name, NAME_BYTES_MAX, flat);
	struct cv_str word, rest = cv_buf_view(flat);
	while (n < NAME_WORDS_MAX && cv_str_split(&rest, ' ', &word))
		if (word.n)
			words[n++] = word;
	return n;
}

static void
add_initials(const struct cv_str *words, size_t n, struct cv_buf *out)
{
	for (size_t i = 0; i < n; i++)
		cv_buf_c(out, words[i].p[0]);
}

static void
add_whole(const struct cv_str *words, size_t n, struct cv_buf *out)
{
	for (size_t i = 0; i < n; i++)
		cv_buf_str(out, words[i]);
}

/* The ways people make a local part of a name of N words: all of it, the given name before or
 * behind, initials of the rest before or behind it. */
static bool
is_made_of(struct cv_str local, const struct cv_str *words, size_t n)
{
	struct cv_buf made[5];
	bool same = false;
	for (size_t i = 0; i < CV_COUNT(made); i++)
		cv_buf_init(&made[i], NAME_BYTES_MAX * 2);
	add_whole(words, n, &made[0]);                /* nguyenthihoa */
	add_whole(words + n - 1, 1, &made[1]);        /* hoanguyenthi */
	add_whole(words, n - 1, &made[1]);
	add_initials(words, n - 1, &made[2]);         /* nthoa */
	add_whole(words + n - 1, 1, &made[2]);
	add_whole(words + n - 1, 1, &made[3]);        /* hoant */
	add_initials(words, n - 1, &made[3]);
	if (n > 2) {
		add_whole(words + n - 2, 2, &made[4]); /* thihoa: of three words at least */
	}
	for (size_t i = 0; i < CV_COUNT(made); i++) {
		same = same || (made[i].n >= 4 && cv_str_eq(local, cv_buf_view(&made[i])));
		cv_buf_done(&made[i]);
	}
	return same;
}

bool
cv_policy_is_own_name(struct cv_str person, struct cv_str local, struct cv_str name)
{
	struct cv_buf mine = CV_BUF_INIT(NAME_BYTES_MAX * 5),
		      shown = CV_BUF_INIT(NAME_BYTES_MAX * 5),
		      flat = CV_BUF_INIT(NAME_BYTES_MAX * 5),
		      bare = CV_BUF_INIT(NAME_BYTES_MAX);
	struct cv_str words[NAME_WORDS_MAX];
	/* "Nguyễn Thị Hòa (STP)", "Hòa - Sở Tư pháp": the name ends there. */
	size_t end = 0;
	while (end < person.n && !strchr("(-,|", person.p[end]))
		end++;
	size_t n = words_of(cv_str_trim(cv_str_sub(person, 0, end)), &mine, words);
	bool same = false;
	if (n >= 2) {
		policy_flatten(name, NAME_BYTES_MAX, &shown);
		same = cv_str_eq(cv_buf_view(&shown), cv_buf_view(&mine));
		policy_flatten(cv_str_sub(local, 0, 100), 100, &flat);
		for (size_t i = 0; i < flat.n && bare.n < 100; i++)
			if (cv_is_alpha((unsigned char)flat.p[i]))
				cv_buf_c(&bare, flat.p[i]);
		same = same || is_made_of(cv_buf_view(&bare), words, n);
	}
	cv_buf_done(&mine);
	cv_buf_done(&shown);
	cv_buf_done(&flat);
	cv_buf_done(&bare);
	return same;
}

/* ---- labels ---- */

static bool
is_label(const struct policy_list *labels, struct cv_str text)
{
	struct cv_buf flat = CV_BUF_INIT(400);
	policy_flatten(text, 60, &flat);
	struct cv_str word = cv_str_trim(cv_buf_view(&flat));
	bool found = false;
	for (size_t i = 0; !found && i < labels->n; i++)
		found = cv_str_eq(word, labels->items[i]);
	cv_buf_done(&flat);
	return found;
}

static bool
is_reply_prefix(struct cv_str text)
{
	static const char *const prefixes[] = { "re", "fw", "fwd", "tl", "tr", "chuyen tiep" };
	struct cv_buf flat = CV_BUF_INIT(200);
	policy_flatten(text, 30, &flat);
	struct cv_str word = cv_str_trim(cv_buf_view(&flat));
	bool found = false;
	for (size_t i = 0; !found && i < CV_COUNT(prefixes); i++)
		found = cv_str_eq_z(word, prefixes[i]);
	cv_buf_done(&flat);
	return found;
}

bool
cv_policy_is_labelled(const struct cv_policy *p, struct cv_str subject)
{
	/* Where a label may end: its closing bracket, or what parts it from the rest. */
	static const char *const ends[] = { ":", "|", "-", "\342\200\223", "\342\200\224", "]", ")",
		"}", ">", "\343\200\221", "*" };
	struct cv_str s = cv_str_trim(cv_str_sub(subject, 0, 200));
	for (unsigned prefixes = 0; prefixes < 4; prefixes++) {
		size_t first = s.n;
		for (size_t i = 0; i < CV_COUNT(ends); i++) {
			size_t at = cv_str_search(cv_str_sub(s, 1, s.n), cv_str_z(ends[i])) + 1;
			first = CV_MIN(first, at);
		}
		if (first >= s.n || first > 40)
			return false;
		struct cv_str head = cv_str_sub(s, 0, first);
		if (is_label(&p->labels, head))
			return true;
		if (!is_reply_prefix(head))
			return false;
		s = cv_str_trim(cv_str_sub(s, first + 1, s.n));
	}
	return false;
}
