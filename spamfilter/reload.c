/* reload.c - the filter's configuration, allow-list and keys read again while it runs.
 *
 * What a reload replaced is kept until the filter ends: see common/options/live.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/options/live.h"
#include "spamfilter/classify/classify.h"

/* Folders and sockets are open, the resolver runs. */
static const char *const fixed_options[] = {"congvu.base_dir", "congvu.run_dir", "congvu.mail_dir",
	"congvu.queue_dir", "congvu.stats_dir", "congvu.register_dir", "congvu.keys_dir",
	"congvu.time_zone", "congvu.user", "congvu.log_file", "congvu.dns_*", "spamfilter.socket",
	"spamfilter.classifier_max", "spamfilter.metrics_listen", "spamfilter.secrecy_attachments",
	"spamfilter.qr_codes", "spamfilter.submission_networks", "spamfilter.isolated_network",
	NULL};
static const struct cv_section *const mine[] = {&congvu_section, &spamfilter_section};

static void
publish(struct spam_server *s, struct cv_conf *next)
{
	s->older = cv_realloc(s->older, (s->older_count + 1) * sizeof *s->older);
	s->older[s->older_count++] = s->conf;
	s->conf = next;
	s->main = cv_conf_get(next, &congvu_section);
	s->opt = cv_conf_get(next, &spamfilter_section);
	cv_program_log(s->main);
}

static enum cv_status
reload_locked(struct spam_server *s, struct cv_live_diff *diff, struct cv_err *err)
{
	struct cv_conf *next;

	spam_keys_refresh(s->keys);
	cv_register_refresh(s->reg);
	if (s->is_alone)
		return spam_policy_replace(s, s->main, s->opt, err);
	if (s->older_count >= CV_LIVE_MAX)
		return cv_fail(err, CV_LIMIT, "%u changes since the start: restart the daemon",
			CV_LIVE_MAX);
	enum cv_status status =
		cv_conf_load(s->conf_path, cv_sections, cv_sections_count, &next, err);
	if (status != CV_OK)
		return status;
	const struct congvu_options *m = cv_conf_get(next, &congvu_section);
	const struct spamfilter_options *opt = cv_conf_get(next, &spamfilter_section);
	cv_live_compare(s->conf, next, mine, CV_COUNT(mine), fixed_options, diff);
	status = spam_options_check(opt, err);
	if (status == CV_OK)
		status = spam_policy_replace(s, m, opt, err);
	if (status != CV_OK || !diff->changed.n) {
		cv_conf_free(next);
	} else {
		publish(s, next);
		spam_classify_configure(s, opt);
	}
	return status;
}

enum cv_status
spam_server_reload(struct spam_server *s, json_t **reply_out, struct cv_err *err)
{
	struct cv_live_diff diff;

	cv_live_diff_init(&diff);
	pthread_mutex_lock(&s->reload_lock);
	enum cv_status status = reload_locked(s, &diff, err);
	pthread_mutex_unlock(&s->reload_lock);
	if (status != CV_OK) {
		cv_log(0, CV_ERROR, "reload.failed", "error=\"%s\"", err->text);
		*reply_out = cv_ctl_not_reloaded(err);
	} else {
		cv_log(0, CV_INFO, "reload.done", "changed=\"%.*s\" restart=\"%.*s\"",
			(int)diff.changed.n, diff.changed.n ? diff.changed.p : "",
			(int)diff.fixed.n, diff.fixed.n ? diff.fixed.p : "");
		*reply_out = cv_ctl_reloaded(&diff.changed, &diff.fixed);
	}
	cv_live_diff_done(&diff);
	return status;
}
