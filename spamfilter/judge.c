/* judge.c - the end of a message: what was found, what it means, what the MTA is told to do. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/encoded_word.h"
#include "spamfilter/authres.h"
#include "spamfilter/session.h"

#define REPLY_MAX    900
#define RULES_MAX    16
#define POLICY_FIELD "X-Congvu-Policy"
#define FILTER_FIELD "X-Congvu-Filter"
#define RESULT_FIELD "Authentication-Results"

struct judgement {
	struct spam_author author;
	struct cv_str subject; /* decoded */
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
	size_t sig_count;
	struct spam_dmarc_answer dmarc;
	bool has_dmarc;
	const char *rules[RULES_MAX];
	size_t rule_count;
	const char *marks[RULES_MAX]; /* words of X-Congvu-Policy */
	size_t mark_count;
	struct cv_decision refusal;
	bool is_refused;
};

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

static void
add_rule(struct judgement *j, const char *rule)
{
	if (j->rule_count < RULES_MAX)
		j->rules[j->rule_count++] = rule;
}

static void
add_mark(struct judgement *j, const char *rule, const char *word)
{
	add_rule(j, rule);
	if (j->mark_count < RULES_MAX)
		j->marks[j->mark_count++] = word;
}

static void
set_refusal(struct judgement *j, const struct cv_decision *d)
{
	add_rule(j, d->rule);
	if (j->is_refused)
		return;
	j->is_refused = true;
	j->refusal = *d;
}

/* ---- who vouches ---- */

static bool
is_aligned_pass(const struct spam_session *s, const struct judgement *j, const char *domain)
{
	struct spam_mail *m = s->mail;
	char ours[256], theirs[256];

	spam_dmarc_organisation(s->server->dmarc, domain, ours);
	if (m->has_spf && m->spf.result == SPAM_SPF_PASS) {
		spam_dmarc_organisation(s->server->dmarc, m->spf.domain, theirs);
		if (!strcmp(ours, theirs))
			return true;
	}
	for (size_t i = 0; i < j->sig_count; i++) {
		if (j->sigs[i].result != SPAM_DKIM_PASS)
			continue;
		spam_dmarc_organisation(s->server->dmarc, j->sigs[i].domain, theirs);
		if (!strcmp(ours, theirs))
			return true;
	}
	return false;
}

static void
check_dmarc(struct spam_session *s, struct judgement *j)
{
	struct spam_mail *m = s->mail;
	const char *passed[SPAM_DKIM_SIGNATURES_MAX];
	struct spam_dmarc_ask ask = {.dkim = passed};

	/* Several authors' domains: none of them can be vouched for as the one that is shown. */
	if (!j->author.is_plain || j->author.domain_count != 1)
		return;
	ask.from = cv_arena_z(&m->arena, j->author.domain);
	if (m->has_spf && m->spf.result == SPAM_SPF_PASS)
		ask.spf = m->spf.domain;
	for (size_t i = 0; i < j->sig_count; i++)
		if (j->sigs[i].result == SPAM_DKIM_PASS)
			passed[ask.dkim_count++] = j->sigs[i].domain;
	spam_dmarc_check(s->server->dmarc, &ask, &j->dmarc);
	j->has_dmarc = true;
}

/* ---- rules ---- */

/* cv_policy_forged_own() knows the register's domains alone; beside an MTA without a register,
 * default_domain counts too. */
static void
decide_forged(struct spam_session *s, const struct cv_policy *p, const struct cv_snapshot *snap,
	struct cv_str domain, struct cv_decision *out)
{
	const char *vi, *en;

	cv_policy_forged_own(p, snap, &domain, 1, false, out);
	if (out->verdict != CV_ALLOW || !spam_is_ours(s->server, snap, domain))
		return;
	out->rule = "POL-06.forged-own";
	if (!cv_policy_explain(out->rule, &vi, &en))
		en = vi = "%s";
	out->verdict = CV_REFUSE;
	out->smtp_code = 550;
	out->enhanced = "5.7.1";
	const struct {
		const char *pattern;
		char *text;
	} rows[] = {
		{en, out->en},
		{vi, out->vi}
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *at = strstr(rows[i].pattern, "%s");
		int before = at ? (int)(at - rows[i].pattern) : (int)strlen(rows[i].pattern);
		snprintf(rows[i].text, sizeof out->en, "%.*s%.*s%s", before, rows[i].pattern,
			(int)CV_MIN(domain.n, 70), domain.p, at ? at + 2 : "");
	}
}

/* POL-06: our domains in From or in the envelope, from outside, and nobody vouches. */
static void
rule_forged(struct spam_session *s, const struct cv_policy *p, const struct cv_snapshot *snap,
	struct judgement *j)
{
	struct cv_decision d;

	for (size_t i = 0; i <= j->author.domain_count; i++) {
		bool is_envelope = i == j->author.domain_count;
		struct cv_str domain = is_envelope ? s->mail->sender_domain : j->author.domains[i];
		if (!domain.n || !spam_is_ours(s->server, snap, domain))
			continue;
		/* An unreadable From vouches for nothing. */
		if ((is_envelope || (j->author.is_plain && j->author.domain_count == 1)) &&
			is_aligned_pass(s, j, cv_arena_z(&s->mail->arena, domain)))
			continue;
		decide_forged(s, p, snap, domain, &d);
		if (d.verdict != CV_REFUSE)
			continue;
		if (s->server->opt->reject_forged_own)
			set_refusal(j, &d);
		else
			add_mark(j, d.rule, "forged-own");
		return;
	}
}

/* POL-04: never out; in as the option says. */
static void
rule_secrecy(struct spam_session *s, const struct cv_policy *p, struct judgement *j)
{
	const char *option = s->server->opt->secrecy_inbound;
	const struct cv_str *files;
	size_t file_count = cv_content_files(s->mail->content, &files);
	struct cv_decision d;

	cv_policy_secrecy(
		p, j->subject, files, file_count, cv_content_text(s->mail->content), &d);
	if (d.verdict != CV_REFUSE)
		return;
	cv_log(s->id, CV_INFO, "policy.secrecy", "id=%s submission=%d subject_hash=%016llx",
		s->mail->queue_id, s->mail->is_submission,
		(unsigned long long)cv_hash(j->subject.p, j->subject.n, 0));
	if (s->mail->is_submission || !strcmp(option, "reject"))
		set_refusal(j, &d);
	else if (!strcmp(option, "mark"))
		add_mark(j, d.rule, "secrecy-mark");
	else
		add_rule(j, d.rule);
}

static void
note_signup(struct spam_session *s, const struct cv_snapshot *snap, struct judgement *j,
	const char *rule)
{
	struct spam_mail *m = s->mail;

	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(snap, m->rcpts[i], &hit);
		bool is_known = hit.found == CV_REG_ACCOUNT;
		struct cv_str address = is_known ? hit.account.address : m->rcpts[i];
		spam_signup_note(s->server->signup, is_known ? hit.account.acct : 0, address,
			j->author.domain, rule);
		cv_log(s->id, CV_INFO, "policy.signup", "id=%s to=<%.*s> service=%.*s rule=%s",
			m->queue_id, CV_STR_ARGS(address), CV_STR_ARGS(j->author.domain), rule);
	}
	atomic_fetch_add(&s->server->signups, 1);
}

/* POL-02 and POL-03. */
static void
rule_signup(struct spam_session *s, const struct cv_policy *p, const struct cv_snapshot *snap,
	struct judgement *j)
{
	struct cv_signup_facts facts = {
		.from_local = j->author.local,
		.from_domain = j->author.domain,
		.subject = j->subject,
		.text = cv_content_text(s->mail->content),
		.list_unsubscribe = spam_mail_field(s->mail, "List-Unsubscribe", 0) != NULL,
		.token_links = cv_content_token_links(s->mail->content),
	};
	struct cv_decision d;

	if (!j->author.is_plain || spam_is_ours(s->server, snap, j->author.domain))
		return;
	cv_policy_signup(p, &facts, &d);
	if (d.verdict != CV_MARK)
		return;
	if (cv_policy_signup_allowed(p, j->author.local, j->author.domain, cv_wall_secs())) {
		add_rule(j, "POL-03.allowed");
		return;
	}
	add_mark(j, d.rule, "signup");
	note_signup(s, snap, j, d.rule);
}

static void
run_rules(struct spam_session *s, struct judgement *j)
{
	struct spam_policy *p = spam_policy_hold(s->server);
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);

	if (!s->mail->is_submission)
		rule_forged(s, p->policy, snap, j);
	rule_secrecy(s, p->policy, j);
	if (!s->mail->is_submission && !j->is_refused)
		rule_signup(s, p->policy, snap, j);
	cv_snapshot_unref(snap);
	spam_policy_release(p);
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

static bool
is_forged_field(const struct spam_session *s, const struct spam_header_field *f)
{
	if (cv_str_ieq_z(f->name, POLICY_FIELD) || cv_str_ieq_z(f->name, FILTER_FIELD))
		return true;
	return cv_str_ieq_z(f->name, RESULT_FIELD) &&
	       spam_authres_is_from(f->value, s->authserv_id);
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
write_spf_result(const struct spam_mail *m, struct cv_buf *out)
{
	if (!m->has_spf)
		return;
	spam_authres_result(out, "spf", spam_spf_word(m->spf.result), m->spf.why);
	if (m->spf.by_helo)
		spam_authres_property(out, "smtp.helo", cv_str_z(m->spf.domain));
	else
		spam_authres_property(out, "smtp.mailfrom", m->sender);
}

static void
write_dkim_results(const struct spam_session *s, const struct judgement *j, struct cv_buf *out)
{
	if (!s->mail->verifier)
		return;
	if (!j->sig_count)
		spam_authres_result(out, "dkim", "none", "");
	for (size_t i = 0; i < j->sig_count; i++) {
		const struct spam_dkim_signature *sig = &j->sigs[i];
		spam_authres_result(out, "dkim", spam_dkim_word(sig->result), sig->why);
		spam_authres_property(out, "header.d", cv_str_z(sig->domain));
		spam_authres_property(out, "header.s", cv_str_z(sig->selector));
		spam_authres_property(out, "header.a", cv_str_z(sig->alg));
		spam_authres_property(out, "header.b", cv_str_z(sig->b));
	}
}

static void
insert_results(struct editor *e, const struct judgement *j)
{
	struct spam_session *s = e->s;
	struct cv_buf value = CV_BUF_INIT(SPAM_AUTHRES_MAX);

	spam_authres_begin(&value, s->authserv_id);
	write_spf_result(s->mail, &value);
	write_dkim_results(s, j, &value);
	if (j->has_dmarc) {
		char note[32];
		snprintf(note, sizeof note, "p=%s", spam_dmarc_policy_word(j->dmarc.policy));
		bool has_policy =
			j->dmarc.result == SPAM_DMARC_PASS || j->dmarc.result == SPAM_DMARC_FAIL;
		spam_authres_result(
			&value, "dmarc", spam_dmarc_word(j->dmarc.result), has_policy ? note : "");
		spam_authres_property(&value, "header.from", j->author.domain);
	}
	spam_authres_end(&value);
	insert_field(e, RESULT_FIELD, &value);
	cv_buf_done(&value);
}

static void
insert_words(struct editor *e, const char *name, const char *begin, const char *const *words,
	size_t count, const char *between)
{
	struct cv_buf value = CV_BUF_INIT(2048);

	cv_buf_z(&value, begin);
	for (size_t i = 0; i < count; i++) {
		cv_buf_z(&value, i ? between : "");
		cv_buf_z(&value, words[i]);
	}
	if (!count)
		cv_buf_z(&value, "none");
	insert_field(e, name, &value);
	cv_buf_done(&value);
}

/* Fields are put on top one by one: the last one here comes first. */
static void
edit_header(SMFICTX *ctx, struct spam_session *s, const struct judgement *j)
{
	struct editor e = {ctx, s, 0};

	if (!s->can_edit)
		return;
	remove_forged(&e);
	insert_signatures(&e);
	if (j->mark_count)
		insert_words(&e, POLICY_FIELD, "", j->marks, j->mark_count, ", ");
	if (!s->mail->is_submission) {
		insert_words(&e, FILTER_FIELD,
			j->mark_count ? "mark; rules=" : "pass; rules=", j->rules, j->rule_count,
			",");
		insert_results(&e, j);
	}
	if (e.failed)
		cv_log(s->id, CV_ERROR, "header.failed", "id=%s edits=%u", s->mail->queue_id,
			e.failed);
}

/* ---- the whole ---- */

static sfsistat
refuse_large_header(SMFICTX *ctx, struct spam_session *s)
{
	struct cv_decision d = {.verdict = CV_REFUSE,
		.rule = "LIMIT.header",
		.smtp_code = 552,
		.enhanced = "5.3.4",
		.en = "The header of the message is larger than one megabyte.",
		.vi = "Phần đầu thư lớn hơn một megabyte."};

	return spam_refuse(ctx, s, &d);
}

static void
log_judgement(const struct spam_session *s, const struct judgement *j, const char *verdict)
{
	const struct spam_mail *m = s->mail;
	struct cv_buf rules = CV_BUF_INIT(1024), dkim = CV_BUF_INIT(256);

	for (size_t i = 0; i < j->rule_count; i++)
		cv_buf_printf(&rules, "%s%s", i ? "," : "", j->rules[i]);
	for (size_t i = 0; i < j->sig_count; i++)
		cv_buf_printf(&dkim, "%s%s", i ? "," : "", spam_dkim_word(j->sigs[i].result));
	cv_log(s->id, CV_INFO, "msg.judged",
		"id=%s client=%s from=<%.*s> submission=%d spf=%s dkim=%s dmarc=%s verdict=%s "
		"rules=%s",
		m->queue_id, s->client_text, CV_STR_ARGS(m->sender), m->is_submission,
		m->has_spf ? spam_spf_word(m->spf.result) : "-", dkim.n ? dkim.p : "-",
		j->has_dmarc ? spam_dmarc_word(j->dmarc.result) : "-", verdict,
		rules.n ? rules.p : "-");
	cv_buf_done(&rules);
	cv_buf_done(&dkim);
}

static void
gather(SMFICTX *ctx, struct spam_session *s, struct judgement *j)
{
	struct spam_mail *m = s->mail;
	struct cv_buf subject = CV_BUF_INIT(8u << 10);
	const struct spam_header_field *f = spam_mail_field(m, "Subject", 0);

	cv_content_end(m->content);
	spam_author_read(m, &j->author);
	if (f)
		cv_words_decode(cv_str_sub(f->value, 0, 4096), CV_STR_EMPTY, &subject);
	j->subject = cv_arena_str(&m->arena, cv_buf_view(&subject));
	cv_buf_done(&subject);
	if (m->verifier) {
		spam_dkim_end(m->verifier);
		j->sig_count = spam_dkim_signatures(m->verifier, j->sigs);
	}
	if (!m->is_submission) {
		(void)smfi_progress(ctx); /* look-ups may have taken a while, and more come */
		check_dmarc(s, j);
	}
}

sfsistat
spam_judge(SMFICTX *ctx, struct spam_session *s)
{
	struct judgement j = {0};

	atomic_fetch_add(&s->server->messages, 1);
	if (s->mail->header_too_large)
		return refuse_large_header(ctx, s);
	gather(ctx, s, &j);
	run_rules(s, &j);
	log_judgement(s, &j, j.is_refused ? "refuse" : j.mark_count ? "mark" : "pass");
	if (j.is_refused)
		return spam_refuse(ctx, s, &j.refusal);
	if (j.mark_count)
		atomic_fetch_add(&s->server->marked, 1);
	edit_header(ctx, s, &j);
	return SMFIS_CONTINUE;
}
