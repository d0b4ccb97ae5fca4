/* clamav.c - see clamav.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/clamav.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/addr.h"

#define CONNECTIONS_MAX 32u
#define CHUNK_BYTES     (64u << 10)
#define ANSWER_MAX      1024u
#define BACK_OFF_MS     500
#define BACK_OFF_MAX_MS 60000

struct spam_clamav {
	pthread_mutex_t lock; /* guards open, away_until_ms, back_off_ms */
	pthread_cond_t less;
	unsigned open;
	int64_t away_until_ms; /* 0: it is there, as far as is known */
	int64_t back_off_ms;
	atomic_bool is_up;
	atomic_uint_fast64_t scanned, found, too_large, away, failed;
};

struct spam_clamav *
spam_clamav_new(void)
{
	struct spam_clamav *c = cv_calloc(1, sizeof *c);
	pthread_condattr_t attr;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->less, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

void
spam_clamav_free(struct spam_clamav *c)
{
	if (!c)
		return;
	pthread_cond_destroy(&c->less);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- when it is away ---- */

/* A place among those that ask. False: it is away, or none came free in time. *IS_TRY_OUT: it was
 * away, and this one finds out whether it still is. */
static bool
enter(struct spam_clamav *c, int64_t end_ms, bool *is_try_out)
{
	struct timespec end = {end_ms / 1000, end_ms % 1000 * 1000000};
	int64_t now = cv_mono_ms();
	bool in = true;

	pthread_mutex_lock(&c->lock);
	*is_try_out = c->away_until_ms != 0;
	if (c->away_until_ms && now < c->away_until_ms) {
		in = false;
	} else {
		/* The others wait until this one has tried. */
		if (c->away_until_ms)
			c->away_until_ms = CV_MAX(end_ms, now + c->back_off_ms);
		while (in && c->open >= CONNECTIONS_MAX)
			in = !pthread_cond_timedwait(&c->less, &c->lock, &end);
		c->open += in;
	}
	pthread_mutex_unlock(&c->lock);
	return in;
}

/* What came of it: IS_UP when it answered as it should. A fault that took long to show keeps others
 * off for as long. */
static void
leave(struct spam_clamav *c, const char *address, bool is_up, bool is_try, int64_t took_ms,
	const char *why)
{
	bool was_up;

	pthread_mutex_lock(&c->lock);
	c->open--;
	was_up = !c->away_until_ms;
	if (is_up) {
		c->away_until_ms = c->back_off_ms = 0;
	} else if (was_up || is_try) { /* others that were under way tell nothing new */
		int64_t longer = CV_MAX(2 * c->back_off_ms, CV_MAX(took_ms, BACK_OFF_MS));
		c->back_off_ms = CV_MIN(longer, BACK_OFF_MAX_MS);
		c->away_until_ms = cv_mono_ms() + c->back_off_ms;
	}
	pthread_cond_signal(&c->less);
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->is_up, is_up);
	if (was_up && !is_up)
		cv_log(0, CV_WARN, "clamav.away", "address=%s why=\"%s\"", address, why);
	else if (!was_up && is_up)
		cv_log(0, CV_INFO, "clamav.back", "address=%s", address);
}

/* ---- one connection ---- */

struct talk {
	int fd;
	int64_t end_ms;
	char answer[ANSWER_MAX];
	size_t n;
	bool has_answered; /* a whole line, or the end */
	const char *why;   /* it went wrong; NULL: it did not */
};

static short
wait_until(struct talk *t, short events)
{
	struct pollfd p = {.fd = t->fd, .events = events};
	int64_t left;

	while ((left = t->end_ms - cv_mono_ms()) > 0) {
		int n = poll(&p, 1, (int)CV_MIN(left, INT_MAX));
		if (n > 0)
			return p.revents;
		if (n < 0 && errno != EINTR)
			break;
	}
	t->why = "no answer in time";
	return 0;
}

static bool
call(struct talk *t, const char *address)
{
	struct sockaddr_storage addr;
	struct cv_err unused;
	socklen_t len, n = sizeof(int);
	int fault = 0;

	if (cv_sockaddr_parse(cv_str_z(address), &addr, &len, &unused)) {
		t->why = "no address";
		return false;
	}
	t->fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0) {
		t->why = "no socket";
		return false;
	}
	if (!connect(t->fd, (struct sockaddr *)&addr, len))
		return true;
	/* EAGAIN of a local socket: more wait there than it takes. */
	if (errno == EINPROGRESS && wait_until(t, POLLOUT) &&
		!getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &fault, &n) && !fault)
		return true;
	if (!t->why)
		t->why = "cannot connect";
	return false;
}

/* Takes what it says; an answer ends with a NUL. Said before it was asked, too. */
static void
hear(struct talk *t)
{
	ssize_t n = recv(t->fd, t->answer + t->n, sizeof t->answer - 1 - t->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		t->n += (size_t)n;
	t->answer[t->n] = '\0';
	t->has_answered = n <= 0 || memchr(t->answer, '\0', t->n) || t->n == sizeof t->answer - 1;
}

static void
say(struct talk *t, struct cv_str bytes)
{
	while (bytes.n && !t->has_answered && !t->why) {
		short events = wait_until(t, POLLOUT | POLLIN);
		if (events & POLLIN) {
			hear(t); /* it will not hear the rest */
			continue;
		}
		if (!events)
			return;
		ssize_t n = send(t->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			hear(t); /* why it hung up */
			t->has_answered = true;
		}
	}
}

/* Chunks of INSTREAM: length, octets. */
static void
say_piece(struct talk *t, struct cv_str piece)
{
	while (piece.n && !t->has_answered && !t->why) {
		struct cv_str some = cv_str_sub(piece, 0, CHUNK_BYTES);
		struct cv_buf length = CV_BUF_INIT(4);
		cv_buf_be32(&length, (uint32_t)some.n);
		say(t, cv_buf_view(&length));
		say(t, some);
		piece = cv_str_sub(piece, some.n, piece.n);
		cv_buf_done(&length);
	}
}

static void
hear_out(struct talk *t)
{
	while (!t->has_answered && !t->why)
		if (wait_until(t, POLLIN))
			hear(t);
	if (t->has_answered)
		t->why = NULL;
	if (!t->why && !t->n)
		t->why = "it hung up";
}

/* ---- what it said ---- */

static bool
is_name(struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return name.n > 0;
}

static void
read_answer(const struct talk *t, struct spam_scan_answer *out)
{
	struct cv_str s = cv_str_z(t->answer), found = CV_STR(" FOUND");

	out->scan = SPAM_SCAN_FAILED;
	if (cv_str_eq_z(s, "stream: OK")) {
		out->scan = SPAM_SCAN_CLEAN;
	} else if (cv_str_has_prefix(s, "stream: ") && cv_str_has_suffix(s, found.p)) {
		struct cv_str name = cv_str_sub(s, 8, s.n - found.n);
		if (!is_name(name))
			return;
		out->scan = SPAM_SCAN_FOUND;
		snprintf(out->name, sizeof out->name, "%.*s", CV_STR_ARGS(name));
	} else if (cv_str_search(s, CV_STR("size limit exceeded")) < s.n) {
		out->scan = SPAM_SCAN_TOO_LARGE;
	}
	if (out->scan == SPAM_SCAN_FAILED)
		snprintf(out->name, sizeof out->name, "it said: %.60s", t->answer);
}

static void
count(struct spam_clamav *c, enum spam_scan scan)
{
	atomic_fetch_add(&c->scanned, scan <= SPAM_SCAN_FOUND);
	atomic_fetch_add(&c->found, scan == SPAM_SCAN_FOUND);
	atomic_fetch_add(&c->too_large, scan == SPAM_SCAN_TOO_LARGE);
	atomic_fetch_add(&c->away, scan == SPAM_SCAN_AWAY);
	atomic_fetch_add(&c->failed, scan == SPAM_SCAN_FAILED);
}

void
spam_clamav_scan(struct spam_clamav *c, const char *address, const struct cv_str *pieces, size_t n,
	unsigned within_ms, struct spam_scan_answer *out)
{
	int64_t began_ms = cv_mono_ms();
	struct talk t = {.fd = -1, .end_ms = began_ms + within_ms};
	bool is_try;

	*out = (struct spam_scan_answer){.scan = SPAM_SCAN_AWAY};
	if (!enter(c, t.end_ms, &is_try)) {
		snprintf(out->name, sizeof out->name, "it was away");
		count(c, out->scan);
		return;
	}
	if (call(&t, address)) {
		say(&t, cv_str("zINSTREAM", sizeof "zINSTREAM"));
		for (size_t i = 0; i < n; i++)
			say_piece(&t, pieces[i]);
		say(&t, cv_str("\0\0\0\0", 4));
		hear_out(&t);
	}
	if (t.why)
		snprintf(out->name, sizeof out->name, "%s", t.why);
	else
		read_answer(&t, out);
	if (t.fd >= 0)
		close(t.fd);
	/* Nonsense comes from something that is no scanner; an error may be the message's. */
	bool is_up =
		out->scan <= SPAM_SCAN_TOO_LARGE ||
		(out->scan == SPAM_SCAN_FAILED && cv_str_has_suffix(cv_str_z(t.answer), " ERROR"));
	leave(c, address, is_up, is_try, cv_mono_ms() - began_ms, out->name);
	count(c, out->scan);
}

void
spam_clamav_version(struct spam_clamav *c, const char *address, unsigned within_ms,
	char version[SPAM_CLAMAV_VERSION_MAX])
{
	struct talk t = {.fd = -1, .end_ms = cv_mono_ms() + within_ms};

	version[0] = '\0';
	if (call(&t, address)) {
		say(&t, cv_str("zVERSION", sizeof "zVERSION"));
		hear_out(&t);
	}
	if (t.fd >= 0)
		close(t.fd);
	if (!t.why && !strncmp(t.answer, "ClamAV ", 7)) {
		snprintf(version, SPAM_CLAMAV_VERSION_MAX, "%.*s",
			(int)strcspn(t.answer, "\r\n\t\x1b\""), t.answer);
		for (char *p = version; *p; p++)
			if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
				*p = '?';
	}
	atomic_store(&c->is_up, version[0] != '\0');
}

void
spam_clamav_figures(struct spam_clamav *c, struct spam_clamav_figures *out)
{
	*out = (struct spam_clamav_figures){
		.scanned = atomic_load(&c->scanned),
		.found = atomic_load(&c->found),
		.too_large = atomic_load(&c->too_large),
		.away = atomic_load(&c->away),
		.failed = atomic_load(&c->failed),
		.is_up = atomic_load(&c->is_up),
	};
}

enum cv_status
spam_clamav_check(const char *address, struct cv_err *err)
{
	struct sockaddr_storage addr;
	socklen_t len;

	return address[0] ? cv_sockaddr_parse(cv_str_z(address), &addr, &len, err) : CV_OK;
}
