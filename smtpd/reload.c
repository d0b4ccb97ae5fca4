/* reload.c - the configuration comes into force, at the start and again while the daemon runs.
 *
 * A reload first makes everything the new configuration asks for (policy, networks, filters, TLS,
 * sockets); only when all of it stands it is published, pointer by pointer. So a fault, wherever it
 * is, leaves the old one in force whole.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/audit/trace.h"
#include "common/base/log.h"
#include "common/config/check.h"
#include "common/options/live.h"
#include "smtpd/access.h"
#include "smtpd/daemon_private.h"
#include "smtpd/defence.h"
#include "smtpd/filters.h"
#include "smtpd/outbound.h"

/* What cannot change while the daemon runs: folders and sockets are open, threads are started. */
static const char *const fixed_options[] = {"congvu.base_dir", "congvu.run_dir", "congvu.mail_dir",
	"congvu.queue_dir", "congvu.stats_dir", "congvu.register_dir", "congvu.keys_dir",
	"congvu.time_zone", "congvu.user", "congvu.log_file", "congvu.dns_*", "congvu.proxy_networks",
	"congvu.oauth_*", "smtpd.workers", "smtpd.metrics_listen", "smtpd.queue_adopt_from", "smtpd.outbound_ca",
	"smtpd.mta_sts_port", "smtpd.tls_report*", NULL};

/* ---- parts of a configuration ---- */

/* Names file and line where the parts below could not. */
static enum cv_status
check_values(const struct cv_conf *conf, struct cv_err *err)
{
	static const char *const mine[] = {"congvu", "smtpd", NULL};

	return cv_config_require(conf, mine, err);
}

static void
config_free(struct smtpd_config *c)
{
	cv_policy_free(c->policy);
	cv_netset_free(c->inside);
	cv_netset_free(c->proxies);
	cv_netset_free(c->priority_from);
	smtpd_filters_free(c->milters);
	smtpd_defence_free(c->defence);
	if (c->conf)
		cv_conf_free(c->conf);
	free(c);
}

void
smtpd_config_free(struct smtpd_daemon *d)
{
	for (struct smtpd_config *c = d->configs, *older; c; c = older) {
		older = c->older;
		config_free(c);
	}
	if (!d->configs && d->conf)
		cv_conf_free(d->conf);
	for (size_t i = 0; i < d->bound_count; i++)
		if (d->bound[i].fd >= 0 && !d->server.net)
			close(d->bound[i].fd);
	free(d->bound);
	free(d->conf_path);
	pthread_mutex_destroy(&d->reload_lock);
}

static enum cv_status
make_policy(struct smtpd_config *c, const struct congvu_options *m, struct cv_err *err)
{
	return cv_policy_load(NULL, m->official_suffixes, &c->policy, err);
}

static enum cv_status
make_networks(struct smtpd_config *c, const struct congvu_options *m,
	const struct smtpd_options *opt, struct cv_err *err)
{
	enum cv_status status = cv_netset_parse(cv_str_z(m->inside_networks), &c->inside, err);

	if (status == CV_OK)
		status = cv_netset_parse(cv_str_z(m->proxy_networks), &c->proxies, err);
	return status == CV_OK
		? cv_netset_parse(cv_str_z(opt->priority_networks), &c->priority_from, err)
		: status;
}

static enum cv_status
make_filters(struct smtpd_daemon *d, struct smtpd_config *c, struct cv_err *err)
{
	return smtpd_filters_load(d->server.net, c->conf, d->spool_dir, c->milters, err);
}

static void
use_filters(struct smtpd_server *s, const struct smtpd_config *c)
{
	for (unsigned i = 0; i < SMTPD_KINDS; i++)
		s->milters[i] = c->milters[i];
}

enum cv_status
smtpd_config_first(struct smtpd_daemon *d, struct cv_err *err)
{
	struct smtpd_config *c = cv_calloc(1, sizeof *c);

	c->conf = d->conf;
	d->configs = c;
	d->config_count = 1;
	enum cv_status status = check_values(c->conf, err);
	if (status == CV_OK)
		status = make_policy(c, d->server.main, err);
	if (status == CV_OK)
		status = make_networks(c, d->server.main, d->server.opt, err);
	if (status == CV_OK)
		status = smtpd_defence_new(d->server.main, d->server.opt, &c->defence, err);
	d->server.policy = c->policy;
	d->server.inside = c->inside;
	d->server.proxies = c->proxies;
	d->server.priority_from = c->priority_from;
	d->server.defence = c->defence;
	return status;
}

enum cv_status
smtpd_config_filters(struct smtpd_daemon *d, struct cv_err *err)
{
	enum cv_status status = make_filters(d, d->configs, err);

	use_filters(&d->server, d->configs);
	return status;
}

/* ---- listeners ---- */

static bool
is_bound(const struct smtpd_daemon *d, size_t row, struct cv_str address)
{
	for (size_t i = 0; i < d->bound_count; i++)
		if (d->bound[i].row == row && cv_str_eq_z(address, d->bound[i].address))
			return true;
	return false;
}

static const char *
list_of(const struct smtpd_options *opt, size_t row)
{
	const char *list;

	memcpy(&list, (const char *)opt + smtpd_listener_rows[row].option, sizeof list);
	return list;
}

static bool
is_listed(const struct smtpd_options *opt, const struct smtpd_bound *b)
{
	struct cv_str rest = cv_str_z(list_of(opt, b->row)), word;

	while (cv_str_split(&rest, ' ', &word))
		if (cv_str_eq_z(word, b->address))
			return true;
	return false;
}

static enum cv_status
bind_one(struct smtpd_daemon *d, size_t row, struct cv_str address, struct cv_err *err)
{
	struct sockaddr_storage addr;
	socklen_t len;
	struct smtpd_bound b = {.row = row};

	if (address.n >= sizeof b.address)
		return cv_fail(err, CV_INVALID, "%.*s is no address", CV_STR_ARGS(address));
	snprintf(b.address, sizeof b.address, "%.*s", CV_STR_ARGS(address));
	enum cv_status status = cv_sockaddr_parse(address, &addr, &len, err);
	if (status == CV_OK)
		status = cv_addr_listen(&addr, len, 0666, &b.fd, err);
	if (status != CV_OK)
		return status;
	d->bound = cv_realloc(d->bound, (d->bound_count + 1) * sizeof *d->bound);
	d->bound[d->bound_count++] = b;
	return CV_OK;
}

static enum cv_status
bind_new(struct smtpd_daemon *d, const struct smtpd_options *opt, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t row = 0; row < SMTPD_LISTENERS; row++) {
		struct cv_str rest = cv_str_z(list_of(opt, row)), word;
		if (smtpd_listener_rows[row].implicit_tls && !d->server.tls)
			continue;
		while (status == CV_OK && cv_str_split(&rest, ' ', &word))
			if (word.n && !is_bound(d, row, word))
				status = bind_one(d, row, word, err);
	}
	return status;
}

enum cv_status
smtpd_listeners_bind(
	struct smtpd_daemon *d, const struct smtpd_options *opt, struct cv_err *err)
{
	size_t before = d->bound_count;
	enum cv_status status = bind_new(d, opt, err);

	if (status != CV_OK) {
		while (d->bound_count > before)
			close(d->bound[--d->bound_count].fd);
		return status;
	}
	for (size_t i = before; status == CV_OK && i < d->bound_count; i++)
		status = smtpd_listener_open(d, d->bound[i].row, d->bound[i].fd, err);
	size_t kept = 0;
	for (size_t i = 0; i < d->bound_count; i++) {
		if (is_listed(opt, &d->bound[i]))
			d->bound[kept++] = d->bound[i];
		else
			cv_net_unlisten(d->server.net, d->bound[i].fd);
	}
	d->bound_count = kept;
	return status;
}

/* ---- reload ---- */

struct reload {
	struct smtpd_daemon *d;
	struct smtpd_config *next;
	const struct congvu_options *main;
	const struct smtpd_options *opt;
	struct cv_live_diff diff;
};

static void
compare(struct reload *r)
{
	static const struct cv_section *const mine[] = {&congvu_section, &smtpd_section};
	const char *fixed[CV_COUNT(fixed_options) + 3];
	size_t n = 0;

	for (; fixed_options[n]; n++)
		fixed[n] = fixed_options[n];
	if (r->d->sockets_inherited)
		fixed[n++] = "smtpd.listen_*";
	if (!r->d->server.tls)
		fixed[n++] = "congvu.tls_*";
	fixed[n] = NULL;
	cv_live_compare(r->d->conf, r->next->conf, mine, CV_COUNT(mine), fixed, &r->diff);
}

/* Certificates are read again even when their names are the same: they may have been renewed. */
static enum cv_status
use_certificates(struct smtpd_daemon *d, const struct cv_conf *conf, struct cv_err *err)
{
	return smtpd_access_reload_tls(&d->server, conf, err);
}

/* Everything that can fail, the parts with a way back last. */
static enum cv_status
prepare(struct reload *r, struct cv_err *err)
{
	struct smtpd_daemon *d = r->d;
	struct cv_err ignored;
	enum cv_status status = make_policy(r->next, r->main, err);

	if (status == CV_OK)
		status = make_networks(r->next, r->main, r->opt, err);
	if (status == CV_OK)
		status = smtpd_defence_new(r->main, r->opt, &r->next->defence, err);
	if (status == CV_OK)
		status = make_filters(d, r->next, err);
	if (status == CV_OK)
		status = smtpd_outbound_configure(d->server.outbound, r->opt, err);
	if (status != CV_OK)
		return status;
	status = use_certificates(d, r->next->conf, err);
	if (status == CV_OK && !d->sockets_inherited) {
		status = smtpd_listeners_bind(d, r->opt, err);
		if (status != CV_OK && use_certificates(d, d->conf, &ignored) != CV_OK)
			cv_log(0, CV_ERROR, "reload.failed", "what=tls error=\"%s\"", ignored.text);
	}
	if (status != CV_OK
		&& smtpd_outbound_configure(d->server.outbound, d->server.opt, &ignored) != CV_OK)
		cv_log(0, CV_ERROR, "reload.failed", "what=outbound error=\"%s\"", ignored.text);
	return status;
}

static void
publish(struct reload *r)
{
	struct smtpd_daemon *d = r->d;
	struct smtpd_server *s = &d->server;
	struct cv_net_options limits;
	unsigned max_outside;

	struct cv_err err = {0};

	/* The networks were read once already, so this cannot fail for them. */
	if (cv_auth_configure(s->auth, r->main, &err))
		cv_log(0, CV_ERROR, "reload.failed", "what=auth error=\"%s\"", err.text);
	s->policy = r->next->policy;
	s->inside = r->next->inside;
	s->priority_from = r->next->priority_from;
	use_filters(s, r->next);
	s->main = r->main;
	s->opt = r->opt;
	s->defence = r->next->defence;
	smtpd_defence_limits(r->next->defence, r->opt, &limits, &max_outside);
	atomic_store(&s->outside.max, max_outside);
	cv_trace_limits(s->trace, (unsigned)r->opt->trace_days, r->opt->trace_max);
	cv_net_limits(s->net, &limits);
	cv_program_log(r->main);
	r->next->older = d->configs;
	d->configs = r->next;
	d->conf = r->next->conf;
	d->config_count++;
	r->next = NULL;
}

static enum cv_status
reload_locked(struct reload *r, struct cv_err *err)
{
	struct smtpd_daemon *d = r->d;

	if (d->config_count >= CV_LIVE_MAX)
		return cv_fail(err, CV_LIMIT, "%u changes since the start: restart the daemon",
			CV_LIVE_MAX);
	enum cv_status status = cv_conf_open(d->conf_path, &r->next->conf, err);
	if (status != CV_OK)
		return status;
	r->main = cv_conf_get(r->next->conf, &congvu_section);
	r->opt = cv_conf_get(r->next->conf, &smtpd_section);
	status = check_values(r->next->conf, err);
	if (status != CV_OK)
		return status;
	compare(r);
	status = prepare(r, err);
	if (status != CV_OK)
		return status;
	cv_register_refresh(d->server.reg);
	if (r->diff.changed.n)
		publish(r);
	smtpd_outbound_kick(d->server.outbound);
	return CV_OK;
}

enum cv_status
smtpd_daemon_reload_now(struct smtpd_daemon *d, json_t **reply_out, struct cv_err *err)
{
	struct reload r = {.d = d, .next = cv_calloc(1, sizeof *r.next)};

	cv_live_diff_init(&r.diff);
	pthread_mutex_lock(&d->reload_lock);
	enum cv_status status = reload_locked(&r, err);
	pthread_mutex_unlock(&d->reload_lock);
	if (status == CV_OK) {
		cv_log(0, CV_INFO, "reloaded", "changed=\"%.*s\" restart=\"%.*s\"",
			(int)r.diff.changed.n, r.diff.changed.n ? r.diff.changed.p : "",
			(int)r.diff.fixed.n, r.diff.fixed.n ? r.diff.fixed.p : "");
		*reply_out = cv_ctl_reloaded(&r.diff.changed, &r.diff.fixed);
	} else {
		cv_log(0, CV_ERROR, "reload.failed", "error=\"%s\"", err->text);
		*reply_out = cv_ctl_not_reloaded(err);
	}
	cv_live_diff_done(&r.diff);
	if (r.next)
		config_free(r.next);
	return status;
}

void
smtpd_daemon_reload(struct smtpd_daemon *d)
{
	struct cv_err err = {0};
	json_t *reply = NULL;

	if (smtpd_daemon_reload_now(d, &reply, &err) != CV_OK && !err.text[0])
		cv_log(0, CV_ERROR, "reload.failed", "error=\"unknown\"");
	json_decref(reply);
}

/* The main thread waits for signals: it is told the same way an operator would. */
enum cv_status
smtpd_daemon_drain_now(struct smtpd_daemon *d, json_t **reply_out, struct cv_err *err)
{
	if (kill(getpid(), SIGTERM))
		return cv_fail(err, CV_TEMPFAIL, "cannot tell the main thread to stop");
	*reply_out = json_pack("{s:I, s:I}", "sessions",
		(json_int_t)cv_net_incoming(d->server.net), "drain_timeout",
		(json_int_t)d->server.opt->drain_timeout);
	return CV_OK;
}
