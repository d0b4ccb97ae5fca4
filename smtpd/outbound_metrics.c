/* outbound_metrics.c - the sending side's numbers. Destinations are chosen by others, so only the
 * busiest few are named. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/net/metrics.h"
#include "smtpd/outbound_internal.h"

#define TOP 10u

struct top {
	char name[320];
	size_t jobs;
};

static void
enter(struct top *top, const struct out_dest *d)
{
	size_t at = TOP;

	while (at && d->job_count > top[at - 1].jobs)
		at--;
	if (at == TOP)
		return;
	memmove(&top[at + 1], &top[at], (TOP - at - 1) * sizeof *top);
	snprintf(top[at].name, sizeof top[at].name, "%s", d->key);
	top[at].jobs = d->job_count;
}

void
smtpd_outbound_metrics(struct smtpd_outbound *o, struct cv_buf *out)
{
	struct top *top = cv_calloc(TOP, sizeof *top);
	struct cv_str key;
	void *value;
	size_t pos = 0, dests = 0, down = 0;
	int64_t now = cv_mono_ms();

	pthread_mutex_lock(&o->lock);
	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		const struct out_dest *d = value;
		dests++;
		down += d->down_until_ms > now;
		enter(top, d);
	}
	size_t claimed = o->claimed, conns = o->conn_count, local = o->local_running;
	pthread_mutex_unlock(&o->lock);
	const struct {
		const char *name, *help;
		size_t value;
	} rows[] = {
		{"congvu_queue_sending", "Recipients loaded from the queue to be tried.", claimed},
		{"congvu_outbound_connections", "Connections to other servers.", conns},
		{"congvu_outbound_store_deliveries", "Deliveries to the store under way.", local},
		{"congvu_outbound_destinations", "Destinations known now.", dests},
		{"congvu_outbound_destinations_down", "Destinations that did not answer lately.",
			down},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		cv_metric_one(out, rows[i].name, CV_GAUGE, rows[i].help, rows[i].value);
	cv_metric_head(out, "congvu_outbound_waiting", CV_GAUGE,
		"Transactions that wait for a connection, at the ten busiest destinations.");
	for (size_t i = 0; i < TOP && top[i].jobs; i++) {
		/* Under several wishes for TLS a destination may come twice: one sample a name. */
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(top[k].name, top[i].name);
		if (!seen)
			cv_metric_sample(out, "congvu_outbound_waiting",
				(const char *const[]){"destination", top[i].name, NULL},
				top[i].jobs);
	}
	free(top);
}
