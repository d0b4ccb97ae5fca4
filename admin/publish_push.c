/* publish_push.c - see publish.h. One connection, one request after the other, by libcurl. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "admin/publish.h"
#include "common/base/map.h"

#define CONNECT_SECS  10L
#define REQUEST_SECS  300L
#define SLOW_BYTES    1000L /* a second; slower than that for SLOW_SECS is an end */
#define SLOW_SECS     30L
#define TRIES         4
#define FIRST_WAIT_MS 500
#define MANIFEST_MAX  (16u << 20)
#define URL_MAX       1200

struct push {
	CURL *curl;
	const struct admin_push_options *options;
	char base[URL_MAX]; /* ends in "/" */
	char *auth;
	char fault[CURL_ERROR_SIZE];
	/* of the request under way */
	struct cv_str body;
	size_t body_pos;
	struct cv_buf answer;
};

/* ---- where to ---- */

static bool
is_loopback(const char *host)
{
	return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]");
}

static enum cv_status
check_url(struct push *p, struct cv_err *err)
{
	const char *url = p->options->url;
	char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL, *fragment = NULL;
	CURLU *u = curl_url();
	enum cv_status status = CV_OK;

	if (!u || strlen(url) > URL_MAX - 200 || curl_url_set(u, CURLUPART_URL, url, 0) ||
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
		curl_url_get(u, CURLUPART_HOST, &host, 0))
		status = cv_fail(err, CV_INVALID, "'%.200s' is no http or https address", url);
	(void)curl_url_get(u, CURLUPART_USER, &user, 0);
	(void)curl_url_get(u, CURLUPART_QUERY, &query, 0);
	(void)curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0);
	if (status == CV_OK && strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		status = cv_fail(err, CV_INVALID, "'%.200s' is no http or https address", url);
	if (status == CV_OK && (user || query || fragment))
		status = cv_fail(err, CV_INVALID,
			"an address to push to has no user, query or fragment in it; "
			"the password goes into a file of its own (directory_push_auth)");
	if (status == CV_OK && !strcmp(scheme, "http") && !is_loopback(host) &&
		!p->options->allow_plain_http)
		status = cv_fail(err, CV_DENIED,
			"http to another machine shows the password to everybody on "
			"the way: use https (directory_push_plain allows it all the same)");
	if (status == CV_OK)
		snprintf(p->base, sizeof p->base, "%s%s", url,
			url[strlen(url) - 1] == '/' ? "" : "/");
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(query);
	curl_free(fragment);
	curl_url_cleanup(u);
	return status;
}

static enum cv_status
read_auth(struct push *p, struct cv_err *err)
{
	const char *path = p->options->auth_file;
	struct stat st;
	struct cv_str text;

	if (!path[0])
		return CV_OK;
	if (stat(path, &st))
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", path);
	if (st.st_mode & 077)
		return cv_fail(err, CV_DENIED, "%s can be read by others: chmod 600 it", path);
	enum cv_status status = admin_file_read(path, 4096, &text, err);
	if (status != CV_OK)
		return status;
	p->auth = cv_str_dup(cv_str_trim(text));
	cv_wipe((char *)text.p, text.n);
	free((char *)text.p);
	return strchr(p->auth, ':')
		       ? CV_OK
		       : cv_fail(err, CV_INVALID, "%s does not hold user:password", path);
}

/* ---- one request ---- */

static size_t
on_read(char *room, size_t size, size_t count, void *arg)
{
	struct push *p = arg;
	size_t n = CV_MIN(size * count, p->body.n - p->body_pos);

	if (n)
		memcpy(room, p->body.p + p->body_pos, n);
	p->body_pos += n;
	return n;
}

static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct push *p = arg;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > p->body.n)
		return CURL_SEEKFUNC_CANTSEEK;
	p->body_pos = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* What is longer than a manifest may be ends the transfer. */
static size_t
on_write(char *bytes, size_t size, size_t count, void *arg)
{
	struct push *p = arg;

	cv_buf_add(&p->answer, bytes, size * count);
	return p->answer.full ? 0 : size * count;
}

static void
set_common(struct push *p)
{
	CURL *c = p->curl;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (p->options->ca_file[0])
		curl_easy_setopt(c, CURLOPT_CAINFO, p->options->ca_file);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, REQUEST_SECS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_SECS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "congvu/" CV_VERSION);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, p->fault);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
	if (p->auth) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERPWD, p->auth);
	}
}

static const char *
type_of(const char *path)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{ ".html", "Content-Type: text/html; charset=utf-8" },
		{ ".css", "Content-Type: text/css; charset=utf-8" },
		{ ".csv", "Content-Type: text/csv; charset=utf-8" },
		{ ".json", "Content-Type: application/json" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_has_suffix(cv_str_z(path), rows[i][0]))
			return rows[i][1];
	return "Content-Type: application/octet-stream";
}

enum method { GET, PUT, DELETE };
static const char *const method_names[] = {"GET", "PUT", "DELETE"};

static CURLcode
perform(struct push *p, enum method method, const char *path, long *code_out)
{
	char url[URL_MAX + ADMIN_SITE_PATH_MAX];
	struct curl_slist *headers = NULL;
	CURL *c = p->curl;

	snprintf(url, sizeof url, "%s%s", p->base, path);
	curl_easy_reset(c); /* the connection stays */
	set_common(p);
	curl_easy_setopt(c, CURLOPT_URL, url);
	p->fault[0] = '\0';
	p->body_pos = 0;
	cv_buf_reset(&p->answer);
	if (method == PUT) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(c, CURLOPT_READDATA, p);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, p);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)p->body.n);
		headers = curl_slist_append(headers, type_of(path));
		headers =
			curl_slist_append(headers, "Expect:"); /* no round trip before each file */
	} else if (method == DELETE) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "DELETE");
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	CURLcode result = curl_easy_perform(c);
	*code_out = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, code_out);
	curl_slist_free_all(headers);
	return result;
}

static bool
is_passing(CURLcode result, long code)
{
	if (result == CURLE_OK)
		return code == 408 || code == 425 || code == 429 ||
		       (code >= 500 && code != 501 && code != 505);
	return result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST ||
	       result == CURLE_OPERATION_TIMEDOUT || result == CURLE_SEND_ERROR ||
	       result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING ||
	       result == CURLE_PARTIAL_FILE;
}

/* The request, tried again after what may pass. *CODE_OUT is the server's answer. */
static enum cv_status
request(struct push *p, enum method method, const char *path, struct cv_str body, long *code_out,
	struct cv_err *err)
{
	CURLcode result = CURLE_OK;

	p->body = body;
	for (int try = 0, wait_ms = FIRST_WAIT_MS; try < TRIES; try++, wait_ms *= 2) {
		if (try)
			poll(NULL, 0, wait_ms);
		result = perform(p, method, path, code_out);
		if (!is_passing(result, *code_out))
			break;
	}
	if (result != CURLE_OK)
		return cv_fail(err, CV_TEMPFAIL, "%s %s%s: %s", method_names[method], p->base, path,
			p->fault[0] ? p->fault : curl_easy_strerror(result));
	return CV_OK;
}

static enum cv_status
refused(struct push *p, enum method method, const char *path, long code, struct cv_err *err)
{
	const char *hint = code == 401 || code == 403   ? ": see directory_push_auth"
			   : code == 404 || code == 409 ? ": is the folder there?"
			   : code == 405 || code == 501 ? ": the server does not take this method"
							: "";

	return cv_fail(err, code >= 500 ? CV_TEMPFAIL : CV_DENIED,
		"%s %s%s: the server answered %ld%s", method_names[method], p->base, path, code,
		hint);
}

/* ---- the whole ---- */

/* NULL when the server has none, or has something else in its place: then everything is sent. */
static enum cv_status
get_manifest(struct push *p, json_t **out, struct cv_err *err)
{
	long code;
	enum cv_status status = request(p, GET, ADMIN_SITE_MANIFEST, CV_STR_EMPTY, &code, err);

	*out = NULL;
	if (status != CV_OK)
		return status;
	if (code == 404 || code == 410)
		return CV_OK;
	if (code != 200)
		return refused(p, GET, ADMIN_SITE_MANIFEST, code, err);
	json_t *o = json_loadb(
		p->answer.p ? p->answer.p : "", p->answer.n, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(o, "kind"));
	if (kind && !strcmp(kind, "congvu-directory"))
		*out = o;
	else
		json_decref(o);
	return CV_OK;
}

static enum cv_status
put(struct push *p, const struct admin_site_file *f, struct cv_err *err)
{
	long code;
	enum cv_status status = request(p, PUT, f->path, cv_str(f->bytes, f->n), &code, err);

	if (status == CV_OK && (code < 200 || code > 299))
		status = refused(p, PUT, f->path, code, err);
	return status;
}

static enum cv_status delete (struct push *p, const char *path, struct cv_err *err) {
	long code; enum cv_status status = request(p, DELETE, path, CV_STR_EMPTY, &code, err);

	if (status == CV_OK && (code < 200 || code > 299) && code != 404 && code != 410)
		status = refused(p, DELETE, path, code, err);
	return status;
}

static void
index_old(const json_t *manifest, struct cv_map *sums)
{
	size_t i;
	json_t *f;

	cv_map_init(sums);
	json_array_foreach(json_object_get(manifest, "files"), i, f)
	{
		const char *path = json_string_value(json_object_get(f, "path"));
		const char *sum = json_string_value(json_object_get(f, "sha256"));
		if (path && sum && admin_site_path_is_sound(path) &&
			strcmp(path, ADMIN_SITE_MANIFEST) != 0)
			cv_map_put(sums, cv_str_z(path), (void *)sum);
	}
}

static enum cv_status
put_changed(struct push *p, const struct admin_site *site, struct cv_map *old,
	void (*progress)(void *, json_t *), void *arg, struct admin_published *out,
	struct cv_err *err)
{
	enum cv_status status = CV_OK;

	/* The manifest is the last of the site's files. */
	for (size_t i = 0; status == CV_OK && i + 1 < site->count; i++) {
		const struct admin_site_file *f = &site->files[i];
		const char *sum = cv_map_del(old, cv_str_z(f->path));
		if (!sum || strcmp(sum, f->sha256) != 0) {
			status = put(p, f, err);
			out->changed++;
		}
		if (progress)
			progress(arg, json_pack("{s:i, s:i}", "done", (int)i + 1, "total",
					      (int)site->count));
	}
	return status;
}

static enum cv_status
delete_gone(
	struct push *p, const struct cv_map *old, struct admin_published *out, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	struct cv_str path;
	void *sum;

	for (size_t pos = 0; status == CV_OK && cv_map_each(old, &pos, &path, &sum);) {
		char name[ADMIN_SITE_PATH_MAX];
		snprintf(name, sizeof name, "%.*s", CV_STR_ARGS(path));
		status = delete (p, name, err);
		out->removed++;
	}
	return status;
}

static enum cv_status
push_all(struct push *p, const struct admin_site *site, void (*progress)(void *, json_t *),
	void *arg, struct admin_published *out, struct cv_err *err)
{
	const struct admin_site_file *last = &site->files[site->count - 1];
	json_t *manifest;
	struct cv_map old;
	enum cv_status status = get_manifest(p, &manifest, err);

	if (status != CV_OK)
		return status;
	index_old(manifest, &old);
	status = put_changed(p, site, &old, progress, arg, out, err);
	if (status == CV_OK)
		status = delete_gone(p, &old, out, err);
	cv_map_done(&old);
	if (status == CV_OK) {
		char *text = manifest ? json_dumps(manifest, JSON_INDENT(1) | JSON_PRESERVE_ORDER)
				      : NULL;
		if (!text || strcmp(text, last->bytes) != 0) {
			status = put(p, last, err);
			out->changed++;
		}
		free(text);
	}
	json_decref(manifest);
	return status;
}

enum cv_status
admin_push(const struct admin_site *site, const struct admin_push_options *options,
	void (*progress)(void *arg, json_t *note), void *arg, struct admin_published *out,
	struct cv_err *err)
{
	struct push p = {.options = options, .answer = CV_BUF_INIT(MANIFEST_MAX)};

	*out = (struct admin_published){.files = site->count};
	if (!site->count)
		return cv_fail(err, CV_INVALID, "there is nothing to push");
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return cv_fail(err, CV_TEMPFAIL, "libcurl does not start");
	enum cv_status status = check_url(&p, err);
	if (status == CV_OK)
		status = read_auth(&p, err);
	if (status == CV_OK && !(p.curl = curl_easy_init()))
		status = cv_fail(err, CV_TEMPFAIL, "libcurl does not start");
	if (status == CV_OK)
		status = push_all(&p, site, progress, arg, out, err);
	if (p.curl)
		curl_easy_cleanup(p.curl);
	if (p.auth)
		cv_wipe(p.auth, strlen(p.auth));
	free(p.auth);
	cv_buf_done(&p.answer);
	curl_global_cleanup();
	return status;
}
