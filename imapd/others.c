/* others.c - see others.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/others.h"

#include "imapd/conn.h"
#include "imapd/names.h"
#include "imapd/rights.h"

#define DELEGATED_MAX 500 /* boxes delegated to one person; those beyond are not listed */
#define OPENS (CV_DELEGATED_READ | CV_DELEGATED_FULL) /* delegations that open a box */

static bool
is_branch(const char *name, char separator)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str given = cv_str_z(name), same;

	bool ok = imapd_name_from_utf8(given, &arena, &same) && cv_str_eq(given, same) &&
		  !cv_str_ieq_z(given, "INBOX");
	for (size_t i = 0; ok && i < given.n; i++)
		ok = given.p[i] != separator && given.p[i] != '%' && given.p[i] != '*';
	cv_arena_done(&arena);
	return ok;
}

enum cv_status
imapd_check_spaces(const char *others, const char *shared, char separator, struct cv_err *err)
{
	if (others[0] && !is_branch(others, separator))
		return cv_fail(err, CV_INVALID, "others_namespace is no name of one level: %s",
			others);
	if (shared[0] && !is_branch(shared, separator))
		return cv_fail(err, CV_INVALID, "shared_namespace is no name of one level: %s",
			shared);
	if (shared[0] && !strcmp(others, shared))
		return cv_fail(err, CV_INVALID,
			"others_namespace and shared_namespace must be two names");
	return CV_OK;
}

struct cv_str
imapd_space_name(struct imapd_conn *c, enum imapd_space space)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;

	if (space == IMAPD_SPACE_OWN)
		return CV_STR_EMPTY;
	return cv_str_z(space == IMAPD_SPACE_SHARED ? o->shared_namespace : o->others_namespace);
}

static char
separator(struct imapd_conn *c)
{
	return cv_store_separator(c->server->store);
}

/* NAME is BRANCH or below it. */
static bool
is_in_branch(struct imapd_conn *c, struct cv_str name, struct cv_str branch)
{
	return branch.n && name.n >= branch.n && !memcmp(name.p, branch.p, branch.n) &&
	       (name.n == branch.n || name.p[branch.n] == separator(c));
}

static enum imapd_space
space_of(struct imapd_conn *c, struct cv_str name)
{
	if (is_in_branch(c, name, imapd_space_name(c, IMAPD_SPACE_SHARED)))
		return IMAPD_SPACE_SHARED;
	if (is_in_branch(c, name, imapd_space_name(c, IMAPD_SPACE_OTHERS)))
		return IMAPD_SPACE_OTHERS;
	return IMAPD_SPACE_OWN;
}

bool
imapd_is_others_name(struct imapd_conn *c, struct cv_str name)
{
	return space_of(c, name) != IMAPD_SPACE_OWN;
}

/* ---- the level of the owner: an address, with what has a meaning in names as "=2E" ---- */

static bool
is_special(char ch, char sep)
{
	return ch == sep || ch == '=' || ch == '%' || ch == '*';
}

static void
write_level(struct cv_buf *out, struct cv_str address, char sep)
{
	for (size_t i = 0; i < address.n; i++) {
		if (is_special(address.p[i], sep))
			cv_buf_printf(out, "=%02X", (unsigned)(unsigned char)address.p[i]);
		else
			cv_buf_c(out, address.p[i]);
	}
}

static int
hex(char ch)
{
	if (cv_is_digit((unsigned char)ch))
		return ch - '0';
	return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static struct cv_str
read_level(struct cv_str level, struct cv_arena *arena)
{
	char *text = cv_arena_alloc(arena, level.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < level.n; i++) {
		if (level.p[i] == '=' && i + 2 < level.n && hex(level.p[i + 1]) >= 0 &&
			hex(level.p[i + 2]) >= 0) {
			text[n++] = (char)(hex(level.p[i + 1]) * 16 + hex(level.p[i + 2]));
			i += 2;
		} else {
			text[n++] = level.p[i];
		}
	}
	return cv_str(text, n);
}

struct cv_str
imapd_place_name(struct imapd_conn *c, const struct imapd_place *place, struct cv_str name)
{
	if (place->space == IMAPD_SPACE_OWN)
		return name;
	struct cv_buf out = CV_BUF_INIT(16u << 10);
	cv_buf_str(&out, imapd_space_name(c, place->space));
	cv_buf_c(&out, separator(c));
	write_level(&out, place->address, separator(c));
	if (name.n) {
		cv_buf_c(&out, separator(c));
		cv_buf_str(&out, name);
	}
	struct cv_str whole = cv_arena_str(&c->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return whole;
}

/* ---- who may ---- */

static enum imapd_space
space_of_kind(enum cv_reg_kind kind)
{
	bool is_shared = kind == CV_KIND_ROLE || kind == CV_KIND_AGENCY;
	return is_shared ? IMAPD_SPACE_SHARED : IMAPD_SPACE_OTHERS;
}

/* Can anything of the box BOX be shared with the person at all? */
static bool
is_shareable(struct imapd_conn *c, const struct cv_reg_account *box)
{
	return box->state != CV_STATE_SUSPENDED && box->kind != CV_KIND_GROUP &&
	       box->acct != c->login.acct;
}

/* Is anything of OWNER's box shared with the person? Others are as if they were not there. */
static bool
may_know_of(struct imapd_conn *c, const struct cv_snapshot *s, cv_acct_no owner)
{
	const struct imapd_groups *groups = imapd_groups_now(c, s);

	for (size_t i = 0; i < groups->count; i++)
		if (groups->list[i] == owner)
			return true;
	return (cv_snapshot_delegated(s, owner, c->login.acct) & OPENS) ||
	       imapd_is_granted(c, s, owner);
}

bool
imapd_may_stay(struct imapd_conn *c)
{
	return !c->session || !c->session->owner.is_other ||
	       (imapd_rights_selected(c) & CV_RIGHT_R);
}

/* How the person looks at a box of others. */
static struct cv_viewer
viewer_of(struct imapd_conn *c, const struct imapd_place *place)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;
	struct cv_str rest = cv_str_z(o->common_seen_boxes), address;

	if (o->common_seen)
		return (struct cv_viewer){0};
	while (cv_str_split(&rest, ' ', &address))
		if (cv_str_ieq(address, place->address))
			return (struct cv_viewer){0};
	/* Nobody logs in as a role box: its own \Seen says that somebody has seen a message. */
	return (struct cv_viewer){.person = c->login.acct,
		.marks_common = place->space == IMAPD_SPACE_SHARED};
}

/* ---- places ---- */

void
imapd_places_done(struct imapd_conn *c)
{
	while (c->held_count)
		cv_acct_close(c->held[--c->held_count]);
}

/* The box of OWNER, with its first folders when nothing was ever in it: they are made anew when the
 * disk has not got them in time, so nobody waits for that. */
static enum cv_status
open_box(struct imapd_conn *c, cv_acct_no owner, struct cv_acct **out, struct cv_err *err)
{
	cv_ticket unused;

	return cv_acct_open(c->server->store, owner, true, out, &unused, err);
}

static enum cv_status
hold_account(struct imapd_conn *c, cv_acct_no owner, struct cv_acct **out, struct cv_err *err)
{
	for (unsigned i = 0; i < c->held_count; i++)
		if (cv_acct_number(c->held[i]) == owner) {
			*out = c->held[i];
			return CV_OK;
		}
	if (c->held_count == IMAPD_HELD_MAX)
		return cv_fail(err, CV_LIMIT, "too many accounts in one command");
	enum cv_status status = open_box(c, owner, out, err);
	if (!status)
		c->held[c->held_count++] = *out;
	return status;
}

static struct imapd_place
own_place(struct imapd_conn *c, struct cv_str name)
{
	return (struct imapd_place){.acct = c->acct,
		.owner = c->login.acct,
		.name = name,
		.address = cv_str_z(c->address),
		.rights = CV_RIGHTS_ALL};
}

static bool
is_own_mailbox(struct imapd_conn *c, struct cv_str name)
{
	struct cv_mbox_info unused;

	return !cv_mbox_info(c->acct, name, &c->arena, &unused, NULL);
}

static enum cv_status
find_owner(
	struct imapd_conn *c, struct cv_str address, struct imapd_place *place, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	struct cv_reg_hit hit;

	cv_snapshot_find_address(s, address, &hit);
	bool is_any = place->space == IMAPD_SPACE_OWN;
	bool ok = hit.found == CV_REG_ACCOUNT && !hit.by_alias &&
		  (is_any || space_of_kind(hit.account.kind) == place->space) &&
		  is_shareable(c, &hit.account) && may_know_of(c, s, hit.account.acct);
	if (ok) {
		place->space = space_of_kind(hit.account.kind);
		place->owner = hit.account.acct;
		place->address = cv_arena_str(&c->arena, hit.account.address);
	}
	cv_snapshot_unref(s);
	return ok ? CV_OK : cv_fail(err, CV_NOT_FOUND, "no such mailbox");
}

cv_acct_no
imapd_other_of(struct imapd_conn *c, struct cv_str name)
{
	struct imapd_place place = {.space = space_of(c, name)};
	size_t branch = imapd_space_name(c, place.space).n + 1;

	if (place.space == IMAPD_SPACE_OWN || name.n <= branch || is_own_mailbox(c, name))
		return 0;
	struct cv_str rest = cv_str_sub(name, branch, name.n);
	struct cv_str level = cv_str_sub(rest, 0, cv_str_find(rest, separator(c), 0));
	return find_owner(c, read_level(level, &c->arena), &place, NULL) ? 0 : place.owner;
}

/* Of the mailbox, or of the nearest one above it that is there, or of the box. */
static enum cv_status
find_rights(struct imapd_conn *c, struct imapd_place *place, struct cv_err *err)
{
	struct cv_mbox_info info;
	enum cv_status status = CV_NOT_FOUND;
	struct cv_str name = place->name;

	while (name.n) {
		status = imapd_rights_on(c, place->acct, name, &info, &place->rights, err);
		if (status != CV_NOT_FOUND)
			break;
		while (name.n && name.p[name.n - 1] != separator(c))
			name.n--;
		name.n -= name.n > 0;
	}
	if (status && status != CV_NOT_FOUND)
		return status;
	if (status)
		place->rights = imapd_rights(c, place->owner, CV_STR_EMPTY);
	place->exists = !status && name.n == place->name.n;
	return CV_OK;
}

static enum cv_status
hide(const struct imapd_place *place, struct cv_err *err)
{
	return imapd_may_know(place->rights) ? CV_OK
					     : cv_fail(err, CV_NOT_FOUND, "no such mailbox");
}

enum cv_status
imapd_place(struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err)
{
	enum cv_status status = imapd_place_new(c, name, out, err);

	return status ? status : hide(out, err);
}

enum cv_status
imapd_place_new(
	struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err)
{
	enum imapd_space space = space_of(c, name);
	size_t branch = imapd_space_name(c, space).n + 1;

	*out = own_place(c, name);
	out->is_reserved = space != IMAPD_SPACE_OWN;
	if (!out->is_reserved || name.n <= branch || is_own_mailbox(c, name))
		return CV_OK;
	struct cv_str rest = cv_str_sub(name, branch, name.n);
	size_t end = cv_str_find(rest, separator(c), 0);
	*out = (struct imapd_place){.space = space};
	struct cv_str address = read_level(cv_str_sub(rest, 0, end), &c->arena);
	enum cv_status status = find_owner(c, address, out, err);
	if (status)
		return status;
	out->name = end < rest.n ? cv_str_sub(rest, end + 1, rest.n) : CV_STR_EMPTY;
	if (cv_str_ieq_z(out->name, "INBOX"))
		out->name = CV_STR("INBOX");
	status = hold_account(c, out->owner, &out->acct, err);
	if (!status)
		status = find_rights(c, out, err);
	out->viewer = viewer_of(c, out);
	/* RFC 4314 4: copies have only the flags that the person may set. */
	out->viewer.bars = ~imapd_flags_of_rights(out->rights) & 31u;
	out->viewer.bars_keywords = !(out->rights & CV_RIGHT_W);
	return status;
}

enum cv_status
imapd_place_of_owner(struct imapd_conn *c, struct cv_str address, struct imapd_place *out,
	struct cv_err *err)
{
	*out = own_place(c, CV_STR_EMPTY);
	if (!address.n)
		return CV_OK;
	*out = (struct imapd_place){0};
	enum cv_status status = find_owner(c, address, out, err);
	if (!status)
		status = hold_account(c, out->owner, &out->acct, err);
	/* Of the box as a whole those may ask who may know of any mailbox in it. */
	return status ? status : find_rights(c, out, err);
}

enum cv_status
imapd_place_mbox(const struct imapd_place *place, struct cv_mbox **mbox_out, struct cv_err *err)
{
	if (!place->name.n)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	return cv_mbox_open(place->acct, place->name, mbox_out, err);
}

/* Children that the person may not see are no children (RFC 4314 4, LIST). */
static bool
has_visible_children(struct imapd_conn *c, const struct imapd_place *place)
{
	struct cv_str stem = cv_arena_printf(
		&c->arena, "%.*s%c", CV_STR_ARGS(place->name), separator(c));
	struct cv_mbox_info *list;
	size_t count;

	if (cv_mbox_list(place->acct, &c->arena, &list, &count, NULL))
		return false;
	for (size_t i = 0; i < count; i++)
		if (list[i].id && list[i].name.n > stem.n &&
			!memcmp(list[i].name.p, stem.p, stem.n) &&
			(imapd_rights(c, place->owner, list[i].acl) & CV_RIGHT_L))
			return true;
	return false;
}

enum cv_status
imapd_place_info(struct imapd_conn *c, const struct imapd_place *place, struct cv_mbox_info *out,
	struct cv_err *err)
{
	if (!place->name.n)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	enum cv_status status = cv_mbox_info_as(
		place->acct, &place->viewer, place->name, &c->arena, out, err);
	if (status)
		return status;
	out->name = imapd_place_name(c, place, out->name);
	if (place->space == IMAPD_SPACE_OWN)
		return CV_OK;
	out->use = CV_USE_NONE;
	out->has_children = out->has_children && has_visible_children(c, place);
	return CV_OK;
}

/* ---- all of them ---- */

static int
by_address(const void *a, const void *b)
{
	const struct imapd_place *x = a, *y = b;

	return cv_str_cmp(x->address, y->address);
}

struct collecting {
	struct imapd_conn *c;
	const struct cv_snapshot *s;
	enum imapd_space space;
	struct imapd_place *places;
	size_t count, cap;
};

static void
add_box(struct collecting *t, cv_acct_no acct)
{
	struct cv_reg_account box;

	if (!cv_snapshot_account(t->s, acct, &box) || !is_shareable(t->c, &box) ||
		space_of_kind(box.kind) != t->space)
		return;
	if (t->count == t->cap) {
		t->cap = t->cap * 2 + 16;
		struct imapd_place *grown =
			CV_ARENA_ARRAY(&t->c->arena, struct imapd_place, t->cap);
		if (t->count)
			memcpy(grown, t->places, t->count * sizeof(*grown));
		t->places = grown;
	}
	struct imapd_place *place = &t->places[t->count++];
	*place = (struct imapd_place){.space = t->space,
		.owner = acct,
		.address = cv_arena_str(&t->c->arena, box.address)};
	place->viewer = viewer_of(t->c, place);
}

static void
add_granted(struct collecting *t, const struct imapd_grants *g, cv_acct_no to)
{
	const struct imapd_grant *first;
	size_t count;

	imapd_grants_to(g, to, &first, &count);
	for (size_t i = 0; i < count; i++)
		add_box(t, first[i].owner);
}

/* Some may be added twice. */
static void
add_boxes(struct collecting *t)
{
	struct imapd *d = t->c->server;
	const struct imapd_groups *groups = imapd_groups_now(t->c, t->s);
	struct imapd_grants *g = imapd_grants_get(&d->grants, d->store, t->s);

	for (size_t i = 0; i < groups->count; i++) {
		add_box(t, groups->list[i]);
		if (g)
			add_granted(t, g, groups->list[i]);
	}
	cv_acct_no *delegated = CV_ARENA_ARRAY(&t->c->arena, cv_acct_no, DELEGATED_MAX);
	size_t n = cv_snapshot_delegations(t->s, t->c->login.acct, delegated, DELEGATED_MAX);
	for (size_t i = 0; i < CV_MIN(n, (size_t)DELEGATED_MAX); i++)
		if (cv_snapshot_delegated(t->s, delegated[i], t->c->login.acct) & OPENS)
			add_box(t, delegated[i]);
	if (!g)
		return;
	add_granted(t, g, t->c->login.acct);
	add_granted(t, g, IMAPD_GRANT_ANYONE);
	imapd_grants_unref(&d->grants, g);
}

/* The boxes of SPACE without their accounts; in the command's arena. */
static struct imapd_place *
collect(struct imapd_conn *c, enum imapd_space space, size_t *count_out)
{
	struct collecting t = {.c = c, .s = cv_register_get(c->server->reg), .space = space};
	size_t n = 0;

	add_boxes(&t);
	cv_snapshot_unref(t.s);
	if (t.count)
		qsort(t.places, t.count, sizeof(*t.places), by_address);
	for (size_t i = 0; i < t.count; i++)
		if (!n || t.places[n - 1].owner != t.places[i].owner)
			t.places[n++] = t.places[i];
	*count_out = n;
	return t.places;
}

enum cv_status
imapd_each_other(struct imapd_conn *c, enum imapd_space space, bool opens, imapd_place_fn *fn,
	void *arg, struct cv_err *err)
{
	size_t count;

	if (!imapd_space_name(c, space).n)
		return CV_OK;
	struct imapd_place *places = collect(c, space, &count);
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < count; i++) {
		if (opens)
			status = open_box(c, places[i].owner, &places[i].acct, err);
		if (status)
			break;
		bool goes_on = fn(arg, &places[i]);
		cv_acct_close(places[i].acct);
		if (!goes_on)
			break;
	}
	return status;
}
