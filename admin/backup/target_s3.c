/* target_s3.c - S3-compatible storage as a target: PUT, ranged GET, ListObjectsV2, DELETE, each
 * signed with AWS Signature Version 4 by libcurl.
 *
 * Objects are at most BACKUP_PACK_MAX octets (a manifest as long as it is), so a PUT is one request
 * and multipart uploads, which leave parts behind when they break off, are not needed: an object is
 * there whole or not at all. The bucket is part of the path, which every server takes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <inttypes.h>

#include "admin/backup/curl.h"
#include "admin/backup/s3_list.h"
#include "admin/backup/target.h"

#define URL_MAX   3000u
#define EXPECT_MS 500L

struct s3 {
	struct backup_target target;
	struct backup_curl c;
	char base[1024];  /* https://host/bucket */
	char prefix[512]; /* "" or "congvu/" */
	char *credentials;
	char scheme[128]; /* of the signature */
};

static struct s3 *
s3_of(struct backup_target *t)
{
	return CV_CONTAINER(t, struct s3, target);
}

/* What AWS calls UriEncode(): all but letters, digits and "-._~". */
static void
add_encoded(struct cv_buf *out, struct cv_str s, bool keep_slashes)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (cv_is_alpha(c) || cv_is_digit(c) || (c && strchr("-._~", c)) ||
			(keep_slashes && c == '/'))
			cv_buf_c(out, (char)c);
		else
			cv_buf_printf(out, "%%%02X", c);
	}
}

/* Sends what was set up, signed; BODY is what the signature covers. */
static enum cv_status
run(struct s3 *s, struct cv_str body, const char *more, struct cv_buf *out, const char *what,
	struct cv_err *err)
{
	uint8_t sha256[32];
	char hex[65], line[128];
	backup_sha256(body, sha256);
	backup_hex(sha256, sizeof sha256, hex);
	snprintf(line, sizeof line, "x-amz-content-sha256: %s", hex);
	struct curl_slist *head = curl_slist_append(NULL, line);
	/* "Expect:" to suppress that field would be signed as one: this libcurl signs all it is
	 * given. */
	curl_easy_setopt(s->c.curl, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS);
	if (more)
		head = curl_slist_append(head, more);
	curl_easy_setopt(s->c.curl, CURLOPT_HTTPHEADER, head);
	curl_easy_setopt(s->c.curl, CURLOPT_AWS_SIGV4, s->scheme);
	curl_easy_setopt(s->c.curl, CURLOPT_USERPWD, s->credentials);
	if (s->target.place.ca[0])
		curl_easy_setopt(s->c.curl, CURLOPT_CAINFO, s->target.place.ca);
	size_t before = out->n;
	enum cv_status status = backup_curl_run(&s->c, out, what, err);
	long code = 0;
	curl_easy_getinfo(s->c.curl, CURLINFO_RESPONSE_CODE, &code);
	curl_slist_free_all(head);
	if (status || (code >= 200 && code < 300))
		return status;
	char word[64] = "";
	backup_s3_error(cv_str_sub(cv_buf_view(out), before, out->n), word, sizeof word);
	out->n = before;
	status = code == 404                                 ? CV_NOT_FOUND
		 : code == 403 || code == 401                ? CV_DENIED
		 : code == 507                               ? CV_FULL
		 : code >= 500 || code == 429 || code == 408 ? CV_TEMPFAIL
							     : CV_INVALID;
	return cv_fail(err, status, "%s: the storage answers %ld %s", what, code, word);
}

static void
begin(struct s3 *s, const char *name)
{
	struct cv_buf url = CV_BUF_INIT(URL_MAX);
	cv_buf_printf(&url, "%s/", s->base);
	add_encoded(&url, cv_str_z(s->prefix), true);
	add_encoded(&url, cv_str_z(name), true);
	backup_curl_reset(&s->c, url.p);
	cv_buf_done(&url);
}

static enum cv_status
put(struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err)
{
	struct s3 *s = s3_of(t);
	struct cv_buf answer = CV_BUF_INIT(64u << 10);
	begin(s, name);
	backup_curl_upload(&s->c, bytes);
	enum cv_status status = run(s, bytes, NULL, &answer, "writing", err);
	cv_buf_done(&answer);
	return status == CV_NOT_FOUND ? cv_fail(err, CV_DENIED, "there is no such bucket") : status;
}

static enum cv_status
get(struct backup_target *t, const char *name, uint64_t from, uint64_t n, struct cv_buf *out,
	struct cv_err *err)
{
	struct s3 *s = s3_of(t);
	char range[64];
	begin(s, name);
	if (n) {
		snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, from,
			from + n - 1);
	}
	size_t before = out->n;
	enum cv_status status = run(s, CV_STR_EMPTY, n ? range : NULL, out, "reading", err);
	if (!status && n && out->n - before > n) { /* a server that does not know ranges */
		if (out->n - before < from + n)
			return cv_fail(err, CV_CORRUPT, "%s is shorter than it was", name);
		memmove(out->p + before, out->p + before + from, (size_t)n);
		out->n = before + (size_t)n;
	}
	return status;
}

static enum cv_status
list_page(struct s3 *s, const char *prefix, struct cv_str token, struct cv_buf *page,
	struct cv_err *err)
{
	struct cv_buf url = CV_BUF_INIT(URL_MAX);
	cv_buf_printf(&url, "%s?", s->base);
	if (token.n) { /* names in the order in which they are signed */
		cv_buf_z(&url, "continuation-token=");
		add_encoded(&url, token, false);
		cv_buf_c(&url, '&');
	}
	cv_buf_z(&url, "list-type=2&prefix=");
	add_encoded(&url, cv_str_z(s->prefix), false);
	add_encoded(&url, cv_str_z(prefix), false);
	backup_curl_reset(&s->c, url.p);
	cv_buf_done(&url);
	return run(s, CV_STR_EMPTY, NULL, page, "listing", err);
}

struct listing {
	struct s3 *s;
	const char *prefix;
};

static enum cv_status
fetch_page(void *arg, struct cv_str token, struct cv_buf *page, struct cv_err *err)
{
	struct listing *l = arg;
	enum cv_status status;
	unsigned tries = 0;
	do {
		cv_buf_reset(page);
		status = list_page(l->s, l->prefix, token, page, err);
	} while (backup_again(status, &tries));
	return status;
}

static enum cv_status
list(struct backup_target *t, const char *prefix, backup_list_fn *fn, void *arg, struct cv_err *err)
{
	struct s3 *s = s3_of(t);
	struct listing l = {s, prefix};
	return backup_s3_walk(strlen(s->prefix) + strlen(prefix), fetch_page, &l, fn, arg, err);
}

static enum cv_status
remove_object(struct backup_target *t, const char *name, struct cv_err *err)
{
	struct s3 *s = s3_of(t);
	struct cv_buf answer = CV_BUF_INIT(64u << 10);
	begin(s, name);
	curl_easy_setopt(s->c.curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	enum cv_status status = run(s, CV_STR_EMPTY, NULL, &answer, "removing", err);
	cv_buf_done(&answer);
	return status;
}

static void
close_s3(struct backup_target *t)
{
	struct s3 *s = s3_of(t);
	backup_curl_close(&s->c);
	if (s->credentials)
		cv_wipe(s->credentials, strlen(s->credentials));
	free(s->credentials);
	free(s);
}

static const struct backup_target_ops ops = {
	.put = put, .get = get, .list = list, .remove = remove_object, .close = close_s3};

/* "s3+https://host/bucket/prefix" in its parts. */
static bool
read_url(struct s3 *s, const char *url)
{
	const char *rest = url + strlen("s3+"), *host = strstr(rest, "://");
	const char *bucket = host ? strchr(host + 3, '/') : NULL;
	if (!bucket || !bucket[1] || (strncmp(rest, "https:", 6) != 0 && strncmp(rest, "http:", 5)))
		return false;
	const char *prefix = strchr(bucket + 1, '/');
	size_t n = prefix ? (size_t)(prefix - rest) : strlen(rest);
	snprintf(s->base, sizeof s->base, "%.*s", (int)n, rest);
	prefix = prefix ? prefix + 1 : "";
	n = strlen(prefix);
	snprintf(s->prefix, sizeof s->prefix, "%s%s", prefix, n && prefix[n - 1] != '/' ? "/" : "");
	return strlen(url) < 500;
}

/* The objects are sealed, the key that writes them is not sent: but whoever hears a plain
 * connection could answer it. */
static bool
is_safe(const char *base)
{
	return !strncmp(base, "https:", 6) || !strncmp(base, "http://127.", 11) ||
	       !strncmp(base, "http://[::1]", 12) || !strncmp(base, "http://localhost", 16);
}

enum cv_status
backup_s3_open(const struct backup_place *place, struct backup_target **out, struct cv_err *err)
{
	struct s3 *s = cv_calloc(1, sizeof *s);
	s->target.ops = &ops;
	s->target.place = *place;
	snprintf(s->scheme, sizeof s->scheme, "aws:amz:%s:s3", place->region);
	enum cv_status status = CV_OK;
	if (!read_url(s, place->url))
		status = cv_fail(err, CV_INVALID,
			"target %s: write s3+https://host[:port]/bucket[/prefix]", place->name);
	else if (!is_safe(s->base))
		status = cv_fail(err, CV_DENIED,
			"target %s: plain http only to this machine itself", place->name);
	if (!status)
		status = backup_read_secret_file(place->credentials, &s->credentials, err);
	if (!status && !strchr(s->credentials, ':'))
		status = cv_fail(err, CV_INVALID, "%s does not hold id:secret", place->credentials);
	if (!status)
		status = backup_curl_open(&s->c, err);
	if (status) {
		close_s3(&s->target);
		return status;
	}
	*out = &s->target;
	return CV_OK;
}
