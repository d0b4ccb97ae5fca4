/* main.c - congvu-spamfilter: a milter for congvu's smtpd and for any other MTA.
 *
 * libmilter's loop runs on a thread of its own and owns SIGTERM and SIGINT. It would take SIGHUP
 * for a stop as well; the kernel gives a signal that the main thread does not block to the main
 * thread, so SIGHUP means "read keys and lists again" and SIGUSR1 "open the log again", and no
 * session is lost.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/net/daemon.h"
#include "spamfilter/session.h"

#define TIMEOUT_SECS  600 /* for the MTA's silence; libmilter's own is two hours */
#define BACKLOG       256
#define PACKET_MAX    ((1u << 20) + 4096) /* a field may be as long as a header */
#define STOP_GRACE_MS 1000

struct arguments {
	const char *conf, *socket;
};

static volatile sig_atomic_t hup, usr1, term;
static atomic_bool ended; /* the loop is over */

static struct sockaddr_storage own_address; /* to wake the loop by a call */
static socklen_t own_address_len;

static void
usage(FILE *to)
{
	fprintf(to, "Usage: congvu-spamfilter [--conf FILE] [-p unix:/path|inet:port[@host]]\n"
		    "A milter: SPF, DKIM, DMARC and the policy for official addresses.\n\n"
		    "  -c, --conf FILE      configuration (else $CONGVU_CONF)\n"
		    "  -p, --socket SOCKET  where the MTA connects; overrides the option `socket`\n"
		    "  --version            print the version\n"
		    "  --help               print this\n\n"
		    "With -p alone it runs on defaults, beside any MTA that speaks the milter "
		    "protocol.\n");
}

static struct arguments
parse_args(int argc, char **argv)
{
	static const struct option options[] = {
		{"conf",    required_argument, NULL, 'c'},
		{"socket",  required_argument, NULL, 'p'},
		{"version", no_argument,       NULL, 'v'},
		{"help",    no_argument,       NULL, 'h'},
		{NULL,      0,                 NULL, 0  }
	};
	struct arguments a = {getenv("CONGVU_CONF"), NULL};

	for (int c; (c = getopt_long(argc, argv, "c:p:", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			a.conf = optarg;
			break;
		case 'p':
			a.socket = optarg;
			break;
		case 'v':
			puts("congvu-spamfilter " CV_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(64);
		}
	}
	if (a.conf && !*a.conf)
		a.conf = NULL;
	if (!a.conf && !a.socket)
		a.conf = cv_conf_path(NULL);
	return a;
}

/* ---- the socket ---- */

/* A socket file nobody listens on any more is removed; a living one is left alone, so that opening
 * fails with its reason. */
static enum cv_status
remove_stale(const char *path, struct cv_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;

	if (lstat(path, &st))
		return CV_OK;
	if (!S_ISSOCK(st.st_mode))
		return cv_fail(err, CV_EXISTS, "%s is in the way and no socket", path);
	if (strlen(path) >= sizeof addr.sun_path)
		return cv_fail(err, CV_LIMIT, "%s is too long for a socket", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof addr);
	close(fd);
	if (alive)
		return cv_fail(err, CV_EXISTS, "another filter listens at %s", path);
	if (unlink(path))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot remove %s", path);
	return CV_OK;
}

/* "unix:/path", "inet:port@host" or "inet:port"; other spellings only stop more slowly. */
static void
remember_address(struct cv_str name)
{
	char text[1200];
	size_t colon = cv_str_find(name, ':', 0), at = cv_str_find(name, '@', 0);
	struct cv_str port = cv_str_sub(name, colon + 1, at);
	struct cv_str host = at < name.n ? cv_str_sub(name, at + 1, name.n) : CV_STR("127.0.0.1");

	if (cv_str_eq_z(host, "localhost"))
		host = CV_STR("127.0.0.1");
	if (cv_str_has_prefix(name, "inet"))
		snprintf(text, sizeof text, "%.*s:%.*s", CV_STR_ARGS(host), CV_STR_ARGS(port));
	else
		snprintf(text, sizeof text, "unix:%.*s", CV_STR_ARGS(port));
	if (cv_sockaddr_parse(cv_str_z(text), &own_address, &own_address_len, NULL) != CV_OK)
		own_address.ss_family = AF_UNSPEC;
}

/* Opens the socket in libmilter's spelling. */
static enum cv_status
open_socket(struct spam_server *s, const char *word, struct cv_err *err)
{
	char *name = cv_conf_resolve(s->conf, cv_str_z(word));
	enum cv_status status = CV_OK;

	if (!strncmp(name, "unix:", 5) || !strncmp(name, "local:", 6))
		status = remove_stale(strchr(name, ':') + 1, err);
	else if (strncmp(name, "inet:", 5) && strncmp(name, "inet6:", 6))
		status =
			cv_fail(err, CV_INVALID, "socket '%s': unix:/path or inet:port@host", name);
	(void)smfi_setmaxdatasize(PACKET_MAX);
	/* MTAs run as other users: whoever reaches the folder may connect. */
	mode_t old = umask(0);
	if (status == CV_OK &&
		(smfi_setconn(name) != MI_SUCCESS || smfi_setbacklog(BACKLOG) != MI_SUCCESS ||
			smfi_settimeout(TIMEOUT_SECS) != MI_SUCCESS ||
			smfi_opensocket(false) != MI_SUCCESS))
		status = cv_fail(err, CV_TEMPFAIL, "cannot listen at %s", name);
	umask(old);
	if (status == CV_OK)
		cv_log(0, CV_INFO, "listen", "socket=%s alone=%d", name, s->is_alone);
	remember_address(cv_str_z(name));
	free(name);
	return status;
}

/* ---- running ---- */

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		hup = 1;
	else if (sig == SIGUSR1)
		usr1 = 1;
	else
		term = 1;
}

static void *
call_stop(void *unused)
{
	(void)smfi_stop();
	return unused;
}

/* smfi_stop() waits for a lock that the loop holds while it sleeps, up to five seconds; a call at
 * its socket wakes it. */
static void
stop_milter(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, call_stop, NULL))
		return;
	for (int i = 0; i < 100 && !ended; i++) {
		int fd = socket(
			own_address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		usleep(10000);
		if (fd < 0)
			break;
		(void)!connect(fd, (struct sockaddr *)&own_address, own_address_len);
		close(fd);
	}
	pthread_join(thread, NULL);
}

static void *
run_milter(void *result)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	*(int *)result = smfi_main();
	ended = 1;
	kill(getpid(), SIGUSR1); /* wakes the main thread */
	return NULL;
}

/* Threads must be started with these blocked. */
static void
watch_signals(sigset_t *unblocked_out)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t ours;

	sigfillset(&act.sa_mask);
	sigaction(SIGHUP, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	cv_daemon_signals_block();
	pthread_sigmask(SIG_BLOCK, NULL, &ours);
	sigdelset(&ours, SIGHUP);
	sigdelset(&ours, SIGUSR1);
	sigdelset(&ours, SIGTERM);
	sigdelset(&ours, SIGINT);
	*unblocked_out = ours;
}

static int
run(struct spam_server *s, const sigset_t *unblocked)
{
	pthread_t thread;
	int result = MI_FAILURE;

	if (pthread_create(&thread, NULL, run_milter, &result)) {
		cv_log(0, CV_ERROR, "start.failed", "error=\"no thread for the milter\"");
		return 1;
	}
	cv_daemon_ready();
	cv_log(0, CV_INFO, "ready", "program=congvu-spamfilter version=" CV_VERSION);
	while (!ended) {
		if (hup) {
			hup = 0;
			spam_server_reload(s);
		}
		if (usr1) {
			usr1 = 0;
			cv_log_reopen();
		}
		if (term) {
			term = 0;
			stop_milter();
		}
		if (!ended && !hup && !usr1 && !term)
			sigsuspend(unblocked);
	}
	pthread_join(thread, NULL);
	cv_log(0, CV_INFO, "stopped", "messages=%llu",
		(unsigned long long)atomic_load(&s->messages));
	return result == MI_SUCCESS ? 0 : 1;
}

/* libmilter does not wait for its sessions. Those that MTAs keep open must find everything in place
 * until the process is gone. */
static void
stop(struct spam_server *s)
{
	for (int i = 0; i < STOP_GRACE_MS / 10 && atomic_load(&s->sessions_open); i++)
		usleep(10000);
	if (!atomic_load(&s->sessions_open)) {
		usleep(10000); /* the last call-back returns */
		spam_server_close(s);
		return;
	}
	spam_signup_stop(s->signup);
	_exit(0);
}

int
main(int argc, char **argv)
{
	struct arguments a = parse_args(argc, argv);
	struct spam_server *s = NULL;
	struct cv_err err = {0};
	sigset_t unblocked;

	watch_signals(&unblocked);
	signal(SIGPIPE, SIG_IGN);
	enum cv_status status = spam_server_open(a.conf, &s, &err);
	if (status == CV_OK && !spam_session_register(s))
		status = cv_fail(&err, CV_TEMPFAIL, "libmilter refuses the filter");
	if (status == CV_OK)
		status = open_socket(s, a.socket ? a.socket : s->opt->socket, &err);
	if (status == CV_OK)
		status = spam_server_control(s, &err);
	if (status) {
		cv_log(0, CV_ERROR, "start.failed", "error=\"%s\"", err.text);
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
		spam_server_close(s);
		return 1;
	}
	int code = run(s, &unblocked);
	stop(s);
	return code;
}
