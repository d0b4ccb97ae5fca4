/* spf.c - `congvu-spamfilter spf`: check_host() by hand, over DNS or a zone file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>

#include <jansson.h>

#include "spamfilter/spf/libspf2.h"
#include "spamfilter/tool/tool.h"

struct query {
	const char *client, *helo, *from;
};

struct tool {
	struct cv_resolver *resolver;
	struct spam_dns *dns;
	const char *receiver;
	bool json;
};

static const char usage[] =
	"usage: congvu-spamfilter spf --client IP --helo NAME --from ADDRESS [--json]\n"
	"                             [--zone FILE | --dns SERVER] [--receiver NAME]\n"
	"       congvu-spamfilter spf --batch [...] < lines of client, helo, address between tabs\n"
	"Checks a client by RFC 7208. An empty address checks the HELO name.\n";

static bool
read_client(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *in4 = (void *)out;
	struct sockaddr_in6 *in6 = (void *)out;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1)
		out->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		out->ss_family = AF_INET6;
	return out->ss_family != AF_UNSPEC;
}

static void
print_json(const struct spam_spf_answer *a, const char *second, const char *received)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "result",
		spam_spf_word(a->result), "libspf2", second, "identity",
		a->by_helo ? "helo" : "mailfrom", "domain", a->domain, "mechanism", a->mechanism,
		"explanation", a->explanation, "problem", a->why, "lookups", (json_int_t)a->lookups,
		"voids", (json_int_t)a->voids, "received", received);

	if (!o)
		cv_die("no memory for an answer");
	json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	printf("\n");
	json_decref(o);
}

static void
print_text(const struct spam_spf_answer *a, const char *second, const char *received)
{
	printf("result: %s\nlibspf2: %s\nidentity: %s\ndomain: %s\nmechanism: %s\nexplanation: %s\n"
	       "problem: %s\nlookups: %u\nvoids: %u\nReceived-SPF: %s\n",
		spam_spf_word(a->result), second, a->by_helo ? "helo" : "mailfrom", a->domain,
		a->mechanism, a->explanation, a->why, a->lookups, a->voids, received);
}

static bool
answer(struct tool *t, const struct query *q)
{
	struct sockaddr_storage client;
	struct cv_str from = cv_str_z(q->from);
	struct cv_buf received = CV_BUF_INIT(8192);
	struct spam_lookups lookups;
	struct spam_spf_answer a;
	size_t at = from.n;

	if (!read_client(q->client, &client)) {
		fprintf(stderr, "congvu-spamfilter: '%s' is no address of a client\n", q->client);
		return false;
	}
	while (at && from.p[at - 1] != '@')
		at--;
	struct spam_spf_ask ask = {.client = &client,
		.helo = cv_str_z(q->helo),
		.local = cv_str_sub(from, 0, at ? at - 1 : 0),
		.domain = cv_str_sub(from, at, from.n),
		.receiver = cv_str_z(t->receiver),
		.explain = true};
	spam_lookups_start(&lookups, t->dns);
	spam_spf_check(&lookups, &ask, &a);
	const char *second = spam_spf_word(spam_spf_libspf2(&lookups, &ask));
	spam_lookups_end(&lookups);
	spam_spf_received(&ask, &a, q->client, &received);
	(t->json ? print_json : print_text)(&a, second, received.p);
	cv_buf_done(&received);
	return true;
}

static bool
answer_lines(struct tool *t)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool good = true;

	t->json = true;
	while (good && (n = getline(&line, &room, stdin)) > 0) {
		char *helo = strchr(line, '\t'), *from = helo ? strchr(helo + 1, '\t') : NULL;
		if (!from) {
			fprintf(stderr, "congvu-spamfilter: a line without two tabs\n");
			good = false;
			break;
		}
		line[n - 1] = line[n - 1] == '\n' ? '\0' : line[n - 1];
		*helo = *from = '\0';
		good = answer(t, &(struct query){line, helo + 1, from + 1});
	}
	free(line);
	return good;
}

int
spam_tool_spf(int argc, char **argv)
{
	static const struct option options[] = {
		{"client",   required_argument, NULL, 'i'},
		{"helo",     required_argument, NULL, 'h'},
		{"from",     required_argument, NULL, 'f'},
		{"zone",     required_argument, NULL, 'z'},
		{"dns",      required_argument, NULL, 'd'},
		{"receiver", required_argument, NULL, 'r'},
		{"json",     no_argument,       NULL, 'j'},
		{"batch",    no_argument,       NULL, 'b'},
		{NULL,       0,                 NULL, 0  },
	};
	struct cv_resolver_options o = {0};
	struct query q = {NULL, "", ""};
	struct tool t = {.receiver = ""};
	bool batch = false, good = true;
	struct cv_err err;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'i':
			q.client = optarg;
			break;
		case 'h':
			q.helo = optarg;
			break;
		case 'f':
			q.from = optarg;
			break;
		case 'z':
			o.zone_file = optarg;
			break;
		case 'd':
			o.forwarders = optarg;
			break;
		case 'r':
			t.receiver = optarg;
			break;
		case 'j':
			t.json = true;
			break;
		case 'b':
			batch = true;
			break;
		default:
			good = false;
		}
	}
	if (!good || optind != argc || (!q.client && !batch)) {
		fputs(usage, stderr);
		return SPAM_EXIT_USAGE;
	}
	if (cv_resolver_new(&o, &t.resolver, &err) != CV_OK) {
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
		return 1;
	}
	t.dns = spam_dns_new(t.resolver);
	good = batch ? answer_lines(&t) : answer(&t, &q);
	spam_dns_free(t.dns);
	cv_resolver_free(t.resolver);
	return good ? 0 : 1;
}
