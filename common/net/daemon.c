/* daemon.c - inherited sockets, signals, readiness. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/net/daemon.h"

/* A descriptor the supervisor named must be an open socket; it must not reach children of ours. */
static bool
adopt(uint64_t fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);
	if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening)
		return false;
	return fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
}

unsigned
cv_daemon_sockets(const char *label, void (*fn)(int fd, void *arg), void *arg)
{
	struct cv_str rest = cv_str_z(getenv("CONGVU_SOCKETS")), word;
	unsigned count = 0;
	while (cv_str_split(&rest, ' ', &word)) {
		size_t equals = cv_str_find(word, '=', 0);
		uint64_t fd;
		if (!cv_str_eq_z(cv_str_sub(word, 0, equals), label))
			continue;
		if (cv_str_u64(cv_str_sub(word, equals + 1, word.n), INT32_MAX, &fd) ||
		    !adopt(fd)) {
			cv_log(0, CV_ERROR, "daemon.socket",
			       "inherited=\"%.*s\" reason=\"no listening socket\"",
			       CV_STR_ARGS(word));
			continue;
		}
		fn((int)fd, arg);
		count++;
	}
	return count;
}

static sigset_t
our_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	return set;
}

void
cv_daemon_signals_block(void)
{
	sigset_t set = our_signals();
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A peer that is gone is an error of write(), not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
}

void
cv_daemon_ready(void)
{
	const char *text = getenv("CONGVU_READY_FD");
	uint64_t fd;
	if (!text)
		return;
	if (cv_str_u64(cv_str_z(text), INT32_MAX, &fd)) {
		cv_log(0, CV_ERROR, "daemon.ready", "descriptor=\"%s\" reason=\"not a number\"",
		       text);
		return;
	}
	static const char line[] = "READY\n";
	if (write((int)fd, line, sizeof(line) - 1) != (ssize_t)sizeof(line) - 1)
		cv_log(0, CV_ERROR, "daemon.ready", "errno=%d", errno);
	close((int)fd);
	unsetenv("CONGVU_READY_FD");
}

int
cv_daemon_wait(void)
{
	sigset_t set = our_signals();
	int number = 0;
	while (sigwait(&set, &number))
		;
	return number;
}
