/* server.h - what all sessions of the filter share. Everything in it may be used from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SERVER_H
#define SPAM_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/extract/extract.h"
#include "common/net/addr.h"
#include "common/net/ctl.h"
#include "common/net/metrics.h"
#include "common/net/resolver.h"
#include "common/options/sections.h"
#include "common/policy/policy.h"
#include "spamfilter/body.h"
#include "spamfilter/clamav.h"
#include "spamfilter/agencies.h"
#include "spamfilter/dkim.h"
#include "spamfilter/dmarc/dmarc.h"
#include "spamfilter/dns.h"
#include "spamfilter/keys.h"
#include "spamfilter/notices.h"
#include "spamfilter/reputation/memory.h"
#include "spamfilter/room.h"
#include "spamfilter/signup.h"
#include "spamfilter/smime/smime.h"
#include "spamfilter/spf/spf.h"
#include "spamfilter/stats.h"
#include "spamfilter/weights.h"

#define SPAM_DNS_SECS 5 /* for one look-up: a filter must answer before its MTA gives up */

/* The policy in force; replaced whole when its files are read again. */
struct spam_policy {
	struct cv_policy *policy;
	struct spam_weights *weights;
	struct spam_dnslists *lists; /* in DNS */
	struct spam_overrides *overrides; /* of published policies */
	struct spam_smime *smime;
	atomic_uint refs;
};

struct spam_classifier;

struct spam_server {
	struct cv_conf *conf;
	const char *conf_path;
	struct cv_conf **older; /* those that a reload replaced; a session may still read one */
	unsigned older_count;
	pthread_mutex_t reload_lock;
	_Atomic(const struct congvu_options *) main;
	_Atomic(const struct spamfilter_options *) opt;
	bool without_dns; /* a tool was told so */
	bool is_alone; /* no configuration was given: the MTA's name and defaults serve */
	struct cv_resolver *resolver;
	struct cv_register *reg;
	struct spam_dns *dns;
	struct spam_dmarc *dmarc;
	struct spam_leaders_cache *leaders; /* dmarc/imitate.h */
	struct spam_tally *tally;           /* dmarc/tally.h, sources.h, reporter.h */
	struct spam_sources *sources;
	struct spam_reporter *reporter;
	struct spam_keys *keys;
	struct spam_stats *stats;
	struct spam_signup *signup;
	struct cv_extract *extract; /* reads documents; NULL: nobody does */
	struct spam_clamav *clamav;
	atomic_uint_fast64_t documents, documents_away; /* seen; not read as nobody was there */
	struct spam_memory *memory;
	struct spam_agencies *agencies;
	struct spam_notices *notices;
	struct spam_classifier *classifier; /* NULL: none (classify/classify.h) */
	struct spam_room room; /* for looking into messages */
	struct cv_netset *submitters;
	struct cv_ctl_server *ctl;
	struct cv_net *net; /* for metrics; NULL: none */
	struct cv_metrics_source metrics;
	pthread_mutex_t policy_lock;
	struct spam_policy *policy;
	struct spam_body_budget bodies; /* what all messages under way hold */
	atomic_uint_fast64_t under_way; /* messages between MAIL and their end */
	atomic_uint_fast64_t verdicts[SPAM_ACTIONS];
	atomic_uint_fast64_t turned_away; /* sessions beyond threads_max */
	atomic_uint_fast64_t sessions, sessions_open, messages, refused, marked, signed_, signups,
		spf_differs;
};

/* CONF_PATH NULL: alone, with the defaults. SOCKET is the command line's, or NULL. Enters the
 * sandbox, so no thread may have been started. */
CV_MUST_CHECK enum cv_status spam_server_open(
	const char *conf_path, const char *socket, struct spam_server **out, struct cv_err *err);
/* The same for a tool: nothing is logged but errors, nobody is served, and the statistics are used
 * only when they can be opened (*WHY_NOT says, "" when they are, or when there are none). READS are
 * files and folders that it reads; WITHOUT_DNS is as the option isolated_network. */
CV_MUST_CHECK enum cv_status spam_server_open_tool(const char *conf_path, bool without_dns,
	const char *const *reads, size_t read_count, struct spam_server **out, char why_not[256],
	struct cv_err *err);
void spam_server_close(struct spam_server *s);
/* reload.c: reads configuration, allow-list and keys again; a fault leaves the old in force.
 * *REPLY_OUT says what changed and what waits for a restart; both outcomes are logged. */
CV_MUST_CHECK enum cv_status spam_server_reload(
	struct spam_server *s, json_t **reply_out, struct cv_err *err);
/* server.c: the policy under MAIN and OPT comes into force. */
CV_MUST_CHECK enum cv_status spam_policy_replace(struct spam_server *s,
	const struct congvu_options *main, const struct spamfilter_options *opt,
	struct cv_err *err);
/* server.c: words among the options that their rows cannot check. */
CV_MUST_CHECK enum cv_status spam_options_check(
	const struct spamfilter_options *opt, struct cv_err *err);
/* metrics.c: listens where metrics_listen says. */
CV_MUST_CHECK enum cv_status spam_metrics_open(struct spam_server *s, struct cv_err *err);
/* control.c: serves <run_dir>/spamfilter.ctl, unless alone. */
CV_MUST_CHECK enum cv_status spam_server_control(struct spam_server *s, struct cv_err *err);

struct spam_policy *spam_policy_hold(struct spam_server *s);
void spam_policy_release(struct spam_policy *p);

/* Whether DOMAIN (A-labels, lower case) is the province's: by the register, or, while that knows no
 * domain, by default_domain of a configuration. */
bool spam_is_ours(
	const struct spam_server *s, const struct cv_snapshot *snap, struct cv_str domain);

#endif
