/* supervise.c - see supervise.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/files.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/addr.h"

#define SOCKETS_MAX      64
#define STOP_MS          20000  /* a daemon that has not ended by then is killed; smtpd has
				* drain_timeout more */
#define READY_MS         120000 /* recovery takes well under a second; be patient anyway */
#define RESTART_FIRST_MS 1000
#define RESTART_LAST_MS  30000
#define STEADY_MS        60000 /* one that ran this long starts again without a longer wait */

enum child_id { CHILD_IMAPD, CHILD_SPAMFILTER, CHILD_SMTPD, CHILD_SCHEDULE, CHILDREN };

struct child {
	const char *program;
	pid_t pid;    /* 0: not running */
	int ready_fd; /* -1: ready, or not running */
	int64_t started_ms, start_at_ms;
	unsigned wait_ms;
	bool was_ready;
};

struct listener {
	const char *label;
	enum child_id child;
	int fd;
};

struct supervisor {
	const struct congvu_options *main;
	const char *conf_path;
	char folder[512]; /* of the programs */
	uid_t uid;
	gid_t gid;
	bool switch_user;
	struct listener sockets[SOCKETS_MAX];
	size_t socket_count;
	struct child children[CHILDREN];
	int signal_fd;
	int64_t drain_ms; /* smtpd's */
	bool stopping, ready_told;
	pid_t pid;
};

/* ---- sockets ---- */

/* Some machines have no IPv6 at all; the demo and the defaults name it nevertheless. */
static bool
ipv6_is_missing(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool missing = fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any);

	if (fd >= 0)
		close(fd);
	return missing;
}

static enum cv_status
bind_list(struct supervisor *s, const char *list, const char *label, enum child_id child,
	struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;

	while (cv_str_split(&rest, ' ', &word)) {
		struct sockaddr_storage addr;
		socklen_t len;
		if (!word.n)
			continue;
		if (s->socket_count == SOCKETS_MAX)
			return cv_fail(
				err, CV_LIMIT, "more than %d listening addresses", SOCKETS_MAX);
		struct listener *l = &s->sockets[s->socket_count];
		enum cv_status status = cv_sockaddr_parse(word, &addr, &len, err);
		if (status == CV_OK)
			status = cv_addr_listen(&addr, len, 0666, &l->fd, err);
		if (status != CV_OK && addr.ss_family == AF_INET6 && ipv6_is_missing()) {
			cv_log(0, CV_WARN, "serve.no_ipv6", "address=%.*s", CV_STR_ARGS(word));
			continue;
		}
		if (status != CV_OK)
			return status;
		l->label = label;
		l->child = child;
		s->socket_count++;
	}
	return CV_OK;
}

static enum cv_status
bind_all(struct supervisor *s, const struct cv_conf *conf, struct cv_err *err)
{
	const struct smtpd_options *smtp = cv_conf_get(conf, &smtpd_section);
	const struct imapd_options *imap = cv_conf_get(conf, &imapd_section);
	/* clang-format off */
	const struct {
		const char *list, *label;
		enum child_id child;
	} rows[] = {
		{ smtp->listen_mx, "mx", CHILD_SMTPD },
		{ smtp->listen_submission, "submission", CHILD_SMTPD },
		{ smtp->listen_submissions, "submissions", CHILD_SMTPD },
		{ smtp->listen_lmtp, "lmtp", CHILD_SMTPD },
		{ imap->listen_imap, "imap", CHILD_IMAPD },
		{ imap->listen_imaps, "imaps", CHILD_IMAPD },
		{ imap->listen_pop3, "pop3", CHILD_IMAPD },
		{ imap->listen_pop3s, "pop3s", CHILD_IMAPD },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_status status =
			bind_list(s, rows[i].list, rows[i].label, rows[i].child, err);
		if (status != CV_OK)
			return status;
	}
	return CV_OK;
}

/* ---- folders and user ---- */

/* What is there already and belongs to the daemons is theirs to arrange, even by a link to another
 * disk; a folder is given away only when it is one itself. */
static enum cv_status
make_folder(struct supervisor *s, const char *path, mode_t mode, struct cv_err *err)
{
	const struct admin_owner owner =
		s->switch_user ? (struct admin_owner){s->uid, s->gid} : ADMIN_OWNER_SELF;
	struct stat st;

	if (stat(path, &st) || !s->switch_user || st.st_uid == s->uid)
		return admin_folder_make(path, mode, owner, err);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open the folder %s", path);
	int failed = fchown(fd, s->uid, s->gid), errnum = errno;
	close(fd);
	return failed ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot give %s to user %s", path,
				s->main->user)
		      : CV_OK;
}

static enum cv_status
make_folders(struct supervisor *s, const struct cv_conf *conf, struct cv_err *err)
{
	const struct admin_options *a = cv_conf_get(conf, &admin_section);
	const struct congvu_options *m = s->main;
	/* clang-format off */
	const struct {
		const char *path;
		mode_t mode;
	} rows[] = { { m->base_dir, 0755 }, { m->run_dir, 0755 }, { m->mail_dir, 0700 },
		{ m->queue_dir, 0700 }, { m->stats_dir, 0700 }, { m->register_dir, 0755 },
		{ m->index_dir, 0700 },
		{ m->keys_dir, 0750 }, { a->schedule_dir, 0700 } };
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_status status = make_folder(s, rows[i].path, rows[i].mode, err);
		if (status != CV_OK)
			return status;
	}
	return CV_OK;
}

static enum cv_status
find_user(struct supervisor *s, struct cv_err *err)
{
	struct admin_owner owner;
	enum cv_status status = admin_owner_find(s->main->user, &owner, err);

	s->switch_user = status == CV_OK && owner.uid != (uid_t)-1;
	s->uid = owner.uid;
	s->gid = owner.gid;
	return status;
}

static enum cv_status
find_programs(struct supervisor *s, struct cv_err *err)
{
	ssize_t n = readlink("/proc/self/exe", s->folder, sizeof s->folder - 1);

	if (n <= 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot find the programs' folder");
	s->folder[n] = '\0';
	char *slash = strrchr(s->folder, '/');
	if (slash)
		*slash = '\0';
	return CV_OK;
}

/* ---- children ---- */

/* Runs in the new process; never returns. Descriptors: 3 and up are the daemon's sockets in the
 * order of the list, then the ready pipe; all else was opened close-on-exec. */
CV_NORETURN static void
exec_child(struct supervisor *s, enum child_id id, int ready_fd)
{
	struct child *c = &s->children[id];
	struct cv_buf list = CV_BUF_INIT(8u << 10);
	char path[1024], ready[16];
	sigset_t none;

	for (size_t i = 0; i < s->socket_count; i++) {
		if (s->sockets[i].child != id)
			continue;
		fcntl(s->sockets[i].fd, F_SETFD, 0);
		cv_buf_printf(
			&list, "%s%s=%d", list.n ? " " : "", s->sockets[i].label, s->sockets[i].fd);
	}
	fcntl(ready_fd, F_SETFD, 0);
	snprintf(ready, sizeof ready, "%d", ready_fd);
	setenv("CONGVU_SOCKETS", list.n ? list.p : "", 1);
	setenv("CONGVU_READY_FD", ready, 1);
	if (s->switch_user &&
		(initgroups(s->main->user, s->gid) || setgid(s->gid) || setuid(s->uid))) {
		cv_log(0, CV_ERROR, "serve.user", "program=%s error=%s", c->program,
			strerror(errno));
		_exit(71);
	}
	/* No daemon outlives its supervisor. Behind setuid(), which would clear it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != s->pid)
		_exit(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(path, sizeof path, "%s/%s", s->folder, c->program);
	if (id == CHILD_SCHEDULE)
		execl(path, c->program, "--conf", s->conf_path, "schedule", "serve", (char *)NULL);
	else
		execl(path, c->program, "--conf", s->conf_path, (char *)NULL);
	cv_log(0, CV_ERROR, "serve.exec", "program=%s error=%s", path, strerror(errno));
	_exit(72);
}

static void
start_child(struct supervisor *s, enum child_id id)
{
	struct child *c = &s->children[id];
	int ready[2];

	c->start_at_ms = 0;
	c->started_ms = cv_mono_ms();
	c->was_ready = false;
	if (pipe2(ready, O_CLOEXEC)) {
		cv_log(0, CV_ERROR, "serve.pipe", "error=%s", strerror(errno));
		c->start_at_ms = cv_mono_ms() + RESTART_LAST_MS;
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		exec_child(s, id, ready[1]);
	close(ready[1]);
	if (pid < 0) {
		cv_log(0, CV_ERROR, "serve.fork", "error=%s", strerror(errno));
		close(ready[0]);
		c->start_at_ms = cv_mono_ms() + RESTART_LAST_MS;
		return;
	}
	c->pid = pid;
	c->ready_fd = ready[0];
	cv_log(0, CV_INFO, "serve.started", "program=%s pid=%d", c->program, (int)pid);
}

static void
child_ended(struct supervisor *s, struct child *c, int wait_status)
{
	int64_t now = cv_mono_ms();
	bool steady = now - c->started_ms >= STEADY_MS;

	/* A drained smtpd ends well and starts again at once, on the sockets that stayed open. */
	bool well = WIFEXITED(wait_status) && !WEXITSTATUS(wait_status);
	cv_log(0, s->stopping || well ? CV_INFO : CV_ERROR, "serve.ended",
		"program=%s pid=%d %s=%d", c->program, (int)c->pid, WIFSIGNALED(wait_status) ? "signal" : "exit",
		WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	c->pid = 0;
	if (c->ready_fd >= 0)
		close(c->ready_fd);
	c->ready_fd = -1;
	if (s->stopping)
		return;
	/* The first restart after a steady run comes at once: users are waiting. */
	c->wait_ms = well || steady || !c->wait_ms
			     ? 50
			     : CV_MIN(CV_MAX(c->wait_ms * 2, (unsigned)RESTART_FIRST_MS),
				       (unsigned)RESTART_LAST_MS);
	c->start_at_ms = now + c->wait_ms;
}

static void
reap(struct supervisor *s)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (size_t i = 0; i < CHILDREN; i++)
			if (s->children[i].pid == pid)
				child_ended(s, &s->children[i], status);
}

static void
signal_children(struct supervisor *s, int sig)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (s->children[i].pid)
			kill(s->children[i].pid, sig);
}

/* Waits for one child to end after SIGTERM; kills it when it takes too long. */
static void
stop_child(struct supervisor *s, enum child_id id)
{
	struct child *c = &s->children[id];
	int64_t until = cv_mono_ms() + STOP_MS + (id == CHILD_SMTPD ? s->drain_ms : 0);
	int status;

	if (!c->pid)
		return;
	kill(c->pid, SIGTERM);
	for (;;) {
		pid_t pid = waitpid(c->pid, &status, WNOHANG);
		if (pid == c->pid) {
			child_ended(s, c, status);
			return;
		}
		if (cv_mono_ms() > until) {
			cv_log(0, CV_ERROR, "serve.kill", "program=%s pid=%d", c->program,
				(int)c->pid);
			kill(c->pid, SIGKILL);
			until = INT64_MAX;
		}
		poll(NULL, 0, 10);
	}
}

/* ---- readiness ---- */

/* systemd's protocol is one datagram; not worth a library. */
static void
notify_manager(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		cv_log(0, CV_WARN, "serve.notify", "error=%s", strerror(errno));
	close(fd);
}

static void
read_ready(struct supervisor *s, struct child *c)
{
	char text[16];
	ssize_t n = read(c->ready_fd, text, sizeof text);

	close(c->ready_fd);
	c->ready_fd = -1;
	if (n <= 0)
		return; /* it died or closed the pipe; SIGCHLD tells */
	c->was_ready = true;
	cv_log(0, CV_INFO, "serve.ready", "program=%s pid=%d ms=%lld", c->program, (int)c->pid,
		(long long)(cv_mono_ms() - c->started_ms));
	/* Mail does not wait for the jobs. */
	for (size_t i = 0; i < CHILDREN; i++)
		if (!s->children[i].was_ready && i != CHILD_SCHEDULE)
			return;
	if (!s->ready_told) {
		s->ready_told = true;
		cv_log(0, CV_INFO, "serve.all_ready", "hostname=%s", s->main->hostname);
		notify_manager("READY=1\n");
	}
}

/* ---- loop ---- */

static void
take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		switch ((int)info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			s->stopping = true;
			break;
		case SIGHUP:
			notify_manager("RELOADING=1\n");
			signal_children(s, SIGHUP);
			notify_manager("READY=1\n");
			break;
		case SIGUSR1:
			cv_log_reopen();
			signal_children(s, SIGUSR1);
			break;
		default: /* SIGCHLD; several deaths may be one signal */
			reap(s);
		}
	}
}

/* A daemon that starts but does not get ready is stuck: end it and try again. */
static void
check_times(struct supervisor *s)
{
	int64_t now = cv_mono_ms();

	for (unsigned i = 0; i < CHILDREN; i++) {
		struct child *c = &s->children[i];
		if (!c->pid && c->start_at_ms && now >= c->start_at_ms)
			start_child(s, (enum child_id)i);
		else if (c->pid && c->ready_fd >= 0 && now - c->started_ms > READY_MS) {
			cv_log(0, CV_ERROR, "serve.not_ready", "program=%s pid=%d", c->program,
				(int)c->pid);
			kill(c->pid, SIGKILL);
		}
	}
}

static void
wait_events(struct supervisor *s)
{
	struct pollfd fds[CHILDREN + 1];
	struct child *who[CHILDREN + 1] = {NULL};
	nfds_t n = 1;

	fds[0] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};

	for (size_t i = 0; i < CHILDREN; i++) {
		if (s->children[i].ready_fd < 0)
			continue;
		fds[n] = (struct pollfd){.fd = s->children[i].ready_fd, .events = POLLIN};
		who[n++] = &s->children[i];
	}
	if (poll(fds, n, 50) <= 0)
		return;
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents)
			read_ready(s, who[i]);
	if (fds[0].revents)
		take_signal(s);
}

/* Held as long as this process lives: by that the tool knows that somebody will start imapd.
 * By rename: the folder belongs to the daemons' user, and what lies there is not to be followed. */
static void
write_pid_file(const struct supervisor *s)
{
	char path[1100], text[16];
	struct cv_err err = {0};

	snprintf(path, sizeof path, "%s/congvu.pid", s->main->run_dir);
	snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (admin_file_replace(path, 0644, cv_str_z(text), ADMIN_OWNER_SELF, &err))
		cv_log(0, CV_WARN, "serve.pid_file", "error=\"%s\"", err.text);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* never closed */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		cv_log(0, CV_WARN, "serve.pid_file", "error=\"cannot hold it: %s\"",
			strerror(errno));
}

static void
run(struct supervisor *s)
{
	int64_t now = cv_mono_ms();

	for (size_t i = 0; i < CHILDREN; i++)
		s->children[i].start_at_ms = now;
	while (!s->stopping) {
		check_times(s);
		wait_events(s);
	}
	notify_manager("STOPPING=1\n");
	stop_child(s, CHILD_SCHEDULE);
	stop_child(s, CHILD_SMTPD);
	stop_child(s, CHILD_SPAMFILTER);
	stop_child(s, CHILD_IMAPD);
}

static enum cv_status
open_signals(struct supervisor *s, struct cv_err *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CV_COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "signalfd");
	return CV_OK;
}

int
admin_supervise(const char *conf_path, const struct cv_conf *conf, struct cv_err *err)
{
	struct supervisor *s = cv_calloc(1, sizeof *s);
	/* clang-format off */
	static const char *const programs[CHILDREN] = { "congvu-imapd", "congvu-spamfilter",
		"congvu-smtpd", "congvu" };
	/* clang-format on */

	s->main = cv_conf_get(conf, &congvu_section);
	s->conf_path = conf_path;
	s->drain_ms = (int64_t)((const struct smtpd_options *)cv_conf_get(conf, &smtpd_section))
			      ->drain_timeout * 1000;
	s->pid = getpid();
	for (size_t i = 0; i < CHILDREN; i++)
		s->children[i] = (struct child){.program = programs[i], .ready_fd = -1};
	enum cv_status status = find_user(s, err);
	if (status == CV_OK)
		status = find_programs(s, err);
	if (status == CV_OK)
		status = make_folders(s, conf, err);
	if (status == CV_OK)
		status = bind_all(s, conf, err);
	if (status == CV_OK)
		status = open_signals(s, err);
	if (status == CV_OK) {
		write_pid_file(s);
		run(s);
		close(s->signal_fd);
	}
	for (size_t i = 0; i < s->socket_count; i++)
		close(s->sockets[i].fd);
	free(s);
	return status == CV_OK ? 0 : 1;
}
