/* thread.c - threads that leave signals to the main thread. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <signal.h>

#include "common/net/thread.h"

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
	int errnum = pthread_create(thread, NULL, main_fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (errnum)
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start thread %s", name);
	pthread_setname_np(*thread, name);
	return CV_OK;
}
