/* cmd_search.c - SEARCH, SORT and THREAD, with ESEARCH (RFC 4731), ESORT (RFC 5267) and MODSEQ
 * (RFC 7162).
 *
 * All three find messages first (seek.h). SORT and THREAD then need the columns of the whole
 * mailbox; what they make of them is pure work in memory (sort.h, thread.h). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "imapd/limit.h"
#include "imapd/seek.h"

/* What was found, on its way into the answer. */
struct results {
	struct imapd_conn *c;
	const struct imapd_search *search;
	uint32_t *found; /* message numbers, at the end UIDs for UID SEARCH */
	const uint8_t *scores; /* their relevancy, or NULL */
	size_t n;
};

/* The highest MODSEQ of what is told (RFC 4731 3.2). */
static uint64_t
highest_modseq(const struct results *s)
{
	unsigned r = s->search->returns;
	bool ends_only = s->search->is_extended && !(r & (IMAPD_RETURN_ALL | IMAPD_RETURN_COUNT));
	uint64_t highest = 0;

	for (size_t i = 0; i < s->n; i++) {
		bool counts = !ends_only || (i == 0 && (r & IMAPD_RETURN_MIN)) ||
			      (i == s->n - 1 && (r & IMAPD_RETURN_MAX));
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
write_partial(const struct results *s, struct cv_buf *out)
{
	const struct imapd_partial *p = &s->search->partial;
	const char *sign = p->from_end ? "-" : "";
	size_t from, to;

	imapd_partial_cut(p, s->n, &from, &to);
	cv_buf_printf(out, " PARTIAL (%s%u:%s%u ", sign, p->first, sign, p->last);
	if (from < to)
		imapd_set_write(out, s->found + from, to - from);
	else
		cv_buf_z(out, "NIL");
	cv_buf_c(out, ')');
}

/* RFC 6203 4: for those that are told, or for all where only the ends are. */
static void
write_relevancy(const struct results *s, struct cv_buf *out)
{
	size_t from = 0, to = s->n;

	if (s->search->returns & IMAPD_RETURN_PARTIAL)
		imapd_partial_cut(&s->search->partial, s->n, &from, &to);
	cv_buf_z(out, " RELEVANCY (");
	for (size_t i = from; i < to; i++) {
		if (i > from)
			cv_buf_c(out, ' ');
		cv_buf_u64(out, s->scores[i]);
	}
	cv_buf_c(out, ')');
}

static void
write_esearch(struct results *s, struct cv_buf *out)
{
	unsigned r = s->search->returns;
	size_t n = s->n;

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
	if (r & IMAPD_RETURN_PARTIAL)
		write_partial(s, out);
	if (r & IMAPD_RETURN_RELEVANCY)
		write_relevancy(s, out);
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* What "$" stands for from now on (RFC 5182 2.1): all, or only the ends that were asked for. */
static void
save(const struct results *s)
{
	unsigned r = s->search->returns;
	unsigned ends = r & (IMAPD_RETURN_MIN | IMAPD_RETURN_MAX);
	bool ends_only = ends && !(r & ~(unsigned)(ends | IMAPD_RETURN_SAVE));
	const struct cv_view *view = s->c->session->view;
	uint32_t *uids = cv_malloc((s->n + 1) * sizeof *uids), count = 0;
	size_t from = 0, to = s->n;

	if (r & IMAPD_RETURN_PARTIAL)
		imapd_partial_cut(&s->search->partial, s->n, &from, &to);
	for (size_t i = from; i < to; i++)
		if (!ends_only || (i == 0 && (r & IMAPD_RETURN_MIN)) ||
			(i + 1 == s->n && (r & IMAPD_RETURN_MAX)))
			uids[count++] = cv_view_seq(view, s->found[i])->uid;
	qsort(uids, count, sizeof *uids, by_uid); /* SORT has another order */
	imapd_session_save(s->c->session, uids, count);
}

static uint32_t
number_of(const struct imapd_conn *c, uint32_t seq)
{
	return c->cmd->is_uid ? cv_view_seq(c->session->view, seq)->uid : seq;
}

/* In the order in which they are; WORD names a plain answer. */
static void
write_results(struct results *s, const char *word)
{
	struct cv_buf *out = imapd_out(s->c);
	uint64_t modseq = s->search->has_modseq ? highest_modseq(s) : 0;

	if (s->search->returns & IMAPD_RETURN_SAVE)
		save(s);
	if (s->search->returns == IMAPD_RETURN_SAVE)
		return; /* nothing is told then */
	for (size_t i = 0; i < s->n; i++)
		s->found[i] = number_of(s->c, s->found[i]);
	if (s->search->is_extended) {
		write_esearch(s, out);
		if (modseq)
			write_word_number(out, " MODSEQ ", modseq);
	} else {
		cv_buf_z(out, "* ");
		cv_buf_z(out, word);
		for (size_t i = 0; i < s->n; i++) {
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
	if (!c->cmd->step) {
		if (search->has_modseq)
			imapd_know_modseq(c);
		c->cmd->step = imapd_seek_new(c, search);
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
	return done ? CV_STEP_DONE : imapd_yield(c);
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
	struct results r = {.c = c, .search = c->cmd->args.search};

	if (step != CV_STEP_DONE || c->cmd->is_answered)
		return step;
	r.found = imapd_seek_found(c->cmd->step, &r.n);
	r.scores = imapd_seek_scores(c->cmd->step);
	write_results(&r, "SEARCH");
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
	struct results r = {.c = c, .search = c->cmd->args.search};
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
	write_results(&r, "SORT");
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
			items[n++] = threaded_of(facts, block, number_of(c, seqs[i]));
	}
	cv_buf_z(imapd_out(c), "* THREAD");
	imapd_thread_write(c->cmd->args.thread, items, n, imapd_out(c));
	cv_buf_add(imapd_out(c), "\r\n", 2);
	free(items);
	return imapd_done(c, IMAPD_R_OK);
}
