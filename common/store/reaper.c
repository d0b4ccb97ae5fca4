/* reaper.c */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

enum cv_status
cv_reaper_start(struct cv_store *s, struct cv_err *err)
{
	(void)s;
	(void)err;
	return CV_OK;
}

void
cv_reaper_stop(struct cv_store *s)
{
	(void)s;
}
