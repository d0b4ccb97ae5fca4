/* metrics.c - what the filter counts, for Prometheus (common/net/metrics.h). libmilter serves the
 * MTAs, so this has a small net of its own. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/metrics.h"

#include "spamfilter/server.h"

static void
collect_verdicts(struct spam_server *s, struct cv_buf *out)
{
	static const char name[] = "congvu_filter_verdicts_total";

	cv_metric_head(out, name, CV_COUNTER, "Messages judged, by action.");
	for (enum spam_action a = 0; a < SPAM_ACTIONS; a++) {
		const char *const labels[] = {"action", spam_action_word(a), NULL};
		cv_metric_sample(out, name, labels, atomic_load(&s->verdicts[a]));
	}
}

static void
collect(void *arg, struct cv_buf *out)
{
	struct spam_server *s = arg;
	struct spam_clamav_figures clamav;

	spam_clamav_figures(s->clamav, &clamav);
	const struct cv_metric_row rows[] = {
		{"congvu_filter_sessions", CV_GAUGE, "Sessions of MTAs open now.",
			atomic_load(&s->sessions_open)},
		{"congvu_filter_sessions_total", CV_COUNTER, "Sessions begun.",
			atomic_load(&s->sessions)},
		{"congvu_filter_messages_total", CV_COUNTER, "Messages judged.",
			atomic_load(&s->messages)},
		{"congvu_filter_refused_total", CV_COUNTER, "Messages refused.",
			atomic_load(&s->refused)},
		{"congvu_filter_marked_total", CV_COUNTER, "Messages marked.",
			atomic_load(&s->marked)},
		{"congvu_filter_signed_total", CV_COUNTER, "Messages signed with DKIM.",
			atomic_load(&s->signed_)},
		{"congvu_filter_spf_differs_total", CV_COUNTER,
			"Checks of SPF on which libspf2 disagrees (spf_cross_check).",
			atomic_load(&s->spf_differs)},
		{"congvu_filter_turned_away_total", CV_COUNTER,
			"Sessions beyond threads_max.", atomic_load(&s->turned_away)},
		{"congvu_filter_examined", CV_GAUGE, "Messages looked into now.",
			spam_room_taken(&s->room)},
		{"congvu_filter_under_way", CV_GAUGE, "Messages between MAIL and their end.",
			atomic_load(&s->under_way)},
		{"congvu_filter_documents_total", CV_COUNTER, "Attached documents seen.",
			atomic_load(&s->documents)},
		{"congvu_filter_clamav_up", CV_GAUGE, "Whether ClamAV answered when last asked.",
			clamav.is_up},
		{"congvu_filter_clamav_scanned_total", CV_COUNTER, "Messages scanned.",
			clamav.scanned},
		{"congvu_filter_clamav_found_total", CV_COUNTER,
			"Messages in which something was found.", clamav.found},
		{"congvu_filter_clamav_failed_total", CV_COUNTER,
			"Messages that could not be scanned.", clamav.away + clamav.failed},
	};

	cv_metric_rows(out, rows, CV_COUNT(rows));
	collect_verdicts(s, out);
	cv_resolver_metrics(s->resolver, out);
	spam_dns_metrics(s->dns, out);
}

static void
ready(CV_UNUSED void *arg, CV_UNUSED struct cv_buf *why)
{
}

enum cv_status
spam_metrics_open(struct spam_server *s, struct cv_err *err)
{
	const struct cv_net_options o = {.workers = 1, .max_conns = 64};

	if (!s->opt->metrics_listen[0])
		return CV_OK;
	s->metrics = (struct cv_metrics_source){collect, ready, s};
	enum cv_status status = cv_net_new(&o, &s->net, err);
	if (status == CV_OK)
		status = cv_metrics_listen(s->net, s->opt->metrics_listen, &s->metrics, err);
	return status == CV_OK ? cv_net_start(s->net, err) : status;
}
