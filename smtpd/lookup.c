/* lookup.c - see lookup.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/lookup.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/net/addr.h"

#define NAMES_MAX 4 /* of one address that are looked at */

struct smtpd_lookup {
	atomic_uint refs;
	struct cv_conn *conn; /* counted; for waking */
	struct cv_resolver *resolver;
	struct sockaddr_storage peer;
	const struct cv_dnslists *lists;
	pthread_mutex_t lock; /* over the next lines */
	bool name_done;
	char name[256];
	unsigned lists_left;
	struct smtpd_listing listing;
	enum smtpd_domain_state domain;
	/* one question of each kind is under way at most, so these need no lock */
	char candidates[NAMES_MAX][256];
	unsigned candidate_count, candidate;
	char sender_domain[256];
	bool sender_failed; /* A could not be asked */
};

/* A question to one list. */
struct list_query {
	struct smtpd_lookup *l;
	const struct cv_dnslist *list;
};

static struct smtpd_lookup *
lookup_new(struct cv_resolver *resolver, struct cv_conn *c)
{
	struct smtpd_lookup *l = cv_calloc(1, sizeof *l);

	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	l->conn = c;
	cv_conn_ref(c);
	l->resolver = resolver;
	l->peer = *cv_conn_peer(c);
	return l;
}

static void
lookup_ref(struct smtpd_lookup *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
}

void
smtpd_lookup_unref(struct smtpd_lookup *l)
{
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	cv_conn_unref(l->conn);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The end of a question: tells the session and lets go. */
static void
finish(struct smtpd_lookup *l)
{
	cv_conn_wake(l->conn);
	smtpd_lookup_unref(l);
}

/* ---- the peer's name ---- */

static void
name_finish(struct smtpd_lookup *l, const char *name)
{
	pthread_mutex_lock(&l->lock);
	snprintf(l->name, sizeof l->name, "%s", name);
	l->name_done = true;
	pthread_mutex_unlock(&l->lock);
	finish(l);
}

/* One of ANSWER's addresses is the peer's. */
static bool
confirms(const struct cv_dns_answer *answer, const struct sockaddr_storage *peer)
{
	bool v4 = peer->ss_family == AF_INET;
	const void *ip = v4 ? (const void *)&((const struct sockaddr_in *)peer)->sin_addr
			    : (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
	size_t bytes = v4 ? 4 : 16;

	for (unsigned i = 0; answer->state == CV_DNS_OK && i < answer->count; i++)
		if (answer->records[i].rdata.n == bytes &&
			!memcmp(answer->records[i].rdata.p, ip, bytes))
			return true;
	return false;
}

static void ask_candidate(struct smtpd_lookup *l);

static void
on_address(void *arg, struct cv_dns_answer *answer)
{
	struct smtpd_lookup *l = arg;
	bool is_it = confirms(answer, &l->peer);

	cv_dns_answer_free(answer);
	if (is_it) {
		name_finish(l, l->candidates[l->candidate]);
		return;
	}
	l->candidate++;
	ask_candidate(l);
}

static void
ask_candidate(struct smtpd_lookup *l)
{
	if (l->candidate == l->candidate_count)
		name_finish(l, "");
	else
		cv_resolve(l->resolver, l->candidates[l->candidate],
			l->peer.ss_family == AF_INET ? CV_DNS_A : CV_DNS_AAAA, on_address, l);
}

/* A name that goes into header fields and logs; others are as good as none. */
static bool
is_host_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!cv_is_alpha((unsigned char)*p) && !cv_is_digit((unsigned char)*p) &&
			!strchr("-._", *p))
			return false;
	return name[0] != '\0';
}

static void
on_ptr(void *arg, struct cv_dns_answer *answer)
{
	struct smtpd_lookup *l = arg;

	for (unsigned i = 0; answer->state == CV_DNS_OK && i < answer->count; i++)
		if (l->candidate_count < NAMES_MAX && is_host_name(answer->records[i].name))
			snprintf(l->candidates[l->candidate_count++], sizeof l->candidates[0], "%s",
				answer->records[i].name);
	cv_dns_answer_free(answer);
	ask_candidate(l);
}

/* ---- lists ---- */

static void
add_listing(struct smtpd_listing *to, const struct cv_dnslist *list)
{
	size_t n = strlen(to->names);

	to->score += list->allows ? -list->weight : list->weight;
	to->allowed |= list->allows;
	if (n + strlen(list->zone) + 2 < sizeof to->names)
		snprintf(to->names + n, sizeof to->names - n, "%s%s", n ? "," : "", list->zone);
}

static void
on_list(void *arg, struct cv_dns_answer *answer)
{
	struct list_query *q = arg;
	struct smtpd_lookup *l = q->l;
	bool listed = answer && cv_dnslist_has(q->list, answer);

	cv_dns_answer_free(answer);
	pthread_mutex_lock(&l->lock);
	if (listed)
		add_listing(&l->listing, q->list);
	l->lists_left--;
	pthread_mutex_unlock(&l->lock);
	free(q);
	finish(l);
}

static void
ask_lists(struct smtpd_lookup *l)
{
	l->lists_left = (unsigned)l->lists->n;
	for (size_t i = 0; i < l->lists->n; i++) {
		char name[300];
		struct list_query *q = cv_calloc(1, sizeof *q);
		*q = (struct list_query){.l = l, .list = &l->lists->rows[i]};
		lookup_ref(l);
		if (cv_dnslist_name(q->list, &l->peer, name, sizeof name))
			cv_resolve(l->resolver, name, CV_DNS_A, on_list, q);
		else
			on_list(q, NULL);
	}
}

struct smtpd_lookup *
smtpd_lookup_peer(struct cv_resolver *resolver, struct cv_conn *c, bool with_name,
	const struct cv_dnslists *lists)
{
	struct smtpd_lookup *l = lookup_new(resolver, c);
	char name[128];

	bool has_ip = cv_dns_reverse_name(&l->peer, name, sizeof name);
	l->lists = lists;
	l->name_done = !with_name || !has_ip;
	if (!l->name_done) {
		lookup_ref(l);
		cv_resolve(resolver, name, CV_DNS_PTR, on_ptr, l);
	}
	if (lists && has_ip)
		ask_lists(l);
	return l;
}

bool
smtpd_lookup_has_name(struct smtpd_lookup *l)
{
	pthread_mutex_lock(&l->lock);
	bool done = l->name_done;
	pthread_mutex_unlock(&l->lock);
	return done;
}

bool
smtpd_lookup_has_lists(struct smtpd_lookup *l)
{
	pthread_mutex_lock(&l->lock);
	bool done = !l->lists_left;
	pthread_mutex_unlock(&l->lock);
	return done;
}

const char *
smtpd_lookup_name(struct smtpd_lookup *l)
{
	return smtpd_lookup_has_name(l) ? l->name : "";
}

void
smtpd_lookup_listing(struct smtpd_lookup *l, struct smtpd_listing *out)
{
	pthread_mutex_lock(&l->lock);
	*out = l->listing;
	pthread_mutex_unlock(&l->lock);
}

/* ---- a sender's domain ---- */

static void
domain_finish(struct smtpd_lookup *l, enum smtpd_domain_state state)
{
	pthread_mutex_lock(&l->lock);
	l->domain = state;
	pthread_mutex_unlock(&l->lock);
	finish(l);
}

static bool
is_trouble(const struct cv_dns_answer *answer)
{
	return answer->state == CV_DNS_TEMPFAIL || answer->state == CV_DNS_BOGUS;
}

static void
on_domain_aaaa(void *arg, struct cv_dns_answer *answer)
{
	struct smtpd_lookup *l = arg;
	bool good = answer->state == CV_DNS_OK && answer->count;
	bool trouble = is_trouble(answer) || l->sender_failed;

	cv_dns_answer_free(answer);
	domain_finish(l, good      ? SMTPD_DOMAIN_GOOD
			 : trouble ? SMTPD_DOMAIN_TEMPFAIL
				   : SMTPD_DOMAIN_NONE);
}

static void
on_domain_a(void *arg, struct cv_dns_answer *answer)
{
	struct smtpd_lookup *l = arg;
	bool good = answer->state == CV_DNS_OK && answer->count;

	l->sender_failed = is_trouble(answer);
	cv_dns_answer_free(answer);
	if (good)
		domain_finish(l, SMTPD_DOMAIN_GOOD);
	else
		cv_resolve(l->resolver, l->sender_domain, CV_DNS_AAAA, on_domain_aaaa, l);
}

static void
on_domain_mx(void *arg, struct cv_dns_answer *answer)
{
	struct smtpd_lookup *l = arg;
	bool found = answer->state == CV_DNS_OK && answer->count;
	bool null_mx = found && answer->count == 1 && !answer->records[0].name[0];
	bool trouble = is_trouble(answer), none = answer->state == CV_DNS_NXDOMAIN;

	cv_dns_answer_free(answer);
	if (found)
		domain_finish(l, null_mx ? SMTPD_DOMAIN_NULL_MX : SMTPD_DOMAIN_GOOD);
	else if (trouble || none)
		domain_finish(l, trouble ? SMTPD_DOMAIN_TEMPFAIL : SMTPD_DOMAIN_NONE);
	else
		cv_resolve(l->resolver, l->sender_domain, CV_DNS_A, on_domain_a, l);
}

struct smtpd_lookup *
smtpd_lookup_domain(struct cv_resolver *resolver, struct cv_conn *c, const char *domain)
{
	struct smtpd_lookup *l = lookup_new(resolver, c);

	snprintf(l->sender_domain, sizeof l->sender_domain, "%s", domain);
	lookup_ref(l);
	cv_resolve(resolver, l->sender_domain, CV_DNS_MX, on_domain_mx, l);
	return l;
}

enum smtpd_domain_state
smtpd_lookup_domain_state(struct smtpd_lookup *l)
{
	pthread_mutex_lock(&l->lock);
	enum smtpd_domain_state state = l->domain;
	pthread_mutex_unlock(&l->lock);
	return state;
}
