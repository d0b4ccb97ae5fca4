/* defence.c - see defence.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/defence.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/rates.h"
#include "common/text/domain.h"
#include "smtpd/envelope.h"

#define RATE_ENTRIES 131072u /* networks and accounts that are counted: 7 MB */
#define GOOD_ENTRIES 32768u
#define GOOD_MS (14 * INT64_C(86400000)) /* who sent good mail is known for so long */
#define MINUTE 60u
#define TEN_MINUTES 600u
#define HOUR 3600u
#define STRESS_PERCENT 80u

/* What is counted; the first byte of a key. */
enum {
	COUNT_COMMANDS = 'c', COUNT_MESSAGES = 'm', COUNT_RCPTS = 'r', COUNT_FAULTS = 'f',
	COUNT_AUTH = 'a', COUNT_ACCOUNT_MESSAGES = 'M', COUNT_ACCOUNT_RCPTS = 'R', COUNT_GOOD = 'g'
};

struct smtpd_defence {
	struct cv_netset *xclient, *unlimited;
	struct cv_dnslists lists;
};

enum cv_status
smtpd_defence_new(const struct congvu_options *main, const struct smtpd_options *opt,
	struct smtpd_defence **out, struct cv_err *err)
{
	struct smtpd_defence *d = cv_calloc(1, sizeof *d);
	struct cv_buf both = CV_BUF_INIT(256u << 10);

	/* Front ends speak for many. */
	cv_buf_printf(&both, "%s %s", main->inside_networks, opt->xclient_networks);
	enum cv_status status = cv_netset_parse(cv_buf_view(&both), &d->unlimited, err);
	cv_buf_done(&both);
	if (status == CV_OK)
		status = cv_netset_parse(cv_str_z(opt->xclient_networks), &d->xclient, err);
	if (status == CV_OK)
		status = cv_dnslists_add(&d->lists, opt->dnsbl, false, err);
	if (status == CV_OK)
		status = cv_dnslists_add(&d->lists, opt->dnswl, true, err);
	if (status != CV_OK) {
		smtpd_defence_free(d);
		return status;
	}
	*out = d;
	return CV_OK;
}

void
smtpd_defence_free(struct smtpd_defence *d)
{
	if (!d)
		return;
	cv_netset_free(d->xclient);
	cv_netset_free(d->unlimited);
	free(d);
}

void
smtpd_defence_limits(const struct smtpd_defence *d, const struct smtpd_options *opt,
	struct cv_net_options *out, unsigned *max_outside_out)
{
	*out = (struct cv_net_options){
		.workers = (unsigned)opt->workers,
		.max_conns = (unsigned)opt->max_conns,
		.max_conns_per_ip = (unsigned)opt->max_conns_per_ip,
		.max_conns_per_net = (unsigned)opt->max_conns_per_net,
		.conns_per_minute = (unsigned)opt->rate_conns,
		.net_bits_v4 = (unsigned)opt->limit_bits_v4,
		.net_bits_v6 = (unsigned)opt->limit_bits_v6,
		.unlimited_from = d->unlimited,
	};
	uint64_t outside = opt->max_conns * (100 - opt->submission_reserve) / 100;
	*max_outside_out = (unsigned)CV_MAX(outside, (uint64_t)1);
}

void
smtpd_defence_tables_new(struct smtpd_server *server)
{
	server->rates = cv_rates_new(RATE_ENTRIES);
	server->good_peers = cv_rates_new(GOOD_ENTRIES);
}

void
smtpd_defence_tables_free(struct smtpd_server *server)
{
	cv_rates_free(server->rates);
	cv_rates_free(server->good_peers);
}

/* ---- counting ---- */

static bool
is_stranger(const struct smtpd_session *s)
{
	return s->guard.stranger && !s->authed && s->kind != SMTPD_LMTP;
}

static bool
network_key(struct smtpd_session *s, unsigned char what, struct cv_rate_key *key)
{
	const struct smtpd_options *o = s->server->opt;

	return cv_rate_key_network(what, cv_conn_peer(s->conn), (unsigned)o->limit_bits_v4,
		(unsigned)o->limit_bits_v6, key);
}

/* False when the peer's network has done too much of WHAT. */
static bool
take_network(struct smtpd_session *s, unsigned char what, uint64_t count, uint32_t period_secs,
	uint32_t cost)
{
	struct cv_rate_key key;

	return !network_key(s, what, &key) ||
	       cv_rates_take(s->server->rates, cv_rate_key_str(&key),
		       (struct cv_rate){(uint32_t)count, period_secs}, cost, cv_mono_ms());
}

static bool
has_network(struct smtpd_session *s, unsigned char what, uint64_t count, uint32_t period_secs)
{
	struct cv_rate_key key;

	return !network_key(s, what, &key) ||
	       cv_rates_has(s->server->rates, cv_rate_key_str(&key),
		       (struct cv_rate){(uint32_t)count, period_secs}, 1, cv_mono_ms());
}

static bool
take_account(struct smtpd_session *s, unsigned char what, uint64_t count)
{
	struct cv_rate_key key;

	cv_rate_key_number(what, s->acct, &key);
	return cv_rates_take(s->server->rates, cv_rate_key_str(&key),
		(struct cv_rate){(uint32_t)count, MINUTE}, 1, cv_mono_ms());
}

/* Good mail is remembered of an address, not of its neighbours. */
static bool
good_key(struct smtpd_session *s, struct cv_rate_key *key)
{
	return cv_rate_key_network(COUNT_GOOD, cv_conn_peer(s->conn), 32, 64, key);
}

void
smtpd_defence_good_mail(struct smtpd_session *s)
{
	struct cv_rate_key key;
	int64_t now_ms = cv_mono_ms();

	if (s->kind != SMTPD_MX || !is_stranger(s) || s->errors || !good_key(s, &key))
		return;
	cv_rates_mark(s->server->good_peers, cv_rate_key_str(&key), now_ms + GOOD_MS, now_ms);
}

static void
forget_good(struct smtpd_session *s)
{
	struct cv_rate_key key;

	s->guard.known_good = false;
	if (good_key(s, &key))
		cv_rates_forget(s->server->good_peers, cv_rate_key_str(&key));
}

void
smtpd_defence_auth_failed(struct smtpd_session *s)
{
	if (is_stranger(s))
		(void)take_network(s, COUNT_AUTH, s->server->opt->rate_auth_failures, HOUR, 1);
}

/* Faults since the last look count for the network too: who guesses addresses does it in many
 * sessions. */
static void
count_faults(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;
	unsigned new = s->errors > g->errors_seen ? s->errors - g->errors_seen : 0;

	g->errors_seen = s->errors;
	for (; new && is_stranger(s); new--)
		(void)take_network(s, COUNT_FAULTS, s->server->opt->rate_faults, TEN_MINUTES, 1);
}

/* ---- the beginning ---- */

static void
begin_lookups(struct smtpd_session *s, bool with_name)
{
	const struct smtpd_options *o = s->server->opt;
	struct smtpd_guard *g = &s->guard;
	const struct smtpd_defence *d = s->server->defence;
	const struct cv_dnslists *lists = &d->lists;

	if (s->kind != SMTPD_MX || !g->stranger || !s->server->resolver)
		return;
	if (!lists->n && !(with_name && o->reverse_dns))
		return;
	g->dns_until_ms = cv_mono_ms() + (int64_t)o->dns_wait * 1000;
	g->peer = smtpd_lookup_peer(s->server->resolver, s->conn, with_name && o->reverse_dns,
		lists->n ? lists : NULL);
}

void
smtpd_defence_open(struct smtpd_session *s, const struct smtpd_xclient *x)
{
	struct smtpd_guard *g = &s->guard;
	const struct smtpd_options *o = s->server->opt;
	const struct sockaddr_storage *peer = cv_conn_peer(s->conn);
	struct cv_rate_key key;
	const struct smtpd_defence *d = s->server->defence;
	bool may_xclient = x ? g->may_xclient : cv_netset_has(d->xclient, peer);

	if (x)
		smtpd_defence_close(s);
	*g = (struct smtpd_guard){
		.may_xclient = may_xclient,
		.repeated = x != NULL,
		.stranger = peer->ss_family != AF_UNIX && !cv_netset_has(s->server->inside, peer),
	};
	if (x && x->known & XCLIENT_NAME)
		snprintf(g->name, sizeof g->name, "%s", x->name);
	begin_lookups(s, !x || !(x->named & XCLIENT_NAME));
	if (s->kind != SMTPD_MX || !g->stranger)
		return;
	g->known_good = good_key(s, &key) && cv_rates_is_marked(s->server->good_peers,
						     cv_rate_key_str(&key), cv_mono_ms());
	if (!g->repeated && !g->may_xclient && !g->known_good && o->greet_pause)
		g->greet_ms = cv_mono_ms() + (int64_t)o->greet_pause * 1000;
}

void
smtpd_defence_close(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;

	count_faults(s);
	smtpd_lookup_unref(g->peer);
	smtpd_lookup_unref(g->sender);
	free((char *)(uintptr_t)g->parked.p);
	g->peer = g->sender = NULL;
	g->parked = CV_STR_EMPTY;
}

/* True, and parked until WHEN_MS, while that has not come. */
static bool
waits_until(struct smtpd_session *s, int64_t when_ms)
{
	bool waits = when_ms > cv_mono_ms();

	s->guard.until_ms = waits ? when_ms : 0;
	return waits;
}

bool
smtpd_defence_has_name(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;

	if (!g->peer || smtpd_lookup_has_name(g->peer)) {
		g->until_ms = 0;
		return true;
	}
	return !waits_until(s, g->dns_until_ms);
}

bool
smtpd_defence_may_greet(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;
	struct smtpd_listing listing;

	if (!g->greet_ms)
		return true;
	if (g->peer) {
		smtpd_lookup_listing(g->peer, &listing);
		if (listing.allowed)
			g->greet_ms = 0;
	}
	return !waits_until(s, g->greet_ms);
}

const char *
smtpd_defence_peer_name(struct smtpd_session *s)
{
	const char *name = s->guard.name;

	if (!name[0] && s->guard.peer)
		name = smtpd_lookup_name(s->guard.peer);
	return name[0] ? name : "unknown";
}

/* ---- refusals ---- */

static void
refuse(struct smtpd_session *s, enum cv_peer_rule rule, struct cv_str what)
{
	struct cv_decision d;

	cv_policy_peer(rule, what, &d);
	atomic_fetch_add(&s->server->counters.refused, 1);
	cv_log(cv_conn_id(s->conn), CV_INFO, "peer.refused", "rule=%s peer=%s account=%s what=%.*s",
		d.rule, cv_conn_peer_text(s->conn), s->authed ? s->login : "-", CV_STR_ARGS(what));
	if (d.smtp_code >= 500)
		s->errors++;
	smtpd_reply_decision(cv_conn_out(s->conn), &d, false);
}

bool
smtpd_defence_is_early(struct smtpd_session *s)
{
	return s->guard.stranger && !s->guard.repeated && cv_conn_input_waits(s->conn);
}

enum cv_step
smtpd_defence_early(struct smtpd_session *s)
{
	cv_log(cv_conn_id(s->conn), CV_INFO, "smtp.early", "peer=%s", cv_conn_peer_text(s->conn));
	forget_good(s);
	refuse(s, CV_PEER_EARLY, CV_STR_EMPTY);
	count_faults(s);
	return CV_STEP_CLOSE;
}

/* ---- delays ---- */

bool
smtpd_defence_is_stressed(struct smtpd_session *s)
{
	return is_stranger(s) && !s->guard.known_good &&
	       cv_conn_load_percent(s->conn) > STRESS_PERCENT;
}

/* Each fault beyond the allowed ones is one second more. A network that makes faults in session
 * after session is met with the delay of a bad one at once. */
static unsigned
delay_secs(struct smtpd_session *s)
{
	const struct smtpd_options *o = s->server->opt;
	uint64_t secs = 0;

	if (!o->slow_down_after)
		return 0;
	if (s->errors > o->slow_down_after)
		secs = s->errors - o->slow_down_after;
	if (!has_network(s, COUNT_FAULTS, o->rate_faults, TEN_MINUTES))
		secs = CV_MAX(secs, o->slow_down_max / 4 + 1);
	return (unsigned)CV_MIN(secs, (uint64_t)o->slow_down_max);
}

bool
smtpd_defence_delays(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;

	count_faults(s);
	if (!is_stranger(s) || s->state & (S_DATA | S_BDAT) || g->paid)
		return false;
	if (!g->until_ms) {
		/* Nobody is kept waiting in a place that others need. */
		unsigned secs = delay_secs(s);
		if (!secs || smtpd_defence_is_stressed(s)) {
			g->paid = true;
			return false;
		}
		g->until_ms = cv_mono_ms() + (int64_t)secs * 1000;
	}
	if (waits_until(s, g->until_ms))
		return true;
	g->paid = true;
	return false;
}

void
smtpd_defence_ran(struct smtpd_session *s)
{
	s->guard.paid = false;
	s->guard.line_until_ms = 0;
}

bool
smtpd_defence_takes_timeout(struct smtpd_session *s)
{
	return s->guard.until_ms && s->guard.until_ms <= cv_mono_ms();
}

/* ---- commands that wait for DNS ---- */

static enum cv_step
parked_resume(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;
	struct cv_str line = g->parked;

	s->resume = NULL;
	g->parked = CV_STR_EMPTY;
	g->until_ms = 0;
	g->replayed = true;
	enum cv_step step = smtpd_command(s, line);
	g->replayed = false;
	free((char *)(uintptr_t)line.p);
	return step;
}

static void
park(struct smtpd_session *s, struct cv_str line)
{
	struct smtpd_guard *g = &s->guard;

	g->parked = cv_str(cv_str_dup(line), line.n);
	g->until_ms = g->dns_until_ms;
	s->resume = parked_resume;
}

static bool
may_wait(const struct smtpd_session *s)
{
	return s->guard.dns_until_ms > cv_mono_ms();
}

/* ---- RCPT ---- */

enum answer { ADMITTED, REFUSED, WAITING };

/* RFC 5321 4.5.1, RFC 2142: who complains must be able to. */
static bool
is_for_postmaster(struct cv_str line)
{
	static const char *const boxes[] = {"<postmaster", "<abuse"};
	size_t at = cv_str_find(line, '<', 0);
	struct cv_str path = cv_str_sub(line, at, line.n);

	for (size_t i = 0; i < CV_COUNT(boxes); i++) {
		size_t n = strlen(boxes[i]);
		if (cv_str_has_iprefix(path, boxes[i]) && path.n > n &&
			(path.p[n] == '@' || path.p[n] == '>'))
			return true;
	}
	return false;
}

static enum answer
check_lists(struct smtpd_session *s)
{
	struct smtpd_guard *g = &s->guard;
	struct smtpd_listing listing;

	if (!g->peer)
		return ADMITTED;
	if (!smtpd_lookup_has_lists(g->peer) && may_wait(s))
		return WAITING;
	smtpd_lookup_listing(g->peer, &listing);
	if (!listing.names[0])
		return ADMITTED;
	if (s->milter)
		smtpd_milter_macro(s->milter, "{dnslists}", listing.names);
	if (!g->list_logged)
		cv_log(cv_conn_id(s->conn), CV_INFO, "peer.listed", "peer=%s lists=%s score=%d",
			cv_conn_peer_text(s->conn), listing.names, listing.score);
	g->list_logged = true;
	if (listing.score < (int)s->server->opt->dnsbl_threshold)
		return ADMITTED;
	forget_good(s);
	refuse(s, CV_PEER_BLOCKLIST, cv_str_z(listing.names));
	return REFUSED;
}

/* The sender's domain in A-labels; "" when there is none to ask about. */
static void
sender_domain(struct smtpd_session *s, char out[256])
{
	struct cv_str local, domain;
	struct cv_buf ascii = CV_BUF_INIT(255);
	struct cv_reg_hit hit = {.found = CV_REG_NOT_OURS};

	out[0] = '\0';
	smtpd_envelope_split(s->tx->sender, &local, &domain);
	if (!domain.n || domain.p[0] == '[')
		return;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	cv_snapshot_find(snap, local, domain, &hit);
	cv_snapshot_unref(snap);
	if (hit.found == CV_REG_NOT_OURS && cv_domain_to_ascii(domain, &ascii, NULL) == CV_OK)
		snprintf(out, 256, "%.*s", CV_STR_ARGS(cv_buf_view(&ascii)));
	cv_buf_done(&ascii);
}

static enum answer
check_sender(struct smtpd_session *s)
{
	static const enum cv_peer_rule rules[] = {
		[SMTPD_DOMAIN_NONE] = CV_SENDER_DOMAIN,
		[SMTPD_DOMAIN_NULL_MX] = CV_SENDER_NULL_MX,
		[SMTPD_DOMAIN_TEMPFAIL] = CV_SENDER_DNS,
	};
	struct smtpd_guard *g = &s->guard;
	char domain[256];

	if (!s->server->opt->require_known_sender_domain || s->kind != SMTPD_MX || !s->tx)
		return ADMITTED;
	sender_domain(s, domain);
	if (!domain[0])
		return ADMITTED;
	if (!g->sender_asked) {
		g->sender_asked = true;
		g->dns_until_ms = cv_mono_ms() + (int64_t)s->server->opt->dns_wait * 1000;
		g->sender = smtpd_lookup_domain(s->server->resolver, s->conn, domain);
	}
	enum smtpd_domain_state state = smtpd_lookup_domain_state(g->sender);
	if (state == SMTPD_DOMAIN_PENDING && may_wait(s))
		return WAITING;
	if (state == SMTPD_DOMAIN_PENDING)
		state = SMTPD_DOMAIN_TEMPFAIL;
	if (state == SMTPD_DOMAIN_GOOD ||
		(state == SMTPD_DOMAIN_TEMPFAIL && !s->server->opt->sender_domain_defer))
		return ADMITTED;
	refuse(s, rules[state], cv_str_z(domain));
	return REFUSED;
}

static enum answer
check_rcpt(struct smtpd_session *s, struct cv_str line)
{
	const struct smtpd_options *o = s->server->opt;

	if (s->guard.replayed) {
		/* counted before */
	} else if (s->authed) {
		if (!take_account(s, COUNT_ACCOUNT_RCPTS, o->rate_rcpts_account)) {
			refuse(s, CV_ACCOUNT_RECIPIENTS, cv_str_z(s->login));
			return REFUSED;
		}
	} else if (is_stranger(s) && !take_network(s, COUNT_RCPTS, o->rate_rcpts, MINUTE, 1)) {
		refuse(s, CV_PEER_RECIPIENTS, CV_STR_EMPTY);
		return REFUSED;
	}
	if (!is_stranger(s) || is_for_postmaster(line))
		return ADMITTED;
	enum answer answer = check_lists(s);
	return answer == ADMITTED ? check_sender(s) : answer;
}

static enum answer
check_mail(struct smtpd_session *s)
{
	const struct smtpd_options *o = s->server->opt;

	smtpd_lookup_unref(s->guard.sender);
	s->guard.sender = NULL;
	s->guard.sender_asked = false;
	if (s->authed && !take_account(s, COUNT_ACCOUNT_MESSAGES, o->rate_messages_account)) {
		refuse(s, CV_ACCOUNT_MESSAGES, cv_str_z(s->login));
		return REFUSED;
	}
	if (is_stranger(s) && !take_network(s, COUNT_MESSAGES, o->rate_messages, MINUTE, 1)) {
		refuse(s, CV_PEER_MESSAGES, CV_STR_EMPTY);
		return REFUSED;
	}
	return ADMITTED;
}

bool
smtpd_defence_admits(struct smtpd_session *s, struct cv_str line, enum cv_step *step_out)
{
	const struct smtpd_options *o = s->server->opt;
	enum answer answer = ADMITTED;

	*step_out = CV_STEP_CLOSE;
	if (is_stranger(s) && !s->guard.replayed &&
		!take_network(s, COUNT_COMMANDS, o->rate_commands, MINUTE, 1)) {
		refuse(s, CV_PEER_COMMANDS, CV_STR_EMPTY);
		return false;
	}
	if (cv_str_has_iprefix(line, "AUTH") && is_stranger(s) &&
		!has_network(s, COUNT_AUTH, o->rate_auth_failures, HOUR)) {
		refuse(s, CV_PEER_AUTH, CV_STR_EMPTY);
		return false;
	}
	if (cv_str_has_iprefix(line, "MAIL"))
		answer = check_mail(s);
	else if (cv_str_has_iprefix(line, "RCPT"))
		answer = check_rcpt(s, line);
	if (answer == WAITING)
		park(s, line);
	*step_out = answer == WAITING ? CV_STEP_WAIT : CV_STEP_DONE;
	return answer == ADMITTED;
}
