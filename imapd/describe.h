/* describe.h - FETCH answers that nobody asked for: new messages described by the items that NOTIFY
 * or the UPDATE of a search named (RFC 5465 5.2, 7). A FETCH that is no command: it runs like one,
 * in slices, and ends without a tagged answer. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_DESCRIBE_H
#define IMAPD_DESCRIBE_H

#include "imapd/conn.h"

/* Messages that come at once and are still described. */
#define IMAPD_DESCRIBED_AT_ONCE 1000u

/* Begins to describe messages RANGES, of the session's numbers, by ITEMS: "(UID FLAGS)". It runs
 * before the command under way goes on; the connection has a command now in any case. */
void imapd_describe(struct imapd_conn *c, struct cv_str items, const struct imapd_range *ranges,
	uint32_t count);
/* The command of conn.c that has ended was such a one: puts back what was interrupted. */
bool imapd_describe_ended(struct imapd_conn *c);

#endif
