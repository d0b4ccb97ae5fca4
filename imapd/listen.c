/* listen.c - see listen.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/listen.h"

#include <unistd.h>

#include "common/base/log.h"
#include "common/net/daemon.h"
#include "imapd/conn.h"

#define REFUSAL "* BYE [LIMIT] Too many connections, try again later\r\n"

/* Filled in once from the options; the network keeps pointers to them. */
static struct cv_proto proto;

struct opening {
	struct imapd *d;
	struct cv_listen listen;
	enum cv_status status;
	struct cv_err *err;
};

static void
listen_on(int fd, void *arg)
{
	struct opening *o = arg;

	if (!o->status && !(o->listen.implicit_tls && !o->d->tls))
		o->status = cv_net_listen(o->d->net, fd, &o->listen, o->err);
	else
		close(fd);
}

static enum cv_status
bind_one(struct cv_str address, unsigned mode, int *fd_out, struct cv_err *err)
{
	struct sockaddr_storage addr;
	socklen_t len;

	enum cv_status status = cv_sockaddr_parse(address, &addr, &len, err);
	return status ? status : cv_addr_listen(&addr, len, mode, fd_out, err);
}

/* Sockets labelled so, inherited or bound to each of ADDRESSES. */
static enum cv_status
open_listeners(struct opening *o, const char *addresses)
{
	struct cv_str rest = cv_str_z(addresses), word;

	if (cv_daemon_sockets(o->listen.label, listen_on, o) || o->status)
		return o->status;
	if (getenv("CONGVU_SOCKETS"))
		return CV_OK; /* the supervisor decides what is served */
	while (rest.n && cv_str_split(&rest, ' ', &word)) {
		int fd;
		if (!word.n)
			continue;
		enum cv_status status = bind_one(word, 0, &fd, o->err);
		if (status)
			return status;
		listen_on(fd, o);
		if (o->status)
			return o->status;
	}
	return CV_OK;
}

enum cv_status
imapd_listen(struct imapd *d, const struct imapd_config *config, struct cv_err *err)
{
	struct opening o = {.d = d, .err = err};

	proto = imapd_proto_model;
	proto.idle_secs = config->imapd->idle_timeout;
	o.listen = (struct cv_listen){
		.proto = &proto,
		.ctx = d,
		.tls = d->tls,
		.proxy_from = config->proxies,
		.label = "imap",
		.refusal = REFUSAL};
	enum cv_status status = open_listeners(&o, config->imapd->listen_imap);
	if (status)
		return status;
	o.listen.label = "imaps";
	o.listen.implicit_tls = true;
	status = open_listeners(&o, d->tls ? config->imapd->listen_imaps : "");
	if (status)
		return status;
	d->metrics = (struct cv_metrics_source){imapd_metrics_collect, imapd_metrics_ready, d};
	return cv_metrics_listen(d->net, config->imapd->metrics_listen, &d->metrics, err);
}

static void
keep_fd(int fd, void *arg)
{
	*(int *)arg = fd;
}

/* The Unix socket LABEL, inherited or bound to run_dir/NAME. */
static enum cv_status
local_socket(struct imapd *d, const char *label, const char *name, int *fd_out, struct cv_err *err)
{
	char path[1200];

	if (cv_daemon_sockets(label, keep_fd, fd_out))
		return CV_OK;
	snprintf(path, sizeof(path), "unix:%s/%s", imapd_config(d)->common->run_dir, name);
	return bind_one(cv_str_z(path), 0600, fd_out, err);
}

enum cv_status
imapd_serve_local(struct imapd *d, struct cv_err *err)
{
	int fd;

	enum cv_status status = local_socket(d, "deliver", "deliver.sock", &fd, err);
	if (!status)
		status = cv_deliver_serve(fd, d->store, &d->deliver, err);
	if (!status)
		status = local_socket(d, "ctl", "imapd.ctl", &fd, err);
	if (!status)
		status = cv_ctl_serve(fd, imapd_control, d, &d->ctl, err);
	return status;
}
