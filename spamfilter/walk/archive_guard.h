/* archive_guard.h - what an archive says of itself, read before a library is let at it.
 *
 * libarchive believes the counts of a 7z header and of a zip's directory and takes memory by them:
 * gigabytes for some kilobytes of mail. So these are read here first, within bounds. Pure; private
 * to the folder.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_ARCHIVE_GUARD_H
#define SPAM_ARCHIVE_GUARD_H

#include "common/base/str.h"

#define SPAM_GUARD_ENTRIES_MAX 5000
#define SPAM_GUARD_HEADER_MAX  (2u << 20) /* octets of an unpacked 7z header */

struct spam_guard {
	bool is_safe;        /* a library may list it */
	bool is_broken;      /* cannot be read */
	bool is_large;       /* counts above the limits */
	bool is_bomb;        /* zip: says that it grows a hundredfold and more, beyond 100 MB */
	bool is_encrypted;   /* names or data */
	bool is_solid;       /* RAR 5: what is passed over is unpacked all the same */
	bool contradicts;    /* zip: files that its directory does not name */
	bool is_ooxml, is_odf;
	unsigned entries;
};

void spam_guard_zip(struct cv_str bytes, struct spam_guard *out);
void spam_guard_7z(struct cv_str bytes, struct spam_guard *out);
void spam_guard_rar(struct cv_str bytes, struct spam_guard *out);

#endif
