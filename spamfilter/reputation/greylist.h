/* greylist.h - who has been asked to come again, and who did.
 *
 * A doubtful stranger is told "later" once; a mail server that comes back after the pause and
 * within the window is remembered, as is a network from which several came back. Memory alone
 * decides, never a list. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_GREYLIST_H
#define SPAM_GREYLIST_H

#include "spamfilter/reputation/tally.h"

#define SPAM_GREYLIST_KEEP_SECS  (35u * 86400)
#define SPAM_GREYLIST_NETWORK_OK 5 /* returns after which a network waits no more */

struct spam_greylist_ask {
	struct cv_str network;           /* of the client, as text */
	struct cv_str sender, recipient; /* envelope, in small letters; the first recipient */
	uint32_t pause_secs, window_secs;
};

enum spam_greylist_answer {
	SPAM_GREYLIST_WAIT,    /* tell it to come later */
	SPAM_GREYLIST_RETURNED /* it has waited, now or on another day */
};

/* What it would hear now. *left_out, if not NULL: seconds until it may come again. */
enum spam_greylist_answer spam_greylist_look(
	struct spam_tally *t, const struct spam_greylist_ask *ask, uint32_t *left_out);
/* It came, and was told so. */
void spam_greylist_note(struct spam_tally *t, const struct spam_greylist_ask *ask);

#endif
