/* cmd_search.c - SEARCH, with ESEARCH (RFC 4731) and MODSEQ (RFC 7162). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/seek.h"

/* What was found, on its way into the answer. */
struct results {
	struct imapd_conn *c;
	const struct imapd_search *search;
	uint32_t *found; /* message numbers, at the end UIDs for UID SEARCH */
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
}

static void
write_results(struct results *s)
{
	struct cv_buf *out = imapd_out(s->c);
	uint64_t modseq = s->search->has_modseq ? highest_modseq(s) : 0;

	if (s->c->cmd->is_uid)
		for (size_t i = 0; i < s->n; i++)
			s->found[i] = cv_view_seq(s->c->session->view, s->found[i])->uid;
	if (s->search->is_extended) {
		write_esearch(s, out);
		if (modseq)
			write_word_number(out, " MODSEQ ", modseq);
	} else {
		cv_buf_z(out, "* SEARCH");
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

enum cv_step
imapd_cmd_search(struct imapd_conn *c)
{
	struct imapd_search *search = c->cmd->args.search;
	struct cv_err err = {0};
	bool done;

	if (search->is_bad_charset)
		return imapd_done(c, IMAPD_R_BAD_CHARSET);
	if (!c->cmd->step) {
		if (search->has_modseq)
			imapd_know_modseq(c);
		c->cmd->step = imapd_seek_new(c, search);
		c->cmd->release = free_seek;
	}
	bool is_slow = search->needs & (IMAPD_NEED_HEADER | IMAPD_NEED_BODY);
	if (is_slow && !imapd_may_be_slow(c))
		return CV_STEP_WAIT;
	enum cv_status status = imapd_seek_step(c->cmd->step, &done, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (!done)
		return imapd_yield(c);
	struct results r = {.c = c, .search = search};
	r.found = imapd_seek_found(c->cmd->step, &r.n);
	write_results(&r);
	return imapd_done(c, IMAPD_R_OK);
}
