/* address.h - mail addresses: in an SMTP envelope, in a form or file, and in header fields.
 *
 * Three readers with three tempers. cv_path_parse() and cv_address_split() are strict: what they
 * accept may be relayed. cv_addr_list_parse() is forgiving: it makes an IMAP ENVELOPE out of
 * whatever was sent, never fails on grammar, and must never decide anything. cv_from_strict()
 * reads a From field for decisions (DMARC, sender identity) and refuses all that is not plainly
 * one mailbox list. Pure functions, no I/O, thread-safe, never recursive.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ADDRESS_H
#define CV_ADDRESS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/text/domain.h"

#define CV_LOCAL_MAX 64      /* octets left of the @, quotes included (RFC 5321 4.5.3.1.1) */
#define CV_PATH_MAX 256      /* octets of a path with its brackets, without a route (4.5.3.1.3) */
#define CV_ROUTE_MAX 1024    /* octets of a source route, which is read and dropped */
#define CV_COMMENT_NEST_MAX 50
#define CV_ADDR_COUNT_MAX 10000
#define CV_ADDR_FIELD_MAX (1u << 20) /* octets of one address field */

enum cv_path_flags {
	CV_PATH_SMTPUTF8 = 1 << 0,   /* UTF-8 in local part and domain (RFC 6531) */
	CV_PATH_ALLOW_NULL = 1 << 1, /* "<>": MAIL only */
	CV_PATH_POSTMASTER = 1 << 2, /* "<Postmaster>" without a domain: RCPT only */
	CV_PATH_LEADING_SPACE = 1 << 3, /* blanks before "<", which many devices send */
};

/* Slices of the input. */
struct cv_path {
	struct cv_str address; /* local@domain as written, without brackets and source route */
	struct cv_str local;   /* as written: quotes and backslashes kept */
	struct cv_str domain;  /* as written; a literal with its brackets; empty for <>,
			        * <Postmaster> */
	bool is_null;          /* <> */
	bool is_postmaster;    /* <Postmaster>, any case, without a domain */
	bool is_quoted;        /* the local part is a quoted string */
	bool is_literal;       /* the domain is an address literal */
	bool has_utf8;         /* some byte is above 127: needs SMTPUTF8 onward */
	bool had_route;        /* a source route was dropped */
};

/* Reads "<...>" at the start of IN, the argument of MAIL FROM: or RCPT TO: (RFC 5321 4.1.2).
 * After ">" comes the end or a blank; *rest_out (may be NULL) is what follows the blanks: the
 * parameters. CV_INVALID or CV_LIMIT with the reason. */
CV_MUST_CHECK enum cv_status cv_path_parse(struct cv_str in, unsigned flags, struct cv_path *out,
                                           struct cv_str *rest_out, struct cv_err *err);

/* Reads a bare local@domain that fills IN: a login, a form field, a line of a list. Only
 * CV_PATH_SMTPUTF8 has a meaning in FLAGS. Same grammar, same errors. */
CV_MUST_CHECK enum cv_status cv_address_split(struct cv_str in, unsigned flags,
                                              struct cv_path *out, struct cv_err *err);
bool cv_address_is_valid(struct cv_str in, unsigned flags);

/* Appends the spelling of PATH under which two ways to write one address are equal: needless
 * quotes and backslashes dropped, UTF-8 in NFC, domain in lower-case A-labels. The case of the
 * local part is kept. Null and Postmaster paths append "" and "postmaster". */
CV_MUST_CHECK enum cv_status cv_path_normalise(const struct cv_path *path, struct cv_buf *out,
                                               struct cv_err *err);
/* cv_address_split() with UTF-8 allowed, then cv_path_normalise(). */
CV_MUST_CHECK enum cv_status cv_address_normalise(struct cv_str in, struct cv_buf *out,
                                                  struct cv_err *err);
/* The same with the local part in lower case too (ASCII and Vietnamese): the key under which our
 * own mailboxes, whose local parts ignore case, are looked up. */
CV_MUST_CHECK enum cv_status cv_address_key(struct cv_str in, struct cv_buf *out,
                                            struct cv_err *err);
/* The local part's text without quotes and backslashes. */
void cv_path_local_text(const struct cv_path *path, struct cv_buf *out);
/* Appends LOCAL (plain text), quoted if it is no dot-atom. */
void cv_local_write(struct cv_buf *out, struct cv_str local);

/* Header fields, for ENVELOPE and display. */
enum cv_addr_kind {
	CV_ADDR_MAILBOX,
	CV_ADDR_GROUP_START, /* mailbox holds the group's name, all else NIL (RFC 3501 7.4.2) */
	CV_ADDR_GROUP_END,   /* all NIL */
};

/* A slice with p == NULL is IMAP's NIL. Texts are unfolded, unquoted and free of comments;
 * encoded words and 8-bit bytes are left as they came; control bytes are dropped. */
struct cv_addr {
	enum cv_addr_kind kind;
	struct cv_str name;    /* the phrase; without one the last comment */
	struct cv_str adl;     /* source route "@a,@b" */
	struct cv_str mailbox; /* local part, unquoted */
	struct cv_str host;    /* empty, not NIL, when an address had no domain */
};

struct cv_addr_list {
	struct cv_addr *items;
	size_t n;
	bool is_broken;    /* something did not follow the grammar and was guessed at */
	bool is_truncated; /* more than CV_ADDR_COUNT_MAX or CV_ADDR_FIELD_MAX: the rest is left
			    * out */
};

/* Reads the raw or unfolded VALUE of From, To, Cc, ... Never fails. Memory from ARENA, some
 * slices into VALUE. */
void cv_addr_list_parse(struct cv_arena *arena, struct cv_str value, struct cv_addr_list *out);

/* One author, strictly read. */
struct cv_mailbox {
	struct cv_str name;    /* phrase, unquoted, encoded words not decoded; empty if none */
	struct cv_str local;   /* as written, quotes kept */
	struct cv_str domain;  /* as written: A- or U-labels or a literal; see
			        * cv_domain_to_ascii() */
	struct cv_str address; /* local@domain, comments and folding removed */
};

struct cv_from {
	struct cv_mailbox *items;
	size_t n; /* at least 1 */
};

/* Reads VALUE (raw) as mailbox-list of RFC 5322 with UTF-8 of RFC 6532. Of the obsolete syntax
 * only the dot in a phrase ("John Q. Public") is taken. Refuses groups, routes, empty elements,
 * blanks inside an address, control bytes, broken UTF-8, bad domains, local parts over 64 octets:
 * CV_INVALID; too deep, too many or too long: CV_LIMIT; each with the reason. The caller makes
 * sure that there is exactly one From field: cv_header_count(). */
CV_MUST_CHECK enum cv_status cv_from_strict(struct cv_arena *arena, struct cv_str value,
                                            struct cv_from *out, struct cv_err *err);

/* Appends `Name <address>` for a header field: atoms, a quoted string or encoded words, as NAME
 * (UTF-8, may be empty: then the bare address) needs. No folding; see cv_header_fold(). */
void cv_mailbox_write(struct cv_buf *out, struct cv_str name, struct cv_str address);

#endif
