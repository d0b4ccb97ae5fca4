/* ctl.h - the control socket: one JSON object a line in, JSON objects a line out.
 *
 * A daemon serves a Unix socket; the peer's uid comes from SO_PEERCRED. Where the socket is open to
 * everybody on the machine (mode 0666), others than root and the daemon's own user are guests: at
 * most 6 connections, 3 of one user, 8 MB a line. A request is {"do": "account.add", ...}; the
 * answers are any number of {"progress": ...} and one final {"ok": true, ...} or {"ok": false,
 * "status": "not found", "error": "...", "error_vi": "..."}. Requests run on a pool thread of the
 * control server, so they may take long; at most 8 at once.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CTL_H
#define CV_CTL_H

#include <jansson.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_CTL_LINE_MAX (64u << 20) /* an import of a whole province is one request */

struct cv_ctl_server;
struct cv_ctl_call {
	json_t *request;           /* borrowed */
	uid_t peer_uid;
	void *ctx;
	void (*progress)(struct cv_ctl_call *call, json_t *note); /* takes NOTE over */
	void *impl;
};
/* Fills *REPLY (a new object) on CV_OK; on failure err says why and becomes the error answer, and
 * what is in *REPLY (such as "error_vi") goes along. NULL at entry. */
typedef enum cv_status cv_ctl_fn(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err);

/* Takes over FD (listening Unix socket) and serves it until freed; FN gets every request. Freeing
 * waits for the requests that run. */
CV_MUST_CHECK enum cv_status cv_ctl_serve(int fd, cv_ctl_fn *fn, void *ctx,
                                          struct cv_ctl_server **out, struct cv_err *err);
void cv_ctl_server_free(struct cv_ctl_server *s);

/* The answers to "reload", the same from every daemon: {"changed": [names], "restart": [names]}
 * from two lists of words; and what goes along with a refusal for ERR. */
json_t *cv_ctl_reloaded(const struct cv_buf *changed, const struct cv_buf *restart);
json_t *cv_ctl_not_reloaded(const struct cv_err *err);

/* What every answer to "status" tells of its process: "version", "pid", "time" (Unix seconds on its
 * clock). */
void cv_ctl_describe(json_t *reply);

/* Asks and waits; REQUEST stays the caller's. TIMEOUT_SECS is the longest silence (0: no limit).
 * PROGRESS may be NULL and takes NOTE over. CV_TEMPFAIL when nobody listens at PATH or the answer
 * does not come; an error answer comes back as its status and text. *REPLY_OUT is the caller's;
 * after an error answer it holds that answer, or NULL when there was none. */
CV_MUST_CHECK enum cv_status cv_ctl_ask(const char *path, json_t *request, unsigned timeout_secs,
                                        void (*progress)(void *arg, json_t *note), void *arg,
                                        json_t **reply_out, struct cv_err *err);
#endif
