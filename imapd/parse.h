/* parse.h - the words of IMAP: tags, atoms, strings, literals, numbers.
 *
 * A parser stands at a place in one whole command (input.h) and moves on. Each function takes its
 * word and answers true, or leaves the place alone and answers false; the first fault keeps its
 * sentence for the BAD answer. Slices point into the text or into the arena. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_PARSE_H
#define IMAPD_PARSE_H

#include "common/base/arena.h"
#include "common/base/spool.h"

struct imapd_parse {
	struct cv_str text;
	size_t pos;
	struct cv_arena *arena;   /* may be NULL where no escapes need undoing */
	const char *fault;        /* NULL, or what is wrong */
	struct cv_spool **spools; /* messages of APPEND, in order */
	unsigned spool_count, spools_taken;
	bool utf8;       /* mailbox names are UTF-8, and so is what is searched for */
	bool no_charset; /* SEARCH may name none (RFC 9755 3) */
	bool rev2;       /* IMAP4rev2: what RFC 9051 took away is not there */
	bool uid_only;   /* UIDONLY: message numbers are a fault */
	bool has_numbers; /* and that was the fault */
	bool is_exact;   /* SEARCH compares diacritics too (search_exact) */
};

/* Keeps WHY unless a fault is known already; answers false. */
bool imapd_fault(struct imapd_parse *p, const char *why);
/* The same for message numbers where UIDONLY forbids them (RFC 9586 3). */
bool imapd_fault_numbers(struct imapd_parse *p);

bool imapd_is_tag_char(unsigned char c);
bool imapd_is_atom_char(unsigned char c);

bool imapd_at_end(const struct imapd_parse *p);
/* The next byte, or 0 at the end. */
unsigned char imapd_peek(const struct imapd_parse *p);
/* Takes C if it is next; no fault otherwise. */
bool imapd_take(struct imapd_parse *p, char c);
/* Takes WORD (any case) if it is next and no atom character follows; no fault otherwise. */
bool imapd_take_word(struct imapd_parse *p, const char *word);
/* Takes PREFIX (any case) whatever follows; no fault otherwise. */
bool imapd_take_prefix(struct imapd_parse *p, const char *prefix);
/* Takes C, or it is a fault. */
bool imapd_need(struct imapd_parse *p, char c, const char *why);
bool imapd_parse_sp(struct imapd_parse *p);

bool imapd_parse_tag(struct imapd_parse *p, struct cv_str *out);
bool imapd_parse_atom(struct imapd_parse *p, struct cv_str *out);
/* "quoted" or {literal}. */
bool imapd_parse_string(struct imapd_parse *p, struct cv_str *out);
bool imapd_parse_astring(struct imapd_parse *p, struct cv_str *out); /* "]" allowed in the atom */
bool imapd_parse_nstring(struct imapd_parse *p, struct cv_str *out); /* NIL: p NULL */
/* The same, or literal8 ("~{n}"): any bytes (RFC 5464 5, value). */
bool imapd_parse_octets(struct imapd_parse *p, struct cv_str *out);
bool imapd_parse_list_mailbox(struct imapd_parse *p, struct cv_str *out); /* "%" and "*" too */
/* Digits, at most MAX. */
bool imapd_parse_number(struct imapd_parse *p, uint64_t max, uint64_t *out);
/* Passes over an astring without undoing escapes. */
bool imapd_skip_astring(struct imapd_parse *p);
/* The message that stands for a literal marker here, "{n}" or "~{n}". */
bool imapd_parse_message(struct imapd_parse *p, struct cv_spool **out);

#endif
