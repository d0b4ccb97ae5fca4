/* adopt.c - see adopt.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/adopt.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/base/kill.h"
#include "common/base/log.h"
#include "smtpd/lease.h"
#include "smtpd/note.h"
#include "smtpd/outbound.h"

#define CHUNK 100u /* messages between two renewals of the lease */

struct adoption {
	struct smtpd_server *s;
	struct cv_queue *from;
	char dir[1024], name[33];
	bool dry_run;
	size_t moved, recipients, repeated;
	enum cv_status status;
	struct cv_err *err;
};

static enum cv_status
into_spool(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return cv_spool_write(arg, bytes, err);
}

static enum cv_status
put_here(struct adoption *a, const struct cv_queue_msg *msg, struct cv_str origin)
{
	struct cv_queue_msg copy = *msg;
	struct cv_queue_rcpt *rcpts = cv_calloc(msg->rcpt_count, sizeof *rcpts);
	struct cv_spool spool;
	cv_ticket ticket;

	memcpy(rcpts, msg->rcpts, msg->rcpt_count * sizeof *rcpts);
	copy.rcpts = rcpts;
	copy.origin = origin;
	cv_spool_init(&spool, a->s->spool_dir);
	enum cv_status status = cv_queue_read(a->from, msg, into_spool, &spool, a->err);
	if (status == CV_OK)
		status = cv_queue_put(
			a->s->queue, &copy, CV_STR_EMPTY, &spool, &ticket, a->err);
	if (status == CV_OK) {
		CV_KILL_POINT("adopt.put");
		cv_ticket_block(cv_queue_engine(a->s->queue), ticket);
		CV_KILL_POINT("adopt.durable");
		smtpd_note_change(a->s, &copy, CV_STR_EMPTY, "adopt");
	}
	cv_spool_done(&spool);
	free(rcpts);
	return status;
}

static enum cv_status
delete_there(struct adoption *a, const struct cv_queue_msg *msg)
{
	struct cv_queue_rcpt *rcpts = cv_calloc(msg->rcpt_count, sizeof *rcpts);
	cv_ticket ticket;

	memcpy(rcpts, msg->rcpts, msg->rcpt_count * sizeof *rcpts);
	for (size_t i = 0; i < msg->rcpt_count; i++)
		rcpts[i].state = CV_Q_DONE;
	enum cv_status status =
		cv_queue_update(a->from, msg->id, rcpts, msg->rcpt_count, &ticket, a->err);
	free(rcpts);
	CV_KILL_POINT("adopt.deleted");
	return status;
}

static bool
move_one(void *arg, const struct cv_queue_msg *msg)
{
	struct adoption *a = arg;
	char origin[64], id[16];
	bool is_here = false;

	a->moved++;
	a->recipients += msg->rcpt_count;
	if (a->dry_run)
		return true;
	cv_queue_id_text(msg->id, id);
	snprintf(origin, sizeof origin, "%s/%s", a->name, id);
	a->status = cv_queue_has_origin(a->s->queue, cv_str_z(origin), &is_here, a->err);
	if (a->status == CV_OK && !is_here)
		a->status = put_here(a, msg, cv_str_z(origin));
	a->repeated += is_here;
	if (a->status == CV_OK)
		a->status = delete_there(a, msg);
	return a->status == CV_OK;
}

static enum cv_status
renew(struct adoption *a, struct cv_err *err)
{
	const char *holder = a->s->main->hostname;
	unsigned secs = (unsigned)a->s->opt->queue_lease;
	enum cv_status status = smtpd_lease_take(a->dir, holder, secs, err);

	return status == CV_OK ? cv_meta_lease(cv_queue_engine(a->from), CV_STR("queue.adopt"),
					 cv_str_z(holder), secs, err)
			       : status;
}

static enum cv_status
move_all(struct adoption *a, struct cv_ctl_call *call)
{
	struct cv_queue_stats stats;
	uint64_t last = 0;
	bool more = true;

	cv_queue_stats(a->from, &stats);
	while (more) {
		enum cv_status status = renew(a, a->err);
		if (status == CV_OK)
			status = cv_queue_walk(
				a->from, last, CHUNK, move_one, a, &last, &more, a->err);
		if (status == CV_OK)
			status = a->status;
		if (status != CV_OK)
			return status;
		if (call->progress)
			call->progress(call, json_pack("{s:I, s:I}", "done", (json_int_t)a->moved,
				"total", (json_int_t)CV_MAX(stats.messages, (uint64_t)a->moved)));
	}
	if (a->dry_run)
		return CV_OK;
	/* Nothing there could be moved a second time once the deletions are on disk, which closing
	 * sees to. */
	cv_queue_close(a->from);
	a->from = NULL;
	CV_KILL_POINT("adopt.closed");
	char prefix[40];
	snprintf(prefix, sizeof prefix, "%s/", a->name);
	return cv_queue_forget_origins(a->s->queue, cv_str_z(prefix), a->err);
}

static bool
is_listed(const struct smtpd_server *s, const char *dir)
{
	struct cv_str rest = cv_str_z(s->opt->queue_adopt_from), word;

	while (cv_str_split(&rest, ' ', &word))
		if (cv_str_eq_z(word, dir))
			return true;
	return false;
}

/* The folder must be a queue already: opening would make one. */
static enum cv_status
check_dir(const struct smtpd_server *s, const char *dir, char *out, size_t n, struct cv_err *err)
{
	char lock[1100];
	struct stat theirs, ours;

	if (!dir || dir[0] != '/' || strlen(dir) >= n)
		return cv_fail(err, CV_INVALID, "\"dir\" is the full path of a queue folder");
	snprintf(out, n, "%s", dir);
	snprintf(lock, sizeof lock, "%s/lock", dir);
	if (stat(lock, &theirs))
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "%s is no queue folder", dir);
	if (stat(dir, &theirs) || stat(s->main->queue_dir, &ours))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot look at %s", dir);
	if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return cv_fail(err, CV_INVALID, "%s is this daemon's own queue", dir);
	return is_listed(s, dir)
		? CV_OK : cv_fail(err, CV_DENIED,
			"%s is not named in queue_adopt_from (a change needs a restart)", dir);
}

enum cv_status
smtpd_adopt(
	struct smtpd_server *s, struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	struct adoption a = {.s = s,
		.err = err,
		.dry_run = json_is_true(json_object_get(call->request, "dry_run"))};
	const char *dir = json_string_value(json_object_get(call->request, "dir"));

	if (atomic_flag_test_and_set(&busy))
		return cv_fail(err, CV_RETRY, "a queue is being adopted already");
	enum cv_status status = check_dir(s, dir, a.dir, sizeof a.dir, err);
	if (status == CV_OK)
		status = smtpd_lease_take(
			a.dir, s->main->hostname, (unsigned)s->opt->queue_lease, err);
	bool taken = status == CV_OK;
	if (taken)
		status = cv_queue_open(a.dir, &a.from, err);
	CV_KILL_POINT("adopt.opened");
	if (status == CV_OK)
		status = cv_queue_name(a.from, a.name, err);
	if (status == CV_OK)
		status = move_all(&a, call);
	if (a.from)
		cv_queue_close(a.from);
	if (taken)
		smtpd_lease_drop(a.dir, s->main->hostname);
	atomic_flag_clear(&busy);
	if (status != CV_OK)
		return status;
	smtpd_outbound_kick(s->outbound);
	cv_log(0, CV_INFO, "queue.adopted",
		"dir=\"%s\" messages=%zu recipients=%zu repeated=%zu dry_run=%d", a.dir, a.moved,
		a.recipients, a.repeated, a.dry_run);
	*reply_out = json_pack("{s:I, s:I, s:I, s:b}", "messages", (json_int_t)a.moved,
		"recipients", (json_int_t)a.recipients, "repeated", (json_int_t)a.repeated,
		"dry_run", a.dry_run);
	return CV_OK;
}
