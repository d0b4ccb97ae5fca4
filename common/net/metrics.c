/* metrics.c - see metrics.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/metrics.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/net/http.h"

#define REQUEST_SECS 5
#define AT_ONCE_MAX 16u
#define ANSWER_MAX (4u << 20)

/* ---- writing ---- */

static const struct {
	int64_t us;
	const char *text;
} bounds[CV_HISTOGRAM_BOUNDS] = {
	{500, "0.0005"}, {1000, "0.001"}, {2500, "0.0025"}, {5000, "0.005"}, {10000, "0.01"},
	{25000, "0.025"}, {50000, "0.05"}, {100000, "0.1"}, {250000, "0.25"}, {500000, "0.5"},
	{1000000, "1"}, {2500000, "2.5"}, {5000000, "5"}, {10000000, "10"}, {30000000, "30"},
	{60000000, "60"},
};

void
cv_histogram_add(struct cv_histogram *h, int64_t us)
{
	size_t i = 0;

	us = CV_MAX(us, (int64_t)0);
	while (i < CV_HISTOGRAM_BOUNDS && us > bounds[i].us)
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, (unsigned long long)us, memory_order_relaxed);
}

void
cv_metric_head(struct cv_buf *out, const char *name, enum cv_metric_type type, const char *help)
{
	static const char *const words[] = {"counter", "gauge", "histogram"};

	cv_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, words[type]);
}

/* A label's value: backslash, quote and newline are escaped; other control bytes say nothing. */
static void
put_value(struct cv_buf *out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p == '\\' || *p == '"')
			cv_buf_c(out, '\\');
		cv_buf_c(out, *p < 0x20 || *p >= 0x7f ? '?' : (char)*p);
	}
}

void
cv_metric_sample(struct cv_buf *out, const char *name, const char *const *labels, uint64_t value)
{
	cv_buf_z(out, name);
	for (size_t i = 0; labels && labels[i]; i += 2) {
		cv_buf_z(out, i ? "," : "{");
		cv_buf_z(out, labels[i]);
		cv_buf_z(out, "=\"");
		put_value(out, labels[i + 1]);
		cv_buf_c(out, '"');
	}
	if (labels && labels[0])
		cv_buf_c(out, '}');
	cv_buf_printf(out, " %" PRIu64 "\n", value);
}

void
cv_metric_histogram(
	struct cv_buf *out, const char *name, const char *help, const struct cv_histogram *h)
{
	uint64_t total = 0;

	cv_metric_head(out, name, CV_HISTOGRAM, help);
	for (size_t i = 0; i <= CV_HISTOGRAM_BOUNDS; i++) {
		total += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
		cv_buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name,
			i < CV_HISTOGRAM_BOUNDS ? bounds[i].text : "+Inf", total);
	}
	uint64_t sum = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
	cv_buf_printf(out, "%s_sum %" PRIu64 ".%06u\n%s_count %" PRIu64 "\n", name, sum / 1000000,
		(unsigned)(sum % 1000000), name, total);
}

void
cv_metric_one(struct cv_buf *out, const char *name, enum cv_metric_type type, const char *help,
	uint64_t value)
{
	cv_metric_head(out, name, type, help);
	cv_metric_sample(out, name, NULL, value);
}

void
cv_metric_rows(struct cv_buf *out, const struct cv_metric_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cv_metric_one(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
}

void
cv_metrics_net(struct cv_buf *out, struct cv_net *net)
{
	struct cv_net_stats s;
	static _Atomic int64_t started_ms;
	int64_t zero = 0, now = cv_mono_ms();

	atomic_compare_exchange_strong(&started_ms, &zero, now);
	cv_net_stats(net, &s);
	const struct cv_metric_row rows[] = {
		{"congvu_connections", CV_GAUGE, "Connections open now, outgoing ones too.", s.open},
		{"congvu_connections_accepted_total", CV_COUNTER, "Connections accepted.",
			s.accepted},
		{"congvu_connections_refused_total", CV_COUNTER,
			"Connections refused because a limit was reached.", s.refused},
		{"congvu_tls_handshakes_total", CV_COUNTER, "TLS handshakes completed.",
			s.tls_handshakes},
		{"congvu_tls_failures_total", CV_COUNTER, "TLS handshakes that failed.",
			s.tls_failures},
		{"congvu_received_bytes_total", CV_COUNTER, "Bytes read from peers.", s.bytes_in},
		{"congvu_sent_bytes_total", CV_COUNTER, "Bytes written to peers.", s.bytes_out},
		{"congvu_workers", CV_GAUGE, "Worker threads.", s.workers},
		{"congvu_workers_busy", CV_GAUGE, "Worker threads at work now.", s.workers_busy},
		{"congvu_work_waiting", CV_GAUGE, "Ready connections that wait for a worker.",
			s.work_waiting},
	};
	cv_metric_rows(out, rows, CV_COUNT(rows));
	cv_metric_head(out, "congvu_build_info", CV_GAUGE, "The version that runs.");
	cv_metric_sample(out, "congvu_build_info",
		(const char *const[]){"version", CV_VERSION, NULL}, 1);
}

/* ---- HTTP ---- */

static void
answer_text(struct cv_conn *c, const char *status, const char *text, bool head)
{
	cv_http_answer(cv_conn_out(c), status, "text/plain; charset=utf-8", "", cv_str_z(text),
		head);
}

static void
serve_metrics(struct cv_conn *c, const struct cv_metrics_source *source, bool head)
{
	struct cv_buf body = CV_BUF_INIT(ANSWER_MAX);

	source->collect(source->arg, &body);
	if (body.full)
		answer_text(c, "500 Internal Server Error", "too many metrics\n", head);
	else
		cv_http_answer(cv_conn_out(c), "200 OK",
			"text/plain; version=0.0.4; charset=utf-8", "", cv_buf_view(&body), head);
	cv_buf_done(&body);
}

static void
serve_ready(struct cv_conn *c, const struct cv_metrics_source *source, bool head)
{
	struct cv_buf why = CV_BUF_INIT(16u << 10);

	source->ready(source->arg, &why);
	answer_text(c, why.n ? "503 Service Unavailable" : "200 OK", why.n ? why.p : "ready\n",
		head);
	cv_buf_done(&why);
}

static enum cv_step
serve(void *arg, struct cv_conn *c, const struct cv_http_request *r, void **state)
{
	const struct cv_metrics_source *source = arg;
	bool head = r->method == CV_HTTP_HEAD;

	(void)state;
	if (cv_str_eq_z(r->path, "/metrics"))
		serve_metrics(c, source, head);
	else if (cv_str_eq_z(r->path, "/health"))
		answer_text(c, "200 OK", "ok\n", head);
	else if (cv_str_eq_z(r->path, "/ready"))
		serve_ready(c, source, head);
	else
		answer_text(c, "404 Not Found", "/metrics, /health, /ready\n", head);
	return CV_STEP_CLOSE;
}

/* One a process serves its metrics; kept until it ends. */
static struct cv_http_site the_site = {
	.name = "metrics",
	.answer_max = ANSWER_MAX,
	.secs = REQUEST_SECS,
	.at_once = AT_ONCE_MAX,
	.serve = serve,
};

enum cv_status
cv_metrics_listen(struct cv_net *net, const char *list, const struct cv_metrics_source *source,
	struct cv_err *err)
{
	the_site.arg = (void *)(uintptr_t)source;
	return cv_http_listen(net, list, "metrics_listen", &the_site, err);
}
