/* cmd_search.c - SEARCH, with ESEARCH (RFC 4731) and MODSEQ (RFC 7162).
 *
 * Works in slices: candidates are judged by flags as they come; those that need more gather in a
 * batch, which is read and judged together. After a few milliseconds others have their turn.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "imapd/conn.h"

#define BATCH         512
#define BATCH_BODIES  8 /* the same when bodies must be read */
#define SLICE_US      4000
#define ROUNDS_A_LOOK 1024 /* messages judged by flags between two looks at the clock */

struct batch_item {
	uint32_t seq;
	const struct cv_entry *entry;
	enum imapd_verdict verdict;
	struct cv_msg msg; /* of a message whose body must be read; summary in the batch's arena */
};

struct searching {
	struct imapd_conn *c;
	struct imapd_search *search;
	const struct cv_view *view; /* the session's; it does not move while the command runs */
	uint32_t next_seq;
	struct imapd_finder *finder; /* when bodies are to be read */
	struct cv_arena arena;       /* of one batch */
	struct batch_item *batch;    /* room for batch_max; heap */
	unsigned batch_count, batch_at, batch_max;
	uint32_t *found; /* message numbers, ascending; heap */
	size_t found_count, found_cap;
	int64_t now_secs;
};

static void
free_searching(void *arg)
{
	struct searching *s = arg;
	imapd_finder_free(s->finder);
	cv_arena_done(&s->arena);
	free(s->batch);
	free(s->found);
	free(s);
}

static struct searching *
begin(struct imapd_conn *c)
{
	struct searching *s = cv_calloc(1, sizeof(*s));

	s->c = c;
	s->search = c->cmd->args.search;
	s->view = c->session->view;
	s->next_seq = 1;
	s->now_secs = cv_wall_secs();
	s->batch_max = s->search->needs & IMAPD_NEED_BODY ? BATCH_BODIES : BATCH;
	imapd_search_bind(s->search, s->view, &c->arena);
	c->cmd->step = s;
	c->cmd->release = free_searching;
	if (s->search->has_modseq)
		imapd_know_modseq(c);
	return s;
}

static void
add_found(struct searching *s, uint32_t seq)
{
	if (s->found_count == s->found_cap) {
		s->found_cap = s->found_cap ? 2 * s->found_cap : 256;
		s->found = cv_realloc(s->found, s->found_cap * sizeof(*s->found));
	}
	s->found[s->found_count++] = seq;
}

static struct imapd_candidate
candidate_of(const struct searching *s, uint32_t seq, const struct cv_entry *entry)
{
	return (struct imapd_candidate){
		.seq = seq,
		.entry = entry,
		.keywords = imapd_session_keywords(s->c->session),
		.is_recent = imapd_session_is_recent(s->c->session, entry->uid),
		.now_secs = s->now_secs,
	};
}

/* ---- what is stored beside the message ---- */

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct searching *s = arg;
	struct cv_summary summary;

	while (s->batch_at < s->batch_count && s->batch[s->batch_at].entry->uid < msg->uid)
		s->batch[s->batch_at++].verdict = IMAPD_NO; /* its row is gone */
	if (s->batch_at == s->batch_count || s->batch[s->batch_at].entry->uid != msg->uid)
		return true;
	struct batch_item *item = &s->batch[s->batch_at++];
	struct imapd_candidate candidate = candidate_of(s, item->seq, item->entry);
	candidate.msg = msg;
	candidate.has = IMAPD_NEED_CORE;
	if (msg->summary.p && !cv_summary_decode(msg->summary, &summary)) {
		candidate.summary = &summary;
		candidate.has |= IMAPD_NEED_SUMMARY;
	}
	item->verdict = imapd_search_judge(s->search, &candidate);
	if (item->verdict == IMAPD_MAYBE) {
		item->msg = *msg;
		item->msg.summary = cv_arena_str(&s->arena, msg->summary);
	}
	return true;
}

/* ---- the message itself ---- */

struct reading {
	struct imapd_finder *finder;  /* NULL: only the header is wanted */
	struct cv_summary_scan *scan; /* NULL: the summary is there */
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

/* Reads what the batch's ITEM still needs, and judges it for good. */
static enum cv_status
judge_by_reading(struct searching *s, struct batch_item *item, struct cv_err *err)
{
	struct imapd_candidate candidate = candidate_of(s, item->seq, item->entry);
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
	if (!has_summary)
		r.scan = cv_summary_begin(&s->arena);
	enum cv_status status =
		cv_msg_read(s->c->session->mbox, &item->msg.body, 0, length, on_bytes, &r, err);
	if (r.scan)
		cv_summary_finish(r.scan, &summary, NULL);
	if (r.finder) {
		imapd_finder_finish(r.finder);
		candidate.header = imapd_finder_header(r.finder);
		candidate.in_header = imapd_finder_in_header(r.finder);
		candidate.in_body = imapd_finder_in_body(r.finder);
		candidate.has = IMAPD_NEED_BODY;
	} else {
		candidate.header = cv_buf_view(&r.header);
	}
	candidate.msg = &item->msg;
	candidate.summary = &summary;
	candidate.has |= IMAPD_NEED_CORE | IMAPD_NEED_SUMMARY | IMAPD_NEED_HEADER;
	if (!status)
		item->verdict = imapd_search_judge(s->search, &candidate);
	cv_buf_done(&r.header);
	return status;
}

/* Judges the batch by what is stored, then one by one by reading. */
static enum cv_status
judge_batch(struct searching *s, struct cv_err *err)
{
	uint32_t uids[BATCH];
	bool with_summary =
		s->search->needs & (IMAPD_NEED_SUMMARY | IMAPD_NEED_HEADER | IMAPD_NEED_BODY);

	for (unsigned i = 0; i < s->batch_count; i++) {
		uids[i] = s->batch[i].entry->uid;
		s->batch[i].verdict = IMAPD_NO;
	}
	s->batch_at = 0;
	enum cv_status status = cv_msg_each(
		s->c->session->mbox, uids, s->batch_count, with_summary, on_msg, s, err);
	for (unsigned i = 0; !status && i < s->batch_count; i++) {
		struct batch_item *item = &s->batch[i];
		if (item->verdict == IMAPD_MAYBE)
			status = judge_by_reading(s, item, err);
		if (item->verdict == IMAPD_YES)
			add_found(s, item->seq);
	}
	s->batch_count = 0;
	cv_arena_reset(&s->arena);
	return status;
}

static void
add_to_batch(struct searching *s, uint32_t seq, const struct cv_entry *entry)
{
	if (!s->batch)
		s->batch = cv_malloc(s->batch_max * sizeof(*s->batch));
	struct batch_item *item = &s->batch[s->batch_count++];
	item->seq = seq;
	item->entry = entry;
}

/* Judges messages until the slice is over. Results must come in order, so a sure one waits while a
 * batch is open. */
static enum cv_status
search_slice(struct searching *s, struct cv_err *err)
{
	int64_t end = cv_mono_us() + SLICE_US;
	unsigned rounds = 0;

	while (s->next_seq <= s->view->exists) {
		const struct cv_entry *entry = imapd_session_entry(s->c->session, s->next_seq);
		struct imapd_candidate candidate = candidate_of(s, s->next_seq, entry);
		enum imapd_verdict v = imapd_search_judge(s->search, &candidate);
		if (v == IMAPD_YES && !s->batch_count)
			add_found(s, s->next_seq);
		else if (v != IMAPD_NO)
			add_to_batch(s, s->next_seq, entry);
		s->next_seq++;
		bool was_full = s->batch_count == s->batch_max;
		if (was_full) {
			enum cv_status status = judge_batch(s, err);
			if (status)
				return status;
		}
		if ((was_full || ++rounds % ROUNDS_A_LOOK == 0) && cv_mono_us() > end)
			return CV_OK;
	}
	return s->batch_count ? judge_batch(s, err) : CV_OK;
}

/* ---- the answer ---- */

/* The highest MODSEQ of what is told (RFC 4731 3.2). */
static uint64_t
highest_modseq(const struct searching *s)
{
	unsigned r = s->search->returns;
	bool ends_only = s->search->is_extended && !(r & (IMAPD_RETURN_ALL | IMAPD_RETURN_COUNT));
	uint64_t highest = 0;

	for (size_t i = 0; i < s->found_count; i++) {
		bool counts = !ends_only || (i == 0 && (r & IMAPD_RETURN_MIN)) ||
			      (i == s->found_count - 1 && (r & IMAPD_RETURN_MAX));
		if (counts)
			highest = CV_MAX(
				highest, imapd_session_entry(s->c->session, s->found[i])->modseq);
	}
	return highest;
}

static void
write_word_number(struct cv_buf *out, const char *word, uint64_t n)
{
	cv_buf_z(out, word);
	cv_buf_u64(out, n);
}

static void
write_esearch(struct searching *s, struct cv_buf *out)
{
	unsigned r = s->search->returns;
	size_t n = s->found_count;

	cv_buf_z(out, "* ESEARCH (TAG \"");
	cv_buf_str(out, s->c->cmd->tag);
	cv_buf_z(out, s->c->cmd->is_uid ? "\") UID" : "\")");
	if (n && (r & IMAPD_RETURN_MIN))
		write_word_number(out, " MIN ", s->found[0]);
	if (n && (r & IMAPD_RETURN_MAX))
		write_word_number(out, " MAX ", s->found[n - 1]);
	if (r & IMAPD_RETURN_COUNT)
		write_word_number(out, " COUNT ", n);
	if (n && (r & IMAPD_RETURN_ALL)) {
		cv_buf_z(out, " ALL ");
		imapd_set_write(out, s->found, n);
	}
}

static void
write_results(struct searching *s)
{
	struct cv_buf *out = imapd_out(s->c);
	uint64_t modseq = s->search->has_modseq ? highest_modseq(s) : 0;

	if (s->c->cmd->is_uid)
		for (size_t i = 0; i < s->found_count; i++)
			s->found[i] = cv_view_seq(s->view, s->found[i])->uid;
	if (s->search->is_extended) {
		write_esearch(s, out);
		if (modseq)
			write_word_number(out, " MODSEQ ", modseq);
	} else {
		cv_buf_z(out, "* SEARCH");
		for (size_t i = 0; i < s->found_count; i++) {
			cv_buf_c(out, ' ');
			cv_buf_u64(out, s->found[i]);
		}
		if (modseq) {
			write_word_number(out, " (MODSEQ ", modseq);
			cv_buf_c(out, ')');
		}
	}
	cv_buf_add(out, "\r\n", 2);
}

enum cv_step
imapd_cmd_search(struct imapd_conn *c)
{
	struct cv_err err = {0};

	if (c->cmd->args.search->is_bad_charset)
		return imapd_done(c, IMAPD_R_BAD_CHARSET);
	struct searching *s = c->cmd->step ? c->cmd->step : begin(c);
	bool is_slow = s->search->needs & (IMAPD_NEED_HEADER | IMAPD_NEED_BODY);
	if (is_slow && !imapd_may_be_slow(c))
		return CV_STEP_WAIT;
	enum cv_status status = search_slice(s, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (s->next_seq <= s->view->exists)
		return imapd_yield(c);
	write_results(s);
	return imapd_done(c, IMAPD_R_OK);
}
