/* outbound_account.c - holds the queued outside mail of one account, or lets it go again.
 *
 * What waits for a connection is taken out of its destination first, so that a run of spam stops
 * with the messages that are on the wire at this moment. What is put later is held as it is loaded
 * (outbound_load.c).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "smtpd/outbound_internal.h"
#include "smtpd/sending.h"

/* Under the lock: the jobs of ACCOUNT that nobody has begun go to OUT. */
static void
take_waiting(struct smtpd_outbound *o, struct cv_str account, struct cv_link *out)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;

	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		struct out_dest *d = value;
		CV_LIST_EACH(l, next, &d->jobs) {
			struct out_job *j = CV_CONTAINER(l, struct out_job, job.link);
			if (!cv_str_ieq(j->job.msg->auth_account, account))
				continue;
			cv_list_remove(l);
			d->job_count--;
			for (size_t i = 0; i < j->job.count; i++)
				out_unclaim(o, j->job.msg->id, j->job.rcpts[i]);
			cv_list_append(out, l);
		}
	}
}

static void
drop_waiting(struct smtpd_outbound *o, struct cv_str account)
{
	struct cv_link jobs, *l;

	cv_list_init(&jobs);
	pthread_mutex_lock(&o->lock);
	take_waiting(o, account, &jobs);
	pthread_mutex_unlock(&o->lock);
	while ((l = cv_list_pop(&jobs)))
		out_job_free(CV_CONTAINER(l, struct out_job, job.link));
}

enum cv_status
smtpd_outbound_hold_account(struct smtpd_server *server, cv_acct_no acct, bool hold,
	json_t **reply_out, struct cv_err *err)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_account account;
	json_t *reply = NULL, *request = NULL;
	enum cv_status status;

	if (!server->outbound || !cv_snapshot_account(snap, acct, &account)) {
		cv_snapshot_unref(snap);
		return CV_OK; /* nobody's: nothing is queued under its name */
	}
	if (hold)
		drop_waiting(server->outbound, account.address);
	request = json_pack("{s:s, s:b, s:s%, s:b}", "do", hold ? "queue.hold" : "queue.release",
		"all", 1, "account", account.address.p, account.address.n, "outside", 1);
	cv_snapshot_unref(snap);
	if (!request)
		return cv_fail(err, CV_INVALID, "the account's address is no UTF-8");
	struct cv_ctl_call call = { .request = request };
	status = smtpd_outbound_do(server->outbound, &call, &reply, err);
	json_decref(request);
	if (reply_out && status == CV_OK)
		*reply_out = reply;
	else
		json_decref(reply);
	return status;
}

bool
out_is_stopped(struct smtpd_outbound *o, const struct cv_queue_msg *msg)
{
	const struct smtpd_server *server = o->server;
	struct cv_reg_hit hit;

	if (!msg->auth_account.n || !server->sending || !smtpd_sending_any_frozen(server->sending))
		return false;
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	cv_snapshot_find_address(snap, msg->auth_account, &hit);
	bool stopped = hit.found == CV_REG_ACCOUNT
		&& smtpd_sending_is_frozen(server->sending, hit.account.acct);
	cv_snapshot_unref(snap);
	return stopped;
}
