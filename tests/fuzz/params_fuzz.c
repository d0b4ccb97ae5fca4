/* fuzz: text */
/* Parameters: read, joined, shown, written and read again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size), type, subtype;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_params raw, joined, again;
	cv_params_parse(&arena, in, &raw);
	cv_params_join(&arena, &raw, &joined);
	(void)!cv_params_media(&raw, &type, &subtype);
	for (size_t i = 0; i < joined.n; i++) {
		struct cv_buf text = CV_BUF_INIT(1u << 20);
		cv_param_text(&joined.items[i], &text);
		assert(cv_utf8_is_valid(cv_buf_view(&text)));
		cv_buf_done(&text);
	}
	if (size < 2000) {
		struct cv_buf out = CV_BUF_INIT(1u << 20);
		cv_param_write(&out, "f", in);
		cv_params_parse(&arena, cv_buf_view(&out), &raw);
		cv_params_join(&arena, &raw, &again);
		assert(!again.is_broken && again.n == 1 && cv_str_eq(again.items[0].value, in));
		cv_buf_done(&out);
	}
	cv_arena_done(&arena);
	return 0;
}
