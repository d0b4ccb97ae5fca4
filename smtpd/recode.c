/* recode.c - see recode.h. The tree says where headers and leaves lie; what is between them are
 * delimiters, preambles and epilogues. The message is written from front to back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/recode.h"

#include "common/text/encode.h"
#include "common/text/mime.h"

#define QP_BYTES_MAX (1u << 20)  /* larger texts become base64, which needs no memory */
#define PIECE_BYTES  (57u << 10) /* whole lines of base64 */

struct recode {
	struct cv_str message;
	const struct cv_mime_tree *tree;
	bool *in_signed;       /* a part: below a multipart/signed */
	enum smtpd_carrier carrier;
	smtpd_recode_fn *fn;
	void *arg;
	struct cv_err *err;
};

bool
smtpd_carries(enum smtpd_carrier carrier, struct cv_str bytes)
{
	size_t line = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		if (c == '\r' && i + 1 < bytes.n && bytes.p[i + 1] == '\n') {
			i++;
			line = 0;
			continue;
		}
		if (c == '\r' || c == '\n' || c == '\0' || ++line > CV_LINE_OCTETS_MAX
			|| (c > 127 && carrier == SMTPD_CARRIES_7BIT))
			return false;
	}
	return true;
}

static enum cv_status
put(struct recode *r, struct cv_str bytes)
{
	return bytes.n ? r->fn(r->arg, bytes, r->err) : CV_OK;
}

/* Bytes that are no leaf: as they are, or not at all. */
static enum cv_status
put_plain(struct recode *r, size_t from, size_t to, const char *what)
{
	struct cv_str bytes = cv_str_sub(r->message, from, to);

	if (!smtpd_carries(r->carrier, bytes))
		return cv_fail(r->err, CV_INVALID, "%s has bytes that cannot be sent on", what);
	return put(r, bytes);
}

/* ---- headers ---- */

static enum cv_status
put_encoding(struct recode *r, const char *name)
{
	enum cv_status status = put(r, CV_STR("Content-Transfer-Encoding: "));

	if (status == CV_OK)
		status = put(r, cv_str_z(name));
	return status == CV_OK ? put(r, CV_STR("\r\n")) : status;
}

/* The header block of PART with another Content-Transfer-Encoding. */
static enum cv_status
put_header(struct recode *r, const struct cv_mime_part *part, const char *encoding)
{
	size_t at = part->at.header_offset, end = at + part->at.header_bytes;
	struct cv_str block = cv_str_sub(r->message, at, end);
	struct cv_header_scan scan;
	struct cv_field field;
	bool has_version = false, is_message = part->parent == CV_MIME_NONE
		|| r->tree->parts[part->parent].at.kind == CV_MIME_MESSAGE;
	enum cv_status status = CV_OK;
	size_t done = 0;

	if (!smtpd_carries(r->carrier, block))
		return cv_fail(r->err, CV_INVALID, "the header has bytes that cannot be sent on");
	cv_header_scan_init(&scan, block);
	while (status == CV_OK && cv_header_next(&scan, &field)) {
		has_version |= cv_str_ieq_z(field.name, "MIME-Version");
		status = put(r, cv_str_sub(block, done, field.start));
		done = field.start;
		if (cv_str_ieq_z(field.name, "Content-Transfer-Encoding"))
			done = field.end;
	}
	/* Only an empty line is left behind the fields, or nothing. */
	size_t fields_end = CV_MIN(scan.end == CV_HEADER_BLANK_LINE ? scan.body_at - 2 : block.n,
		block.n);
	if (status == CV_OK && done < fields_end)
		status = put(r, cv_str_sub(block, done, fields_end));
	if (status == CV_OK && is_message && !has_version)
		status = put(r, CV_STR("MIME-Version: 1.0\r\n"));
	if (status == CV_OK)
		status = put_encoding(r, encoding);
	return status == CV_OK ? put(r, CV_STR("\r\n")) : status;
}

/* ---- leaves ---- */

/* The octets that a leaf stands for, piece by piece, as base64 lines. */
static enum cv_status
put_base64(struct recode *r, const struct cv_mime_part *part, struct cv_str body)
{
	struct cv_base64_writer w = { .n = 0 };
	struct cv_base64_reader base64 = { .held = 0 };
	struct cv_qp_reader *qp = cv_calloc(1, sizeof *qp);
	struct cv_buf octets = CV_BUF_INIT(4 * PIECE_BYTES), out = CV_BUF_INIT(8 * PIECE_BYTES);
	enum cv_mime_encoding from = part->at.encoding;
	enum cv_status status = CV_OK;

	for (size_t at = 0; at <= body.n && status == CV_OK; at += PIECE_BYTES) {
		struct cv_str piece = cv_str_sub(body, at, at + PIECE_BYTES);
		bool is_last = at + PIECE_BYTES > body.n;
		cv_buf_reset(&octets);
		cv_buf_reset(&out);
		if (from == CV_MIME_BASE64)
			cv_base64_read(&base64, piece, &octets);
		else if (from == CV_MIME_QP)
			cv_qp_read(qp, piece, &octets);
		if (is_last && from == CV_MIME_BASE64)
			cv_base64_read_end(&base64, &octets);
		else if (is_last && from == CV_MIME_QP)
			cv_qp_read_end(qp, &octets);
		bool decoded = from == CV_MIME_BASE64 || from == CV_MIME_QP;
		cv_base64_write(&w, decoded ? cv_buf_view(&octets) : piece, &out);
		if (is_last)
			cv_base64_write_end(&w, &out);
		assert(!octets.full && !out.full);
		status = put(r, cv_buf_view(&out));
	}
	cv_buf_done(&octets);
	cv_buf_done(&out);
	free(qp);
	return status;
}

/* Text for a 7-bit server stays readable. False: base64 must do. */
static bool
encode_qp(const struct recode *r, const struct cv_mime_part *part, struct cv_str body,
	struct cv_buf *out)
{
	if (r->carrier != SMTPD_CARRIES_7BIT || part->at.kind != CV_MIME_TEXT
		|| part->at.encoding > CV_MIME_BINARY || body.n > QP_BYTES_MAX
		|| !smtpd_carries(SMTPD_CARRIES_LINES, body))
		return false;
	cv_qp_encode(body, out);
	/* A line that was broken here must not begin like a delimiter. */
	return !out->full && cv_str_search(cv_buf_view(out), CV_STR("=\r\n--")) == out->n;
}

/* Why a leaf that does not fit must stay as it is; NULL: it need not. */
static const char *
why_not(const struct recode *r, uint32_t index)
{
	const struct cv_mime_part *part = &r->tree->parts[index];

	if (r->in_signed[index])
		return "a signed part would have to be encoded anew";
	if (part->limited || part->broken || cv_str_eq_z(part->at.type, "multipart")
		|| cv_str_eq_z(part->at.type, "message"))
		return "a part that may not be encoded has bytes that cannot be sent on";
	if (part->at.encoding == CV_MIME_UUENCODE || part->at.encoding == CV_MIME_OTHER)
		return "a part with an unknown encoding has bytes that cannot be sent on";
	return NULL;
}

static enum cv_status
put_leaf(struct recode *r, uint32_t index)
{
	const struct cv_mime_part *part = &r->tree->parts[index];
	struct cv_str body = cv_str_sub(r->message, part->at.body_offset,
		part->at.body_offset + part->at.body_bytes);
	const char *why = why_not(r, index);

	if (why)
		return cv_fail(r->err, CV_INVALID, "%s", why);
	struct cv_buf text = CV_BUF_INIT(8 * QP_BYTES_MAX);
	bool qp = encode_qp(r, part, body, &text);
	enum cv_status status = put_header(r, part, qp ? "quoted-printable" : "base64");
	if (status == CV_OK)
		status = qp ? put(r, cv_buf_view(&text)) : put_base64(r, part, body);
	cv_buf_done(&text);
	return status;
}

/* ---- the whole ---- */

static bool
is_leaf(const struct cv_mime_part *part)
{
	return part->at.kind == CV_MIME_LEAF || part->at.kind == CV_MIME_TEXT;
}

/* A label that is no longer true, or that the carrier does not know. */
static bool
is_mislabelled(const struct recode *r, const struct cv_mime_part *part)
{
	struct cv_str block = cv_str_sub(r->message, part->at.header_offset, part->at.body_offset);

	return (part->at.encoding == CV_MIME_BINARY
		|| (r->carrier == SMTPD_CARRIES_7BIT && part->at.encoding == CV_MIME_8BIT))
		&& cv_str_has_suffix(block, "\r\n");
}

/* *AT goes behind what was written: the header, and of a leaf the body too. */
static enum cv_status
put_part(struct recode *r, uint32_t index, size_t *at)
{
	const struct cv_mime_part *part = &r->tree->parts[index];
	size_t body_at = part->at.body_offset, end = body_at + part->at.body_bytes;
	bool fits = !is_leaf(part)
		|| smtpd_carries(r->carrier, cv_str_sub(r->message, body_at, end));

	/* Fields written for the message inside would become fields of the one around it. */
	if (part->at.kind == CV_MIME_MESSAGE && !cv_str_has_suffix(
			cv_str_sub(r->message, part->at.header_offset, body_at), "\r\n\r\n"))
		return cv_fail(r->err, CV_INVALID, "a header has no end");
	*at = is_leaf(part) ? end : body_at;
	if (!fits)
		return put_leaf(r, index);
	if (is_mislabelled(r, part) && !r->in_signed[index]) {
		enum cv_status status =
			put_header(r, part, r->carrier == SMTPD_CARRIES_7BIT ? "7bit" : "8bit");
		return status == CV_OK ? put(r, cv_str_sub(r->message, body_at, *at)) : status;
	}
	enum cv_status status = put_plain(r, part->at.header_offset, body_at, "the header");
	return status == CV_OK ? put(r, cv_str_sub(r->message, body_at, *at)) : status;
}

static void
mark_signed(struct recode *r)
{
	for (uint32_t i = 1; i < r->tree->count; i++) {
		uint32_t up = r->tree->parts[i].parent;
		const struct cv_mime_place *place = &r->tree->parts[up].at;
		r->in_signed[i] = r->in_signed[up]
			|| (cv_str_eq_z(place->type, "multipart")
				&& cv_str_eq_z(place->subtype, "signed"));
	}
}

static bool
is_signed_whole(struct cv_str message)
{
	return cv_header_count(message, "DKIM-Signature")
		|| cv_header_count(message, "ARC-Message-Signature");
}

enum cv_status
smtpd_recode(struct cv_str message, enum smtpd_carrier carrier, smtpd_recode_fn *fn, void *arg,
	struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct recode r = { .message = message, .carrier = carrier, .fn = fn, .arg = arg,
		.err = err };
	enum cv_status status = CV_OK;
	size_t at = 0;

	if (is_signed_whole(message))
		return cv_fail(err, CV_INVALID, "the message is signed and cannot be encoded anew");
	r.tree = cv_mime_scan(&arena, message);
	r.in_signed = CV_ARENA_ARRAY(&arena, bool, r.tree->count);
	mark_signed(&r);
	for (uint32_t i = 0; i < r.tree->count && status == CV_OK; i++) {
		status = put_plain(&r, at, r.tree->parts[i].at.header_offset,
			"the text between two parts");
		if (status == CV_OK)
			status = put_part(&r, i, &at);
	}
	if (status == CV_OK)
		status = put_plain(&r, at, message.n, "the text behind the last part");
	cv_arena_done(&arena);
	return status;
}
