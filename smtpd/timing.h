/* timing.h - when and how urgently a message is to travel, as MAIL asks for it.
 *
 * DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865) and MT-PRIORITY (RFC 6710): the values' grammar,
 * and what a listener offers and takes. The readers are pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TIMING_H
#define SMTPD_TIMING_H

#include "common/base/buf.h"
#include "common/store/queue.h"

struct smtpd_session;

/* A shorter time to deliver or return is not taken: the queue looks at its clock in seconds, and
 * one try needs some. */
#define SMTPD_BY_MIN_SECS 60

/* Zeroed: none of it was asked for. */
struct smtpd_timing {
	int8_t priority, asked_priority;
	enum cv_queue_by by_mode;
	bool by_trace;
	int64_t by_secs;   /* Unix time */
	int64_t hold_secs; /* Unix time; 0: go at once */
};

/* "120;R", "-3;NT": *secs_out from now on. With R it is more than 0. False: no by-value. */
bool smtpd_by_parse(struct cv_str value, int64_t *secs_out, enum cv_queue_by *mode_out,
                    bool *trace_out);
/* Seconds, 1 to 999999999, without a leading zero. */
bool smtpd_holdfor_parse(struct cv_str value, int64_t *secs_out);
/* "2026-11-22T08:00:00Z", RFC 3339 with "T" and a zone: Unix time. */
bool smtpd_holduntil_parse(struct cv_str value, int64_t *at_secs_out);
/* "-9" to "9". */
bool smtpd_priority_parse(struct cv_str value, int8_t *priority_out);

enum smtpd_timing_result { SMTPD_TIMING_OTHER, SMTPD_TIMING_TAKEN, SMTPD_TIMING_BAD,
	SMTPD_TIMING_SHORT, SMTPD_TIMING_FAR };
/* Takes a parameter of MAIL into the transaction when it is one of these and the listener offers
 * it; OTHER: it is none of them. SHORT and FAR: it is past a limit that EHLO told. */
enum smtpd_timing_result smtpd_timing_param(struct smtpd_session *s, struct cv_str name,
                                            struct cv_str value, bool has_value);
/* After the last parameter: do they fit together? */
bool smtpd_timing_fits(const struct smtpd_timing *t);
/* The lines of EHLO, each "250-...". */
void smtpd_timing_offer(struct smtpd_session *s, struct cv_buf *out);

#endif
