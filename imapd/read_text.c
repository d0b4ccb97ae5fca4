/* read_text.c - see read_text.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/read_text.h"

#define FRAME_BYTES (128u << 10) /* of a stored body */
#define WORTH_BYTES (3 * FRAME_BYTES) /* of a message in which anything may be left out */
#define MARGIN_BYTES 4096u /* of an attachment that are read at both ends */

struct reading {
	struct imapd_finder *finder;
	struct cv_mbox *m;
	const struct cv_msg *msg;
	uint64_t at; /* fed so far */
};

static enum cv_status
on_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	imapd_finder_feed(arg, bytes);
	return CV_OK;
}

static enum cv_status
feed_until(struct reading *r, uint64_t end, struct cv_err *err)
{
	uint64_t from = r->at;

	r->at = end;
	return from == end ? CV_OK
	                   : cv_msg_read(r->m, &r->msg->body, from, end - from, on_bytes, r->finder,
				     err);
}

/* Feeds what comes before the frames that lie wholly inside PLACE, and passes over these. */
static enum cv_status
pass_over(struct reading *r, const struct cv_mime_place *place, struct cv_err *err)
{
	uint64_t from = place->body_offset + MARGIN_BYTES,
		 end = place->body_offset + place->body_bytes;

	if (end > r->msg->size_bytes || end < from + MARGIN_BYTES)
		return CV_OK;
	from = (from + FRAME_BYTES - 1) / FRAME_BYTES * FRAME_BYTES;
	end = (end - MARGIN_BYTES) / FRAME_BYTES * FRAME_BYTES;
	if (from < r->at || from >= end)
		return CV_OK;
	enum cv_status status = feed_until(r, from, err);
	if (!status && imapd_finder_skip(r->finder, place->body_offset, end - from))
		r->at = end;
	return status;
}

struct copying {
	struct cv_arena arena;
	struct cv_str summary;
};

static bool
copy_summary(void *arg, const struct cv_msg *msg)
{
	struct copying *c = arg;

	c->summary = msg->summary.p ? cv_arena_str(&c->arena, msg->summary) : CV_STR_EMPTY;
	return false;
}

static enum cv_status
read_large(struct reading *r, struct cv_err *err)
{
	struct copying c = {.summary = r->msg->summary};
	struct cv_summary summary;
	struct cv_mime_place place;
	enum cv_status status = CV_OK;

	if (!c.summary.n)
		status = cv_msg_each(r->m, &r->msg->uid, 1, true, copy_summary, &c, err);
	if (!status && c.summary.n && !cv_summary_decode(c.summary, &summary) &&
		!(summary.missing & CV_SUMMARY_PARTS)) {
		struct cv_mime_places places = cv_summary_places(&summary);
		while (!status && cv_mime_places_next(&places, &place))
			if (place.kind == CV_MIME_LEAF)
				status = pass_over(r, &place, err);
	}
	cv_arena_done(&c.arena);
	return status;
}

enum cv_status
imapd_read_text(struct imapd_finder *finder, struct cv_mbox *m, const struct cv_msg *msg,
	struct cv_err *err)
{
	struct reading r = {.finder = finder, .m = m, .msg = msg};
	enum cv_status status = msg->size_bytes >= WORTH_BYTES ? read_large(&r, err) : CV_OK;

	return status ? status : feed_until(&r, msg->size_bytes, err);
}
