/* texts_file.c - see texts_file.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/texts_file.h"

#include <zstd.h>

#define MAGIC "CVTEXTS1"
#define LEVEL 3

void
imapd_texts_encode(const struct imapd_texts_head *head, struct cv_str texts, struct cv_buf *out)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(texts.n);

	assert(ctx && texts.n <= IMAPD_TEXTS_MAX);
	cv_buf_z(out, MAGIC);
	cv_buf_be64(out, head->kind);
	cv_buf_c(out, head->is_final ? 1 : 0);
	cv_buf_add(out, head->email_id, sizeof head->email_id);
	cv_buf_c(out, (char)head->body.n);
	cv_buf_add(out, head->body.bytes, head->body.n);
	cv_buf_be32(out, (uint32_t)texts.n);
	char *to = cv_buf_room(out, room);
	(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
	(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	size_t n = to ? ZSTD_compress2(ctx, to, room, texts.p ? texts.p : "", texts.n) : 0;
	assert(to && !ZSTD_isError(n));
	out->n += n;
	ZSTD_freeCCtx(ctx);
}

bool
imapd_texts_decode(struct cv_str file, struct imapd_texts_head *head, struct cv_buf *texts)
{
	struct cv_rd rd = cv_rd(file);
	char magic[sizeof MAGIC - 1];
	uint8_t final = 0;

	*head = (struct imapd_texts_head){0};
	cv_rd_copy(&rd, magic, sizeof magic);
	head->kind = cv_rd_be64(&rd);
	cv_rd_copy(&rd, &final, 1);
	cv_rd_copy(&rd, head->email_id, sizeof head->email_id);
	cv_rd_copy(&rd, &head->body.n, 1);
	if (rd.bad || memcmp(magic, MAGIC, sizeof magic) != 0 || final > 1 ||
		head->body.n > CV_BLOB_REF_MAX)
		return false;
	head->is_final = final;
	cv_rd_copy(&rd, head->body.bytes, head->body.n);
	uint32_t n = cv_rd_be32(&rd);
	if (rd.bad || n > IMAPD_TEXTS_MAX)
		return false;
	if (!texts)
		return true;
	char *to = cv_buf_room(texts, n);
	if (!to || ZSTD_decompress(to, n, rd.p, cv_rd_left(&rd)) != n)
		return false;
	texts->n += n;
	return true;
}
