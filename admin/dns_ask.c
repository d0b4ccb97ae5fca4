/* dns_ask.c - see dns_ask.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/dns_ask.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/net/https.h"
#include "common/text/encode.h"

#define ADDRS_MAX  8
#define FOUND_MAX  200000u

/* ---- asking ---- */

struct round {
	pthread_mutex_t lock;
	pthread_cond_t all_in;
	size_t left;
};
struct place {
	struct round *round;
	struct admin_dns_query *query;
};

static void
on_answer(void *arg, struct cv_dns_answer *answer)
{
	struct place *p = arg;

	pthread_mutex_lock(&p->round->lock);
	p->query->answer = answer;
	if (!--p->round->left)
		pthread_cond_signal(&p->round->all_in);
	pthread_mutex_unlock(&p->round->lock);
}

void
admin_dns_ask(struct cv_resolver *resolver, struct admin_dns_query *queries, size_t count)
{
	struct round round = {.left = count};
	struct place *places = cv_calloc(count + 1, sizeof *places);

	pthread_mutex_init(&round.lock, NULL);
	pthread_cond_init(&round.all_in, NULL);
	for (size_t i = 0; i < count; i++) {
		places[i] = (struct place){&round, &queries[i]};
		cv_resolve(resolver, queries[i].name, queries[i].type, on_answer, &places[i]);
	}
	pthread_mutex_lock(&round.lock);
	while (round.left)
		pthread_cond_wait(&round.all_in, &round.lock);
	pthread_mutex_unlock(&round.lock);
	pthread_cond_destroy(&round.all_in);
	pthread_mutex_destroy(&round.lock);
	free(places);
}

void
admin_dns_queries_done(struct admin_dns_query *queries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (queries[i].answer)
			cv_dns_answer_free(queries[i].answer);
		queries[i].answer = NULL;
	}
}

/* ---- comparing ---- */

const char *
admin_dns_state_name(enum admin_dns_state state)
{
	static const char *const names[] = {"ok", "missing", "different", "unsigned", "failed"};

	return names[state];
}

static void
write_found(const struct cv_dns_record *r, enum cv_dns_type type, struct cv_buf *out)
{
	const unsigned char *b = (const unsigned char *)r->rdata.p;

	if (type == CV_DNS_MX)
		cv_buf_printf(out, "%u %s.", r->preference, r->name);
	else if (type == CV_DNS_SRV && r->rdata.n >= 6)
		cv_buf_printf(out, "%u %u %u %s.", r->preference, b[2] << 8 | b[3],
			b[4] << 8 | b[5], r->name);
	else if (type == CV_DNS_TLSA && r->rdata.n >= 3) {
		cv_buf_printf(out, "%u %u %u ", b[0], b[1], b[2]);
		cv_hex_encode(cv_str_sub(r->rdata, 3, r->rdata.n), out);
	} else if (type == CV_DNS_TXT)
		cv_buf_str(out, r->rdata);
}

/* Records of the same purpose begin alike: "v=spf1", "v=DMARC1"; others of a TXT name do not
 * matter. */
static bool
is_rival(const struct admin_dns_record *r, struct cv_str found)
{
	if (r->type != CV_DNS_TXT)
		return true;
	struct cv_str want = cv_str_z(r->value);
	size_t n = CV_MIN(cv_str_find(want, ' ', 0), cv_str_find(want, ';', 0));
	return found.n >= n && !memcmp(found.p, want.p, n);
}

static bool
is_same_byte(enum cv_dns_type type, char a, char b)
{
	return type == CV_DNS_TXT ? a == b
				  : cv_lower((unsigned char)a) == cv_lower((unsigned char)b);
}

/* A number or preference of MX may be another; blanks of TXT count for nothing. */
static bool
is_same(const struct admin_dns_record *r, struct cv_str found)
{
	struct cv_str want = cv_str_z(r->value);

	if (r->type == CV_DNS_MX) {
		want = cv_str_sub(want, cv_str_find(want, ' ', 0), want.n);
		found = cv_str_sub(found, cv_str_find(found, ' ', 0), found.n);
	}
	size_t i = 0, k = 0;
	while (i < want.n || k < found.n) {
		if (i < want.n && want.p[i] == ' ') {
			i++;
		} else if (k < found.n && found.p[k] == ' ') {
			k++;
		} else if (i < want.n && k < found.n
			&& is_same_byte(r->type, want.p[i], found.p[k])) {
			i++;
			k++;
		} else {
			return false;
		}
	}
	return true;
}

/* Fills FOUND from the answer to the record's own question. */
static void
compare(const struct admin_dns_record *r, const struct cv_dns_answer *a,
	struct admin_dns_found *found)
{
	struct cv_buf one = CV_BUF_INIT(70000);
	bool same = false;

	for (unsigned i = 0; i < a->count; i++) {
		cv_buf_reset(&one);
		write_found(&a->records[i], r->type, &one);
		if (!is_rival(r, cv_buf_view(&one)))
			continue;
		found->rivals++;
		same |= is_same(r, cv_buf_view(&one));
		cv_buf_z(&found->text, found->text.n ? " | " : "");
		cv_buf_str(&found->text, cv_buf_view(&one));
	}
	cv_buf_done(&one);
	found->secure = a->secure;
	if (!found->rivals)
		found->state = ADMIN_DNS_MISSING;
	else if (!same || (r->type == CV_DNS_TXT && found->rivals > 1))
		found->state = ADMIN_DNS_DIFFERENT;
	else
		found->state = r->kind == ADMIN_DNS_TLSA && !a->secure ? ADMIN_DNS_UNSIGNED
								       : ADMIN_DNS_OK;
}

/* Names that need only lead somewhere. */
static void
note_address(const struct cv_dns_answer *a, struct admin_dns_found *found)
{
	if (a->state == CV_DNS_OK && a->count) {
		found->state = ADMIN_DNS_OK;
		found->secure |= a->secure;
		if (!found->text.n)
			cv_buf_z(&found->text, a->canonical);
	} else if ((a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS) &&
		   found->state != ADMIN_DNS_OK) {
		found->state = ADMIN_DNS_FAILED;
	}
}

static bool
is_name_only(const struct admin_dns_record *r)
{
	return r->type == CV_DNS_CNAME || r->kind == ADMIN_DNS_HOST;
}

static void
conclude(const struct admin_dns_record *r, const struct admin_dns_query pair[2],
	struct admin_dns_found *found)
{
	const struct cv_dns_answer *a = pair[0].answer;

	*found = (struct admin_dns_found){
		.state = ADMIN_DNS_MISSING, .text = CV_BUF_INIT(FOUND_MAX)};
	if (is_name_only(r)) {
		note_address(a, found);
		note_address(pair[1].answer, found);
	} else if (a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS) {
		found->state = ADMIN_DNS_FAILED;
		cv_buf_z(&found->text, a->state == CV_DNS_BOGUS ? "DNSSEC: bogus" : "");
	} else {
		compare(r, a, found);
	}
}

void
admin_dns_compare(struct cv_resolver *resolver, const struct admin_dns_set *set,
	struct admin_dns_found *out)
{
	/* Two questions a record: the second is asked of names alone. */
	struct admin_dns_query *asked = cv_calloc(set->count * 2 + 1, sizeof *asked);
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct admin_dns_record *r = &set->records[i];
		bool is_name = is_name_only(r);
		snprintf(asked[n].name, sizeof asked[n].name, "%s", r->name);
		asked[n++].type = is_name ? CV_DNS_A : r->type;
		if (!is_name)
			continue;
		snprintf(asked[n].name, sizeof asked[n].name, "%s", r->name);
		asked[n++].type = CV_DNS_AAAA;
	}
	admin_dns_ask(resolver, asked, n);
	for (size_t i = 0, k = 0; i < set->count; i++) {
		conclude(&set->records[i], &asked[k], &out[i]);
		k += is_name_only(&set->records[i]) ? 2 : 1;
	}
	admin_dns_queries_done(asked, n);
	free(asked);
}

void
admin_dns_found_done(struct admin_dns_found *found, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cv_buf_done(&found[i].text);
}

/* ---- the policy ---- */

static size_t
find_web(struct cv_resolver *resolver, const char *host, unsigned port,
	struct sockaddr_storage addrs[ADDRS_MAX])
{
	struct admin_dns_query pair[2] = {{.type = CV_DNS_A}, {.type = CV_DNS_AAAA}};
	size_t n = 0;

	for (int v6 = 0; v6 < 2; v6++)
		snprintf(pair[v6].name, sizeof pair[v6].name, "%.255s", host);
	admin_dns_ask(resolver, pair, 2);
	for (int v6 = 0; v6 < 2; v6++) {
		const struct cv_dns_answer *a = pair[v6].answer;
		for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count && n < ADDRS_MAX; i++) {
			struct sockaddr_in *in = (void *)&addrs[n];
			struct sockaddr_in6 *in6 = (void *)&addrs[n];
			if (a->records[i].rdata.n != (v6 ? 16 : 4))
				continue;
			addrs[n++] = (struct sockaddr_storage){
				.ss_family = v6 ? AF_INET6 : AF_INET};
			memcpy(v6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr,
				a->records[i].rdata.p, a->records[i].rdata.n);
			*(v6 ? &in6->sin6_port : &in->sin_port) = htons((uint16_t)port);
		}
	}
	admin_dns_queries_done(pair, 2);
	return n;
}

enum cv_status
admin_dns_fetch_policy(struct cv_resolver *resolver, const struct smtpd_options *smtpd,
	const char *domain, unsigned secs, struct cv_buf *found)
{
	struct sockaddr_storage addrs[ADDRS_MAX];
	struct cv_err err = {0};
	char host[256];

	snprintf(host, sizeof host, "mta-sts.%.240s", domain);
	size_t count = find_web(resolver, host, (unsigned)smtpd->mta_sts_port, addrs);
	if (!count)
		return CV_NOT_FOUND;
	struct cv_https_request r = {.host = host,
		.port = (unsigned)smtpd->mta_sts_port,
		.path = "/.well-known/mta-sts.txt",
		.addrs = addrs,
		.addr_count = count,
		.ca_file = smtpd->outbound_ca[0] ? smtpd->outbound_ca : NULL,
		.media_type = "text/plain",
		.connect_secs = secs,
		.total_secs = secs};
	enum cv_status status = cv_https_get(&r, found, &err);
	if (status != CV_OK) {
		cv_buf_reset(found);
		cv_buf_z(found, err.text);
	}
	return status;
}
