/* index_build.h - brings the signature file of one mailbox up to its present view.
 *
 * Used by the index's thread alone (index.c), which owns every file of the index.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_INDEX_BUILD_H
#define IMAPD_INDEX_BUILD_H

#include <stdatomic.h>

#include "common/store/mailbox.h"
#include "imapd/index_file.h"
#include "imapd/quiet.h"
#include "imapd/texts.h"

struct imapd_indexer; /* buffers that are used again for each mailbox */
/* Work ends soon once *STOP is set. TEXTS: of documents, or NULL when they are not searched. */
struct imapd_indexer *imapd_indexer_new(const atomic_bool *stop, struct imapd_texts *texts);
void imapd_indexer_free(struct imapd_indexer *x);

struct imapd_index_task {
	const char *path;
	struct imapd_index_key key;
	struct cv_mbox *mbox;
	struct imapd_index_image *image; /* whole, counted, or NULL; replaced as the file grows */
	struct imapd_quiet *quiet; /* NULL: do it now; else as long as the daemon is quiet */
	bool tidy;            /* rows of expunged messages go, however few */
	uint64_t room_bytes;  /* that the file may grow by; counted down */
	uint64_t signed_out;  /* messages that were added */
	bool was_rewritten_out;
	bool was_left_out;    /* the daemon was busy: not all is in */
	/* Tells of a new image: take a reference. */
	void (*publish)(void *arg, struct imapd_index_image *image);
	void *arg;
};
/* CV_OK: every message that can be read is in, or it was told to stop, or left off.
 * CV_NOT_FOUND: the mailbox is gone. CV_FULL: no room on the disk or in room_bytes. What was added
 * before a failure stays. */
CV_MUST_CHECK enum cv_status imapd_indexer_run(
	struct imapd_indexer *x, struct imapd_index_task *task, struct cv_err *err);

#endif
