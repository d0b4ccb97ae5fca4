/* https.c - see https.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/https.h"

#include <curl/curl.h>
#include <pthread.h>

#include "common/base/str.h"
#include "common/net/addr.h"

struct fetch {
	const struct cv_https_request *request;
	CURL *curl;
	struct curl_slist *resolve, *fields;
	const struct cv_str *document; /* NULL: a GET */
	struct cv_buf *body;
	char fault[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_ready;

static void
prepare(void)
{
	is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static size_t
on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	if (f->document)
		return size * count; /* nobody reads it; the time limit bounds it */
	cv_buf_add(f->body, bytes, size * count);
	return f->body->full ? 0 : size * count;
}

static int
on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	const struct fetch *f = arg;
	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	return f->request->stop && atomic_load(f->request->stop);
}

/* "host:port:192.0.2.1,[2001:db8::1]": curl asks no resolver of its own. */
static bool
set_addresses(struct fetch *f)
{
	const struct cv_https_request *r = f->request;
	if (!r->addr_count)
		return true;
	struct cv_buf line = CV_BUF_INIT(4096);
	char text[64];
	cv_buf_printf(&line, "%s:%u:", r->host, r->port);
	for (size_t i = 0; i < r->addr_count; i++) {
		bool v6 = r->addrs[i].ss_family == AF_INET6;
		cv_buf_printf(&line, "%s%s%s%s", i ? "," : "", v6 ? "[" : "",
		              cv_sockaddr_text(&r->addrs[i], text, sizeof(text)), v6 ? "]" : "");
	}
	cv_buf_c(&line, '\0');
	f->resolve = line.full ? NULL : curl_slist_append(NULL, line.p);
	cv_buf_done(&line);
	return f->resolve &&
	       curl_easy_setopt(f->curl, CURLOPT_RESOLVE, f->resolve) == CURLE_OK;
}

static bool
set_url(struct fetch *f)
{
	const struct cv_https_request *r = f->request;
	struct cv_buf url = CV_BUF_INIT(2000);
	cv_buf_printf(&url, "https://%s:%u%s", r->host, r->port, r->path);
	cv_buf_c(&url, '\0');
	bool good = !url.full && curl_easy_setopt(f->curl, CURLOPT_URL, url.p) == CURLE_OK;
	cv_buf_done(&url);
	return good;
}

static bool
set_options(struct fetch *f)
{
	const struct cv_https_request *r = f->request;
	CURL *c = f->curl;
	CURLcode bad = CURLE_OK;
#define SET(option, value) (bad = bad ? bad : curl_easy_setopt(c, option, value))
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, f->fault);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->ca_file)
		SET(CURLOPT_CAINFO, r->ca_file);
	SET(CURLOPT_CONNECTTIMEOUT, (long)r->connect_secs);
	SET(CURLOPT_TIMEOUT, (long)r->total_secs);
	SET(CURLOPT_WRITEFUNCTION, on_bytes);
	SET(CURLOPT_WRITEDATA, f);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, f);
	SET(CURLOPT_USERAGENT, "congvu/" CV_VERSION);
	if (f->document) {
		SET(CURLOPT_HTTPHEADER, f->fields);
		SET(CURLOPT_POSTFIELDSIZE, (long)f->document->n);
		SET(CURLOPT_POSTFIELDS, f->document->p);
	}
	if (r->credentials) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERPWD, r->credentials);
	}
	if (r->form.n) {
		SET(CURLOPT_POSTFIELDSIZE, (long)r->form.n);
		SET(CURLOPT_POSTFIELDS, r->form.p);
	}
#undef SET
	return !bad && set_url(f) && set_addresses(f);
}

/* "text/plain; charset=utf-8" is text/plain. */
static bool
is_media(const char *type, const char *want)
{
	struct cv_str have = cv_str_z(type ? type : "");
	return cv_str_ieq_z(cv_str_trim(cv_str_sub(have, 0, cv_str_find(have, ';', 0))), want);
}

static enum cv_status
judge(struct fetch *f, CURLcode code, struct cv_err *err)
{
	const struct cv_https_request *r = f->request;
	const char *type = NULL;
	long answer = 0;
	if (f->body && f->body->full)
		return cv_fail(err, CV_LIMIT, "https://%s: more than %zu bytes", r->host,
		               f->body->max);
	if (code)
		return cv_fail(err,
		               code == CURLE_PEER_FAILED_VERIFICATION ? CV_DENIED : CV_TEMPFAIL,
		               "https://%s: %s", r->host,
		               f->fault[0] ? f->fault : curl_easy_strerror(code));
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &answer);
	curl_easy_getinfo(f->curl, CURLINFO_CONTENT_TYPE, &type);
	if (f->document ? answer / 100 != 2 : answer != 200)
		return cv_fail(err, CV_NOT_FOUND, "https://%s answered %ld", r->host, answer);
	if (f->document)
		return CV_OK;
	if (!is_media(type, r->media_type))
		return cv_fail(err, CV_INVALID, "https://%s sent %.80s instead of %s", r->host,
		               type ? type : "no media type", r->media_type);
	return CV_OK;
}

static enum cv_status
perform(struct fetch *f, struct cv_err *err)
{
	enum cv_status status;
	pthread_once(&once, prepare);
	f->curl = is_ready ? curl_easy_init() : NULL;
	if (f->curl && set_options(f))
		status = judge(f, curl_easy_perform(f->curl), err);
	else
		status = cv_fail(err, CV_TEMPFAIL, "https://%s: the request cannot be made",
		                 f->request->host);
	curl_easy_cleanup(f->curl);
	curl_slist_free_all(f->resolve);
	return status;
}

enum cv_status
cv_https_get(const struct cv_https_request *r, struct cv_buf *body, struct cv_err *err)
{
	struct fetch f = {.request = r, .body = body};
	return perform(&f, err);
}

enum cv_status
cv_https_post(const struct cv_https_request *r, struct cv_str document, const char *media_type,
              struct cv_err *err)
{
	struct fetch f = {.request = r, .document = &document};
	char field[120];
	snprintf(field, sizeof(field), "Content-Type: %s", media_type);
	f.fields = curl_slist_append(NULL, field);
	enum cv_status status = f.fields ? perform(&f, err)
	                                 : cv_fail(err, CV_TEMPFAIL, "out of memory");
	curl_slist_free_all(f.fields);
	return status;
}
