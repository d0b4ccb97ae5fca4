/* server.c - opens and closes what connections share, and knows who is logged in; see server.h.
 *
 * Order of opening: store, audit, registry, register, log-ins, TLS, network. Closing stops the
 * network first and frees it last, as what finishes late still wakes connections. A failed opening
 * is closed like a whole one.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/arrivals.h"
#include "imapd/server.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/pool.h"
#include "common/config/check.h"
#include "imapd/conn.h"
#include "imapd/listen.h"
#include "imapd/digest.h"
#include "imapd/mail_notice.h"
#include "imapd/notices.h"
#include "imapd/quarantine_page.h"
#include "imapd/token.h"
#include "imapd/teach.h"

#define REVIEW_MS 2000
#define EXPIRE_REVIEWS 5 /* each 10 s */
#define STOP_MS   5000

/* ---- configuration ---- */

enum cv_status
imapd_config_load(const char *file, struct imapd_config **config_out, struct cv_err *err)
{
	static const char *const mine[] = {"congvu", "imapd", NULL};
	struct imapd_config *config = cv_calloc(1, sizeof(*config));

	enum cv_status status = cv_conf_open(file, &config->conf, err);
	if (!status)
		status = cv_config_require(config->conf, mine, err);
	if (!status) {
		config->common = cv_conf_get(config->conf, &congvu_section);
		config->imapd = cv_conf_get(config->conf, &imapd_section);
		config->admin = cv_conf_get(config->conf, &admin_section);
		status = cv_netset_parse(
			cv_str_z(config->imapd->plain_login_networks), &config->plain_from, err);
		if (!status)
			status = cv_netset_parse(
				cv_str_z(config->imapd->id_networks), &config->id_from, err);
		if (!status)
			status = cv_netset_parse(
				cv_str_z(config->common->inside_networks), &config->inside, err);
		if (!status)
			status = cv_netset_parse(
				cv_str_z(config->common->proxy_networks), &config->proxies, err);
		if (!status)
			status = imapd_check_spaces(config->imapd->others_namespace,
				config->imapd->shared_namespace, config->imapd->separator[0], err);
	}
	if (status) {
		imapd_config_free(config);
		return status;
	}
	*config_out = config;
	return CV_OK;
}

void
imapd_config_limits(const struct imapd_config *config, struct cv_net_options *out)
{
	*out = (struct cv_net_options){
		.workers = (unsigned)config->imapd->workers,
		.max_conns = (unsigned)config->imapd->max_conns,
		.max_conns_per_ip = (unsigned)config->imapd->max_conns_per_ip,
		.conns_per_minute = (unsigned)config->imapd->rate_conns,
		.unlimited_from = config->inside,
	};
}

void
imapd_config_free(struct imapd_config *config)
{
	while (config) {
		struct imapd_config *older = config->older;
		cv_netset_free(config->plain_from);
		cv_netset_free(config->id_from);
		cv_netset_free(config->inside);
		cv_netset_free(config->proxies);
		if (config->conf)
			cv_conf_free(config->conf);
		free(config);
		config = older;
	}
}

/* ---- log-ins ---- */

static struct cv_str
key_of(const cv_acct_no *acct)
{
	return cv_str((const char *)acct, sizeof(*acct));
}

struct imapd_user *
imapd_user_find(struct imapd *d, cv_acct_no acct)
{
	return cv_map_get(&d->users, key_of(&acct));
}

enum cv_status
imapd_login_add(struct imapd *d, struct imapd_login *login, struct cv_err *err)
{
	uint64_t max = imapd_config(d)->imapd->max_conns_per_user;
	enum cv_status status = CV_OK;

	pthread_mutex_lock(&d->users_lock);
	struct imapd_user *user = cv_map_get(&d->users, key_of(&login->acct));
	if (!user) {
		user = cv_calloc(1, sizeof(*user));
		user->acct = login->acct;
		cv_list_init(&user->sessions);
		cv_map_put(&d->users, key_of(&login->acct), user);
	}
	if (login->is_pop3 && user->has_pop3) {
		status = cv_fail(err, CV_EXISTS, "a POP3 session has the maildrop");
	} else if (user->count >= max) {
		status = cv_fail(err, CV_LIMIT, "%u sessions already", user->count);
	} else {
		user->count++;
		if (login->is_pop3) {
			user->has_pop3 = true;
			atomic_fetch_add(&d->pop3_sessions, 1);
		}
		cv_list_append(&user->sessions, &login->link);
		atomic_fetch_add(&d->sessions, 1);
	}
	pthread_mutex_unlock(&d->users_lock);
	return status;
}

void
imapd_login_remove(struct imapd *d, struct imapd_login *login)
{
	pthread_mutex_lock(&d->users_lock);
	struct imapd_user *user = cv_map_get(&d->users, key_of(&login->acct));
	assert(user && user->count);
	cv_list_remove(&login->link);
	atomic_fetch_sub(&d->sessions, 1);
	if (login->is_pop3) {
		user->has_pop3 = false;
		atomic_fetch_sub(&d->pop3_sessions, 1);
	}
	if (--user->count == 0) {
		cv_map_del(&d->users, key_of(&login->acct));
		free(user);
	}
	pthread_mutex_unlock(&d->users_lock);
}

/* ---- durable answers ---- */

struct ticket_wait {
	struct cv_waiter waiter;
	struct cv_conn *conn;
};

static void
on_durable(struct cv_waiter *w)
{
	struct ticket_wait *wait = CV_CONTAINER(w, struct ticket_wait, waiter);
	cv_conn_wake(wait->conn);
	cv_conn_unref(wait->conn);
	free(wait);
}

bool
imapd_is_durable(struct imapd *d, struct cv_conn *conn, cv_ticket ticket, bool *is_waiting)
{
	if (!ticket || cv_ticket_is_durable(d->engine, ticket))
		return true;
	if (!*is_waiting) {
		struct ticket_wait *wait = cv_calloc(1, sizeof(*wait));
		wait->waiter.fn = on_durable;
		wait->conn = conn;
		cv_conn_ref(conn);
		*is_waiting = true;
		cv_ticket_wait(d->engine, ticket, &wait->waiter);
	}
	return false;
}

/* ---- accounts that may no longer log in ---- */

static void
end_sessions(struct imapd_user *user)
{
	CV_LIST_EACH (link, next, &user->sessions)
		cv_conn_kill(CV_CONTAINER(link, struct imapd_login, link)->conn);
}

/* Who has a mailbox of somebody else open looks again whether that may be; also in IDLE. */
static void
wake_guests(struct imapd_user *user)
{
	CV_LIST_EACH (link, next, &user->sessions) {
		struct imapd_login *login = CV_CONTAINER(link, struct imapd_login, link);
		if (atomic_load(&login->has_other))
			cv_conn_wake(login->conn);
	}
}

void
imapd_logins_review(struct imapd *d)
{
	const struct cv_snapshot *snapshot = cv_register_get(d->reg);
	size_t pos = 0;
	struct cv_str key;
	void *value;

	pthread_mutex_lock(&d->users_lock);
	if (cv_snapshot_generation(snapshot) != d->seen_generation) {
		d->seen_generation = cv_snapshot_generation(snapshot);
		while (cv_map_each(&d->users, &pos, &key, &value)) {
			struct imapd_user *user = value;
			struct cv_reg_account account;
			if (cv_snapshot_account(snapshot, user->acct, &account) &&
				account.state == CV_STATE_ACTIVE) {
				wake_guests(user);
				continue;
			}
			cv_log(0, CV_INFO, "imap.sessions_ended", "account=%llu sessions=%u",
				(unsigned long long)user->acct, user->count);
			end_sessions(user);
		}
	}
	pthread_mutex_unlock(&d->users_lock);
	cv_snapshot_unref(snapshot);
}

/* On a thread of its own: a change waits for the disk. */
static void
end_what_is_over(void *arg)
{
	struct imapd *d = arg;
	json_t *request = json_pack("{s:s}", "do", "breakglass.expire"), *reply = NULL;
	struct cv_err err = {0};

	if (cv_registry_do(d->registry, "system", request, NULL, NULL, &reply, &err))
		cv_log(0, CV_WARN, "breakglass.expire", "error=\"%s\"", err.text);
	else if (json_integer_value(json_object_get(reply, "ended")) > 0)
		cv_register_refresh(d->reg);
	json_decref(reply);
	json_decref(request);
}

static void
review_again(void *arg)
{
	struct imapd *d = arg;
	imapd_logins_review(d);
	if (++d->reviews % EXPIRE_REVIEWS == 0)
		(void)!cv_pool_run(d->chores, end_what_is_over, d); /* full: the next time */
	cv_net_after(d->net, REVIEW_MS, review_again, d);
}

/* ---- opening ---- */

static enum cv_status
make_dir(const char *path, mode_t mode, struct cv_err *err)
{
	if (mkdir(path, mode) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", path);
	return CV_OK;
}

static enum cv_status
open_store(struct imapd *d, const struct imapd_config *config, struct cv_err *err)
{
	const struct imapd_options *o = config->imapd;
	struct cv_store_options store = {
		.engine = {.dir = config->common->mail_dir,
			   .cache_bytes = o->cache,
			   .with_blobs = true},
		.separator = o->separator[0],
		.restore_secs = o->restore_window,
		.default_quota_bytes = o->quota_default,
		.max_messages = o->quota_messages,
	};

	enum cv_status status = make_dir(config->common->base_dir, 0755, err);
	if (!status)
		status = make_dir(config->common->run_dir, 0755, err);
	if (!status)
		status = cv_store_open(&store, &d->store, err);
	if (status)
		return status;
	imapd_held_configure(d, config);
	d->engine = cv_store_engine(d->store);
	status = cv_audit_open(d->store, &d->audit, err);
	if (status)
		return status;
	struct cv_access_options access = {.store = d->store,
		.audit = d->audit,
		.keep_secs = o->reader_log_keep,
		.max_rows = o->reader_log_max};
	return cv_access_open(&access, &d->access, err);
}

static enum cv_status
open_register(struct imapd *d, const struct imapd_config *config, struct cv_err *err)
{
	struct cv_registry_options o = {
		.store = d->store,
		.audit = d->audit,
		.dir = config->common->register_dir,
		.default_domain = config->common->default_domain,
		.address_template = config->admin->address_template,
		.reserved_local_parts = config->admin->reserved_local_parts,
		.quota_default = config->imapd->quota_default,
		.quota_leader = config->imapd->quota_leader,
		.quota_agency = config->imapd->quota_agency,
	};

	cv_registry_rules_from(config->common, config->admin, &o.rules);
	enum cv_status status = cv_registry_open(&o, &d->registry, err);
	if (!status)
		status = cv_register_open(config->common->register_dir, true, &d->reg, err);
	if (!status)
		status = cv_auth_new(d->reg, &d->auth, err);
	if (!status)
		status = cv_auth_configure(d->auth, config->common, err);
	return status;
}

void
imapd_tls_options(
	const struct imapd_config *config, const char *alpn, struct cv_tls_server_options *out)
{
	const struct congvu_options *m = config->common;

	*out = (struct cv_tls_server_options){
		.cert_files = cv_conf_resolve_list(config->conf, m->tls_cert),
		.key_files = cv_conf_resolve_list(config->conf, m->tls_key),
		.client_ca = m->tls_client_ca[0] ? m->tls_client_ca : NULL,
		.is_modern = true,
		.alpn = alpn,
	};
}

void
imapd_tls_options_free(struct cv_tls_server_options *o)
{
	free((char *)(uintptr_t)o->cert_files);
	free((char *)(uintptr_t)o->key_files);
}

/* Without a certificate the daemon still serves networks that may log in plainly. */
static void
open_tls(struct imapd *d, const struct imapd_config *config)
{
	struct cv_tls_server_options o;
	struct cv_err err = {0};

	imapd_tls_options(config, "imap", &o);
	if (!o.cert_files[0])
		cv_log(0, CV_WARN, "tls.none",
			"reason=\"no tls_cert: no STARTTLS, no imaps, no pop3s\"");
	else if (cv_tls_server_new(&o, &d->tls, &err))
		cv_log(0, CV_WARN, "tls.none", "error=\"%s\"", err.text);
	o.alpn = "pop3";
	if (d->tls && cv_tls_server_new(&o, &d->tls_pop3, &err))
		cv_log(0, CV_WARN, "tls.none", "error=\"%s\"", err.text);
	imapd_tls_options_free(&o);
}

/* Searches go on without what documents say. */
static void
open_texts(struct imapd *d, const struct imapd_config *config)
{
	char dir[PATH_MAX];
	struct cv_err err = {0};

	if (!d->extract)
		return;
	snprintf(dir, sizeof dir, "%s/texts", config->common->index_dir);
	if (mkdir(config->common->index_dir, 0700) && errno != EEXIST)
		cv_log(0, CV_WARN, "attachments.none", "error=\"cannot make %s\"",
			config->common->index_dir);
	else if (imapd_texts_open(dir, d->store, d->engine, d->extract,
			 config->imapd->index_attachments_max, &d->texts, &err))
		cv_log(0, CV_WARN, "attachments.none", "error=\"%s\"", err.text);
}

/* Digests go on without links. */
static void
open_tokens(struct imapd *d, const struct imapd_config *config)
{
	struct cv_err err = {0};
	char dir[1100];

	snprintf(dir, sizeof(dir), "%s/quarantine", config->common->keys_dir);
	if (imapd_tokens_open(dir, cv_wall_secs(), &d->tokens, &err))
		cv_log(0, CV_WARN, "quarantine.no_links", "error=\"%s\"", err.text);
}

/* Searches go on without it. */
static void
open_index(struct imapd *d, const struct imapd_config *config)
{
	struct cv_err err = {0};

	open_texts(d, config);
	if (imapd_index_open(config->common->index_dir, config->common->mail_dir, d->store,
		    config->imapd->search_index_max, d->texts, &d->index, &err)) {
		cv_log(0, CV_WARN, "index.none", "error=\"%s\"", err.text);
		imapd_texts_stop(d->texts); /* whose folder is another's then */
		imapd_texts_close(d->texts);
		d->texts = NULL;
	} else {
		imapd_index_allow(d->index, config->imapd->search_index);
	}
}

enum cv_status
imapd_open(struct imapd_config *config, struct cv_extract *extract, struct imapd **out,
	struct cv_err *err)
{
	struct imapd *d = cv_calloc(1, sizeof(*d));
	struct cv_net_options net;

	imapd_config_limits(config, &net);
	atomic_init(&d->config, config);
	d->extract = extract;
	pthread_mutex_init(&d->users_lock, NULL);
	pthread_mutex_init(&d->reload_lock, NULL);
	cv_map_init(&d->users);
	imapd_grants_init(&d->grants);
	d->started_secs = cv_wall_secs();
	d->columns = imapd_columns_cache_new(config->imapd->search_cache);
	d->sheets = imapd_sheets_new(config->imapd->fetch_cache);
	d->notice_rates = cv_rates_new(IMAPD_NOTICE_RATES);
	enum cv_status status = open_store(d, config, err);
	if (!status)
		status = open_register(d, config, err);
	if (!status)
		status = imapd_notices_start(d, &d->notices, err);
	if (!status)
		status = imapd_teacher_start(d, &d->teacher, err);
	if (!status) {
		imapd_arrivals_start(d);
		status = cv_deliverer_local(d->store, &d->deliverer, err);
	}
	if (!status) {
		open_tokens(d, config);
		open_index(d, config);
		open_tls(d, config);
		status = cv_net_new(&net, &d->net, err);
		if (!status && d->texts)
			imapd_texts_set_net(d->texts, d->net);
	}
	if (!status) {
		cv_auth_set_net(d->auth, d->net);
		status = imapd_listen(d, config, err);
	}
	if (!status)
		status = imapd_pages_open(d, config, &d->pages, err);
	if (!status)
		status = cv_pool_new("chores", 1, 1, &d->chores, err);
	if (!status)
		status = imapd_digest_start(d, &d->digest, err);
	if (status) {
		imapd_close(d);
		return status;
	}
	*out = d;
	return CV_OK;
}

enum cv_status
imapd_start(struct imapd *d, struct cv_err *err)
{
	enum cv_status status = cv_net_start(d->net, err);
	if (!status)
		status = imapd_serve_local(d, err);
	if (!status)
		cv_net_after(d->net, REVIEW_MS, review_again, d);
	return status;
}

void
imapd_close(struct imapd *d)
{
	if (d->net)
		cv_net_stop(d->net, STOP_MS);
	if (d->deliver)
		cv_deliver_server_free(d->deliver);
	if (d->ctl)
		cv_ctl_server_free(d->ctl);
	imapd_pages_stop(d->pages);
	imapd_digest_stop(d->digest);
	if (d->chores)
		cv_pool_free(d->chores);
	imapd_notices_stop(d->notices);
	imapd_teacher_free(d->teacher);
	d->teacher = NULL;
	cv_deliverer_free(d->deliverer);
	if (d->auth)
		cv_auth_free(d->auth);
	if (d->reg)
		cv_register_close(d->reg);
	if (d->registry)
		cv_registry_close(d->registry);
	cv_access_close(d->access);
	if (d->audit)
		cv_audit_close(d->audit);
	imapd_texts_stop(d->texts); /* for which the index's thread may wait */
	imapd_index_stop(d->index);
	if (d->store)
		cv_store_close(d->store);
	imapd_notices_free(d->notices);
	/* Until here a late ticket or password check could still wake a connection. */
	if (d->net)
		cv_net_free(d->net);
	imapd_pages_free(d->pages);
	if (d->tls)
		cv_tls_server_free(d->tls);
	if (d->tls_pop3)
		cv_tls_server_free(d->tls_pop3);
	imapd_index_close(d->index);
	imapd_texts_close(d->texts);
	cv_extract_stop(d->extract);
	imapd_columns_cache_free(d->columns);
	imapd_sheets_free(d->sheets);
	cv_rates_free(d->notice_rates);
	imapd_tokens_close(d->tokens);
	cv_map_done(&d->users);
	imapd_grants_done(&d->grants);
	pthread_mutex_destroy(&d->users_lock);
	pthread_mutex_destroy(&d->reload_lock);
	imapd_config_free(atomic_load(&d->config));
	free(d);
}
