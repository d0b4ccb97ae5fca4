/* auth.h - what was found out about who sent a message, beside SPF, DKIM and DMARC; kept in its
 * spam_mail.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_AUTH_H
#define SPAM_AUTH_H

#include "spamfilter/arc/arc.h"
#include "spamfilter/smime/smime.h"
#include "spamfilter/spf/spf.h"

enum spam_iprev { SPAM_IPREV_PASS, SPAM_IPREV_FAIL, SPAM_IPREV_TEMPERROR, SPAM_IPREV_PERMERROR };

struct spam_auth {
	bool has_helo_spf; /* the HELO name was checked beside the sender's domain */
	struct spam_spf_answer helo_spf;
	struct spam_arc *chain; /* while the message streams in and after; NULL: none */
	bool has_arc;
	struct spam_arc_answer arc;
	const struct spam_arc_hop *vouching; /* a trusted sealer saw dmarc=pass for the author */
	bool has_iprev;
	enum spam_iprev iprev; /* RFC 8601 3: PTR confirmed by its address */
	char name[256];        /* the confirmed name; "" */
	bool has_smime;
	struct spam_smime_answer smime;
};

struct spam_mail;

const char *spam_iprev_word(enum spam_iprev iprev); /* "pass" */
/* What spf.h is to be asked about M. */
void spam_auth_spf_ask(const struct spam_mail *m, struct spam_spf_ask *out);

/* host.c: who the client's address and HELO say it is: iprev and rules. */
void spam_auth_host(struct spam_mail *m);

#endif
