/* cmd_search.c - SEARCH, SORT and THREAD, with ESEARCH (RFC 4731), ESORT (RFC 5267) and MODSEQ
 * (RFC 7162).
 *
 * All three find messages first (seek.h). SORT and THREAD then need the columns of the whole
 * mailbox; what they make of them is pure work in memory (sort.h, thread.h). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/context.h"
#include "imapd/limit.h"
#include "imapd/results.h"
#include "imapd/seek.h"

static void
free_seek(void *seek)
{
	imapd_seek_free(seek);
}

/* Runs the command's search. DONE: it is complete, or refused when the command is answered. */
static enum cv_step
seek(struct imapd_conn *c)
{
	struct imapd_search *search = c->cmd->args.search;
	struct cv_err err = {0};
	bool done;

	if (search->is_bad_charset) {
		if (search->returns & IMAPD_RETURN_SAVE) /* RFC 5182 2.1: NO empties it */
			imapd_session_save(c->session, NULL, 0);
		return imapd_done(c, IMAPD_R_BAD_CHARSET);
	}
	if (!c->cmd->step && (search->returns & IMAPD_RETURN_UPDATE) &&
		imapd_context_has_tag(c->session, c->cmd->tag))
		return imapd_done(c, IMAPD_R_TAG_REUSE);
	if (!c->cmd->step) {
		if (search->has_modseq)
			imapd_know_modseq(c);
		c->cmd->step = imapd_seek_new(c, c->session, search);
		c->cmd->release = free_seek;
		if (c->cmd->row->run == imapd_cmd_search)
			imapd_seek_from(c->cmd->step, imapd_limit_search(c, search));
	}
	bool is_slow = search->needs & (IMAPD_NEED_HEADER | IMAPD_NEED_BODY);
	if (is_slow && !imapd_may_be_slow(c))
		return CV_STEP_WAIT;
	enum cv_status status = imapd_seek_step(c->cmd->step, &done, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	imapd_seek_progress(c->cmd->step, &c->cmd->done, &c->cmd->goal);
	return done ? CV_STEP_DONE : imapd_seek_park(c->cmd->step);
}

static struct imapd_results
results_of(struct imapd_conn *c)
{
	return (struct imapd_results){.c = c,
		.session = c->session,
		.search = c->cmd->args.search,
		.is_uid = c->cmd->is_uid};
}

/* Writing turns numbers into UIDs, so a context comes first; its refusal behind (RFC 5267 4.3.1) is
 * as good as before. */
static void
write_and_keep(struct imapd_results *r, const char *word)
{
	if (r->c->cmd->limit_code.n && (r->search->returns & IMAPD_RETURN_UPDATE))
		imapd_context_refuse(r->c, "The result is cut by a limit");
	else
		imapd_context_keep(r->c, r->found, r->n);
	imapd_results_write(r, word);
}

enum cv_step
imapd_cmd_search(struct imapd_conn *c)
{
	/* RFC 9051 6.4.4: rev2 has no other answer than ESEARCH. */
	if (c->rev2 && !c->cmd->args.search->is_extended) {
		c->cmd->args.search->is_extended = true;
		c->cmd->args.search->returns = IMAPD_RETURN_ALL;
	}
	enum cv_step step = seek(c);
	struct imapd_results r = results_of(c);

	if (step != CV_STEP_DONE || c->cmd->is_answered)
		return step;
	r.found = imapd_seek_found(c->cmd->step, &r.n);
	r.scores = imapd_seek_scores(c->cmd->step);
	write_and_keep(&r, "SEARCH");
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- SORT and THREAD ---- */

/* The same, and then the columns are complete. */
static enum cv_step
seek_with_columns(struct imapd_conn *c, struct imapd_columns **columns_out)
{
	struct cv_err err = {0};
	bool done;
	enum cv_step step = seek(c);

	if (step != CV_STEP_DONE || c->cmd->is_answered)
		return step;
	enum cv_status status = imapd_seek_columns(c->cmd->step, columns_out, &done, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	return done ? CV_STEP_DONE : imapd_yield(c);
}

enum cv_step
imapd_cmd_sort(struct imapd_conn *c)
{
	struct imapd_results r = results_of(c);
	struct imapd_columns *columns;
	enum cv_step step = seek_with_columns(c, &columns);
	size_t n = 0, found;

	if (step != CV_STEP_DONE || c->cmd->is_answered)
		return step;
	r.found = imapd_seek_found(c->cmd->step, &found);
	const uint8_t *scores = imapd_seek_scores(c->cmd->step);
	uint8_t *sorted_scores = CV_ARENA_ARRAY(&c->arena, uint8_t, scores ? found + 1 : 1);
	struct imapd_sorted *items = cv_malloc((found + 1) * sizeof *items);
	for (size_t i = 0; i < found; i++) {
		uint32_t uid = cv_view_seq(c->session->view, r.found[i])->uid;
		items[n].seq = r.found[i];
		items[n].score = scores ? scores[i] : 0;
		items[n].facts = imapd_columns_find(columns, uid, &items[n].block);
		n += items[n].facts != NULL;
	}
	imapd_sort_messages(c->cmd->args.sort, items, n);
	for (size_t i = 0; i < n; i++) {
		r.found[i] = items[i].seq;
		if (scores)
			sorted_scores[i] = items[i].score;
	}
	free(items);
	r.scores = sorted_scores;
	r.n = n;
	write_and_keep(&r, "SORT");
	return imapd_done(c, IMAPD_R_OK);
}

static struct imapd_threaded
threaded_of(const struct imapd_facts *f, const struct imapd_block *b, uint32_t number)
{
	struct cv_str refs = imapd_facts_text(b, f, IMAPD_COL_REFS);

	return (struct imapd_threaded){
		.number = number,
		.message_id = f->message_id,
		.refs = refs.p,
		.ref_count = refs.n / sizeof(uint64_t),
		.sent_secs = imapd_facts_sent(f),
		.subject = imapd_facts_text(b, f, IMAPD_COL_SORT_SUBJECT),
		.is_reply = f->flags & IMAPD_FACT_REPLY,
	};
}

enum cv_step
imapd_cmd_thread(struct imapd_conn *c)
{
	struct imapd_columns *columns;
	enum cv_step step = seek_with_columns(c, &columns);
	size_t n = 0, found;

	if (step != CV_STEP_DONE || c->cmd->is_answered)
		return step;
	uint32_t *seqs = imapd_seek_found(c->cmd->step, &found);
	struct imapd_threaded *items = cv_malloc((found + 1) * sizeof *items);
	for (size_t i = 0; i < found; i++) {
		const struct imapd_block *block;
		uint32_t uid = cv_view_seq(c->session->view, seqs[i])->uid;
		const struct imapd_facts *facts = imapd_columns_find(columns, uid, &block);
		if (facts)
			items[n++] = threaded_of(facts, block, c->cmd->is_uid ? uid : seqs[i]);
	}
	cv_buf_z(imapd_out(c), "* THREAD");
	imapd_thread_write(c->cmd->args.thread, items, n, imapd_out(c));
	cv_buf_add(imapd_out(c), "\r\n", 2);
	free(items);
	return imapd_done(c, IMAPD_R_OK);
}
