/* texts_file.h - the form of a file of texts: a head, and the texts packed with zstd and a check.
 *
 * What fails a check, is of another kind or of another body, is no file. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_TEXTS_FILE_H
#define IMAPD_TEXTS_FILE_H

#include "common/base/buf.h"
#include "common/store/engine.h"

#define IMAPD_TEXTS_MAX      (4u << 20) /* of one message, all documents */
#define IMAPD_TEXTS_FILE_MAX (5u << 20)
#define IMAPD_TEXTS_HEAD_MAX 160u

struct imapd_texts_head {
	uint64_t kind; /* of converters */
	bool is_final;
	uint8_t email_id[16];
	struct cv_blob_ref body;
};

/* TEXTS: cv_buf_bytes() of each. */
void imapd_texts_encode(
	const struct imapd_texts_head *head, struct cv_str texts, struct cv_buf *out);
/* FILE may be its first IMAPD_TEXTS_HEAD_MAX octets when TEXTS is NULL. False: no file. */
bool imapd_texts_decode(struct cv_str file, struct imapd_texts_head *head, struct cv_buf *texts);

#endif
