/* run.c - `congvu backup run`: makes a backup on every target (BAK-01).
 *
 * The owner of each environment makes a copy of it that is consistent in itself (docs/adr/0135);
 * from there on nothing is open but files. Packs go first, each noted in the index when the target
 * has it; the manifest goes last, so a backup that breaks off is no backup, costs the older ones
 * nothing, and the next one finds its packs there.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "admin/backup/commands.h"
#include "admin/backup/index.h"
#include "admin/backup/source.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/store/queue.h"

#define PACK_BYTES (32u << 20) /* a pack is sent when it has so many */
#define ROW_CHUNK  (256u << 10)
#define OTHER_MAX  ((uint64_t)64 << 20) /* of a file that an option names */

enum { LANE_BODIES, LANE_REST, LANES };

struct lane { /* a pack being filled */
	struct backup_cipher cipher;
	struct cv_buf bytes;
	uint32_t pack, first_chunk;
};
struct upload {
	struct backup *b;
	struct backup_target *t;
	struct backup_index index;
	struct backup_cache cache;
	struct backup_manifest m;
	uint32_t chunk_room, pack_room;
	uint32_t *chunk_at, *pack_at; /* index number -> number in the manifest, plus 1 */
	uint32_t chunk_at_room, pack_at_room;
	struct lane lanes[LANES];
	char *memory;
	uint64_t done, total, sent;
	struct backup_sources left; /* what could not be read, of this target */
};

/* ---- the copy ---- */

struct stages {
	char *mail, *queue, *stats, *classifier;
};

static char *
ask_for_copy(struct admin_call *call, enum admin_service service, const char *key, json_t **reply,
	struct cv_err *err)
{
	*reply = admin_try(call, service, admin_request("backup.copy"), err);
	const char *dir = json_string_value(json_object_get(*reply, key));
	return dir ? cv_strdup(dir) : NULL;
}

/* No smtpd runs: the queue is ours to open for a moment, if there is one. */
static enum cv_status
stage_stopped_queue(struct backup *b, char **path_out, struct cv_err *err)
{
	struct cv_queue *q;
	if (access(b->main->queue_dir, F_OK))
		return CV_OK;
	enum cv_status status = cv_queue_open(b->main->queue_dir, &q, err);
	if (status)
		return status;
	status = cv_engine_stage(cv_queue_engine(q), path_out, err);
	cv_queue_close(q);
	return status;
}

static enum cv_status
stage(struct backup *b, struct stages *s, struct cv_err *err)
{
	json_t *reply;
	s->mail = ask_for_copy(b->call, ADMIN_STORE, "dir", &reply, err);
	json_decref(reply);
	if (!s->mail)
		return err->code ? err->code : CV_TEMPFAIL;
	struct cv_err why = {0};
	s->queue = ask_for_copy(b->call, ADMIN_SMTPD, "dir", &reply, &why);
	json_decref(reply);
	if (!s->queue && stage_stopped_queue(b, &s->queue, err))
		return why.code == CV_FULL ? cv_fail(err, CV_FULL, "%s", why.text) : err->code;
	s->stats = ask_for_copy(b->call, ADMIN_SPAMFILTER, "dir", &reply, &why);
	const char *dir = json_string_value(json_object_get(reply, "classifier"));
	s->classifier = dir ? cv_strdup(dir) : NULL; /* statistics may be lost: no error */
	json_decref(reply);
	return CV_OK;
}

static void
unstage(struct backup *b, struct stages *s)
{
	struct cv_err err;
	json_decref(admin_try(b->call, ADMIN_STORE, admin_request("backup.done"), &err));
	json_t *reply = admin_try(b->call, ADMIN_SMTPD, admin_request("backup.done"), &err);
	if (!reply && s->queue)
		(void)!backup_remove_tree(s->queue, &err);
	json_decref(reply);
	if (s->stats)
		json_decref(
			admin_try(b->call, ADMIN_SPAMFILTER, admin_request("backup.done"), &err));
	free(s->mail);
	free(s->queue);
	free(s->stats);
	free(s->classifier);
}

/* ---- what else belongs to the server ---- */

static void
add_outside(struct backup *b, struct backup_sources *s, const char *path)
{
	char logical[1200];
	struct stat st;
	size_t n = strlen(b->main->base_dir);
	bool is_below = !strncmp(path, b->main->base_dir, n) && path[n] == '/';
	if (path[0] != '/' || is_below || stat(path, &st) || (uint64_t)st.st_size > OTHER_MAX)
		return;
	snprintf(logical, sizeof logical, "outside%s", path);
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->items[i].logical, logical))
			return;
	backup_sources_add_file(s, path, logical);
}

/* Certificates, policy files and the like, wherever options say they are. */
static void
add_named_files(struct backup *b, struct backup_sources *s)
{
	for (size_t i = 0; i < cv_sections_count; i++)
		for (size_t j = 0; j < cv_sections[i]->count; j++) {
			const struct cv_option *row = &cv_sections[i]->options[j];
			if (row->kind == CV_OPT_path && strcmp(row->name, "log_file") != 0)
				add_outside(b, s,
					cv_conf_text(b->call->conf, cv_sections[i]->name, row->name,
						NULL));
		}
	const char *lists[] = {b->main->tls_cert, b->main->tls_key};
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		struct cv_str rest = cv_str_z(lists[i]), word;
		while (rest.n && cv_str_split(&rest, ' ', &word)) {
			char *path = cv_conf_resolve(b->call->conf, word);
			add_outside(b, s, path);
			free(path);
		}
	}
}

static enum cv_status
collect(struct backup *b, const struct stages *st, struct backup_sources *s, struct cv_err *err)
{
	char saved[1200], queue[1200];
	/* Copies of the mail that `congvu upgrade save` made as links would come back whole; the
	 * queue of an earlier restore was looked at, or is not wanted. */
	snprintf(saved, sizeof saved, "%s/upgrade", b->main->base_dir);
	snprintf(queue, sizeof queue, "%s-restored", b->main->queue_dir);
	const char *skip[16 + BACKUP_TARGETS] = {saved, queue, b->main->mail_dir,
		b->main->queue_dir, b->main->stats_dir, b->main->run_dir,
		b->main->index_dir, b->dir,
		b->call->conf_path, b->main->log_file[0] ? b->main->log_file : b->dir};
	size_t n = 10;
	for (unsigned i = 0; i < b->place_count; i++)
		if (!strncmp(b->places[i].url, "file:", 5))
			skip[n++] = b->places[i].url + 5;
	enum cv_status status = backup_sources_add(s, b->main->base_dir, "base", skip, err);
	backup_sources_add_file(s, b->call->conf_path, "conf/congvu.conf");
	add_named_files(b, s);
	if (!status && st->queue)
		status = backup_sources_add(s, st->queue, "queue", NULL, err);
	if (!status && st->stats)
		status = backup_sources_add(s, st->stats, "stats", NULL, err);
	if (!status && st->classifier)
		status = backup_sources_add(s, st->classifier, "stats/classifier", NULL, err);
	return status ? status : backup_sources_add(s, st->mail, "mail", NULL, err);
}

/* ---- packs ---- */

static enum cv_status
begin_pack(struct upload *u, struct lane *l)
{
	char hex[2 * BACKUP_ID_BYTES + 1], name[BACKUP_NAME_MAX];
	struct tm tm;
	time_t t = (time_t)u->m.time_secs;
	backup_pack_begin(&u->b->pub, &l->cipher, &l->bytes);
	backup_hex(l->cipher.id, sizeof l->cipher.id, hex);
	gmtime_r(&t, &tm);
	size_t n = strftime(name, sizeof name, "%Y%m%d/", &tm);
	snprintf(name + n, sizeof name - n, "%s", hex);
	l->pack = backup_index_begin(&u->index, name);
	l->first_chunk = u->index.chunk_count;
	return CV_OK;
}

static enum cv_status
send_pack(struct upload *u, struct lane *l, struct cv_err *err)
{
	char path[128];
	struct backup_pack *p = &u->index.packs[l->pack];
	if (!l->bytes.n)
		return CV_OK;
	p->size = l->bytes.n;
	backup_sha256(cv_buf_view(&l->bytes), p->sha256);
	snprintf(path, sizeof path, "packs/%s", p->name);
	enum cv_status status = backup_target_put(u->t, path, cv_buf_view(&l->bytes), err);
	if (!status)
		status = backup_index_keep(&u->index, l->pack, l->first_chunk, err);
	u->sent += l->bytes.n;
	cv_buf_reset(&l->bytes);
	return status;
}

/* The number of a new chunk in the index. */
static enum cv_status
put_chunk(struct upload *u, int lane, struct cv_str plain, const uint8_t sha256[32],
	uint32_t *number_out, struct cv_err *err)
{
	struct lane *l = &u->lanes[lane];
	enum cv_status status = CV_OK;
	if (l->bytes.n >= PACK_BYTES)
		status = send_pack(u, l, err);
	if (!status && !l->bytes.n)
		status = begin_pack(u, l);
	if (status)
		return status;
	struct backup_chunk c = {
		.pack = l->pack, .offset = (uint32_t)l->bytes.n, .size = (uint32_t)plain.n};
	memcpy(c.sha256, sha256, 32);
	c.stored = backup_chunk_seal(&l->cipher, plain, lane != LANE_BODIES, &l->bytes);
	*number_out = u->index.chunk_count;
	backup_index_add(&u->index, &c);
	return CV_OK;
}

/* ---- the manifest's tables ---- */

static uint32_t *
room_for(uint32_t **at, uint32_t *room, uint32_t i)
{
	if (i >= *room) {
		uint32_t more = CV_MAX(i + 1, *room * 2);
		*at = cv_realloc(*at, more * sizeof **at);
		memset(*at + *room, 0, (more - *room) * sizeof **at);
		*room = more;
	}
	return *at + i;
}

/* The number in the manifest of the index's chunk I. The pack's facts are filled in at the end. */
static uint32_t
use_chunk(struct upload *u, uint32_t i)
{
	struct backup_manifest *m = &u->m;
	uint32_t *known = room_for(&u->chunk_at, &u->chunk_at_room, i);
	if (*known)
		return *known - 1;
	struct backup_chunk c = u->index.chunks[i];
	uint32_t *pack = room_for(&u->pack_at, &u->pack_at_room, c.pack);
	if (!*pack) {
		if (m->pack_count == u->pack_room) {
			u->pack_room = u->pack_room ? u->pack_room * 2 : 64;
			m->packs = cv_realloc(m->packs, u->pack_room * sizeof *m->packs);
		}
		m->packs[m->pack_count++] = (struct backup_pack){.size = c.pack};
		*pack = m->pack_count;
	}
	c.pack = *pack - 1;
	if (m->chunk_count == u->chunk_room) {
		u->chunk_room = u->chunk_room ? u->chunk_room * 2 : 1024;
		m->chunks = cv_realloc(m->chunks, u->chunk_room * sizeof *m->chunks);
	}
	m->chunks[m->chunk_count++] = c;
	*known = m->chunk_count;
	return *known - 1;
}

static void
progress(struct upload *u, uint64_t n)
{
	u->done += n;
	admin_progress(u->b->call, json_pack("{s:I, s:I}", "done", (json_int_t)(u->done >> 20),
					   "total", (json_int_t)(u->total >> 20) + 1));
}

/* All chunks of a file that did not change are on the target still. */
static bool
reuse(struct upload *u, const struct backup_source *s, struct backup_file *f)
{
	uint32_t count = 0;
	const uint8_t(*sha256s)[32] = backup_cache_find(&u->cache, s, &count);
	if (!sha256s)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (backup_index_find(&u->index, sha256s[i]) == UINT32_MAX)
			return false;
	f->chunks = cv_malloc((count + 1) * sizeof *f->chunks);
	for (uint32_t i = 0; i < count; i++)
		f->chunks[i] = use_chunk(u, backup_index_find(&u->index, sha256s[i]));
	f->count = count;
	f->size = (uint64_t)s->st.st_size;
	progress(u, f->size);
	return true;
}

struct reading {
	uint8_t (*sha256s)[32];
	uint32_t room;
};

static enum cv_status
add_chunk(struct upload *u, const struct backup_source *s, struct cv_str plain,
	struct backup_file *f, struct reading *r, struct cv_err *err)
{
	uint8_t sha256[32];
	enum cv_status status = CV_OK;
	backup_sha256(plain, sha256);
	uint32_t i = backup_index_find(&u->index, sha256);
	if (i == UINT32_MAX)
		status = put_chunk(u, s->is_body ? LANE_BODIES : LANE_REST, plain, sha256, &i, err);
	if (status)
		return status;
	if (f->count == r->room) {
		r->room = r->room ? r->room * 2 : 16;
		f->chunks = cv_realloc(f->chunks, r->room * sizeof *f->chunks);
		r->sha256s = cv_realloc(r->sha256s, r->room * sizeof *r->sha256s);
	}
	memcpy(r->sha256s[f->count], sha256, 32);
	f->chunks[f->count++] = use_chunk(u, i);
	f->size += plain.n;
	progress(u, plain.n);
	return CV_OK;
}

static enum cv_status
read_file(
	struct upload *u, const struct backup_source *s, struct backup_file *f, struct cv_err *err)
{
	struct reading r = {0};
	size_t piece = s->is_body ? BACKUP_CHUNK_MAX : ROW_CHUNK;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", s->path);
	enum cv_status status = CV_OK;
	for (bool more = true; more && !status;) {
		size_t have = 0;
		ssize_t n = 1;
		while (have < piece && n > 0) {
			n = pread(fd, u->memory + have, piece - have, (off_t)(f->size + have));
			if (n < 0)
				status = cv_fail_errno(
					err, CV_TEMPFAIL, errno, "reading %s", s->path);
			have += n > 0 ? (size_t)n : 0;
		}
		more = n > 0;
		if (!status && have)
			status = add_chunk(u, s, cv_str(u->memory, have), f, &r, err);
	}
	/* What passed through is not needed again: the cache belongs to the mail. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	if (!status && s->is_body && f->size == (uint64_t)s->st.st_size)
		backup_cache_put(&u->cache, s, r.sha256s, f->count);
	else
		free(r.sha256s);
	return status;
}

/* Mail, queue and statistics are whole or no backup. Of the rest one file that went away since, or
 * that may not be read, does not cost all others theirs. */
static bool
may_go_without(struct upload *u, const struct backup_source *s, int why)
{
	bool is_rest = !strncmp(s->logical, "base/", 5) || !strncmp(s->logical, "outside/", 8) ||
		       !strncmp(s->logical, "conf/", 5);
	if (!is_rest || (why != ENOENT && why != EACCES))
		return false;
	if (why == EACCES)
		backup_sources_unread(&u->left, s->path);
	return true;
}

static enum cv_status
add_files(struct upload *u, const struct backup_sources *s, struct cv_err *err)
{
	struct backup_manifest *m = &u->m;
	enum cv_status status = CV_OK;
	u->total = s->bytes;
	m->files = cv_calloc(s->count + 1, sizeof *m->files);
	for (size_t i = 0; !status && i < s->count; i++) {
		const struct backup_source *source = &s->items[i];
		if (access(source->path, R_OK) && may_go_without(u, source, errno))
			continue;
		struct backup_file *f = &m->files[m->file_count++];
		*f = (struct backup_file){.path = cv_strdup(source->logical),
			.mode = (uint32_t)(source->st.st_mode & 07777),
			.mtime_secs = CV_MAX((int64_t)source->st.st_mtim.tv_sec, (int64_t)0)};
		CV_KILL_POINT("backup.file");
		if (!source->is_body || !reuse(u, source, f))
			status = read_file(u, source, f, err);
		m->bytes += f->size;
	}
	for (size_t i = 0; !status && i < LANES; i++)
		status = send_pack(u, &u->lanes[i], err);
	for (uint32_t i = 0; i < m->pack_count; i++)
		m->packs[i] = u->index.packs[m->packs[i].size];
	return status;
}

/* ---- one target ---- */

static bool
saw_pack(void *arg, struct cv_str name, uint64_t size)
{
	backup_index_saw(arg, name, size);
	return true;
}

/* The manifest before, for the chain. One that cannot be read is verify's to tell. */
static enum cv_status
find_previous(struct upload *u, struct cv_err *err)
{
	struct backup_names n;
	struct backup_manifest before;
	struct cv_err ignored;
	enum cv_status status = backup_manifests(u->t, &n, err);
	if (!status && n.count &&
		!backup_manifest_get(u->b, u->t, n.names[n.count - 1], &before, NULL, &ignored)) {
		memcpy(u->m.previous, before.name, sizeof u->m.previous);
		memcpy(u->m.previous_sha256, before.sha256, 32);
		/* The next is later by name too, whatever the clock did. */
		u->m.time_secs = CV_MAX(u->m.time_secs, before.time_secs + 1);
		backup_manifest_done(&before);
	}
	backup_names_done(&n);
	return status;
}

static enum cv_status
send_manifest(struct upload *u, struct cv_err *err)
{
	char path[128];
	struct cv_buf object = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	u->m.new_bytes = u->sent;
	backup_manifest_name(&u->m);
	backup_manifest_print(&u->m, &u->b->pub, u->b->sign, &object);
	snprintf(path, sizeof path, "manifests/%s", u->m.name);
	CV_KILL_POINT("backup.manifest");
	enum cv_status status = object.full
					? cv_fail(err, CV_LIMIT, "the manifest is too large")
					: backup_target_put(u->t, path, cv_buf_view(&object), err);
	cv_buf_done(&object);
	CV_KILL_POINT("backup.manifest_put");
	return status;
}

static enum cv_status
upload(struct upload *u, const struct backup_sources *s, const struct backup_place *place,
	struct cv_err *err)
{
	char dir[1200], path[1300];
	int64_t begin = cv_mono_ms();
	snprintf(dir, sizeof dir, "%s/%s", u->b->dir, place->name);
	enum cv_status status = backup_open_target(u->b, place, true, &u->t, err);
	if (status) {
		u->t = NULL;
		return status;
	}
	status = admin_folder_make(dir, 0750, ADMIN_OWNER_SELF, err);
	snprintf(path, sizeof path, "%s/packs", dir);
	if (!status)
		status = backup_index_open(path, &u->b->pub, &u->index, err);
	if (!status)
		status = backup_target_list(u->t, "packs/", saw_pack, &u->index, err);
	snprintf(path, sizeof path, "%s/files", dir);
	backup_cache_load(&u->cache, path);
	u->m.time_secs = cv_wall_secs();
	snprintf(u->m.host, sizeof u->m.host, "%s", u->b->main->hostname);
	snprintf(u->m.version, sizeof u->m.version, "%s", CV_VERSION);
	if (!status)
		status = find_previous(u, err);
	if (!status)
		status = add_files(u, s, err);
	u->m.took_ms = cv_mono_ms() - begin;
	if (!status)
		status = send_manifest(u, err);
	if (!status)
		backup_cache_save(&u->cache, path);
	return status;
}

static void
upload_done(struct upload *u)
{
	for (size_t i = 0; i < LANES; i++) {
		cv_buf_done(&u->lanes[i].bytes);
		backup_cipher_wipe(&u->lanes[i].cipher);
	}
	backup_target_close(u->t);
	backup_manifest_done(&u->m);
	backup_index_close(&u->index);
	backup_cache_done(&u->cache);
	free(u->chunk_at);
	free(u->pack_at);
	free(u->memory);
	free(u);
}

static void
note_result(struct upload *u, json_t *row, enum cv_status status, const struct cv_err *err)
{
	json_object_set_new(row, "tried", json_integer((json_int_t)cv_wall_secs()));
	json_object_set_new(row, "error", json_string(status ? err->text : ""));
	if (status)
		return;
	json_object_set_new(row, "good", json_integer((json_int_t)u->m.time_secs));
	json_object_set_new(row, "manifest", json_string(u->m.name));
	json_object_set_new(row, "bytes", json_integer((json_int_t)u->m.bytes));
	json_object_set_new(row, "new_bytes", json_integer((json_int_t)u->sent));
	json_object_set_new(row, "took_ms", json_integer((json_int_t)u->m.took_ms));
	json_object_set_new(row, "unread", json_integer((json_int_t)u->left.unread));
	json_object_set_new(row, "unread_first", json_string(u->left.unread_as));
}

static void
count_backups(struct upload *u, json_t *row)
{
	struct backup_names n;
	struct cv_err ignored;
	if (!backup_manifests(u->t, &n, &ignored))
		json_object_set_new(row, "backups", json_integer((json_int_t)n.count));
	backup_names_done(&n);
}

static enum cv_status
run_target(struct backup *b, const struct backup_sources *s, const struct backup_place *place,
	json_t *row, struct cv_err *err)
{
	struct upload *u = cv_calloc(1, sizeof *u);
	uint64_t manifests, packs, bytes;
	*u = (struct upload){.b = b, .index.fd = -1, .memory = cv_malloc(BACKUP_CHUNK_MAX)};
	u->left.unread = s->unread;
	memcpy(u->left.unread_as, s->unread_as, sizeof u->left.unread_as);
	cv_map_init(&u->cache.files);
	for (size_t i = 0; i < LANES; i++)
		u->lanes[i].bytes = CV_BUF_INIT(BACKUP_PACK_MAX);
	enum cv_status status = upload(u, s, place, err);
	note_result(u, row, status, err);
	/* The backup is made: what may go now can go tomorrow as well. */
	struct cv_err why = {0};
	if (!status && !place->append_only &&
		backup_prune_target(b, u->t, false, &manifests, &packs, &bytes, &why))
		fprintf(stderr, "congvu: %s: %s\n", place->name, why.text);
	if (!status)
		count_backups(u, row);
	upload_done(u);
	return status;
}

/* ---- the command ---- */

static void
tell_target(struct backup *b, const struct backup_place *place, const json_t *row)
{
	const char *error = json_string_value(json_object_get(row, "error"));
	if (admin_number(row, "unread") && !(error && error[0]))
		fprintf(stderr,
			admin_say(b->call,
				"congvu: %s: %lld files or folders are not in it, since user %s may "
				"not read them; the first is %s: give it to that user\n",
				"congvu: %s: %lld tệp hoặc thư mục không có trong bản sao lưu vì "
				"người dùng %s không đọc được; đầu tiên là %s: hãy giao cho "
				"người dùng đó\n"),
			place->name, (long long)admin_number(row, "unread"), b->main->user,
			json_string_value(json_object_get(row, "unread_first")));
	if (error && error[0])
		fprintf(stderr, "congvu: %s: %s\n", place->name, error);
	else if (!b->call->json)
		printf(admin_say(b->call, "%s: %s, %lld MB, %lld MB new, %.1f s\n",
			       "%s: %s, %lld MB, mới %lld MB, %.1f giây\n"),
			place->name, json_string_value(json_object_get(row, "manifest")),
			(long long)(admin_number(row, "bytes") >> 20),
			(long long)(admin_number(row, "new_bytes") >> 20),
			(double)admin_number(row, "took_ms") / 1000.0);
}

static unsigned
run_targets(struct backup *b, const struct backup_sources *s, const char *only, json_t *reply,
	bool *unread_out)
{
	unsigned failed = 0;
	for (unsigned i = 0; i < b->place_count; i++) {
		const struct backup_place *place = &b->places[i];
		struct cv_err err = {0};
		if (only && strcmp(only, place->name) != 0)
			continue;
		json_t *status = backup_status_load(b);
		json_t *row = backup_status_target(status, place);
		failed += run_target(b, s, place, row, &err) != CV_OK;
		*unread_out |= admin_number(row, "unread") != 0;
		admin_progress_end(b->call);
		backup_status_save(b, status);
		json_object_set(reply, place->name, row);
		tell_target(b, place, row);
		json_decref(status);
	}
	return failed;
}

/* A job's failure must be seen by somebody who was not looking (BAK-01): the trail has it, doctor
 * and the status page read status.json. */
static void
note_failure(struct backup *b, json_t *targets)
{
	struct cv_err ignored;
	json_t *request = admin_request("backup.note");
	json_object_set_new(request, "what", json_string("failed"));
	json_object_set_new(request, "detail", json_pack("{s:O}", "targets", targets));
	json_decref(admin_try(b->call, ADMIN_STORE, request, &ignored));
}

static int
run_backup(struct admin_call *call)
{
	struct backup b;
	struct stages stages = {0};
	struct backup_sources sources = {0};
	struct cv_err err = {0};
	int exit_code;
	unsigned count, failed;
	bool is_unread = false;
	if (!backup_begin(call, BACKUP_WRITES, &b, &exit_code))
		return exit_code;
	const char *only = admin_option(call, "target");
	if (!backup_choose(&b)) {
		backup_end(&b);
		return EXIT_FAILED;
	}
	json_t *targets = json_object();
	enum cv_status status = stage(&b, &stages, &err);
	if (!status)
		status = collect(&b, &stages, &sources, &err);
	failed = status ? 0 : run_targets(&b, &sources, only, targets, &is_unread);
	count = (unsigned)json_object_size(targets);
	unstage(&b, &stages);
	if (failed)
		note_failure(&b, targets);
	if (status)
		exit_code = backup_fail(&b, &err);
	else {
		json_t *reply = json_pack("{s:b, s:O}", "ok", !failed, "targets", targets);
		admin_json(call, reply);
		json_decref(reply);
		exit_code = !failed && !is_unread ? EXIT_OK
			    : failed < count      ? EXIT_PARTLY
						  : EXIT_FAILED;
	}
	json_decref(targets);
	backup_sources_done(&sources);
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "target", "NAME", "only this one of backup_targets", "chỉ một nơi lưu" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_run = {
	.noun = "backup",
	.verb = "run",
	.words = "",
	.help = "back up mail, queue, keys and configuration to every target",
	.help_vi = "sao lưu thư, hàng đợi, khóa và cấu hình tới mọi nơi lưu",
	.options = options,
	.examples = "  congvu backup run\n  congvu backup run --target s3",
	.run = run_backup,
};
