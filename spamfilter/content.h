/* content.h - what the rules need to know of a message's content, gathered while it streams by.
 *
 * Header fields first, then the body in pieces; only its first megabytes are looked at, and of
 * those the first text, the names of files and the number of links are kept. Pure; one thread at a
 * time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CONTENT_H
#define SPAM_CONTENT_H

#include "common/text/mime.h"

#define SPAM_BODY_SEEN_MAX (4u << 20)
#define SPAM_TEXT_SEEN_MAX (48u << 10) /* raw octets of one text part */
#define SPAM_TEXT_MAX      (2u << 10)  /* of decoded text, for the rules */
#define SPAM_FILES_MAX     200

struct spam_content;

struct spam_content *spam_content_new(void);
void spam_content_free(struct spam_content *c); /* NULL is fine */
/* Fields in order, then the empty line. */
void spam_content_header(struct spam_content *c, struct cv_str name, struct cv_str value);
void spam_content_eoh(struct spam_content *c);
void spam_content_body(struct spam_content *c, struct cv_str bytes);
/* No more comes. What follows is valid until free. */
void spam_content_end(struct spam_content *c);

/* The first text/plain, else the words of the first text/html: UTF-8, at most SPAM_TEXT_MAX. */
struct cv_str spam_content_text(const struct spam_content *c);
size_t spam_content_files(const struct spam_content *c, const struct cv_str **names_out);
/* Links that carry a long random-looking word, as those do that confirm something. */
unsigned spam_content_token_links(const struct spam_content *c);

#endif
