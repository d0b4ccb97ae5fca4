/* resync.c - see resync.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/resync.h"

/* Ranges on their way into the answer, which begins with the first of them. */
struct writer {
	struct cv_buf *out;
	bool has_begun;
};

static void
write_range(struct writer *w, uint32_t from, uint32_t to)
{
	cv_buf_z(w->out, w->has_begun ? "," : "* VANISHED (EARLIER) ");
	w->has_begun = true;
	cv_buf_u64(w->out, from);
	if (to > from) {
		cv_buf_c(w->out, ':');
		cv_buf_u64(w->out, to);
	}
}

/* What of [from, to] is not in VIEW. */
static void
write_holes(struct writer *w, const struct cv_view *view, uint32_t from, uint32_t to)
{
	uint32_t seq = cv_view_seq_at(view, from);

	while (from <= to) {
		uint32_t next = seq <= view->exists ? cv_view_seq(view, seq)->uid : UINT32_MAX;
		if (next > to) {
			write_range(w, from, to);
			return;
		}
		if (next > from)
			write_range(w, from, next - 1);
		from = next + 1;
		seq++;
	}
}

/* Without history: everything that is not there. */
static void
write_all_holes(struct writer *w, const struct cv_view *view, const struct imapd_range *known,
	uint32_t known_count)
{
	uint32_t last = view->uidnext - 1;

	if (!known && last)
		write_holes(w, view, 1, last);
	for (uint32_t i = 0; known && i < known_count && known[i].from <= last; i++)
		write_holes(w, view, known[i].from, CV_MIN(known[i].to, last));
}

static void
write_uids(struct writer *w, const struct cv_view *view, const struct imapd_range *known,
	uint32_t known_count, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count;) {
		uint32_t from = uids[i], to = from;
		bool is_told = !known || imapd_ranges_have(known, known_count, from);
		/* What is still in the view the client hears of as an EXPUNGE later. */
		is_told = is_told && !cv_view_uid(view, from);
		for (i++; is_told && i < count && uids[i] == to + 1 &&
		          (!known || imapd_ranges_have(known, known_count, to + 1)) &&
		          !cv_view_uid(view, to + 1);
			i++)
			to++;
		if (is_told)
			write_range(w, from, to);
	}
}

enum cv_status
imapd_write_vanished(struct imapd_session *s, uint64_t modseq, const struct imapd_range *known,
	uint32_t known_count, struct cv_arena *arena, struct cv_buf *out, struct cv_err *err)
{
	struct writer w = {.out = out};
	uint32_t *uids;
	size_t count;

	enum cv_status status = cv_mbox_vanished(s->mbox, modseq, arena, &uids, &count, err);
	if (status && status != CV_NOT_FOUND)
		return status;
	if (status)
		write_all_holes(&w, s->view, known, known_count);
	else
		write_uids(&w, s->view, known, known_count, uids, count);
	if (w.has_begun)
		cv_buf_add(out, "\r\n", 2);
	return CV_OK;
}
