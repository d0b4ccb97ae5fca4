/* outbound_route.c - see outbound_route.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/outbound_route.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "common/base/rng.h"
#include "common/net/addr.h"
#include "common/text/domain.h"

struct host {
	char name[256];
	unsigned preference;
	uint64_t lot;            /* order among equals */
	struct sockaddr_storage addrs[2][SMTPD_ROUTE_PER_HOST]; /* IPv4, IPv6 */
	size_t count[2];
	bool insecure;           /* an address that DNSSEC does not vouch for */
	char canonical[256];     /* the name behind CNAMEs, when DNSSEC vouches for them */
	struct smtpd_host_tlsa tlsa;
};
struct finder;
struct lookup {              /* one address query */
	struct finder *finder;
	size_t host;
	unsigned family;
};
struct finder {
	struct cv_resolver *resolver;
	char domain[256], own_name[256];
	unsigned port;
	bool is_host, allow_loopback, is_secure;
	smtpd_route_fn *fn;
	void *arg;
	pthread_mutex_t lock;    /* what the callbacks write */
	unsigned pending;
	bool tempfail;
	uint32_t ttl_secs;
	struct host hosts[SMTPD_ROUTE_HOSTS_MAX];
	struct lookup lookups[SMTPD_ROUTE_HOSTS_MAX][2];
	size_t host_count;
};

void
smtpd_route_ref(struct smtpd_route *r)
{
	atomic_fetch_add(&r->refs, 1);
}

void
smtpd_route_unref(struct smtpd_route *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	for (size_t i = 0; i < SMTPD_ROUTE_HOSTS_MAX; i++)
		if (r->tlsa[i].answer)
			cv_dns_answer_free(r->tlsa[i].answer);
	free(r);
}

static void
answer(struct finder *f, struct smtpd_route *route)
{
	smtpd_route_fn *fn = f->fn;
	void *arg = f->arg;

	route->ttl_secs = CV_MAX(f->ttl_secs, 1u);
	pthread_mutex_destroy(&f->lock);
	free(f);
	fn(arg, route);
}

static struct smtpd_route *
new_route(enum smtpd_route_state state, const char *status)
{
	struct smtpd_route *r = cv_calloc(1, sizeof *r);

	atomic_init(&r->refs, 1);
	r->state = state;
	snprintf(r->status, sizeof r->status, "%s", status);
	return r;
}

CV_PRINTF(4, 5)
static void
answer_without(
	struct finder *f, enum smtpd_route_state state, const char *status, const char *fmt, ...)
{
	struct smtpd_route *r = new_route(state, status);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof r->why, fmt, ap);
	va_end(ap);
	answer(f, r);
}

struct smtpd_route *
smtpd_route_unix(const char *path)
{
	struct smtpd_route *r = new_route(SMTPD_ROUTE_OK, "");
	struct sockaddr_un *un = (void *)&r->hops[0].addr;

	r->ttl_secs = 3600;
	r->count = 1;
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof un->sun_path, "%s", path);
	snprintf(r->hops[0].host, sizeof r->hops[0].host, "localhost");
	r->hops[0].tlsa = &r->tlsa[0];
	r->hops[0].addr_len = sizeof *un;
	return r;
}

/* ---- addresses ---- */

static void
make_addr(unsigned family, const void *ip, unsigned port, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){ 0 };
	if (family == 0) {
		struct sockaddr_in *in = (void *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		memcpy(&in->sin_addr, ip, 4);
	} else {
		struct sockaddr_in6 *in6 = (void *)out;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		memcpy(&in6->sin6_addr, ip, 16);
	}
}

static bool
is_odd_ipv4(const unsigned char *ip)
{
	/* this host, loopback, multicast, reserved and broadcast */
	return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224;
}

/* Mail sent there would come back to us or go nowhere. */
static bool
is_odd(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a;
		return is_odd_ipv4((const unsigned char *)&in->sin_addr);
	}
	const struct in6_addr *ip = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(ip))
		return is_odd_ipv4(ip->s6_addr + 12);
	return IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_LOOPBACK(ip) || IN6_IS_ADDR_MULTICAST(ip)
		|| IN6_IS_ADDR_LINKLOCAL(ip);
}

bool
smtpd_route_address(bool is_v6, struct cv_str rdata, unsigned port, bool allow_loopback,
	struct sockaddr_storage *out)
{
	if (rdata.n != (is_v6 ? 16 : 4))
		return false;
	make_addr(is_v6, rdata.p, port, out);
	return allow_loopback || !is_odd(out);
}

size_t
smtpd_route_host_wait(struct cv_resolver *resolver, const char *host, unsigned port,
	bool allow_loopback, struct sockaddr_storage *addrs, size_t max)
{
	size_t n = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		struct cv_dns_answer *a =
			cv_resolve_wait(resolver, host, v6 ? CV_DNS_AAAA : CV_DNS_A);
		for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count && n < max; i++)
			n += smtpd_route_address(v6, a->records[i].rdata, port, allow_loopback,
				&addrs[n]);
		cv_dns_answer_free(a);
	}
	return n;
}

static bool
is_own(const struct ifaddrs *interfaces, const struct sockaddr_storage *a)
{
	for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next) {
		struct sockaddr_storage mine = { 0 };
		if (!i->ifa_addr || i->ifa_addr->sa_family != a->ss_family)
			continue;
		memcpy(&mine, i->ifa_addr, a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
			: sizeof(struct sockaddr_in6));
		if (cv_sockaddr_eq_ip(&mine, a))
			return true;
	}
	return false;
}

static int
by_preference(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static void
add_hops(struct smtpd_route *route, const struct host *h, const struct smtpd_host_tlsa *tlsa,
	bool allow_loopback)
{
	for (unsigned family = 0; family < 2; family++)
		for (size_t i = 0; i < h->count[family]; i++) {
			if (route->count == SMTPD_ROUTE_HOPS_MAX
				|| (!allow_loopback && is_odd(&h->addrs[family][i])))
				continue;
			struct smtpd_hop *hop = &route->hops[route->count++];
			snprintf(hop->host, sizeof hop->host, "%s", h->name);
			hop->tlsa = tlsa;
			hop->addr = h->addrs[family][i];
			hop->addr_len = family ? sizeof(struct sockaddr_in6)
				: sizeof(struct sockaddr_in);
		}
}

static bool
is_us(const struct finder *f, const struct host *h, const struct ifaddrs *interfaces)
{
	if (!f->is_host && cv_domain_eq(cv_str_z(h->name), cv_str_z(f->own_name)))
		return true;
	for (unsigned family = 0; family < 2 && !f->allow_loopback; family++)
		for (size_t i = 0; i < h->count[family]; i++)
			if (!is_odd(&h->addrs[family][i]) &&
				is_own(interfaces, &h->addrs[family][i]))
				return true;
	return false;
}

/* All look-ups have been answered. */
static void
assemble(struct finder *f)
{
	struct smtpd_route *route = new_route(SMTPD_ROUTE_OK, "");
	struct ifaddrs *interfaces = NULL;
	bool looped = false;
	unsigned looped_at = 0;

	if (getifaddrs(&interfaces))
		interfaces = NULL; /* then only names tell us from others */
	for (size_t i = 0; i < f->host_count; i++)
		if (is_us(f, &f->hosts[i], interfaces)) {
			looped_at = looped ? CV_MIN(looped_at, f->hosts[i].preference)
				: f->hosts[i].preference;
			looped = true;
		}
	if (interfaces)
		freeifaddrs(interfaces);
	qsort(f->hosts, f->host_count, sizeof *f->hosts, by_preference);
	route->is_secure = f->is_secure;
	for (size_t i = 0; i < f->host_count; i++) {
		route->tlsa[i] = f->hosts[i].tlsa;
		if (!looped || f->hosts[i].preference < looped_at)
			add_hops(route, &f->hosts[i], &route->tlsa[i], f->allow_loopback);
	}
	if (route->count) {
		answer(f, route);
		return;
	}
	smtpd_route_unref(route);
	if (looped)
		answer_without(f, SMTPD_ROUTE_NEVER, "5.4.6",
			"mail for %s would come back to this server", f->domain);
	else if (f->tempfail)
		answer_without(f, SMTPD_ROUTE_LATER, "4.4.3",
			"the addresses of the mail servers of %s cannot be looked up now", f->domain);
	else
		answer_without(f, SMTPD_ROUTE_NEVER, "5.4.4",
			"no mail server of %s has an address that can be used", f->domain);
}

/* True for whoever was the last to finish. */
static bool
one_less(struct finder *f)
{
	pthread_mutex_lock(&f->lock);
	bool last = --f->pending == 0;
	pthread_mutex_unlock(&f->lock);
	return last;
}

/* ---- TLSA (RFC 7672 2.2) ---- */

static void
take_records(struct smtpd_host_tlsa *t, struct cv_dns_answer *a)
{
	for (unsigned i = 0; i < a->count && t->count < SMTPD_TLSA_MAX; i++) {
		struct cv_tls_tlsa *r = &t->records[t->count];
		if (cv_tls_tlsa_read(a->records[i].rdata, r) && cv_tls_tlsa_is_usable(r))
			t->count++;
	}
	t->state = t->count ? SMTPD_TLSA_USABLE : SMTPD_TLSA_UNUSABLE;
	t->answer = a;
}

static void tlsa_found(void *arg, struct cv_dns_answer *a);

/* False: the name is too long to have any. */
static bool
ask_tlsa(struct lookup *l, const char *base)
{
	struct finder *f = l->finder;
	struct smtpd_host_tlsa *t = &f->hosts[l->host].tlsa;
	char name[300];

	snprintf(t->base, sizeof t->base, "%s", base);
	if ((size_t)snprintf(name, sizeof name, "_%u._tcp.%s", f->port, base) > CV_DOMAIN_NAME_MAX)
		return false;
	cv_resolve(f->resolver, name, CV_DNS_TLSA, tlsa_found, l);
	return true;
}

static void
tlsa_found(void *arg, struct cv_dns_answer *a)
{
	struct lookup *l = arg;
	struct finder *f = l->finder;
	struct host *h = &f->hosts[l->host];

	pthread_mutex_lock(&f->lock);
	f->ttl_secs = CV_MIN(f->ttl_secs, a->state == CV_DNS_OK ? a->ttl_secs : f->ttl_secs);
	pthread_mutex_unlock(&f->lock);
	if (a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS) {
		h->tlsa.state = SMTPD_TLSA_TEMPFAIL;
	} else if (a->state == CV_DNS_OK && a->secure) {
		take_records(&h->tlsa, a);
		a = NULL;
	}
	if (a)
		cv_dns_answer_free(a);
	/* 2.2.2: none behind the CNAME, then those of the name itself. */
	bool again = h->tlsa.state == SMTPD_TLSA_NONE && strcmp(h->tlsa.base, h->name) != 0;
	if (again && ask_tlsa(l, h->name))
		return;
	if (one_less(f))
		assemble(f);
}

/* Servers of zones without DNSSEC are not asked: some of them answer wrongly (2.2.2). */
static bool
may_have_tlsa(const struct finder *f, const struct host *h)
{
	return f->is_secure && !h->insecure && h->count[0] + h->count[1];
}

static void
find_tlsa(struct finder *f)
{
	f->pending = 1;
	for (size_t i = 0; i < f->host_count; i++)
		f->pending += may_have_tlsa(f, &f->hosts[i]);
	for (size_t i = 0; i < f->host_count; i++) {
		struct host *h = &f->hosts[i];
		if (!may_have_tlsa(f, h))
			continue;
		const char *base = h->canonical[0] ? h->canonical : h->name;
		if (!ask_tlsa(&f->lookups[i][0], base))
			(void)one_less(f); /* ours is still counted: never the last */
	}
	if (one_less(f))
		assemble(f);
}

/* ---- addresses of hosts ---- */

static void
addresses_found(void *arg, struct cv_dns_answer *a)
{
	struct lookup *l = arg;
	struct finder *f = l->finder;
	struct host *h = &f->hosts[l->host];
	size_t bytes = l->family ? 16 : 4;

	pthread_mutex_lock(&f->lock);
	if (a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS)
		f->tempfail = true;
	if (a->state == CV_DNS_OK) {
		f->ttl_secs = CV_MIN(f->ttl_secs, a->ttl_secs);
		h->insecure |= !a->secure;
		snprintf(h->canonical, sizeof h->canonical, "%s", a->canonical);
		for (unsigned i = 0; i < a->count && h->count[l->family] < SMTPD_ROUTE_PER_HOST;
			i++)
			if (a->records[i].rdata.n == bytes)
				make_addr(l->family, a->records[i].rdata.p, f->port,
					&h->addrs[l->family][h->count[l->family]++]);
	}
	pthread_mutex_unlock(&f->lock);
	cv_dns_answer_free(a);
	if (one_less(f))
		find_tlsa(f);
}

static void
find_addresses(struct finder *f)
{
	size_t count = f->host_count;

	/* One more than there are, so that early answers do not end it. */
	f->pending = (unsigned)count * 2 + 1;
	for (size_t i = 0; i < count; i++)
		for (unsigned family = 0; family < 2; family++) {
			f->lookups[i][family] = (struct lookup){ f, i, family };
			cv_resolve(f->resolver, f->hosts[i].name, family ? CV_DNS_AAAA : CV_DNS_A,
				addresses_found, &f->lookups[i][family]);
		}
	if (one_less(f))
		find_tlsa(f);
}

static void
add_host(struct finder *f, const char *name, unsigned preference)
{
	struct host *h = &f->hosts[f->host_count++];

	snprintf(h->name, sizeof h->name, "%s", name);
	h->preference = preference;
	h->lot = cv_random_u64();
}

/* ---- MX ---- */

static int
by_record_preference(const void *a, const void *b)
{
	const struct cv_dns_record *x = a, *y = b;

	return (int)x->preference - (int)y->preference;
}

static void
take_mx(struct finder *f, struct cv_dns_answer *a)
{
	if (a->count > 1)
		qsort(a->records, a->count, sizeof *a->records, by_record_preference);
	for (unsigned i = 0; i < a->count && f->host_count < SMTPD_ROUTE_HOSTS_MAX; i++)
		if (a->records[i].name[0])
			add_host(f, a->records[i].name, a->records[i].preference);
	f->ttl_secs = a->ttl_secs;
}

static void
mx_found(void *arg, struct cv_dns_answer *a)
{
	struct finder *f = arg;
	enum cv_dns_state state = a->state;

	f->is_secure = a->secure;
	if (state == CV_DNS_OK)
		take_mx(f, a);
	cv_dns_answer_free(a);
	if (state == CV_DNS_OK && !f->host_count)
		answer_without(f, SMTPD_ROUTE_NEVER, "5.1.10", "%s takes no mail", f->domain);
	else if (state == CV_DNS_NXDOMAIN)
		answer_without(
			f, SMTPD_ROUTE_NEVER, "5.1.2", "the domain %s does not exist", f->domain);
	else if (state == CV_DNS_TEMPFAIL || state == CV_DNS_BOGUS)
		answer_without(f, SMTPD_ROUTE_LATER, "4.4.3", "%s cannot be looked up now%s",
			f->domain,
			state == CV_DNS_BOGUS ? ": its DNSSEC signatures are wrong" : "");
	else {
		if (!f->host_count)
			add_host(f, f->domain, 0);
		find_addresses(f);
	}
}

void
smtpd_route_find(const struct smtpd_route_query *query, smtpd_route_fn *fn, void *arg)
{
	struct finder *f = cv_calloc(1, sizeof *f);
	struct cv_literal literal;

	f->resolver = query->resolver;
	snprintf(f->domain, sizeof f->domain, "%s", query->domain);
	snprintf(f->own_name, sizeof f->own_name, "%s", query->own_name);
	f->port = query->port;
	f->is_host = query->is_host;
	f->allow_loopback = query->allow_loopback;
	f->fn = fn;
	f->arg = arg;
	f->ttl_secs = 3600;
	pthread_mutex_init(&f->lock, NULL);
	if (f->domain[0] != '[') {
		if (!f->is_host) {
			cv_resolve(f->resolver, f->domain, CV_DNS_MX, mx_found, f);
			return;
		}
		add_host(f, f->domain, 0);
		f->is_secure = true; /* no MX record that could lie */
		find_addresses(f);
		return;
	}
	if (!cv_literal_parse(cv_str_z(f->domain), &literal) ||
		literal.kind == CV_LITERAL_GENERAL) {
		answer_without(f, SMTPD_ROUTE_NEVER, "5.1.2", "%s is no address", f->domain);
		return;
	}
	unsigned family = literal.kind == CV_LITERAL_IPV6;
	add_host(f, f->domain, 0);
	make_addr(family, literal.ip, f->port, &f->hosts[0].addrs[family][0]);
	f->hosts[0].count[family] = 1;
	assemble(f);
}
