/* filter.h - the words that name mail filters: "inet:8891@127.0.0.1,timeout=10s,name=clamav".
 *
 * A word is an address ("unix:/path", "inet:port@host" with an IPv4 address, an IPv6 address, bare
 * or in [brackets], or a host name), then settings behind commas, each at most once:
 *
 *   name=WORD            in logs; letters, digits, ".", "_", "-" (else the address)
 *   timeout=SECS         longest wait for the answer to one step
 *   connect-timeout=SECS the same for connecting and agreeing on options
 *   message-timeout=SECS the same from the first header field to the verdict
 *   on-failure=WORD      what happens to mail when the filter does not answer: accept, tempfail or
 *                        reject
 *   reuse=yes|no         keep the connection for the next session (QUIT_NC, Sendmail 8.14 and up)
 *
 * Durations take s, m, h and lie between one second and one hour. Pure but for cv_filter_resolve().
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_FILTER_H
#define CV_FILTER_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define CV_FILTERS_MAX 16u /* in one list */

enum cv_filter_failure { CV_FILTER_TEMPFAIL, CV_FILTER_REJECT, CV_FILTER_ACCEPT };

struct cv_filter {
	char name[128];
	char host[256];           /* a name that cv_filter_resolve() looks up; else empty */
	uint16_t port;
	struct sockaddr_storage addr;
	socklen_t addr_len;       /* 0: not resolved yet */
	unsigned connect_secs, step_secs, message_secs;
	enum cv_filter_failure on_failure;
	bool reuse;
};

/* False when WORD is none of accept, tempfail, reject. */
bool cv_filter_failure_parse(struct cv_str word, enum cv_filter_failure *out);
/* Reads one word. DFLT gives what the word does not say: times, on_failure, reuse. */
CV_MUST_CHECK enum cv_status cv_filter_parse(struct cv_str word, const struct cv_filter *dflt,
                                             struct cv_filter *out, struct cv_err *err);
/* Reads a list, words apart by blanks; OUT has room for CV_FILTERS_MAX. The word "none" alone is
 * the empty list. Names must differ. */
CV_MUST_CHECK enum cv_status cv_filters_parse(struct cv_str list, const struct cv_filter *dflt,
                                              struct cv_filter *out, unsigned *count_out,
                                              struct cv_err *err);
/* Looks up a host name with the system's resolver, waiting; the first address is taken. Does
 * nothing when the word had an address. */
CV_MUST_CHECK enum cv_status cv_filter_resolve(struct cv_filter *f, struct cv_err *err);

#endif
