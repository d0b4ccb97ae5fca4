/* binary_test.c - parts are decoded the same however they are cut, and no further than wanted. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/binary.h"

static void
test_binary__decodes_whole_and_byte_by_byte(void **state)
{
	static const struct {
		enum cv_mime_encoding encoding;
		const char *text;
		uint64_t limit; /* 0: only counted */
		struct cv_str want;
	} rows[] = {
		{CV_MIME_BASE64, "YWIA\r\n/2Nk", UINT64_MAX, {"ab\0\377cd", 6}},
		{CV_MIME_BASE64, "YWIA/2Nk", 3, {"ab\0", 3}},
		{CV_MIME_BASE64, "YWIA/2Nk", 0, {"......", 6}},
		{CV_MIME_BASE64, "YQ", UINT64_MAX, {"a", 1}},
		{CV_MIME_BASE64, "", UINT64_MAX, {"", 0}},
		{CV_MIME_QP, "a=\r\nb=3D  \r\n", UINT64_MAX, {"ab=\r\n", 5}},
		{CV_MIME_QP, "a=00b", UINT64_MAX, {"a\0b", 3}},
		{CV_MIME_QP, "abc", 1, {"a", 1}},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t cut = 1; cut < 40; cut += 38) {
			struct imapd_decoding *d =
				imapd_decoding_new(rows[i].encoding, rows[i].limit, "/tmp");
			struct cv_str text = cv_str_z(rows[i].text);
			struct cv_buf out = CV_BUF_INIT(1000);
			struct cv_err err;
			uint64_t size;
			for (size_t at = 0; at < text.n; at += cut)
				assert_false(imapd_decoding_feed(
					d, cv_str_sub(text, at, at + cut), &err));
			assert_false(imapd_decoding_finish(d, &size, &err));
			if (size != rows[i].want.n)
				fail_msg("row %zu: %llu octets", i, (unsigned long long)size);
			if (rows[i].limit && size) {
				assert_false(imapd_decoding_read(
					d, 0, rows[i].want.n, &out, &err));
				assert_memory_equal(out.p, rows[i].want.p, rows[i].want.n);
				assert_true(imapd_decoding_read(d, size, 1, &out, &err));
			}
			cv_buf_done(&out);
			imapd_decoding_free(d);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary__decodes_whole_and_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
