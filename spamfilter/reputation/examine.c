/* examine.c - examiners: what former mail says about this one, and what it will say of the next. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/domain.h"
#include "common/text/fold.h"
#include "spamfilter/authres.h"
#include "spamfilter/judge.h"
#include "spamfilter/reputation/bursts.h"
#include "spamfilter/reputation/copies.h"
#include "spamfilter/reputation/greylist.h"
#include "spamfilter/reputation/letters.h"
#include "spamfilter/reputation/memory.h"
#include "spamfilter/reputation/trust.h"
#include "spamfilter/walk/walk.h"

#define HOSTS_MAX       20  /* organisations of links that are looked up */
#define GOOD_BELOW      1.5 /* the score, reputation aside, under which mail leaves a good trace */
#define COPIES_LEARNED  2   /* times people said so before a text counts as known */
#define LIST_WEIGHT_MAX 8.0
#define ANSWERED_MAX    20  /* recipients whose letters an answer may refer to */

static bool
is_from_outside(const struct spam_mail *m)
{
	return !m->is_submission && m->client.ss_family != AF_UNSPEC;
}

/* ---- names ---- */

/* "192.0.2.0/24", "2001:db8:7::/48". */
static struct cv_str
network_of(struct spam_mail *m)
{
	char text[INET6_ADDRSTRLEN + 8];
	struct in_addr v4;
	struct in6_addr v6;

	if (m->client.ss_family == AF_INET) {
		v4 = ((const struct sockaddr_in *)(const void *)&m->client)->sin_addr;
		v4.s_addr &= htonl(0xffffff00u);
		(void)inet_ntop(AF_INET, &v4, text, INET6_ADDRSTRLEN);
	} else if (m->client.ss_family == AF_INET6) {
		v6 = ((const struct sockaddr_in6 *)(const void *)&m->client)->sin6_addr;
		memset(v6.s6_addr + 6, 0, 10);
		(void)inet_ntop(AF_INET6, &v6, text, INET6_ADDRSTRLEN);
	} else {
		return CV_STR_EMPTY;
	}
	return cv_arena_str(&m->arena, cv_str_z(text));
}

/* The organisational domain of the author; at free mail, where strangers share one, his address. */
static struct cv_str
sender_of(struct spam_mail *m, bool *is_proved_out)
{
	const struct spam_author *a = &m->author;
	struct cv_buf address = CV_BUF_INIT(1024);

	*is_proved_out = false;
	if (!a->is_plain || a->domain_count != 1 || !a->domain.n)
		return CV_STR_EMPTY;
	*is_proved_out = spam_is_vouched(m, cv_arena_z(&m->arena, a->domain));
	if (!cv_policy_is_free_mail(m->policy->policy, a->domain))
		return spam_organisation(a->domain);
	(void)cv_fold_ascii(cv_str_sub(a->local, 0, 256), &address);
	cv_buf_c(&address, '@');
	cv_buf_str(&address, a->domain);
	struct cv_str name = cv_arena_str(&m->arena, cv_buf_view(&address));
	cv_buf_done(&address);
	return name;
}

/* Different organisations that links of the message lead to, but for our own and official ones. */
static size_t
hosts_of(const struct spam_mail *m, struct cv_str hosts[HOSTS_MAX])
{
	const struct spam_url *urls;
	size_t count = m->walk ? spam_walk_urls(m->walk, &urls) : 0, n = 0;

	for (size_t i = 0; i < count && n < HOSTS_MAX; i++) {
		struct cv_str host = urls[i].organisation;
		bool is_new = host.n && !(urls[i].flags & SPAM_URL_BROKEN);
		for (size_t k = 0; k < n && is_new; k++)
			is_new = !cv_str_eq(hosts[k], host);
		if (is_new && !spam_is_ours(m->server, m->snap, host) &&
			!cv_policy_is_official(m->policy->policy, host))
			hosts[n++] = host;
	}
	return n;
}

/* ---- trust ---- */

/* The worst of the links: one bad host is enough. */
static double
worst_host(struct spam_mail *m, struct cv_str *host_out)
{
	struct cv_str hosts[HOSTS_MAX];
	size_t n = hosts_of(m, hosts);
	double worst = 0;

	for (size_t i = 0; i < n; i++) {
		double w = spam_trust_weight(
			m->server->memory->trust, SPAM_TRUST_HOST, hosts[i], NULL);
		if (w > worst) {
			worst = w;
			*host_out = hosts[i];
		}
	}
	return worst;
}

void
spam_examine_reputation(struct spam_mail *m)
{
	struct spam_tally *trust = m->server->memory->trust;
	struct cv_str host = CV_STR_EMPTY;
	uint32_t sender_seen, network_seen;
	bool is_proved;

	if (!m->opt->reputation || !is_from_outside(m))
		return;
	struct cv_str sender = sender_of(m, &is_proved), network = network_of(m);
	double of_sender = spam_trust_weight(trust,
		       is_proved ? SPAM_TRUST_PROVED : SPAM_TRUST_CLAIMED, sender, &sender_seen),
	       of_network = spam_trust_weight(trust, SPAM_TRUST_NETWORK, network, &network_seen),
	       of_host = worst_host(m, &host);
	double sum = of_sender + of_network + of_host;
	if (sum > -0.1 && sum < 0.1)
		return;
	spam_found_weight(m, sum > 0 ? SPAM_RULE_REPUTATION_BAD : SPAM_RULE_REPUTATION_GOOD, sum,
		"%s %.60s %+.1f of %u, network %+.1f of %u%s%.40s",
		is_proved ? "proved" : "claimed", sender.n ? cv_arena_z(&m->arena, sender) : "-",
		of_sender, sender_seen, of_network, network_seen, host.n ? ", link " : "",
		host.n ? cv_arena_z(&m->arena, host) : "");
}

/* The score without what reputation itself said: else it would believe its own echo. */
static double
own_score(const struct spam_mail *m)
{
	double score = m->verdict.score;

	for (size_t i = 0; i < m->verdict.count; i++)
		if (m->verdict.found[i].rule == SPAM_RULE_REPUTATION_BAD ||
			m->verdict.found[i].rule == SPAM_RULE_REPUTATION_GOOD)
			score -= m->verdict.found[i].weight;
	return score;
}

static void
note_trust(struct spam_mail *m, bool is_good)
{
	struct spam_tally *trust = m->server->memory->trust;
	struct cv_str hosts[HOSTS_MAX];
	size_t n = hosts_of(m, hosts);
	bool is_proved;
	struct cv_str sender = sender_of(m, &is_proved);

	spam_trust_note(trust, is_proved ? SPAM_TRUST_PROVED : SPAM_TRUST_CLAIMED, sender, is_good,
		SPAM_TRUST_OWN);
	spam_trust_note(trust, SPAM_TRUST_NETWORK, network_of(m), is_good, SPAM_TRUST_OWN);
	for (size_t i = 0; i < n; i++)
		spam_trust_note(trust, SPAM_TRUST_HOST, hosts[i], is_good, SPAM_TRUST_OWN);
}

void
spam_after_reputation(struct spam_mail *m)
{
	double least, score = own_score(m);

	if (!m->opt->reputation || !is_from_outside(m))
		return;
	bool is_bad = m->verdict.wanted >= SPAM_JUNK ||
		      (spam_score_parse(cv_str_z(m->opt->score_junk), &least) && score >= least);
	if (is_bad || score < GOOD_BELOW)
		note_trust(m, !is_bad);
}

/* ---- copies ---- */

static void
sketch_of(const struct spam_mail *m, struct spam_sketch *out)
{
	spam_sketch(m->walk ? spam_walk_folded(m->walk) : CV_STR_EMPTY, out);
}

void
spam_examine_copies(struct spam_mail *m)
{
	struct spam_sketch sketch;
	struct spam_copies copies;

	if (!m->opt->bulk_copies || !is_from_outside(m))
		return;
	sketch_of(m, &sketch);
	spam_copies_look(m->server->memory->copies, &sketch, &copies);
	if (copies.spam >= COPIES_LEARNED && copies.spam > 2 * copies.ham)
		spam_found(m, SPAM_RULE_KNOWN_SPAM_TEXT, "%u people said so", copies.spam);
	if (copies.seen < m->opt->bulk_copies)
		return;
	double times = (double)copies.seen / (double)m->opt->bulk_copies;
	spam_found_weight(m, SPAM_RULE_BULK, CV_MIN(0.5 * times, 2.0), "%u in a day", copies.seen);
}

void
spam_after_copies(struct spam_mail *m)
{
	struct spam_sketch sketch;

	if (!m->opt->bulk_copies || !is_from_outside(m))
		return;
	sketch_of(m, &sketch);
	spam_copies_note(m->server->memory->copies, &sketch);
}

/* ---- letters ---- */

static bool
is_answer(const struct spam_mail *m)
{
	static const char *const names[] = {"In-Reply-To", "References"};

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const struct spam_header_field *f = spam_mail_field(m, names[i], 0);
		for (size_t k = 0; f && k < CV_MIN(m->rcpt_count, (size_t)ANSWERED_MAX); k++)
			if (spam_letters_answers(
				    m->server->memory->letters, m->rcpts[k], f->value))
				return true;
	}
	return false;
}

static struct cv_str
author_address(struct spam_mail *m)
{
	struct cv_buf text = CV_BUF_INIT(1024);

	if (!m->author.is_plain || m->author.domain_count != 1)
		return CV_STR_EMPTY;
	cv_buf_str(&text, cv_str_sub(m->author.local, 0, 256));
	cv_buf_c(&text, '@');
	cv_buf_str(&text, m->author.domain);
	struct cv_str address = cv_arena_str(&m->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return address;
}

void
spam_examine_letters(struct spam_mail *m)
{
	struct cv_str author = author_address(m);
	uint32_t times = 0;
	bool is_proved;

	if (!m->opt->reputation || !is_from_outside(m))
		return;
	if (is_answer(m))
		spam_found(m, SPAM_RULE_ANSWERS_OURS, "%s", "");
	for (size_t i = 0; i < m->rcpt_count && !times; i++)
		times = spam_letters_known(m->server->memory->letters, m->rcpts[i], author);
	if (!times)
		return;
	/* Anybody can write a known name; only its owner can prove it. */
	(void)sender_of(m, &is_proved);
	if (is_proved)
		spam_found(m, SPAM_RULE_KNOWN_CORRESPONDENT, "written to %u times", times);
}

static bool
is_outside(const struct spam_mail *m, struct cv_str rcpt)
{
	size_t at = rcpt.n;
	struct cv_buf domain = CV_BUF_INIT(512);

	while (at > 0 && rcpt.p[at - 1] != '@')
		at--;
	bool is_ours = cv_domain_to_ascii(cv_str_sub(rcpt, at, rcpt.n), &domain, NULL) == CV_OK &&
		       spam_is_ours(m->server, m->snap, cv_buf_view(&domain));
	cv_buf_done(&domain);
	return !is_ours;
}

void
spam_after_letters(struct spam_mail *m)
{
	const struct spam_header_field *id = spam_mail_field(m, "Message-ID", 0);
	struct cv_str author = author_address(m);
	bool any_outside = false;

	/* A stolen account shall not make friends of those it writes spam to. */
	if (!m->opt->reputation || !m->is_submission || m->verdict.action >= SPAM_GREYLIST)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++) {
		if (!is_outside(m, m->rcpts[i]))
			continue;
		any_outside = true;
		spam_letters_wrote(m->server->memory->letters, author, m->rcpts[i]);
	}
	if (id && any_outside)
		spam_letters_sent(m->server->memory->letters, author, id->value);
}

/* ---- bursts ---- */

static struct cv_str
login_of(const struct spam_mail *m)
{
	return m->login[0] ? cv_str_z(m->login) : m->sender;
}

static struct spam_burst_limits
limits_of(const struct spam_mail *m)
{
	return (struct spam_burst_limits){.rcpts = (uint32_t)m->opt->burst_recipients,
		.spam = (uint32_t)m->opt->burst_spam,
		.window_secs = (uint32_t)m->opt->burst_window,
		.freeze_secs = (uint32_t)m->opt->burst_freeze};
}

void
spam_examine_burst(struct spam_mail *m)
{
	struct cv_decision d;
	uint32_t left;

	if (!m->is_submission ||
		!spam_burst_is_frozen(m->server->memory->bursts, login_of(m), &left))
		return;
	spam_found(m, SPAM_RULE_BURST, "%u seconds left", left);
	cv_policy_sending(CV_SENDING_FROZEN, login_of(m), &d);
	spam_want(m, SPAM_REFUSE, &d);
}

void
spam_after_burst(struct spam_mail *m)
{
	struct spam_burst_limits limits = limits_of(m);
	uint32_t outside = 0;
	double least;

	if (!m->is_submission || spam_has(m, SPAM_RULE_BURST) || (!limits.rcpts && !limits.spam))
		return;
	for (size_t i = 0; i < m->rcpt_count; i++)
		outside += is_outside(m, m->rcpts[i]);
	bool is_spam =
		spam_score_parse(cv_str_z(m->opt->score_junk), &least) && m->verdict.score >= least;
	if (spam_burst_note(m->server->memory->bursts, &limits, login_of(m), outside, is_spam) ==
		SPAM_BURST_BEGINS)
		cv_log(m->id, CV_WARN, "account.burst",
			"id=%s login=<%.*s> client=%s frozen_secs=%u", m->queue_id,
			CV_STR_ARGS(login_of(m)), m->client_text, limits.freeze_secs);
}

/* ---- greylist ---- */

static struct spam_greylist_ask
greylist_ask(struct spam_mail *m)
{
	struct cv_buf text = CV_BUF_INIT(2048);
	struct spam_greylist_ask ask = {.network = network_of(m),
		.pause_secs = (uint32_t)m->opt->greylist_pause,
		.window_secs = (uint32_t)m->opt->greylist_window};

	(void)cv_fold_ascii(cv_str_sub(m->sender, 0, 512), &text);
	ask.sender = cv_arena_str(&m->arena, cv_buf_view(&text));
	cv_buf_reset(&text);
	(void)cv_fold_ascii(m->rcpt_count ? cv_str_sub(m->rcpts[0], 0, 512) : CV_STR_EMPTY, &text);
	ask.recipient = cv_arena_str(&m->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return ask;
}

bool
spam_greylist_is_over(struct spam_mail *m)
{
	struct spam_greylist_ask ask = greylist_ask(m);

	/* Who has no address could not be known again. */
	return !ask.network.n || spam_greylist_look(m->server->memory->greylist, &ask, NULL) ==
					 SPAM_GREYLIST_RETURNED;
}

void
spam_after_greylist(struct spam_mail *m)
{
	struct spam_greylist_ask ask;

	if (m->verdict.action != SPAM_GREYLIST && !spam_has(m, SPAM_RULE_CAME_AGAIN))
		return;
	ask = greylist_ask(m);
	if (ask.network.n)
		spam_greylist_note(m->server->memory->greylist, &ask);
}

/* ---- lists in DNS ---- */

static void
tell_hits(struct spam_mail *m, const struct cv_str *hosts, const struct spam_list_hit *hits,
	size_t count)
{
	double client = 0, host = 0;
	const struct spam_list_hit *of_client = NULL, *of_host = NULL;

	for (size_t i = 0; i < count; i++) {
		bool is_client = hits[i].host == SIZE_MAX;
		*(is_client ? &client : &host) += hits[i].weight;
		if (!*(is_client ? &of_client : &of_host))
			*(is_client ? &of_client : &of_host) = &hits[i];
	}
	if (of_client)
		spam_found_weight(m,
			client > 0 ? SPAM_RULE_CLIENT_LISTED : SPAM_RULE_CLIENT_ALLOWED,
			CV_MAX(CV_MIN(client, LIST_WEIGHT_MAX), -LIST_WEIGHT_MAX), "%s",
			of_client->zone);
	if (of_host)
		spam_found_weight(m, SPAM_RULE_LINK_LISTED, CV_MIN(host, LIST_WEIGHT_MAX),
			"%.80s by %s", cv_arena_z(&m->arena, hosts[of_host->host]), of_host->zone);
}

void
spam_examine_lists(struct spam_mail *m)
{
	struct spam_list_hit hits[SPAM_LIST_HITS_MAX];
	struct cv_str hosts[HOSTS_MAX];
	struct spam_lookups *budget = &m->lookups;
	int64_t list_wait_us = (int64_t)m->opt->list_wait * 1000000;
	struct spam_list_ask ask = {.client = &m->client,
		.hosts = hosts,
		.wait_ms = (unsigned)(CV_MAX(CV_MIN(list_wait_us, budget->wait_us), 0) / 1000),
		.questions_max = budget->left};
	const struct spam_dnslists *lists = m->policy->lists;
	unsigned asked;

	if (!lists || !is_from_outside(m))
		return;
	ask.host_count = hosts_of(m, hosts);
	int64_t began_us = cv_mono_us();
	size_t n = spam_dnslists_ask(lists, m->server->resolver, &ask, hits, &asked);
	budget->wait_us -= cv_mono_us() - began_us;
	budget->left -= asked;
	budget->asked += asked;
	budget->fresh += asked;
	tell_hits(m, hosts, hits, n);
}

/* ---- learning ---- */

/* What we wrote when it arrived; others' results were removed then. */
static bool
was_proved(const struct spam_mail *m, struct cv_str domain)
{
	const char *ours = m->opt->authserv_id[0] ? m->opt->authserv_id : m->main->hostname;
	const struct spam_header_field *f;

	for (size_t i = 0; (f = spam_mail_field(m, "Authentication-Results", i)); i++)
		if (spam_authres_is_from(f->value, ours) &&
			spam_authres_has_pass(f->value, "dmarc", "header.from", domain))
			return true;
	return false;
}

static void
learn_name(struct spam_mail *m, enum spam_trust_kind kind, struct cv_str name, uint64_t teacher,
	bool is_spam)
{
	struct spam_tally *trust = m->server->memory->trust;
	const char tag[] = {(char)kind, is_spam ? 's' : 'h'};
	struct cv_str parts[3] = {cv_str((const char *)&teacher, sizeof teacher)};

	parts[1] = cv_str(tag, sizeof tag);
	parts[2] = name;
	if (name.n && spam_tally_add(trust, spam_tally_key('l', parts, CV_COUNT(parts)), 0, 1)
				      .counts[0] == 1)
		spam_trust_note(trust, kind, name, !is_spam, SPAM_TRUST_LEARNED);
}

static void
learn(struct spam_mail *m, uint64_t teacher, bool is_spam)
{
	struct cv_str hosts[HOSTS_MAX];
	struct spam_sketch sketch;
	bool unused;

	struct cv_str sender = sender_of(m, &unused);
	learn_name(m, was_proved(m, m->author.domain) ? SPAM_TRUST_PROVED : SPAM_TRUST_CLAIMED,
		sender, teacher, is_spam);
	size_t n = hosts_of(m, hosts);
	for (size_t i = 0; i < n; i++)
		learn_name(m, SPAM_TRUST_HOST, hosts[i], teacher, is_spam);
	sketch_of(m, &sketch);
	spam_copies_learn(m->server->memory->copies, &sketch, teacher, is_spam);
}

void
spam_memory_learn(struct spam_server *s, struct cv_str message, uint64_t teacher, bool is_spam)
{
	struct spam_mail *m = spam_mail_new(s, 0);

	m->header_ended = true; /* nobody verifies it once more: DNS is not asked */
	spam_mail_message(m, message);
	m->snap = cv_register_get(s->reg);
	spam_author_read(m, &m->author);
	if (!m->header_too_large) {
		size_t body = cv_header_body_at(message);
		m->walk = spam_walk_message(
			cv_str_sub(message, 0, body), cv_str_sub(message, body, message.n), NULL);
		learn(m, teacher, is_spam);
	}
	spam_mail_free(m);
}
