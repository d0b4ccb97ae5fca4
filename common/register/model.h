/* model.h - the register in the owner's memory, and its rows. Private to the folder.
 *
 * registry.c loads every row of the register's account when it opens and keeps this model equal to
 * the rows: a change is committed first and applied here after. The model is what snapshots are
 * written from. One thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_MODEL_H
#define CV_REGISTER_MODEL_H

#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/register/device.h"
#include "common/register/docs.h"
#include "common/register/register.h"
#include "common/register/registry.h"

/* The texts of an account, in the order of its row. New ones go to the end. */
enum reg_text {
	T_ADDRESS, T_NAME, T_SURNAME, T_MIDDLE, T_GIVEN, T_TITLE, T_AGENCY, T_DEPARTMENT,
	T_PHONE_OFFICE, T_PHONE_MOBILE, T_LETTER, T_STAFF_ID, T_COUNT
};
struct reg_text_row {
	const char *json;  /* field name in requests and replies */
	size_t max_bytes;
};
extern const struct reg_text_row reg_texts[T_COUNT];

#define REG_ARGON_MAX 128
struct reg_secret {
	uint32_t version;        /* 0: no password; goes up with each change */
	uint32_t iterations;     /* of the SCRAM keys; 0: none */
	int64_t changed_secs;
	int64_t expires_secs;    /* a first password works until then; 0: always */
	uint8_t salt[16], stored_key[32], server_key[32];
	char argon[REG_ARGON_MAX];
};
struct reg_list {
	uint64_t *items;
	size_t n;
};
/* Where mail for an account goes beside its box: row Q, only where something differs from the
 * default. New texts and times go to the end. */
enum reg_route_text {
	RT_OWNER,            /* of a group: where its bounces go */
	RT_SUCCESSOR,        /* of a retired address */
	RT_ABSENCE_VI, RT_ABSENCE_EN, RT_ABSENCE_OUTSIDE, RT_COUNT
};
enum reg_route_time { RM_NOTICE_UNTIL, RM_FORWARD_UNTIL, RM_ABSENCE_FROM, RM_ABSENCE_UNTIL,
	RM_COUNT };
#define REG_ABSENCE_MAX 2000u
struct reg_route {
	enum cv_reg_post post;
	char *text[RT_COUNT];    /* never NULL */
	int64_t secs[RM_COUNT];  /* 0: none */
};
/* An address beside the register: row T. */
struct reg_target {
	enum cv_reg_target_kind kind;
	bool keep;               /* a forward that leaves a copy in the box */
	int64_t since_secs, until_secs; /* 0: for good */
	char *address;           /* an address key */
	char *reason;
};
struct reg_account {
	uint64_t acct;           /* full cv_acct_id */
	enum cv_reg_kind kind;
	enum cv_reg_state state;
	uint32_t rank;
	bool listed, mobile_consent, must_change;
	uint64_t quota_bytes;
	int64_t created_secs, state_secs;
	char *text[T_COUNT];     /* never NULL */
	struct reg_secret secret;
	struct reg_list members;   /* of a group; holders of a role or agency box */
	struct reg_list delegates; /* who may send as this account */
	struct reg_list readers;   /* who may read all its mailboxes */
	struct reg_list stewards;  /* who may read, change and send as it: delegated whole */
	struct reg_list posters;   /* who may write to this group, when it is for named accounts */
	struct reg_route *route;   /* NULL: the default */
	struct reg_target *targets;
	size_t target_count;
	struct reg_devices devices; /* app passwords and certificates */
};

enum reg_address_type { REG_PRIMARY = 1, REG_ALIAS, REG_HISTORY };
struct reg_address {
	enum reg_address_type type;
	uint64_t acct;
	int64_t since_secs;
	int64_t until_secs; /* an alias's end is proposed then, never automatic; 0: for good */
};

enum reg_agency_text {
	AG_NAME, AG_PARENT, AG_TYPE, AG_ADDRESS, AG_PHONE, AG_WEBSITE, AG_LOCATION, AG_COUNT
};
extern const struct reg_text_row reg_agency_texts[AG_COUNT];
struct reg_agency {
	char *code;
	uint32_t rank;
	uint64_t pool_bytes;     /* that its accounts share; 0: none */
	uint32_t staff;          /* people who work there, with a box or without; 0: not told */
	char *cluster;           /* of emulation, "Khối sở, ban, ngành"; never NULL */
	char *text[AG_COUNT];
};
struct reg_domain {
	char *name, *target;     /* target "" unless an alias domain */
};

/* Who administers: row R + name. */
struct reg_admin {
	char *name;              /* "unix:nam" or an address key */
	enum cv_admin_role role;
	char *agency;            /* of an agency's administrator, or "" */
	char *by;                /* who gave the role */
	int64_t since_secs;
};

struct reg_model {
	struct reg_account **accounts; /* ascending by acct */
	size_t count, cap;
	struct cv_map addresses;       /* address key -> struct reg_address */
	struct cv_map agencies;        /* code -> struct reg_agency */
	struct cv_map closed;          /* code that no unit has any more -> code after it, or "" */
	struct cv_map domains;         /* name -> struct reg_domain */
	struct cv_map admins;          /* name -> struct reg_admin */
	struct reg_docs docs;
	uint64_t next_number;          /* of the next account, from 1 */
	char *default_domain;
};

void reg_model_init(struct reg_model *m, const char *default_domain);
void reg_model_done(struct reg_model *m);
struct reg_account *reg_model_find(const struct reg_model *m, uint64_t acct);
/* Takes A over; its number must be above all others. */
void reg_model_add(struct reg_model *m, struct reg_account *a);
void reg_model_put_address(struct reg_model *m, struct cv_str key, const struct reg_address *a);
void reg_model_put_agency(struct reg_model *m, struct reg_agency *g); /* takes G over */
/* The unit CODE is there no more and SUCCESSOR follows it; NULL: it was never closed. */
void reg_model_close_code(struct reg_model *m, struct cv_str code, const char *successor);
void reg_model_put_domain(struct reg_model *m, struct cv_str name, struct cv_str target);

struct reg_account *reg_account_new(void);
struct reg_account *reg_account_copy(const struct reg_account *a); /* with its lists */
void reg_account_free(struct reg_account *a);
void reg_account_set(struct reg_account *a, enum reg_text which, struct cv_str text);
struct reg_agency *reg_agency_new(struct cv_str code);
void reg_agency_free(struct reg_agency *g);
void reg_agency_set(struct reg_agency *g, enum reg_agency_text which, struct cv_str text);
void reg_agency_set_cluster(struct reg_agency *g, struct cv_str text);
bool reg_list_has(const struct reg_list *l, uint64_t item);
void reg_list_add(struct reg_list *l, uint64_t item);
bool reg_list_del(struct reg_list *l, uint64_t item);

/* model_route.c */
/* The route of A, made when there is none. */
struct reg_route *reg_route_of(struct reg_account *a);
void reg_route_set(struct reg_route *route, enum reg_route_text which, struct cv_str text);
/* No different from none. */
bool reg_route_is_default(const struct reg_route *route);
void reg_route_free(struct reg_route *route);
/* NULL when there is none. */
struct reg_target *reg_target_find(const struct reg_account *a, enum cv_reg_target_kind kind,
                                   struct cv_str address);
/* Puts a copy of T into A's list, over one of the same kind and address. */
void reg_target_put(struct reg_account *a, const struct reg_target *t);
bool reg_target_del(struct reg_account *a, enum cv_reg_target_kind kind, struct cv_str address);
/* What a copy of an account needs of its own, and what freeing it must free. */
void reg_routing_copy(struct reg_account *copy, const struct reg_account *a);
void reg_routing_free(struct reg_account *a);
void reg_route_encode(const struct reg_route *route, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_route_decode(struct cv_str row, struct reg_route *route);
void reg_target_encode(const struct reg_target *t, struct cv_buf *out);
/* Kind and address stand in the key; reason is the caller's to free. */
CV_MUST_CHECK enum cv_status reg_target_decode(struct cv_str row, struct reg_target *t);
extern const char *const reg_post_words[];  /* by enum cv_reg_post; NULL ends */

/* Rows. Decoders refuse what encoders do not write: CV_CORRUPT. */
void reg_account_encode(const struct reg_account *a, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_account_decode(struct cv_str row, struct reg_account *a);
/* The account of row A + number with this value, to be freed; NULL when there is no value, or it is
 * damaged. */
struct reg_account *reg_account_of_row(struct cv_str key, struct cv_str value);
void reg_secret_encode(const struct reg_secret *s, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_secret_decode(struct cv_str row, struct reg_secret *s);
void reg_agency_encode(const struct reg_agency *g, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_agency_decode(struct cv_str row, struct reg_agency *g);
void reg_address_encode(const struct reg_address *a, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_address_decode(struct cv_str row, struct reg_address *a);

void reg_admin_encode(const struct reg_admin *a, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_admin_decode(struct cv_str row, struct reg_admin *a);
void reg_admin_free(struct reg_admin *a);

extern const char *const reg_kind_words[];  /* by enum cv_reg_kind; NULL ends */
extern const char *const reg_state_words[]; /* by enum cv_reg_state; NULL ends */

#endif
