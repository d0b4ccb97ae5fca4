/* jsonline.h - JSON objects as lines over a stream socket, for the two sides of ctl.h. Blocking. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_JSONLINE_H
#define CV_JSONLINE_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* Reads one line from FD through BUF (which keeps what came after it) and parses it. Waits at most
 * SILENCE_SECS (0: no limit) for each piece. CV_EOF at a clean end, CV_LIMIT, CV_INVALID,
 * CV_TEMPFAIL. */
CV_MUST_CHECK enum cv_status cv_jsonline_read(int fd, struct cv_buf *buf, unsigned silence_secs,
                                              json_t **object_out, struct cv_err *err);
/* True when BUF holds a whole line already. */
bool cv_jsonline_has(const struct cv_buf *buf);
/* Writes OBJECT and gives it back. */
CV_MUST_CHECK enum cv_status cv_jsonline_write(int fd, json_t *object, unsigned silence_secs,
                                               struct cv_err *err);

#endif
