/* bodystructure.h - a scanned message as ready IMAP BODY and BODYSTRUCTURE strings (RFC 3501,
 * 7.4.2). Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_BODYSTRUCTURE_H
#define CV_BODYSTRUCTURE_H

#include "common/text/mime.h"

/* Appends the structure of TREE: with EXTENDED what BODYSTRUCTURE answers (parameters of
 * multiparts, MD5, disposition, language, location), without what BODY answers. Always well formed:
 * CV_OK, or CV_LIMIT when OUT became full (then OUT is as it was, with `full` set). */
enum cv_status cv_bodystructure_format(const struct cv_mime_tree *tree, bool extended,
                                       struct cv_buf *out);

#endif
