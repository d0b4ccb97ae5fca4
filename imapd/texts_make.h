/* texts_make.h - reads the documents of one message, by the converters; part of texts.c. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_TEXTS_MAKE_H
#define IMAPD_TEXTS_MAKE_H

#include <stdatomic.h>

#include "common/extract/extract.h"
#include "common/store/mailbox.h"

#define IMAPD_TEXTS_DOCUMENTS_MAX 64u    /* of one message; others are left out */
#define IMAPD_TEXTS_WITHIN_MS     20000u /* of one document */

struct imapd_texts_made {
	struct cv_buf texts; /* cv_buf_bytes() of each */
	bool is_final;
	bool is_away; /* a converter could not be asked, or it was told to stop */
	unsigned documents, without;
};

/* CV_OK, or why the message cannot be read. */
CV_MUST_CHECK enum cv_status imapd_texts_gather(struct cv_engine *engine,
	struct cv_extract *extract, const struct cv_msg *msg, const atomic_bool *stop,
	struct imapd_texts_made *made, struct cv_err *err);

#endif
