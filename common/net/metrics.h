/* metrics.h - what a daemon counts, for Prometheus, and whether it is well, over a tiny HTTP.
 *
 * GET /metrics answers the text format 0.0.4, GET /health "ok" while the process serves, GET /ready
 * 200 or 503 with the reasons, one a line. Addresses must be of this machine: the numbers tell of
 * agencies' habits, so whoever wants them elsewhere puts a proxy with log-in in front. A request
 * has at most 4 KB and 5 s, one a connection, 16 connections at once; anything but GET and HEAD is
 * refused.
 *
 * Writing is by hand: cv_metric_head() once a name, then its samples. Names and labels are ours;
 * label values may come from anywhere and are escaped.
 * Threads: histograms from any thread; COLLECT runs on a worker and must not wait.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_METRICS_H
#define CV_METRICS_H

#include <stdatomic.h>

#include "common/net/net.h"

/* Bounds from 0.5 ms to 60 s. */
#define CV_HISTOGRAM_BOUNDS 16
struct cv_histogram {
	atomic_ullong counts[CV_HISTOGRAM_BOUNDS + 1]; /* the last is "more" */
	atomic_ullong sum_us;
};
void cv_histogram_add(struct cv_histogram *h, int64_t us);

enum cv_metric_type { CV_COUNTER, CV_GAUGE, CV_HISTOGRAM };
void cv_metric_head(struct cv_buf *out, const char *name, enum cv_metric_type type,
                    const char *help);
/* LABELS: pairs of name and value, ended by NULL; or NULL. */
void cv_metric_sample(struct cv_buf *out, const char *name, const char *const *labels,
                      uint64_t value);
/* Head and all samples. */
void cv_metric_histogram(struct cv_buf *out, const char *name, const char *help,
                         const struct cv_histogram *h);
/* Head and one sample without labels. */
void cv_metric_one(struct cv_buf *out, const char *name, enum cv_metric_type type,
                   const char *help, uint64_t value);
/* Many such, from a table. */
struct cv_metric_row {
	const char *name;
	enum cv_metric_type type;
	const char *help;
	uint64_t value;
};
void cv_metric_rows(struct cv_buf *out, const struct cv_metric_row *rows, size_t n);
/* What every daemon has: its net (connections, bytes, TLS, workers), uptime, version. */
void cv_metrics_net(struct cv_buf *out, struct cv_net *net);

struct cv_metrics_source {
	void (*collect)(void *arg, struct cv_buf *out);
	/* Adds a line to WHY for each reason not to be ready. */
	void (*ready)(void *arg, struct cv_buf *why);
	void *arg;
};
/* Listens at each address of LIST ("127.0.0.1:9325 [::1]:9325"; empty: nowhere). *SOURCE must
 * outlive the net. CV_INVALID for an address that other machines can reach. */
CV_MUST_CHECK enum cv_status cv_metrics_listen(struct cv_net *net, const char *list,
                                               const struct cv_metrics_source *source,
                                               struct cv_err *err);

#endif
