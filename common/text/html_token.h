/* html_token.h - HTML cut into tags, text and comments where browsers cut it.
 *
 * The tokenizer of the HTML standard (section 13.2.5) without the tree on top: comments that end
 * early, text of scripts and titles, attributes without quotes, named and numbered characters. It
 * never fails, holds no memory and does a constant amount of work for each octet. Slices point into
 * the input. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HTML_TOKEN_H
#define CV_HTML_TOKEN_H

#include "common/base/buf.h"

#define CV_HTML_NAME_MAX 40 /* octets of a tag's name that are kept */

enum cv_html_kind {
	CV_HTML_TEXT,    /* decode it with cv_html_decode() unless is_raw */
	CV_HTML_START,
	CV_HTML_END,
	CV_HTML_COMMENT  /* comments, doctypes, processing instructions */
};

struct cv_html_token {
	enum cv_html_kind kind;
	struct cv_str text;  /* of a text or comment */
	struct cv_str name;  /* of a tag: small letters, cut at CV_HTML_NAME_MAX; see the scan */
	struct cv_str attributes; /* of a start tag: for cv_html_attribute() */
	bool is_raw;         /* text of a script, style or the like: no entities in it */
	bool is_self_closed; /* <x/> */
};

struct cv_html_scan {
	struct cv_str html;
	size_t pos;
	char name[CV_HTML_NAME_MAX + 1]; /* of the last tag; valid until the next one */
	char raw[CV_HTML_NAME_MAX + 1];  /* the element whose raw text comes next, "" for none */
	bool raw_decodes;                /* it has entities: title, textarea */
	bool raw_to_end;                 /* plaintext */
};

/* HTML in UTF-8. */
void cv_html_scan_init(struct cv_html_scan *scan, struct cv_str html);
/* False at the end. A tag that does not end is dropped, as browsers do. */
bool cv_html_next(struct cv_html_scan *scan, struct cv_html_token *out);
/* Takes the next attribute off *REST: NAME as written, VALUE without quotes and not decoded, empty
 * when it has none. False at the end. */
bool cv_html_attribute(struct cv_str *rest, struct cv_str *name_out, struct cv_str *value_out);
/* Appends RAW with its named and numbered characters; IS_ATTRIBUTE: "&copy=1" stays as it is. What
 * fits is kept when OUT is too small, and `full` is set. */
void cv_html_decode(struct cv_str raw, bool is_attribute, struct cv_buf *out);

#endif
