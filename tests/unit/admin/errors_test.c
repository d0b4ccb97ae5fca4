/* errors_test.c - Vietnamese for error sentences that come in English. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <string.h>

#include "admin/errors.h"
#include "common/base/err.h"

static void
test_formats__are_matched_with_their_arguments(CV_UNUSED void **state)
{
	const struct {
		const char *en, *vi, *sentence, *want; /* NULL: no match */
	} rows[] = {
		/* exact, and anchored at both ends */
		{"no such review", "không có", "no such review", "không có"},
		{"no such review", "không có", "no such reviews", NULL},
		{"no such review", "không có", "there is no such review", NULL},
		{"no such review", "không có", "no such", NULL},
		{"no such review", "không có", "", NULL},
		{"100%% of %u", "cả 100%% của %u", "100% of 7", "cả 100% của 7"},
		/* arguments */
		{"no account %s", "không có %s", "no account x@y.example", "không có x@y.example"},
		{"no account %.*s", "không có %.*s", "no account ", "không có "},
		{"%s is retired", "%s đã thôi", "a@b is retired", "a@b đã thôi"},
		{"%s has %d members already", "%s có %d", "g has 12 members already", "g có 12"},
		{"%s has %d members already", "%s có %d", "g has no members already", NULL},
		{"no act %llu", "không có việc %llu", "no act -5", "không có việc -5"},
		{"no act %llu", "không có việc %llu", "no act five", NULL},
		{"no act %llu", "không có việc %llu", "no act 5x", NULL},
		{"no account %llx", "không có %llx", "no account 1fe", "không có 1fe"},
		{"no more%s%s; never", "hết%s%s", "no more (a) b; never", "hết (a) b"},
		{"%.0ssaid%.0s", "%.0snói%.0s", "said", "nói"},
		{"a row '%c' broke", "dòng '%c' hỏng", "a row 'Q' broke", "dòng 'Q' hỏng"},
		/* the other order */
		{"act %llu was undone by %s", "%2$s hoàn tác %1$llu", "act 3 was undone by p",
			"p hoàn tác 3"},
		{"act %llu was undone", "%2$s", "act 3 was undone", NULL},
		/* arguments that hold the fixed text */
		{"%s is no group", "%s không là nhóm", "x is no group is no group",
			"x is no group không là nhóm"},
		{"%s has %d members already", "%s có %d", "x has 5 has 6 members already",
			"x has 5 có 6"},
		{"%s would come back to %s, or nest", "%s về %s", "a would come back to b, or nest, or nest",
			"a về b, or nest"},
		{"'%s' is not '%s'", "'%s' khác '%s'", "'%s%n' is not '%1$s'", "'%s%n' khác '%1$s'"},
	};
	char out[ADMIN_ERROR_VI_MAX];

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool fits = admin_error_match(
			rows[i].en, rows[i].vi, rows[i].sentence, out, sizeof out);
		assert_string_equal(
			fits ? out : "no match", rows[i].want ? rows[i].want : "no match");
	}
}

static void
test_sentences__are_found_in_the_table(CV_UNUSED void **state)
{
	const struct {
		const char *sentence, *want; /* NULL: nothing known */
	} rows[] = {
		{"no account x@lamgiang.example", "không có tài khoản x@lamgiang.example"},
		/* the format with the most fixed text wins */
		{"no account x; a Unix account of this machine is written unix:x",
			"không có tài khoản x; tài khoản Unix của máy này viết là unix:x"},
		/* an errno behind a colon, a sentence at the end, and both */
		{"cannot open /a/b: Permission denied", "không mở được /a/b: không đủ quyền"},
		{"the register was not changed: no agency 'x'",
			"danh bạ không thay đổi: không có cơ quan 'x'"},
		{"/etc/list.csv: row 3: no agency 'x'",
			"/etc/list.csv: dòng 3: không có cơ quan 'x'"},
		{"cannot open /a: Nobody knows", "không mở được /a: Nobody knows"},
		{"/var/x: No such file or directory", "/var/x: không có tệp hay thư mục này"},
		/* a state is translated, what was typed is not */
		{"act 7 is done already", "việc số 7 đã làm rồi"},
		{"no agency 'open'", "không có cơ quan 'open'"},
		{"something that no program says", NULL},
		{"a: b: c: d", NULL},
		{": : : : : : : : : : : : ", NULL},
		{"", NULL},
	};
	char out[ADMIN_ERROR_VI_MAX];

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool found = admin_error_vietnamese(rows[i].sentence, out, sizeof out);
		assert_string_equal(found ? out : "none", rows[i].want ? rows[i].want : "none");
	}
}

static void
test_long_sentences__are_bounded(CV_UNUSED void **state)
{
	char sentence[4 * CV_ERR_TEXT_MAX], out[ADMIN_ERROR_VI_MAX], small[20];

	/* Longer than any cv_err: not looked at. */
	memset(sentence, 'a', sizeof sentence);
	sentence[sizeof sentence - 1] = '\0';
	assert_false(admin_error_vietnamese(sentence, out, sizeof out));
	assert_false(admin_error_match("%s", "%s", sentence, out, sizeof out));
	/* As long as one may be, and all of it looks like the beginning of something. */
	const char *const fillings[] = {
		" is ", ": row 1", "person 1 (", " has 1", "'%s'", "row 1: "};
	for (size_t f = 0; f < CV_COUNT(fillings); f++) {
		size_t n = strlen(fillings[f]);
		for (size_t i = 0; i < CV_ERR_TEXT_MAX - 1; i++)
			sentence[i] = fillings[f][i % n];
		sentence[CV_ERR_TEXT_MAX - 1] = '\0';
		if (admin_error_vietnamese(sentence, out, sizeof out))
			assert_true(strlen(out) < sizeof out);
	}
	assert_false(admin_error_vietnamese("no account x@lamgiang.example", small, sizeof small));
	assert_true(strlen(small) < sizeof small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats__are_matched_with_their_arguments),
		cmocka_unit_test(test_sentences__are_found_in_the_table),
		cmocka_unit_test(test_long_sentences__are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
