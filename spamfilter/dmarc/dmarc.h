/* dmarc.h - whether what SPF and DKIM vouch for is the author's domain, and what that domain asks
 * for (RFC 9989).
 *
 * The policy and the organisations are found by walking up the DNS tree (4.10), at most eight
 * queries a walk, each name at most once a check. By the option `dmarc_method` the list of public
 * suffixes (libpsl) is used instead, as RFC 7489 does; then pct= counts too.
 *
 * Threads: all calls from any thread; a check waits for DNS.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_H
#define SPAM_DMARC_H

#include "common/base/buf.h"
#include "spamfilter/dmarc/override.h"
#include "spamfilter/dmarc/record.h"
#include "spamfilter/dns.h"

#define SPAM_DMARC_WALK_MAX 8u  /* queries of one walk (4.10) */
#define SPAM_DMARC_LOOKUPS  40u /* of one check, when the caller names no limit */

enum spam_dmarc_result {
	SPAM_DMARC_NONE,
	SPAM_DMARC_PASS,
	SPAM_DMARC_FAIL,
	SPAM_DMARC_TEMPERROR,
	SPAM_DMARC_PERMERROR
};
const char *spam_dmarc_word(enum spam_dmarc_result result);

enum spam_dmarc_method { SPAM_DMARC_TREE_WALK, SPAM_DMARC_PUBLIC_SUFFIX };
/* "tree-walk" or "public-suffix"; anything else is the first. */
enum spam_dmarc_method spam_dmarc_method_named(const char *word);

struct spam_dmarc_ask {
	struct spam_lookups *lookups; /* what the message may still ask */
	const char *from;             /* domain of the one From field; lower-case A-labels */
	const char *spf;              /* domain SPF passed for MAIL FROM or HELO, or NULL */
	const char *const *dkim;      /* domains of the signatures that passed */
	size_t dkim_count;
	enum spam_dmarc_method method;
	unsigned lookups_max; /* 0: SPAM_DMARC_LOOKUPS */
	unsigned draw;        /* 0 to 99: public-suffix only, against pct= */
};

/* Which tag the policy is from. */
enum spam_dmarc_tag { SPAM_DMARC_TAG_P, SPAM_DMARC_TAG_SP, SPAM_DMARC_TAG_NP };
const char *spam_dmarc_tag_word(enum spam_dmarc_tag tag);

struct spam_dmarc_answer {
	enum spam_dmarc_result result;
	bool has_record;               /* the fields down to `record` say something */
	enum spam_dmarc_policy policy; /* published for this domain */
	enum spam_dmarc_policy wanted; /* the same, softened by t=y, or spared by pct= */
	enum spam_dmarc_tag tag;
	bool is_sampled_out;     /* pct= spared it */
	char record_domain[256]; /* where the record is: the Policy Domain */
	struct spam_dmarc_record record;
	char organisation[256]; /* of the author's domain */
	bool spf_aligned, dkim_aligned;
	int dkim_by;     /* which of ask->dkim aligns, -1: none */
	bool vouched;    /* relaxed alignment holds, whether there is a record or not */
	const char *why; /* a few words on what is no pass and no fail, or "" */
	unsigned lookups;
};

/* What was done about a result, for Authentication-Results and reports. */
enum spam_dmarc_disposition {
	SPAM_DMARC_DID_NONE,
	SPAM_DMARC_DID_PASS, /* passed, and the policy would have been enforced */
	SPAM_DMARC_DID_QUARANTINE,
	SPAM_DMARC_DID_REJECT
};
const char *spam_dmarc_disposition_word(enum spam_dmarc_disposition d);

struct spam_dmarc_outcome {
	struct cv_str domain; /* whose policy it is, as From names it; empty when nobody's */
	enum spam_dmarc_disposition disposition;
	enum spam_override override; /* why it is milder than what was asked for */
	const char *comment;         /* about that; ASCII, "" for none */
	bool is_excepted; /* a row of the override file, or a sealer, stands for the mail */
	enum spam_override exception;
	const char *exception_reason;
};

struct spam_dmarc;

struct spam_dmarc *spam_dmarc_new(void);
void spam_dmarc_free(struct spam_dmarc *d);
void spam_dmarc_check(
	struct spam_dmarc *d, const struct spam_dmarc_ask *ask, struct spam_dmarc_answer *out);
/* The organisational domain of DOMAIN by public suffixes: itself when it is one. No DNS. */
void spam_dmarc_organisation(const struct spam_dmarc *d, const char *domain, char out[256]);
/* Where and what DOMAIN's policy is, with no message: as spam_dmarc_check() does it, and appends
 * one line for each name that was asked to TRACE (may be NULL). */
void spam_dmarc_find(struct spam_dmarc *d, struct spam_lookups *lookups, const char *domain,
	enum spam_dmarc_method method, struct spam_dmarc_answer *out, struct cv_buf *trace);
/* Whether the addresses of reports about DOMAIN, whose record is at POLICY_DOMAIN, may be written
 * to: URI's host is of the same organisation, or says so itself at
 * <policy domain>._report._dmarc.<host> (RFC 9990 4); then it may name another address at the same
 * host, which is put into URI. CV_NOT_FOUND when it does not want them, CV_TEMPFAIL. */
CV_MUST_CHECK enum cv_status spam_dmarc_report_allowed(struct spam_dmarc *d,
	struct spam_lookups *lookups, enum spam_dmarc_method method, const char *policy_domain,
	struct spam_dmarc_uri *uri, struct cv_err *err);

#endif
