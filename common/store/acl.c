/* acl.c - see acl.h. A row is a version byte, then for each entry rights << 1 | negative as a
 * varint and the identifier's bytes, ascending, none twice. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/acl.h"

#include "common/text/address.h"

#define ROW_VERSION 1

const struct cv_str cv_acl_anyone = {"anyone", 6}, cv_acl_holders = {"$holders", 8};
static const struct cv_str group_prefix = {"group:", 6};

/* ---- rights ---- */

static const char letters[] = "lrswipkxtea"; /* bit i is letter i */

static uint32_t
right_of(char c)
{
	for (size_t i = 0; letters[i]; i++)
		if (letters[i] == c)
			return 1u << i;
	return c == 'c' ? CV_RIGHT_K | CV_RIGHT_X : c == 'd' ? CV_RIGHT_E | CV_RIGHT_T : 0;
}

bool
cv_rights_parse(struct cv_str text, uint32_t *rights_out)
{
	*rights_out = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint32_t right = right_of(text.p[i]);
		if (!right)
			return false;
		*rights_out |= right;
	}
	return true;
}

void
cv_rights_write(uint32_t rights, struct cv_buf *out)
{
	for (size_t i = 0; letters[i]; i++)
		if (rights & 1u << i)
			cv_buf_c(out, letters[i]);
}

void
cv_rights_write_old(uint32_t rights, struct cv_buf *out)
{
	cv_rights_write(rights, out);
	if (rights & (CV_RIGHT_K | CV_RIGHT_X))
		cv_buf_c(out, 'c');
	if (rights & (CV_RIGHT_E | CV_RIGHT_T))
		cv_buf_c(out, 'd');
}

bool
cv_acl_parse_change(struct cv_str text, struct cv_acl_change *change)
{
	change->op = CV_ACL_SET;
	if (text.n && (text.p[0] == '+' || text.p[0] == '-')) {
		change->op = text.p[0] == '+' ? CV_ACL_ADD : CV_ACL_REMOVE;
		text = cv_str_sub(text, 1, text.n);
	}
	return cv_rights_parse(text, &change->rights);
}

/* ---- identifiers ---- */

static bool
has_group_prefix(struct cv_str id)
{
	return id.n > group_prefix.n && cv_str_ieq(cv_str_sub(id, 0, group_prefix.n), group_prefix);
}

enum cv_acl_kind
cv_acl_kind(struct cv_str id, struct cv_str *address_out)
{
	*address_out = CV_STR_EMPTY;
	if (cv_str_eq(id, cv_acl_anyone))
		return CV_ACL_ANYONE;
	if (cv_str_eq(id, cv_acl_holders))
		return CV_ACL_HOLDERS;
	bool is_group = has_group_prefix(id);
	*address_out = cv_str_sub(id, is_group ? group_prefix.n : 0, id.n);
	return is_group ? CV_ACL_GROUP : CV_ACL_PERSON;
}

struct cv_str
cv_acl_group_id(struct cv_str address, struct cv_arena *arena)
{
	return cv_arena_printf(arena, "group:%.*s", CV_STR_ARGS(address));
}

enum cv_status
cv_acl_id_parse(struct cv_str given, struct cv_str default_domain, struct cv_arena *arena,
	struct cv_str *id_out, bool *is_negative_out, struct cv_err *err)
{
	*is_negative_out = given.n && given.p[0] == '-';
	if (*is_negative_out)
		given = cv_str_sub(given, 1, given.n);
	if (!given.n || given.n > CV_ACL_ID_MAX)
		return cv_fail(err, CV_INVALID, "an identifier is empty or too long");
	const struct cv_str *const words[] = {&cv_acl_anyone, &cv_acl_holders};
	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_ieq(given, *words[i])) {
			*id_out = *words[i];
			return CV_OK;
		}
	bool is_group = has_group_prefix(given);
	if (is_group)
		given = cv_str_sub(given, group_prefix.n, given.n);

	struct cv_buf whole = CV_BUF_INIT(2 * CV_ACL_ID_MAX), key = CV_BUF_INIT(CV_ACL_ID_MAX);
	cv_buf_str(&whole, given);
	if (cv_str_find(given, '@', 0) == given.n) {
		cv_buf_c(&whole, '@');
		cv_buf_str(&whole, default_domain);
	}
	enum cv_status status = cv_address_key(cv_buf_view(&whole), &key, NULL);
	if (!status && !key.full && key.n + group_prefix.n <= CV_ACL_ID_MAX)
		*id_out = is_group ? cv_acl_group_id(cv_buf_view(&key), arena)
				   : cv_arena_str(arena, cv_buf_view(&key));
	else
		status = cv_fail(err, CV_INVALID, "an identifier is no address");
	cv_buf_done(&whole);
	cv_buf_done(&key);
	return status;
}

/* ---- rows ---- */

struct reader {
	struct cv_rd rd;
	struct cv_acl_entry last;
	size_t count;
};

static struct reader
read_row(struct cv_str row)
{
	struct reader r = {.rd = cv_rd(row)};

	if (row.n && (cv_rd_u8(&r.rd) != ROW_VERSION || row.n > CV_ACL_ROW_MAX))
		r.rd.bad = true;
	return r;
}

/* The order of entries. */
static int
compare(const struct cv_acl_entry *a, const struct cv_acl_entry *b)
{
	int order = cv_str_cmp(a->id, b->id);
	return order ? order : (int)a->is_negative - (int)b->is_negative;
}

/* The next entry is r->last; false at the end, or when the row is bad. */
static bool
next_entry(struct reader *r)
{
	struct cv_acl_entry e;

	if (r->rd.bad || !cv_rd_left(&r->rd))
		return false;
	uint64_t bits = cv_rd_varint(&r->rd);
	e.is_negative = bits & 1;
	e.rights = (uint32_t)(bits >> 1 & CV_RIGHTS_ALL);
	e.id = cv_rd_bytes(&r->rd);
	if (bits >> 1 > CV_RIGHTS_ALL || !e.id.n || e.id.n > CV_ACL_ID_MAX ||
		++r->count > CV_ACL_ENTRIES_MAX || (r->last.id.n && compare(&r->last, &e) >= 0))
		r->rd.bad = true;
	r->last = e;
	return !r->rd.bad;
}

bool
cv_acl_is_valid(struct cv_str row)
{
	struct reader r = read_row(row);

	while (next_entry(&r))
		;
	return !r.rd.bad;
}

enum cv_status
cv_acl_decode(struct cv_str row, struct cv_arena *arena, struct cv_acl *out)
{
	struct reader r = read_row(row);

	*out = (struct cv_acl){0};
	while (next_entry(&r)) {
		if (!out->entries)
			out->entries =
				CV_ARENA_ARRAY(arena, struct cv_acl_entry, CV_ACL_ENTRIES_MAX);
		out->entries[out->count++] = r.last;
	}
	return r.rd.bad ? CV_CORRUPT : CV_OK;
}

static void
put_entry(const struct cv_acl_entry *e, struct cv_buf *out)
{
	if (!out->n)
		cv_buf_c(out, ROW_VERSION);
	cv_buf_varint(out, (uint64_t)e->rights << 1 | e->is_negative);
	cv_buf_bytes(out, e->id);
}

void
cv_acl_encode(const struct cv_acl *acl, struct cv_buf *out)
{
	struct cv_buf row = CV_BUF_INIT(CV_ACL_ROW_MAX);

	for (size_t i = 0; i < acl->count; i++)
		put_entry(&acl->entries[i], &row);
	cv_buf_str(out, cv_buf_view(&row));
	cv_buf_done(&row);
}

bool
cv_acl_find(struct cv_str row, struct cv_str id, bool is_negative, uint32_t *rights_out)
{
	struct reader r = read_row(row);

	while (next_entry(&r))
		if (r.last.is_negative == is_negative && cv_str_eq(r.last.id, id)) {
			*rights_out = r.last.rights;
			return true;
		}
	return false;
}

uint32_t
cv_acl_rights(struct cv_str row, uint32_t base, cv_acl_is_fn *is, void *arg)
{
	struct reader r = read_row(row);
	uint32_t given = base, taken = 0;

	while (next_entry(&r)) {
		uint32_t *sum = r.last.is_negative ? &taken : &given;
		/* Who is meant is only looked for where it makes a difference. */
		if (!(r.last.rights & ~*sum))
			continue;
		if (cv_str_eq(r.last.id, cv_acl_anyone) || is(arg, r.last.id))
			*sum |= r.last.rights;
	}
	return given & ~taken;
}

/* ---- changes ---- */

static uint32_t
changed_rights(const struct cv_acl_change *change, uint32_t old)
{
	switch (change->op) {
	case CV_ACL_ADD:
		return old | change->rights;
	case CV_ACL_REMOVE:
		return old & ~change->rights;
	case CV_ACL_SET:
		break;
	}
	return change->rights;
}

enum cv_status
cv_acl_apply(struct cv_str row, const struct cv_acl_change *change, struct cv_buf *out,
	struct cv_err *err)
{
	struct reader r = read_row(row);
	uint32_t without = change->is_negative ? 0 : change->without, old = without;
	size_t count = 0;

	if (!change->id.n || change->id.n > CV_ACL_ID_MAX)
		return cv_fail(err, CV_INVALID, "an identifier is empty or too long");
	cv_acl_find(row, change->id, change->is_negative, &old);
	struct cv_acl_entry mine = {
		change->id, change->is_negative, changed_rights(change, old) & CV_RIGHTS_ALL};
	bool is_due = mine.rights != without;
	while (next_entry(&r)) {
		int order = compare(&r.last, &mine);
		if (order >= 0 && is_due) {
			put_entry(&mine, out);
			count++;
			is_due = false;
		}
		if (order) {
			put_entry(&r.last, out);
			count++;
		}
	}
	if (is_due) {
		put_entry(&mine, out);
		count++;
	}
	if (r.rd.bad)
		return cv_fail(err, CV_CORRUPT, "an access control list is damaged");
	if (count > CV_ACL_ENTRIES_MAX)
		return cv_fail(err, CV_LIMIT, "a mailbox has rights for at most %u identifiers",
			CV_ACL_ENTRIES_MAX);
	return CV_OK;
}
