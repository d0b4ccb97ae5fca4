/* spf.c - see spf.h: the walk over the mechanisms. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/spf.h"

#include "spamfilter/spf/check.h"

const char *
spam_spf_word(enum spam_spf_result result)
{
	static const char *const words[] = {
		"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};

	return words[result];
}

/* ---- mechanisms ---- */

static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return !memcmp(a, b, whole) &&
	       (!rest || !((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xffu));
}

static bool
match_ip(const struct spf_check *c, const struct spf_term *t)
{
	bool is_v4 = t->mechanism == SPF_IP4;
	size_t n;
	const unsigned char *ip = spam_client_ip(&c->values.client, &n);

	return (n == 4) == is_v4 && same_bits(ip, t->ip, is_v4 ? t->cidr4 : t->cidr6);
}

/* Whether an address of NAME is the client's, as far as T's prefix goes. */
static bool
match_host(struct spf_check *c, const struct spf_term *t, const char *name)
{
	size_t n;
	const unsigned char *ip = spam_client_ip(&c->values.client, &n);
	struct spam_answer *a = spf_ask(c, name, n == 4 ? CV_DNS_A : CV_DNS_AAAA, false);
	bool found = false;

	spf_count_void(c, a->dns);
	for (unsigned i = 0; i < a->dns->count && !found; i++) {
		struct cv_str theirs = a->dns->records[i].rdata;
		found = theirs.n == n && same_bits(ip, (const unsigned char *)theirs.p,
						 n == 4 ? t->cidr4 : t->cidr6);
	}
	spam_answer_free(a);
	return found && !c->is_settled;
}

static bool
match_mx(struct spf_check *c, const struct spf_term *t, const char *name)
{
	struct spam_answer *a = spf_ask(c, name, CV_DNS_MX, false);
	bool found = false;

	spf_count_void(c, a->dns);
	if (a->dns->count > SPF_NAMES_MAX)
		spf_settle(c, SPAM_SPF_PERMERROR, "more than 10 MX hosts");
	for (unsigned i = 0; i < a->dns->count && !found && !c->is_settled; i++)
		if (a->dns->records[i].name[0])
			found = match_host(c, t, a->dns->records[i].name);
	spam_answer_free(a);
	return found;
}

/* An A record, even for IPv6 clients (5.7). */
static bool
match_exists(struct spf_check *c, const char *name)
{
	struct spam_answer *a = spf_ask(c, name, CV_DNS_A, false);
	bool found = a->dns->state == CV_DNS_OK;

	spf_count_void(c, a->dns);
	spam_answer_free(a);
	return found && !c->is_settled;
}

static enum spam_spf_result check_record(
	struct spf_check *c, const char *domain, bool is_first, bool is_included);

static bool
match_include(struct spf_check *c, const char *name, bool is_name)
{
	if (is_name)
		return check_record(c, name, false, true) == SPAM_SPF_PASS;
	spf_settle(c, SPAM_SPF_PERMERROR, "include of what is no domain");
	return false;
}

static bool
match_term(struct spf_check *c, const struct spf_term *t, const char *domain)
{
	char name[256];

	if (t->mechanism == SPF_ALL)
		return true;
	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6)
		return match_ip(c, t);
	if (!spf_count_term(c))
		return false;
	bool is_name = spf_name(c, t->domain, domain, name) && !c->is_settled;
	if (t->mechanism == SPF_INCLUDE)
		return match_include(c, name, is_name);
	if (!is_name) /* 4.8: a name that DNS cannot hold matches nothing */
		return false;
	switch (t->mechanism) {
	case SPF_A:
		return match_host(c, t, name);
	case SPF_MX:
		return match_mx(c, t, name);
	case SPF_PTR:
		return spf_has_name_below(c, name) && !c->is_settled;
	default:
		return match_exists(c, name);
	}
}

/* ---- records ---- */

static enum spam_spf_result
result_of(char qualifier)
{
	return qualifier == '-'   ? SPAM_SPF_FAIL
	       : qualifier == '~' ? SPAM_SPF_SOFTFAIL
	       : qualifier == '?' ? SPAM_SPF_NEUTRAL
				  : SPAM_SPF_PASS;
}

static enum spam_spf_result
follow_redirect(
	struct spf_check *c, const struct spf_record *r, const char *domain, bool is_included)
{
	char name[256];

	if (!spf_count_term(c))
		return c->settled;
	if (!spf_name(c, r->redirect, domain, name))
		spf_settle(c, SPAM_SPF_PERMERROR, "redirect to what is no domain");
	return c->is_settled ? c->settled : check_record(c, name, false, is_included);
}

/* The record of DOMAIN and what it leads to. Each include and redirect counts, so this ends. */
static enum spam_spf_result
check_record(struct spf_check *c, const char *domain, bool is_first, bool is_included)
{
	static const char *const names[] = {
		"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};
	struct spf_record r;

	if (!spf_record_of(c, domain, is_first, &r))
		return c->settled;
	if (!is_included) { /* an included record explains nothing (6.2) */
		c->exp = r.exp;
		c->exp_domain = cv_arena_z(&c->arena, cv_str_z(domain));
	}
	for (size_t i = 0; i < r.count; i++) {
		bool match = match_term(c, &r.terms[i], domain);
		if (c->is_settled)
			return c->settled;
		if (!match)
			continue;
		if (!is_included)
			c->mechanism = names[r.terms[i].mechanism];
		return result_of(r.terms[i].qualifier);
	}
	if (r.redirect.n)
		return follow_redirect(c, &r, domain, is_included);
	if (!is_included)
		c->mechanism = "default";
	return SPAM_SPF_NEUTRAL;
}

/* ---- the check ---- */

void
spam_spf_check(
	struct spam_lookups *lookups, const struct spam_spf_ask *ask, struct spam_spf_answer *out)
{
	struct spf_check c;

	*out = (struct spam_spf_answer){
		.result = SPAM_SPF_NONE, .by_helo = !ask->domain.n, .mechanism = ""};
	if (!spf_begin(&c, lookups, ask, out->domain))
		return;
	out->result = check_record(&c, out->domain, true, false);
	out->lookups = c.lookups;
	out->voids = c.voids;
	if (!c.is_settled && c.mechanism)
		out->mechanism = c.mechanism;
	snprintf(out->why, sizeof out->why, "%s", c.why);
	if (ask->explain && out->result == SPAM_SPF_FAIL)
		spf_explain(&c, out->explanation, sizeof out->explanation);
	cv_arena_done(&c.arena);
}
