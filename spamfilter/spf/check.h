/* check.h - one SPF check under way: its questions to DNS, what they cost, the client's names.
 *
 * Once `is_settled` the result is known, an error or none, and nothing more is asked. Belongs to
 * the checking thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_CHECK_H
#define SPAM_SPF_CHECK_H

#include "spamfilter/spf/macro.h"
#include "spamfilter/spf/record.h"
#include "spamfilter/spf/spf.h"

struct spf_check {
	struct spam_lookups *dns;
	struct cv_arena arena;
	struct spf_macro_values values;
	unsigned lookups, voids;
	bool term_is_void; /* the present term has found nothing before */
	int64_t deadline_ms;
	bool is_settled;
	enum spam_spf_result settled;
	char why[160];
	bool has_names; /* the client's validated names were looked up */
	char names[SPF_NAMES_MAX][256];
	size_t name_count;
	const char *mechanism; /* of the first record that decided, or NULL */
	struct cv_str exp;     /* of the record that the result comes from */
	const char *exp_domain;
};

/* Fills C for ASK; DOMAIN is what is asked about, cleaned. False when that is none: result none.
 * The arena is C's to give back. */
bool spf_begin(struct spf_check *c, struct spam_lookups *lookups, const struct spam_spf_ask *ask,
	char domain[256]);
/* Settles the result; the first one stays. */
void spf_settle(struct spf_check *c, enum spam_spf_result result, const char *why);
/* Asks DNS, within the check's time. A failure settles temperror, unless it MAY_FAIL. Never NULL;
 * give it back with spam_answer_free(). */
struct spam_answer *spf_ask(
	struct spf_check *c, const char *name, enum cv_dns_type type, bool may_fail);
/* Counts a term that asks DNS; false when that settled the check. */
bool spf_count_term(struct spf_check *c);
/* Counts the present term as one that found nothing, if A is empty. */
void spf_count_void(struct spf_check *c, const struct cv_dns_answer *a);
/* The name that SPEC, in the record of CURRENT, stands for; CURRENT when SPEC is empty. False when
 * it is none that DNS could hold. */
bool spf_name(struct spf_check *c, struct cv_str spec, const char *current, char out[256]);
/* The record of DOMAIN. False when the check is settled instead. */
bool spf_record_of(struct spf_check *c, const char *domain, bool is_first, struct spf_record *out);
/* Whether the client has a validated name equal to DOMAIN or below it (5.5). */
bool spf_has_name_below(struct spf_check *c, const char *domain);
const char *spf_validated(void *check); /* for %{p} */
/* The explanation (6.2) into OUT; "" when there is none or it is not fit to be shown. */
void spf_explain(struct spf_check *c, char *out, size_t n);

#endif
