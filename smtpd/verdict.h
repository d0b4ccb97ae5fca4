/* verdict.h - where a message goes by what its filters made of it: INBOX, \Junk, the quarantine, or
 * nowhere before an operator has looked.
 *
 * A filter says so in two ways: by asking for quarantine (the milter protocol's own word), or by
 * putting an X-Congvu-Verdict field whose first word is `junk` or `quarantine` into the message at
 * its end. Only what a filter that smtpd itself talked to put there counts; the same field written
 * by a peer is text. A peer that relays by LMTP is believed when `lmtp_verdicts` says so.
 *
 *   mail from outside        junk: \Junk of each box. quarantine: the quarantine of each box.
 *     forwards of a box      not sent on; the box that forwards keeps it in the same place
 *     a group's outsiders    junk: sent, marked by its header; quarantine: held in the queue
 *   what staff submit        junk: as above; quarantine: all of it is held in the queue, for boxes
 *                            too, and the sender, the agency and postmaster are told
 *
 * Mail from outside to an agency or role box is never dropped without a word (SPM-02): a filter's
 * DISCARD, and one that takes out every recipient, becomes quarantine there. docs/adr/0095 tells
 * more. Threads: as the session.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_VERDICT_H
#define SMTPD_VERDICT_H

#include "smtpd/session.h"

struct smtpd_kept {
	cv_acct_id *ids;
	size_t n;
};

/* What the field with the text VALUE says. */
enum cv_queue_place smtpd_verdict_read(struct cv_str value);
/* Takes over what the filters of s->tx said of it. */
void smtpd_verdict_take(struct smtpd_session *s, const struct smtpd_milter_changes *changes);
/* No filter ran for this message: a relay's word may count. */
void smtpd_verdict_relayed(struct smtpd_session *s);
/* A filter wants s->tx dropped. True: it goes to the quarantine instead. */
bool smtpd_verdict_rescues(struct smtpd_session *s);
/* Before the filters' changes of the envelope: the boxes that smtpd_verdict_rescues_from() gives
 * back when no recipient is left. OUT is in the transaction's arena; empty when none has to be. */
void smtpd_verdict_note_boxes(struct smtpd_session *s, struct smtpd_kept *out);
bool smtpd_verdict_rescues_from(struct smtpd_session *s, const struct smtpd_kept *kept);
/* Before the copies outside are made: forwards stay at home unless the place is INBOX. */
void smtpd_verdict_keep_home(struct smtpd_session *s);
/* The field that tells the owner of a quarantine why, into tx->return_path; nothing elsewhere. */
void smtpd_verdict_write(struct smtpd_session *s);
/* The folder that a delivery names. */
struct cv_str smtpd_place_folder(enum cv_queue_place place);

#endif
