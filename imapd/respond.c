/* respond.c - see respond.h. Texts are ASCII: RFC 3501 allows nothing else. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/respond.h"

static const struct {
	const char *word, *code, *text;
} replies[] = {
#define REPLY_ROW(name, word, code, text) [IMAPD_R_##name] = {word, code, text},
	IMAPD_REPLIES(REPLY_ROW)
#undef REPLY_ROW
};

void
imapd_respond(struct cv_buf *out, struct cv_str tag, enum imapd_reply reply, struct cv_str code,
	const char *command, const char *text)
{
	if (!code.n)
		code = cv_str_z(replies[reply].code);
	if (!text && *replies[reply].text)
		text = replies[reply].text;

	cv_buf_str(out, tag);
	cv_buf_c(out, ' ');
	cv_buf_z(out, replies[reply].word);
	cv_buf_c(out, ' ');
	if (code.n) {
		cv_buf_c(out, '[');
		cv_buf_str(out, code);
		cv_buf_add(out, "] ", 2);
	}
	if (text) {
		cv_buf_z(out, text);
	} else {
		cv_buf_z(out, command);
		cv_buf_z(out, " completed");
	}
	cv_buf_add(out, "\r\n", 2);
}

bool
imapd_reply_is_ok(enum imapd_reply reply)
{
	return replies[reply].word[0] == 'O';
}

bool
imapd_reply_is_bad(enum imapd_reply reply)
{
	return replies[reply].word[0] == 'B';
}

enum imapd_reply
imapd_reply_of(enum cv_status status)
{
	switch (status) {
	case CV_OK:
		return IMAPD_R_OK;
	case CV_NOT_FOUND:
		return IMAPD_R_NOT_FOUND;
	case CV_EXISTS:
		return IMAPD_R_EXISTS;
	case CV_DENIED:
		return IMAPD_R_DENIED;
	case CV_INVALID:
		return IMAPD_R_INVALID;
	case CV_LIMIT:
		return IMAPD_R_LIMIT;
	case CV_OVERQUOTA:
		return IMAPD_R_OVERQUOTA;
	case CV_FULL:
		return IMAPD_R_FULL;
	case CV_CORRUPT:
		return IMAPD_R_CORRUPT;
	default:
		return IMAPD_R_TEMPFAIL;
	}
}
