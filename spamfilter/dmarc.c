/* dmarc.c - see dmarc.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc.h"

#include <libpsl.h>

#include "common/text/domain.h"

struct spam_dmarc {
	struct cv_resolver *resolver;
	psl_ctx_t *suffixes; /* NULL: only equal domains are of one organisation */
};

struct spam_dmarc *
spam_dmarc_new(struct cv_resolver *resolver)
{
	struct spam_dmarc *d = cv_calloc(1, sizeof *d);

	d->resolver = resolver;
	d->suffixes = psl_latest(NULL);
	return d;
}

void
spam_dmarc_free(struct spam_dmarc *d)
{
	if (!d)
		return;
	psl_free(d->suffixes);
	free(d);
}

const char *
spam_dmarc_word(enum spam_dmarc_result result)
{
	static const char *const words[] = {"none", "pass", "fail", "temperror", "permerror"};

	return words[result];
}

const char *
spam_dmarc_policy_word(enum spam_dmarc_policy policy)
{
	static const char *const words[] = {"none", "quarantine", "reject"};

	return words[policy];
}

void
spam_dmarc_organisation(const struct spam_dmarc *d, const char *domain, char out[256])
{
	const char *found = d->suffixes ? psl_registrable_domain(d->suffixes, domain) : NULL;

	snprintf(out, 256, "%s", found ? found : domain);
}

static bool
is_aligned(const struct spam_dmarc *d, const char *from, const char *other, bool strict)
{
	char a[256], b[256];

	if (!strcmp(from, other))
		return true;
	if (strict)
		return false;
	spam_dmarc_organisation(d, from, a);
	spam_dmarc_organisation(d, other, b);
	return !strcmp(a, b);
}

static bool
vouches(const struct spam_dmarc *d, const struct spam_dmarc_ask *ask,
	const struct spam_dmarc_record *r)
{
	if (ask->spf && is_aligned(d, ask->from, ask->spf, r->strict_spf))
		return true;
	for (size_t i = 0; i < ask->dkim_count; i++)
		if (is_aligned(d, ask->from, ask->dkim[i], r->strict_dkim))
			return true;
	return false;
}

/* ---- records ---- */

static bool
parse_policy(struct cv_str value, enum spam_dmarc_policy *out)
{
	for (int p = SPAM_DMARC_P_NONE; p <= SPAM_DMARC_P_REJECT; p++) {
		if (cv_str_ieq_z(value, spam_dmarc_policy_word((enum spam_dmarc_policy)p))) {
			*out = (enum spam_dmarc_policy)p;
			return true;
		}
	}
	return false;
}

bool
spam_dmarc_parse(struct cv_str text, struct spam_dmarc_record *out)
{
	struct cv_str rest = text, tag;
	bool has_policy = false, has_sub = false, has_rua = false;

	*out = (struct spam_dmarc_record){0};
	for (unsigned n = 0; cv_str_split(&rest, ';', &tag); n++) {
		size_t equals = cv_str_find(tag, '=', 0);
		struct cv_str name = cv_str_trim(cv_str_sub(tag, 0, equals));
		struct cv_str value = cv_str_trim(cv_str_sub(tag, equals + 1, tag.n));
		/* The version comes first, and exactly so. */
		if (!n && !(cv_str_eq_z(name, "v") && cv_str_eq_z(value, "DMARC1")))
			return false;
		if (cv_str_ieq_z(name, "p"))
			has_policy = parse_policy(value, &out->policy);
		else if (cv_str_ieq_z(name, "sp"))
			has_sub = parse_policy(value, &out->sub_policy);
		else if (cv_str_ieq_z(name, "adkim"))
			out->strict_dkim = cv_str_ieq_z(value, "s");
		else if (cv_str_ieq_z(name, "aspf"))
			out->strict_spf = cv_str_ieq_z(value, "s");
		else if (cv_str_ieq_z(name, "rua"))
			has_rua = cv_str_has_iprefix(value, "mailto:");
	}
	if (!has_policy) /* a bad policy still asks for reports: none (RFC 7489 6.6.3) */
		out->policy = SPAM_DMARC_P_NONE;
	if (!has_sub)
		out->sub_policy = out->policy;
	return has_policy || has_rua;
}

enum found { FOUND, ABSENT, FAILED };

static enum found
look_up(struct spam_dmarc *d, const char *domain, struct spam_dmarc_record *out)
{
	char name[300];
	struct cv_str text = CV_STR_EMPTY;
	unsigned count = 0;

	snprintf(name, sizeof name, "_dmarc.%s", domain);
	struct cv_dns_answer *a = cv_resolve_wait(d->resolver, name, CV_DNS_TXT);
	enum found found =
		a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS ? FAILED : ABSENT;
	for (unsigned i = 0; i < a->count; i++) {
		if (!cv_str_has_prefix(a->records[i].rdata, "v=DMARC1"))
			continue;
		text = a->records[i].rdata;
		count++;
	}
	/* Several records are none at all (RFC 7489 6.6.3). */
	if (count == 1 && spam_dmarc_parse(text, out))
		found = FOUND;
	cv_dns_answer_free(a);
	return found;
}

void
spam_dmarc_check(
	struct spam_dmarc *d, const struct spam_dmarc_ask *ask, struct spam_dmarc_answer *out)
{
	static const struct spam_dmarc_record relaxed;
	struct spam_dmarc_record r;
	char organisation[256];

	*out = (struct spam_dmarc_answer){.result = SPAM_DMARC_NONE};
	out->vouched = vouches(d, ask, &relaxed);
	enum found found = look_up(d, ask->from, &r);
	if (found == FOUND) {
		out->policy = r.policy;
	} else if (found == ABSENT) {
		spam_dmarc_organisation(d, ask->from, organisation);
		if (strcmp(organisation, ask->from))
			found = look_up(d, organisation, &r);
		if (found == FOUND)
			out->policy = r.sub_policy;
	}
	if (found == FAILED)
		out->result = SPAM_DMARC_TEMPERROR;
	else if (found == FOUND)
		out->result = vouches(d, ask, &r) ? SPAM_DMARC_PASS : SPAM_DMARC_FAIL;
}
