/* thread.h - THREAD (RFC 5256; REFS by draft-ietf-morg-inthread): messages brought into trees.
 *
 * Pure: works on an array of facts that the caller gathered, and writes the answer's text. Time and
 * memory are linear but for sorting; no depth of replies makes it recurse.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_THREAD_H
#define IMAPD_THREAD_H

#include "common/base/buf.h"

enum imapd_thread_how {
	IMAPD_THREAD_ORDEREDSUBJECT, /* one level, by subject */
	IMAPD_THREAD_REFERENCES,     /* by references, then by subject */
	IMAPD_THREAD_REFS            /* by references alone; that with the newest mail comes last */
};

struct imapd_threaded {
	uint32_t number;          /* written in the answer: sequence number or UID */
	uint64_t message_id;      /* 0: none */
	const void *refs;         /* 64-bit numbers as of message_id, oldest first; not aligned */
	size_t ref_count;
	int64_t sent_secs;        /* RFC 5256 2.2 */
	struct cv_str subject;    /* key of the base subject; empty: none */
	bool is_reply;
};

/* Appends " (1)(2 (3)(4))", or nothing when there are no messages. ITEMS ascend by number. */
void imapd_thread_write(enum imapd_thread_how how, const struct imapd_threaded *items,
	size_t count, struct cv_buf *out);

#endif
