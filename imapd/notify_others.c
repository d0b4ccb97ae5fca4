/* notify_others.c - NOTIFY and the mailboxes of others (RFC 5465 3.1, 5.9).
 *
 * One more watch for each account of another that the groups may mean by a name or a
 * subscription. Rights are looked at whenever something is told, so who loses them hears nothing
 * more: l and r for messages, l for names. A mailbox that is deleted, or whose rights change, is
 * told of only to those who could list it before.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/store/acl.h"
#include "imapd/notify_impl.h"
#include "imapd/rights.h"

/* ---- which accounts ---- */

struct choosing {
	struct imapd_conn *c;
	struct imapd_notify *n, *old;
	const struct cv_mbox_info *own; /* the person's mailboxes and subscriptions */
	size_t own_count;
	unsigned meant; /* by the groups */
	enum cv_status status;
	struct cv_err *err;
};

static bool
is_in(struct cv_str name, struct cv_str level, char separator)
{
	return name.n >= level.n && !memcmp(name.p, level.p, level.n) &&
	       (name.n == level.n || name.p[level.n] == separator);
}

static bool
is_subscribed(const struct cv_mbox_info *own, size_t count, struct cv_str level, char separator)
{
	for (size_t i = 0; i < count; i++)
		if (own[i].subscribed && is_in(own[i].name, level, separator))
			return true;
	return false;
}

/* Whether G may mean a mailbox below LEVEL. */
static bool
may_mean(const struct choosing *ch, const struct imapd_notify_group *g, struct cv_str level)
{
	char separator = cv_store_separator(ch->c->server->store);

	if (!g->events)
		return false;
	if (g->filter.kind == IMAPD_FILTER_SUBSCRIBED)
		return is_subscribed(ch->own, ch->own_count, level, separator);
	for (size_t i = 0; i < g->filter.count; i++) {
		struct cv_str name = g->filter.names[i];
		if (is_in(name, level, separator) ||
			(g->filter.kind == IMAPD_FILTER_SUBTREE &&
				(!name.n || is_in(level, name, separator))))
			return true;
	}
	return false;
}

/* Whether new messages in the selected mailbox, which is another's, are to be described. */
static bool
describes_other(const struct imapd_conn *c, const struct imapd_notify *n)
{
	return n->described.n && c->session && c->session->owner.is_other;
}

static void
on_feed(struct cv_feed_watch *w)
{
	struct imapd_notify_other *o = CV_CONTAINER(w, struct imapd_notify_other, watch);

	if (!atomic_exchange(&o->notify->others_have_news, true))
		cv_conn_wake(o->notify->conn);
}

static unsigned
wanted_kinds(const struct imapd_notify *n)
{
	unsigned kinds = CV_FEED_RIGHTS | (n->described.n ? CV_FEED_NEW : 0);

	for (size_t i = 0; i < n->count; i++)
		if (n->groups[i].filter.kind > IMAPD_FILTER_SELECTED_DELAYED)
			kinds |= imapd_notify_kinds(n->groups[i].events);
	return kinds & ~(unsigned)CV_FEED_SUBSCRIBED; /* those are the owner's */
}

static void
watch(struct choosing *ch, struct cv_acct *acct, cv_acct_no owner, struct cv_str level)
{
	struct imapd_notify *n = ch->n;
	struct imapd_notify_other *o = cv_calloc(1, sizeof *o);

	o->notify = n;
	o->acct = acct;
	o->owner = owner;
	o->level = cv_str_dup(level);
	o->watch = (struct cv_feed_watch){.fn = on_feed, .wants = wanted_kinds(n)};
	cv_list_init(&o->watch.link);
	cv_feed_watch(acct, &o->watch, &o->place);
	for (unsigned i = 0; ch->old && i < ch->old->other_count; i++)
		if (ch->old->others[i]->acct == acct)
			o->place = ch->old->others[i]->place;
	n->others = cv_realloc(
		n->others, (n->other_count + 1) * sizeof(struct imapd_notify_other *));
	n->others[n->other_count++] = o;
	atomic_store(&n->others_have_news, true);
}

static bool
choose(void *arg, const struct imapd_place *place)
{
	struct choosing *ch = arg;
	struct cv_str level = imapd_place_name(ch->c, place, CV_STR_EMPTY);
	struct cv_acct *acct;
	cv_ticket unused;
	bool is_meant = false;
	bool is_selected = describes_other(ch->c, ch->n) &&
			   ch->c->session->owner.acct == place->owner;

	for (size_t i = 0; i < ch->n->count; i++)
		is_meant |= may_mean(ch, &ch->n->groups[i], level);
	if (!is_meant && !is_selected)
		return true;
	if (is_meant && ch->meant++ == IMAPD_NOTIFY_OTHERS_MAX) {
		ch->status = cv_fail(ch->err, CV_LIMIT, "too many accounts of others");
		return false;
	}
	ch->status = cv_acct_open(
		ch->c->server->store, place->owner, true, &acct, &unused, ch->err);
	if (!ch->status)
		watch(ch, acct, place->owner, level);
	return !ch->status;
}

/* Whether any group may mean what is not the person's own. */
static bool
may_mean_others(const struct imapd_notify *n)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->groups[i].filter.kind >= IMAPD_FILTER_SUBSCRIBED && n->groups[i].events)
			return true;
	return false;
}

static uint64_t
generation_now(const struct imapd_conn *c)
{
	const struct cv_snapshot *s = cv_register_get(c->server->reg);
	uint64_t generation = cv_snapshot_generation(s);

	cv_snapshot_unref(s);
	return generation;
}

bool
imapd_notify_is_shared_anew(const struct imapd_conn *c, const struct imapd_notify *n)
{
	return may_mean_others(n) &&
	       (n->grants_version != cv_grants_version(c->server->store) ||
		       n->generation != generation_now(c));
}

enum cv_status
imapd_notify_watch_others(struct imapd_conn *c, struct imapd_notify *n, struct imapd_notify *old,
	struct cv_err *err)
{
	static const enum imapd_space spaces[] = {IMAPD_SPACE_OTHERS, IMAPD_SPACE_SHARED};
	struct choosing ch = {.c = c, .n = n, .old = old, .err = err};
	struct cv_mbox_info *own = NULL;

	n->grants_version = cv_grants_version(c->server->store);
	n->generation = generation_now(c);
	if (!may_mean_others(n) && !describes_other(c, n))
		return CV_OK;
	enum cv_status status = cv_mbox_list(c->acct, &c->arena, &own, &ch.own_count, err);
	ch.own = own;
	for (size_t i = 0; !status && !ch.status && i < CV_COUNT(spaces); i++)
		if (imapd_space_name(c, spaces[i]).n)
			status = imapd_each_other(c, spaces[i], false, choose, &ch, err);
	return status ? status : ch.status;
}

void
imapd_notify_free_others(struct imapd_notify *n)
{
	for (unsigned i = 0; i < n->other_count; i++) {
		struct imapd_notify_other *o = n->others[i];
		cv_feed_unwatch(o->acct, &o->watch);
		cv_acct_close(o->acct);
		free(o->level);
		free(o);
	}
	free(n->others);
	n->others = NULL;
	n->other_count = 0;
}

/* ---- telling ---- */

/* The name by which the client knows the mailbox LOCAL of O; in the command's arena. */
static struct cv_str
name_of(struct imapd_conn *c, const struct imapd_notify_other *o, struct cv_str local)
{
	return cv_arena_printf(&c->arena, "%s%c%.*s", o->level,
		cv_store_separator(c->server->store), CV_STR_ARGS(local));
}

/* In memory of its own: it is asked for one event after the other. */
static bool
has_subscribed(struct imapd_conn *c, struct cv_str name)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_mbox_info *own;
	size_t count;
	bool has = false;

	if (!cv_mbox_list(c->acct, &arena, &own, &count, NULL))
		for (size_t i = 0; i < count && !has; i++)
			has = own[i].subscribed && cv_str_eq(own[i].name, name);
	cv_arena_done(&arena);
	return has;
}

/* Events that the client wants of the mailbox NAME of another. SUBSCRIBED: whether it is; NULL:
 * not known. */
static unsigned
events_of(struct imapd_conn *c, struct cv_str name, const bool *subscribed)
{
	char separator = cv_store_separator(c->server->store);
	unsigned events = 0;

	for (size_t i = 0; i < c->notify->count; i++) {
		const struct imapd_notify_group *g = &c->notify->groups[i];
		if (g->filter.kind < IMAPD_FILTER_SUBSCRIBED ||
			!imapd_filter_has_name(&g->filter, name, separator))
			continue;
		if (g->filter.kind != IMAPD_FILTER_SUBSCRIBED ||
			(subscribed ? *subscribed : has_subscribed(c, name)))
			events |= g->events;
	}
	return events;
}

/* What is known of the mailbox NAME, and the person's rights on it; 0 when there is none. */
static uint32_t
look_at(struct imapd_conn *c, struct cv_str name, struct cv_mbox_info *out)
{
	struct imapd_place place;
	uint32_t rights = 0;

	if (!imapd_place(c, name, &place, NULL) && place.space != IMAPD_SPACE_OWN &&
		place.exists && !imapd_place_info(c, &place, out, NULL))
		rights = place.rights;
	return rights;
}

static bool
is_selected(const struct imapd_conn *c, struct cv_str name)
{
	return c->session && c->session->owner.is_other &&
	       cv_str_eq_z(name, c->session->owner.told);
}

static void
write_no_access(struct imapd_conn *c, struct cv_str name)
{
	struct cv_mbox_info box = {.name = name};

	imapd_write_list_as(c, &box, "\\NoAccess", imapd_out(c));
}

static void
tell_box(struct imapd_conn *c, struct cv_str name, unsigned kinds)
{
	const uint32_t needed = CV_RIGHT_L | CV_RIGHT_R;
	struct cv_mbox_info box;

	if (is_selected(c, name)) {
		c->notify->describes |= (kinds & CV_FEED_NEW) && c->notify->described.n;
		return;
	}
	kinds &= imapd_notify_kinds(events_of(c, name, NULL));
	if (kinds && (look_at(c, name, &box) & needed) == needed && box.selectable)
		imapd_write_status(c, &box, imapd_notify_status_items(c, kinds));
}

/* A mailbox that was made, renamed or deleted, or whose rights changed (5.4, 5.9). */
static void
tell_name(struct imapd_conn *c, const struct imapd_notify_other *o, const struct cv_feed_event *e)
{
	struct cv_str name = name_of(c, o, e->box.name);
	struct cv_mbox_info box;
	unsigned events = events_of(c, name, NULL);
	bool is_renamed = e->kind == CV_FEED_RENAMED;
	bool has_old_rights = e->kind == CV_FEED_DELETED || e->kind == CV_FEED_RIGHTS;
	bool was = has_old_rights && (imapd_rights(c, o->owner, e->detail) & CV_RIGHT_L);
	bool is = look_at(c, name, &box) & CV_RIGHT_L;

	if (e->kind == CV_FEED_RIGHTS && was == is)
		return;
	if (!(events & IMAPD_EVENT_NAME)) {
		if (e->kind == CV_FEED_RIGHTS && (events & IMAPD_EVENTS_OF_MESSAGES)) {
			if (is)
				imapd_write_list(c, &box, CV_STR_EMPTY, imapd_out(c));
			else
				write_no_access(c, name);
		}
		return;
	}
	if (is)
		imapd_write_list(c, &box, is_renamed ? name_of(c, o, e->detail) : CV_STR_EMPTY,
			imapd_out(c));
	else if (was)
		imapd_write_list(c, &(struct cv_mbox_info){.name = name}, CV_STR_EMPTY,
			imapd_out(c));
}

static void
tell_metadata(struct imapd_conn *c, struct cv_str name, struct cv_str entry)
{
	const uint32_t needed = CV_RIGHT_L | CV_RIGHT_R;
	struct cv_mbox_info box;

	if (cv_str_has_iprefix(entry, "/private/") ||
		!(events_of(c, name, NULL) & IMAPD_EVENT_METADATA) ||
		(look_at(c, name, &box) & needed) != needed)
		return;
	imapd_notify_write_metadata(c, name, entry);
}

static void
tell_other(struct imapd_conn *c, struct imapd_notify_other *o)
{
	struct cv_feed feed;
	struct cv_err err = {0};

	if (cv_feed_read(o->acct, o->place, cv_conn_id(c->conn), o->watch.wants, &c->arena, &feed,
		    &err)) {
		cv_log(cv_conn_id(c->conn), CV_ERROR, "imap.notify_failed", "user=%s error=\"%s\"",
			c->address, err.text);
		imapd_notify_overflow(c, "A fault of the server");
		return;
	}
	if (feed.is_cut && (o->watch.wants & CV_FEED_NAMES)) {
		imapd_notify_overflow(c, "Too many events while you did not listen");
		return;
	}
	o->place = feed.place;
	for (size_t i = 0; i < feed.event_count; i++) {
		const struct cv_feed_event *e = &feed.events[i];
		if (e->kind == CV_FEED_METADATA && e->box.name.n)
			tell_metadata(c, name_of(c, o, e->box.name), e->detail);
		else if (e->kind != CV_FEED_METADATA && e->kind != CV_FEED_SUBSCRIBED)
			tell_name(c, o, e);
	}
	for (size_t i = 0; i < feed.box_count; i++)
		tell_box(c, name_of(c, o, feed.boxes[i].box.name), feed.boxes[i].kinds);
}

void
imapd_notify_tell_others(struct imapd_conn *c)
{
	struct imapd_notify *n = c->notify;

	if (!n->other_count || !atomic_exchange(&n->others_have_news, false))
		return;
	for (unsigned i = 0; c->notify == n && i < n->other_count; i++) {
		tell_other(c, n->others[i]);
		imapd_places_done(c);
	}
}

void
imapd_notify_first_other(struct imapd_conn *c, const struct cv_mbox_info *listed)
{
	struct cv_str name = listed->name;
	struct cv_mbox_info box;
	unsigned items = imapd_notify_first_items(events_of(c, name, &listed->subscribed));

	if (!items || is_selected(c, name))
		return;
	uint32_t rights = look_at(c, name, &box);
	if ((rights & CV_RIGHT_L) && !(rights & CV_RIGHT_R))
		write_no_access(c, name);
	else if ((rights & CV_RIGHT_L) && box.selectable)
		imapd_write_status(c, &box, items);
	imapd_places_done(c);
}
