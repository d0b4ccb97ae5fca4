/* relay.c - what a stranger would try: relaying through our MX, logging in without TLS (SEC-01). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>

#include "admin/doctor/doctor.h"
#include "admin/doctor/probe.h"
#include "common/net/addr.h"

#define WAIT_SECS 4u

/* The first TCP address of LIST, by which this machine reaches it. */
static bool
first_address(const char *list, struct sockaddr_storage *to, socklen_t *len)
{
	struct cv_str rest = cv_str_z(list), word;
	struct cv_err err;

	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n || cv_sockaddr_parse(word, to, len, &err) != CV_OK ||
			to->ss_family == AF_UNIX)
			continue;
		struct sockaddr_in *in = (void *)to;
		struct sockaddr_in6 *in6 = (void *)to;
		if (to->ss_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY))
			in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		else if (to->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
			in6->sin6_addr = in6addr_loopback;
		return true;
	}
	return false;
}

/* ---- relaying ---- */

/* Is RCPT of a stranger's mail to a stranger refused? The sender is the null one too, as bounces
 * have it. */
static void
try_relay(struct doctor_job *j, const char *from, const char *to_command)
{
	struct sockaddr_storage to;
	socklen_t len;
	struct probe *c = NULL;
	struct cv_err err = {0};
	unsigned code = 0;
	char mail[200];

	if (!first_address(j->d->smtpd->listen_mx, &to, &len))
		return;
	snprintf(mail, sizeof mail, "MAIL FROM:<%s>", from);
	const char *lines[] = {NULL, "EHLO doctor.invalid", mail, to_command};
	enum cv_status status = probe_open(&to, len, WAIT_SECS, &c, &err);
	size_t i = 0;
	for (; status == CV_OK && i < CV_COUNT(lines); i++) {
		status = probe_smtp(c, lines[i], &code, NULL, &err);
		if (status == CV_OK && code >= 400)
			break; /* refused here already: as good */
	}
	bool refused = status == CV_OK && code >= 400;
	if (status != CV_OK)
		doctor_find(j, "open-relay", DOCTOR_NOTE, to_command, "%s", err.text);
	else
		doctor_say(j, "open-relay", refused, to_command, "%u", code);
	if (c && status == CV_OK) {
		(void)!probe_smtp(c, "RSET", &code, NULL, &err);
		(void)!probe_smtp(c, "QUIT", &code, NULL, &err);
	}
	probe_close(c);
}

/* ---- log-ins without TLS ---- */

static bool
offers_auth(const char *ehlo)
{
	return strstr(ehlo, "-AUTH") || strstr(ehlo, " AUTH ");
}

static void
try_smtp_auth(struct doctor_job *j, const char *label, const char *list)
{
	struct sockaddr_storage to;
	socklen_t len;
	struct probe *c = NULL;
	struct cv_err err = {0};
	struct cv_buf ehlo = CV_BUF_INIT(20000);
	unsigned code = 0;

	if (!first_address(list, &to, &len))
		return;
	enum cv_status status = probe_open(&to, len, WAIT_SECS, &c, &err);
	if (status == CV_OK)
		status = probe_smtp(c, NULL, &code, NULL, &err);
	if (status == CV_OK)
		status = probe_smtp(c, "EHLO doctor.invalid", &code, &ehlo, &err);
	if (status == CV_OK)
		status = probe_smtp(c, "AUTH LOGIN", &code, NULL, &err);
	if (status != CV_OK)
		doctor_find(j, "clear-auth", DOCTOR_NOTE, label, "%s", err.text);
	else
		doctor_say(j, "clear-auth", code >= 500 && !offers_auth(ehlo.p ? ehlo.p : ""),
			label, "AUTH: %u", code);
	cv_buf_done(&ehlo);
	probe_close(c);
}

static void
try_line_auth(struct doctor_job *j, const char *label, const char *list, const char *try,
	const char *refusal)
{
	struct sockaddr_storage to;
	socklen_t len;
	struct probe *c = NULL;
	struct cv_err err = {0};
	char line[PROBE_LINE_MAX] = "";

	if (!first_address(list, &to, &len))
		return;
	enum cv_status status = probe_open(&to, len, WAIT_SECS, &c, &err);
	if (status == CV_OK)
		status = probe_line(c, line, &err);
	if (status == CV_OK)
		status = probe_say(c, try, &err);
	if (status == CV_OK)
		status = probe_line(c, line, &err);
	if (status != CV_OK)
		doctor_find(j, "clear-auth", DOCTOR_NOTE, label, "%s", err.text);
	else
		doctor_say(j, "clear-auth", cv_str_has_prefix(cv_str_z(line), refusal), label,
			"%.60s", line);
	probe_close(c);
}

void
doctor_relay(struct doctor_job *j)
{
	const struct doctor *d = j->d;

	if (!d->status[DOCTOR_SMTPD]) {
		doctor_find(j, "open-relay", DOCTOR_NOTE, NULL, "smtpd");
	} else {
		try_relay(j, "stranger@relay-check.invalid",
			"RCPT TO:<stranger@relay-check.invalid>");
		try_relay(j, "", "RCPT TO:<\"a%relay-check.invalid\"@relay-check.invalid>");
		try_smtp_auth(j, "mx", d->smtpd->listen_mx);
		try_smtp_auth(j, "submission", d->smtpd->listen_submission);
	}
	if (d->status[DOCTOR_IMAPD]) {
		try_line_auth(j, "imap", d->imapd->listen_imap, "a AUTHENTICATE PLAIN", "a NO");
		try_line_auth(j, "pop3", d->imapd->listen_pop3, "AUTH PLAIN", "-ERR");
	}
}
