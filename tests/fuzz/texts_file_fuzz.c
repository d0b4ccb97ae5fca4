/* fuzz: imapd */
/* A file of texts: what is read is within its bound, and is read again from what is written of it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/texts_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_buf texts = CV_BUF_INIT(IMAPD_TEXTS_MAX),
		      file = CV_BUF_INIT(IMAPD_TEXTS_FILE_MAX),
		      again = CV_BUF_INIT(IMAPD_TEXTS_MAX);
	struct imapd_texts_head head, copy;

	if (imapd_texts_decode(cv_str((const char *)data, size), &head, &texts)) {
		imapd_texts_encode(&head, cv_buf_view(&texts), &file);
		bool good = imapd_texts_decode(cv_buf_view(&file), &copy, &again);
		assert(good && copy.kind == head.kind && copy.is_final == head.is_final);
		assert(cv_str_eq(cv_buf_view(&texts), cv_buf_view(&again)));
	}
	cv_buf_done(&texts);
	cv_buf_done(&file);
	cv_buf_done(&again);
	return 0;
}
