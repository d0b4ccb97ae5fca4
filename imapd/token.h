/* token.h - signed links: who holds one may release or delete one held message, until it expires.
 *
 * A token names an account, an item of its quarantine and a time, under HMAC-SHA256 (compared in
 * constant time). Its use twice does no harm: the item is there no more. Keys stand in
 * <dir>/tokens (0600), one a line: number, time it was made, 64 hex digits. The newest signs; it is
 * followed by a new one after IMAPD_TOKEN_ROTATE_SECS, and goes when nothing it signed can be valid
 * any more. Removing the file makes every link invalid.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_TOKEN_H
#define IMAPD_TOKEN_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define IMAPD_TOKEN_TEXT        88u /* octets of a token, at most */
#define IMAPD_TOKEN_ROTATE_SECS (30 * 86400)
#define IMAPD_TOKEN_KEYS_MAX    32u

struct imapd_token {
	uint64_t acct;
	uint32_t uidvalidity, uid;
	int64_t expires_secs;
};
struct imapd_tokens;

/* Reads the keys below DIR, which is made when it is missing; makes the first. */
CV_MUST_CHECK enum cv_status imapd_tokens_open(
	const char *dir, int64_t now_secs, struct imapd_tokens **out, struct cv_err *err);
void imapd_tokens_close(struct imapd_tokens *t); /* NULL is fine */
/* Appends the text of TOKEN. CV_TEMPFAIL when a new key is due and cannot be written. LIFE_SECS:
 * the longest time that tokens live. */
CV_MUST_CHECK enum cv_status imapd_token_write(struct imapd_tokens *t,
	const struct imapd_token *token, int64_t life_secs, int64_t now_secs, struct cv_buf *out,
	struct cv_err *err);
/* CV_INVALID: none of ours. CV_DENIED: it was, and has expired. */
CV_MUST_CHECK enum cv_status imapd_token_read(struct imapd_tokens *t, struct cv_str text,
	int64_t now_secs, struct imapd_token *out, struct cv_err *err);

#endif
