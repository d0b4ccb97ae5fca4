/* outbound_tlsrpt.c - what the sending side tells the books on TLS (tlsrpt.h): one event for each
 * connection that came as far as TLS, one for each server that its domain's policy forbids, one for
 * each MTA-STS policy that could not be had.
 *
 * Only what domains publish is reported: not smarthosts, not literals, not mail that sets policies
 * aside, not where the operator's rule goes before them.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/net/addr.h"
#include "common/text/encode.h"
#include "smtpd/outbound_internal.h"

static bool
is_reported(const struct smtpd_outbound *o, const struct out_dest *d)
{
	return o->tlsrpt && !d->is_fixed && d->key[0] != '[' && d->wish != SMTPD_WISH_OPTIONAL
		&& (d->rule == SMTPD_RULE_AUTO || d->rule == SMTPD_RULE_DANE);
}

static void
write_tlsa(const struct smtpd_host_tlsa *tlsa, struct cv_buf *out)
{
	for (size_t i = 0; i < tlsa->count; i++) {
		const struct cv_tls_tlsa *r = &tlsa->records[i];
		cv_buf_printf(out, "%u %u %u ", r->usage, r->selector, r->matching);
		cv_hex_encode(cv_str_sub(r->data, 0, 64), out);
		cv_buf_c(out, '\n');
	}
}

static void
write_sts(const struct smtpd_sts_policy *p, struct smtpd_tlsrpt_event *e)
{
	static const char *const modes[] = { "none", "none", "testing", "enforce" };
	struct cv_str rest = cv_buf_view(&p->mx), name;

	cv_buf_printf(&e->strings, "version: STSv1\nmode: %s\n", modes[p->mode]);
	while (cv_str_split(&rest, '\n', &name)) {
		if (!name.n)
			continue;
		cv_buf_printf(&e->strings, "mx: %.*s\n", CV_STR_ARGS(name));
		cv_buf_printf(&e->hosts, "%.*s\n", CV_STR_ARGS(name));
	}
	cv_buf_printf(&e->strings, "max_age: %u\n", p->max_age_secs);
}

/* Under the lock: an event about HOP, with the policy that counts there. */
static struct smtpd_tlsrpt_event *
event_for(const struct out_dest *d, const struct smtpd_hop *hop)
{
	struct smtpd_tlsrpt_event *e = smtpd_tlsrpt_event_new(d->key);
	const struct smtpd_sts_policy *sts = d->sts ? smtpd_sts_entry_policy(d->sts) : NULL;

	snprintf(e->host, sizeof e->host, "%s", hop->host);
	cv_sockaddr_text(&hop->addr, e->ip, sizeof e->ip);
	if (hop->tlsa->state != SMTPD_TLSA_NONE) {
		e->policy = SMTPD_TLSRPT_TLSA;
		write_tlsa(hop->tlsa, &e->strings);
		cv_buf_printf(&e->hosts, "%s\n", hop->host);
	} else if (sts && sts->mode >= SMTPD_STS_TESTING) {
		e->policy = SMTPD_TLSRPT_STS;
		write_sts(sts, e);
	}
	return e;
}

static void
set_fault(struct smtpd_tlsrpt_event *e, enum smtpd_tlsrpt_result result, const char *why)
{
	e->result = result;
	snprintf(e->why, sizeof e->why, "%s", why);
}

static void
set_own_ip(const struct out_conn *c, struct smtpd_tlsrpt_event *e)
{
	const struct sockaddr_storage *own = cv_conn_local(c->client.conn);

	if (own->ss_family == AF_INET || own->ss_family == AF_INET6)
		cv_sockaddr_text(own, e->own_ip, sizeof e->own_ip);
}

void
out_tlsrpt_ready(const struct out_conn *c)
{
	const struct out_dest *d = c->dest;
	struct cv_tls_info tls = { .secure = false };

	/* One that follows a handshake that failed has been told already; a route that was looked
	 * up anew has other plans. */
	if (!is_reported(c->o, d) || !c->client.tls || c->route != d->route)
		return;
	struct smtpd_tlsrpt_event *e = event_for(d, &c->route->hops[c->hop]);
	const struct smtpd_tls_plan *plan = &d->plans[c->hop];
	set_own_ip(c, e);
	cv_conn_tls_info(c->client.conn, &tls);
	if (!tls.secure)
		set_fault(e, SMTPD_TLSRPT_NO_STARTTLS, "");
	else if (e->policy == SMTPD_TLSRPT_TLSA && !e->strings.n)
		set_fault(e, SMTPD_TLSRPT_TLSA_INVALID, "no usable record");
	else if (e->policy == SMTPD_TLSRPT_STS && plan->is_test && plan->why[0])
		set_fault(e, SMTPD_TLSRPT_VALIDATION, "mx-not-in-policy");
	else if (e->policy == SMTPD_TLSRPT_STS && !tls.peer_verified) {
		char why[200];
		snprintf(why, sizeof why, "certificate: %s", tls.verify_error);
		set_fault(e, smtpd_tlsrpt_classify(why), tls.verify_error);
	}
	smtpd_tlsrpt_note(c->o->tlsrpt, e);
}

void
out_tlsrpt_failed(const struct out_conn *c, enum smtpd_client_end end, const char *why)
{
	const struct out_dest *d = c->dest;

	if ((end != SMTPD_END_TLS && end != SMTPD_END_POLICY) || !is_reported(c->o, d)
		|| !c->client.conn)
		return;
	struct smtpd_tlsrpt_event *e = event_for(d, &c->route->hops[c->hop]);
	set_own_ip(c, e);
	if (end == SMTPD_END_TLS)
		set_fault(e, smtpd_tlsrpt_classify(why), why);
	else if (!c->client.secure)
		set_fault(e, SMTPD_TLSRPT_NO_STARTTLS, "");
	smtpd_tlsrpt_note(c->o->tlsrpt, e);
}

void
out_tlsrpt_plans(const struct smtpd_outbound *o, const struct out_dest *d)
{
	if (!is_reported(o, d))
		return;
	for (size_t i = 0; i < d->route->count; i++) {
		const struct smtpd_tls_plan *plan = &d->plans[i];
		const struct smtpd_hop *hop = &d->route->hops[i];
		bool is_again = i && !strcmp(hop->host, d->route->hops[i - 1].host);
		bool by_sts = !strcmp(plan->policy, "mta-sts");
		if (!plan->is_refused || is_again || !strcmp(plan->policy, "requiretls"))
			continue;
		struct smtpd_tlsrpt_event *e = event_for(d, hop);
		if (by_sts && e->policy == SMTPD_TLSRPT_TLSA) {
			/* Its records may fit; it is the other policy that forbids it. */
			e->policy = SMTPD_TLSRPT_STS;
			cv_buf_reset(&e->strings);
			cv_buf_reset(&e->hosts);
			write_sts(smtpd_sts_entry_policy(d->sts), e);
		}
		set_fault(e, by_sts ? SMTPD_TLSRPT_VALIDATION
			: plan->is_passing ? SMTPD_TLSRPT_DNSSEC_INVALID
			: SMTPD_TLSRPT_DANE_REQUIRED,
			by_sts ? "mx-not-in-policy" : plan->is_passing ? "tlsa-lookup-failed" : "");
		smtpd_tlsrpt_note(o->tlsrpt, e);
	}
}

void
out_tlsrpt_sts_failed(void *arg, const char *domain, enum cv_status status, const char *why)
{
	const struct smtpd_outbound *o = arg;
	struct smtpd_tlsrpt_event *e = smtpd_tlsrpt_event_new(domain);

	e->policy = SMTPD_TLSRPT_STS;
	set_fault(e, status == CV_DENIED ? SMTPD_TLSRPT_STS_WEBPKI
		: status == CV_INVALID || status == CV_LIMIT ? SMTPD_TLSRPT_STS_INVALID
		: SMTPD_TLSRPT_STS_FETCH, why);
	smtpd_tlsrpt_note(o->tlsrpt, e);
}
