/* notice.h - what the daemon tells people of an account: its owner, the agency it belongs to,
 * postmaster.
 *
 * A plain text from the null sender, Auto-Submitted, through the queue. ID is the delivery id, so
 * what is put again after a crash arrives once. Waits for the disk: pool threads and the like.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_NOTICE_H
#define SMTPD_NOTICE_H

#include "smtpd/server.h"

struct smtpd_notice {
	const char *id;
	struct cv_str subject;               /* UTF-8 */
	struct cv_str for_owner, for_others; /* UTF-8, CRLF lines */
};
/* *told_out (may be NULL): how many were written to. */
CV_MUST_CHECK enum cv_status smtpd_notice_put(struct smtpd_server *server,
                                              const struct cv_snapshot *snap,
                                              const struct cv_reg_account *account,
                                              const struct smtpd_notice *notice,
                                              size_t *told_out, struct cv_err *err);

#endif
