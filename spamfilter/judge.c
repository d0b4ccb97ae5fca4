/* judge.c - see judge.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/judge.h"

#include "common/base/log.h"
#include "common/text/encoded_word.h"

#define SUBJECT_MAX 4096 /* octets of the raw field that are decoded */

static void (*const examiners[])(struct spam_mail *) = {
	spam_examine_limits,
	spam_examine_authentication,
	spam_examine_forged,
	spam_examine_secrecy,
	spam_examine_signup,
};

static void (*const after[])(struct spam_mail *) = {
	spam_after_counters,
	spam_after_log,
	spam_after_signup,
};

/* ---- limits ---- */

void
spam_examine_limits(struct spam_mail *m)
{
	static const struct cv_decision too_large = {.verdict = CV_REFUSE,
		.rule = "LIMIT.header",
		.smtp_code = 552,
		.enhanced = "5.3.4",
		.en = "The header of the message is larger than one megabyte.",
		.vi = "Phần đầu thư lớn hơn một megabyte."};

	if (!m->header_too_large)
		return;
	spam_found(m, SPAM_RULE_HEADER_TOO_LARGE, "%s", "");
	spam_want(m, SPAM_REFUSE, &too_large);
}

/* ---- the action ---- */

/* SPM-02: citizens write to agencies and their role boxes; nothing they send there is lost by a
 * guess. */
static bool
has_public_box(const struct spam_mail *m)
{
	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->rcpts[i], &hit);
		if (hit.found == CV_REG_ACCOUNT &&
			(hit.account.kind == CV_KIND_AGENCY || hit.account.kind == CV_KIND_ROLE))
			return true;
	}
	return false;
}

static enum spam_action
action_of_score(const struct spam_mail *m, double score)
{
	const struct {
		const char *threshold;
		enum spam_action action;
	} rows[] = {
		{m->opt->score_refuse,     SPAM_REFUSE    },
		{m->opt->score_quarantine, SPAM_QUARANTINE},
		{m->opt->score_greylist,   SPAM_GREYLIST  },
		{m->opt->score_junk,       SPAM_JUNK      },
		{m->opt->score_mark,       SPAM_MARK      },
	};
	double least;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (spam_score_parse(cv_str_z(rows[i].threshold), &least) && score >= least)
			return rows[i].action;
	return SPAM_PASS;
}

static void
decide(struct spam_mail *m)
{
	struct spam_verdict *v = &m->verdict;
	enum spam_action by_score;

	for (size_t i = 0; i < v->count; i++)
		v->score += v->found[i].weight;
	/* What staff submit is refused by rules, never by a sum. */
	by_score = m->is_submission ? SPAM_PASS : action_of_score(m, v->score);
	if (by_score == SPAM_REFUSE && has_public_box(m)) {
		by_score = SPAM_QUARANTINE;
		v->softened = v->wanted < SPAM_REFUSE;
	}
	v->by_score = by_score > v->wanted;
	v->action = CV_MAX(by_score, v->wanted);
}

/* ---- the whole ---- */

static void
decode_subject(struct spam_mail *m)
{
	struct cv_buf subject = CV_BUF_INIT(8u << 10);
	const struct spam_header_field *f = spam_mail_field(m, "Subject", 0);

	if (f)
		cv_words_decode(cv_str_sub(f->value, 0, SUBJECT_MAX), CV_STR_EMPTY, &subject);
	m->subject = cv_arena_str(&m->arena, cv_buf_view(&subject));
	cv_buf_done(&subject);
}

void
spam_judge(struct spam_mail *m)
{
	m->policy = spam_policy_hold(m->server);
	m->snap = cv_register_get(m->server->reg);
	spam_mail_eoh(m);
	if (m->content)
		cv_content_end(m->content);
	spam_author_read(m, &m->author);
	decode_subject(m);
	for (size_t i = 0; i < CV_COUNT(examiners); i++)
		if (!m->header_too_large || examiners[i] == spam_examine_limits)
			examiners[i](m);
	decide(m);
}

void
spam_judged(struct spam_mail *m)
{
	for (size_t i = 0; i < CV_COUNT(after); i++)
		after[i](m);
}

void
spam_after_counters(struct spam_mail *m)
{
	struct spam_server *s = m->server;

	atomic_fetch_add(&s->messages, 1);
	if (m->verdict.action > SPAM_PASS && m->verdict.action < SPAM_REFUSE &&
		m->verdict.action != SPAM_GREYLIST)
		atomic_fetch_add(&s->marked, 1); /* edit.c counts refusals, those at MAIL too */
}

void
spam_after_log(struct spam_mail *m)
{
	const struct spam_verdict *v = &m->verdict;
	struct cv_buf rules = CV_BUF_INIT(4096), dkim = CV_BUF_INIT(256);

	spam_verdict_rules(v, false, &rules);
	for (size_t i = 0; i < m->sig_count; i++)
		cv_buf_printf(&dkim, "%s%s", i ? "," : "", spam_dkim_word(m->sigs[i].result));
	cv_log(m->id, CV_INFO, "msg.judged",
		"id=%s client=%s from=<%.*s> submission=%d spf=%s dkim=%s dmarc=%s verdict=%s "
		"score=%.1f rules=%s",
		m->queue_id, m->client_text, CV_STR_ARGS(m->sender), m->is_submission,
		m->has_spf ? spam_spf_word(m->spf.result) : "-", dkim.n ? dkim.p : "-",
		m->has_dmarc ? spam_dmarc_word(m->dmarc.result) : "-", spam_action_word(v->action),
		v->score, rules.p);
	cv_buf_done(&rules);
	cv_buf_done(&dkim);
}
