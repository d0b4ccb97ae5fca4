/* notify.c - see notify.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/notify_impl.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/envelope.h"
#include "imapd/context.h"
#include "imapd/describe.h"
#include "imapd/metadata.h"
#include "imapd/names.h"
#include "imapd/others_list.h"

#define SLICE_US 4000

/* ---- what is wanted ---- */

static size_t
text_bytes(const struct imapd_notify_group *g)
{
	size_t n = g->described.n + g->filter.count * sizeof(struct cv_str);

	for (size_t i = 0; i < g->filter.count; i++)
		n += g->filter.names[i].n;
	return n;
}

static struct cv_str
keep(char **at, struct cv_str s)
{
	char *copy = *at;

	if (s.n)
		memcpy(copy, s.p, s.n);
	*at += s.n;
	return cv_str(copy, s.n);
}

/* All of ARGS in one piece of memory: thousands of sessions keep one. */
static struct imapd_notify *
keep_args(const struct imapd_notify_args *args)
{
	size_t names = 0, bytes = 0;

	for (size_t i = 0; i < args->count; i++) {
		names += args->groups[i].filter.count;
		bytes += text_bytes(&args->groups[i]);
	}
	struct imapd_notify *n = cv_calloc(
		1, sizeof *n + args->count * sizeof n->groups[0] + bytes);
	struct cv_str *name = (struct cv_str *)&n->groups[args->count];
	char *at = (char *)(name + names);
	n->count = args->count;
	for (size_t i = 0; i < args->count; i++) {
		struct imapd_notify_group *g = &n->groups[i];
		*g = args->groups[i];
		g->filter.names = name;
		for (size_t k = 0; k < g->filter.count; k++)
			*name++ = keep(&at, args->groups[i].filter.names[k]);
		g->described = keep(&at, g->described);
		if (g->filter.kind <= IMAPD_FILTER_SELECTED_DELAYED) {
			n->selected = g->events;
			n->is_delayed = g->filter.kind == IMAPD_FILTER_SELECTED_DELAYED;
			n->described = g->described;
		}
	}
	cv_list_init(&n->watch.link);
	return n;
}

unsigned
imapd_notify_kinds(unsigned events)
{
	static const struct {
		unsigned event, kinds;
	} rows[] = {
		{IMAPD_EVENT_NEW,          CV_FEED_NEW                                              },
		{IMAPD_EVENT_EXPUNGE,      CV_FEED_GONE                                             },
		{IMAPD_EVENT_FLAGS,        CV_FEED_FLAGS                                            },
		{IMAPD_EVENT_NAME,         CV_FEED_CREATED | CV_FEED_DELETED | CV_FEED_RENAMED      },
		{IMAPD_EVENT_SUBSCRIPTION, CV_FEED_SUBSCRIBED				       },
		{IMAPD_EVENT_METADATA,     CV_FEED_METADATA                                         },
		{IMAPD_EVENT_SERVER_METADATA, CV_FEED_METADATA                                      },
	};
	unsigned kinds = 0;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		kinds |= events & rows[i].event ? rows[i].kinds : 0;
	return kinds;
}

static unsigned
wanted_kinds(const struct imapd_notify *n)
{
	unsigned kinds = n->described.n ? CV_FEED_NEW : 0;

	for (size_t i = 0; i < n->count; i++)
		if (n->groups[i].filter.kind > IMAPD_FILTER_SELECTED_DELAYED)
			kinds |= imapd_notify_kinds(n->groups[i].events);
	/* Subscriptions decide which mailboxes of others are meant. */
	for (size_t i = 0; i < n->count; i++)
		if (n->groups[i].filter.kind == IMAPD_FILTER_SUBSCRIBED && n->groups[i].events)
			kinds |= CV_FEED_SUBSCRIBED;
	return kinds;
}

static bool
is_selected(const struct imapd_conn *c, const struct cv_mbox_info *box)
{
	return c->session && !c->session->owner.is_other && box->id &&
	       cv_mbox_id(c->session->mbox) == box->id;
}

/* Events of messages that are wanted of BOX, which is not selected. */
static unsigned
events_of_box(struct imapd_conn *c, const struct cv_mbox_info *box)
{
	char separator = cv_store_separator(c->server->store);
	unsigned events = 0;

	for (size_t i = 0; i < c->notify->count; i++) {
		const struct imapd_notify_group *g = &c->notify->groups[i];
		if (g->filter.kind > IMAPD_FILTER_SELECTED_DELAYED &&
			imapd_filter_has(&g->filter, box, true, separator))
			events |= g->events;
	}
	return events;
}

/* Whether EVENT is wanted of the mailbox NAME, which may not be there any more. */
static bool
wants_name(struct imapd_conn *c, unsigned event, const struct cv_mbox_info *box, struct cv_str name)
{
	char separator = cv_store_separator(c->server->store);

	for (size_t i = 0; i < c->notify->count; i++) {
		const struct imapd_notify_group *g = &c->notify->groups[i];
		if (!(g->events & event))
			continue;
		if (event == IMAPD_EVENT_SERVER_METADATA)
			return true;
		/* The end of a subscription is news to who follows the subscribed ones (6.4). */
		if (imapd_filter_has_name(&g->filter, name, separator) &&
			(g->filter.kind != IMAPD_FILTER_SUBSCRIBED || box->subscribed ||
				event == IMAPD_EVENT_SUBSCRIPTION))
			return true;
	}
	return false;
}

/* ---- the watch ---- */

static void
on_feed(struct cv_feed_watch *w)
{
	struct imapd_notify *n = CV_CONTAINER(w, struct imapd_notify, watch);

	if (!atomic_exchange(&n->has_news, true))
		cv_conn_wake(n->conn);
}

/* N is what the connection wants from now on; what was wanted before was told up to PLACE. */
static void
take(struct imapd_conn *c, struct imapd_notify *n)
{
	struct imapd_notify *old = c->notify;
	unsigned kinds = wanted_kinds(n);

	n->conn = c->conn;
	n->watch.fn = on_feed;
	n->watch.wants = kinds;
	if (kinds) {
		cv_feed_watch(c->acct, &n->watch, &n->place);
		n->is_watching = true;
		if (old && old->is_watching) {
			/* From where the old one stopped, so that nothing falls between. */
			n->place = old->place;
			atomic_store(&n->has_news, true);
		}
	}
	imapd_notify_free(c);
	c->notify = n;
}

void
imapd_notify_free(struct imapd_conn *c)
{
	if (!c->notify)
		return;
	imapd_notify_free_others(c->notify);
	if (c->notify->is_watching)
		cv_feed_unwatch(c->acct, &c->notify->watch);
	free(c->notify);
	c->notify = NULL;
}

bool
imapd_notify_is_on(const struct imapd_conn *c)
{
	return c->notify && c->notify->count;
}

bool
imapd_notify_may_sync(const struct imapd_conn *c, bool has_changed, struct imapd_sync_how *how)
{
	if (!c->notify || has_changed)
		return true;
	how->with_uid = !c->uid_only; /* 5.1 */
	how->no_flags = !(c->notify->selected & IMAPD_EVENT_FLAGS);
	return c->notify->selected != 0;
}

void
imapd_notify_overflow(struct imapd_conn *c, const char *why)
{
	static const struct imapd_notify_args none;

	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.notify_overflow", "user=%s reason=\"%s\"",
		c->address, why);
	cv_buf_printf(imapd_out(c), "* OK [NOTIFICATIONOVERFLOW] %s: NOTIFY is off\r\n", why);
	take(c, keep_args(&none));
}

/* ---- telling ---- */

unsigned
imapd_notify_status_items(const struct imapd_conn *c, unsigned kinds)
{
	unsigned items = 0;

	if (kinds & (CV_FEED_NEW | CV_FEED_GONE))
		items |= IMAPD_STATUS_MESSAGES | IMAPD_STATUS_UIDNEXT;
	if (kinds & CV_FEED_FLAGS)
		items |= IMAPD_STATUS_UIDVALIDITY | IMAPD_STATUS_UNSEEN;
	if (c->condstore || c->qresync)
		items |= IMAPD_STATUS_HIGHESTMODSEQ;
	return items;
}

static void
tell_box(struct imapd_conn *c, const struct cv_feed_box *b)
{
	if (is_selected(c, &b->box)) {
		c->notify->describes |= (b->kinds & CV_FEED_NEW) && c->notify->described.n;
		return;
	}
	unsigned kinds = b->kinds & imapd_notify_kinds(events_of_box(c, &b->box));
	if (kinds)
		imapd_write_status(c, &b->box, imapd_notify_status_items(c, kinds));
}

/* "* LIST (\NonExistent) "/" name": all attributes as they are now (5.5). */
static void
write_list(struct imapd_conn *c, const struct cv_mbox_info *box, struct cv_str old_name)
{
	struct cv_mbox_info gone = *box;

	/* A name without a mailbox is not among the parents that imapd_write_list() knows. */
	if (!box->id)
		gone.has_children = false;
	imapd_write_list_subscribed(c, &gone, old_name, imapd_out(c));
}

void
imapd_notify_write_metadata(struct imapd_conn *c, struct cv_str name, struct cv_str entry)
{
	struct cv_buf *out = imapd_out(c);

	cv_buf_z(out, "* METADATA ");
	imapd_write_name(out, name, c->utf8);
	cv_buf_c(out, ' ');
	cv_imap_string(out, entry);
	cv_buf_add(out, "\r\n", 2);
}

static void
tell_metadata(struct imapd_conn *c, const struct cv_feed_event *e)
{
	unsigned event = e->box.name.n ? IMAPD_EVENT_METADATA : IMAPD_EVENT_SERVER_METADATA;

	/* Who enabled METADATA is told so already (metadata.h). */
	if (atomic_load(&c->login.wants_metadata) || !wants_name(c, event, &e->box, e->box.name))
		return;
	imapd_notify_write_metadata(c, e->box.name, e->detail);
}

static void
tell_event(struct imapd_conn *c, const struct cv_feed_event *e)
{
	bool is_renamed = e->kind == CV_FEED_RENAMED;
	unsigned event = e->kind == CV_FEED_SUBSCRIBED ? IMAPD_EVENT_SUBSCRIPTION
						       : IMAPD_EVENT_NAME;

	if (e->kind == CV_FEED_METADATA) {
		tell_metadata(c, e);
		return;
	}
	if (wants_name(c, event, &e->box, e->box.name) ||
		(is_renamed && wants_name(c, event, &e->box, e->detail)))
		write_list(c, &e->box, is_renamed ? e->detail : CV_STR_EMPTY);
	if (e->parent.name.n && wants_name(c, event, &e->parent, e->parent.name))
		write_list(c, &e->parent, CV_STR_EMPTY);
}

void
imapd_notify_tell(struct imapd_conn *c)
{
	struct imapd_notify *n = c->notify;
	struct cv_feed feed;
	struct cv_err err = {0};

	if (!n || !n->is_watching || !atomic_exchange(&n->has_news, false))
		return;
	enum cv_status status = cv_feed_read(c->acct, n->place, cv_conn_id(c->conn), n->watch.wants,
		&c->arena, &feed, &err);
	if (status) {
		cv_log(cv_conn_id(c->conn), CV_ERROR, "imap.notify_failed", "user=%s error=\"%s\"",
			c->address, err.text);
		imapd_notify_overflow(c, "A fault of the server");
		return;
	}
	if (feed.is_cut && (n->watch.wants & ~(unsigned)CV_FEED_MESSAGES)) {
		imapd_notify_overflow(c, "Too many events while you did not listen");
		return;
	}
	n->place = feed.place;
	for (size_t i = 0; i < feed.event_count; i++) {
		n->others_are_stale |= feed.events[i].kind == CV_FEED_SUBSCRIBED;
		tell_event(c, &feed.events[i]);
	}
	for (size_t i = 0; i < feed.box_count; i++)
		tell_box(c, &feed.boxes[i]);
	/* What came before the feed was read, and was not others' doing, needs no description. */
	if (c->session && !n->describes)
		c->session->undescribed = 0;
}

void
imapd_notify_others_changed(struct imapd_conn *c)
{
	if (c->notify)
		c->notify->others_are_stale = true;
}

/* Looks again which accounts of others are meant (5.9, 6.4). */
static void
renew_others(struct imapd_conn *c)
{
	struct imapd_notify *n = c->notify;
	struct imapd_notify old = {.others = n->others, .other_count = n->other_count};
	struct cv_err err = {0};

	if (!n->others_are_stale && !imapd_notify_is_shared_anew(c, n))
		return;
	n->others_are_stale = false;
	n->others = NULL;
	n->other_count = 0;
	enum cv_status status = imapd_notify_watch_others(c, n, &old, &err);
	imapd_notify_free_others(&old);
	imapd_places_done(c);
	if (status)
		imapd_notify_overflow(c, "Too many accounts of others");
}

/* Begins to describe what is new in the selected mailbox. */
static void
describe(struct imapd_conn *c)
{
	struct imapd_session *s = c->session;
	struct imapd_notify *n = c->notify;

	if (!s || !s->undescribed || !n->describes)
		return;
	struct imapd_range range = {cv_view_seq_at(s->view, s->undescribed), s->view->exists};
	s->undescribed = 0;
	n->describes = false;
	if (range.from > range.to)
		return;
	if (range.to - range.from >= IMAPD_DESCRIBED_AT_ONCE)
		imapd_notify_overflow(c, "Too many new messages at once");
	else
		imapd_describe(c, n->described, &range, 1);
}

enum cv_step
imapd_notify_run(struct imapd_conn *c)
{
	struct imapd_notify *n = c->notify;
	struct imapd_session *s = c->session;
	struct imapd_sync_how how = imapd_news_how(c, true);
	struct cv_err err = {0};

	if (s)
		atomic_store(&s->is_idling, c->is_idling || n->selected);
	if (!n->count)
		return CV_STEP_DONE;
	imapd_metadata_news(c);
	imapd_notify_tell(c);
	/* Also of those that are not meant any more: that they are lost. */
	imapd_notify_tell_others(c);
	renew_others(c);
	imapd_notify_tell_others(c);
	n = c->notify;
	how.may_expunge = c->is_idling || !n->is_delayed;
	if (s && n->selected && !imapd_contexts_are_due(s) &&
		imapd_notify_may_sync(c, false, &how) &&
		imapd_session_sync(s, how, &c->arena, imapd_out(c), &err)) {
		cv_log(cv_conn_id(c->conn), CV_WARN, "imap.mailbox_gone", "error=\"%s\"", err.text);
		cv_buf_z(imapd_out(c), "* BYE The selected mailbox was deleted\r\n");
		return CV_STEP_CLOSE;
	}
	enum cv_step step = imapd_contexts_step(c);
	if (step != CV_STEP_DONE)
		return step;
	if (!imapd_contexts_describe(c))
		describe(c);
	if (!c->cmd)
		cv_arena_reset(&c->arena);
	return cv_conn_out_is_high(c->conn) ? CV_STEP_MORE : CV_STEP_DONE;
}

/* ---- the command ---- */

unsigned
imapd_notify_first_items(unsigned events)
{
	unsigned items = 0;

	if (events & IMAPD_EVENT_NEW)
		items |= IMAPD_STATUS_MESSAGES | IMAPD_STATUS_UIDNEXT | IMAPD_STATUS_UIDVALIDITY;
	if (events & IMAPD_EVENT_EXPUNGE)
		items |= IMAPD_STATUS_MESSAGES;
	if (events & IMAPD_EVENT_FLAGS)
		items |= IMAPD_STATUS_UIDVALIDITY | IMAPD_STATUS_HIGHESTMODSEQ |
		         IMAPD_STATUS_UNSEEN;
	return items;
}

struct first_status {
	struct cv_mbox_info *boxes;
	size_t count, at;
};

static enum cv_step
write_first_status(struct imapd_conn *c)
{
	struct first_status *f = c->cmd->step;
	int64_t end = cv_mono_us() + SLICE_US;

	while (f->at < f->count) {
		if (cv_mono_us() > end)
			return imapd_yield(c);
		const struct cv_mbox_info *box = &f->boxes[f->at++];
		if (imapd_is_others_name(c, box->name)) {
			imapd_notify_first_other(c, box);
			if (cv_conn_out_is_high(c->conn))
				return CV_STEP_MORE;
			continue;
		}
		unsigned events = is_selected(c, box) ? 0 : events_of_box(c, box);
		unsigned items = imapd_notify_first_items(events);
		if (items)
			imapd_write_status(c, box, items);
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
	}
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_notify(struct imapd_conn *c)
{
	const struct imapd_notify_args *args = c->cmd->args.notify;
	struct imapd_sync_how how = imapd_news_how(c, false);
	struct cv_err err = {0};

	if (c->cmd->step)
		return write_first_status(c);
	if (args->has_unsupported)
		return imapd_done(c, IMAPD_R_BAD_EVENT);
	/* What the client wanted up to now is told first; SET is a NOOP too (3.1). */
	if (c->notify)
		atomic_store(&c->notify->has_news, true);
	imapd_notify_tell(c);
	how.may_expunge = true;
	if (args->is_set && c->session) {
		enum cv_status status = imapd_session_sync(
			c->session, how, &c->arena, imapd_out(c), &err);
		if (status)
			return imapd_refuse(c, status, &err);
		c->session->undescribed = 0;
	}
	struct imapd_notify *n = keep_args(args);
	n->conn = c->conn;
	enum cv_status status = imapd_notify_watch_others(c, n, c->notify, &err);
	if (status) {
		imapd_notify_free_others(n);
		free(n);
		return status == CV_LIMIT ? imapd_done(c, IMAPD_R_NOTIFY_TOO_MUCH)
					  : imapd_refuse(c, status, &err);
	}
	take(c, n);
	if (!args->with_status)
		return imapd_done(c, IMAPD_R_OK);
	/* The watch stands: what happens from here on is told again rather than not at all. */
	struct first_status *f = c->cmd->step = CV_ARENA_NEW(&c->arena, struct first_status);
	status = cv_mbox_list(c->acct, &c->arena, &f->boxes, &f->count, &err);
	if (!status && n->other_count)
		status = imapd_list_others(
			c, (struct cv_str[]){CV_STR("*")}, 1, &f->boxes, &f->count, &err);
	imapd_places_done(c);
	return status ? imapd_refuse(c, status, &err) : write_first_status(c);
}
