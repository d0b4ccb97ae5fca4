/* notices.c - see notices.h. Rows: "N" day account service -> "". */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/notices.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>

#include "common/base/log.h"
#include "common/net/ctl.h"

#define ASK_SECS       20
#define SERVICE_MAX    200
#define ADDRESS_MAX    255

struct notice {
	uint64_t acct;
	unsigned days;
	char address[ADDRESS_MAX + 1], service[SERVICE_MAX + 1];
};

struct spam_notices {
	struct spam_stats *stats;
	char path[1100];
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct notice *waiting[SPAM_NOTICES_WAITING];
	size_t first, count;
	pthread_t thread;
	bool has_thread, stopping;
	bool was_down; /* the log knows that imapd does not answer */
	uint32_t swept_day;
};

struct spam_notices *
spam_notices_new(struct spam_stats *stats, const char *run_dir)
{
	struct spam_notices *n = cv_calloc(1, sizeof *n);

	n->stats = stats;
	if (run_dir && run_dir[0])
		snprintf(n->path, sizeof n->path, "%s/imapd.ctl", run_dir);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	return n;
}

void
spam_notices_free(struct spam_notices *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stopping = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	if (n->has_thread)
		pthread_join(n->thread, NULL);
	for (size_t i = 0; i < n->count; i++)
		free(n->waiting[(n->first + i) % SPAM_NOTICES_WAITING]);
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->wake);
	free(n);
}

/* ---- what was told ---- */

static void
write_key(struct cv_buf *key, uint32_t day, const struct notice *notice)
{
	cv_buf_c(key, 'N');
	cv_buf_be32(key, day);
	cv_buf_be64(key, notice->acct);
	cv_buf_z(key, notice->service);
}

static bool
was_told(struct cv_engine *e, const struct notice *notice)
{
	struct cv_str keys[SPAM_NOTICES_DAYS], values[SPAM_NOTICES_DAYS];
	struct cv_buf text[SPAM_NOTICES_DAYS], hold = CV_BUF_INIT(64u << 10);
	unsigned days = CV_MIN(notice->days, SPAM_NOTICES_DAYS);
	uint64_t version;
	bool told = false;
	struct cv_err err;

	for (unsigned i = 0; i < days; i++) {
		cv_buf_init(&text[i], CV_KEY_MAX);
		write_key(&text[i], spam_stats_today() - i, notice);
		keys[i] = cv_buf_view(&text[i]);
	}
	if (cv_meta_read(e, spam_stats_acct(SPAM_TABLE_SIGNUPS), keys, days, values, &hold,
		    &version, &err) == CV_OK)
		for (unsigned i = 0; i < days; i++)
			told = told || values[i].p;
	for (unsigned i = 0; i < days; i++)
		cv_buf_done(&text[i]);
	cv_buf_done(&hold);
	return told;
}

static void
remember(struct spam_notices *n, struct cv_engine *e, const struct notice *notice)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), end = CV_BUF_INIT(16);
	uint32_t today = spam_stats_today();
	struct cv_err err = {0};
	cv_ticket ticket;

	write_key(&key, today, notice);
	struct cv_put put = {cv_buf_view(&key), CV_STR("1")};
	struct cv_batch batch = {.acct = spam_stats_acct(SPAM_TABLE_SIGNUPS),
		.expect = CV_VERSION_ANY,
		.puts = &put,
		.count = 1};
	enum cv_status status = cv_meta_commit(e, &batch, 1, &ticket, &err);
	if (!status && n->swept_day != today) {
		n->swept_day = today;
		cv_buf_c(&end, 'N');
		cv_buf_be32(&end, today - SPAM_NOTICES_DAYS);
		status = spam_stats_sweep(
			e, SPAM_TABLE_SIGNUPS, CV_STR("N"), cv_buf_view(&end), NULL, &err);
	}
	/* At the worst the owner hears of it again. */
	if (status)
		cv_log(0, CV_WARN, "notice.forgotten", "error=\"%s\"", err.text);
	cv_buf_done(&key);
	cv_buf_done(&end);
}

/* ---- the thread ---- */

/* Whether imapd took it: told, or a reason of its own not to. */
static bool
ask_imapd(struct spam_notices *n, const struct notice *notice)
{
	json_t *request = json_pack("{s:s, s:s, s:I, s:{s:s, s:s}}", "do", "mail.notice",
		"template", "signup", "acct", (json_int_t)notice->acct, "values", "sender",
		notice->service, "address", notice->address);
	json_t *reply = NULL;
	struct cv_err err = {0};
	enum cv_status status =
		request ? cv_ctl_ask(n->path, request, ASK_SECS, NULL, NULL, &reply, &err)
			: CV_INVALID;

	json_decref(request);
	json_decref(reply);
	if (status == CV_TEMPFAIL && !n->was_down)
		cv_log(0, CV_WARN, "notice.down", "socket=%s error=\"%s\"", n->path, err.text);
	else if (status && status != CV_TEMPFAIL)
		cv_log(0, CV_WARN, "notice.refused", "acct=%llu error=\"%s\"",
			(unsigned long long)notice->acct, err.text);
	n->was_down = status == CV_TEMPFAIL;
	return status == CV_OK;
}

static void
tell(struct spam_notices *n, const struct notice *notice)
{
	struct cv_engine *e = spam_stats_engine(n->stats);
	bool told = e && was_told(e, notice);

	if (e)
		spam_stats_done(n->stats);
	/* The engine is not held while a peer is waited for. */
	if (told || !ask_imapd(n, notice) || !(e = spam_stats_engine(n->stats)))
		return;
	remember(n, e, notice);
	spam_stats_done(n->stats);
}

static void *
run(void *arg)
{
	struct spam_notices *n = arg;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		if (!n->count) {
			pthread_cond_wait(&n->wake, &n->lock);
			continue;
		}
		struct notice *notice = n->waiting[n->first];
		n->first = (n->first + 1) % SPAM_NOTICES_WAITING;
		n->count--;
		pthread_mutex_unlock(&n->lock);
		tell(n, notice);
		free(notice);
		pthread_mutex_lock(&n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

enum cv_status
spam_notices_start(struct spam_notices *n, struct cv_err *err)
{
	sigset_t all, old;

	if (!n->path[0])
		return CV_OK;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	n->has_thread = !pthread_create(&n->thread, NULL, run, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n->has_thread ? CV_OK : cv_fail(err, CV_TEMPFAIL, "no thread for notices");
}

void
spam_notices_tell(struct spam_notices *n, uint64_t acct, struct cv_str address,
	struct cv_str service, unsigned days)
{
	if (!days || !n->has_thread || address.n > ADDRESS_MAX || service.n > SERVICE_MAX)
		return;
	struct notice *notice = cv_calloc(1, sizeof *notice);
	notice->acct = acct;
	notice->days = days;
	memcpy(notice->address, address.p, address.n);
	memcpy(notice->service, service.p, service.n);
	pthread_mutex_lock(&n->lock);
	bool is_full = n->count == SPAM_NOTICES_WAITING;
	if (!is_full) {
		n->waiting[(n->first + n->count++) % SPAM_NOTICES_WAITING] = notice;
		pthread_cond_signal(&n->wake);
	}
	pthread_mutex_unlock(&n->lock);
	if (is_full) {
		free(notice);
		cv_log(0, CV_WARN, "notice.full", "acct=%llu", (unsigned long long)acct);
	}
}
