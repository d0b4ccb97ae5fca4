/* documents.h - what the documents attached to a message say, for examiners.
 *
 * Read by congvu-extract (common/extract/extract.h) when the option secrecy_attachments is on, at
 * most once a message, within documents_secs and what the message may still wait, and never more
 * than SPAM_DOCUMENTS_MAX of them. Texts are of the message: never to be logged or kept.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DOCUMENTS_H
#define SPAM_DOCUMENTS_H

#include "spamfilter/mail.h"

#define SPAM_DOCUMENTS_MAX      16u
#define SPAM_DOCUMENT_TEXT_MAX  (64u << 10)  /* of one document that are kept */
#define SPAM_DOCUMENTS_TEXT_MAX (256u << 10) /* of all */

struct spam_documents {
	struct cv_str texts[SPAM_DOCUMENTS_MAX]; /* of those that had any, in their order */
	size_t count;
	unsigned documents; /* that the message has */
	unsigned read;      /* whose outcome is known for good: text, encrypted, broken ... */
	unsigned encrypted;
};

/* M's, worked out by the first call; all zero without the option or a converter. */
const struct spam_documents *spam_documents(struct spam_mail *m);
/* The texts of all, a line feed between them. */
struct cv_str spam_attachment_text(struct spam_mail *m);

#endif
