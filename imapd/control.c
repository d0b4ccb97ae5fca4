/* control.c - what the daemon answers on its control socket: its own state, the check of the store,
 * and everything that changes the register. Runs on the control server's threads. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/register/auth_recent.h"
#include "common/text/date.h"
#include "imapd/admin_login.h"
#include "imapd/mail_notice.h"
#include "imapd/quarantine_ctl.h"
#include "imapd/rights_ctl.h"
#include "imapd/server.h"

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* "status": {pid, uptime_secs, sessions, connections, logins, ...} */
static enum cv_status
do_status(struct imapd *d, json_t **reply_out)
{
	struct cv_net_stats net;
	struct cv_engine_stats engine;
	json_t *r = json_object();

	cv_net_stats(d->net, &net);
	cv_engine_stats(d->engine, &engine);
	json_object_set_new(r, "program", json_string("congvu-imapd"));
	cv_ctl_describe(r);
	json_object_set_new(r, "uptime_secs", number((uint64_t)(cv_wall_secs() - d->started_secs)));
	json_object_set_new(r, "tls", json_boolean(d->tls != NULL));
	json_object_set_new(r, "sessions", number(atomic_load(&d->sessions)));
	json_object_set_new(r, "connections", number(net.open));
	json_object_set_new(r, "accepted", number(net.accepted));
	json_object_set_new(r, "refused", number(net.refused));
	json_object_set_new(r, "bytes_in", number(net.bytes_in));
	json_object_set_new(r, "bytes_out", number(net.bytes_out));
	json_object_set_new(r, "logins", number(atomic_load(&d->logins)));
	json_object_set_new(r, "failed_logins", number(atomic_load(&d->failed_logins)));
	json_object_set_new(r, "commits", number(engine.commits));
	json_object_set_new(r, "conflicts", number(engine.conflicts));
	json_object_set_new(r, "flushes", number(engine.flushes));
	json_object_set_new(r, "checkpoints", number(engine.checkpoints));
	json_object_set_new(r, "waiting_answers", number(engine.waiters));
	*reply_out = r;
	return CV_OK;
}

static void
tell_fault(void *arg, const char *text)
{
	struct cv_ctl_call *call = arg;
	json_t *note = json_object();
	json_object_set_new(note, "fault", json_string(text));
	call->progress(call, note);
}

/* "store.check" {repair, read_bodies}: counts of what is there and of what is wrong; faults come as
 * progress. */
static enum cv_status
do_store_check(struct imapd *d, struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	bool repair = json_is_true(json_object_get(call->request, "repair"));
	bool bodies = json_is_true(json_object_get(call->request, "read_bodies"));
	struct cv_check_report report = {0};

	enum cv_status status =
		cv_store_check(d->store, repair, bodies, tell_fault, call, &report, err);
	if (status)
		return status;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"accounts",             report.accounts            },
		{"mailboxes",            report.mailboxes           },
		{"messages",             report.messages            },
		{"bodies",               report.bodies              },
		{"body_bytes",           report.body_bytes          },
		{"dangling_rows",        report.dangling_rows       },
		{"wrong_body_counts",    report.wrong_body_counts   },
		{"orphan_bodies",        report.orphan_bodies       },
		{"wrong_mailbox_counts", report.wrong_mailbox_counts},
		{"wrong_quotas",         report.wrong_quotas        },
		{"bad_bodies",           report.bad_bodies          },
		{"bad_rows",             report.bad_rows            },
		{"uid_faults",           report.uid_faults          },
		{"repaired",             report.repaired            },
	};
	json_t *r = json_object();
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		json_object_set_new(r, rows[i].name, number(rows[i].value));
	*reply_out = r;
	return CV_OK;
}

static void
tell_progress(void *arg, json_t *note)
{
	struct cv_ctl_call *call = arg;
	call->progress(call, note);
}

/* Failed log-ins are this process's own; the register wrote the audit row. */
static void
unlock(struct imapd *d, json_t *reply)
{
	const char *address = json_string_value(json_object_get(reply, "address"));
	unsigned count = cv_auth_unlock(d->auth, cv_str_z(address ? address : ""));
	json_object_set_new(reply, "unlocked", number(count));
}

/* Whoever is to be told that a box is read (SEC-07). A letter that could not be written stands in
 * the answer, for the person who approved. */
static void
tell_of_reading(struct imapd *d, json_t *reply)
{
	json_t *address, *told = json_array(), *list = json_object_get(reply, "tell");
	size_t i;

	json_array_foreach(list, i, address)
	{
		struct cv_buf text = CV_BUF_INIT(60);
		cv_date_write_vn_time(&text,
			cv_date_at(json_integer_value(json_object_get(reply, "until")),
				CV_ZONE_VIETNAM));
		json_t *request = json_pack("{s:s, s:O, s:{s:O, s:O, s:s%}}", "template",
			"breakglass", "account", address, "values", "box",
			json_object_get(reply, "account"), "reader",
			json_object_get(reply, "reader"), "until", text.p ? text.p : "", text.n);
		json_t *answer = NULL;
		struct cv_err err = {0};
		if (imapd_mail_notice(d, request, &answer, &err))
			cv_log(0, CV_WARN, "breakglass.untold", "account=%s error=\"%s\"",
				json_string_value(address), err.text);
		else
			json_array_append(told, address);
		json_decref(answer);
		json_decref(request);
		cv_buf_done(&text);
	}
	json_object_set_new(reply, "told", told);
}

/* ---- the requests that are not the register's ---- */

static enum cv_status
answer_status(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)call;
	(void)actor;
	(void)err;
	return do_status(d, reply_out);
}

static enum cv_status
answer_reload(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)call;
	(void)actor;
	return imapd_reload(d, reply_out, err);
}

static enum cv_status
answer_check(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)actor;
	return do_store_check(d, call, reply_out, err);
}

static enum cv_status
answer_recent(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)actor;
	return cv_auth_recent_do(d->auth, call->request, reply_out, err);
}

static enum cv_status
answer_session(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)actor;
	return imapd_sessions_do(d, call->request, reply_out, err);
}

static enum cv_status
answer_notice(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	(void)actor;
	return imapd_mail_notice(d, call->request, reply_out, err);
}

static enum cv_status
answer_quarantine(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	return imapd_quarantine_do(d, actor, call->request, reply_out, err);
}

static enum cv_status
answer_rights(struct imapd *d, struct cv_ctl_call *call, const char *actor, json_t **reply_out,
	struct cv_err *err)
{
	return imapd_rights_do(d, actor, call->request, reply_out, err);
}

/* Right and subject as in the register's own table (common/register/registry.c). */
/* clang-format off */
static const struct {
	const char *name;
	enum cv_status (*run)(struct imapd *d, struct cv_ctl_call *call, const char *actor,
		json_t **reply_out, struct cv_err *err);
	unsigned right;
	const char *about;
} requests[] = {
	{ "auth.recent",           answer_recent,     REG_READ,               "account:address"                   },
	{ "mail.notice",           answer_notice,     REG_OPERATOR,           NULL                                },
	{ "mailbox.rights.delete", answer_rights,     REG_AGENCY,             "account:account"                   },
	{ "mailbox.rights.list",   answer_rights,     REG_AGENCY | REG_AUDIT, "account:account"                   },
	{ "mailbox.rights.set",    answer_rights,     REG_AGENCY,             "account:account"                   },
	{ "quarantine.delete",     answer_quarantine, REG_AGENCY,             "account:account"                   },
	{ "quarantine.digest",     answer_quarantine, REG_OPERATOR,           NULL                                },
	{ "quarantine.list",       answer_quarantine, REG_READ,               "account:account?,agency:agency?"   },
	{ "quarantine.release",    answer_quarantine, REG_AGENCY,             "account:account"                   },
	{ "quarantine.show",       answer_quarantine, REG_AGENCY,             "account:account"                   },
	{ "reload",                answer_reload,     REG_OPERATOR,           NULL                                },
	{ "session.kill",          answer_session,    REG_HELPDESK,           "account:account?"                  },
	{ "session.list",          answer_session,    REG_READ,               "account:account?"                  },
	{ "status",                answer_status,     REG_READ,               "self"                              },
	{ "store.check",           answer_check,      REG_OPERATOR,           NULL                                },
};
/* clang-format on */

static enum cv_status
answer_register(struct imapd *d, struct cv_ctl_call *call, const struct cv_registry_who *who,
	json_t **reply_out, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(call->request, "do"));

	/* What waits in memory is asked for too. */
	if (strncmp(what, "mailbox.", 8) == 0 && cv_access_flush(d->access, err))
		return CV_TEMPFAIL;
	enum cv_status status = cv_registry_do_as(
		d->registry, who, call->request, tell_progress, call, reply_out, err);
	if (!status) {
		/* A suspended account's sessions end now, a new account can log in now. */
		cv_register_refresh(d->reg);
		bool is_dry = json_is_true(json_object_get(*reply_out, "dry_run"));
		if (!is_dry && strcmp(what, "account.unlock") == 0)
			unlock(d, *reply_out);
		if (!is_dry && strcmp(what, "breakglass.approve") == 0)
			tell_of_reading(d, *reply_out);
		imapd_logins_review(d);
	}
	return status;
}

static enum cv_status
answer_as(struct imapd *d, struct cv_ctl_call *call, const struct cv_registry_who *who,
	json_t **reply_out, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(call->request, "do"));

	for (size_t i = 0; i < CV_COUNT(requests); i++) {
		if (strcmp(what, requests[i].name) != 0)
			continue;
		enum cv_status status = cv_registry_may(d->registry, who, call->request,
			requests[i].right, requests[i].about, reply_out, err);
		return status ? status
			      : requests[i].run(d, call, who->name, reply_out, err);
	}
	return answer_register(d, call, who, reply_out, err);
}

enum cv_status
imapd_control(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	struct imapd *d = call->ctx;
	const char *what = json_string_value(json_object_get(call->request, "do"));
	struct cv_registry_who who = {.name = ""};

	if (!what)
		return cv_fail(err, CV_INVALID, "a request needs \"do\"");
	enum cv_status status = imapd_admin_who(d, call, &who, reply_out, err);
	if (!status && strcmp(what, "admin.code") == 0)
		*reply_out = imapd_admin_ticket(d, call, &who);
	else if (!status)
		status = answer_as(d, call, &who, reply_out, err);
	if (status == CV_DENIED)
		cv_log(0, CV_INFO, "ctl.denied", "who=%s request=%s",
			who.name[0] ? who.name : "-", what);
	return status;
}
