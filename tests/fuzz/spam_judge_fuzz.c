/* fuzz: spamfilter */
/* spam_judge_fuzz.c - any bytes as what an MTA brings, in any order that libmilter lets through,
 * through all examiners to a verdict and what follows it.
 *
 * The input: lines "C address", "H helo", "F sender", "R recipient", "S" (submitted), up to an
 * empty line; then the message. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "spamfilter/judge.h"
#include "spamfilter/tool/explain.h"
#include "spamfilter/tool/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char zone[] = "$TTL 300\n"
			   "a.test. TXT \"v=spf1 ip4:192.0.2.1 include:b.test -all\"\n"
			   "b.test. TXT \"v=spf1 a:%{i}.c.test ~all\"\n"
			   "_dmarc.a.test. TXT \"v=DMARC1; p=reject\"\n"
			   "s._domainkey.a.test. TXT \"v=DKIM1; k=ed25519; "
			   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void
open_server(struct spam_server **out)
{
	char folder[] = "/tmp/congvu-judge-fuzz-XXXXXX", conf[100], zone_path[100], text[400];
	char why_not[256];
	struct cv_err err;

	if (!mkdtemp(folder))
		abort();
	snprintf(conf, sizeof conf, "%s/conf", folder);
	snprintf(zone_path, sizeof zone_path, "%s/zone", folder);
	snprintf(text, sizeof text,
		"[congvu]\nbase_dir = %s\nsandbox = no\ndns_zone_file = %s\n"
		"default_domain = lamgiang.example\n[spamfilter]\nmessage_cpu_ms = 60000\n",
		folder, zone_path);
	write_file(zone_path, zone);
	write_file(conf, text);
	if (spam_server_open_tool(conf, false, NULL, 0, out, why_not, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	snprintf(text, sizeof text, "rm -rf %s", folder);
	if (system(text))
		abort();
}

static void
take_line(struct spam_mail *m, struct cv_str line, struct sockaddr_storage *addr, char helo[256])
{
	struct cv_str rest = cv_str_sub(line, 2, line.n);

	/* libmilter's texts end in NUL, so none is inside. */
	if (!line.n || memchr(line.p, '\0', line.n))
		return;
	switch (line.p[0]) {
	case 'C':
		(void)spam_origin_address(rest, addr);
		break;
	case 'H':
		snprintf(helo, 256, "%.*s", (int)CV_MIN(rest.n, 255), rest.p ? rest.p : "");
		break;
	case 'F':
		spam_mail_client(m, addr, helo, helo);
		spam_mail_from(m, rest);
		(void)spam_judge_sender(m);
		break;
	case 'R':
		spam_mail_rcpt(m, rest);
		break;
	case 'S':
		m->is_submission = true;
		break;
	default:
		break;
	}
}

static void
check(const struct spam_mail *m)
{
	const struct spam_verdict *v = &m->verdict;
	struct cv_buf rules = CV_BUF_INIT(16u << 10);

	assert(v->count <= SPAM_RULES && v->action >= v->wanted && v->action < SPAM_ACTIONS);
	spam_verdict_rules(v, true, &rules);
	assert(!rules.full && rules.n);
	for (size_t i = 0; i < v->count; i++) {
		assert(strlen(v->found[i].detail) <= SPAM_DETAIL_MAX);
		assert(v->has[v->found[i].rule]);
	}
	for (size_t i = 0; i < rules.n; i++)
		assert((unsigned char)rules.p[i] < 127 && rules.p[i] != '\r');
	cv_buf_done(&rules);
}

static void
feed(struct spam_mail *m, struct cv_str message)
{
	struct cv_header_scan scan;
	struct cv_field f;

	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &f))
		if (!memchr(f.value.p, '\0', f.value.n) && !memchr(f.name.p, '\0', f.name.n))
			spam_mail_header(m, f.name, f.value);
	if (message.n % 3) /* an MTA may send no end of header */
		spam_mail_eoh(m);
	struct cv_str body = cv_str_sub(message, cv_header_body_at(message), message.n);
	if (m->header_ended)
		for (size_t at = 0; at < body.n; at += 11 + at)
			spam_mail_body(m, cv_str_sub(body, at, at + 11 + at));
}

static void
run_session(struct spam_server *s, struct cv_str envelope, struct cv_str message)
{
	struct spam_mail *m = spam_mail_new(s, 1);
	struct sockaddr_storage addr = {0};
	struct cv_str line;
	char helo[256] = "";

	spam_mail_authserv(m, "mail.lamgiang.example");
	while (cv_str_split(&envelope, '\n', &line))
		take_line(m, line, &addr, helo);
	if (m->snap) { /* the sender was refused */
		check(m);
	} else {
		spam_mail_client(m, &addr, helo, helo);
		feed(m, message);
		spam_judge(m);
		check(m);
		spam_judged(m);
	}
	spam_mail_free(m);
}

static void
run_explain(struct spam_server *s, struct cv_str message)
{
	struct spam_asked asked = {0};
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	json_t *answer = NULL;
	struct cv_err err;

	if (spam_explain(s, message, &asked, &answer, &err) != CV_OK)
		return;
	spam_explain_text(answer, "fuzz", message.n & 1, &text);
	for (size_t i = 0; i < text.n; i++)
		assert((unsigned char)text.p[i] >= ' ' || text.p[i] == '\n');
	json_decref(answer);
	cv_buf_done(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spam_server *server;
	struct cv_str input = cv_str((const char *)data, size);
	size_t end = cv_str_search(input, CV_STR("\n\n"));

	if (!server) {
		open_server(&server);
		cv_log_init("fuzz", CV_ERROR, NULL);
	}
	struct cv_str message = cv_str_sub(input, end + 2, input.n);
	run_session(server, cv_str_sub(input, 0, end), message);
	run_explain(server, message);
	return 0;
}
