/* examine.c - examiners: how From is written, and DMARC of mail from outside (RFC 9989 5.3, 5.4,
 * 7): the result, exceptions, what is done.
 *
 * The result is never "pass" unless From is plain, whatever SPF and DKIM say
 * (docs/adr/0076-authors-nobody-guesses-at.md).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/text/domain.h"
#include "common/text/header.h"
#include "spamfilter/authres.h"
#include "spamfilter/dmarc/guarded.h"
#include "spamfilter/judge.h"

#define RESERVE_US  10000000 /* that may always be waited for policies */
#define DOMAINS_MAX 10 /* of a From that is not plain: so many policies are looked for */

const char *
spam_dmarc_disposition_word(enum spam_dmarc_disposition d)
{
	static const char *const words[] = {"none", "pass", "quarantine", "reject"};

	return words[d];
}

/* ---- how From is written ---- */

void
spam_examine_author(struct spam_mail *m)
{
	static const enum spam_rule rules[] = {
		[SPAM_AUTHOR_MISSING] = SPAM_RULE_FROM_MISSING,
		[SPAM_AUTHOR_SEVERAL] = SPAM_RULE_FROM_SEVERAL,
		[SPAM_AUTHOR_UNREADABLE] = SPAM_RULE_FROM_UNREADABLE,
	};
	const struct spam_author *a = &m->author;

	if (m->is_submission)
		return;
	if (a->form != SPAM_AUTHOR_PLAIN)
		spam_found(m, rules[a->form], "%s", a->why);
	if (!a->shown_count)
		return;
	for (size_t i = 0; i < a->shown_count; i++) {
		if (!spam_is_guarded(m, a->shown[i]))
			continue;
		spam_found_weight(
			m, SPAM_RULE_DISPLAY_NAME_ADDRESS, 6.0, "%.*s", CV_STR_ARGS(a->shown[i]));
		spam_want(m, SPAM_MARK, NULL);
		spam_policy_mark(m, SPAM_RULE_DISPLAY_NAME_ADDRESS);
		return;
	}
	spam_found(m, SPAM_RULE_DISPLAY_NAME_ADDRESS, "%.*s", CV_STR_ARGS(a->shown[0]));
}

/* ---- the result ---- */

struct identifiers {
	const char *spf;
	const char *dkim[SPAM_DKIM_SIGNATURES_MAX];
	size_t dkim_count;
};

/* Of SPF only MAIL FROM counts, or HELO in its stead where that is empty (4.4.2). */
static void
gather_identifiers(struct spam_mail *m, struct identifiers *ids)
{
	*ids = (struct identifiers){0};
	if (m->has_spf && m->spf.result == SPAM_SPF_PASS && !(m->spf.by_helo && m->sender.n))
		ids->spf = m->spf.domain;
	for (size_t i = 0; i < m->sig_count; i++)
		if (m->sigs[i].result == SPAM_DKIM_PASS)
			ids->dkim[ids->dkim_count++] = m->sigs[i].domain;
}

static void
check_one(struct spam_mail *m, const struct identifiers *ids, struct cv_str domain,
	unsigned lookups_max, struct spam_dmarc_answer *out)
{
	struct spam_dmarc_ask ask = {.lookups = &m->lookups,
		.from = cv_arena_z(&m->arena, domain),
		.spf = ids->spf,
		.dkim = ids->dkim,
		.dkim_count = ids->dkim_count,
		.method = spam_dmarc_method_named(m->opt->dmarc_method),
		.lookups_max = lookups_max,
		.draw = (unsigned)(cv_random_u64() % 100)};

	spam_dmarc_check(m->server->dmarc, &ask, out);
}

/* Worst first: a protected domain that nobody vouches for decides. */
static int
badness(const struct spam_dmarc_answer *a)
{
	if (a->result == SPAM_DMARC_FAIL)
		return 10 + (int)a->wanted;
	return a->result == SPAM_DMARC_TEMPERROR ? 5 : 0;
}

/* Every domain that anybody might be shown is asked for its policy, and each must be vouched for;
 * even then nothing passes, for nobody knows whom the mail will be shown to be from. */
static void
check_guessed(struct spam_mail *m, const struct identifiers *ids)
{
	unsigned left = SPAM_DMARC_LOOKUPS;
	struct spam_dmarc_answer one;
	int worst = 0;

	m->dmarc = (struct spam_dmarc_answer){
		.result = SPAM_DMARC_PERMERROR, .why = m->author.why, .dkim_by = -1};
	for (size_t i = 0; left && i < CV_MIN(m->author.domain_count, DOMAINS_MAX); i++) {
		check_one(m, ids, m->author.domains[i], left, &one);
		left -= CV_MIN(left, one.lookups);
		if (badness(&one) <= worst)
			continue;
		worst = badness(&one);
		m->dmarc = one;
		m->dmarc_outcome.domain = m->author.domains[i];
	}
}

/* ---- exceptions ---- */

/* "Some words <users.lists.example>"; empty when there is none. */
static struct cv_str
list_id(struct spam_mail *m)
{
	const struct spam_header_field *f = spam_mail_field(m, "List-Id", 0);
	struct cv_str id;

	if (!f)
		return CV_STR_EMPTY;
	size_t open = cv_str_find(f->value, '<', 0), close = cv_str_find(f->value, '>', open);
	if (open >= close || close == f->value.n)
		return CV_STR_EMPTY;
	id = cv_str_trim(cv_str_sub(f->value, open + 1, close));
	return id.n <= 255 ? id : CV_STR_EMPTY;
}

/* A list as lists are made: it says so in at least two ways, and somebody vouches for the host that
 * its name is on. What it says is easily forged, so this only makes a refusal milder. */
static bool
is_list_like(struct spam_mail *m, struct cv_str id, const struct identifiers *ids)
{
	const struct spam_header_field *precedence = spam_mail_field(m, "Precedence", 0);
	bool says = spam_mail_field(m, "List-Post", 0) || spam_mail_field(m, "List-Help", 0) ||
		    spam_mail_field(m, "List-Unsubscribe", 0) ||
		    (precedence && cv_str_ieq_z(cv_str_trim(precedence->value), "list"));
	char list_org[256], their_org[256];

	if (!id.n || !says || !cv_domain_is_full(id))
		return false;
	spam_dmarc_organisation(m->server->dmarc, cv_arena_z(&m->arena, id), list_org);
	for (size_t i = 0; i <= ids->dkim_count; i++) {
		const char *domain = i == ids->dkim_count ? ids->spf : ids->dkim[i];
		if (!domain)
			continue;
		spam_dmarc_organisation(m->server->dmarc, domain, their_org);
		if (cv_str_ieq(cv_str_z(list_org), cv_str_z(their_org)))
			return true;
	}
	return false;
}

static void
set_override(struct spam_mail *m, enum spam_override why, const char *comment)
{
	struct cv_str text = cv_arena_printf(&m->arena, "%.120s", comment);

	for (char *c = (char *)(uintptr_t)text.p; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
	m->dmarc_outcome.override = why;
	m->dmarc_outcome.comment = text.p;
	spam_found(m, SPAM_RULE_DMARC_OVERRIDE, "%s %s", spam_override_word(why), text.p);
}

/* A trusted sealer saw the author vouched for (RFC 9989 7.4, RFC 8617 7.2.1). */
static void
find_sealer(struct spam_mail *m)
{
	struct spam_dmarc_outcome *o = &m->dmarc_outcome;
	const struct spam_arc_hop *hop = m->auth.vouching;

	if (!hop)
		return;
	o->exception = SPAM_OVERRIDE_TRUSTED_FORWARDER;
	o->exception_reason = cv_arena_printf(&m->arena, "arc=pass d=%.100s", hop->sealer).p;
}

/* The province's own exceptions: with one the policy does not apply at all. */
static void
find_exception(struct spam_mail *m, const struct identifiers *ids)
{
	struct spam_dmarc_outcome *o = &m->dmarc_outcome;
	struct cv_str vouched[SPAM_DKIM_SIGNATURES_MAX + 1], reason;
	struct spam_override_ask ask = {.from = o->domain,
		.client = m->client.ss_family == AF_UNSPEC ? NULL : &m->client,
		.list_id = list_id(m),
		.vouched = vouched,
		.now_secs = cv_wall_secs()};

	for (size_t i = 0; i < ids->dkim_count; i++)
		vouched[ask.vouched_count++] = cv_str_z(ids->dkim[i]);
	if (ids->spf)
		vouched[ask.vouched_count++] = cv_str_z(ids->spf);
	o->exception = spam_overrides_find(m->policy->overrides, &ask, &reason);
	o->exception_reason = cv_arena_z(&m->arena, reason);
	if (o->exception == SPAM_OVERRIDE_NONE)
		find_sealer(m);
	o->is_excepted = o->exception != SPAM_OVERRIDE_NONE;
}

/* ---- what is done ---- */

static enum spam_action
action_named(const char *word)
{
	if (!strcmp(word, "accept"))
		return SPAM_PASS;
	for (int a = SPAM_PASS; a < SPAM_ACTIONS; a++)
		if (!strcmp(word, spam_action_word((enum spam_action)a)))
			return (enum spam_action)a;
	return SPAM_PASS;
}

static void
want(struct spam_mail *m, enum spam_action action, const char *refusal)
{
	struct cv_str domain = m->dmarc_outcome.domain;
	struct cv_decision d;

	/* Of a From that is too long to read nobody knows what it names. */
	if (action == SPAM_REFUSE &&
		cv_policy_named(refusal, domain.n ? domain : CV_STR("?"), &d)) {
		/* Both were tried and neither passed (RFC 7372 3.3). */
		if (m->has_spf && m->spf.result != SPAM_SPF_PASS && m->sig_count &&
			d.smtp_code == 550)
			d.enhanced = "5.7.26";
		spam_want(m, action, &d);
	} else {
		spam_want(m, action, NULL);
	}
	if (action > SPAM_PASS && action < SPAM_REFUSE)
		spam_policy_mark(m, SPAM_RULE_DMARC_FAIL);
}

static void
set_disposition(struct spam_mail *m, enum spam_action action)
{
	m->dmarc_outcome.disposition = action == SPAM_REFUSE ? SPAM_DMARC_DID_REJECT
				       : action >= SPAM_JUNK ? SPAM_DMARC_DID_QUARANTINE
							     : SPAM_DMARC_DID_NONE;
}

/* The action for what the domain wants, as our options have it. */
static enum spam_action
enforced(struct spam_mail *m, const struct identifiers *ids)
{
	const struct spam_dmarc_answer *a = &m->dmarc;
	struct cv_str list = list_id(m);

	if (a->wanted < a->policy)
		set_override(m, a->is_sampled_out ? SPAM_OVERRIDE_OTHER : SPAM_OVERRIDE_TEST_MODE,
			a->is_sampled_out ? "sampled out by pct" : "t=y");
	if (a->wanted == SPAM_DMARC_P_NONE)
		return SPAM_PASS;
	if (strcmp(m->opt->dmarc_enforce, "as-published") != 0) {
		set_override(m, SPAM_OVERRIDE_LOCAL_POLICY, "DMARC is not enforced here");
		return action_named(m->opt->dmarc_enforce);
	}
	if (a->wanted == SPAM_DMARC_P_QUARANTINE)
		return action_named(m->opt->dmarc_quarantine);
	if (is_list_like(m, list, ids) && strcmp(m->opt->dmarc_mailing_lists, "refuse") != 0) {
		set_override(m, SPAM_OVERRIDE_MAILING_LIST, cv_arena_z(&m->arena, list));
		return action_named(m->opt->dmarc_mailing_lists);
	}
	return SPAM_REFUSE;
}

/* Where DMARC is not enforced its weight must not do by the score what the option forbids. */
static double
weight_of(const struct spam_mail *m, enum spam_rule rule)
{
	double weight = spam_rules[rule].weight;

	if (!strcmp(m->opt->dmarc_enforce, "none"))
		return 0;
	return strcmp(m->opt->dmarc_enforce, "mark") != 0 ? weight : CV_MIN(weight, 3.0);
}

static void
apply_fail(struct spam_mail *m, const struct identifiers *ids)
{
	static const enum spam_rule rules[] = {
		[SPAM_DMARC_P_NONE] = SPAM_RULE_DMARC_FAIL,
		[SPAM_DMARC_P_QUARANTINE] = SPAM_RULE_DMARC_QUARANTINE,
		[SPAM_DMARC_P_REJECT] = SPAM_RULE_DMARC_REJECT,
	};
	enum spam_action action;
	enum spam_rule rule = rules[m->dmarc.wanted];
	bool is_plain = m->author.form == SPAM_AUTHOR_PLAIN;

	if (m->dmarc_outcome.is_excepted) {
		set_override(m, m->dmarc_outcome.exception, m->dmarc_outcome.exception_reason);
		return;
	}
	spam_found_weight(m, rule, weight_of(m, rule), "%.*s %s=%s at %.100s",
		CV_STR_ARGS(m->dmarc_outcome.domain), spam_dmarc_tag_word(m->dmarc.tag),
		spam_dmarc_policy_word(m->dmarc.policy), m->dmarc.record_domain);
	if (is_plain || m->dmarc.wanted == SPAM_DMARC_P_NONE) {
		action = enforced(m, ids);
		want(m, action, "DMARC.reject");
	} else {
		action = action_named(m->opt->dmarc_bad_from);
		want(m, action, "DMARC.from");
	}
	set_disposition(m, action);
}

/* A From of more domains than are asked for may name a protected one behind all the others. */
static bool
is_beyond(const struct spam_author *a)
{
	return a->form != SPAM_AUTHOR_PLAIN && (a->is_excessive || a->domain_count > DOMAINS_MAX);
}

static void
apply(struct spam_mail *m, const struct identifiers *ids)
{
	if (m->dmarc.result != SPAM_DMARC_FAIL && is_beyond(&m->author)) {
		if (!m->dmarc_outcome.domain.n && m->author.domain_count)
			m->dmarc_outcome.domain = m->author.domains[0];
		want(m, action_named(m->opt->dmarc_bad_from), "DMARC.from");
	}
	switch (m->dmarc.result) {
	case SPAM_DMARC_PASS:
		if (m->dmarc.wanted != SPAM_DMARC_P_NONE)
			m->dmarc_outcome.disposition = SPAM_DMARC_DID_PASS;
		break;
	case SPAM_DMARC_FAIL:
		apply_fail(m, ids);
		break;
	case SPAM_DMARC_TEMPERROR:
		/* SMT-04: what nobody can ask counts for nothing. */
		if (m->opt->isolated_network || m->server->without_dns)
			break;
		spam_found(m, SPAM_RULE_DMARC_ERROR, "%s", m->dmarc.why);
		if (!strcmp(m->opt->dmarc_temperror, "defer"))
			want(m, SPAM_REFUSE, "DMARC.later");
		break;
	default:
		break;
	}
}

void
spam_examine_dmarc(struct spam_mail *m)
{
	struct identifiers ids;

	m->dmarc_outcome = (struct spam_dmarc_outcome){.comment = "", .exception_reason = ""};
	if (m->is_submission)
		return;
	gather_identifiers(m, &ids);
	/* Records of the sender's own, or a server of its own that answers late, use up everything
	 * before: the author's domain is asked all the same. */
	spam_lookups_reserve(&m->lookups, SPAM_DMARC_LOOKUPS, RESERVE_US);
	if (m->author.form == SPAM_AUTHOR_PLAIN) {
		m->dmarc_outcome.domain = m->author.domain;
		check_one(m, &ids, m->author.domain, 0, &m->dmarc);
		if (m->dmarc.result != SPAM_DMARC_PASS)
			find_exception(m, &ids);
	} else {
		check_guessed(m, &ids);
	}
	m->has_dmarc = true;
	apply(m, &ids);
}

/* ---- Authentication-Results (RFC 9989 9.1, RFC 8601 2.7) ---- */

void
spam_dmarc_write_result(const struct spam_mail *m, struct cv_buf *out)
{
	const struct spam_dmarc_answer *a = &m->dmarc;
	char note[400];

	if (!m->has_dmarc)
		return;
	snprintf(note, sizeof note, "%s", a->why);
	if (a->has_record) {
		bool is_own = cv_str_eq_z(m->dmarc_outcome.domain, a->record_domain);
		snprintf(note, sizeof note, "%s=%s%s%s%.255s", spam_dmarc_tag_word(a->tag),
			spam_dmarc_policy_word(a->policy), a->record.is_testing ? " t=y" : "",
			is_own ? "" : " at ", is_own ? "" : a->record_domain);
	}
	spam_authres_result(out, "dmarc", spam_dmarc_word(a->result), note);
	if (m->dmarc_outcome.override != SPAM_OVERRIDE_NONE)
		spam_authres_reason(out, spam_override_word(m->dmarc_outcome.override));
	spam_authres_property(out, "header.from", m->dmarc_outcome.domain);
	if (a->has_record)
		spam_authres_property(
			out, "policy.dmarc", cv_str_z(spam_dmarc_policy_word(a->wanted)));
}
