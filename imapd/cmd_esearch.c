/* cmd_esearch.c - ESEARCH (RFC 7377): one search over many mailboxes, a slice at a time.
 *
 * The mailboxes are listed once, when the command begins; each is then opened as if it were
 * examined, searched as the selected one would be (seek.h), answered, and closed again. One that
 * goes meanwhile is passed over. The selected mailbox is searched as its client knows it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/store/acl.h"
#include "imapd/context.h"
#include "imapd/others_list.h"
#include "imapd/results.h"
#include "imapd/seek.h"

#define SLICE_US 4000

struct multi {
	struct imapd_conn *c;
	struct cv_mbox_info *boxes; /* those to be searched */
	size_t count, at;
	struct imapd_session *session; /* of boxes[at]: the selected one, or opened for this */
	struct imapd_seek *seek;
	bool is_kept; /* the selected mailbox was searched */
};

static void
close_box(struct multi *m)
{
	imapd_seek_free(m->seek);
	m->seek = NULL;
	if (m->session != m->c->session)
		imapd_session_close(m->session);
	m->session = NULL;
}

static void
free_multi(void *arg)
{
	close_box(arg);
}

static bool
is_selected(struct imapd_conn *c, const struct cv_mbox_info *box)
{
	if (!c->session || !box->id || cv_mbox_id(c->session->mbox) != box->id)
		return false;
	/* Numbers are an account's own: another's INBOX has that of the person's. */
	return c->session->owner.is_other ? cv_str_eq_z(box->name, c->session->owner.told)
					  : !imapd_is_others_name(c, box->name);
}

static bool
is_meant(struct imapd_conn *c, const struct cv_mbox_info *box)
{
	const struct imapd_esearch_args *e = c->cmd->args.esearch;
	char separator = cv_store_separator(c->server->store);
	bool is_own = !imapd_is_others_name(c, box->name);

	if (!e->count)
		return is_selected(c, box);
	for (size_t i = 0; i < e->count; i++) {
		const struct imapd_filter *f = &e->sources[i];
		if (f->kind == IMAPD_FILTER_SELECTED ? is_selected(c, box)
						     : imapd_filter_has(f, box, is_own, separator))
			return true;
	}
	return false;
}

/* RFC 7377 2.2: with "selected" there must be a selected mailbox. */
static bool
needs_selected(const struct imapd_esearch_args *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->sources[i].kind == IMAPD_FILTER_SELECTED)
			return true;
	return !e->count;
}

/* Whether a source may mean mailboxes of others; how many names it says one by one. */
static bool
may_mean_others(const struct imapd_esearch_args *e, size_t *named_out)
{
	bool may = false;

	*named_out = 0;
	for (size_t i = 0; i < e->count; i++) {
		may |= e->sources[i].kind >= IMAPD_FILTER_SUBSCRIBED;
		if (imapd_filter_is_explicit(&e->sources[i]))
			*named_out += e->sources[i].count;
	}
	return may;
}

static void
add_once(struct multi *m, const struct cv_mbox_info *box)
{
	for (size_t i = 0; i < m->count; i++)
		if (cv_str_eq(m->boxes[i].name, box->name))
			return;
	m->boxes[m->count++] = *box;
}

/* RFC 7377 2.2: what is named needs no right to be listed. */
static void
add_named(struct multi *m, const struct imapd_filter *f)
{
	struct imapd_place place;
	struct cv_mbox_info box;

	for (size_t i = 0; imapd_filter_is_explicit(f) && i < f->count; i++) {
		if (imapd_is_others_name(m->c, f->names[i]) &&
			!imapd_place(m->c, f->names[i], &place, NULL) && place.exists &&
			(place.rights & CV_RIGHT_R) &&
			!imapd_place_info(m->c, &place, &box, NULL) && box.selectable)
			add_once(m, &box);
		imapd_places_done(m->c);
	}
}

static enum cv_status
list_boxes(struct multi *m, struct cv_err *err)
{
	const struct imapd_esearch_args *e = m->c->cmd->args.esearch;
	struct cv_mbox_info *all;
	size_t count, named;

	enum cv_status status = cv_mbox_list(m->c->acct, &m->c->arena, &all, &count, err);
	if (!status && may_mean_others(e, &named))
		status = imapd_list_others(
			m->c, (struct cv_str[]){CV_STR("*")}, 1, &all, &count, err);
	imapd_places_done(m->c);
	if (status)
		return status;
	m->boxes = CV_ARENA_ARRAY(&m->c->arena, struct cv_mbox_info, count + named + 1);
	for (size_t i = 0; i < count; i++)
		if (is_meant(m->c, &all[i]))
			m->boxes[m->count++] = all[i];
	if (m->c->session && m->c->session->owner.is_other) {
		struct cv_mbox_info theirs = {.id = cv_mbox_id(m->c->session->mbox),
			.name = cv_str_z(m->c->session->owner.told),
			.selectable = true};
		if (is_meant(m->c, &theirs))
			add_once(m, &theirs);
	}
	for (size_t i = 0; i < e->count; i++)
		add_named(m, &e->sources[i]);
	if (m->count > imapd_config(m->c->server)->imapd->search_mailboxes_max)
		return cv_fail(err, CV_LIMIT, "too many mailboxes to search");
	return CV_OK;
}

/* Opens the mailbox NAME of another, with the rights that there are now. */
static enum cv_status
open_other(struct multi *m, const struct cv_mbox_info *box, struct cv_err *err)
{
	struct imapd_conn *c = m->c;
	struct imapd_place place;
	struct cv_mbox *mbox;

	enum cv_status status = imapd_place(c, box->name, &place, err);
	if (!status && !(place.rights & CV_RIGHT_R))
		status = cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (!status)
		status = imapd_place_mbox(&place, &mbox, err);
	if (!status)
		status = imapd_session_open(
			c->conn, mbox, &place.viewer, true, box->recent, &m->session, err);
	imapd_places_done(c);
	return status;
}

static enum cv_status
open_box(struct multi *m, struct cv_err *err)
{
	const struct cv_mbox_info *box = &m->boxes[m->at];
	static const struct cv_viewer own;
	struct imapd_conn *c = m->c;
	struct cv_mbox *mbox;

	if (is_selected(c, box)) {
		m->session = c->session;
	} else {
		bool is_other = imapd_is_others_name(c, box->name);
		enum cv_status status = is_other ? open_other(m, box, err)
						 : cv_mbox_open(c->acct, box->name, &mbox, err);
		if (!status && !is_other)
			status = imapd_session_open(
				c->conn, mbox, &own, true, box->recent, &m->session, err);
		if (status)
			return status;
		m->session->hides_recent = c->rev2;
	}
	m->seek = imapd_seek_new(c, m->session, c->cmd->args.search);
	return CV_OK;
}

static void
write_box(struct multi *m)
{
	struct imapd_results r = {.c = m->c,
		.session = m->session,
		.search = m->c->cmd->args.search,
		.scores = imapd_seek_scores(m->seek),
		.is_uid = true,
		.mailbox = m->boxes[m->at].name};

	r.found = imapd_seek_found(m->seek, &r.n);
	/* RFC 7377 2.2: UPDATE is about the selected mailbox alone. */
	if (m->session == m->c->session) {
		imapd_context_keep(m->c, r.found, r.n);
		m->is_kept = true;
	}
	/* RFC 7377 2.1: nothing is told of a mailbox where nothing was found, but what was saved is
	 * saved (RFC 5182). */
	if (r.n || (r.search->returns & IMAPD_RETURN_SAVE))
		imapd_results_write(&r, NULL);
}

/* A slice of the mailbox that is searched; *done_out: it was the last one of it. */
static enum cv_status
search_box(struct multi *m, bool *done_out, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	*done_out = false;
	if (!m->seek)
		status = open_box(m, err);
	if (!status)
		status = imapd_seek_step(m->seek, done_out, err);
	if (status == CV_NOT_FOUND) { /* it was deleted, perhaps between two slices */
		*done_out = true;
		return CV_OK;
	}
	if (!status && *done_out)
		write_box(m);
	return status;
}

static enum cv_step
begin(struct imapd_conn *c)
{
	struct imapd_search *search = c->cmd->args.search;
	struct multi *m = CV_ARENA_NEW(&c->arena, struct multi);
	struct cv_err err = {0};

	if (needs_selected(c->cmd->args.esearch) && !c->session)
		return imapd_done(c, IMAPD_R_BAD_STATE);
	if ((search->returns & IMAPD_RETURN_UPDATE) && !c->session)
		return imapd_done(c, IMAPD_R_BAD_STATE);
	if ((search->returns & IMAPD_RETURN_UPDATE) &&
		imapd_context_has_tag(c->session, c->cmd->tag))
		return imapd_done(c, IMAPD_R_TAG_REUSE);
	if (search->is_bad_charset) {
		if ((search->returns & IMAPD_RETURN_SAVE) && c->session)
			imapd_session_save(c->session, NULL, 0);
		return imapd_done(c, IMAPD_R_BAD_CHARSET);
	}
	if (search->has_modseq)
		imapd_know_modseq(c);
	m->c = c;
	c->cmd->step = m;
	c->cmd->release = free_multi;
	enum cv_status status = list_boxes(m, &err);
	if (status == CV_LIMIT)
		return imapd_done(c, IMAPD_R_TOO_MANY_BOXES);
	return status ? imapd_refuse(c, status, &err) : CV_STEP_DONE;
}

enum cv_step
imapd_cmd_esearch(struct imapd_conn *c)
{
	int64_t end = cv_mono_us() + SLICE_US;
	struct cv_err err = {0};
	bool done;

	if (!c->cmd->step) {
		enum cv_step step = begin(c);
		if (step != CV_STEP_DONE || c->cmd->is_answered)
			return step;
	}
	struct multi *m = c->cmd->step;
	if (!c->cmd->args.esearch->is_selected_alone && !imapd_may_be_slow(c))
		return CV_STEP_WAIT;
	while (m->at < m->count) {
		enum cv_status status = search_box(m, &done, &err);
		if (status)
			return imapd_refuse(c, status, &err);
		if (done) {
			close_box(m);
			m->at++;
		} else if (imapd_seek_is_waiting(m->seek)) {
			return imapd_seek_park(m->seek);
		}
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
		if (m->at < m->count && cv_mono_us() > end)
			return imapd_yield(c);
	}
	if ((c->cmd->args.search->returns & IMAPD_RETURN_UPDATE) && !m->is_kept)
		imapd_context_refuse(c, "The selected mailbox is not among those searched");
	return imapd_done(c, IMAPD_R_OK);
}
