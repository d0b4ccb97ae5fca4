/* registry_merge.c - account.merge, account.merge.mail: one person who has two accounts (ACC-06).
 *
 * What leads to the one and what it holds goes to the other in one act, which `congvu undo` takes
 * back; its mail is copied, not moved, so that taking the act back leaves the box as it was. The
 * account that ends is retired, with the fact "merged": {"into"}: its addresses are aliases of the
 * other now, and its box is kept as after a retirement.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"

#define COPY_AT_ONCE 500u
#define FOLDER "Hộp thư gộp"

static const char link_kinds[] = "MOLUV";

/* ---- the register ---- */

static void
give_link(struct reg_call *c, char kind, struct reg_account *owner, struct reg_account *other,
          bool is_there, json_t *moved)
{
	struct reg_list *list = reg_list_of(owner, kind);
	if (reg_list_has(list, other->acct) == is_there || owner == other)
		return;
	reg_save_link(c, kind, owner->acct, other->acct, is_there);
	if (is_there)
		reg_list_add(list, other->acct);
	else
		reg_list_del(list, other->acct);
	if (kind == 'M' && owner->kind != CV_KIND_GROUP)
		reg_note_holder(c, owner, other, is_there);
	char word[2] = { kind, 0 };
	if (is_there)
		json_array_append_new(moved, json_pack("{s:s, s:s, s:s}", "row", word, "of",
			owner->text[T_ADDRESS], "who", other->text[T_ADDRESS]));
}

static void
move_links(struct reg_call *c, struct reg_account *from, struct reg_account *into, json_t *moved)
{
	struct reg_model *m = &c->r->model;
	for (size_t i = 0; i < m->count; i++) {
		struct reg_account *o = m->accounts[i];
		for (const char *kind = link_kinds; *kind; kind++) {
			if (o != from && reg_list_has(reg_list_of(o, *kind), from->acct)) {
				if (*kind != 'V' || !reg_is_glass(c, o->acct, from->acct))
					give_link(c, *kind, o, into, true, moved);
				give_link(c, *kind, o, from, false, moved);
			}
			if (reg_list_has(reg_list_of(from, *kind), o->acct)) {
				if (*kind != 'V' || !reg_is_glass(c, from->acct, o->acct))
					give_link(c, *kind, into, o, true, moved);
				give_link(c, *kind, from, o, false, moved);
			}
		}
	}
}

static void
move_addresses(struct reg_call *c, struct reg_account *from, struct reg_account *into,
               json_t *aliases)
{
	struct cv_map *map = &c->r->model.addresses;
	struct cv_str key, keys[1000];
	enum reg_address_type types[CV_COUNT(keys)];
	size_t n = 0;
	void *value;
	for (size_t pos = 0; cv_map_each(map, &pos, &key, &value) && n < CV_COUNT(keys);) {
		const struct reg_address *a = value;
		if (a->acct != from->acct)
			continue;
		types[n] = a->type == REG_HISTORY ? REG_HISTORY : REG_ALIAS;
		keys[n++] = cv_arena_str(&c->arena, key);
	}
	for (size_t i = 0; i < n; i++) {
		reg_save_address(c, keys[i], types[i], into->acct);
		if (types[i] == REG_ALIAS)
			json_array_append_new(aliases, json_stringn(keys[i].p, keys[i].n));
	}
}

/* Forwards of the account that ends are named, not taken over: two boxes' rules rarely fit. */
static json_t *
dropped_of(const struct reg_account *from)
{
	json_t *dropped = json_array();
	for (size_t i = 0; i < from->target_count; i++)
		json_array_append_new(dropped, json_pack("{s:s, s:s}", "forward",
			from->targets[i].address, "reason", from->targets[i].reason));
	for (size_t i = 0; i < from->devices.n; i++)
		json_array_append_new(dropped, json_pack("{s:s}", "device",
			from->devices.items[i].name));
	return dropped;
}

static enum cv_status
two_people(struct reg_call *c, struct reg_account **from, struct reg_account **into,
           struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, "address", from, err);
	if (!status)
		status = reg_account_field(c, "into", into, err);
	if (!status && *from == *into)
		status = cv_fail(err, CV_INVALID, "%s is one account already",
		                 (*from)->text[T_ADDRESS]);
	for (unsigned i = 0; !status && i < 2; i++) {
		const struct reg_account *a = i ? *into : *from;
		if (a->kind != CV_KIND_PERSON || a->state == CV_STATE_RETIRED)
			status = cv_fail(err, CV_INVALID, "%s is no person at work",
			                 a->text[T_ADDRESS]);
	}
	if (!status)
		status = reg_refuse_unseen(c, *from, err);
	if (!status)
		status = reg_refuse_unseen(c, *into, err);
	return status;
}

static enum cv_status copy_mail(struct reg_call *c, struct cv_err *err);

struct copying {
	cv_acct_id from, into;
	char *address;
};

static void
plan_copy(struct reg_call *c, const struct reg_account *from, const struct reg_account *into,
          const char *address)
{
	struct copying *copy = CV_ARENA_NEW(&c->arena, struct copying);
	*copy = (struct copying){ from->acct, into->acct,
		cv_arena_z(&c->arena, cv_str_z(address)) };
	c->after = copy_mail;
	c->after_arg = copy;
}

/* {"address", "into", "mail"? ("leave" or "copy"), "reason"?} -> {"address", "aliases", "moved",
 * "dropped", "cancelled": [{"number", "do", "at"}], "messages"?, "act"}: the account ADDRESS
 * ends in the account INTO. */
enum cv_status
reg_account_merge(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *from, *into;
	struct cv_str mail;
	enum cv_status status = two_people(c, &from, &into, err);
	if (!status)
		status = reg_field(c, c->request, "mail", 10, &mail, err);
	if (!status && mail.n && !cv_str_eq_z(mail, "leave") && !cv_str_eq_z(mail, "copy"))
		status = cv_fail(err, CV_INVALID, "field 'mail' is leave or copy");
	if (status)
		return status;
	json_t *moved = json_array(), *aliases = json_array(), *dropped = dropped_of(from);
	json_t *cancelled = json_array();
	json_object_set_new(c->reply, "address", json_string(into->text[T_ADDRESS]));
	json_object_set_new(c->reply, "ended", json_string(from->text[T_ADDRESS]));
	json_object_set_new(c->reply, "aliases", aliases);
	json_object_set_new(c->reply, "moved", moved);
	json_object_set_new(c->reply, "dropped", dropped);
	json_object_set_new(c->reply, "cancelled", cancelled);
	struct cv_str address = cv_arena_str(&c->arena, cv_str_z(from->text[T_ADDRESS]));
	json_t *detail = json_pack("{s:s, s:O, s:O, s:O, s:O, s:O?}", "into",
		into->text[T_ADDRESS], "aliases", aliases, "moved", moved, "dropped", dropped,
		"cancelled", cancelled, "reason", json_object_get(c->request, "reason"));
	move_links(c, from, into, moved);
	/* What waits for the one is not meant for the other; the addresses still tell. */
	reg_drop_acts_naming(c, from, cv_arena_printf(&c->arena, "%s became one account with %s",
		address.p, into->text[T_ADDRESS]).p, cancelled);
	move_addresses(c, from, into, aliases);
	reg_admin_follow(c, address, into);
	while (from->target_count)
		reg_save_target(c, from, &(struct reg_target){ .kind = from->targets[0].kind,
			.address = cv_arena_z(&c->arena, cv_str_z(from->targets[0].address)) },
			false);
	status = reg_leaving(c, from, true, err);
	if (status) {
		json_decref(detail);
		return status;
	}
	from->state = CV_STATE_RETIRED;
	from->state_secs = cv_wall_secs();
	from->listed = false;
	reg_save_account(c, from);
	reg_set_fact(c, from, "merged", json_pack("{s:I, s:s}", "into", (json_int_t)into->acct,
		"address", into->text[T_ADDRESS]));
	reg_put_use(c, from, c->reply);
	if (cv_str_eq_z(mail, "copy"))
		plan_copy(c, from, into, address.p);
	return reg_commit_act(c, "account.merge", address.p, detail, err);
}

struct reg_account *
reg_ended_account(struct reg_call *c, struct cv_str address)
{
	const struct reg_model *m = &c->r->model;
	struct cv_str key;
	struct cv_err none;
	if (reg_address_key(c, address, &key, &none))
		return NULL;
	for (size_t i = m->count; i-- > 0;)
		if (m->accounts[i]->state == CV_STATE_RETIRED &&
		    cv_str_eq_z(key, m->accounts[i]->text[T_ADDRESS]) &&
		    reg_fact(c, m->accounts[i], "merged"))
			return m->accounts[i];
	return NULL;
}

/* {"address"}: the mail of the account that ended under this address is copied, or the rest of it
 * after a stop -> {"messages"} */
enum cv_status
reg_merge_mail(struct reg_call *c, struct cv_err *err)
{
	struct cv_str address;
	enum cv_status status = reg_field(c, c->request, "address", 320, &address, err);
	struct reg_account *from = status || !address.n ? NULL : reg_ended_account(c, address);
	if (status)
		return status;
	const struct reg_account *into = from ? reg_model_find(&c->r->model,
		(uint64_t)reg_fact_secs(reg_fact(c, from, "merged"), "into")) : NULL;
	if (!into)
		return cv_fail(err, CV_NOT_FOUND, "%.*s is no account that was merged into another",
		               CV_STR_ARGS(address));
	plan_copy(c, from, into, from->text[T_ADDRESS]);
	return reg_refuse_unseen(c, into, err);
}

/* ---- the mail: without the register's lock ---- */

/* What is copied stands in order, so that as many as are there need no copying again. */
static enum cv_status
copy_messages(struct cv_mbox *src, struct cv_mbox *dst, uint64_t *count, cv_ticket *last,
              struct cv_err *err)
{
	const struct cv_view *v, *have;
	enum cv_status status = cv_mbox_view(src, &v, err);
	if (status)
		return status;
	status = cv_mbox_view(dst, &have, err);
	uint32_t at = status ? v->exists : have->exists;
	if (!status)
		cv_view_unref(have);
	while (!status && at < v->exists) {
		uint32_t uids[COPY_AT_ONCE], from[COPY_AT_ONCE], to[COPY_AT_ONCE];
		size_t n = 0, done;
		for (; n < COPY_AT_ONCE && at < v->exists; at++)
			uids[n++] = cv_view_seq(v, at + 1)->uid;
		status = cv_mbox_copy(src, uids, n, dst, false, from, to, &done, last, err);
		*count += status ? 0 : done;
	}
	cv_view_unref(v);
	return status;
}

static enum cv_status
copy_mailbox(struct cv_acct *from, struct cv_acct *into, struct cv_str name, struct cv_str target,
             uint64_t *count, cv_ticket *last, struct cv_err *err)
{
	struct cv_mbox *src, *dst;
	uint64_t id;
	enum cv_status status = cv_mbox_create(into, target, CV_USE_NONE, &id, last, err);
	if (status == CV_EXISTS)
		status = CV_OK;
	if (!status)
		status = cv_mbox_open(into, target, &dst, err);
	if (status)
		return status;
	status = cv_mbox_open(from, name, &src, err);
	if (!status) {
		status = copy_messages(src, dst, count, last, err);
		cv_mbox_close(src);
	}
	cv_mbox_close(dst);
	return status;
}

static enum cv_status
copy_all(struct reg_call *c, const struct copying *copy, struct cv_acct *from,
         struct cv_acct *into, uint64_t *count, struct cv_err *err)
{
	struct cv_mbox_info *list;
	size_t n;
	cv_ticket last = 0;
	enum cv_status status = cv_mbox_list(from, &c->arena, &list, &n, err);
	for (size_t i = 0; i < n && !status; i++) {
		if (!list[i].id || !list[i].selectable || !list[i].exists)
			continue;
		struct cv_str target = cv_arena_printf(&c->arena, FOLDER "/%s/%.*s", copy->address,
			CV_STR_ARGS(list[i].name));
		status = copy_mailbox(from, into, list[i].name, target, count, &last, err);
	}
	if (last)
		cv_ticket_block(cv_store_engine(c->r->store), last);
	return status;
}

static enum cv_status
copy_mail(struct reg_call *c, struct cv_err *err)
{
	const struct copying *copy = c->after_arg;
	struct cv_acct *from, *into;
	cv_ticket ticket;
	uint64_t count = 0;
	struct cv_err why = {0};
	if (c->is_dry)
		return CV_OK;
	enum cv_status status = cv_acct_open(c->r->store, copy->from, false, &from, &ticket, err);
	if (status == CV_NOT_FOUND)
		return CV_OK; /* never had a box, or it was purged */
	if (status)
		return status;
	status = cv_acct_open(c->r->store, copy->into, true, &into, &ticket, err);
	if (!status) {
		status = copy_all(c, copy, from, into, &count, &why);
		cv_acct_close(into);
	}
	cv_acct_close(from);
	json_object_set_new(c->reply, "messages", json_integer((json_int_t)count));
	return !status ? CV_OK : cv_fail(err, status,
		"the accounts are one, but not all mail was copied (%s); \"account.merge.mail\" goes "
		"on", why.text);
}
