/* https.h - fetches or hands in one small document over HTTPS, and nothing cleverer.
 *
 * Certificate and name are checked, addresses are the caller's (our own resolver found them) unless
 * it leaves them to the system, no redirect is followed, no proxy and no cookie used. Waits for the
 * answer: for pool threads only.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HTTPS_H
#define CV_HTTPS_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct cv_https_request {
	const char *host;          /* A-labels: for SNI, the check and the Host field */
	unsigned port;
	const char *path;          /* "/.well-known/..." */
	const struct sockaddr_storage *addrs; /* where HOST is */
	size_t addr_count;         /* 0: the system's resolver finds it */
	const char *ca_file;       /* NULL: the system's authorities */
	const char *media_type;    /* of a GET: "text/plain"; any other is CV_INVALID */
	unsigned connect_secs, total_secs;
	const char *credentials;   /* "user:password" for Basic authentication, or NULL */
	struct cv_str form;        /* not empty: a get() asks by POST with this, urlencoded */
	const atomic_bool *stop;   /* set by another thread: give up soon; or NULL */
};

/* Appends the document to BODY, whose maximum is the largest that is taken: more is CV_LIMIT.
 * CV_NOT_FOUND: an answer other than 200. CV_DENIED: a certificate that is not valid for HOST.
 * CV_TEMPFAIL: no connection, or too slow. BODY holds nothing useful then. */
CV_MUST_CHECK enum cv_status cv_https_get(const struct cv_https_request *r, struct cv_buf *body,
                                          struct cv_err *err);
/* Hands DOCUMENT in by POST; every answer of 2xx is CV_OK, and what it says is thrown away. The
 * same errors. */
CV_MUST_CHECK enum cv_status cv_https_post(const struct cv_https_request *r, struct cv_str document,
                                           const char *media_type, struct cv_err *err);

#endif
