/* html.h - the words of an HTML text, for previews, search and filters; no layout. Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HTML_H
#define CV_HTML_H

#include "common/base/buf.h"

/* Appends what a reader of HTML (UTF-8) would see: tags, comments, head, scripts and styles left
 * out, entities decoded, a line feed where a block ends. Never fails; stops when OUT is full, with
 * what fitted kept and `full` set. */
void cv_html_text(struct cv_str html, struct cv_buf *out);

#endif
