/* explain.c - see explain.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/explain.h"

#include "common/base/clock.h"
#include "common/text/encode.h"
#include "spamfilter/classify/classify.h"
#include "spamfilter/judge.h"
#include "spamfilter/tool/origin.h"

#define REQUEST_BYTES_MAX (40u << 20) /* base64 of it is still one line of the control socket */
#define INSIDE                                                                                     \
	"127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 "        \
	"::1/128 fc00::/7 fe80::/10"

/* ---- judging ---- */

/* Private networks, and those the configuration calls the province's. */
static enum cv_status
inside_networks(const struct spam_server *s, struct cv_netset **out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(128u << 10);

	cv_buf_printf(&text, INSIDE " %s", s->is_alone ? "" : s->main->inside_networks);
	enum cv_status status = cv_netset_parse(cv_buf_view(&text), out, err);
	cv_buf_done(&text);
	return status;
}

static enum cv_status
set_client(struct spam_mail *m, const struct spam_asked *asked, const struct spam_origin *o,
	struct cv_err *err)
{
	struct sockaddr_storage addr = {0};
	const char *helo = asked->helo ? asked->helo : o->helo;

	if (!asked->client) {
		spam_mail_client(m, o->has_client ? &o->client : NULL, o->name, helo);
		return CV_OK;
	}
	if (!spam_origin_address(cv_str_z(asked->client), &addr))
		return cv_fail(err, CV_INVALID, "'%s' is no address of a client", asked->client);
	spam_mail_client(m, &addr, "", asked->helo ? asked->helo : "");
	return CV_OK;
}

static enum cv_status
set_envelope(struct spam_mail *m, const struct spam_asked *asked, const struct spam_origin *o,
	struct cv_err *err)
{
	if (asked->from) {
		spam_mail_from(m, cv_str_z(asked->from));
		if (!m->sender.n && asked->from[0] && strcmp(asked->from, "<>") != 0)
			return cv_fail(err, CV_INVALID, "'%s' is no address", asked->from);
	} else if (o->has_sender) {
		spam_mail_from(m, o->sender);
	}
	for (size_t i = 0; i < asked->to_count; i++) {
		spam_mail_rcpt(m, cv_str_z(asked->to[i]));
		if (m->rcpt_count != i + 1)
			return cv_fail(err, CV_INVALID, "'%s' is no address", asked->to[i]);
	}
	return CV_OK;
}

/* ---- the answer ---- */

static json_t *
rules_of(const struct spam_verdict *v)
{
	json_t *rules = json_array();
	size_t order[SPAM_RULES];

	spam_verdict_order(v, order);
	for (size_t i = 0; i < v->count; i++) {
		const struct spam_finding *f = &v->found[order[i]];
		const struct spam_rule_row *row = &spam_rules[f->rule];
		struct cv_str detail = cv_str_z(f->detail);
		json_t *o = json_pack("{s:s, s:s, s:f, s:s, s:s}", "name", row->name, "group",
			spam_group_word(row->group), "weight", f->weight, "en", row->en, "vi",
			row->vi);
		/* A detail may hold octets of a domain that are no UTF-8. */
		json_t *text = json_stringn(detail.p, detail.n);
		json_object_set_new(o, "detail", text ? text : json_string("?"));
		json_array_append_new(rules, o);
	}
	return rules;
}

static json_t *
policy_of(const struct spam_verdict *v)
{
	json_t *words = json_array();

	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		if (v->in_policy_field[r])
			json_array_append_new(words, json_string(spam_rules[r].name));
	return words;
}

static json_t *
text_or_null(struct cv_str text)
{
	json_t *o = text.n ? json_stringn(text.p, text.n) : NULL;

	return o ? o : json_null();
}

static json_t *
authentication_of(const struct spam_mail *m)
{
	json_t *dkim = json_array();

	for (size_t i = 0; i < m->sig_count; i++)
		json_array_append_new(dkim,
			json_pack("{s:s, s:o, s:o, s:s}", "result",
				spam_dkim_word(m->sigs[i].result), "domain",
				text_or_null(cv_str_z(m->sigs[i].domain)), "selector",
				text_or_null(cv_str_z(m->sigs[i].selector)), "why",
				m->sigs[i].why));
	const struct spam_auth *a = &m->auth;
	return json_pack("{s:s?, s:s?, s:o, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:I}", "spf",
		m->has_spf ? spam_spf_word(m->spf.result) : NULL, "spf_why",
		m->has_spf && m->spf.why[0] ? m->spf.why : NULL, "dkim", dkim, "dmarc",
		m->has_dmarc ? spam_dmarc_word(m->dmarc.result) : NULL, "arc",
		a->has_arc ? spam_arc_word(a->arc.result) : NULL, "arc_why",
		a->has_arc && a->arc.why[0] ? a->arc.why : NULL, "iprev",
		a->has_iprev ? spam_iprev_word(a->iprev) : NULL, "smime",
		a->has_smime ? spam_smime_word(a->smime.result) : NULL, "smime_why",
		a->has_smime && a->smime.why[0] ? a->smime.why : NULL, "dns_lookups",
		(json_int_t)m->lookups.asked);
}

static json_t *
envelope_of(const struct spam_mail *m, const struct spam_asked *asked, const struct spam_origin *o)
{
	json_t *to = json_array(), *assumed = json_array();

	for (size_t i = 0; i < m->rcpt_count; i++)
		json_array_append_new(to, text_or_null(m->rcpts[i]));
	if (!asked->client && o->has_client)
		json_array_append_new(assumed, json_string("client"));
	if (!asked->from && o->has_sender)
		json_array_append_new(assumed, json_string("from"));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "client",
		m->client.ss_family == AF_UNSPEC ? json_null() : json_string(m->client_text),
		"name", text_or_null(cv_str_z(m->client_name)), "helo",
		text_or_null(cv_str_z(m->helo)), "from",
		m->sender.n ? text_or_null(m->sender) : json_string(""), "to", to, "submission",
		m->is_submission, "assumed", assumed);
}

static json_t *
thresholds_of(const struct spamfilter_options *opt)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{"mark",       opt->score_mark      },
		{"junk",       opt->score_junk      },
		{"greylist",   opt->score_greylist  },
		{"quarantine", opt->score_quarantine},
		{"refuse",     opt->score_refuse    },
	};
	json_t *all = json_object();
	double score;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		json_object_set_new(all, rows[i].name,
			spam_score_parse(cv_str_z(rows[i].value), &score) ? json_real(score)
									  : json_null());
	return all;
}

static json_t *
answer_of(struct spam_mail *m, const struct spam_asked *asked, const struct spam_origin *o)
{
	const struct spam_verdict *v = &m->verdict;
	json_t *answer = json_pack("{s:s, s:f, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "verdict",
		spam_action_word(v->action), "score", v->score, "by_score", v->by_score, "softened",
		v->softened, "rules", rules_of(v), "policy", policy_of(v), "authentication",
		authentication_of(m), "envelope", envelope_of(m, asked, o), "thresholds",
		thresholds_of(m->opt));

	if (m->opinion)
		json_object_set_new(answer, "classifier", spam_classify_json(m));
	if (v->action == SPAM_REFUSE && v->has_refusal)
		json_object_set_new(answer, "refusal",
			json_pack("{s:s, s:i, s:s, s:s, s:s}", "rule", v->refusal.rule, "code",
				(int)v->refusal.smtp_code, "enhanced", v->refusal.enhanced, "en",
				v->refusal.en, "vi", v->refusal.vi));
	return answer;
}

enum cv_status
spam_explain(struct spam_server *s, struct cv_str message, const struct spam_asked *asked,
	json_t **out, struct cv_err *err)
{
	struct cv_netset *inside = NULL;
	struct spam_origin origin;
	int64_t began_ms = cv_mono_ms();
	enum cv_status status = inside_networks(s, &inside, err);

	if (status)
		return status;
	spam_origin_read(message, inside, &origin);
	cv_netset_free(inside);
	struct spam_mail *m = spam_mail_new(s, 0);
	spam_mail_authserv(m, s->main->hostname);
	m->is_submission = asked->is_submission;
	status = set_client(m, asked, &origin, err);
	if (status == CV_OK)
		status = set_envelope(m, asked, &origin, err);
	if (status == CV_OK) {
		spam_mail_message(m, message);
		spam_judge(m);
		*out = answer_of(m, asked, &origin);
		json_object_set_new(*out, "size_bytes", json_integer((json_int_t)message.n));
		json_object_set_new(
			*out, "took_ms", json_integer((json_int_t)(cv_mono_ms() - began_ms)));
	}
	spam_mail_free(m);
	return status;
}

/* ---- over the control socket ---- */

json_t *
spam_explain_request(struct cv_str message, const struct spam_asked *asked)
{
	struct cv_buf text = CV_BUF_INIT(REQUEST_BYTES_MAX / 3 * 4 + 8);
	json_t *to = json_array(), *request = NULL;

	for (size_t i = 0; i < asked->to_count; i++)
		json_array_append_new(to, json_string(asked->to[i]));
	if (message.n <= REQUEST_BYTES_MAX)
		cv_base64_encode(message, &text);
	if (text.n && !text.full)
		request = json_pack("{s:s, s:s%, s:s*, s:s*, s:s*, s:O, s:b}", "do", "explain",
			"message", text.p, text.n, "client", asked->client, "helo", asked->helo,
			"from", asked->from, "to", to, "submission", asked->is_submission);
	json_decref(to);
	cv_buf_done(&text);
	return request;
}

enum cv_status
spam_explain_answer(struct spam_server *s, json_t *request, json_t **out, struct cv_err *err)
{
	struct cv_buf message = CV_BUF_INIT(REQUEST_BYTES_MAX);
	struct spam_asked asked = {0};
	const char *text = NULL;
	size_t n = 0, i;
	json_t *to = NULL, *one;
	int is_submission = 0;

	(void)json_unpack(request, "{s?:s%, s?:s, s?:s, s?:s, s?:o, s?:b}", "message", &text, &n,
		"client", &asked.client, "helo", &asked.helo, "from", &asked.from, "to", &to,
		"submission", &is_submission);
	asked.is_submission = is_submission;
	json_array_foreach (to, i, one)
		if (json_is_string(one) && asked.to_count < SPAM_EXPLAIN_RCPTS_MAX)
			asked.to[asked.to_count++] = json_string_value(one);
	enum cv_status status = cv_fail(err, CV_INVALID, "message is no base64");
	if (text && cv_base64_decode(cv_str(text, n), &message) == CV_OK)
		status = spam_explain(s, cv_buf_view(&message), &asked, out, err);
	cv_buf_done(&message);
	return status;
}
