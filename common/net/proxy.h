/* proxy.h - the PROXY protocol header (versions 1 and 2) that a front end puts before a connection.
 *
 * Pure and incremental: give it what came so far. TLVs are skipped.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_PROXY_H
#define CV_PROXY_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define CV_PROXY_MAX 2048 /* bytes; a longer header is refused */

struct cv_proxy {
	bool has_addresses; /* false: UNKNOWN or LOCAL, the connection's own addresses count */
	struct sockaddr_storage peer, local;
};

/* CV_OK: *used_out bytes of IN were the header. CV_AGAIN: it goes on. CV_INVALID: it is none. */
CV_MUST_CHECK enum cv_status cv_proxy_parse(struct cv_str in, struct cv_proxy *out,
                                            size_t *used_out, struct cv_err *err);

#endif
