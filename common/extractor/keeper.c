/* keeper.c - takes documents, makes processes, and sees that they end; see extractor.h.
 *
 * It reads nothing of a document: a descriptor comes in with each message, and goes to a child.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/extract/wire.h"
#include "common/sandbox/confine.h"
#include "common/extractor/extractor.h"

#define WORKERS_MAX 64u

struct child {
	pid_t pid; /* 0: none */
	int64_t end_ms;
};

struct keeper {
	struct child children[WORKERS_MAX];
	unsigned count, max;
	sigset_t waiting; /* signals that are blocked while it waits: all but SIGCHLD */
};

void
extractor_ability(char *text, size_t size)
{
	const char *pdf = extractor_pdf_open(), *qr = extractor_qr_open(NULL);

	snprintf(text, size, "1 office%s%s%s%s", pdf[0] ? " pdf=" : "", pdf, qr[0] ? " qr=" : "",
		qr);
}

static void
on_child(int signal_)
{
	(void)signal_;
}

static void
reap(struct keeper *k)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (unsigned i = 0; i < k->max; i++)
			if (k->children[i].pid == pid) {
				k->children[i].pid = 0;
				k->count--;
			}
}

/* Ends those whose time is over, or ALL; how long until the next, -1: none is there. */
static int
end_late(struct keeper *k, bool all)
{
	int64_t now = cv_mono_ms(), next = INT64_MAX;

	for (unsigned i = 0; i < k->max; i++) {
		struct child *c = &k->children[i];
		if (!c->pid)
			continue;
		if (all || c->end_ms <= now)
			(void)kill(c->pid, SIGKILL);
		next = CV_MIN(next, CV_MAX(c->end_ms, now + 100));
	}
	return next == INT64_MAX ? -1 : (int)(next - now);
}

/* The descriptor of the next document, -1: none; *IS_OVER: nobody is there any more. */
static int
take(bool *is_over)
{
	char ask[sizeof CV_EXTRACT_ASK];
	struct iovec iov = {ask, sizeof ask};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	int fd = -1;

	ssize_t n = recvmsg(0, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	*is_over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void
make_worker(struct keeper *k, int fd)
{
	unsigned i = 0;

	while (k->children[i].pid)
		i++;
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		extractor_work(fd);
	}
	close(fd);
	if (pid > 0) {
		k->children[i] = (struct child){pid, cv_mono_ms() + CV_EXTRACT_WALL_MS};
		k->count++;
	}
}

int
extractor_keep(unsigned workers)
{
	struct keeper k = {.max = CV_MIN(CV_MAX(workers, 1u), WORKERS_MAX)};
	struct sigaction act = {.sa_handler = on_child};
	struct cv_err err = {0};
	char ability[CV_EXTRACT_ABILITY_MAX];
	sigset_t chld;
	bool is_over = false;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &chld, &k.waiting) || sigaction(SIGCHLD, &act, NULL))
		return 71;
	extractor_ability(ability, sizeof ability);
	extractor_measure();
	if (cv_confine(CV_CONFINE_KEEPER, &err)) {
		fprintf(stderr, "congvu-extract: %s\n", err.text);
		return 75;
	}
	if (send(0, ability, strlen(ability), MSG_NOSIGNAL) < 0)
		return 74;
	while (!is_over) {
		reap(&k);
		int left_ms = end_late(&k, false);
		struct timespec left = {left_ms / 1000, left_ms % 1000 * 1000000l};
		struct pollfd p = {.fd = 0, .events = k.count < k.max ? POLLIN : 0};
		if (ppoll(&p, 1, left_ms < 0 ? NULL : &left, &k.waiting) <= 0)
			continue;
		if (!(p.revents & POLLIN)) { /* the daemon is gone, whoever works */
			is_over = true;
			continue;
		}
		int fd = take(&is_over);
		if (fd >= 0)
			make_worker(&k, fd);
	}
	end_late(&k, true);
	return 0;
}
