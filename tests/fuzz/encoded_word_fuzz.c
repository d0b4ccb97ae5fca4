/* fuzz: text */
/* Encoded words: the result is UTF-8 without control characters; what we write comes back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/encoded_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_clean(struct cv_str s)
{
	assert(cv_utf8_is_valid(s));
	for (size_t i = 0; i < s.n; i++)
		assert((unsigned char)s.p[i] >= ' ' && s.p[i] != 127);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf text = CV_BUF_INIT(size * 16 + 64), coded = CV_BUF_INIT(size * 400 + 64);
	struct cv_buf back = CV_BUF_INIT(size * 16 + 64), nfc = CV_BUF_INIT(size * 64 + 64);
	cv_words_decode(in, CV_STR("windows-1258"), &text);
	check_clean(cv_buf_view(&text));
	cv_words_encode(cv_buf_view(&text), &coded);
	for (size_t i = 0; i < coded.n; i++)
		assert((unsigned char)coded.p[i] < 128);
	cv_words_decode(cv_buf_view(&coded), CV_STR_EMPTY, &back);
	check_clean(cv_buf_view(&back));
	/* Conversion composes, so the comparison is of what is in NFC to begin with. */
	if (cv_utf8_nfc(cv_str_trim(cv_buf_view(&text)), &nfc) == CV_OK &&
	    cv_str_eq(cv_buf_view(&nfc), cv_str_trim(cv_buf_view(&text))))
		assert(cv_str_eq(cv_buf_view(&back), cv_buf_view(&nfc)));
	cv_phrase_encode(in, &coded);
	cv_buf_done(&text);
	cv_buf_done(&coded);
	cv_buf_done(&back);
	cv_buf_done(&nfc);
	return 0;
}
