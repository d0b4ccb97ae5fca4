/* preview.h - the first words of a message, gathered while it is scanned. Internal to summary.c. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_PREVIEW_H
#define CV_PREVIEW_H

#include "common/text/mime.h"

#define CV_PREVIEW_PLAIN_MAX (8u << 10)  /* raw bytes of a plain text looked at */
#define CV_PREVIEW_HTML_MAX  (48u << 10) /* of HTML, which begins with styles */

/* A text part that was picked, and the start of its raw body. */
struct cv_preview_source {
	uint32_t index; /* CV_MIME_NONE: none yet */
	struct cv_mime_place place;
	struct cv_buf raw;
};

struct cv_preview {
	struct cv_preview_source plain, html;
};

void cv_preview_init(struct cv_preview *p);
void cv_preview_done(struct cv_preview *p);
/* To be told of each part's header and body bytes. */
void cv_preview_header(struct cv_preview *p, uint32_t index, const struct cv_mime_part *part);
void cv_preview_body(struct cv_preview *p, uint32_t index, struct cv_str bytes);
/* Appends at most MAX_CHARS characters on one line. */
void cv_preview_write(const struct cv_preview *p, size_t max_chars, struct cv_buf *out);

#endif
