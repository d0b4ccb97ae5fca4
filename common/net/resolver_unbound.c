/* resolver_unbound.c - libunbound: one context, its own worker thread, and a thread of ours that
 * takes answers out and gives up on look-ups that last too long.
 *
 * All look-ups have the same limit, so the list is in order of deadline. The lock covers the list
 * and the moment between asking libunbound and knowing the number it gave; callbacks of libunbound
 * come on our thread, outside its locks.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unbound.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/net/dns.h"
#include "common/net/resolver_private.h"
#include "common/net/thread.h"

#define OUTSTANDING_MAX 4096
#define DEFAULT_TIMEOUT_SECS 10
#define CLASS_IN 1
#define RCODE_NXDOMAIN 3

struct cv_unbound {
	struct ub_ctx *ctx;
	int bell_fd;
	int64_t timeout_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* over the next lines */
	struct cv_link queries;
	unsigned outstanding;
	bool ended, asleep;
};

struct query {
	struct cv_link link;
	struct cv_unbound *u;
	cv_resolved_fn *fn;
	void *arg;
	enum cv_dns_type type;
	int id;
	int64_t until_ms;
};

/* ---- settings ---- */

static const char *const settings[][2] = {
	{"qname-minimisation:", "yes"}, {"msg-cache-size:", "16m"},   {"rrset-cache-size:", "32m"},
	{"key-cache-size:", "4m"},      {"neg-cache-size:", "2m"},    {"cache-max-ttl:", "86400"},
	{"cache-max-negative-ttl:", "900"}, {"edns-buffer-size:", "1232"}, {"prefetch:", "yes"},
	{"harden-glue:", "yes"},        {"harden-dnssec-stripped:", "yes"}, {"aggressive-nsec:", "yes"},
};

static enum cv_status
refuse(struct cv_err *err, const char *what, int result)
{
	return cv_fail(err, CV_INVALID, "resolver: %s: %s", what, ub_strerror(result));
}

/* libunbound reads settings with clauses only from a file. */
static enum cv_status
apply_text(struct ub_ctx *ctx, const char *text, struct cv_err *err)
{
	char path[64];
	int fd = memfd_create("unbound.conf", MFD_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "resolver: memfd");
	if (dprintf(fd, "server:\n%s\n", text) < 0) {
		close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "resolver: memfd");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int result = ub_ctx_config(ctx, path);
	close(fd);
	return result ? refuse(err, "settings", result) : CV_OK;
}

static enum cv_status
apply_forwarders(struct ub_ctx *ctx, const char *list, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;
	/* A resolver on this machine may be named as well as any other. */
	int may_be_local = ub_ctx_set_option(ctx, "do-not-query-localhost:", "no");
	if (may_be_local)
		return refuse(err, "do-not-query-localhost", may_be_local);
	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		char *address = cv_str_dup(word);
		int result = ub_ctx_set_fwd(ctx, address);
		enum cv_status status = result ? refuse(err, address, result) : CV_OK;
		free(address);
		if (status)
			return status;
	}
	return CV_OK;
}

static enum cv_status
apply_options(struct ub_ctx *ctx, const struct cv_resolver_options *o, struct cv_err *err)
{
	int result = ub_ctx_async(ctx, 1);
	if (result)
		return refuse(err, "threads", result);
	ub_ctx_debuglevel(ctx, 0);
	for (size_t i = 0; i < CV_COUNT(settings); i++) {
		result = ub_ctx_set_option(ctx, settings[i][0], settings[i][1]);
		if (result)
			return refuse(err, settings[i][0], result);
	}
	result = o->trust_anchor ? ub_ctx_add_ta_file(ctx, o->trust_anchor) : 0;
	if (result)
		return refuse(err, o->trust_anchor, result);
	enum cv_status status = o->forwarders ? apply_forwarders(ctx, o->forwarders, err) : CV_OK;
	if (!status && o->hosts_conf)
		status = apply_text(ctx, o->hosts_conf, err);
	return status;
}

/* ---- answers ---- */

static enum cv_dns_state
state_of(const struct ub_result *r)
{
	if (r->bogus)
		return CV_DNS_BOGUS;
	if (r->nxdomain || r->rcode == RCODE_NXDOMAIN)
		return CV_DNS_NXDOMAIN;
	if (r->rcode)
		return CV_DNS_TEMPFAIL;
	return r->havedata ? CV_DNS_OK : CV_DNS_NODATA;
}

static struct cv_dns_answer *
make_answer(const struct ub_result *r, enum cv_dns_type type)
{
	struct cv_dns_answer *a = cv_dns_answer_new(state_of(r));
	a->secure = r->secure && !r->bogus;
	a->ttl_secs = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	const char *canonical = r->canonname ? r->canonname : r->qname;
	if (canonical && !cv_dns_name_clean(cv_str_z(canonical), a->canonical))
		a->canonical[0] = '\0';
	for (int i = 0; a->state == CV_DNS_OK && r->data[i]; i++)
		(void)cv_dns_answer_add(a, type, cv_str(r->data[i], (size_t)r->len[i]));
	cv_dns_answer_finish(a, type);
	return a;
}

static void
forget(struct query *q)
{
	pthread_mutex_lock(&q->u->lock);
	cv_list_remove(&q->link);
	q->u->outstanding--;
	pthread_mutex_unlock(&q->u->lock);
}

/* libunbound calls this from ub_process(), on our thread. */
static void
on_result(void *arg, int result, struct ub_result *r)
{
	struct query *q = arg;
	forget(q);
	q->fn(q->arg, !result && r ? make_answer(r, q->type) : cv_dns_answer_new(CV_DNS_TEMPFAIL));
	ub_resolve_free(r);
	free(q);
}

/* ---- our thread ---- */

static void
ring(struct cv_unbound *u)
{
	uint64_t one = 1;
	ssize_t n = write(u->bell_fd, &one, sizeof(one));
	(void)n; /* a full counter rings as well */
}

/* The oldest look-up when it has lasted too long (or ALL end), else NULL and how long it still
 * has. */
static struct query *
take_expired(struct cv_unbound *u, bool all, int *wait_ms_out)
{
	struct query *q = NULL;
	*wait_ms_out = -1;
	pthread_mutex_lock(&u->lock);
	if (!cv_list_is_empty(&u->queries)) {
		q = CV_CONTAINER(u->queries.next, struct query, link);
		int64_t left_ms = q->until_ms - cv_mono_ms();
		if (left_ms > 0 && !all) {
			*wait_ms_out = (int)left_ms;
			q = NULL;
		}
	}
	u->asleep = *wait_ms_out < 0;
	pthread_mutex_unlock(&u->lock);
	return q;
}

static int
give_up_expired(struct cv_unbound *u, bool all)
{
	struct query *q;
	int wait_ms;
	while ((q = take_expired(u, all, &wait_ms))) {
		ub_cancel(u->ctx, q->id);
		forget(q);
		q->fn(q->arg, cv_dns_answer_new(CV_DNS_TEMPFAIL));
		free(q);
	}
	return wait_ms;
}

static bool
has_ended(struct cv_unbound *u)
{
	pthread_mutex_lock(&u->lock);
	bool ended = u->ended;
	pthread_mutex_unlock(&u->lock);
	return ended;
}

static void *
unbound_main(void *arg)
{
	struct cv_unbound *u = arg;
	struct pollfd p[2] = {{.fd = ub_fd(u->ctx), .events = POLLIN},
	                      {.fd = u->bell_fd, .events = POLLIN}};
	uint64_t count;

	while (!has_ended(u)) {
		if (poll(p, 2, give_up_expired(u, false)) < 0)
			continue;
		if (p[1].revents && read(u->bell_fd, &count, sizeof(count)) < 0)
			continue;
		if (p[0].revents)
			ub_process(u->ctx);
	}
	give_up_expired(u, true);
	return NULL;
}

/* ---- from outside ---- */

enum cv_status
cv_unbound_new(const struct cv_resolver_options *o, struct cv_unbound **out, struct cv_err *err)
{
	struct cv_unbound *u = cv_calloc(1, sizeof(*u));
	u->timeout_ms = (int64_t)(o->timeout_secs ? o->timeout_secs : DEFAULT_TIMEOUT_SECS) * 1000;
	u->ctx = ub_ctx_create();
	u->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cv_list_init(&u->queries);
	pthread_mutex_init(&u->lock, NULL);
	enum cv_status status = !u->ctx || u->bell_fd < 0
	                                ? cv_fail(err, CV_TEMPFAIL,
	                                          "resolver: cannot make a context")
	                                : apply_options(u->ctx, o, err);
	if (!status)
		status = cv_thread_start(&u->thread, "resolver", unbound_main, u, err);
	if (!status) {
		*out = u;
		return CV_OK;
	}
	if (u->ctx)
		ub_ctx_delete(u->ctx);
	if (u->bell_fd >= 0)
		close(u->bell_fd);
	pthread_mutex_destroy(&u->lock);
	free(u);
	return status;
}

void
cv_unbound_free(struct cv_unbound *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->ended = true;
	pthread_mutex_unlock(&u->lock);
	ring(u);
	pthread_join(u->thread, NULL);
	ub_ctx_delete(u->ctx);
	close(u->bell_fd);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

void
cv_unbound_resolve(struct cv_unbound *u, const char *name, enum cv_dns_type type,
                   cv_resolved_fn *fn, void *arg)
{
	struct query *q = cv_calloc(1, sizeof(*q));
	*q = (struct query){.u = u, .fn = fn, .arg = arg, .type = type};
	cv_list_init(&q->link);
	pthread_mutex_lock(&u->lock);
	bool asked = !u->ended && u->outstanding < OUTSTANDING_MAX &&
	             !ub_resolve_async(u->ctx, name, (int)type, CLASS_IN, q, on_result, &q->id);
	bool wake = false;
	if (asked) {
		q->until_ms = cv_mono_ms() + u->timeout_ms;
		cv_list_append(&u->queries, &q->link);
		u->outstanding++;
		wake = u->asleep;
		u->asleep = false;
	}
	pthread_mutex_unlock(&u->lock);
	if (wake)
		ring(u);
	if (asked)
		return;
	free(q);
	fn(arg, cv_dns_answer_new(CV_DNS_TEMPFAIL));
}
