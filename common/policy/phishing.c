/* phishing.c - mail that wants a password, money or a click (SPM-04), by what its words do
 * together.
 *
 * One group of words says nothing: notices of real offices speak of mailboxes, passwords and dates
 * too. A rule wants a threat or haste, an act, and somewhere to do it that is not the province's. A
 * domain of an office that authentication stands for is believed until its links lead elsewhere:
 * such accounts get stolen.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/domain.h"

#define NEGATION_WORDS 4 /* how far before a phrase a "never" stands */

/* ---- hosts ---- */

static struct cv_str
last_labels(struct cv_str host, unsigned count)
{
	size_t at = host.n;
	while (at) {
		if (host.p[at - 1] == '.' && !--count)
			break;
		at--;
	}
	return cv_str_sub(host, at, host.n);
}

/* The domain one registers, near enough without the list of public suffixes: com.vn and the like
 * have two labels of their own. */
static struct cv_str
site_of(struct cv_str host)
{
	static const char *const second[] = {
		"com", "net", "org", "gov", "edu", "co", "ac", "info"
	};
	struct cv_str two = last_labels(host, 2);
	struct cv_str label = cv_str_sub(two, 0, cv_str_find(two, '.', 0));
	if (two.n == label.n + 3)
		for (size_t i = 0; i < CV_COUNT(second); i++)
			if (cv_str_eq_z(label, second[i]))
				return last_labels(host, 3);
	return two;
}

static bool
has_label(struct cv_str host, struct cv_str label)
{
	struct cv_str part;
	while (cv_str_split(&host, '.', &part))
		if (cv_str_eq(part, label))
			return true;
	return false;
}

/* Names that hosts of log-in pages have. */
static bool
is_login_host(struct cv_str host)
{
	static const char *const words[] = { "login", "signin", "sign-in", "webmail", "secure",
		"verify", "verification", "account", "owa", "mailbox", "mail-", "-mail", "update",
		"xacminh", "xacthuc", "dangnhap", "office365", "o365", "helpdesk", "weebly",
		"wixsite", "forms", "formspree", "web.app", "pages.dev", "000webhost", "glitch",
		"workers.dev", "herokuapp", "ipfs", "firebaseapp", "netlify", "vercel", "r2.dev",
		"jotform", "typeform" };
	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_isearch(host, cv_str_z(words[i])) < host.n)
			return true;
	return false;
}

/* A host that has the name of an official domain in it and is none. */
static bool
borrows_name(const struct cv_policy *p, struct cv_str host)
{
	for (size_t i = 0; i < p->suffixes.n; i++) {
		struct cv_str suffix = p->suffixes.items[i];
		struct cv_str label = cv_str_sub(suffix, 0, cv_str_find(suffix, '.', 0));
		if (label.n >= 5 && cv_str_isearch(host, label) < host.n)
			return true;
	}
	return false;
}

struct links {
	unsigned off;      /* not official */
	unsigned strange;  /* not official, nor the sender's own */
	unsigned login;    /* not official, named like a log-in page */
	unsigned borrowed; /* not official, with our name in it */
};

static void
read_links(const struct cv_policy *p, const struct cv_phishing_facts *f, struct links *out)
{
	*out = (struct links){ 0 };
	for (size_t i = 0; i < f->link_count; i++) {
		struct cv_str host = f->link_hosts[i];
		if (!host.n || cv_policy_is_official(p, host))
			continue;
		out->off++;
		out->strange += !f->from_domain.n ||
			!cv_str_ieq(site_of(host), site_of(f->from_domain));
		out->login += is_login_host(host);
		out->borrowed += borrows_name(p, host);
	}
}

/* ---- words ---- */

struct reader {
	struct cv_str flat;
	struct policy_hits *hits;
};

/* The word that ends before AT, which a blank parts from it. */
static struct cv_str
word_before(struct cv_str flat, size_t at)
{
	size_t end = at ? at - 1 : 0, start = end;
	while (start && flat.p[start - 1] != ' ')
		start--;
	return cv_str_sub(flat, start, end);
}

/* "khong", unless it is "neu khong": or else. Folded, "dung" is too many words to count but right
 * before ("đừng bấm"). */
static bool
is_negated(struct cv_str flat, size_t at)
{
	static const char *const words[] = { "khong", "never", "not", "chang" };
	size_t here = at;
	for (unsigned count = 0; here > 1 && count < NEGATION_WORDS; count++) {
		struct cv_str word = word_before(flat, here);
		here = (size_t)(word.p - flat.p);
		if (!count && cv_str_eq_z(word, "dung"))
			return true;
		for (size_t i = 0; i < CV_COUNT(words); i++)
			if (cv_str_eq_z(word, words[i]))
				return !here || !cv_str_eq_z(word_before(flat, here), "neu");
	}
	return false;
}

/* What is asked for counts unless it is warned of. */
static void
note_phrase(void *arg, const struct policy_phrase *phrase, size_t at)
{
	struct reader *r = arg;
	unsigned g = phrase->group, n = r->hits->count[g];
	if ((g == GROUP_SECRET || g == GROUP_PERSONAL || g == GROUP_ACT) &&
	    is_negated(r->flat, at))
		return;
	if (g == GROUP_WARN && cv_str_eq_z(word_before(r->flat, at), "neu"))
		return;
	for (unsigned i = 0; i < n; i++)
		if (r->hits->seen[g][i] == phrase)
			return;
	if (n < POLICY_HITS_MAX)
		r->hits->seen[g][r->hits->count[g]++] = phrase;
}

static void
read_words(const struct cv_policy *p, struct cv_str text, struct policy_hits *hits)
{
	struct cv_buf flat = CV_BUF_INIT(CV_POLICY_TEXT_MAX * 5);
	policy_flatten(text, CV_POLICY_TEXT_MAX, &flat);
	struct reader r = { cv_buf_view(&flat), hits };
	policy_phrases_each(&p->phishing, r.flat, note_phrase, &r);
	cv_buf_done(&flat);
}

/* ---- rules ---- */

struct view {
	const struct cv_policy *p;
	const struct cv_phishing_facts *f;
	const struct policy_hits *h;
	struct links links;
	bool is_official; /* and vouched for, or ours */
	bool is_free_mail;
	bool answers_elsewhere;
	bool has_place;   /* somewhere else to do it: a link, a form, an answer */
	bool is_pressing; /* a threat or haste */
	bool is_warning;  /* it warns of just that */
	struct cv_phishing_finding *out;
};

static void
found(struct view *v, enum cv_phish rule, enum policy_phish_group a, enum policy_phish_group b)
{
	const struct policy_phrase *one = v->h->count[a] ? v->h->seen[a][0] : NULL;
	const struct policy_phrase *two = v->h->count[b] ? v->h->seen[b][0] : NULL;
	v->out->found[rule] = true;
	snprintf(v->out->detail[rule], sizeof v->out->detail[rule],
		"phrases=\"%.*s\",\"%.*s\" links-off=%u", one ? (int)CV_MIN(one->text.n, 45) : 0,
		one ? one->text.p : "", two ? (int)CV_MIN(two->text.n, 45) : 0,
		two ? two->text.p : "", v->links.off);
}

static void
rule_mailbox(struct view *v)
{
	const unsigned *n = v->h->count;
	bool wants = n[GROUP_ACT] || n[GROUP_SECRET];
	if (n[GROUP_MAILBOX] && n[GROUP_THREAT] && wants && v->has_place && !v->is_warning)
		found(v, CV_PHISH_MAILBOX, GROUP_THREAT, n[GROUP_ACT] ? GROUP_ACT : GROUP_SECRET);
}

static void
rule_it(struct view *v)
{
	const unsigned *n = v->h->count;
	bool wants = n[GROUP_ACT] || n[GROUP_SECRET];
	if (!v->f->is_ours && n[GROUP_IT] && n[GROUP_MAILBOX] && wants && v->is_pressing &&
	    v->has_place && !v->is_warning)
		found(v, CV_PHISH_IT, GROUP_IT, n[GROUP_ACT] ? GROUP_ACT : GROUP_SECRET);
}

static void
rule_tax(struct view *v)
{
	const unsigned *n = v->h->count;
	bool asks = n[GROUP_SECRET] || n[GROUP_PERSONAL];
	if (!v->is_official && n[GROUP_TAX] && (n[GROUP_ACT] || asks) && (v->is_pressing || asks) &&
	    (v->links.off || v->f->has_form || v->answers_elsewhere || v->is_free_mail) &&
	    !v->is_warning)
		found(v, CV_PHISH_TAX, GROUP_TAX, n[GROUP_ACT] ? GROUP_ACT : GROUP_PERSONAL);
}

/* A brand is named that the sender's domain is not of. */
static bool
is_other_brand(const struct view *v, enum policy_phish_group group)
{
	bool any = false;
	for (unsigned i = 0; i < v->h->count[group]; i++) {
		struct cv_str brand = v->h->seen[group][i]->text;
		if (cv_str_find(brand, ' ', 0) < brand.n)
			continue;
		if (has_label(v->f->from_domain, brand))
			return false;
		any = true;
	}
	return any;
}

static void
rule_claims(struct view *v)
{
	static const struct {
		enum cv_phish rule;
		enum policy_phish_group group;
	} claims[] = {
		{ CV_PHISH_BANK, GROUP_BANK },
		{ CV_PHISH_COURIER, GROUP_COURIER },
		{ CV_PHISH_INVOICE, GROUP_INVOICE },
	};
	const unsigned *n = v->h->count;
	for (size_t i = 0; i < CV_COUNT(claims); i++) {
		enum policy_phish_group g = claims[i].group;
		bool asks = n[GROUP_SECRET] || n[GROUP_PERSONAL];
		bool elsewhere = v->links.strange || v->f->has_form || v->answers_elsewhere ||
			v->links.login || (v->links.off && is_other_brand(v, g));
		if (!v->is_official && n[g] && n[GROUP_ACT] && (v->is_pressing || asks) &&
		    (elsewhere || (asks && v->has_place)) && !v->is_warning)
			found(v, claims[i].rule, g, GROUP_ACT);
	}
}

static void
rule_login_link(struct view *v)
{
	const unsigned *n = v->h->count;
	bool of_login = n[GROUP_ACT] || n[GROUP_SECRET];
	if (v->is_warning || !of_login)
		return;
	if (v->links.borrowed && (n[GROUP_MAILBOX] || n[GROUP_IT] || v->is_pressing))
		found(v, CV_PHISH_LOGIN_LINK, GROUP_MAILBOX, GROUP_ACT);
	else if (v->links.login && n[GROUP_MAILBOX] && (n[GROUP_THREAT] || n[GROUP_SECRET]))
		found(v, CV_PHISH_LOGIN_LINK, GROUP_MAILBOX, GROUP_ACT);
}

static void
rule_ask(struct view *v)
{
	const unsigned *n = v->h->count;
	bool by_stranger = !v->is_official && !v->f->is_ours;
	if (v->is_warning || (v->f->is_ours && !v->has_place))
		return;
	bool to_stranger = v->links.off || v->f->has_form || v->answers_elsewhere ||
		(by_stranger && (v->is_free_mail || n[GROUP_ACT]));
	if (n[GROUP_SECRET] && to_stranger && (v->is_pressing || n[GROUP_MAILBOX]))
		found(v, CV_PHISH_ASK, GROUP_SECRET, GROUP_ACT);
	else if (n[GROUP_PERSONAL] && by_stranger && v->is_pressing && n[GROUP_ACT] &&
	         (v->links.off || v->is_free_mail || v->answers_elsewhere))
		found(v, CV_PHISH_ASK, GROUP_PERSONAL, GROUP_ACT);
}

void
cv_policy_phishing_find(const struct cv_policy *p, const struct cv_phishing_facts *f,
                        struct cv_phishing_finding *out)
{
	struct policy_hits *hits = cv_calloc(1, sizeof *hits);
	*out = (struct cv_phishing_finding){ 0 };
	read_words(p, f->from_name, hits);
	read_words(p, f->subject, hits);
	read_words(p, f->text, hits);
	const unsigned *n = hits->count;
	struct view v = { .p = p, .f = f, .h = hits, .out = out };
	read_links(p, f, &v.links);
	v.is_official = f->is_ours || (f->is_vouched && cv_policy_is_official(p, f->from_domain));
	v.is_free_mail = cv_policy_is_free_mail(p, f->from_domain);
	v.answers_elsewhere = f->reply_domain.n && f->from_domain.n &&
		!cv_str_ieq(site_of(f->reply_domain), site_of(f->from_domain));
	v.has_place = v.links.off || f->has_form || v.answers_elsewhere ||
		(n[GROUP_SECRET] && !v.is_official);
	v.is_pressing = n[GROUP_THREAT] || n[GROUP_URGENT];
	/* Who warns twice and asks for nothing tells people of such mail. Offices tell what is
	 * asked for, too: believed while no link looks like a place to do it. */
	bool tells = v.is_official && !v.links.login && !v.links.borrowed;
	v.is_warning = n[GROUP_WARN] >= 2 && (!n[GROUP_SECRET] || tells) && !f->has_form;
	rule_mailbox(&v);
	rule_it(&v);
	rule_tax(&v);
	rule_claims(&v);
	rule_login_link(&v);
	rule_ask(&v);
	if (n[GROUP_THREAT] && n[GROUP_URGENT] && n[GROUP_ACT] && v.links.off && !v.is_warning)
		found(&v, CV_PHISH_URGENCY, GROUP_THREAT, GROUP_URGENT);
	out->bulk_words = n[GROUP_BULK];
	free(hits);
}
