/* teach.c - see teach.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/teach.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/thread.h"
#include "common/text/encode.h"
#include "imapd/conn.h"
#include "imapd/others.h"

#define WAITING_MAX 2000u
#define COMMAND_MAX 50u        /* of one command: a day's lessons of one account are fewer */
#define MESSAGE_MAX (1u << 20) /* octets handed over; the filter looks at no more */
#define ASK_SECS    20
#define TRIES       10
#define RETRY_MS    3000
#define TELL_MS     60000 /* between two lines about what was lost */

struct lesson {
	cv_acct_no owner, teacher;
	uint64_t mbox_id;
	char *mailbox;
	uint32_t uid;
	bool is_spam;
};

struct imapd_teacher {
	struct imapd *d;
	char ctl_path[1100];
	pthread_t thread;
	pthread_mutex_t lock; /* rank: leaf */
	pthread_cond_t wake;
	struct lesson waiting[WAITING_MAX]; /* a ring */
	size_t first, count;
	uint64_t lost;
	int64_t told_ms;
	bool stop, has_thread;
	bool is_away; /* the filter did not answer last time: one try each until it does */
};

/* ---- the queue ---- */

static void
count_lost(struct imapd_teacher *t, uint64_t n, const char *why)
{
	pthread_mutex_lock(&t->lock);
	t->lost += n;
	bool tells = t->lost && cv_mono_ms() - t->told_ms >= TELL_MS;
	uint64_t lost = t->lost;
	if (tells) {
		t->told_ms = cv_mono_ms();
		t->lost = 0;
	}
	pthread_mutex_unlock(&t->lock);
	if (tells)
		cv_log(0, CV_WARN, "teach.lost", "lessons=%llu error=\"%s\"",
			(unsigned long long)lost, why);
}

static void
put(struct imapd_conn *c, struct lesson l, const char *mailbox, const uint32_t *uids, size_t count)
{
	struct imapd_teacher *t = c->server->teacher;
	size_t taken = 0;

	l.teacher = c->login.acct;
	pthread_mutex_lock(&t->lock);
	for (; taken < CV_MIN(count, COMMAND_MAX) && t->count < WAITING_MAX; taken++) {
		l.uid = uids[taken];
		l.mailbox = cv_str_dup(cv_str_z(mailbox));
		t->waiting[(t->first + t->count++) % WAITING_MAX] = l;
	}
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (taken < count)
		count_lost(t, count - taken, "too many at once");
}

/* ---- what commands note ---- */

static bool
is_wanted(struct imapd_conn *c)
{
	return c->server->teacher && imapd_config(c->server)->imapd->teach_filter;
}

static enum cv_special_use
use_of(struct imapd_conn *c, struct cv_acct *a, struct cv_str name)
{
	struct cv_mbox_info info;

	return cv_mbox_info(a, name, &c->arena, &info, NULL) == CV_OK ? info.use : CV_USE_NONE;
}

static enum cv_special_use
selected_use(struct imapd_conn *c)
{
	return use_of(c, cv_mbox_acct(c->session->mbox), cv_str_z(c->session->owner.mailbox));
}

void
imapd_teach_copied(struct imapd_conn *c, const struct imapd_place *dst, uint64_t dst_id,
	const uint32_t *uids, size_t count)
{
	struct lesson l = {.owner = dst->owner, .mbox_id = dst_id};

	if (!count || !is_wanted(c))
		return;
	enum cv_special_use from = selected_use(c), to = use_of(c, dst->acct, dst->name);
	if (from == to || from == CV_USE_SENT || from == CV_USE_DRAFTS || from == CV_USE_TRASH)
		return;
	l.is_spam = to == CV_USE_JUNK;
	/* Out of Junk into Trash is no praise. */
	if (!l.is_spam && (from != CV_USE_JUNK || to == CV_USE_TRASH))
		return;
	put(c, l, cv_arena_z(&c->arena, dst->name), uids, count);
}

void
imapd_teach_appended(struct imapd_conn *c, const struct imapd_place *dst, uint64_t dst_id,
	const struct cv_append *items, size_t count)
{
	struct lesson l = {.owner = dst->owner, .mbox_id = dst_id, .is_spam = true};

	if (!count || !is_wanted(c) || use_of(c, dst->acct, dst->name) != CV_USE_JUNK)
		return;
	uint32_t *uids = CV_ARENA_ARRAY(&c->arena, uint32_t, count);
	for (size_t i = 0; i < count; i++)
		uids[i] = items[i].uid;
	put(c, l, cv_arena_z(&c->arena, dst->name), uids, count);
}

void
imapd_teach_flagged(struct imapd_conn *c, enum cv_store_op op, const struct cv_flag_change *change,
	const uint32_t *uids, size_t count)
{
	struct lesson l = {.owner = c->session->owner.acct};
	bool is_junk = false, is_not_junk = false;

	for (size_t i = 0; i < change->keyword_count; i++) {
		is_junk |= cv_str_ieq_z(change->keywords[i], "$Junk");
		is_not_junk |= cv_str_ieq_z(change->keywords[i], "$NotJunk");
	}
	if (!count || is_junk == is_not_junk || op == CV_STORE_REMOVE || !is_wanted(c))
		return;
	l.is_spam = is_junk;
	l.mbox_id = cv_mbox_id(c->session->mbox);
	put(c, l, c->session->owner.mailbox, uids, count);
}

/* ---- handing over ---- */

static enum cv_status
keep_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct cv_buf *message = arg;

	(void)err;
	cv_buf_str(message, cv_str_sub(bytes, 0, MESSAGE_MAX - message->n));
	return CV_OK;
}

static bool
take_body(void *arg, const struct cv_msg *msg)
{
	*(struct cv_msg *)arg = *msg;
	return false;
}

static enum cv_status
read_message(
	struct imapd_teacher *t, const struct lesson *l, struct cv_buf *out, struct cv_err *err)
{
	struct cv_msg msg = {0};
	struct cv_acct *a = NULL;
	struct cv_mbox *m = NULL;
	enum cv_status status = cv_acct_open(t->d->store, l->owner, false, &a, NULL, err);

	if (!status)
		status = cv_mbox_open(a, cv_str_z(l->mailbox), &m, err);
	if (!status && cv_mbox_id(m) != l->mbox_id)
		status = CV_NOT_FOUND;
	if (!status)
		status = cv_msg_each(m, &l->uid, 1, false, take_body, &msg, err);
	if (!status && !msg.uid)
		status = CV_NOT_FOUND;
	if (!status)
		status = cv_msg_read(
			m, &msg.body, 0, CV_MIN(msg.size_bytes, MESSAGE_MAX), keep_bytes, out, err);
	if (m)
		cv_mbox_close(m);
	if (a)
		cv_acct_close(a);
	return status;
}

static json_t *
request_of(struct imapd_teacher *t, const struct lesson *l, struct cv_str message)
{
	const struct cv_snapshot *snapshot = cv_register_get(t->d->reg);
	struct cv_buf text = CV_BUF_INIT(CV_BASE64_SIZE(MESSAGE_MAX) + 8);
	struct cv_reg_account owner;
	json_t *request = NULL;

	cv_base64_encode(message, &text);
	if (cv_snapshot_account(snapshot, l->owner, &owner))
		request = json_pack("{s:s, s:s, s:s%, s:I, s:s%}", "do", "classifier.train",
			"class", l->is_spam ? "spam" : "ham", "address", owner.address.p,
			owner.address.n, "teacher", (json_int_t)l->teacher, "message", text.p,
			text.n);
	cv_snapshot_unref(snapshot);
	cv_buf_done(&text);
	return request;
}

/* False when the daemon stops. */
static bool
pause_for(struct imapd_teacher *t, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	pthread_mutex_lock(&t->lock);
	int rc = 0;
	while (!t->stop && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&t->wake, &t->lock, &until);
	bool goes_on = !t->stop;
	pthread_mutex_unlock(&t->lock);
	return goes_on;
}

static enum cv_status
hand_over(struct imapd_teacher *t, json_t *request, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (unsigned i = 0; i < (t->is_away ? 1 : TRIES); i++) {
		json_t *reply = NULL;
		if (i && !pause_for(t, RETRY_MS))
			return cv_fail(err, CV_TEMPFAIL, "the server stops");
		status = cv_ctl_ask(t->ctl_path, request, ASK_SECS, NULL, NULL, &reply, err);
		json_decref(reply);
		if (status != CV_TEMPFAIL)
			break;
	}
	t->is_away = status == CV_TEMPFAIL;
	return status;
}

static void
teach(struct imapd_teacher *t, const struct lesson *l)
{
	struct cv_buf message = CV_BUF_INIT(MESSAGE_MAX);
	struct cv_err err = {0};
	json_t *request = NULL;
	enum cv_status status = read_message(t, l, &message, &err);

	if (!status && message.n)
		request = request_of(t, l, cv_buf_view(&message));
	if (request)
		status = hand_over(t, request, &err);
	json_decref(request);
	cv_buf_done(&message);
	/* A message that went meanwhile is nobody's loss. */
	if (status && status != CV_NOT_FOUND)
		count_lost(t, 1, err.text);
}

static void *
run(void *arg)
{
	struct imapd_teacher *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		if (!t->count) {
			pthread_cond_wait(&t->wake, &t->lock);
			continue;
		}
		struct lesson l = t->waiting[t->first];
		t->first = (t->first + 1) % WAITING_MAX;
		t->count--;
		pthread_mutex_unlock(&t->lock);
		teach(t, &l);
		free(l.mailbox);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

enum cv_status
imapd_teacher_start(struct imapd *d, struct imapd_teacher **out, struct cv_err *err)
{
	struct imapd_teacher *t = cv_calloc(1, sizeof *t);

	t->d = d;
	t->told_ms = cv_mono_ms() - TELL_MS;
	snprintf(t->ctl_path, sizeof t->ctl_path, "%s/spamfilter.ctl",
		imapd_config(d)->common->run_dir);
	pthread_mutex_init(&t->lock, NULL);
	cv_cond_init(&t->wake);
	*out = t;
	enum cv_status status = cv_thread_start(&t->thread, "teacher", run, t, err);
	t->has_thread = status == CV_OK;
	return status;
}

void
imapd_teacher_free(struct imapd_teacher *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	if (t->lost + t->count)
		cv_log(0, CV_WARN, "teach.lost", "lessons=%llu error=\"the server stops\"",
			(unsigned long long)(t->lost + t->count));
	for (; t->count; t->count--) {
		free(t->waiting[t->first].mailbox);
		t->first = (t->first + 1) % WAITING_MAX;
	}
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
