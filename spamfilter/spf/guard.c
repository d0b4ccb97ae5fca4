/* guard.c - see guard.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/clock.h"
#include "common/net/dns.h"
#include "common/text/domain.h"

/* A record rewritten: each term grows to at most 60 bytes from at least 2. */
#define SHOWN_MAX (64u << 10)

void
spf_alias_write(size_t number, char *out, size_t n)
{
	snprintf(out, n, "t%zu%s", number, SPF_ALIAS_SUFFIX);
}

size_t
spf_alias_parse(const char *alias)
{
	struct cv_str s = cv_str_z(alias);
	uint64_t number;

	if (!cv_str_has_isuffix(s, SPF_ALIAS_SUFFIX) || cv_lower((unsigned char)s.p[0]) != 't')
		return SIZE_MAX;
	s = cv_str_sub(s, 1, s.n - (sizeof SPF_ALIAS_SUFFIX - 1));
	return cv_str_u64(s, UINT32_MAX, &number) == CV_OK ? (size_t)number : SIZE_MAX;
}

size_t
spf_guard_entry(struct spf_check *c, const struct spf_entry *entry)
{
	if (c->count == c->room) {
		c->room = c->room ? c->room * 2 : 32;
		c->entries = cv_realloc(c->entries, c->room * sizeof *c->entries);
	}
	c->entries[c->count] = *entry;
	return c->count++;
}

void
spf_guard_force(struct spf_check *c, enum spam_spf_result result, const char *why)
{
	if (c->is_forced)
		return;
	c->is_forced = true;
	c->forced = result;
	snprintf(c->why, sizeof c->why, "%s", why);
}

struct cv_dns_answer *
spf_guard_ask(struct spf_check *c, const char *name, enum cv_dns_type type, bool may_fail)
{
	if (cv_mono_ms() > c->deadline_ms) {
		spf_guard_force(c, SPAM_SPF_TEMPERROR, "the check took too long");
		return cv_dns_answer_new(CV_DNS_TEMPFAIL);
	}
	struct cv_dns_answer *a = cv_resolve_wait(c->resolver, name, type);
	if (!may_fail && (a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS))
		spf_guard_force(c, SPAM_SPF_TEMPERROR, "DNS failed");
	return a;
}

bool
spf_guard_count(struct spf_check *c, struct spf_entry *entry)
{
	if (entry->counted)
		return true;
	entry->counted = true;
	c->term_void = false;
	if (++c->lookups > SPF_LOOKUPS_MAX)
		spf_guard_force(c, SPAM_SPF_PERMERROR, "more than 10 terms that ask DNS");
	return !c->is_forced;
}

void
spf_guard_void(struct spf_check *c)
{
	if (c->term_void)
		return;
	c->term_void = true;
	if (++c->voids > SPF_VOIDS_MAX)
		spf_guard_force(c, SPAM_SPF_PERMERROR, "more than 2 terms that found nothing");
}

bool
spf_guard_name(struct spf_check *c, const struct spf_entry *entry, char out[256])
{
	if (entry->kind == SPF_ENTRY_START || !entry->spec.n) {
		snprintf(out, 256, "%.*s", CV_STR_ARGS(entry->current));
		return true;
	}
	snprintf(c->current, sizeof c->current, "%.*s", CV_STR_ARGS(entry->current));
	c->values.current = cv_str_z(c->current);
	return spf_macro_domain(entry->spec, &c->values, out);
}

/* ---- the client's names ---- */

const unsigned char *
spf_client_ip(const struct sockaddr_storage *a, size_t *n_out)
{
	if (a->ss_family == AF_INET6) {
		*n_out = 16;
		return ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
	}
	*n_out = 4;
	return (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
}

static bool
name_leads_back(struct spf_check *c, const char *name)
{
	size_t n;
	const unsigned char *ip = spf_client_ip(&c->values.client, &n);
	struct cv_dns_answer *a = spf_guard_ask(c, name, n == 4 ? CV_DNS_A : CV_DNS_AAAA, true);
	bool found = false;

	for (unsigned i = 0; i < a->count; i++)
		found |= a->records[i].rdata.n == n && !memcmp(a->records[i].rdata.p, ip, n);
	cv_dns_answer_free(a);
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
	struct cv_dns_answer *a = spf_guard_ask(c, reverse, CV_DNS_PTR, true);
	for (unsigned i = 0; i < a->count && i < SPF_NAMES_MAX; i++)
		if (name_leads_back(c, a->records[i].name))
			snprintf(c->names[c->name_count++], 256, "%s", a->records[i].name);
	if (a->state == CV_DNS_NODATA || a->state == CV_DNS_NXDOMAIN)
		spf_guard_void(c);
	cv_dns_answer_free(a);
}

bool
spf_guard_has_name_below(struct spf_check *c, const char *domain)
{
	load_names(c);
	for (size_t i = 0; i < c->name_count; i++)
		if (cv_domain_is_below(cv_str_z(c->names[i]), cv_str_z(domain)))
			return true;
	return false;
}

const char *
spf_guard_validated(void *check)
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

/* ---- the record libspf2 is shown ---- */

void
spf_guard_mirror(const struct spf_check *c, unsigned char *ip, size_t n)
{
	if (c->is_mirrored)
		ip[0] ^= n == 4 ? 0x80 : 0x20;
}

/* ip4 and ip6: a prefix of no bits, which libspf2 misreads, matches the whole family. */
static void
show_ip(struct spf_check *c, const struct spf_term *t, struct cv_buf *out)
{
	bool is_v4 = t->mechanism == SPF_IP4;
	unsigned bits = is_v4 ? t->cidr4 : t->cidr6;
	unsigned char ip[16];
	char text[INET6_ADDRSTRLEN];

	if ((c->values.client.ss_family == AF_INET) != is_v4)
		return;
	if (!bits) {
		cv_buf_printf(out, " %call", t->qualifier);
		return;
	}
	memcpy(ip, t->ip, sizeof ip);
	spf_guard_mirror(c, ip, is_v4 ? 4 : 16);
	inet_ntop(is_v4 ? AF_INET : AF_INET6, ip, text, sizeof text);
	cv_buf_printf(out, " %c%s:%s/%u", t->qualifier, is_v4 ? "ip4" : "ip6", text, bits);
}

static void
show_term(struct spf_check *c, const struct spf_term *t, struct cv_str current, struct cv_buf *out)
{
	/* ptr is validated here: to libspf2 it is a name that exists or not. */
	static const char *const names[] = {
		"all", "include", "a", "mx", "exists", "ip4", "ip6", "exists"};
	char alias[64];

	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6) {
		show_ip(c, t, out);
		return;
	}
	if (t->mechanism == SPF_ALL) {
		cv_buf_printf(out, " %call", t->qualifier);
		return;
	}
	struct spf_entry entry = {SPF_ENTRY_TERM, t, t->domain, current, false};
	spf_alias_write(spf_guard_entry(c, &entry), alias, sizeof alias);
	cv_buf_printf(out, " %c%s:%s", t->qualifier, names[t->mechanism], alias);
	/* Prefixes of no bits are answered by the layer. */
	if (t->cidr4 < 32 && t->cidr4)
		cv_buf_printf(out, "/%u", t->cidr4);
	if (t->cidr6 < 128 && t->cidr6)
		cv_buf_printf(out, "//%u", t->cidr6);
}

static struct cv_str
show_record(struct spf_check *c, const struct spf_record *r, struct cv_str current)
{
	struct cv_buf out = CV_BUF_INIT(SHOWN_MAX);
	char alias[64];

	cv_buf_z(&out, "v=spf1");
	for (size_t i = 0; i < r->count; i++)
		show_term(c, &r->terms[i], current, &out);
	if (r->redirect.n) {
		struct spf_entry entry = {SPF_ENTRY_REDIRECT, NULL, r->redirect, current, false};
		spf_alias_write(spf_guard_entry(c, &entry), alias, sizeof alias);
		cv_buf_printf(&out, " redirect=%s", alias);
	}
	assert(!out.full);
	struct cv_str text = cv_arena_str(&c->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return text;
}

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

struct cv_str
spf_guard_record(struct spf_check *c, struct spf_entry *entry)
{
	bool is_start = entry->kind == SPF_ENTRY_START;
	char name[256];
	unsigned count;
	struct spf_record record;
	struct cv_err err;

	if (!is_start && !spf_guard_count(c, entry))
		return CV_STR_EMPTY;
	/* Below, ENTRY must not be used again: showing a record moves the table. */
	if (!spf_guard_name(c, entry, name)) {
		spf_guard_force(c, SPAM_SPF_PERMERROR, "include or redirect to what is no domain");
		return CV_STR_EMPTY;
	}
	struct cv_dns_answer *a = spf_guard_ask(c, name, CV_DNS_TXT, false);
	struct cv_str text = choose(c, a, &count);
	bool is_void = a->state == CV_DNS_NXDOMAIN || a->state == CV_DNS_NODATA;
	cv_dns_answer_free(a);
	if (is_void && !is_start)
		spf_guard_void(c);
	if (!count)
		spf_guard_force(c, is_start ? SPAM_SPF_NONE : SPAM_SPF_PERMERROR,
			is_start ? "" : "include or redirect to a domain without a record");
	if (count > 1)
		spf_guard_force(c, SPAM_SPF_PERMERROR, "several records");
	if (!c->is_forced && spf_record_parse(&c->arena, text, &record, &err) != CV_OK)
		spf_guard_force(c, SPAM_SPF_PERMERROR, err.text);
	if (c->is_forced)
		return CV_STR_EMPTY;
	return show_record(c, &record, cv_arena_str(&c->arena, cv_str_z(name)));
}
