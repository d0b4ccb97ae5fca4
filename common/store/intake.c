/* intake.c - a message comes in: scanned once for its summary, stored once as a body. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/evp.h>

#include "common/store/internal.h"
#include "common/text/summary.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void
fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		cv_die("no SHA-256 in the crypto library");
}

/* 16 bytes that name WHAT. */
static void
name_of(char kind, struct cv_str what, uint8_t id[16])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	pthread_once(&once, fetch_sha256);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || !EVP_DigestInit_ex2(ctx, sha256, NULL) || !EVP_DigestUpdate(ctx, &kind, 1) ||
		!EVP_DigestUpdate(ctx, what.p ? what.p : "", what.n) ||
		!EVP_DigestFinal_ex(ctx, md, NULL))
		cv_die("SHA-256 failed");
	EVP_MD_CTX_free(ctx);
	memcpy(id, md, 16);
}

/* A thread is named by its oldest message: the first reference, or the message itself. */
static struct cv_str
thread_root(const struct cv_summary *summary, struct cv_str body)
{
	struct cv_str first = summary->references;
	first = cv_str_sub(first, 0, cv_str_find(first, ' ', 0));
	if (first.n)
		return first;
	if (summary->in_reply_to.n)
		return summary->in_reply_to;
	return summary->message_id.n ? summary->message_id : body;
}

static enum cv_status
store_body(struct cv_store *s, struct cv_str id, struct cv_str prefix, struct cv_str message,
	struct cv_blob_ref *ref_out, struct cv_err *err)
{
	struct cv_blob_put *put;
	enum cv_status status = cv_blob_begin(s->engine, id, prefix.n + message.n, &put, err);
	if (status)
		return status;
	if (prefix.n)
		status = cv_blob_write(put, prefix, err);
	if (!status && message.n)
		status = cv_blob_write(put, message, err);
	if (!status)
		return cv_blob_finish(put, ref_out, err);
	cv_blob_abort(put);
	return status;
}

static void
summarise(struct cv_str prefix, struct cv_str message, struct cv_intake *in)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_summary summary;
	struct cv_summary_scan *scan = cv_summary_begin(&arena);
	cv_summary_feed(scan, prefix);
	cv_summary_feed(scan, message);
	cv_summary_finish(scan, &summary, NULL);
	cv_buf_reset(&in->summary);
	cv_summary_encode(&summary, &in->summary);
	struct cv_str body = cv_str((const char *)in->body.bytes, in->body.n);
	name_of('m', body, in->email_id);
	name_of('t', thread_root(&summary, body), in->thread_id);
	cv_arena_done(&arena);
}

enum cv_status
cv_intake_store(struct cv_store *s, struct cv_str id, struct cv_str prefix,
	struct cv_spool *message, struct cv_intake *out, struct cv_err *err)
{
	struct cv_str view;
	*out = (struct cv_intake){.summary = CV_BUF_INIT(CV_SUMMARY_MAX)};
	enum cv_status status = cv_spool_map(message, &view, err);
	if (status)
		return status;
	out->size_bytes = prefix.n + view.n;
	status = store_body(s, id, prefix, view, &out->body, err);
	if (!status)
		summarise(prefix, view, out);
	cv_spool_unmap(message, view);
	return status;
}

void
cv_intake_done(struct cv_intake *in)
{
	cv_buf_done(&in->summary);
}

/* ---- again from the body ---- */

static enum cv_status
feed(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_summary_feed(arg, bytes);
	return CV_OK;
}

enum cv_status
cv_intake_rebuild(struct cv_store *s, const struct cv_blob_ref *body, struct cv_buf *summary_out,
	struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_summary_scan *scan = cv_summary_begin(&arena);
	enum cv_status status = cv_blob_read(s->engine, body, 0, UINT64_MAX, feed, scan, err);
	if (status) {
		cv_summary_abandon(scan);
	} else {
		struct cv_summary summary;
		cv_summary_finish(scan, &summary, NULL);
		cv_summary_encode(&summary, summary_out);
	}
	cv_arena_done(&arena);
	return status;
}
