/* mime_internal.h - what mime.c and mime_fields.c share. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_MIME_INTERNAL_H
#define CV_MIME_INTERNAL_H

#include "common/text/mime.h"

/* Reads the header BLOCK of a part and fills what it says about itself: type, kind, encoding, ...
 * and, when ENVELOPE_MAX is not 0, the envelope if it needs no more bytes. Without a type it is
 * text/plain, IN_DIGEST message/rfc822. *boundary_out is set for a multipart. Kinds are as
 * declared: limits are the scanner's. Results are in ARENA; SCRATCH holds what is not kept. */
void cv_mime_read_fields(struct cv_arena *arena, struct cv_arena *scratch, struct cv_str block,
                         bool in_digest, size_t envelope_max, struct cv_mime_part *part,
                         struct cv_str *boundary_out);

bool cv_mime_has_8bit(struct cv_str s);

#endif
