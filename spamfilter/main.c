/* main.c - congvu-spamfilter: a milter for congvu's smtpd and for any other MTA.
 *
 * libmilter's loop runs on a thread of its own and would take SIGTERM and SIGHUP for a stop: one
 * that takes seconds, forgets open sessions and frees locks that are still held. The kernel gives a
 * signal that the main thread does not block to the main thread; so SIGHUP means "read keys and
 * lists again", SIGUSR1 "open the log again", and after SIGTERM the messages under way are finished
 * and the process ends with the loop still running.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "common/base/log.h"
#include "common/net/daemon.h"
#include "common/sandbox/sandbox.h"
#include "spamfilter/classify/classifier.h"
#include "spamfilter/session.h"
#include "spamfilter/tool/tool.h"

#define TIMEOUT_SECS  600 /* for the MTA's silence; libmilter's own is two hours */
#define BACKLOG       256
#define PACKET_MAX    ((1u << 20) + 4096) /* a field may be as long as a header */
#define STOP_GRACE_MS 2000
#define DESCRIPTORS_LOOKED_AT 256

struct arguments {
	const char *conf, *socket;
};

static volatile sig_atomic_t hup, usr1, term;
static atomic_bool failed;     /* the loop ended by itself */
static char socket_path[1024]; /* of a Unix socket, to be removed at the end */

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
		    "protocol.\n\n"
		    "`congvu-spamfilter explain --help`: judging messages in files.\n");
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

/* libmilter writes its edits and its final answer one after the other; over TCP the second would
 * wait for the MTA's acknowledgement, which is put off for 40 ms. What a listening socket has of
 * TCP_NODELAY its connections inherit. libmilter keeps the descriptor to itself: it is the only
 * one that listens yet. */
static void
answer_at_once(void)
{
	for (int fd = 0; fd < DESCRIPTORS_LOOKED_AT; fd++) {
		int listens = 0, domain = 0, yes = 1;
		socklen_t n = sizeof listens;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) || !listens)
			continue;
		n = sizeof domain;
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
			(domain == AF_INET || domain == AF_INET6) &&
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes))
			cv_log(0, CV_WARN, "listen.slow", "error=\"%m\"");
	}
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
	if (status == CV_OK && name[0] == 'i')
		answer_at_once();
	if (status == CV_OK)
		cv_log(0, CV_INFO, "listen", "socket=%s alone=%d", name, s->is_alone);
	if (status == CV_OK && name[0] != 'i')
		snprintf(socket_path, sizeof socket_path, "%s", strchr(name, ':') + 1);
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

/* libmilter starts a thread that takes SIGHUP, SIGTERM and SIGINT by sigwait() and ends the filter
 * on any of them. A signal that came while the main thread was at work, a second reload for one,
 * went to that thread. This definition stands before libc's, so libmilter's call lands here and
 * stays; every signal then waits for the main thread. Nothing else here calls sigwait(). */
int
sigwait(const sigset_t *set, int *sig)
{
	(void)set;
	*sig = 0;
	for (;;)
		pause(); /* the thread has every signal blocked */
}

static void *
run_milter(void *unused)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	(void)smfi_main();
	failed = true;
	kill(getpid(), SIGUSR1); /* wakes the main thread */
	return unused;
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

static void
reload(struct spam_server *s)
{
	struct cv_err err = {0};
	json_t *reply = NULL;

	if (spam_server_reload(s, &reply, &err) != CV_OK)
		cv_log(0, CV_WARN, "reload.kept", "file=%s", s->conf_path ? s->conf_path : "-");
	json_decref(reply);
}

/* Until SIGTERM: the exit code. */
static int
run(struct spam_server *s, const sigset_t *unblocked)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_milter, NULL)) {
		cv_log(0, CV_ERROR, "start.failed", "error=\"no thread for the milter\"");
		return 1;
	}
	cv_daemon_ready();
	cv_log(0, CV_INFO, "ready", "program=congvu-spamfilter version=" CV_VERSION " sandbox=%s",
		cv_sandbox_state());
	while (!failed && !term) {
		if (hup) {
			hup = 0;
			reload(s);
		}
		if (usr1) {
			usr1 = 0;
			cv_log_reopen();
		}
		if (!failed && !hup && !usr1 && !term)
			sigsuspend(unblocked);
	}
	return failed ? 1 : 0;
}

/* Sessions may still be inside their call-backs: nothing they use is freed, but the statistics are
 * closed, after which they keep no more. */
CV_NORETURN static void
stop(struct spam_server *s, int code)
{
	if (socket_path[0])
		unlink(socket_path);
	for (int i = 0; i < STOP_GRACE_MS / 10 && atomic_load(&s->under_way); i++)
		usleep(10000);
	spam_stats_stop(s->stats);
	if (s->classifier)
		spam_classifier_stop(s->classifier);
	cv_log(0, CV_INFO, "stopped", "messages=%llu",
		(unsigned long long)atomic_load(&s->messages));
#ifdef __SANITIZE_ADDRESS__
	__lsan_do_leak_check(); /* _exit() runs no check at the end */
#endif
	_exit(code);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && spam_tool_is(argv[1]))
		return spam_tool_main(argc - 1, argv + 1);
	struct arguments a = parse_args(argc, argv);
	struct spam_server *s = NULL;
	struct cv_err err = {0};
	sigset_t unblocked;

	watch_signals(&unblocked);
	signal(SIGPIPE, SIG_IGN);
	enum cv_status status = spam_server_open(a.conf, a.socket, &s, &err);
	if (status == CV_OK && !spam_session_register(s))
		status = cv_fail(&err, CV_TEMPFAIL, "libmilter refuses the filter");
	if (status == CV_OK)
		status = open_socket(s, a.socket ? a.socket : s->opt->socket, &err);
	if (status == CV_OK)
		status = spam_server_control(s, &err);
	if (status == CV_OK)
		status = spam_metrics_open(s, &err);
	if (status) {
		cv_log(0, CV_ERROR, "start.failed", "error=\"%s\"", err.text);
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
		spam_server_close(s);
		return 1;
	}
	stop(s, run(s, &unblocked));
}
