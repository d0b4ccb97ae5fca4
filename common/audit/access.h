/* access.h - who opened which message of a shared box (IMP-04), and when people looked into boxes
 * (IMP-05, DOC-01).
 *
 * An *opening* is the first time a person opened a message of somebody else's box: row
 * "O" + owner + message + person. A *check* is a visit of a person to a box: row
 * "V" + owner + day + person holds the times of the day's checks. No subjects, no correspondents.
 *
 * Programs poll, people look; what the protocol shows of it is this. A *sign* is weak when a
 * program makes it by itself as well (INBOX selected, a POP3 log-in), strong when somebody reads (a
 * body fetched, \Seen set). A sign begins a check when there was none of its kind for
 * CV_VISIT_GAP_SECS, and no check began since: a program that selects INBOX every ten minutes
 * checks once, and its owner, who opens a message at 07:45 and one at 14:10, twice. STATUS, IDLE
 * and NOOP are no signs.
 *
 * Both gather in memory and are written within CV_ACCESS_FLUSH_SECS; a crash loses at most that.
 * Rows go after KEEP_SECS, and the oldest openings when there are more than MAX_ROWS.
 * Threads: all calls from any thread of the owner process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ACCESS_H
#define CV_ACCESS_H

#include "common/audit/audit.h"

#define CV_VISIT_GAP_SECS    1800
#define CV_ACCESS_FLUSH_SECS 2
#define CV_VISIT_TIMES_MAX   32u

struct cv_access;
struct cv_access_options {
	struct cv_store *store;
	struct cv_audit *audit; /* counts checks too, by box and day; may be NULL */
	int64_t keep_secs;      /* 0: for good */
	uint64_t max_rows;      /* of openings; 0: no limit */
};
CV_MUST_CHECK enum cv_status cv_access_open(
	const struct cv_access_options *o, struct cv_access **out, struct cv_err *err);
/* Writes what is left; A may be NULL. */
void cv_access_close(struct cv_access *a);

struct cv_opening {
	cv_acct_id owner, person;
	uint8_t email_id[16];
	uint32_t box, uid; /* where it was then */
	int64_t secs;      /* Unix time */
};
/* Notes it unless this person opened that message before. No wait, unless very many are waiting. */
void cv_access_opened(struct cv_access *a, const struct cv_opening *opening);
/* A sign of PERSON in the box of OWNER at SECS. */
void cv_access_visit(
	struct cv_access *a, cv_acct_id owner, cv_acct_id person, int64_t secs, bool is_strong);
/* Writes what is waiting; without wait for the disk. */
CV_MUST_CHECK enum cv_status cv_access_flush(struct cv_access *a, struct cv_err *err);
/* Takes away what is too old at NOW, or too much; the thread does it every six hours. */
CV_MUST_CHECK enum cv_status cv_access_expire(
	struct cv_access *a, int64_t now_secs, struct cv_err *err);

/* ---- reading the rows; also on a stopped store ---- */
/* The openings of the box of OWNER, of one message unless EMAIL_ID is NULL, at or after SINCE_SECS,
 * by message and person. */
CV_MUST_CHECK enum cv_status cv_access_openings(struct cv_store *s, cv_acct_id owner,
	const uint8_t *email_id, int64_t since_secs,
	bool (*fn)(void *arg, const struct cv_opening *o), void *arg, struct cv_err *err);

struct cv_visits { /* of one person in one box on one day */
	cv_acct_id owner, person;
	uint32_t day;   /* days since 1970 in the process's time zone */
	uint32_t count; /* checks; may be more than there are times */
	int64_t last_secs;                    /* when the last one began */
	int64_t last_any_secs, last_strong_secs; /* the last signs */
	uint16_t times[CV_VISIT_TIMES_MAX];   /* minutes of the day, the first ones */
};
CV_MUST_CHECK enum cv_status cv_access_visits(struct cv_store *s, cv_acct_id owner,
	uint32_t from_day, uint32_t to_day, bool (*fn)(void *arg, const struct cv_visits *v),
	void *arg, struct cv_err *err);
/* The day of SECS as above. */
uint32_t cv_access_day(int64_t secs);

#endif
