/* reorganise_back.c - reorganise.rollback: a plan taken back, and nobody's mail lost by it.
 *
 * `undo` takes an act back row by row, or not at all. Here two things differ. An address that the
 * act gave stays with the account as an alias: somebody may have written to it since. And with
 * "keep_changed" rows that changed since do not stand in the way: of an account only the fields
 * that the act changed and that still hold what it wrote go back; any other row stays as it is. A
 * unit that somebody joined since stays beside the ones that come back, and so do boxes that the
 * act made.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/journal.h"
#include "common/register/reorganise.h"

#define NAMED_MAX 200u
#define ALIAS_SECS ((int64_t)731 * 86400)

struct back {
	struct reg_call *c;
	struct reg_entry *entries;
	struct cv_str *now;          /* what the rows hold, by entry */
	size_t count;
	struct cv_map rows;          /* keys of all entries */
	struct cv_map decided;       /* keys of addresses that a row of an account decided on */
	json_t *named;
	size_t changed, accounts, aliases, kept;
};

/* Numbers given stay given, and that a dated act was done stays so. */
static bool
is_left_alone(struct cv_str key)
{
	return cv_str_eq_z(key, "C") || cv_str_eq_z(key, "K") || key.p[0] == 'Y';
}

static bool
is_same(struct cv_str a, struct cv_str b)
{
	return !a.p == !b.p && cv_str_eq(a, b);
}

static void
name_row(struct back *b, struct cv_str key)
{
	if (b->changed++ < NAMED_MAX)
		json_array_append_new(b->named, reg_row_json(&b->c->r->model, key));
}

static void
put_account(struct back *b, const struct reg_account *a)
{
	struct cv_buf row = CV_BUF_INIT(CV_VALUE_MAX), key = CV_BUF_INIT(16);
	cv_buf_c(&key, 'A');
	cv_buf_be64(&key, a->acct);
	reg_account_encode(a, &row);
	reg_put(b->c, cv_buf_view(&key), cv_buf_view(&row));
	cv_buf_done(&row);
	cv_buf_done(&key);
}

static void
put_address(struct back *b, const char *address, enum reg_address_type type, uint64_t acct)
{
	struct cv_buf row = CV_BUF_INIT(64);
	struct reg_address a = { .type = type, .acct = acct, .since_secs = cv_wall_secs(),
		.until_secs = type == REG_ALIAS ? cv_wall_secs() + ALIAS_SECS : 0 };
	struct cv_str key = cv_arena_printf(&b->c->arena, "N%s", address);
	reg_address_encode(&a, &row);
	reg_put(b->c, key, cv_buf_view(&row));
	cv_buf_done(&row);
	cv_map_put(&b->decided, key, b);
	b->aliases += type == REG_ALIAS;
}

/* ---- accounts ---- */

/* Fields of NOW that hold what the act wrote hold again what was there before. */
static bool
take_fields_back(struct reg_account *now, const struct reg_account *old,
                 const struct reg_account *new)
{
	bool any = false;
	for (size_t i = 0; i < T_COUNT; i++) {
		bool is_ours = strcmp(old->text[i], new->text[i]) != 0;
		if (!is_ours || strcmp(now->text[i], new->text[i]))
			continue;
		reg_account_set(now, (enum reg_text)i, cv_str_z(old->text[i]));
		any = true;
	}
	if (old->rank != new->rank && now->rank == new->rank)
		now->rank = old->rank;
	if (old->listed != new->listed && now->listed == new->listed)
		now->listed = old->listed;
	if (old->state != new->state && now->state == new->state)
		now->state = old->state;
	return any;
}

/* A box that the act made stays: it may hold mail. */
static void
keep_made(struct back *b, struct reg_account *now)
{
	reg_account_set(now, T_AGENCY, CV_STR(""));
	now->listed = false;
	put_account(b, now);
	cv_map_put(&b->decided, cv_arena_printf(&b->c->arena, "N%s", now->text[T_ADDRESS]), b);
	b->kept++;
}

static void
take_account_back(struct back *b, size_t i)
{
	const struct reg_entry *e = &b->entries[i];
	struct reg_account *old = reg_account_of_row(e->key, e->old);
	struct reg_account *new = reg_account_of_row(e->key, e->new);
	struct reg_account *now = reg_account_of_row(e->key, b->now[i]);
	if (now && !old) {
		keep_made(b, now);
	} else if (now && old && new) {
		char *address = cv_strdup(now->text[T_ADDRESS]);
		b->accounts += take_fields_back(now, old, new);
		put_account(b, now);
		if (strcmp(address, now->text[T_ADDRESS])) {
			put_address(b, now->text[T_ADDRESS], REG_PRIMARY, now->acct);
			put_address(b, address, REG_ALIAS, now->acct);
		}
		free(address);
	}
	reg_account_free(old);
	reg_account_free(new);
	reg_account_free(now);
}

/* ---- units that cannot go ---- */

static bool
is_joined(struct back *b, const char *code)
{
	const struct reg_model *m = &b->c->r->model;
	struct cv_str key;
	void *value;
	for (size_t i = 0; i < m->count; i++) {
		struct cv_buf row = CV_BUF_INIT(16);
		if (strcmp(m->accounts[i]->text[T_AGENCY], code))
			continue;
		cv_buf_c(&row, 'A');
		cv_buf_be64(&row, m->accounts[i]->acct);
		bool is_of_act = cv_map_get(&b->rows, cv_buf_view(&row)) != NULL;
		cv_buf_done(&row);
		if (!is_of_act)
			return true;
	}
	for (size_t pos = 0; cv_map_each(&m->agencies, &pos, &key, &value);) {
		const struct reg_agency *g = value;
		struct cv_str row = cv_arena_printf(&b->c->arena, "G%s", g->code);
		if (!strcmp(g->text[AG_PARENT], code) && !cv_map_get(&b->rows, row))
			return true;
	}
	return false;
}

/* ---- all rows ---- */

static bool
is_changed(struct back *b, size_t i)
{
	const struct reg_entry *e = &b->entries[i];
	if (is_left_alone(e->key))
		return false;
	bool is_new_unit = e->key.p[0] == 'G' && e->new.p && !e->old.p;
	return !is_same(b->now[i], e->new) || (is_new_unit &&
		is_joined(b, cv_arena_z(&b->c->arena, cv_str_sub(e->key, 1, e->key.n))));
}

static enum cv_status
find_changed(struct back *b, struct cv_err *err)
{
	enum cv_status status = reg_journal_values(b->c, b->entries, b->count, b->now, err);
	for (size_t i = 0; !status && i < b->count; i++)
		cv_map_put(&b->rows, b->entries[i].key, b);
	/* People first: the list may be cut. */
	for (size_t i = 0; !status && i < b->count * 2; i++) {
		const struct reg_entry *e = &b->entries[i % b->count];
		if ((i < b->count) == (e->key.p[0] == 'A') && is_changed(b, i % b->count))
			name_row(b, e->key);
	}
	return status;
}

/* Of an address that no account decided on: what went to another box comes back, but nobody gets a
 * second first address, and none is lost. */
static bool
stays_address(const struct reg_entry *e)
{
	struct reg_address address;
	return !e->old.p || reg_address_decode(e->old, &address) || address.type == REG_PRIMARY;
}

static void
take_row_back(struct back *b, size_t i)
{
	const struct reg_entry *e = &b->entries[i];
	char kind = e->key.p[0];
	bool stays = kind != '$' && !is_same(b->now[i], e->new);
	if (kind == 'N')
		stays |= stays_address(e);
	else if (kind == 'G' && !e->old.p)
		stays |= is_joined(b, cv_arena_z(&b->c->arena, cv_str_sub(e->key, 1, e->key.n)));
	b->kept += stays;
	if (!stays)
		reg_put(b->c, e->key, e->old);
}

/* Rows of accounts decide on their addresses, so they come first. */
static void
take_rows_back(struct back *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i].key.p[0] == 'A')
			take_account_back(b, i);
	for (size_t i = 0; i < b->count; i++) {
		struct cv_str key = b->entries[i].key;
		if (key.p[0] != 'A' && !is_left_alone(key) && !cv_map_get(&b->decided, key))
			take_row_back(b, i);
	}
}

static enum cv_status
act_of(struct reg_call *c, struct reg_act **out, struct cv_err *err)
{
	uint64_t id = 0;
	bool given;
	enum cv_status status = reg_number(c->request, "id", INT64_MAX, &id, &given, err);
	if (status)
		return status;
	*out = reg_journal_find(&c->r->journal, id);
	if (!*out || strcmp((*out)->action, "reorganise.apply"))
		return cv_fail(err, CV_NOT_FOUND,
			"act %llu is no reorganisation of the last %u days",
			(unsigned long long)id, REG_JOURNAL_DAYS);
	const struct reg_act *by = reg_journal_undone_by(&c->r->journal, id);
	if (by)
		return cv_fail(err, CV_EXISTS, "act %llu was taken back already, by act %llu",
			(unsigned long long)id, (unsigned long long)by->id);
	return CV_OK;
}

static enum cv_status
commit_back(struct back *b, const struct reg_act *act, struct cv_err *err)
{
	struct reg_call *c = b->c;
	char object[64];
	uint64_t id = act->id; /* ACT may move when the journal grows */
	snprintf(object, sizeof object, "act %llu", (unsigned long long)id);
	json_t *detail = json_pack("{s:s, s:I, s:I, s:I}", "plan", act->object, "accounts",
		(json_int_t)b->accounts, "aliases", (json_int_t)b->aliases, "kept",
		(json_int_t)b->kept);
	enum cv_status status = reg_journal_commit(c, "reorganise.rollback", object, detail, id,
		err);
	/* The model still shows the act. */
	return status || c->is_dry ? status : reg_reload(c, err);
}

/* {"id", "keep_changed"?, "dry_run"?} -> {"accounts", "aliases", "kept", "act", "rows": what was
 * changed since}; refused when there are such rows and "keep_changed" was not given. A dry run
 * names them. */
enum cv_status
reg_reorganise_rollback(struct reg_call *c, struct cv_err *err)
{
	struct reg_act *act;
	struct back b = { .c = c };
	enum cv_status status = act_of(c, &act, err);
	if (!status)
		status = reg_journal_entries(c, act, &b.entries, &b.count, err);
	if (status)
		return status;
	b.now = CV_ARENA_ARRAY(&c->arena, struct cv_str, b.count + 1);
	b.named = json_array();
	cv_map_init(&b.rows);
	cv_map_init(&b.decided);
	status = find_changed(&b, err);
	bool keeps = reg_flag(c->request, "keep_changed", false);
	json_object_set(c->reply, "rows", b.named);
	json_object_set_new(c->reply, "changed", json_integer((json_int_t)b.changed));
	if (!status && b.changed && !keeps && !c->is_dry) {
		const char *name = json_string_value(
			json_object_get(json_array_get(b.named, 0), "name"));
		status = cv_fail(err, CV_CONFLICT, "%zu rows were changed since, %s among them; "
			"\"keep_changed\" rolls back the rest", b.changed, name ? name : "");
	} else if (!status) {
		take_rows_back(&b);
		status = commit_back(&b, act, err);
	}
	json_object_set_new(c->reply, "accounts", json_integer((json_int_t)b.accounts));
	json_object_set_new(c->reply, "aliases", json_integer((json_int_t)b.aliases));
	json_object_set_new(c->reply, "kept", json_integer((json_int_t)b.kept));
	json_decref(b.named);
	cv_map_done(&b.rows);
	cv_map_done(&b.decided);
	return status;
}
