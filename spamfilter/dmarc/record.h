/* record.h - the record in which a domain says what it asks for (RFC 9989 4.7, 4.8). Pure.
 *
 * Three temperatures: TXT that is no DMARC record at all; a record, which counts in a tree walk
 * even when nothing in it can be used; and a record that is usable, whose policy applies
 * (4.10.1). Of a tag that stands twice the first counts; what breaks the grammar of its tag is
 * passed over, so that the tag has its default.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_RECORD_H
#define SPAM_DMARC_RECORD_H

#include "common/base/str.h"

#define SPAM_DMARC_URIS_MAX   4u /* mail addresses for reports; more are passed over */
#define SPAM_DMARC_URI_MAX    320u
#define SPAM_DMARC_RECORD_MAX 8192u /* octets that are looked at; a longer one is none */

enum spam_dmarc_policy { SPAM_DMARC_P_NONE, SPAM_DMARC_P_QUARANTINE, SPAM_DMARC_P_REJECT };
const char *spam_dmarc_policy_word(enum spam_dmarc_policy policy);

enum spam_dmarc_psd { SPAM_DMARC_PSD_U, SPAM_DMARC_PSD_Y, SPAM_DMARC_PSD_N };

/* When a failure report is asked for (fo=). */
enum { SPAM_DMARC_FO_0 = 1, SPAM_DMARC_FO_1 = 2, SPAM_DMARC_FO_D = 4, SPAM_DMARC_FO_S = 8 };

struct spam_dmarc_uri {
	char address[SPAM_DMARC_URI_MAX + 1]; /* of a mailto URI, percent-decoded; its domain in
					       * lower-case A-labels */
	uint64_t limit_bytes;                 /* obsolete "!10m"; 0: none */
};

struct spam_dmarc_record {
	bool is_usable; /* has a policy to apply (4.10.1); else only psd= counts */
	enum spam_dmarc_policy p, sp, np; /* sp and np with the defaults of 4.7 */
	bool has_p, has_sp, has_np;       /* stood there, well formed */
	bool strict_dkim, strict_spf;
	bool is_testing; /* t=y */
	enum spam_dmarc_psd psd;
	unsigned fo;
	unsigned percent; /* pct= of RFC 7489; 100 without one */
	size_t rua_count;
	struct spam_dmarc_uri rua[SPAM_DMARC_URIS_MAX];
	bool has_ruf;
};

/* False when TEXT is no DMARC record of this version: then it counts for nothing. */
bool spam_dmarc_record_parse(struct cv_str text, struct spam_dmarc_record *out);

#endif
