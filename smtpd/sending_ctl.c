/* sending_ctl.c - what an operator may ask of the ledger of sending.
 *
 * {"do": "sending.list", "frozen": true}            frozen ones, or all that sent today
 * {"do": "sending.show", "address": "..."}
 * {"do": "sending.freeze", "address": "...", "reason": "..."}
 * {"do": "sending.release", "address": "...", "release_queue": true}
 * {"do": "sending.limit", "address": "...", "limits": {"messages": 5000, "burst": null}}
 *                                                    null: back to the class's limit
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "smtpd/outbound.h"
#include "smtpd/sending.h"
#include "smtpd/server.h"

#define LIST_MAX 20000u

static json_t *
describe_limits(const struct smtpd_limits *l, bool own)
{
	json_t *o = json_object();

	for (int i = 0; i < SMTPD_LIMIT_COUNT; i++)
		if (!own || l->n[i] != SMTPD_LIMIT_UNSET)
			json_object_set_new(
				o, smtpd_limit_names[i], json_integer((json_int_t)l->n[i]));
	return o;
}

static json_t *
describe(struct smtpd_server *server, const struct cv_reg_account *account)
{
	struct smtpd_sending_view v;
	struct smtpd_limits limits;

	smtpd_sending_look(server->sending, account->acct, &v);
	smtpd_limits_of(server->opt, account->kind, &v.own, &limits);
	json_t *o = json_pack("{s:s%, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}",
		"address", account->address.p, account->address.n, "class",
		smtpd_limit_class(account->kind), "messages", (json_int_t)v.counts.messages,
		"recipients", (json_int_t)v.counts.rcpts, "outside", (json_int_t)v.counts.outside,
		"first_time", (json_int_t)v.counts.first_time, "refused",
		(json_int_t)v.counts.refused, "burst", (json_int_t)v.burst, "burst_refused",
		(json_int_t)v.burst_refused, "frozen", v.freeze.since_secs != 0, "limits",
		describe_limits(&limits, false), "own_limits", describe_limits(&v.own, true));
	if (o && v.freeze.since_secs) {
		json_object_set_new(o, "since", json_integer((json_int_t)v.freeze.since_secs));
		json_object_set_new(o, "by", json_string(v.freeze.by));
		json_object_set_new(o, "reason", json_string(v.freeze.reason));
		json_object_set_new(o, "told", json_boolean(v.freeze.is_told));
	}
	return o;
}

struct list_call {
	struct smtpd_server *server;
	const struct cv_snapshot *snap;
	bool only_frozen, more;
	json_t *rows;
};

static bool
list_one(void *arg, cv_acct_no acct)
{
	struct list_call *call = arg;
	struct smtpd_sending_view v;
	struct cv_reg_account account;

	smtpd_sending_look(call->server->sending, acct, &v);
	if (!v.freeze.since_secs &&
		(call->only_frozen || (!v.counts.messages && !v.counts.refused)))
		return true;
	if (!cv_snapshot_account(call->snap, acct, &account))
		return true;
	if (json_array_size(call->rows) >= LIST_MAX) {
		call->more = true;
		return false;
	}
	json_t *row = describe(call->server, &account);
	if (row)
		json_array_append_new(call->rows, row);
	return true;
}

static enum cv_status
do_list(struct smtpd_server *server, const struct cv_snapshot *snap, json_t *request,
        json_t **reply_out, struct cv_err *err)
{
	struct list_call call = {.server = server, .snap = snap,
		.only_frozen = json_is_true(json_object_get(request, "frozen")),
		.rows = json_array()};
	enum cv_status status = smtpd_sending_each(server->sending, list_one, &call, err);

	if (status != CV_OK) {
		json_decref(call.rows);
		return status;
	}
	*reply_out = json_pack("{s:o, s:b}", "accounts", call.rows, "more", call.more);
	return CV_OK;
}

/* A reason fit for a line: no control bytes, UTF-8 as it came from JSON. */
static void
take_reason(const char *text, char out[SMTPD_SENDING_REASON_MAX + 1])
{
	size_t n = 0;

	for (; text && *text && n < SMTPD_SENDING_REASON_MAX - 3; text++)
		out[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
	/* not in the middle of a letter */
	while (n && text && *text && ((unsigned char)*text & 0xc0) == 0x80) {
		text--;
		n--;
	}
	out[n] = '\0';
}

static enum cv_status
do_freeze(struct smtpd_server *server, const struct cv_reg_account *account, json_t *request,
          json_t **reply_out, struct cv_err *err)
{
	char reason[SMTPD_SENDING_REASON_MAX + 1];

	take_reason(json_string_value(json_object_get(request, "reason")), reason);
	if (!smtpd_sending_freeze(server->sending, account->acct, "admin", reason))
		return cv_fail(err, CV_EXISTS, "the account is frozen already");
	smtpd_sending_sync(server->sending);
	*reply_out = json_pack("{s:o}", "account", describe(server, account));
	return CV_OK;
}

static enum cv_status
do_release(struct smtpd_server *server, const struct cv_reg_account *account, json_t *request,
           json_t **reply_out, struct cv_err *err)
{
	json_t *queue = NULL;
	bool was = smtpd_sending_release(server->sending, account->acct);

	smtpd_sending_sync(server->sending);
	if (was)
		cv_log(0, CV_INFO, "sending.released", "account=%.*s by=admin",
			CV_STR_ARGS(account->address));
	if (json_is_true(json_object_get(request, "release_queue"))) {
		enum cv_status status = smtpd_outbound_hold_account(
			server, account->acct, false, &queue, err);
		if (status != CV_OK)
			return status;
	} else if (!was) {
		return cv_fail(err, CV_NOT_FOUND, "the account is not frozen");
	}
	*reply_out = json_pack("{s:o, s:b}", "account", describe(server, account), "was_frozen",
		was);
	if (queue)
		json_object_set_new(*reply_out, "queue", queue);
	return CV_OK;
}

static enum cv_status
do_limit(struct smtpd_server *server, const struct cv_reg_account *account, json_t *request,
         json_t **reply_out, struct cv_err *err)
{
	struct smtpd_sending_view v;
	json_t *limits = json_object_get(request, "limits"), *value;
	const char *key;

	smtpd_sending_look(server->sending, account->acct, &v);
	json_object_foreach(limits, key, value)
	{
		enum smtpd_limit limit = smtpd_limit_named(cv_str_z(key));
		json_int_t n = json_integer_value(value);
		if (limit == SMTPD_LIMIT_COUNT)
			return cv_fail(err, CV_INVALID, "there is no limit \"%s\"", key);
		if (!json_is_null(value) &&
			(!json_is_integer(value) || n < 0 || n > SMTPD_LIMIT_MAX))
			return cv_fail(err, CV_INVALID, "%s takes 0 to %u", key, SMTPD_LIMIT_MAX);
		v.own.n[limit] = json_is_null(value) ? SMTPD_LIMIT_UNSET : (uint32_t)n;
	}
	enum cv_status status =
		smtpd_sending_set_limits(server->sending, account->acct, &v.own, err);
	if (status != CV_OK)
		return status;
	smtpd_sending_sync(server->sending);
	cv_log(0, CV_INFO, "sending.limited", "account=%.*s", CV_STR_ARGS(account->address));
	*reply_out = json_pack("{s:o}", "account", describe(server, account));
	return CV_OK;
}

static enum cv_status
do_show(struct smtpd_server *server, const struct cv_reg_account *account, json_t *request,
        json_t **reply_out, struct cv_err *err)
{
	(void)request;
	(void)err;
	*reply_out = json_pack("{s:o}", "account", describe(server, account));
	return CV_OK;
}

static enum cv_status
find_account(const struct cv_snapshot *snap, json_t *request, struct cv_reg_account *out,
             struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	struct cv_reg_hit hit;

	if (!address)
		return cv_fail(err, CV_INVALID, "the request names no \"address\"");
	if (strchr(address, '@'))
		cv_snapshot_find_address(snap, cv_str_z(address), &hit);
	else
		cv_snapshot_find(snap, cv_str_z(address), cv_snapshot_default_domain(snap), &hit);
	if (hit.found != CV_REG_ACCOUNT)
		return cv_fail(err, CV_NOT_FOUND, "there is no account %s", address);
	*out = hit.account;
	return CV_OK;
}

enum cv_status
smtpd_sending_do(
	struct smtpd_server *server, json_t *request, json_t **reply_out, struct cv_err *err)
{
	static const struct {
		const char *what;
		enum cv_status (*run)(struct smtpd_server *server,
			const struct cv_reg_account *account, json_t *request, json_t **reply_out,
			struct cv_err *err);
	} rows[] = {{"sending.show", do_show}, {"sending.freeze", do_freeze},
		{"sending.release", do_release}, {"sending.limit", do_limit}};
	const char *what = json_string_value(json_object_get(request, "do"));
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_account account;
	enum cv_status status =
		cv_fail(err, CV_NOT_FOUND, "smtpd knows no request \"%s\"", what ? what : "");

	if (what && !strcmp(what, "sending.list"))
		status = do_list(server, snap, request, reply_out, err);
	for (size_t i = 0; what && i < CV_COUNT(rows); i++) {
		if (strcmp(what, rows[i].what) != 0)
			continue;
		status = find_account(snap, request, &account, err);
		if (status == CV_OK)
			status = rows[i].run(server, &account, request, reply_out, err);
	}
	cv_snapshot_unref(snap);
	return status;
}
