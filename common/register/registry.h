/* registry.h - changing the register: only in the process that owns the mail store.
 *
 * Each call is checked, committed together with its audit row, and followed by a new snapshot
 * (several changes in quick succession share one). Requests come as JSON (ctl.h), so the same table
 * serves the control socket of imapd and the admin tool on a stopped store.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTRY_H
#define CV_REGISTRY_H

#include <jansson.h>

#include "common/audit/audit.h"
#include "common/register/register.h"

struct cv_registry;
/* How the life of accounts goes; 0: the default that stands beside it. */
struct cv_registry_rules {
	unsigned keep_months, keep_months_leader; /* 6, 12: a box after its owner left (ACC-06) */
	unsigned warn_days, off_days, withdraw_days; /* 30, 45, 90 without use (ACC-07) */
	unsigned review_months, review_days; /* 6 between reviews, 30 to confirm (ACC-10) */
	unsigned issue_days;             /* 2 working days (ACC-02) */
	bool requests_required;          /* agency admins make accounts for those alone */
	unsigned resets_a_month;         /* 3, by others than operators (ACC-12) */
	bool admin_second_required;      /* a second factor of administrators */
	unsigned admin_password_months;  /* after which they change theirs (ACC-04); 0: never */
	char rules_version[41];          /* of the usage rules (POL-07); "": none */
	char holidays_file[1025], working_hours[201];
};
struct admin_options;
struct congvu_options;
void cv_registry_rules_from(const struct congvu_options *common,
                            const struct admin_options *admin, struct cv_registry_rules *out);
struct cv_registry_options {
	struct cv_store *store;
	struct cv_audit *audit;
	const char *dir;                 /* register_dir */
	const char *default_domain;
	const char *address_template;    /* "initials", "flat", "given" */
	const char *reserved_local_parts;
	uint64_t quota_default, quota_leader, quota_agency; /* 0 for leaders: as staff */
	struct cv_registry_rules rules;
};
CV_MUST_CHECK enum cv_status cv_registry_open(const struct cv_registry_options *o,
                                              struct cv_registry **out, struct cv_err *err);
/* From the next request on. */
void cv_registry_set_rules(struct cv_registry *r, const struct cv_registry_rules *rules);
/* Writes a last snapshot when one is due. */
void cv_registry_close(struct cv_registry *r);
/* Writes the snapshot now (durably, by rename). */
CV_MUST_CHECK enum cv_status cv_registry_publish(struct cv_registry *r, struct cv_err *err);

/* ---- who asks (registry_roles.c) ---- */
enum cv_admin_role {
	CV_ROLE_NONE = 0,
	CV_ROLE_OPERATOR = 1, /* everything, in the whole province */
	CV_ROLE_AGENCY = 2,   /* people and boxes of one agency and those below it */
	CV_ROLE_HELPDESK = 4, /* passwords, locks, sessions; makes nothing, gives no rights */
	CV_ROLE_AUDITOR = 8   /* sees lists, reports and the audit trail; changes nothing */
};
/* Rights: the roles that have them; may be or'ed. */
enum {
	REG_OPERATOR = CV_ROLE_OPERATOR,
	REG_AGENCY = REG_OPERATOR | CV_ROLE_AGENCY,
	REG_HELPDESK = REG_AGENCY | CV_ROLE_HELPDESK,
	REG_AUDIT = REG_OPERATOR | CV_ROLE_AUDITOR,
	REG_READ = REG_HELPDESK | REG_AUDIT,
	REG_ANYONE = REG_READ | 16 /* who has no role, too */
};
struct cv_registry_who {
	char name[330];       /* "unix:nam" or an address: actor of the audit trail */
	enum cv_admin_role role;
	char agency[16];      /* of CV_ROLE_AGENCY: the top of what it administers */
};
const char *cv_admin_role_word(enum cv_admin_role role); /* "operator"; "none" */
/* The peer of a Unix socket. Root and the user of this process are operators always. */
void cv_registry_who_unix(struct cv_registry *r, uid_t uid, struct cv_registry_who *who);
/* Who logged in as ADDRESS, a primary address. */
void cv_registry_who_account(struct cv_registry *r, const char *address,
                             struct cv_registry_who *who);
/* May WHO do REQUEST, which is not the register's own? RIGHT and ABOUT as in the table of
 * registry.c. CV_DENIED with a sentence; *refusal_out then goes along with it ("error_vi"). */
CV_MUST_CHECK enum cv_status cv_registry_may(struct cv_registry *r,
                                             const struct cv_registry_who *who, json_t *request,
                                             unsigned right, const char *about,
                                             json_t **refusal_out, struct cv_err *err);

/* May WHO, who has just logged in with his password, do REQUEST? An administrator without a second
 * factor where one is required, or whose password is too old, may only change that: CV_DENIED with
 * a sentence, "error_vi" in *refusal_out (registry_second.c). */
CV_MUST_CHECK enum cv_status cv_registry_check_admin(struct cv_registry *r,
                                                     const struct cv_registry_who *who,
                                                     const json_t *request, json_t **refusal_out,
                                                     struct cv_err *err);

/* Runs one request: domain.add, domain.list; agency.add, agency.list; account.add, account.set,
 * account.list, account.show, account.passwd, account.suspend, account.resume, account.retire;
 * alias.add, alias.del; role.hold, role.release; group.member, group.set, group.poster;
 * delegate.add, delegate.del; forward.add, forward.del, forward.list; absence.set, absence.clear;
 * import; mailbox.restore,
 * mailbox.readers, mailbox.checks;
 * quota.list, quota.set, quota.report; undo, undo.list, undo.show; admin.add, admin.remove,
 * admin.list, admin.whoami.
 * Fields are described at each handler and in docs/control.md. Blocks until the change is durable
 * and published. ACTOR stands in the audit trail. PROGRESS takes its note over. CV_NOT_FOUND for an
 * unknown request. After a refusal *reply_out is NULL, or holds "error_vi" and what goes along with
 * it. */
CV_MUST_CHECK enum cv_status cv_registry_do(struct cv_registry *r, const char *actor,
                                            json_t *request,
                                            void (*progress)(void *arg, json_t *note), void *arg,
                                            json_t **reply_out, struct cv_err *err);
/* The same for somebody whose rights are looked at: CV_DENIED with a sentence that says what is
 * missing. His name and role stand in the audit trail. */
CV_MUST_CHECK enum cv_status cv_registry_do_as(struct cv_registry *r,
                                               const struct cv_registry_who *who,
                                               json_t *request,
                                               void (*progress)(void *arg, json_t *note),
                                               void *arg, json_t **reply_out,
                                               struct cv_err *err);
/* Name, right and subject of request number N of the table; false at its end. */
bool cv_registry_nth_request(size_t n, const char **name, unsigned *right, const char **about);

#endif
