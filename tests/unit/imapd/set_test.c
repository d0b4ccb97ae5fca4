/* set_test.c - message sets become ranges of message numbers; numbers become sets. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/set.h"
#include "tests/unit/imapd/views.h"

/* UIDs 10, 20, ... 300: over three pages. */
static struct cv_view *
tens(struct cv_arena *arena)
{
	struct cv_entry entries[30] = {0};
	for (uint32_t i = 0; i < 30; i++)
		entries[i].uid = 10 * (i + 1);
	return view_of(arena, entries, 30, NULL);
}

static void
write_ranges(struct cv_buf *out, const struct imapd_range *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		cv_buf_printf(out, "%s%u-%u", i ? " " : "", r[i].from, r[i].to);
}

static void
test_set__resolves_against_a_view(void **state)
{
	static const struct {
		const char *text;
		bool is_uid;
		const char *want;
	} rows[] = {
		{"1",                false, "1-1"            },
		{"*",                false, "30-30"          },
		{"1:*",              false, "1-30"           },
		{"*:1",              false, "1-30"           },
		{"5,3,4",            false, "3-5"            },
		{"3:5,4:9,20",       false, "3-9 20-20"      },
		{"31",               false, ""               },
		{"28:40",            false, "28-30"          },
		{"31:*",             false, "30-30"          },
		{"4294967295",       false, ""               },
		{"10",               true,  "1-1"            },
		{"11",               true,  ""               },
		{"11:29",            true,  "2-2"            },
		{"1:*",              true,  "1-30"           },
		{"301:*",            true,  "30-30"          },
		{"1:4294967295",     true,  "1-30"           },
		{"4294967295",       true,  ""               },
		{"5:15,120:140,300", true,  "1-1 12-14 30-30"},
	};
	struct cv_arena views = CV_ARENA_INIT;
	struct cv_view *view = tens(&views);
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_parse p = {.text = cv_str_z(rows[i].text), .arena = &arena};
		struct cv_buf got = CV_BUF_INIT(1000);
		struct imapd_range *ranges;
		struct imapd_set set;
		uint32_t n;
		assert_true(imapd_parse_set(&p, &set));
		imapd_set_seqs(&set, rows[i].is_uid, view, &arena, &ranges, &n);
		write_ranges(&got, ranges, n);
		if (strcmp(got.p ? got.p : "", rows[i].want) != 0)
			fail_msg("%s uid=%d: %s", rows[i].text, rows[i].is_uid, got.p);
		cv_buf_done(&got);
		cv_arena_done(&arena);
	}
	cv_arena_done(&views);
}

static void
test_set__names_nothing_in_an_empty_mailbox(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_parse p = {.text = CV_STR("1:*"), .arena = &arena};
	struct cv_view *view = view_of(&arena, NULL, 0, NULL);
	struct imapd_range *ranges;
	struct imapd_set set;
	uint32_t n = 1;
	(void)state;

	assert_true(imapd_parse_set(&p, &set));
	imapd_set_seqs(&set, true, view, &arena, &ranges, &n);
	assert_int_equal(n, 0);
	imapd_set_seqs(&set, false, view, &arena, &ranges, &n);
	assert_int_equal(n, 0);
	cv_arena_done(&arena);
}

static void
test_set__is_written_with_runs_joined(void **state)
{
	static const uint32_t values[] = {1, 2, 3, 7, 9, 10, 5};
	struct cv_buf got = CV_BUF_INIT(1000);
	(void)state;

	imapd_set_write(&got, values, CV_COUNT(values));
	assert_string_equal(got.p, "1:3,7,9:10,5");
	cv_buf_done(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set__resolves_against_a_view),
		cmocka_unit_test(test_set__names_nothing_in_an_empty_mailbox),
		cmocka_unit_test(test_set__is_written_with_runs_joined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
