/* servers.c - which services are offered where, from the configuration. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/clients/clients.h"

#include "admin/dns_records.h"

/* TLS from the first octet is preferred (RFC 8314 3). */
static struct admin_service_port
best(const char *tls, const char *plain)
{
	unsigned port = admin_dns_port_of(tls);

	if (port)
		return (struct admin_service_port){port, true};
	return (struct admin_service_port){admin_dns_port_of(plain), false};
}

void
admin_clients_init(struct admin_call *call, const struct cv_snapshot *s, struct admin_clients *c)
{
	const struct congvu_options *m = admin_main_options(call);
	const struct smtpd_options *smtpd = cv_conf_get(call->conf, &smtpd_section);
	const struct imapd_options *imapd = cv_conf_get(call->conf, &imapd_section);
	struct cv_str target;

	*c = (struct admin_clients){
		.province = cv_str_z(m->province),
		.hostname = cv_str_z(m->hostname),
		.domain = cv_snapshot_default_domain(s),
		.imap = best(imapd->listen_imaps, imapd->listen_imap),
		.pop3 = best(imapd->listen_pop3s, imapd->listen_pop3),
		.smtp = best(smtpd->listen_submissions, smtpd->listen_submission),
	};
	if (c->imap.is_tls)
		c->imap_plain.port = admin_dns_port_of(imapd->listen_imap);
	if (c->smtp.is_tls)
		c->smtp_plain.port = admin_dns_port_of(smtpd->listen_submission);
	c->domains = CV_ARENA_ARRAY(&c->arena, struct cv_str, cv_snapshot_domains(s) + 1);
	for (size_t i = 0; i < cv_snapshot_domains(s); i++)
		if (cv_snapshot_nth_domain(s, i, &c->domains[c->domain_count], &target))
			c->domain_count++;
}

void
admin_clients_done(struct admin_clients *c)
{
	cv_arena_done(&c->arena);
}
