/* author.h - whom the From fields of a message name, however oddly they are written. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_AUTHOR_H
#define SPAM_AUTHOR_H

#include "common/base/str.h"

#define SPAM_AUTHORS_MAX 50

struct spam_author {
	bool is_plain;               /* exactly one From, strictly readable */
	struct cv_str local, domain; /* of the first mailbox; the domain in lower-case A-labels */
	struct cv_str domains[SPAM_AUTHORS_MAX]; /* every different domain in any From field */
	size_t domain_count;
};

struct spam_mail;
/* Slices live in the arena and fields of M. */
void spam_author_read(struct spam_mail *m, struct spam_author *out);

#endif
