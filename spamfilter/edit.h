/* edit.h - a verdict carried out over the milter protocol: header fields, quarantine, replies. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_EDIT_H
#define SPAM_EDIT_H

#include "spamfilter/session.h"

/* At the end of the message: what the MTA is told, by the mail's verdict. */
sfsistat spam_carry_out(SMFICTX *ctx, struct spam_session *s);
/* Refuses by DECISION, at any step. */
sfsistat spam_refuse(SMFICTX *ctx, struct spam_session *s, const struct cv_decision *decision);

#endif
