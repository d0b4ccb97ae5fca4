/* daemon.c - see daemon.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/daemon.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/audit/trace.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/daemon.h"
#include "common/register/auth_recent.h"
#include "common/sandbox/sandbox.h"
#include "smtpd/adopt.h"
#include "smtpd/daemon_private.h"
#include "smtpd/lease.h"
#include "smtpd/access.h"
#include "smtpd/defence.h"
#include "smtpd/filters.h"
#include "smtpd/outbound.h"
#include "smtpd/own_mail.h"
#include "smtpd/again.h"
#include "smtpd/alias_use.h"
#include "smtpd/answers.h"
#include "smtpd/room.h"
#include "smtpd/sending.h"
#include "smtpd/session.h"
#include "smtpd/split.h"
#include "smtpd/srs.h"
#include "smtpd/stats.h"

#define STOP_GRACE_MS 5000u
#define DRAIN_LOOK_MS 20

const char *const smtpd_labels[SMTPD_LABELS] = {"mx", "submission", "submissions", "lmtp"};
const struct smtpd_listener_row smtpd_listener_rows[SMTPD_LISTENERS] = {
	{"mx",          offsetof(struct smtpd_options, listen_mx),          SMTPD_MX,         false},
	{"submission",  offsetof(struct smtpd_options, listen_submission),  SMTPD_SUBMISSION, false},
	{"submissions", offsetof(struct smtpd_options, listen_submissions), SMTPD_SUBMISSION, true },
	{"lmtp",        offsetof(struct smtpd_options, listen_lmtp),        SMTPD_LMTP,       false},
};

struct open_call {
	struct smtpd_daemon *d;
	size_t row;
};

enum cv_status
smtpd_listener_open(struct smtpd_daemon *d, size_t row, int fd, struct cv_err *err)
{
	struct smtpd_server *s = &d->server;
	struct cv_listen l = {
		.proto = &smtpd_proto,
		.ctx = &d->listeners[row],
		.tls = smtpd_listener_rows[row].kind == SMTPD_SUBMISSION ? s->tls_staff : s->tls,
		.implicit_tls = smtpd_listener_rows[row].implicit_tls,
		.proxy_from = s->proxies,
		.share = smtpd_listener_rows[row].kind == SMTPD_SUBMISSION ? NULL : &s->outside,
		.refusal = "421 4.3.2 " SMTPD_FULL "\r\n",
		.refusal_peer = "421 4.7.0 " SMTPD_MANY_CONNS "\r\n",
		.label = smtpd_listener_rows[row].label,
	};

	return cv_net_listen(s->net, fd, &l, err);
}

static void
take_inherited(int fd, void *arg)
{
	struct open_call *call = arg;
	struct smtpd_daemon *d = call->d;

	d->sockets_inherited = true;
	if (d->status != CV_OK)
		close(fd);
	else
		d->status = smtpd_listener_open(d, call->row, fd, d->err);
}

static enum cv_status
open_listeners(struct smtpd_daemon *d)
{
	for (size_t i = 0; i < SMTPD_LISTENERS; i++) {
		const struct smtpd_listener_row *row = &smtpd_listener_rows[i];
		struct open_call call = {d, i};

		d->listeners[i] =
			(struct smtpd_listener){&d->server, row->kind, row->implicit_tls, i};
		if (row->implicit_tls && !d->server.tls) {
			cv_log(0, CV_WARN, "listen.skipped", "label=%s why=no-certificate",
				row->label);
			continue;
		}
		cv_daemon_sockets(row->label, take_inherited, &call);
		if (d->status != CV_OK)
			return d->status;
	}
	d->metrics = (struct cv_metrics_source){
		smtpd_stats_collect, smtpd_stats_ready, &d->server};
	d->status = cv_metrics_listen(
		d->server.net, d->server.opt->metrics_listen, &d->metrics, d->err);
	if (d->status != CV_OK)
		return d->status;
	return d->sockets_inherited ? CV_OK : smtpd_listeners_bind(d, d->server.opt, d->err);
}

/* ---- the control socket ---- */

static enum cv_status
answer_status(struct smtpd_server *s, json_t **reply_out)
{
	struct cv_net_stats net;
	struct cv_queue_stats queue;

	cv_net_stats(s->net, &net);
	cv_queue_stats(s->queue, &queue);
	*reply_out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I}", "program",
		"smtpd", "connections", (json_int_t)net.open, "sessions",
		(json_int_t)atomic_load(&s->counters.sessions), "accepted",
		(json_int_t)atomic_load(&s->counters.accepted), "refused",
		(json_int_t)atomic_load(&s->counters.refused), "delivered",
		(json_int_t)atomic_load(&s->counters.delivered), "queued",
		(json_int_t)atomic_load(&s->counters.queued), "store_up",
		cv_deliverer_is_up(s->deliverer) ? 1 : 0, "queue_messages",
		(json_int_t)queue.messages, "queue_recipients", (json_int_t)queue.recipients);
	if (!*reply_out)
		return CV_TEMPFAIL;
	cv_ctl_describe(*reply_out);
	json_object_set_new(
		*reply_out, "trapped", json_integer((json_int_t)atomic_load(&s->counters.trapped)));
	struct cv_buf why = CV_BUF_INIT(16u << 10);
	json_t *list = json_array();
	smtpd_stats_ready(s, &why);
	struct cv_str rest = cv_buf_view(&why), line;
	while (why.n && cv_str_split(&rest, '\n', &line))
		if (line.n)
			json_array_append_new(list, json_stringn(line.p, line.n));
	json_object_set_new(*reply_out, "not_ready", list);
	cv_buf_done(&why);
	return CV_OK;
}

static enum cv_status
answer_unlock(struct smtpd_server *s, const json_t *request, json_t **reply_out)
{
	const char *address = json_string_value(json_object_get(request, "address"));

	*reply_out = json_pack("{s:i}", "unlocked",
		(int)cv_auth_unlock(s->auth, cv_str_z(address ? address : "")));
	return CV_OK;
}

/* "backup.copy" {} -> {"dir"}: a consistent copy of the queue, until "backup.done". */
static enum cv_status
answer_backup(struct smtpd_server *s, bool is_done, json_t **reply_out, struct cv_err *err)
{
	struct cv_engine *e = cv_queue_engine(s->queue);
	char *path = NULL;
	enum cv_status status = is_done ? cv_engine_unstage(e, err)
					: cv_engine_stage(e, &path, err);

	if (!status)
		*reply_out = path ? json_pack("{s:s}", "dir", path) : json_object();
	free(path);
	return status;
}

static enum cv_status
control(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	struct smtpd_daemon *d = call->ctx;
	const char *what = json_string_value(json_object_get(call->request, "do"));

	/* Only root and the daemons' own user may steer mail. */
	if (call->peer_uid != 0 && call->peer_uid != geteuid())
		return cv_fail(err, CV_DENIED, "only root and the service's user may do this");
	if (what && !strcmp(what, "status"))
		return answer_status(&d->server, reply_out);
	if (what && !strcmp(what, "reload"))
		return smtpd_daemon_reload_now(d, reply_out, err);
	if (what && !strcmp(what, "trace.flush")) {
		cv_trace_flush(d->server.trace);
		*reply_out = json_object();
		return CV_OK;
	}
	if (what && !strcmp(what, "queue.adopt"))
		return smtpd_adopt(&d->server, call, reply_out, err);
	if (what && (!strcmp(what, "backup.copy") || !strcmp(what, "backup.done")))
		return answer_backup(&d->server, !strcmp(what, "backup.done"), reply_out, err);
	if (what && !strcmp(what, "drain"))
		return smtpd_daemon_drain_now(d, reply_out, err);
	if (what && !strcmp(what, "register.refresh")) {
		cv_register_refresh(d->server.reg);
		*reply_out = json_object();
		return CV_OK;
	}
	if (what && !strcmp(what, "mail.submit"))
		return smtpd_own_mail_do(&d->server, call->request, reply_out, err);
	if (what && !strcmp(what, "auth.unlock"))
		return answer_unlock(&d->server, call->request, reply_out);
	if (what && !strcmp(what, "auth.recent"))
		return cv_auth_recent_do(d->server.auth, call->request, reply_out, err);
	if (what && cv_str_has_prefix(cv_str_z(what), "sending."))
		return smtpd_sending_do(&d->server, call->request, reply_out, err);
	return smtpd_outbound_do(d->server.outbound, call, reply_out, err);
}

static void
take_ctl_socket(int fd, void *arg)
{
	struct smtpd_daemon *d = arg;

	if (d->ctl || d->status != CV_OK)
		close(fd);
	else
		d->status = cv_ctl_serve(fd, control, d, &d->ctl, d->err);
}

static enum cv_status
open_control(struct smtpd_daemon *d)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char text[1110];
	int fd;

	if (cv_daemon_sockets("smtpd-ctl", take_ctl_socket, d))
		return d->status;
	snprintf(text, sizeof text, "unix:%s", d->ctl_path);
	enum cv_status status = cv_sockaddr_parse(cv_str_z(text), &addr, &len, d->err);
	if (status == CV_OK)
		status = cv_addr_listen(&addr, len, 0600, &fd, d->err);
	if (status == CV_OK)
		take_ctl_socket(fd, d);
	return status == CV_OK ? d->status : status;
}

/* ---- parts, in the order in which they need one another ---- */

static enum cv_status
start_base(struct smtpd_daemon *d, const char *conf)
{
	struct smtpd_server *s = &d->server;
	char secret[1100];

	d->conf_path = cv_strdup(cv_conf_path(conf));
	pthread_mutex_init(&d->reload_lock, NULL);
	enum cv_status status = cv_conf_open(d->conf_path, &d->conf, d->err);

	if (status != CV_OK)
		return status;
	s->main = cv_conf_get(d->conf, &congvu_section);
	s->opt = cv_conf_get(d->conf, &smtpd_section);
	cv_program_start("smtpd", s->main);
	snprintf(d->spool_dir, sizeof d->spool_dir, "%s/tmp", s->main->queue_dir);
	snprintf(d->deliver_path, sizeof d->deliver_path, "%s/deliver.sock", s->main->run_dir);
	snprintf(d->ctl_path, sizeof d->ctl_path, "%s/smtpd.ctl", s->main->run_dir);
	s->spool_dir = d->spool_dir;
	snprintf(secret, sizeof secret, "%s/srs.secret", s->main->keys_dir);
	s->srs = smtpd_srs_new(secret, (unsigned)(s->opt->srs_validity / 86400));
	if (!access(s->main->keys_dir, W_OK))
		smtpd_srs_prepare(s->srs);
	cv_auth_prepare(s->main->register_dir);
	return cv_sandbox_start(CV_SANDBOX_SMTPD, d->conf, d->conf_path, NULL, d->err);
}

static enum cv_status
start_register(struct smtpd_daemon *d)
{
	struct smtpd_server *s = &d->server;
	enum cv_status status = cv_register_open(s->main->register_dir, true, &s->reg, d->err);

	if (status == CV_OK)
		status = cv_auth_new(s->reg, &s->auth, d->err);
	return status == CV_OK ? smtpd_config_first(d, d->err) : status;
}

/* Who finds that another has taken the queue over must not touch it any more. */
static void
renew_lease(void *arg)
{
	struct smtpd_daemon *d = arg;
	struct smtpd_server *s = &d->server;
	unsigned secs = (unsigned)s->opt->queue_lease;
	struct cv_err err = {0};
	enum cv_status status =
		smtpd_lease_take(s->main->queue_dir, d->holder, secs, &err);

	if (status == CV_DENIED)
		cv_die("the queue was adopted: %s", err.text);
	if (status != CV_OK)
		cv_log(0, CV_ERROR, "queue.lease", "error=\"%s\"", err.text);
	if (!atomic_load(&d->stopping))
		cv_net_after(s->net, secs * 1000 / 3, renew_lease, d);
}

static enum cv_status
start_store(struct smtpd_daemon *d)
{
	struct smtpd_server *s = &d->server;
	snprintf(d->holder, sizeof d->holder, "%s", s->main->hostname);
	if (mkdir(s->main->queue_dir, 0700) && errno != EEXIST)
		return cv_fail_errno(
			d->err, CV_TEMPFAIL, errno, "cannot make %s", s->main->queue_dir);
	enum cv_status status = smtpd_lease_take(
		s->main->queue_dir, d->holder, (unsigned)s->opt->queue_lease, d->err);
	d->has_lease = status == CV_OK;
	if (status == CV_OK)
		status = cv_queue_open(s->main->queue_dir, &s->queue, d->err);
	if (status != CV_OK)
		return status;
	if (mkdir(d->spool_dir, 0700) && errno != EEXIST)
		return cv_fail_errno(d->err, CV_TEMPFAIL, errno, "cannot make %s", d->spool_dir);
	s->room = smtpd_room_new();
	s->split = smtpd_split_new(s);
	s->again = smtpd_again_new();
	char trace_dir[1100];
	snprintf(trace_dir, sizeof trace_dir, "%s/trace", s->main->queue_dir);
	status = cv_trace_open(trace_dir, (unsigned)s->opt->trace_days, s->opt->trace_max,
		&s->trace, d->err);
	if (status != CV_OK)
		return status;
	char key_file[1100];
	snprintf(key_file, sizeof key_file, "%s/sending.key", s->main->queue_dir);
	struct smtpd_sending_options sending = {.engine = cv_queue_engine(s->queue),
		.opt = &s->opt, .key_file = key_file};
	status = smtpd_sending_open(&sending, &s->sending, d->err);
	if (status != CV_OK)
		return status;
	return cv_deliverer_client(d->deliver_path, &s->deliverer, d->err);
}

static enum cv_status
start_tls(struct smtpd_daemon *d)
{
	enum cv_status status = cv_auth_configure(d->server.auth, d->server.main, d->err);

	return status == CV_OK ? smtpd_access_open_tls(&d->server, d->conf, d->err) : status;
}

/* A session may need a descriptor for its message and one for each filter besides its own. */
static void
raise_descriptors(const struct smtpd_options *opt)
{
	struct rlimit limit;
	rlim_t each = 2 + smtpd_filters_most(opt);
	rlim_t want = (rlim_t)opt->max_conns * each + 2 * (rlim_t)opt->outbound_concurrency + 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = CV_MIN(want, limit.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < want)
		cv_log(0, CV_WARN, "net.descriptors", "wanted=%llu allowed=%llu",
			(unsigned long long)want, (unsigned long long)limit.rlim_cur);
}

static enum cv_status
start_net(struct smtpd_daemon *d)
{
	struct smtpd_server *s = &d->server;
	struct cv_net_options o;
	unsigned max_outside;
	struct cv_resolver_options r = {
		.zone_file = s->main->dns_zone_file[0] ? s->main->dns_zone_file : NULL,
		.forwarders = s->main->dns_forwarders[0] ? s->main->dns_forwarders : NULL,
		.trust_anchor = s->main->dns_trust_anchor[0] ? s->main->dns_trust_anchor : NULL,
	};
	raise_descriptors(s->opt);
	smtpd_defence_tables_new(s);
	smtpd_defence_limits(s->defence, s->opt, &o, &max_outside);
	atomic_store(&s->outside.max, max_outside);
	enum cv_status status = cv_net_new(&o, &s->net, d->err);
	if (status == CV_OK)
		cv_auth_set_net(s->auth, s->net);
	if (status == CV_OK)
		status = cv_resolver_new(&r, &s->resolver, d->err);
	if (status == CV_OK)
		status = smtpd_config_filters(d, d->err);
	if (status == CV_OK)
		status = smtpd_outbound_start(s, &s->outbound, d->err);
	if (status == CV_OK)
		status = smtpd_sending_start(s->sending, s, d->err);
	if (status == CV_OK)
		status = smtpd_alias_use_start(s->main->run_dir, &s->aliases, d->err);
	if (status == CV_OK)
		status = smtpd_answers_new(s, &s->answers, d->err);
	return status;
}

enum cv_status
smtpd_daemon_start(const char *conf, struct smtpd_daemon **out, struct cv_err *err)
{
	static enum cv_status (*const parts[])(struct smtpd_daemon *) = {
		start_register, start_store, start_tls, start_net, open_control, open_listeners};
	struct smtpd_daemon *d = cv_calloc(1, sizeof *d);

	d->err = err;
	enum cv_status status = start_base(d, conf);
	for (size_t i = 0; status == CV_OK && i < CV_COUNT(parts); i++)
		status = parts[i](d);
	if (status == CV_OK)
		status = cv_net_start(d->server.net, err);
	if (status == CV_OK)
		renew_lease(d);
	if (status != CV_OK) {
		smtpd_daemon_stop(d);
		return status;
	}
	d->err = NULL;
	cv_log(0, CV_INFO, "started", "version=%s sandbox=%s hostname=%s", CV_VERSION,
		cv_sandbox_state(),
		d->server.main->hostname);
	*out = d;
	return CV_OK;
}

void
smtpd_daemon_drain(struct smtpd_daemon *d)
{
	struct smtpd_server *s = &d->server;
	int64_t began = cv_mono_ms(), until = began + (int64_t)s->opt->drain_timeout * 1000;
	unsigned left = cv_net_incoming(s->net), first = left;

	atomic_store(&s->draining, true);
	cv_net_drain(s->net);
	while ((left = cv_net_incoming(s->net)) && cv_mono_ms() < until)
		usleep(DRAIN_LOOK_MS * 1000);
	cv_log(0, CV_INFO, "drained", "sessions=%u left=%u ms=%lld", first, left,
		(long long)(cv_mono_ms() - began));
}

void
smtpd_daemon_stop(struct smtpd_daemon *d)
{
	struct smtpd_server *s = &d->server;

	cv_log(0, CV_INFO, "stopping", "program=smtpd");
	atomic_store(&d->stopping, true);
	if (d->ctl)
		cv_ctl_server_free(d->ctl);
	if (s->sending)
		smtpd_sending_stop(s->sending);
	smtpd_answers_stop(s->answers);
	if (s->outbound)
		smtpd_outbound_stop(s->outbound, STOP_GRACE_MS);
	if (s->net)
		cv_net_stop(s->net, STOP_GRACE_MS);
	smtpd_answers_free(s->answers);
	/* Ends the deliveries under way, so that nothing holds a connection any more. */
	if (s->deliverer)
		cv_deliverer_free(s->deliverer);
	if (s->auth)
		cv_auth_free(s->auth);
	if (s->resolver)
		cv_resolver_free(s->resolver);
	smtpd_alias_use_stop(s->aliases);
	smtpd_split_free(s->split);
	if (s->outbound)
		smtpd_outbound_free(s->outbound);
	cv_trace_close(s->trace);
	smtpd_sending_close(s->sending);
	if (s->queue)
		cv_queue_close(s->queue);
	if (d->has_lease)
		smtpd_lease_drop(s->main->queue_dir, d->holder);
	if (s->net)
		cv_net_free(s->net);
	smtpd_room_free(s->room);
	smtpd_again_free(s->again);
	smtpd_defence_tables_free(s);
	smtpd_srs_free(s->srs);
	if (s->tls)
		cv_tls_server_free(s->tls);
	cv_tls_server_free(s->tls_staff);
	if (s->reg)
		cv_register_close(s->reg);
	smtpd_config_free(d);
	free(d);
}
