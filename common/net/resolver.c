/* resolver.c - one interface over a zone file or libunbound. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/net/dns.h"
#include "common/net/metrics.h"
#include "common/net/resolver_private.h"
#include "common/net/zone.h"

#define ZONE_FILE_MAX (64u << 20)

struct cv_resolver {
	struct cv_zone *zone;
	struct cv_unbound *unbound; /* neither: isolated, without a zone */
	bool isolated;
	atomic_ullong states[CV_DNS_BOGUS + 1];
	struct cv_histogram times;
};

static enum cv_status
read_file(const char *path, struct cv_buf *out, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_DENIED, errno, "%s",
		                     path);
	for (;;) {
		char *room = cv_buf_room(out, 1u << 16);
		ssize_t n = room ? read(fd, room, 1u << 16) : -1;
		if (!room)
			status = cv_fail(err, CV_LIMIT, "%s: larger than %u bytes", path,
			                 ZONE_FILE_MAX);
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0)
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "%s", path);
		if (status || n == 0)
			break;
		out->n += (size_t)n;
	}
	close(fd);
	return status;
}

static enum cv_status
load_zone(const char *path, struct cv_zone **out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(ZONE_FILE_MAX);
	struct cv_err why;
	enum cv_status status = read_file(path, &text, err);
	if (!status) {
		status = cv_zone_parse(cv_buf_view(&text), out, &why);
		if (status)
			status = cv_fail(err, status, "%s: %s", path, why.text);
	}
	cv_buf_done(&text);
	return status;
}

enum cv_status
cv_resolver_new(const struct cv_resolver_options *o, struct cv_resolver **out, struct cv_err *err)
{
	struct cv_resolver *r = cv_calloc(1, sizeof(*r));
	enum cv_status status = CV_OK;
	r->isolated = o->isolated;
	if (o->zone_file)
		status = load_zone(o->zone_file, &r->zone, err);
	else if (!o->isolated)
		status = cv_unbound_new(o, &r->unbound, err);
	if (status)
		free(r);
	else
		*out = r;
	return status;
}

void
cv_resolver_free(struct cv_resolver *r)
{
	if (!r)
		return;
	cv_zone_free(r->zone);
	cv_unbound_free(r->unbound);
	free(r);
}

/* ---- what it counts ---- */

/* A look-up that went out to be answered later. */
struct timed {
	struct cv_resolver *r;
	cv_resolved_fn *fn;
	void *arg;
	int64_t began_us;
};

static void
count_answer(struct cv_resolver *r, const struct cv_dns_answer *a, int64_t us)
{
	size_t state = CV_MIN((size_t)a->state, CV_COUNT(r->states) - 1);

	atomic_fetch_add_explicit(&r->states[state], 1, memory_order_relaxed);
	cv_histogram_add(&r->times, us);
}

static void
timed_answer(void *arg, struct cv_dns_answer *answer)
{
	struct timed t = *(struct timed *)arg;

	free(arg);
	count_answer(t.r, answer, cv_mono_us() - t.began_us);
	t.fn(t.arg, answer);
}

void
cv_resolver_metrics(struct cv_resolver *r, struct cv_buf *out)
{
	static const char *const names[] = {[CV_DNS_OK] = "ok", [CV_DNS_NODATA] = "nodata",
		[CV_DNS_NXDOMAIN] = "nxdomain", [CV_DNS_TEMPFAIL] = "tempfail",
		[CV_DNS_BOGUS] = "bogus"};

	cv_metric_head(out, "congvu_dns_answers_total", CV_COUNTER, "DNS look-ups, by outcome.");
	for (size_t i = 0; i < CV_COUNT(names); i++)
		cv_metric_sample(out, "congvu_dns_answers_total",
			(const char *const[]){"outcome", names[i], NULL},
			atomic_load(&r->states[i]));
	cv_metric_histogram(out, "congvu_dns_seconds", "How long DNS answers took.", &r->times);
}

void
cv_resolve(struct cv_resolver *r, const char *name, enum cv_dns_type type, cv_resolved_fn *fn,
           void *arg)
{
	char clean[256];
	if (!cv_dns_name_clean(cv_str_z(name), clean) || !clean[0]) {
		fn(arg, cv_dns_answer_new(CV_DNS_NXDOMAIN));
	} else if (r->zone) {
		struct cv_dns_answer *answer = cv_zone_answer(r->zone, clean, type, r->isolated);
		count_answer(r, answer, 0);
		fn(arg, answer);
	} else if (r->unbound) {
		struct timed *t = cv_malloc(sizeof *t);
		*t = (struct timed){r, fn, arg, cv_mono_us()};
		cv_unbound_resolve(r->unbound, clean, type, timed_answer, t);
	} else
		fn(arg, cv_dns_answer_new(CV_DNS_TEMPFAIL));
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct cv_dns_answer *answer;
};

static void
on_answer(void *arg, struct cv_dns_answer *answer)
{
	struct waiting *w = arg;
	pthread_mutex_lock(&w->lock);
	w->answer = answer;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
}

struct cv_dns_answer *
cv_resolve_wait(struct cv_resolver *r, const char *name, enum cv_dns_type type)
{
	struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
	cv_resolve(r, name, type, on_answer, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.answer)
		pthread_cond_wait(&w.done, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.done);
	pthread_mutex_destroy(&w.lock);
	return w.answer;
}
