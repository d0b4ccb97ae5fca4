/* fuzzy_test.c - words are found as people misspell them, and nothing else is. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/fuzzy.h"

static unsigned
score(const char *needle, const char *hay)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_fuzzy_found found = {0};

	const struct imapd_fuzzy *f = imapd_fuzzy_new(cv_str_z(needle), &arena);
	imapd_fuzzy_look(f, cv_str_z(hay), &found);
	unsigned n = imapd_fuzzy_score(f, &found);
	cv_arena_done(&arena);
	return n;
}

static void
test_fuzzy__finds_what_is_spelt_another_way(void **state)
{
	static const struct {
		const char *name, *needle, *hay;
		bool want;
	} rows[] = {
		{"as it is",                 "hop giao ban",    "bien ban hop giao ban thang 11", true },
		{"other order",              "giao ban hop",    "hop giao ban",                   true },
		{"a word that is begun",     "nguy",            "ong nguyen van a",               true },
		{"tr for ch",                "chien khai",      "trien khai ke hoach",            true },
		{"s for x",                  "xo noi vu",       "so noi vu",                      true },
		{"gi for d",                 "giu an",          "du an cau",                      true },
		{"r for d",                  "ra soat",         "da soat",                        true },
		{"l for n",                  "nam viec",        "lam viec",                       true },
		{"y for i",                  "ky luat",         "ki luat",                        true },
		{"n for ng",                 "thoan bao",       "thoang bao",                     true },
		{"c for t at the end",       "cac so",          "cat so",                         true },
		{"a letter left out",        "nguyn",           "nguyen",                         true },
		{"a letter too many",        "baoo cao",        "bao cao",                        true },
		{"two letters swapped",      "qyuet dinh",      "quyet dinh",                     true },
		{"RFC 6203's own example",   "helo",            "hello world",                    true },
		{"two edits in a long word", "organisatoin",    "organization",                   true },
		{"one word of three lacks",  "hop giao ban",    "hop cuoi tuan giao",             true },
		{"two words of three lack",  "hop giao ban",    "hop cuoi tuan",                  false},
		{"one word of two lacks",    "bao cao",         "bao chi",                        false},
		{"a short word",             "hop",             "hap",                            false},
		{"two edits in a short one", "dinh",            "danx",                           false},
		{"other words",              "quyet dinh",      "thong bao moi hop",              false},
		{"nothing",                  "quyet dinh",      "",                               false},
		{"only signs, as they are",  "--/--",           "so 12--/--nv",                   true },
		{"only signs, not there",    "--/--",           "so 12/nv",                       false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if ((score(rows[i].needle, rows[i].hay) > 0) != rows[i].want)
			fail_msg("%s: %u", rows[i].name, score(rows[i].needle, rows[i].hay));
}

static void
test_fuzzy__puts_what_is_nearer_first(void **state)
{
	static const char *const nearer_first[] = {
		"bao cao quyet dinh so 5",  /* as it is */
		"dinh gui quyet",           /* the words */
		"quyets dinh",              /* begun */
		"dinh quyec",               /* sounds */
		"dinh qyuet",               /* an edit */
	};
	unsigned last = 101;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(nearer_first); i++) {
		unsigned n = score("quyet dinh", nearer_first[i]);
		if (!n || n >= last)
			fail_msg("%s: %u after %u", nearer_first[i], n, last);
		last = n;
	}
	assert_int_equal(score("quyet dinh", "quyet dinh"), 100);
}

/* RFC 6203 8: long words and strings of no sense cost no more than others. */
static void
test_fuzzy__compares_long_words_as_they_are(void **state)
{
	char *word = cv_malloc(100001);
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_fuzzy_found found = {0};

	(void)state;
	memset(word, 'a', 100000);
	word[100000] = 0;
	const struct imapd_fuzzy *f = imapd_fuzzy_new(cv_str(word, 4000), &arena);
	imapd_fuzzy_look(f, cv_str(word, 3999), &found);
	assert_int_equal(imapd_fuzzy_score(f, &found), 0);
	imapd_fuzzy_look(f, cv_str(word, 100000), &found);
	assert_int_equal(imapd_fuzzy_score(f, &found), 100);
	f = imapd_fuzzy_new(cv_str_z("a b c d e f g h i k l m n o p q r s"), &arena);
	assert_int_equal(f->count, IMAPD_FUZZY_WORDS);
	cv_arena_done(&arena);
	free(word);
}

static void
test_fuzzy__measures_how_far_off_a_number_is(void **state)
{
	(void)state;
	assert_int_equal(imapd_fuzzy_near(0, 7), 100);
	assert_true(imapd_fuzzy_near(1, 7) < 100);
	assert_true(imapd_fuzzy_near(6, 7) > 0);
	assert_int_equal(imapd_fuzzy_near(7, 7), 0);
	assert_true(imapd_fuzzy_near(INT64_MAX / 2, INT64_MAX) < 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuzzy__finds_what_is_spelt_another_way),
		cmocka_unit_test(test_fuzzy__puts_what_is_nearer_first),
		cmocka_unit_test(test_fuzzy__compares_long_words_as_they_are),
		cmocka_unit_test(test_fuzzy__measures_how_far_off_a_number_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
