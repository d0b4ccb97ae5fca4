/* cmd_batches.c - UIDBATCHES (RFC 10022): ranges of UIDs that hold so many messages each.
 *
 * A batch costs a look into the view. The ranges touch one another, from the highest UID given out
 * down to 1, so that every message is in one of them, and none will come in that is not there. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"

#define BATCH_MIN 500    /* 3.1.3.2 */
#define SPAN_MAX  100000 /* messages that a range of batches may name, 3.1.5 */

/* Asking for the same again is of use only when more than half a batch came or went (3.1.1). */
static bool
is_too_soon(const struct imapd_session *s, const struct imapd_batches *b)
{
	const struct imapd_told_batches *told = &s->batches;
	uint32_t arrived = s->view->uidnext - told->uidnext;
	uint64_t were = (uint64_t)told->exists + arrived;
	uint64_t went = were > s->view->exists ? were - s->view->exists : 0;

	return told->size == b->size && told->first == b->first && told->last == b->last &&
	       arrived <= b->size / 2 && went <= b->size / 2;
}

/* Batch NUMBER, from 1; false: there are not so many. */
static bool
batch_of(const struct cv_view *view, uint32_t size, uint32_t number, struct imapd_range *out)
{
	uint64_t before = (uint64_t)size * (number - 1);

	if (before >= view->exists)
		return false;
	uint32_t top = view->exists - (uint32_t)before;
	out->from = top > size ? cv_view_seq(view, top - size + 1)->uid : 1;
	out->to = before ? cv_view_seq(view, top + 1)->uid - 1 : view->uidnext - 1;
	return true;
}

enum cv_step
imapd_cmd_uidbatches(struct imapd_conn *c)
{
	const struct imapd_batches *b = &c->cmd->args.batches;
	struct imapd_session *s = c->session;
	struct cv_buf *out = imapd_out(c);
	struct imapd_range range;
	uint32_t last = b->has_range ? b->last : UINT32_MAX;

	if (b->has_range && b->first > b->last)
		return imapd_done(c, IMAPD_R_BATCH_RANGE);
	if (b->size < BATCH_MIN)
		return imapd_done(c, IMAPD_R_BATCH_TOO_SMALL);
	if (b->has_range && ((uint64_t)b->last - b->first + 1) * b->size > SPAN_MAX &&
		b->first != b->last)
		return imapd_done(c, IMAPD_R_BATCHES_TOO_MANY);
	if (is_too_soon(s, b))
		return imapd_done(c, IMAPD_R_BATCHES_AGAIN);
	s->batches = (struct imapd_told_batches){
		b->size, b->first, b->last, s->view->uidnext, s->view->exists};
	cv_buf_z(out, "* UIDBATCHES (TAG \"");
	cv_buf_str(out, c->cmd->tag);
	cv_buf_z(out, "\")");
	for (uint32_t i = b->has_range ? b->first : 1; i <= last; i++) {
		if (!batch_of(s->view, b->size, i, &range))
			break;
		cv_buf_printf(out, "%s%u:%u", i == (b->has_range ? b->first : 1) ? " " : ",",
			range.to, range.from);
	}
	cv_buf_add(out, "\r\n", 2);
	return imapd_done(c, IMAPD_R_OK);
}
