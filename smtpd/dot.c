/* dot.c - RFC 5321 4.5.2, strictly.
 *
 * States: at the start of a line (the start of DATA is one), inside a line, after CR, after a
 * line's first dot, after that dot and CR. Whole lines are passed on as slices of the input; the
 * held-back dot or CR is passed on from constants when it turns out to belong to the message.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/dot.h"

enum { LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

/* The longest run of message bytes from the present place: whole lines up to one that starts with a
 * dot, or the rest of the input. */
static struct cv_str
take_run(struct smtpd_dot *dot, struct cv_str *in)
{
	const char *p = in->p, *end = in->p + in->n;

	dot->state = IN_LINE;
	while (p < end) {
		const char *cr = memchr(p, '\r', (size_t)(end - p));
		const char *stop = cr ? cr : end;
		size_t n = (size_t)(stop - p);

		if (n && (memchr(p, '\n', n) || memchr(p, '\0', n)))
			dot->bad = true;
		if (!cr) {
			p = end;
			break;
		}
		p = cr + 1;
		if (p == end) {
			/* The CR goes out with its line; only whether LF follows is still open. */
			dot->state = AFTER_CR;
			break;
		}
		if (*p != '\n') {
			dot->bad = true; /* a bare CR */
			continue;
		}
		p++;
		if (p == end || *p == '.') {
			dot->state = LINE_START;
			break;
		}
	}
	struct cv_str run = {in->p, (size_t)(p - in->p)};
	in->p = p;
	in->n -= run.n;
	return run;
}

bool
smtpd_dot_next(struct smtpd_dot *dot, struct cv_str *in, struct cv_str *out)
{
	while (in->n && !dot->ended) {
		char c = in->p[0];

		switch (dot->state) {
		case LINE_START:
			if (c == '.') {
				dot->state = AFTER_DOT;
				in->p++, in->n--;
				continue; /* either stuffing, which goes, or the end */
			}
			*out = take_run(dot, in);
			return true;
		case IN_LINE:
			*out = take_run(dot, in);
			return true;
		case AFTER_CR:
			if (c == '\n') {
				*out = cv_str(in->p, 1);
				in->p++, in->n--;
				dot->state = LINE_START;
				return true;
			}
			dot->bad = true; /* a bare CR */
			dot->state = IN_LINE;
			continue;
		case AFTER_DOT:
			if (c == '\r') {
				dot->state = AFTER_DOT_CR;
				in->p++, in->n--;
				continue;
			}
			dot->state = IN_LINE; /* the dot was stuffing */
			continue;
		default: /* AFTER_DOT_CR */
			if (c == '\n') {
				dot->ended = true;
				in->p++, in->n--;
				return false;
			}
			dot->bad = true; /* ".\r" and something else: the CR is bare and stays */
			dot->state = IN_LINE;
			*out = CV_STR("\r");
			return true;
		}
	}
	return false;
}

void
smtpd_dot_check(struct smtpd_dot *dot, struct cv_str bytes)
{
	while (bytes.n && !dot->bad) {
		if (dot->state == AFTER_CR) {
			dot->bad = bytes.p[0] != '\n';
			dot->state = IN_LINE;
			bytes = cv_str_sub(bytes, 1, bytes.n);
			continue;
		}
		take_run(dot, &bytes); /* dots mean nothing here: they only end a run */
	}
}

void
smtpd_dot_check_end(struct smtpd_dot *dot)
{
	if (dot->state == AFTER_CR)
		dot->bad = true;
}
