/* collect.c - the directory in the order it is read: units by kind, people by rank and name. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/map.h"

#define KEY_MAX   (64u << 10)
#define DEPTH_MAX 32

/* ---- units ---- */

/* clang-format off */
const struct admin_unit_group admin_unit_groups[] = {
	{ "tinh so ban_nganh vp", "Cơ quan cấp tỉnh", "Provincial agencies", "cap-tinh" },
	{ "dvsn", "Đơn vị sự nghiệp công lập", "Public service units", "su-nghiep" },
	{ "xa", "Xã", "Communes", "xa" },
	{ "phuong", "Phường", "Wards", "phuong" },
	{ "dac_khu", "Đặc khu", "Special zones", "dac-khu" },
	{ "dvsn_xa", "Đơn vị sự nghiệp cấp xã", "Service units of communes", "su-nghiep-xa" },
	{ NULL, "Cơ quan, đơn vị khác", "Other bodies", "khac" },
};
/* clang-format on */
const size_t admin_unit_groups_count = CV_COUNT(admin_unit_groups);

size_t
admin_unit_group_of(struct cv_str type)
{
	for (size_t i = 0; i + 1 < admin_unit_groups_count; i++) {
		struct cv_str rest = cv_str_z(admin_unit_groups[i].types), word;
		while (cv_str_split(&rest, ' ', &word))
			if (type.n && cv_str_ieq(word, type))
				return i;
	}
	return admin_unit_groups_count - 1;
}

/* CODE is ROOT or stands below it. */
static bool
is_below(const struct cv_snapshot *s, struct cv_str code, struct cv_str root)
{
	struct cv_reg_agency agency;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		if (cv_str_eq(code, root))
			return true;
		if (!cv_snapshot_agency(s, code, &agency) || !agency.parent.n)
			return false;
		code = agency.parent;
	}
	return false;
}

/* An agency's address is published like any other: not when its box is closed or not listed, nor
 * when there is no such box. One of another domain is taken as it was entered. */
static struct cv_str
official_address(const struct cv_snapshot *s, struct cv_str address, struct cv_str hidden,
	struct cv_arena *arena)
{
	struct cv_reg_hit hit;
	struct admin_entry entry;

	if (!address.n)
		return CV_STR_EMPTY;
	cv_snapshot_find_address(s, address, &hit);
	bool is_public = hit.found == CV_REG_NOT_OURS ||
			 (hit.found == CV_REG_GROUP && hit.account.state == CV_STATE_ACTIVE) ||
			 (hit.found == CV_REG_ACCOUNT &&
				 admin_entry_take(&hit.account, hidden, arena, &entry));
	return is_public ? admin_public_text(arena, address) : CV_STR_EMPTY;
}

static void
fill_unit(const struct cv_snapshot *s, const struct cv_reg_agency *a, struct cv_str hidden,
	struct cv_arena *arena, struct admin_unit *u)
{
	struct cv_reg_agency parent;
	struct cv_buf key = CV_BUF_INIT(KEY_MAX);

	*u = (struct admin_unit){
		.code = admin_public_text(arena, a->code),
		.name = admin_public_text(arena, a->name),
		.parent = admin_public_text(arena, a->parent),
		.type = admin_public_text(arena, a->type),
		.address = official_address(s, a->address, hidden, arena),
		.phone = admin_public_text(arena, a->phone),
		.website = admin_public_text(arena, a->website),
		.location = admin_public_text(arena, a->location),
		.rank = a->rank,
	};
	if (a->parent.n && cv_snapshot_agency(s, a->parent, &parent))
		u->parent_name = admin_public_text(arena, parent.name);
	cv_buf_c(&key, (char)('a' + admin_unit_group_of(a->type)));
	cv_buf_be32(&key, a->rank);
	admin_sort_key_add(&key, a->name);
	cv_buf_str(&key, a->code);
	u->sort_key = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
}

static int
compare_units(const void *a, const void *b)
{
	return cv_str_cmp(
		((const struct admin_unit *)a)->sort_key, ((const struct admin_unit *)b)->sort_key);
}

static int
compare_entries(const void *a, const void *b)
{
	return cv_str_cmp(((const struct admin_entry *)a)->sort_key,
		((const struct admin_entry *)b)->sort_key);
}

/* CODE or one above it is not published. */
static bool
is_hidden(const struct cv_snapshot *s, struct cv_str code, struct cv_str hidden)
{
	struct cv_reg_agency agency;

	for (unsigned depth = 0; hidden.n && code.n && depth < DEPTH_MAX; depth++) {
		if (admin_is_hidden(hidden, code, CV_STR_EMPTY))
			return true;
		code = cv_snapshot_agency(s, code, &agency) ? agency.parent : CV_STR_EMPTY;
	}
	return false;
}

static enum cv_status
collect_units(const struct cv_snapshot *s, struct admin_directory *d, struct cv_err *err)
{
	struct cv_str root = d->wish.agency, hidden = d->wish.hidden;
	size_t all = cv_snapshot_agencies(s);
	struct cv_reg_agency agency;

	if (root.n && (!cv_snapshot_agency(s, root, &agency) || is_hidden(s, root, hidden)))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(root));
	d->units = CV_ARENA_ARRAY(&d->arena, struct admin_unit, all + 1);
	for (size_t i = 0; i < all; i++)
		if (cv_snapshot_nth_agency(s, i, &agency) && !is_hidden(s, agency.code, hidden) &&
			(!root.n || is_below(s, agency.code, root)))
			fill_unit(s, &agency, hidden, &d->arena, &d->units[d->count++]);
	qsort(d->units, d->count, sizeof *d->units, compare_units);
	return CV_OK;
}

static void
index_units(struct admin_directory *d, struct cv_map *by_code)
{
	cv_map_init(by_code);
	for (size_t i = 0; i < d->count; i++)
		cv_map_put(by_code, d->units[i].code, &d->units[i]);
}

static void
add_entry(struct admin_unit *u, const struct admin_entry *e)
{
	/* The agency's own address stands above the list, not in it. */
	if (e->is_role && cv_str_eq(e->address, u->address))
		return;
	u->entries[u->count++] = *e;
	u->roles += e->is_role;
	u->has_mobile = u->has_mobile || e->phone_mobile.n;
}

/* Counts what each unit will hold, then fills it. */
static void
collect_entries(const struct cv_snapshot *s, struct cv_map *by_code, struct admin_directory *d)
{
	size_t all = cv_snapshot_accounts(s);
	struct cv_reg_account a;
	struct cv_reg_agency agency;
	struct admin_entry entry;
	struct admin_unit *u;

	for (size_t i = 0; i < all; i++) {
		if (!cv_snapshot_nth(s, i, &a) || !(u = cv_map_get(by_code, a.agency)))
			continue;
		u->count++;
		u->staff += a.kind == CV_KIND_PERSON && a.state == CV_STATE_ACTIVE;
	}
	for (size_t i = 0; i < d->count; i++) {
		d->units[i].entries =
			CV_ARENA_ARRAY(&d->arena, struct admin_entry, d->units[i].count + 1);
		d->units[i].count = 0;
	}
	for (size_t i = 0; i < all; i++) {
		if (!cv_snapshot_nth(s, i, &a) ||
			!admin_entry_take(&a, d->wish.hidden, &d->arena, &entry))
			continue;
		u = cv_map_get(by_code, a.agency);
		if (u)
			add_entry(u, &entry);
		else
			d->homeless += !d->wish.agency.n &&
				       !(a.agency.n && cv_snapshot_agency(s, a.agency, &agency));
	}
}

static void
keep_wish(struct admin_directory *d, const struct admin_directory_wish *wish)
{
	d->wish = *wish;
	d->wish.province = admin_public_text(&d->arena, wish->province);
	d->wish.domain = cv_arena_str(&d->arena, wish->domain);
	d->wish.agency = cv_arena_str(&d->arena, wish->agency);
	d->wish.hidden = cv_arena_str(&d->arena, wish->hidden);
	d->province = d->wish.province;
	snprintf(d->day, sizeof d->day, "%s", wish->day);
	d->wish.day = d->day;
}

enum cv_status
admin_directory_build(const struct cv_snapshot *s, const struct admin_directory_wish *wish,
	struct admin_directory *d, struct cv_err *err)
{
	struct cv_map by_code;

	keep_wish(d, wish);
	enum cv_status status = collect_units(s, d, err);
	if (status != CV_OK)
		return status;
	index_units(d, &by_code);
	collect_entries(s, &by_code, d);
	cv_map_done(&by_code);
	for (size_t i = 0; i < d->count; i++) {
		struct admin_unit *u = &d->units[i];
		qsort(u->entries, u->count, sizeof *u->entries, compare_entries);
		snprintf(u->updated, sizeof u->updated, "%s", d->day);
		d->people += u->count - u->roles;
		d->roles += u->roles;
	}
	return CV_OK;
}

const struct admin_unit *
admin_directory_unit(const struct admin_directory *d, struct cv_str code)
{
	for (size_t i = 0; code.n && i < d->count; i++)
		if (cv_str_eq(d->units[i].code, code))
			return &d->units[i];
	return NULL;
}

void
admin_directory_done(struct admin_directory *d)
{
	cv_arena_done(&d->arena);
	*d = (struct admin_directory){0};
}
