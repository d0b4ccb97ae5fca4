/* server.h - what all connections of the daemon share: store, register, options, who is logged in.
 *
 * Threads: everything here from any thread, but for open and close.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SERVER_H
#define IMAPD_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/audit/audit.h"
#include "common/base/map.h"
#include "common/net/addr.h"
#include "common/net/ctl.h"
#include "common/net/metrics.h"
#include "common/net/net.h"
#include "common/net/rates.h"
#include "common/net/tls.h"
#include "common/options/sections.h"
#include "common/register/auth.h"
#include "common/register/registry.h"
#include "common/store/deliver.h"
#include "common/store/mailbox.h"
#include "imapd/columns.h"
#include "imapd/grants.h"
#include "imapd/index.h"
#include "imapd/sheets.h"
#include "imapd/texts.h"

/* The options of one reading of the configuration; kept until the daemon ends. */
struct imapd_config {
	struct cv_conf *conf;
	const struct congvu_options *common;
	const struct imapd_options *imapd;
	const struct admin_options *admin;
	struct cv_netset *plain_from; /* who may log in without TLS */
	struct cv_netset *id_from;    /* front ends that say by ID for whom they speak */
	struct cv_netset *inside, *proxies; /* read when the daemon starts */
	struct imapd_config *older;
};

struct imapd {
	_Atomic(struct imapd_config *) config;
	const char *conf_file;       /* as given to main(), or NULL */
	pthread_mutex_t reload_lock; /* one reload at a time */
	unsigned reloads;            /* that changed something */
	struct cv_store *store;
	struct cv_engine *engine;
	struct cv_audit *audit;
	struct cv_access *access;
	struct cv_registry *registry;
	struct cv_register *reg;
	struct cv_auth *auth;
	struct cv_tls_server *tls; /* NULL: no certificate, no TLS */
	struct cv_tls_server *tls_pop3; /* the same for peers that name this protocol */
	struct cv_net *net;
	struct imapd_columns_cache *columns;
	struct imapd_sheets *sheets;
	struct imapd_notices *notices;
	struct imapd_teacher *teacher;
	struct cv_deliverer *deliverer; /* of our own letters */
	struct cv_store_watch watch;    /* arrivals.h */
	struct cv_rates *notice_rates;
	struct imapd_tokens *tokens;   /* NULL: no place for their keys, so no links */
	struct imapd_digest *digest;
	struct cv_pool *chores;        /* what ends by itself */
	unsigned reviews;              /* of imapd_logins_review(), by its timer */
	struct imapd_pages *pages;     /* NULL: not served */
	struct imapd_index *index; /* NULL: it cannot be opened */
	struct imapd_texts *texts; /* of documents; NULL: they are not searched */
	struct cv_extract *extract; /* the program that reads them, or NULL */
	struct imapd_grants_cache grants;
	struct cv_ctl_server *ctl;
	struct cv_metrics_source metrics;
	struct cv_deliver_server *deliver;
	int64_t started_secs;
	pthread_mutex_t users_lock; /* guards users and the lists of their sessions */
	struct cv_map users;        /* account number -> struct user */
	uint64_t seen_generation;   /* of the register, at the last look for suspended accounts */
	atomic_uint sessions;       /* logged in */
	atomic_uint_fast64_t logins, failed_logins, commands;
	atomic_uint pop3_sessions;
	atomic_uint_fast64_t pop3_logins, pop3_retrieved, pop3_deleted;
};

/* Reads FILE into *config_out. */
CV_MUST_CHECK enum cv_status imapd_config_load(
	const char *file, struct imapd_config **config_out, struct cv_err *err);
/* What of it is the net's. */
void imapd_config_limits(const struct imapd_config *config, struct cv_net_options *out);
void imapd_config_free(struct imapd_config *config); /* older ones too */
/* What CONFIG says of TLS, for the protocol ALPN; the lists are the caller's until
 * imapd_tls_options_free(). */
void imapd_tls_options(const struct imapd_config *config, const char *alpn,
	struct cv_tls_server_options *out);
void imapd_tls_options_free(struct cv_tls_server_options *o);

/* Opens store, audit, register and sockets below CONFIG's folders, and takes CONFIG over. EXTRACT,
 * which is taken over too, reads documents; NULL: nobody does. */
CV_MUST_CHECK enum cv_status imapd_open(struct imapd_config *config, struct cv_extract *extract,
	struct imapd **out, struct cv_err *err);
/* Accepts mail clients, control requests and deliveries from now on. */
CV_MUST_CHECK enum cv_status imapd_start(struct imapd *d, struct cv_err *err);
/* reload.c: reads configuration, certificates and register again. A fault leaves everything as it
 * was. *REPLY_OUT says what changed and what waits for a restart; both outcomes are logged. */
CV_MUST_CHECK enum cv_status imapd_reload(
	struct imapd *d, json_t **reply_out, struct cv_err *err);
/* Says goodbye to all, makes everything durable, frees. */
void imapd_close(struct imapd *d);

static inline const struct imapd_config *
imapd_config(struct imapd *d)
{
	return atomic_load_explicit(&d->config, memory_order_acquire);
}

/* One logged-in connection in the list of its account. What stands here does not change while it is
 * in the list, so that others may read it under users_lock. */
struct imapd_login {
	struct cv_conn *conn;
	cv_acct_no acct;
	bool is_pop3;
	struct cv_link link;
	const char *address;  /* the connection's */
	const char *protocol; /* "imap", "pop3" */
	bool is_secure;
	int64_t since_secs;
	atomic_bool has_other; /* has selected a mailbox of somebody else */
	_Atomic uint64_t commands;
	_Atomic int64_t last_secs; /* of the last command */
	atomic_bool wants_metadata, has_metadata_news;
	struct imapd_metadata_change *metadata_news; /* metadata.h; under users_lock */
};
/* CV_LIMIT when ACCT has as many sessions as it may; CV_EXISTS when LOGIN is a POP3 session and
 * ACCT has one (RFC 1939 4). */
CV_MUST_CHECK enum cv_status imapd_login_add(
	struct imapd *d, struct imapd_login *login, struct cv_err *err);
void imapd_login_remove(struct imapd *d, struct imapd_login *login);
/* Ends the sessions of accounts that may no longer log in. */
void imapd_logins_review(struct imapd *d);
/* "session.list" {account}, "session.kill" {account | id}: sessions.c. */
CV_MUST_CHECK enum cv_status imapd_sessions_do(
	struct imapd *d, const json_t *request, json_t **reply_out, struct cv_err *err);
struct imapd_metadata_change;
/* One account's sessions, under users_lock. */
struct imapd_user {
	cv_acct_no acct;
	unsigned count;
	bool has_pop3;           /* one of them is a POP3 session */
	struct cv_link sessions; /* of struct imapd_login */
};

/* The sessions of ACCT, or NULL; users_lock is held. */
struct imapd_user *imapd_user_find(struct imapd *d, cv_acct_no acct);

/* Whether TICKET is on disk; else CONN will be woken, once, and *is_waiting says that this is under
 * way. */
bool imapd_is_durable(struct imapd *d, struct cv_conn *conn, cv_ticket ticket, bool *is_waiting);

/* metrics.c: the two halves of a struct cv_metrics_source; ARG is the struct imapd. */
void imapd_metrics_collect(void *arg, struct cv_buf *out);
void imapd_metrics_ready(void *arg, struct cv_buf *why);

/* control.c: answers one request of the control socket. */
enum cv_status imapd_control(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err);

#endif
