/* oauth.h - is this access token good, and whose is it: introspection (RFC 7662) over HTTPS.
 *
 * The answer is kept by the token's SHA-256, never the token: a good one until it expires and at
 * most ten minutes (so a revoked token lives so long), a bad one ten seconds, in a table of fixed
 * size. Questions run on four threads with a bounded queue and limits of time; a server that failed
 * three times in a row is left alone for two seconds. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_OAUTH_H
#define CV_OAUTH_H

#include "common/base/err.h"
#include "common/base/str.h"

struct cv_oauth;
struct cv_oauth_options {
	const char *url;          /* "https://host[:port]/path" */
	const char *client_file;  /* one line "id:secret": who asks */
	const char *ca_file;      /* NULL or "": the system's authorities */
	const char *claim;        /* "username", "email" or "sub": what names the account */
	const char *scope;        /* what a token must be good for; NULL or "": anything */
};
CV_MUST_CHECK enum cv_status cv_oauth_new(const struct cv_oauth_options *o, struct cv_oauth **out,
                                          struct cv_err *err);
/* Ends after the questions under way, whose answers then say DOWN. */
void cv_oauth_free(struct cv_oauth *o);
/* The scope a client is told to ask for, or "". */
const char *cv_oauth_scope(const struct cv_oauth *o);

enum cv_oauth_result {
	CV_OAUTH_GOOD, CV_OAUTH_BAD,
	CV_OAUTH_DOWN, /* the server does not answer, or not sensibly */
	CV_OAUTH_BUSY  /* too many questions under way */
};
struct cv_oauth_check {
	struct cv_str token;      /* in; copied */
	enum cv_oauth_result result;
	char name[320];           /* of the account as the claim has it; "" unless good */
	/* called once, maybe before cv_oauth_verify() returns, maybe on a pool thread */
	void (*done)(struct cv_oauth_check *c);
};
void cv_oauth_verify(struct cv_oauth *o, struct cv_oauth_check *c);

#endif
