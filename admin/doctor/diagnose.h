/* diagnose.h - `congvu diagnose ADDRESS|MESSAGE-ID`: why somebody's mail does not do what it should
 * (OPS-03), from everything the service knows of it, without subjects or content (SEC-07).
 *
 * A cause is one row of diagnose_causes[] (causes.c): id, how bad, the function that finds it, what
 * is said in both languages, what to do next. Finders only read what diagnose.c has gathered; what
 * could not be asked is NULL, and a finder that needs it finds nothing. One thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIAGNOSE_H
#define ADMIN_DIAGNOSE_H

#include "admin/admin.h"
#include "common/base/buf.h"
#include "common/net/resolver.h"
#include "common/register/register.h"

struct diagnosis {
	struct admin_call *call;
	const struct congvu_options *main;
	const struct smtpd_options *smtpd;
	const struct imapd_options *imapd;
	int64_t now;
	char address[330];            /* lower case; "" for a message alone */
	char mid[1000];               /* of the message asked for, or "" */
	const char *with;             /* the other person it is about, or NULL */
	const struct cv_snapshot *snap;
	struct cv_reg_hit hit;        /* what ADDRESS is in the register */
	bool is_ours;                 /* its domain is */
	json_t *account;              /* "account.show": its "account", or NULL */
	json_t *other;                /* the same of WITH */
	json_t *trail;                /* [events] around its last change of state */
	json_t *recent, *locked;      /* of "auth.recent", from both daemons */
	json_t *sessions, *quota, *quarantine, *sending; /* the lists or objects in the replies */
	json_t *queue;                /* messages to or from ADDRESS, or of the message */
	json_t *events;               /* records of the trace, oldest first */
	json_t *fates;                /* [{"address", "found"?, "removed"?}] of the message */
	json_t *status[3];            /* imapd, smtpd, spamfilter; NULL: it does not answer */
	struct cv_resolver *resolver; /* NULL: none */
};

enum diagnose_degree { DIAGNOSE_INFO, DIAGNOSE_WARN, DIAGNOSE_FAULT };
/* True when the cause holds; appends the facts, in the caller's language. ARG is the row's. */
typedef bool diagnose_fn(const struct diagnosis *d, const void *arg, struct cv_buf *facts);
struct diagnose_cause {
	const char *id;
	enum diagnose_degree degree;
	diagnose_fn *find;
	const void *arg;
	const char *text, *text_vi; /* what is wrong */
	const char *next, *next_vi; /* what to do */
};
extern const struct diagnose_cause diagnose_causes[];
extern const size_t diagnose_causes_count;

/* ---- helpers of finders ---- */
const char *diagnose_text(const json_t *o, const char *key);
/* "22/11/2026 08:00" in the province's time. Returns BUF. */
const char *diagnose_time(int64_t secs, char buf[40]);
const char *diagnose_size(json_int_t bytes, char buf[32]);
bool diagnose_is_kind(const struct diagnosis *d, const char *kind);

/* ---- finders, by file ---- */
/* causes_account.c */
diagnose_fn find_unknown, find_outside_domain, find_retired, find_by_alias, find_suspended,
	find_dormant, find_no_password, find_first_password_expired, find_must_change, find_locked,
	find_recent_why, find_old_name, find_full, find_nearly_full, find_pool_full, find_many,
	find_no_holder, find_no_rights, find_forwarded, find_forwarded_away, find_absence,
	find_frozen, find_limit, find_many_sessions;
/* causes_mail.c */
diagnose_fn find_quarantined, find_verdict, find_policy, find_greylisted, find_waiting, find_held,
	find_out, find_undelivered, find_fate, find_delivered, find_nothing_known;
/* causes_system.c */
diagnose_fn find_down, find_disk_full, find_certificate, find_clock, find_our_dns, find_their_dns,
	find_not_ready;

/* What of an answer of a far server says which fault: for find_out(). */
struct diagnose_out {
	const char *status[5]; /* enhanced codes, NULL ends; a last 'x' stands for any */
	const char *words[6];  /* in the reply, in any case; NULL ends */
};

#endif
