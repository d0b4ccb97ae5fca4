/* signup.c - mail of public services at registration (POL-02), and the allow-list (POL-03).
 *
 * A phrase and a sign: a sender nobody answers, an unsubscribe field, a link with a token, a code
 * of 4 to 8 digits, a known service. Each has points; words of official letters, replies and many
 * addressees take some away. Official senders never count.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define POINTS_FOUND    30
#define DOCUMENT_POINTS 8
#define MACHINE_POINTS  15
#define SERVICE_POINTS  5
#define ALLOWED_MAX 10000
#define LOCAL_ZONE_SECS (7 * 3600)

/* ---- signs ---- */

static const char *const class_words[CV_SIGNUP_CLASSES] = {
	[CV_SIGNUP_CODE] = "code", [CV_SIGNUP_CONFIRM] = "confirm",
	[CV_SIGNUP_ACTIVATE] = "activate", [CV_SIGNUP_PASSWORD_RESET] = "password-reset",
	[CV_SIGNUP_NEW_LOGIN] = "new-login", [CV_SIGNUP_WELCOME] = "welcome",
	[CV_SIGNUP_ORDER] = "order", [CV_SIGNUP_NOTIFICATION] = "notification",
	[CV_SIGNUP_NEWSLETTER] = "newsletter",
};

const char *
cv_signup_class_word(enum cv_signup_class class)
{
	return class_words[class];
}

/* Whether LOCAL without separators begins as one of LIST does; WHOLE: it must not go on in letters.
 */
static bool
begins_as(const struct policy_list *list, struct cv_str local, bool whole)
{
	struct cv_buf plain = CV_BUF_INIT(512), bare = CV_BUF_INIT(512);
	(void)cv_fold(cv_str_sub(local, 0, 100), &plain);
	for (size_t i = 0; i < plain.n; i++)
		if (plain.p[i] != '.' && plain.p[i] != '-' && plain.p[i] != '_')
			cv_buf_c(&bare, plain.p[i]);
	bool found = false;
	for (size_t i = 0; !found && bare.p && i < list->n; i++) {
		size_t n = list->items[i].n;
		/* "info.daklak" goes on behind a separator, "infocus" does not. */
		char next = plain.n > n ? plain.p[n] : ' ';
		found = cv_str_has_prefix(cv_buf_view(&bare), list->items[i].p) &&
			!(whole && cv_is_alpha((unsigned char)next));
	}
	cv_buf_done(&plain);
	cv_buf_done(&bare);
	return found;
}

/* "912 344", two groups of three: where the second ends, or 0. */
static size_t
second_group(struct cv_str text, size_t at)
{
	if (at + 4 > text.n || (text.p[at] != ' ' && text.p[at] != '-'))
		return 0;
	for (size_t i = at + 1; i < at + 4; i++)
		if (!cv_is_digit((unsigned char)text.p[i]))
			return 0;
	return at + 4 < text.n && cv_is_digit((unsigned char)text.p[at + 4]) ? 0 : at + 4;
}

/* A number of 4 to 8 digits by itself, also as two groups of three: no date, time, sum, phone
 * number or year. */
static bool
has_number_code(struct cv_str text)
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
		size_t second = n == 3 ? second_group(text, i) : 0;
		if (second) {
			i = second;
			n = 6;
		}
		char before = start ? text.p[start - 1] : ' ',
		     behind = i < text.n ? text.p[i] : ' ';
		char beyond = i + 1 < text.n ? text.p[i + 1] : ' ';
		bool is_joined =
			strchr(part_of_more, before) || cv_is_alpha((unsigned char)before) ||
			cv_is_alpha((unsigned char)behind) ||
			(strchr(part_of_more, behind) && cv_is_digit((unsigned char)beyond)) ||
			(second && start > 1 && cv_is_digit((unsigned char)text.p[start - 2]));
		bool is_year = n == 4 && (!strncmp(text.p + start, "19", 2) ||
		                          !strncmp(text.p + start, "20", 2));
		if (n >= 4 && n <= 8 && before && behind && !is_joined && !is_year)
			return true;
	}
	return false;
}

/* "QK7L2M", "4K9-TTR", "83kq29": a word of letters and digits, 5 to 9, two digits at least. */
static bool
has_mixed_code(struct cv_str text)
{
	for (size_t i = 0; i < text.n;) {
		size_t start = i, digits = 0, letters = 0, after_letter = 0;
		for (; i < text.n && (cv_is_digit((unsigned char)text.p[i]) ||
		                      cv_is_alpha((unsigned char)text.p[i]) || text.p[i] == '-');
		     i++) {
			bool digit = cv_is_digit((unsigned char)text.p[i]);
			after_letter += digit && letters;
			digits += digit;
			letters += cv_is_alpha((unsigned char)text.p[i]);
		}
		char before = start ? text.p[start - 1] : ' ',
		     behind = i < text.n ? text.p[i] : ' ';
		bool is_word = !strchr("/@._=&?", before) && !strchr("/@_=&", behind);
		if (is_word && letters >= 2 && digits >= 2 && after_letter && i - start >= 5 &&
		    i - start <= 9 && text.p[i - 1] != '-')
			return true;
		i += i == start;
	}
	return false;
}

/* The name a person has, not a firm: a surname and one to four words more. */
static bool
is_person(const struct cv_policy *p, struct cv_str name)
{
	struct cv_buf flat = CV_BUF_INIT(600);
	struct cv_str word, rest;
	unsigned words = 0;
	bool person = false;
	policy_flatten(name, 120, &flat);
	rest = cv_str_trim(cv_buf_view(&flat));
	while (cv_str_split(&rest, ' ', &word))
		for (size_t i = 0; !words++ && i < p->surnames.n; i++)
			person = person || cv_str_eq(word, p->surnames.items[i]);
	cv_buf_done(&flat);
	return person && words >= 2 && words <= 5;
}

/* ---- the sum ---- */

enum sign {
	SIGN_NO_REPLY, SIGN_SERVICE, SIGN_KNOWN, SIGN_UNSUBSCRIBE, SIGN_LINK, SIGN_CODE,
	SIGN_AUTOMATIC, SIGN_CREDENTIALS, SIGN_COUNT
};
static const struct {
	const char *word;
	unsigned points;
} signs[SIGN_COUNT] = {
	[SIGN_NO_REPLY] = { "no-reply", 15 },
	[SIGN_SERVICE] = { "service-sender", 10 },
	[SIGN_KNOWN] = { "known-service", 20 },
	[SIGN_UNSUBSCRIBE] = { "list-unsubscribe", 15 },
	[SIGN_LINK] = { "token-link", 10 },
	[SIGN_CODE] = { "code", 10 },
	[SIGN_AUTOMATIC] = { "automatic", 10 },
	[SIGN_CREDENTIALS] = { "credentials", 10 },
};

/* "bongsenmiles@bongsenair.example": the sender is the firm itself. */
static bool
is_brand(struct cv_str local, struct cv_str domain)
{
	struct cv_str label;
	while (cv_str_split(&domain, '.', &label))
		if (label.n >= 4 && local.n >= 4 &&
		    (cv_str_isearch(local, cv_str_sub(label, 0, 6)) == 0 ||
		     cv_str_isearch(label, cv_str_sub(local, 0, 6)) == 0))
			return true;
	return false;
}

static void
read_signs(const struct cv_policy *p, const struct cv_signup_facts *f, bool has[SIGN_COUNT])
{
	struct cv_str text = cv_utf8_cut(f->text, CV_POLICY_TEXT_MAX),
		      subject = cv_utf8_cut(f->subject, CV_POLICY_TEXT_MAX);
	has[SIGN_NO_REPLY] = begins_as(&p->no_reply, f->from_local, false);
	has[SIGN_SERVICE] = !has[SIGN_NO_REPLY] &&
		(begins_as(&p->service, f->from_local, true) ||
	         is_brand(f->from_local, f->from_domain));
	has[SIGN_KNOWN] = policy_is_in(&p->services, f->from_domain, true);
	has[SIGN_UNSUBSCRIBE] = f->list_unsubscribe;
	has[SIGN_LINK] = f->token_links > 0;
	has[SIGN_CODE] = has_number_code(text) || has_number_code(subject) ||
		has_mixed_code(text) || has_mixed_code(subject);
	has[SIGN_AUTOMATIC] = f->is_automatic;
}

/* Points of the phrases of CLASS; *PHRASE_OUT is the one to name. */
static unsigned
phrase_points(const struct policy_hits *subject, const struct policy_hits *text, unsigned class,
              const struct policy_phrase **phrase_out)
{
	unsigned strong = GROUP_STRONG + class, medium = GROUP_MEDIUM + class, points = 0;
	if (subject->count[strong]) {
		*phrase_out = subject->seen[strong][0];
		points = 25;
	} else if (text->count[strong]) {
		*phrase_out = text->seen[strong][0];
		points = subject->count[medium] ? 24 : 20;
	} else if (subject->count[medium]) {
		*phrase_out = subject->seen[medium][0];
		points = 15;
	}
	/* Accounts are what this is about; said in several ways is said for certain. */
	if (points && class <= CV_SIGNUP_PASSWORD_RESET)
		points += 5;
	return points + CV_MIN(text->count[strong], 3u) * 2;
}

/* Words of offices and colleagues, replies, many addressees: no service writes so. */
static unsigned
speaks_against(const struct cv_policy *p, const struct cv_signup_facts *f,
               const struct policy_hits *subject, const struct policy_hits *text)
{
	unsigned letters = subject->count[GROUP_LETTER] + text->count[GROUP_LETTER];
	unsigned points = CV_MIN(letters, 3u) * 12;
	points += f->is_reply ? 30 : 0;
	points += f->addressees > 3 ? 25 : f->addressees > 1 ? 10 : 0;
	points += is_person(p, f->from_name) ? 15 : 0;
	return points + (begins_as(&p->office, f->from_local, true) ? 10 : 0);
}

static void
write_detail(struct cv_signup_finding *out, const struct policy_phrase *phrase,
             const bool has[SIGN_COUNT])
{
	int n = snprintf(out->detail, sizeof out->detail, "class=%s phrase=\"%.*s\" signs=",
		class_words[out->class], (int)CV_MIN(phrase->text.n, 60), phrase->text.p);
	const char *comma = "";
	for (size_t i = 0; i < SIGN_COUNT && n > 0 && (size_t)n < sizeof out->detail; i++)
		if (has[i]) {
			n += snprintf(out->detail + n, sizeof out->detail - (size_t)n, "%s%s",
				comma, signs[i].word);
			comma = ",";
		}
}

static void
weigh(const struct cv_policy *p, const struct cv_signup_facts *f,
      const struct policy_hits *subject, const struct policy_hits *text,
      struct cv_signup_finding *out)
{
	const struct policy_phrase *phrase = NULL, *best = NULL;
	bool has[SIGN_COUNT];
	unsigned points = 0, sign_points = 0, against = speaks_against(p, f, subject, text);

	for (unsigned class = 0; class < CV_SIGNUP_CLASSES; class++) {
		unsigned here = phrase_points(subject, text, class, &phrase);
		if (here <= points)
			continue;
		points = here;
		best = phrase;
		out->class = (enum cv_signup_class)class;
	}
	read_signs(p, f, has);
	has[SIGN_CREDENTIALS] = text->count[GROUP_CREDENTIALS] > 0;
	for (size_t i = 0; i < SIGN_COUNT; i++)
		sign_points += has[i] ? signs[i].points : 0;
	/* How services talk to a customer, when nothing more is said. */
	if (!best && (subject->count[GROUP_GENERIC] || text->count[GROUP_GENERIC])) {
		best = subject->count[GROUP_GENERIC] ? subject->seen[GROUP_GENERIC][0]
		                                     : text->seen[GROUP_GENERIC][0];
		points = subject->count[GROUP_GENERIC] ? 10 : 5;
		out->class = CV_SIGNUP_NOTIFICATION;
	}
	if (!best)
		return;
	points += sign_points;
	/* Where nothing reads like a letter, a machine's mail to one address is a service's. */
	if (!against && (has[SIGN_NO_REPLY] || has[SIGN_UNSUBSCRIBE] || has[SIGN_AUTOMATIC]))
		points += MACHINE_POINTS;
	else if (!against && begins_as(&p->service, f->from_local, true))
		points += SERVICE_POINTS;
	/* Tickets and receipts are documents too. */
	against += f->documents && out->class != CV_SIGNUP_ORDER ? DOCUMENT_POINTS : 0;
	out->points = points > against ? points - against : 0;
	out->found = sign_points && out->points >= POINTS_FOUND;
	write_detail(out, best, has);
}

void
cv_policy_signup_find(const struct cv_policy *p, const struct cv_signup_facts *f,
                      struct cv_signup_finding *out)
{
	*out = (struct cv_signup_finding){ 0 };
	/* Services have domains of their own; people write from free mail. */
	if (!f->from_domain.n || cv_policy_is_official(p, f->from_domain) ||
	    cv_policy_is_free_mail(p, f->from_domain))
		return;
	struct cv_buf flat = CV_BUF_INIT(CV_POLICY_TEXT_MAX * 5);
	struct policy_hits *hits = cv_calloc(2, sizeof *hits);
	policy_flatten(f->subject, CV_POLICY_TEXT_MAX, &flat);
	policy_phrases_find(&p->signup, cv_buf_view(&flat), &hits[0]);
	cv_buf_reset(&flat);
	policy_flatten(f->text, CV_POLICY_TEXT_MAX, &flat);
	policy_phrases_find(&p->signup, cv_buf_view(&flat), &hits[1]);
	weigh(p, f, &hits[0], &hits[1], out);
	free(hits);
	cv_buf_done(&flat);
}

void
cv_policy_signup(const struct cv_policy *p, const struct cv_signup_facts *f,
                 struct cv_decision *out)
{
	struct cv_signup_finding found;
	cv_policy_signup_find(p, f, &found);
	policy_decide(out, found.found ? RULE_SIGNUP : RULE_ALLOW, f->from_domain);
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

enum cv_status
cv_policy_allowed_parse(struct cv_str line, struct cv_policy_allowed *out, struct cv_err *err)
{
	struct cv_str rest = cv_str_trim(line), until;
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	*out = (struct cv_policy_allowed){ .until_secs = 0 };
	if (!cv_str_split(&rest, ' ', &out->who) || !cv_str_split(&rest, ' ', &until) ||
	    !cv_str_trim(rest).n)
		return cv_fail(err, CV_INVALID, "a line is 'domain-or-address until-date reason'");
	out->reason = cv_str_trim(rest);
	if (!parse_date(until, &out->until_secs))
		return cv_fail(err, CV_INVALID, "'%.*s' is no date like 2027-06-30",
		               CV_STR_ARGS(until));
	size_t at = cv_str_find(out->who, '@', 0);
	struct cv_str domain = cv_str_sub(out->who, at < out->who.n ? at + 1 : 0, out->who.n);
	enum cv_status status = cv_domain_to_ascii(domain, &ascii, err);
	if (!status && !cv_domain_is_full(domain))
		status = cv_fail(err, CV_INVALID, "'%.*s' is no full domain", CV_STR_ARGS(domain));
	cv_buf_done(&ascii);
	return status;
}

static enum cv_status
parse_allowed(struct cv_policy *p, struct cv_str line, struct policy_allowed *out,
              struct cv_err *err)
{
	struct cv_policy_allowed read;
	enum cv_status status = cv_policy_allowed_parse(line, &read, err);
	if (status)
		return status;
	size_t at = cv_str_find(read.who, '@', 0);
	bool is_address = at < read.who.n;
	struct cv_str domain = cv_str_sub(read.who, is_address ? at + 1 : 0, read.who.n);
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	status = cv_domain_to_ascii(domain, &ascii, err);
	out->until_secs = read.until_secs;
	out->domain = cv_arena_str(&p->arena, cv_buf_view(&ascii));
	out->local = is_address ? cv_arena_str(&p->arena, cv_str_sub(read.who, 0, at))
	                        : CV_STR_EMPTY;
	cv_buf_done(&ascii);
	return status;
}

size_t
cv_policy_signup_expired(const struct cv_policy *p, int64_t now_secs)
{
	size_t count = 0;
	for (size_t i = 0; i < p->allowed_count; i++)
		count += now_secs >= p->allowed[i].until_secs;
	return count;
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
