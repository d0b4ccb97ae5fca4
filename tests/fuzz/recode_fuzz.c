/* fuzz: smtpd */
/* What the encoder makes of a message is carried by its carrier, has the same parts, and encoding
 * it again changes nothing. The first byte chooses the carrier.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/mime.h"
#include "smtpd/recode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum cv_status
collect(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > (256u << 10))
		return 0;
	enum smtpd_carrier carrier = data[0] & 1 ? SMTPD_CARRIES_7BIT : SMTPD_CARRIES_LINES;
	struct cv_str in = cv_str((const char *)data + 1, size - 1);
	struct cv_buf out = CV_BUF_INIT(16u << 20), again = CV_BUF_INIT(16u << 20);
	struct cv_err err = {0};

	if (smtpd_recode(in, carrier, collect, &out, &err) == CV_OK) {
		struct cv_arena arena = CV_ARENA_INIT;
		assert(smtpd_carries(carrier, cv_buf_view(&out)));
		const struct cv_mime_tree *before = cv_mime_scan(&arena, in);
		const struct cv_mime_tree *after = cv_mime_scan(&arena, cv_buf_view(&out));
		assert(before->limited || before->count == after->count);
		for (uint32_t i = 0; !before->limited && i < before->count; i++)
			assert(cv_str_eq(before->parts[i].at.type, after->parts[i].at.type) &&
			       cv_str_eq(before->parts[i].at.subtype,
				       after->parts[i].at.subtype));
		enum cv_status status =
			smtpd_recode(cv_buf_view(&out), carrier, collect, &again, &err);
		assert(status == CV_OK && cv_str_eq(cv_buf_view(&out), cv_buf_view(&again)));
		cv_arena_done(&arena);
	}
	cv_buf_done(&out);
	cv_buf_done(&again);
	return 0;
}
