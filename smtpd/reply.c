/* reply.c - the reply table and the functions that write its rows. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/reply.h"

#include "smtpd/stats.h"

static const struct row {
	unsigned code;
	const char *enhanced, *text;
} rows[R_COUNT] = {
#define R(name, code, enhanced, text) [R_##name] = {code, enhanced, text},
	SMTPD_REPLIES(R)
#undef R
};

unsigned
smtpd_reply_code(enum smtpd_reply reply)
{
	return rows[reply].code;
}

const char *
smtpd_reply_enhanced(enum smtpd_reply reply)
{
	return rows[reply].enhanced;
}

const char *
smtpd_reply_words(enum smtpd_reply reply)
{
	return rows[reply].text;
}

void
smtpd_reply_put(struct cv_buf *out, enum smtpd_reply reply)
{
	smtpd_reply_text(out, rows[reply].code, rows[reply].enhanced, rows[reply].text);
}

void
smtpd_reply_text(struct cv_buf *out, unsigned code, const char *enhanced, const char *text)
{
	smtpd_stats_refused(code, enhanced, text);
	cv_buf_u64(out, code);
	cv_buf_c(out, ' ');
	if (enhanced) {
		cv_buf_z(out, enhanced);
		cv_buf_c(out, ' ');
	}
	cv_buf_z(out, text);
	cv_buf_z(out, "\r\n");
}

void
smtpd_reply_decision(struct cv_buf *out, const struct cv_decision *d, bool utf8)
{
	char text[480]; /* with code and CRLF at most 512 octets (RFC 5321 4.5.3.1.5) */
	cv_decision_reply(d, utf8, text, sizeof text);
	smtpd_reply_text(out, d->smtp_code, d->enhanced, text);
}
