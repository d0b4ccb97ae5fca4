/* config.c - the configuration's faults, and settings that work but weaken the service. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>

#include "admin/doctor/doctor.h"
#include "common/config/check.h"
#include "common/net/addr.h"

static void
add_fault(void *arg, const struct cv_config_fault *f)
{
	doctor_find(arg, "valid", DOCTOR_BAD, f->where ? f->where : f->section, "%s: %.300s",
		f->option, f->text);
}

/* Does the list of networks take in everybody? Two addresses far apart tell. */
static bool
is_wide_open(const char *list)
{
	struct cv_netset *set = NULL;
	struct cv_err err;
	struct sockaddr_storage a = {.ss_family = AF_INET}, b = {.ss_family = AF_INET6};
	struct sockaddr_in *in = (void *)&a;
	struct sockaddr_in6 *in6 = (void *)&b;

	if (!list[0] || cv_netset_parse(cv_str_z(list), &set, &err) != CV_OK)
		return false;
	in->sin_addr.s_addr = htonl(0xcb007107); /* 203.0.113.7 */
	in6->sin6_addr.s6_addr[0] = 0x20;
	in6->sin6_addr.s6_addr[1] = 0x01;
	in6->sin6_addr.s6_addr[2] = 0x0d;
	in6->sin6_addr.s6_addr[3] = 0xb8;
	bool wide = cv_netset_has(set, &a) || cv_netset_has(set, &b);
	cv_netset_free(set);
	return wide;
}

void
doctor_config(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	/* clang-format off */
	const struct {
		const char *option; /* as it would be set right */
		bool well;
	} rows[] = {
		{ "outside_password = no",       !d->main->outside_password },
		{ "sandbox = yes",               d->main->sandbox },
		{ "log_level = info",            strcmp(d->main->log_level, "debug") != 0 },
		{ "inside_networks",             !is_wide_open(d->main->inside_networks) },
		{ "proxy_networks",              !is_wide_open(d->main->proxy_networks) },
		{ "xclient_networks",            !is_wide_open(d->smtpd->xclient_networks) },
		{ "plain_login_networks",        !is_wide_open(d->imapd->plain_login_networks) },
		{ "submission_networks",         !is_wide_open(d->filter->submission_networks) },
		{ "spf = yes",                   d->filter->spf },
		{ "dkim_verify = yes",           d->filter->dkim_verify },
		{ "dkim_sign = yes",             d->filter->dkim_sign },
		{ "dmarc_enforce = as-published", strcmp(d->filter->dmarc_enforce, "none") != 0 },
		{ "reject_forged_own = yes",     d->filter->reject_forged_own },
		{ "attachment_dangerous = refuse", strcmp(d->filter->attachment_dangerous, "score") != 0 },
		{ "trace_days > 0",              d->smtpd->trace_days > 0 },
		{ "tls_reports = yes",           d->smtpd->tls_reports },
		{ "send_burst > 0",              d->smtpd->send_burst > 0 },
		{ "allow_loopback_targets = no", !d->smtpd->allow_loopback_targets },
		{ "dns_trust_anchor",            d->main->dns_trust_anchor[0] || d->main->dns_zone_file[0] },
	};
	/* clang-format on */
	size_t before = json_array_size(j->findings);

	(void)cv_config_check(d->conf, NULL, add_fault, j);
	if (json_array_size(j->findings) == before)
		doctor_find(j, "valid", DOCTOR_OK, d->call->conf_path, "%s", "");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		doctor_say(j, "strong", rows[i].well, rows[i].option, "%s", "");
}
