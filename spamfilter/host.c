/* host.c - the client by its address and by the name it gives itself: iprev (RFC 8601 3) and HELO.
 *
 * Many honest hosts are named badly, so all of it weighs little. What DNS cannot say now says
 * nothing. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>

#include "common/text/domain.h"
#include "spamfilter/judge.h"

#define NAMES_MAX 5 /* of a client that are looked at */

const char *
spam_iprev_word(enum spam_iprev iprev)
{
	static const char *const words[] = {"pass", "fail", "temperror", "permerror"};

	return words[iprev];
}

/* Sets *FAILED_OUT when DNS could not answer. */
static bool
leads_to_client(struct spam_mail *m, const char *name, bool *failed_out)
{
	struct sockaddr_storage client = m->client;
	size_t n;
	bool found = false;

	spam_client_unmap(&client);
	const unsigned char *ip = spam_client_ip(&client, &n);
	struct spam_answer *a = spam_ask(&m->lookups, name, n == 4 ? CV_DNS_A : CV_DNS_AAAA);
	for (unsigned i = 0; i < a->dns->count; i++) {
		struct cv_str theirs = a->dns->records[i].rdata;
		found |= theirs.n == n && !memcmp(theirs.p, ip, n);
	}
	*failed_out |= a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS;
	spam_answer_free(a);
	return found;
}

static enum spam_iprev
look_back(struct spam_mail *m)
{
	char reverse[128];
	bool failed = false;
	enum spam_iprev result = SPAM_IPREV_FAIL;

	if (!cv_dns_reverse_name(&m->client, reverse, sizeof reverse))
		return SPAM_IPREV_PERMERROR;
	struct spam_answer *a = spam_ask(&m->lookups, reverse, CV_DNS_PTR);
	if (a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS)
		result = SPAM_IPREV_TEMPERROR;
	else if (!a->dns->count)
		result = SPAM_IPREV_PERMERROR;
	for (unsigned i = 0; i < a->dns->count && i < NAMES_MAX; i++) {
		const char *name = a->dns->records[i].name;
		if (!leads_to_client(m, name, &failed))
			continue;
		snprintf(m->auth.name, sizeof m->auth.name, "%s", name);
		result = SPAM_IPREV_PASS;
		break;
	}
	spam_answer_free(a);
	return result == SPAM_IPREV_FAIL && failed ? SPAM_IPREV_TEMPERROR : result;
}

static void
check_iprev(struct spam_mail *m)
{
	m->auth.iprev = look_back(m);
	m->auth.has_iprev = true;
	if (m->auth.iprev == SPAM_IPREV_FAIL)
		spam_found(m, SPAM_RULE_IPREV_FAIL, "%s", m->client_text);
	else if (m->auth.iprev == SPAM_IPREV_PERMERROR)
		spam_found(m, SPAM_RULE_IPREV_NONE, "%s", m->client_text);
}

/* ---- HELO ---- */

static void
check_literal(struct spam_mail *m, const struct cv_literal *literal)
{
	struct sockaddr_storage client = m->client;
	size_t n;

	spam_client_unmap(&client);
	const unsigned char *ip = spam_client_ip(&client, &n);
	bool is_v4 = literal->kind == CV_LITERAL_IPV4, is_v6 = literal->kind == CV_LITERAL_IPV6;
	if ((is_v4 && n == 4 && !memcmp(literal->ip, ip, 4)) ||
		(is_v6 && n == 16 && !memcmp(literal->ip, ip, 16)))
		spam_found(m, SPAM_RULE_HELO_LITERAL, "%.80s", m->helo);
	else
		spam_found(m, SPAM_RULE_HELO_FALSE, "%.80s", m->helo);
}

/* Whether NAME exists at all: as a host, or for its mail. */
static void
check_name(struct spam_mail *m, const char *name)
{
	static const enum cv_dns_type types[] = {CV_DNS_A, CV_DNS_AAAA, CV_DNS_MX};
	bool failed = false, exists = false;

	if (leads_to_client(m, name, &failed)) {
		spam_found(m, SPAM_RULE_HELO_MATCHES, "%.80s", name);
		return;
	}
	for (size_t i = 0; i < CV_COUNT(types) && !exists && !failed; i++) {
		struct spam_answer *a = spam_ask(&m->lookups, name, types[i]);
		exists = a->dns->state == CV_DNS_OK;
		failed = a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS;
		spam_answer_free(a);
	}
	if (!exists && !failed)
		spam_found(m, SPAM_RULE_HELO_UNKNOWN, "%.80s", name);
}

static bool
is_our_name(const struct spam_mail *m, const char *name)
{
	struct cv_str s = cv_str_z(name);

	return cv_domain_eq(s, cv_str_z(m->authserv_id)) ||
	       (m->snap && spam_is_ours(m->server, m->snap, s));
}

static void
check_helo(struct spam_mail *m)
{
	struct cv_literal literal;
	struct cv_str helo = cv_str_z(m->helo);

	if (!helo.n)
		return;
	if (helo.p[0] == '[' && cv_literal_parse(helo, &literal))
		check_literal(m, &literal);
	else if (!cv_domain_is_full(helo))
		spam_found(m, SPAM_RULE_HELO_SYNTAX, "%.80s", m->helo);
	else if (is_our_name(m, m->helo))
		spam_found(m, SPAM_RULE_HELO_OURS, "%.80s", m->helo);
	else
		check_name(m, m->helo);
}

void
spam_auth_host(struct spam_mail *m)
{
	if (m->is_submission || m->client.ss_family == AF_UNSPEC ||
		spam_client_is_loopback(&m->client) || !m->opt->host_checks)
		return;
	check_iprev(m);
	check_helo(m);
}
