/* registry_people.h - what the requests about people's lives share. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTRY_PEOPLE_H
#define CV_REGISTRY_PEOPLE_H

#include "common/register/registry_impl.h"

/* ---- registry_life.c ---- */
/* The fact NAME in A's document, or NULL; borrowed until a fact is set. */
const json_t *reg_fact(const struct reg_call *c, const struct reg_account *a, const char *name);
/* Takes VALUE over; NULL takes the fact out. Recorded with the call's rows. */
void reg_set_fact(struct reg_call *c, const struct reg_account *a, const char *name,
                  json_t *value);
/* Notes in fact NAME of those in the request's list "told" that they heard of it now: they need not
 * hear it again. Not committed yet. */
void reg_note_told(struct reg_call *c, const char *name);
/* The number KEY of a fact; 0 when there is none. */
json_int_t reg_fact_secs(const json_t *fact, const char *key);
/* Takes A out of all groups, role boxes and delegations of AGENCY (NULL: of all), and those of that
 * agency out of A's delegations; LEFT gets {"what", "of", "who"} of each. */
void reg_leave_links(struct reg_call *c, struct reg_account *a, const char *agency, json_t *left);

/* A, who is away, is not let in at the end of the leave; false: is not away, or was noted before.
 * Recorded with the call's rows. */
bool reg_stay_off(struct reg_call *c, const struct reg_account *a);

/* Acts of the request WHAT ("account.return") that wait for A are not wanted any more. */
void reg_drop_waiting(struct reg_call *c, const char *what, const struct reg_account *a);

/* ---- registry_leaving.c ---- */
/* A retires now (IS_NEW), or what follows is changed: links are left, the day is set until which
 * the box is kept, field "handover" names who reads it. Recorded with the call's rows. */
CV_MUST_CHECK enum cv_status reg_leaving(struct reg_call *c, struct reg_account *a, bool is_new,
                                         struct cv_err *err);

/* ---- registry_request.c ---- */
struct cv_calendar;
/* CODE is the agency TOP or below it. */
bool reg_is_below(const struct cv_registry *r, const char *code, const char *top);
/* The caller is an operator, or the system itself. */
bool reg_by_operator(const struct reg_call *c);
/* AGENCY lies within what the caller administers or may see. */
bool reg_caller_sees(const struct reg_call *c, const char *agency);
/* CV_DENIED unless the caller may act on A's agency. */
CV_MUST_CHECK enum cv_status reg_refuse_unseen(struct reg_call *c, const struct reg_account *a,
                                               struct cv_err *err);
/* The province's calendar, or the one that comes with the program; the caller's to free. */
struct cv_calendar *reg_calendar(struct reg_call *c);
/* May A be made for field "request_id" of the request, or without one? Marks it as done there. */
CV_MUST_CHECK enum cv_status reg_check_request(struct reg_call *c, const struct reg_account *a,
                                               struct cv_err *err);

/* ---- registry_merge.c ---- */
/* The account that ended under ADDRESS when it was merged into another; or NULL. */
struct reg_account *reg_ended_account(struct reg_call *c, struct cv_str address);

/* ---- registry_terms.c ---- */
/* May one more password be set for A this month? CV_DENIED; changes nothing. */
CV_MUST_CHECK enum cv_status reg_check_resets(struct reg_call *c, const struct reg_account *a,
                                              struct cv_err *err);
/* A password is about to be set for A: counts it; CV_DENIED when it is one too many for a caller
 * who is no operator. */
CV_MUST_CHECK enum cv_status reg_count_reset(struct reg_call *c, const struct reg_account *a,
                                             struct cv_err *err);

/* ---- registry_breakglass.c ---- */
/* READER reads or read the box of OWNER by break-glass: that right is nobody's to bring back. */
bool reg_is_glass(const struct reg_call *c, uint64_t owner, uint64_t reader);

/* ---- registry_dated.c ---- */
/* Takes out each act that waits and names A in any field but texts: for an account whose addresses
 * will be another one's. DROPPED gets {"number", "do", "at"} of each. Not committed yet. */
void reg_drop_acts_naming(struct reg_call *c, const struct reg_account *a, const char *why,
                          json_t *dropped);

/* ---- registry_roles.c ---- */
/* A was OLD until now: its role goes along, unless it has one under its address already. */
void reg_admin_follow(struct reg_call *c, struct cv_str old, const struct reg_account *a);
/* A left AGENCY: who administered it, or what is above it, does so no more, unless A's new agency
 * lies there too. The row that ended, for reg_admin_note_left(); NULL: none. */
json_t *reg_admin_left(struct reg_call *c, const struct reg_account *a, const char *agency);
/* Commits the event of it, behind that of the move; ENDED (may be NULL) is taken over. */
CV_MUST_CHECK enum cv_status reg_admin_note_left(struct reg_call *c, const struct reg_account *a,
                                                 json_t *ended, struct cv_err *err);

/* ---- elsewhere ---- */
/* CV_DENIED when the caller would give himself the box of another person (SEC-07;
 * registry_link.c). */
CV_MUST_CHECK enum cv_status reg_check_not_self(struct reg_call *c, const struct reg_account *owner,
                                                const struct reg_account *to,
                                                struct cv_err *err);
/* CV_DENIED for a reserved or indecent local part, unless OVERRIDE (registry_account.c). */
CV_MUST_CHECK enum cv_status reg_check_refused(struct reg_call *c, struct cv_str local,
                                               bool override, struct cv_err *err);
/* Heads of agencies and units, and their deputies (registry_quota.c). */
bool reg_is_leader(const struct reg_account *a);
/* Sets "used_bytes" and "used_messages" of A's box, if it has one (registry_account.c). */
void reg_put_use(struct reg_call *c, const struct reg_account *a, json_t *out);

/* ---- registry_holder.c ---- */
/* Notes in the history of the role or agency box ROLE that WHO holds it from now on, or no more. */
void reg_note_holder(struct reg_call *c, const struct reg_account *role,
                     const struct reg_account *who, bool holds);

#endif
