/* doctor.h - `congvu doctor`: is all well, and if not, what is to be done.
 *
 * A check is one row of doctor_rows[] (rows.c): id, family, how bad a fault is, what is said of it
 * in both languages, what to do next. A family is one file and one function, which runs on a thread
 * of its own and adds findings: a check's row, the thing it was looked at for (a port, a domain, a
 * file), how it stands, and facts. Nothing is changed unless --fix is given.
 *
 * Threads: everything in struct doctor is read only while families run; the findings of a family
 * belong to its thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DOCTOR_H
#define ADMIN_DOCTOR_H

#include "admin/admin.h"
#include "common/base/buf.h"
#include "common/net/resolver.h"

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_NOTE, /* could not be looked at, or does not apply: counts for nothing */
	DOCTOR_WARN,
	DOCTOR_BAD
};
struct doctor_row {
	const char *id; /* "family.check" */
	enum doctor_state fault; /* what a fault of this kind is, when the family does not say */
	const char *good, *good_vi, *bad, *bad_vi; /* sentences: how it is when well, when not */
	const char *next, *next_vi;                /* what to do */
};
extern const struct doctor_row doctor_rows[];
extern const size_t doctor_rows_count;

enum doctor_daemon { DOCTOR_IMAPD, DOCTOR_SMTPD, DOCTOR_SPAMFILTER, DOCTOR_DAEMONS };
extern const char *const doctor_daemon_names[DOCTOR_DAEMONS];

struct doctor {
	struct admin_call *call;
	const struct cv_conf *conf;
	const struct congvu_options *main;
	const struct smtpd_options *smtpd;
	const struct imapd_options *imapd;
	const struct spamfilter_options *filter;
	const struct admin_options *admin;
	bool fix, dry_run;
	int64_t asked_secs, answered_secs; /* when their status was asked, when it had come */
	json_t *status[DOCTOR_DAEMONS]; /* NULL: it does not answer */
	json_t *queue;                  /* "queue.summary", or NULL */
	json_t *queue_stats;            /* "queue.stats", or NULL */
	json_t *frozen;                 /* "sending.list", or NULL */
	json_t *admins;                 /* "admin.list", or NULL */
	json_t *classifier;             /* "classifier.status", or NULL */
	json_t *schedule;               /* admin_schedule_status(), or NULL */
	json_t *domains;                /* names of ours, aliases too */
	struct cv_resolver *resolver;   /* NULL: it could not be made */
	char resolver_fault[200];
};
struct doctor_job {
	const struct doctor *d;
	const char *family;
	json_t *findings; /* this family's, in order */
};
typedef void doctor_fn(struct doctor_job *j);

/* Adds a finding of the check ID (family's name left out) about SUBJECT (may be NULL); FMT: facts,
 * the same in both languages. */
void doctor_find(struct doctor_job *j, const char *id, enum doctor_state state, const char *subject,
	const char *fmt, ...) CV_PRINTF(5, 6);
/* The same with the row's own degree: OK when WELL. */
void doctor_say(struct doctor_job *j, const char *id, bool well, const char *subject,
	const char *fmt, ...) CV_PRINTF(5, 6);
/* What exactly to add or run for the last finding, beside its row's sentence: a record, a command.
 */
void doctor_do(struct doctor_job *j, const char *fmt, ...) CV_PRINTF(2, 3);
/* With --fix: notes that the last finding was mended (it counts as well then), or with --dry-run
 * that it would be; ERR not NULL: that it could not be. */
void doctor_fixed(struct doctor_job *j, const struct cv_err *err);

doctor_fn doctor_ports, doctor_certificates, doctor_dns, doctor_relay, doctor_queue, doctor_disk,
	doctor_clock, doctor_backup, doctor_daemons_family, doctor_files, doctor_config,
	doctor_filter, doctor_logs, doctor_schedule, doctor_accounts;

/* The process of a daemon that answered; 0. */
int doctor_pid(const struct doctor *d, enum doctor_daemon which);

/* The whole file /proc/... or the like, at most MAX bytes; NUL-terminated, the caller's to free;
 * NULL when it cannot be read. */
char *doctor_read(const char *path, size_t max);

#endif
