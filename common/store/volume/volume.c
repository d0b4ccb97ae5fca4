/* volume.c - opening, closing, syncing and copying the volumes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

#define VOLUME_BYTES_DEFAULT ((uint64_t)256 << 20)

static enum cv_status
volumes_sync(struct cv_blobs *b, struct cv_err *err)
{
	return cv_volume_sync_dirty(cv_volumes_of(b), err);
}

static bool
volumes_are_dirty(struct cv_blobs *b)
{
	struct cv_volumes *s = cv_volumes_of(b);
	pthread_mutex_lock(&s->lock);
	bool any = s->dirty_count > 0;
	pthread_mutex_unlock(&s->lock);
	return any;
}

static enum cv_status
volumes_checkpoint(struct cv_blobs *b, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	return cv_catalog_write(s, s->dir_fd, err);
}

static uint64_t
volumes_unmarked(struct cv_blobs *b)
{
	struct cv_volumes *s = cv_volumes_of(b);
	uint64_t marked = atomic_load(&s->marked);
	return atomic_load(&s->appended) - marked;
}

static const struct cv_blob_tail *
volumes_tail(struct cv_blobs *b, size_t i)
{
	struct cv_volumes *s = cv_volumes_of(b);
	return i < s->tail_count ? &s->tails[i] : NULL;
}

static uint64_t
volumes_bytes(struct cv_blobs *b)
{
	struct cv_volumes *s = cv_volumes_of(b);
	uint64_t sum = 0;
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->table_count; i++)
		sum += s->table[i] ? atomic_load(&s->table[i]->end) : 0;
	pthread_mutex_unlock(&s->lock);
	return sum;
}

static void
release(struct cv_volumes *s)
{
	for (uint32_t i = 0; i < s->table_count; i++) {
		struct cv_volume *v = s->table[i];
		if (v && v->fd >= 0)
			close(v->fd);
		if (v)
			free(v->forward);
		free(v);
	}
	for (size_t i = 0; i < s->tail_count; i++)
		free(s->tails[i].places);
	free(s->tails);
	free(s->table);
	free(s->dirty);
	cv_frames_done(s);
	EVP_MD_free(s->sha256);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	pthread_mutex_destroy(&s->append);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->spare_lock);
	pthread_mutex_destroy(&s->dead_lock);
	free(s->dir);
	free(s);
}

static enum cv_status
volumes_close(struct cv_blobs *b, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	struct cv_volume *v = s->current;
	enum cv_status status = cv_volume_sync_dirty(s, err);
	if (v && v->zeroed && ftruncate(v->fd, (off_t)atomic_load(&v->end)))
		cv_log(0, CV_WARN, "store.zeros_left", "volume=%u errno=%d", v->number, errno);
	if (!status)
		status = cv_catalog_write(s, s->dir_fd, err);
	release(s);
	return status;
}

static const struct cv_blob_ops ops = {
	.begin = cv_volumes_begin,
	.write = cv_volumes_write,
	.finish = cv_volumes_finish,
	.abort = cv_volumes_abort,
	.read = cv_volumes_read,
	.stat = cv_volumes_stat,
	.remove = cv_volumes_remove,
	.each = cv_volumes_each,
	.sync = volumes_sync,
	.is_dirty = volumes_are_dirty,
	.checkpoint = volumes_checkpoint,
	.unmarked_bytes = volumes_unmarked,
	.backup = cv_volumes_backup,
	.tail = volumes_tail,
	.compact = cv_volumes_compact,
	.bytes = volumes_bytes,
	.close = volumes_close,
};

enum cv_status
cv_volumes_open(const char *dir, const struct cv_engine_options *o, bool was_clean,
                struct cv_watchdog *w, struct cv_blobs **out, struct cv_err *err)
{
	struct cv_volumes *s = cv_calloc(1, sizeof *s);
	s->blobs.ops = &ops;
	s->dir = cv_strdup(dir);
	s->volume_bytes = o->volume_bytes ? o->volume_bytes : VOLUME_BYTES_DEFAULT;
	s->fetch = o->fetch;
	s->fetch_arg = o->fetch_arg;
	s->watchdog = w;
	s->next_number = 1;
	cv_list_init(&s->lru);
	pthread_mutex_init(&s->append, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->spare_lock, NULL);
	pthread_mutex_init(&s->dead_lock, NULL);
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!s->sha256)
		cv_die("OpenSSL offers no SHA-256");
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum cv_status status = CV_OK;
	if (s->dir_fd < 0)
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", dir);
	if (!status)
		status = cv_volumes_recover(s, was_clean, err);
	if (status) {
		release(s);
		return status;
	}
	*out = &s->blobs;
	return CV_OK;
}
