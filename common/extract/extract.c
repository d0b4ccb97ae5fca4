/* extract.c - the daemon's side of congvu-extract; see extract.h and wire.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extract/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/extract/wire.h"

#define HELLO_MS 20000

struct cv_extract {
	int fd;
	char ability[CV_EXTRACT_ABILITY_MAX];
};

struct cv_extract_job {
	int fd; /* -1: nobody was there */
	int64_t end_ms;
	bool is_broken_off; /* nothing more can be written */
	bool is_too_large;
	uint64_t bytes;
};

const char *
cv_extract_outcome_name(enum cv_extract_outcome outcome)
{
	static const char *const names[] = {
		"text", "unknown", "encrypted", "broken", "too-large", "limit", "away"};
	return names[outcome];
}

/* ---- the program ---- */

static bool
beside_us(char path[PATH_MAX])
{
	static const char name[] = "congvu-extract";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof name);

	if (n <= 0)
		return false;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	memcpy(slash ? slash + 1 : path, name, sizeof name);
	return true;
}

/* In the new process: it keeps its socket and stderr, and none of our descriptors. */
CV_NORETURN static void
become(const char *path, int fd, unsigned workers, int niceness)
{
	char count[16], nice_[16];
	char *const argv[] = {"congvu-extract", "--serve", count, nice_, NULL};
	sigset_t none;

	snprintf(count, sizeof count, "%u", workers);
	snprintf(nice_, sizeof nice_, "%d", niceness);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, 0) < 0)
		_exit(71);
	int null = open("/dev/null", O_WRONLY);
	if (null >= 0)
		(void)dup2(null, 1);
	(void)close_range(3, ~0u, 0);
	execv(path, argv);
	_exit(72);
}

static bool
wait_for(int fd, short events, int64_t end_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left;

	while ((left = end_ms - cv_mono_ms()) > 0) {
		int n = poll(&p, 1, (int)CV_MIN(left, INT_MAX));
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static enum cv_status
hear_ability(struct cv_extract *x, const char *path, struct cv_err *err)
{
	ssize_t n = -1;

	if (wait_for(x->fd, POLLIN, cv_mono_ms() + HELLO_MS))
		n = recv(x->fd, x->ability, sizeof x->ability - 1, 0);
	if (n <= 0)
		return cv_fail(err, CV_TEMPFAIL, "%s does not answer", path);
	x->ability[n] = '\0';
	return CV_OK;
}

enum cv_status
cv_extract_start(const char *program, unsigned workers, int niceness, struct cv_extract **out,
	struct cv_err *err)
{
	char path[PATH_MAX];
	int pair[2];

	if (program)
		snprintf(path, sizeof path, "%s", program);
	else if (!beside_us(path))
		return cv_fail(err, CV_NOT_FOUND, "cannot find congvu-extract");
	if (access(path, X_OK))
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "no program %s", path);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0)
		become(path, pair[1], workers, niceness);
	int errnum = errno;
	close(pair[1]);
	struct cv_extract *x = cv_calloc(1, sizeof *x);
	x->fd = pair[0];
	enum cv_status status = pid < 0 ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "fork")
					: hear_ability(x, path, err);
	if (status) {
		cv_extract_stop(x);
		return status;
	}
	*out = x;
	return CV_OK;
}

void
cv_extract_end_all(struct cv_extract *x)
{
	(void)shutdown(x->fd, SHUT_RDWR);
}

void
cv_extract_stop(struct cv_extract *x)
{
	if (!x)
		return;
	close(x->fd);
	free(x);
}

const char *
cv_extract_ability(const struct cv_extract *x)
{
	return x->ability;
}

bool
cv_extract_reads_pdf(const struct cv_extract *x)
{
	return strstr(x->ability, "pdf=") != NULL;
}

bool
cv_extract_reads_qr(const struct cv_extract *x)
{
	return strstr(x->ability, "qr=") != NULL;
}

/* ---- what is worth asking for ---- */

bool
cv_extract_is_document(struct cv_str type, struct cv_str subtype, struct cv_str filename)
{
	static const char *const subtypes[] = {"pdf", "x-pdf", "acrobat"};
	static const char *const families[] = {
		"vnd.openxmlformats-officedocument.", "vnd.oasis.opendocument."};
	/* Mailers that do not know a type say "octet-stream", and macro-enabled or template kinds
	 * have types of their own: the name tells. */
	static const char *const endings[] = {".pdf", ".docx", ".docm", ".dotx", ".xlsx", ".xlsm",
		".xltx", ".pptx", ".pptm", ".ppsx", ".odt", ".ott", ".ods", ".ots", ".odp", ".otp"};

	if (cv_str_ieq_z(type, "text") || cv_str_ieq_z(type, "message"))
		return false;
	for (size_t i = 0; i < CV_COUNT(subtypes); i++)
		if (cv_str_ieq_z(subtype, subtypes[i]))
			return true;
	for (size_t i = 0; i < CV_COUNT(families); i++)
		if (cv_str_has_iprefix(subtype, families[i]))
			return true;
	for (size_t i = 0; i < CV_COUNT(endings); i++)
		if (cv_str_has_isuffix(filename, endings[i]))
			return true;
	return false;
}

/* ---- one document ---- */

/* Hands FD to the program. */
static bool
ask(const struct cv_extract *x, int fd)
{
	char ask[] = CV_EXTRACT_ASK;
	struct iovec iov = {ask, sizeof ask - 1};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(x->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

struct cv_extract_job *
cv_extract_begin(struct cv_extract *x, unsigned within_ms)
{
	struct cv_extract_job *job = cv_calloc(1, sizeof *job);
	int pair[2];

	job->fd = -1;
	job->end_ms = cv_mono_ms() + within_ms;
	if (!x || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return job;
	if (ask(x, pair[1]))
		job->fd = pair[0];
	else
		close(pair[0]);
	close(pair[1]);
	return job;
}

void
cv_extract_feed(struct cv_extract_job *job, struct cv_str bytes)
{
	job->bytes += bytes.n;
	job->is_too_large |= job->bytes > CV_EXTRACT_DOCUMENT_MAX;
	while (bytes.n && job->fd >= 0 && !job->is_broken_off && !job->is_too_large) {
		ssize_t n = send(job->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
		else if (n < 0 && errno == EAGAIN)
			job->is_broken_off = !wait_for(job->fd, POLLOUT, job->end_ms);
		else if (n < 0 && errno != EINTR)
			job->is_broken_off = true;
	}
}

/* False: the end came, or the time was over. */
static bool
receive(struct cv_extract_job *job, void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = recv(job->fd, at, n, MSG_DONTWAIT);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			return false;
		} else if (!wait_for(job->fd, POLLIN, job->end_ms)) {
			return false;
		}
	}
	return true;
}

static enum cv_extract_outcome
hear_outcome(struct cv_extract_job *job, struct cv_buf *text)
{
	char started = 0;
	unsigned char head[CV_EXTRACT_HEAD];

	if (job->fd < 0)
		return CV_EXTRACT_AWAY;
	if (!job->is_broken_off)
		(void)shutdown(job->fd, SHUT_WR);
	if (!receive(job, &started, 1) || started != CV_EXTRACT_STARTED)
		return CV_EXTRACT_AWAY;
	if (!receive(job, head, sizeof head))
		return CV_EXTRACT_LIMIT;
	struct cv_rd rd = cv_rd(cv_str((const char *)head + 1, 4));
	uint32_t n = cv_rd_be32(&rd);
	if (head[0] > CV_EXTRACT_LIMIT || n > CV_EXTRACT_TEXT_MAX)
		return CV_EXTRACT_LIMIT;
	char *room = cv_buf_room(text, n);
	if (!room || !receive(job, room, n))
		return CV_EXTRACT_LIMIT;
	text->n += n;
	return head[0];
}

enum cv_extract_outcome
cv_extract_end(struct cv_extract_job *job, struct cv_buf *text)
{
	enum cv_extract_outcome outcome =
		job->is_too_large ? CV_EXTRACT_TOO_LARGE : hear_outcome(job, text);

	cv_extract_abandon(job);
	return outcome;
}

void
cv_extract_abandon(struct cv_extract_job *job)
{
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}

enum cv_extract_outcome
cv_extract_text(
	struct cv_extract *x, struct cv_str document, unsigned within_ms, struct cv_buf *text)
{
	struct cv_extract_job *job = cv_extract_begin(x, within_ms);

	cv_extract_feed(job, document);
	return cv_extract_end(job, text);
}
