/* mails.h - messages from files: one file, an mbox, a Maildir, a folder of files, standard input.
 *
 * A file that begins with "From " is an mbox (mboxrd: one ">" goes from ">From "). Of a Maildir
 * (a folder with `cur`) cur and new are read; of any other folder all files below it but those
 * whose name begins with a dot. "-" is standard input, a message or an mbox. One thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_MAILS_H
#define SPAM_MAILS_H

#include "common/base/buf.h"

#define SPAM_MAILS_BYTES_MAX (128u << 20) /* of one message; larger ones are a fault */

struct spam_mails {
	/* NAME is the file's, with "#3" behind it for the third of an mbox. MESSAGE has CRLF line
	 * ends and is valid during the call. False stops the walk. */
	bool (*fn)(void *arg, const char *name, struct cv_str message);
	/* What could not be read. */
	void (*fault)(void *arg, const char *name, const char *why);
	/* Octets of files read, and of all; may be NULL. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
};

/* Every message of PATHS, in order, folders by name. False when FN stopped it. */
bool spam_mails_each(const struct spam_mails *m, const char *const *paths, size_t count);
/* TEXT, a message or an mbox, as spam_mails_each() would read it from the file NAME. */
bool spam_mails_of(const struct spam_mails *m, const char *name, struct cv_str text);

#endif
