/* gather.c - see gather.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extract/gather.h"

#include "common/base/clock.h"
#include "common/text/encode.h"

#define PIECE_BYTES (64u << 10)

struct cv_gather {
	struct cv_gather_options o;
	struct cv_arena arena;
	struct cv_mime_scan *scan;
	uint32_t part;              /* whose body comes; CV_MIME_NONE: none yet */
	struct cv_extract_job *job; /* NULL: that part is no document, or passed over */
	bool is_enough;
	unsigned documents;
	enum cv_mime_encoding encoding;
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	struct cv_buf decoded, text;
};

bool
cv_gather_is_document(struct cv_arena *arena, const struct cv_mime_part *part)
{
	return part->at.kind == CV_MIME_LEAF &&
	       cv_extract_is_document(
		       part->at.type, part->at.subtype, cv_mime_filename(arena, part));
}

static void
end_part(struct cv_gather *g)
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
	g->is_enough |= !g->o.fn(g->o.arg, outcome, cv_buf_view(&g->text));
}

static void
begin_part(struct cv_gather *g, uint32_t index, const struct cv_mime_part *part)
{
	end_part(g);
	g->part = index;
	if (!cv_gather_is_document(&g->arena, part))
		return;
	g->encoding = part->at.encoding;
	g->base64 = (struct cv_base64_reader){0};
	g->qp = (struct cv_qp_reader){0};
	int64_t left_ms = g->o.end_ms ? g->o.end_ms - cv_mono_ms() : INT64_MAX;
	g->is_enough |= left_ms <= 0;
	if (g->documents++ < g->o.documents_max && !g->is_enough)
		g->job = cv_extract_begin(
			g->o.extract, (unsigned)CV_MIN(left_ms, (int64_t)g->o.within_ms));
}

static void
on_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct cv_gather *g = ctx;

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

struct cv_gather *
cv_gather_begin(const struct cv_gather_options *options)
{
	struct cv_gather *g = cv_calloc(1, sizeof *g);

	g->o = *options;
	g->part = CV_MIME_NONE;
	cv_buf_init(&g->decoded, 2 * PIECE_BYTES);
	cv_buf_init(&g->text, CV_EXTRACT_TEXT_MAX);
	g->scan = cv_mime_begin(&g->arena);
	cv_mime_watch(g->scan, on_body, g);
	cv_mime_only_parts(g->scan);
	return g;
}

void
cv_gather_feed(struct cv_gather *g, struct cv_str bytes)
{
	cv_mime_feed(g->scan, bytes);
}

unsigned
cv_gather_end(struct cv_gather *g)
{
	(void)cv_mime_finish(g->scan);
	end_part(g);
	unsigned documents = g->documents;
	cv_buf_done(&g->decoded);
	cv_buf_done(&g->text);
	cv_arena_done(&g->arena);
	free(g);
	return documents;
}
