/* signup.c - mail of public services at registration (POL-02), and the allow-list (POL-03).
 *
 * Signs, each with its points from data: phrases, a sender nobody answers or named as its domain,
 * an unsubscribe field, a link with a token, a code, a footer; and against it words of official
 * letters, replies, many addressees, names of persons and offices. Official senders never count.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

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

/* ---- signs ---- */

enum sign {
	SIGN_BASE, SIGN_SUBJECT_STRONG, SIGN_TEXT_STRONG, SIGN_TEXT_STRONGER, SIGN_SUBJECT_WORD,
	SIGN_SUBJECT_WORDS, SIGN_TEXT_WORDS, SIGN_ACCOUNT, SIGN_CLASSES, SIGN_SUBJECT_CUSTOMER,
	SIGN_TEXT_CUSTOMER, SIGN_TEXT_CUSTOMERS, SIGN_ACTION, SIGN_FOOTER, SIGN_FOOTERS,
	SIGN_CREDENTIALS, SIGN_NO_REPLY, SIGN_SERVICE, SIGN_KNOWN, SIGN_BRAND, SIGN_BRAND_NAME,
	SIGN_UNSUBSCRIBE, SIGN_LINK, SIGN_CODE, SIGN_CODE_ALONE, SIGN_AUTOMATIC, SIGN_BULK_MAILER,
	SIGN_GREETED, SIGN_EXCITED, SIGN_REPLY, SIGN_SEVERAL, SIGN_MANY, SIGN_PERSON, SIGN_OFFICE,
	SIGN_ORGANIZATION, SIGN_DOCUMENTS, SIGN_LETTER_SUBJECT, SIGN_LETTER, SIGN_LETTERS,
	SIGN_LETTERS_MANY,
	SIGN_COUNT
};
_Static_assert(SIGN_COUNT == CV_SIGNUP_SIGNS && SIGN_COUNT <= 64, "a bit a sign");
static const char *const sign_words[SIGN_COUNT] = {
	[SIGN_BASE] = "base",
	[SIGN_SUBJECT_STRONG] = "subject-phrase",
	[SIGN_TEXT_STRONG] = "phrase",
	[SIGN_TEXT_STRONGER] = "phrases",
	[SIGN_SUBJECT_WORD] = "subject-word",
	[SIGN_SUBJECT_WORDS] = "subject-words",
	[SIGN_TEXT_WORDS] = "words",
	[SIGN_ACCOUNT] = "account",
	[SIGN_CLASSES] = "classes",
	[SIGN_SUBJECT_CUSTOMER] = "subject-customer",
	[SIGN_TEXT_CUSTOMER] = "customer",
	[SIGN_TEXT_CUSTOMERS] = "customer-more",
	[SIGN_ACTION] = "action",
	[SIGN_FOOTER] = "footer",
	[SIGN_FOOTERS] = "footer-more",
	[SIGN_CREDENTIALS] = "credentials",
	[SIGN_NO_REPLY] = "no-reply",
	[SIGN_SERVICE] = "service-sender",
	[SIGN_KNOWN] = "known-service",
	[SIGN_BRAND] = "brand-sender",
	[SIGN_BRAND_NAME] = "brand-name",
	[SIGN_UNSUBSCRIBE] = "list-unsubscribe",
	[SIGN_LINK] = "token-link",
	[SIGN_CODE] = "code",
	[SIGN_CODE_ALONE] = "code-alone",
	[SIGN_AUTOMATIC] = "automatic",
	[SIGN_BULK_MAILER] = "bulk-mailer",
	[SIGN_GREETED] = "account-name",
	[SIGN_EXCITED] = "excited",
	[SIGN_REPLY] = "reply",
	[SIGN_SEVERAL] = "several",
	[SIGN_MANY] = "many",
	[SIGN_PERSON] = "person",
	[SIGN_OFFICE] = "office",
	[SIGN_ORGANIZATION] = "organization",
	[SIGN_DOCUMENTS] = "documents",
	[SIGN_LETTER_SUBJECT] = "letter-subject",
	[SIGN_LETTER] = "letter",
	[SIGN_LETTERS] = "letter-more",
	[SIGN_LETTERS_MANY] = "letter-much",
};
/* Without one of these nothing is said, and without one that stands outside of words neither. */
#define BIT(sign) ((uint64_t)1 << (sign))
#define SAYING                                                                                     \
	(BIT(SIGN_SUBJECT_STRONG) | BIT(SIGN_TEXT_STRONG) |                                        \
	 BIT(SIGN_SUBJECT_CUSTOMER) | BIT(SIGN_TEXT_CUSTOMER) | BIT(SIGN_ACTION) | BIT(SIGN_FOOTER))
#define OUTER                                                                                      \
	(BIT(SIGN_CREDENTIALS) | BIT(SIGN_NO_REPLY) | BIT(SIGN_SERVICE) | BIT(SIGN_KNOWN) |        \
	 BIT(SIGN_BRAND) | BIT(SIGN_BRAND_NAME) | BIT(SIGN_UNSUBSCRIBE) | BIT(SIGN_LINK) |         \
	 BIT(SIGN_CODE) | BIT(SIGN_CODE_ALONE) | BIT(SIGN_AUTOMATIC) | BIT(SIGN_BULK_MAILER) |     \
	 BIT(SIGN_FOOTER))

const char *
cv_signup_sign_word(unsigned i)
{
	return sign_words[i];
}

unsigned
policy_signup_sign(struct cv_str word)
{
	unsigned i = 0;
	while (i < SIGN_COUNT && !cv_str_eq_z(word, sign_words[i]))
		i++;
	return i;
}

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

/* "Bong Sen Air", mail.bongsenair.example: FLAT without blanks and a label have 4 letters and most
 * of the shorter one in common, from some word of the name on. */
static bool
is_brand_name(struct cv_str flat, struct cv_str domain)
{
	struct cv_buf bare = CV_BUF_INIT(200);
	struct cv_str label, words = cv_str_trim(flat), word;
	bool found = false;
	while (!found && words.n) {
		struct cv_str rest = words, labels = domain;
		cv_buf_reset(&bare);
		while (cv_str_split(&rest, ' ', &word))
			cv_buf_str(&bare, cv_str_sub(word, 0, 40));
		struct cv_str name = cv_buf_view(&bare);
		while (!found && cv_str_split(&labels, '.', &label)) {
			size_t n = 0;
			while (n < label.n && n < name.n && label.p[n] == name.p[n])
				n++;
			found = n >= 4 && (n == label.n || n == name.n || n >= 6);
		}
		(void)cv_str_split(&words, ' ', &word);
	}
	cv_buf_done(&bare);
	return found;
}

/* The name begins as those of offices and firms do. */
static bool
is_organization(const struct cv_policy *p, struct cv_str shown)
{
	struct cv_buf low = CV_BUF_INIT(1000);
	bool found = false;
	policy_lower(cv_utf8_cut(shown, 200), &low);
	struct cv_str name = cv_buf_view(&low);
	for (size_t i = 0; !found && i < p->organizations.n; i++) {
		size_t n = p->organizations.items[i].n;
		found = cv_str_has_prefix(name, p->organizations.items[i].p) && n < name.n &&
			name.p[n] == ' ';
	}
	cv_buf_done(&low);
	return found;
}

/* A line that is a code and nothing more. */
static bool
has_code_line(struct cv_str text)
{
	struct cv_str line;
	while (cv_str_split(&text, '\n', &line)) {
		size_t digits = 0, others = 0;
		line = cv_str_trim(line);
		for (size_t i = 0; i < line.n && others == 0; i++) {
			digits += cv_is_digit((unsigned char)line.p[i]);
			others += !cv_is_digit((unsigned char)line.p[i]) && line.p[i] != ' ' &&
				line.p[i] != '-';
		}
		if (digits >= 4 && digits <= 8 && !others)
			return true;
	}
	return false;
}

static unsigned
count_groups(const struct policy_hits *hits, unsigned first, unsigned *classes)
{
	unsigned count = 0;
	for (unsigned i = 0; i < CV_SIGNUP_CLASSES; i++) {
		count += hits->count[first + i];
		*classes |= (unsigned)!!hits->count[first + i] << i;
	}
	return count;
}

static void
set(struct cv_signup_finding *out, enum sign sign, bool has)
{
	out->signs |= has ? BIT(sign) : 0;
}

static void
read_words(const struct policy_hits *subject, const struct policy_hits *text,
           struct cv_signup_finding *out)
{
	unsigned classes = 0, weak = 0;
	unsigned subject_strong = count_groups(subject, GROUP_STRONG, &classes),
		 text_strong = count_groups(text, GROUP_STRONG, &classes),
		 subject_words = count_groups(subject, GROUP_MEDIUM, &weak),
		 text_words = count_groups(text, GROUP_MEDIUM, &weak),
		 letters = subject->count[GROUP_LETTER] + text->count[GROUP_LETTER];
	set(out, SIGN_SUBJECT_STRONG, subject_strong);
	set(out, SIGN_TEXT_STRONG, text_strong);
	set(out, SIGN_TEXT_STRONGER, text_strong > 2);
	set(out, SIGN_SUBJECT_WORD, subject_words);
	set(out, SIGN_SUBJECT_WORDS, subject_words > 1);
	set(out, SIGN_TEXT_WORDS, text_words > 2);
	set(out, SIGN_ACCOUNT, classes & ((2u << CV_SIGNUP_PASSWORD_RESET) - 1));
	set(out, SIGN_CLASSES, classes & (classes - 1));
	set(out, SIGN_SUBJECT_CUSTOMER, subject->count[GROUP_GENERIC]);
	set(out, SIGN_TEXT_CUSTOMER, text->count[GROUP_GENERIC]);
	set(out, SIGN_TEXT_CUSTOMERS, text->count[GROUP_GENERIC] > 1);
	set(out, SIGN_ACTION, subject->count[GROUP_ACTION] || text->count[GROUP_ACTION]);
	set(out, SIGN_FOOTER, text->count[GROUP_FOOTER]);
	set(out, SIGN_FOOTERS, text->count[GROUP_FOOTER] > 1);
	set(out, SIGN_CREDENTIALS, text->count[GROUP_CREDENTIALS]);
	set(out, SIGN_LETTER_SUBJECT, subject->count[GROUP_LETTER]);
	set(out, SIGN_LETTER, letters);
	set(out, SIGN_LETTERS, letters > 1);
	set(out, SIGN_LETTERS_MANY, letters > 2);
}

static void
read_sender(const struct cv_policy *p, const struct cv_signup_facts *f,
            struct cv_signup_finding *out)
{
	struct cv_buf name = CV_BUF_INIT(600);
	bool is_no_reply = begins_as(&p->no_reply, f->from_local, false);
	policy_flatten(f->from_name, 120, &name);
	set(out, SIGN_NO_REPLY, is_no_reply);
	set(out, SIGN_SERVICE, !is_no_reply && begins_as(&p->service, f->from_local, true));
	set(out, SIGN_KNOWN, policy_is_in(&p->services, f->from_domain, true));
	set(out, SIGN_BRAND, is_brand(f->from_local, f->from_domain));
	set(out, SIGN_BRAND_NAME, is_brand_name(cv_buf_view(&name), f->from_domain));
	set(out, SIGN_PERSON, is_person(p, f->from_name));
	set(out, SIGN_OFFICE, begins_as(&p->office, f->from_local, true));
	set(out, SIGN_ORGANIZATION, is_organization(p, f->from_name));
	cv_buf_done(&name);
}

static void
read_signs(const struct cv_policy *p, const struct cv_signup_facts *f,
           const struct policy_hits *subject_hits, const struct policy_hits *text_hits,
           struct cv_str flat, struct cv_signup_finding *out)
{
	struct cv_str text = cv_utf8_cut(f->text, CV_POLICY_TEXT_MAX),
		      subject = cv_utf8_cut(f->subject, CV_POLICY_TEXT_MAX);
	set(out, SIGN_BASE, true);
	read_words(subject_hits, text_hits, out);
	read_sender(p, f, out);
	set(out, SIGN_UNSUBSCRIBE, f->list_unsubscribe);
	set(out, SIGN_LINK, f->token_links);
	set(out, SIGN_CODE, has_number_code(text) || has_number_code(subject) ||
		has_mixed_code(text) || has_mixed_code(subject));
	set(out, SIGN_CODE_ALONE, has_code_line(text) || has_code_line(subject));
	set(out, SIGN_AUTOMATIC, f->is_automatic);
	set(out, SIGN_BULK_MAILER, f->is_bulk_mailer);
	struct cv_buf name = CV_BUF_INIT(600);
	policy_flatten(f->to_local, 64, &name);
	set(out, SIGN_GREETED, name.n > 5 && cv_str_search(flat, cv_buf_view(&name)) < flat.n);
	cv_buf_done(&name);
	set(out, SIGN_EXCITED, cv_str_find(subject, '!', 0) < subject.n ||
		cv_str_search(subject, CV_STR("\xf0\x9f")) < subject.n);
	set(out, SIGN_REPLY, f->is_reply);
	set(out, SIGN_SEVERAL, f->addressees > 1);
	set(out, SIGN_MANY, f->addressees > 3);
	set(out, SIGN_DOCUMENTS, f->documents);
}

/* ---- the sum ---- */

/* Points of the phrases of CLASS; *PHRASE_OUT is the one to name. */
static unsigned
phrase_points(const struct policy_hits *subject, const struct policy_hits *text, unsigned class,
              const struct policy_phrase **phrase_out)
{
	unsigned strong = GROUP_STRONG + class, medium = GROUP_MEDIUM + class, points = 0;
	if (subject->count[strong]) {
		*phrase_out = subject->seen[strong][0];
		points = 30;
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

static void
write_detail(struct cv_signup_finding *out, const struct policy_phrase *phrase)
{
	int n = snprintf(out->detail, sizeof out->detail, "class=%s phrase=\"%.*s\" signs=",
		class_words[out->class], (int)CV_MIN(phrase->text.n, 60), phrase->text.p);
	const char *comma = "";
	for (size_t i = 0; i < SIGN_COUNT; i++) {
		size_t used = (size_t)CV_MAX(n, 0);
		/* Whole words only: the detail is short. */
		if (!(out->signs & OUTER & BIT(i)) ||
		    used + strlen(sign_words[i]) + 2 > sizeof out->detail)
			continue;
		n += snprintf(out->detail + used, sizeof out->detail - used, "%s%s", comma,
			sign_words[i]);
		comma = ",";
	}
}

/* The phrase to name: of the class that says most, else how services talk to a customer. */
static const struct policy_phrase *
choose_class(const struct policy_hits *subject, const struct policy_hits *text,
             struct cv_signup_finding *out)
{
	static const unsigned weak[] = { GROUP_FOOTER, GROUP_ACTION, GROUP_GENERIC };
	const struct policy_phrase *phrase = NULL, *best = NULL;
	unsigned points = 0;
	for (unsigned class = 0; class < CV_SIGNUP_CLASSES; class++) {
		unsigned here = phrase_points(subject, text, class, &phrase);
		if (here <= points)
			continue;
		points = here;
		best = phrase;
		out->class = (enum cv_signup_class)class;
	}
	if (best)
		return best;
	out->class = CV_SIGNUP_NOTIFICATION;
	for (size_t i = 0; !best && i < CV_COUNT(weak); i++)
		best = subject->count[weak[i]] ? subject->seen[weak[i]][0]
			: text->count[weak[i]] ? text->seen[weak[i]][0] : NULL;
	return best;
}

static void
weigh(const struct cv_policy *p, const struct policy_hits *subject,
      const struct policy_hits *text, struct cv_signup_finding *out)
{
	const struct policy_phrase *phrase = choose_class(subject, text, out);
	/* Tickets and receipts are documents too. */
	if (out->class == CV_SIGNUP_ORDER)
		out->signs &= ~BIT(SIGN_DOCUMENTS);
	for (size_t i = 0; i < SIGN_COUNT; i++)
		out->points += out->signs & BIT(i) ? p->signup_weights[i] : 0;
	out->found = phrase && (out->signs & SAYING) && (out->signs & OUTER) && out->points >= 0;
	if (phrase)
		write_detail(out, phrase);
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
	read_signs(p, f, &hits[0], &hits[1], cv_buf_view(&flat), out);
	weigh(p, &hits[0], &hits[1], out);
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
