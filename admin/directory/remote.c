/* remote.c - see remote.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/remote.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "admin/directory/site.h"
#include "admin/files.h"

#define CONNECT_SECS  10L
#define REQUEST_SECS  300L
#define SLOW_BYTES    1000L /* a second; slower than that for SLOW_SECS is an end */
#define SLOW_SECS     30L
#define TRIES         4
#define FIRST_WAIT_MS 500
#define URL_MAX       1200
#define BESIDE        ".moi" /* what is uploaded before it takes its place */

/* How a file gets into its place. */
enum manner { PLAIN, DAV, SFTP };

struct admin_remote {
	CURL *curl;
	const struct admin_remote_options *options;
	enum manner manner;
	char base[URL_MAX]; /* ends in "/" */
	char root[URL_MAX]; /* its path on the server, percent-decoded, for SFTP */
	char *auth;
	char fault[CURL_ERROR_SIZE];
	/* of the request under way */
	struct cv_str body;
	size_t body_pos;
	struct cv_buf *answer;
	bool can_move; /* seen among what OPTIONS allows */
};

/* ---- where to ---- */

static bool
is_loopback(const char *host)
{
	return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]");
}

static enum cv_status
check_parts(struct admin_remote *r, CURLU *u, struct cv_err *err)
{
	char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL, *fragment = NULL;
	char *path = NULL;
	enum cv_status status = CV_OK;

	(void)curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	(void)curl_url_get(u, CURLUPART_HOST, &host, 0);
	(void)curl_url_get(u, CURLUPART_USER, &user, 0);
	(void)curl_url_get(u, CURLUPART_QUERY, &query, 0);
	(void)curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0);
	(void)curl_url_get(u, CURLUPART_PATH, &path, CURLU_URLDECODE);
	bool is_http = scheme && !strcmp(scheme, "http");
	r->manner = scheme && !strcmp(scheme, "sftp") ? SFTP : PLAIN;
	if (!scheme || !host || (!is_http && r->manner != SFTP && strcmp(scheme, "https") != 0))
		status = cv_fail(err, CV_INVALID, "'%.200s' is no https, http or sftp address",
			r->options->url);
	else if (user || query || fragment)
		status = cv_fail(err, CV_INVALID,
			"an address to push to has no user, query or fragment in it; "
			"the password goes into a file of its own (directory_push_auth)");
	else if (is_http && !is_loopback(host) && !r->options->allow_plain_http)
		status = cv_fail(err, CV_DENIED,
			"http to another machine shows the password to everybody on "
			"the way: use https (directory_push_plain allows it all the same)");
	else if (r->manner == SFTP && (!path || strpbrk(path, "\"\\ \t\r\n")))
		status = cv_fail(
			err, CV_INVALID, "a folder for SFTP has no blanks or quotes in its name");
	else
		snprintf(r->root, sizeof r->root, "%s%s", path ? path : "/",
			path && *path && path[strlen(path) - 1] == '/' ? "" : "/");
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(query);
	curl_free(fragment);
	curl_free(path);
	return status;
}

static enum cv_status
check_url(struct admin_remote *r, struct cv_err *err)
{
	const char *url = r->options->url;
	CURLU *u = curl_url();
	enum cv_status status;

	if (!u || strlen(url) > URL_MAX - 200 || curl_url_set(u, CURLUPART_URL, url, 0))
		status =
			cv_fail(err, CV_INVALID, "'%.200s' is no https, http or sftp address", url);
	else
		status = check_parts(r, u, err);
	if (status == CV_OK)
		snprintf(r->base, sizeof r->base, "%s%s", url,
			url[strlen(url) - 1] == '/' ? "" : "/");
	curl_url_cleanup(u);
	return status;
}

static enum cv_status
read_auth(struct admin_remote *r, struct cv_err *err)
{
	const char *path = r->options->auth_file;
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
	r->auth = cv_str_dup(cv_str_trim(text));
	cv_wipe((char *)text.p, text.n);
	free((char *)text.p);
	return strchr(r->auth, ':')
		       ? CV_OK
		       : cv_fail(err, CV_INVALID, "%s does not hold user:password", path);
}

/* ---- one request ---- */

static size_t
on_read(char *room, size_t size, size_t count, void *arg)
{
	struct admin_remote *r = arg;
	size_t n = CV_MIN(size * count, r->body.n - r->body_pos);

	if (n)
		memcpy(room, r->body.p + r->body_pos, n);
	r->body_pos += n;
	return n;
}

static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct admin_remote *r = arg;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > r->body.n)
		return CURL_SEEKFUNC_CANTSEEK;
	r->body_pos = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* What is longer than a manifest may be ends the transfer. */
static size_t
on_write(char *bytes, size_t size, size_t count, void *arg)
{
	struct admin_remote *r = arg;

	cv_buf_add(r->answer, bytes, size * count);
	return r->answer->full ? 0 : size * count;
}

/* A server whose key is not in the list is refused, as is one whose key changed. */
static void
set_ssh(struct admin_remote *r)
{
	CURL *c = r->curl;
	bool with_key = r->options->key_file[0];

	curl_easy_setopt(c, CURLOPT_SSH_KNOWNHOSTS, r->options->known_hosts);
	curl_easy_setopt(c, CURLOPT_SSH_AUTH_TYPES,
		(long)(with_key ? CURLSSH_AUTH_PUBLICKEY : CURLSSH_AUTH_PASSWORD));
	if (with_key)
		curl_easy_setopt(c, CURLOPT_SSH_PRIVATE_KEYFILE, r->options->key_file);
	curl_easy_setopt(c, CURLOPT_FTP_CREATE_MISSING_DIRS, (long)CURLFTP_CREATE_DIR);
	curl_easy_setopt(c, CURLOPT_NEW_FILE_PERMS, 0644L);
	curl_easy_setopt(c, CURLOPT_NEW_DIRECTORY_PERMS, 0755L);
}

static void
set_common(struct admin_remote *r)
{
	CURL *c = r->curl;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, r->manner == SFTP ? "sftp" : "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->options->ca_file[0])
		curl_easy_setopt(c, CURLOPT_CAINFO, r->options->ca_file);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, REQUEST_SECS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_SECS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "congvu/" CV_VERSION);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->fault);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
	if (r->auth) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERPWD, r->auth);
	}
	if (r->manner == SFTP)
		set_ssh(r);
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
		{ ".js", "Content-Type: text/javascript; charset=utf-8" },
		{ ".vcf", "Content-Type: text/vcard; charset=utf-8" },
		{ ".txt", "Content-Type: text/plain; charset=utf-8" },
		{ ".xml", "Content-Type: application/xml" },
		{ ".xlsx", "Content-Type: "
			"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_has_suffix(cv_str_z(path), rows[i][0]))
			return rows[i][1];
	return "Content-Type: application/octet-stream";
}

enum method { GET, PUT, DELETE, MOVE, MKCOL, OPTIONS };
static const char *const method_names[] = {"GET", "PUT", "DELETE", "MOVE", "MKCOL", "OPTIONS"};

/* Notes whether the server moves files. */
static size_t
on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct admin_remote *r = arg;
	struct cv_str line = cv_str(bytes, size * count);

	if (cv_str_has_iprefix(line, "Allow:") && cv_str_isearch(line, CV_STR("MOVE")) < line.n)
		r->can_move = true;
	return size * count;
}

static struct curl_slist *
set_method(struct admin_remote *r, enum method method, const char *path, const char *target)
{
	struct curl_slist *headers = NULL;
	CURL *c = r->curl;
	char text[URL_MAX + ADMIN_SITE_PATH_MAX + 40];

	if (method == PUT) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(c, CURLOPT_READDATA, r);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, r);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body.n);
		headers = curl_slist_append(headers, type_of(path));
		/* no round trip before each file */
		return curl_slist_append(headers, "Expect:");
	}
	if (method != GET)
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method_names[method]);
	if (method == OPTIONS) {
		curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
	}
	if (method == MOVE) {
		snprintf(text, sizeof text, "Destination: %s%s", r->base, target);
		headers = curl_slist_append(headers, text);
		headers = curl_slist_append(headers, "Overwrite: T");
	}
	return headers;
}

/* Commands of SFTP that run after the transfer, or alone when PATH is empty. */
static struct curl_slist *
set_commands(struct admin_remote *r, enum method method, const char *path, const char *target)
{
	struct curl_slist *commands = NULL;
	char text[2 * (URL_MAX + ADMIN_SITE_PATH_MAX) + 40];

	if (method == MOVE) {
		/* SSH's old rename refuses to replace: the old file goes first, for a moment. */
		snprintf(text, sizeof text, "*rm %s%s", r->root, target);
		commands = curl_slist_append(commands, text);
		snprintf(text, sizeof text, "rename %s%s %s%s", r->root, path, r->root, target);
		commands = curl_slist_append(commands, text);
	} else if (method == DELETE) {
		snprintf(text, sizeof text, "rm %s%s", r->root, path);
		commands = curl_slist_append(commands, text);
	}
	if (commands) {
		curl_easy_setopt(r->curl, CURLOPT_NOBODY, 1L);
		curl_easy_setopt(r->curl, CURLOPT_QUOTE, commands);
	}
	return commands;
}

static CURLcode
perform(struct admin_remote *r, enum method method, const char *path, const char *target,
	long *code_out)
{
	char url[URL_MAX + ADMIN_SITE_PATH_MAX];
	struct curl_slist *list;
	CURL *c = r->curl;

	bool is_command = r->manner == SFTP && (method == MOVE || method == DELETE);
	snprintf(url, sizeof url, "%s%s", r->base, is_command ? "" : path);
	curl_easy_reset(c); /* the connection stays */
	set_common(r);
	curl_easy_setopt(c, CURLOPT_URL, url);
	r->fault[0] = '\0';
	r->body_pos = 0;
	cv_buf_reset(r->answer);
	list = set_method(r, method, path, target);
	if (r->manner == SFTP) {
		curl_slist_free_all(list);
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, NULL);
		list = set_commands(r, method, path, target);
	} else {
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	}
	CURLcode result = curl_easy_perform(c);
	*code_out = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, code_out);
	curl_slist_free_all(list);
	if (r->manner == SFTP) /* in the words of HTTP */
		*code_out = result == CURLE_OK                      ? 200
			    : result == CURLE_REMOTE_FILE_NOT_FOUND ? 404
			    : result == CURLE_LOGIN_DENIED          ? 401
								    : 0;
	return r->manner == SFTP && *code_out ? CURLE_OK : result;
}

static bool
is_passing(CURLcode result, long code)
{
	if (result == CURLE_OK)
		return code == 408 || code == 425 || code == 429 ||
		       (code >= 500 && code != 501 && code != 505 && code != 507);
	return result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST ||
	       result == CURLE_OPERATION_TIMEDOUT || result == CURLE_SEND_ERROR ||
	       result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING ||
	       result == CURLE_PARTIAL_FILE;
}

/* The request, tried again after what may pass. *CODE_OUT is the server's answer. */
static enum cv_status
request(struct admin_remote *r, enum method method, const char *path, const char *target,
	struct cv_str body, struct cv_buf *answer, long *code_out, struct cv_err *err)
{
	CURLcode result = CURLE_OK;

	r->body = body;
	r->answer = answer;
	for (int try = 0, wait_ms = FIRST_WAIT_MS; try < TRIES; try++, wait_ms *= 2) {
		if (try)
			poll(NULL, 0, wait_ms);
		result = perform(r, method, path, target, code_out);
		if (!is_passing(result, *code_out))
			break;
	}
	if (result == CURLE_OK)
		return CV_OK;
	bool is_key = result == CURLE_PEER_FAILED_VERIFICATION && r->manner == SFTP;
	return cv_fail(err, is_key ? CV_DENIED : CV_TEMPFAIL, "%s %s%s: %s%s", method_names[method],
		r->base, path, r->fault[0] ? r->fault : curl_easy_strerror(result),
		is_key ? ": the server's key is not the one in directory_push_known_hosts" : "");
}

static enum cv_status
refused(struct admin_remote *r, enum method method, const char *path, long code, struct cv_err *err)
{
	const char *hint = code == 401 || code == 403   ? ": see directory_push_auth"
			   : code == 404 || code == 409 ? ": is the folder there?"
			   : code == 405 || code == 501 ? ": the server does not take this method"
			   : code == 507                ? ": its disk is full"
							: "";

	return cv_fail(err, code >= 500 && code != 507 ? CV_TEMPFAIL : CV_DENIED,
		"%s %s%s: the server answered %ld%s", method_names[method], r->base, path, code,
		hint);
}

/* A request whose answer is only whether it was done. */
static enum cv_status
change(struct admin_remote *r, enum method method, const char *path, const char *target,
	struct cv_str body, struct cv_err *err)
{
	struct cv_buf answer = CV_BUF_INIT(1u << 20);
	long code;
	enum cv_status status = request(r, method, path, target, body, &answer, &code, err);

	cv_buf_done(&answer);
	if (status == CV_OK && method == DELETE && (code == 404 || code == 410))
		return CV_OK;
	if (status == CV_OK && method == MKCOL && code == 405)
		return CV_OK; /* it is there (RFC 4918 9.3.1) */
	if (status == CV_OK && (code < 200 || code > 299))
		status = refused(r, method, path, code, err);
	return status;
}

/* ---- the whole ---- */

/* What the server can: one question at the beginning. A server that does not know it only puts. */
static enum cv_status
ask_manner(struct admin_remote *r, struct cv_err *err)
{
	struct cv_buf answer = CV_BUF_INIT(1u << 20);
	long code = 0;
	enum cv_status status = CV_OK;

	if (r->manner != SFTP)
		status = request(r, OPTIONS, "", "", CV_STR_EMPTY, &answer, &code, err);
	if (status == CV_OK && r->can_move && code >= 200 && code < 300)
		r->manner = DAV;
	cv_buf_done(&answer);
	return status;
}

enum cv_status
admin_remote_open(
	const struct admin_remote_options *options, struct admin_remote **out, struct cv_err *err)
{
	struct admin_remote *r = cv_calloc(1, sizeof *r);
	enum cv_status status = CV_OK;

	r->options = options;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(r->curl = curl_easy_init()))
		status = cv_fail(err, CV_TEMPFAIL, "libcurl does not start");
	if (status == CV_OK)
		status = check_url(r, err);
	if (status == CV_OK && r->manner == SFTP && !options->known_hosts[0])
		status = cv_fail(err, CV_INVALID,
			"to push over SFTP directory_push_known_hosts must name the server's key "
			"(`ssh-keyscan HOST`, and compare it)");
	if (status == CV_OK)
		status = read_auth(r, err);
	if (status == CV_OK && r->manner == SFTP && !r->auth)
		status = cv_fail(err, CV_INVALID,
			"to push over SFTP directory_push_auth must name the user (\"user:\" with "
			"a key)");
	if (status == CV_OK)
		status = ask_manner(r, err);
	*out = r;
	if (status != CV_OK) {
		admin_remote_close(r);
		*out = NULL;
	}
	return status;
}

void
admin_remote_close(struct admin_remote *r)
{
	if (!r)
		return;
	curl_easy_cleanup(r->curl);
	if (r->auth)
		cv_wipe(r->auth, strlen(r->auth));
	free(r->auth);
	free(r);
	curl_global_cleanup();
}

enum cv_status
admin_remote_get(struct admin_remote *r, const char *path, struct cv_buf *out, struct cv_err *err)
{
	long code;
	enum cv_status status = request(r, GET, path, "", CV_STR_EMPTY, out, &code, err);

	if (status != CV_OK)
		return status;
	if (code == 404 || code == 410)
		return cv_fail(err, CV_NOT_FOUND, "there is no %s%s", r->base, path);
	return code == 200 ? CV_OK : refused(r, GET, path, code, err);
}

static enum cv_status
make_folder(struct admin_remote *r, const char *path, struct cv_err *err)
{
	char folder[ADMIN_SITE_PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		return CV_OK;
	snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
	return change(r, MKCOL, folder, "", CV_STR_EMPTY, err);
}

enum cv_status
admin_remote_put(struct admin_remote *r, const char *path, struct cv_str bytes, struct cv_err *err)
{
	char beside[ADMIN_SITE_PATH_MAX + sizeof BESIDE];
	enum cv_status status = CV_OK;

	if (r->manner == PLAIN)
		return change(r, PUT, path, "", bytes, err);
	if (r->manner == DAV)
		status = make_folder(r, path, err);
	snprintf(beside, sizeof beside, "%s" BESIDE, path);
	if (status == CV_OK)
		status = change(r, PUT, beside, "", bytes, err);
	return status == CV_OK ? change(r, MOVE, beside, path, CV_STR_EMPTY, err) : status;
}

enum cv_status
admin_remote_delete(struct admin_remote *r, const char *path, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	struct cv_err ignored;
	enum cv_status status = change(r, DELETE, path, "", CV_STR_EMPTY, err);

	/* SFTP has no word for "it was not there"; one that stays must not be forgotten. */
	if (status != CV_OK && r->manner == SFTP &&
		admin_remote_get(r, path, &text, &ignored) == CV_NOT_FOUND)
		status = CV_OK;
	cv_buf_done(&text);
	return status;
}
