/* documents.c - see documents.h; and the examiner of what they say (POL-04). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/documents.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/extract/gather.h"
#include "common/text/charset.h"
#include "spamfilter/judge.h"

struct reading {
	struct spam_mail *m;
	struct spam_documents *d;
	size_t kept;
};

static bool
keep_text(void *arg, enum cv_extract_outcome outcome, struct cv_str text)
{
	struct reading *r = arg;
	size_t room = CV_MIN(SPAM_DOCUMENT_TEXT_MAX, SPAM_DOCUMENTS_TEXT_MAX - r->kept);

	r->d->read += cv_extract_is_final(outcome);
	r->d->encrypted += outcome == CV_EXTRACT_ENCRYPTED;
	if (outcome == CV_EXTRACT_AWAY)
		atomic_fetch_add(&r->m->server->documents_away, 1);
	struct cv_str some = cv_utf8_cut(text, room);
	if (some.n) {
		r->d->texts[r->d->count++] = cv_arena_str(&r->m->arena, some);
		r->kept += some.n;
	}
	return outcome != CV_EXTRACT_AWAY && r->kept < SPAM_DOCUMENTS_TEXT_MAX;
}

static void
feed_header(struct cv_gather *g, const struct spam_mail *m)
{
	for (size_t i = 0; i < m->field_count; i++) {
		cv_gather_feed(g, m->fields[i].name);
		cv_gather_feed(g, CV_STR(":"));
		cv_gather_feed(g, m->fields[i].value);
		cv_gather_feed(g, CV_STR("\r\n"));
	}
	cv_gather_feed(g, CV_STR("\r\n"));
}

const struct spam_documents *
spam_documents(struct spam_mail *m)
{
	if (m->documents)
		return m->documents;
	m->documents = CV_ARENA_NEW(&m->arena, struct spam_documents);
	if (!m->opt->secrecy_attachments || !m->server->extract || m->header_too_large)
		return m->documents;
	struct reading r = {m, m->documents, 0};
	unsigned left_ms = CV_MIN(spam_mail_wait_ms(m), (unsigned)(m->opt->documents_secs * 1000));
	struct cv_gather_options o = {.extract = m->server->extract,
		.documents_max = SPAM_DOCUMENTS_MAX,
		.within_ms = left_ms,
		.end_ms = cv_mono_ms() + left_ms,
		.fn = keep_text,
		.arg = &r};
	struct cv_gather *g = cv_gather_begin(&o);
	if (m->progress)
		m->progress(m->progress_arg);
	feed_header(g, m);
	cv_gather_feed(g, spam_body_view(&m->body));
	m->documents->documents = cv_gather_end(g);
	atomic_fetch_add(&m->server->documents, m->documents->documents);
	if (m->documents->documents)
		cv_log(m->id, CV_DEBUG, "msg.documents", "id=%s documents=%u read=%u encrypted=%u",
			m->queue_id, m->documents->documents, m->documents->read,
			m->documents->encrypted);
	return m->documents;
}

struct cv_str
spam_attachment_text(struct spam_mail *m)
{
	const struct spam_documents *d = spam_documents(m);
	struct cv_buf all = CV_BUF_INIT(SPAM_DOCUMENTS_TEXT_MAX + SPAM_DOCUMENTS_MAX);

	if (d->count == 1)
		return d->texts[0];
	for (size_t i = 0; i < d->count; i++) {
		cv_buf_str(&all, d->texts[i]);
		cv_buf_c(&all, '\n');
	}
	struct cv_str text = cv_arena_str(&m->arena, cv_buf_view(&all));
	cv_buf_done(&all);
	return text;
}

/* POL-04: offices stamp the mark on the first page, so the beginning of each document is looked
 * at, as that of the mail's own text is. */
void
spam_examine_document_secrecy(struct spam_mail *m)
{
	struct cv_decision d = {.verdict = CV_ALLOW};

	if (!m->opt->secrecy_attachments || spam_has(m, SPAM_RULE_SECRECY_MARK) ||
		(!m->is_submission && !strcmp(m->opt->secrecy_inbound, "accept")))
		return;
	const struct spam_documents *all = spam_documents(m);
	for (size_t i = 0; i < all->count && d.verdict != CV_REFUSE; i++)
		cv_policy_secrecy(m->policy->policy, CV_STR_EMPTY, NULL, 0, all->texts[i], &d);
	if (d.verdict == CV_REFUSE)
		spam_secrecy_found(m, &d, "document");
}
