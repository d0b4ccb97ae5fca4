/* pop3_respond.c - the lines that answer, in the language of the session. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/pop3.h"

static const struct {
	const char *name, *code, *en, *ascii, *vi;
} replies[] = {
#define REPLY_ROW(name, code, en, ascii, vi) [IMAPD_POP3_R_##name] = {#name, code, en, ascii, vi},
	IMAPD_POP3_REPLIES(REPLY_ROW)
#undef REPLY_ROW
};

bool
imapd_pop3_reply_is_ok(enum imapd_pop3_reply reply)
{
	return cv_str_has_prefix(cv_str_z(replies[reply].name), "OK");
}

void
imapd_pop3_respond(struct cv_buf *out, enum imapd_pop3_reply reply, enum imapd_pop3_lang lang)
{
	cv_buf_z(out, imapd_pop3_reply_is_ok(reply) ? "+OK " : "-ERR ");
	if (*replies[reply].code)
		cv_buf_printf(out, "[%s] ", replies[reply].code);
	cv_buf_z(out, lang == IMAPD_POP3_VI ? replies[reply].vi : replies[reply].en);
	if (lang == IMAPD_POP3_BOTH && *replies[reply].ascii)
		cv_buf_printf(out, " / %s", replies[reply].ascii);
	cv_buf_add(out, "\r\n", 2);
}
