/* registry_impl.h - what the handlers of requests share. Private to the folder.
 *
 * A handler runs under the registry's lock. It checks its request, changes the model and records
 * the rows of the change (reg_save_*), and commits them together with their audit event. When
 * anything fails after the model was changed, the dispatcher reads the model again from the rows,
 * so a handler never takes a change back by hand. Boxes in the store are made after the commit.
 *
 * Every request takes "dry_run": the handler runs as always, reg_commit() commits nothing, the
 * model is read again from the rows, and the answer has the same fields and "dry_run": true, but no
 * password. What a handler does beside reg_commit() (c->after) is its own to leave out: c->is_dry.
 *
 * Rows of cv_acct(CV_CLASS_REGISTER, 0):
 *   A + number   account          P + number   its secret       C   next number    K   key of fake
 *   salts
 *   N + address  who has or had it               D + name   domain, value: target of an alias
 *   domain
 *   G + code     agency           M + owner + member            L + owner + delegate
 *   U + owner + steward          V + owner + reader
 *   O + group + poster            Q + number   route            T + number + kind + address: target
 *   W + number of account + number   one of its devices: app password or certificate
 *   B E F H I X Y Z + two numbers    documents: see docs.h
 *   $ + code   of a unit that is no more: never given again; value: "1" and the code after it
 *   J...         the journal of acts: journal.h         R + name   who administers
 * A new letter gets a row in registry_rows.c, so that people can read acts that touch it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTRY_IMPL_H
#define CV_REGISTRY_IMPL_H

#include <pthread.h>

#include "common/base/arena.h"
#include "common/register/model.h"
#include "common/register/naming.h"
#include "common/register/password.h"
#include "common/register/registry.h"
#include "common/store/mailbox.h"

#define REG_ACCT cv_acct(CV_CLASS_REGISTER, 0)
#define REG_TEXT_MAX 2000

/* Acts that can be taken back: journal.h. */
enum reg_act_state { REG_ACT_STAGED = 1, REG_ACT_ON, REG_ACT_DONE };
struct reg_act {
	uint64_t id;
	enum reg_act_state state;
	int64_t secs;
	uint64_t rows, bytes;
	uint32_t pages;
	uint64_t undoes;             /* the act that this one took back; 0: none */
	char *action, *object, *actor;
};
struct reg_journal {
	struct reg_act *acts;        /* ascending */
	size_t count, cap;
	uint64_t next;               /* number of the next act */
};

struct cv_registry {
	struct cv_store *store;
	struct cv_audit *audit;
	char *dir, *more_reserved;
	enum cv_name_template name_template;
	uint64_t quota_default, quota_leader, quota_agency;
	struct cv_registry_rules rules; /* under `lock` */

	pthread_mutex_t lock;         /* rank: above audit's and the store's */
	struct reg_model model;
	struct reg_journal journal;
	uint64_t version;             /* of REG_ACCT */
	cv_ticket ticket;             /* of the last commit */
	uint64_t changes;             /* commits so far, for publishing */
	bool is_stale;                /* the model is not what the rows say */
	uint8_t dummy_key[32];
	uint32_t alias_sweep;         /* the days in which registry_alias.c last removed old rows */

	pthread_mutex_t publish_lock; /* rank: above `lock` */
	bool has_pools;               /* the store was told of some; under `lock` */
	uint64_t published;           /* `changes` of the newest snapshot */
	uint64_t generation;
	_Atomic uint64_t *gen;        /* mapped register.gen */
};

struct reg_box {
	cv_acct_id acct;
	uint64_t quota_bytes;
	bool set_quota;
};
struct reg_call {
	struct cv_registry *r;
	const char *actor;
	const struct cv_registry_who *who; /* NULL: the system itself, an operator */
	json_t *request, *reply;      /* reply: a new object to be filled */
	void (*progress)(void *arg, json_t *note);
	void *arg;
	struct cv_arena arena;
	struct cv_put *puts;
	size_t put_count, put_cap;
	struct reg_box *boxes;        /* to be made after the commit */
	size_t box_count, box_cap;
	bool is_dry;                  /* "dry_run": nothing is committed */
	bool was_changed;             /* the model was touched */
	bool was_committed;
	const struct reg_secret *hashed; /* of the request's password (registry_issue.c) */
	struct reg_secret *issued;    /* password.issue: of its "accounts", in their order */
	size_t issued_count;
	int64_t as_of;                /* a trial of what is put off: when it will be; 0: now */
	bool is_for_request;          /* an approved request asks for it (registry_request.c) */
	json_t *before;               /* what the request is about, as it was; NULL: nothing */
	const char *before_id;
	/* What takes long and needs no register: runs after the handler, without the lock. */
	enum cv_status (*after)(struct reg_call *c, struct cv_err *err);
	void *after_arg;
};
typedef enum cv_status reg_handler(struct reg_call *c, struct cv_err *err);

reg_handler reg_domain_add, reg_domain_list;
reg_handler reg_agency_add, reg_agency_list;
reg_handler reg_account_add, reg_account_change, reg_account_list, reg_account_show,
	reg_account_passwd, reg_password_issue,
	reg_account_suspend, reg_account_resume, reg_account_retire;
reg_handler reg_alias_add, reg_alias_del, reg_role_hold, reg_role_release, reg_group_member,
	reg_delegate_add, reg_delegate_del;
reg_handler reg_group_poster, reg_group_set;
reg_handler reg_forward_add, reg_forward_del, reg_forward_list;
reg_handler reg_absence_set, reg_absence_clear;
reg_handler reg_device_add, reg_device_list, reg_device_revoke, reg_account_unlock;
reg_handler reg_import;
reg_handler reg_backup_contents, reg_backup_copy, reg_backup_done, reg_backup_note,
	reg_backup_put;
reg_handler reg_mailbox_restore, reg_mailbox_readers, reg_mailbox_checks;
reg_handler reg_policy_note;
reg_handler reg_account_transfer, reg_account_second, reg_account_return, reg_account_leave,
	reg_account_rename, reg_purge_list, reg_purge_do, reg_role_change, reg_role_history;
reg_handler reg_request_add, reg_request_list, reg_request_show, reg_request_approve,
	reg_request_reject, reg_request_issue;
reg_handler reg_alias_note, reg_alias_report;
reg_handler reg_reorganise_mail;
reg_handler reg_reorganise_apply, reg_reorganise_rollback;
reg_handler reg_dormant_run, reg_dormant_list, reg_dormant_exempt;
reg_handler reg_report_use, reg_use_import, reg_report_checks, reg_report_response;
reg_handler reg_account_trail, reg_message_fate;
reg_handler reg_account_merge, reg_merge_mail, reg_account_expire, reg_account_end,
	reg_expiry_list, reg_expiry_told, reg_rules_accept, reg_rules_list, reg_review_start,
	reg_review_list, reg_review_confirm, reg_review_status;
reg_handler reg_dated_add, reg_dated_list, reg_dated_cancel, reg_dated_run;
reg_handler reg_quota_list, reg_quota_set, reg_quota_report;
reg_handler reg_audit_list, reg_audit_verify;
reg_handler reg_incident_open, reg_incident_list, reg_incident_step, reg_incident_close;
reg_handler reg_totp_enrol, reg_totp_confirm, reg_totp_remove, reg_totp_status, reg_totp_recover;
reg_handler reg_breakglass_request, reg_breakglass_approve, reg_breakglass_deny,
	reg_breakglass_list, reg_breakglass_end, reg_breakglass_expire;
reg_handler reg_undo, reg_undo_list, reg_undo_show;
reg_handler reg_admin_add, reg_admin_remove, reg_admin_list, reg_admin_whoami;

/* ---- registry_change.c ---- */
/* Field NAME of the request as NFC text without outer and doubled blanks; empty when absent. */
CV_MUST_CHECK enum cv_status reg_field(struct reg_call *c, json_t *object, const char *name,
                                       size_t max_bytes, struct cv_str *out, struct cv_err *err);
/* A number, or a text such as "2G"; *given_out tells whether the field is there. */
CV_MUST_CHECK enum cv_status reg_number(json_t *object, const char *name, uint64_t max,
                                        uint64_t *value_out, bool *given_out, struct cv_err *err);
bool reg_flag(json_t *object, const char *name, bool dflt);
/* The text cleaned the same way, without an object around it. */
CV_MUST_CHECK enum cv_status reg_clean(struct cv_arena *arena, struct cv_str text,
                                       struct cv_str *out);

void reg_put(struct reg_call *c, struct cv_str key, struct cv_str value);
void reg_save_account(struct reg_call *c, const struct reg_account *a);
void reg_save_secret(struct reg_call *c, const struct reg_account *a);
void reg_save_counter(struct reg_call *c);
/* The device NUMBER of A as the model has it; its row goes when the model has none. */
void reg_save_device(struct reg_call *c, const struct reg_account *a, uint32_t number);
/* Puts KEY into model and rows. */
void reg_save_address(struct reg_call *c, struct cv_str key, enum reg_address_type type,
                      uint64_t acct);
/* The same for an alias whose end is to be proposed at UNTIL_SECS. */
void reg_save_address_until(struct reg_call *c, struct cv_str key, enum reg_address_type type,
                            uint64_t acct, int64_t until_secs);
void reg_save_agency(struct reg_call *c, const struct reg_agency *g);
void reg_save_link(struct reg_call *c, char kind, uint64_t owner, uint64_t other, bool is_there);
/* The route of A, or its deletion when it is the default. */
void reg_save_route(struct reg_call *c, struct reg_account *a);
/* Puts T into A's targets and rows, or (is_there false) takes it out. */
void reg_save_target(struct reg_call *c, struct reg_account *a, const struct reg_target *t,
                     bool is_there);
/* Puts BODY (taken over; NULL: none any more) into model and rows. */
void reg_save_doc(struct reg_call *c, char kind, uint64_t a, uint64_t b, json_t *body);
void reg_want_box(struct reg_call *c, const struct reg_account *a, bool set_quota);
/* Commits what was recorded with an event. DETAIL is taken over; may be NULL. */
CV_MUST_CHECK enum cv_status reg_commit(struct reg_call *c, const char *action, const char *object,
                                        json_t *detail, struct cv_err *err);
/* The same for what was recorded as one ACT of any size: it happens wholly or not at all, whatever
 * becomes of the process (journal.h), can be taken back with `congvu undo` for 30 days, and is
 * published once. Call it once, at the end of the handler; the reply gets "act", the act's number,
 * and so does the event. At most 128 MB of old and new values (CV_LIMIT). Nothing recorded that
 * differs from the rows: CV_OK and no act. */
CV_MUST_CHECK enum cv_status reg_commit_act(struct reg_call *c, const char *action,
                                            const char *object, json_t *detail,
                                            struct cv_err *err);
/* A refusal in both languages: fills ERR with EN and the answer's "error_vi" with VI. Returns
 * STATUS. What else stands in c->reply goes along. */
enum cv_status reg_refuse(struct reg_call *c, enum cv_status status, const char *en,
                          const char *vi, struct cv_err *err);
CV_MUST_CHECK enum cv_status reg_make_boxes(struct reg_call *c, struct cv_err *err);

/* ---- registry.c ---- */
/* The handler that field "do" names, or NULL. */
reg_handler *reg_find_request(json_t *request);
/* Runs the request of C: may it be done, what it is about before it, the handler. */
CV_MUST_CHECK enum cv_status reg_run(struct reg_call *c, struct cv_err *err);
/* What a handler that runs another one's request starts it with, and how it ends. */
void reg_call_begin(struct reg_call *inner, const struct reg_call *outer, const char *actor,
                    json_t *request);
void reg_call_end(struct reg_call *inner);
/* The model is what the rows say again: pointers into it that were had before are gone. */
CV_MUST_CHECK enum cv_status reg_reload(struct reg_call *c, struct cv_err *err);
/* All rows but the journal's, in key order. */
CV_MUST_CHECK enum cv_status reg_scan_rows(struct cv_registry *r, cv_row_fn *fn, void *arg,
                                           struct cv_err *err);

/* ---- registry_dated.c ---- */
/* Runs REQUEST and takes everything back: would it be done? Pointers into the model are gone
 * afterwards. *reply_out is the caller's. */
CV_MUST_CHECK enum cv_status reg_try(struct reg_call *c, json_t *request, json_t **reply_out,
                                     struct cv_err *err);
/* When field "on" of a request that can wait names a moment to come (the end of that day, when
 * AFTER_DAY), tries the request and puts it off; *put_off_out tells. The rest is the handler's. */
CV_MUST_CHECK enum cv_status reg_when(struct reg_call *c, bool *put_off_out, struct cv_err *err);
/* Records that REQUEST is to be done at AT_SECS; acts of one GROUP (number of its first act; 0: a
 * group of its own) are cancelled together. Not committed yet. */
CV_MUST_CHECK enum cv_status reg_put_off(struct reg_call *c, json_t *request, int64_t at_secs,
                                         uint64_t group, uint64_t *number_out,
                                         struct cv_err *err);
/* Takes out what still waits of GROUP; how many. Not committed yet. */
unsigned reg_drop_acts(struct reg_call *c, uint64_t group, const char *why);

/* ---- looking things up (registry_change.c) ---- */
/* The key of ADDRESS (default domain when it has none), alias domains resolved; CV_INVALID when it
 * is no address or its domain is not ours. */
CV_MUST_CHECK enum cv_status reg_address_key(struct reg_call *c, struct cv_str address,
                                             struct cv_str *key_out, struct cv_err *err);
/* The account that ADDRESS belongs to; CV_NOT_FOUND. */
CV_MUST_CHECK enum cv_status reg_account_of(struct reg_call *c, struct cv_str address,
                                            struct reg_account **out, struct cv_err *err);
/* The account that field NAME of the request names. */
CV_MUST_CHECK enum cv_status reg_account_field(struct reg_call *c, const char *name,
                                               struct reg_account **out, struct cv_err *err);

/* ---- registry_roles.c ---- */
/* May the caller, by RIGHT and by what the request is ABOUT: the columns of the table in
 * registry.c. CV_DENIED with a sentence in both languages. */
CV_MUST_CHECK enum cv_status reg_authorise(struct reg_call *c, json_t *request, unsigned right,
                                           const char *about, struct cv_err *err);
/* The same for a request of the table that another one carries (registry.c). */
CV_MUST_CHECK enum cv_status reg_authorise_named(struct reg_call *c, json_t *request,
                                                 struct cv_err *err);
/* False when the caller administers an agency that AGENCY ("": none) is not, and not below: for
 * handlers that make lists. */
bool reg_in_scope(const struct reg_call *c, const char *agency);
/* Puts A (taken over; NULL: none any more) as NAME into model and rows. */
void reg_save_admin(struct reg_call *c, struct cv_str name, struct reg_admin *a);
/* The same as a refusal that names WHAT. */
CV_MUST_CHECK enum cv_status reg_check_scope(struct reg_call *c, const char *what,
                                             const char *agency, struct cv_err *err);
/* May the caller give out ADDRESS: an agency's administrator gives what ends in his agencies'
 * codes. */
CV_MUST_CHECK enum cv_status reg_check_new_address(struct reg_call *c, struct cv_str address,
                                                   struct cv_err *err);
/* Keeps what the request is about as it is now; reg_commit() adds to its event how it differs. */
void reg_note_before(struct reg_call *c, unsigned right, const char *about);
/* DETAIL (taken over, may be NULL) with the caller's role and "before" and "after" of OBJECT. */
json_t *reg_event_detail(struct reg_call *c, const char *action, const char *object,
                         json_t *detail);
/* "before" and "after" (taken over, may be NULL) in OBJECT, without what is the same in both. */
void reg_add_difference(json_t *object, json_t *before, json_t *after);

/* ---- registry_route.c ---- */
/* The key of any well-formed address; *ours_out tells whether its domain is one of ours (then
 * alias domains are resolved). */
CV_MUST_CHECK enum cv_status reg_any_key(struct reg_call *c, struct cv_str address,
                                         struct cv_str *key_out, bool *ours_out,
                                         struct cv_err *err);
/* A point in time: a number of Unix seconds, "2026-12-31", "2026-12-31 08:00" in Vietnam, or RFC
 * 3339. A day counts to its end when IS_END, else from its start, in Vietnam. *given_out false: the
 * field is absent or empty. */
CV_MUST_CHECK enum cv_status reg_time(struct reg_call *c, const char *name, bool is_end,
                                      int64_t *secs_out, bool *given_out, struct cv_err *err);
/* Puts OTHER into or out of OWNER's list of KIND and commits it as ACTION (registry_link.c). */
CV_MUST_CHECK enum cv_status reg_link(struct reg_call *c, char kind, struct reg_account *owner,
                                      struct reg_account *other, bool add, const char *action,
                                      struct cv_err *err);
/* [{"who", "rights"}] of everybody to whom OWNER's box is delegated (registry_link.c). */
json_t *reg_delegates_json(const struct reg_model *m, struct reg_account *owner);
/* Which of an account's lists rows of KIND are: M, L, O, U or V. */
struct reg_list *reg_list_of(struct reg_account *a, char kind);
/* What the requests of an account's routing add to its description. */
void reg_route_json(struct reg_call *c, const struct reg_account *a, json_t *out);
/* The fields successor, notice_until and forward_until of account.retire, into A's route. */
CV_MUST_CHECK enum cv_status reg_retire_route(struct reg_call *c, struct reg_account *a,
                                              bool *changed_out, struct cv_err *err);
struct reg_agency *reg_find_agency(const struct cv_registry *r, struct cv_str code);

/* ---- registry_report.c ---- */
/* Whether CODE is TOP or lies below it. */
bool reg_agency_is_below(const struct cv_registry *r, const char *code, struct cv_str top);

/* ---- registry_quota.c ---- */
/* What an account of A's class gets when nothing else is said. */
uint64_t reg_class_quota(const struct cv_registry *r, const struct reg_account *a);
/* Tells the store which accounts share a pool now. */
void reg_tell_pools(struct cv_registry *r);

/* ---- registry_password.c ---- */
/* Does RULE take PASSWORD for A, and is it none of A's last ten? PASSWORD_WEAK asks for neither
 * history nor strength. Compares slowly: 18 ms for each password that is kept. */
CV_MUST_CHECK enum cv_status reg_judge_password(struct reg_call *c, const struct reg_account *a,
                                                struct cv_str password, enum password_rule rule,
                                                struct cv_err *err);
/* A's password goes into its history: before another one is set. */
/* Before the lock is taken: hashes what password.issue brings, on a few threads; nothing for other
 * requests. reg_issue_done() wipes and frees. */
CV_MUST_CHECK enum cv_status reg_issue_prepare(struct reg_call *c, struct cv_err *err);
void reg_issue_done(struct reg_call *c);
void reg_keep_password(struct reg_call *c, const struct reg_account *a);

/* ---- registry_second.c ---- */
/* "on", "pending" until its first code, or "none". */
const char *reg_second_state(const struct reg_call *c, const struct reg_account *a);
bool reg_has_second(const struct reg_call *c, const struct reg_account *a);

/* ---- registry_account.c, for registry_import.c too ---- */
/* Makes the account that OBJECT describes, in model and rows. PASSWORD_OUT (24 bytes, may be NULL)
 * gets a made password, or "". */
CV_MUST_CHECK enum cv_status reg_make_account(struct reg_call *c, json_t *object,
                                              bool with_password, struct reg_account **out,
                                              char *password_out, struct cv_err *err);
/* Sets the fields that OBJECT has; *changed_out tells whether any differs. */
CV_MUST_CHECK enum cv_status reg_update_account(struct reg_call *c, json_t *object,
                                                struct reg_account *a, bool *changed_out,
                                                struct cv_err *err);
json_t *reg_account_json(const struct reg_account *a);
/* The same with aliases, members, delegates and routing: all but what is in the box. */
json_t *reg_account_whole(struct reg_call *c, struct reg_account *a);
json_t *reg_agency_whole(const struct reg_agency *g); /* registry_agency.c */
/* Only people and applications log in. */
bool reg_may_log_in(const struct reg_account *a);
uint32_t reg_rank_of_title(const char *title);
/* The free address of that name in UNIT. */
CV_MUST_CHECK enum cv_status reg_free_address(struct reg_call *c, struct cv_str surname,
                                              struct cv_str middle, struct cv_str given,
                                              struct cv_str unit, bool override,
                                              struct cv_str *key_out, struct cv_err *err);

#endif
