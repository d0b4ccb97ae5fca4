/* log.h - one line an event: time, level, program, connection, event, key=value.
 *
 * As text, or as one JSON object a line: {"time", "severity", "daemon", "process", "conn", "event",
 * and each key of FMT}. The keys are those of the format, never of what a value holds, so a peer
 * cannot add one. Under systemd each line carries its priority ("<4>").
 *
 * Event names are words with dots ("msg.accepted"), listed in docs/log-events.md. No passwords,
 * no message text, no subjects. Control bytes in values are written as \xNN, so a peer cannot
 * forge a line. Thread-safe; each line is one write(2).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_LOG_H
#define CV_LOG_H

#include "common/base/str.h"

enum cv_level { CV_ERROR, CV_WARN, CV_INFO, CV_DEBUG };

/* PROGRAM is kept, not copied. Lines go to stderr, or to the file opened at PATH when not NULL. */
void cv_log_init(const char *program, enum cv_level level, const char *path);
void cv_log_level(enum cv_level level);
void cv_log_json(bool json);
bool cv_log_wants(enum cv_level level);
/* Opens the log file again, after rotation. */
void cv_log_reopen(void);
/* CONN_ID 0 means no connection. FMT gives the key=value part: "key=%s" or "key=\"%s\"", keys of
 * a-z, 0-9 and _, one blank between. */
void cv_log(uint64_t conn_id, enum cv_level level, const char *event, const char *fmt, ...)
	CV_PRINTF(4, 5);

#endif
