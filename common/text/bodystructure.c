/* bodystructure.c - BODY and BODYSTRUCTURE, in one walk over the parts without recursion. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/bodystructure.h"

#include "common/text/envelope.h"

static void
put_params(struct cv_buf *out, const struct cv_params *params)
{
	if (!params->n) {
		cv_buf_z(out, "NIL");
		return;
	}
	for (size_t i = 0; i < params->n; i++) {
		cv_buf_c(out, i ? ' ' : '(');
		cv_imap_string(out, params->items[i].name);
		cv_buf_c(out, ' ');
		cv_imap_string(out, params->items[i].value);
	}
	cv_buf_c(out, ')');
}

static void
put_disposition(struct cv_buf *out, const struct cv_mime_part *p)
{
	if (!p->disposition.n) {
		cv_buf_z(out, "NIL");
		return;
	}
	cv_buf_c(out, '(');
	cv_imap_string(out, p->disposition);
	cv_buf_c(out, ' ');
	put_params(out, &p->disposition_params);
	cv_buf_c(out, ')');
}

static void
put_languages(struct cv_buf *out, const struct cv_mime_part *p)
{
	if (p->language_count == 1) {
		cv_imap_string(out, p->languages[0]);
		return;
	}
	if (!p->language_count) {
		cv_buf_z(out, "NIL");
		return;
	}
	for (uint32_t i = 0; i < p->language_count; i++) {
		cv_buf_c(out, i ? ' ' : '(');
		cv_imap_string(out, p->languages[i]);
	}
	cv_buf_c(out, ')');
}

/* " disposition language location", which end every kind of part. */
static void
put_extension(struct cv_buf *out, const struct cv_mime_part *p)
{
	cv_buf_c(out, ' ');
	put_disposition(out, p);
	cv_buf_c(out, ' ');
	put_languages(out, p);
	cv_buf_c(out, ' ');
	cv_imap_nstring(out, p->location);
}

/* A text without a type is told to be US-ASCII, as RFC 2045 5.2 has it. */
static void
put_type_params(struct cv_buf *out, const struct cv_mime_part *p)
{
	if (p->at.kind == CV_MIME_TEXT && !p->params.n && !p->has_type)
		cv_buf_z(out, "(\"charset\" \"us-ascii\")");
	else
		put_params(out, &p->params);
}

/* What comes before the children: all of a leaf but its extension data. */
static void
open_part(struct cv_buf *out, const struct cv_mime_tree *t, const struct cv_mime_part *p)
{
	cv_buf_c(out, '(');
	if (p->at.kind == CV_MIME_MULTIPART)
		return;
	cv_imap_string(out, p->at.type);
	cv_buf_c(out, ' ');
	cv_imap_string(out, p->at.subtype);
	cv_buf_c(out, ' ');
	put_type_params(out, p);
	cv_buf_c(out, ' ');
	cv_imap_nstring(out, p->id);
	cv_buf_c(out, ' ');
	cv_imap_nstring(out, p->description);
	cv_buf_c(out, ' ');
	cv_imap_string(out, p->encoding_name.n ? p->encoding_name : CV_STR("7bit"));
	cv_buf_c(out, ' ');
	cv_buf_u64(out, p->at.body_bytes);
	if (p->at.kind != CV_MIME_MESSAGE)
		return;
	const struct cv_mime_part *inner = &t->parts[p->first_child];
	cv_buf_c(out, ' ');
	if (inner->envelope.n)
		cv_buf_str(out, inner->envelope);
	else
		cv_buf_z(out, CV_ENVELOPE_EMPTY);
	cv_buf_c(out, ' ');
}

/* What comes behind the children. */
static void
close_part(struct cv_buf *out, const struct cv_mime_part *p, bool extended)
{
	if (p->at.kind == CV_MIME_MULTIPART) {
		cv_buf_c(out, ' ');
		cv_imap_string(out, p->at.subtype);
		if (extended) {
			cv_buf_c(out, ' ');
			put_params(out, &p->params);
		}
	} else {
		if (p->at.kind == CV_MIME_TEXT || p->at.kind == CV_MIME_MESSAGE) {
			cv_buf_c(out, ' ');
			cv_buf_u64(out, p->at.lines);
		}
		if (extended) {
			cv_buf_c(out, ' ');
			cv_imap_nstring(out, p->md5);
		}
	}
	if (extended)
		put_extension(out, p);
	cv_buf_c(out, ')');
}

enum cv_status
cv_bodystructure_format(const struct cv_mime_tree *t, bool extended, struct cv_buf *out)
{
	size_t start = out->n;
	uint32_t open[CV_MIME_DEPTH_MAX + 1], depth = 0; /* parts opened and not yet closed */
	for (uint32_t i = 0; i < t->count && !out->full; i++) {
		while (depth && open[depth - 1] != t->parts[i].parent)
			close_part(out, &t->parts[open[--depth]], extended);
		open_part(out, t, &t->parts[i]);
		open[depth++] = i;
	}
	while (depth)
		close_part(out, &t->parts[open[--depth]], extended);
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}
