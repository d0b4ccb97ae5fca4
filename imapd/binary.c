/* binary.c - see binary.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/binary.h"

#include <stdlib.h>

#include "common/base/spool.h"
#include "common/text/encode.h"

#define OUT_MAX (1u << 20) /* decoded octets are fewer than encoded ones, but for held blanks */

struct imapd_decoding {
	enum cv_mime_encoding encoding;
	uint64_t limit, size;
	bool is_counting;
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	struct cv_buf out; /* of one feed */
	struct cv_spool spool;
};

bool
imapd_can_decode(const struct cv_mime_place *place)
{
	if (place->kind != CV_MIME_LEAF && place->kind != CV_MIME_TEXT)
		return true;
	return place->encoding != CV_MIME_UUENCODE && place->encoding != CV_MIME_OTHER;
}

struct imapd_decoding *
imapd_decoding_new(enum cv_mime_encoding encoding, uint64_t limit, const char *dir)
{
	struct imapd_decoding *d = cv_calloc(1, sizeof(*d));

	assert(encoding == CV_MIME_QP || encoding == CV_MIME_BASE64);
	d->encoding = encoding;
	d->is_counting = !limit;
	d->limit = limit ? limit : UINT64_MAX;
	cv_buf_init(&d->out, OUT_MAX);
	cv_spool_init(&d->spool, dir);
	return d;
}

void
imapd_decoding_free(struct imapd_decoding *d)
{
	if (!d)
		return;
	cv_buf_done(&d->out);
	cv_spool_done(&d->spool);
	free(d);
}

/* Takes what the reader gave. */
static enum cv_status
keep(struct imapd_decoding *d, struct cv_err *err)
{
	struct cv_str got = cv_buf_view(&d->out);

	if (d->out.full)
		return cv_fail(err, CV_LIMIT, "a decoded piece is too large");
	got.n = (size_t)CV_MIN((uint64_t)got.n, d->limit - d->size);
	d->size += got.n;
	enum cv_status status =
		d->is_counting || !got.n ? CV_OK : cv_spool_write(&d->spool, got, err);
	cv_buf_reset(&d->out);
	return status;
}

enum cv_status
imapd_decoding_feed(struct imapd_decoding *d, struct cv_str bytes, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	while (!status && bytes.n) {
		struct cv_str piece = cv_str(bytes.p, CV_MIN(bytes.n, (size_t)OUT_MAX / 2));
		if (d->encoding == CV_MIME_BASE64)
			cv_base64_read(&d->base64, piece, &d->out);
		else
			cv_qp_read(&d->qp, piece, &d->out);
		status = keep(d, err);
		bytes = cv_str_sub(bytes, piece.n, bytes.n);
	}
	return status;
}

bool
imapd_decoding_has_enough(const struct imapd_decoding *d)
{
	return d->size == d->limit;
}

enum cv_status
imapd_decoding_finish(struct imapd_decoding *d, uint64_t *size_out, struct cv_err *err)
{
	if (d->encoding == CV_MIME_BASE64)
		cv_base64_read_end(&d->base64, &d->out);
	else
		cv_qp_read_end(&d->qp, &d->out);
	enum cv_status status = keep(d, err);
	*size_out = d->size;
	return status;
}

enum cv_status
imapd_decoding_read(struct imapd_decoding *d, uint64_t offset, size_t n, struct cv_buf *out,
	struct cv_err *err)
{
	size_t got = 0;
	char *room = cv_buf_room(out, n);

	if (!room)
		return cv_fail(err, CV_LIMIT, "the output is full");
	enum cv_status status = cv_spool_read(&d->spool, offset, room, n, &got, err);
	if (!status && got != n)
		status = cv_fail(err, CV_TEMPFAIL, "a spool is shorter than what was written");
	if (!status)
		out->n += n;
	return status;
}
