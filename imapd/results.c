/* results.c - see results.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/results.h"

#include <stdlib.h>

#include "imapd/names.h"

/* The highest MODSEQ of what is told (RFC 4731 3.2). */
static uint64_t
highest_modseq(const struct imapd_results *s)
{
	unsigned r = s->search->returns;
	bool ends_only = s->search->is_extended && !(r & (IMAPD_RETURN_ALL | IMAPD_RETURN_COUNT));
	uint64_t highest = 0;

	for (size_t i = 0; i < s->n; i++) {
		bool counts = !ends_only || (i == 0 && (r & IMAPD_RETURN_MIN)) ||
			      (i == s->n - 1 && (r & IMAPD_RETURN_MAX));
		if (counts)
			highest = CV_MAX(
				highest, imapd_session_entry(s->session, s->found[i])->modseq);
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
write_partial(const struct imapd_results *s, struct cv_buf *out)
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
write_relevancy(const struct imapd_results *s, struct cv_buf *out)
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
write_esearch(struct imapd_results *s, struct cv_buf *out)
{
	unsigned r = s->search->returns;
	size_t n = s->n;

	cv_buf_z(out, "* ESEARCH (TAG \"");
	cv_buf_str(out, s->c->cmd->tag);
	cv_buf_c(out, '"');
	if (s->mailbox.p) {
		cv_buf_z(out, " MAILBOX ");
		imapd_write_name(out, s->mailbox, s->c->utf8);
		cv_buf_printf(out, " UIDVALIDITY %u", s->session->view->uidvalidity);
	}
	cv_buf_z(out, s->is_uid ? ") UID" : ")");
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

/* What "$" stands for from now on (RFC 5182 2.1): all, or only the ends that were asked for. */
static void
save(const struct imapd_results *s)
{
	unsigned r = s->search->returns & ~(unsigned)IMAPD_RETURNS_NOTHING;
	unsigned ends = r & (IMAPD_RETURN_MIN | IMAPD_RETURN_MAX);
	bool ends_only = ends && !(r & ~(unsigned)(ends | IMAPD_RETURN_SAVE));
	const struct cv_view *view = s->session->view;
	uint32_t *uids = cv_malloc((s->n + 1) * sizeof *uids), count = 0;
	size_t from = 0, to = s->n;

	if (r & IMAPD_RETURN_PARTIAL)
		imapd_partial_cut(&s->search->partial, s->n, &from, &to);
	for (size_t i = from; i < to; i++)
		if (!ends_only || (i == 0 && (r & IMAPD_RETURN_MIN)) ||
			(i + 1 == s->n && (r & IMAPD_RETURN_MAX)))
			uids[count++] = cv_view_seq(view, s->found[i])->uid;
	qsort(uids, count, sizeof *uids, imapd_by_number); /* SORT has another order */
	imapd_session_save(s->session, uids, count);
}

void
imapd_results_write(struct imapd_results *s, const char *word)
{
	struct cv_buf *out = imapd_out(s->c);
	uint64_t modseq = s->search->has_modseq ? highest_modseq(s) : 0;

	if (s->search->returns & IMAPD_RETURN_SAVE)
		save(s);
	if (s->search->returns == IMAPD_RETURN_SAVE)
		return; /* nothing is told then */
	for (size_t i = 0; i < s->n; i++)
		if (s->is_uid)
			s->found[i] = cv_view_seq(s->session->view, s->found[i])->uid;
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
