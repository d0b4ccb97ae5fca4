/* pop3_lines.c - see pop3_lines.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/pop3_lines.h"

/* The line ended. */
static void
end_line(struct imapd_pop3_lines *l)
{
	if (l->is_body)
		l->left -= l->left != IMAPD_POP3_ALL_LINES;
	else
		l->is_body = !l->has_text;
	l->is_complete = l->is_body && !l->left;
	l->is_inside = l->has_text = l->ends_in_cr = false;
}

/* PART lies in one line, without its LF. */
static void
add_part(struct imapd_pop3_lines *l, struct cv_str part, struct cv_buf *out)
{
	if (!part.n)
		return;
	if (!l->is_inside && part.p[0] == '.')
		cv_buf_c(out, '.');
	l->has_text = l->has_text || l->ends_in_cr || part.n > 1 || part.p[0] != '\r';
	l->ends_in_cr = part.p[part.n - 1] == '\r';
	l->is_inside = true;
	cv_buf_str(out, part);
}

void
imapd_pop3_lines_add(struct imapd_pop3_lines *l, struct cv_str bytes, struct cv_buf *out)
{
	for (size_t at = 0; at < bytes.n && !l->is_complete;) {
		size_t end = cv_str_find(bytes, '\n', at);
		add_part(l, cv_str_sub(bytes, at, end), out);
		if (end < bytes.n) {
			cv_buf_c(out, '\n');
			end_line(l);
		}
		at = end + 1;
	}
}

void
imapd_pop3_lines_end(struct imapd_pop3_lines *l, struct cv_buf *out)
{
	if (l->ends_in_cr)
		cv_buf_c(out, '\n');
	else if (l->is_inside)
		cv_buf_add(out, "\r\n", 2);
	cv_buf_add(out, ".\r\n", 3);
}
