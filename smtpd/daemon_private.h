/* daemon_private.h - what daemon.c and reload.c share: the daemon, its listeners, its options.
 *
 * What a reload replaces is kept in lists until the daemon ends: see common/options/live.h.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_DAEMON_PRIVATE_H
#define SMTPD_DAEMON_PRIVATE_H

#include <pthread.h>

#include "common/net/ctl.h"
#include "common/net/metrics.h"
#include "smtpd/daemon.h"
#include "smtpd/server.h"

#define SMTPD_LISTENERS SMTPD_LABELS

/* label in CONGVU_SOCKETS, option, kind, TLS from the first octet */
struct smtpd_listener_row {
	const char *label;
	size_t option;
	enum smtpd_kind kind;
	bool implicit_tls;
};
extern const struct smtpd_listener_row smtpd_listener_rows[SMTPD_LISTENERS];

/* A socket that the daemon bound itself. */
struct smtpd_bound {
	size_t row;
	char address[96]; /* as the option says it */
	int fd;
};

/* One configuration and what was made of it. */
struct smtpd_config {
	struct cv_conf *conf;
	struct cv_policy *policy;       /* NULL: the one before serves on; so with the next three */
	struct cv_netset *inside, *proxies, *priority_from;
	struct smtpd_milters *milters[SMTPD_KINDS]; /* by kind of listener */
	struct smtpd_defence *defence;
	struct smtpd_config *older;
};

struct smtpd_daemon {
	char *conf_path;
	struct cv_conf *conf;           /* the newest; owned by `configs` once that is set */
	struct smtpd_config *configs;   /* newest first */
	unsigned config_count;
	pthread_mutex_t reload_lock;    /* one reload at a time */
	struct smtpd_server server;
	struct smtpd_listener listeners[SMTPD_LISTENERS];
	struct smtpd_bound *bound;
	size_t bound_count;
	char holder[256];               /* our name as the holder of the queue's folder */
	bool has_lease;
	atomic_bool stopping;
	bool sockets_inherited;         /* the supervisor bound them */
	struct cv_ctl_server *ctl;
	struct cv_metrics_source metrics;
	char spool_dir[1024], deliver_path[1100], ctl_path[1100];
	struct cv_err *err;
	enum cv_status status;
};

/* daemon.c: serves FD, which it takes over, as listener number ROW. */
CV_MUST_CHECK enum cv_status smtpd_listener_open(struct smtpd_daemon *d, size_t row, int fd,
                                                 struct cv_err *err);

/* ---- reload.c ---- */
/* Makes policy and networks of d->conf, before anything else wants them. */
CV_MUST_CHECK enum cv_status smtpd_config_first(struct smtpd_daemon *d, struct cv_err *err);
/* Makes the filters, once there is a net. */
CV_MUST_CHECK enum cv_status smtpd_config_filters(struct smtpd_daemon *d, struct cv_err *err);
void smtpd_config_free(struct smtpd_daemon *d);
/* Binds what OPT lists and is not bound yet, and closes what it lists no more. On failure
 * everything is as it was. */
CV_MUST_CHECK enum cv_status smtpd_listeners_bind(struct smtpd_daemon *d,
                                                  const struct smtpd_options *opt,
                                                  struct cv_err *err);
/* The requests "reload" and "drain" of the control socket. */
CV_MUST_CHECK enum cv_status smtpd_daemon_reload_now(struct smtpd_daemon *d, json_t **reply_out,
                                                     struct cv_err *err);
CV_MUST_CHECK enum cv_status smtpd_daemon_drain_now(struct smtpd_daemon *d, json_t **reply_out,
                                                    struct cv_err *err);

#endif
