/* virus.c - the examiner that asks ClamAV, and what its answers come to. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "spamfilter/clamav.h"
#include "spamfilter/judge.h"

/* That the scanner always has: a sender whose DNS answers late must not get its files in unscanned,
 * nor make the scanner look away. */
#define WAIT_MS_MIN 5000u

/* The message as it came: fields, the empty line, the body. Cut at the option's bound. */
struct whole {
	struct cv_buf header;
	struct cv_str pieces[2];
	bool is_cut;
};

static void
put_together(struct spam_mail *m, struct whole *w)
{
	size_t max = (size_t)m->opt->clamav_max;

	cv_buf_init(&w->header, 4 * CV_HEADER_BYTES_MAX);
	for (size_t i = 0; i < m->field_count; i++) {
		cv_buf_str(&w->header, m->fields[i].name);
		/* The scanner knows mail by its header as it is usually written. */
		struct cv_str value = m->fields[i].value;
		cv_buf_z(&w->header, value.n && value.p[0] == ' ' ? ":" : ": ");
		cv_buf_str(&w->header, value);
		cv_buf_add(&w->header, "\r\n", 2);
	}
	cv_buf_add(&w->header, "\r\n", 2);
	struct cv_str body = spam_body_view(&m->body);
	w->pieces[0] = cv_str_sub(cv_buf_view(&w->header), 0, max);
	w->pieces[1] = cv_str_sub(body, 0, max - w->pieces[0].n);
	w->is_cut = w->pieces[1].n < body.n || spam_body_is_cut(&m->body);
}

static void
on_found(struct spam_mail *m, const char *name)
{
	struct cv_decision d;

	spam_found(m, SPAM_RULE_VIRUS, "%s", name);
	spam_policy_mark(m, SPAM_RULE_VIRUS);
	/* Whoever submits it is there to hear of it. */
	bool is_refused = m->is_submission || strcmp(m->opt->clamav_found, "quarantine") != 0;
	if (is_refused && cv_policy_named("VIRUS.found", cv_str_z(name), &d))
		spam_want(m, SPAM_REFUSE, &d);
	else
		spam_want(m, SPAM_QUARANTINE, NULL);
}

/* It was not looked at, or not to its end. */
static void
on_unscanned(struct spam_mail *m, const char *why)
{
	struct cv_decision d;

	spam_found(m, SPAM_RULE_VIRUS_UNSCANNED, "%s", why);
	if (!strcmp(m->opt->clamav_failure, "mark")) {
		spam_policy_mark(m, SPAM_RULE_VIRUS_UNSCANNED);
		spam_want(m, SPAM_MARK, NULL);
	} else if (!strcmp(m->opt->clamav_failure, "tempfail") &&
		   cv_policy_named("VIRUS.unscanned", CV_STR_EMPTY, &d)) {
		spam_want(m, SPAM_REFUSE, &d);
	}
}

void
spam_examine_virus(struct spam_mail *m)
{
	struct spam_scan_answer answer;
	struct whole w;
	unsigned within_ms = CV_MIN(CV_MAX(spam_mail_wait_ms(m), WAIT_MS_MIN),
		(unsigned)(m->opt->clamav_timeout * 1000));

	/* What will be refused whatever comes is not looked at. */
	if (!m->opt->clamav[0] || m->verdict.wanted == SPAM_REFUSE)
		return;
	put_together(m, &w);
	if (m->progress)
		m->progress(m->progress_arg);
	spam_clamav_scan(m->server->clamav, m->opt->clamav, w.pieces, CV_COUNT(w.pieces), within_ms,
		&answer);
	cv_buf_done(&w.header);
	if (answer.scan != SPAM_SCAN_CLEAN)
		cv_log(m->id, answer.scan == SPAM_SCAN_FOUND ? CV_INFO : CV_WARN, "msg.virus",
			"id=%s scan=%u what=\"%s\"", m->queue_id, answer.scan, answer.name);
	if (answer.scan == SPAM_SCAN_FOUND)
		on_found(m, answer.name);
	else if (answer.scan != SPAM_SCAN_CLEAN)
		on_unscanned(m, answer.scan == SPAM_SCAN_TOO_LARGE ? "too large" : "no scanner");
	else if (w.is_cut)
		spam_found(m, SPAM_RULE_VIRUS_UNSCANNED, "%s", "only its beginning was scanned");
}
