/* digest_text.h - what a digest says (digest.h), and how a held message is shown to its owner.
 *
 * Senders and subjects come from strangers: in HTML they are escaped; in text no line of theirs can
 * begin a line, and the "://" of an address in them is broken, so that no mail program makes a link
 * of it. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_DIGEST_TEXT_H
#define IMAPD_DIGEST_TEXT_H

#include "imapd/digest.h"

void imapd_digest_subject(const struct imapd_digest_facts *f, struct cv_buf *out);
/* The rows of a table about H: who, what, when, why. */
void imapd_held_html(const struct imapd_held *h, struct cv_buf *out);

#endif
