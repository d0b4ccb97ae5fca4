/* stats.c - see stats.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/stats.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include "common/base/clock.h"
#include "smtpd/outbound.h"

#define RULES_MAX 128u /* rules and codes counted apart; further ones are "other" */

struct smtpd_stats smtpd_stats;

/* ---- refusals by rule ---- */

struct rule {
	char name[48];
	unsigned code;
	uint64_t count;
};
static struct {
	pthread_mutex_t lock;
	struct rule rules[RULES_MAX];
	size_t count;
} refusals = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
count_rule(const char *name, size_t n, unsigned code)
{
	struct rule *r = NULL;

	pthread_mutex_lock(&refusals.lock);
	for (size_t i = 0; i < refusals.count && !r; i++)
		if (refusals.rules[i].code == code && strlen(refusals.rules[i].name) == n
			&& !memcmp(refusals.rules[i].name, name, n))
			r = &refusals.rules[i];
	if (!r && refusals.count < RULES_MAX - 1) {
		r = &refusals.rules[refusals.count++];
		r->code = code;
		snprintf(r->name, sizeof r->name, "%.*s", (int)n, name);
	} else if (!r) {
		r = &refusals.rules[RULES_MAX - 1];
		snprintf(r->name, sizeof r->name, "other");
		refusals.count = RULES_MAX;
	}
	r->count++;
	pthread_mutex_unlock(&refusals.lock);
}

void
smtpd_stats_refused(unsigned code, const char *enhanced, const char *text)
{
	const char *end = text && text[0] == '[' ? strchr(text, ']') : NULL;

	if (code < 400)
		return;
	if (end && end - text - 1 < 48)
		count_rule(text + 1, (size_t)(end - text - 1), code);
	else
		count_rule(enhanced ? enhanced : "-", enhanced ? strlen(enhanced) : 1, code);
}

static void
put_refusals(struct cv_buf *out)
{
	cv_metric_head(out, "congvu_smtp_refused_total", CV_COUNTER,
		"Replies of 400 and more, by rule (or enhanced status code).");
	pthread_mutex_lock(&refusals.lock);
	for (size_t i = 0; i < refusals.count; i++) {
		char code[16];
		snprintf(code, sizeof code, "%u", refusals.rules[i].code);
		cv_metric_sample(out, "congvu_smtp_refused_total",
			(const char *const[]){
				"rule", refusals.rules[i].name, "code", code, NULL},
			refusals.rules[i].count);
	}
	pthread_mutex_unlock(&refusals.lock);
}

/* ---- TLS ---- */

static const char *const tls_names[] = {"none", "TLSv1.2", "TLSv1.3", "other"};
static atomic_ullong tls_counts[CV_COUNT(tls_names)];

void
smtpd_stats_tls(const char *version)
{
	size_t i = version ? CV_COUNT(tls_names) - 1 : 0;

	for (size_t k = 1; version && k < CV_COUNT(tls_names); k++)
		if (!strcmp(version, tls_names[k]))
			i = k;
	atomic_fetch_add_explicit(&tls_counts[i], 1, memory_order_relaxed);
}

static void
put_tls(struct cv_buf *out)
{
	cv_metric_head(out, "congvu_smtp_messages_by_tls_total", CV_COUNTER,
		"Messages begun (MAIL), by the TLS version of their session.");
	for (size_t i = 0; i < CV_COUNT(tls_names); i++)
		cv_metric_sample(out, "congvu_smtp_messages_by_tls_total",
			(const char *const[]){"version", tls_names[i], NULL},
			atomic_load(&tls_counts[i]));
}

/* ---- disk ---- */

struct room {
	uint64_t free, total;
};

static bool
look_at_disk(const char *dir, struct room *out)
{
	struct statvfs v;

	if (statvfs(dir, &v))
		return false;
	*out = (struct room){(uint64_t)v.f_bavail * v.f_frsize, (uint64_t)v.f_blocks * v.f_frsize};
	return true;
}

bool
smtpd_disk_is_low(struct smtpd_server *s)
{
	static _Atomic int64_t looked_ms;
	static atomic_bool low;
	int64_t now = cv_mono_ms(), last = atomic_load(&looked_ms);
	struct room r;

	if ((last && now - last < 1000)
		|| !atomic_compare_exchange_strong(&looked_ms, &last, now))
		return atomic_load(&low);
	if (look_at_disk(s->main->queue_dir, &r)) {
		uint64_t reserve = CV_MIN((uint64_t)s->opt->disk_reserve, r.total / 20);
		atomic_store(&low, r.free < reserve);
	}
	return atomic_load(&low);
}

static void
put_disk(struct cv_buf *out, struct smtpd_server *s)
{
	const struct {
		const char *label, *dir;
	} rows[] = {{"queue", s->main->queue_dir}, {"mail", s->main->mail_dir}};

	cv_metric_head(out, "congvu_disk_free_bytes", CV_GAUGE,
		"Room left on the disk that holds a folder.");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct room r;
		if (look_at_disk(rows[i].dir, &r))
			cv_metric_sample(out, "congvu_disk_free_bytes",
				(const char *const[]){"folder", rows[i].label, NULL}, r.free);
	}
	cv_metric_one(out, "congvu_disk_low", CV_GAUGE,
		"1: new messages are put off because the disk is nearly full.",
		smtpd_disk_is_low(s));
}

/* ---- all ---- */

static void
put_fates(struct cv_buf *out)
{
	static const char *const names[] = {[SMTPD_STATS_SENT] = "sent",
		[SMTPD_STATS_DEFERRED] = "deferred", [SMTPD_STATS_FAILED] = "failed",
		[SMTPD_STATS_EXPIRED] = "expired"};

	cv_metric_head(out, "congvu_smtp_outbound_total", CV_COUNTER,
		"Recipients tried from the queue, by outcome.");
	for (size_t i = 0; i < CV_COUNT(names); i++)
		cv_metric_sample(out, "congvu_smtp_outbound_total",
			(const char *const[]){"outcome", names[i], NULL},
			atomic_load(&smtpd_stats.fates[i]));
}

static void
put_places(struct cv_buf *out)
{
	static const char *const names[] = {[SMTPD_PLACED_JUNK] = "junk",
		[SMTPD_PLACED_QUARANTINE] = "quarantine", [SMTPD_PLACED_HELD] = "queue"};

	cv_metric_head(out, "congvu_smtp_placed_total", CV_COUNTER,
		"Messages that a filter's verdict sent elsewhere than to INBOX.");
	for (size_t i = 0; i < CV_COUNT(names); i++)
		cv_metric_sample(out, "congvu_smtp_placed_total",
			(const char *const[]){"place", names[i], NULL},
			atomic_load(&smtpd_stats.placed[i]));
}

static void
put_sessions(struct cv_buf *out, struct smtpd_server *s)
{
	cv_metric_head(out, "congvu_smtp_sessions_total", CV_COUNTER,
		"Sessions begun, by listener.");
	for (size_t i = 0; i < SMTPD_LABELS; i++)
		cv_metric_sample(out, "congvu_smtp_sessions_total",
			(const char *const[]){"listener", smtpd_labels[i], NULL},
			atomic_load(&s->counters.by_label[i]));
}

static void
put_queue(struct cv_buf *out, struct smtpd_server *s)
{
	struct cv_queue_stats q;

	cv_queue_stats(s->queue, &q);
	cv_metric_head(out, "congvu_queue_recipients", CV_GAUGE,
		"Recipients in the queue, by state.");
	cv_metric_sample(out, "congvu_queue_recipients",
		(const char *const[]){"state", "held", NULL}, q.held);
	cv_metric_sample(out, "congvu_queue_recipients",
		(const char *const[]){"state", "waiting", NULL},
		q.recipients - CV_MIN(q.held, q.recipients));
	cv_metric_one(out, "congvu_queue_messages", CV_GAUGE, "Messages in the queue.", q.messages);
	cv_metric_one(out, "congvu_queue_bytes", CV_GAUGE, "Bytes of messages in the queue.",
		q.bytes);
	int64_t age = q.messages ? cv_wall_secs() - q.oldest_secs : 0;
	cv_metric_one(out, "congvu_queue_oldest_seconds", CV_GAUGE,
		"Age of the oldest message in the queue.", (uint64_t)CV_MAX(age, (int64_t)0));
	smtpd_outbound_metrics(s->outbound, out);
}

void
smtpd_stats_collect(void *server, struct cv_buf *out)
{
	struct smtpd_server *s = server;
	const struct {
		const char *name, *help;
		uint64_t value;
	} rows[] = {
		{"congvu_smtp_accepted_total", "Messages accepted.",
			atomic_load(&s->counters.accepted)},
		{"congvu_smtp_accepted_bytes_total", "Bytes of messages accepted.",
			atomic_load(&smtpd_stats.bytes)},
		{"congvu_smtp_delivered_total", "Copies delivered to boxes before the answer.",
			atomic_load(&s->counters.delivered)},
		{"congvu_smtp_queued_total", "Recipients put into the queue.",
			atomic_load(&s->counters.queued)},
		{"congvu_smtp_store_deferred_total",
			"Boxes queued because the store could not take them.",
			atomic_load(&smtpd_stats.deferred_boxes)},
		{"congvu_smtp_auth_failures_total", "Log-ins that failed.",
			atomic_load(&s->counters.auth_failed)},
		{"congvu_smtp_reports_total", "Reports (bounces, delays) made for senders.",
			atomic_load(&smtpd_stats.bounces)},
	};

	cv_metrics_net(out, s->net);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		cv_metric_one(out, rows[i].name, CV_COUNTER, rows[i].help, rows[i].value);
	put_sessions(out, s);
	put_refusals(out);
	put_tls(out);
	put_fates(out);
	put_places(out);
	put_queue(out, s);
	put_disk(out, s);
	cv_resolver_metrics(s->resolver, out);
	cv_metric_one(out, "congvu_store_up", CV_GAUGE, "1: the mailbox store answers.",
		cv_deliverer_is_up(s->deliverer));
	cv_metric_histogram(out, "congvu_smtp_accept_seconds",
		"From the end of the data to its being durable.", &smtpd_stats.accept);
	cv_metric_histogram(out, "congvu_smtp_filter_seconds",
		"The filters' look at a whole message.", &smtpd_stats.filter);
	cv_metric_histogram(out, "congvu_smtp_store_seconds", "Deliveries to the store.",
		&smtpd_stats.store);
	cv_metric_histogram(out, "congvu_smtp_outbound_seconds",
		"From a recipient's being loaded from the queue to the outcome of the try.",
		&smtpd_stats.outbound);
}

void
smtpd_stats_ready(void *server, struct cv_buf *why)
{
	struct smtpd_server *s = server;

	if (atomic_load(&s->draining))
		cv_buf_z(why, "stopping\n");
	if (smtpd_disk_is_low(s))
		cv_buf_z(why, "the queue's disk is nearly full: new mail is put off\n");
	if (!cv_deliverer_is_up(s->deliverer))
		cv_buf_z(why, "the mailbox store does not answer: local mail is queued\n");
}
