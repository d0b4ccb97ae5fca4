/* identity.c - who may send as whom (POL-05), who may be written to, forged own domains
 * (POL-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/address.h"
#include "common/text/domain.h"
#include "common/text/header.h"

static void
whole(struct cv_str local, struct cv_str domain, struct cv_buf *out)
{
	cv_buf_str(out, local);
	cv_buf_c(out, '@');
	cv_buf_str(out, domain);
}

void
cv_policy_envelope_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                        struct cv_str local, struct cv_str domain, struct cv_decision *out)
{
	(void)p;
	/* The null sender of receipts and notices. */
	if ((!local.n && !domain.n) || cv_snapshot_may_send_as(s, login, local, domain)) {
		policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
		return;
	}
	struct cv_buf address = CV_BUF_INIT(1024);
	whole(local, domain, &address);
	policy_decide(out, RULE_ENVELOPE, cv_buf_view(&address));
	cv_buf_done(&address);
}

/* Every address in VALUE must be LOGIN's; the first that is not stands in the decision. */
static bool
check_field(const struct cv_snapshot *s, cv_acct_no login, struct cv_str value,
            enum policy_rule rule, size_t most, struct cv_decision *out)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_from from;
	bool ok = cv_from_strict(&arena, value, &from, NULL) == CV_OK && from.n <= most;
	if (!ok)
		policy_decide(out, RULE_FROM_SYNTAX, CV_STR_EMPTY);
	for (size_t i = 0; ok && i < from.n; i++) {
		const struct cv_mailbox *m = &from.items[i];
		ok = cv_snapshot_may_send_as(s, login, m->local, m->domain);
		if (!ok)
			policy_decide(out, rule, m->address);
	}
	cv_arena_done(&arena);
	return ok;
}

void
cv_policy_header_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                      struct cv_str header, struct cv_decision *out)
{
	struct cv_field from, sender;
	(void)p;
	size_t senders = cv_header_count(header, "Sender");
	if (cv_header_count(header, "From") != 1 || senders > 1 ||
	    !cv_header_find(header, "From", 0, &from)) {
		policy_decide(out, RULE_FROM_COUNT, CV_STR_EMPTY);
		return;
	}
	if (!check_field(s, login, from.value, RULE_FROM, CV_ADDR_COUNT_MAX, out))
		return;
	if (senders && cv_header_find(header, "Sender", 0, &sender) &&
	    !check_field(s, login, sender.value, RULE_SENDER, 1, out))
		return;
	policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
}

void
cv_policy_recipient(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                    const struct cv_reg_hit *hit, struct cv_decision *out)
{
	(void)p;
	(void)s;
	enum policy_rule rule = RULE_ALLOW;
	if (hit->found == CV_REG_NONE)
		rule = RULE_RCPT_UNKNOWN;
	else if (hit->found != CV_REG_NOT_OURS && hit->account.state == CV_STATE_RETIRED)
		rule = RULE_RCPT_RETIRED;
	else if (hit->found == CV_REG_GROUP && (!login || hit->account.state != CV_STATE_ACTIVE))
		rule = RULE_RCPT_GROUP;
	policy_decide(out, rule,
	              hit->found == CV_REG_NOT_OURS ? CV_STR_EMPTY : hit->account.address);
}

/* DOMAIN or one above it is ours. */
static bool
is_ours(const struct cv_snapshot *s, struct cv_str domain)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool ours = false;
	if (domain.n <= CV_DOMAIN_INPUT_MAX && !cv_domain_to_ascii(domain, &ascii, NULL))
		for (struct cv_str d = cv_buf_view(&ascii); !ours && d.n; d = cv_domain_parent(d))
			ours = cv_snapshot_has_domain(s, d);
	cv_buf_done(&ascii);
	return ours;
}

void
cv_policy_forged_own(const struct cv_policy *p, const struct cv_snapshot *s,
                     const struct cv_str *from_domains, size_t count, bool vouched,
                     struct cv_decision *out)
{
	(void)p;
	for (size_t i = 0; !vouched && i < count; i++) {
		if (is_ours(s, from_domains[i])) {
			policy_decide(out, RULE_FORGED, from_domains[i]);
			return;
		}
	}
	policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
}
