/* curl.c - see curl.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/curl.h"

#define CONNECT_SECS 15L
#define SLOW_BYTES   512L /* a second; slower than that for SLOW_SECS is an end */
#define SLOW_SECS    60L

static size_t
on_read(char *room, size_t size, size_t count, void *arg)
{
	struct backup_curl *c = arg;
	size_t n = CV_MIN(size * count, c->body.n - c->body_pos);
	if (n)
		memcpy(room, c->body.p + c->body_pos, n);
	c->body_pos += n;
	return n;
}

static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct backup_curl *c = arg;
	if (origin != SEEK_SET || offset < 0 || (size_t)offset > c->body.n)
		return CURL_SEEKFUNC_FAIL;
	c->body_pos = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
on_write(char *p, size_t size, size_t count, void *arg)
{
	struct backup_curl *c = arg;
	cv_buf_add(c->answer, p, size * count);
	return c->answer->full ? 0 : size * count;
}

enum cv_status
backup_curl_open(struct backup_curl *c, struct cv_err *err)
{
	*c = (struct backup_curl){0};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == 0)
		c->curl = curl_easy_init();
	return c->curl ? CV_OK : cv_fail(err, CV_TEMPFAIL, "libcurl cannot start");
}

void
backup_curl_close(struct backup_curl *c)
{
	if (c->curl)
		curl_easy_cleanup(c->curl);
}

void
backup_curl_reset(struct backup_curl *c, const char *url)
{
	curl_easy_reset(c->curl);
	c->fault[0] = '\0';
	c->body = CV_STR_EMPTY;
	c->body_pos = 0;
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->fault);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECS);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, SLOW_SECS);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
}

void
backup_curl_upload(struct backup_curl *c, struct cv_str body)
{
	c->body = body;
	curl_easy_setopt(c->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c->curl, CURLOPT_READDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(c->curl, CURLOPT_SEEKDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body.n);
}

static enum cv_status
status_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return CV_OK;
	case CURLE_REMOTE_FILE_NOT_FOUND:
		return CV_NOT_FOUND;
	case CURLE_REMOTE_DISK_FULL:
		return CV_FULL;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_LOGIN_DENIED:
	case CURLE_REMOTE_ACCESS_DENIED:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_QUOTE_ERROR:
		return CV_DENIED;
	default:
		return CV_TEMPFAIL;
	}
}

enum cv_status
backup_curl_run(struct backup_curl *c, struct cv_buf *out, const char *what, struct cv_err *err)
{
	c->answer = out;
	CURLcode code = curl_easy_perform(c->curl);
	if (out->full)
		return cv_fail(err, CV_LIMIT, "%s: the answer is longer than it may be", what);
	if (code == CURLE_OK)
		return CV_OK;
	return cv_fail(err, status_of(code), "%s: %s", what,
		c->fault[0] ? c->fault : curl_easy_strerror(code));
}
