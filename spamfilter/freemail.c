/* freemail.c - staff who send work to their own free mail (POL-01): how often, not what.
 *
 * A recipient counts whose domain is free mail and whose local part, or the name that To or Cc
 * shows with it, is the sender's own. Only the day, the account and the domain are kept. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/address.h"
#include "common/text/encoded_word.h"
#include "spamfilter/judge.h"

/* The display name that To or Cc gives ADDRESS; empty when they do not name it. */
static struct cv_str
name_shown_for(struct spam_mail *m, struct cv_str address)
{
	static const char *const fields[] = {"To", "Cc"};

	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		const struct spam_header_field *f = spam_mail_field(m, fields[i], 0);
		struct cv_addr_list list;
		if (!f)
			continue;
		cv_addr_list_parse(&m->arena, f->value, &list);
		for (size_t k = 0; k < list.n; k++) {
			const struct cv_addr *a = &list.items[k];
			if (a->kind != CV_ADDR_MAILBOX)
				continue;
			struct cv_str whole = cv_arena_printf(&m->arena, "%.*s@%.*s",
				CV_STR_ARGS(a->mailbox), CV_STR_ARGS(a->host));
			if (!cv_str_ieq(whole, address))
				continue;
			struct cv_buf name = CV_BUF_INIT(2000);
			cv_words_decode(cv_str_sub(a->name, 0, 600), CV_STR_EMPTY, &name);
			struct cv_str out = cv_arena_str(&m->arena, cv_buf_view(&name));
			cv_buf_done(&name);
			return out;
		}
	}
	return CV_STR_EMPTY;
}

void
spam_after_free_mail(struct spam_mail *m)
{
	struct cv_reg_hit hit;
	size_t counted = 0;

	if (!m->is_submission || m->verdict.action >= SPAM_GREYLIST)
		return;
	cv_snapshot_find_address(m->snap, m->sender, &hit);
	if (hit.found != CV_REG_ACCOUNT)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++) {
		size_t at = cv_str_find(m->rcpts[i], '@', 0);
		struct cv_str local = cv_str_sub(m->rcpts[i], 0, at),
			      domain = cv_str_sub(m->rcpts[i], at + 1, m->rcpts[i].n);
		if (!cv_policy_is_free_mail(m->policy->policy, domain) ||
			!cv_policy_is_own_name(hit.account.display_name, local,
				name_shown_for(m, m->rcpts[i])))
			continue;
		spam_signup_note(m->server->signup, hit.account.acct, hit.account.address, domain,
			SPAM_SIGNUP_FREE_MAIL);
		counted++;
	}
	if (counted)
		cv_log(m->id, CV_INFO, "policy.own_free_mail", "id=%s account=%.*s recipients=%zu",
			m->queue_id, CV_STR_ARGS(hit.account.address), counted);
}
