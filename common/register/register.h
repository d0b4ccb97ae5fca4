/* register.h - the provincial register as every program sees it: an immutable, mapped snapshot.
 *
 * The owner (imapd) writes <register_dir>/register.snap and the tighter register.secret after each
 * change and renames them into place; readers map the newest and look addresses up in memory,
 * without imapd. A snapshot is counted: hold it for one decision, give it back. registry.h changes
 * things.
 *
 * Addresses are compared as: local part ASCII lower case (UTF-8 in NFC, lower case), domain as
 * A-label lower case. An alias domain maps to its target domain, but for the addresses that stood
 * in it before it became one: they stay whose they were.
 * Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_H
#define CV_REGISTER_H

#include <sys/socket.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/str.h"

typedef uint64_t cv_acct_no; /* the store account of a box: same number as cv_acct_id */

enum cv_reg_kind { CV_KIND_PERSON, CV_KIND_AGENCY, CV_KIND_ROLE, CV_KIND_GROUP, CV_KIND_APP };
enum cv_reg_state {
	CV_STATE_ACTIVE, CV_STATE_SUSPENDED, /* no log-in, mail still arrives */
	CV_STATE_RETIRED                     /* no log-in, no mail; never given to another person */
};

struct cv_reg_account {            /* slices live as long as the snapshot */
	cv_acct_no acct;
	enum cv_reg_kind kind;
	enum cv_reg_state state;
	struct cv_str address;         /* primary, normalised */
	struct cv_str display_name;    /* "Đặng Thị Duyên" or the agency's name */
	struct cv_str surname, middle, given; /* persons */
	struct cv_str title;           /* chức vụ */
	uint32_t rank;                 /* 10 first ... 70 last */
	struct cv_str agency;          /* code of the unit: "stp" */
	struct cv_str department;      /* phòng, or "" */
	struct cv_str phone_office, phone_mobile; /* mobile only published with consent */
	bool mobile_consent;
	bool listed;                   /* appears in the public directory */
	uint64_t quota_bytes;
	bool must_change_password;
	bool has_route;                /* cv_snapshot_route() has something to say */
	int64_t created_secs;
};
/* Who may write to a group. */
enum cv_reg_post {
	CV_POST_STAFF,    /* the default: whoever has logged in */
	CV_POST_ANYONE, CV_POST_OFFICIAL, /* official domains, and staff */
	CV_POST_MEMBERS, CV_POST_NAMED,   /* members; accounts named one by one */
	CV_POST_NOBODY
};
struct cv_reg_route {              /* where mail goes beside the box */
	enum cv_reg_post post;
	struct cv_str owner;           /* of a group: where bounces of outside members go, or "" */
	struct cv_str successor;       /* of a retired address, or "" */
	int64_t notice_until_secs;     /* senders are told of the successor until then */
	int64_t forward_until_secs;    /* the successor gets the mail until then */
	int64_t absence_from_secs, absence_until_secs; /* [from, until); until 0: no absence */
	struct cv_str absence_vi, absence_en, absence_outside; /* texts of the reply, or "" */
	size_t targets;
};
enum cv_reg_target_kind { CV_TARGET_MEMBER, CV_TARGET_FORWARD };
struct cv_reg_target {
	enum cv_reg_target_kind kind;
	struct cv_str address;         /* ours or not */
	int64_t until_secs;            /* 0: for good */
	bool keep;                     /* a forward that leaves a copy in the box */
};
struct cv_reg_agency {
	struct cv_str code, name, parent; /* parent code or "" */
	struct cv_str type;            /* so, xa, phuong, dac_khu, dvsn, ... */
	uint32_t rank;
	struct cv_str address;         /* agency's official address or "" */
	struct cv_str phone, website, location;
};

struct cv_register;
struct cv_snapshot;

/* DIR is register_dir. With_secrets also maps the password file (smtpd, imapd only). A missing
 * snapshot is an empty register, not an error. */
CV_MUST_CHECK enum cv_status cv_register_open(const char *dir, bool with_secrets,
                                              struct cv_register **out, struct cv_err *err);
void cv_register_close(struct cv_register *r);
const char *cv_register_dir(const struct cv_register *r); /* DIR */
/* The newest snapshot, at once after the owner published it (a mapped counter tells; without one
 * the files are looked at once a second, or after cv_register_refresh()); never NULL. A file that
 * fails its check is logged once and the snapshot before it stays. */
const struct cv_snapshot *cv_register_get(struct cv_register *r);
void cv_snapshot_unref(const struct cv_snapshot *s);
void cv_register_refresh(struct cv_register *r);
uint64_t cv_snapshot_generation(const struct cv_snapshot *s);

/* ours, alias or not */
bool cv_snapshot_has_domain(const struct cv_snapshot *s, struct cv_str domain);
struct cv_str cv_snapshot_default_domain(const struct cv_snapshot *s);

/* What an address stands for. */
enum cv_reg_found { CV_REG_NONE, CV_REG_NOT_OURS, CV_REG_ACCOUNT, CV_REG_GROUP };
struct cv_reg_hit {
	enum cv_reg_found found;
	struct cv_reg_account account; /* for ACCOUNT and GROUP */
	bool by_alias;
	struct cv_str key;             /* what stands in the register: an address of the account */
	struct cv_str alias_domain;    /* asked for under this alias domain, not KEY's own; or "" */
};
/* LOCAL and DOMAIN as written (quotes, any case, U-labels). Mail to postmaster of any of our
 * domains that has none finds the default domain's (RFC 5321 4.5.1). */
void cv_snapshot_find(const struct cv_snapshot *s, struct cv_str local, struct cv_str domain,
                      struct cv_reg_hit *out);
/* The same for a whole address "local@domain". */
void cv_snapshot_find_address(const struct cv_snapshot *s, struct cv_str address,
                              struct cv_reg_hit *out);
bool cv_snapshot_account(const struct cv_snapshot *s, cv_acct_no acct, struct cv_reg_account *out);
/* Members of a group or holders of a role box, as accounts; a group may be a member. */
size_t cv_snapshot_members(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out,
                           size_t max);
/* What ACCT is a member of or holds, itself: groups, role and agency boxes. How many, at most MAX
 * of them in OUT, ascending. The first call on a snapshot looks at every link once, later ones only
 * at ACCT's. */
size_t cv_snapshot_memberships(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out,
                               size_t max);
/* The same with the groups that those groups are in, in no order; how many stand in OUT. */
size_t cv_snapshot_all_memberships(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out,
                                   size_t max);
/* How OWNER's box is delegated to ACCT: of the bits; a box delegated whole may be sent as too. */
enum { CV_DELEGATED_SEND_AS = 1, CV_DELEGATED_READ = 2, CV_DELEGATED_FULL = 4 };
unsigned cv_snapshot_delegated(const struct cv_snapshot *s, cv_acct_no owner, cv_acct_no acct);
/* Accounts that are delegated to ACCT, in any of these ways; as memberships above. */
size_t cv_snapshot_delegations(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out,
                               size_t max);
/* False when there is nothing beyond the box. */
bool cv_snapshot_route(const struct cv_snapshot *s, cv_acct_no acct, struct cv_reg_route *out);
/* Target number N of ACCT, outside members of groups and forwards mixed. */
bool cv_snapshot_target(const struct cv_snapshot *s, cv_acct_no acct, size_t n,
                        struct cv_reg_target *out);
/* ACCT is in GROUP or in a group in it. */
bool cv_snapshot_is_member(const struct cv_snapshot *s, cv_acct_no group, cv_acct_no acct);
/* ACCT is named as one who may write to GROUP. */
bool cv_snapshot_is_poster(const struct cv_snapshot *s, cv_acct_no group, cv_acct_no acct);
/* May ACCT send as ADDRESS: its own addresses, role boxes it holds, delegations to it. */
bool cv_snapshot_may_send_as(const struct cv_snapshot *s, cv_acct_no acct, struct cv_str local,
                             struct cv_str domain);
size_t cv_snapshot_accounts(const struct cv_snapshot *s); /* how many */
bool cv_snapshot_nth(const struct cv_snapshot *s, size_t n, struct cv_reg_account *out);
size_t cv_snapshot_agencies(const struct cv_snapshot *s);
bool cv_snapshot_nth_agency(const struct cv_snapshot *s, size_t n, struct cv_reg_agency *out);
bool cv_snapshot_agency(const struct cv_snapshot *s, struct cv_str code, struct cv_reg_agency *out);
size_t cv_snapshot_domains(const struct cv_snapshot *s);
/* *target_out is empty unless the domain is an alias of another. */
bool cv_snapshot_nth_domain(const struct cv_snapshot *s, size_t n, struct cv_str *name_out,
                            struct cv_str *target_out);

#endif
