/* dns_records.c - see dns_records.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/dns_records.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "admin/dkim_keys.h"

#define STS_MAX_AGE    604800
#define TXT_STRING_MAX 255

/* clang-format off */
static const struct {
	const char *en, *vi;
} whys[ADMIN_DNS_KINDS] = {
	[ADMIN_DNS_MX] = { "which server takes mail for the domain", "máy chủ nhận thư của tên miền" },
	[ADMIN_DNS_HOST] = { "the server's own addresses; their PTR records must name it too",
		"địa chỉ IP của máy chủ; bản ghi PTR cũng phải trỏ về tên này" },
	[ADMIN_DNS_SPF] = { "SPF: only our servers send mail of the domain; nobody else",
		"SPF: chỉ máy chủ của ta được gửi thư của tên miền này" },
	[ADMIN_DNS_SPF_HOST] = { "SPF of the server's own name, for reports without a sender",
		"SPF cho tên máy chủ, dùng khi thư báo không có người gửi" },
	[ADMIN_DNS_DKIM] = { "DKIM: the public half of the key that signs our mail",
		"DKIM: khóa công khai để kiểm tra chữ ký thư gửi đi" },
	[ADMIN_DNS_DMARC] = { "DMARC: what others do with mail that is neither signed by us nor sent by us",
		"DMARC: cách nơi nhận xử lý thư giả mạo tên miền" },
	[ADMIN_DNS_DMARC_REPORTS] = { "DMARC: the address of the reports, in another zone, agrees to get them (RFC 7489 7.1)",
		"DMARC: miền nhận báo cáo đồng ý nhận thay (RFC 7489 7.1)" },
	[ADMIN_DNS_STS] = { "MTA-STS: there is a policy; the id must change whenever the policy does",
		"MTA-STS: báo có chính sách; id phải đổi mỗi khi chính sách đổi" },
	[ADMIN_DNS_STS_HOST] = { "MTA-STS: the web server that has the policy, with a certificate for this name",
		"MTA-STS: máy chủ web chứa chính sách, có chứng thư cho tên này" },
	[ADMIN_DNS_TLSRPT] = { "TLS-RPT: where others report trouble with TLS to us",
		"TLS-RPT: nơi nhận báo cáo lỗi TLS" },
	[ADMIN_DNS_TLSA] = { "DANE: the key of our certificate; counts only in a zone signed with DNSSEC",
		"DANE: dấu vân tay khóa chứng thư; chỉ có hiệu lực khi vùng có DNSSEC" },
	[ADMIN_DNS_SRV] = { "where mail programs find the servers by themselves (RFC 6186, 8314)",
		"giúp phần mềm thư tự tìm máy chủ" },
	[ADMIN_DNS_AUTOCONFIG] = { "where some mail programs ask for their settings",
		"nơi một số phần mềm thư hỏi cấu hình" },
};
/* clang-format on */

const char *
admin_dns_why(enum admin_dns_kind kind, bool vietnamese)
{
	return vietnamese ? whys[kind].vi : whys[kind].en;
}

const char *
admin_dns_type_name(enum cv_dns_type type)
{
	switch (type) {
	case CV_DNS_A:
		return "A";
	case CV_DNS_MX:
		return "MX";
	case CV_DNS_TXT:
		return "TXT";
	case CV_DNS_TLSA:
		return "TLSA";
	case CV_DNS_SRV:
		return "SRV";
	case CV_DNS_CNAME:
		return "CNAME";
	default:
		return "?";
	}
}

/* ---- making ---- */

struct maker {
	struct admin_dns_set *set;
	const struct admin_dns_wish *wish;
	const struct congvu_options *main;
	const struct smtpd_options *smtpd;
	const struct imapd_options *imapd;
};

CV_PRINTF(5, 6)
static void
add(struct maker *m, enum admin_dns_kind kind, enum cv_dns_type type, const char *name,
	const char *fmt, ...)
{
	struct admin_dns_set *set = m->set;
	char value[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	set->records = cv_realloc(set->records, (set->count + 1) * sizeof *set->records);
	set->records[set->count++] = (struct admin_dns_record){
		.kind = kind, .type = type, .name = cv_strdup(name), .value = cv_strdup(value)};
}

/* LABEL + domain. */
static const char *
below(const struct maker *m, const char *label, char buf[400])
{
	snprintf(buf, 400, "%s.%s", label, m->wish->domain);
	return buf;
}

static enum cv_status
add_dkim(struct maker *m, struct cv_err *err)
{
	struct admin_dkim_record *keys;
	size_t count;
	char name[400], label[100];
	enum cv_status status =
		admin_dkim_records(m->main->keys_dir, m->wish->domain, &keys, &count, err);

	if (status != CV_OK)
		return status == CV_NOT_FOUND ? CV_OK : status;
	for (size_t i = 0; i < count; i++) {
		if (!keys[i].is_current)
			continue;
		snprintf(label, sizeof label, "%s._domainkey", keys[i].selector);
		add(m, ADMIN_DNS_DKIM, CV_DNS_TXT, below(m, label, name), "%s", keys[i].value);
	}
	admin_dkim_records_free(keys, count);
	return CV_OK;
}

static void
make_policy(struct maker *m)
{
	struct cv_buf text = CV_BUF_INIT(2000);
	char digest[65];

	cv_buf_printf(&text, "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n",
		m->wish->sts_mode, m->main->hostname, STS_MAX_AGE);
	admin_sha256(cv_buf_view(&text), digest);
	snprintf(m->set->policy_id, sizeof m->set->policy_id, "%.20s", digest);
	m->set->policy = cv_buf_take(&text);
}

static enum cv_status
add_tlsa(struct maker *m, struct cv_conf *conf, struct cv_err *err)
{
	char name[400], digest[65];
	char *certs = cv_conf_resolve_list(conf, m->main->tls_cert);
	struct cv_str rest = cv_str_z(certs), word;
	enum cv_status status = CV_OK;

	snprintf(name, sizeof name, "_25._tcp.%s", m->main->hostname);
	while (status == CV_OK && cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		char *path = cv_str_dup(word);
		status = admin_key_digest(path, digest, err);
		if (status == CV_OK)
			add(m, ADMIN_DNS_TLSA, CV_DNS_TLSA, name, "3 1 1 %s", digest);
		free(path);
	}
	free(certs);
	if (status == CV_OK && m->wish->next_cert) {
		status = admin_key_digest(m->wish->next_cert, digest, err);
		if (status == CV_OK)
			add(m, ADMIN_DNS_TLSA, CV_DNS_TLSA, name, "3 1 1 %s", digest);
	}
	return status;
}

unsigned
admin_dns_port_of(const char *list)
{
	struct cv_str rest = cv_str_z(list), word;
	uint64_t port = 0;

	while (cv_str_split(&rest, ' ', &word)) {
		size_t colon = word.n;
		while (colon && word.p[colon - 1] != ':')
			colon--;
		if (word.n && cv_str_u64(cv_str_sub(word, colon, word.n), 65535, &port) == CV_OK)
			break;
	}
	return (unsigned)port;
}

static void
add_srv(struct maker *m)
{
	const struct {
		const char *label, *listen;
		unsigned priority;
	} rows[] = {{"_submissions._tcp", m->smtpd->listen_submissions, 0},
		{"_submission._tcp", m->smtpd->listen_submission, 10},
		{"_imaps._tcp", m->imapd->listen_imaps, 0},
		{"_imap._tcp", m->imapd->listen_imap, 10},
		{"_pop3s._tcp", m->imapd->listen_pop3s, 20},
		{"_pop3._tcp", m->imapd->listen_pop3, 30}};
	char name[400];

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		unsigned port = admin_dns_port_of(rows[i].listen);
		below(m, rows[i].label, name);
		if (port)
			add(m, ADMIN_DNS_SRV, CV_DNS_SRV, name, "%u 1 %u %s.", rows[i].priority,
				port, m->main->hostname);
		else /* "not here" (RFC 6186 3.4) */
			add(m, ADMIN_DNS_SRV, CV_DNS_SRV, name, "0 0 0 .");
	}
}

enum cv_status
admin_dns_make(struct cv_conf *conf, const struct admin_dns_wish *wish, struct admin_dns_set *out,
	struct cv_err *err)
{
	struct maker m = {.set = out,
		.wish = wish,
		.main = cv_conf_get(conf, &congvu_section),
		.smtpd = cv_conf_get(conf, &smtpd_section),
		.imapd = cv_conf_get(conf, &imapd_section)};
	const char *host = m.main->hostname, *contact = m.smtpd->tls_report_contact;
	char name[400];

	*out = (struct admin_dns_set){.records = NULL};
	make_policy(&m);
	add(&m, ADMIN_DNS_MX, CV_DNS_MX, wish->domain, "10 %s.", host);
	if (!wish->without_host)
		add(&m, ADMIN_DNS_HOST, CV_DNS_A, host, "%s", "");
	add(&m, ADMIN_DNS_SPF, CV_DNS_TXT, wish->domain, "v=spf1 mx -all");
	if (!wish->without_host)
		add(&m, ADMIN_DNS_SPF_HOST, CV_DNS_TXT, host, "v=spf1 a -all");
	enum cv_status status = add_dkim(&m, err);
	add(&m, ADMIN_DNS_DMARC, CV_DNS_TXT, below(&m, "_dmarc", name),
		"v=DMARC1; p=reject; rua=mailto:dmarc@%s", m.main->default_domain);
	if (!cv_str_ieq_z(cv_str_z(wish->domain), m.main->default_domain)) {
		snprintf(name, sizeof name, "%s._report._dmarc.%s", wish->domain,
			m.main->default_domain);
		add(&m, ADMIN_DNS_DMARC_REPORTS, CV_DNS_TXT, name, "v=DMARC1;");
	}
	add(&m, ADMIN_DNS_STS, CV_DNS_TXT, below(&m, "_mta-sts", name), "v=STSv1; id=%s;",
		out->policy_id);
	add(&m, ADMIN_DNS_STS_HOST, CV_DNS_CNAME, below(&m, "mta-sts", name), "%s.", host);
	if (contact[0])
		add(&m, ADMIN_DNS_TLSRPT, CV_DNS_TXT, below(&m, "_smtp._tls", name),
			"v=TLSRPTv1; rua=mailto:%s", contact);
	else
		add(&m, ADMIN_DNS_TLSRPT, CV_DNS_TXT, below(&m, "_smtp._tls", name),
			"v=TLSRPTv1; rua=mailto:tlsrpt@%s", m.main->default_domain);
	if (status == CV_OK && !wish->without_host)
		status = add_tlsa(&m, conf, err);
	add_srv(&m);
	add(&m, ADMIN_DNS_AUTOCONFIG, CV_DNS_CNAME, below(&m, "autoconfig", name), "%s.", host);
	add(&m, ADMIN_DNS_AUTOCONFIG, CV_DNS_CNAME, below(&m, "autodiscover", name), "%s.", host);
	add(&m, ADMIN_DNS_AUTOCONFIG, CV_DNS_SRV, below(&m, "_autodiscover._tcp", name),
		"0 1 443 %s.", host);
	if (status != CV_OK)
		admin_dns_done(out);
	return status;
}

void
admin_dns_done(struct admin_dns_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->records[i].name);
		free(set->records[i].value);
	}
	free(set->records);
	free(set->policy);
	*set = (struct admin_dns_set){.records = NULL};
}

/* ---- writing ---- */

void
admin_dns_zone_line(const struct admin_dns_record *r, struct cv_buf *out)
{
	struct cv_str rest = cv_str_z(r->value);

	if (r->kind == ADMIN_DNS_HOST) {
		cv_buf_printf(out, "; %s. IN A ...  /  AAAA ...\n", r->name);
		return;
	}
	cv_buf_printf(out, "%s. IN %s ", r->name, admin_dns_type_name(r->type));
	if (r->type != CV_DNS_TXT) {
		cv_buf_printf(out, "%s\n", r->value);
		return;
	}
	bool is_long = rest.n > TXT_STRING_MAX;
	cv_buf_z(out, is_long ? "(" : "");
	while (rest.n) {
		struct cv_str piece = cv_str_sub(rest, 0, TXT_STRING_MAX);
		rest = cv_str_sub(rest, piece.n, rest.n);
		cv_buf_printf(out, "%s\"%.*s\"", is_long ? " " : "", CV_STR_ARGS(piece));
	}
	cv_buf_z(out, is_long ? " )\n" : "\n");
}
