/* signature_test.c - a signature denies nothing that a scan would find, and most of the rest. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "imapd/index_file.h"
#include "imapd/search.h"
#include "imapd/signature.h"

#define PLACES_MAX 64u

static uint64_t bits[IMAPD_SIGNATURE_WORDS_MAX];

static uint32_t
sign(const char *text, size_t n)
{
	struct imapd_signer *s = imapd_signer_new();
	imapd_signer_add(s, cv_str(text, n));
	uint32_t words = imapd_signer_finish(s, bits);
	imapd_signer_free(s);
	return words;
}

static bool
may_have(uint32_t words, struct cv_str needle)
{
	uint32_t places[PLACES_MAX];
	uint32_t count = imapd_signature_places(needle, places, PLACES_MAX);
	return imapd_signature_has(bits, words, places, count);
}

/* Texts of few letters, so that every kind of edge comes early. */
static size_t
make_text(char *text, size_t max, uint32_t seed)
{
	static const char letters[] = "ab c-\r\n0\xC3\xA9 de,. fgh";
	size_t n = 1 + seed % max;
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		text[i] = letters[(seed >> 16) % (sizeof letters - 1)];
	}
	return n;
}

static void
test_signature__denies_no_piece_of_a_text(void **state)
{
	(void)state;
	char text[400];

	for (uint32_t seed = 1; seed <= 60; seed++) {
		size_t n = make_text(text, sizeof text, seed * 7919);
		uint32_t words = sign(text, n);
		for (size_t from = 0; from < n; from += 1 + from % 3)
			for (size_t to = from + 1; to <= n && to < from + 80; to++)
				if (!may_have(words, cv_str(text + from, to - from)))
					fail_msg("seed %u: %zu to %zu denied", seed, from, to);
	}
}

static void
test_signature__denies_most_of_what_is_not_there(void **state)
{
	(void)state;
	static const char text[] =
		"kinh gui cac dong chi, de nghi chuan bi tai lieu cho cuoc hop giao ban thang "
		"muoi mot tai hoi truong uy ban nhan dan tinh lam giang.\r\n";
	static const struct {
		const char *needle;
		bool want;
	} rows[] = {
		{"hop giao ban",       true },
		{"iao ba",             true },
		{"p giao b",           true },
		{"g.\r\n",             true },
		{"de",                 true }, /* too short to tell */
		{"zq",                 true },
		{"zebrafish",          false},
		{"khong co",           false},
		{"ban giao",           false}, /* the words are, the pair is not */
		{"hop uy ban",         false},
	};
	uint32_t words = sign(text, sizeof text - 1);

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (may_have(words, cv_str_z(rows[i].needle)) != rows[i].want)
			fail_msg("%s", rows[i].needle);
	assert_int_equal(sign("", 0), 1);
	assert_false(may_have(1, CV_STR("any")));
}

/* The same text whole, and fed to a finder byte by byte: the same signature. */
static void
test_signature__is_the_same_however_a_message_comes(void **state)
{
	(void)state;
	struct cv_buf message = CV_BUF_INIT(1u << 20);
	uint64_t *first = cv_malloc(sizeof bits);
	uint32_t words[2];

	cv_buf_z(&message, "Subject: =?utf-8?Q?H=E1=BB=8Dp?=\r\nContent-Type: text/plain; "
			   "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
	for (unsigned i = 0; message.n < 200000; i++)
		cv_buf_printf(&message, i % 97 ? "=E1=BB=8Dword%u=\r\n" : "line %u\r\n", i);
	for (unsigned round = 0; round < 2; round++) {
		struct imapd_signer *s = imapd_signer_new();
		struct imapd_finder *f = imapd_finder_new_signing(s);
		imapd_finder_reset(f);
		size_t piece = round ? 1 : message.n;
		for (size_t at = 0; at < message.n; at += piece)
			imapd_finder_feed(f, cv_str_sub(cv_buf_view(&message), at, at + piece));
		imapd_finder_finish(f);
		words[round] = imapd_signer_finish(s, bits);
		if (!round)
			memcpy(first, bits, sizeof bits);
		imapd_finder_free(f);
		imapd_signer_free(s);
	}
	assert_int_equal(words[0], words[1]);
	assert_memory_equal(first, bits, words[0] * sizeof *bits);
	free(first);
	cv_buf_done(&message);
}

static const struct imapd_index_key key = {77, 5, 0};

static struct imapd_index_image *
image_of(const struct cv_buf *file, uint64_t *words, size_t bytes)
{
	memcpy(words, file->p, bytes);
	struct imapd_index_image *image = imapd_index_image_new(words, bytes, &key);
	if (image)
		assert_true(imapd_index_image_check(image, INT64_MAX));
	return image;
}

static void
test_index_file__believes_nothing_behind_a_fault(void **state)
{
	(void)state;
	struct cv_buf file = CV_BUF_INIT(1u << 16);
	uint64_t *words = cv_malloc(1u << 16), signature[3] = {1, 2, 3};
	uint32_t hint = 0;

	imapd_index_write_head(&file, &key, 9);
	for (uint32_t uid = 10; uid < 20; uid++)
		imapd_index_write_row(&file, uid, signature, 3);
	size_t row = IMAPD_INDEX_ROW_BYTES + sizeof signature;
	for (size_t bytes = 0; bytes <= file.n; bytes++) {
		struct imapd_index_image *image = image_of(&file, words, bytes);
		assert_int_equal(image != NULL, bytes >= IMAPD_INDEX_HEAD_BYTES);
		if (!image)
			continue;
		assert_int_equal(image->count, (bytes - IMAPD_INDEX_HEAD_BYTES) / row);
		assert_int_equal(image->is_torn, (bytes - IMAPD_INDEX_HEAD_BYTES) % row != 0);
		assert_int_equal(image->uidvalidity, 9);
		imapd_index_image_unref(image);
	}
	for (size_t at = 0; at < file.n; at++) { /* a bit turned */
		file.p[at] ^= 0x10;
		struct imapd_index_image *image = image_of(&file, words, file.n);
		if (at < IMAPD_INDEX_HEAD_BYTES) {
			assert_null(image);
		} else {
			assert_int_equal(image->count, (at - IMAPD_INDEX_HEAD_BYTES) / row);
			assert_true(image->is_torn);
			imapd_index_image_unref(image);
		}
		file.p[at] ^= 0x10;
	}
	struct imapd_index_image *image = image_of(&file, words, file.n);
	assert_int_equal(imapd_index_image_find(image, 15, &hint)->uid, 15);
	assert_int_equal(imapd_index_image_find(image, 17, &hint)->uid, 17);
	assert_int_equal(imapd_index_image_find(image, 10, &hint)->uid, 10);
	assert_null(imapd_index_image_find(image, 9, &hint));
	assert_null(imapd_index_image_find(image, 20, &hint));
	imapd_index_image_unref(image);
	free(words);
	cv_buf_done(&file);
}

static void
test_index_file__takes_the_later_of_two_rows(void **state)
{
	(void)state;
	struct cv_buf file = CV_BUF_INIT(1u << 16);
	uint64_t *words = cv_malloc(1u << 16), one = 1, two = 2;
	uint32_t hint = 0;

	imapd_index_write_head(&file, &key, 9);
	imapd_index_write_row(&file, 8, &one, 1);
	imapd_index_write_row(&file, 5, &one, 1);
	imapd_index_write_row(&file, 8, &two, 1);
	struct imapd_index_image *image = image_of(&file, words, file.n);
	assert_int_equal(image->count, 2);
	assert_int_equal(words[imapd_index_image_find(image, 5, &hint)->at], 1);
	assert_int_equal(words[imapd_index_image_find(image, 8, &hint)->at], 2);
	imapd_index_image_unref(image);
	free(words);
	cv_buf_done(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature__denies_no_piece_of_a_text),
		cmocka_unit_test(test_signature__denies_most_of_what_is_not_there),
		cmocka_unit_test(test_signature__is_the_same_however_a_message_comes),
		cmocka_unit_test(test_index_file__believes_nothing_behind_a_fault),
		cmocka_unit_test(test_index_file__takes_the_later_of_two_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
