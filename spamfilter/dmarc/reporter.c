/* reporter.c - see reporter.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/reporter.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/net/deflate.h"
#include "common/text/address.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "spamfilter/dmarc/guarded.h"
#include "spamfilter/dmarc/report.h"
#include "spamfilter/dmarc/sources.h"
#include "spamfilter/dmarc/tally.h"
#include "spamfilter/judge.h"

#define DAY_SECS     86400
#define LOOK_SECS    60
#define AGAIN_SECS   3600
#define GIVE_UP_SECS (2 * DAY_SECS) /* after the day's end */
#define AT_ONCE      200u           /* reports of one look */
#define SUBMIT_SECS  120u
#define MAILS_A_DAY  500u /* reports that are read from mail */
#define HOSTS_LISTED 50u  /* whose names are looked up for a list */

struct spam_reporter {
	struct spam_server *server;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* over the next lines */
	pthread_cond_t wake;
	bool stopping;
	uint32_t mails_day;
	unsigned mails;
	pthread_mutex_t sending; /* one at a time, so that nothing is sent twice */
	unsigned lot;            /* of the wait after midnight, in thousandths */
};

struct spam_reporter *
spam_reporter_new(struct spam_server *server)
{
	struct spam_reporter *r = cv_calloc(1, sizeof *r);

	r->server = server;
	r->lot = (unsigned)cv_random_below(1000);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->sending, NULL);
	pthread_cond_init(&r->wake, NULL);
	return r;
}

/* ---- one report ---- */

/* The address reports come from; false when there is none, and so no reports. */
static bool
contact(const struct spam_server *s, char out[320])
{
	const char *word = s->opt->dmarc_report_contact;

	if (s->is_alone || (!word[0] && !s->main->default_domain[0]))
		return false;
	if (word[0])
		snprintf(out, 320, "%s", word);
	else
		snprintf(out, 320, "dmarc@%s", s->main->default_domain);
	return strchr(out, '@') != NULL;
}

static json_int_t
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* What is to be said of one domain and day. TALLY keeps what REPORT points to. */
struct one {
	char contact[320], id[400];
	struct spam_report report;
	json_t *tally;
	struct cv_buf xml;
};

static enum cv_status
compose(struct spam_reporter *r, uint32_t day, const char *domain, struct one *one,
	struct cv_err *err)
{
	struct spam_server *s = r->server;

	*one = (struct one){.xml = CV_BUF_INIT(SPAM_REPORT_TEXT_MAX)};
	if (!contact(s, one->contact))
		return cv_fail(err, CV_NOT_FOUND, "there is no address that reports come from");
	enum cv_status status = spam_tally_load(s->tally, day, domain, &one->tally, err);
	if (status != CV_OK)
		return status;
	const char *submitter = strchr(one->contact, '@') + 1;
	int64_t begin = (int64_t)day * DAY_SECS;
	/* The same in every try, so that a report that came twice is known as one. */
	snprintf(one->id, sizeof one->id, "%lld.%08llx@%s", (long long)begin,
		(unsigned long long)cv_hash(domain, strlen(domain), 5) & 0xffffffff, submitter);
	one->report = (struct spam_report){.organization = s->main->province,
		.contact = one->contact,
		.submitter = submitter,
		.domain = domain,
		.id = one->id,
		.begin_secs = begin,
		.end_secs = begin + DAY_SECS - 1,
		.now_secs = cv_wall_secs(),
		.policy = json_object_get(one->tally, "policy"),
		.records = json_object_get(one->tally, "records"),
		.left_out = number_of(one->tally, "left_out")};
	if (!json_array_size(one->report.records))
		return cv_fail(err, CV_NOT_FOUND, "nothing was counted");
	return spam_report_xml(&one->report, &one->xml, err);
}

static void
one_done(struct one *one)
{
	json_decref(one->tally);
	cv_buf_done(&one->xml);
}

/* Into smtpd's queue. */
static enum cv_status
submit(struct spam_reporter *r, const struct one *one, const char *to, struct cv_str gzip,
	struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(2 * SPAM_REPORT_PACKED_MAX);
	json_t *reply = NULL;
	char path[1100];
	enum cv_status status = spam_report_mail(&one->report, to, gzip, &text, err);

	if (status == CV_OK) {
		json_t *request = json_pack("{s:s, s:s, s:s, s:s%}", "do", "mail.submit", "sender",
			one->contact, "rcpt", to, "text", text.p, text.n);
		snprintf(path, sizeof path, "%s/smtpd.ctl", r->server->main->run_dir);
		status = cv_ctl_ask(path, request, SUBMIT_SECS, NULL, NULL, &reply, err);
		json_decref(request);
		json_decref(reply);
	}
	cv_buf_done(&text);
	return status;
}

struct sending {
	json_t *to; /* addresses that took it, or would have */
	bool again; /* some could not be asked */
	struct cv_err why;
};

static void
send_to(struct spam_reporter *r, const struct one *one, const json_t *target, struct cv_str gzip,
	bool is_dry, struct sending *out)
{
	struct spam_server *s = r->server;
	struct spam_lookups lookups;
	struct spam_dmarc_uri uri = {.limit_bytes = (uint64_t)number_of(target, "limit")};
	const char *address = json_string_value(json_object_get(target, "address"));
	enum cv_status status;

	snprintf(uri.address, sizeof uri.address, "%s", address ? address : "@");
	if (uri.limit_bytes && CV_BASE64_SIZE(gzip.n) > uri.limit_bytes) {
		(void)cv_fail(&out->why, CV_LIMIT, "%s takes no report of that size", uri.address);
		return;
	}
	spam_lookups_start(&lookups, s->dns);
	status = spam_dmarc_report_allowed(s->dmarc, &lookups,
		spam_dmarc_method_named(s->opt->dmarc_method), one->report.domain, &uri, &out->why);
	spam_lookups_end(&lookups);
	if (status == CV_OK && !is_dry)
		status = submit(r, one, uri.address, gzip, &out->why);
	if (status == CV_OK)
		json_array_append_new(out->to, json_string(uri.address));
	else if (status != CV_NOT_FOUND && status != CV_DENIED && status != CV_INVALID)
		out->again = true;
	if (!is_dry)
		cv_log(0, status == CV_OK ? CV_INFO : CV_WARN,
			status == CV_OK ? "dmarc.sent" : "dmarc.unsent",
			"domain=%s to=%s id=%s error=\"%s\"", one->report.domain, uri.address,
			one->id, status == CV_OK ? "" : out->why.text);
}

/* The state that comes of it, the caller's. */
static json_t *
send_one(struct spam_reporter *r, uint32_t day, const char *domain, bool is_dry)
{
	struct cv_buf gzip = CV_BUF_INIT(SPAM_REPORT_PACKED_MAX);
	struct sending sending = {.to = json_array()};
	int64_t now = cv_wall_secs();
	const char *word = "unwanted";
	struct one one;
	json_t *target;
	size_t i;

	enum cv_status status = compose(r, day, domain, &one, &sending.why);
	if (status == CV_OK)
		status = cv_gzip(cv_buf_view(&one.xml), &gzip, &sending.why);
	if (status == CV_OK)
		json_array_foreach(json_object_get(one.report.policy, "rua"), i, target)
			send_to(r, &one, target, cv_buf_view(&gzip), is_dry, &sending);
	if (json_array_size(sending.to))
		word = is_dry ? "ready" : "sent";
	else if (sending.again && now < ((int64_t)day + 1) * DAY_SECS + GIVE_UP_SECS)
		word = "pending";
	else if (sending.again)
		word = "given up";
	json_t *state = json_pack("{s:s, s:s, s:o, s:I, s:I, s:s, s:I}", "state", word, "why",
		json_array_size(sending.to) ? "" : sending.why.text, "to", sending.to, "done",
		(json_int_t)now, "next", (json_int_t)(now + AGAIN_SECS), "id", one.id, "bytes",
		(json_int_t)gzip.n);
	one_done(&one);
	cv_buf_done(&gzip);
	return state;
}

/* ---- what is due ---- */

struct due {
	struct spam_reporter *r;
	uint32_t before; /* days before this one */
	bool is_forced;  /* waits are over */
	struct {
		uint32_t day;
		char domain[256];
	} * items;
	size_t count;
};

static bool
take_due(void *arg, uint32_t day, const char *domain, const json_t *policy)
{
	struct due *d = arg;

	(void)policy;
	if (day >= d->before)
		return false;
	json_t *state = spam_tally_state(d->r->server->tally, day, domain);
	const char *word = json_string_value(json_object_get(state, "state"));
	bool is_due =
		!state || (!strcmp(word ? word : "", "pending") &&
				  (d->is_forced || number_of(state, "next") <= cv_wall_secs()));
	json_decref(state);
	if (is_due) {
		d->items[d->count].day = day;
		snprintf(d->items[d->count++].domain, 256, "%s", domain);
	}
	return d->count < AT_ONCE;
}

/* Sends what is due, at most AT_ONCE; each row of OUT (may be NULL) says what came of one. */
static enum cv_status
send_due(struct spam_reporter *r, uint32_t before, bool is_forced, bool is_dry, json_t *out,
	struct cv_err *err)
{
	struct spam_tally *tally = r->server->tally;
	struct due due = {.r = r, .before = before, .is_forced = is_forced};

	due.items = cv_calloc(AT_ONCE, sizeof *due.items);
	pthread_mutex_lock(&r->sending);
	spam_tally_flush(tally);
	enum cv_status status = spam_tally_each(tally, take_due, &due, err);
	for (size_t i = 0; status == CV_OK && i < due.count; i++) {
		json_t *state = send_one(r, due.items[i].day, due.items[i].domain, is_dry);
		if (!is_dry)
			status = spam_tally_set_state(
				tally, due.items[i].day, due.items[i].domain, state, err);
		if (out) {
			json_object_set_new(state, "domain", json_string(due.items[i].domain));
			json_array_append(out, state);
		}
		json_decref(state);
		pthread_mutex_lock(&r->lock);
		bool stopping = r->stopping;
		pthread_mutex_unlock(&r->lock);
		if (stopping)
			break;
	}
	pthread_mutex_unlock(&r->sending);
	free(due.items);
	return status;
}

/* ---- the thread ---- */

static void
look(struct spam_reporter *r)
{
	struct spam_server *s = r->server;
	int64_t wait = (int64_t)s->opt->dmarc_report_delay * r->lot / 1000;
	struct cv_err err = {0};

	spam_tally_sweep(s->tally);
	if (!s->opt->dmarc_reports || cv_wall_secs() % DAY_SECS < wait)
		return;
	if (send_due(r, spam_tally_today(), false, false, NULL, &err) != CV_OK)
		cv_log(0, CV_WARN, "dmarc.unsent", "error=\"%s\"", err.text);
}

static void *
run(void *arg)
{
	struct spam_reporter *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOOK_SECS;
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
		if (r->stopping)
			break;
		pthread_mutex_unlock(&r->lock);
		look(r);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

enum cv_status
spam_reporter_start(struct spam_reporter *r, struct cv_err *err)
{
	sigset_t all, old;

	if (r->server->is_alone)
		return CV_OK;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	r->started = !code;
	return code ? cv_fail_errno(err, CV_TEMPFAIL, code, "cannot start a thread") : CV_OK;
}

void
spam_reporter_free(struct spam_reporter *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	if (r->started)
		pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->sending);
	pthread_cond_destroy(&r->wake);
	free(r);
}

/* ---- after each message ---- */

static bool
is_report_address(const struct spam_mail *m, struct cv_str rcpt)
{
	const char *address = m->opt->dmarc_report_address;

	return address[0] && cv_str_ieq_z(rcpt, address);
}

/* So many a day: whoever passes DMARC may write to us, and invent reports. */
static bool
may_read(struct spam_reporter *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->mails_day != spam_tally_today()) {
		r->mails_day = spam_tally_today();
		r->mails = 0;
	}
	bool may = r->mails++ < MAILS_A_DAY;
	pthread_mutex_unlock(&r->lock);
	return may;
}

/* RFC 9990 3.5.2: mail with a report passes DMARC itself; what does not is not believed. */
static void
read_mail(struct spam_mail *m)
{
	struct cv_buf text = CV_BUF_INIT(2 * SPAM_REPORT_PACKED_MAX);
	json_t *report = NULL;
	struct cv_err err = {0};
	enum cv_status status = CV_OK;

	if (m->dmarc.result != SPAM_DMARC_PASS)
		status = cv_fail(&err, CV_DENIED, "its sender is not vouched for");
	else if (spam_body_is_cut(&m->body))
		status = cv_fail(&err, CV_LIMIT, "it is too large");
	else if (!may_read(m->server->reporter))
		status = cv_fail(&err, CV_LIMIT, "more than %u today", MAILS_A_DAY);
	for (size_t i = 0; status == CV_OK && i < m->field_count; i++)
		cv_buf_printf(&text, "%.*s:%.*s\r\n", (int)m->fields[i].name.n, m->fields[i].name.p,
			(int)m->fields[i].value.n, m->fields[i].value.p);
	cv_buf_z(&text, "\r\n");
	cv_buf_str(&text, spam_body_view(&m->body));
	if (status == CV_OK && text.full)
		status = cv_fail(&err, CV_LIMIT, "it is too large");
	if (status == CV_OK)
		status = spam_report_read(cv_buf_view(&text), &report, &err);
	const char *domain = json_string_value(json_object_get(report, "domain"));
	if (status == CV_OK && !spam_is_guarded(m, cv_str_z(domain)))
		status = cv_fail(&err, CV_DENIED, "it is about %s, which is not ours", domain);
	if (status == CV_OK)
		status = spam_sources_add(m->server->sources, report, &err);
	cv_log(m->id, status == CV_OK ? CV_INFO : CV_WARN,
		status == CV_OK ? "dmarc.received" : "dmarc.unread",
		"id=%s from=%.*s domain=%s messages=%lld error=\"%s\"", m->queue_id,
		CV_STR_ARGS(m->author.domain), domain ? domain : "-",
		(long long)number_of(report, "messages"), status == CV_OK ? "" : err.text);
	json_decref(report);
	cv_buf_done(&text);
}

void
spam_after_dmarc(struct spam_mail *m)
{
	bool is_report = false;

	if (m->is_submission)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++)
		is_report |= is_report_address(m, m->rcpts[i]);
	/* No report about reports: two receivers would write to each other for ever. */
	if (!is_report && m->opt->dmarc_reports)
		spam_tally_note(m->server->tally, m);
	if (is_report && m->verdict.action < SPAM_REFUSE)
		read_mail(m);
}

/* ---- the control socket ---- */

static void
write_day(json_t *row, uint32_t day)
{
	struct cv_buf text = CV_BUF_INIT(40);

	cv_date_write_iso_day(&text, cv_date_at((int64_t)day * DAY_SECS, 0));
	json_object_set_new(row, "day", json_string(text.p));
	cv_buf_done(&text);
}

struct listing {
	struct spam_tally *tally;
	json_t *rows;
};

static bool
list_one(void *arg, uint32_t day, const char *domain, const json_t *policy)
{
	struct listing *l = arg;
	json_t *state = spam_tally_state(l->tally, day, domain);
	const char *word = json_string_value(json_object_get(state, "state"));
	const char *why = json_string_value(json_object_get(state, "why"));
	json_t *row = json_pack("{s:s, s:I, s:I, s:s, s:s}", "domain", domain, "messages",
		number_of(policy, "messages"), "rows", number_of(policy, "rows"), "state",
		word ? word : "counting", "why", why ? why : "");

	write_day(row, day);
	json_array_append_new(l->rows, row);
	json_decref(state);
	return json_array_size(l->rows) < 10000;
}

static enum cv_status
do_list(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct listing l = {r->server->tally, json_array()};

	(void)request;
	spam_tally_flush(r->server->tally);
	enum cv_status status = spam_tally_each(r->server->tally, list_one, &l, err);
	*reply_out = json_pack("{s:o}", "reports", l.rows);
	return status;
}

/* "2026-11-22"; today when none is named. */
static bool
read_day(const json_t *request, uint32_t *day_out)
{
	struct cv_str s = cv_str_z(json_string_value(json_object_get(request, "day")));
	uint64_t y, m, d;

	*day_out = spam_tally_today();
	if (!s.n)
		return true;
	if (s.n != 10 || cv_str_u64(cv_str_sub(s, 0, 4), 9999, &y) != CV_OK ||
		cv_str_u64(cv_str_sub(s, 5, 7), 12, &m) != CV_OK ||
		cv_str_u64(cv_str_sub(s, 8, 10), 31, &d) != CV_OK ||
		!cv_civil_is_valid((int)y, (int)m, (int)d))
		return false;
	*day_out = (uint32_t)cv_days_from_civil((int)y, (int)m, (int)d);
	return true;
}

static enum cv_status
do_show(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *domain = json_string_value(json_object_get(request, "domain"));
	uint32_t day;
	struct one one;

	if (!domain || !read_day(request, &day))
		return cv_fail(err, CV_INVALID, "domain and a day like 2026-11-22 are needed");
	spam_tally_flush(r->server->tally);
	enum cv_status status = compose(r, day, domain, &one, err);
	if (status == CV_OK)
		*reply_out = json_pack("{s:s%}", "xml", one.xml.p, one.xml.n);
	one_done(&one);
	return status;
}

static enum cv_status
do_send(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	bool today = json_is_true(json_object_get(request, "today"));
	bool is_dry = json_is_true(json_object_get(request, "dry_run"));
	json_t *rows = json_array();
	enum cv_status status = send_due(r, spam_tally_today() + today, true, is_dry, rows, err);

	*reply_out = json_pack("{s:o}", "reports", rows);
	return status;
}

static enum cv_status
do_import(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	json_t *text = json_object_get(request, "data"), *report = NULL;
	struct cv_buf data = CV_BUF_INIT(SPAM_REPORT_TEXT_MAX);
	enum cv_status status = CV_INVALID;

	if (json_is_string(text))
		status = cv_base64_decode(
			cv_str(json_string_value(text), json_string_length(text)), &data);
	if (status != CV_OK)
		(void)cv_fail(err, CV_INVALID, "data must be base64, of 32 MB at most");
	if (status == CV_OK)
		status = spam_report_read(cv_buf_view(&data), &report, err);
	if (status == CV_OK)
		status = spam_sources_add(r->server->sources, report, err);
	if (status == CV_OK)
		*reply_out = json_pack("{s:O, s:O, s:O, s:O, s:i}", "organization",
			json_object_get(report, "organization"), "id",
			json_object_get(report, "id"), "domain", json_object_get(report, "domain"),
			"messages", json_object_get(report, "messages"), "records",
			(int)json_array_size(json_object_get(report, "records")));
	json_decref(report);
	cv_buf_done(&data);
	return status;
}

/* The name an address says it has: a hint for people. */
static void
name_host(struct spam_lookups *lookups, json_t *row)
{
	const char *ip = json_string_value(json_object_get(row, "ip"));
	struct cv_literal literal;
	struct sockaddr_storage addr = {0};
	char name[100];

	if (!ip || !cv_ip_parse(cv_str_z(ip), &literal))
		return;
	if (literal.kind == CV_LITERAL_IPV4) {
		addr.ss_family = AF_INET;
		memcpy(&((struct sockaddr_in *)&addr)->sin_addr, literal.ip, 4);
	} else {
		addr.ss_family = AF_INET6;
		memcpy(&((struct sockaddr_in6 *)&addr)->sin6_addr, literal.ip, 16);
	}
	if (!cv_dns_reverse_name(&addr, name, sizeof name))
		return;
	struct spam_answer *a = spam_ask(lookups, name, CV_DNS_PTR);
	if (a->dns->state == CV_DNS_OK && a->dns->count)
		json_object_set_new(row, "host", json_string(a->dns->records[0].name));
	spam_answer_free(a);
}

static enum cv_status
do_sources(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *domain = "";
	json_int_t days = 30;
	struct spam_lookups lookups;
	json_t *row;
	size_t i;

	(void)json_unpack(request, "{s?:I, s?:s}", "days", &days, "domain", &domain);
	if (days < 1 || days > (json_int_t)SPAM_SOURCES_DAYS)
		return cv_fail(err, CV_INVALID, "days must be 1 to %u", SPAM_SOURCES_DAYS);
	enum cv_status status =
		spam_sources_list(r->server->sources, (unsigned)days, domain, reply_out, err);
	if (status != CV_OK)
		return status;
	spam_lookups_start(&lookups, r->server->dns);
	json_array_foreach(json_object_get(*reply_out, "sources"), i, row) if (i < HOSTS_LISTED)
		name_host(&lookups, row);
	spam_lookups_end(&lookups);
	return CV_OK;
}

enum cv_status
spam_reporter_do(struct spam_reporter *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	static const struct {
		const char *what;
		enum cv_status (*fn)(struct spam_reporter *r, json_t *request, json_t **reply_out,
			struct cv_err *err);
	} rows[] = {
		{"dmarc.list",    do_list   },
		{"dmarc.show",    do_show   },
		{"dmarc.send",    do_send   },
		{"dmarc.import",  do_import },
		{"dmarc.sources", do_sources},
	};
	const char *what = json_string_value(json_object_get(request, "do"));

	for (size_t i = 0; what && i < CV_COUNT(rows); i++)
		if (!strcmp(rows[i].what, what))
			return rows[i].fn(r, request, reply_out, err);
	return cv_fail(err, CV_INVALID, "unknown request");
}
