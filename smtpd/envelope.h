/* envelope.h - what MAIL and RCPT share: refusing, and the forms in which addresses are kept.
 *
 * Threads: a session's worker, as everything in session.h.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ENVELOPE_H
#define SMTPD_ENVELOPE_H

#include "smtpd/session.h"

/* Both count and write the refusal and answer CV_STEP_DONE. */
enum cv_step smtpd_envelope_refuse(struct smtpd_session *s, enum smtpd_reply reply);
enum cv_step smtpd_envelope_refuse_decision(struct smtpd_session *s, const struct cv_decision *d);
/* Takes WORD ("FROM:", "TO:") off ARGS; false when they begin otherwise. */
bool smtpd_envelope_word(struct cv_str *args, const char *word);
bool smtpd_envelope_has_8bit(struct cv_str s);
/* PATH normalised, in TX's memory. */
enum cv_status smtpd_envelope_keep(struct smtpd_tx *tx, const struct cv_path *path,
                                   struct cv_str *out);
/* The two halves of a normalised address. */
void smtpd_envelope_split(struct cv_str address, struct cv_str *local, struct cv_str *domain);

#endif
