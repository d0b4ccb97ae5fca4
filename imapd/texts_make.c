/* texts_make.c - see texts_make.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/texts_make.h"

#include "common/base/log.h"
#include "common/text/encode.h"
#include "imapd/texts.h"
#include "imapd/texts_file.h"

#define PIECE_BYTES (64u << 10)

struct gathering {
	struct cv_extract *extract;
	const atomic_bool *stop;
	struct imapd_texts_made *made;
	struct cv_arena arena;
	uint32_t part;              /* whose body comes; CV_MIME_NONE: none yet */
	struct cv_extract_job *job; /* NULL: that part is no document */
	enum cv_mime_encoding encoding;
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	struct cv_buf decoded, text;
};

bool
imapd_texts_is_document(struct cv_arena *arena, const struct cv_mime_part *part)
{
	return part->at.kind == CV_MIME_LEAF &&
	       cv_extract_is_document(
		       part->at.type, part->at.subtype, cv_mime_filename(arena, part));
}

static void
keep_text(struct gathering *g, enum cv_extract_outcome outcome)
{
	struct imapd_texts_made *made = g->made;
	size_t room = made->texts.max - CV_MIN(made->texts.max, made->texts.n + 8);
	struct cv_str text = cv_str_sub(cv_buf_view(&g->text), 0, room);

	made->documents++;
	made->without += outcome != CV_EXTRACT_TEXT;
	made->is_final &= cv_extract_is_final(outcome);
	made->is_away |= outcome == CV_EXTRACT_AWAY;
	if (text.n)
		cv_buf_bytes(&made->texts, text);
	if (outcome != CV_EXTRACT_TEXT)
		cv_log(0, CV_DEBUG, "attachment.no_text", "outcome=%s",
			cv_extract_outcome_name(outcome));
}

static void
end_part(struct gathering *g)
{
	if (!g->job)
		return;
	cv_buf_reset(&g->decoded);
	if (g->encoding == CV_MIME_QP)
		cv_qp_read_end(&g->qp, &g->decoded);
	else if (g->encoding == CV_MIME_BASE64)
		cv_base64_read_end(&g->base64, &g->decoded);
	cv_extract_feed(g->job, cv_buf_view(&g->decoded));
	cv_buf_reset(&g->text);
	enum cv_extract_outcome outcome = cv_extract_end(g->job, &g->text);
	g->job = NULL;
	keep_text(g, outcome);
}

static void
begin_part(struct gathering *g, uint32_t index, const struct cv_mime_part *part)
{
	end_part(g);
	g->part = index;
	g->encoding = part->at.encoding;
	g->base64 = (struct cv_base64_reader){0};
	g->qp = (struct cv_qp_reader){0};
	if (g->made->documents < IMAPD_TEXTS_DOCUMENTS_MAX && !g->made->is_away &&
		imapd_texts_is_document(&g->arena, part))
		g->job = cv_extract_begin(g->extract, IMAPD_TEXTS_WITHIN_MS);
}

static void
on_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct gathering *g = ctx;

	if (index != g->part)
		begin_part(g, index, part);
	while (g->job && bytes.n) {
		struct cv_str some = cv_str_sub(bytes, 0, PIECE_BYTES);
		bytes = cv_str_sub(bytes, some.n, bytes.n);
		cv_buf_reset(&g->decoded);
		if (g->encoding == CV_MIME_QP)
			cv_qp_read(&g->qp, some, &g->decoded);
		else if (g->encoding == CV_MIME_BASE64)
			cv_base64_read(&g->base64, some, &g->decoded);
		else
			cv_buf_str(&g->decoded, some);
		cv_extract_feed(g->job, cv_buf_view(&g->decoded));
	}
}

struct feeding {
	struct cv_mime_scan *scan;
	const atomic_bool *stop;
};

static enum cv_status
on_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct feeding *f = arg;

	if (atomic_load_explicit(f->stop, memory_order_relaxed))
		return cv_fail(err, CV_TEMPFAIL, "told to stop");
	cv_mime_feed(f->scan, bytes);
	return CV_OK;
}

enum cv_status
imapd_texts_gather(struct cv_engine *engine, struct cv_extract *extract, const struct cv_msg *msg,
	const atomic_bool *stop, struct imapd_texts_made *made, struct cv_err *err)
{
	struct gathering g = {.extract = extract,
		.stop = stop,
		.made = made,
		.part = CV_MIME_NONE,
		.decoded = CV_BUF_INIT(2 * PIECE_BYTES),
		.text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX)};
	struct cv_arena arena = CV_ARENA_INIT;

	*made = (struct imapd_texts_made){.texts = CV_BUF_INIT(IMAPD_TEXTS_MAX), .is_final = true};
	struct feeding f = {cv_mime_begin(&arena), stop};
	cv_mime_watch(f.scan, on_body, &g);
	cv_mime_only_parts(f.scan);
	enum cv_status status =
		cv_blob_read(engine, &msg->body, 0, msg->size_bytes, on_bytes, &f, err);
	(void)cv_mime_finish(f.scan);
	end_part(&g);
	cv_buf_done(&g.decoded);
	cv_buf_done(&g.text);
	cv_arena_done(&g.arena);
	cv_arena_done(&arena);
	if (!status && atomic_load(stop))
		status = cv_fail(err, CV_TEMPFAIL, "told to stop");
	return status;
}
