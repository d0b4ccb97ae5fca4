/* access.c - see access.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/access.h"

#include "common/base/log.h"

/* ---- TLS ---- */

/* No other protocol has business at these ports: a peer that offers only others is refused. */
#define ALPN "smtp"

static void
options_of(const struct cv_conf *conf, struct cv_tls_server_options *mx,
           struct cv_tls_server_options *staff)
{
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);

	*mx = (struct cv_tls_server_options){
		.cert_files = cv_conf_resolve_list(conf, m->tls_cert),
		.key_files = cv_conf_resolve_list(conf, m->tls_key),
		.alpn = ALPN,
	};
	*staff = *mx;
	staff->is_modern = true;
	staff->client_ca = m->tls_client_ca[0] ? m->tls_client_ca : NULL;
}

static void
free_options(struct cv_tls_server_options *o)
{
	free((char *)(uintptr_t)o->cert_files);
	free((char *)(uintptr_t)o->key_files);
}

enum cv_status
smtpd_access_open_tls(struct smtpd_server *server, const struct cv_conf *conf, struct cv_err *err)
{
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);
	struct cv_tls_server_options mx, staff;

	if (!m->tls_cert[0]) {
		cv_log(0, CV_WARN, "tls.none", "why=tls_cert-is-empty");
		return CV_OK;
	}
	options_of(conf, &mx, &staff);
	enum cv_status status = cv_tls_server_new(&mx, &server->tls, err);
	if (status == CV_OK)
		status = cv_tls_server_new(&staff, &server->tls_staff, err);
	free_options(&mx);
	return status;
}

enum cv_status
smtpd_access_reload_tls(struct smtpd_server *server, const struct cv_conf *conf, struct cv_err *err)
{
	struct cv_tls_server_options mx, staff;
	struct cv_tls_server *probe = NULL;

	if (!server->tls)
		return CV_OK;
	options_of(conf, &mx, &staff);
	/* Staff's first, which asks for more: when it can be made, so can the other. */
	enum cv_status status = cv_tls_server_new(&mx, &probe, err);
	if (status == CV_OK)
		status = cv_tls_server_configure(server->tls_staff, &staff, err);
	if (status == CV_OK)
		status = cv_tls_server_configure(server->tls, &mx, err);
	cv_tls_server_free(probe);
	free_options(&mx);
	return status;
}

/* ---- log-ins ---- */

static enum cv_status
channel_binding(void *arg, const char *type, struct cv_buf *out)
{
	return cv_conn_channel_binding(arg, type, out);
}

static bool
client_cert(void *arg, struct cv_tls_cert *out)
{
	return cv_conn_client_cert(arg, out);
}

static void
wake(void *arg)
{
	cv_conn_wake(arg);
}

void
smtpd_access_env(struct smtpd_session *s, struct cv_sasl_env *out)
{
	*out = (struct cv_sasl_env){
		.auth = s->server->auth,
		.peer = cv_conn_peer(s->conn),
		.channel_binding = channel_binding,
		/* Behind XCLIENT it is the front end's, not the client's. */
		.client_cert = s->guard.repeated ? NULL : client_cert,
		.use = CV_AUTH_SEND,
		.wake = wake,
		.arg = s->conn,
	};
}

void
smtpd_access_offer(struct smtpd_session *s, struct cv_buf *out)
{
	struct cv_sasl_env env;

	smtpd_access_env(s, &env);
	cv_buf_z(out, "AUTH");
	cv_sasl_mechanisms(&env, " ", out);
}
