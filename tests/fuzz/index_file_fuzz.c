/* fuzz: imapd */
/* index_file_fuzz.c - a file of signatures that anything may have happened to: what is believed of
 * it lies inside it, in order, whole or in pieces alike. The first byte says how a good file is
 * spoiled by the rest; 0 takes the rest as the file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/index_file.h"
#include "imapd/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct imapd_index_key key = {(cv_acct_id)1 << CV_ACCT_CLASS_SHIFT | 7, 3, 0};

static void
check(const uint64_t *words, size_t bytes)
{
	static const uint32_t places[] = {0, 12345, (1u << 20) - 1};
	struct imapd_index_image *whole = imapd_index_image_new(words, bytes, &key);
	struct imapd_index_image *slow = imapd_index_image_new(words, bytes, &key);
	uint32_t hint = 0;

	assert(!whole == !slow);
	if (!whole)
		return;
	assert(imapd_index_image_check(whole, INT64_MAX));
	while (!imapd_index_image_check(slow, 0))
		;
	assert(whole->count == slow->count && whole->is_torn == slow->is_torn);
	assert(whole->checked <= bytes && (whole->is_torn || whole->checked == bytes));
	for (uint32_t i = 0; i < whole->count; i++) {
		const struct imapd_index_row *row = &whole->rows[i];
		assert(!i || row->uid > whole->rows[i - 1].uid);
		assert((row->at + row->words) * 8 <= bytes && row->words);
		assert(imapd_index_image_find(whole, row->uid, &hint) == row);
		(void)imapd_signature_has(words + row->at, row->words, places, CV_COUNT(places));
	}
	imapd_index_image_unref(whole);
	imapd_index_image_unref(slow);
}

/* Rows of a signature that depends on their number. */
static void
write_good(struct cv_buf *out, unsigned rows)
{
	uint64_t bits[4];

	imapd_index_write_head(out, &key, 99);
	for (uint32_t i = 1; i <= rows; i++) {
		for (size_t k = 0; k < CV_COUNT(bits); k++)
			bits[k] = (i + k) * 0x9E3779B97F4A7C15u;
		imapd_index_write_row(out, i % 7 ? i : i - 3, bits, 1 + i % 4);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_buf file = CV_BUF_INIT(1u << 20);
	struct cv_str rest = cv_str((const char *)data + 1, size ? size - 1 : 0);

	if (!size)
		return 0;
	if (data[0])
		write_good(&file, data[0] % 32);
	if (data[0] >= 128) { /* three bytes: where, where, what */
		for (size_t i = 0; i + 2 < rest.n; i += 3)
			file.p[(data[1 + i] * 256u + data[2 + i]) % file.n] ^= rest.p[i + 2];
	} else {
		cv_buf_str(&file, rest);
	}
	uint64_t *words = cv_malloc(file.n + 8);
	if (file.n)
		memcpy(words, file.p, file.n);
	check(words, file.n);
	free(words);
	cv_buf_done(&file);
	return 0;
}
