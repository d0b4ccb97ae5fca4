/* check.c - see check.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/check.h"

#include "common/base/clock.h"
#include "common/net/dns.h"
#include "common/text/domain.h"

#define EXPLANATION_BYTES_MAX 4096

/* The domain of the check: a name with two labels at least, and no literal (4.3). */
static bool
take_domain(struct cv_str domain, char out[256])
{
	if (cv_dns_name_clean(domain, out) && out[0] != '[' && strchr(out, '.'))
		return true;
	out[0] = '\0';
	return false;
}

bool
spf_begin(struct spf_check *c, struct spam_lookups *lookups, const struct spam_spf_ask *ask,
	char domain[256])
{
	struct cv_str name = ask->domain.n ? ask->domain : ask->helo;
	struct spf_macro_values *v = &c->values;

	*c = (struct spf_check){.dns = lookups, .deadline_ms = cv_mono_ms() + SPF_CHECK_MS};
	v->client = *ask->client;
	spam_client_unmap(&v->client); /* IPv4-mapped clients are IPv4 clients (5) */
	bool is_ip = v->client.ss_family == AF_INET || v->client.ss_family == AF_INET6;
	if (!take_domain(name, domain) || !is_ip)
		return false;
	if (name.p[name.n - 1] == '.')
		name.n--;
	v->local = ask->domain.n && ask->local.n ? ask->local : CV_STR("postmaster");
	v->domain = name;
	v->helo = ask->helo;
	v->receiver = ask->receiver;
	v->validated = spf_validated;
	v->arg = c;
	return true;
}

void
spf_settle(struct spf_check *c, enum spam_spf_result result, const char *why)
{
	if (c->is_settled)
		return;
	c->is_settled = true;
	c->settled = result;
	snprintf(c->why, sizeof c->why, "%s", why);
}

struct spam_answer *
spf_ask(struct spf_check *c, const char *name, enum cv_dns_type type, bool may_fail)
{
	struct spam_answer *a = spam_ask(c->dns, name, type);

	if (cv_mono_ms() > c->deadline_ms)
		spf_settle(c, SPAM_SPF_TEMPERROR, "the check took too long");
	else if (!may_fail && (a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS))
		spf_settle(c, SPAM_SPF_TEMPERROR, "DNS failed");
	return a;
}

bool
spf_count_term(struct spf_check *c)
{
	c->term_is_void = false;
	if (++c->lookups > SPF_LOOKUPS_MAX)
		spf_settle(c, SPAM_SPF_PERMERROR, "more than 10 terms that ask DNS");
	return !c->is_settled;
}

void
spf_count_void(struct spf_check *c, const struct cv_dns_answer *a)
{
	if ((a->state != CV_DNS_NODATA && a->state != CV_DNS_NXDOMAIN) || c->term_is_void)
		return;
	c->term_is_void = true;
	if (++c->voids > SPF_VOIDS_MAX)
		spf_settle(c, SPAM_SPF_PERMERROR, "more than 2 terms that found nothing");
}

bool
spf_name(struct spf_check *c, struct cv_str spec, const char *current, char out[256])
{
	if (!spec.n) {
		snprintf(out, 256, "%s", current);
		return true;
	}
	c->values.current = cv_str_z(current);
	return spf_macro_domain(spec, &c->values, out);
}

/* ---- records ---- */

/* The one SPF record among ANSWER's (4.5). *count_out: how many there were. */
static struct cv_str
choose(struct spf_check *c, const struct cv_dns_answer *a, unsigned *count_out)
{
	struct cv_str chosen = CV_STR_EMPTY;

	*count_out = 0;
	for (unsigned i = 0; i < a->count; i++) {
		if (!spf_record_is(a->records[i].rdata))
			continue;
		if (!(*count_out)++)
			chosen = cv_arena_str(&c->arena, a->records[i].rdata);
	}
	return chosen;
}

bool
spf_record_of(struct spf_check *c, const char *domain, bool is_first, struct spf_record *out)
{
	struct spam_answer *a = spf_ask(c, domain, CV_DNS_TXT, false);
	unsigned count;
	struct cv_str text = choose(c, a->dns, &count);
	struct cv_err err;

	/* What is asked about is no term. */
	if (!is_first)
		spf_count_void(c, a->dns);
	spam_answer_free(a);
	if (!count)
		spf_settle(c, is_first ? SPAM_SPF_NONE : SPAM_SPF_PERMERROR,
			is_first ? "" : "include or redirect to a domain without a record");
	if (count > 1)
		spf_settle(c, SPAM_SPF_PERMERROR, "several records");
	if (!c->is_settled && spf_record_parse(&c->arena, text, out, &err) != CV_OK)
		spf_settle(c, SPAM_SPF_PERMERROR, err.text);
	return !c->is_settled;
}

/* ---- the client's names ---- */

static bool
name_leads_back(struct spf_check *c, const char *name)
{
	size_t n;
	const unsigned char *ip = spam_client_ip(&c->values.client, &n);
	struct spam_answer *a = spf_ask(c, name, n == 4 ? CV_DNS_A : CV_DNS_AAAA, true);
	bool found = false;

	for (unsigned i = 0; i < a->dns->count; i++) {
		struct cv_str theirs = a->dns->records[i].rdata;
		found |= theirs.n == n && !memcmp(theirs.p, ip, n);
	}
	spam_answer_free(a);
	return found;
}

/* Once a check: the names PTR gives that lead back to the client, of the first ten. */
static void
load_names(struct spf_check *c)
{
	char reverse[128];

	if (c->has_names)
		return;
	c->has_names = true;
	if (!cv_dns_reverse_name(&c->values.client, reverse, sizeof reverse))
		return;
	struct spam_answer *a = spf_ask(c, reverse, CV_DNS_PTR, true);
	for (unsigned i = 0; i < a->dns->count && i < SPF_NAMES_MAX; i++)
		if (name_leads_back(c, a->dns->records[i].name))
			snprintf(c->names[c->name_count++], 256, "%s", a->dns->records[i].name);
	spf_count_void(c, a->dns);
	spam_answer_free(a);
}

bool
spf_has_name_below(struct spf_check *c, const char *domain)
{
	load_names(c);
	for (size_t i = 0; i < c->name_count; i++)
		if (cv_domain_is_below(cv_str_z(c->names[i]), cv_str_z(domain)))
			return true;
	return false;
}

const char *
spf_validated(void *check)
{
	struct spf_check *c = check;

	load_names(c);
	for (size_t i = 0; i < c->name_count; i++)
		if (cv_domain_eq(cv_str_z(c->names[i]), c->values.current))
			return c->names[i];
	for (size_t i = 0; i < c->name_count; i++)
		if (cv_domain_is_below(cv_str_z(c->names[i]), c->values.current))
			return c->names[i];
	return c->name_count ? c->names[0] : "unknown";
}

/* ---- explanations ---- */

static void
copy_printable(struct cv_str s, char *out, size_t n)
{
	if (s.n >= n)
		return;
	for (size_t i = 0; i < s.n; i++) /* macros can hold what a client said */
		out[i] = s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i];
	out[s.n] = '\0';
}

void
spf_explain(struct spf_check *c, char *out, size_t n)
{
	struct cv_buf text = CV_BUF_INIT(n);
	char name[256];
	struct cv_err err;
	unsigned macros = 0;

	if (!c->exp.n || !spf_name(c, c->exp, c->exp_domain, name))
		return;
	struct spam_answer *a = spf_ask(c, name, CV_DNS_TXT, true);
	struct cv_str words = a->dns->count == 1 ? a->dns->records[0].rdata : CV_STR_EMPTY;
	c->values.current = cv_str_z(c->exp_domain);
	if (words.n && words.n <= EXPLANATION_BYTES_MAX &&
		spf_macro_check(words, SPF_EXPLANATION, &macros, &err) == CV_OK &&
		spf_macro_expand(words, &c->values, &text) == CV_OK)
		copy_printable(cv_buf_view(&text), out, n);
	spam_answer_free(a);
	cv_buf_done(&text);
}
