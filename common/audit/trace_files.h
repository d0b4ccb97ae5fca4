/* trace_files.h - the segments of a trace folder, oldest first. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TRACE_FILES_H
#define CV_TRACE_FILES_H

#include "common/base/err.h"

struct cv_trace_file {
	char name[32];
	int64_t first_ms; /* by its name */
	int64_t last_secs; /* last written */
	uint64_t bytes;
};
struct cv_trace_files {
	struct cv_trace_file *items;
	size_t count;
};
CV_MUST_CHECK enum cv_status cv_trace_files_list(const char *dir, struct cv_trace_files *out,
                                                 struct cv_err *err);
void cv_trace_files_done(struct cv_trace_files *files);

#endif
