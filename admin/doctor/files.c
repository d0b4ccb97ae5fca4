/* files.c - folders and secrets: are they there, whose are they, who may read them. The one family
 * that mends: it makes missing folders and takes rights away, never gives any, and changes no
 * owner. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/doctor/doctor.h"
#include "admin/files.h"

#define SECRETS_MAX 200u

static bool
is_root(void)
{
	return geteuid() == 0;
}

/* Whose our files should be: option `user`, else whoever owns the base folder. */
static bool
wanted_owner(const struct doctor *d, uid_t *uid)
{
	struct admin_owner owner;
	struct cv_err err;
	struct stat st;

	if (d->main->user[0] && is_root() &&
		admin_owner_find(d->main->user, &owner, &err) == CV_OK &&
		owner.uid != (uid_t)-1) {
		*uid = owner.uid;
		return true;
	}
	if (stat(d->main->mail_dir, &st))
		return false;
	*uid = st.st_uid;
	return true;
}

/* Takes the rights in TOO_MUCH away from what FD is. */
static void
tighten(struct doctor_job *j, const char *path, const struct stat *seen, mode_t too_much)
{
	struct cv_err err = {0};
	struct stat st;

	if (!j->d->fix)
		return;
	if (j->d->dry_run) {
		doctor_fixed(j, NULL);
		return;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool same = fd >= 0 && !fstat(fd, &st) && st.st_ino == seen->st_ino &&
		    st.st_dev == seen->st_dev;
	if (same && !fchmod(fd, st.st_mode & 07777 & ~too_much)) {
		doctor_fixed(j, NULL);
	} else {
		(void)!cv_fail_errno(&err, CV_DENIED, errno, "%s", path);
		doctor_fixed(j, &err);
	}
	if (fd >= 0)
		close(fd);
}

static void
check_mode(struct doctor_job *j, const char *id, const char *path, const struct stat *st,
	mode_t allowed)
{
	mode_t too_much = st->st_mode & 07777 & ~allowed;

	doctor_say(j, id, !too_much, path, "%04o", (unsigned)(st->st_mode & 07777));
	if (too_much) {
		doctor_do(j, "chmod %04o %s", (unsigned)(st->st_mode & 07777 & allowed), path);
		tighten(j, path, st, too_much);
	}
}

static void
check_owner(struct doctor_job *j, const char *path, const struct stat *st, uid_t uid)
{
	doctor_say(j, "owner", st->st_uid == uid || st->st_uid == 0, path, "uid %u",
		(unsigned)st->st_uid);
	if (st->st_uid != uid && st->st_uid != 0)
		doctor_do(j, "chown %u %s", (unsigned)uid, path);
}

static void
check_folder(struct doctor_job *j, const char *path, mode_t allowed, bool may_miss)
{
	struct stat st;
	struct cv_err err = {0};
	uid_t uid;

	if (stat(path, &st)) {
		if (errno == ENOENT && may_miss)
			return;
		doctor_say(j, "folder", false, path, "%s", strerror(errno));
		doctor_do(j, "mkdir -m %04o %s", (unsigned)allowed, path);
		if (errno != ENOENT || !j->d->fix)
			return;
		struct admin_owner owner = ADMIN_OWNER_SELF;
		if (is_root() && wanted_owner(j->d, &uid))
			owner.uid = uid;
		enum cv_status status = j->d->dry_run ? CV_OK
			: admin_folder_make(path, allowed, owner, &err);
		doctor_fixed(j, status == CV_OK ? NULL : &err);
		return;
	}
	doctor_say(j, "folder", S_ISDIR(st.st_mode), path, "%s", "");
	check_mode(j, "folder-mode", path, &st, allowed);
	if (wanted_owner(j->d, &uid))
		check_owner(j, path, &st, uid);
}

static void
check_secret(struct doctor_job *j, const char *path)
{
	struct stat st;
	uid_t uid;

	if (!path[0] || stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	check_mode(j, "secret-mode", path, &st, 0640);
	if (wanted_owner(j->d, &uid))
		check_owner(j, path, &st, uid);
}

/* Private keys below DIR, one level of folders deep. */
static void
check_keys(struct doctor_job *j, const char *dir, unsigned depth, unsigned *left)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) && *left) {
		char path[1400];
		struct stat st;
		struct cv_str name = cv_str_z(e->d_name);
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%.1100s/%.255s", dir, e->d_name);
		if (lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode) && depth)
			check_keys(j, path, depth - 1, left);
		else if (S_ISREG(st.st_mode) &&
			 (cv_str_has_suffix(name, ".key") ||
				 (cv_str_has_suffix(name, ".pem") && strstr(dir, "/dkim")))) {
			(*left)--;
			check_secret(j, path);
		}
	}
	if (d)
		closedir(d);
}

static void
check_conf(struct doctor_job *j)
{
	struct stat st;
	const char *path = j->d->call->conf_path;

	if (!stat(path, &st))
		check_mode(j, "config-mode", path, &st, 0644);
}

void
doctor_files(struct doctor_job *j)
{
	const struct congvu_options *m = j->d->main;
	char path[1200];
	unsigned left = SECRETS_MAX;

	check_folder(j, m->base_dir, 0755, false);
	check_folder(j, m->run_dir, 0755, false);
	check_folder(j, m->mail_dir, 0700, false);
	check_folder(j, m->queue_dir, 0700, false);
	check_folder(j, m->stats_dir, 0700, true);
	check_folder(j, m->register_dir, 0755, false);
	check_folder(j, m->index_dir, 0700, true);
	check_folder(j, m->keys_dir, 0755, false);
	check_conf(j);
	snprintf(path, sizeof path, "%s/register.secret", m->register_dir);
	check_secret(j, path);
	check_keys(j, m->keys_dir, 2, &left);
	check_secret(j, m->oauth_client_file);
	check_secret(j, j->d->smtpd->smarthost_auth);
	check_secret(j, j->d->admin->directory_push_auth);
	char *keys = cv_conf_resolve_list(j->d->conf, m->tls_key);
	struct cv_str rest = cv_str_z(keys), word;
	while (cv_str_split(&rest, ' ', &word)) {
		char *one = cv_str_dup(word);
		if (!cv_str_has_prefix(word, m->keys_dir)) /* told already */
			check_secret(j, one);
		free(one);
	}
	free(keys);
}
