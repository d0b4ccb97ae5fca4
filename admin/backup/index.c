/* index.c - see index.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/index.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/files.h"

#define FIRST_BYTES (8u + BACKUP_KEY_BYTES)
#define MAGIC       "CVPKIDX1"
#define CHECK_BYTES 8u
#define FILE_MAX    ((uint64_t)8 << 30)

/* ---- in memory ---- */

static size_t
slot_of(const struct backup_index *x, const uint8_t sha256[32])
{
	uint64_t hash;
	memcpy(&hash, sha256, sizeof hash);
	return (size_t)hash & (x->table_size - 1);
}

static void
enter(struct backup_index *x, uint32_t number)
{
	size_t i = slot_of(x, x->chunks[number].sha256);
	while (x->table[i])
		i = (i + 1) & (x->table_size - 1);
	x->table[i] = number + 1;
}

static void
grow_table(struct backup_index *x)
{
	free(x->table);
	x->table_size = x->table_size ? x->table_size * 2 : 4096;
	x->table = cv_calloc(x->table_size, sizeof *x->table);
	for (uint32_t i = 0; i < x->chunk_count; i++)
		enter(x, i);
}

void
backup_index_add(struct backup_index *x, const struct backup_chunk *c)
{
	if (x->chunk_count == x->chunk_room) {
		x->chunk_room = x->chunk_room ? x->chunk_room * 2 : 1024;
		x->chunks = cv_realloc(x->chunks, x->chunk_room * sizeof *x->chunks);
	}
	x->chunks[x->chunk_count++] = *c;
	if ((size_t)x->chunk_count * 2 > x->table_size)
		grow_table(x); /* enters the new one too */
	else
		enter(x, x->chunk_count - 1);
}

static uint32_t
add_pack(struct backup_index *x, const struct backup_pack *p, bool is_there)
{
	if (x->pack_count == x->pack_room) {
		x->pack_room = x->pack_room ? x->pack_room * 2 : 64;
		x->packs = cv_realloc(x->packs, x->pack_room * sizeof *x->packs);
		x->is_there = cv_realloc(x->is_there, x->pack_room * sizeof *x->is_there);
	}
	x->is_there[x->pack_count] = is_there;
	x->packs[x->pack_count] = *p;
	return x->pack_count++;
}

uint32_t
backup_index_begin(struct backup_index *x, const char *name)
{
	struct backup_pack p = {0};
	snprintf(p.name, sizeof p.name, "%s", name);
	return add_pack(x, &p, true);
}

uint32_t
backup_index_find(const struct backup_index *x, const uint8_t sha256[32])
{
	if (!x->table_size)
		return UINT32_MAX;
	for (size_t i = slot_of(x, sha256); x->table[i]; i = (i + 1) & (x->table_size - 1)) {
		const struct backup_chunk *c = &x->chunks[x->table[i] - 1];
		if (!memcmp(c->sha256, sha256, 32) && x->is_there[c->pack])
			return x->table[i] - 1;
	}
	return UINT32_MAX;
}

void
backup_index_saw(struct backup_index *x, struct cv_str name, uint64_t size)
{
	/* Lists come in the order of names, packs nearly so: few comparisons in all. */
	for (uint32_t i = x->pack_count; i-- > 0;)
		if (cv_str_eq_z(name, x->packs[i].name) && x->packs[i].size == size) {
			x->is_there[i] = true;
			return;
		}
}

/* ---- the file ---- */

static void
print_record(const struct backup_index *x, uint32_t pack, uint32_t first, struct cv_buf *out)
{
	uint8_t sha256[32];
	struct cv_buf b = CV_BUF_INIT(64u << 20);
	const struct backup_pack *p = &x->packs[pack];
	uint32_t count = 0;
	for (uint32_t i = first; i < x->chunk_count; i++)
		count += x->chunks[i].pack == pack;
	cv_buf_bytes(&b, cv_str_z(p->name));
	cv_buf_varint(&b, p->size);
	cv_buf_add(&b, p->sha256, sizeof p->sha256);
	cv_buf_varint(&b, count);
	for (uint32_t i = first; i < x->chunk_count; i++) {
		const struct backup_chunk *c = &x->chunks[i];
		if (c->pack != pack)
			continue;
		cv_buf_add(&b, c->sha256, sizeof c->sha256);
		cv_buf_varint(&b, c->offset);
		cv_buf_varint(&b, c->stored);
		cv_buf_varint(&b, c->size);
	}
	backup_sha256(cv_buf_view(&b), sha256);
	cv_buf_be32(out, (uint32_t)b.n);
	cv_buf_add(out, sha256, CHECK_BYTES);
	cv_buf_str(out, cv_buf_view(&b));
	cv_buf_done(&b);
}

static bool
read_record(struct backup_index *x, struct cv_str record)
{
	struct cv_rd r = cv_rd(record);
	struct backup_pack p = {0};
	struct cv_str name = cv_rd_bytes(&r);
	p.size = cv_rd_varint(&r);
	cv_rd_copy(&r, p.sha256, sizeof p.sha256);
	uint64_t count = cv_rd_varint(&r);
	if (r.bad || !backup_is_pack_name(name) || p.size > BACKUP_PACK_MAX ||
		count > cv_rd_left(&r) / 35)
		return false;
	memcpy(p.name, name.p, name.n);
	uint32_t pack = add_pack(x, &p, false);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		struct backup_chunk c = {.pack = pack};
		cv_rd_copy(&r, c.sha256, sizeof c.sha256);
		uint64_t offset = cv_rd_varint(&r), stored = cv_rd_varint(&r),
			 size = cv_rd_varint(&r);
		if (r.bad || offset > p.size || stored > p.size - offset || !size ||
			size > BACKUP_CHUNK_MAX)
			return false;
		c.offset = (uint32_t)offset;
		c.stored = (uint32_t)stored;
		c.size = (uint32_t)size;
		backup_index_add(x, &c);
	}
	return !r.bad && !cv_rd_left(&r);
}

size_t
backup_index_load(struct backup_index *x, struct cv_str bytes)
{
	struct cv_rd r = cv_rd(bytes);
	uint8_t sha256[32];
	struct cv_str magic = cv_rd_take(&r, 8), key = cv_rd_take(&r, BACKUP_KEY_BYTES);
	if (r.bad || !cv_str_eq_z(magic, MAGIC) || memcmp(key.p, x->pub.box, key.n) != 0)
		return 0;
	size_t whole = FIRST_BYTES;
	while (cv_rd_left(&r)) {
		uint32_t n = cv_rd_be32(&r);
		struct cv_str check = cv_rd_take(&r, CHECK_BYTES), record = cv_rd_take(&r, n);
		if (r.bad)
			break;
		backup_sha256(record, sha256);
		if (memcmp(check.p, sha256, CHECK_BYTES) != 0 || !read_record(x, record))
			break;
		whole += 4 + CHECK_BYTES + n;
	}
	return whole;
}

static enum cv_status
write_all(struct backup_index *x, struct cv_str bytes, struct cv_err *err)
{
	while (bytes.n) {
		ssize_t n = write(x->fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "writing %s", x->path);
		if (n > 0)
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return fsync(x->fd) ? cv_fail_errno(err, CV_TEMPFAIL, errno, "writing %s", x->path) : CV_OK;
}

enum cv_status
backup_index_keep(struct backup_index *x, uint32_t pack, uint32_t first, struct cv_err *err)
{
	struct cv_buf b = CV_BUF_INIT(64u << 20);
	print_record(x, pack, first, &b);
	enum cv_status status = write_all(x, cv_buf_view(&b), err);
	cv_buf_done(&b);
	return status;
}

enum cv_status
backup_index_open(const char *path, const struct backup_public *pub, struct backup_index *out,
	struct cv_err *err)
{
	struct cv_str bytes = CV_STR_EMPTY;
	*out = (struct backup_index){.path = cv_strdup(path), .pub = *pub, .fd = -1};
	enum cv_status status = admin_file_read(path, FILE_MAX, &bytes, err);
	if (status && status != CV_NOT_FOUND)
		return status;
	size_t whole = backup_index_load(out, bytes);
	free((char *)(uintptr_t)bytes.p);
	out->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (out->fd < 0 || ftruncate(out->fd, (off_t)whole) || lseek(out->fd, 0, SEEK_END) < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", path);
	if (whole)
		return CV_OK;
	struct cv_buf first = CV_BUF_INIT(FIRST_BYTES);
	cv_buf_z(&first, MAGIC);
	cv_buf_add(&first, pub->box, sizeof pub->box);
	status = write_all(out, cv_buf_view(&first), err);
	cv_buf_done(&first);
	return status;
}

void
backup_index_close(struct backup_index *x)
{
	if (x->fd >= 0 && x->path)
		close(x->fd);
	free(x->path);
	free(x->packs);
	free(x->is_there);
	free(x->chunks);
	free(x->table);
	*x = (struct backup_index){.fd = -1};
}
