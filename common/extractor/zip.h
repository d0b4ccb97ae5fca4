/* zip.h - the members of a ZIP archive in memory, as office documents use it.
 *
 * Reads the central directory; members stored or deflated, no encryption, no ZIP64 (documents are
 * smaller), no archives in pieces: what else there is, is passed over. Nothing of an archive is
 * believed: places are checked against its size, and what members unpack to has a common bound.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef EXTRACTOR_ZIP_H
#define EXTRACTOR_ZIP_H

#include "common/base/str.h"

#define EXTRACTOR_ZIP_MEMBERS_MAX 20000u
#define EXTRACTOR_ZIP_BYTES_MAX   ((uint64_t)96 << 20) /* unpacked, of all members read */

struct extractor_zip {
	struct cv_str archive;
	size_t at, end;    /* in the central directory */
	unsigned left;     /* members not told yet */
	uint64_t unpacked; /* so far */
	bool is_too_large; /* the bound was reached */
};
struct extractor_member {
	struct cv_str name;
	bool is_encrypted;
	unsigned method;
	struct cv_str packed;
};

/* False: no end of a central directory. */
bool extractor_zip_open(struct extractor_zip *z, struct cv_str archive);
/* False: no more. Members that lie outside of the archive have nothing packed. */
bool extractor_zip_next(struct extractor_zip *z, struct extractor_member *m);
/* Gives M's octets to FN, piece by piece, until it says false. False: M is damaged, or the bound
 * was reached. */
typedef bool extractor_zip_fn(void *arg, struct cv_str bytes);
bool extractor_zip_read(
	struct extractor_zip *z, const struct extractor_member *m, extractor_zip_fn *fn, void *arg);

#endif
