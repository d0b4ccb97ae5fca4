/* sandbox.c - profiles and the order in which the walls go up; see sandbox.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/sandbox/walls.h"

static char state[64] = "no";

/* ---- profiles ---- */

static void
add(struct cv_sandbox *sb, const char *path, bool write)
{
	if (sb->count < CV_SANDBOX_PATHS_MAX)
		sb->paths[sb->count] = (struct cv_sandbox_path){cv_strdup(path), write};
	sb->count++;
}

void
cv_sandbox_read(struct cv_sandbox *sb, const char *path)
{
	add(sb, path, false);
}

void
cv_sandbox_write(struct cv_sandbox *sb, const char *path)
{
	/* What fails here fails again, with words, where the folder is wanted. */
	(void)mkdir(path, 0700);
	add(sb, path, true);
}

void
cv_sandbox_init(struct cv_sandbox *sb)
{
	/* Libraries (loaded late: name service, character sets, crypto), names and addresses,
	 * authorities, the time zone, and what the machine tells of itself. */
	static const char *const readable[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64",
		"/usr/libexec", "/usr/share", "/usr/local/lib", "/usr/local/share",
		"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/resolv.conf",
		"/run/systemd/resolve", "/run/resolvconf", "/etc/hosts", "/etc/host.conf",
		"/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
		"/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/ssl",
		"/etc/ca-certificates", "/etc/gnutls", "/etc/crypto-policies", "/etc/unbound",
		"/dev/urandom", "/dev/random", "/dev/zero", "/proc/self", "/proc/meminfo",
		"/proc/stat", "/proc/cpuinfo", "/proc/loadavg", "/proc/sys/vm", "/proc/sys/kernel",
		"/proc/sys/net/core", "/sys/devices/system", "/sys/fs/cgroup"};

	*sb = (struct cv_sandbox){.strict = !CV_SANDBOX_SANITIZED};
	for (size_t i = 0; i < CV_COUNT(readable); i++)
		cv_sandbox_read(sb, readable[i]);
	add(sb, "/dev/null", true);
}

void
cv_sandbox_done(struct cv_sandbox *sb)
{
	for (unsigned i = 0; i < CV_MIN(sb->count, CV_SANDBOX_PATHS_MAX); i++)
		free(sb->paths[i].path);
	sb->count = 0;
}

/* Folders that hold other people's files: of these only the file itself is opened. */
static bool
is_common_folder(const char *path)
{
	static const char *const folders[] = {"", "/", "/etc", "/tmp", "/var", "/var/lib",
		"/var/log", "/var/tmp", "/home", "/root", "/run", "/usr", "/opt", "/srv", "/mnt",
		"/dev"};

	for (size_t i = 0; i < CV_COUNT(folders); i++)
		if (!strcmp(path, folders[i]))
			return true;
	return false;
}

/* FILE and its folder, since files are renewed by renaming. */
static void
open_file_at(struct cv_sandbox *sb, const char *file, bool write)
{
	char folder[1100];

	snprintf(folder, sizeof folder, "%s", file);
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	if (slash && !is_common_folder(folder))
		add(sb, folder, write);
	else
		add(sb, file, write);
}

/* Where its name stands, and where a link leads. */
static void
open_file(struct cv_sandbox *sb, const char *file, bool write)
{
	char *real = realpath(file, NULL);

	open_file_at(sb, file, write);
	if (real && strcmp(real, file))
		open_file_at(sb, real, write);
	free(real);
}

static void
open_files(struct cv_sandbox *sb, const struct cv_conf *conf, const char *list)
{
	char *resolved = cv_conf_resolve_list(conf, list);
	struct cv_str rest = cv_str_z(resolved), word;

	while (cv_str_split(&rest, ' ', &word)) {
		char *path = cv_str_dup(word);
		if (word.n)
			open_file(sb, path, false);
		free(path);
	}
	free(resolved);
}

/* The folders whose owner a program is. */
static const struct folder {
	size_t offset;
	bool reads[3], writes[3]; /* by enum cv_sandbox_program */
} folders[] = {
  /*                                                 smtpd imapd filter   smtpd  imapd  filter
  */
	{offsetof(struct congvu_options, run_dir),      {0, 0, 0}, {1, 1, 1}},
	{offsetof(struct congvu_options, mail_dir),     {0, 0, 0}, {0, 1, 0}},
	{offsetof(struct congvu_options, index_dir),    {0, 0, 0}, {0, 1, 0}},
	{offsetof(struct congvu_options, queue_dir),    {0, 0, 0}, {1, 0, 0}},
	{offsetof(struct congvu_options, stats_dir),    {0, 0, 0}, {0, 0, 1}},
	{offsetof(struct congvu_options, register_dir), {1, 0, 1}, {0, 1, 0}},
	{offsetof(struct congvu_options, keys_dir),     {1, 1, 1}, {0, 0, 0}},
};

/* The other options of kind path name files to read, whatever they are for. */
static void
open_path_options(
	struct cv_sandbox *sb, const struct cv_conf *conf, const struct cv_section *section)
{
	const char *values = cv_conf_get(conf, section);

	for (size_t i = 0; i < section->count; i++) {
		const struct cv_option *o = &section->options[i];
		if (o->kind != CV_OPT_path || cv_str_has_suffix(cv_str_z(o->name), "_dir") ||
			!strcmp(o->name, "log_file"))
			continue;
		const char *path = *(const char *const *)(const void *)(values + o->offset);
		if (path[0])
			open_file(sb, path, false);
	}
}

/* "unix:/path": a socket is made and removed in its folder. */
static void
open_socket_folders(struct cv_sandbox *sb, const struct cv_conf *conf, const char *words)
{
	char *resolved = cv_conf_resolve_list(conf, words);
	struct cv_str rest = cv_str_z(resolved), word;

	while (cv_str_split(&rest, ' ', &word)) {
		if (!cv_str_has_prefix(word, "unix:") && !cv_str_has_prefix(word, "local:"))
			continue;
		char *path = cv_str_dup(cv_str_sub(word, cv_str_find(word, ':', 0) + 1, word.n));
		char *slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
		add(sb, slash && path[0] ? path : "/", true);
		free(path);
	}
	free(resolved);
}

/* Other nodes' queues, as far as they can be reached: none of them is ours to make. */
static void
open_adopted(struct cv_sandbox *sb, const struct cv_conf *conf)
{
	const struct smtpd_options *opt = cv_conf_get(conf, &smtpd_section);
	char *resolved = cv_conf_resolve_list(conf, opt->queue_adopt_from);
	struct cv_str rest = cv_str_z(resolved), word;

	while (cv_str_split(&rest, ' ', &word)) {
		char *path = cv_str_dup(word);
		if (word.n && !access(path, F_OK))
			add(sb, path, true);
		free(path);
	}
	free(resolved);
}

/* Where a program started by hand listens. */
static void
open_listen_options(
	struct cv_sandbox *sb, const struct cv_conf *conf, const struct cv_section *section)
{
	const char *values = cv_conf_get(conf, section);

	for (size_t i = 0; i < section->count; i++) {
		const struct cv_option *o = &section->options[i];
		bool listens =
			o->kind == CV_OPT_list && cv_str_has_prefix(cv_str_z(o->name), "listen_");
		if (listens || (o->kind == CV_OPT_text && !strcmp(o->name, "socket")))
			open_socket_folders(
				sb, conf, *(const char *const *)(const void *)(values + o->offset));
	}
}

void
cv_sandbox_open(struct cv_sandbox *sb, enum cv_sandbox_program program, const struct cv_conf *conf,
	const char *conf_path)
{
	static const struct cv_section *const sections[] = {
		&smtpd_section, &imapd_section, &spamfilter_section};
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);

	for (size_t i = 0; i < CV_COUNT(folders); i++) {
		const char *path =
			*(const char *const *)(const void *)((const char *)m + folders[i].offset);
		if (folders[i].writes[program])
			cv_sandbox_write(sb, path);
		else if (folders[i].reads[program])
			cv_sandbox_read(sb, path);
	}
	if (program == CV_SANDBOX_IMAPD) {
		/* The keys of signed links, which it changes itself. */
		char links[1100];
		snprintf(links, sizeof links, "%s/quarantine", m->keys_dir);
		cv_sandbox_write(sb, links);
	}
	if (program == CV_SANDBOX_SMTPD) {
		/* Which one-time codes were used: shared with imapd (common/register/totp.h). */
		char steps[1100];
		snprintf(steps, sizeof steps, "%s/register.steps", m->register_dir);
		add(sb, steps, true);
	}
	if (conf_path)
		open_file(sb, conf_path, false);
	if (m->log_file[0])
		open_file(sb, m->log_file, true);
	open_files(sb, conf, m->tls_cert);
	open_files(sb, conf, m->tls_key);
	open_path_options(sb, conf, &congvu_section);
	open_path_options(sb, conf, sections[program]);
	open_listen_options(sb, conf, sections[program]);
	if (program == CV_SANDBOX_SMTPD)
		open_adopted(sb, conf);
}

/* ---- walls ---- */

/* Keys and passwords in memory do not end in a file, nor in another program of the same user. */
static enum cv_status
keep_secrets(bool strict, struct cv_err *err)
{
	struct rlimit none = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot give up new privileges");
	if (setrlimit(RLIMIT_CORE, &none))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot forbid core files");
	/* A sanitizer's leak check could not look at its own threads then. */
	if (strict && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return cv_fail_errno(
			err, CV_TEMPFAIL, errno, "cannot forbid looking at the memory");
	return CV_OK;
}

/* A wall that this kernel lacks is told of; the others stand. */
static enum cv_status
note(enum cv_status status, const char *wall, const struct cv_err *err)
{
	if (status == CV_OK) {
		size_t n = strlen(state);
		snprintf(state + n, sizeof state - n, "%s%s", n ? "," : "", wall);
	} else if (status == CV_NOT_FOUND) {
		cv_log(0, CV_WARN, "sandbox.missing", "wall=%s why=\"%s\"", wall, err->text);
		status = CV_OK;
	}
	return status;
}

enum cv_status
cv_sandbox_enter(const struct cv_sandbox *sb, struct cv_err *err)
{
	if (sb->count > CV_SANDBOX_PATHS_MAX)
		return cv_fail(
			err, CV_LIMIT, "the sandbox has room for %u paths", CV_SANDBOX_PATHS_MAX);
	state[0] = '\0';
	enum cv_status status = keep_secrets(sb->strict, err);
#ifndef CV_COVERAGE /* whose counters are written at exit, beside the objects */
	if (status == CV_OK)
		status = note(cv_landlock_enter(sb, err), "landlock", err);
#endif
	if (status == CV_OK)
		status = note(cv_seccomp_enter(sb->strict, err), "seccomp", err);
	if (!state[0])
		snprintf(state, sizeof state, "none");
	return status;
}

enum cv_status
cv_sandbox_start(enum cv_sandbox_program program, const struct cv_conf *conf, const char *conf_path,
	const char *socket, struct cv_err *err)
{
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);
	struct cv_sandbox sb;

	if (!m->sandbox) {
		cv_log(0, CV_WARN, "sandbox.off", "why=option");
		return CV_OK;
	}
	cv_sandbox_init(&sb);
	cv_sandbox_open(&sb, program, conf, conf_path);
	if (socket)
		open_socket_folders(&sb, conf, socket);
	enum cv_status status = cv_sandbox_enter(&sb, err);
	cv_sandbox_done(&sb);
	return status;
}

const char *
cv_sandbox_state(void)
{
	return state;
}
