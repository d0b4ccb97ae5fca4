/* dmarc.c - see dmarc.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/dmarc.h"

#include <libpsl.h>

#include "common/text/domain.h"

#define NAMES_MAX 64u /* asked for in one check */

struct spam_dmarc {
	psl_ctx_t *suffixes; /* NULL: only equal domains are of one organisation */
};

struct spam_dmarc *
spam_dmarc_new(void)
{
	struct spam_dmarc *d = cv_calloc(1, sizeof *d);

	d->suffixes = psl_latest(NULL);
	return d;
}

void
spam_dmarc_free(struct spam_dmarc *d)
{
	if (!d)
		return;
	psl_free(d->suffixes);
	free(d);
}

const char *
spam_dmarc_word(enum spam_dmarc_result result)
{
	static const char *const words[] = {"none", "pass", "fail", "temperror", "permerror"};

	return words[result];
}

const char *
spam_dmarc_tag_word(enum spam_dmarc_tag tag)
{
	static const char *const words[] = {"p", "sp", "np"};

	return words[tag];
}

enum spam_dmarc_method
spam_dmarc_method_named(const char *word)
{
	return !strcmp(word, "public-suffix") ? SPAM_DMARC_PUBLIC_SUFFIX : SPAM_DMARC_TREE_WALK;
}

void
spam_dmarc_organisation(const struct spam_dmarc *d, const char *domain, char out[256])
{
	const char *found = d->suffixes ? psl_registrable_domain(d->suffixes, domain) : NULL;

	snprintf(out, 256, "%s", found ? found : domain);
}

/* ---- one name ---- */

enum found { FOUND, ABSENT, SEVERAL, FAILED };

/* What stood at a name, remembered for the rest of the check. */
struct stop {
	char domain[256];
	enum found found;
	struct spam_dmarc_record record;
};

struct check {
	struct spam_dmarc *d;
	struct spam_lookups *dns;
	enum spam_dmarc_method method;
	struct stop *stops[NAMES_MAX];
	size_t stop_count;
	unsigned lookups, lookups_max;
	bool is_over_limit;
	bool is_unsure;       /* the author's organisation: its walk had a failure */
	struct cv_buf *trace; /* or NULL */
};

static void
check_done(struct check *c)
{
	for (size_t i = 0; i < c->stop_count; i++)
		free(c->stops[i]);
}

/* Several records are none at all (4.10 step 2). */
static void
ask_dns(struct check *c, struct stop *stop)
{
	struct spam_dmarc_record record;
	char name[256 + 8];
	unsigned count = 0;

	stop->found = ABSENT;
	if ((size_t)snprintf(name, sizeof name, "_dmarc.%s", stop->domain) > CV_DOMAIN_NAME_MAX)
		return;
	if (c->lookups == c->lookups_max) {
		c->is_over_limit = true;
		stop->found = FAILED;
		return;
	}
	c->lookups++;
	struct spam_answer *answer = spam_ask(c->dns, name, CV_DNS_TXT);
	const struct cv_dns_answer *a = answer->dns;
	if (a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS)
		stop->found = FAILED;
	for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count; i++)
		if (spam_dmarc_record_parse(a->records[i].rdata, &record) && !count++)
			stop->record = record;
	if (count)
		stop->found = count == 1 ? FOUND : SEVERAL;
	if (c->trace)
		cv_buf_printf(c->trace, "%s: %s\n", name,
			stop->found == FOUND     ? "record"
			: stop->found == ABSENT  ? "no record"
			: stop->found == SEVERAL ? "several records: none counts"
						 : "cannot be looked up");
	spam_answer_free(answer);
}

/* Valid until check_done(). */
static const struct stop *
look_up(struct check *c, const char *domain)
{
	static const struct stop failed = {.found = FAILED};

	for (size_t i = 0; i < c->stop_count; i++)
		if (!strcmp(c->stops[i]->domain, domain))
			return c->stops[i];
	if (c->stop_count == NAMES_MAX) {
		c->is_over_limit = true;
		return &failed;
	}
	struct stop *stop = cv_calloc(1, sizeof *stop);
	snprintf(stop->domain, sizeof stop->domain, "%s", domain);
	ask_dns(c, stop);
	c->stops[c->stop_count++] = stop;
	return stop;
}

/* ---- the walk (4.10) ---- */

static size_t
count_labels(const char *domain)
{
	size_t n = 1;

	for (; *domain; domain++)
		n += *domain == '.';
	return n;
}

/* NULL behind the last label. */
static const char *
parent_of(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return dot && dot[1] ? dot + 1 : NULL;
}

struct walk {
	const struct stop *stops[SPAM_DMARC_WALK_MAX]; /* that had a record, longest name first */
	size_t count;
	bool failed;              /* some name could not be looked up, so the rest may be wrong */
	const struct stop *first; /* at the domain itself, whatever it had */
};

/* Step by step up from DOMAIN: itself, then at most seven labels. The walk is the same for policy
 * and for alignment, with the domain itself as its start. */
static void
walk_up(struct check *c, const char *domain, struct walk *w)
{
	const char *at = domain;
	bool failed = false;

	*w = (struct walk){0};
	for (unsigned i = 0; at && i < SPAM_DMARC_WALK_MAX; i++) {
		const struct stop *stop = look_up(c, at);
		if (!i)
			w->first = stop;
		/* The top may fail alone: a registry's record tells nothing that would change what
		 * a record below it says, and an isolated network cannot ask it. */
		if (stop->found == FAILED && (parent_of(at) || !w->count))
			failed = true;
		if (stop->found == FOUND) {
			w->stops[w->count++] = stop;
			if (stop->record.psd != SPAM_DMARC_PSD_U)
				break;
		}
		at = parent_of(at);
		while (!i && at && count_labels(at) > SPAM_DMARC_WALK_MAX - 1)
			at = parent_of(at);
	}
	w->failed = failed;
}

/* The part of DOMAIN that has one label more than SUFFIX. */
static const char *
one_label_below(const char *domain, const char *suffix)
{
	const char *at = domain + strlen(domain) - strlen(suffix);

	if (at - domain < 2)
		return domain;
	for (at -= 2; at > domain && *at != '.'; at--)
		;
	return *at == '.' ? at + 1 : at;
}

/* 4.10.2, the three rules. OUT may be DOMAIN itself. */
static void
organisation_of_walk(const struct walk *w, const char *domain, char out[256])
{
	const char *found = w->count ? w->stops[w->count - 1]->domain : domain;

	for (size_t i = 0; i < w->count; i++) {
		const struct stop *stop = w->stops[i];
		if (stop->record.psd == SPAM_DMARC_PSD_N) {
			found = stop->domain;
			break;
		}
		if (stop->record.psd == SPAM_DMARC_PSD_Y && strcmp(stop->domain, domain)) {
			found = one_label_below(domain, stop->domain);
			break;
		}
	}
	snprintf(out, 256, "%s", found);
}

/* ---- which record applies (4.10.1) ---- */

static const struct stop *
in_walk(const struct walk *w, const char *domain)
{
	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->stops[i]->domain, domain))
			return w->stops[i];
	return NULL;
}

/* The author's domain, its organisation, the public suffix: the first of them with a record. */
static const struct stop *
record_by_walk(const struct walk *w, const char *domain, const char *organisation)
{
	const struct stop *found = in_walk(w, domain);

	if (!found)
		found = in_walk(w, organisation);
	if (!found && w->count && w->stops[w->count - 1]->record.psd == SPAM_DMARC_PSD_Y)
		found = w->stops[w->count - 1];
	return found;
}

/* RFC 7489 6.6.3. */
static const struct stop *
record_by_suffix(struct check *c, const char *domain, const char *organisation, struct walk *w)
{
	const struct stop *found = look_up(c, domain);

	*w = (struct walk){.first = found, .failed = found->found == FAILED};
	if (found->found != FOUND && strcmp(domain, organisation)) {
		found = look_up(c, organisation);
		w->failed |= found->found == FAILED;
	}
	return found->found == FOUND ? found : NULL;
}

/* A name for which DNS says NXDOMAIN (3.2.13). */
static bool
is_missing(struct check *c, const char *domain, bool *failed_out)
{
	if (c->lookups == c->lookups_max) {
		*failed_out = c->is_over_limit = true;
		return false;
	}
	c->lookups++;
	struct spam_answer *answer = spam_ask(c->dns, domain, CV_DNS_A);
	const struct cv_dns_answer *a = answer->dns;
	bool is_missing = a->state == CV_DNS_NXDOMAIN;
	*failed_out = a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS;
	if (c->trace)
		cv_buf_printf(c->trace, "%s: %s\n", domain,
			is_missing    ? "does not exist"
			: *failed_out ? "cannot be looked up"
				      : "exists");
	spam_answer_free(answer);
	return is_missing;
}

/* p, sp or np (4.7); false when DNS did not tell which. */
static bool
pick_policy(struct check *c, const char *domain, struct spam_dmarc_answer *out)
{
	const struct spam_dmarc_record *r = &out->record;
	bool failed = false;

	out->tag = SPAM_DMARC_TAG_P;
	if (strcmp(out->record_domain, domain)) {
		out->tag = r->has_sp ? SPAM_DMARC_TAG_SP : SPAM_DMARC_TAG_P;
		if (c->method == SPAM_DMARC_TREE_WALK && r->np != r->sp &&
			is_missing(c, domain, &failed))
			out->tag = SPAM_DMARC_TAG_NP;
	}
	out->policy = out->tag == SPAM_DMARC_TAG_P    ? r->p
		      : out->tag == SPAM_DMARC_TAG_SP ? r->sp
						      : r->np;
	return !failed;
}

/* t=y is one step softer; so is what pct= of RFC 7489 6.6.4 spares. */
static void
soften(struct check *c, unsigned draw, struct spam_dmarc_answer *out)
{
	out->wanted = out->policy;
	if (c->method == SPAM_DMARC_PUBLIC_SUFFIX)
		out->is_sampled_out = out->wanted && draw >= out->record.percent;
	bool is_softer =
		c->method == SPAM_DMARC_TREE_WALK ? out->record.is_testing : out->is_sampled_out;
	if (is_softer && out->wanted)
		out->wanted = (enum spam_dmarc_policy)(out->wanted - 1);
}

static void
organisation_of(struct check *c, const char *domain, char out[256], bool *failed_out)
{
	struct walk w = {0};

	if (c->method == SPAM_DMARC_PUBLIC_SUFFIX) {
		spam_dmarc_organisation(c->d, domain, out);
	} else {
		walk_up(c, domain, &w);
		organisation_of_walk(&w, domain, out);
	}
	*failed_out = w.failed;
}

/* Fills everything about the record, which is none, or whose look-up failed. */
static enum found
discover(struct check *c, const char *domain, unsigned draw, struct spam_dmarc_answer *out)
{
	const struct stop *found;
	struct walk w;

	if (c->method == SPAM_DMARC_PUBLIC_SUFFIX) {
		spam_dmarc_organisation(c->d, domain, out->organisation);
		found = record_by_suffix(c, domain, out->organisation, &w);
	} else {
		walk_up(c, domain, &w);
		organisation_of_walk(&w, domain, out->organisation);
		found = record_by_walk(&w, domain, out->organisation);
	}
	c->is_unsure = w.failed;
	/* The author's own record applies whatever could not be asked further up. */
	if (w.failed && (!found || strcmp(found->domain, domain)))
		return FAILED;
	if (!found) {
		out->why = w.first->found == SEVERAL ? "several records" : "";
		return ABSENT;
	}
	if (!found->record.is_usable) {
		out->why = "record without a usable policy";
		return ABSENT;
	}
	out->has_record = true;
	out->record = found->record;
	snprintf(out->record_domain, sizeof out->record_domain, "%s", found->domain);
	if (!pick_policy(c, domain, out))
		return FAILED;
	soften(c, draw, out);
	return FOUND;
}

/* ---- alignment (4.10.2) ---- */

enum aligned { ALIGNED, NOT_ALIGNED, UNKNOWN };

/* Nobody shares an organisation with a domain that is neither it nor below it, so most identifiers
 * of others are settled without a query. */
static enum aligned
is_aligned(struct check *c, const struct spam_dmarc_answer *a, const char *from, const char *other,
	bool strict)
{
	char organisation[256];
	bool failed;

	if (!strcmp(from, other))
		return ALIGNED;
	if (strict)
		return NOT_ALIGNED;
	if (c->is_unsure)
		return UNKNOWN;
	if (!cv_domain_is_below(cv_str_z(other), cv_str_z(a->organisation)))
		return NOT_ALIGNED;
	organisation_of(c, other, organisation, &failed);
	if (!strcmp(organisation, a->organisation))
		return failed ? UNKNOWN : ALIGNED;
	return failed ? UNKNOWN : NOT_ALIGNED;
}

/* True when an identifier could not be settled and none aligns. */
static bool
align(struct check *c, const struct spam_dmarc_ask *ask, struct spam_dmarc_answer *out)
{
	bool unknown = false;

	if (ask->spf) {
		enum aligned one = is_aligned(c, out, ask->from, ask->spf, out->record.strict_spf);
		out->spf_aligned = one == ALIGNED;
		unknown |= one == UNKNOWN;
	}
	for (size_t i = 0; i < ask->dkim_count; i++) {
		enum aligned one =
			is_aligned(c, out, ask->from, ask->dkim[i], out->record.strict_dkim);
		unknown |= one == UNKNOWN;
		/* Of several, one of exactly the author's domain is the best to name. */
		if (one != ALIGNED || (out->dkim_aligned && strcmp(ask->dkim[i], ask->from)))
			continue;
		out->dkim_aligned = true;
		out->dkim_by = (int)i;
	}
	return unknown && !out->spf_aligned && !out->dkim_aligned;
}

static bool
is_same_by_suffix(const struct spam_dmarc *d, const char *from, const char *other)
{
	char a[256], b[256];

	spam_dmarc_organisation(d, from, a);
	spam_dmarc_organisation(d, other, b);
	return !strcmp(a, b);
}

/* Relaxed, for rules that ask who is behind a message whatever its record says, if it has one:
 * without records to walk along the public suffixes tell. */
static bool
vouches(struct check *c, const struct spam_dmarc_ask *ask, const struct spam_dmarc_answer *a,
	const char *other)
{
	if (!other)
		return false;
	return a->has_record ? is_aligned(c, a, ask->from, other, false) == ALIGNED
			     : is_same_by_suffix(c->d, ask->from, other);
}

static bool
is_vouched(struct check *c, const struct spam_dmarc_ask *ask, const struct spam_dmarc_answer *a)
{
	if (vouches(c, ask, a, ask->spf))
		return true;
	for (size_t i = 0; i < ask->dkim_count; i++)
		if (vouches(c, ask, a, ask->dkim[i]))
			return true;
	return false;
}

void
spam_dmarc_check(
	struct spam_dmarc *d, const struct spam_dmarc_ask *ask, struct spam_dmarc_answer *out)
{
	struct check c = {.d = d,
		.dns = ask->lookups,
		.method = ask->method,
		.lookups_max = ask->lookups_max ? ask->lookups_max : SPAM_DMARC_LOOKUPS};

	*out = (struct spam_dmarc_answer){.result = SPAM_DMARC_NONE, .why = "", .dkim_by = -1};
	enum found found = discover(&c, ask->from, ask->draw, out);
	if (found == FOUND) {
		bool unknown = align(&c, ask, out);
		out->result = out->spf_aligned || out->dkim_aligned ? SPAM_DMARC_PASS
			      : unknown                             ? SPAM_DMARC_TEMPERROR
								    : SPAM_DMARC_FAIL;
	} else if (found == FAILED) {
		out->result = SPAM_DMARC_TEMPERROR;
	}
	if (out->result == SPAM_DMARC_TEMPERROR)
		out->why = c.is_over_limit ? "too many look-ups" : "DNS does not answer";
	out->vouched = out->result == SPAM_DMARC_PASS || is_vouched(&c, ask, out);
	out->lookups = c.lookups;
	check_done(&c);
}

void
spam_dmarc_find(struct spam_dmarc *d, struct spam_lookups *lookups, const char *domain,
	enum spam_dmarc_method method, struct spam_dmarc_answer *out, struct cv_buf *trace)
{
	struct check c = {.d = d,
		.dns = lookups,
		.method = method,
		.lookups_max = SPAM_DMARC_LOOKUPS,
		.trace = trace};

	*out = (struct spam_dmarc_answer){.result = SPAM_DMARC_NONE, .why = "", .dkim_by = -1};
	if (discover(&c, domain, 0, out) == FAILED) {
		out->result = SPAM_DMARC_TEMPERROR;
		out->why = "DNS does not answer";
	}
	out->lookups = c.lookups;
	check_done(&c);
}

/* ---- who may be sent reports (RFC 9990 4) ---- */

/* Whether A has a record that begins as DMARC's do; the first address of one that names any goes to
 * *OTHER. */
static bool
is_agreed(const struct cv_dns_answer *a, struct spam_dmarc_uri *other)
{
	struct spam_dmarc_record record;
	bool agreed = false;

	for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count; i++) {
		if (!spam_dmarc_record_parse(a->records[i].rdata, &record))
			continue;
		agreed = true;
		if (record.rua_count && !other->address[0])
			*other = record.rua[0];
	}
	return agreed;
}

enum cv_status
spam_dmarc_report_allowed(struct spam_dmarc *d, struct spam_lookups *lookups,
	enum spam_dmarc_method method, const char *policy_domain, struct spam_dmarc_uri *uri,
	struct cv_err *err)
{
	struct check c = {
		.d = d, .dns = lookups, .method = method, .lookups_max = SPAM_DMARC_LOOKUPS};
	struct spam_dmarc_uri other = {0};
	char mine[256], theirs[256], name[600], host[256];
	bool failed[2];

	snprintf(host, sizeof host, "%s", strrchr(uri->address, '@') + 1);
	organisation_of(&c, policy_domain, mine, &failed[0]);
	organisation_of(&c, host, theirs, &failed[1]);
	check_done(&c);
	if (!strcmp(policy_domain, host) || (!failed[0] && !failed[1] && !strcmp(mine, theirs)))
		return CV_OK;
	if ((size_t)snprintf(name, sizeof name, "%s._report._dmarc.%s", policy_domain, host) >
		CV_DOMAIN_NAME_MAX)
		return cv_fail(err, CV_NOT_FOUND, "%s: the name to ask is too long", host);
	struct spam_answer *answer = spam_ask(lookups, name, CV_DNS_TXT);
	const struct cv_dns_answer *a = answer->dns;
	bool passing = a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS;
	bool agreed = is_agreed(a, &other);
	spam_answer_free(answer);
	if (passing)
		return cv_fail(err, CV_TEMPFAIL, "%s cannot be looked up", name);
	if (!agreed)
		return cv_fail(
			err, CV_NOT_FOUND, "%s does not take reports for %s", host, policy_domain);
	if (!other.address[0])
		return CV_OK;
	if (strcmp(strrchr(other.address, '@') + 1, host))
		return cv_fail(err, CV_NOT_FOUND, "%s names a place outside itself", name);
	*uri = other;
	return CV_OK;
}
