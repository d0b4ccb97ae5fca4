/* store.c - opening and closing: engine, fence, reaper. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/store.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/store/internal.h"
#include "common/store/quarantine.h"

static enum cv_status
make_spool_dir(struct cv_store *s, const struct cv_store_options *o, struct cv_err *err)
{
	if (o->spool_dir) {
		s->spool_dir = cv_strdup(o->spool_dir);
		return CV_OK;
	}
	struct cv_buf path = CV_BUF_INIT(4096);
	cv_buf_printf(&path, "%s/tmp", o->engine.dir);
	s->spool_dir = cv_buf_take(&path);
	if (mkdir(s->spool_dir, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", s->spool_dir);
	return CV_OK;
}

static struct cv_store *
new_store(const struct cv_store_options *o)
{
	struct cv_store *s = cv_calloc(1, sizeof *s);
	s->separator = o->separator ? o->separator : '/';
	s->restore_secs = o->restore_secs ? (int64_t)o->restore_secs : 14 * 86400;
	s->default_quota_bytes = o->default_quota_bytes ? o->default_quota_bytes : 2ull << 30;
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
	s->max_messages = o->max_messages;
	cv_quarantine_limit(s, &(const struct cv_quarantine_limits){0});
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->pools_lock, NULL);
	cv_list_init(&s->idle);
	for (size_t i = 0; i < CV_BODY_STRIPES; i++)
		pthread_mutex_init(&s->body_locks[i], NULL);
	return s;
}

enum cv_status
cv_store_open(const struct cv_store_options *o, struct cv_store **out, struct cv_err *err)
{
	*out = NULL;
	struct cv_store *s = new_store(o);
	bool crashed = false;
	struct cv_engine_options engine = o->engine;
	engine.with_blobs = true;
	enum cv_status status = cv_engine_open(&engine, &s->engine, &crashed, err);
	if (!status)
		status = make_spool_dir(s, o, err);
	if (!status)
		status = cv_fence_open(s, crashed, err);
	if (!status)
		status = cv_lost_open(s, err);
	if (!status && !o->is_copy)
		status = cv_reaper_start(s, err);
	if (status) {
		cv_store_close(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

void
cv_store_close(struct cv_store *s)
{
	if (!s)
		return;
	cv_reaper_stop(s);
	cv_accts_free(s);
	if (s->engine)
		cv_engine_close(s->engine);
	for (size_t i = 0; i < CV_BODY_STRIPES; i++)
		pthread_mutex_destroy(&s->body_locks[i]);
	pthread_mutex_destroy(&s->lock);
	cv_pools_free(s);
	pthread_mutex_destroy(&s->pools_lock);
	pthread_rwlock_destroy(&s->gate);
	free(s->spool_dir);
	free(s);
}

struct cv_engine *
cv_store_engine(struct cv_store *s)
{
	return s->engine;
}

char
cv_store_separator(const struct cv_store *s)
{
	return s->separator;
}

const char *
cv_store_spool_dir(const struct cv_store *s)
{
	return s->spool_dir;
}

void
cv_gate_enter(struct cv_store *s)
{
	pthread_rwlock_rdlock(&s->gate);
}

void
cv_gate_leave(struct cv_store *s)
{
	pthread_rwlock_unlock(&s->gate);
}
