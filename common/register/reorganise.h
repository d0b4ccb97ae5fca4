/* reorganise.h - what a plan that merges, splits, renames and moves units does to the register.
 * Private to the folder.
 *
 * Three steps. Reading turns the acts of a request into rows about units and domains that are
 * there. Solving decides everything without touching the model: the unit and the address of every
 * account, which boxes are kept, what is missing in the plan. Applying writes what was decided into
 * the model and its rows; it decides nothing. What a plan leaves open becomes a problem with the
 * line that would close it, and a plan with problems is not applied.
 *
 * Addresses (MIG-02): nobody loses one. The old primary address becomes an alias until
 * `old_until`, when its end is proposed. A new local part keeps its stem and its number where that
 * is free, else takes the first free number from 2 on, in the order in which the plan names the
 * units and, within one, in which accounts were made. A local part that anybody ever had is not
 * free, unless it was the same account's.
 * One thread, under the registry's lock; everything lives in the call's arena.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REORGANISE_H
#define CV_REORGANISE_H

#include "common/register/registry_impl.h"

enum reorg_kind {
	REORG_MERGE, REORG_SPLIT, REORG_RENAME, REORG_MOVE, REORG_DISSOLVE, REORG_DOMAIN,
	REORG_ADDRESS, REORG_TITLE, REORG_KINDS
};
extern const char *const reorg_words[]; /* by enum reorg_kind; NULL ends */

#define REORG_ACTS_MAX 2000
#define REORG_UNITS_MAX 500  /* named in one act */
#define REORG_PROBLEMS_MAX 500

struct reorg_unit {
	const char *code;
	const struct reg_agency *old; /* NULL: the plan makes it */
	struct reg_agency now;        /* texts in the arena; what it will be while it stands */
	struct reorg_unit *into;      /* it is no more, this follows; NULL: it stands */
	bool is_closed, is_touched;
	const struct reorg_act *act;  /* that touched it last */
	size_t order;                 /* in which the plan names it; 0: it does not */
	struct reorg_unit *boxes_of;  /* whose role boxes are kept */
	bool moves_mail;              /* the others' is copied over afterwards */
	bool joins_holders;
	bool joins_admins;            /* the others' administrators administer it too */
	bool chose_boxes, chose_mail, chose_holders, chose_admins;
};
/* An account and what becomes of it. */
struct reorg_person {
	struct reg_account *a;
	struct reorg_unit *from, *to;  /* NULL: in no unit */
	const char *address;           /* the new primary key, or NULL: as it is */
	const char *wanted;            /* what it would have got, when somebody else has that */
	const char *because;           /* whose that is */
	const char *title, *department, *name; /* new, or NULL */
	struct reorg_person *into;     /* a box whose addresses go to this one */
	bool is_explicit;              /* ADDRESS stands in the plan */
	bool keeps_number;
};
struct reorg_act {
	enum reorg_kind kind;
	int line;
	json_t *object;
};
struct reorg_domain {
	struct cv_str name, target;    /* target empty: added */
	const struct reorg_act *act;
};
struct reorg {
	struct reg_call *c;
	struct cv_arena *arena;
	struct reg_model *m;
	struct reorg_act *acts;
	size_t act_count;
	struct cv_map units;           /* code -> struct reorg_unit */
	struct reorg_person *people;   /* by the order of the model's accounts */
	struct reorg_domain *domains;
	size_t domain_count;
	struct cv_map taken;           /* address key -> struct reorg_person, of this plan */
	struct cv_map changed;         /* old primary key -> struct reorg_person */
	size_t orders;
	int64_t old_until;
	json_t *problems;
	json_t *new_boxes;             /* [{"unit", "role"}] to be made */
	json_t *heads;                 /* [{"unit", "head"}] */
};

/* One thing that the plan must say. EN and VI take the same arguments; PROPOSE is the line that
 * would settle it, or NULL. */
void reorg_problem(struct reorg *o, const struct reorg_act *act, const char *propose,
                   const char *en, const char *vi, ...) CV_PRINTF(4, 6);

/* ---- reorganise_read.c ---- */
/* Acts, units, domains and who goes where; problems are noted. CV_INVALID for what no plan file
 * gives. */
CV_MUST_CHECK enum cv_status reorg_read(struct reorg *o, struct cv_err *err);
struct reorg_unit *reorg_standing(struct reorg_unit *u);
struct reorg_person *reorg_person_of(struct reorg *o, uint64_t acct);

/* ---- reorganise_solve.c ---- */
/* Addresses, boxes, collisions. */
CV_MUST_CHECK enum cv_status reorg_solve(struct reorg *o, struct cv_err *err);
/* KEY is an address of some account, or will be after the plan. */
struct cv_str reorg_domain_of(struct cv_str key);

/* ---- reorganise_apply.c ---- */
CV_MUST_CHECK enum cv_status reorg_apply(struct reorg *o, struct cv_err *err);

/* ---- reorganise_tell.c ---- */
/* All of it for people and machines, into REPLY. */
void reorg_tell(struct reorg *o, json_t *reply);

#endif
