/* directory.h - the public directory: what may be published of the register, in the order it is
 * read.
 *
 * Every format is made from these structures and from nothing else; one function,
 * admin_entry_take(), decides what of an account gets into them (DIR-02, DIR-04). All texts are
 * valid UTF-8 in NFC without control and direction characters.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIRECTORY_H
#define ADMIN_DIRECTORY_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/register/register.h"

#define ADMIN_DIRECTORY_SCHEMA 1 /* of the JSON files; goes up when a field changes its meaning */

/* A person, or a role box of an agency ("văn thư"), as the public may see it. */
struct admin_entry {
	struct cv_str name, surname, middle, given; /* the last three of persons only */
	struct cv_str title, department, phone_office, phone_mobile, address;
	uint32_t rank;
	bool is_role;
	struct cv_str sort_key;
};

struct admin_unit {
	struct cv_str code, name, parent, parent_name, type, address, phone, website, location;
	uint32_t rank;
	struct admin_entry
		*entries; /* role boxes first, then people by rank, tên, họ, đệm (DIR-05) */
	size_t count, roles;
	size_t staff; /* people who work there, published or not: for the operator alone */
	bool has_mobile;
	char updated[11]; /* day of the last change, "2026-11-22": filled by the publisher */
	char digest[65];
	struct cv_str sort_key;
};

/* What is wanted of it. */
struct admin_directory_wish {
	struct cv_str province;
	struct cv_str domain; /* of the register: names of LDAP, traps */
	struct cv_str agency; /* this one and those below it; empty: all */
	struct cv_str hidden; /* agencies and departments that are not published, see below */
	const char *day;      /* of publication, "2026-11-22" */
	const char *url;      /* where the public finds it, ending in "/"; or "" */
	bool english;         /* labels in English too */
	bool coded;           /* addresses on pages as character references (DIR-06) */
	bool traps;           /* each file with an address of its own that nobody has (DIR-06) */
};

struct admin_directory {
	struct cv_arena arena;
	struct admin_directory_wish wish; /* texts cleaned, living here */
	struct cv_str province;
	char day[11];
	struct admin_unit *units; /* by type, rank, name */
	size_t count;
	size_t people, roles;
	size_t homeless; /* listed, but of no agency that exists: not published */
};

/* ---- filter.c ---- */

/* What the public may see of account A. False when nothing: not listed, suspended or retired, a
 * group or an application, of a hidden department. The mobile number only with recorded consent.
 * OUT lives in ARENA. Pure. */
CV_MUST_CHECK bool admin_entry_take(const struct cv_reg_account *a, struct cv_str hidden,
	struct cv_arena *arena, struct admin_entry *out);
/* Whether HIDDEN names AGENCY ("bqs") or its DEPARTMENT ("snv/phong-co-yeu": the department without
 * diacritics, words joined by "-"). Words are parted by blanks. */
bool admin_is_hidden(struct cv_str hidden, struct cv_str agency, struct cv_str department);
/* TEXT in NFC without control and direction characters, at most 4096 octets. */
struct cv_str admin_public_text(struct cv_arena *arena, struct cv_str text);
/* Appends the Vietnamese sort key of TEXT as one part of a longer key. */
void admin_sort_key_add(struct cv_buf *key, struct cv_str text);
/* TEXT folded for search, its words joined by JOINT. */
void admin_fold_words(struct cv_str text, char joint, struct cv_buf *out);

/* ---- collect.c ---- */

/* Fills D (zeroed before) from S. CV_NOT_FOUND when the wished agency is not there, or hidden. */
CV_MUST_CHECK enum cv_status admin_directory_build(const struct cv_snapshot *s,
	const struct admin_directory_wish *wish, struct admin_directory *d, struct cv_err *err);
void admin_directory_done(struct admin_directory *d);
/* NULL when D has none such. */
const struct admin_unit *admin_directory_unit(const struct admin_directory *d, struct cv_str code);

/* Groups of the index page. */
struct admin_unit_group {
	const char *types; /* words of agency types; NULL: all that no group names */
	const char *title, *title_en;
	const char *anchor;
};
extern const struct admin_unit_group admin_unit_groups[];
extern const size_t admin_unit_groups_count;
/* The index of the group that TYPE belongs to. */
size_t admin_unit_group_of(struct cv_str type);

#endif
