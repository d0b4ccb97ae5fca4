/* index_file.h - the file of signatures of one mailbox.
 *
 * A head (64 bytes: magic, versions, whose it is, check), then rows in the order in which they were
 * made: UID, number of words, check, the signature's words; all in the machine's byte order. The
 * file only grows; what must go, goes by writing a new file and renaming it. A row that fails its
 * check ends what is believed of a file: nothing of it can be half right. Nothing is ever synced,
 * since nothing here is the only copy.
 *
 * An image is what of a file was checked, mapped: immutable once it is whole, counted, for any
 * thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_INDEX_FILE_H
#define IMAPD_INDEX_FILE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/store/engine.h"

struct imapd_index_key {
	cv_acct_id acct;
	uint64_t mbox;
	uint64_t texts; /* what its signatures know of documents: imapd_texts_kind(), or 0 */
};

struct imapd_index_row {
	uint32_t uid, words;
	uint64_t at; /* its signature: words from the start of the image */
};

struct imapd_index_image {
	_Atomic uint32_t refs;
	bool is_mapped; /* by imapd_index_image_map() */
	bool is_torn;   /* bytes behind `checked` are no row */
	uint32_t uidvalidity;
	const uint64_t *words;
	size_t bytes;   /* of the file, when it was mapped */
	size_t checked; /* bytes that were looked at and are good */
	struct imapd_index_row *rows; /* ascending UIDs, once `checked` is whole */
	uint32_t count, room;
};

#define IMAPD_INDEX_HEAD_BYTES 64u
#define IMAPD_INDEX_ROW_BYTES  16u /* before the signature */

void imapd_index_write_head(
	struct cv_buf *out, const struct imapd_index_key *key, uint32_t uidvalidity);
void imapd_index_write_row(
	struct cv_buf *out, uint32_t uid, const uint64_t *signature, uint32_t words);

/* An image of BYTES bytes at WORDS, which must outlive it; NULL when the head is not KEY's or of
 * another version. */
struct imapd_index_image *imapd_index_image_new(
	const uint64_t *words, size_t bytes, const struct imapd_index_key *key);
/* The same of the file PATH; NULL also when there is none. */
struct imapd_index_image *imapd_index_image_map(
	const char *path, const struct imapd_index_key *key);
/* Checks rows until cv_mono_us() is past END_US; true when the image is whole. */
bool imapd_index_image_check(struct imapd_index_image *image, int64_t end_us);
/* A whole image of the same file, open as FD, which has grown to BYTES by ROWS, as written. NULL:
 * it cannot be mapped. */
struct imapd_index_image *imapd_index_image_grow(const struct imapd_index_image *image, int fd,
	size_t bytes, const struct imapd_index_row *rows, uint32_t count);
void imapd_index_image_ref(struct imapd_index_image *image);
void imapd_index_image_unref(struct imapd_index_image *image); /* NULL is fine */

/* The row of UID in a whole image, or NULL. *HINT: 0 at first; ascending UIDs are fastest. */
const struct imapd_index_row *imapd_index_image_find(
	const struct imapd_index_image *image, uint32_t uid, uint32_t *hint);

#endif
