/* ports.c - every address that the configuration says we listen on: does it answer, as the right
 * service, with TLS as it should be and the certificate of the file. Each address on its own
 * thread, since greetings may come late on purpose. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "admin/doctor/doctor.h"
#include "admin/doctor/probe.h"
#include "common/net/addr.h"
#include "common/net/thread.h"

#define PLACES_MAX  64u
#define WAIT_SECS   4u
#define CERTS_MAX   8u

enum tls_kind { TLS_NONE, TLS_START, TLS_AT_ONCE };
struct service {
	const char *label, *greeting; /* what its first line begins with */
	const char *start, *agreed;   /* how TLS is asked for, and the beginning of the consent */
	enum tls_kind tls;
};
/* clang-format off */
static const struct service services[] = {
	{ "mx",          "220", "STARTTLS", "220", TLS_START },
	{ "submission",  "220", "STARTTLS", "220", TLS_START },
	{ "submissions", "220", NULL, NULL, TLS_AT_ONCE },
	{ "lmtp",        "220", NULL, NULL, TLS_NONE },
	{ "imap",        "* OK", "a STARTTLS", "a OK", TLS_START },
	{ "imaps",       "* OK", NULL, NULL, TLS_AT_ONCE },
	{ "pop3",        "+OK", "STLS", "+OK", TLS_START },
	{ "pop3s",       "+OK", NULL, NULL, TLS_AT_ONCE },
};
/* clang-format on */

struct place {
	const struct service *service;
	const struct doctor *d;
	struct sockaddr_storage to;
	socklen_t len;
	char name[100]; /* "127.0.0.1:25 (mx)" */
	/* what was found */
	bool reached, greeted, has_tls, takes_old, has_key;
	char why[300], version[20], key[65];
	pthread_t thread;
	bool is_threaded;
};

static const char *
listen_option(const struct doctor *d, const char *label)
{
	const struct {
		const char *label, *list;
	} rows[] = {
		{"mx",          d->smtpd->listen_mx         },
		{"submission",  d->smtpd->listen_submission },
		{"submissions", d->smtpd->listen_submissions},
		{"lmtp",        d->smtpd->listen_lmtp       },
		{"imap",        d->imapd->listen_imap       },
		{"imaps",       d->imapd->listen_imaps      },
		{"pop3",        d->imapd->listen_pop3       },
		{"pop3s",       d->imapd->listen_pop3s      },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(rows[i].label, label))
			return rows[i].list;
	return "";
}

/* Where one reaches an address that stands for all: loopback. */
static void
reach(struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	if (to->ss_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY))
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (to->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		in6->sin6_addr = in6addr_loopback;
}

static void
add_place(const struct doctor *d, const struct service *service, struct sockaddr_storage to,
	socklen_t len, struct place *places, size_t *n)
{
	char ip[80];

	if (*n == PLACES_MAX)
		return;
	reach(&to);
	struct place *p = &places[(*n)++];
	*p = (struct place){.service = service, .d = d, .to = to, .len = len};
	cv_sockaddr_text(&to, ip, sizeof ip);
	snprintf(p->name, sizeof p->name, to.ss_family == AF_INET6 ? "[%s]:%u (%s)" : "%s:%u (%s)",
		ip, cv_sockaddr_port(&to), service->label);
}

static size_t
find_places(const struct doctor *d, struct place *places)
{
	size_t n = 0;

	for (size_t i = 0; i < CV_COUNT(services); i++) {
		struct cv_str rest = cv_str_z(listen_option(d, services[i].label)), word;
		while (cv_str_split(&rest, ' ', &word)) {
			struct sockaddr_storage to;
			socklen_t len;
			struct cv_err err;
			if (!word.n || cv_sockaddr_parse(word, &to, &len, &err) != CV_OK ||
				to.ss_family == AF_UNIX)
				continue;
			add_place(d, &services[i], to, len, places, &n);
			/* "*" is both families on one socket. */
			if (word.p[0] != '*')
				continue;
			struct sockaddr_in *in = (void *)&to;
			unsigned port = cv_sockaddr_port(&to);
			to = (struct sockaddr_storage){.ss_family = AF_INET};
			in->sin_port = htons((uint16_t)port);
			add_place(d, &services[i], to, sizeof *in, places, &n);
		}
	}
	return n;
}

/* ---- one place ---- */

/* Speaks up to where TLS begins. */
static enum cv_status
up_to_tls(const struct place *p, struct probe *c, struct cv_err *err)
{
	char line[PROBE_LINE_MAX];
	const struct service *s = p->service;
	unsigned code;
	enum cv_status status = CV_OK;

	if (s->tls == TLS_AT_ONCE)
		return CV_OK;
	if (s->greeting[0] == '2') {
		status = probe_smtp(c, NULL, &code, NULL, err);
		if (status == CV_OK)
			status = probe_smtp(c, "EHLO localhost", &code, NULL, err);
	} else {
		status = probe_line(c, line, err);
	}
	if (status == CV_OK)
		status = probe_say(c, s->start, err);
	if (status == CV_OK)
		status = probe_line(c, line, err);
	if (status == CV_OK && !cv_str_has_prefix(cv_str_z(line), s->agreed))
		status = cv_fail(err, CV_DENIED, "%s: %.100s", s->start, line);
	return status;
}

static void
try_tls(struct place *p, bool old)
{
	struct probe *c = NULL;
	struct cv_err err = {0};
	enum cv_status status = probe_open(&p->to, p->len, WAIT_SECS, &c, &err);

	if (status == CV_OK)
		status = up_to_tls(p, c, &err);
	if (status == CV_OK)
		status = probe_tls(c, p->d->main->hostname, old, &err);
	if (old) {
		p->takes_old = status == CV_OK;
	} else {
		p->has_tls = status == CV_OK;
		if (status == CV_OK) {
			snprintf(p->version, sizeof p->version, "%s", probe_tls_version(c));
			p->has_key = probe_key(c, p->key);
		} else {
			snprintf(p->why, sizeof p->why, "%.290s", err.text);
		}
	}
	probe_close(c);
}

static void
greet(struct place *p)
{
	struct probe *c = NULL;
	struct cv_err err = {0};
	char line[PROBE_LINE_MAX] = "";
	enum cv_status status = probe_open(&p->to, p->len, WAIT_SECS, &c, &err);

	p->reached = status == CV_OK;
	if (status == CV_OK && p->service->tls == TLS_AT_ONCE)
		status = probe_tls(c, p->d->main->hostname, false, &err);
	if (status == CV_OK)
		status = probe_line(c, line, &err);
	p->greeted = status == CV_OK && cv_str_has_prefix(cv_str_z(line), p->service->greeting);
	if (!p->greeted)
		snprintf(p->why, sizeof p->why, "%.290s", status == CV_OK ? line : err.text);
	probe_close(c);
}

static void *
examine(void *arg)
{
	struct place *p = arg;

	greet(p);
	if (!p->greeted || p->service->tls == TLS_NONE)
		return NULL;
	try_tls(p, false);
	if (p->has_tls)
		try_tls(p, true);
	return NULL;
}

/* ---- all ---- */

static size_t
read_keys(const struct doctor *d, char keys[CERTS_MAX][65])
{
	char *list = cv_conf_resolve_list(d->conf, d->main->tls_cert);
	struct cv_str rest = cv_str_z(list), word;
	size_t n = 0;

	while (n < CERTS_MAX && cv_str_split(&rest, ' ', &word)) {
		struct cv_err err;
		char *path = cv_str_dup(word);
		if (word.n && admin_key_digest(path, keys[n], &err) == CV_OK)
			n++;
		free(path);
	}
	free(list);
	return n;
}

static void
report(struct doctor_job *j, const struct place *p, char keys[CERTS_MAX][65], size_t key_count)
{
	bool is_of_file = false;

	doctor_say(j, "reachable", p->reached, p->name, "%s", p->reached ? "" : p->why);
	if (!p->reached)
		return;
	doctor_say(j, "greeting", p->greeted, p->name, "%s", p->greeted ? "" : p->why);
	if (!p->greeted || p->service->tls == TLS_NONE)
		return;
	doctor_say(j, "tls", p->has_tls, p->name, "%s", p->has_tls ? p->version : p->why);
	if (!p->has_tls)
		return;
	doctor_say(j, "old-tls", !p->takes_old, p->name, "%s", "");
	for (size_t i = 0; i < key_count; i++)
		is_of_file |= p->has_key && !strcmp(keys[i], p->key);
	if (key_count)
		doctor_say(j, "certificate", is_of_file, p->name, "%s", "");
}

/* Both families for what the world uses. */
static void
report_families(struct doctor_job *j, const struct place *places, size_t count)
{
	static const char *const public[] = {"mx", "submission", "submissions", "imaps"};

	for (size_t k = 0; k < CV_COUNT(public); k++) {
		bool has4 = false, has6 = false;
		for (size_t i = 0; i < count; i++) {
			if (strcmp(places[i].service->label, public[k]))
				continue;
			has4 |= places[i].to.ss_family == AF_INET;
			has6 |= places[i].to.ss_family == AF_INET6;
		}
		if (has4 || has6)
			doctor_say(j, "families", has4 && has6, public[k], "%s",
				has4 && has6 ? "IPv4, IPv6" : has4 ? "IPv4" : "IPv6");
	}
}

void
doctor_ports(struct doctor_job *j)
{
	struct place *places = cv_calloc(PLACES_MAX, sizeof *places);
	char keys[CERTS_MAX][65];
	size_t count = find_places(j->d, places), key_count = read_keys(j->d, keys);
	struct cv_err err;

	for (size_t i = 0; i < count; i++) {
		places[i].is_threaded = cv_thread_start(&places[i].thread, "probe", examine,
						&places[i], &err) == CV_OK;
		if (!places[i].is_threaded)
			examine(&places[i]);
	}
	for (size_t i = 0; i < count; i++)
		if (places[i].is_threaded)
			pthread_join(places[i].thread, NULL);
	if (!count)
		doctor_find(j, "reachable", DOCTOR_NOTE, NULL, "listen_... = ");
	for (size_t i = 0; i < count; i++)
		report(j, &places[i], keys, key_count);
	report_families(j, places, count);
	free(places);
}
