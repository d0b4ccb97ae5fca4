/* spf.c - see spf.h: the DNS layer that libspf2 asks, and the check around it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/spf.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

/* libspf2's headers want the three above first, and are not clean under our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <spf2/spf.h>
#pragma GCC diagnostic pop

#include "common/base/clock.h"
#include "common/net/dns.h"
#include "spamfilter/spf/guard.h"

struct spam_spf {
	struct cv_resolver *resolver;
	SPF_dns_server_t layer;
	SPF_server_t *server;
};

/* libspf2 does not hand the request to its DNS layer. */
static _Thread_local struct spf_check *now;

const char *
spam_spf_word(enum spam_spf_result result)
{
	static const char *const words[] = {
		"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};

	return words[result];
}

/* ---- answers in libspf2's form ---- */

static SPF_dns_rr_t *
answer_new(SPF_dns_server_t *layer, const char *domain, ns_type type, int herrno)
{
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(layer, domain, type, 300, herrno);

	if (!rr)
		cv_die("no memory for a DNS answer");
	return rr;
}

static void
answer_add(SPF_dns_rr_t *rr, const void *data, size_t n)
{
	int i = rr->num_rr;

	if (SPF_dns_rr_buf_realloc(rr, i, n < 16 ? 16 : n) != SPF_E_SUCCESS)
		cv_die("no memory for a DNS answer");
	memcpy((void *)rr->rr[i], data, n);
	rr->num_rr = i + 1;
	rr->herrno = NETDB_SUCCESS;
}

static void
answer_add_ip(struct spf_check *c, SPF_dns_rr_t *rr, const unsigned char *ip, size_t n)
{
	unsigned char shown[16];

	memcpy(shown, ip, n);
	spf_guard_mirror(c, shown, n);
	answer_add(rr, shown, n);
}

/* ---- the layer ---- */

/* Addresses of NAME for an `a` or for a host of an `mx`; WHOLE: a prefix of no bits, so that any
 * address stands for the client's. */
static void
give_addresses(struct spf_check *c, const char *name, ns_type type, bool whole, SPF_dns_rr_t *rr)
{
	struct cv_dns_answer *a =
		spf_guard_ask(c, name, type == ns_t_aaaa ? CV_DNS_AAAA : CV_DNS_A, false);
	size_t want = type == ns_t_aaaa ? 16 : 4, n;
	const unsigned char *client = spf_client_ip(&c->values.client, &n);

	if (a->state == CV_DNS_NODATA || a->state == CV_DNS_NXDOMAIN)
		spf_guard_void(c);
	for (unsigned i = 0; i < a->count && !c->is_forced; i++)
		if (whole && n == want)
			answer_add_ip(c, rr, client, n);
		else if (a->records[i].rdata.n == want)
			answer_add_ip(c, rr, (const unsigned char *)a->records[i].rdata.p, want);
	cv_dns_answer_free(a);
}

static void
give_mx(struct spf_check *c, const char *name, SPF_dns_rr_t *rr)
{
	struct cv_dns_answer *a = spf_guard_ask(c, name, CV_DNS_MX, false);

	if (a->state == CV_DNS_NODATA || a->state == CV_DNS_NXDOMAIN)
		spf_guard_void(c);
	if (a->count > SPF_NAMES_MAX)
		spf_guard_force(c, SPAM_SPF_PERMERROR, "more than 10 MX hosts");
	for (unsigned i = 0; i < a->count && !c->is_forced; i++) {
		const char *host = a->records[i].name;
		if (host[0] && spf_alias_parse(host) == SIZE_MAX)
			answer_add(rr, host, strlen(host) + 1);
	}
	cv_dns_answer_free(a);
}

static void
give_existence(
	struct spf_check *c, const struct spf_entry *entry, const char *name, SPF_dns_rr_t *rr)
{
	static const unsigned char yes[4] = {127, 0, 0, 2};
	bool found;

	if (entry->term->mechanism == SPF_PTR) {
		found = spf_guard_has_name_below(c, name);
	} else {
		struct cv_dns_answer *a = spf_guard_ask(c, name, CV_DNS_A, false);
		found = a->state == CV_DNS_OK;
		if (a->state == CV_DNS_NODATA || a->state == CV_DNS_NXDOMAIN)
			spf_guard_void(c);
		cv_dns_answer_free(a);
	}
	if (found && !c->is_forced)
		answer_add(rr, yes, sizeof yes);
}

/* A look-up of an alias: one term of a record. */
static void
give_entry(struct spf_check *c, size_t number, ns_type type, SPF_dns_rr_t *rr)
{
	struct spf_entry *entry = &c->entries[number];
	char name[256];

	if (type == ns_t_txt) {
		struct cv_str text = spf_guard_record(c, entry);
		if (text.p)
			answer_add(rr, text.p, text.n + 1);
		return;
	}
	if (entry->kind != SPF_ENTRY_TERM || !spf_guard_count(c, entry) ||
		!spf_guard_name(c, entry, name))
		return;
	unsigned bits = type == ns_t_aaaa ? entry->term->cidr6 : entry->term->cidr4;
	switch (entry->term->mechanism) {
	case SPF_A:
		give_addresses(c, name, type, !bits, rr);
		break;
	case SPF_MX:
		c->mx = entry;
		if (type == ns_t_mx)
			give_mx(c, name, rr);
		break;
	case SPF_PTR:
	case SPF_EXISTS:
		give_existence(c, entry, name, rr);
		break;
	default:
		break;
	}
}

static SPF_dns_rr_t *
layer_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	struct spf_check *c = now;
	SPF_dns_rr_t *rr = answer_new(layer, domain, type, HOST_NOT_FOUND);
	size_t number = spf_alias_parse(domain);

	(void)should_cache;
	if (!c || c->is_forced)
		return rr;
	if (number < c->count)
		give_entry(c, number, type, rr);
	else if (c->mx && (type == ns_t_a || type == ns_t_aaaa))
		give_addresses(c, domain, type,
			!(type == ns_t_aaaa ? c->mx->term->cidr6 : c->mx->term->cidr4), rr);
	return rr;
}

/* ---- the check ---- */

/* IPv4-mapped clients are IPv4 clients (5). False for other families than IP. */
static bool
take_client(struct spf_check *c, const struct sockaddr_storage *client)
{
	const struct sockaddr_in6 *in6 = (const void *)client;

	c->values.client = *client;
	if (client->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		struct sockaddr_in in4 = {.sin_family = AF_INET};
		memcpy(&in4.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
		memset(&c->values.client, 0, sizeof c->values.client);
		memcpy(&c->values.client, &in4, sizeof in4);
	}
	if (c->values.client.ss_family == AF_INET6)
		c->is_mirrored = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	else if (c->values.client.ss_family == AF_INET)
		c->is_mirrored = *spf_client_ip(&c->values.client, &(size_t){0}) == 127;
	else
		return false;
	return true;
}

static void
set_client(struct spf_check *c, SPF_request_t *request)
{
	unsigned char shown[16];
	size_t n;
	const unsigned char *ip = spf_client_ip(&c->values.client, &n);

	memcpy(shown, ip, n);
	spf_guard_mirror(c, shown, n);
	if (n == 4) {
		struct in_addr a;
		memcpy(&a, shown, sizeof a);
		SPF_request_set_ipv4(request, a);
	} else {
		struct in6_addr a;
		memcpy(&a, shown, sizeof a);
		SPF_request_set_ipv6(request, a);
	}
}

static enum spam_spf_result
result_of(struct spf_check *c, SPF_response_t *response)
{
	static const struct {
		SPF_result_t theirs;
		enum spam_spf_result ours;
	} rows[] = {
		{SPF_RESULT_NEUTRAL,  SPAM_SPF_NEUTRAL },
		{SPF_RESULT_PASS,     SPAM_SPF_PASS    },
		{SPF_RESULT_FAIL,     SPAM_SPF_FAIL    },
		{SPF_RESULT_SOFTFAIL, SPAM_SPF_SOFTFAIL},
	};

	if (c->is_forced)
		return c->forced;
	for (size_t i = 0; response && i < CV_COUNT(rows); i++)
		if (SPF_response_result(response) == rows[i].theirs)
			return rows[i].ours;
	/* The guard settles none and errors itself: whatever else libspf2 says is not to be
	 * trusted. */
	spf_guard_force(c, SPAM_SPF_PERMERROR, "the record could not be evaluated");
	return c->forced;
}

static enum spam_spf_result
evaluate(struct spam_spf *s, struct spf_check *c)
{
	char from[128] = "x@", *alias = from + 2;
	SPF_response_t *response = NULL;
	SPF_request_t *request = SPF_request_new(s->server);

	if (!request)
		cv_die("no memory for an SPF check");
	spf_alias_write(0, alias, sizeof from - 2); /* entry 0: the domain asked about */
	set_client(c, request);
	SPF_request_set_helo_dom(request, alias);
	SPF_request_set_env_from(request, from);
	now = c;
	SPF_request_query_mailfrom(request, &response);
	now = NULL;
	enum spam_spf_result result = result_of(c, response);
	if (response)
		SPF_response_free(response);
	SPF_request_free(request);
	return result;
}

/* The domain of the check: a name with two labels at least (4.3). */
static bool
take_domain(struct cv_str domain, char out[256])
{
	if (domain.n && domain.p[domain.n - 1] == '.')
		domain.n--;
	return cv_dns_name_clean(domain, out) && out[0] && strchr(out, '.');
}

void
spam_spf_check(struct spam_spf *s, const struct spam_spf_ask *ask, struct spam_spf_answer *out)
{
	struct spf_check c = {.resolver = s->resolver, .deadline_ms = cv_mono_ms() + SPF_CHECK_MS};

	*out = (struct spam_spf_answer){.result = SPAM_SPF_NONE, .by_helo = !ask->domain.n};
	struct cv_str domain = ask->domain.n ? ask->domain : ask->helo;
	if (!take_client(&c, ask->client) || !take_domain(domain, out->domain))
		return;
	c.values.local = ask->domain.n && ask->local.n ? ask->local : CV_STR("postmaster");
	c.values.domain = domain;
	c.values.helo = ask->helo;
	c.values.validated = spf_guard_validated;
	c.values.arg = &c;
	struct spf_entry start = {SPF_ENTRY_START, NULL, CV_STR_EMPTY, cv_str_z(out->domain), true};
	spf_guard_entry(&c, &start);
	out->result = evaluate(s, &c);
	out->lookups = c.lookups;
	out->voids = c.voids;
	snprintf(out->why, sizeof out->why, "%s", c.why);
	free(c.entries);
	cv_arena_done(&c.arena);
}

enum cv_status
spam_spf_new(struct cv_resolver *resolver, struct spam_spf **out, struct cv_err *err)
{
	struct spam_spf *s = cv_calloc(1, sizeof *s);

	s->resolver = resolver;
	s->layer = (SPF_dns_server_t){.lookup = layer_lookup, .name = "congvu"};
	s->server = SPF_server_new_dns(&s->layer, 0);
	if (!s->server) {
		free(s);
		return cv_fail(err, CV_TEMPFAIL, "libspf2 does not start");
	}
	/* The guard counts; libspf2's own counts must not get in the way. */
	s->server->max_dns_mech = 1000;
	s->server->max_dns_mx = SPF_NAMES_MAX + 1;
	*out = s;
	return CV_OK;
}

void
spam_spf_free(struct spam_spf *s)
{
	if (!s)
		return;
	SPF_server_free(s->server);
	free(s);
}
