/* transport.h - where mail for a domain goes when DNS is not to say it: the operator's table.
 *
 *   transports = domain=smtp:host[:port] .below=smtps:host[:port] other=lmtp:unix:/path
 *                third=lmtp:host:port fourth=error:words_in_the_report *=smtp:relay.example
 *   smarthost = [smtps:]host[:port]        everything that no transport names
 *   split_domains = domain=host[:port]     our domains that an old server shares (split.h)
 *
 * The longest fitting name counts, a split domain before a transport, the smarthost last. A name
 * ("host") is looked up for addresses only, never for MX; "[192.0.2.1]" is an address. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TRANSPORT_H
#define SMTPD_TRANSPORT_H

#include "common/base/err.h"
#include "common/base/str.h"

enum smtpd_transport_kind { SMTPD_BY_SMTP, SMTPD_BY_SMTPS, SMTPD_BY_LMTP, SMTPD_BY_ERROR };
struct smtpd_transport {
	enum smtpd_transport_kind kind;
	char host[256];          /* A-labels, a literal with brackets, or the path of a socket */
	unsigned port;           /* 0: host is a path */
	bool is_smarthost;       /* the one that credentials belong to */
	char text[200];          /* of ERROR: why */
	char key[300];           /* the same for all that share connections */
};

struct smtpd_transports;
/* PORT: of SMTP when a row names none. */
CV_MUST_CHECK enum cv_status smtpd_transports_parse(const char *transports, const char *smarthost,
                                                    const char *split_domains, unsigned port,
                                                    struct smtpd_transports **out,
                                                    struct cv_err *err);
void smtpd_transports_free(struct smtpd_transports *t);
/* DOMAIN in A-labels and lower case, or a literal. NULL: as DNS says. */
const struct smtpd_transport *smtpd_transports_find(const struct smtpd_transports *t,
                                                    struct cv_str domain);
/* The old server beside us for DOMAIN, one of ours; or NULL. */
const struct smtpd_transport *smtpd_transports_split(const struct smtpd_transports *t,
                                                     struct cv_str domain);

#endif
