/* letters.h - whom our people write to, and which letters of theirs are being answered.
 *
 * A person outside to whom somebody here has written is no stranger to him; a Message-ID that
 * left here cannot be guessed, so a letter to its author that refers to it is an answer: whoever
 * got one letter could else name it in mail to everybody. Kept as digests.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_LETTERS_H
#define SPAM_LETTERS_H

#include "spamfilter/reputation/tally.h"

#define SPAM_LETTERS_KEEP_SECS (400u * 86400)
#define SPAM_REFERENCES_MAX    20 /* of one message, the newest */

/* OURS wrote to THEIRS; addresses in any case. */
void spam_letters_wrote(struct spam_tally *t, struct cv_str ours, struct cv_str theirs);
/* How often; 0: never. */
uint32_t spam_letters_known(struct spam_tally *t, struct cv_str ours, struct cv_str theirs);

/* OURS sent MESSAGE_ID, with or without its brackets. */
void spam_letters_sent(struct spam_tally *t, struct cv_str ours, struct cv_str message_id);
/* Whether one of the msg-ids in FIELD (In-Reply-To or References, raw) was sent by OURS. */
bool spam_letters_answers(struct spam_tally *t, struct cv_str ours, struct cv_str field);

#endif
