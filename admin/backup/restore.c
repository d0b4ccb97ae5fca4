/* restore.c - a whole restore: the machine is lost, another takes its place (BAK-02).
 *
 * Everything is written beside its place first, as `<place>.restoring`, which a restore that died
 * leaves behind and the next one removes. There the mail is opened once, which recovers its rows,
 * its fence is raised (every mailbox gets a new UIDVALIDITY: docs/adr/0136), and it is checked.
 * Only then it is renamed into place, and the folders of both names are synced before the restore
 * says that it is done. The queue does not go into place: what it holds was perhaps
 * sent since.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/restore.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/files.h"
#include "common/base/clock.h"
#include "common/base/kill.h"

#define HALF       ".restoring"
#define SAME_MAX   (256u << 20)
#define DEPTH_MAX  16u
#define STUCK_SECS 86400u /* a target may take its time */

/* ---- which file goes where ---- */

static char *
below(const char *root, struct cv_str rest)
{
	struct cv_buf b = CV_BUF_INIT(8192);
	if (!root)
		return NULL;
	cv_buf_printf(&b, "%s/%.*s", root, (int)rest.n, rest.p);
	return cv_buf_take(&b);
}

static char *
want(void *arg, const struct backup_file *f)
{
	const struct backup_roots *roots = arg;
	struct cv_str rest = cv_str_z(f->path), part;
	cv_str_split(&rest, '/', &part);
	if (cv_str_eq_z(part, "mail"))
		return below(roots->mail, rest);
	if (cv_str_eq_z(part, "queue"))
		return below(roots->queue, rest);
	if (cv_str_eq_z(part, "stats"))
		return below(roots->stats, rest);
	if (cv_str_eq_z(part, "base"))
		return below(roots->base, rest);
	if (cv_str_eq_z(part, "conf") || cv_str_eq_z(part, "outside"))
		return below(roots->conf, cv_str_z(f->path));
	return NULL;
}

enum cv_status
backup_restore_files(struct backup_reader *r, const struct backup_roots *roots,
	struct admin_call *progress, uint64_t *bytes_out, struct cv_err *err)
{
	struct backup_roots copy = *roots;
	return backup_extract(r, want, &copy, progress, bytes_out, err);
}

/* ---- the mail, once it is there ---- */

enum cv_status
backup_open_copy(struct backup *b, const char *dir, backup_fetch_fn *fetch, void *arg,
	struct cv_store **out, struct cv_err *err)
{
	const struct imapd_options *imap = cv_conf_get(b->call->conf, &imapd_section);
	const struct cv_store_options so = {
		.engine = {.dir = dir,
			   .cache_bytes = imap->cache,
			   .with_blobs = true,
			   .fetch = fetch,
			   .fetch_arg = arg,
			   .stuck_secs = STUCK_SECS},
		.separator = imap->separator[0],
		.restore_secs = imap->restore_window,
		.default_quota_bytes = imap->quota_default,
		.max_messages = imap->quota_messages,
		.is_copy = true,
	};
	return cv_store_open(&so, out, err);
}

static void
note_fault(void *arg, const char *text)
{
	json_t *list = arg;
	if (json_array_size(list) < 100)
		json_array_append_new(list, json_string(text));
}

/* Bodies that nobody names are no fault of a backup: they were removed while it was made, or had
 * been and only the note of it was lost. */
uint64_t
backup_faults_of(const struct cv_check_report *r)
{
	return r->dangling_rows + r->wrong_mailbox_counts + r->wrong_quotas + r->bad_bodies +
	       r->bad_rows + r->uid_faults;
}

enum cv_status
backup_check_store(struct cv_store *s, bool bodies, json_t *out, struct cv_err *err)
{
	struct cv_check_report r = {0};
	json_t *faults = json_array();
	enum cv_status status = cv_store_check(s, true, bodies, note_fault, faults, &r, err);
	json_object_set_new(out, "accounts", json_integer((json_int_t)r.accounts));
	json_object_set_new(out, "mailboxes", json_integer((json_int_t)r.mailboxes));
	json_object_set_new(out, "messages", json_integer((json_int_t)r.messages));
	json_object_set_new(out, "bodies", json_integer((json_int_t)r.bodies));
	json_object_set_new(out, "body_bytes", json_integer((json_int_t)r.body_bytes));
	json_object_set_new(out, "faults", json_integer((json_int_t)backup_faults_of(&r)));
	json_object_set_new(out, "found", faults);
	return status;
}

static enum cv_status
raise_fence(struct backup *b, const char *dir, json_t *out, struct cv_err *err)
{
	struct cv_store *s;
	enum cv_status status = backup_open_copy(b, dir, NULL, NULL, &s, err);
	if (status)
		return status;
	status = cv_store_restored(s, err);
	if (!status)
		status = backup_check_store(
			s, admin_option(b->call, "check-bodies") != NULL, out, err);
	cv_store_close(s);
	return status;
}

/* ---- the command's whole part ---- */

struct places {
	char mail[1200], queue[1200], stats[1200], base[1200];
	char half_mail[1300], half_queue[1300], half_stats[1300], half_base[1300];
};

static void
name_places(struct backup *b, struct places *p)
{
	const char *to = admin_option(b->call, "to");
	if (to) {
		snprintf(p->mail, sizeof p->mail, "%s/mail", to);
		snprintf(p->queue, sizeof p->queue, "%s/queue-restored", to);
		snprintf(p->stats, sizeof p->stats, "%s/stats", to);
		snprintf(p->base, sizeof p->base, "%s", to);
	} else {
		snprintf(p->mail, sizeof p->mail, "%s", b->main->mail_dir);
		snprintf(p->queue, sizeof p->queue, "%s-restored", b->main->queue_dir);
		snprintf(p->stats, sizeof p->stats, "%s", b->main->stats_dir);
		snprintf(p->base, sizeof p->base, "%s", b->main->base_dir);
	}
	snprintf(p->half_mail, sizeof p->half_mail, "%s" HALF, p->mail);
	snprintf(p->half_queue, sizeof p->half_queue, "%s" HALF, p->queue);
	snprintf(p->half_stats, sizeof p->half_stats, "%s" HALF, p->stats);
	snprintf(p->half_base, sizeof p->half_base, "%s/base" HALF, p->base);
}

/* Nothing that exists is overwritten: who wants that moves it away first, and can go back. */
static enum cv_status
make_way(const struct places *p, struct cv_err *err)
{
	const char *const places[] = {p->mail, p->queue, p->stats};
	const char *const halves[] = {p->half_mail, p->half_queue, p->half_stats, p->half_base};
	struct stat st;
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < CV_COUNT(places); i++)
		if (!stat(places[i], &st) && rmdir(places[i]))
			return cv_fail(err, CV_EXISTS,
				"%s is there and not empty: stop the service and move it away "
				"first",
				places[i]);
	for (size_t i = 0; !status && i < CV_COUNT(halves); i++)
		status = backup_remove_tree(halves[i], err);
	return status;
}

/* What was named in the folder PATH stays named there. */
static enum cv_status
sync_names(const char *path, struct cv_err *err)
{
	int why = cv_fail_point("backup.sync_folder");
	return why ? cv_fail_errno(err, CV_TEMPFAIL, why, "cannot sync %s", path)
		   : admin_folder_sync(path, err);
}

/* The same for PATH and the folders below it, which the extraction made. */
static enum cv_status
sync_tree(const char *path, unsigned depth, struct cv_err *err)
{
	struct backup_tree tree;
	const char *name;
	bool is_folder;
	enum cv_status status = backup_tree_open(&tree, path, err);
	while (!status && (name = backup_tree_next(&tree, &is_folder))) {
		char below_it[4096];
		snprintf(below_it, sizeof below_it, "%s/%s", path, name);
		if (is_folder)
			status = depth < DEPTH_MAX ? sync_tree(below_it, depth + 1, err)
						   : cv_fail(err, CV_LIMIT,
							     "%s: too many folders in folders",
							     path);
	}
	backup_tree_close(&tree);
	return status ? status : sync_names(path, err);
}

static enum cv_status
put_in_place(const char *half, const char *place, struct cv_err *err)
{
	struct stat st;
	if (stat(half, &st))
		return CV_OK; /* the backup has no such part */
	CV_KILL_POINT("backup.place");
	enum cv_status status = sync_tree(half, 0, err);
	if (status)
		return status;
	if (chmod(half, 0700) || rename(half, place))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "renaming %s", half);
	char above[1300];
	snprintf(above, sizeof above, "%s", place);
	char *slash = strrchr(above, '/');
	if (slash)
		slash[slash == above] = '\0';
	return sync_names(slash ? above : ".", err);
}

static bool
is_same_file(const char *a, const char *b)
{
	struct cv_str x, y;
	struct cv_err ignored;
	if (admin_file_read(a, SAME_MAX, &x, &ignored))
		return false;
	bool is_same = !admin_file_read(b, SAME_MAX, &y, &ignored);
	if (is_same) {
		is_same = cv_str_eq(x, y);
		cv_wipe((char *)(uintptr_t)y.p, y.n);
		free((char *)(uintptr_t)y.p);
	}
	cv_wipe((char *)(uintptr_t)x.p, x.n);
	free((char *)(uintptr_t)x.p);
	return is_same;
}

/* Keys, the register's snapshot, schedule, pages: file by file, only where there is none. What the
 * machine has already (keys that `congvu init` made, say) stays; the backup's go below ASIDE, for
 * without the old keys signatures and sealed rows may be worth nothing. */
static enum cv_status
merge(const char *half, const char *place, const char *aside, unsigned depth, uint64_t *kept,
	struct cv_err *err)
{
	struct backup_tree tree;
	enum cv_status status = backup_tree_open(&tree, half, err);
	const char *name;
	bool is_folder, has_moved = false, has_aside = false;
	while (!status && (name = backup_tree_next(&tree, &is_folder))) {
		char from[4096], to[4096], away[4096];
		struct stat st;
		snprintf(away, sizeof away, "%s/%s", aside, name);
		snprintf(from, sizeof from, "%s/%s", half, name);
		snprintf(to, sizeof to, "%s/%s", place, name);
		bool is_there = lstat(to, &st) == 0;
		if (is_folder && is_there && S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			status = merge(from, to, away, depth + 1, kept, err);
		else if (!is_there && rename(from, to))
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "renaming %s", from);
		else if (!is_there)
			has_moved = true;
		else if (!is_folder && strcmp(name, "lock") != 0 &&
			 !is_same_file(from, to)) {
			status = admin_folder_make(aside, 0700, ADMIN_OWNER_SELF, err);
			if (!status && rename(from, away))
				status = cv_fail_errno(
					err, CV_TEMPFAIL, errno, "renaming %s", from);
			*kept += !status;
			has_aside |= !status;
		}
	}
	backup_tree_close(&tree);
	if (!status && has_moved)
		status = sync_names(place, err);
	return !status && has_aside ? sync_names(aside, err) : status;
}

static enum cv_status
fill(struct backup *b, struct backup_reader *r, const struct places *p, json_t *reply,
	struct cv_err *err)
{
	uint64_t bytes = 0;
	char conf[1400];
	snprintf(conf, sizeof conf, "%s/restored-files", p->half_base);
	const struct backup_roots roots = {.mail = p->half_mail,
		.queue = p->half_queue,
		.stats = p->half_stats,
		.base = p->half_base,
		.conf = conf};
	enum cv_status status = backup_restore_files(r, &roots, b->call, &bytes, err);
	json_object_set_new(reply, "bytes", json_integer((json_int_t)bytes));
	CV_KILL_POINT("backup.filled");
	if (!status)
		status = raise_fence(b, p->half_mail, reply, err);
	uint64_t kept = 0;
	snprintf(conf, sizeof conf, "%s/restored-files/base", p->base);
	struct stat st;
	if (!status && !stat(p->half_base, &st))
		status = sync_tree(p->half_base, 0, err);
	if (!status)
		status = merge(p->half_base, p->base, conf, 0, &kept, err);
	json_object_set_new(reply, "aside", json_integer((json_int_t)kept));
	json_object_set_new(reply, "aside_dir", json_string(conf));
	if (!status)
		status = put_in_place(p->half_queue, p->queue, err);
	if (!status)
		status = put_in_place(p->half_stats, p->stats, err);
	/* The mail last: where it is in place, everything is. */
	if (!status)
		status = put_in_place(p->half_mail, p->mail, err);
	if (!status)
		status = backup_remove_tree(p->half_base, err);
	return status;
}

enum cv_status
backup_restore_all(struct backup *b, struct backup_target *t, const struct backup_manifest *m,
	json_t *reply, struct cv_err *err)
{
	struct places p;
	struct backup_reader *r;
	int64_t begin = cv_mono_ms();
	uint64_t bytes = 0;
	name_places(b, &p);
	json_object_set_new(reply, "mail", json_string(p.mail));
	json_object_set_new(reply, "queue", json_string(p.queue));
	if (admin_option(b->call, "dry-run")) {
		for (uint32_t i = 0; i < m->file_count; i++)
			bytes += m->files[i].size;
		json_object_set_new(reply, "bytes", json_integer((json_int_t)bytes));
		json_object_set_new(reply, "dry_run", json_true());
		return CV_OK;
	}
	enum cv_status status = admin_folder_make(p.base, 0750, ADMIN_OWNER_SELF, err);
	if (!status)
		status = make_way(&p, err);
	if (!status)
		status = backup_reader_open(b, t, m, &r, err);
	if (status)
		return status;
	status = fill(b, r, &p, reply, err);
	backup_reader_close(r);
	json_object_set_new(reply, "took_ms", json_integer((json_int_t)(cv_mono_ms() - begin)));
	return status;
}
