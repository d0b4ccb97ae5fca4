/* edit.c - see edit.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/edit.h"

#include "common/base/log.h"
#include "spamfilter/authres.h"
#include "spamfilter/judge.h"
#include "spamfilter/results.h"

#define REPLY_MAX     900
#define REASON_MAX    300 /* of a quarantine, for the MTA's own lists */
#define POLICY_FIELD  "X-Congvu-Policy"
#define VERDICT_FIELD "X-Congvu-Verdict"
#define RESULT_FIELD  "Authentication-Results"
#define SPF_FIELD     "Received-SPF"

/* ---- replies ---- */

/* SMTP replies are ASCII; '%' is libmilter's own. */
static void
clean_reply(char *text)
{
	for (char *c = text; *c; c++)
		if (*c == '%' || (unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '_';
}

sfsistat
spam_refuse(SMFICTX *ctx, struct spam_session *s, const struct cv_decision *decision)
{
	char text[REPLY_MAX], code[8], enhanced[16];

	cv_decision_reply(decision, false, text, sizeof text);
	clean_reply(text);
	snprintf(code, sizeof code, "%u", decision->smtp_code);
	snprintf(enhanced, sizeof enhanced, "%s", decision->enhanced);
	if (smfi_setreply(ctx, code, enhanced, text) != MI_SUCCESS)
		cv_log(s->id, CV_WARN, "reply.refused", "code=%s text=\"%s\"", code, text);
	atomic_fetch_add(&s->server->refused, 1);
	cv_log(s->id, CV_INFO, "msg.refused", "id=%s client=%s from=<%.*s> rule=%s",
		s->mail ? s->mail->queue_id : "-", s->client_text,
		CV_STR_ARGS(s->mail ? s->mail->sender : CV_STR_EMPTY), decision->rule);
	return decision->smtp_code < 500 ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}

/* ---- header edits ---- */

struct editor {
	SMFICTX *ctx;
	struct spam_session *s;
	unsigned failed;
};

static void
insert_field(struct editor *e, const char *name, struct cv_buf *value)
{
	char field[64];
	struct cv_buf text = CV_BUF_INIT(64u << 10);

	snprintf(field, sizeof field, "%s", name);
	/* With HDR_LEADSPC the MTA adds no blank of its own. */
	if (e->s->protocol & SMFIP_HDR_LEADSPC)
		cv_buf_c(&text, ' ');
	cv_buf_str(&text, cv_buf_view(value));
	if (value->full || text.full || smfi_insheader(e->ctx, 0, field, text.p) != MI_SUCCESS)
		e->failed++;
	cv_buf_done(&text);
}

/* Fields that only we may write, in any spelling of their names; of those that others write too,
 * the ones that claim to be ours. */
static bool
is_forged_field(const struct spam_session *s, const struct spam_header_field *f)
{
	struct cv_str name = cv_str_trim(f->name);

	if (cv_str_ieq_z(name, POLICY_FIELD) || cv_str_ieq_z(name, VERDICT_FIELD))
		return true;
	if (cv_str_ieq_z(name, SPF_FIELD))
		return s->server->opt->received_spf &&
		       cv_str_isearch(f->value, cv_str_z(s->authserv_id)) < f->value.n;
	return cv_str_ieq_z(name, RESULT_FIELD) && spam_authres_is_from(f->value, s->authserv_id);
}

/* From the last to the first, so that numbers stay right. */
static void
remove_forged(struct editor *e)
{
	struct spam_mail *m = e->s->mail;
	unsigned removed = 0;

	for (size_t i = m->field_count; i > 0; i--) {
		const struct spam_header_field *f = &m->fields[i - 1];
		int nth = 1;
		if (!is_forged_field(e->s, f))
			continue;
		for (size_t k = 0; k < i - 1; k++)
			nth += cv_str_ieq(m->fields[k].name, f->name);
		char *name = cv_arena_z(&m->arena, f->name);
		if (smfi_chgheader(e->ctx, name, nth, NULL) != MI_SUCCESS)
			e->failed++;
		removed++;
	}
	if (removed)
		cv_log(e->s->id, CV_INFO, "header.forged", "id=%s removed=%u", m->queue_id,
			removed);
}

static void
insert_signatures(struct editor *e)
{
	struct spam_mail *m = e->s->mail;
	bool any = false;

	for (size_t i = 0; i < m->signer_count; i++) {
		struct cv_buf value = CV_BUF_INIT(32u << 10);
		struct cv_err err;
		spam_dkim_end(m->signers[i]);
		if (spam_dkim_signature_write(m->signers[i], &value, &err) == CV_OK) {
			insert_field(e, "DKIM-Signature", &value);
			any = true;
		} else {
			cv_log(e->s->id, CV_ERROR, "dkim.unsigned",
				"id=%s selector=%s error=\"%s\"", m->queue_id, m->sign_names[i],
				err.text);
		}
		cv_buf_done(&value);
	}
	if (any)
		atomic_fetch_add(&e->s->server->signed_, 1);
}

static void
insert_received_spf(struct editor *e)
{
	const struct spam_mail *m = e->s->mail;
	struct cv_buf value = CV_BUF_INIT(8192);

	if (m->opt->received_spf && spam_results_received_spf(m, &value))
		insert_field(e, SPF_FIELD, &value);
	cv_buf_done(&value);
}

static void
insert_results(struct editor *e)
{
	const struct spam_mail *m = e->s->mail;
	struct cv_buf value = CV_BUF_INIT(SPAM_AUTHRES_MAX);

	spam_authres_begin(&value, e->s->authserv_id);
	spam_results_write(m, &value);
	spam_dmarc_write_result(m, &value);
	spam_authres_end(&value);
	insert_field(e, RESULT_FIELD, &value);
	cv_buf_done(&value);
}

static void
insert_policy(struct editor *e)
{
	struct cv_buf value = CV_BUF_INIT(2048);

	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		if (e->s->mail->verdict.in_policy_field[r])
			cv_buf_printf(&value, "%s%s", value.n ? ", " : "", spam_rules[r].name);
	if (value.n)
		insert_field(e, POLICY_FIELD, &value);
	cv_buf_done(&value);
}

static void
insert_verdict(struct editor *e)
{
	const struct spam_verdict *v = &e->s->mail->verdict;
	struct cv_buf value = CV_BUF_INIT(8192);

	cv_buf_printf(&value, "%s; score=%.1f; rules=", spam_action_word(v->action), v->score);
	spam_verdict_rules(v, true, &value);
	insert_field(e, VERDICT_FIELD, &value);
	cv_buf_done(&value);
}

/* Fields are put on top one by one: the last one here comes first. */
static void
edit_header(SMFICTX *ctx, struct spam_session *s)
{
	struct editor e = {ctx, s, 0};

	if (!s->can_edit)
		return;
	remove_forged(&e);
	insert_signatures(&e);
	insert_policy(&e);
	if (!s->mail->is_submission) {
		insert_verdict(&e);
		insert_received_spf(&e);
		insert_results(&e);
	}
	if (e.failed)
		cv_log(s->id, CV_ERROR, "header.failed", "id=%s edits=%u", s->mail->queue_id,
			e.failed);
}

/* ---- the whole ---- */

/* Of a refusal that no rule worded. */
static const struct cv_decision by_score = {.verdict = CV_REFUSE,
	.rule = "SPM-01.score",
	.smtp_code = 550,
	.enhanced = "5.7.1",
	.en = "The message looks like spam and was not delivered. Write to postmaster if it is "
	      "not.",
	.vi = "Thư bị đánh giá là thư rác nên không được nhận. Nếu không đúng, hãy báo "
	      "postmaster."};

static const struct cv_decision come_again = {.verdict = CV_DEFER,
	.rule = "SPM-01.greylist",
	.smtp_code = 451,
	.enhanced = "4.7.1",
	.en = "The sender is not known here yet: send the message again in some minutes.",
	.vi = "Người gửi chưa được biết đến: hãy gửi lại sau vài phút."};

static void
quarantine(SMFICTX *ctx, struct spam_session *s)
{
	const struct spam_verdict *v = &s->mail->verdict;
	struct cv_buf reason = CV_BUF_INIT(REASON_MAX);

	if (!s->mail->opt->ask_quarantine)
		return; /* the field alone says it, to whoever delivers */
	cv_buf_printf(&reason, "congvu-spamfilter: score=%.1f rules=", v->score);
	spam_verdict_rules(v, false, &reason);
	if (!s->can_quarantine || smfi_quarantine(ctx, reason.p) != MI_SUCCESS)
		cv_log(s->id, CV_WARN, "mta.limited", "why=\"takes no quarantine\"");
	cv_buf_done(&reason);
}

sfsistat
spam_carry_out(SMFICTX *ctx, struct spam_session *s)
{
	const struct spam_verdict *v = &s->mail->verdict;

	switch (v->action) {
	case SPAM_REFUSE:
		return spam_refuse(ctx, s, v->has_refusal ? &v->refusal : &by_score);
	case SPAM_GREYLIST:
		return spam_refuse(ctx, s, &come_again);
	case SPAM_QUARANTINE:
		quarantine(ctx, s);
		break;
	default:
		break;
	}
	edit_header(ctx, s);
	return SMFIS_CONTINUE;
}
