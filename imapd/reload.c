/* reload.c - imapd's configuration read again while it runs.
 *
 * What a configuration replaced may still be read by a connection, so it is kept until the daemon
 * ends; see common/options/live.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/options/live.h"
#include "imapd/quarantine.h"
#include "imapd/server.h"

/* Folders and sockets are open, threads started, the register opened with its rules. */
static const char *const fixed_options[] = {"congvu.base_dir", "congvu.run_dir", "congvu.mail_dir",
	"congvu.queue_dir", "congvu.stats_dir", "congvu.register_dir", "congvu.keys_dir",
	"congvu.index_dir",
	"congvu.time_zone", "congvu.user", "congvu.log_file", "congvu.default_domain",
	"congvu.dns_*", "imapd.listen_*", "imapd.separator", "imapd.workers", "imapd.cache",
	"congvu.oauth_*", "imapd.metrics_listen", "imapd.quarantine_listen", "imapd.restore_window",
	"imapd.search_index_max", "imapd.index_attachments", "imapd.index_attachments_max",
	"imapd.reader_log_*", "imapd.quota_default", "imapd.quota_leader",
	"imapd.quota_agency", "imapd.quota_messages",
	"imapd.idle_timeout", "imapd.pop3_idle_timeout",
	"admin.address_template", "admin.reserved_local_parts", NULL};

static void
compare(struct imapd *d, struct imapd_config *next, struct cv_live_diff *diff)
{
	static const struct cv_section *const mine[] = {
		&congvu_section, &imapd_section, &admin_section};
	const char *fixed[CV_COUNT(fixed_options) + 1];
	size_t n = 0;

	for (; fixed_options[n]; n++)
		fixed[n] = fixed_options[n];
	if (!d->tls)
		fixed[n++] = "congvu.tls_*";
	fixed[n] = NULL;
	cv_live_compare(imapd_config(d)->conf, next->conf, mine, CV_COUNT(mine), fixed, diff);
}

static enum cv_status
use_certificates(struct imapd *d, const struct imapd_config *config, struct cv_err *err)
{
	if (!d->tls)
		return CV_OK;
	struct cv_tls_server_options o;
	imapd_tls_options(config, "imap", &o);
	enum cv_status status = cv_tls_server_configure(d->tls, &o, err);
	o.alpn = "pop3";
	if (!status && d->tls_pop3)
		status = cv_tls_server_configure(d->tls_pop3, &o, err);
	imapd_tls_options_free(&o);
	return status;
}

static enum cv_status
check_networks(const struct imapd_config *next, struct cv_err *err)
{
	struct cv_netset *set;
	enum cv_status status =
		cv_netset_parse(cv_str_z(next->common->inside_networks), &set, err);

	if (!status)
		cv_netset_free(set);
	return status;
}

static void
publish(struct imapd *d, struct imapd_config *next)
{
	struct cv_err err = {0};

	if (cv_auth_configure(d->auth, next->common, &err))
		cv_log(0, CV_ERROR, "config.refused", "error=\"%s\"", err.text);
	struct cv_registry_rules rules;
	cv_registry_rules_from(next->common, next->admin, &rules);
	cv_registry_set_rules(d->registry, &rules);
	next->older = atomic_load(&d->config);
	atomic_store(&d->config, next);
	d->reloads++;
	struct cv_net_options limits;
	imapd_config_limits(next, &limits);
	cv_net_limits(d->net, &limits);
	if (d->index)
		imapd_index_allow(d->index, next->imapd->search_index);
	imapd_held_configure(d, next);
	cv_program_log(next->common);
}

static enum cv_status
reload_locked(struct imapd *d, struct cv_live_diff *diff, struct cv_err *err)
{
	struct imapd_config *next;

	if (d->reloads >= CV_LIVE_MAX)
		return cv_fail(err, CV_LIMIT, "%u changes since the start: restart the daemon",
			CV_LIVE_MAX);
	enum cv_status status = imapd_config_load(d->conf_file, &next, err);
	if (status)
		return status;
	compare(d, next, diff);
	status = check_networks(next, err);
	if (!status)
		status = use_certificates(d, next, err);
	if (status || !diff->changed.n) {
		imapd_config_free(next);
		return status;
	}
	publish(d, next);
	return CV_OK;
}

enum cv_status
imapd_reload(struct imapd *d, json_t **reply_out, struct cv_err *err)
{
	struct cv_live_diff diff;

	cv_live_diff_init(&diff);
	pthread_mutex_lock(&d->reload_lock);
	enum cv_status status = reload_locked(d, &diff, err);
	pthread_mutex_unlock(&d->reload_lock);
	if (status) {
		cv_log(0, CV_ERROR, "config.refused", "error=\"%s\"", err->text);
		*reply_out = cv_ctl_not_reloaded(err);
	} else {
		cv_log(0, CV_INFO, "config.reloaded", "changed=\"%.*s\" restart=\"%.*s\"",
			(int)diff.changed.n, diff.changed.n ? diff.changed.p : "",
			(int)diff.fixed.n, diff.fixed.n ? diff.fixed.p : "");
		*reply_out = cv_ctl_reloaded(&diff.changed, &diff.fixed);
	}
	cv_live_diff_done(&diff);
	return status;
}
