/* body_test.c - what is kept of a message while it streams in, whatever its size. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "spamfilter/body.h"
#include "tests/unit/check.h"

static void
write_chars(struct spam_body *b, char c, size_t n, size_t piece)
{
	char *p = cv_malloc(piece);
	memset(p, c, piece);
	for (; n; n -= CV_MIN(n, piece))
		spam_body_add(b, cv_str(p, CV_MIN(n, piece)));
	free(p);
}

static void
test_body__is_whole_in_memory_and_in_a_file(void **state)
{
	static const size_t sizes[] = {0, 1, 300 << 10, 5 << 20};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct spam_body_budget budget = {0, 8u << 20};
		struct spam_body b;
		spam_body_init(&b, "/tmp", &budget);
		write_chars(&b, 'x', sizes[i], 1000);
		struct cv_str text = spam_body_view(&b);
		assert_int_equal(text.n, sizes[i]);
		assert_false(b.is_cut);
		assert_int_equal(budget.used_bytes, sizes[i]);
		assert_int_equal(b.spool.fd >= 0, sizes[i] > CV_SPOOL_MEMORY_BYTES);
		if (text.n) {
			assert_int_equal(text.p[0], 'x');
			assert_int_equal(text.p[text.n - 1], 'x');
		}
		spam_body_done(&b);
		assert_int_equal(budget.used_bytes, 0);
	}
}

static void
test_body__can_be_looked_at_while_it_grows(void **state)
{
	struct spam_body b;

	(void)state;
	spam_body_init(&b, "/tmp", NULL);
	write_chars(&b, 'x', 400 << 10, 4096);
	assert_int_equal(spam_body_view(&b).n, 400 << 10);
	write_chars(&b, 'y', 10, 4096);
	struct cv_str text = spam_body_view(&b);
	assert_int_equal(text.n, (400 << 10) + 10);
	assert_int_equal(text.p[text.n - 1], 'y');
	spam_body_done(&b);
}

static void
test_body__keeps_the_head_when_the_budget_is_used_up(void **state)
{
	struct spam_body_budget budget = {0, 1u << 20};
	struct spam_body first, second;

	(void)state;
	spam_body_init(&first, "/tmp", &budget);
	spam_body_init(&second, "/tmp", &budget);
	write_chars(&first, 'a', 1u << 20, 65536);
	assert_false(first.is_cut);
	write_chars(&second, 'b', 1u << 20, 10000);
	assert_true(second.is_cut);
	assert_int_equal(second.size_bytes, 1u << 20);
	assert_int_equal(spam_body_view(&second).n, SPAM_BODY_HEAD_BYTES);
	spam_body_done(&first);
	spam_body_done(&second);
	assert_int_equal(budget.used_bytes, 0);
	spam_body_init(&second, "/tmp", &budget);
	write_chars(&second, 'b', 1u << 20, 10000);
	assert_false(second.is_cut);
	spam_body_done(&second);
}

static void
test_body__does_without_a_folder_and_with_a_broken_one(void **state)
{
	struct spam_body b;

	(void)state;
	spam_body_init(&b, "", NULL);
	write_chars(&b, 'a', 1u << 20, 3000);
	assert_false(spam_body_is_cut(&b));
	assert_int_equal(spam_body_view(&b).n, 1u << 20);
	spam_body_done(&b);
	spam_body_init(&b, "/nowhere/at/all", NULL);
	write_chars(&b, 'a', 1u << 20, 3000);
	assert_true(b.is_cut);
	struct cv_str view = spam_body_view(&b);
	assert_true(view.n > 0 && view.n <= CV_SPOOL_MEMORY_BYTES);
	assert_int_equal(view.p[view.n - 1], 'a');
	spam_body_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body__is_whole_in_memory_and_in_a_file),
		cmocka_unit_test(test_body__can_be_looked_at_while_it_grows),
		cmocka_unit_test(test_body__keeps_the_head_when_the_budget_is_used_up),
		cmocka_unit_test(test_body__does_without_a_folder_and_with_a_broken_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
