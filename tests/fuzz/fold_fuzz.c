/* fuzz: text */
/* Folding and sort keys: valid, bounded, stable, and alike for NFC and NFD. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare_forms(struct cv_str in, size_t max)
{
	size_t c_n, d_n;
	char *c = (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)in.p, in.n, NULL, &c_n);
	char *d = (char *)u8_normalize(UNINORM_NFD, (const uint8_t *)in.p, in.n, NULL, &d_n);
	struct cv_buf from_c = CV_BUF_INIT(max), from_d = CV_BUF_INIT(max);
	assert(c && d);
	assert(cv_fold(cv_str(c, c_n), &from_c) == CV_OK &&
	       cv_fold(cv_str(d, d_n), &from_d) == CV_OK);
	assert(cv_str_eq(cv_buf_view(&from_c), cv_buf_view(&from_d)));
	cv_buf_done(&from_c);
	cv_buf_done(&from_d);
	free(c);
	free(d);
}

/* What keeps its diacritics folds to the same: so folding may rule out what an exact search looks
 * for. */
static void
keep_marks(struct cv_str in, struct cv_str folded, size_t max)
{
	struct cv_buf cased = CV_BUF_INIT(max), again = CV_BUF_INIT(3 * max);
	assert(cv_fold_case(in, &cased) == CV_OK);
	assert(cv_utf8_is_valid(cv_buf_view(&cased)));
	assert(cv_fold(cv_buf_view(&cased), &again) == CV_OK);
	/* U+0345 folds to a letter, and is cut off behind 64 marks when it is composed */
	if (!in.n || !memmem(in.p, in.n, "\xcd\x85", 2))
		assert(cv_str_eq(cv_buf_view(&again), folded));
	assert(cv_fold_case_contains(in, cv_buf_view(&cased)));
	cv_buf_done(&cased);
	cv_buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	size_t max = size * 9 + 64;
	struct cv_buf once = CV_BUF_INIT(size * 3), twice = CV_BUF_INIT(max),
		      key = CV_BUF_INIT(max);

	assert(cv_fold(in, &once) == CV_OK);
	assert(cv_utf8_is_valid(cv_buf_view(&once)));
	assert(cv_fold(cv_buf_view(&once), &twice) == CV_OK);
	assert(cv_str_eq(cv_buf_view(&once), cv_buf_view(&twice)));
	assert(cv_fold_contains(in, cv_buf_view(&once)));
	keep_marks(in, cv_buf_view(&once), max);
	assert(cv_vi_sort_key(in, &key) == CV_OK);
	assert(!key.n || !memchr(key.p, 0, key.n));
	if (size && cv_utf8_is_valid(in))
		compare_forms(in, max);
	cv_buf_done(&once);
	cv_buf_done(&twice);
	cv_buf_done(&key);
	return 0;
}
