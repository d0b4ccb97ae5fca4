/* trust.h - what a sender, a network or a linked host did before, as a weight.
 *
 * Every judged message leaves a trace: good when it scored low without its reputation, bad when it
 * was kept out, more of either when a person said so. Old traces fade by half in 30 days. What was
 * proved (an aligned DKIM or SPF pass) counts apart from what was only claimed: nobody can spend or
 * spoil another's good name. Pure but for the table.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_TRUST_H
#define SPAM_TRUST_H

#include "spamfilter/reputation/tally.h"

enum spam_trust_kind {
	SPAM_TRUST_PROVED = 'p',  /* a sender's domain (at free mail: address), authenticated */
	SPAM_TRUST_CLAIMED = 'c', /* the same without proof: can only do harm */
	SPAM_TRUST_NETWORK = 'n', /* the client's /24, or /48 of IPv6 */
	SPAM_TRUST_HOST = 'h'     /* the organisational domain of a link: can only do harm */
};

/* How much a person's word counts against the filter's own. */
#define SPAM_TRUST_OWN     1
#define SPAM_TRUST_LEARNED 10

/* Between -1.5 (always good) and 2.5 (always bad); 0 for what is hardly known. NAME in lower case;
 * SEEN_OUT, if not NULL: the traces it rests on. */
double spam_trust_weight(struct spam_tally *t, enum spam_trust_kind kind, struct cv_str name,
	uint32_t *seen_out);
void spam_trust_note(struct spam_tally *t, enum spam_trust_kind kind, struct cv_str name,
	bool is_good, uint32_t how_much);

#endif
