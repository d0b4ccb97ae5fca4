/* causes_system.c - finders that look at the service itself: what stops everybody's mail. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

#include "admin/dns_ask.h"
#include "admin/doctor/diagnose.h"

#define CLOCK_SECS 5

/* ARG: which daemon, as in diagnosis.status. */
bool
find_down(const struct diagnosis *d, const void *arg, CV_UNUSED struct cv_buf *facts)
{
	return !d->status[*(const int *)arg];
}

bool
find_not_ready(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(d->status[ADMIN_SMTPD], "not_ready"), i, line)
		cv_buf_printf(facts, "%s%s", i ? "; " : "", json_string_value(line));
	return facts->n > 0;
}

bool
find_disk_full(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const char *const paths[] = {d->main->mail_dir, d->main->queue_dir};
	struct statvfs v;

	for (size_t i = 0; i < CV_COUNT(paths); i++) {
		if (statvfs(paths[i], &v))
			continue;
		uint64_t left = (uint64_t)v.f_bavail * v.f_frsize;
		if (left > d->smtpd->disk_reserve && v.f_favail + !v.f_files)
			continue;
		cv_buf_printf(facts, "%s%s: %llu MB", facts->n ? "; " : "", paths[i],
			(unsigned long long)left >> 20);
	}
	return facts->n > 0;
}

bool
find_certificate(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	char *list = cv_conf_resolve_list(d->call->conf, d->main->tls_cert);
	struct cv_str rest = cv_str_z(list), word;

	while (cv_str_split(&rest, ' ', &word)) {
		char *path = cv_str_dup(word), when[40];
		BIO *file = BIO_new_file(path, "r");
		X509 *cert = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
		struct tm tm;
		int64_t end = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm)
				      ? (int64_t)timegm(&tm)
				      : d->now + 1;
		if (end <= d->now)
			cv_buf_printf(facts, "%s%s: %s", facts->n ? "; " : "", path,
				diagnose_time(end, when));
		X509_free(cert);
		BIO_free(file);
		free(path);
	}
	ERR_clear_error();
	free(list);
	return facts->n > 0;
}

bool
find_clock(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	static const char *const names[] = {"imapd", "smtpd", "spamfilter"};

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		int64_t theirs = admin_number(d->status[i], "time"), off = theirs - d->now;
		if (theirs && (off < -60 || off > CLOCK_SECS + 60))
			cv_buf_printf(facts, "%s%s %+lld s", facts->n ? ", " : "", names[i],
				(long long)off);
	}
	return facts->n > 0;
}

/* ---- DNS ---- */

static const char *
domain_of(const struct diagnosis *d)
{
	const char *at = strrchr(d->address, '@');

	return at ? at + 1 : "";
}

/* The records without which mail of his domain goes astray. */
bool
find_our_dns(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	struct admin_dns_wish wish = {.domain = domain_of(d), .sts_mode = "testing",
		.without_host = true};
	struct admin_dns_set set;
	struct cv_err err;

	if (d->mid[0] || !d->is_ours || !d->resolver ||
		admin_dns_make(d->call->conf, &wish, &set, &err) != CV_OK)
		return false;
	struct admin_dns_found *found = cv_calloc(set.count + 1, sizeof *found);
	admin_dns_compare(d->resolver, &set, found);
	for (size_t i = 0; i < set.count; i++) {
		enum admin_dns_kind kind = set.records[i].kind;
		bool matters = kind == ADMIN_DNS_MX || kind == ADMIN_DNS_DKIM ||
			       kind == ADMIN_DNS_DMARC || kind == ADMIN_DNS_SPF;
		bool wrong = found[i].state == ADMIN_DNS_MISSING ||
			     (found[i].state == ADMIN_DNS_DIFFERENT &&
				     (kind == ADMIN_DNS_MX || kind == ADMIN_DNS_DKIM));
		if (matters && wrong)
			cv_buf_printf(facts, "%s%s %s", facts->n ? ", " : "", set.records[i].name,
				admin_dns_type_name(set.records[i].type));
	}
	admin_dns_found_done(found, set.count);
	free(found);
	admin_dns_done(&set);
	return facts->n > 0;
}

/* A correspondent's domain: does it exist, does it take mail? */
bool
find_their_dns(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	struct admin_dns_query q[3] = {
		{.type = CV_DNS_MX}, {.type = CV_DNS_A}, {.type = CV_DNS_AAAA}};
	const char *why = NULL;

	if (d->mid[0] || d->is_ours || !d->resolver)
		return false;
	for (size_t i = 0; i < CV_COUNT(q); i++)
		snprintf(q[i].name, sizeof q[i].name, "%.255s", domain_of(d));
	admin_dns_ask(d->resolver, q, CV_COUNT(q));
	const struct cv_dns_answer *mx = q[0].answer;
	bool has_mx = mx->state == CV_DNS_OK && mx->count;
	if (mx->state == CV_DNS_NXDOMAIN)
		why = admin_say(d->call, "there is no such domain", "tên miền không tồn tại");
	else if (mx->state == CV_DNS_TEMPFAIL || mx->state == CV_DNS_BOGUS)
		why = admin_say(d->call, "its DNS does not answer", "DNS của miền không trả lời");
	else if (has_mx && !mx->records[0].name[0])
		why = admin_say(d->call, "it takes no mail (RFC 7505)", "miền không nhận thư");
	else if (!has_mx && q[1].answer->state != CV_DNS_OK && q[2].answer->state != CV_DNS_OK)
		why = admin_say(d->call, "it has neither MX nor an address",
			"không có MX và không có địa chỉ IP");
	if (why)
		cv_buf_printf(facts, "%s: %s", domain_of(d), why);
	admin_dns_queries_done(q, CV_COUNT(q));
	return why != NULL;
}
