/* seek.c - see seek.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/seek.h"

#include "common/base/clock.h"
#include "imapd/read_text.h"
#include "imapd/texts.h"

#define BATCH         512
#define BATCH_BODIES  64 /* the same when bodies must be read */
#define SLICE_US      4000
#define ROUNDS_A_LOOK 1024 /* messages judged from memory between two looks at the clock */
#define SHARE         8    /* the columns are worth filling for one message in so many */

enum phase { BY_FLAGS, FILLING, LOADING, BY_FACTS, COLLECTING, DONE };

/* A message that flags alone did not rule out. */
struct pending {
	uint32_t seq;
	enum imapd_verdict verdict;
	uint8_t score; /* relevancy, with FUZZY */
};

struct batch_item {
	uint32_t index; /* of its pending */
	const struct cv_entry *entry;
	bool is_there;     /* its row is */
	struct cv_msg msg; /* when it must be read; summary in the batch's arena */
};

struct imapd_seek {
	struct imapd_conn *c;
	struct imapd_session *session; /* whose view is searched */
	struct imapd_search *search;
	const struct cv_view *view; /* the session's; it does not move while the command runs */
	enum phase phase;
	uint32_t next;        /* message number; later index into pending */
	const uint32_t *only; /* NULL: all; else `next` counts these first */
	uint32_t only_count;
	struct pending *pending;
	uint32_t pending_count, pending_room, open_count;
	struct imapd_columns *columns;
	struct imapd_index_look *look; /* NULL: the index cannot help */
	struct imapd_finder *finder;   /* when bodies are to be read */
	struct cv_arena arena;         /* of one batch */
	struct cv_arena bound;         /* message sets of the search */
	struct batch_item *batch;      /* room for batch_max */
	unsigned batch_count, batch_at, batch_max;
	bool is_reading; /* the batch's rows were judged; what is open from batch_at on is read */
	uint32_t *found;
	uint8_t *scores; /* of found; NULL without FUZZY */
	size_t found_count;
	struct imapd_relevancy relevancy; /* of the candidate judged last */
	struct imapd_texts_wait wait;     /* for the texts of the item at batch_at */
	atomic_bool was_told;             /* that wait is over */
	bool is_waiting, has_waited;      /* has_waited: for that item */
	int64_t until_ms;                 /* wait_until() */
	struct cv_buf texts;
	int64_t now_secs;
};

void
imapd_seek_free(struct imapd_seek *s)
{
	if (!s)
		return;
	if (s->c->server->texts)
		imapd_texts_cancel(s->c->server->texts, &s->wait);
	cv_buf_done(&s->texts);
	imapd_finder_free(s->finder);
	imapd_index_look_end(s->look);
	imapd_columns_close(s->columns);
	cv_arena_done(&s->arena);
	cv_arena_done(&s->bound);
	free(s->pending);
	free(s->batch);
	free(s->found);
	free(s->scores);
	free(s);
}

struct imapd_seek *
imapd_seek_new(struct imapd_conn *c, struct imapd_session *session, struct imapd_search *search)
{
	struct imapd_seek *s = cv_calloc(1, sizeof(*s));

	s->c = c;
	s->search = search;
	s->session = session;
	s->view = session->view;
	s->next = 1;
	s->now_secs = cv_wall_secs();
	cv_list_init(&s->wait.link);
	cv_buf_init(&s->texts, UINT32_MAX);
	s->batch_max = search->needs & IMAPD_NEED_BODY ? BATCH_BODIES : BATCH;
	imapd_search_bind(search, s->view, session->saved, session->saved_count, &s->bound);
	return s;
}

void
imapd_seek_progress(const struct imapd_seek *s, uint32_t *done_out, uint32_t *goal_out)
{
	uint32_t left = s->phase == BY_FLAGS   ? s->view->exists
			: s->phase == BY_FACTS ? s->pending_count - s->next
					       : s->pending_count;

	*goal_out = s->view->exists;
	*done_out = s->phase == DONE ? s->view->exists : s->view->exists - left;
}

void
imapd_seek_from(struct imapd_seek *s, uint32_t seq)
{
	s->next = seq;
}

void
imapd_seek_only(struct imapd_seek *s, const uint32_t *seqs, size_t count)
{
	s->only = seqs;
	s->only_count = (uint32_t)count;
}

uint32_t *
imapd_seek_found(struct imapd_seek *s, size_t *count_out)
{
	*count_out = s->found_count;
	return s->found;
}

const uint8_t *
imapd_seek_scores(const struct imapd_seek *s)
{
	return s->scores;
}

const struct cv_view *
imapd_seek_view(const struct imapd_seek *s)
{
	return s->view;
}

static struct imapd_candidate
candidate_of(struct imapd_seek *s, uint32_t seq, const struct cv_entry *entry)
{
	return (struct imapd_candidate){
		.seq = seq,
		.entry = entry,
		.keywords = imapd_session_keywords(s->session),
		.is_recent = imapd_session_is_recent(s->session, entry->uid),
		.now_secs = s->now_secs,
		.relevancy = s->search->has_fuzzy ? &s->relevancy : NULL,
	};
}

/* ---- by flags ---- */

static void
add_pending(struct imapd_seek *s, uint32_t seq, enum imapd_verdict verdict)
{
	if (s->pending_count == s->pending_room) {
		s->pending_room = s->pending_room ? 2 * s->pending_room : 256;
		s->pending = cv_realloc(s->pending, s->pending_room * sizeof(*s->pending));
	}
	s->pending[s->pending_count++] =
		(struct pending){seq, verdict, imapd_relevancy_score(&s->relevancy)};
	s->open_count += verdict == IMAPD_MAYBE;
}

/* What comes after the flags. */
static enum phase
next_phase(struct imapd_seek *s)
{
	const unsigned facts = IMAPD_NEED_CORE | IMAPD_NEED_SUMMARY;

	if (!s->open_count)
		return COLLECTING;
	if (s->c->server->index && s->search->needs & IMAPD_NEED_BODY)
		s->look = imapd_index_look(
			s->c->server->index, s->session->mbox, s->view->uidvalidity, s->search);
	if (s->search->needs & facts) {
		s->columns = imapd_columns_open(
			s->c->server->columns, s->session->mbox, s->view->uidvalidity);
		if (imapd_columns_lacking(s->columns, s->view) <= (uint64_t)s->open_count * SHARE)
			return FILLING;
		imapd_columns_close(s->columns);
		s->columns = NULL;
	}
	return s->look ? LOADING : BY_FACTS;
}

static void
judge_by_flags(struct imapd_seek *s, int64_t end)
{
	uint32_t last = s->only ? s->only_count : s->view->exists;
	unsigned rounds = 0;

	for (; s->next <= last; s->next++) {
		if (++rounds % ROUNDS_A_LOOK == 0 && cv_mono_us() > end)
			return;
		uint32_t seq = s->only ? s->only[s->next - 1] : s->next;
		const struct cv_entry *entry = imapd_session_entry(s->session, seq);
		struct imapd_candidate candidate = candidate_of(s, seq, entry);
		enum imapd_verdict v = imapd_search_judge(s->search, &candidate);
		if (v != IMAPD_NO)
			add_pending(s, seq, v);
	}
	s->next = 0;
	s->phase = next_phase(s);
}

/* ---- the columns ---- */

static enum cv_status
fill(struct imapd_seek *s, int64_t end, struct cv_err *err)
{
	while (imapd_columns_lacking(s->columns, s->view)) {
		enum cv_status status = imapd_columns_fill(s->columns, s->view, err);
		if (status || cv_mono_us() > end)
			return status;
	}
	return CV_OK;
}

enum cv_status
imapd_seek_columns(struct imapd_seek *s, struct imapd_columns **columns_out, bool *done_out,
	struct cv_err *err)
{
	if (!s->columns)
		s->columns = imapd_columns_open(
			s->c->server->columns, s->session->mbox, s->view->uidvalidity);
	enum cv_status status = fill(s, cv_mono_us() + SLICE_US, err);
	*columns_out = s->columns;
	*done_out = !imapd_columns_lacking(s->columns, s->view);
	return status;
}

/* ---- what is stored beside the message ---- */

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct imapd_seek *s = arg;
	struct cv_summary summary;

	while (s->batch_at < s->batch_count && s->batch[s->batch_at].entry->uid < msg->uid)
		s->batch_at++; /* its row is gone */
	if (s->batch_at == s->batch_count || s->batch[s->batch_at].entry->uid != msg->uid)
		return true;
	struct batch_item *item = &s->batch[s->batch_at++];
	struct pending *p = &s->pending[item->index];
	struct imapd_candidate candidate = candidate_of(s, p->seq, item->entry);
	candidate.msg = msg;
	candidate.has = IMAPD_NEED_CORE;
	if (msg->summary.p && !cv_summary_decode(msg->summary, &summary)) {
		candidate.summary = &summary;
		candidate.has |= IMAPD_NEED_SUMMARY;
	}
	p->verdict = imapd_search_judge(s->search, &candidate);
	p->score = imapd_relevancy_score(&s->relevancy);
	item->is_there = true;
	if (p->verdict == IMAPD_MAYBE) {
		item->msg = *msg;
		item->msg.summary = cv_arena_str(&s->arena, msg->summary);
	}
	return true;
}

/* ---- the message itself ---- */

struct reading {
	struct cv_summary_scan *scan; /* NULL: nothing more of the summary is needed */
	struct imapd_finder *finder;  /* NULL: only the header is wanted */
	struct cv_buf header;
};

static enum cv_status
on_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct reading *r = arg;
	(void)err;
	if (r->finder)
		imapd_finder_feed(r->finder, bytes);
	else
		cv_buf_str(&r->header, bytes);
	if (r->scan)
		cv_summary_feed(r->scan, bytes);
	return CV_OK;
}

/* ---- the texts of its documents ---- */

static void
on_texts(struct imapd_texts_wait *w)
{
	struct imapd_seek *s = CV_CONTAINER(w, struct imapd_seek, wait);

	atomic_store(&s->was_told, true);
	cv_conn_wake(s->c->conn);
}

/* Until when the command may wait, all in all: from its first wait on. */
static int64_t
wait_until(struct imapd_seek *s)
{
	/* A context between commands has no command. */
	int64_t *until = s->c->cmd ? &s->c->cmd->texts_until_ms : &s->until_ms;

	if (!*until)
		*until = cv_mono_ms() +
			 1000 * (int64_t)imapd_config(s->c->server)->imapd->index_attachments_wait;
	return *until;
}

/* Puts them before the finder. False: they are being made, and the item must be read again. */
static bool
look_at_documents(struct imapd_seek *s, const struct batch_item *item)
{
	struct imapd_texts *texts = s->c->server->texts;
	bool is_final;

	if (!texts || !imapd_finder_has_documents(s->finder))
		return true;
	if (imapd_texts_read(texts, &item->msg, &s->texts, &is_final)) {
		imapd_finder_texts(s->finder, cv_buf_view(&s->texts));
		return true;
	}
	if (s->has_waited)
		return true;
	s->wait.until_ms = wait_until(s);
	if (cv_mono_ms() >= s->wait.until_ms) {
		(void)imapd_texts_ask(texts, &item->msg, NULL);
		return true;
	}
	s->wait.fn = on_texts;
	atomic_store(&s->was_told, false);
	s->is_waiting = imapd_texts_ask(texts, &item->msg, &s->wait);
	return !s->is_waiting;
}

bool
imapd_seek_is_waiting(const struct imapd_seek *s)
{
	return s->is_waiting;
}

enum cv_step
imapd_seek_park(struct imapd_seek *s)
{
	if (!s->is_waiting)
		return imapd_yield(s->c);
	if (s->c->is_slow) { /* others may, meanwhile */
		cv_conn_mark_slow(s->c->conn, false);
		s->c->is_slow = false;
	}
	return CV_STEP_WAIT;
}

/* Reads what the batch's ITEM still needs, and judges it for good, unless it must wait. */
static enum cv_status
judge_by_reading(struct imapd_seek *s, struct batch_item *item, struct cv_err *err)
{
	struct pending *p = &s->pending[item->index];
	struct imapd_candidate candidate = candidate_of(s, p->seq, item->entry);
	struct reading r = {.header = CV_BUF_INIT(CV_HEADER_BYTES_MAX + 4096)};
	struct cv_summary summary;
	uint64_t length = item->msg.size_bytes;

	bool has_summary = item->msg.summary.p && !cv_summary_decode(item->msg.summary, &summary);
	if (s->search->needs & IMAPD_NEED_BODY) {
		if (!s->finder)
			s->finder = imapd_finder_new(s->search);
		r.finder = s->finder;
		imapd_finder_reset(r.finder);
	} else if (has_summary) {
		length = CV_MIN(summary.header_bytes, CV_HEADER_BYTES_MAX);
	}
	if (!has_summary && s->search->needs & IMAPD_NEED_SUMMARY)
		r.scan = cv_summary_begin(&s->arena);
	struct cv_mbox *m = s->session->mbox;
	enum cv_status status =
		r.finder && !r.scan ? imapd_read_text(r.finder, m, &item->msg, err)
				    : cv_msg_read(m, &item->msg.body, 0, length, on_bytes, &r, err);
	if (r.scan)
		cv_summary_finish(r.scan, &summary, NULL);
	if (!status && r.finder && !look_at_documents(s, item)) {
		cv_buf_done(&r.header);
		return CV_OK;
	}
	if (r.finder) {
		imapd_finder_finish(r.finder);
		candidate.header = imapd_finder_header(r.finder);
		candidate.in_header = imapd_finder_in_header(r.finder);
		candidate.in_body = imapd_finder_in_body(r.finder);
		candidate.header_scores = imapd_finder_header_scores(r.finder);
		candidate.body_scores = imapd_finder_body_scores(r.finder);
		candidate.has = IMAPD_NEED_BODY;
	} else {
		candidate.header = cv_buf_view(&r.header);
	}
	candidate.msg = &item->msg;
	candidate.has |= IMAPD_NEED_CORE | IMAPD_NEED_HEADER;
	if (has_summary || r.scan) {
		candidate.summary = &summary;
		candidate.has |= IMAPD_NEED_SUMMARY;
	}
	if (!status) {
		p->verdict = imapd_search_judge(s->search, &candidate);
		p->score = imapd_relevancy_score(&s->relevancy);
	}
	cv_buf_done(&r.header);
	return status;
}

/* Judges the batch by what is stored. Those still open are to be read. */
static enum cv_status
judge_batch(struct imapd_seek *s, struct cv_err *err)
{
	uint32_t uids[BATCH];
	bool with_summary = s->search->needs & (IMAPD_NEED_SUMMARY | IMAPD_NEED_HEADER);

	for (unsigned i = 0; i < s->batch_count; i++) {
		struct batch_item *item = &s->batch[i];
		item->entry = imapd_session_entry(s->session, s->pending[item->index].seq);
		uids[i] = item->entry->uid;
	}
	s->batch_at = 0;
	enum cv_status status =
		cv_msg_each(s->session->mbox, uids, s->batch_count, with_summary, on_msg, s, err);
	s->batch_at = 0;
	s->is_reading = true;
	return status;
}

/* Judges the batch's open messages by reading them, until END. */
static enum cv_status
read_batch(struct imapd_seek *s, int64_t end, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	while (!status && s->batch_at < s->batch_count) {
		struct batch_item *item = &s->batch[s->batch_at++];
		struct pending *p = &s->pending[item->index];
		if (!item->is_there) {
			p->verdict = IMAPD_NO; /* its row is gone */
		} else if (p->verdict == IMAPD_MAYBE) {
			item->entry = imapd_session_entry(s->session, p->seq);
			status = judge_by_reading(s, item, err);
			if (s->is_waiting) {
				s->batch_at--;
				return status;
			}
			s->has_waited = false;
			if (cv_mono_us() > end && s->batch_at < s->batch_count)
				return status;
		}
	}
	s->batch_count = 0;
	s->is_reading = false;
	cv_arena_reset(&s->arena);
	return status;
}

static void
add_to_batch(struct imapd_seek *s, uint32_t index)
{
	if (!s->batch)
		s->batch = cv_malloc(s->batch_max * sizeof(*s->batch));
	struct batch_item *item = &s->batch[s->batch_count++];
	item->index = index;
	item->is_there = false;
}

/* By the columns and the index, as far as they are there. */
static enum imapd_verdict
judge_by_memory(struct imapd_seek *s, uint32_t seq)
{
	const struct cv_entry *entry = imapd_session_entry(s->session, seq);
	struct imapd_candidate candidate = candidate_of(s, seq, entry);

	if (s->columns) {
		candidate.facts = imapd_columns_find(s->columns, entry->uid, &candidate.block);
		if (!candidate.facts)
			return IMAPD_NO; /* its row is gone */
	}
	if (s->look)
		candidate.absent = imapd_index_look_absent(s->look, entry->uid);
	return imapd_search_judge(s->search, &candidate);
}

/* Puts the next messages that memory leaves open into the batch, until it is full. */
static void
fill_batch(struct imapd_seek *s, int64_t end)
{
	unsigned rounds = 0;

	while (s->next < s->pending_count && s->batch_count < s->batch_max) {
		uint32_t index = s->next++;
		struct pending *p = &s->pending[index];
		if (p->verdict == IMAPD_MAYBE && (s->columns || s->look)) {
			p->verdict = judge_by_memory(s, p->seq);
			p->score = imapd_relevancy_score(&s->relevancy);
		}
		if (p->verdict == IMAPD_MAYBE)
			add_to_batch(s, index);
		if (++rounds % ROUNDS_A_LOOK == 0 && cv_mono_us() > end)
			return;
	}
}

static enum cv_status
judge_pending(struct imapd_seek *s, int64_t end, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	while (!status && !s->is_waiting && cv_mono_us() <= end) {
		if (s->is_reading) {
			status = read_batch(s, end, err);
			continue;
		}
		fill_batch(s, end);
		if (s->batch_count == s->batch_max || s->next == s->pending_count)
			status = s->batch_count ? judge_batch(s, err) : CV_OK;
		if (s->next == s->pending_count && !s->is_reading) {
			s->phase = COLLECTING;
			break;
		}
	}
	return status;
}

static void
collect(struct imapd_seek *s)
{
	s->found = cv_malloc((s->pending_count + 1) * sizeof(*s->found));
	if (s->search->has_fuzzy)
		s->scores = cv_malloc(s->pending_count + 1);
	for (uint32_t i = 0; i < s->pending_count; i++) {
		if (s->pending[i].verdict != IMAPD_YES)
			continue;
		if (s->scores)
			s->scores[s->found_count] = s->pending[i].score;
		s->found[s->found_count++] = s->pending[i].seq;
	}
	s->phase = DONE;
}

enum cv_status
imapd_seek_step(struct imapd_seek *s, bool *done_out, struct cv_err *err)
{
	int64_t end = cv_mono_us() + SLICE_US;
	enum cv_status status = CV_OK;

	*done_out = false;
	if (s->is_waiting && !atomic_load(&s->was_told)) /* woken for something else */
		return CV_OK;
	s->has_waited |= s->is_waiting;
	s->is_waiting = false;
	if (s->phase == BY_FLAGS)
		judge_by_flags(s, end);
	if (s->phase == FILLING) {
		status = fill(s, end, err);
		if (!status && !imapd_columns_lacking(s->columns, s->view))
			s->phase = s->look ? LOADING : BY_FACTS;
	}
	if (!status && s->phase == LOADING && imapd_index_look_load(s->look, end))
		s->phase = BY_FACTS;
	if (!status && s->phase == BY_FACTS)
		status = judge_pending(s, end, err);
	if (!status && s->phase == COLLECTING)
		collect(s);
	*done_out = s->phase == DONE;
	return status;
}
