/* metrics.c - see metrics.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/metrics.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/addr.h"
#include "common/net/private.h"

#define REQUEST_MAX 4096u
#define REQUEST_SECS 5
#define AT_ONCE_MAX 16u
#define ANSWER_MAX (4u << 20)
#define LINE_END "\r\n"

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

struct listener {
	const struct cv_metrics_source *source;
	atomic_uint open;
	struct listener *next;
};
/* One a process serves its metrics; kept until it ends. */
static struct listener the_listener;

struct request {
	bool counted;
};

static void
answer(struct cv_conn *c, const char *status, const char *type, struct cv_str body, bool head)
{
	struct cv_buf *out = cv_conn_out(c);

	cv_buf_printf(out,
		"HTTP/1.1 %s" LINE_END "Content-Type: %s" LINE_END "Content-Length: %zu" LINE_END
		"Cache-Control: no-store" LINE_END "Connection: close" LINE_END LINE_END,
		status, type, body.n);
	if (!head)
		cv_buf_str(out, body);
}

static void
answer_text(struct cv_conn *c, const char *status, const char *text, bool head)
{
	answer(c, status, "text/plain; charset=utf-8", cv_str_z(text), head);
}

static void
serve_metrics(struct cv_conn *c, const struct cv_metrics_source *source, bool head)
{
	struct cv_buf body = CV_BUF_INIT(ANSWER_MAX);

	source->collect(source->arg, &body);
	if (body.full)
		answer_text(c, "500 Internal Server Error", "too many metrics\n", head);
	else
		answer(c, "200 OK", "text/plain; version=0.0.4; charset=utf-8", cv_buf_view(&body),
			head);
	cv_buf_done(&body);
}

static void
serve_ready(struct cv_conn *c, const struct cv_metrics_source *source, bool head)
{
	struct cv_buf why = CV_BUF_INIT(16u << 10);

	source->ready(source->arg, &why);
	if (why.n)
		answer(c, "503 Service Unavailable", "text/plain; charset=utf-8",
			cv_buf_view(&why), head);
	else
		answer_text(c, "200 OK", "ready\n", head);
	cv_buf_done(&why);
}

/* The request line, once the whole head is here. */
static void
serve_line(struct cv_conn *c, const struct cv_metrics_source *source, struct cv_str line)
{
	struct cv_str method, path, rest = line;

	cv_str_split(&rest, ' ', &method);
	if (!cv_str_split(&rest, ' ', &path) || !cv_str_has_prefix(rest, "HTTP/1.")) {
		answer_text(c, "400 Bad Request", "not an HTTP/1 request\n", false);
		return;
	}
	bool head = cv_str_eq_z(method, "HEAD");
	if (!head && !cv_str_eq_z(method, "GET")) {
		answer_text(c, "405 Method Not Allowed", "GET or HEAD\n", false);
		return;
	}
	path = cv_str_sub(path, 0, cv_str_find(path, '?', 0));
	if (cv_str_eq_z(path, "/metrics"))
		serve_metrics(c, source, head);
	else if (cv_str_eq_z(path, "/health"))
		answer_text(c, "200 OK", "ok\n", head);
	else if (cv_str_eq_z(path, "/ready"))
		serve_ready(c, source, head);
	else
		answer_text(c, "404 Not Found", "/metrics, /health, /ready\n", head);
}

static enum cv_step
run(struct cv_conn *c, unsigned events)
{
	struct listener *l = cv_conn_ctx(c);
	struct request *r = cv_conn_user(c);

	if (events & CV_EV_OPEN) {
		r->counted = true;
		if (atomic_fetch_add(&l->open, 1) >= AT_ONCE_MAX) {
			answer_text(c, "503 Service Unavailable", "too many connections\n", false);
			return CV_STEP_CLOSE;
		}
		cv_conn_set_deadline(c, REQUEST_SECS);
	}
	if (events & CV_EV_TIMEOUT)
		return CV_STEP_CLOSE;
	struct cv_str in = cv_conn_in(c);
	const char *end = in.n ? memmem(in.p, in.n, LINE_END LINE_END, 4) : NULL;
	if (!end) {
		if (cv_conn_in_is_full(c)) {
			answer_text(c, "431 Request Header Fields Too Large", "too long\n", false);
			return CV_STEP_CLOSE;
		}
		if (events & CV_EV_EOF)
			return CV_STEP_CLOSE;
		c->deadline_set = true; /* for the whole request, not from byte to byte */
		return CV_STEP_READ;
	}
	size_t line = (size_t)((const char *)memmem(in.p, in.n, LINE_END, 2) - in.p);
	serve_line(c, l->source, cv_str_sub(in, 0, line));
	cv_conn_consume(c, in.n);
	return CV_STEP_CLOSE;
}

static void
closed(struct cv_conn *c)
{
	struct listener *l = cv_conn_ctx(c);
	struct request *r = cv_conn_user(c);

	if (r->counted)
		atomic_fetch_sub(&l->open, 1);
}

static const struct cv_proto metrics_proto = {
	.name = "metrics",
	.user_bytes = sizeof(struct request),
	.in_max = REQUEST_MAX,
	.out_high = ANSWER_MAX,
	.idle_secs = REQUEST_SECS,
	.run = run,
	.closed = closed,
};

static bool
is_ours_alone(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_UNIX)
		return true;
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->ss_family == AF_INET6
	       && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

enum cv_status
cv_metrics_listen(struct cv_net *net, const char *list, const struct cv_metrics_source *source,
	struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;
	const struct cv_listen l = {.proto = &metrics_proto, .ctx = &the_listener,
		.label = "metrics"};

	the_listener.source = source;
	while (cv_str_split(&rest, ' ', &word)) {
		struct sockaddr_storage addr;
		socklen_t len;
		int fd;
		if (!word.n)
			continue;
		enum cv_status status = cv_sockaddr_parse(word, &addr, &len, err);
		if (status == CV_OK && !is_ours_alone(&addr))
			status = cv_fail(err, CV_INVALID,
				"metrics_listen: %.*s can be reached from other machines; name a "
				"loopback address and put a proxy with log-in in front",
				CV_STR_ARGS(word));
		if (status == CV_OK)
			status = cv_addr_listen(&addr, len, 0600, &fd, err);
		if (status == CV_OK)
			status = cv_net_listen(net, fd, &l, err);
		if (status != CV_OK)
			return status;
	}
	return CV_OK;
}
