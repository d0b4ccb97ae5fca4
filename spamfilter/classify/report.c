/* report.c - messages that staff forward as attachments to spam_report_address or
 * ham_report_address teach the classifier (SPM-05).
 *
 * Only what staff submit counts, and only from an address of the register; the report itself goes
 * on to whoever reads that address. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/address.h"
#include "common/text/encode.h"
#include "common/text/mime.h"
#include "spamfilter/classify/classify.h"
#include "spamfilter/judge.h"

#define ATTACHED_MAX 20u /* messages in one report */
#define REPORT_MAX   (32u << 20)

static bool
goes_to(const struct spam_mail *m, const char *address)
{
	if (!address[0])
		return false;
	for (size_t i = 0; i < m->rcpt_count; i++)
		if (cv_str_ieq_z(m->rcpts[i], address))
			return true;
	return false;
}

/* What was attached, decoded where somebody coded it (RFC 2046 5.2.1 forbids that; some do). */
static void
decode(const struct cv_mime_part *part, struct cv_str raw, struct cv_buf *out)
{
	if (part->at.encoding == CV_MIME_BASE64) {
		struct cv_base64_reader r = {0};
		cv_base64_read(&r, raw, out);
		cv_base64_read_end(&r, out);
	} else if (part->at.encoding == CV_MIME_QP) {
		struct cv_qp_reader r = {0};
		cv_qp_read(&r, raw, out);
		cv_qp_read_end(&r, out);
	} else {
		cv_buf_str(out, raw);
	}
}

static bool
is_message(const struct cv_mime_part *part)
{
	return cv_str_eq_z(part->at.type, "message") &&
	       (cv_str_eq_z(part->at.subtype, "rfc822") || cv_str_eq_z(part->at.subtype, "global"));
}

static void
learn_attached(struct spam_mail *m, struct cv_str report, enum spam_class class_)
{
	const struct cv_mime_tree *tree = cv_mime_scan(&m->arena, report);
	uint64_t behind = 0;
	unsigned count = 0, failed = 0;

	for (uint32_t i = 0; i < tree->count && count < ATTACHED_MAX; i++) {
		const struct cv_mime_part *part = &tree->parts[i];
		struct cv_buf text = CV_BUF_INIT(SPAM_TRAIN_BYTES_MAX);
		enum spam_learned result;
		struct cv_err err;
		/* What is attached to an attached message is a part of that one. */
		if (!is_message(part) || part->at.body_offset < behind)
			continue;
		behind = part->at.body_offset + part->at.body_bytes;
		decode(part,
			cv_str_sub(cv_str_sub(report, part->at.body_offset, behind), 0,
				SPAM_TRAIN_BYTES_MAX),
			&text);
		count++;
		if (spam_classify_train(m->server, class_, m->sender, 0, cv_buf_view(&text),
			    &result, &err) != CV_OK)
			failed++;
		cv_buf_done(&text);
	}
	cv_log(m->id, CV_INFO, "classifier.report",
		"id=%s from=<%.*s> class=%s messages=%u "
		"failed=%u",
		m->queue_id, CV_STR_ARGS(m->sender), class_ == SPAM_CLASS_SPAM ? "spam" : "ham",
		count, failed);
}

void
spam_after_report(struct spam_mail *m)
{
	bool is_spam = goes_to(m, m->opt->spam_report_address);
	bool is_ham = goes_to(m, m->opt->ham_report_address);
	struct cv_buf report = CV_BUF_INIT(REPORT_MAX);

	if (!m->server->classifier || !m->is_submission || is_spam == is_ham ||
		m->verdict.action == SPAM_REFUSE)
		return;
	for (size_t i = 0; i < m->field_count; i++) {
		cv_buf_str(&report, m->fields[i].name);
		cv_buf_c(&report, ':');
		cv_buf_str(&report, m->fields[i].value);
		cv_buf_z(&report, "\r\n");
	}
	cv_buf_z(&report, "\r\n");
	cv_buf_str(&report, cv_str_sub(spam_body_view(&m->body), 0, REPORT_MAX - report.n));
	learn_attached(m, cv_buf_view(&report), is_spam ? SPAM_CLASS_SPAM : SPAM_CLASS_HAM);
	cv_buf_done(&report);
}
