/* others.c - see others.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/others.h"

#include "imapd/conn.h"
#include "imapd/holdings.h"

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

/* What the register gives the person of OWNER's box; 0: nothing. */
static unsigned
how_of(struct imapd_conn *c, const struct cv_snapshot *s, cv_acct_no owner)
{
	struct imapd_holdings *h = imapd_holdings_get(&c->server->holdings, s);
	unsigned how = imapd_holdings_how(h, c->login.acct, owner);

	imapd_holdings_unref(&c->server->holdings, h);
	return how;
}

/* The one question whether the person may know of OWNER's box at all. */
static bool
may_know(struct imapd_conn *c, const struct cv_snapshot *s, const struct cv_reg_account *owner,
	unsigned *how_out)
{
	if (owner->state != CV_STATE_ACTIVE || owner->kind == CV_KIND_GROUP ||
		owner->acct == c->login.acct)
		return false;
	*how_out = how_of(c, s, owner->acct);
	return *how_out != 0;
}

bool
imapd_may_keep(struct imapd_conn *c, cv_acct_no owner)
{
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	struct cv_reg_account account;
	unsigned how;
	bool may = cv_snapshot_account(s, owner, &account) && may_know(c, s, &account, &how);

	cv_snapshot_unref(s);
	return may;
}

/* ---- places ---- */

void
imapd_places_done(struct imapd_conn *c)
{
	while (c->held_count)
		cv_acct_close(c->held[--c->held_count]);
}

static enum cv_status
hold_account(struct imapd_conn *c, cv_acct_no owner, struct cv_acct **out, struct cv_err *err)
{
	cv_ticket unused; /* an account made anew has nothing that anyone was promised */

	if (c->held_count == IMAPD_HELD_MAX)
		return cv_fail(err, CV_LIMIT, "too many accounts in one command");
	enum cv_status status = cv_acct_open(c->server->store, owner, true, out, &unused, err);
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
		.address = cv_str_z(c->address)};
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
		  may_know(c, s, &hit.account, &place->how);
	if (ok) {
		place->space = space_of_kind(hit.account.kind);
		place->owner = hit.account.acct;
		place->address = cv_arena_str(&c->arena, hit.account.address);
	}
	cv_snapshot_unref(s);
	return ok ? CV_OK : cv_fail(err, CV_NOT_FOUND, "no such mailbox");
}

enum cv_status
imapd_place(struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err)
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
	return hold_account(c, out->owner, &out->acct, err);
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
	return status ? status : hold_account(c, out->owner, &out->acct, err);
}

enum cv_status
imapd_place_mbox(const struct imapd_place *place, struct cv_mbox **mbox_out, struct cv_err *err)
{
	if (!place->name.n)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	return cv_mbox_open(place->acct, place->name, mbox_out, err);
}

enum cv_status
imapd_place_info(struct imapd_conn *c, const struct imapd_place *place, struct cv_mbox_info *out,
	struct cv_err *err)
{
	if (!place->name.n)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	enum cv_status status = cv_mbox_info(place->acct, place->name, &c->arena, out, err);
	if (status)
		return status;
	out->name = imapd_place_name(c, place, out->name);
	if (place->space != IMAPD_SPACE_OWN)
		out->use = CV_USE_NONE;
	return CV_OK;
}

/* ---- all of them ---- */

static int
by_address(const void *a, const void *b)
{
	const struct imapd_place *x = a, *y = b;

	return cv_str_cmp(x->address, y->address);
}

/* The boxes of SPACE without their accounts; in the command's arena. */
static struct imapd_place *
collect(struct imapd_conn *c, enum imapd_space space, size_t *count_out)
{
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	struct imapd_holdings *h = imapd_holdings_get(&c->server->holdings, s);
	const struct imapd_holding *first;
	size_t count, n = 0;

	imapd_holdings_of(h, c->login.acct, &first, &count);
	struct imapd_place *places = CV_ARENA_ARRAY(&c->arena, struct imapd_place, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct cv_reg_account owner;
		if (!cv_snapshot_account(s, first[i].owner, &owner) ||
			space_of_kind(owner.kind) != space)
			continue;
		struct imapd_place *place = &places[n];
		*place = (struct imapd_place){.space = space, .owner = owner.acct};
		if (!may_know(c, s, &owner, &place->how))
			continue;
		place->address = cv_arena_str(&c->arena, owner.address);
		n++;
	}
	imapd_holdings_unref(&c->server->holdings, h);
	cv_snapshot_unref(s);
	if (n)
		qsort(places, n, sizeof(*places), by_address);
	*count_out = n;
	return places;
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
		cv_ticket unused;
		if (opens)
			status = cv_acct_open(c->server->store, places[i].owner, true,
				&places[i].acct, &unused, err);
		if (status)
			break;
		bool goes_on = fn(arg, &places[i]);
		cv_acct_close(places[i].acct);
		if (!goes_on)
			break;
	}
	return status;
}
