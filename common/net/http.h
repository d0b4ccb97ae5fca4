/* http.h - a tiny HTTP/1 server for what stands on loopback addresses: metrics, a few pages behind
 * a proxy.
 *
 * One request a connection, answered and closed. Everything a peer sends is bounded: the head by
 * CV_HTTP_HEAD_MAX, its fields by CV_HTTP_FIELDS_MAX, the body by the site, the whole by the
 * site's seconds counted from the first octet, connections by AT_ONCE. The reader is strict (RFC
 * 9112): what two readers could take for two different requests is refused (lengths given twice,
 * chunks, folded fields, bare line feeds, control characters, absolute targets).
 * Threads: parsing is pure; SERVE runs on a worker and may not wait, but by CV_STEP_WAIT.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HTTP_H
#define CV_HTTP_H

#include <stdatomic.h>

#include "common/net/net.h"

#define CV_HTTP_HEAD_MAX   4096u
#define CV_HTTP_FIELDS_MAX 64u
#define CV_HTTP_BODY_MAX   4096u

enum cv_http_method { CV_HTTP_GET, CV_HTTP_HEAD, CV_HTTP_POST, CV_HTTP_OTHER };
struct cv_http_request {      /* slices point into the input */
	enum cv_http_method method;
	struct cv_str path;   /* begins with "/"; not decoded */
	struct cv_str query;  /* behind "?", or empty */
	struct cv_str host, content_type, sec_fetch_site;
	struct cv_str forwarded_for; /* the last address of the last X-Forwarded-For: the proxy's */
	struct cv_str body;
};
enum cv_http_state { CV_HTTP_MORE, CV_HTTP_WHOLE, CV_HTTP_REFUSED };
/* Reads a request at the start of IN. REFUSED: *status_out is the answer's status line, such as
 * "400 Bad Request". BODY_MAX 0: no method with a body is read. */
enum cv_http_state cv_http_parse(struct cv_str in, size_t body_max, struct cv_http_request *out,
                                 const char **status_out);
/* The value of NAME in FORM (application/x-www-form-urlencoded), decoded into OUT; false when it is
 * missing, there twice, or badly written. */
bool cv_http_form(struct cv_str form, const char *name, struct cv_buf *out);

/* Writes a whole answer. FIELDS: further header lines with their CRLF, or "". HEAD leaves the body
 * out. */
void cv_http_answer(struct cv_buf *out, const char *status, const char *type, const char *fields,
                    struct cv_str body, bool head);

struct cv_http_site {
	const char *name;
	size_t body_max;      /* at most CV_HTTP_BODY_MAX; 0: GET and HEAD alone */
	size_t answer_max;
	unsigned secs, at_once;
	void *arg;
	/* Answers R on C and says CV_STEP_CLOSE, or parks it with CV_STEP_WAIT and is called again
	 * after a wake. *STATE is the connection's, NULL at first. */
	enum cv_step (*serve)(void *arg, struct cv_conn *c, const struct cv_http_request *r,
	                      void **state);
	/* The connection is gone; STATE is not NULL. May be NULL. */
	void (*closed)(void *arg, void *state);
	/* the server's */
	atomic_uint open;
	struct cv_proto proto;
};
/* Listens at each address of LIST (empty: nowhere). Addresses must be of this machine: CV_INVALID,
 * with OPTION in the words, for one that other machines can reach. *SITE must outlive the net. */
CV_MUST_CHECK enum cv_status cv_http_listen(struct cv_net *net, const char *list,
                                            const char *option, struct cv_http_site *site,
                                            struct cv_err *err);

#endif
