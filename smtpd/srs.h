/* srs.h - senders of forwarded mail, rewritten so that SPF of the next server names us, and back.
 *
 *   SRS0=hash=day=domain=local@us        of a sender that nobody rewrote before
 *   SRS1=hash=first==rest@us             of one that FIRST had rewritten: two rewriters at most
 *
 * The hash is HMAC-SHA256 under the province's secret, 40 bits of it in base32, over everything
 * behind it in lower case: servers on the way may change the case of local parts. The day is ten
 * bits of days since 1970. A reverse path is honoured for some days and only by whoever holds the
 * secret, so these addresses are no open relay. docs/adr/0039 tells more.
 * Threads: any; a smtpd_srs looks after its own lock.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SRS_H
#define SMTPD_SRS_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define SMTPD_SRS_KEYS_MAX 8u

struct smtpd_srs_keys {
	struct cv_str keys[SMTPD_SRS_KEYS_MAX]; /* the first signs, all verify */
	size_t n;
};

/* ---- pure ---- */
/* Is LOCAL of the form "SRS0=..." or "SRS1=..." (any case, "=", "+" or "-" behind the number)? */
bool smtpd_srs_is(struct cv_str local);
/* Appends what SENDER (local@domain) becomes when forwarded by DOMAIN on day TODAY. CV_LIMIT: it
 * cannot be rewritten: longer than 64 octets, quoted, or not ASCII. */
CV_MUST_CHECK enum cv_status smtpd_srs_forward(const struct smtpd_srs_keys *k, struct cv_str sender,
                                               struct cv_str domain, int64_t today,
                                               struct cv_buf *out);
/* Appends where a bounce to LOCAL goes. CV_INVALID: no such address or a wrong hash; CV_DENIED:
 * over VALID_DAYS old. */
CV_MUST_CHECK enum cv_status smtpd_srs_reverse(const struct smtpd_srs_keys *k, struct cv_str local,
                                               int64_t today, unsigned valid_days,
                                               struct cv_buf *out);

/* ---- with the secret's file ---- */
struct smtpd_srs;
/* FILE holds one secret a line, the newest first, "#" starts a remark. It is made when it is not
 * there, and read again when it changes. */
struct smtpd_srs *smtpd_srs_new(const char *file, unsigned valid_days);
/* Makes the secret's file when it is not there: before a sandbox in which nobody can. */
void smtpd_srs_prepare(struct smtpd_srs *s);
void smtpd_srs_free(struct smtpd_srs *s);
/* As above. CV_TEMPFAIL: the file cannot be read (logged). */
CV_MUST_CHECK enum cv_status smtpd_srs_rewrite(struct smtpd_srs *s, struct cv_str sender,
                                               struct cv_str domain, struct cv_buf *out);
CV_MUST_CHECK enum cv_status smtpd_srs_restore(struct smtpd_srs *s, struct cv_str local,
                                               struct cv_buf *out);

#endif
