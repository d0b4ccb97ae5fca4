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
	unsigned resets_a_month;         /* by others than operators (ACC-12) */
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

/* Runs one request: domain.add, domain.list; agency.add, agency.list; account.add, account.set,
 * account.list, account.show, account.passwd, account.suspend, account.resume, account.retire;
 * alias.add, alias.del; role.hold, role.release; group.member, group.set, group.poster;
 * delegate.add, delegate.del; forward.add, forward.del, forward.list; absence.set, absence.clear;
 * import; mailbox.restore,
 * mailbox.readers, mailbox.checks;
 * quota.list, quota.set, quota.report.
 * Fields are described at each handler and in docs/control.md. Blocks until the change is durable
 * and published. ACTOR stands in the audit trail. PROGRESS takes its note over. CV_NOT_FOUND for an
 * unknown request. After a refusal *reply_out is NULL, or holds "error_vi" and what goes along with
 * it. */
CV_MUST_CHECK enum cv_status cv_registry_do(struct cv_registry *r, const char *actor,
                                            json_t *request,
                                            void (*progress)(void *arg, json_t *note), void *arg,
                                            json_t **reply_out, struct cv_err *err);

#endif
