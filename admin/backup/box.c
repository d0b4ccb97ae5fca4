/* box.c - mail of one account out of a backup, into the service that runs (BAK-02).
 *
 * Only the rows of the copy are fetched whole; of the volumes the chunks that hold the messages
 * asked for. Messages go through the owner of the store ("backup.put"), with their dates, flags and
 * keywords, as new messages: a UID that a client has seen keeps its meaning. A message whose bytes
 * and date are in the mailbox already, or in the folder they would go to, is left out, so doing it
 * again doubles nothing.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/backup/restore.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/map.h"
#include "common/store/mailbox.h"
#include "common/text/encode.h"
#include "common/text/header.h"
#include "common/text/summary.h"

#define BATCH_BYTES (8u << 20)
#define BATCH_MAX   400u
#define MESSAGE_MAX (40u << 20) /* a request holds it in base64 */

/* ---- volumes that are fetched as they are read ---- */

struct lazy {
	struct backup_reader *r;
	const struct backup_manifest *m;
	char dir[1200];
	bool **have; /* by file, by chunk; NULL: none yet */
	struct cv_buf chunk;
	uint64_t fetched;
	struct cv_err err;
};

static enum cv_status
fetch_chunk(struct lazy *z, const struct backup_file *f, uint32_t i, uint64_t at)
{
	char path[2400];
	cv_buf_reset(&z->chunk);
	enum cv_status status = backup_read_chunk(z->r, f->chunks[i], &z->chunk, &z->err);
	if (status)
		return status;
	snprintf(path, sizeof path, "%s/%s", z->dir, f->path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, z->chunk.p, z->chunk.n, (off_t)at) != (ssize_t)z->chunk.n)
		status = cv_fail_errno(&z->err, CV_TEMPFAIL, errno, "writing %s", path);
	if (fd >= 0)
		close(fd);
	z->fetched += z->chunk.n;
	return status;
}

static bool
fetch(void *arg, const char *name, uint64_t from, uint64_t n)
{
	struct lazy *z = arg;
	char path[200];
	snprintf(path, sizeof path, "mail/bodies/%s", name);
	for (uint32_t i = 0; i < z->m->file_count; i++) {
		const struct backup_file *f = &z->m->files[i];
		uint64_t at = 0;
		if (strcmp(f->path, path) != 0)
			continue;
		if (!z->have[i])
			z->have[i] = cv_calloc(f->count + 1, sizeof *z->have[i]);
		for (uint32_t j = 0; j < f->count && at < from + n; j++) {
			uint64_t size = z->m->chunks[f->chunks[j]].size;
			if (at + size > from && !z->have[i][j]) {
				if (fetch_chunk(z, f, j, at))
					return false;
				z->have[i][j] = true;
			}
			at += size;
		}
		return true;
	}
	return true; /* made by the copy itself as it opened */
}

static bool
is_volume(const struct backup_file *f)
{
	return cv_str_has_prefix(cv_str_z(f->path), "mail/bodies/") &&
	       cv_str_has_suffix(cv_str_z(f->path), ".vol");
}

static char *
want_rows(void *arg, const struct backup_file *f)
{
	struct lazy *z = arg;
	struct cv_buf path = CV_BUF_INIT(4096);
	if (!cv_str_has_prefix(cv_str_z(f->path), "mail/") || is_volume(f))
		return NULL;
	cv_buf_printf(&path, "%s/%s", z->dir, f->path);
	return cv_buf_take(&path);
}

/* The volumes' names and sizes, without their bytes. */
static enum cv_status
make_hollow(struct lazy *z, struct cv_err *err)
{
	char path[2400];
	snprintf(path, sizeof path, "%s/mail/bodies", z->dir);
	enum cv_status status = admin_folder_make(path, 0700, ADMIN_OWNER_SELF, err);
	for (uint32_t i = 0; !status && i < z->m->file_count; i++) {
		const struct backup_file *f = &z->m->files[i];
		if (!is_volume(f))
			continue;
		snprintf(path, sizeof path, "%s/%s", z->dir, f->path);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, (off_t)f->size))
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "making %s", path);
		if (fd >= 0)
			close(fd);
	}
	return status;
}

static enum cv_status
lazy_open(struct backup *b, struct backup_target *t, const struct backup_manifest *m,
	struct lazy *z, struct cv_store **out, struct cv_err *err)
{
	char path[1300];
	uint64_t bytes;
	*out = NULL;
	*z = (struct lazy){.m = m, .chunk = CV_BUF_INIT(BACKUP_CHUNK_MAX)};
	z->have = cv_calloc(m->file_count + 1, sizeof *z->have);
	snprintf(z->dir, sizeof z->dir, "%s/scratch", b->dir);
	enum cv_status status = backup_remove_tree(z->dir, err);
	if (!status)
		status = backup_reader_open(b, t, m, &z->r, err);
	if (!status)
		status = backup_extract(z->r, want_rows, z, b->call, &bytes, err);
	admin_progress_end(b->call);
	if (!status)
		status = make_hollow(z, err);
	snprintf(path, sizeof path, "%s/mail", z->dir);
	if (!status)
		status = backup_open_copy(b, path, fetch, z, out, err);
	return status;
}

static void
lazy_close(struct lazy *z, struct cv_store *s)
{
	struct cv_err ignored;
	cv_store_close(s);
	for (uint32_t i = 0; i < z->m->file_count; i++)
		free(z->have[i]);
	free(z->have);
	backup_reader_close(z->r);
	cv_buf_done(&z->chunk);
	(void)!backup_remove_tree(z->dir, &ignored);
}

/* ---- what is there already ---- */

struct restoring {
	struct backup *b;
	struct lazy *z;
	struct cv_store *store;
	const char *address, *message_id;
	bool dry_run;
	struct cv_map there; /* "<sha256> <date>" -> how often, as a number in the pointer */
	uint64_t messages, bytes, skipped, too_large, damaged;
	json_t *batch; /* of the mailbox being filled */
	uint64_t batch_bytes;
	const char *into;
	char into_name[4200];
	struct cv_err *err;
};

static void
count_row(struct restoring *x, struct cv_str row)
{
	uintptr_t n = (uintptr_t)cv_map_get(&x->there, row);
	(void)cv_map_put(&x->there, row, (void *)(n + 1));
}

static enum cv_status
ask_contents(struct restoring *x, const char *mailbox, char acct[32])
{
	json_t *request = admin_request("backup.contents"), *text;
	size_t i;
	admin_set(request, "account", x->address);
	admin_set(request, "mailbox", mailbox);
	json_t *reply = admin_try(x->b->call, ADMIN_STORE, request, x->err);
	if (!reply)
		return x->err->code;
	json_array_foreach(json_object_get(reply, "messages"), i, text)
		count_row(x, cv_str_z(json_string_value(text)));
	if (acct)
		snprintf(acct, 32, "%s", json_string_value(json_object_get(reply, "acct")));
	json_decref(reply);
	return CV_OK;
}

/* True: one such message is there, and is counted off. */
static bool
take_off(struct restoring *x, const struct cv_blob_stat *stat, int64_t date)
{
	char row[100];
	backup_hex(stat->sha256, 32, row);
	snprintf(row + 64, sizeof row - 64, " %lld", (long long)date);
	uintptr_t n = (uintptr_t)cv_map_get(&x->there, cv_str_z(row));
	if (n == 1)
		(void)cv_map_del(&x->there, cv_str_z(row));
	else if (n)
		(void)cv_map_put(&x->there, cv_str_z(row), (void *)(n - 1));
	return n > 0;
}

/* ---- one mailbox ---- */

struct found {
	struct cv_msg msg;
	uint32_t flags;
	uint64_t keywords;
};
struct finding {
	struct restoring *x;
	const struct cv_view *view;
	struct found *items;
	size_t count;
};

static bool
has_message_id(const struct cv_msg *msg, const char *id)
{
	struct cv_summary summary;
	struct cv_header_scan scan;
	struct cv_field field;
	if (!msg->summary.n || cv_summary_decode(msg->summary, &summary))
		return false;
	cv_header_scan_init(&scan, summary.headers);
	while (cv_header_next(&scan, &field)) {
		struct cv_str value = cv_str_trim(field.value);
		if (!cv_str_ieq_z(field.name, "Message-ID"))
			continue;
		if (value.n > 1 && value.p[0] == '<' && id[0] != '<')
			value = cv_str_sub(value, 1, value.n - 1);
		if (cv_str_eq_z(value, id))
			return true;
	}
	return false;
}

static bool
find_message(void *arg, const struct cv_msg *msg)
{
	struct finding *f = arg;
	const struct cv_entry *entry = cv_view_uid(f->view, msg->uid);
	if (!entry || (f->x->message_id && !has_message_id(msg, f->x->message_id)))
		return true;
	f->items[f->count] = (struct found){*msg, entry->flags, entry->keywords};
	f->items[f->count++].msg.summary = CV_STR_EMPTY;
	return true;
}

static enum cv_status
to_buf(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct cv_buf *b = arg;
	cv_buf_str(b, bytes);
	return b->full ? cv_fail(err, CV_LIMIT, "a message is too large") : CV_OK;
}

static enum cv_status
send_batch(struct restoring *x)
{
	if (!json_array_size(x->batch))
		return CV_OK;
	json_t *request = admin_request("backup.put");
	admin_set(request, "account", x->address);
	admin_set(request, "mailbox", x->into_name);
	json_object_set(request, "messages", x->batch);
	json_t *reply = admin_try(x->b->call, ADMIN_STORE, request, x->err);
	json_array_clear(x->batch);
	x->batch_bytes = 0;
	if (!reply)
		return x->err->code;
	json_decref(reply);
	return CV_OK;
}

static json_t *
describe(const struct found *f, const struct cv_view *view, struct cv_str body)
{
	struct cv_buf base64 = CV_BUF_INIT(64u << 20);
	json_t *words = json_array();
	cv_base64_encode(body, &base64);
	for (uint32_t i = 0; i < view->keywords->count; i++)
		if (f->keywords & (uint64_t)1 << i)
			json_array_append_new(words, json_string(view->keywords->names[i]));
	json_t *row = json_pack("{s:s%, s:I, s:i, s:i, s:o}", "body", base64.p, base64.n, "date",
		(json_int_t)f->msg.internal_secs, "zone", (int)f->msg.internal_zone, "flags",
		(int)f->flags, "keywords", words);
	cv_buf_done(&base64);
	return row;
}

static enum cv_status
put_message(struct restoring *x, struct cv_mbox *m, const struct cv_view *view, struct found *f)
{
	struct cv_blob_stat stat;
	struct cv_buf body = CV_BUF_INIT(MESSAGE_MAX);
	struct cv_err why;
	enum cv_status status = CV_OK;
	if (cv_blob_stat(cv_store_engine(x->store), &f->msg.body, &stat, &why)) {
		x->damaged++;
		return x->z->err.code ? cv_fail(x->err, x->z->err.code, "%s", x->z->err.text)
				      : CV_OK;
	}
	if (take_off(x, &stat, f->msg.internal_secs)) {
		x->skipped++;
		return CV_OK;
	}
	if (stat.size_bytes > MESSAGE_MAX) {
		x->too_large++;
		return CV_OK;
	}
	x->messages++;
	x->bytes += stat.size_bytes;
	if (x->dry_run)
		return CV_OK;
	status = cv_msg_read(m, &f->msg.body, 0, stat.size_bytes, to_buf, &body, &why);
	if (status && x->z->err.code)
		status = cv_fail(x->err, x->z->err.code, "%s", x->z->err.text);
	else if (status) {
		x->damaged++;
		x->messages--;
		status = CV_OK;
	} else {
		json_array_append_new(x->batch, describe(f, view, cv_buf_view(&body)));
		x->batch_bytes += body.n;
		if (x->batch_bytes >= BATCH_BYTES || json_array_size(x->batch) >= BATCH_MAX)
			status = send_batch(x);
	}
	cv_buf_done(&body);
	return status;
}

static enum cv_status
put_messages(struct restoring *x, struct cv_mbox *m, const struct cv_view *view)
{
	struct finding f = {.x = x, .view = view};
	uint32_t *uids = cv_malloc((view->exists + 1) * sizeof *uids);
	f.items = cv_malloc((view->exists + 1) * sizeof *f.items);
	for (uint32_t i = 0; i < view->exists; i++)
		uids[i] = cv_view_seq(view, i + 1)->uid;
	enum cv_status status =
		cv_msg_each(m, uids, view->exists, x->message_id != NULL, find_message, &f, x->err);
	for (size_t i = 0; !status && i < f.count; i++) {
		status = put_message(x, m, view, &f.items[i]);
		admin_progress(x->b->call, json_pack("{s:I, s:I}", "done", (json_int_t)i + 1,
						   "total", (json_int_t)f.count));
	}
	if (!status)
		status = send_batch(x);
	admin_progress_end(x->b->call);
	free(f.items);
	free(uids);
	return status;
}

static enum cv_status
restore_mailbox(struct restoring *x, struct cv_acct *a, struct cv_str name, bool is_only)
{
	struct cv_mbox *m;
	const struct cv_view *view;
	char from[4100];
	snprintf(from, sizeof from, "%.*s", (int)CV_MIN(name.n, 4000u), name.p);
	if (!x->into)
		snprintf(x->into_name, sizeof x->into_name, "%s", from);
	else if (is_only)
		snprintf(x->into_name, sizeof x->into_name, "%s", x->into);
	else
		snprintf(x->into_name, sizeof x->into_name, "%.90s%c%s", x->into,
			cv_store_separator(x->store), from);
	cv_map_done(&x->there);
	cv_map_init(&x->there);
	enum cv_status status = ask_contents(x, from, NULL);
	if (!status && strcmp(from, x->into_name) != 0)
		status = ask_contents(x, x->into_name, NULL);
	if (!status)
		status = cv_mbox_open(a, name, &m, x->err);
	if (status)
		return status;
	status = cv_mbox_view(m, &view, x->err);
	if (!status) {
		status = put_messages(x, m, view);
		cv_view_unref(view);
	}
	cv_mbox_close(m);
	return status;
}

static enum cv_status
restore_mailboxes(struct restoring *x, struct cv_acct *a)
{
	struct cv_arena arena = {0};
	struct cv_mbox_info *list;
	size_t count, done = 0;
	const char *only = admin_option(x->b->call, "mailbox");
	enum cv_status status = cv_mbox_list(a, &arena, &list, &count, x->err);
	for (size_t i = 0; !status && i < count; i++) {
		if (!list[i].id || !list[i].selectable ||
			(only && !cv_str_eq_z(list[i].name, only)))
			continue;
		status = restore_mailbox(x, a, list[i].name, only != NULL);
		done++;
	}
	if (!status && only && !done)
		status = cv_fail(x->err, CV_NOT_FOUND, "%s had no mailbox '%s' in that backup",
			x->address, only);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
backup_restore_box(struct backup *b, struct backup_target *t, const struct backup_manifest *m,
	const char *address, json_t *reply, struct cv_err *err)
{
	struct lazy z;
	struct cv_acct *a;
	char acct[32] = "";
	struct restoring x = {.b = b,
		.z = &z,
		.address = address,
		.message_id = admin_option(b->call, "message"),
		.into = admin_option(b->call, "into"),
		.dry_run = admin_option(b->call, "dry-run") != NULL,
		.batch = json_array(),
		.err = err};
	cv_map_init(&x.there);
	enum cv_status status = ask_contents(&x, NULL, acct);
	if (!status) {
		status = lazy_open(b, t, m, &z, &x.store, err);
		if (!status)
			status = cv_acct_open(
				x.store, strtoull(acct, NULL, 16), false, &a, NULL, err);
		if (!status) {
			status = restore_mailboxes(&x, a);
			cv_acct_close(a);
		} else if (status == CV_NOT_FOUND)
			status = cv_fail(
				err, CV_NOT_FOUND, "%s had no mail in that backup", address);
		json_object_set_new(reply, "fetched", json_integer((json_int_t)z.fetched));
		lazy_close(&z, x.store);
	}
	json_object_set_new(reply, "account", json_string(address));
	json_object_set_new(reply, "messages", json_integer((json_int_t)x.messages));
	json_object_set_new(reply, "bytes", json_integer((json_int_t)x.bytes));
	json_object_set_new(reply, "there", json_integer((json_int_t)x.skipped));
	json_object_set_new(reply, "too_large", json_integer((json_int_t)x.too_large));
	json_object_set_new(reply, "faults", json_integer((json_int_t)(x.damaged + x.too_large)));
	json_object_set_new(reply, "dry_run", json_boolean(x.dry_run));
	if (!status && x.message_id && !x.messages && !x.skipped)
		status = cv_fail(err, CV_NOT_FOUND, "no such message in that backup");
	json_decref(x.batch);
	cv_map_done(&x.there);
	return status;
}
