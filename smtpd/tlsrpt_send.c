/* tlsrpt_send.c - tells a domain what came of a day of TLS with it (RFC 8460 3, 5). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/net/https.h"
#include "smtpd/outbound.h"
#include "smtpd/outbound_route.h"
#include "smtpd/own_mail.h"
#include "smtpd/tlsrpt_internal.h"
#include "smtpd/tlsrpt_record.h"

#define CONNECT_SECS 10
#define POST_SECS    60
#define MAIL_SECS    TLSRPT_DAY

/* What the domain's record says. CV_NOT_FOUND: it wants no reports. More than one record is as good
 * as none (3). */
static enum cv_status
find_record(struct smtpd_tlsrpt *t, const char *domain, struct smtpd_tlsrpt_record *out,
	struct cv_err *err)
{
	char name[256 + 12];
	unsigned records = 0;
	bool good = false;

	if ((size_t)snprintf(name, sizeof name, "_smtp._tls.%s", domain) > 253)
		return cv_fail(err, CV_NOT_FOUND, "the name is too long");
	struct cv_dns_answer *a = cv_resolve_wait(t->server->resolver, name, CV_DNS_TXT);
	for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count; i++) {
		struct smtpd_tlsrpt_record one;
		bool is_one;
		if (smtpd_tlsrpt_record(a->records[i].rdata, &one, &is_one)) {
			*out = one;
			good = true;
		}
		records += is_one;
	}
	bool passing = a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS;
	cv_dns_answer_free(a);
	if (passing)
		return cv_fail(err, CV_TEMPFAIL, "%s cannot be looked up", name);
	return good && records == 1 ? CV_OK : cv_fail(err, CV_NOT_FOUND, "no usable record");
}

static enum cv_status
post(struct smtpd_tlsrpt *t, const char *uri, struct cv_str packed, struct cv_err *err)
{
	struct sockaddr_storage addrs[8];
	struct smtpd_tlsrpt_https https;
	char path[SMTPD_TLSRPT_URI_MAX + 2];

	if (!smtpd_tlsrpt_https(uri, &https))
		return cv_fail(err, CV_INVALID, "%s is no address", uri);
	snprintf(path, sizeof path, "%s%.*s", https.path.n ? "" : "/", CV_STR_ARGS(https.path));
	size_t count = smtpd_route_host_wait(t->server->resolver, https.host, https.port,
		t->server->opt->allow_loopback_targets, addrs, CV_COUNT(addrs));
	if (!count)
		return cv_fail(err, CV_TEMPFAIL, "%s has no address that can be asked", https.host);
	const char *ca = t->server->opt->outbound_ca;
	struct cv_https_request r = { .host = https.host, .port = https.port, .path = path,
		.addrs = addrs, .addr_count = count, .ca_file = ca[0] ? ca : NULL,
		.connect_secs = CONNECT_SECS, .total_secs = POST_SECS, .stop = &t->stop };
	return cv_https_post(&r, packed, "application/tlsrpt+gzip", err);
}

static enum cv_status
mail(struct smtpd_tlsrpt *t, const char *address, const struct smtpd_tlsrpt_report *r,
	struct cv_str packed, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(2 * SMTPD_TLSRPT_PACKED_MAX);
	char id[24];

	snprintf(id, sizeof id, "t%llx%08llx", (unsigned long long)cv_wall_ms(),
		(unsigned long long)cv_random_u64() & 0xffffffff);
	enum cv_status status = smtpd_tlsrpt_mail(r, address, packed, &text, err);
	struct smtpd_own_mail m = { .sender = t->contact, .author = t->contact, .rcpt = address,
		.text = cv_buf_view(&text), .tls_optional = true, .life_secs = MAIL_SECS,
		.id = id };
	if (status == CV_OK)
		status = smtpd_own_mail_send(t->server, &m, &t->stop, err);
	if (status == CV_OK)
		smtpd_outbound_kick(t->outbound);
	cv_buf_done(&text);
	return status;
}

/* To every place that the record names; one that takes it is enough. */
static enum cv_status
deliver(struct smtpd_tlsrpt *t, const struct smtpd_tlsrpt_record *record,
	const struct smtpd_tlsrpt_report *r, struct cv_err *err)
{
	struct cv_buf packed = CV_BUF_INIT(SMTPD_TLSRPT_PACKED_MAX);
	enum cv_status status = smtpd_tlsrpt_pack(r, &packed, err);
	bool arrived = false;

	for (size_t i = 0; status == CV_OK && i < record->count; i++) {
		const struct smtpd_tlsrpt_uri *uri = &record->uris[i];
		enum cv_status one = uri->is_mail
			? mail(t, uri->text, r, cv_buf_view(&packed), err)
			: post(t, uri->text, cv_buf_view(&packed), err);
		arrived |= one == CV_OK;
		cv_log(0, one == CV_OK ? CV_INFO : CV_WARN,
			one == CV_OK ? "tlsrpt.sent" : "tlsrpt.unsent",
			"domain=%s to=%s id=%s error=\"%s\"", r->domain, uri->text, r->id,
			one == CV_OK ? "" : err->text);
	}
	cv_buf_done(&packed);
	return status != CV_OK ? status : arrived ? CV_OK : CV_TEMPFAIL;
}

/* The same in every try, so that a report that came twice is known as one. */
static const char *
report_id(struct smtpd_tlsrpt *t, const char *domain, json_t *row)
{
	char id[600];

	if (!json_object_get(row, "id")) {
		snprintf(id, sizeof id, "%lld.%08llx.%s@%s",
			(long long)json_integer_value(json_object_get(row, "from")),
			(unsigned long long)cv_random_u64() & 0xffffffff, domain, t->submitter);
		json_object_set_new(row, "id", json_string(id));
	}
	return json_string_value(json_object_get(row, "id"));
}

static void
set_state(json_t *row, const char *state, const char *why)
{
	json_object_set_new(row, "state", json_string(state));
	json_object_set_new(row, "why", json_string(why));
	json_object_set_new(row, "done", json_integer((json_int_t)cv_wall_secs()));
}

void
tlsrpt_send(struct smtpd_tlsrpt *t, const char *domain, json_t *row, int64_t to_secs,
	bool *drop_out)
{
	struct smtpd_tlsrpt_record record;
	struct cv_err err = { 0 };
	enum cv_status status = find_record(t, domain, &record, &err);

	*drop_out = status == CV_NOT_FOUND;
	if (*drop_out)
		return;
	struct smtpd_tlsrpt_report r = {
		.organization = t->server->main->province,
		.contact = t->contact,
		.submitter = t->submitter,
		.domain = domain,
		.id = report_id(t, domain, row),
		.from_secs = (int64_t)json_integer_value(json_object_get(row, "from")),
		.to_secs = to_secs,
		.now_secs = cv_wall_secs(),
		.policies = json_object_get(row, "policies"),
	};
	if (status == CV_OK)
		status = deliver(t, &record, &r, &err);
	if (status == CV_OK)
		set_state(row, "sent", "");
	else /* still "pending": tried again */
		json_object_set_new(row, "why", json_string(err.text));
}
