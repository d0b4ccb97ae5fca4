/* content.h - what rules of policy need to know of a message's content, gathered while it streams
 * by.
 *
 * Header fields first, then the body in pieces; only its first megabytes are looked at, and of
 * those the first text, the names of files and the number of links are kept. Pure; one thread at a
 * time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CONTENT_H
#define CV_CONTENT_H

#include "common/text/mime.h"

#define CV_CONTENT_BODY_MAX (4u << 20)
#define CV_CONTENT_SEEN_MAX (48u << 10) /* raw octets of one text part */
#define CV_CONTENT_TEXT_MAX      (2u << 10)  /* of decoded text, for the rules */
#define CV_CONTENT_FILES_MAX     200

struct cv_content;

struct cv_content *cv_content_new(void);
void cv_content_free(struct cv_content *c); /* NULL is fine */
/* Fields in order, then the empty line. */
void cv_content_header(struct cv_content *c, struct cv_str name, struct cv_str value);
void cv_content_eoh(struct cv_content *c);
void cv_content_body(struct cv_content *c, struct cv_str bytes);
/* Or, instead of these three, a whole message in pieces: all of it is looked at. */
void cv_content_message(struct cv_content *c, struct cv_str message);
/* No more comes. What follows is valid until free. */
void cv_content_end(struct cv_content *c);

/* The first text/plain, else the words of the first text/html: UTF-8, at most
 * CV_CONTENT_TEXT_MAX. */
struct cv_str cv_content_text(const struct cv_content *c);
/* The words of the first text/html when there is a text/plain as well, whatever that says; else
 * empty. At most CV_CONTENT_TEXT_MAX. */
struct cv_str cv_content_other_text(const struct cv_content *c);
size_t cv_content_files(const struct cv_content *c, const struct cv_str **names_out);
/* The whole decoded texts, plain and HTML as it is written, a line feed between: for reading links.
 */
struct cv_str cv_content_links(const struct cv_content *c);
/* Links that carry a long random-looking word, as those do that confirm something. */
unsigned cv_content_token_links(const struct cv_content *c);

/* Whether LINK has a run of letters and digits, both, long enough to be no word. */
bool cv_has_token(struct cv_str link);

#endif
