/* subject.c - the base subject of RFC 5256 2.1 (declared in summary.h). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/summary.h"

static struct cv_str
rest_of(struct cv_str s, size_t from)
{
	return cv_str_sub(s, from, s.n);
}

static struct cv_str
skip_blanks(struct cv_str s)
{
	while (s.n && s.p[0] == ' ')
		s = rest_of(s, 1);
	return s;
}

/* Behind "[...]" and blanks, or S itself. */
static struct cv_str
skip_blob(struct cv_str s)
{
	if (!s.n || s.p[0] != '[')
		return s;
	for (size_t i = 1; i < s.n && s.p[i] != '['; i++)
		if (s.p[i] == ']')
			return skip_blanks(rest_of(s, i + 1));
	return s;
}

/* Behind "re:", "fwd [x]:" and their kin, or S itself. */
static struct cv_str
skip_refwd(struct cv_str s)
{
	static const char *const words[] = { "re", "fwd", "fw", "tl", "trả lời", "Trả lời",
		                                 "TRẢ LỜI", "chuyển tiếp", "Chuyển tiếp", "CHUYỂN TIẾP" };
	for (size_t i = 0; i < CV_COUNT(words); i++) {
		if (!cv_str_has_iprefix(s, words[i]))
			continue;
		struct cv_str after = skip_blob(skip_blanks(rest_of(s, strlen(words[i]))));
		if (after.n && after.p[0] == ':')
			return rest_of(after, 1);
	}
	return s;
}

/* Behind one leader: blobs and a reply mark, or blanks; S itself when there is none. */
static struct cv_str
skip_leader(struct cv_str s, bool *is_reply)
{
	struct cv_str at = s, next;
	if (s.n && s.p[0] == ' ')
		return skip_blanks(s);
	while ((next = skip_blob(at)).n < at.n)
		at = next;
	next = skip_refwd(at);
	if (next.n == at.n)
		return s;
	*is_reply = true;
	return next;
}

static struct cv_str
drop_trailers(struct cv_str s, bool *is_reply)
{
	for (;;) {
		if (cv_str_has_isuffix(s, " ")) {
			s.n--;
		} else if (cv_str_has_isuffix(s, "(fwd)")) {
			s.n -= 5;
			*is_reply = true;
		} else {
			return s;
		}
	}
}

/* Steps 3 to 5. */
static struct cv_str
drop_leaders(struct cv_str s, bool *is_reply)
{
	for (;;) {
		struct cv_str next = skip_leader(s, is_reply);
		if (next.n == s.n)
			next = skip_blob(s);
		if (next.n == s.n || (!next.n && s.p[0] == '['))
			return s;
		s = next;
	}
}

/* Runs of white space as one blank. */
static void
squeeze(struct cv_str s, struct cv_buf *out)
{
	bool blank = false;
	for (size_t i = 0; i < s.n; i++) {
		bool is_blank = s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n';
		if (!is_blank)
			cv_buf_c(out, s.p[i]);
		else if (!blank)
			cv_buf_c(out, ' ');
		blank = is_blank;
	}
}

void
cv_base_subject(struct cv_str subject, struct cv_buf *out, bool *is_reply_out)
{
	struct cv_buf text = CV_BUF_INIT(CV_SUMMARY_SUBJECT_MAX + 1);
	squeeze(cv_utf8_cut(subject, CV_SUMMARY_SUBJECT_MAX), &text);
	struct cv_str s = cv_buf_view(&text);
	*is_reply_out = false;
	while (s.p) {
		s = drop_leaders(drop_trailers(s, is_reply_out), is_reply_out);
		if (!cv_str_has_iprefix(s, "[fwd:") || !cv_str_has_isuffix(s, "]"))
			break;
		s = cv_str_sub(s, 5, s.n - 1);
		*is_reply_out = true;
	}
	cv_buf_str(out, s);
	cv_buf_done(&text);
}
