/* catenate.c - see catenate.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/catenate.h"

#include <stdlib.h>

#include "common/text/header.h"
#include "imapd/url.h"

#define URL_SHOWN_MAX 1000

struct assembly {
	struct cv_spool *spools; /* one for each message, used or not */
	size_t count;
};

static void
free_assembly(void *arg)
{
	struct assembly *a = arg;

	for (size_t i = 0; i < a->count; i++)
		cv_spool_done(&a->spools[i]);
	free(a->spools);
	free(a);
}

/* ---- what a URL names ---- */

struct source {
	struct cv_arena *arena;
	struct cv_mbox *mbox;
	struct cv_msg msg;
	bool is_there;
};

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct source *s = arg;

	s->msg = *msg;
	s->msg.summary = msg->summary.p ? cv_arena_str(s->arena, msg->summary) : CV_STR_EMPTY;
	s->is_there = true;
	return false;
}

static enum cv_status
feed_summary(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_summary_feed(arg, bytes);
	return CV_OK;
}

static enum cv_status
find_places(struct source *s, struct cv_mime_places *out, struct cv_err *err)
{
	struct cv_summary summary;
	const struct cv_mime_tree *tree;

	if (s->msg.summary.p && !cv_summary_decode(s->msg.summary, &summary) &&
		!(summary.missing & CV_SUMMARY_PARTS)) {
		*out = cv_summary_places(&summary);
		return CV_OK;
	}
	struct cv_summary_scan *scan = cv_summary_begin(s->arena);
	enum cv_status status = cv_msg_read(
		s->mbox, &s->msg.body, 0, s->msg.size_bytes, feed_summary, scan, err);
	if (status) {
		cv_summary_abandon(scan);
		return status;
	}
	cv_summary_finish(scan, &summary, &tree);
	*out = cv_mime_tree_places(tree);
	return CV_OK;
}

static enum cv_status
to_spool(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return cv_spool_write(arg, bytes, err);
}

static enum cv_status
to_buf(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct cv_buf *buf = arg;

	cv_buf_str(buf, bytes);
	return buf->full ? cv_fail(err, CV_LIMIT, "a header is too large") : CV_OK;
}

static void
cut(const struct imapd_section *section, uint64_t *offset, uint64_t *length)
{
	if (!section->is_partial)
		return;
	uint64_t skip = CV_MIN(section->first, *length);
	*offset += skip;
	*length = CV_MIN(*length - skip, section->length);
}

/* HEADER.FIELDS and HEADER.FIELDS.NOT of the header at OFFSET. */
static enum cv_status
add_fields(struct source *s, const struct imapd_section *section, uint64_t offset, uint64_t length,
	struct cv_spool *out, struct cv_err *err)
{
	struct cv_buf header = CV_BUF_INIT(CV_HEADER_BYTES_MAX),
		      fields = CV_BUF_INIT(2 * CV_HEADER_BYTES_MAX);
	uint64_t from = 0, n;

	enum cv_status status = cv_msg_read(s->mbox, &s->msg.body, offset,
		CV_MIN(length, CV_HEADER_BYTES_MAX), to_buf, &header, err);
	if (!status) {
		cv_header_pick(cv_buf_view(&header), section->names, section->name_count,
			section->is_except, &fields);
		n = fields.n;
		cut(section, &from, &n);
		status = cv_spool_write(out, cv_str(fields.p + from, (size_t)n), err);
	}
	cv_buf_done(&header);
	cv_buf_done(&fields);
	return status;
}

/* CV_NOT_FOUND when the message has no such part, CV_LIMIT when the whole would be larger than
 * MAX. */
static enum cv_status
add_section(struct source *s, const struct imapd_section *section, uint64_t max,
	struct cv_spool *out, struct cv_err *err)
{
	uint64_t offset = 0, length = s->msg.size_bytes;
	struct cv_mime_places places;
	struct cv_mime_section found;

	if (section->path.n) {
		enum cv_status status = find_places(s, &places, err);
		if (status)
			return status;
		if (cv_mime_section(places, section->path, &found))
			return cv_fail(err, CV_NOT_FOUND, "no such part");
		offset = found.offset;
		length = found.bytes;
	}
	if (section->is_fields)
		return add_fields(s, section, offset, length, out, err);
	cut(section, &offset, &length);
	if (length > max || out->size_bytes > max - length)
		return cv_fail(err, CV_LIMIT, "the message would be too large");
	return length ? cv_msg_read(s->mbox, &s->msg.body, offset, length, to_spool, out, err)
		      : CV_OK;
}

static enum cv_status
add_from(struct imapd_conn *c, struct cv_mbox *mbox, const struct imapd_url *url,
	struct cv_spool *out, struct cv_err *err)
{
	struct source s = {.arena = &c->arena, .mbox = mbox};
	const struct cv_view *view;

	enum cv_status status = cv_mbox_view(mbox, &view, err);
	if (status)
		return status;
	bool fits = (!url->uidvalidity || url->uidvalidity == view->uidvalidity) &&
		    cv_view_uid(view, url->uid);
	cv_view_unref(view);
	if (!fits)
		return cv_fail(err, CV_NOT_FOUND, "no such message");
	status = cv_msg_each(mbox, &url->uid, 1, url->section.path.n > 0, on_msg, &s, err);
	if (status)
		return status;
	if (!s.is_there)
		return cv_fail(err, CV_NOT_FOUND, "no such message");
	return add_section(&s, &url->section, imapd_config(c->server)->imapd->max_append, out, err);
}

/* CV_INVALID: not a URL that we can follow. */
static enum cv_status
add_url(struct imapd_conn *c, struct cv_str text, struct cv_spool *out, struct cv_err *err)
{
	struct imapd_url url;
	struct imapd_place place;
	struct cv_mbox *mbox;

	if (!imapd_parse_url(text, &c->arena, &url))
		return cv_fail(err, CV_INVALID, "not a URL of this server's mailboxes");
	if (!url.mailbox.p) {
		if (!c->session)
			return cv_fail(err, CV_INVALID, "no mailbox is selected");
		return add_from(c, c->session->mbox, &url, out, err);
	}
	enum cv_status status = imapd_place(c, url.mailbox, &place, err);
	if (!status && !(place.rights & CV_RIGHT_R))
		status = cv_fail(err, CV_NOT_FOUND, "a mailbox that may not be read");
	if (!status)
		status = imapd_place_mbox(&place, &mbox, err);
	if (status)
		return status;
	status = add_from(c, mbox, &url, out, err);
	cv_mbox_close(mbox);
	return status;
}

/* ---- putting together ---- */

static enum cv_status
add_text(struct cv_spool *text, uint64_t max, struct cv_spool *out, struct cv_err *err)
{
	char piece[16u << 10];
	size_t n;

	if (text->failed)
		return cv_fail(err, text->failed, "cannot spool a part");
	if (text->size_bytes > max || out->size_bytes > max - text->size_bytes)
		return cv_fail(err, CV_LIMIT, "the message would be too large");
	for (uint64_t at = 0; at < text->size_bytes; at += n) {
		enum cv_status status = cv_spool_read(text, at, piece, sizeof(piece), &n, err);
		if (!status && !n)
			status = cv_fail(err, CV_TEMPFAIL, "a spool is shorter than it was");
		if (!status)
			status = cv_spool_write(out, cv_str(piece, n), err);
		if (status)
			return status;
	}
	return CV_OK;
}

/* BADURL tells which one, if it can stand in a response code. */
static void
answer_bad_url(struct imapd_conn *c, struct cv_str url)
{
	bool shows = url.n <= URL_SHOWN_MAX;

	for (size_t i = 0; shows && i < url.n; i++) {
		unsigned char ch = (unsigned char)url.p[i];
		shows = ch > ' ' && ch < 127 && ch != ']' && ch != '"' && ch != '\\';
	}
	c->cmd->code = cv_arena_printf(
		&c->arena, "BADURL \"%.*s\"", shows ? (int)url.n : 0, shows ? url.p : "");
	imapd_done(c, IMAPD_R_BAD_URL);
}

static bool
answer(struct imapd_conn *c, enum cv_status status, struct cv_str url, const struct cv_err *err)
{
	if (url.p && (status == CV_NOT_FOUND || status == CV_INVALID))
		answer_bad_url(c, url);
	else if (status == CV_LIMIT)
		imapd_done(c, IMAPD_R_MESSAGE_TOO_LARGE);
	else
		imapd_refuse(c, status, err);
	return false;
}

bool
imapd_catenate(struct imapd_conn *c)
{
	struct imapd_append_args *append = c->cmd->args.append;
	const char *dir = cv_store_spool_dir(c->server->store);
	uint64_t max = imapd_config(c->server)->imapd->max_append;
	struct cv_err err = {0};

	if (!append->catenates)
		return true;
	struct assembly *a = cv_calloc(1, sizeof(*a));
	a->spools = cv_calloc(append->count, sizeof(*a->spools));
	for (; a->count < append->count; a->count++)
		cv_spool_init(&a->spools[a->count], dir);
	c->cmd->step = a;
	c->cmd->release = free_assembly;
	for (size_t i = 0; i < append->count; i++) {
		const struct imapd_catenate *list = &append->catenates[i];
		for (size_t k = 0; k < list->count; k++) {
			const struct imapd_cat_part *part = &list->parts[k];
			enum cv_status status =
				part->text ? add_text(part->text, max, &a->spools[i], &err)
					   : add_url(c, part->url, &a->spools[i], &err);
			if (status)
				return answer(c, status, part->url, &err);
		}
		if (list->count)
			append->items[i].message = &a->spools[i];
	}
	return true;
}
