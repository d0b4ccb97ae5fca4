/* reorganise_apply.c - writes what was decided into the model and its rows. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/register/reorganise.h"

static struct reorg_person *
kept(struct reorg_person *p)
{
	return p->into ? p->into : p;
}

/* KEY as it is after the plan: NULL when it stays. */
static const char *
new_key(struct reorg *o, const char *key)
{
	struct reorg_person *p = *key ? cv_map_get(&o->changed, cv_str_z(key)) : NULL;
	if (!p)
		return NULL;
	p = kept(p);
	return p->address ? p->address : p->a->text[T_ADDRESS];
}

/* ---- units and domains ---- */

/* The address of the kept box of each unit. */
static void
place_addresses(struct reorg *o)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);) {
		struct reorg_unit *u = value;
		const char *now = new_key(o, u->now.text[AG_ADDRESS]);
		if (!now || u->is_closed)
			continue;
		u->now.text[AG_ADDRESS] = (char *)(uintptr_t)now;
		u->is_touched = true;
	}
	for (size_t i = 0; i < o->m->count; i++) {
		struct reorg_person *p = &o->people[i];
		bool is_box = p->a->kind == CV_KIND_AGENCY && p->a->state != CV_STATE_RETIRED;
		if (!is_box || p->into || !p->to || *p->to->now.text[AG_ADDRESS] ||
		    p->to == p->from)
			continue;
		p->to->now.text[AG_ADDRESS] =
			(char *)(uintptr_t)(p->address ? p->address : p->a->text[T_ADDRESS]);
		p->to->is_touched = true;
	}
}

static void
close_agency(struct reorg *o, const struct reorg_unit *u)
{
	struct reg_call *c = o->c;
	const struct reorg_unit *after = reorg_standing(u->into);
	const char *code = after ? after->code : "";
	if (!u->old)
		return; /* made and closed by the same plan */
	struct cv_str key = cv_str_z(u->code);
	reg_put(c, cv_arena_printf(&c->arena, "G%s", u->code), CV_STR_EMPTY);
	reg_put(c, cv_arena_printf(&c->arena, "$%s", u->code),
		cv_arena_printf(&c->arena, "1%s", code));
	reg_model_close_code(o->m, key, code);
	reg_agency_free(cv_map_del(&o->m->agencies, key));
}

static void
save_agency(struct reorg *o, const struct reorg_unit *u)
{
	struct reg_agency *g = reg_agency_new(cv_str_z(u->code));
	g->rank = u->now.rank;
	g->pool_bytes = u->now.pool_bytes;
	for (size_t i = 0; i < AG_COUNT; i++)
		reg_agency_set(g, (enum reg_agency_text)i, cv_str_z(u->now.text[i]));
	reg_save_agency(o->c, g);
	reg_model_put_agency(o->m, g);
}

static int
by_code(const void *a, const void *b)
{
	return strcmp((*(struct reorg_unit *const *)a)->code,
		(*(struct reorg_unit *const *)b)->code);
}

static void
apply_units(struct reorg *o)
{
	struct cv_str key;
	void *value;
	size_t n = 0;
	struct reorg_unit **list =
		CV_ARENA_ARRAY(o->arena, struct reorg_unit *, o->units.used + 1);
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);)
		list[n++] = value;
	if (n)
		qsort(list, n, sizeof(struct reorg_unit *), by_code);
	/* What stands borrows texts of the model: copied before anything is freed. */
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; !list[i]->is_closed && k < AG_COUNT; k++)
			list[i]->now.text[k] =
				cv_arena_z(o->arena, cv_str_z(list[i]->now.text[k]));
	for (size_t i = 0; i < n; i++)
		if (!list[i]->is_closed && (list[i]->is_touched || !list[i]->old))
			save_agency(o, list[i]);
	for (size_t i = 0; i < n; i++)
		if (list[i]->is_closed)
			close_agency(o, list[i]);
}

static void
apply_domains(struct reorg *o)
{
	for (size_t i = 0; i < o->domain_count; i++) {
		const struct reorg_domain *d = &o->domains[i];
		reg_put(o->c, cv_arena_printf(o->arena, "D%.*s", CV_STR_ARGS(d->name)), d->target);
		reg_model_put_domain(o->m, d->name, d->target);
	}
}

/* ---- accounts ---- */

static bool
set(struct reg_account *a, enum reg_text which, const char *text)
{
	if (!text || !strcmp(a->text[which], text))
		return false;
	reg_account_set(a, which, cv_str_z(text));
	return true;
}

static void
apply_address(struct reorg *o, struct reorg_person *p)
{
	struct reg_account *a = p->a;
	/* Its own copy: the text is set below. */
	const char *old = cv_arena_z(o->arena, cv_str_z(a->text[T_ADDRESS]));
	reg_save_address(o->c, cv_str_z(p->address), REG_PRIMARY, a->acct);
	reg_save_address_until(o->c, cv_str_z(old), REG_ALIAS, kept(p)->a->acct, o->old_until);
	(void)set(a, T_ADDRESS, p->address);
}

static void
apply_account(struct reorg *o, struct reorg_person *p)
{
	struct reg_account *a = p->a;
	bool changed = p->to != p->from && set(a, T_AGENCY, p->to ? p->to->code : "");
	changed |= set(a, T_DEPARTMENT, p->department);
	changed |= set(a, T_NAME, p->name);
	if (set(a, T_TITLE, p->title)) {
		a->rank = reg_rank_of_title(p->title);
		changed = true;
	}
	if (p->into && a->listed) {
		a->listed = false;
		changed = true;
	}
	if (p->into && a->kind == CV_KIND_GROUP) {
		a->state = CV_STATE_RETIRED;
		a->state_secs = cv_wall_secs();
		changed = true;
	}
	if (p->address && strcmp(p->address, a->text[T_ADDRESS])) {
		apply_address(o, p);
		changed = true;
	}
	if (changed)
		reg_save_account(o->c, a);
}

/* The further addresses of boxes that are not kept go where their first ones went. */
static void
apply_aliases(struct reorg *o)
{
	struct cv_str key, *keys = CV_ARENA_ARRAY(o->arena, struct cv_str,
		o->m->addresses.used + 1);
	void *value;
	size_t n = 0;
	for (size_t pos = 0; cv_map_each(&o->m->addresses, &pos, &key, &value);) {
		const struct reg_address *a = value;
		const struct reorg_person *p = reorg_person_of(o, a->acct);
		if (a->type == REG_ALIAS && p && p->into)
			keys[n++] = cv_arena_str(o->arena, key);
	}
	for (size_t i = 0; i < n; i++) {
		const struct reg_address *a = cv_map_get(&o->m->addresses, keys[i]);
		struct reorg_person *p = reorg_person_of(o, a->acct);
		reg_save_address_until(o->c, keys[i], REG_ALIAS, p->into->a->acct, a->until_secs);
	}
}

/* ---- links ---- */

static void
link_to(struct reorg *o, char kind, struct reg_account *owner, uint64_t other, bool is_there)
{
	struct reg_list *list = reg_list_of(owner, kind);
	if (owner->acct == other || reg_list_has(list, other) == is_there)
		return;
	reg_save_link(o->c, kind, owner->acct, other, is_there);
	if (is_there)
		reg_list_add(list, other);
	else
		(void)reg_list_del(list, other);
}

/* Where a box that is not kept stood in a list, the kept one stands. */
static void
replace_members(struct reorg *o, struct reg_account *owner, char kind)
{
	const struct reg_list *list = reg_list_of(owner, kind);
	size_t n = list->n;
	uint64_t *items = CV_ARENA_ARRAY(o->arena, uint64_t, n + 1);
	if (n)
		memcpy(items, list->items, n * sizeof *items);
	for (size_t i = 0; i < n; i++) {
		const struct reorg_person *p = reorg_person_of(o, items[i]);
		if (!p || !p->into)
			continue;
		link_to(o, kind, owner, items[i], false);
		link_to(o, kind, owner, p->into->a->acct, true);
	}
}

static void
join_lists(struct reorg *o, struct reorg_person *p)
{
	static const char kinds[] = { 'M', 'L', 'U', 'V', 'O' };
	struct reg_account *into = p->into->a;
	bool joins = p->a->kind == CV_KIND_GROUP || p->to->joins_holders;
	for (size_t k = 0; joins && k < sizeof kinds; k++) {
		const struct reg_list *list = reg_list_of(p->a, kinds[k]);
		for (size_t i = 0; i < list->n; i++) {
			/* Who was let into one box for a day (SEC-07) was not into another. */
			if (kinds[k] != 'V' || !reg_is_glass(o->c, p->a->acct, list->items[i]))
				link_to(o, kinds[k], into, list->items[i], true);
		}
	}
	for (size_t i = 0; p->a->kind == CV_KIND_GROUP && i < p->a->target_count; i++) {
		const struct reg_target *t = &p->a->targets[i];
		if (!reg_target_find(into, t->kind, cv_str_z(t->address)))
			reg_save_target(o->c, into, t, true);
	}
}

static void
apply_heads(struct reorg *o)
{
	size_t k;
	json_t *one;
	json_array_foreach(o->heads, k, one) {
		json_t *acct = json_object_get(one, "acct");
		const struct reorg_unit *u = reorg_standing(cv_map_get(&o->units,
			cv_str_z(json_string_value(json_object_get(one, "unit")))));
		for (size_t i = 0; acct && i < o->m->count; i++) {
			struct reorg_person *p = &o->people[i];
			if (p->a->kind == CV_KIND_AGENCY && p->to == u && !p->into &&
			    p->a->state != CV_STATE_RETIRED)
				link_to(o, 'M', p->a, (uint64_t)json_integer_value(acct), true);
		}
	}
}

/* ---- routes ---- */

static void
apply_route(struct reorg *o, struct reg_account *a)
{
	static const enum reg_route_text texts[] = { RT_OWNER, RT_SUCCESSOR };
	bool changed = false;
	for (size_t i = 0; a->route && i < CV_COUNT(texts); i++) {
		const char *now = new_key(o, a->route->text[texts[i]]);
		if (!now)
			continue;
		reg_route_set(a->route, texts[i], cv_str_z(now));
		changed = true;
	}
	if (changed)
		reg_save_route(o->c, a);
	const char *own = new_key(o, a->text[T_ADDRESS]);
	own = own ? own : a->text[T_ADDRESS];
	size_t n = a->target_count;
	struct reg_target *old = CV_ARENA_ARRAY(o->arena, struct reg_target, n + 1);
	for (size_t i = 0; i < n; i++) {
		old[i] = a->targets[i];
		old[i].address = cv_arena_z(o->arena, cv_str_z(a->targets[i].address));
		old[i].reason = cv_arena_z(o->arena, cv_str_z(a->targets[i].reason));
	}
	for (size_t i = 0; i < n; i++) {
		const char *now = new_key(o, old[i].address);
		if (!now)
			continue;
		reg_save_target(o->c, a, &old[i], false);
		old[i].address = (char *)(uintptr_t)now;
		/* A box that took another one's place is not forwarded to itself. */
		if (strcmp(now, own))
			reg_save_target(o->c, a, &old[i], true);
	}
}

/* ---- administrators ---- */

static void
apply_admin(struct reorg *o, struct cv_str key)
{
	const struct reg_admin *old = cv_map_get(&o->m->admins, key);
	const struct reorg_unit *u =
		*old->agency ? cv_map_get(&o->units, cv_str_z(old->agency)) : NULL;
	const struct reorg_unit *into = u && u->is_closed ? reorg_standing(u->into) : u;
	const char *name = new_key(o, old->name), *agency = into ? into->code : "";
	bool ends = u && u->is_closed && (!into || !into->joins_admins);
	if (!name && !ends && !strcmp(agency, old->agency))
		return;
	struct reg_admin *a = cv_calloc(1, sizeof *a);
	*a = *old;
	a->name = cv_strdup(name ? name : old->name);
	a->agency = cv_strdup(agency);
	a->by = cv_strdup(old->by);
	struct cv_str key_now = cv_arena_str(o->arena, cv_str_z(a->name));
	if (ends || name)
		reg_save_admin(o->c, key, NULL);
	if (ends)
		reg_admin_free(a);
	else
		reg_save_admin(o->c, key_now, a);
}

static void
apply_admins(struct reorg *o)
{
	struct cv_str key, *keys = CV_ARENA_ARRAY(o->arena, struct cv_str, o->m->admins.used + 1);
	void *value;
	size_t n = 0;
	for (size_t pos = 0; cv_map_each(&o->m->admins, &pos, &key, &value);)
		keys[n++] = cv_arena_str(o->arena, key);
	for (size_t i = 0; i < n; i++)
		apply_admin(o, keys[i]);
}

/* ---- new boxes ---- */

static enum cv_status
make_boxes(struct reorg *o, struct cv_err *err)
{
	size_t i;
	json_t *one;
	json_array_foreach(o->new_boxes, i, one) {
		const char *role = json_string_value(json_object_get(one, "role"));
		const struct reorg_unit *u = reorg_standing(cv_map_get(&o->units,
			cv_str_z(json_string_value(json_object_get(one, "unit")))));
		struct reg_account *made;
		if (!u)
			continue;
		bool is_own = !strcmp(role, "agency");
		json_t *box = json_pack("{s:s, s:s, s:s}", "kind", is_own ? "agency" : "role",
			"agency", u->code, "name", u->now.text[AG_NAME]);
		if (!is_own)
			json_object_set_new(box, "role", json_string(role));
		enum cv_status status = reg_make_account(o->c, box, false, &made, NULL, err);
		json_decref(box);
		if (status)
			return status;
		json_object_set_new(one, "address", json_string(made->text[T_ADDRESS]));
		struct reg_agency *g = reg_find_agency(o->c->r, cv_str_z(u->code));
		if (!is_own || !g || *g->text[AG_ADDRESS])
			continue;
		reg_agency_set(g, AG_ADDRESS, cv_str_z(made->text[T_ADDRESS]));
		reg_save_agency(o->c, g);
	}
	return CV_OK;
}

enum cv_status
reorg_apply(struct reorg *o, struct cv_err *err)
{
	size_t count = o->m->count; /* more may be made at the end */
	o->c->was_changed = true;
	place_addresses(o);
	apply_admins(o);
	apply_units(o);
	apply_domains(o);
	for (size_t i = 0; i < count; i++)
		apply_route(o, o->m->accounts[i]);
	for (size_t i = 0; i < count; i++)
		if (o->people[i].into)
			join_lists(o, &o->people[i]);
	for (size_t i = 0; i < count; i++) {
		replace_members(o, o->m->accounts[i], 'M');
		replace_members(o, o->m->accounts[i], 'O');
	}
	apply_heads(o);
	apply_aliases(o);
	for (size_t i = 0; i < count; i++)
		apply_account(o, &o->people[i]);
	return make_boxes(o, err);
}
