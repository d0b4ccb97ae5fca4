/* server.c - see server.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/server.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/policy/mail.h"
#include "common/sandbox/sandbox.h"
#include "common/text/domain.h"
#include "spamfilter/dmarc/imitate.h"
#include "spamfilter/dmarc/reporter.h"
#include "spamfilter/dmarc/sources.h"
#include "spamfilter/dmarc/tally.h"
#include "spamfilter/classify/classify.h"
#include "spamfilter/judge.h"
#include "spamfilter/rules.h"
#include "spamfilter/walk/walk.h"

#define WHY_MAX 256
#define EXTRACT_WORKERS 16u /* documents converted at once */

/* ---- policy ---- */

/* POL-03. No list yet is an empty one; whose time is over is told. */
static enum cv_status
load_allowed(struct cv_policy *policy, const char *file, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	if (file[0])
		status = cv_policy_signup_allow_load(policy, file, err);
	if (status == CV_NOT_FOUND) {
		cv_log(0, CV_WARN, "allow.missing", "file=%s", file);
		return CV_OK;
	}
	size_t expired = status ? 0 : cv_policy_signup_expired(policy, cv_wall_secs());
	if (expired)
		cv_log(0, CV_WARN, "allow.expired", "file=%s entries=%zu", file, expired);
	return status;
}

static enum cv_status
policy_load(const struct congvu_options *m, const struct spamfilter_options *opt,
	struct spam_policy **out, struct cv_err *err)
{
	struct cv_policy *policy = NULL;
	struct spam_weights *weights = NULL;
	struct spam_dnslists *lists = NULL;
	struct spam_overrides *overrides = NULL;
	struct spam_smime *smime = NULL;
	enum cv_status status = cv_policy_load(NULL, m->official_suffixes, &policy, err);

	if (status == CV_OK)
		status = load_allowed(policy, opt->signup_allow_file, err);
	if (status == CV_OK)
		status = spam_walk_prepare(
			opt->attachment_types_file, opt->url_shorteners_file, err);
	if (status == CV_OK)
		status = spam_weights_load(opt->weights_file, &weights, err);
	if (status == CV_OK && (opt->dnsbl[0] || opt->dnswl[0] || opt->urlbl[0]))
		status = spam_dnslists_new(opt->dnsbl, opt->dnswl, opt->urlbl, &lists, err);
	if (status == CV_OK)
		status = spam_overrides_load(opt->dmarc_override_file, &overrides, err);
	if (status == CV_OK)
		status = spam_smime_new(opt->smime_trust_file, &smime, err);
	if (status) {
		cv_policy_free(policy);
		spam_weights_free(weights);
		spam_dnslists_free(lists);
		spam_overrides_free(overrides);
		return status;
	}
	*out = cv_calloc(1, sizeof **out);
	(*out)->policy = policy;
	(*out)->weights = weights;
	(*out)->lists = lists;
	(*out)->overrides = overrides;
	(*out)->smime = smime;
	atomic_init(&(*out)->refs, 1);
	return CV_OK;
}

struct spam_policy *
spam_policy_hold(struct spam_server *s)
{
	pthread_mutex_lock(&s->policy_lock);
	struct spam_policy *p = s->policy;
	atomic_fetch_add(&p->refs, 1);
	pthread_mutex_unlock(&s->policy_lock);
	return p;
}

void
spam_policy_release(struct spam_policy *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	cv_policy_free(p->policy);
	spam_weights_free(p->weights);
	spam_dnslists_free(p->lists);
	spam_overrides_free(p->overrides);
	spam_smime_free(p->smime);
	free(p);
}

enum cv_status
spam_policy_replace(struct spam_server *s, const struct congvu_options *main,
	const struct spamfilter_options *opt, struct cv_err *err)
{
	struct spam_policy *fresh, *old;
	enum cv_status status = policy_load(main, opt, &fresh, err);

	if (status != CV_OK)
		return status;
	pthread_mutex_lock(&s->policy_lock);
	old = s->policy;
	s->policy = fresh;
	pthread_mutex_unlock(&s->policy_lock);
	spam_policy_release(old);
	return CV_OK;
}

bool
spam_is_ours(const struct spam_server *s, const struct cv_snapshot *snap, struct cv_str domain)
{
	if (cv_snapshot_domains(snap))
		return cv_snapshot_has_domain(snap, domain);
	return !s->is_alone && cv_domain_eq(domain, cv_str_z(s->main->default_domain));
}

/* ---- opening ---- */

static enum cv_status
read_conf(struct spam_server *s, const char *conf_path, struct cv_err *err)
{
	enum cv_status status;

	s->is_alone = !conf_path;
	s->conf_path = conf_path;
	if (conf_path)
		status = cv_conf_load(conf_path, cv_sections, cv_sections_count, &s->conf, err);
	else
		status = cv_conf_parse(
			CV_STR(""), "defaults", cv_sections, cv_sections_count, &s->conf, err);
	if (status)
		return status;
	s->main = cv_conf_get(s->conf, &congvu_section);
	s->opt = cv_conf_get(s->conf, &spamfilter_section);
	return CV_OK;
}

static enum cv_status
open_resolver(struct spam_server *s, struct cv_err *err)
{
	struct cv_resolver_options o = {
		.zone_file = s->main->dns_zone_file[0] ? s->main->dns_zone_file : NULL,
		.forwarders = s->main->dns_forwarders[0] ? s->main->dns_forwarders : NULL,
		.trust_anchor = s->main->dns_trust_anchor[0] ? s->main->dns_trust_anchor : NULL,
		.timeout_secs = SPAM_DNS_SECS,
		.isolated = s->opt->isolated_network || s->without_dns,
	};

	return cv_resolver_new(&o, &s->resolver, err);
}

static enum cv_status
check_scores(const struct spamfilter_options *opt, struct cv_err *err)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{"score_mark",       opt->score_mark      },
		{"score_junk",       opt->score_junk      },
		{"score_greylist",   opt->score_greylist  },
		{"score_quarantine", opt->score_quarantine},
		{"score_refuse",     opt->score_refuse    },
	};
	double score;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (strcmp(rows[i].value, "off") &&
			!spam_score_parse(cv_str_z(rows[i].value), &score))
			return cv_fail(err, CV_INVALID, "%s is '%s': a number like 4.5, or off",
				rows[i].name, rows[i].value);
	return CV_OK;
}

enum cv_status
spam_options_check(const struct spamfilter_options *opt, struct cv_err *err)
{
	const struct {
		const char *name, *value, *words[3];
	} rows[] = {
		{"secrecy_inbound", opt->secrecy_inbound, {"accept", "mark", "reject"}},
		{"advertising",     opt->advertising,     {"accept", "mark", "junk"}      },
		{"overload_action", opt->overload_action, {"tempfail", "accept"}          },
		{"clamav_failure", opt->clamav_failure, {"accept", "mark", "tempfail"}},
		{"clamav_found", opt->clamav_found, {"refuse", "quarantine"}},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool is_good = false;
		for (size_t w = 0; w < CV_COUNT(rows[i].words) && rows[i].words[w]; w++)
			is_good |= !strcmp(rows[i].value, rows[i].words[w]);
		if (!is_good)
			return cv_fail(err, CV_INVALID, "%s is '%s': %s, %s%s%s", rows[i].name,
				rows[i].value, rows[i].words[0], rows[i].words[1],
				rows[i].words[2] ? " or " : "",
				rows[i].words[2] ? rows[i].words[2] : "");
	}
	const char *const actions[] = {opt->attachment_dangerous, opt->attachment_macro,
		opt->attachment_macro_auto, opt->attachment_encrypted, opt->attachment_bomb,
		opt->attachment_form};
	for (size_t i = 0; i < CV_COUNT(actions); i++)
		if (!spam_attachment_word(actions[i]))
			return cv_fail(err, CV_INVALID,
				"attachment_... is '%s': score, mark, junk, quarantine or refuse",
				actions[i]);
	enum cv_status status = spam_clamav_check(opt->clamav, err);
	return status ? status : check_scores(opt, err);
}

/* A tool may find them held by the daemon, or as another user's: then it goes without. Opening as
 * root would leave files that the daemon cannot write. */
static enum cv_status
open_statistics(struct spam_server *s, char *why_not, struct cv_err *err)
{
	const char *dir = s->is_alone ? NULL : s->main->stats_dir;
	struct stat st;

	if (!why_not)
		return spam_stats_open(dir, &s->stats, err);
	why_not[0] = '\0';
	if (dir && stat(dir, &st))
		dir = NULL;
	if (dir && st.st_uid != geteuid())
		snprintf(why_not, WHY_MAX, "%.200s is another user's", dir);
	else if (spam_stats_open(dir, &s->stats, err) == CV_OK)
		return CV_OK;
	else
		snprintf(why_not, WHY_MAX, "%.250s", err->text);
	return spam_stats_open(NULL, &s->stats, err);
}

/* A tool goes without what the daemon holds, or what another user owns. */
static enum cv_status
open_classifier(struct spam_server *s, char *why_not, struct cv_err *err)
{
	if (!why_not)
		return spam_classify_open(s, true, err);
	if (!why_not[0] && spam_classify_open(s, false, err) != CV_OK)
		snprintf(why_not, WHY_MAX, "%.250s", err->text);
	return CV_OK;
}

static enum cv_status
open_parts(struct spam_server *s, char *why_not, struct cv_err *err)
{
	const char *register_dir = s->is_alone ? "/nonexistent" : s->main->register_dir;
	enum cv_status status = spam_options_check(s->opt, err);

	if (status == CV_OK)
		status = policy_load(s->main, s->opt, &s->policy, err);
	if (status == CV_OK)
		status =
			cv_netset_parse(cv_str_z(s->opt->submission_networks), &s->submitters, err);
	if (status == CV_OK)
		status = open_resolver(s, err);
	if (status == CV_OK)
		status = cv_register_open(register_dir, false, &s->reg, err);
	if (status == CV_OK)
		s->dns = spam_dns_new(s->resolver);
	if (status == CV_OK)
		status = open_statistics(s, why_not, err);
	if (status == CV_OK)
		status = spam_memory_open(s->stats, &s->memory, err);
	if (status == CV_OK)
		status = open_classifier(s, why_not, err);
	if (status)
		return status;
	s->signup = spam_signup_new(s->stats);
	s->clamav = spam_clamav_new();
	s->agencies = spam_agencies_new(s->stats);
	s->notices = spam_notices_new(s->stats, s->is_alone ? NULL : s->main->run_dir);
	s->dmarc = spam_dmarc_new();
	s->leaders = spam_leaders_cache_new();
	s->tally = spam_tally_new(s->stats);
	s->sources = spam_sources_new(s->stats);
	s->reporter = spam_reporter_new(s);
	s->keys = spam_keys_new(s->is_alone ? NULL : s->main->keys_dir);
	status = spam_stats_start(s->stats, err);
	return status == CV_OK ? spam_reporter_start(s->reporter, err) : status;
}

static struct spam_server *
server_new(void)
{
	struct spam_server *s = cv_calloc(1, sizeof *s);

	pthread_mutex_init(&s->policy_lock, NULL);
	pthread_mutex_init(&s->reload_lock, NULL);
	spam_room_init(&s->room);
	return s;
}

/* What reads documents and pictures, while programs may still be started. What it cannot read has
 * no text, which is told once. */
static void
start_extract(struct spam_server *s)
{
	struct cv_err err = {0};

	if (!s->opt->secrecy_attachments && !s->opt->qr_codes)
		return;
	if (cv_extract_start(NULL, EXTRACT_WORKERS, 0, &s->extract, &err)) {
		cv_log(0, CV_WARN, "attachments.none", "error=\"%s\"", err.text);
		return;
	}
	bool no_pdf = s->opt->secrecy_attachments && !cv_extract_reads_pdf(s->extract);
	bool no_qr = s->opt->qr_codes && !cv_extract_reads_qr(s->extract);
	cv_log(0, no_pdf || no_qr ? CV_WARN : CV_INFO, "attachments.ready", "reads=\"%s\"%s%s%s%s",
		cv_extract_ability(s->extract), no_pdf || no_qr ? " lacks=" : "",
		no_pdf ? "libpoppler-glib8" : "", no_pdf && no_qr ? "," : "",
		no_qr ? "libzbar0" : "");
}

enum cv_status
spam_server_open(const char *conf_path, const char *socket, struct spam_server **out,
	struct cv_err *err)
{
	struct spam_server *s = server_new();
	enum cv_status status = read_conf(s, conf_path, err);
	if (status == CV_OK) {
		cv_program_start("spamfilter", s->main);
		start_extract(s);
		status = cv_sandbox_start(
			CV_SANDBOX_SPAMFILTER, s->conf, conf_path, socket, err);
	}
	if (status == CV_OK)
		status = open_parts(s, NULL, err);
	if (status == CV_OK)
		status = spam_notices_start(s->notices, err);
	if (status) {
		spam_server_close(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

static enum cv_status
shut_in(const struct spam_server *s, const char *const *reads, size_t count, struct cv_err *err)
{
	struct cv_sandbox sb;

	if (!s->main->sandbox)
		return CV_OK;
	cv_sandbox_init(&sb);
	cv_sandbox_open(&sb, CV_SANDBOX_SPAMFILTER, s->conf, s->conf_path);
	for (size_t i = 0; i < count; i++)
		cv_sandbox_read(&sb, reads[i]);
	enum cv_status status = cv_sandbox_enter(&sb, err);
	cv_sandbox_done(&sb);
	return status;
}

enum cv_status
spam_server_open_tool(const char *conf_path, bool without_dns, const char *const *reads,
	size_t read_count, struct spam_server **out, char why_not[256], struct cv_err *err)
{
	struct spam_server *s = server_new();
	enum cv_status status = read_conf(s, conf_path, err);

	s->without_dns = without_dns;
	cv_log_init("spamfilter", CV_ERROR, NULL);
	if (status == CV_OK)
		start_extract(s);
	if (status == CV_OK)
		status = shut_in(s, reads, read_count, err);
	if (status == CV_OK)
		status = open_parts(s, why_not, err);
	if (status) {
		spam_server_close(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

void
spam_server_close(struct spam_server *s)
{
	if (!s)
		return;
	if (s->ctl)
		cv_ctl_server_free(s->ctl);
	if (s->net)
		cv_net_free(s->net);
	spam_notices_free(s->notices);
	spam_classifier_close(s->classifier);
	spam_reporter_free(s->reporter);
	spam_stats_close(s->stats);
	spam_sources_free(s->sources);
	spam_tally_free(s->tally);
	spam_signup_free(s->signup);
	spam_clamav_free(s->clamav);
	cv_extract_stop(s->extract);
	spam_memory_close(s->memory);
	spam_agencies_free(s->agencies);
	if (s->keys)
		spam_keys_free(s->keys);
	spam_dmarc_free(s->dmarc);
	spam_dns_free(s->dns);
	spam_leaders_cache_free(s->leaders);
	if (s->reg)
		cv_register_close(s->reg);
	if (s->resolver)
		cv_resolver_free(s->resolver);
	cv_netset_free(s->submitters);
	spam_policy_release(s->policy);
	pthread_mutex_destroy(&s->policy_lock);
	pthread_mutex_destroy(&s->reload_lock);
	spam_room_done(&s->room);
	if (s->conf)
		cv_conf_free(s->conf);
	while (s->older_count)
		cv_conf_free(s->older[--s->older_count]);
	free(s->older);
	free(s);
}
