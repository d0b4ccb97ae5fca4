/* dns.c - what stands in DNS for each of our domains, beside what must (admin/dns_records.h), each
 * fault with the line to add. Everything is asked at once; all domains share the time limit. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

#include "admin/dns_ask.h"
#include "admin/doctor/doctor.h"
#include "common/net/thread.h"

#define DOMAINS_MAX  20u
#define POLICY_MAX   (64u << 10)
#define POLICY_SECS  2u
#define ADDRS_MAX    8u

/* clang-format off */
static const char *const ids[ADMIN_DNS_KINDS] = {
	[ADMIN_DNS_MX] = "mx", [ADMIN_DNS_HOST] = "host", [ADMIN_DNS_SPF] = "spf",
	[ADMIN_DNS_SPF_HOST] = "spf-host", [ADMIN_DNS_DKIM] = "dkim", [ADMIN_DNS_DMARC] = "dmarc",
	[ADMIN_DNS_DMARC_REPORTS] = "dmarc-reports", [ADMIN_DNS_STS] = "sts",
	[ADMIN_DNS_STS_HOST] = "sts-host", [ADMIN_DNS_TLSRPT] = "tlsrpt",
	[ADMIN_DNS_TLSA] = "tlsa", [ADMIN_DNS_SRV] = "srv", [ADMIN_DNS_AUTOCONFIG] = "autoconfig",
};
/* clang-format on */

struct domain {
	const struct doctor *d;
	const char *name;
	struct admin_dns_set set;      /* mode testing */
	struct admin_dns_set enforced; /* the same with mode enforce: its id is as good */
	struct admin_dns_found *found;
	struct cv_buf policy;
	enum cv_status fetched;
	bool made, answered;
	struct cv_err err;
	pthread_t thread;
	bool is_threaded;
};

static void *
look(void *arg)
{
	struct domain *o = arg;

	admin_dns_compare(o->d->resolver, &o->set, o->found);
	for (size_t i = 0; i < o->set.count; i++)
		o->answered |= o->found[i].state != ADMIN_DNS_FAILED;
	if (!o->answered)
		return NULL;
	o->fetched = admin_dns_fetch_policy(
		o->d->resolver, o->d->smtpd, o->name, POLICY_SECS, &o->policy);
	return NULL;
}

/* ---- judging one record ---- */

static bool
has(const struct admin_dns_found *f, const char *text)
{
	return cv_str_isearch(cv_buf_view(&f->text), cv_str_z(text)) < f->text.n;
}

/* Others than our own choice may be as good; what is weak is said. */
static enum doctor_state
judge_different(const struct domain *o, const struct admin_dns_record *r,
	const struct admin_dns_found *f)
{
	char id[60];

	switch (r->kind) {
	case ADMIN_DNS_SPF:
	case ADMIN_DNS_SPF_HOST:
		if (f->rivals > 1 || has(f, "+all") || has(f, " all") || has(f, "?all"))
			return DOCTOR_BAD;
		return DOCTOR_WARN;
	case ADMIN_DNS_DMARC:
		if (f->rivals > 1)
			return DOCTOR_BAD;
		return has(f, "p=none") || !has(f, "rua=") ? DOCTOR_WARN : DOCTOR_OK;
	case ADMIN_DNS_STS:
		snprintf(id, sizeof id, "id=%s", o->enforced.policy_id);
		return f->rivals == 1 && has(f, id) ? DOCTOR_OK : DOCTOR_WARN;
	case ADMIN_DNS_TLSRPT:
		return f->rivals == 1 && has(f, "rua=") ? DOCTOR_OK : DOCTOR_WARN;
	case ADMIN_DNS_SRV:
	case ADMIN_DNS_DMARC_REPORTS:
		return DOCTOR_WARN;
	default:
		return DOCTOR_BAD;
	}
}

static enum doctor_state
judge(const struct domain *o, const struct admin_dns_record *r, const struct admin_dns_found *f,
	enum doctor_state missing)
{
	switch (f->state) {
	case ADMIN_DNS_OK:
		return DOCTOR_OK;
	case ADMIN_DNS_UNSIGNED: /* without an anchor nobody can tell */
		return o->d->main->dns_trust_anchor[0] ? DOCTOR_WARN : DOCTOR_NOTE;
	case ADMIN_DNS_FAILED:
		return DOCTOR_NOTE;
	case ADMIN_DNS_DIFFERENT:
		return judge_different(o, r, f);
	default:
		return missing;
	}
}

static enum doctor_state
missing_is(const char *id)
{
	char whole[80];

	snprintf(whole, sizeof whole, "dns.%s", id);
	for (size_t i = 0; i < doctor_rows_count; i++)
		if (!strcmp(doctor_rows[i].id, whole))
			return doctor_rows[i].fault;
	return DOCTOR_BAD;
}

static void
report_record(struct doctor_job *j, const struct domain *o, size_t i)
{
	const struct admin_dns_record *r = &o->set.records[i];
	const struct admin_dns_found *f = &o->found[i];
	const char *id = ids[r->kind];
	enum doctor_state state = judge(o, r, f, missing_is(id));
	char subject[400], shown[300];

	snprintf(subject, sizeof subject, "%s %s", r->name, admin_dns_type_name(r->type));
	snprintf(shown, sizeof shown, "%.*s", (int)CV_MIN(f->text.n, (size_t)250),
		f->text.p ? f->text.p : "");
	doctor_find(j, id, state, subject, "%s%s%s", state == DOCTOR_OK ? "" : shown,
		f->state == ADMIN_DNS_UNSIGNED ? " DNSSEC: -" : "",
		f->state == ADMIN_DNS_FAILED ? admin_say(j->d->call, "DNS does not answer",
						       "DNS không trả lời")
					     : "");
	if (state < DOCTOR_WARN || f->state == ADMIN_DNS_UNSIGNED)
		return;
	struct cv_buf line = CV_BUF_INIT(4000);
	admin_dns_zone_line(r, &line);
	line.n = cv_str_trim(cv_buf_view(&line)).n;
	doctor_do(j, "%.*s", (int)line.n, line.p);
	cv_buf_done(&line);
}

static void
report_policy(struct doctor_job *j, const struct domain *o)
{
	struct cv_str got = cv_buf_view(&o->policy);
	bool same = o->fetched == CV_OK && (cv_str_eq_z(got, o->set.policy) ||
						   cv_str_eq_z(got, o->enforced.policy));
	char url[400];

	snprintf(url, sizeof url, "https://mta-sts.%s/.well-known/mta-sts.txt", o->name);
	doctor_say(j, "sts-policy", same, url, "%.*s",
		same ? 0 : (int)CV_MIN(got.n, (size_t)200), got.p ? got.p : "");
	if (!same)
		doctor_do(j, "congvu dns show %s --write-policy /var/www", o->name);
}

static void
report_domain(struct doctor_job *j, const struct domain *o)
{
	bool is_signed = false;

	doctor_say(j, "resolver", o->answered, o->name, "%s", "");
	if (!o->answered)
		return;
	for (size_t i = 0; i < o->set.count; i++) {
		report_record(j, o, i);
		is_signed |= o->set.records[i].kind == ADMIN_DNS_DKIM;
	}
	if (!is_signed) {
		doctor_find(j, "dkim-key", DOCTOR_BAD, o->name, "%s", "");
		doctor_do(j, "congvu dkim keygen %s", o->name);
	}
	report_policy(j, o);
}

/* ---- beside the records ---- */

/* DNSSEC and CAA of each domain. */
static void
check_zones(struct doctor_job *j, const struct domain *domains, size_t count)
{
	struct admin_dns_query *q = cv_calloc(count * 2 + 1, sizeof *q);

	for (size_t i = 0; i < count; i++) {
		snprintf(q[i].name, sizeof q[i].name, "%s", domains[i].name);
		q[i].type = CV_DNS_MX;
		snprintf(q[count + i].name, sizeof q[i].name, "%s", domains[i].name);
		q[count + i].type = CV_DNS_CAA;
	}
	admin_dns_ask(j->d->resolver, q, count * 2);
	for (size_t i = 0; i < count; i++) {
		const struct cv_dns_answer *a = q[i].answer, *caa = q[count + i].answer;
		if (a->state == CV_DNS_BOGUS)
			doctor_find(j, "dnssec", DOCTOR_BAD, domains[i].name, "bogus");
		else if (a->state == CV_DNS_TEMPFAIL || !j->d->main->dns_trust_anchor[0])
			doctor_find(j, "dnssec", DOCTOR_NOTE, domains[i].name, "%s",
				a->state == CV_DNS_TEMPFAIL ? "" : "dns_trust_anchor = ");
		else
			doctor_say(j, "dnssec", a->secure, domains[i].name, "%s", "");
		if (caa->state == CV_DNS_TEMPFAIL || caa->state == CV_DNS_BOGUS ||
			j->d->main->dns_zone_file[0])
			continue;
		doctor_say(j, "caa", caa->state == CV_DNS_OK && caa->count, domains[i].name, "%s",
			"");
		if (caa->state != CV_DNS_OK)
			doctor_do(j, "%s. IN CAA 0 issue \"%s\"", domains[i].name,
				admin_say(j->d->call, "name-of-your-authority.example",
					"ten-nha-cung-cap-chung-thu.example"));
	}
	admin_dns_queries_done(q, count * 2);
	free(q);
}

/* Fills in the question for the name of an address; false for what is none. */
static bool
ask_back(struct admin_dns_query *q, struct cv_str rdata)
{
	struct sockaddr_storage a = {.ss_family = rdata.n == 4 ? AF_INET : AF_INET6};
	struct sockaddr_in *in = (void *)&a;
	struct sockaddr_in6 *in6 = (void *)&a;

	q->type = CV_DNS_PTR;
	if (rdata.n != 4 && rdata.n != 16)
		return false;
	memcpy(rdata.n == 4 ? (void *)&in->sin_addr : (void *)&in6->sin6_addr, rdata.p, rdata.n);
	return cv_dns_reverse_name(&a, q->name, sizeof q->name);
}

static void
report_ptr(struct doctor_job *j, const struct admin_dns_query *q)
{
	const char *host = j->d->main->hostname;
	const struct cv_dns_answer *a = q->answer;
	bool well = false;

	for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count; i++)
		well |= cv_str_ieq_z(cv_str_z(a->records[i].name), host);
	if (a->state == CV_DNS_TEMPFAIL)
		doctor_find(j, "ptr", DOCTOR_NOTE, q->name, "%s", "");
	else
		doctor_say(j, "ptr", well, q->name, "%s",
			well	    ? ""
			: a->count ? a->records[0].name
				    : "-");
	if (!well)
		doctor_do(j, "%s. IN PTR %s.", q->name, host);
}

static void
check_ptr(struct doctor_job *j)
{
	struct admin_dns_query q[2] = {{.type = CV_DNS_A}, {.type = CV_DNS_AAAA}};
	struct admin_dns_query back[ADDRS_MAX] = {{.type = CV_DNS_PTR}};
	size_t n = 0;

	for (int v6 = 0; v6 < 2; v6++)
		snprintf(q[v6].name, sizeof q[v6].name, "%.255s", j->d->main->hostname);
	admin_dns_ask(j->d->resolver, q, 2);
	for (int v6 = 0; v6 < 2; v6++) {
		const struct cv_dns_answer *a = q[v6].answer;
		for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count && n < ADDRS_MAX; i++)
			n += ask_back(&back[n], a->records[i].rdata);
	}
	admin_dns_ask(j->d->resolver, back, n);
	for (size_t i = 0; i < n; i++)
		report_ptr(j, &back[i]);
	admin_dns_queries_done(back, n);
	admin_dns_queries_done(q, 2);
}

static bool
prepare(const struct doctor *d, struct domain *o, size_t i)
{
	struct admin_dns_wish wish = {.sts_mode = "testing", .without_host = i > 0};
	struct cv_conf *conf = d->call->conf;

	*o = (struct domain){.d = d,
		.name = json_string_value(json_array_get(d->domains, i)),
		.policy = CV_BUF_INIT(POLICY_MAX)};
	wish.domain = o->name;
	if (admin_dns_make(conf, &wish, &o->set, &o->err) != CV_OK)
		return false;
	wish.sts_mode = "enforce";
	if (admin_dns_make(conf, &wish, &o->enforced, &o->err) != CV_OK) {
		admin_dns_done(&o->set);
		return false;
	}
	o->found = cv_calloc(o->set.count + 1, sizeof *o->found);
	return true;
}

static void
release(struct domain *o)
{
	if (o->made) {
		admin_dns_found_done(o->found, o->set.count);
		admin_dns_done(&o->set);
		admin_dns_done(&o->enforced);
	}
	free(o->found);
	cv_buf_done(&o->policy);
}

void
doctor_dns(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	size_t count = CV_MIN(json_array_size(d->domains), (size_t)DOMAINS_MAX);
	struct domain *all = cv_calloc(count + 1, sizeof *all);
	struct cv_err err;

	if (!d->resolver) {
		doctor_find(j, "resolver", DOCTOR_BAD, NULL, "%s", d->resolver_fault);
		free(all);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		all[i].made = prepare(d, &all[i], i);
		if (!all[i].made)
			continue;
		all[i].is_threaded =
			cv_thread_start(&all[i].thread, "dns", look, &all[i], &err) == CV_OK;
		if (!all[i].is_threaded)
			look(&all[i]);
	}
	check_ptr(j);
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		if (all[i].is_threaded)
			pthread_join(all[i].thread, NULL);
		if (all[i].made)
			report_domain(j, &all[i]);
		else
			doctor_find(j, "resolver", DOCTOR_BAD, all[i].name, "%s", all[i].err.text);
		any |= all[i].answered;
	}
	if (any)
		check_zones(j, all, count);
	for (size_t i = 0; i < count; i++)
		release(&all[i]);
	free(all);
}
