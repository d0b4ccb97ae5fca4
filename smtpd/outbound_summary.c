/* outbound_summary.c - {"do": "queue.summary", "limit": 50}: what waits, by domain and age, with
 * the last answer. One walk in chunks; at most so many domains are told apart. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "smtpd/outbound_internal.h"
#include "smtpd/outbound_summary.h"

#define DOMAINS_MAX 10000u
#define LIMIT_DEFAULT 50
#define CHUNK 2000u

static const struct {
	const char *name;
	int64_t secs;
} ages[] = {{"5m", 300}, {"30m", 1800}, {"2h", 7200}, {"12h", 43200}, {"1d", 86400},
	{"older", INT64_MAX}};

struct domain {
	char name[256];
	uint64_t waiting, held, by_age[CV_COUNT(ages)];
	int64_t oldest, next; /* Unix time; next: the first try to come, 0: none */
	uint32_t attempts;    /* of the recipient whose answer is kept */
	char last_reply[200];
};

struct summary {
	struct cv_map map; /* name -> struct domain */
	size_t count;
	int64_t now;
};

static struct domain *
domain_of(struct summary *s, const struct cv_queue_rcpt *r)
{
	size_t at = r->address.n;
	char name[256];

	while (at && r->address.p[at - 1] != '@')
		at--;
	struct cv_str domain = r->local_acct ? CV_STR("(store)")
					     : cv_str_sub(r->address, at, r->address.n);
	snprintf(name, sizeof name, "%.*s", CV_STR_ARGS(domain));
	for (char *p = name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	struct domain *d = cv_map_get(&s->map, cv_str_z(name));
	if (!d && s->count >= DOMAINS_MAX) {
		snprintf(name, sizeof name, "(others)");
		d = cv_map_get(&s->map, cv_str_z(name));
	}
	if (!d) {
		d = cv_calloc(1, sizeof *d);
		memcpy(d->name, name, sizeof name);
		cv_map_put(&s->map, cv_str_z(name), d);
		s->count++;
	}
	return d;
}

static bool
add_msg(void *arg, const struct cv_queue_msg *msg)
{
	struct summary *s = arg;
	int64_t age = s->now - msg->arrived_secs;

	for (size_t i = 0; i < msg->rcpt_count; i++) {
		const struct cv_queue_rcpt *r = &msg->rcpts[i];
		struct domain *d = domain_of(s, r);
		size_t bucket = 0;
		while (bucket + 1 < CV_COUNT(ages) && age > ages[bucket].secs)
			bucket++;
		d->by_age[bucket]++;
		if (r->state == CV_Q_HELD)
			d->held++;
		else
			d->waiting++;
		if (!d->oldest || msg->arrived_secs < d->oldest)
			d->oldest = msg->arrived_secs;
		if (r->state == CV_Q_WAITING && (!d->next || r->next_secs < d->next))
			d->next = r->next_secs;
		/* The recipient that was tried most often tells most. */
		if (r->last_reply.n && r->attempts >= d->attempts) {
			d->attempts = r->attempts;
			snprintf(d->last_reply, sizeof d->last_reply, "%.*s",
				CV_STR_ARGS(r->last_reply));
		}
	}
	return true;
}

static int
most_first(const void *a, const void *b)
{
	const struct domain *x = *(struct domain *const *)a, *y = *(struct domain *const *)b;
	uint64_t n = x->waiting + x->held, m = y->waiting + y->held;

	return n != m ? (n < m ? 1 : -1) : strcmp(x->name, y->name);
}

static json_t *
describe(const struct domain *d)
{
	json_t *by_age = json_object();

	for (size_t i = 0; i < CV_COUNT(ages); i++)
		json_object_set_new(by_age, ages[i].name, json_integer((json_int_t)d->by_age[i]));
	json_t *reply = out_json_text(cv_str_z(d->last_reply));
	json_t *name = out_json_text(cv_str_z(d->name));
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "domain", name, "waiting",
		(json_int_t)d->waiting, "held", (json_int_t)d->held, "oldest",
		(json_int_t)d->oldest, "next", (json_int_t)d->next, "ages", by_age, "last_reply",
		reply);
}

enum cv_status
smtpd_outbound_summary(
	struct smtpd_outbound *o, json_t *request, json_t **reply_out, struct cv_err *err)
{
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));
	struct summary s = {.now = cv_wall_secs()};
	enum cv_status status = CV_OK;
	uint64_t after = 0;
	bool more = true;

	cv_map_init(&s.map);
	while (status == CV_OK && more)
		status = cv_queue_walk(
			o->server->queue, after, CHUNK, add_msg, &s, &after, &more, err);
	struct domain **list = cv_calloc(s.count + 1, sizeof *list);
	struct cv_str key;
	void *value;
	size_t pos = 0, n = 0;
	while (cv_map_each(&s.map, &pos, &key, &value))
		list[n++] = value;
	qsort(list, n, sizeof *list, most_first);
	if (status == CV_OK) {
		json_t *domains = json_array();
		size_t most = limit > 0 ? (size_t)limit : LIMIT_DEFAULT;
		for (size_t i = 0; i < n && i < most; i++)
			json_array_append_new(domains, describe(list[i]));
		*reply_out = json_pack("{s:o, s:I}", "domains", domains, "total", (json_int_t)n);
	}
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
	cv_map_done(&s.map);
	return status;
}
