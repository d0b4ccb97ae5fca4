/* results.h - what a searching command found, on its way into the answer: ESEARCH (RFC 4731, 5267,
 * 6203, 7377) or the plain SEARCH and SORT. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_RESULTS_H
#define IMAPD_RESULTS_H

#include "imapd/conn.h"

struct imapd_results {
	struct imapd_conn *c;
	struct imapd_session *session; /* in which they were found */
	const struct imapd_search *search;
	uint32_t *found;       /* message numbers, in the order of the answer; changed in place */
	const uint8_t *scores; /* their relevancy, or NULL */
	size_t n;
	bool is_uid;
	/* ESEARCH over mailboxes names each (RFC 7377 2.1); p NULL: SEARCH and SORT do not */
	struct cv_str mailbox;
};

/* Saves what "$" will stand for if that was asked, and writes the answer; WORD: a plain one. */
void imapd_results_write(struct imapd_results *r, const char *word);

#endif
