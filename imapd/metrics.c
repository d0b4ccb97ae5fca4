/* metrics.c - what imapd counts, for Prometheus (common/net/metrics.h). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/metrics.h"

#include "imapd/server.h"

void
imapd_metrics_collect(void *arg, struct cv_buf *out)
{
	struct imapd *d = arg;
	struct imapd_index_figures index = {0};
	struct imapd_texts_figures texts = {0};

	if (d->index)
		imapd_index_figures(d->index, &index);
	if (d->texts)
		imapd_texts_figures(d->texts, &texts);
	const struct cv_metric_row rows[] = {
		{"congvu_imap_sessions", CV_GAUGE, "Sessions logged in.",
			atomic_load(&d->sessions)},
		{"congvu_imap_logins_total", CV_COUNTER, "Log-ins.", atomic_load(&d->logins)},
		{"congvu_imap_failed_logins_total", CV_COUNTER, "Log-ins that failed.",
			atomic_load(&d->failed_logins)},
		{"congvu_pop3_sessions", CV_GAUGE, "POP3 sessions logged in.",
			atomic_load(&d->pop3_sessions)},
		{"congvu_pop3_logins_total", CV_COUNTER, "POP3 log-ins.",
			atomic_load(&d->pop3_logins)},
		{"congvu_pop3_retrieved_total", CV_COUNTER, "Messages read by RETR.",
			atomic_load(&d->pop3_retrieved)},
		{"congvu_pop3_deleted_total", CV_COUNTER, "Messages removed at QUIT.",
			atomic_load(&d->pop3_deleted)},
		{"congvu_imap_commands_total", CV_COUNTER, "Commands done.",
			atomic_load(&d->commands)},
		{"congvu_imap_index_bytes", CV_GAUGE, "Size of the search index.", index.bytes},
		{"congvu_imap_index_messages_total", CV_COUNTER,
			"Messages signed for the search index.", index.signed_messages},
		{"congvu_imap_index_files_total", CV_COUNTER,
			"Files of the search index begun or written anew.", index.files_begun},
		{"congvu_imap_documents_bytes", CV_GAUGE, "Size of the texts of documents.",
			texts.bytes},
		{"congvu_imap_documents_total", CV_COUNTER, "Documents read for searches.",
			texts.documents},
		{"congvu_imap_documents_without_text_total", CV_COUNTER,
			"Of these, documents that gave no text.", texts.without},
	};

	cv_metrics_net(out, d->net);
	cv_metric_rows(out, rows, CV_COUNT(rows));
}

void
imapd_metrics_ready(void *arg, struct cv_buf *why)
{
	struct imapd *d = arg;

	const struct cv_snapshot *snapshot = cv_register_get(d->reg);

	if (!cv_snapshot_generation(snapshot))
		cv_buf_z(why, "the register has no snapshot yet\n");
	cv_snapshot_unref(snapshot);
}
