/* digest.c - see digest.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/digest.h"

#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/config/calendar.h"
#include "imapd/digest_text.h"
#include "imapd/letter.h"
#include "imapd/token.h"

#define LOOK_SECS   20      /* how often the clock is looked at */
#define LATEST_MIN  (12 * 60)
#define TEXT_MAX    (512u << 10)

struct imapd_digest {
	struct imapd *d;
	pthread_t thread;
	pthread_mutex_t lock; /* rank: leaf */
	pthread_cond_t wake;
	bool stop, has_thread;
	int64_t done_day; /* days since 1970 */
};

/* ---- one account ---- */

struct job {
	struct imapd *d;
	struct cv_arena arena;
	struct imapd_digest_facts facts;
	struct imapd_held *items;
	cv_acct_id acct;
	const char *id; /* of the delivery */
};

static enum cv_status
write_tokens(struct job *j, struct cv_err *err)
{
	struct cv_str *tokens = CV_ARENA_ARRAY(&j->arena, struct cv_str, j->facts.count + 1);
	struct cv_buf text = CV_BUF_INIT(IMAPD_TOKEN_TEXT);
	enum cv_status status = CV_OK;

	j->facts.tokens = tokens;
	for (size_t i = 0; i < j->facts.count && j->facts.url.n && !status; i++) {
		const struct imapd_token t = {.acct = j->acct,
			.uidvalidity = j->items[i].uidvalidity,
			.uid = j->items[i].uid,
			.expires_secs = j->items[i].expires_secs};
		cv_buf_reset(&text);
		status = imapd_token_write(j->d->tokens, &t,
			cv_quarantine_keep_secs(j->d->store), j->facts.now_secs, &text, err);
		tokens[i] = cv_arena_str(&j->arena, cv_buf_view(&text));
	}
	cv_buf_done(&text);
	return status;
}

static enum cv_status
put(struct job *j, bool *is_new_out, struct cv_err *err)
{
	struct cv_buf subject = CV_BUF_INIT(500), text = CV_BUF_INIT(TEXT_MAX),
		      html = CV_BUF_INIT(2 * TEXT_MAX);

	imapd_digest_subject(&j->facts, &subject);
	imapd_digest_text(&j->facts, &text);
	imapd_digest_html(&j->facts, &html);
	const struct imapd_letter l = {.kind = "quarantine",
		.to = j->facts.address,
		.subject = cv_buf_view(&subject),
		.text = cv_buf_view(&text),
		.html = cv_buf_view(&html)};
	enum cv_status status = text.full || html.full
					? cv_fail(err, CV_LIMIT, "the digest is too long")
					: imapd_letter_put(j->d, &l, j->acct, cv_str_z(j->id),
						  is_new_out, err);
	cv_buf_done(&subject);
	cv_buf_done(&text);
	cv_buf_done(&html);
	return status;
}

static enum cv_status
dropped(struct job *j, bool forget, uint32_t *out, struct cv_err *err)
{
	struct cv_acct *a;
	enum cv_status status = cv_acct_open(j->d->store, j->acct, false, &a, NULL, err);

	if (status)
		return status;
	status = cv_quarantine_dropped(a, forget, out, err);
	cv_acct_close(a);
	return status;
}

/* *told_out is false when there is nothing new, or when the day's digest went already. */
static enum cv_status
tell(struct job *j, const struct cv_reg_account *account, bool *told_out, struct cv_err *err)
{
	const struct imapd_options *o = imapd_config(j->d)->imapd;
	const struct imapd_held_choice news = {.untold = true, .max = IMAPD_DIGEST_ITEMS};
	struct cv_quarantine_counts counts;
	uint32_t unused;

	*told_out = false;
	j->acct = account->acct;
	enum cv_status status = cv_quarantine_count(j->d->store, j->acct, &counts, err);
	if (status || !counts.untold)
		return status;
	j->facts = (struct imapd_digest_facts){.address = account->address,
		.name = account->display_name,
		.url = j->d->tokens ? cv_str_z(o->quarantine_url) : CV_STR_EMPTY,
		.english = o->quarantine_digest_english,
		.now_secs = cv_wall_secs()};
	status = imapd_held_list(
		j->d, j->acct, &news, &j->arena, &j->items, &j->facts.count, err);
	j->facts.items = j->items;
	if (!status)
		status = dropped(j, false, &j->facts.dropped, err);
	if (status || !j->facts.count)
		return status;
	j->facts.more = counts.untold > j->facts.count
				? counts.untold - (uint32_t)j->facts.count
				: 0;
	status = write_tokens(j, err);
	if (!status)
		status = put(j, told_out, err);
	if (!status && *told_out)
		status = imapd_held_told(j->d, j->acct, j->items, j->facts.count, err);
	if (!status && *told_out && j->facts.dropped)
		status = dropped(j, true, &unused, err);
	return status;
}

/* ID is the same for all: a delivery id counts in its account. */
static enum cv_status
tell_all(struct imapd *d, cv_acct_id only, const char *id, uint64_t *told_out, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(d->reg);
	enum cv_status worst = CV_OK;
	struct cv_reg_account a;

	*told_out = 0;
	for (size_t i = 0; i < cv_snapshot_accounts(s); i++) {
		struct job j = {.d = d, .id = id};
		bool told;
		if (!cv_snapshot_nth(s, i, &a) || a.kind == CV_KIND_GROUP ||
			a.state == CV_STATE_RETIRED || (only && a.acct != only))
			continue;
		enum cv_status status = tell(&j, &a, &told, err);
		cv_arena_done(&j.arena);
		if (status)
			cv_log(0, CV_WARN, "digest.failed", "account=%.*s error=\"%s\"",
				CV_STR_ARGS(a.address), err->text);
		worst = status ? status : worst;
		*told_out += !status && told;
	}
	cv_snapshot_unref(s);
	if (*told_out)
		cv_log(0, CV_INFO, "digest.told", "owners=%llu", (unsigned long long)*told_out);
	return only ? worst : CV_OK;
}

enum cv_status
imapd_digest_send(struct imapd *d, cv_acct_id acct, uint64_t *told_out, struct cv_err *err)
{
	char id[CV_DELIVERY_ID_MAX + 1];

	snprintf(id, sizeof(id), "digest.now.%016llx", (unsigned long long)cv_random_u64());
	return tell_all(d, acct, id, told_out, err);
}

/* ---- the clock ---- */

int
imapd_digest_minute(const char *text)
{
	struct cv_str t = cv_str_z(text);
	uint64_t hour, minute;

	if (t.n != 5 || t.p[2] != ':' || cv_str_u64(cv_str_sub(t, 0, 2), 23, &hour) ||
		cv_str_u64(cv_str_sub(t, 3, 5), 59, &minute))
		return -1;
	return (int)(hour * 60 + minute);
}

/* Whether today's digest is due now. *day_out: today. */
static bool
is_due(struct imapd_digest *g, int64_t *day_out)
{
	const struct imapd_config *config = imapd_config(g->d);
	int at = imapd_digest_minute(config->imapd->quarantine_digest_time);
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;
	struct cv_err err;
	struct cv_calendar *calendar = NULL;

	if (at < 0 || !config->imapd->quarantine_digest || !localtime_r(&now, &tm))
		return false;
	*day_out = ((int64_t)now + tm.tm_gmtoff) / 86400;
	int minute = tm.tm_hour * 60 + tm.tm_min;
	if (*day_out == g->done_day || minute < at || minute >= CV_MAX(LATEST_MIN, at + 60))
		return false;
	if (cv_calendar_load(config->common->holidays_file, config->common->working_hours,
		    &calendar, &err))
		cv_log(0, CV_WARN, "digest.holidays", "error=\"%s\"", err.text);
	bool is_workday = calendar && cv_calendar_is_workday(calendar, *day_out);
	cv_calendar_free(calendar);
	if (!is_workday)
		g->done_day = *day_out;
	return is_workday;
}

static void
look(struct imapd_digest *g)
{
	char id[CV_DELIVERY_ID_MAX + 1];
	struct cv_err err = {0};
	uint64_t told;
	int64_t day;

	if (!is_due(g, &day))
		return;
	g->done_day = day;
	snprintf(id, sizeof(id), "digest.day.%lld", (long long)day);
	(void)!tell_all(g->d, 0, id, &told, &err);
}

static void *
run(void *arg)
{
	struct imapd_digest *g = arg;

	pthread_setname_np(pthread_self(), "digest");
	pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		pthread_mutex_unlock(&g->lock);
		look(g);
		pthread_mutex_lock(&g->lock);
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LOOK_SECS;
		if (!g->stop)
			(void)pthread_cond_timedwait(&g->wake, &g->lock, &until);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

enum cv_status
imapd_digest_start(struct imapd *d, struct imapd_digest **out, struct cv_err *err)
{
	struct imapd_digest *g = cv_calloc(1, sizeof *g);

	*out = g;
	g->d = d;
	pthread_mutex_init(&g->lock, NULL);
	cv_cond_init(&g->wake);
	if (imapd_digest_minute(imapd_config(d)->imapd->quarantine_digest_time) < 0)
		return cv_fail(err, CV_INVALID, "quarantine_digest_time is no time (HH:MM)");
	int failed = pthread_create(&g->thread, NULL, run, g);
	if (failed)
		return cv_fail_errno(
			err, CV_TEMPFAIL, failed, "cannot start the thread of the digests");
	g->has_thread = true;
	return CV_OK;
}

void
imapd_digest_stop(struct imapd_digest *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	if (g->has_thread)
		pthread_join(g->thread, NULL);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->wake);
	free(g);
}
