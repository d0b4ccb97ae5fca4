/* filter.c - does smtpd reach the spam filter, is the scanner fresh, do DNS lists answer. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "admin/dns_ask.h"
#include "admin/doctor/doctor.h"
#include "common/base/clock.h"
#include "common/net/addr.h"

#define WAIT_SECS    3
#define CLAM_DAYS    7
#define LISTS_MAX    24u

/* ---- the milter ---- */

/* Option negotiation, which every milter answers with one packet of its own: length, 'O', version,
 * actions, steps. */
static bool
greets(const char *socket_text, struct cv_err *err)
{
	static const unsigned char hello[] = {
		0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff};
	struct timeval limit = {.tv_sec = WAIT_SECS};
	struct sockaddr_storage to;
	socklen_t len;
	unsigned char answer[5] = {0};

	if (cv_sockaddr_parse(cv_str_z(socket_text), &to, &len, err) != CV_OK)
		return false;
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) &&
		  !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) &&
		  !connect(fd, (struct sockaddr *)&to, len) &&
		  write(fd, hello, sizeof hello) == (ssize_t)sizeof hello &&
		  read(fd, answer, sizeof answer) == (ssize_t)sizeof answer && answer[4] == 'O';
	if (!ok)
		(void)!cv_fail(err, CV_TEMPFAIL, "%s: no milter answers", socket_text);
	if (fd >= 0)
		close(fd);
	return ok;
}

static void
check_milter(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	char *resolved = cv_conf_resolve(d->conf, cv_str_z(d->filter->socket));
	char *milters = cv_conf_resolve_list(d->conf, d->smtpd->milters);
	const char *path = cv_str_has_prefix(cv_str_z(resolved), "unix:") ? resolved + 5 : resolved;
	struct cv_err err = {0};

	bool named = strstr(milters, path) || strstr(d->smtpd->milters_mx, path);
	doctor_say(j, "configured", named, d->filter->socket, "milters = %.200s", milters);
	if (!named)
		doctor_do(j, "[smtpd]\nmilters = %s", d->filter->socket);
	if (cv_str_has_prefix(cv_str_z(resolved), "unix:")) {
		bool ok = greets(resolved, &err);
		doctor_say(j, "answers", ok, d->filter->socket, "%s", ok ? "" : err.text);
	}
	free(milters);
	free(resolved);
}

/* ---- the scanner ---- */

/* "ClamAV 1.0.7/27460/Sun Nov 22 09:34:12 2026": the day of its signatures. */
static int64_t
signatures_day(const char *version)
{
	const char *day = strrchr(version, '/');
	struct tm tm = {.tm_isdst = -1};

	if (!day || !strptime(day + 1, "%a %b %d %H:%M:%S %Y", &tm))
		return 0;
	return (int64_t)mktime(&tm);
}

static void
check_scanner(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	const char *version = json_string_value(
		json_object_get(d->status[DOCTOR_SPAMFILTER], "clamav"));

	if (!d->filter->clamav[0]) {
		doctor_find(j, "scanner", DOCTOR_WARN, "clamav", "%s",
			admin_say(d->call, "not set", "chưa đặt"));
		return;
	}
	if (!version)
		return;
	int64_t day = signatures_day(version), age = (cv_wall_secs() - day) / 86400;
	doctor_say(j, "scanner", day > 0, d->filter->clamav, "%s", version);
	if (day > 0)
		doctor_say(j, "signatures", age <= CLAM_DAYS, version,
			admin_say(d->call, "%lld days old", "cũ %lld ngày"), (long long)age);
}

/* ---- DNS lists ---- */

static size_t
add_lists(const char *list, struct admin_dns_query *queries, size_t n)
{
	struct cv_str rest = cv_str_z(list), word;

	while (n + 2 <= LISTS_MAX * 2 && cv_str_split(&rest, ' ', &word)) {
		word = cv_str_sub(word, 0,
			CV_MIN(cv_str_find(word, '=', 0), cv_str_find(word, '*', 0)));
		if (!word.n || word.n > 200)
			continue;
		/* RFC 5782 5: 127.0.0.2 is on every list, 127.0.0.1 on none. */
		for (unsigned last = 2; last; last--, n++) {
			snprintf(queries[n].name, sizeof queries[n].name, "%u.0.0.127.%.*s", last,
				CV_STR_ARGS(word));
			queries[n].type = CV_DNS_A;
		}
	}
	return n;
}

static bool
is_there(const struct cv_dns_answer *a)
{
	return a->state == CV_DNS_OK && a->count;
}

/* 127.255.255.x says: not over this resolver. */
static bool
is_blocked(const struct cv_dns_answer *a)
{
	const unsigned char *ip = is_there(a) ? (const unsigned char *)a->records[0].rdata.p : NULL;

	return ip && a->records[0].rdata.n == 4 && ip[0] == 127 && ip[1] == 255;
}

static void
check_lists(struct doctor_job *j)
{
	const struct doctor *d = j->d;
	struct admin_dns_query *q = cv_calloc(LISTS_MAX * 2, sizeof *q);
	size_t n = add_lists(d->smtpd->dnsbl, q, 0);

	n = add_lists(d->smtpd->dnswl, q, n);
	n = add_lists(d->filter->dnsbl, q, n);
	n = add_lists(d->filter->dnswl, q, n);
	if (n && d->resolver)
		admin_dns_ask(d->resolver, q, n);
	for (size_t i = 0; d->resolver && i < n; i += 2) {
		const char *zone = q[i].name + strlen("2.0.0.127.");
		bool well = is_there(q[i].answer) && !is_blocked(q[i].answer) &&
			    !is_there(q[i + 1].answer);
		doctor_say(j, "lists", well, zone, "%s",
			well                        ? ""
			: is_blocked(q[i].answer)   ? "127.255.255.x"
			: is_there(q[i + 1].answer) ? "127.0.0.1"
						    : "127.0.0.2?");
	}
	admin_dns_queries_done(q, n);
	free(q);
}

static void
check_classifier(struct doctor_job *j)
{
	const json_t *c = j->d->classifier;

	if (!c)
		return;
	json_int_t ham = admin_number(c, "ham"), spam = admin_number(c, "spam");
	doctor_say(j, "classifier",
		ham >= (json_int_t)j->d->filter->learn_ham_min &&
			spam >= (json_int_t)j->d->filter->learn_spam_min, NULL,
		"%lld / %lld", (long long)ham, (long long)spam);
}

void
doctor_filter(struct doctor_job *j)
{
	check_milter(j);
	if (j->d->status[DOCTOR_SPAMFILTER])
		check_scanner(j);
	check_lists(j);
	check_classifier(j);
}
