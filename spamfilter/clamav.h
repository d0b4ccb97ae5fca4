/* clamav.h - asks ClamAV's daemon whether a message holds something harmful (clamd(8), INSTREAM).
 *
 * A connection for each message, a bounded number at a time, each within a bounded time. When the
 * daemon cannot be reached, or says what it should not, it is left alone for a while that doubles
 * up to a minute: mail is then answered for at once, and one message at a time tries again.
 * Nothing that it says is believed beyond its grammar, nor kept longer than a line.
 *
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLAMAV_H
#define SPAM_CLAMAV_H

#include <jansson.h>
#include <stdatomic.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define SPAM_CLAMAV_NAME_MAX    80u
#define SPAM_CLAMAV_VERSION_MAX 100u

enum spam_scan {
	SPAM_SCAN_CLEAN,
	SPAM_SCAN_FOUND,
	SPAM_SCAN_TOO_LARGE, /* clamd takes less than the message has */
	SPAM_SCAN_AWAY,      /* nobody answered, now or just before */
	SPAM_SCAN_FAILED     /* an answer that is none of these */
};

struct spam_clamav;
struct spam_clamav *spam_clamav_new(void);
void spam_clamav_free(struct spam_clamav *c); /* NULL is fine */

struct spam_scan_answer {
	enum spam_scan scan;
	char name[SPAM_CLAMAV_NAME_MAX]; /* FOUND: what; FAILED, AWAY: why, for the log */
};
/* Sends PIECES, one behind the other, to the daemon at ADDRESS ("unix:/path", "127.0.0.1:3310") and
 * waits for what it says, all within WITHIN_MS. */
void spam_clamav_scan(struct spam_clamav *c, const char *address, const struct cv_str *pieces,
	size_t count, unsigned within_ms, struct spam_scan_answer *out);
/* Asks for its version (PING and VERSION in one), "" when it does not answer within WITHIN_MS. */
void spam_clamav_version(struct spam_clamav *c, const char *address, unsigned within_ms,
	char version[SPAM_CLAMAV_VERSION_MAX]);

struct spam_clamav_figures {
	uint64_t scanned, found, too_large, away, failed;
	bool is_up; /* when last asked */
};
void spam_clamav_figures(struct spam_clamav *c, struct spam_clamav_figures *out);

/* Whether WORD is an address as above. */
CV_MUST_CHECK enum cv_status spam_clamav_check(const char *address, struct cv_err *err);

#endif
