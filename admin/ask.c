/* ask.c - requests to the daemons, or to the stopped store when no imapd answers. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/clock.h"
#include "common/net/ctl.h"
#include "common/register/registry.h"

#define STARTING_MS 15000 /* a daemon that recovers takes a second or two */
#define ASK_SECS 3600u /* an import or a check of the whole store takes its time */

struct admin_local {
	struct cv_store *store;
	struct cv_audit *audit;
	struct cv_registry *registry;
	bool is_switched; /* root acts as the daemons' user meanwhile */
};

bool
admin_conf(struct admin_call *call)
{
	struct cv_err err = {0};

	if (call->conf)
		return true;
	snprintf(call->conf_path, sizeof call->conf_path, "%s", cv_conf_path(call->conf_option));
	if (cv_conf_open(call->conf_option, &call->conf, &err) != CV_OK) {
		admin_error(call, EXIT_CONFIG, err.text, err.text);
		return false;
	}
	/* Times are told as the province has them, wherever the caller's terminal is. */
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	return true;
}

const struct congvu_options *
admin_main_options(struct admin_call *call)
{
	return cv_conf_get(call->conf, &congvu_section);
}

json_t *
admin_request(const char *what)
{
	return json_pack("{s:s}", "do", what);
}

void
admin_set(json_t *request, const char *key, const char *value)
{
	if (value)
		json_object_set_new(request, key, json_string(value));
}

bool
admin_set_dry_run(const struct admin_call *call, json_t *request)
{
	bool is_dry = admin_option(call, "dry-run") != NULL;

	if (is_dry)
		json_object_set_new(request, "dry_run", json_true());
	return is_dry;
}

/* ---- the stopped store ---- */

void
admin_local_close(struct admin_local *local)
{
	if (local->registry)
		cv_registry_close(local->registry);
	if (local->audit)
		cv_audit_close(local->audit);
	if (local->store)
		cv_store_close(local->store);
	if (local->is_switched)
		admin_act_as_self();
	free(local);
}

static enum cv_status
local_open(struct admin_call *call, struct cv_err *err)
{
	const struct congvu_options *m = admin_main_options(call);
	const struct imapd_options *imap = cv_conf_get(call->conf, &imapd_section);
	const struct admin_options *admin = cv_conf_get(call->conf, &admin_section);
	struct admin_local *local = cv_calloc(1, sizeof *local);
	struct cv_store_options so = {
		.engine = {.dir = m->mail_dir, .cache_bytes = imap->cache, .with_blobs = true},
		.separator = imap->separator[0],
		.restore_secs = imap->restore_window,
		.default_quota_bytes = imap->quota_default,
		.max_messages = imap->quota_messages,
	};

	call->local = local;
	enum cv_status status = admin_act_as(m->user, &local->is_switched, err);
	if (status == CV_OK)
		status = cv_store_open(&so, &local->store, err);
	if (status == CV_OK)
		status = cv_audit_open(local->store, &local->audit, err);
	if (status != CV_OK)
		return status;
	struct cv_registry_options ro = {
		.store = local->store,
		.audit = local->audit,
		.dir = m->register_dir,
		.default_domain = m->default_domain,
		.address_template = admin->address_template,
		.reserved_local_parts = admin->reserved_local_parts,
		.quota_default = imap->quota_default,
		.quota_leader = imap->quota_leader,
		.quota_agency = imap->quota_agency,
	};
	cv_registry_rules_from(m, admin, &ro.rules);
	return cv_registry_open(&ro, &local->registry, err);
}

static enum cv_status check_store(
	struct admin_local *local, json_t *request, json_t **reply_out, struct cv_err *err);

static enum cv_status
do_local(struct admin_call *call, json_t *request, json_t **reply_out, struct cv_err *err)
{
	if (call->only_running)
		return cv_fail(err, CV_TEMPFAIL, "the service does not run");
	if (call->as)
		return cv_fail(err, CV_TEMPFAIL,
			"--as is for the running service, which checks the password: start it");
	enum cv_status status = call->local ? CV_OK : local_open(call, err);

	if (status != CV_OK)
		return status;
	if (!strcmp(json_string_value(json_object_get(request, "do")), "store.check"))
		return check_store(call->local, request, reply_out, err);
	/* Whoever can open the files is root or the service's user: an operator. */
	struct cv_registry_who who;
	cv_registry_who_unix(call->local->registry, getuid(), &who);
	who.role = CV_ROLE_OPERATOR;
	return cv_registry_do_as(
		call->local->registry, &who, request, admin_progress, call, reply_out, err);
}

static void
note_fault(void *arg, const char *text)
{
	json_array_append_new(arg, json_string(text));
}

static enum cv_status
check_store(struct admin_local *local, json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct cv_check_report r;
	json_t *faults = json_array();
	enum cv_status status = cv_store_check(local->store,
		json_is_true(json_object_get(request, "repair")),
		json_is_true(json_object_get(request, "bodies")), note_fault, faults, &r, err);

	if (status != CV_OK) {
		json_decref(faults);
		return status;
	}
	*reply_out = json_object();
	/* clang-format off */
	const struct {
		const char *key;
		uint64_t n;
	} rows[] = { { "accounts", r.accounts }, { "mailboxes", r.mailboxes }, { "messages",
	r.messages },
		{ "bodies", r.bodies }, { "body_bytes", r.body_bytes }, { "dangling_rows",
			r.dangling_rows },
		{ "wrong_body_counts", r.wrong_body_counts }, { "orphan_bodies", r.orphan_bodies },
		{ "wrong_mailbox_counts", r.wrong_mailbox_counts }, { "wrong_quotas",
			r.wrong_quotas },
		{ "bad_bodies", r.bad_bodies }, { "bad_rows", r.bad_rows }, { "uid_faults",
			r.uid_faults },
		{ "repaired", r.repaired } };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		json_object_set_new(*reply_out, rows[i].key, json_integer((json_int_t)rows[i].n));
	json_object_set_new(*reply_out, "faults", faults);
	return CV_OK;
}

/* ---- asking ---- */

/* Nobody listens there, so that the store is ours if its lock is free. A daemon that took a request
 * and then fell silent is another matter: it may have done what was asked. */
static bool
is_unattended(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof to.sun_path)
		return false;
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) &&
		       (errno == ENOENT || errno == ECONNREFUSED);
	close(fd);
	return refused;
}

/* `congvu serve` runs, and holds its file: its imapd is the owner of the store, or will be soon. */
static bool
is_supervised(const struct congvu_options *m)
{
	char path[1200];

	snprintf(path, sizeof path, "%.1100s/congvu.pid", m->run_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	bool is_held = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return is_held;
}

/* Is the store whose daemon would listen at PATH ours to open? Not while the supervisor is about to
 * start that daemon: who took the store then would keep it from its owner. *GAVE_UP_OUT when the
 * daemon does not come. */
static bool
may_open(const struct congvu_options *m, const char *path, bool *gave_up_out)
{
	int64_t end = cv_mono_ms() + STARTING_MS;
	const struct timespec pause = {.tv_nsec = 100000000};

	while (is_unattended(path)) {
		if (!is_supervised(m))
			return true;
		*gave_up_out = cv_mono_ms() > end;
		if (*gave_up_out)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Keeps the Vietnamese sentence of a refusal beside the English one in the cv_err. */
static void
keep_vietnamese(struct admin_call *call, json_t *refusal)
{
	const char *text = json_string_value(json_object_get(refusal, "error_vi"));

	snprintf(call->error_vi, sizeof call->error_vi, "%s", text ? text : "");
	json_decref(refusal);
}

/* Means the running daemon: a stopped store has no answer. */
static bool
is_of_daemon(const char *what)
{
	return !strcmp(what, "status") || !strcmp(what, "reload") ||
	       !strncmp(what, "session.", 8) || !strncmp(what, "auth.", 5) ||
	       !strncmp(what, "quarantine.", 11);
}

static void
set_as(struct admin_call *call, json_t *request)
{
	json_t *as = json_pack("{s:s, s:s?}", "address", call->as, "password",
		admin_as_password(call));

	admin_set(as, "ticket", call->ticket);
	json_object_set_new(request, "as", as);
}

/* The daemon asks for the second factor: gives its code for a ticket, which the requests of this
 * command carry from now on. False when there is no code, or it was wrong. */
static bool
get_ticket(struct admin_call *call, const char *path)
{
	const char *code = call->ticket ? NULL : admin_as_code(call);
	json_t *request = admin_request("admin.code"), *reply = NULL;
	struct cv_err err = {0};

	set_as(call, request);
	admin_set(json_object_get(request, "as"), "code", code);
	bool ok = code && cv_ctl_ask(path, request, ASK_SECS, NULL, NULL, &reply, &err) == CV_OK;
	const char *ticket = json_string_value(json_object_get(reply, "ticket"));
	if (ok && ticket)
		call->ticket = cv_strdup(ticket);
	json_decref(reply);
	json_decref(request);
	return ok && ticket;
}

json_t *
admin_try(struct admin_call *call, enum admin_service service, json_t *request, struct cv_err *err)
{
	static const char *const sockets[] = {"imapd.ctl", "smtpd.ctl", "spamfilter.ctl"};
	const char *what = json_string_value(json_object_get(request, "do"));
	char path[1200];
	json_t *reply = NULL;

	call->error_vi[0] = '\0';
	if (service == ADMIN_STORE && call->as)
		set_as(call, request);
	snprintf(path, sizeof path, "%s/%s", admin_main_options(call)->run_dir, sockets[service]);
	bool gave_up = false;
	bool is_ours = service == ADMIN_STORE && !is_of_daemon(what) &&
		       (call->local || may_open(admin_main_options(call), path, &gave_up));
	enum cv_status status =
		gave_up ? cv_fail(err, CV_TEMPFAIL,
				  "imapd does not run, and `congvu serve` is to start it: see the "
				  "service's log, or stop the service to work on the stopped store")
		: is_ours ? do_local(call, request, &reply, err)
			  : cv_ctl_ask(path, request, ASK_SECS, admin_progress, call, &reply, err);
	if (status == CV_DENIED && json_is_true(json_object_get(reply, "needs_code")) &&
		get_ticket(call, path)) {
		json_decref(reply);
		reply = NULL;
		set_as(call, request);
		status = cv_ctl_ask(path, request, ASK_SECS, admin_progress, call, &reply, err);
	}
	if (status != CV_OK && reply) {
		keep_vietnamese(call, reply);
		reply = NULL;
	}
	/* The stopped store answers without the word that ends an answer on the socket. */
	if (status == CV_OK)
		json_object_set_new(reply, "ok", json_true());
	admin_progress_end(call);
	json_decref(request);
	return status == CV_OK ? reply : NULL;
}

json_t *
admin_ask(struct admin_call *call, enum admin_service service, json_t *request, int *exit_out)
{
	struct cv_err err = {0};

	*exit_out = EXIT_CONFIG;
	if (!admin_conf(call)) {
		json_decref(request);
		return NULL;
	}
	if (service == ADMIN_STORE && call->as && !admin_as_password(call)) {
		json_decref(request);
		*exit_out = EXIT_USAGE;
		return NULL;
	}
	json_t *reply = admin_try(call, service, request, &err);
	*exit_out = EXIT_OK;
	if (!reply)
		*exit_out = admin_error(call, err.code == CV_TEMPFAIL ? EXIT_DOWN : EXIT_FAILED,
			err.text, call->error_vi[0] ? call->error_vi : err.text);
	return reply;
}
