/* dnslists.c - see dnslists.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/dnslists.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"

#define QUESTIONS_MAX 64

struct spam_dnslists {
	struct cv_dnslists clients, hosts;
};

enum cv_status
spam_dnslists_new(const char *block, const char *allow, const char *hosts,
	struct spam_dnslists **out, struct cv_err *err)
{
	struct spam_dnslists *l = cv_calloc(1, sizeof *l);
	enum cv_status status = cv_dnslists_add(&l->clients, block, false, err);

	if (status == CV_OK)
		status = cv_dnslists_add(&l->clients, allow, true, err);
	if (status == CV_OK)
		status = cv_dnslists_add(&l->hosts, hosts, false, err);
	if (status)
		free(l);
	else
		*out = l;
	return status;
}

void
spam_dnslists_free(struct spam_dnslists *l)
{
	free(l);
}

/* ---- questions under way ---- */

struct question {
	struct asking *asking;
	const struct cv_dnslist *list;
	size_t host;
	char name[512];
	bool is_listed;
};

/* Shared by the asker, who may stop waiting, and the answers, of which the last frees it. The
 * lists are copied: a late answer may come after a reload. */
struct asking {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	unsigned left; /* answers that have not come */
	bool is_left;  /* the asker waits no more */
	struct cv_dnslists clients, hosts;
	size_t count;
	struct question questions[QUESTIONS_MAX];
};

static void
asking_free(struct asking *a)
{
	pthread_cond_destroy(&a->answered);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void
take_answer(void *arg, struct cv_dns_answer *answer)
{
	struct question *q = arg;
	struct asking *a = q->asking;

	pthread_mutex_lock(&a->lock);
	q->is_listed = cv_dnslist_has(q->list, answer);
	bool is_last = --a->left == 0, is_left = a->is_left;
	if (is_last)
		pthread_cond_signal(&a->answered);
	pthread_mutex_unlock(&a->lock);
	cv_dns_answer_free(answer);
	if (is_last && is_left)
		asking_free(a);
}

static struct question *
add_question(struct asking *a, const struct cv_dnslist *list, size_t host, unsigned most)
{
	if (a->count >= QUESTIONS_MAX || a->count >= most)
		return NULL;
	struct question *q = &a->questions[a->count++];
	*q = (struct question){.asking = a, .list = list, .host = host};
	return q;
}

static void
collect(struct asking *a, const struct spam_list_ask *ask)
{
	for (size_t i = 0; i < a->clients.n && ask->client->ss_family != AF_UNSPEC; i++) {
		struct question *q =
			add_question(a, &a->clients.rows[i], SIZE_MAX, ask->questions_max);
		if (q && !cv_dnslist_name(q->list, ask->client, q->name, sizeof q->name))
			a->count--;
	}
	for (size_t h = 0; h < CV_MIN(ask->host_count, (size_t)SPAM_LIST_HOSTS_MAX); h++)
		for (size_t i = 0; i < a->hosts.n; i++) {
			struct cv_str host = ask->hosts[h];
			struct question *q =
				add_question(a, &a->hosts.rows[i], h, ask->questions_max);
			if (q)
				snprintf(q->name, sizeof q->name, "%.*s.%s", (int)host.n, host.p,
					q->list->zone);
		}
}

/* Waits until all have answered or the time is over. True when all have. */
static bool
wait_for_all(struct asking *a, unsigned wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (a->left && pthread_cond_timedwait(&a->answered, &a->lock, &until) != ETIMEDOUT)
		;
	return !a->left;
}

/* The zone's text in the caller's lists, not in the copy. */
static const char *
zone_in(const struct spam_dnslists *l, const struct asking *a, const struct question *q)
{
	return q->host == SIZE_MAX ? l->clients.rows[q->list - a->clients.rows].zone
				   : l->hosts.rows[q->list - a->hosts.rows].zone;
}

static size_t
read_hits(const struct spam_dnslists *l, const struct asking *a,
	struct spam_list_hit hits[SPAM_LIST_HITS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < a->count && n < SPAM_LIST_HITS_MAX; i++) {
		const struct question *q = &a->questions[i];
		if (q->is_listed)
			hits[n++] = (struct spam_list_hit){.zone = zone_in(l, a, q),
				.weight = q->list->allows ? -q->list->weight : q->list->weight,
				.host = q->host};
	}
	return n;
}

size_t
spam_dnslists_ask(const struct spam_dnslists *l, struct cv_resolver *resolver,
	const struct spam_list_ask *ask, struct spam_list_hit hits[SPAM_LIST_HITS_MAX],
	unsigned *asked_out)
{
	struct asking *a = cv_calloc(1, sizeof *a);

	a->clients = l->clients;
	a->hosts = l->hosts;
	pthread_mutex_init(&a->lock, NULL);
	cv_cond_init(&a->answered);
	collect(a, ask);
	*asked_out = a->left = (unsigned)a->count;
	/* The last answer may free it only once nobody waits: is_left is set under the lock. */
	for (size_t i = 0; i < *asked_out; i++)
		cv_resolve(resolver, a->questions[i].name, CV_DNS_A, take_answer, &a->questions[i]);
	pthread_mutex_lock(&a->lock);
	bool is_whole = wait_for_all(a, ask->wait_ms);
	size_t n = read_hits(l, a, hits);
	a->is_left = true;
	pthread_mutex_unlock(&a->lock);
	if (is_whole)
		asking_free(a);
	return n;
}
