/* signup.c - mail of public services at registration (POL-02), and the allow-list (POL-03).
 *
 * A phrase and a sign: a sender nobody answers, an unsubscribe field, a link with a token, a code
 * of 4 to 8 digits. Official senders never count.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define TEXT_BYTES_MAX 2048
#define ALLOWED_MAX 10000
#define LOCAL_ZONE_SECS (7 * 3600)

/* ---- phrases ---- */

/* Folded, letters and digits kept, all else one blank; a blank at both ends. */
static void
flatten(struct cv_str text, struct cv_buf *out)
{
	struct cv_buf folded = CV_BUF_INIT(TEXT_BYTES_MAX * 4);
	(void)cv_fold(cv_utf8_cut(text, TEXT_BYTES_MAX), &folded);
	cv_buf_c(out, ' ');
	for (size_t i = 0; i < folded.n; i++) {
		unsigned char c = (unsigned char)folded.p[i];
		if ((c >= 'a' && c <= 'z') || cv_is_digit(c) || c >= 0x80)
			cv_buf_c(out, (char)c);
		else if (out->p[out->n - 1] != ' ')
			cv_buf_c(out, ' ');
	}
	if (out->p[out->n - 1] != ' ')
		cv_buf_c(out, ' ');
	cv_buf_done(&folded);
}

/* PHRASE at TEXT + AT, where a word begins; "#" matches digits. */
static bool
matches(struct cv_str text, size_t at, struct cv_str phrase)
{
	size_t i = at;
	for (size_t k = 0; k < phrase.n; k++) {
		if (phrase.p[k] == '#') {
			size_t start = i;
			while (i < text.n && cv_is_digit((unsigned char)text.p[i]))
				i++;
			if (i == start)
				return false;
		} else if (i >= text.n || text.p[i++] != phrase.p[k]) {
			return false;
		}
	}
	return i < text.n && text.p[i] == ' ';
}

static bool
has_phrase(struct cv_str text, const struct policy_list *phrases)
{
	for (size_t at = 1; at < text.n; at++) {
		if (text.p[at - 1] != ' ')
			continue;
		for (size_t i = 0; i < phrases->n; i++)
			if (matches(text, at, phrases->items[i]))
				return true;
	}
	return false;
}

/* ---- signs ---- */

static bool
is_no_reply(const struct cv_policy *p, struct cv_str local)
{
	struct cv_buf plain = CV_BUF_INIT(512), bare = CV_BUF_INIT(512);
	(void)cv_fold(cv_str_sub(local, 0, 100), &plain);
	for (size_t i = 0; i < plain.n; i++)
		if (plain.p[i] != '.' && plain.p[i] != '-' && plain.p[i] != '_')
			cv_buf_c(&bare, plain.p[i]);
	bool found = false;
	for (size_t i = 0; !found && bare.p && i < p->no_reply.n; i++)
		found = cv_str_has_prefix(cv_buf_view(&bare), p->no_reply.items[i].p);
	cv_buf_done(&plain);
	cv_buf_done(&bare);
	return found;
}

/* A number of 4 to 8 digits by itself: no date, time, sum, phone number or year. */
static bool
has_code(struct cv_str text)
{
	static const char part_of_more[] = "/.,:-+%";
	for (size_t i = 0; i < text.n;) {
		if (!cv_is_digit((unsigned char)text.p[i])) {
			i++;
			continue;
		}
		size_t start = i;
		while (i < text.n && cv_is_digit((unsigned char)text.p[i]))
			i++;
		size_t n = i - start;
		char before = start ? text.p[start - 1] : ' ',
		     behind = i < text.n ? text.p[i] : ' ';
		char beyond = i + 1 < text.n ? text.p[i + 1] : ' ';
		bool is_joined =
			strchr(part_of_more, before) || cv_is_alpha((unsigned char)before) ||
			cv_is_alpha((unsigned char)behind) ||
			(strchr(part_of_more, behind) && cv_is_digit((unsigned char)beyond));
		bool is_year = n == 4 && (!strncmp(text.p + start, "19", 2) ||
		                          !strncmp(text.p + start, "20", 2));
		if (n >= 4 && n <= 8 && before && behind && !is_joined && !is_year)
			return true;
	}
	return false;
}

void
cv_policy_signup(const struct cv_policy *p, const struct cv_signup_facts *f,
                 struct cv_decision *out)
{
	policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
	if (!f->from_domain.n || cv_policy_is_official(p, f->from_domain))
		return;
	struct cv_buf subject = CV_BUF_INIT(TEXT_BYTES_MAX * 4),
		      text = CV_BUF_INIT(TEXT_BYTES_MAX * 4);
	flatten(f->subject, &subject);
	flatten(f->text, &text);
	struct cv_str body = cv_utf8_cut(f->text, TEXT_BYTES_MAX);
	unsigned signs = (unsigned)is_no_reply(p, f->from_local) + f->list_unsubscribe +
		(f->token_links > 0) + (has_code(body) || has_code(f->subject));
	bool strong = has_phrase(cv_buf_view(&subject), &p->signup_strong) ||
		has_phrase(cv_buf_view(&text), &p->signup_strong);
	bool medium = has_phrase(cv_buf_view(&subject), &p->signup_medium);
	if ((strong && signs) || (medium && signs >= 2))
		policy_decide(out, RULE_SIGNUP, f->from_domain);
	cv_buf_done(&subject);
	cv_buf_done(&text);
}

/* ---- the allow-list ---- */

/* "2027-06-30", to the end of that day in Vietnam. */
static bool
parse_date(struct cv_str s, int64_t *secs_out)
{
	uint64_t year, month, day;
	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' ||
	    cv_str_u64(cv_str_sub(s, 0, 4), 9999, &year) ||
	    cv_str_u64(cv_str_sub(s, 5, 7), 12, &month) ||
	    cv_str_u64(cv_str_sub(s, 8, 10), 31, &day) || !month || !day)
		return false;
	struct tm tm = { .tm_year = (int)year - 1900,
		         .tm_mon = (int)month - 1,
		         .tm_mday = (int)day };
	*secs_out = (int64_t)timegm(&tm) + 86400 - LOCAL_ZONE_SECS;
	return tm.tm_mday == (int)day;
}

static enum cv_status
parse_allowed(struct cv_policy *p, struct cv_str line, struct policy_allowed *out,
              struct cv_err *err)
{
	struct cv_str rest = line, who, until;
	if (!cv_str_split(&rest, ' ', &who) || !cv_str_split(&rest, ' ', &until) ||
	    !cv_str_trim(rest).n)
		return cv_fail(err, CV_INVALID, "a line is 'domain-or-address until-date reason'");
	if (!parse_date(until, &out->until_secs))
		return cv_fail(err, CV_INVALID, "'%.*s' is no date like 2027-06-30",
		               CV_STR_ARGS(until));
	size_t at = cv_str_find(who, '@', 0);
	struct cv_str domain = at < who.n ? cv_str_sub(who, at + 1, who.n) : who;
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	enum cv_status status = cv_domain_to_ascii(domain, &ascii, err);
	out->domain = cv_arena_str(&p->arena, cv_buf_view(&ascii));
	out->local = at < who.n ? cv_arena_str(&p->arena, cv_str_sub(who, 0, at)) : CV_STR_EMPTY;
	cv_buf_done(&ascii);
	return status;
}

enum cv_status
cv_policy_signup_allow_load(struct cv_policy *p, const char *file, struct cv_err *err)
{
	FILE *f = fopen(file, "re");
	if (!f)
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", file);
	struct policy_allowed *list = NULL;
	size_t n = 0;
	char line[1000];
	enum cv_status status = CV_OK;
	for (unsigned number = 1; !status && fgets(line, sizeof line, f); number++) {
		struct cv_str text = cv_str_trim(cv_str_z(line));
		if (!text.n || text.p[0] == '#')
			continue;
		struct cv_err why = {0};
		struct policy_allowed one;
		status = n < ALLOWED_MAX ? parse_allowed(p, text, &one, &why)
			: cv_fail(&why, CV_LIMIT, "more than %d lines", ALLOWED_MAX);
		if (status) {
			(void)cv_fail(err, status, "%s:%u: %s", file, number, why.text);
			break;
		}
		list = cv_realloc(list, (n + 1) * sizeof *list);
		list[n++] = one;
	}
	if (!status && ferror(f))
		status = cv_fail(err, CV_TEMPFAIL, "cannot read %s", file);
	fclose(f);
	if (status) {
		free(list);
		return status;
	}
	free(p->allowed);
	p->allowed = list;
	p->allowed_count = n;
	return CV_OK;
}

bool
cv_policy_signup_allowed(const struct cv_policy *p, struct cv_str local, struct cv_str domain,
                         int64_t now_secs)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool found = false;
	if (domain.n <= CV_DOMAIN_INPUT_MAX && !cv_domain_to_ascii(domain, &ascii, NULL))
		for (size_t i = 0; !found && i < p->allowed_count; i++) {
			const struct policy_allowed *a = &p->allowed[i];
			bool fits = a->local.n ? cv_str_ieq(a->local, local) &&
					cv_str_eq(a->domain, cv_buf_view(&ascii))
				: cv_domain_is_below(cv_buf_view(&ascii), a->domain);
			found = fits && now_secs < a->until_secs;
		}
	cv_buf_done(&ascii);
	return found;
}
