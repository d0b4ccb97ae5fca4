/* dmarc.c - `congvu-spamfilter dmarc`: the record that applies to a domain, and how it was found,
 * by hand, over DNS or a zone file; or what a report says. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <getopt.h>

#include <jansson.h>

#include "common/text/domain.h"
#include "spamfilter/dmarc/dmarc.h"
#include "spamfilter/dmarc/report.h"
#include "spamfilter/tool/tool.h"

#define DKIM_MAX 16

struct query {
	const char *from, *spf, *dkim[DKIM_MAX];
	size_t dkim_count;
	enum spam_dmarc_method method;
	bool json;
};

static const char usage[] =
	"usage: congvu-spamfilter dmarc --from DOMAIN [--spf DOMAIN] [--dkim DOMAIN ...]\n"
	"                               [--method tree-walk|public-suffix] [--json]\n"
	"                               [--zone FILE | --dns SERVER]\n"
	"       congvu-spamfilter dmarc --report < report (XML, gzip, zip or a mail)\n"
	"Finds a domain's DMARC policy (RFC 9989); --spf and --dkim name what has passed.\n";

static json_t *
as_json(const struct query *q, const struct spam_dmarc_answer *a)
{
	json_t *rua = json_array();
	const struct spam_dmarc_record *r = &a->record;

	for (size_t i = 0; a->has_record && i < r->rua_count; i++)
		json_array_append_new(rua, json_string(r->rua[i].address));
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:s, s:I}",
		"from", q->from, "result", spam_dmarc_word(a->result), "has_record", a->has_record,
		"record_at", a->record_domain, "tag",
		a->has_record ? spam_dmarc_tag_word(a->tag) : "", "policy",
		spam_dmarc_policy_word(a->policy), "wanted", spam_dmarc_policy_word(a->wanted),
		"organisation", a->organisation, "testing", r->is_testing, "spf_aligned",
		a->spf_aligned, "dkim_aligned", a->dkim_aligned, "rua", rua, "why", a->why,
		"lookups", (json_int_t)a->lookups);
}

static void
print_text(const struct query *q, const struct spam_dmarc_answer *a, struct cv_str trace)
{
	printf("%.*s", (int)trace.n, trace.n ? trace.p : "");
	printf("from: %s\nresult: %s\norganisation: %s\n", q->from, spam_dmarc_word(a->result),
		a->organisation);
	if (a->has_record)
		printf("record at: %s\npolicy: %s=%s%s\nwanted: %s\nalignment: dkim=%s spf=%s\n",
			a->record_domain, spam_dmarc_tag_word(a->tag),
			spam_dmarc_policy_word(a->policy), a->record.is_testing ? " t=y" : "",
			spam_dmarc_policy_word(a->wanted),
			a->record.strict_dkim ? "strict" : "relaxed",
			a->record.strict_spf ? "strict" : "relaxed");
	for (size_t i = 0; a->has_record && i < a->record.rua_count; i++)
		printf("reports to: %s\n", a->record.rua[i].address);
	if (q->spf)
		printf("spf aligned: %s\n", a->spf_aligned ? "yes" : "no");
	if (q->dkim_count)
		printf("dkim aligned: %s\n", a->dkim_aligned ? "yes" : "no");
	printf("problem: %s\nlookups: %u\n", a->why, a->lookups);
}

static void
answer(const struct query *q, struct spam_dns *dns)
{
	struct cv_buf trace = CV_BUF_INIT(64u << 10);
	struct spam_dmarc *d = spam_dmarc_new();
	struct spam_lookups lookups;
	struct spam_dmarc_answer found, a;

	spam_lookups_start(&lookups, dns);
	spam_dmarc_find(d, &lookups, q->from, q->method, &found, &trace);
	struct spam_dmarc_ask ask = {.lookups = &lookups,
		.from = q->from,
		.spf = q->spf,
		.dkim = q->dkim,
		.dkim_count = q->dkim_count,
		.method = q->method};
	spam_dmarc_check(d, &ask, &a);
	spam_lookups_end(&lookups);
	if (q->json) {
		json_t *o = as_json(q, &a);
		if (!o)
			cv_die("no memory for an answer");
		json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(o);
	} else {
		print_text(q, &a, cv_buf_view(&trace));
	}
	spam_dmarc_free(d);
	cv_buf_done(&trace);
}

static int
read_report(void)
{
	struct cv_buf data = CV_BUF_INIT(SPAM_REPORT_TEXT_MAX);
	char piece[16384];
	json_t *report = NULL;
	struct cv_err err = {0};
	enum cv_status status = CV_OK;

	for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0 && !data.full;)
		cv_buf_add(&data, piece, n);
	if (data.full)
		status = cv_fail(&err, CV_LIMIT, "it is too large");
	if (status == CV_OK)
		status = spam_report_read(cv_buf_view(&data), &report, &err);
	if (status == CV_OK) {
		json_dumpf(report, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
	} else {
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
	}
	json_decref(report);
	cv_buf_done(&data);
	return status == CV_OK ? SPAM_EXIT_OK : SPAM_EXIT_FAILED;
}

/* Lower-case A-labels, the caller's to free; NULL when WORD is no domain. */
static char *
clean(const char *word)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_NAME_MAX + 1);

	if (cv_domain_to_ascii(cv_str_z(word), &ascii, NULL) == CV_OK && ascii.n)
		return cv_buf_take(&ascii);
	fprintf(stderr, "congvu-spamfilter: '%s' is no domain\n", word);
	cv_buf_done(&ascii);
	return NULL;
}

struct words {
	struct query q;
	struct cv_resolver_options dns;
	char *owned[DKIM_MAX + 2];
	size_t owned_count;
	bool is_report, is_good;
};

static const char *
own(struct words *w, const char *word)
{
	char *domain = w->owned_count < CV_COUNT(w->owned) ? clean(word) : NULL;

	w->is_good &= domain != NULL;
	if (domain)
		w->owned[w->owned_count++] = domain;
	return domain;
}

static void
take_option(struct words *w, int c)
{
	switch (c) {
	case 'f':
		w->q.from = own(w, optarg);
		break;
	case 's':
		w->q.spf = own(w, optarg);
		break;
	case 'k':
		if (w->q.dkim_count < DKIM_MAX)
			w->q.dkim[w->q.dkim_count++] = own(w, optarg);
		break;
	case 'm':
		w->q.method = spam_dmarc_method_named(optarg);
		break;
	case 'z':
		w->dns.zone_file = optarg;
		break;
	case 'd':
		w->dns.forwarders = optarg;
		break;
	case 'j':
		w->q.json = true;
		break;
	case 'r':
		w->is_report = true;
		break;
	default:
		w->is_good = false;
	}
}

int
spam_tool_dmarc(int argc, char **argv)
{
	static const struct option options[] = {
		{"from",   required_argument, NULL, 'f'},
		{"spf",    required_argument, NULL, 's'},
		{"dkim",   required_argument, NULL, 'k'},
		{"method", required_argument, NULL, 'm'},
		{"zone",   required_argument, NULL, 'z'},
		{"dns",    required_argument, NULL, 'd'},
		{"json",   no_argument,       NULL, 'j'},
		{"report", no_argument,       NULL, 'r'},
		{NULL,     0,                 NULL, 0  },
	};
	struct words w = {.is_good = true};
	struct cv_resolver *resolver;
	struct cv_err err;
	int code = SPAM_EXIT_USAGE;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		take_option(&w, c);
	if (!w.is_good || optind != argc || (!w.q.from && !w.is_report)) {
		fputs(usage, stderr);
	} else if (w.is_report) {
		code = read_report();
	} else if (cv_resolver_new(&w.dns, &resolver, &err) != CV_OK) {
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
		code = SPAM_EXIT_FAILED;
	} else {
		struct spam_dns *dns = spam_dns_new(resolver);
		answer(&w.q, dns);
		spam_dns_free(dns);
		cv_resolver_free(resolver);
		code = SPAM_EXIT_OK;
	}
	while (w.owned_count)
		free(w.owned[--w.owned_count]);
	return code;
}
