/* reorganise_tell.c - everything that a plan changes, as JSON. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/reorganise.h"

struct counts {
	size_t people, new_addresses, collisions, boxes_kept, boxes_closed, groups, delegations,
		unlisted, units_closed, units_new, units_changed, shared_names;
};

static bool
is_box(const struct reg_account *a)
{
	return a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY || a->kind == CV_KIND_GROUP;
}

static const char *
after(const struct reorg_person *p)
{
	return p->address ? p->address : p->a->text[T_ADDRESS];
}

static bool
is_concerned(const struct reorg_person *p)
{
	bool in_unit = (p->from && p->from->order) || (p->to && p->to->order);
	return p->a->state != CV_STATE_RETIRED &&
		(in_unit || p->address || p->title || p->to != p->from || p->into);
}

/* ---- units ---- */

static int
by_order(const void *x, const void *y)
{
	const struct reorg_unit *a = *(struct reorg_unit *const *)x;
	const struct reorg_unit *b = *(struct reorg_unit *const *)y;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return strcmp(a->code, b->code);
}

static const char *
fate_of(const struct reorg_unit *u)
{
	return u->is_closed ? "closed" : u->old ? "kept" : "new";
}

static json_t *
tell_unit(struct reorg *o, const struct reorg_unit *u, struct counts *n)
{
	const struct reorg_unit *into = reorg_standing(u->into);
	size_t people = 0, boxes = 0;
	for (size_t i = 0; i < o->m->count; i++) {
		const struct reorg_person *p = &o->people[i];
		if (p->a->state == CV_STATE_RETIRED || (u->is_closed ? p->from : p->to) != u)
			continue;
		people += p->a->kind == CV_KIND_PERSON;
		boxes += is_box(p->a);
	}
	n->units_closed += u->is_closed;
	n->units_new += !u->is_closed && !u->old;
	n->units_changed += !u->is_closed && u->old;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "code", u->code,
		"name", u->now.text[AG_NAME], "old_name", u->old ? u->old->text[AG_NAME] : "",
		"parent", u->now.text[AG_PARENT], "fate", fate_of(u), "into",
		into ? into->code : "", "people", (json_int_t)people, "boxes", (json_int_t)boxes,
		"pool_before", (json_int_t)(u->old ? u->old->pool_bytes : 0), "pool",
		(json_int_t)(u->is_closed ? 0 : u->now.pool_bytes));
}

static json_t *
tell_units(struct reorg *o, struct counts *n)
{
	struct cv_str key;
	void *value;
	size_t count = 0;
	json_t *out = json_array();
	struct reorg_unit **list =
		CV_ARENA_ARRAY(o->arena, struct reorg_unit *, o->units.used + 1);
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);) {
		struct reorg_unit *u = value;
		if (u->order || u->is_touched || u->is_closed)
			list[count++] = u;
	}
	if (count)
		qsort(list, count, sizeof(struct reorg_unit *), by_order);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(out, tell_unit(o, list[i], n));
	return out;
}

/* ---- people and boxes ---- */

static json_t *
tell_one(const struct reorg_person *p)
{
	const struct reg_account *a = p->a;
	const struct reorg_unit *unit = p->to;
	json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "address",
		a->text[T_ADDRESS], "new", after(p), "name", p->name ? p->name : a->text[T_NAME],
		"kind", reg_kind_words[a->kind], "agency", a->text[T_AGENCY], "new_agency",
		unit ? unit->code : "", "new_agency_name", unit ? unit->now.text[AG_NAME] : "",
		"department", p->department ? p->department : a->text[T_DEPARTMENT], "title",
		p->title ? p->title : a->text[T_TITLE]);
	json_object_set_new(one, "changed", json_boolean(strcmp(a->text[T_ADDRESS], after(p))));
	if (p->wanted && p->address)
		json_object_set_new(one, "collision", json_pack("{s:s, s:s}", "wanted", p->wanted,
			"holder", p->because));
	return one;
}

static json_t *
tell_box(const struct reorg_person *p, struct counts *n)
{
	json_t *one = tell_one(p);
	const struct reorg_person *into = p->into;
	n->boxes_kept += !into;
	n->boxes_closed += into != NULL;
	n->groups += p->a->kind == CV_KIND_GROUP;
	n->unlisted += into && p->a->listed;
	n->shared_names += p->address && p->a->members.n;
	json_object_set_new(one, "fate", json_string(into ? "alias" : "kept"));
	json_object_set_new(one, "holders", json_integer((json_int_t)p->a->members.n));
	if (into) {
		json_object_set_new(one, "into", json_string(after(into)));
		bool moves = p->to && p->to->moves_mail && p->a->kind != CV_KIND_GROUP;
		json_object_set_new(one, "mail", json_string(moves ? "move" : "read"));
	}
	return one;
}

static void
tell_people(struct reorg *o, json_t *reply, struct counts *n)
{
	json_t *people = json_array(), *boxes = json_array();
	for (size_t i = 0; i < o->m->count; i++) {
		const struct reorg_person *p = &o->people[i];
		if (!is_concerned(p))
			continue;
		if (is_box(p->a)) {
			json_array_append_new(boxes, tell_box(p, n));
			continue;
		}
		n->people++;
		n->new_addresses += p->address != NULL;
		n->collisions += p->wanted && p->address;
		json_array_append_new(people, tell_one(p));
	}
	json_object_set_new(reply, "people", people);
	json_object_set_new(reply, "boxes", boxes);
}

/* ---- who stands for whom ---- */

static void
tell_delegates(struct reorg *o, const struct reorg_person *p, const struct reg_list *list,
               const char *rights, json_t *out)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct reorg_person *who = reorg_person_of(o, list->items[i]);
		if (who && (p->address || who->address))
			json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:s}", "owner",
				p->a->text[T_ADDRESS], "owner_new", after(p), "who",
				who->a->text[T_ADDRESS], "who_new", after(who), "rights",
				rights));
	}
}

static json_t *
tell_delegations(struct reorg *o, struct counts *n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < o->m->count; i++) {
		const struct reorg_person *p = &o->people[i];
		tell_delegates(o, p, &p->a->delegates, "send-as", out);
		tell_delegates(o, p, &p->a->readers, "read", out);
		tell_delegates(o, p, &p->a->stewards, "full", out);
	}
	n->delegations = json_array_size(out);
	n->shared_names += n->delegations;
	return out;
}

static json_t *
tell_admins(struct reorg *o)
{
	json_t *out = json_array();
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&o->m->admins, &pos, &key, &value);) {
		const struct reg_admin *a = value;
		const struct reorg_unit *u =
			*a->agency ? cv_map_get(&o->units, cv_str_z(a->agency)) : NULL;
		const struct reorg_unit *into = u ? reorg_standing(u->into) : NULL;
		if (u && u->is_closed)
			json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "admin", a->name,
				"agency", a->agency, "new_agency",
				into && into->joins_admins ? into->code : ""));
	}
	return out;
}

static json_t *
tell_domains(const struct reorg *o)
{
	json_t *out = json_array();
	for (size_t i = 0; i < o->domain_count; i++)
		json_array_append_new(out, json_pack("{s:s%, s:s%}", "domain",
			o->domains[i].name.p, o->domains[i].name.n, "alias_of",
			o->domains[i].target.p, o->domains[i].target.n));
	return out;
}

void
reorg_tell(struct reorg *o, json_t *reply)
{
	struct counts n = {0};
	json_object_set_new(reply, "units", tell_units(o, &n));
	tell_people(o, reply, &n);
	json_object_set_new(reply, "delegations", tell_delegations(o, &n));
	json_object_set_new(reply, "domains", tell_domains(o));
	json_object_set_new(reply, "admins", tell_admins(o));
	json_object_set_new(reply, "new_boxes", json_deep_copy(o->new_boxes));
	json_object_set(reply, "problems", o->problems);
	json_object_set_new(reply, "old_until", json_integer((json_int_t)o->old_until));
	json_object_set_new(reply, "counts", json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "people",
		(json_int_t)n.people, "new_addresses", (json_int_t)n.new_addresses, "collisions",
		(json_int_t)n.collisions, "boxes_kept", (json_int_t)n.boxes_kept, "boxes_closed",
		(json_int_t)n.boxes_closed, "groups", (json_int_t)n.groups, "delegations",
		(json_int_t)n.delegations, "unlisted", (json_int_t)n.unlisted, "units_closed",
		(json_int_t)n.units_closed, "units_new", (json_int_t)n.units_new, "units_changed",
		(json_int_t)n.units_changed, "shared_names", (json_int_t)n.shared_names,
		"problems", (json_int_t)json_array_size(o->problems)));
}
