/* diff_test.c - two views differ by what was expunged, changed and arrived, and by nothing else. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/rng.h"
#include "imapd/diff.h"
#include "tests/unit/imapd/views.h"

#define MOST 600

/* What a client knows: the MODSEQ of each message, by number. It plays the news back and must end
 * with the new view. */
static void
check_playback(const struct cv_view *old_view, const struct cv_view *new_view)
{
	struct cv_arena arena = CV_ARENA_INIT;
	uint64_t known[2 * MOST];
	uint32_t n = 0;
	struct imapd_diff d;

	for (uint32_t seq = 1; seq <= old_view->exists; seq++)
		known[n++] = cv_view_seq(old_view, seq)->modseq;
	imapd_view_diff(old_view, new_view, &arena, &d);
	for (uint32_t i = d.expunged_count; i > 0; i--) { /* told from the last */
		uint32_t seq = d.expunged[i - 1];
		assert_in_range(seq, 1, n);
		memmove(&known[seq - 1], &known[seq], (n - seq) * sizeof(known[0]));
		n--;
	}
	for (uint32_t i = 0; i < d.arrived; i++)
		known[n++] = 0;
	assert_int_equal(n, new_view->exists);
	for (uint32_t i = 0; i < d.changed_count; i++)
		known[d.changed[i].seq - 1] = d.changed[i].entry->modseq;
	for (uint32_t seq = 1; seq <= n - d.arrived; seq++)
		assert_int_equal(known[seq - 1], cv_view_seq(new_view, seq)->modseq);
	cv_arena_done(&arena);
}

static void
test_diff__finds_each_kind_of_news(void **state)
{
	static const struct cv_entry before[] = {
		{1,   0, 1, 0},
		{2,   0, 2, 0},
		{5,   0, 3, 0},
		{300, 0, 4, 0}
	};
	static const struct cv_entry after[] = {
		{2,   1, 9,  0},
		{5,   0, 3,  0},
		{301, 0, 10, 0}
	};
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_view *a = view_of(&arena, before, 4, NULL), *b = view_of(&arena, after, 3, a);
	struct imapd_diff d;
	(void)state;

	imapd_view_diff(a, b, &arena, &d);
	assert_int_equal(d.expunged_count, 2);
	assert_int_equal(d.expunged[0], 1);
	assert_int_equal(d.expunged[1], 4);
	assert_int_equal(d.changed_count, 1);
	assert_int_equal(d.changed[0].seq, 1);
	assert_int_equal(d.arrived, 1);
	imapd_view_diff(a, a, &arena, &d);
	assert_int_equal(d.expunged_count + d.changed_count + d.arrived, 0);
	cv_arena_done(&arena);
}

static void
test_diff__plays_back_to_the_new_view_whatever_happened(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct cv_entry before[MOST], after[MOST];
		uint32_t n = (uint32_t)cv_random_below(MOST / 2), kept = 0, uid = 0;
		for (uint32_t i = 0; i < n; i++) {
			uid += 1 + (uint32_t)cv_random_below(i % 50 ? 2 : 300);
			before[i] = (struct cv_entry){.uid = uid, .modseq = 1 + i};
		}
		unsigned loss = (unsigned)cv_random_below(4);
		for (uint32_t i = 0; i < n; i++) {
			if (cv_random_below(4) < loss)
				continue;
			after[kept] = before[i];
			if (cv_random_below(5) == 0)
				after[kept].modseq = 10000 + i;
			kept++;
		}
		for (uint32_t more = (uint32_t)cv_random_below(200); more > 0; more--) {
			uid += 1 + (uint32_t)cv_random_below(3);
			after[kept++] = (struct cv_entry){.uid = uid, .modseq = 20000 + more};
		}
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_view *a = view_of(&arena, before, n, NULL);
		check_playback(a, view_of(&arena, after, kept, a));
		check_playback(a, view_of(&arena, after, kept, NULL));
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff__finds_each_kind_of_news),
		cmocka_unit_test(test_diff__plays_back_to_the_new_view_whatever_happened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
