/* control.c - what the daemon answers on its control socket: its own state, the check of the store,
 * and everything that changes the register. Runs on the control server's threads. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pwd.h>
#include <unistd.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/register/auth_recent.h"
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

/* "user:root", for the audit trail. */
static void
name_actor(uid_t uid, char *out, size_t n)
{
	char space[4096];
	struct passwd entry, *found = NULL;

	if (!getpwuid_r(uid, &entry, space, sizeof(space), &found) && found)
		snprintf(out, n, "user:%s", found->pw_name);
	else
		snprintf(out, n, "uid:%u", (unsigned)uid);
}

/* Failed log-ins are this process's own; the register wrote the audit row. */
static void
unlock(struct imapd *d, json_t *reply)
{
	const char *address = json_string_value(json_object_get(reply, "address"));
	unsigned count = cv_auth_unlock(d->auth, cv_str_z(address ? address : ""));
	json_object_set_new(reply, "unlocked", number(count));
}

enum cv_status
imapd_control(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	struct imapd *d = call->ctx;
	const char *what = json_string_value(json_object_get(call->request, "do"));
	char actor[128];

	if (!what)
		return cv_fail(err, CV_INVALID, "a request needs \"do\"");
	if (strcmp(what, "status") == 0)
		return do_status(d, reply_out);
	if (strcmp(what, "reload") == 0)
		return imapd_reload(d, reply_out, err);
	if (strcmp(what, "store.check") == 0)
		return do_store_check(d, call, reply_out, err);
	if (strcmp(what, "auth.recent") == 0)
		return cv_auth_recent_do(d->auth, call->request, reply_out, err);
	if (strncmp(what, "session.", 8) == 0)
		return imapd_sessions_do(d, call->request, reply_out, err);
	if (strcmp(what, "mail.notice") == 0)
		return imapd_mail_notice(d, call->request, reply_out, err);
	name_actor(call->peer_uid, actor, sizeof(actor));
	if (strncmp(what, "quarantine.", 11) == 0)
		return imapd_quarantine_do(d, actor, call->request, reply_out, err);
	if (strncmp(what, "mailbox.rights.", 15) == 0)
		return imapd_rights_do(d, actor, call->request, reply_out, err);
	/* What waits in memory is asked for too. */
	if (strncmp(what, "mailbox.", 8) == 0 && cv_access_flush(d->access, err))
		return CV_TEMPFAIL;
	enum cv_status status = cv_registry_do(
		d->registry, actor, call->request, tell_progress, call, reply_out, err);
	if (!status) {
		/* A suspended account's sessions end now, a new account can log in now. */
		cv_register_refresh(d->reg);
		bool is_dry = json_is_true(json_object_get(*reply_out, "dry_run"));
		if (!is_dry && strcmp(what, "account.unlock") == 0)
			unlock(d, *reply_out);
		imapd_logins_review(d);
	}
	return status;
}
