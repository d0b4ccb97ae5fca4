/* acl.h - access control lists of mailboxes (RFC 4314): rights, identifiers, row form. Pure.
 *
 * An identifier is kept in one spelling:
 *   duyen@tinh.example         a person: the primary address, as cv_address_key() writes it
 *   group:to-a@tinh.example    the members of a group, or the holders of a role or agency box
 *   $holders                   the holders of the box that the mailbox belongs to
 *   anyone                     everybody who is logged in
 * Whether an address exists, and whose it is, the caller knows. A negative entry ("-" before the
 * identifier) takes rights away whatever other entries give. Entries are sorted by identifier, the
 * positive one first; an entry without rights is kept only where that differs from no entry.
 *
 * Decoding trusts nothing (tests/fuzz/acl_fuzz.c). Thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ACL_H
#define CV_ACL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_ACL_ENTRIES_MAX 128u
#define CV_ACL_ID_MAX      400u /* bytes of an identifier in its one spelling */
#define CV_ACL_ROW_MAX     (CV_ACL_ENTRIES_MAX * (CV_ACL_ID_MAX + 8))

/* The letters of RFC 4314 2.1. */
enum {
	CV_RIGHT_L = 1,    /* the mailbox is seen in LIST */
	CV_RIGHT_R = 2,    /* SELECT, STATUS */
	CV_RIGHT_S = 4,    /* \Seen */
	CV_RIGHT_W = 8,    /* flags but \Seen and \Deleted */
	CV_RIGHT_I = 16,   /* APPEND and COPY into it */
	CV_RIGHT_P = 32,   /* mail to its address; IMAP does not look at it */
	CV_RIGHT_K = 64,   /* CREATE below it */
	CV_RIGHT_X = 128,  /* DELETE and RENAME */
	CV_RIGHT_T = 256,  /* \Deleted */
	CV_RIGHT_E = 512,  /* EXPUNGE */
	CV_RIGHT_A = 1024, /* reads and changes the list */
	CV_RIGHTS_ALL = 2047,
	CV_RIGHTS_HOLDER = CV_RIGHTS_ALL & ~CV_RIGHT_A, /* of who holds a box and has no entry */
	/* Who has one of these may know that the mailbox exists (RFC 4314 4, MYRIGHTS). */
	CV_RIGHTS_KNOWING =
		CV_RIGHT_L | CV_RIGHT_R | CV_RIGHT_I | CV_RIGHT_K | CV_RIGHT_X | CV_RIGHT_A
};

/* Reads letters. The older c stands for k and x, d for e and t (RFC 4314 2.1.1). False: one is no
 * right, upper case among them. */
bool cv_rights_parse(struct cv_str letters, uint32_t *rights_out);
/* Appends letters, in one order, without c and d. */
void cv_rights_write(uint32_t rights, struct cv_buf *out);
/* With c where k or x is, and d where e or t is: what answers of IMAP show. */
void cv_rights_write_old(uint32_t rights, struct cv_buf *out);

struct cv_acl_entry {
	struct cv_str id; /* without "-" */
	bool is_negative;
	uint32_t rights;
};
struct cv_acl {
	struct cv_acl_entry *entries;
	size_t count;
};

extern const struct cv_str cv_acl_anyone, cv_acl_holders; /* "anyone", "$holders" */

enum cv_acl_kind { CV_ACL_PERSON, CV_ACL_GROUP, CV_ACL_HOLDERS, CV_ACL_ANYONE };
/* What kind of identifier ID, in its one spelling, is, and its address where it has one. */
enum cv_acl_kind cv_acl_kind(struct cv_str id, struct cv_str *address_out);

/* An identifier as somebody wrote it: any case, UTF-8 in any form, perhaps "-" before it, an
 * address without domain at DEFAULT_DOMAIN. *id_out lies in ARENA. CV_INVALID. */
CV_MUST_CHECK enum cv_status cv_acl_id_parse(struct cv_str given, struct cv_str default_domain,
	struct cv_arena *arena, struct cv_str *id_out, bool *is_negative_out, struct cv_err *err);
/* "group:" before ADDRESS, in ARENA. */
struct cv_str cv_acl_group_id(struct cv_str address, struct cv_arena *arena);

/* The row's value, and back; slices point into ROW. An empty ROW is an empty list. */
void cv_acl_encode(const struct cv_acl *acl, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_acl_decode(
	struct cv_str row, struct cv_arena *arena, struct cv_acl *out);
bool cv_acl_is_valid(struct cv_str row);

/* The rights that ROW, a valid one, gives on top of BASE to somebody: IS says for each identifier
 * whether it means them, and is not asked about "anyone". Negative entries take away last. */
typedef bool cv_acl_is_fn(void *arg, struct cv_str id);
uint32_t cv_acl_rights(struct cv_str row, uint32_t base, cv_acl_is_fn *is, void *arg);
/* The rights of the entry for ID; false when there is none. */
bool cv_acl_find(struct cv_str row, struct cv_str id, bool is_negative, uint32_t *rights_out);

enum cv_acl_op { CV_ACL_SET, CV_ACL_ADD, CV_ACL_REMOVE };
struct cv_acl_change {
	struct cv_str id; /* in its one spelling */
	bool is_negative;
	enum cv_acl_op op; /* DELETEACL: SET no rights */
	uint32_t rights;
	uint32_t without; /* what ID has without an entry: 0 but for $holders */
};
/* "+lr", "-w", "lrs" into op and rights; false as for cv_rights_parse(). */
bool cv_acl_parse_change(struct cv_str text, struct cv_acl_change *change);
/* Writes the row that CHANGE makes of ROW into OUT, which is empty; it stays so when the list is.
 * CV_LIMIT when there are too many entries, CV_INVALID when the identifier is too long or empty,
 * CV_CORRUPT. */
CV_MUST_CHECK enum cv_status cv_acl_apply(struct cv_str row, const struct cv_acl_change *change,
	struct cv_buf *out, struct cv_err *err);

#endif
