/* html.h - what a reader of an HTML text sees, what it hides, and where it leads.
 *
 * The tokenizer of common/text/html_token.h with a stack of open elements (no tree): enough to know
 * of every word whether styles hide it. Work is constant for each octet but for a stack of bounded
 * depth. Private to the folder; one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_HTML_H
#define SPAM_HTML_H

#include "spamfilter/walk/url.h"

#define SPAM_HTML_DEPTH_MAX 200 /* elements inside each other; deeper ones inherit no more */
#define SPAM_HTML_SHOWN_MAX 300 /* octets of a link's text that are compared with its address */
#define SPAM_HTML_LINKS_MAX 5000 /* that are told of */

struct spam_html_link {
	enum spam_url_source source;
	struct cv_str raw;   /* as written, entities decoded, made whole by base href */
	struct cv_str shown; /* the visible text of a link; empty for others */
	unsigned flags;      /* SPAM_URL_HIDDEN, SPAM_URL_PASSWORD */
};

struct spam_html {
	/* to be set before; VISIBLE and HIDDEN are appended to and may become full */
	struct cv_buf *visible, *hidden;
	void (*link)(void *ctx, const struct spam_html_link *link);
	bool (*go_on)(void *ctx); /* asked now and then; false: stop here */
	void *ctx;
	/* what was found */
	uint64_t facts;           /* SPAM_FACT() bits of walk.h */
	uint64_t hidden_letters;  /* letters and digits in hidden text */
	uint64_t visible_letters;
	unsigned pictures, forms, passwords;
	unsigned zero_width;      /* such characters between two letters */
	bool stopped;             /* go_on said no */
};

/* HTML in UTF-8. */
void spam_html_read(struct cv_str html, struct spam_html *h);

/* Appends TEXT to OUT, or to HIDDEN-like buffers, without zero-width characters and with runs of
 * blanks as one; counts those that stood between two letters into *ZERO_WIDTH. KEEP_LINES: line
 * feeds stay. */
void spam_text_put(struct cv_str text, bool keep_lines, struct cv_buf *out, unsigned *zero_width);

#endif
