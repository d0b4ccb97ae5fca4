/* libspf2.c - see libspf2.h.
 *
 * Every domain libspf2 meets is an alias "t<N>.spf.invalid"; entry N of the check's table says what
 * stands behind it. So each look-up of an alias is exactly one term of a record, and look-ups of
 * other names are those that the term makes for its MX hosts. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/libspf2.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>

/* libspf2's headers want the three above first, and are not clean under our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <spf2/spf.h>
#pragma GCC diagnostic pop

#include "spamfilter/spf/check.h"

#define ALIAS_SUFFIX ".spf.invalid"
#define SHOWN_MAX    (256u << 10) /* a record rewritten: terms grow to 60 octets from at least 2 */

enum entry_kind { ENTRY_START, ENTRY_REDIRECT, ENTRY_TERM };

struct entry {
	enum entry_kind kind;
	const struct spf_term *term; /* of a TERM */
	struct cv_str spec;          /* domain-spec, or empty for the current domain */
	const char *current;         /* the domain whose record it is in */
	bool counted;
};

struct walk {
	struct spf_check check;
	struct entry *entries;
	size_t count, room;
	struct entry *mx; /* the term whose hosts are being looked up */
	bool is_mirrored; /* addresses are shown with a bit flipped */
};

static SPF_server_t *server;
/* libspf2 does not hand the request to its DNS layer. */
static _Thread_local struct walk *now;

/* ---- aliases ---- */

static void
alias_write(size_t number, char out[64])
{
	snprintf(out, 64, "t%zu%s", number, ALIAS_SUFFIX);
}

static size_t
alias_read(const char *alias)
{
	struct cv_str s = cv_str_z(alias);
	uint64_t number;

	if (!cv_str_has_isuffix(s, ALIAS_SUFFIX) || cv_lower((unsigned char)s.p[0]) != 't')
		return SIZE_MAX;
	s = cv_str_sub(s, 1, s.n - (sizeof ALIAS_SUFFIX - 1));
	return cv_str_u64(s, UINT32_MAX, &number) == CV_OK ? (size_t)number : SIZE_MAX;
}

static size_t
add_entry(struct walk *w, struct entry entry)
{
	if (w->count == w->room) {
		w->room = w->room ? w->room * 2 : 32;
		w->entries = cv_realloc(w->entries, w->room * sizeof *w->entries);
	}
	w->entries[w->count] = entry;
	return w->count++;
}

/* ---- the record libspf2 is shown ---- */

/* libspf2 passes loopback clients unasked. For those every address, theirs and those it compares
 * with, has its first bits flipped: comparisons come out the same and nobody is loopback. */
static void
mirror(const struct walk *w, unsigned char *ip, size_t n)
{
	if (w->is_mirrored)
		ip[0] ^= n == 4 ? 0x80 : 0x20;
}

/* ip4 and ip6: a prefix of no bits, which libspf2 misreads, matches the whole family. */
static void
show_ip(struct walk *w, const struct spf_term *t, struct cv_buf *out)
{
	bool is_v4 = t->mechanism == SPF_IP4;
	unsigned bits = is_v4 ? t->cidr4 : t->cidr6;
	unsigned char ip[16];
	char text[INET6_ADDRSTRLEN];

	if ((w->check.values.client.ss_family == AF_INET) != is_v4)
		return;
	if (!bits) {
		cv_buf_printf(out, " %call", t->qualifier);
		return;
	}
	memcpy(ip, t->ip, sizeof ip);
	mirror(w, ip, is_v4 ? 4 : 16);
	inet_ntop(is_v4 ? AF_INET : AF_INET6, ip, text, sizeof text);
	cv_buf_printf(out, " %c%s:%s/%u", t->qualifier, is_v4 ? "ip4" : "ip6", text, bits);
}

static void
show_term(struct walk *w, const struct spf_term *t, const char *current, struct cv_buf *out)
{
	/* ptr is validated here: to libspf2 it is a name that exists or not. */
	static const char *const names[] = {
		"all", "include", "a", "mx", "exists", "ip4", "ip6", "exists"};
	char alias[64];

	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6) {
		show_ip(w, t, out);
		return;
	}
	if (t->mechanism == SPF_ALL) {
		cv_buf_printf(out, " %call", t->qualifier);
		return;
	}
	alias_write(add_entry(w, (struct entry){ENTRY_TERM, t, t->domain, current, false}), alias);
	cv_buf_printf(out, " %c%s:%s", t->qualifier, names[t->mechanism], alias);
	/* Prefixes of no bits are answered by the layer. */
	if (t->cidr4 < 32 && t->cidr4)
		cv_buf_printf(out, "/%u", t->cidr4);
	if (t->cidr6 < 128 && t->cidr6)
		cv_buf_printf(out, "//%u", t->cidr6);
}

/* p NULL: the check is settled. */
static struct cv_str
show_record(struct walk *w, struct entry *entry)
{
	struct cv_buf out = CV_BUF_INIT(SHOWN_MAX);
	struct spf_check *c = &w->check;
	bool is_start = entry->kind == ENTRY_START;
	struct spf_record r;
	char name[256], alias[64];

	if (!entry->counted && !is_start && !spf_count_term(c))
		return CV_STR_EMPTY;
	entry->counted = true;
	/* Below, ENTRY must not be used again: showing a record moves the table. */
	if (!spf_name(c, entry->spec, entry->current, name))
		spf_settle(c, SPAM_SPF_PERMERROR, "include or redirect to what is no domain");
	if (c->is_settled || !spf_record_of(c, name, is_start, &r))
		return CV_STR_EMPTY;
	const char *current = cv_arena_z(&c->arena, cv_str_z(name));
	cv_buf_z(&out, "v=spf1");
	for (size_t i = 0; i < r.count; i++)
		show_term(w, &r.terms[i], current, &out);
	if (r.redirect.n) {
		alias_write(add_entry(w, (struct entry){ENTRY_REDIRECT, NULL, r.redirect, current,
						 false}),
			alias);
		cv_buf_printf(&out, " redirect=%s", alias);
	}
	assert(!out.full);
	struct cv_str text = cv_arena_str(&c->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return text;
}

/* ---- answers in libspf2's form ---- */

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
answer_add_ip(struct walk *w, SPF_dns_rr_t *rr, const void *ip, size_t n)
{
	unsigned char shown[16];

	memcpy(shown, ip, n);
	mirror(w, shown, n);
	answer_add(rr, shown, n);
}

/* Addresses of NAME for an `a` or for a host of an `mx`; WHOLE: a prefix of no bits, so that any
 * address stands for the client's. */
static void
give_addresses(struct walk *w, const char *name, ns_type type, bool whole, SPF_dns_rr_t *rr)
{
	struct spf_check *c = &w->check;
	struct spam_answer *a = spf_ask(c, name, type == ns_t_aaaa ? CV_DNS_AAAA : CV_DNS_A, false);
	size_t want = type == ns_t_aaaa ? 16 : 4, n;
	const unsigned char *client = spam_client_ip(&c->values.client, &n);

	spf_count_void(c, a->dns);
	for (unsigned i = 0; i < a->dns->count && !c->is_settled; i++) {
		struct cv_str ip = a->dns->records[i].rdata;
		if (whole && n == want)
			answer_add_ip(w, rr, client, n);
		else if (ip.n == want)
			answer_add_ip(w, rr, ip.p, want);
	}
	spam_answer_free(a);
}

static void
give_mx(struct walk *w, const char *name, SPF_dns_rr_t *rr)
{
	struct spf_check *c = &w->check;
	struct spam_answer *a = spf_ask(c, name, CV_DNS_MX, false);

	spf_count_void(c, a->dns);
	if (a->dns->count > SPF_NAMES_MAX)
		spf_settle(c, SPAM_SPF_PERMERROR, "more than 10 MX hosts");
	for (unsigned i = 0; i < a->dns->count && !c->is_settled; i++) {
		const char *host = a->dns->records[i].name;
		if (host[0] && alias_read(host) == SIZE_MAX)
			answer_add(rr, host, strlen(host) + 1);
	}
	spam_answer_free(a);
}

static void
give_existence(struct walk *w, const struct entry *entry, const char *name, SPF_dns_rr_t *rr)
{
	static const unsigned char yes[4] = {127, 0, 0, 2};
	struct spf_check *c = &w->check;
	bool found;

	if (entry->term->mechanism == SPF_PTR) {
		found = spf_has_name_below(c, name);
	} else {
		struct spam_answer *a = spf_ask(c, name, CV_DNS_A, false);
		found = a->dns->state == CV_DNS_OK;
		spf_count_void(c, a->dns);
		spam_answer_free(a);
	}
	if (found && !c->is_settled)
		answer_add(rr, yes, sizeof yes);
}

/* A look-up of an alias: one term of a record. */
static void
give_entry(struct walk *w, size_t number, ns_type type, SPF_dns_rr_t *rr)
{
	struct entry *entry = &w->entries[number];
	char name[256];

	if (type == ns_t_txt) {
		struct cv_str text = show_record(w, entry);
		if (text.p)
			answer_add(rr, text.p, text.n + 1);
		return;
	}
	if (entry->kind != ENTRY_TERM)
		return;
	if (!entry->counted && !spf_count_term(&w->check))
		return;
	entry->counted = true;
	if (!spf_name(&w->check, entry->spec, entry->current, name) || w->check.is_settled)
		return;
	unsigned bits = type == ns_t_aaaa ? entry->term->cidr6 : entry->term->cidr4;
	if (entry->term->mechanism == SPF_A) {
		give_addresses(w, name, type, !bits, rr);
	} else if (entry->term->mechanism == SPF_MX) {
		w->mx = entry;
		if (type == ns_t_mx)
			give_mx(w, name, rr);
	} else if (entry->term->mechanism == SPF_PTR || entry->term->mechanism == SPF_EXISTS) {
		give_existence(w, entry, name, rr);
	}
}

static SPF_dns_rr_t *
layer_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	struct walk *w = now;
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(layer, domain, type, 300, HOST_NOT_FOUND);
	size_t number = alias_read(domain);

	(void)should_cache;
	if (!rr)
		cv_die("no memory for a DNS answer");
	if (!w || w->check.is_settled)
		return rr;
	if (number < w->count)
		give_entry(w, number, type, rr);
	else if (w->mx && (type == ns_t_a || type == ns_t_aaaa))
		give_addresses(w, domain, type,
			!(type == ns_t_aaaa ? w->mx->term->cidr6 : w->mx->term->cidr4), rr);
	return rr;
}

/* ---- the check ---- */

static void
open_server(void)
{
	static SPF_dns_server_t layer = {.lookup = layer_lookup, .name = "congvu"};

	server = SPF_server_new_dns(&layer, 0);
	if (!server)
		cv_die("libspf2 does not start");
	/* The guard counts; libspf2's own counts must not get in the way. */
	server->max_dns_mech = 1000;
	server->max_dns_mx = SPF_NAMES_MAX + 1;
}

static void
set_client(struct walk *w, SPF_request_t *request)
{
	unsigned char shown[16];
	size_t n;
	const unsigned char *ip = spam_client_ip(&w->check.values.client, &n);

	memcpy(shown, ip, n);
	mirror(w, shown, n);
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

/* The guard settles none and errors itself: whatever else libspf2 says is not to be trusted. */
static enum spam_spf_result
result_of(const struct walk *w, SPF_response_t *response)
{
	if (w->check.is_settled)
		return w->check.settled;
	switch (response ? SPF_response_result(response) : SPF_RESULT_INVALID) {
	case SPF_RESULT_PASS:
		return SPAM_SPF_PASS;
	case SPF_RESULT_FAIL:
		return SPAM_SPF_FAIL;
	case SPF_RESULT_SOFTFAIL:
		return SPAM_SPF_SOFTFAIL;
	case SPF_RESULT_NEUTRAL:
		return SPAM_SPF_NEUTRAL;
	default:
		return SPAM_SPF_PERMERROR;
	}
}

enum spam_spf_result
spam_spf_libspf2(struct spam_lookups *lookups, const struct spam_spf_ask *ask)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct walk w = {0};
	char domain[256], from[128] = "x@", *alias = from + 2;
	SPF_response_t *response = NULL;

	if (!spf_begin(&w.check, lookups, ask, domain))
		return SPAM_SPF_NONE;
	pthread_once(&once, open_server);
	w.is_mirrored = spam_client_is_loopback(&w.check.values.client);
	(void)add_entry(&w, (struct entry){ENTRY_START, NULL, CV_STR_EMPTY, domain, true});
	SPF_request_t *request = SPF_request_new(server);
	if (!request)
		cv_die("no memory for an SPF check");
	alias_write(0, alias); /* entry 0: the domain asked about */
	set_client(&w, request);
	SPF_request_set_helo_dom(request, alias);
	SPF_request_set_env_from(request, from);
	now = &w;
	SPF_request_query_mailfrom(request, &response);
	now = NULL;
	enum spam_spf_result result = result_of(&w, response);
	if (response)
		SPF_response_free(response);
	SPF_request_free(request);
	free(w.entries);
	cv_arena_done(&w.check.arena);
	return result;
}
