/* picture_test.c - which pictures are read, and what of their codes; files of the fuzz corpus. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/extractor/extractor.h"

#define CORPUS "tests/fuzz/corpus/extractor_picture/"
#define LINK   "https://qr.example/x?a=1\n"

/* clang-format off */
static const struct row {
	const char *file;
	enum cv_extract_outcome gray, outcome;
	const char *text;
} rows[] = {
	{ "gray.png",        CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "tiny.png",        CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "16-bit.png",      CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "interlaced.png",  CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "clear.png",       CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "inverted.png",    CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "end-cut.png",     CV_EXTRACT_BROKEN,    CV_EXTRACT_TEXT,      LINK },
	{ "gray.jpg",        CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "progressive.jpg", CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "cmyk.jpg",        CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      LINK },
	{ "two.png",         CV_EXTRACT_TEXT,      CV_EXTRACT_TEXT,      "a b\n" LINK },
	{ "dimensions.png",  CV_EXTRACT_BROKEN,    CV_EXTRACT_BROKEN,    "" },
	{ "wide.png",        CV_EXTRACT_TOO_LARGE, CV_EXTRACT_TOO_LARGE, "" },
	{ "bomb.jpg",        CV_EXTRACT_TOO_LARGE, CV_EXTRACT_TOO_LARGE, "" },
	{ "head.png",        CV_EXTRACT_BROKEN,    CV_EXTRACT_BROKEN,    "" },
	{ "garbage.jpg",     CV_EXTRACT_BROKEN,    CV_EXTRACT_BROKEN,    "" },
};
/* clang-format on */

static void
read_file(const char *name, struct cv_buf *out)
{
	char path[200];

	snprintf(path, sizeof path, CORPUS "%s", name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *room = cv_buf_room(out, 1u << 20);
	assert_non_null(room);
	out->n += fread(room, 1, 1u << 20, f);
	fclose(f);
}

static void
test_picture__is_read_within_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf document = CV_BUF_INIT(2u << 20);
		struct extractor_gray g;
		read_file(rows[i].file, &document);
		extractor_begin_time();
		CHECK(rows[i].file,
			extractor_picture_gray(cv_buf_view(&document), &g) == rows[i].gray);
		CHECK(rows[i].file, (uint64_t)g.width * g.height <= EXTRACTOR_PIXELS_MAX);
		free(g.pixels);
		cv_buf_done(&document);
	}
	CHECK_END();
}

static void
test_picture__gives_the_texts_of_its_codes(void **state)
{
	(void)state;
	if (!extractor_qr_open(NULL)[0])
		skip(); /* libzbar0 is not installed */
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf document = CV_BUF_INIT(2u << 20), out = CV_BUF_INIT(1u << 16);
		struct extractor_text t = {.out = &out};
		read_file(rows[i].file, &document);
		CHECK(rows[i].file,
			extractor_convert(cv_buf_view(&document), &t) == rows[i].outcome);
		CHECK(rows[i].file, cv_str_eq_z(cv_buf_view(&out), rows[i].text));
		cv_buf_done(&document);
		cv_buf_done(&out);
	}
	CHECK_END();
}

/* Every cut of a file, and many octets changed, end in an outcome. */
static void
test_picture__takes_damage(void **state)
{
	static const char *const files[] = {"tiny.png", "progressive.jpg"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(files); i++) {
		struct cv_buf document = CV_BUF_INIT(2u << 20);
		struct extractor_gray g;
		read_file(files[i], &document);
		size_t step = document.n / 200 + 1;
		for (size_t n = 0; n < document.n; n += step) {
			extractor_begin_time();
			assert_int_not_equal(extractor_picture_gray(cv_str(document.p, n), &g),
				n ? CV_EXTRACT_LIMIT : CV_EXTRACT_TEXT);
			free(g.pixels);
			document.p[n] = (char)(document.p[n] ^ 0x55);
			(void)extractor_picture_gray(cv_buf_view(&document), &g);
			free(g.pixels);
			document.p[n] = (char)(document.p[n] ^ 0x55);
		}
		cv_buf_done(&document);
	}
}

static void
test_picture__is_unknown_without_a_library(void **state)
{
	struct cv_buf document = CV_BUF_INIT(2u << 20), out = CV_BUF_INIT(1000);
	struct extractor_text t = {.out = &out};

	(void)state;
	read_file("gray.png", &document);
	/* one that is nowhere, and one that is another */
	static const char *const libraries[] = {"libzbar-of-nobody.so.9", "libm.so.6"};
	for (size_t i = 0; i < CV_COUNT(libraries); i++) {
		assert_string_equal(extractor_qr_open(libraries[i]), "");
		assert_int_equal(extractor_convert(cv_buf_view(&document), &t), CV_EXTRACT_UNKNOWN);
		assert_int_equal(out.n, 0);
	}
	cv_buf_done(&document);
	cv_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picture__is_read_within_bounds),
		cmocka_unit_test(test_picture__gives_the_texts_of_its_codes),
		cmocka_unit_test(test_picture__takes_damage),
		cmocka_unit_test(test_picture__is_unknown_without_a_library),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
