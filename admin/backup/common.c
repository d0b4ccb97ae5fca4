/* common.c - what the commands of `congvu backup` begin with: configuration, keys, targets, status.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/backup/restore.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/clock.h"

#define KEY_FILE_MAX  (64u << 10)
#define STATUS_MAX    (4u << 20)
#define MARK_MAX      (64u << 10)
#define NICE          10
#define IOPRIO_LOWEST ((2 << 13) | 7) /* best effort, last: waits for nobody for ever */

/* ---- beginning ---- */

/* What is made below base_dir must belong to the daemons; nothing here needs root. */
static enum cv_status
become_user(const char *user, struct cv_err *err)
{
	struct admin_owner owner;
	enum cv_status status = admin_owner_find(user, &owner, err);
	if (status || owner.uid == (uid_t)-1)
		return status;
	if (initgroups(user, owner.gid) || setgid(owner.gid) || setuid(owner.uid))
		return cv_fail_errno(err, CV_DENIED, errno, "cannot become user %s", user);
	return CV_OK;
}

static enum cv_status
read_places(struct backup *b, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(b->opt->backup_targets), word;
	enum cv_status status = CV_OK;
	while (!status && rest.n && cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (b->place_count == BACKUP_TARGETS)
			return cv_fail(
				err, CV_LIMIT, "backup_targets: more than %u", BACKUP_TARGETS);
		struct backup_place *p = &b->places[b->place_count];
		status = backup_place_parse(word, p, err);
		p->bytes_per_sec = b->opt->backup_bandwidth;
		for (unsigned i = 0; !status && i < b->place_count; i++)
			if (!strcmp(b->places[i].name, p->name))
				status = cv_fail(err, CV_INVALID,
					"backup_targets: two are called %s", p->name);
		b->place_count++;
	}
	return status;
}

static enum cv_status
read_server_keys(struct backup *b, struct cv_err *err)
{
	char path[1200];
	struct cv_str text;
	snprintf(path, sizeof path, "%s/" BACKUP_PUBLIC_FILE, b->main->keys_dir);
	enum cv_status status = admin_file_read(path, KEY_FILE_MAX, &text, err);
	if (status == CV_NOT_FOUND)
		return CV_OK;
	if (status)
		return status;
	status = backup_public_parse(text, &b->pub, err);
	free((char *)(uintptr_t)text.p);
	b->has_public = !status;
	snprintf(path, sizeof path, "%s/" BACKUP_SIGN_FILE, b->main->keys_dir);
	if (status || admin_file_read(path, KEY_FILE_MAX, &text, err))
		return status;
	b->has_sign = backup_hex_parse(cv_str_trim(text), b->sign, sizeof b->sign);
	cv_wipe((char *)(uintptr_t)text.p, text.n);
	free((char *)(uintptr_t)text.p);
	return b->has_sign ? CV_OK : cv_fail(err, CV_CORRUPT, "%s is damaged", path);
}

static enum cv_status
read_passphrase(struct backup *b, char **out, struct cv_err *err)
{
	const char *file = admin_option(b->call, "passphrase-file");
	if (file)
		return backup_read_secret_file(file, out, err);
	*out = admin_read_password(b->call);
	return *out ? CV_OK : cv_fail(err, CV_INVALID, "no passphrase was given");
}

static enum cv_status
read_operator_key(struct backup *b, struct cv_err *err)
{
	const char *file = admin_option(b->call, "key");
	struct cv_str text;
	char *passphrase = NULL;
	if (!file)
		return cv_fail(err, CV_INVALID,
			"this needs the operator's key: --key FILE (made by `congvu backup key`)");
	enum cv_status status = admin_file_read(file, KEY_FILE_MAX, &text, err);
	if (status)
		return status;
	status = read_passphrase(b, &passphrase, err);
	if (!status)
		status = backup_secret_parse(text, cv_str_z(passphrase), &b->secret, err);
	if (passphrase)
		cv_wipe(passphrase, strlen(passphrase));
	free(passphrase);
	free((char *)(uintptr_t)text.p);
	b->has_secret = !status;
	/* A new machine has no keys of its own yet: what is restored is checked with these. */
	if (!status && !b->has_public) {
		b->pub = b->secret.pub;
		b->has_public = true;
	}
	if (!status && memcmp(&b->pub, &b->secret.pub, sizeof b->pub) != 0)
		return cv_fail(err, CV_DENIED, "%s is not the key of this server's backups", file);
	return status;
}

static enum cv_status
take_lock(struct backup *b, struct cv_err *err)
{
	char path[1200];
	enum cv_status status = admin_folder_make(b->dir, 0750, ADMIN_OWNER_SELF, err);
	if (status)
		return status;
	snprintf(path, sizeof path, "%s/lock", b->dir);
	b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->lock_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", path);
	if (flock(b->lock_fd, LOCK_EX | LOCK_NB))
		return cv_fail(err, CV_TEMPFAIL, "another backup command is at work");
	return CV_OK;
}

/* Mail first: the disk and the processor are theirs. */
static void
step_back(void)
{
	errno = 0;
	if (nice(NICE) == -1 && errno)
		errno = 0;
	(void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_LOWEST);
}

static enum cv_status
begin(struct backup *b, unsigned needs, struct cv_err *err)
{
	enum cv_status status = read_places(b, err);
	if (!status)
		status = read_server_keys(b, err);
	if (!status && (needs & BACKUP_WRITES) && !(b->has_public && b->has_sign))
		status = cv_fail(err, CV_NOT_FOUND,
			"there is no key to seal backups with: `congvu backup key --out FILE`");
	if (!status && (needs & BACKUP_OPENS))
		status = read_operator_key(b, err);
	if (!status && !(needs & BACKUP_AS_ROOT))
		status = become_user(b->main->user, err);
	if (!status && (needs & (BACKUP_WRITES | BACKUP_LOCKS)))
		status = take_lock(b, err);
	return status;
}

bool
backup_begin(struct admin_call *call, unsigned needs, struct backup *b, int *exit_out)
{
	struct cv_err err = {0};
	*b = (struct backup){.call = call, .lock_fd = -1};
	*exit_out = EXIT_CONFIG;
	backup_seal_start();
	if (!admin_conf(call))
		return false;
	b->main = admin_main_options(call);
	b->opt = cv_conf_get(call->conf, &admin_section);
	snprintf(b->dir, sizeof b->dir, "%s/backup", b->main->base_dir);
	umask(027);
	if (begin(b, needs, &err)) {
		*exit_out = backup_fail(b, &err);
		backup_end(b);
		return false;
	}
	if (needs & (BACKUP_WRITES | BACKUP_LOCKS))
		step_back();
	*exit_out = EXIT_OK;
	return true;
}

void
backup_end(struct backup *b)
{
	if (b->lock_fd >= 0)
		close(b->lock_fd);
	backup_secret_wipe(&b->secret);
	cv_wipe(b->sign, sizeof b->sign);
}

int
backup_fail(struct backup *b, const struct cv_err *err)
{
	admin_progress_end(b->call);
	return admin_error(
		b->call, err->code == CV_TEMPFAIL ? EXIT_DOWN : EXIT_FAILED, err->text, err->text);
}

/* ---- targets ---- */

const struct backup_place *
backup_choose(struct backup *b)
{
	const char *name = admin_option(b->call, "target");
	struct cv_err err;
	for (unsigned i = 0; i < b->place_count; i++)
		if (!name || !strcmp(b->places[i].name, name))
			return &b->places[i];
	if (b->place_count)
		(void)cv_fail(&err, CV_NOT_FOUND, "no target is called '%s'", name);
	else
		(void)cv_fail(&err, CV_NOT_FOUND, "no target: set backup_targets in [admin]");
	backup_fail(b, &err);
	return NULL;
}

static enum cv_status
put_mark(struct backup *b, struct backup_target *t, struct cv_err *err)
{
	char path[1200];
	struct stat st;
	struct cv_buf text = CV_BUF_INIT(MARK_MAX);
	snprintf(path, sizeof path, "%s/%s/packs", b->dir, t->place.name);
	if (!stat(path, &st) && st.st_size > 100)
		return cv_fail(err, CV_NOT_FOUND,
			"target %s had backups and is empty now: is its disk mounted? (to begin "
			"anew remove %s)",
			t->place.name, path);
	backup_public_print(&b->pub, &text);
	enum cv_status status = backup_target_put(t, BACKUP_MARK, cv_buf_view(&text), err);
	cv_buf_done(&text);
	return status;
}

enum cv_status
backup_open_target(struct backup *b, const struct backup_place *place, bool may_mark,
	struct backup_target **out, struct cv_err *err)
{
	struct backup_public pub;
	struct cv_buf text = CV_BUF_INIT(MARK_MAX);
	enum cv_status status = backup_target_open(place, out, err);
	if (status)
		return status;
	status = backup_target_get(*out, BACKUP_MARK, 0, 0, &text, err);
	if (status == CV_NOT_FOUND && may_mark)
		status = put_mark(b, *out, err);
	else if (status == CV_NOT_FOUND)
		status = cv_fail(
			err, CV_NOT_FOUND, "there are no backups on target %s", place->name);
	else if (!status) {
		status = backup_public_parse(cv_buf_view(&text), &pub, err);
		struct cv_buf same = CV_BUF_INIT(MARK_MAX);
		backup_public_print(&b->pub, &same);
		if (status || !cv_str_eq(cv_buf_view(&same), cv_buf_view(&text)))
			status = cv_fail(err, CV_DENIED,
				"target %s belongs to another key, or its mark is damaged",
				place->name);
		cv_buf_done(&same);
	}
	cv_buf_done(&text);
	if (status)
		backup_target_close(*out);
	return status;
}

/* ---- manifests ---- */

static bool
add_name(void *arg, struct cv_str name, uint64_t size)
{
	struct backup_names *n = arg;
	if (!backup_is_manifest_name(name))
		return true;
	if (n->count == n->room) {
		n->room = n->room ? n->room * 2 : 64;
		n->names = cv_realloc(n->names, n->room * sizeof *n->names);
		n->sizes = cv_realloc(n->sizes, n->room * sizeof *n->sizes);
	}
	memset(n->names[n->count], 0, sizeof n->names[0]);
	memcpy(n->names[n->count], name.p, name.n);
	n->sizes[n->count++] = size;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

enum cv_status
backup_manifests(struct backup_target *t, struct backup_names *out, struct cv_err *err)
{
	*out = (struct backup_names){0};
	enum cv_status status = backup_target_list(t, "manifests/", add_name, out, err);
	if (out->count)
		qsort(out->names, out->count, sizeof *out->names, by_name);
	return status;
}

void
backup_names_done(struct backup_names *n)
{
	free(n->names);
	free(n->sizes);
}

enum cv_status
backup_manifest_get(struct backup *b, struct backup_target *t, const char *name,
	struct backup_manifest *m, struct cv_buf *object, struct cv_err *err)
{
	char path[128];
	struct cv_buf own = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	struct cv_buf *bytes = object ? object : &own;
	*m = (struct backup_manifest){0};
	snprintf(path, sizeof path, "manifests/%s", name);
	enum cv_status status = backup_target_get(t, path, 0, 0, bytes, err);
	if (!status)
		status = backup_manifest_parse(cv_buf_view(bytes), &b->pub, m, err);
	if (!status && strcmp(m->name, name) != 0)
		status = cv_fail(err, CV_CORRUPT, "the manifest %s has another's name", name);
	if (status)
		backup_manifest_done(m);
	cv_buf_done(&own);
	return status;
}

/* "2026-11-23" as the manifests' names have it, or as given. */
static void
compact_day(const char *text, char out[BACKUP_NAME_MAX])
{
	size_t n = 0;
	for (; *text && n + 1 < BACKUP_NAME_MAX; text++)
		if (*text != '-' || n > 8)
			out[n++] = *text;
	out[n] = '\0';
}

static const char *
choose_name(const struct backup_names *n, const char *text)
{
	char prefix[BACKUP_NAME_MAX];
	if (!text || !strcmp(text, "latest"))
		return n->names[n->count - 1];
	for (size_t i = n->count; i-- > 0;)
		if (!strncmp(n->names[i], text, strlen(text)))
			return n->names[i];
	compact_day(text, prefix);
	for (size_t i = n->count; strlen(prefix) == 8 && i-- > 0;)
		if (strncmp(n->names[i], prefix, 8) <= 0)
			return n->names[i];
	return NULL;
}

enum cv_status
backup_find(struct backup *b, struct backup_target *t, const char *text, struct backup_manifest *m,
	struct cv_err *err)
{
	struct backup_names n;
	struct cv_buf object = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	*m = (struct backup_manifest){0};
	enum cv_status status = backup_manifests(t, &n, err);
	const char *name = status || !n.count ? NULL : choose_name(&n, text);
	if (!status && !name)
		status = cv_fail(err, CV_NOT_FOUND,
			n.count ? "target %s has no backup '%s'" : "target %s has no backup%.0s",
			t->place.name, text ? text : "");
	if (!status)
		status = backup_manifest_get(b, t, name, m, &object, err);
	if (!status)
		status = backup_manifest_open(cv_buf_view(&object), &b->secret, m, err);
	cv_buf_done(&object);
	backup_names_done(&n);
	return status;
}

/* ---- status.json ---- */

json_t *
backup_status_load(const struct backup *b)
{
	char path[1200];
	struct cv_str text;
	struct cv_err ignored;
	json_t *status = NULL;
	snprintf(path, sizeof path, "%s/status.json", b->dir);
	if (!admin_file_read(path, STATUS_MAX, &text, &ignored)) {
		status = json_loadb(text.p, text.n, 0, NULL);
		free((char *)(uintptr_t)text.p);
	}
	if (!json_is_object(status)) {
		json_decref(status);
		status = json_pack("{s:i}", "format", 1);
	}
	return status;
}

json_t *
backup_status_target(json_t *status, const struct backup_place *place)
{
	json_t *targets = json_object_get(status, "targets");
	if (!json_is_object(targets)) {
		targets = json_object();
		json_object_set_new(status, "targets", targets);
	}
	json_t *t = json_object_get(targets, place->name);
	if (!json_is_object(t)) {
		t = json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "tried",
			(json_int_t)0, "good", (json_int_t)0, "manifest", "", "error", "",
			"backups", (json_int_t)0, "bytes", (json_int_t)0, "new_bytes",
			(json_int_t)0, "took_ms", (json_int_t)0, "verified", (json_int_t)0,
			"verify_faults", (json_int_t)0);
		json_object_set_new(targets, place->name, t);
	}
	json_object_set_new(t, "url", json_string(place->url));
	json_object_set_new(t, "append_only", json_boolean(place->append_only));
	return t;
}

void
backup_status_save(const struct backup *b, json_t *status)
{
	char path[1200];
	struct cv_err err;
	char *text = json_dumps(status, JSON_INDENT(1));
	snprintf(path, sizeof path, "%s/status.json", b->dir);
	if (!text || admin_file_replace(path, 0640, cv_str_z(text), ADMIN_OWNER_SELF, &err))
		fprintf(stderr, "congvu: %s: %s\n", path, text ? err.text : "no JSON");
	free(text);
}

/* ---- folders ---- */

enum cv_status
backup_tree_open(struct backup_tree *t, const char *path, struct cv_err *err)
{
	t->dir = opendir(path);
	return t->dir || errno == ENOENT
		       ? CV_OK
		       : cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", path);
}

const char *
backup_tree_next(struct backup_tree *t, bool *is_folder_out)
{
	struct stat st;
	for (struct dirent *entry; t->dir && (entry = readdir(t->dir));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		*is_folder_out = !fstatat(dirfd(t->dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
				 S_ISDIR(st.st_mode);
		return entry->d_name;
	}
	return NULL;
}

void
backup_tree_close(struct backup_tree *t)
{
	if (t->dir)
		closedir(t->dir);
}

enum cv_status
backup_remove_tree(const char *path, struct cv_err *err)
{
	struct backup_tree tree;
	char below[4096];
	const char *name;
	bool is_folder;
	enum cv_status status = backup_tree_open(&tree, path, err);
	if (status || !tree.dir)
		return status;
	while (!status && (name = backup_tree_next(&tree, &is_folder))) {
		snprintf(below, sizeof below, "%s/%s", path, name);
		if (is_folder)
			status = backup_remove_tree(below, err);
		else if (unlink(below))
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "removing %s", below);
	}
	backup_tree_close(&tree);
	if (!status && rmdir(path))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "removing %s", path);
	return status;
}
