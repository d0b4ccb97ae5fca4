/* thread.c - threads that leave signals to the main thread. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <signal.h>

#include "common/net/thread.h"

struct start {
	char name[16]; /* as much as the kernel keeps */
	void *(*main_fn)(void *arg);
	void *arg;
};

/* A thread names itself: another's name is a file, which a sandbox keeps shut. */
static void *
begin(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	return start.main_fn(start.arg);
}

enum cv_status
cv_thread_start(pthread_t *thread, const char *name, void *(*main_fn)(void *arg), void *arg,
                struct cv_err *err)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t blocked, before;
	sigfillset(&blocked);
	for (size_t i = 0; i < CV_COUNT(faults); i++)
		sigdelset(&blocked, faults[i]);
	/* The new thread inherits the mask; there is no moment in which it could take a signal. */
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	struct start *start = cv_malloc(sizeof *start);
	*start = (struct start){.main_fn = main_fn, .arg = arg};
	snprintf(start->name, sizeof start->name, "%s", name);
	int errnum = pthread_create(thread, NULL, begin, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (errnum) {
		free(start);
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start thread %s", name);
	}
	return CV_OK;
}
