/* fuzz: text */
/* Envelope paths and their spelling. What is accepted keeps to the limits and spells itself
 * again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
respell(const struct cv_path *path)
{
	struct cv_buf once = CV_BUF_INIT(2000), twice = CV_BUF_INIT(2000);
	if (!path->is_postmaster && cv_path_normalise(path, &once, NULL) == CV_OK && once.n) {
		/* NFC and lower case may lengthen a local part of UTF-8 past the limit; else it
		 * must hold. */
		enum cv_status status = cv_address_normalise(cv_buf_view(&once), &twice, NULL);
		assert(status == CV_OK ? cv_str_eq(cv_buf_view(&once), cv_buf_view(&twice))
		                       : path->has_utf8);
	}
	cv_buf_done(&once);
	cv_buf_done(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct cv_str in = cv_str((const char *)data + 1, size - 1), rest;
	struct cv_path path;
	struct cv_err err;
	if (cv_path_parse(in, data[0], &path, &rest, &err) == CV_OK) {
		assert(path.local.n <= CV_LOCAL_MAX && path.domain.n <= CV_DOMAIN_MAX);
		assert(path.is_null || path.local.n);
		respell(&path);
	}
	if (cv_address_split(in, data[0], &path, &err) == CV_OK)
		respell(&path);
	struct cv_buf key = CV_BUF_INIT(2000);
	(void)!cv_address_key(in, &key, &err);
	cv_buf_done(&key);
	return 0;
}
