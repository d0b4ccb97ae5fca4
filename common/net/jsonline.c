/* jsonline.c - JSON objects as lines over a stream socket. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/net/jsonline.h"

#define PIECE_BYTES (64u << 10)

static enum cv_status
wait_for(int fd, short events, unsigned silence_secs, struct cv_err *err)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t until_ms = cv_mono_ms() + (int64_t)silence_secs * 1000;
	for (;;) {
		int64_t left_ms = silence_secs ? CV_MAX(until_ms - cv_mono_ms(), (int64_t)0) : -1;
		int n = poll(&p, 1, (int)CV_MIN(left_ms, (int64_t)INT32_MAX));
		if (n > 0)
			return CV_OK;
		if (n == 0)
			return cv_fail(err, CV_TEMPFAIL, "the other side was silent for %u s",
			               silence_secs);
		if (errno != EINTR)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "poll");
	}
}

static enum cv_status
read_piece(int fd, struct cv_buf *buf, unsigned silence_secs, struct cv_err *err)
{
	enum cv_status status = wait_for(fd, POLLIN, silence_secs, err);
	if (status)
		return status;
	size_t want = CV_MIN(buf->max - buf->n, (size_t)PIECE_BYTES);
	char *room = want ? cv_buf_room(buf, want) : NULL;
	if (!room)
		return cv_fail(err, CV_LIMIT, "a line longer than %zu bytes", buf->max);
	ssize_t n = recv(fd, room, want, MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "read");
	if (n > 0)
		buf->n += (size_t)n;
	if (n == 0)
		return buf->n ? cv_fail(err, CV_TEMPFAIL,
		                        "the other side ended in the middle of a line")
		              : cv_fail(err, CV_EOF, "the other side ended");
	return CV_OK;
}

bool
cv_jsonline_has(const struct cv_buf *buf)
{
	return buf->n && memchr(buf->p, '\n', buf->n);
}

enum cv_status
cv_jsonline_read(int fd, struct cv_buf *buf, unsigned silence_secs, json_t **object_out,
                 struct cv_err *err)
{
	size_t looked = 0, end;
	while ((end = cv_str_find(cv_buf_view(buf), '\n', looked)) == buf->n) {
		looked = buf->n;
		enum cv_status status = read_piece(fd, buf, silence_secs, err);
		if (status)
			return status;
	}
	json_error_t why;
	json_t *object = json_loadb(buf->p, end, JSON_REJECT_DUPLICATES, &why);
	cv_buf_drop(buf, end + 1);
	if (!object)
		return cv_fail(err, CV_INVALID, "not JSON: %s (column %d)", why.text, why.column);
	if (!json_is_object(object)) {
		json_decref(object);
		return cv_fail(err, CV_INVALID, "a JSON object is expected");
	}
	*object_out = object;
	return CV_OK;
}

static enum cv_status
write_all(int fd, const char *p, size_t n, unsigned silence_secs, struct cv_err *err)
{
	while (n) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put > 0) {
			p += put;
			n -= (size_t)put;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "write");
		enum cv_status status = wait_for(fd, POLLOUT, silence_secs, err);
		if (status)
			return status;
	}
	return CV_OK;
}

enum cv_status
cv_jsonline_write(int fd, json_t *object, unsigned silence_secs, struct cv_err *err)
{
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return cv_fail(err, CV_INVALID, "an answer that is not JSON");
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of its NUL: the length goes with it */
	enum cv_status status = write_all(fd, text, n + 1, silence_secs, err);
	free(text);
	return status;
}
