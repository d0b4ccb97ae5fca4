/* scratch.h - a folder of its own for each test, gone with all that is in it afterwards. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TEST_SCRATCH_H
#define CV_TEST_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes a new folder below /tmp; DIR_OUT has room for 64 bytes. */
static inline void
scratch_make(const char *name, char dir_out[64])
{
	snprintf(dir_out, 64, "/tmp/cv_%s_XXXXXX", name);
	if (!mkdtemp(dir_out))
		fail_msg("cannot make %s", dir_out);
}

static inline int
scratch_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_remove(const char *dir)
{
	if (nftw(dir, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS))
		fail_msg("cannot remove %s", dir);
}

#endif
