/* names.c - names of mailboxes: valid UTF-8 in NFC, no control characters, no empty levels. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/text/charset.h"

/* Control characters (C0, DEL, C1), line and paragraph separators, and marks that make a name look
 * like another one by turning the direction of writing. */
static bool
is_forbidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
	       c == 0xfffd;
}

static enum cv_status
check_level(struct cv_str level, struct cv_err *err)
{
	if (!level.n)
		return cv_fail(err, CV_INVALID, "a level of the mailbox name is empty");
	if (level.n > CV_MBOX_LEVEL_MAX)
		return cv_fail(err, CV_LIMIT, "a level of the mailbox name is over %u bytes",
			CV_MBOX_LEVEL_MAX);
	if (level.p[0] == ' ' || level.p[level.n - 1] == ' ')
		return cv_fail(
			err, CV_INVALID, "a level of the mailbox name has a blank at its end");
	for (size_t pos = 0; pos < level.n;)
		if (is_forbidden(cv_utf8_next(level, &pos)))
			return cv_fail(err, CV_INVALID, "the mailbox name has a control character");
	return CV_OK;
}

static enum cv_status
check_levels(struct cv_str name, char separator, struct cv_err *err)
{
	struct cv_str rest = name, level;
	unsigned depth = 0;
	while (cv_str_split(&rest, separator, &level)) {
		enum cv_status status = check_level(level, err);
		if (status)
			return status;
		if (++depth > CV_MBOX_DEPTH_MAX)
			return cv_fail(err, CV_LIMIT, "a mailbox name has at most %u levels",
				CV_MBOX_DEPTH_MAX);
	}
	return CV_OK;
}

enum cv_status
cv_name_canon(char separator, struct cv_str name, struct cv_arena *arena, struct cv_str *out,
	struct cv_err *err)
{
	if (!name.n)
		return cv_fail(err, CV_INVALID, "the mailbox name is empty");
	if (name.n > CV_MBOX_NAME_MAX)
		return cv_fail(
			err, CV_LIMIT, "a mailbox name has at most %u bytes", CV_MBOX_NAME_MAX);
	if (!cv_utf8_is_valid(name))
		return cv_fail(err, CV_INVALID, "the mailbox name is not UTF-8");
	struct cv_buf nfc = CV_BUF_INIT(CV_MBOX_NAME_MAX);
	if (cv_utf8_nfc(name, &nfc)) {
		cv_buf_done(&nfc);
		return cv_fail(
			err, CV_LIMIT, "a mailbox name has at most %u bytes", CV_MBOX_NAME_MAX);
	}
	char *canon = cv_arena_z(arena, cv_buf_view(&nfc));
	*out = cv_str(canon, nfc.n);
	cv_buf_done(&nfc);
	struct cv_str first = cv_str_sub(*out, 0, cv_str_find(*out, separator, 0));
	if (cv_str_ieq_z(first, "INBOX"))
		memcpy(canon, "INBOX", 5);
	return check_levels(*out, separator, err);
}
