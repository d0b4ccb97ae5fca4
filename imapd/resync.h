/* resync.h - telling a client that was away what is gone since (QRESYNC, RFC 7162 3.2). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_RESYNC_H
#define IMAPD_RESYNC_H

#include "imapd/session.h"

/* Appends "* VANISHED (EARLIER) uids" of those of KNOWN (NULL: of all) that were expunged after
 * MODSEQ and are not there now. Where history does not reach so far back it is all that are not
 * there: more than is needed, never less (3.2.6). KNOWN is ascending. */
CV_MUST_CHECK enum cv_status imapd_write_vanished(struct imapd_session *s, uint64_t modseq,
	const struct imapd_range *known, uint32_t known_count, struct cv_arena *arena,
	struct cv_buf *out, struct cv_err *err);

#endif
