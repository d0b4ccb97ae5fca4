/* index_build.c - see index_build.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/index_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "imapd/read_text.h"
#include "imapd/signature.h"

#define BATCH        64u
#define WRITE_BYTES  (256u << 10) /* rows gather until there are so many */
#define DEAD_ROWS    64u          /* rows of expunged messages beside a quarter of the others */
#define FREE_PART    20u          /* of the disk stays free of us: 1/20 */
#define WORK_US      10000        /* of work, then as long a rest */
#define PUBLISH_ROWS 2048u        /* and a quarter of what is there already */
#define BUFFER_MAX   (64u << 20)

struct imapd_indexer {
	const atomic_bool *stop;
	struct imapd_texts *texts; /* NULL: documents are not searched */
	struct cv_buf document_texts;
	struct imapd_signer *signer;
	struct imapd_finder *finder;
	uint64_t bits[IMAPD_SIGNATURE_WORDS_MAX];
	struct cv_buf bytes;           /* rows not written yet */
	struct imapd_index_row *added; /* rows behind the image */
	uint32_t added_count, added_room, unwritten;
	int fd;
	uint64_t end; /* of the file, where `bytes` go */
	int64_t rested_us;
};

struct imapd_indexer *
imapd_indexer_new(const atomic_bool *stop, struct imapd_texts *texts)
{
	struct imapd_indexer *x = cv_calloc(1, sizeof *x);

	x->stop = stop;
	x->texts = texts;
	cv_buf_init(&x->document_texts, UINT32_MAX);
	x->signer = imapd_signer_new();
	x->finder = imapd_finder_new_signing(x->signer);
	x->fd = -1;
	cv_buf_init(&x->bytes, BUFFER_MAX);
	return x;
}

void
imapd_indexer_free(struct imapd_indexer *x)
{
	if (!x)
		return;
	imapd_finder_free(x->finder);
	imapd_signer_free(x->signer);
	cv_buf_done(&x->bytes);
	cv_buf_done(&x->document_texts);
	free(x->added);
	free(x);
}

static bool
is_told_to_stop(const struct imapd_indexer *x)
{
	return atomic_load_explicit(x->stop, memory_order_relaxed);
}

/* Half of the time the thread sleeps, so that it takes half a core at the most. */
static void
rest(struct imapd_indexer *x)
{
	int64_t worked = cv_mono_us() - x->rested_us;

	if (worked < WORK_US)
		return;
	struct timespec pause = {0, (long)CV_MIN(worked, 10 * WORK_US) * 1000};
	nanosleep(&pause, NULL);
	x->rested_us = cv_mono_us();
}

/* ---- writing ---- */

static enum cv_status
check_room(const struct imapd_indexer *x, struct imapd_index_task *t, size_t n, struct cv_err *err)
{
	struct statvfs fs;

	if (n > t->room_bytes)
		return cv_fail(err, CV_FULL, "the index has its full size");
	if (!fstatvfs(x->fd, &fs) && fs.f_bavail < fs.f_blocks / FREE_PART)
		return cv_fail(err, CV_FULL, "the disk of %s is nearly full", t->path);
	t->room_bytes -= n;
	return CV_OK;
}

static enum cv_status
write_bytes(struct imapd_indexer *x, struct imapd_index_task *t, struct cv_err *err)
{
	struct cv_str left = cv_buf_view(&x->bytes);
	enum cv_status status = check_room(x, t, left.n, err);

	while (!status && left.n) {
		ssize_t n = pwrite(x->fd, left.p, left.n, (off_t)x->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cv_fail_errno(err, errno == ENOSPC ? CV_FULL : CV_TEMPFAIL, errno,
				"cannot write %s", t->path);
		left = cv_str_sub(left, (size_t)n, left.n);
		x->end += (uint64_t)n;
	}
	if (!status) {
		cv_buf_reset(&x->bytes);
		x->unwritten = 0;
	}
	return status;
}

static void
take_image(struct imapd_index_task *t, struct imapd_index_image *image)
{
	imapd_index_image_unref(t->image);
	t->image = image;
	t->publish(t->arg, image);
}

/* What was written becomes an image that searches see. */
static enum cv_status
show_added(struct imapd_indexer *x, struct imapd_index_task *t, struct cv_err *err)
{
	uint32_t count = x->added_count - x->unwritten;

	if (!count)
		return CV_OK;
	struct imapd_index_image *image =
		imapd_index_image_grow(t->image, x->fd, (size_t)x->end, x->added, count);
	if (!image)
		return cv_fail(err, CV_LIMIT, "%s cannot be mapped", t->path);
	take_image(t, image);
	memmove(x->added, x->added + count, x->unwritten * sizeof *x->added);
	x->added_count = x->unwritten;
	return CV_OK;
}

/* ---- a new file ---- */

/* The rows of messages that are still there, into `bytes`, which are written as they gather. */
static enum cv_status
copy_rows(struct imapd_indexer *x, struct imapd_index_task *t, const struct cv_view *view,
	struct cv_err *err)
{
	const struct imapd_index_image *image = t->image;
	enum cv_status status = CV_OK;

	for (uint32_t i = 0; image && i < image->count && !status; i++) {
		const struct imapd_index_row *row = &image->rows[i];
		if (!cv_view_uid(view, row->uid))
			continue;
		/* As it is, with its check: what went bad since stays bad, and is found so. */
		cv_buf_add(&x->bytes, image->words + row->at - IMAPD_INDEX_ROW_BYTES / 8,
			IMAPD_INDEX_ROW_BYTES + row->words * sizeof *image->words);
		if (x->bytes.n > WRITE_BYTES)
			status = write_bytes(x, t, err);
		rest(x);
	}
	return status;
}

/* Writes the file anew, with the rows of the image that are still good, beside the old one, and
 * puts it in its place. */
static enum cv_status
write_anew(struct imapd_indexer *x, struct imapd_index_task *t, const struct cv_view *view,
	struct cv_err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s.new", t->path);
	x->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (x->fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", path);
	x->end = 0;
	cv_buf_reset(&x->bytes);
	imapd_index_write_head(&x->bytes, &t->key, view->uidvalidity);
	enum cv_status status = copy_rows(x, t, view, err);
	if (!status)
		status = write_bytes(x, t, err);
	if (!status && rename(path, t->path))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot rename %s", path);
	if (status) {
		(void)unlink(path);
		return status;
	}
	struct imapd_index_image *image = imapd_index_image_map(t->path, &t->key);
	if (!image)
		return cv_fail(err, CV_LIMIT, "%s cannot be mapped", t->path);
	while (!imapd_index_image_check(image, cv_mono_us() + WORK_US))
		rest(x);
	t->was_rewritten_out = true;
	take_image(t, image);
	if (image->is_torn)
		return cv_fail(err, CV_CORRUPT, "%s does not keep what was written", t->path);
	return CV_OK;
}

static bool
needs_new_file(const struct imapd_index_task *t, const struct cv_view *view)
{
	const struct imapd_index_image *image = t->image;
	uint32_t dead = 0;
	struct stat st;

	if (!image || image->is_torn)
		return true;
	/* Somebody else was here. */
	if (stat(t->path, &st) || (uint64_t)st.st_size != image->bytes)
		return true;
	for (uint32_t i = 0; i < image->count; i++)
		dead += !cv_view_uid(view, image->rows[i].uid);
	return dead > DEAD_ROWS + image->count / 5 || (dead && t->tidy);
}

/* An image of another life of the mailbox, or with messages that were never here: a store that was
 * restored may give their numbers again. */
static bool
is_believed(const struct imapd_index_image *image, const struct cv_view *view)
{
	return image->uidvalidity == view->uidvalidity &&
	       (!image->count || image->rows[image->count - 1].uid < view->uidnext);
}

static enum cv_status
open_file(struct imapd_indexer *x, struct imapd_index_task *t, const struct cv_view *view,
	struct cv_err *err)
{
	if (!t->image && (t->image = imapd_index_image_map(t->path, &t->key))) {
		while (!imapd_index_image_check(t->image, cv_mono_us() + WORK_US))
			rest(x);
		if (is_believed(t->image, view))
			t->publish(t->arg, t->image);
	}
	if (t->image && !is_believed(t->image, view)) {
		imapd_index_image_unref(t->image);
		t->image = NULL;
	}
	if (needs_new_file(t, view))
		return write_anew(x, t, view, err);
	x->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (x->fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", t->path);
	x->end = t->image->bytes;
	return CV_OK;
}

/* ---- signing ---- */

struct batch {
	struct cv_msg msgs[BATCH];
	unsigned count;
};

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct batch *b = arg;
	b->msgs[b->count++] = *msg;
	return b->count < BATCH;
}

/* Puts the texts of the message's documents before the finder. False: what they say is not known
 * for good (D1, D2 of texts.h). */
static bool
add_documents(struct imapd_indexer *x, const struct cv_msg *msg)
{
	bool is_final = false;

	if (!x->texts || !imapd_finder_has_documents(x->finder))
		return true;
	if (!imapd_texts_read(x->texts, msg, &x->document_texts, &is_final) &&
		(!imapd_texts_make(x->texts, msg, x->stop) ||
			!imapd_texts_read(x->texts, msg, &x->document_texts, &is_final)))
		return false;
	imapd_finder_texts(x->finder, cv_buf_view(&x->document_texts));
	return is_final;
}

/* A message that cannot be read stays out: a search reads it, and says what is wrong. */
static void
sign(struct imapd_indexer *x, struct imapd_index_task *t, const struct cv_msg *msg)
{
	struct cv_err unused = {0};

	imapd_signer_reset(x->signer);
	imapd_finder_reset(x->finder);
	enum cv_status status = imapd_read_text(x->finder, t->mbox, msg, &unused);
	bool is_known = !status && add_documents(x, msg);
	imapd_finder_finish(x->finder);
	if (!is_known)
		return;
	uint32_t words = imapd_signer_finish(x->signer, x->bits);
	if (x->added_count == x->added_room) {
		x->added_room = x->added_room ? 2 * x->added_room : 256;
		x->added = cv_realloc(x->added, x->added_room * sizeof *x->added);
	}
	x->added[x->added_count++] = (struct imapd_index_row){
		msg->uid, words, (x->end + x->bytes.n + IMAPD_INDEX_ROW_BYTES) / 8};
	x->unwritten++;
	imapd_index_write_row(&x->bytes, msg->uid, x->bits, words);
	t->signed_out++;
}

static enum cv_status
sign_batch(struct imapd_indexer *x, struct imapd_index_task *t, const uint32_t *uids, size_t count,
	struct cv_err *err)
{
	struct batch b = {.count = 0};
	enum cv_status status = cv_msg_each(t->mbox, uids, count, false, on_msg, &b, err);

	for (unsigned i = 0; i < b.count && !status && !is_told_to_stop(x); i++) {
		sign(x, t, &b.msgs[i]);
		if (x->bytes.n > WRITE_BYTES)
			status = write_bytes(x, t, err);
		rest(x);
	}
	if (!status && x->added_count > PUBLISH_ROWS + t->image->count / 4) {
		status = x->bytes.n ? write_bytes(x, t, err) : CV_OK;
		if (!status)
			status = show_added(x, t, err);
	}
	return status;
}

/* Nobody waits for this, and others need the time. */
static bool
leaves_off(struct imapd_index_task *t)
{
	t->was_left_out |= t->quiet && !imapd_quiet_now(t->quiet);
	return t->was_left_out;
}

/* Signs every message of VIEW that has no row. */
static enum cv_status
sign_lacking(struct imapd_indexer *x, struct imapd_index_task *t, const struct cv_view *view,
	struct cv_err *err)
{
	uint32_t uids[BATCH], hint = 0;
	size_t count = 0;
	enum cv_status status = CV_OK;

	for (uint32_t p = 0; p < view->pages_count && !status && !is_told_to_stop(x); p++) {
		const struct cv_page *page = view->pages[p].page;
		for (uint32_t i = 0; i < page->count && !status; i++) {
			/* Images that come in between have no other messages of this view. */
			if (imapd_index_image_find(t->image, page->entries[i].uid, &hint))
				continue;
			uids[count++] = page->entries[i].uid;
			if (count < BATCH)
				continue;
			if (leaves_off(t))
				return CV_OK;
			status = sign_batch(x, t, uids, count, err);
			count = 0;
		}
	}
	return count && !status ? sign_batch(x, t, uids, count, err) : status;
}

enum cv_status
imapd_indexer_run(struct imapd_indexer *x, struct imapd_index_task *t, struct cv_err *err)
{
	const struct cv_view *view;
	enum cv_status status = cv_mbox_view(t->mbox, &view, err);

	if (status)
		return status;
	x->rested_us = cv_mono_us();
	x->added_count = x->unwritten = 0;
	cv_buf_reset(&x->bytes);
	status = open_file(x, t, view, err);
	if (!status)
		status = sign_lacking(x, t, view, err);
	if (!status && x->bytes.n)
		status = write_bytes(x, t, err);
	if (!status)
		status = show_added(x, t, err);
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	cv_view_unref(view);
	return status;
}
