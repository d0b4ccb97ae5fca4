/* limit.h - how many messages one command may work on: MESSAGELIMIT (RFC 9738).
 *
 * Only with the option message_limit. FETCH, STORE, SEARCH, MOVE and UID EXPUNGE take the highest
 * messages of their set then and say with a response code how far they came; COPY and APPEND, which
 * are all or nothing, refuse. EXPUNGE, CLOSE, SORT and THREAD are never limited.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_LIMIT_H
#define IMAPD_LIMIT_H

#include "imapd/conn.h"

/* Appends " MESSAGELIMIT=n" where there is a limit. */
void imapd_write_limit_capability(struct imapd_conn *c, struct cv_buf *out);

/* What the command may work on of RANGES, message numbers: cuts them to their highest and gives the
 * command its code when they are more. Answers how many ranges are left. */
uint32_t imapd_limit_ranges(struct imapd_conn *c, struct imapd_range *ranges, uint32_t count);
/* The same for UIDS, ascending: how many at its end may be worked on. */
uint32_t imapd_limit_uids(struct imapd_conn *c, const uint32_t *uids, uint32_t count);
/* Of what SEARCH, bound to the session's view, would look at: the lowest message number. */
uint32_t imapd_limit_search(struct imapd_conn *c, const struct imapd_search *search);

/* For commands that are all or nothing. True: the command is answered. */
bool imapd_limit_refuses(struct imapd_conn *c, const uint32_t *uids, size_t count);
/* FETCH ... (PARTIAL) beyond the limit. True: the command is answered. */
bool imapd_limit_refuses_partial(struct imapd_conn *c, const struct imapd_partial *partial);

/* Before the tagged answer: the one code that it has. EXPUNGEISSUED (RFC 5530) where expunges wait
 * that a command with message numbers may not tell; the code of a limit else, or before the answer
 * where that has another code (RFC 9738 3.1). */
void imapd_choose_code(struct imapd_conn *c);

#endif
