/* context.c - see context.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/context.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "imapd/describe.h"
#include "imapd/seek.h"

struct context {
	struct cv_link link;
	struct cv_arena arena; /* of what it asks for */
	struct cv_str tag;
	bool is_uid;
	struct imapd_search *search;
	const struct imapd_sort *sort; /* NULL: SEARCH, in mailbox order */
	struct cv_str described;       /* items for new messages (RFC 5465 7); or empty */
	uint32_t *uids;                /* those that match, in order; heap */
	size_t count;
	uint32_t *news; /* UIDs to be described; heap */
	size_t news_count;
};

struct imapd_contexts {
	struct cv_link list; /* oldest first */
	unsigned count;
	uint32_t *due; /* UIDs to be judged again, ascending; heap */
	size_t due_count;
	uint32_t arrived_from; /* of them those from here on are new; UINT32_MAX: none is */
	/* the pass under way */
	struct context *at;
	struct imapd_seek *seek;
	uint32_t *seqs; /* the due ones that are there */
	size_t seq_count;
};

static bool
has_uid(const uint32_t *uids, size_t count, uint32_t uid)
{
	for (size_t low = 0, high = count; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (uids[mid] == uid)
			return true;
		if (uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* ---- making and ending ---- */

static struct context *
find(const struct imapd_session *s, struct cv_str tag)
{
	if (!s || !s->contexts)
		return NULL;
	CV_LIST_EACH (it, next, &s->contexts->list) {
		struct context *x = CV_CONTAINER(it, struct context, link);
		if (cv_str_eq(x->tag, tag))
			return x;
	}
	return NULL;
}

bool
imapd_context_has_tag(const struct imapd_session *s, struct cv_str tag)
{
	return find(s, tag) != NULL;
}

static void
end_seek(struct imapd_contexts *all)
{
	imapd_seek_free(all->seek);
	free(all->seqs);
	all->seek = NULL;
	all->seqs = NULL;
}

static void
end(struct imapd_contexts *all, struct context *x)
{
	cv_list_remove(&x->link);
	all->count--;
	free(x->uids);
	free(x->news);
	cv_arena_done(&x->arena);
	free(x);
}

void
imapd_contexts_free(struct imapd_contexts *all)
{
	if (!all)
		return;
	end_seek(all);
	CV_LIST_EACH (it, next, &all->list)
		end(all, CV_CONTAINER(it, struct context, link));
	free(all->due);
	free(all);
}

void
imapd_contexts_by_uid(struct imapd_contexts *all)
{
	if (!all)
		return;
	CV_LIST_EACH (it, next, &all->list)
		CV_CONTAINER(it, struct context, link)->is_uid = true;
}

static bool
has_room(const struct imapd_contexts *all, size_t n)
{
	size_t total = n;

	if (!all || !all->count)
		return true; /* RFC 5267 4.3.1: at least one */
	CV_LIST_EACH (it, next, &all->list)
		total += CV_CONTAINER(it, struct context, link)->count;
	return all->count < IMAPD_CONTEXTS_MAX && total <= IMAPD_CONTEXT_UIDS_MAX;
}

/* The command's search read again, into the context's own memory, where it can outlive the command.
 * What it says of message numbers and of "$" is settled now (RFC 5267 4.3). */
static bool
read_program(struct imapd_conn *c, struct context *x)
{
	const struct imapd_search *given = c->cmd->args.search;
	struct imapd_session *s = c->session;
	struct imapd_parse p = {.text = cv_arena_str(&x->arena, given->program),
		.arena = &x->arena,
		.utf8 = given->is_utf8,
		.no_charset = given->is_utf8 && !c->rev2};
	bool ok;

	if (x->sort) {
		x->search = CV_ARENA_NEW(&x->arena, struct imapd_search);
		ok = imapd_parse_charset_search(&p, x->search);
	} else {
		ok = imapd_parse_search(&p, &x->search);
	}
	if (ok)
		imapd_search_settle(x->search, s->view, s->saved, s->saved_count, &x->arena);
	return ok;
}

void
imapd_context_refuse(struct imapd_conn *c, const char *why)
{
	cv_buf_printf(imapd_out(c), "* NO [NOUPDATE \"%.*s\"] %s\r\n", CV_STR_ARGS(c->cmd->tag),
		why);
}

void
imapd_context_keep(struct imapd_conn *c, const uint32_t *found, size_t n)
{
	const struct imapd_args *a = &c->cmd->args;
	struct imapd_session *s = c->session;

	if (!(a->search->returns & IMAPD_RETURN_UPDATE))
		return;
	if (a->sort && a->sort->by_relevancy) {
		imapd_context_refuse(c, "An order by relevancy does not stay");
		return;
	}
	if (!has_room(s->contexts, n)) {
		imapd_context_refuse(c, "Too many contexts");
		return;
	}
	struct context *x = cv_calloc(1, sizeof *x);
	cv_list_init(&x->link);
	x->tag = cv_arena_str(&x->arena, c->cmd->tag);
	x->is_uid = c->cmd->is_uid || a->esearch;
	x->described = cv_arena_str(&x->arena, a->search->described);
	if (a->sort) {
		struct imapd_sort *sort = CV_ARENA_NEW(&x->arena, struct imapd_sort);
		*sort = *a->sort;
		x->sort = sort;
	}
	bool ok = read_program(c, x);
	assert(ok); /* it was read once before */
	x->uids = cv_malloc((n + 1) * sizeof *x->uids);
	for (size_t i = 0; i < n; i++)
		x->uids[i] = cv_view_seq(s->view, found[i])->uid;
	x->count = n;
	if (!s->contexts) {
		s->contexts = cv_calloc(1, sizeof *s->contexts);
		cv_list_init(&s->contexts->list);
		s->contexts->arrived_from = UINT32_MAX;
	}
	cv_list_append(&s->contexts->list, &x->link);
	s->contexts->count++;
}

enum cv_step
imapd_cmd_cancelupdate(struct imapd_conn *c)
{
	const struct imapd_args *a = &c->cmd->args;

	for (size_t i = 0; i < a->name_count; i++)
		if (!find(c->session, a->names[i]))
			return imapd_done(c, IMAPD_R_NO_CONTEXT);
	for (size_t i = 0; i < a->name_count; i++) {
		struct context *x = find(c->session, a->names[i]);
		if (x)
			end(c->session->contexts, x);
	}
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- writing ---- */

/* "* ESEARCH (TAG "a1") UID", followed by WORD " (": a response of its own each time. */
static void
begin_response(const struct context *x, const char *word, struct cv_buf *out)
{
	cv_buf_printf(out, "* ESEARCH (TAG \"%.*s\")%s %s (", CV_STR_ARGS(x->tag),
		x->is_uid ? " UID" : "", word);
}

/* UIDS as they are or as numbers of VIEW. */
static void
write_set(const struct context *x, const struct cv_view *view, const uint32_t *uids, size_t n,
	struct cv_buf *out)
{
	uint32_t *numbers = cv_malloc((n + 1) * sizeof *numbers);

	for (size_t i = 0; i < n; i++)
		numbers[i] = x->is_uid ? uids[i] : cv_view_seq_at(view, uids[i]);
	imapd_set_write(out, numbers, n);
	free(numbers);
}

/* One pair of place and results; 0 for SEARCH, where the client keeps the order (4.3.3). */
static void
write_pair(const struct context *x, const struct cv_view *view, size_t place, const uint32_t *uids,
	size_t n, bool is_first, struct cv_buf *out)
{
	if (!is_first)
		cv_buf_c(out, ' ');
	cv_buf_u64(out, place);
	cv_buf_c(out, ' ');
	write_set(x, view, uids, n, out);
}

/* Takes those of GONE (ascending) out of X and tells it, by numbers of VIEW. From the end, so that
 * places before it stay good. */
static void
take_out(struct context *x, const struct cv_view *view, const uint32_t *gone, size_t gone_count,
	struct cv_buf *out)
{
	uint32_t *removed = cv_malloc((x->count + 1) * sizeof *removed);
	bool is_first = true;
	size_t n = 0;

	if (!x->sort) {
		for (size_t i = 0; i < x->count; i++)
			if (has_uid(gone, gone_count, x->uids[i]))
				removed[n++] = x->uids[i];
		if (n) {
			begin_response(x, "REMOVEFROM", out);
			write_pair(x, view, 0, removed, n, true, out);
		}
	}
	for (size_t to = x->sort ? x->count : 0; to > 0;) {
		size_t from = to;
		while (from > 0 && has_uid(gone, gone_count, x->uids[from - 1]))
			from--;
		if (from == to) {
			to--;
			continue;
		}
		if (is_first)
			begin_response(x, "REMOVEFROM", out);
		write_pair(x, view, from + 1, x->uids + from, to - from, is_first, out);
		is_first = false;
		n += to - from;
		to = from;
	}
	if (n)
		cv_buf_add(out, ")\r\n", 3);
	free(removed);
	size_t kept = 0;
	for (size_t i = 0; n && i < x->count; i++)
		if (!has_uid(gone, gone_count, x->uids[i]))
			x->uids[kept++] = x->uids[i];
	x->count = n ? kept : x->count;
}

/* ---- adding ---- */

/* Both ascending, none in both. */
static void
add_in_mailbox_order(struct context *x, const struct cv_view *view, const uint32_t *added, size_t n,
	struct cv_buf *out)
{
	uint32_t *all = cv_malloc((x->count + n + 1) * sizeof *all);
	size_t i = 0, k = 0, count = 0;

	while (i < x->count || k < n)
		all[count++] = k == n || (i < x->count && x->uids[i] < added[k]) ? x->uids[i++]
										  : added[k++];
	free(x->uids);
	x->uids = all;
	x->count = count;
	begin_response(x, "ADDTO", out);
	write_pair(x, view, 0, added, n, true, out);
	cv_buf_add(out, ")\r\n", 3);
}

static bool
item_of(struct imapd_columns *columns, const struct cv_view *view, uint32_t uid,
	struct imapd_sorted *out)
{
	*out = (struct imapd_sorted){.seq = cv_view_seq_at(view, uid)};
	out->facts = imapd_columns_find(columns, uid, &out->block);
	return out->facts != NULL;
}

/* How many of X's from LOW on come before ITEM. */
static size_t
place_of(const struct context *x, struct imapd_columns *columns, const struct cv_view *view,
	const struct imapd_sorted *item, size_t low)
{
	size_t high = x->count;
	struct imapd_sorted other;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		/* One whose row is gone will be told as expunged: anywhere is right. */
		if (item_of(columns, view, x->uids[mid], &other) &&
			imapd_sort_compare(x->sort, &other, item) > 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void
add_in_order(struct context *x, struct imapd_columns *columns, const struct cv_view *view,
	const uint32_t *added, size_t n, struct cv_buf *out)
{
	struct imapd_sorted *items = cv_malloc((n + 1) * sizeof *items);
	uint32_t *all = cv_malloc((x->count + n + 1) * sizeof *all);
	size_t count = 0, old = 0, there = 0;

	for (size_t i = 0; i < n; i++)
		there += item_of(columns, view, added[i], &items[there]);
	imapd_sort_messages(x->sort, items, there);
	for (size_t i = 0; i < there;) {
		size_t to = place_of(x, columns, view, &items[i], old);
		while (old < to)
			all[count++] = x->uids[old++];
		size_t from = count;
		do
			all[count++] = cv_view_seq(view, items[i++].seq)->uid;
		while (i < there && place_of(x, columns, view, &items[i], old) == old);
		if (i == count - from)
			begin_response(x, "ADDTO", out);
		write_pair(x, view, from + 1, all + from, count - from, i == count - from, out);
	}
	while (old < x->count)
		all[count++] = x->uids[old++];
	if (there)
		cv_buf_add(out, ")\r\n", 3);
	free(items);
	free(x->uids);
	x->uids = all;
	x->count = count;
}

/* ---- news ---- */

void
imapd_contexts_expunge(
	struct imapd_contexts *all, const struct cv_view *old, const struct imapd_diff *diff,
	struct cv_buf *out)
{
	if (!all || !diff->expunged_count)
		return;
	uint32_t *gone = cv_malloc(diff->expunged_count * sizeof *gone);
	for (uint32_t i = 0; i < diff->expunged_count; i++)
		gone[i] = cv_view_seq(old, diff->expunged[i])->uid;
	CV_LIST_EACH (it, next, &all->list)
		take_out(CV_CONTAINER(it, struct context, link), old, gone, diff->expunged_count,
			out);
	free(gone);
}

void
imapd_contexts_note(
	struct imapd_contexts *all, const struct cv_view *view, const struct imapd_diff *diff)
{
	size_t n = (size_t)diff->changed_count + diff->arrived, i = 0, k = 0, count = 0;

	if (!all || !all->count || !n)
		return;
	uint32_t *uids = cv_malloc(n * sizeof *uids);
	for (uint32_t at = 0; at < diff->changed_count; at++)
		uids[k++] = diff->changed[at].entry->uid;
	for (uint32_t at = diff->arrived; at > 0; at--)
		uids[k++] = cv_view_seq(view, view->exists - at + 1)->uid;
	if (diff->arrived)
		all->arrived_from = CV_MIN(all->arrived_from, uids[diff->changed_count]);
	/* Both ascending; one may be in both. */
	uint32_t *due = cv_malloc((n + all->due_count) * sizeof *due);
	for (k = 0; i < all->due_count || k < n;) {
		uint32_t uid = k == n || (i < all->due_count && all->due[i] < uids[k])
		                       ? all->due[i]
		                       : uids[k];
		i += i < all->due_count && all->due[i] == uid;
		k += k < n && uids[k] == uid;
		due[count++] = uid;
	}
	free(uids);
	free(all->due);
	all->due = due;
	all->due_count = count;
}

bool
imapd_contexts_are_due(const struct imapd_session *s)
{
	return s && s->contexts && s->contexts->due_count;
}

/* What X gained and lost among the messages that were judged again. */
static void
tell(struct imapd_conn *c, struct context *x, const uint32_t *found, size_t n,
	struct imapd_columns *columns)
{
	struct imapd_contexts *all = c->session->contexts;
	const struct cv_view *view = c->session->view;
	uint32_t *was = cv_malloc((all->due_count + 1) * sizeof *was);
	uint32_t *gone = cv_malloc((all->due_count + 1) * sizeof *gone);
	uint32_t *added = cv_malloc((n + 1) * sizeof *added);
	size_t was_count = 0, gone_count = 0, added_count = 0, at = 0;

	for (size_t i = 0; i < all->due_count; i++)
		was[i] = 0;
	for (size_t i = 0; i < x->count; i++)
		if (has_uid(all->due, all->due_count, x->uids[i]))
			was[was_count++] = x->uids[i];
	qsort(was, was_count, sizeof *was, imapd_by_number);
	for (size_t i = 0; i < all->due_count; i++) {
		uint32_t uid = all->due[i];
		while (at < n && cv_view_seq(view, found[at])->uid < uid)
			at++;
		bool is = at < n && cv_view_seq(view, found[at])->uid == uid;
		bool before = has_uid(was, was_count, uid);
		if (is && !before)
			added[added_count++] = uid;
		else if (!is && before)
			gone[gone_count++] = uid;
	}
	if (gone_count)
		take_out(x, view, gone, gone_count, imapd_out(c));
	if (added_count && x->sort)
		add_in_order(x, columns, view, added, added_count, imapd_out(c));
	else if (added_count)
		add_in_mailbox_order(x, view, added, added_count, imapd_out(c));
	size_t first_new = 0;
	while (first_new < added_count && added[first_new] < all->arrived_from)
		first_new++;
	if (x->described.n && first_new < added_count) {
		x->news_count = added_count - first_new;
		memmove(added, added + first_new, x->news_count * sizeof *added);
		free(x->news);
		x->news = added;
		added = NULL;
	}
	free(was);
	free(gone);
	free(added);
}

/* The seek over what is due. */
static void
begin_seek(struct imapd_conn *c, struct imapd_contexts *all)
{
	struct imapd_session *s = c->session;

	all->seqs = cv_malloc((all->due_count + 1) * sizeof *all->seqs);
	all->seq_count = 0;
	for (size_t i = 0; i < all->due_count; i++)
		if (cv_view_uid(s->view, all->due[i]))
			all->seqs[all->seq_count++] = cv_view_seq_at(s->view, all->due[i]);
	all->seek = imapd_seek_new(c, s, all->at->search);
	imapd_seek_only(all->seek, all->seqs, all->seq_count);
}

/* A slice of the context at hand. */
static enum cv_status
judge(struct imapd_conn *c, struct imapd_contexts *all, bool *done_out, struct cv_err *err)
{
	struct context *x = all->at;
	struct imapd_columns *columns = NULL;
	size_t n;

	if (!all->seek)
		begin_seek(c, all);
	enum cv_status status = imapd_seek_step(all->seek, done_out, err);
	if (!status && *done_out && x->sort)
		status = imapd_seek_columns(all->seek, &columns, done_out, err);
	if (!status && *done_out) {
		const uint32_t *found = imapd_seek_found(all->seek, &n);
		tell(c, x, found, n, columns);
	}
	return status;
}

static enum cv_step
end_pass(struct imapd_conn *c, struct imapd_contexts *all)
{
	free(all->due);
	all->due = NULL;
	all->due_count = 0;
	all->arrived_from = UINT32_MAX;
	all->at = NULL;
	if (!c->cmd && c->is_slow) {
		cv_conn_mark_slow(c->conn, false);
		c->is_slow = false;
	}
	return CV_STEP_DONE;
}

static struct context *
next_context(struct imapd_contexts *all, struct context *x)
{
	struct cv_link *next = x ? x->link.next : all->list.next;

	return next == &all->list ? NULL : CV_CONTAINER(next, struct context, link);
}

enum cv_step
imapd_contexts_step(struct imapd_conn *c)
{
	if (!imapd_contexts_are_due(c->session))
		return CV_STEP_DONE;
	struct imapd_contexts *all = c->session->contexts;
	struct cv_err err = {0};
	bool done = false;

	if (!all->at)
		all->at = next_context(all, NULL);
	if (!all->at)
		return end_pass(c, all);
	if ((all->at->search->needs & (IMAPD_NEED_HEADER | IMAPD_NEED_BODY)) &&
		!imapd_may_be_slow(c))
		return CV_STEP_WAIT;
	enum cv_status status = judge(c, all, &done, &err);
	struct context *x = all->at;
	if (status) {
		cv_log(cv_conn_id(c->conn), CV_ERROR, "imap.context_failed", "user=%s error=\"%s\"",
			c->address, err.text);
		cv_buf_printf(imapd_out(c), "* NO [NOUPDATE \"%.*s\"] A fault of the server\r\n",
			CV_STR_ARGS(x->tag));
	}
	if (status || done) {
		end_seek(all);
		all->at = next_context(all, x);
		if (status)
			end(all, x);
		if (!all->at)
			return end_pass(c, all);
	}
	return all->seek ? imapd_seek_park(all->seek) : imapd_yield(c);
}

bool
imapd_contexts_describe(struct imapd_conn *c)
{
	struct imapd_contexts *all = c->session ? c->session->contexts : NULL;

	struct context *x = all ? next_context(all, NULL) : NULL;
	for (; x; x = next_context(all, x)) {
		if (!x->news_count)
			continue;
		size_t n = 0;
		struct imapd_range *ranges = cv_malloc(x->news_count * sizeof *ranges);
		for (size_t i = 0; i < x->news_count && n < IMAPD_DESCRIBED_AT_ONCE; i++) {
			uint32_t seq = cv_view_seq_at(c->session->view, x->news[i]);
			if (cv_view_uid(c->session->view, x->news[i]))
				ranges[n++] = (struct imapd_range){seq, seq};
		}
		x->news_count = 0;
		if (n)
			imapd_describe(c, x->described, ranges, (uint32_t)n);
		free(ranges);
		if (n)
			return true;
	}
	return false;
}
