/* author.h - whom the From fields of a message name, however oddly they are written.
 *
 * Mail programs guess at what they cannot read, and each guesses otherwise. So only a From that
 * nobody has to guess at is plain; of every other one all names are taken that anybody might be
 * shown, and none of them is believed (docs/adr/0076).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_AUTHOR_H
#define SPAM_AUTHOR_H

#include "common/base/str.h"

#define SPAM_AUTHORS_MAX 50
#define SPAM_SHOWN_MAX   8

enum spam_author_form {
	SPAM_AUTHOR_PLAIN,     /* one From, strictly readable, of one domain */
	SPAM_AUTHOR_MISSING,   /* none, or an empty one */
	SPAM_AUTHOR_SEVERAL,   /* several fields, or one that names several domains */
	SPAM_AUTHOR_UNREADABLE /* one that breaks the grammar */
};

struct spam_author {
	enum spam_author_form form;
	const char *why; /* of a form that is not plain; a few words */
	bool is_plain;   /* exactly one From, strictly readable; may have many domains */
	struct cv_str local, domain; /* of the first mailbox; the domain in lower-case A-labels */
	struct cv_str domains[SPAM_AUTHORS_MAX]; /* every different domain in any From field */
	size_t domain_count;
	bool is_excessive;  /* there is more in From than is looked at */
	struct cv_str name; /* what stands beside the address, decoded; UTF-8 or empty */
	/* Domains of addresses in the name that are not the author's, in lower-case A-labels. */
	struct cv_str shown[SPAM_SHOWN_MAX];
	size_t shown_count;
};

struct spam_mail;
/* Slices live in the arena and fields of M. */
void spam_author_read(struct spam_mail *m, struct spam_author *out);

#endif
