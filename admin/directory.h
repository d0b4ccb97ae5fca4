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
#include "common/register/register.h"

#define ADMIN_DIRECTORY_SCHEMA 1 /* of the JSON files; goes up when a field changes its meaning */

/* A person, or a role box of an agency ("văn thư"), as the public may see it. */
struct admin_entry {
	struct cv_str name, title, department, phone_office, phone_mobile, address;
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
	bool has_mobile;
	char updated[11]; /* day of the last change, "2026-11-22": filled by the publisher */
	char digest[65];
	struct cv_str sort_key;
};

struct admin_directory {
	struct cv_arena arena;
	struct cv_str province;
	char day[11];             /* of publication, "2026-11-22" */
	struct admin_unit *units; /* by type, rank, name */
	size_t count;
	size_t people, roles;
	size_t homeless; /* listed, but of no agency that exists: not published */
};

/* What the public may see of account A. False when nothing: not listed, suspended or retired, a
 * group or an application. The mobile number only with recorded consent. OUT lives in ARENA. */
CV_MUST_CHECK bool admin_entry_take(
	const struct cv_reg_account *a, struct cv_arena *arena, struct admin_entry *out);

/* Fills D (zeroed before) from S. AGENCY: this one and those below it, CV_NOT_FOUND when there is
 * none such; empty: all. DAY as above. */
CV_MUST_CHECK enum cv_status admin_directory_build(const struct cv_snapshot *s,
	struct cv_str province, struct cv_str agency, const char *day, struct admin_directory *d,
	struct cv_err *err);
void admin_directory_done(struct admin_directory *d);

/* Groups of the index page. */
struct admin_unit_group {
	const char *types; /* words of agency types; NULL: all that no group names */
	const char *title; /* Vietnamese */
	const char *anchor;
};
extern const struct admin_unit_group admin_unit_groups[];
extern const size_t admin_unit_groups_count;
/* The index of the group that TYPE belongs to. */
size_t admin_unit_group_of(struct cv_str type);

#endif
