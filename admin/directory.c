/* directory.c - see directory.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define TEXT_MAX  4096
#define DEPTH_MAX 32

/* ---- texts ---- */

/* Controls have no place in a page, and directional marks can make an address look like another. */
static bool
is_forbidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

static struct cv_str
clean(struct cv_arena *arena, struct cv_str text)
{
	struct cv_buf nfc = CV_BUF_INIT(TEXT_MAX * 4), out = CV_BUF_INIT(TEXT_MAX * 4);

	(void)cv_utf8_nfc(cv_str_sub(text, 0, TEXT_MAX), &nfc);
	struct cv_str whole = cv_buf_view(&nfc);
	for (size_t pos = 0; pos < whole.n;) {
		uint32_t c = cv_utf8_next(whole, &pos);
		if (is_forbidden(c))
			cv_buf_c(&out, ' ');
		else
			cv_utf8_put(&out, c);
	}
	struct cv_str result = cv_arena_str(arena, cv_str_trim(cv_buf_view(&out)));
	cv_buf_done(&nfc);
	cv_buf_done(&out);
	return result;
}

static void
add_key(struct cv_buf *key, struct cv_str text)
{
	(void)cv_vi_sort_key(text, key);
	cv_buf_c(key, '\0'); /* keys hold no zero, so a shorter one comes first */
}

static struct cv_str
finish_key(struct cv_arena *arena, struct cv_buf *key)
{
	struct cv_str result = cv_arena_str(arena, cv_buf_view(key));

	cv_buf_done(key);
	return result;
}

/* ---- the filter ---- */

bool
admin_entry_take(const struct cv_reg_account *a, struct cv_arena *arena, struct admin_entry *out)
{
	bool is_shared = a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY;

	if (!a->listed || a->state != CV_STATE_ACTIVE || (a->kind != CV_KIND_PERSON && !is_shared))
		return false;
	*out = (struct admin_entry){
		.name = clean(arena, a->display_name),
		.title = clean(arena, a->title),
		.department = clean(arena, a->department),
		.phone_office = clean(arena, a->phone_office),
		.phone_mobile = a->mobile_consent && !is_shared ? clean(arena, a->phone_mobile)
								: CV_STR_EMPTY,
		.address = clean(arena, a->address),
		.rank = a->rank,
		.is_role = is_shared,
	};
	struct cv_buf key = CV_BUF_INIT(TEXT_MAX * 20);
	cv_buf_c(&key, is_shared ? '0' : '1');
	cv_buf_be32(&key, is_shared ? 0 : a->rank);
	add_key(&key, a->given.n ? a->given : a->display_name);
	add_key(&key, a->surname);
	add_key(&key, a->middle);
	cv_buf_str(&key, a->address); /* the order never depends on chance */
	out->sort_key = finish_key(arena, &key);
	return out->address.n > 0;
}

/* ---- units ---- */

/* clang-format off */
const struct admin_unit_group admin_unit_groups[] = {
	{ "tinh so ban_nganh vp", "Cơ quan cấp tỉnh", "cap-tinh" },
	{ "dvsn", "Đơn vị sự nghiệp công lập", "su-nghiep" },
	{ "xa", "Xã", "xa" },
	{ "phuong", "Phường", "phuong" },
	{ "dac_khu", "Đặc khu", "dac-khu" },
	{ "dvsn_xa", "Đơn vị sự nghiệp cấp xã", "su-nghiep-xa" },
	{ NULL, "Cơ quan, đơn vị khác", "khac" },
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
official_address(const struct cv_snapshot *s, struct cv_str address, struct cv_arena *arena)
{
	struct cv_reg_hit hit;
	struct admin_entry entry;

	if (!address.n)
		return CV_STR_EMPTY;
	cv_snapshot_find_address(s, address, &hit);
	bool is_public =
		hit.found == CV_REG_NOT_OURS ||
		(hit.found == CV_REG_GROUP && hit.account.state == CV_STATE_ACTIVE) ||
		(hit.found == CV_REG_ACCOUNT && admin_entry_take(&hit.account, arena, &entry));
	return is_public ? clean(arena, address) : CV_STR_EMPTY;
}

static void
fill_unit(const struct cv_snapshot *s, const struct cv_reg_agency *a, struct cv_arena *arena,
	struct admin_unit *u)
{
	struct cv_reg_agency parent;
	struct cv_buf key = CV_BUF_INIT(TEXT_MAX * 6);

	*u = (struct admin_unit){
		.code = clean(arena, a->code),
		.name = clean(arena, a->name),
		.parent = clean(arena, a->parent),
		.type = clean(arena, a->type),
		.address = official_address(s, a->address, arena),
		.phone = clean(arena, a->phone),
		.website = clean(arena, a->website),
		.location = clean(arena, a->location),
		.rank = a->rank,
	};
	if (a->parent.n && cv_snapshot_agency(s, a->parent, &parent))
		u->parent_name = clean(arena, parent.name);
	cv_buf_c(&key, (char)('a' + admin_unit_group_of(a->type)));
	cv_buf_be32(&key, a->rank);
	add_key(&key, a->name);
	cv_buf_str(&key, a->code);
	u->sort_key = finish_key(arena, &key);
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

static enum cv_status
collect_units(const struct cv_snapshot *s, struct cv_str root, struct admin_directory *d,
	struct cv_err *err)
{
	size_t all = cv_snapshot_agencies(s);
	struct cv_reg_agency agency;

	if (root.n && !cv_snapshot_agency(s, root, &agency))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(root));
	d->units = CV_ARENA_ARRAY(&d->arena, struct admin_unit, all + 1);
	for (size_t i = 0; i < all; i++)
		if (cv_snapshot_nth_agency(s, i, &agency) &&
			(!root.n || is_below(s, agency.code, root)))
			fill_unit(s, &agency, &d->arena, &d->units[d->count++]);
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

/* Counts what each unit will hold, then fills it. */
static void
collect_entries(const struct cv_snapshot *s, struct cv_map *by_code, bool is_whole,
	struct admin_directory *d)
{
	size_t all = cv_snapshot_accounts(s);
	struct cv_reg_account a;
	struct admin_entry entry;
	struct admin_unit *u;

	for (size_t i = 0; i < all; i++)
		if (cv_snapshot_nth(s, i, &a) && (u = cv_map_get(by_code, a.agency)))
			u->count++;
	for (size_t i = 0; i < d->count; i++) {
		d->units[i].entries =
			CV_ARENA_ARRAY(&d->arena, struct admin_entry, d->units[i].count + 1);
		d->units[i].count = 0;
	}
	for (size_t i = 0; i < all; i++) {
		if (!cv_snapshot_nth(s, i, &a) || !admin_entry_take(&a, &d->arena, &entry))
			continue;
		u = cv_map_get(by_code, a.agency);
		if (!u) {
			d->homeless += is_whole;
			continue;
		}
		/* The agency's own address stands above the list, not in it. */
		if (entry.is_role && cv_str_eq(entry.address, u->address))
			continue;
		u->entries[u->count++] = entry;
		u->roles += entry.is_role;
		u->has_mobile = u->has_mobile || entry.phone_mobile.n;
	}
}

enum cv_status
admin_directory_build(const struct cv_snapshot *s, struct cv_str province, struct cv_str agency,
	const char *day, struct admin_directory *d, struct cv_err *err)
{
	struct cv_map by_code;

	d->province = clean(&d->arena, province);
	snprintf(d->day, sizeof d->day, "%s", day);
	enum cv_status status = collect_units(s, agency, d, err);
	if (status != CV_OK)
		return status;
	index_units(d, &by_code);
	collect_entries(s, &by_code, !agency.n, d);
	cv_map_done(&by_code);
	for (size_t i = 0; i < d->count; i++) {
		struct admin_unit *u = &d->units[i];
		qsort(u->entries, u->count, sizeof *u->entries, compare_entries);
		snprintf(u->updated, sizeof u->updated, "%s", day);
		d->people += u->count - u->roles;
		d->roles += u->roles;
	}
	return CV_OK;
}

void
admin_directory_done(struct admin_directory *d)
{
	cv_arena_done(&d->arena);
	*d = (struct admin_directory){0};
}
