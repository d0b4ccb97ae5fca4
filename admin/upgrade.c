/* upgrade.c - `congvu upgrade`: may this program open these data, and the way back (OPS-02).
 *
 * Before a new version is installed, `save` (the Debian package calls it) copies mail and queue
 * into a folder beside them while the daemons are stopped: rows as they are, sealed volumes as
 * links, which costs neither time nor room. Nobody needs it as long as formats fit (format.h): it
 * is for a version that turns out to harm what it works on. After `restore` the older version finds
 * what it left; what came since lies in the folder that took its place.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "common/base/clock.h"
#include "common/store/engine.h"
#include "common/store/format.h"

#define SAVED_KEPT 2u
#define PATH_BYTES 1400

/* The environments that hold what may not be lost. */
enum part { PART_MAIL, PART_QUEUE, PARTS };
static const char *const part_names[PARTS] = {"mail", "queue"};

static const char *
part_dir(struct admin_call *call, enum part part)
{
	const struct congvu_options *m = admin_main_options(call);

	return part == PART_MAIL ? m->mail_dir : m->queue_dir;
}

/* ---- check ---- */

/* What lies in DIR, into ROW; false when this program may not open it. */
static bool
look_at(const char *dir, json_t *row)
{
	struct cv_format found = {.number = 1, .reader = 1, .writer = "0.1.0"},
			 here = cv_format_here();
	struct cv_err err = {0};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	json_object_set_new(row, "dir", json_string(dir));
	if (fd < 0 && errno == ENOENT) {
		json_object_set_new(row, "format", json_string("-"));
		json_object_set_new(row, "state", json_string("empty"));
		return true;
	}
	enum cv_status status =
		fd < 0 ? cv_fail_errno(&err, CV_DENIED, errno, "cannot look into %s", dir)
		       : cv_format_read(fd, &found, &err);
	if (fd >= 0)
		close(fd);
	if (status == CV_NOT_FOUND) /* from before there was such a file */
		status = CV_OK;
	if (status == CV_OK)
		status = cv_format_fits(&found, &here, &err);
	admin_set_number(row, "format", found.number);
	admin_set_number(row, "reader", found.reader);
	admin_set(row, "writer", found.writer);
	admin_set(row, "state",
		status != CV_OK              ? "refused"
		: found.number < here.number ? "older"
		: found.number > here.number ? "newer"
					     : "same");
	if (status != CV_OK)
		admin_set(row, "error", err.text);
	return status == CV_OK;
}

static int
run_check(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"dir",    "FOLDER",     "THƯ MỤC"    },
		{"format", "FORMAT",     "ĐỊNH DẠNG"},
		{"writer", "WRITTEN BY", "GHI BỞI"     },
		{"state",  "STATE",      "TÌNH TRẠNG" },
	};
	struct cv_format here = cv_format_here();
	bool fits = true;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	json_t *rows = json_array();
	for (enum part p = 0; p < PARTS; p++) {
		json_t *row = json_object();
		fits = look_at(part_dir(call, p), row) && fits;
		json_array_append_new(rows, row);
	}
	json_t *reply = json_pack("{s:b, s:s, s:i, s:o}", "ok", fits, "version", here.writer,
		"format", (int)here.number, "folders", rows);
	if (!admin_json(call, reply)) {
		admin_table(call, rows, columns, CV_COUNT(columns));
		size_t i;
		json_t *row;
		json_array_foreach(rows, i, row)
		{
			const char *why = json_string_value(json_object_get(row, "error"));
			if (why)
				admin_error(call, EXIT_FAILED, why, why);
		}
		if (fits)
			printf(admin_say(call, "congvu %s, format %u, can work on these data.\n",
				       "congvu %s, định dạng %u, làm việc được với dữ liệu này.\n"),
				here.writer, here.number);
	}
	json_decref(reply);
	return fits ? EXIT_OK : EXIT_FAILED;
}

/* ---- what was saved ---- */

static void
saved_path(struct admin_call *call, char out[PATH_BYTES], const char *name)
{
	snprintf(out, PATH_BYTES, "%.1000s/upgrade%s%s", admin_main_options(call)->base_dir,
		name ? "/" : "", name ? name : "");
}

/* "0.1.0-20261122T080000Z": the whole name, nothing that leads elsewhere. */
static bool
is_saved_name(const char *name)
{
	size_t n = strlen(name);

	return n > 17 && n < 80 && name[0] >= '0' && name[0] <= '9' && !strchr(name, '/') &&
	       name[n - 1] == 'Z' && name[n - 8] == 'T' && name[n - 17] == '-';
}

static int
is_saved(const struct dirent *d)
{
	return is_saved_name(d->d_name);
}

/* The moment in a name, as digits that sort. */
static const char *
saved_moment(const char *name)
{
	return name + strlen(name) - 16;
}

static int
by_moment(const struct dirent **a, const struct dirent **b)
{
	return strcmp(saved_moment((*a)->d_name), saved_moment((*b)->d_name));
}

/* Names, oldest first, in a JSON array. */
static json_t *
saved_names(struct admin_call *call)
{
	char dir[PATH_BYTES];
	struct dirent **found = NULL;
	json_t *names = json_array();

	saved_path(call, dir, NULL);
	int n = scandir(dir, &found, is_saved, by_moment);
	for (int i = 0; i < n; i++) {
		json_array_append_new(names, json_string(found[i]->d_name));
		free(found[i]);
	}
	free(found);
	return names;
}

/* ---- save ---- */

static bool
is_in(const char *dir, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%.1300s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Nobody has it open, and its last owner closed it; or nobody ever opened it. */
static bool
is_at_rest(const char *dir)
{
	return is_in(dir, "clean") || !is_in(dir, "rows");
}

/* Opens the stopped environment in FROM and copies it to TO. One that was not stopped cleanly is
 * its daemon's to recover and fence first. */
static enum cv_status
save_part(const char *from, const char *to, struct cv_err *err)
{
	struct cv_engine_options o = {.dir = from, .with_blobs = true};
	struct cv_engine *e = NULL;
	bool crashed;

	if (!is_in(from, "rows"))
		return CV_OK;
	if (!is_at_rest(from))
		return cv_fail(err, CV_DENIED,
			"%s is in use or was not stopped cleanly: stop the service (start it once "
			"before, if it does not run)",
			from);
	enum cv_status status = cv_engine_open(&o, &e, &crashed, err);
	if (status != CV_OK)
		return status;
	status = cv_engine_backup(e, to, err);
	cv_engine_close(e);
	return status;
}

static enum cv_status
save_conf(struct admin_call *call, const char *to, struct cv_err *err)
{
	struct cv_str text;
	char path[PATH_BYTES + 16];
	enum cv_status status = admin_file_read(call->conf_path, 1u << 20, &text, err);

	if (status != CV_OK)
		return status;
	snprintf(path, sizeof path, "%s/congvu.conf", to);
	status = admin_file_new(path, 0600, text, ADMIN_OWNER_SELF, err);
	free((void *)(uintptr_t)text.p);
	return status;
}

static bool
remove_tree(const char *path)
{
	struct dirent **found = NULL;
	char inner[PATH_BYTES + 300];
	bool ok = true;

	if (unlink(path) == 0) /* a link is no folder, wherever it leads */
		return true;
	int n = scandir(path, &found, NULL, NULL);
	for (int i = 0; i < n; i++) {
		const char *name = found[i]->d_name;
		snprintf(inner, sizeof inner, "%s/%s", path, name);
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			ok = remove_tree(inner) && ok;
		free(found[i]);
	}
	free(found);
	return rmdir(path) == 0 && ok;
}

/* The oldest go; a half made one has another name and goes too. As the daemons' user: the folder is
 * theirs, and root must not be led out of it. */
static enum cv_status
drop_old(struct admin_call *call, const char *unused, struct cv_err *err)
{
	char path[PATH_BYTES];
	json_t *names = saved_names(call);
	size_t n = json_array_size(names);

	for (size_t i = 0; i + SAVED_KEPT < n; i++) {
		saved_path(call, path, json_string_value(json_array_get(names, i)));
		if (!remove_tree(path))
			fprintf(stderr, "congvu: %s: %s\n", path, strerror(errno));
	}
	json_decref(names);
	saved_path(call, path, "unfinished");
	if (access(path, F_OK) == 0 && !remove_tree(path))
		fprintf(stderr, "congvu: %s: %s\n", path, strerror(errno));
	(void)unused;
	(void)err;
	return CV_OK;
}

/* All into `unfinished`, then its name: what has a name is whole. */
static enum cv_status
save_all(struct admin_call *call, const char *name, struct cv_err *err)
{
	char room[PATH_BYTES], path[PATH_BYTES], to[PATH_BYTES + 16];
	enum cv_status status;

	saved_path(call, path, NULL);
	status = admin_folder_make(path, 0700, ADMIN_OWNER_SELF, err);
	saved_path(call, room, "unfinished");
	if (status == CV_OK)
		status = admin_folder_make(room, 0700, ADMIN_OWNER_SELF, err);
	for (enum part p = 0; p < PARTS && status == CV_OK; p++) {
		snprintf(to, sizeof to, "%s/%s", room, part_names[p]);
		status = save_part(part_dir(call, p), to, err);
	}
	if (status == CV_OK)
		status = save_conf(call, room, err);
	if (status == CV_OK)
		status = admin_folder_sync(room, err);
	saved_path(call, to, name);
	if (status == CV_OK && rename(room, to))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot name %s", to);
	return status == CV_OK ? admin_folder_sync(path, err) : status;
}

/* Runs FN as the daemons' user: what it makes must be theirs. */
static int
as_daemon(struct admin_call *call,
	enum cv_status (*fn)(struct admin_call *call, const char *name, struct cv_err *err),
	const char *name)
{
	struct cv_err err = {0};
	bool switched = false;
	enum cv_status status = admin_act_as(admin_main_options(call)->user, &switched, &err);

	if (status == CV_OK)
		status = fn(call, name, &err);
	if (switched)
		admin_act_as_self();
	return status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
}

static int
run_save(struct admin_call *call)
{
	char name[80], moment[20];
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	gmtime_r(&now, &tm);
	strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name, sizeof name, "%.40s-%s", CV_VERSION, moment);
	int exit_code = as_daemon(call, drop_old, NULL);
	if (exit_code == EXIT_OK)
		exit_code = as_daemon(call, save_all, name);
	if (exit_code == EXIT_OK)
		exit_code = as_daemon(call, drop_old, NULL);
	if (exit_code != EXIT_OK)
		return exit_code;
	json_t *reply = json_pack("{s:b, s:s}", "ok", 1, "saved", name);
	if (!admin_json(call, reply))
		printf(admin_say(call,
			       "Saved as %s. `congvu upgrade restore %s` is the way back.\n",
			       "Đã lưu thành %s. Quay lại bằng `congvu upgrade restore %s`.\n"),
			name, name);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	size_t i;
	json_t *name;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	json_t *reply = json_pack("{s:b, s:o}", "ok", 1, "saved", saved_names(call));
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "saved"), i, name)
			puts(json_string_value(name));
		if (i == 0)
			puts(admin_say(call, "Nothing is saved.", "Chưa có bản lưu nào."));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- restore ---- */

/* The saved folder and the one in use change places, so that nothing is thrown away. */
static enum cv_status
swap_parts(struct admin_call *call, const char *name, struct cv_err *err)
{
	char from[PATH_BYTES], saved[PATH_BYTES + 16];

	saved_path(call, from, name);
	for (enum part p = 0; p < PARTS; p++)
		if (!is_at_rest(part_dir(call, p)))
			return cv_fail(err, CV_DENIED,
				"%s is in use or was not stopped cleanly: stop the service",
				part_dir(call, p));
	for (enum part p = 0; p < PARTS; p++) {
		const char *dir = part_dir(call, p);
		snprintf(saved, sizeof saved, "%s/%s", from, part_names[p]);
		if (access(saved, F_OK))
			continue;
		if (renameat2(AT_FDCWD, saved, AT_FDCWD, dir, RENAME_EXCHANGE))
			return cv_fail_errno(
				err, CV_TEMPFAIL, errno, "cannot exchange %s and %s", saved, dir);
	}
	return CV_OK;
}

static int
run_restore(struct admin_call *call)
{
	const char *name = call->words[0];
	char path[PATH_BYTES];

	if (!admin_conf(call))
		return EXIT_CONFIG;
	saved_path(call, path, name);
	if (!is_saved_name(name) || access(path, F_OK))
		return admin_error(call, EXIT_FAILED,
			"nothing was saved under this name: `congvu upgrade list` shows what was",
			"không có bản lưu nào mang tên này: xem `congvu upgrade list`");
	int exit_code = admin_confirm(call,
		"mail and queue go back to what was saved; what came since is put aside",
		"kho thư và hàng đợi trở về bản đã lưu; thư đến sau đó được cất riêng", name);
	if (exit_code != EXIT_OK)
		return exit_code;
	exit_code = as_daemon(call, swap_parts, name);
	if (exit_code != EXIT_OK)
		return exit_code;
	json_t *reply = json_pack("{s:b, s:s, s:s}", "ok", 1, "restored", name, "aside", path);
	if (!admin_json(call, reply))
		printf(admin_say(call,
			       "Restored. What was in use lies in %s now. Install the version that "
			       "wrote it, then start the service.\n",
			       "Đã khôi phục. Dữ liệu vừa dùng nằm ở %s. Hãy cài phiên bản tương "
			       "ứng "
			       "rồi khởi động dịch vụ.\n"),
			path);
	json_decref(reply);
	return EXIT_OK;
}

/* ---- rows ---- */

const struct admin_command admin_upgrade_check = {
	.noun = "upgrade",
	.verb = "check",
	.words = "",
	.help = "tell whether this program can work on the data that are there",
	.help_vi = "kiểm tra phiên bản này có làm việc được với dữ liệu hiện có không",
	.examples = "  congvu upgrade check\n  congvu upgrade check --json",
	.run = run_check,
};
const struct admin_command admin_upgrade_save = {
	.noun = "upgrade",
	.verb = "save",
	.words = "",
	.help = "keep mail, queue and configuration as they are, before a new version is installed",
	.help_vi = "lưu lại kho thư, hàng đợi và cấu hình trước khi cài phiên bản mới",
	.examples = "  systemctl stop congvu && congvu upgrade save",
	.run = run_save,
};
const struct admin_command admin_upgrade_list = {
	.noun = "upgrade",
	.verb = "list",
	.words = "",
	.help = "list what was saved; the last two are kept",
	.help_vi = "liệt kê các bản đã lưu (giữ hai bản gần nhất)",
	.examples = "  congvu upgrade list",
	.run = run_list,
};
const struct admin_command admin_upgrade_restore = {
	.noun = "upgrade",
	.verb = "restore",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.help = "go back to what was saved; what came since is put aside, not thrown away",
	.help_vi = "trở về bản đã lưu; thư đến sau đó được cất riêng, không bị xóa",
	.examples = "  congvu upgrade restore 0.1.0-20261122T080000Z --yes",
	.run = run_restore,
};
