/* stored_zip.h - a ZIP archive of one member that is stored as it is, for tests. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef TEST_STORED_ZIP_H
#define TEST_STORED_ZIP_H

#include "common/base/buf.h"

__attribute__((unused)) static void
stored_le(struct cv_buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, v >>= 8)
		cv_buf_c(b, (char)v);
}

__attribute__((unused)) static void
stored_zip(struct cv_buf *b, const char *name, struct cv_str content)
{
	size_t name_n = strlen(name), at = b->n;

	cv_buf_add(b, "PK\x03\x04", 4);
	stored_le(b, 20, 2); /* version */
	stored_le(b, 0, 12); /* flags, method, time, date, CRC */
	stored_le(b, content.n, 4);
	stored_le(b, content.n, 4);
	stored_le(b, name_n, 4); /* and no extra field */
	cv_buf_z(b, name);
	cv_buf_str(b, content);
	size_t central = b->n;
	cv_buf_add(b, "PK\x01\x02", 4);
	stored_le(b, 20, 2);
	stored_le(b, 20, 2);
	stored_le(b, 0, 12);
	stored_le(b, content.n, 4);
	stored_le(b, content.n, 4);
	stored_le(b, name_n, 4);
	stored_le(b, 0, 10); /* comment, disk, attributes */
	stored_le(b, at, 4);
	cv_buf_z(b, name);
	size_t end = b->n;
	cv_buf_add(b, "PK\x05\x06", 4);
	stored_le(b, 0, 4);
	stored_le(b, 1, 2);
	stored_le(b, 1, 2);
	stored_le(b, end - central, 4);
	stored_le(b, central, 4);
	stored_le(b, 0, 2);
}

#endif
