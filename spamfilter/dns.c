/* dns.c - see dns.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dns.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/net/dns.h"
#include "common/net/metrics.h"

#define SHARDS      16
#define SHARD_MAX   512 /* answers kept: 8,192 in all, of a few hundred octets each */
#define KEEP_MS     300000
#define KEEP_BAD_MS 5000
#define ANSWER_MAX  (16u << 10) /* octets of records; larger answers are not kept */

struct shard {
	pthread_mutex_t lock;
	struct cv_map answers;
};

struct spam_dns {
	struct cv_resolver *resolver;
	struct shard shards[SHARDS];
	atomic_ullong messages, asked, kept, denied;
};

/* ---- answers ---- */

static struct spam_answer *
answer_new(struct cv_dns_answer *dns)
{
	struct spam_answer *a = cv_calloc(1, sizeof *a);

	a->dns = dns;
	atomic_init(&a->refs, 1);
	return a;
}

void
spam_answer_free(struct spam_answer *a)
{
	if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) > 1)
		return;
	struct spam_parsed *parsed = atomic_load(&a->parsed);
	if (parsed)
		parsed->give_back(parsed);
	cv_dns_answer_free(a->dns);
	free(a);
}

struct spam_parsed *
spam_answer_keep(struct spam_answer *a, struct spam_parsed *parsed)
{
	struct spam_parsed *there = NULL;

	if (atomic_compare_exchange_strong(&a->parsed, &there, parsed))
		return parsed;
	parsed->give_back(parsed);
	return there;
}

static size_t
answer_bytes(const struct cv_dns_answer *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < a->count; i++)
		n += sizeof *a->records + a->records[i].rdata.n;
	return n;
}

/* ---- what is kept ---- */

struct spam_dns *
spam_dns_new(struct cv_resolver *resolver)
{
	struct spam_dns *d = cv_calloc(1, sizeof *d);

	d->resolver = resolver;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&d->shards[i].lock, NULL);
		cv_map_init(&d->shards[i].answers);
	}
	return d;
}

void
spam_dns_free(struct spam_dns *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		size_t pos = 0;
		struct cv_str key;
		void *value;
		while (cv_map_each(&d->shards[i].answers, &pos, &key, &value))
			spam_answer_free(value);
		cv_map_done(&d->shards[i].answers);
		pthread_mutex_destroy(&d->shards[i].lock);
	}
	free(d);
}

/* Makes room: what is too old goes; when nothing is, an eighth of all goes. */
static void
shrink(struct shard *s, int64_t now_ms)
{
	for (unsigned round = 0; round < 2 && s->answers.used >= SHARD_MAX; round++) {
		size_t pos = 0, dropped = 0;
		struct cv_str key;
		void *value;
		while (cv_map_each(&s->answers, &pos, &key, &value)) {
			if (round ? dropped >= SHARD_MAX / 8
				  : ((struct spam_answer *)value)->until_ms > now_ms)
				continue;
			dropped++;
			(void)cv_map_del(&s->answers, key);
			spam_answer_free(value);
		}
	}
}

static struct spam_answer *
find_kept(struct shard *s, struct cv_str key, int64_t now_ms)
{
	pthread_mutex_lock(&s->lock);
	struct spam_answer *a = cv_map_get(&s->answers, key);
	if (a && a->until_ms <= now_ms)
		a = NULL;
	if (a)
		atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&s->lock);
	return a;
}

static void
keep(struct shard *s, struct cv_str key, struct spam_answer *a, int64_t now_ms)
{
	bool is_bad = a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS;
	int64_t ms = is_bad ? KEEP_BAD_MS : CV_MIN((int64_t)a->dns->ttl_secs * 1000, KEEP_MS);

	if (ms <= 0 || answer_bytes(a->dns) > ANSWER_MAX)
		return;
	a->until_ms = now_ms + ms;
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	pthread_mutex_lock(&s->lock);
	shrink(s, now_ms);
	struct spam_answer *old = cv_map_put(&s->answers, key, a);
	pthread_mutex_unlock(&s->lock);
	spam_answer_free(old);
}

/* ---- a message ---- */

void
spam_lookups_start(struct spam_lookups *l, struct spam_dns *dns)
{
	*l = (struct spam_lookups){
		.dns = dns, .left = SPAM_LOOKUPS_MAX, .wait_us = SPAM_WAIT_MS * 1000};
}

void
spam_lookups_end(struct spam_lookups *l)
{
	if (!l->dns)
		return;
	atomic_fetch_add(&l->dns->messages, 1);
	atomic_fetch_add(&l->dns->asked, l->asked);
	atomic_fetch_add(&l->dns->kept, l->asked - l->fresh - l->denied);
	atomic_fetch_add(&l->dns->denied, l->denied);
	l->dns = NULL;
}

void
spam_lookups_reserve(struct spam_lookups *l, unsigned left, int64_t wait_us)
{
	l->left = CV_MAX(l->left, left);
	l->wait_us = CV_MAX(l->wait_us, wait_us);
}

struct spam_answer *
spam_ask(struct spam_lookups *l, const char *name, enum cv_dns_type type)
{
	char key[260];
	int64_t now_us = cv_mono_us();

	l->asked++;
	if (!cv_dns_name_clean(cv_str_z(name), key + 2) || !key[2])
		return answer_new(cv_dns_answer_new(CV_DNS_NXDOMAIN));
	key[0] = (char)type;
	key[1] = ' ';
	struct cv_str whole = cv_str_z(key);
	struct shard *s = &l->dns->shards[cv_hash(whole.p, whole.n, 0) % SHARDS];
	struct spam_answer *a = find_kept(s, whole, now_us / 1000);
	if (a)
		return a;
	if (!l->left || l->wait_us <= 0) {
		l->denied++;
		return answer_new(cv_dns_answer_new(CV_DNS_TEMPFAIL));
	}
	l->left--;
	l->fresh++;
	a = answer_new(cv_resolve_wait(l->dns->resolver, key + 2, type));
	int64_t done_us = cv_mono_us();
	l->wait_us -= done_us - now_us;
	keep(s, whole, a, done_us / 1000);
	return a;
}

void
spam_dns_metrics(struct spam_dns *d, struct cv_buf *out)
{
	const struct cv_metric_row rows[] = {
		{"congvu_filter_dns_messages_total", CV_COUNTER, "Messages whose checks may ask DNS.",
			atomic_load(&d->messages)},
		{"congvu_filter_dns_lookups_total", CV_COUNTER, "Look-ups of these messages.",
			atomic_load(&d->asked)},
		{"congvu_filter_dns_kept_total", CV_COUNTER, "Look-ups answered from memory.",
			atomic_load(&d->kept)},
		{"congvu_filter_dns_denied_total", CV_COUNTER,
			"Look-ups past a message's budget.", atomic_load(&d->denied)},
	};

	cv_metric_rows(out, rows, CV_COUNT(rows));
}
