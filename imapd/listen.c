/* listen.c - see listen.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/listen.h"

#include <unistd.h>

#include "common/base/log.h"
#include "common/net/daemon.h"
#include "imapd/conn.h"
#include "imapd/pop3.h"

#define REFUSAL      "* BYE [LIMIT] Too many connections, try again later\r\n"
#define REFUSAL_POP3 "-ERR [SYS/TEMP] Too many connections, try again later\r\n"

/* Filled in once from the options; the network keeps pointers to them. */
static struct cv_proto imap_proto, pop3_proto;

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

	if (!o->status && !(o->listen.implicit_tls && !o->listen.tls))
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
	const struct imapd_options *m = config->imapd;
	const struct {
		const char *label, *addresses, *refusal;
		const struct cv_proto *proto;
		struct cv_tls_server *tls;
		bool implicit_tls;
	} rows[] = {
		{"imap", m->listen_imap, REFUSAL, &imap_proto, d->tls, false},
		{"imaps", m->listen_imaps, REFUSAL, &imap_proto, d->tls, true},
		{"pop3", m->listen_pop3, REFUSAL_POP3, &pop3_proto, d->tls_pop3, false},
		{"pop3s", m->listen_pop3s, REFUSAL_POP3, &pop3_proto, d->tls_pop3, true},
	};

	imap_proto = imapd_proto_model;
	imap_proto.idle_secs = m->idle_timeout;
	pop3_proto = imapd_pop3_proto_model;
	pop3_proto.idle_secs = m->pop3_idle_timeout;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct opening o = {.d = d, .err = err};
		o.listen = (struct cv_listen){.proto = rows[i].proto,
			.ctx = d,
			.tls = rows[i].tls,
			.implicit_tls = rows[i].implicit_tls,
			.proxy_from = config->proxies,
			.label = rows[i].label,
			.refusal = rows[i].refusal};
		/* Without a certificate there is nothing to bind for. */
		bool is_served = rows[i].tls || !rows[i].implicit_tls;
		enum cv_status status = open_listeners(&o, is_served ? rows[i].addresses : "");
		if (status)
			return status;
	}
	d->metrics = (struct cv_metrics_source){imapd_metrics_collect, imapd_metrics_ready, d};
	return cv_metrics_listen(d->net, m->metrics_listen, &d->metrics, err);
}

static void
keep_fd(int fd, void *arg)
{
	*(int *)arg = fd;
}

/* The Unix socket LABEL, inherited or bound to run_dir/NAME. */
static enum cv_status
local_socket(struct imapd *d, const char *label, const char *name, unsigned mode, int *fd_out,
	struct cv_err *err)
{
	char path[1200];

	if (cv_daemon_sockets(label, keep_fd, fd_out))
		return CV_OK;
	snprintf(path, sizeof(path), "unix:%s/%s", imapd_config(d)->common->run_dir, name);
	return bind_one(cv_str_z(path), mode, fd_out, err);
}

enum cv_status
imapd_serve_local(struct imapd *d, struct cv_err *err)
{
	int fd;

	enum cv_status status = local_socket(d, "deliver", "deliver.sock", 0600, &fd, err);
	if (!status)
		status = cv_deliver_serve(fd, d->store, &d->deliver, err);
	if (!status)
		/* Open to all users of the machine: control.c decides who may do what. */
		status = local_socket(d, "ctl", "imapd.ctl", 0666, &fd, err);
	if (!status)
		status = cv_ctl_serve(fd, imapd_control, d, &d->ctl, err);
	return status;
}
