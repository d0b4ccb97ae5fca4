/* guard.h - one SPF check under way: what libspf2 is shown, what that costs, what it may not
 * decide.
 *
 * Every domain libspf2 meets is an alias "t<N>.spf.invalid"; entry N of the check's table says what
 * stands behind it. So each look-up of an alias is exactly one term of a record, and look-ups of
 * other names are those that the term makes for its MX hosts. Once `forced` is set the result is
 * known and no more questions leave the process. Belongs to the checking thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_GUARD_H
#define SPAM_SPF_GUARD_H

#include "spamfilter/spf/macro.h"
#include "spamfilter/spf/record.h"
#include "spamfilter/spf/spf.h"

#define SPF_ALIAS_SUFFIX ".spf.invalid"

enum spf_entry_kind { SPF_ENTRY_START, SPF_ENTRY_REDIRECT, SPF_ENTRY_TERM };

struct spf_entry {
	enum spf_entry_kind kind;
	const struct spf_term *term; /* of a TERM */
	struct cv_str spec;          /* domain-spec, or empty for the current domain */
	struct cv_str current;       /* the domain whose record it is in */
	bool counted;
};

struct spf_check {
	struct cv_resolver *resolver;
	struct cv_arena arena;
	struct spf_macro_values values;
	struct spf_entry *entries;
	size_t count, room;
	struct spf_entry *mx; /* the term whose hosts are being looked up */
	bool term_void;       /* the present term has found nothing before */
	unsigned lookups, voids;
	int64_t deadline_ms;
	bool is_mirrored; /* addresses are shown with a bit flipped: see guard_mirror() */
	bool is_forced;
	enum spam_spf_result forced;
	char why[160];
	bool has_names; /* the client's validated names were looked up */
	char names[SPF_NAMES_MAX][256];
	size_t name_count;
	char current[256];
};

/* The number of the entry that ALIAS names, or SIZE_MAX. */
size_t spf_alias_parse(const char *alias);
void spf_alias_write(size_t number, char *out, size_t n);
size_t spf_guard_entry(struct spf_check *c, const struct spf_entry *entry);
/* Settles the result; the first one stays. */
void spf_guard_force(struct spf_check *c, enum spam_spf_result result, const char *why);
/* Asks DNS, with the check's deadline; a temporary failure forces temperror unless MAY_FAIL.
 * Never NULL. */
struct cv_dns_answer *spf_guard_ask(
	struct spf_check *c, const char *name, enum cv_dns_type type, bool may_fail);
/* Counts ENTRY's term against the limit; false when that settled the check. */
bool spf_guard_count(struct spf_check *c, struct spf_entry *entry);
/* A look-up of the present term found nothing. */
void spf_guard_void(struct spf_check *c);
/* The record text libspf2 is shown for ENTRY (in the check's arena), or p NULL when there is none
 * or the check is settled. */
struct cv_str spf_guard_record(struct spf_check *c, struct spf_entry *entry);
/* The name ENTRY asks about; false when it is none that DNS could hold. */
bool spf_guard_name(struct spf_check *c, const struct spf_entry *entry, char out[256]);
/* Whether the client has a validated name equal to DOMAIN or below it (5.5). */
bool spf_guard_has_name_below(struct spf_check *c, const char *domain);
const char *spf_guard_validated(void *check); /* for %{p} */
/* libspf2 passes loopback clients unasked. For those every address, theirs and those it compares
 * with, has its first bits flipped: comparisons come out the same and nobody is loopback. */
void spf_guard_mirror(const struct spf_check *c, unsigned char *ip, size_t n);
const unsigned char *spf_client_ip(const struct sockaddr_storage *a, size_t *n_out);

#endif
