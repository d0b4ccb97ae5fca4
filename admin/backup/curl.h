/* curl.h - one transfer of an object by libcurl, for the targets that go over the network. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_CURL_H
#define ADMIN_BACKUP_CURL_H

#include <curl/curl.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct backup_curl {
	CURL *curl;
	char fault[CURL_ERROR_SIZE];
	struct cv_str body; /* to be sent */
	size_t body_pos;
	struct cv_buf *answer;
};

CV_MUST_CHECK enum cv_status backup_curl_open(struct backup_curl *c, struct cv_err *err);
void backup_curl_close(struct backup_curl *c);
/* Forgets the last request; time limits, no redirects, no proxy: what all requests share. */
void backup_curl_reset(struct backup_curl *c, const char *url);
/* Sends BODY as the object. */
void backup_curl_upload(struct backup_curl *c, struct cv_str body);
/* Runs the request; the answer is appended to OUT. CV_TEMPFAIL for whatever may pass, CV_DENIED for
 * certificates, host keys and log-ins, CV_NOT_FOUND for a file that SFTP does not find, CV_LIMIT
 * when OUT is full. WHAT says in errors what was tried; never a secret. */
CV_MUST_CHECK enum cv_status backup_curl_run(
	struct backup_curl *c, struct cv_buf *out, const char *what, struct cv_err *err);

#endif
