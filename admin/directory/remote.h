/* remote.h - files on a web server: over http(s) (plain PUT, or WebDAV with MOVE) or over SFTP, by
 * libcurl.
 *
 * One connection, one request after the other. Requests that fail for a passing reason are tried
 * again with growing pauses. Certificates and host keys are always checked. One thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIRECTORY_REMOTE_H
#define ADMIN_DIRECTORY_REMOTE_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct admin_remote_options {
	const char *url;         /* of the folder: https, http or sftp */
	const char *auth_file;   /* "user:password" (SFTP with a key: "user:"); "" for none */
	const char *ca_file;     /* authority of the server's certificate; "" for the system's */
	const char *key_file;    /* private SSH key; "" for the password */
	const char *known_hosts; /* the SFTP server's key must stand there */
	bool allow_plain_http;   /* http to other machines than this one */
};
struct admin_remote;

/* CV_INVALID or CV_DENIED for an address or a secrets file that is not to be used. */
CV_MUST_CHECK enum cv_status admin_remote_open(const struct admin_remote_options *options,
	struct admin_remote **out, struct cv_err *err);
void admin_remote_close(struct admin_remote *r);
/* The whole file PATH; CV_NOT_FOUND when there is none. OUT's limit holds. */
CV_MUST_CHECK enum cv_status admin_remote_get(
	struct admin_remote *r, const char *path, struct cv_buf *out, struct cv_err *err);
/* Makes PATH hold BYTES. Over WebDAV and SFTP it is uploaded beside and then takes the place of the
 * old one; a server that only knows PUT decides itself what a reader sees meanwhile. Folders are
 * made over WebDAV and SFTP. */
CV_MUST_CHECK enum cv_status admin_remote_put(
	struct admin_remote *r, const char *path, struct cv_str bytes, struct cv_err *err);
/* That PATH is not there is no error. */
CV_MUST_CHECK enum cv_status admin_remote_delete(
	struct admin_remote *r, const char *path, struct cv_err *err);

#endif
