/* others_list.c - see others_list.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/others_list.h"

#include <limits.h>

#include "common/base/map.h"
#include "imapd/rights.h"

#define LEVEL_ID UINT64_MAX /* a level above mailboxes is no mailbox, but it is there */

struct merging {
	struct imapd_conn *c;
	struct cv_mbox_info *boxes;
	size_t count, cap;
	struct cv_map own; /* name in a branch of others -> its index + 1 among the person's */
	unsigned depth;    /* levels that the patterns reach */
	char separator;
	enum cv_status status;
	struct cv_err *err;
};

static void
add(struct merging *m, const struct cv_mbox_info *box)
{
	if (m->count == m->cap) {
		m->cap = m->cap * 2 + 32;
		struct cv_mbox_info *grown =
			CV_ARENA_ARRAY(&m->c->arena, struct cv_mbox_info, m->cap);
		memcpy(grown, m->boxes, m->count * sizeof(*grown));
		m->boxes = grown;
	}
	m->boxes[m->count++] = *box;
}

/* A name that the person's account has too: a mailbox of that name stays what the name means, a
 * subscription is what the row's is. */
static void
add_other(struct merging *m, struct cv_mbox_info box)
{
	uintptr_t at = (uintptr_t)cv_map_get(&m->own, box.name);

	if (!at) {
		box.subscribed = false;
		add(m, &box);
		return;
	}
	struct cv_mbox_info *own = &m->boxes[at - 1];
	if (own->id) {
		own->has_children = own->has_children || box.has_children;
		return;
	}
	*own = box;
	own->subscribed = true;
}

static void
add_level(struct merging *m, struct cv_str name)
{
	add_other(m, (struct cv_mbox_info){.name = name, .id = LEVEL_ID, .has_children = true});
}

/* Leaves of LIST what has l (RFC 4314 4): a mailbox that has not is as if it were not there, and
 * neither are those below it a reason to show it. */
static size_t
keep_visible(struct merging *m, const struct imapd_place *place, struct cv_mbox_info *list,
	size_t count)
{
	struct cv_map parents;
	size_t n = 0;

	cv_map_init(&parents);
	for (size_t i = 0; i < count; i++) {
		list[i].rights = imapd_rights(m->c, place->owner, list[i].acl);
		/* Without an id it is a subscription of the owner. */
		if (!list[i].id || !(list[i].rights & CV_RIGHT_L))
			continue;
		for (size_t at = list[i].name.n; at > 0; at--)
			if (list[i].name.p[at - 1] == m->separator)
				cv_map_put(&parents, cv_str(list[i].name.p, at - 1), m);
		list[n++] = list[i];
	}
	for (size_t i = 0; i < n; i++)
		list[i].has_children = cv_map_get(&parents, list[i].name);
	cv_map_done(&parents);
	return n;
}

static bool
add_owner(void *arg, const struct imapd_place *place)
{
	struct merging *m = arg;
	struct cv_mbox_info *list;
	size_t count;

	m->status = cv_mbox_list_as(
		place->acct, &place->viewer, &m->c->arena, &list, &count, m->err);
	if (m->status)
		return false;
	count = keep_visible(m, place, list, count);
	if (count)
		add_level(m, imapd_place_name(m->c, place, CV_STR_EMPTY));
	for (size_t i = 0; i < count; i++) {
		list[i].name = imapd_place_name(m->c, place, list[i].name);
		list[i].use = CV_USE_NONE; /* not this person's "Sent" */
		add_other(m, list[i]);
	}
	return true;
}

static bool
add_owner_level(void *arg, const struct imapd_place *place)
{
	struct merging *m = arg;

	add_level(m, imapd_place_name(m->c, place, CV_STR_EMPTY));
	return true;
}

static bool
note_any(void *arg, const struct imapd_place *place)
{
	(void)place;
	*(bool *)arg = true;
	return false;
}

/* May PATTERN match BRANCH or something below it, as far as its text before any wildcard says? */
static bool
may_reach(struct cv_str pattern, struct cv_str branch)
{
	size_t n = 0;

	while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '%')
		n++;
	return !memcmp(pattern.p, branch.p, CV_MIN(n, branch.n));
}

/* How many levels names have that PATTERN matches, at most. */
static unsigned
depth_of(struct cv_str pattern, char separator)
{
	unsigned depth = 1;

	for (size_t i = 0; i < pattern.n; i++) {
		if (pattern.p[i] == '*')
			return UINT_MAX;
		depth += pattern.p[i] == separator;
	}
	return depth;
}

static enum cv_status
add_space(struct merging *m, enum imapd_space space, struct cv_str branch)
{
	bool is_any = false;

	enum cv_status status = imapd_each_other(m->c, space, false, note_any, &is_any, m->err);
	if (status || !is_any)
		return status;
	add_level(m, branch);
	if (m->depth < 2)
		return CV_OK;
	bool opens = m->depth > 2;
	status = imapd_each_other(
		m->c, space, opens, opens ? add_owner : add_owner_level, m, m->err);
	return status ? status : m->status;
}

static void
note_own(struct merging *m)
{
	cv_map_init(&m->own);
	for (size_t i = 0; i < m->count; i++)
		if (imapd_is_others_name(m->c, m->boxes[i].name))
			cv_map_put(&m->own, m->boxes[i].name, (void *)(uintptr_t)(i + 1));
}

enum cv_status
imapd_list_others(struct imapd_conn *c, const struct cv_str *patterns, size_t pattern_count,
	struct cv_mbox_info **boxes, size_t *count, struct cv_err *err)
{
	static const enum imapd_space spaces[] = {IMAPD_SPACE_OTHERS, IMAPD_SPACE_SHARED};
	struct merging m = {.c = c,
		.boxes = *boxes,
		.count = *count,
		.cap = *count,
		.separator = cv_store_separator(c->server->store),
		.err = err};
	enum cv_status status = CV_OK;

	note_own(&m);
	for (size_t i = 0; !status && i < CV_COUNT(spaces); i++) {
		struct cv_str branch = imapd_space_name(c, spaces[i]);
		m.depth = 0;
		for (size_t k = 0; k < pattern_count; k++)
			if (branch.n && may_reach(patterns[k], branch))
				m.depth = CV_MAX(m.depth, depth_of(patterns[k], m.separator));
		if (m.depth)
			status = add_space(&m, spaces[i], branch);
	}
	cv_map_done(&m.own);
	*boxes = m.boxes;
	*count = m.count;
	return status;
}
