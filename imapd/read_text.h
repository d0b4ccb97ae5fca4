/* read_text.h - reads a message for a finder (search.h), without the attachments that hold no text.
 *
 * Bodies are stored in frames that are unpacked whole. Where the parts of a message lie is stored
 * beside it, so the frames inside a large attachment are not even read; the finder checks that it
 * stands in that part. What it finds is the same.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_READ_TEXT_H
#define IMAPD_READ_TEXT_H

#include "imapd/search.h"

/* Feeds FINDER, freshly reset, with MSG; its summary may be left out. */
CV_MUST_CHECK enum cv_status imapd_read_text(struct imapd_finder *finder, struct cv_mbox *m,
	const struct cv_msg *msg, struct cv_err *err);

#endif
