/* fetch.c - reading a backup: chunks, packs, whole files. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/backup/backup.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/kill.h"

struct backup_reader {
	struct backup *b;
	struct backup_target *t;
	const struct backup_manifest *m;
	struct backup_cipher *ciphers; /* by pack */
	bool *is_open;
	uint32_t *order; /* chunks by pack and offset */
	uint32_t *first; /* of each pack, in order; one more at the end */
	struct cv_buf pack;
};

/* ---- chunks by pack ---- */

static int
by_place(const void *a, const void *b, void *arg)
{
	const struct backup_chunk *chunks = arg;
	const struct backup_chunk *x = &chunks[*(const uint32_t *)a];
	const struct backup_chunk *y = &chunks[*(const uint32_t *)b];
	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void
sort_chunks(struct backup_reader *r)
{
	const struct backup_manifest *m = r->m;
	r->order = cv_malloc((m->chunk_count + 1) * sizeof *r->order);
	r->first = cv_calloc(m->pack_count + 2, sizeof *r->first);
	for (uint32_t i = 0; i < m->chunk_count; i++) {
		r->order[i] = i;
		r->first[m->chunks[i].pack + 1]++;
	}
	qsort_r(r->order, m->chunk_count, sizeof *r->order, by_place, m->chunks);
	for (uint32_t i = 0; i < m->pack_count; i++)
		r->first[i + 1] += r->first[i];
}

enum cv_status
backup_reader_open(struct backup *b, struct backup_target *t, const struct backup_manifest *m,
	struct backup_reader **out, struct cv_err *err)
{
	(void)err;
	struct backup_reader *r = cv_calloc(1, sizeof *r);
	*r = (struct backup_reader){.b = b, .t = t, .m = m, .pack = CV_BUF_INIT(BACKUP_PACK_MAX)};
	r->ciphers = cv_calloc(m->pack_count + 1, sizeof *r->ciphers);
	r->is_open = cv_calloc(m->pack_count + 1, sizeof *r->is_open);
	sort_chunks(r);
	*out = r;
	return CV_OK;
}

void
backup_reader_close(struct backup_reader *r)
{
	if (!r)
		return;
	cv_wipe(r->ciphers, r->m->pack_count * sizeof *r->ciphers);
	free(r->ciphers);
	free(r->is_open);
	free(r->order);
	free(r->first);
	cv_buf_done(&r->pack);
	free(r);
}

/* ---- one chunk ---- */

static enum cv_status
open_cipher(struct backup_reader *r, uint32_t pack, struct cv_str head, struct cv_err *err)
{
	if (r->is_open[pack])
		return CV_OK;
	enum cv_status status = backup_pack_open(&r->b->secret, head, &r->ciphers[pack], err);
	r->is_open[pack] = !status;
	return status;
}

/* STORED is chunk I as the pack has it. */
static enum cv_status
open_chunk(struct backup_reader *r, uint32_t i, struct cv_str stored, struct cv_buf *out,
	struct cv_err *err)
{
	const struct backup_chunk *c = &r->m->chunks[i];
	uint8_t sha256[32];
	size_t before = out->n;
	enum cv_status status =
		backup_chunk_open(&r->ciphers[c->pack], c->offset, stored, out, err);
	if (status)
		return status;
	struct cv_str plain = cv_str(out->p + before, out->n - before);
	backup_sha256(plain, sha256);
	if (plain.n != c->size || memcmp(sha256, c->sha256, 32) != 0)
		return cv_fail(err, CV_CORRUPT, "a chunk of pack %s is not what the manifest says",
			r->m->packs[c->pack].name);
	return CV_OK;
}

enum cv_status
backup_read_chunk(struct backup_reader *r, uint32_t i, struct cv_buf *out, struct cv_err *err)
{
	const struct backup_chunk *c = &r->m->chunks[i];
	char path[128];
	enum cv_status status = CV_OK;
	snprintf(path, sizeof path, "packs/%s", r->m->packs[c->pack].name);
	if (!r->is_open[c->pack]) {
		cv_buf_reset(&r->pack);
		status = backup_target_get(r->t, path, 0, BACKUP_HEAD_BYTES, &r->pack, err);
		if (!status)
			status = open_cipher(r, c->pack, cv_buf_view(&r->pack), err);
	}
	cv_buf_reset(&r->pack);
	if (!status)
		status = backup_target_get(r->t, path, c->offset, c->stored, &r->pack, err);
	return status ? status : open_chunk(r, i, cv_buf_view(&r->pack), out, err);
}

/* ---- one pack ---- */

static enum cv_status
load_pack(struct backup_reader *r, uint32_t i, struct cv_err *err)
{
	const struct backup_pack *p = &r->m->packs[i];
	char path[128];
	uint8_t sha256[32];
	cv_buf_reset(&r->pack);
	snprintf(path, sizeof path, "packs/%s", p->name);
	enum cv_status status = backup_target_get(r->t, path, 0, 0, &r->pack, err);
	if (status == CV_NOT_FOUND)
		return cv_fail(err, CV_CORRUPT, "pack %s is missing", p->name);
	if (status == CV_LIMIT)
		return cv_fail(err, CV_CORRUPT, "pack %s is longer than any pack", p->name);
	if (status)
		return status;
	backup_sha256(cv_buf_view(&r->pack), sha256);
	if (r->pack.n != p->size || memcmp(sha256, p->sha256, 32) != 0)
		return cv_fail(err, CV_CORRUPT, "pack %s is damaged", p->name);
	return CV_OK;
}

enum cv_status
backup_check_pack(struct backup_reader *r, uint32_t i, struct cv_err *err)
{
	enum cv_status status = load_pack(r, i, err);
	if (status || !r->b->has_secret)
		return status;
	struct cv_buf plain = CV_BUF_INIT(BACKUP_CHUNK_MAX);
	struct cv_str pack = cv_buf_view(&r->pack);
	status = open_cipher(r, i, pack, err);
	for (uint32_t j = r->first[i]; !status && j < r->first[i + 1]; j++) {
		const struct backup_chunk *c = &r->m->chunks[r->order[j]];
		cv_buf_reset(&plain);
		status = open_chunk(r, r->order[j],
			cv_str_sub(pack, c->offset, (size_t)c->offset + c->stored), &plain, err);
	}
	cv_buf_done(&plain);
	return status;
}

/* ---- files ---- */

struct use {                        /* of a chunk in a file */
	uint32_t chunk, file, next; /* next use of the same chunk, plus 1 */
	uint64_t at;
};
struct extract {
	struct backup_reader *r;
	char **paths; /* by file; NULL: not wanted */
	struct use *uses;
	uint32_t *use_of; /* by chunk: its first use, plus 1 */
	size_t use_count;
	uint32_t open_file; /* its number plus 1 */
	int fd;
	uint64_t bytes, total;
};

static enum cv_status
make_file(const char *path, uint64_t size, struct cv_err *err)
{
	char above[4096];
	snprintf(above, sizeof above, "%s", path);
	char *slash = strrchr(above, '/');
	if (slash)
		*slash = '\0';
	enum cv_status status =
		slash ? admin_folder_make(above, 0700, ADMIN_OWNER_SELF, err) : CV_OK;
	int fd = status ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!status && (fd < 0 || ftruncate(fd, (off_t)size))) {
		int why = errno;
		status = cv_fail_errno(
			err, why == EEXIST ? CV_EXISTS : CV_TEMPFAIL, why, "making %s", path);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static enum cv_status
plan(struct extract *x, backup_want_fn *want, void *arg, struct cv_err *err)
{
	const struct backup_manifest *m = x->r->m;
	enum cv_status status = CV_OK;
	size_t uses = 0;
	for (uint32_t i = 0; !status && i < m->file_count; i++) {
		x->paths[i] = want(arg, &m->files[i]);
		if (!x->paths[i])
			continue;
		status = make_file(x->paths[i], m->files[i].size, err);
		uses += m->files[i].count;
		x->total += m->files[i].size;
	}
	x->uses = cv_malloc((uses + 1) * sizeof *x->uses);
	for (uint32_t i = 0; !status && i < m->file_count; i++) {
		const struct backup_file *f = &m->files[i];
		uint64_t at = 0;
		for (uint32_t j = 0; x->paths[i] && j < f->count; j++) {
			uint32_t c = f->chunks[j];
			x->uses[x->use_count] = (struct use){c, i, x->use_of[c], at};
			x->use_of[c] = (uint32_t)++x->use_count;
			at += m->chunks[c].size;
		}
	}
	return status;
}

static enum cv_status
write_at(struct extract *x, const struct use *u, struct cv_str bytes, struct cv_err *err)
{
	int why = cv_fail_point("backup.extract");
	if (x->open_file != u->file + 1) {
		if (x->fd >= 0)
			close(x->fd);
		x->fd = open(x->paths[u->file], O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		x->open_file = u->file + 1;
		if (x->fd < 0)
			return cv_fail_errno(
				err, CV_TEMPFAIL, errno, "opening %s", x->paths[u->file]);
	}
	uint64_t at = u->at;
	while (!why && bytes.n) {
		ssize_t n = pwrite(x->fd, bytes.p, bytes.n, (off_t)at);
		if (n < 0 && errno != EINTR)
			why = errno;
		if (n > 0) {
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
			at += (uint64_t)n;
		}
	}
	return why ? cv_fail_errno(err, why == ENOSPC ? CV_FULL : CV_TEMPFAIL, why, "writing %s",
			     x->paths[u->file])
		   : CV_OK;
}

static enum cv_status
extract_pack(struct extract *x, uint32_t pack, struct cv_buf *plain, struct cv_err *err)
{
	struct backup_reader *r = x->r;
	bool is_wanted = false;
	for (uint32_t j = r->first[pack]; j < r->first[pack + 1]; j++)
		is_wanted |= x->use_of[r->order[j]] != 0;
	if (!is_wanted)
		return CV_OK;
	enum cv_status status = load_pack(r, pack, err);
	if (!status)
		status = open_cipher(r, pack, cv_buf_view(&r->pack), err);
	for (uint32_t j = r->first[pack]; !status && j < r->first[pack + 1]; j++) {
		const struct backup_chunk *c = &r->m->chunks[r->order[j]];
		uint32_t use = x->use_of[r->order[j]];
		if (!use)
			continue;
		cv_buf_reset(plain);
		status = open_chunk(r, r->order[j],
			cv_str_sub(cv_buf_view(&r->pack), c->offset, (size_t)c->offset + c->stored),
			plain, err);
		for (; !status && use; use = x->uses[use - 1].next) {
			status = write_at(x, &x->uses[use - 1], cv_buf_view(plain), err);
			x->bytes += plain->n;
		}
	}
	return status;
}

/* Modes as they were, for the owner alone: what secrets there are, their group read them by name.
 */
static enum cv_status
finish_files(struct extract *x, struct cv_err *err)
{
	const struct backup_manifest *m = x->r->m;
	for (uint32_t i = 0; i < m->file_count; i++) {
		if (!x->paths[i])
			continue;
		struct timespec times[2] = {
			{.tv_sec = m->files[i].mtime_secs}, {.tv_sec = m->files[i].mtime_secs}};
		int fd = open(x->paths[i], O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		bool ok = fd >= 0 && !fchmod(fd, (mode_t)(m->files[i].mode & 0750)) &&
			  !futimens(fd, times) && !fsync(fd);
		int why = errno;
		if (fd >= 0)
			close(fd);
		if (!ok)
			return cv_fail_errno(err, why == ENOSPC ? CV_FULL : CV_TEMPFAIL, why,
				"syncing %s", x->paths[i]);
	}
	return CV_OK;
}

enum cv_status
backup_extract(struct backup_reader *r, backup_want_fn *want, void *arg,
	struct admin_call *progress, uint64_t *bytes_out, struct cv_err *err)
{
	const struct backup_manifest *m = r->m;
	struct extract x = {.r = r, .fd = -1};
	struct cv_buf plain = CV_BUF_INIT(BACKUP_CHUNK_MAX);
	x.paths = cv_calloc(m->file_count + 1, sizeof *x.paths);
	x.use_of = cv_calloc(m->chunk_count + 1, sizeof *x.use_of);
	enum cv_status status = plan(&x, want, arg, err);
	for (uint32_t i = 0; !status && i < m->pack_count; i++) {
		status = extract_pack(&x, i, &plain, err);
		CV_KILL_POINT("backup.extracted");
		if (progress)
			admin_progress(progress,
				json_pack("{s:I, s:I}", "done", (json_int_t)(x.bytes >> 20),
					"total", (json_int_t)(x.total >> 20) + 1));
	}
	if (x.fd >= 0)
		close(x.fd);
	if (!status)
		status = finish_files(&x, err);
	*bytes_out = x.bytes;
	for (uint32_t i = 0; i < m->file_count; i++)
		free(x.paths[i]);
	free(x.paths);
	free(x.use_of);
	free(x.uses);
	cv_buf_done(&plain);
	return status;
}
