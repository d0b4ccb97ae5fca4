/* filter_test.c - mailbox specifiers are read to the letter and mean the right mailboxes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/args.h"

static bool
parse(struct cv_arena *arena, struct cv_str text, struct imapd_filter *out, bool *is_bad)
{
	struct imapd_parse p = {.text = text, .arena = arena};

	*is_bad = false;
	return imapd_parse_filter(&p, out, is_bad) && imapd_at_end(&p);
}

static void
test_filter__means_the_right_mailboxes(void **state)
{
	static const char *const names[] = {
		"INBOX", "INBOX/a", "du", "du-an", "du-an/cau", "du-an/cau/mo", "Th\xc6\xb0"};
	static const struct {
		const char *filter, *want; /* a letter for each name */
	} rows[] = {
		{"PERSONAL",				"yyyyyyy"},
		{"inboxes",				 "yyyyyyy"},
		{"Subscribed",			      "nnnnyny"},
		{"SUBTREE du-an",			   "nnnyyyn"},
		{"subtree (du-an/cau inbox)",               "yynnyyn"},
		{"SUBTREE \"\"",			    "yyyyyyy"},
		{"SUBTREE-ONE \"\"",			"ynyynny"},
		{"SUBTREE-ONE du-an",                       "nnnyynn"},
		{"MAILBOXES du-an",			 "nnnynnn"},
		{"MAILBOXES (\"du-an/cau/mo\" inbox x)",    "ynnnnyn"},
		{"MAILBOXES \"du*\"",                       "nnnnnnn"},
		{"MAILBOXES \"Th&AbA-\"",                   "nnnnnny"},
		{"MAILBOXES {2}\r\ndu",                     "nnynnnn"},
	};
	bool is_bad;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_filter f;
		if (!parse(&arena, cv_str_z(rows[i].filter), &f, &is_bad) || is_bad)
			fail_msg("%s: not understood", rows[i].filter);
		for (size_t k = 0; k < CV_COUNT(names); k++) {
			struct cv_mbox_info box = {.name = cv_str_z(names[k]),
				.id = k + 1,
				.selectable = true,
				.subscribed = k == 4 || k == 6};
			if (imapd_filter_has(&f, &box, true, '/') != (rows[i].want[k] == 'y'))
				fail_msg("%s: %s", rows[i].filter, names[k]);
			box.selectable = false;
			assert_false(imapd_filter_has(&f, &box, true, '/'));
		}
		cv_arena_done(&arena);
	}
}

static void
test_filter__refuses_what_is_no_specifier(void **state)
{
	static const char *const bad[] = {"", "ALL", "\"personal\"", "PERSONAL x", "SUBTREE",
		"SUBTREE ", "SUBTREE ()", "SUBTREE (a", "SUBTREE (a  b)", "SUBTREE a b",
		"MAILBOXES (a b", "MAILBOXES (a (b))", "SUBTREE-TWO a", "SELECTEDX"};
	struct imapd_filter f;
	bool is_bad;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (parse(&arena, cv_str_z(bad[i]), &f, &is_bad))
			fail_msg("%s: taken", bad[i]);
		cv_arena_done(&arena);
	}
	struct cv_arena arena = CV_ARENA_INIT;
	assert_true(parse(&arena, CV_STR("MAILBOXES (ok \"a&b\")"), &f, &is_bad));
	assert_true(is_bad);
	cv_arena_done(&arena);
}

/* However a command is cut, what is read is a whole specifier or none. */
static void
test_filter__refuses_every_beginning(void **state)
{
	static const char text[] = "SUBTREE-ONE (\"a b\" {3}\r\nc d e)";
	struct imapd_filter f;
	bool is_bad;

	(void)state;
	for (size_t n = 0; n < sizeof text; n++) {
		struct cv_arena arena = CV_ARENA_INIT;
		bool ok = parse(&arena, cv_str(text, n), &f, &is_bad);
		assert_int_equal(ok, n == sizeof text - 1);
		cv_arena_done(&arena);
	}
}

static void
test_filter__counts_names(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct imapd_filter f;
	bool is_bad;

	(void)state;
	cv_buf_z(&text, "MAILBOXES (a");
	for (size_t i = 1; i < IMAPD_FILTER_NAMES_MAX; i++)
		cv_buf_z(&text, " b");
	cv_buf_z(&text, ")");
	assert_true(parse(&arena, cv_buf_view(&text), &f, &is_bad));
	assert_int_equal(f.count, IMAPD_FILTER_NAMES_MAX);
	text.n--;
	cv_buf_z(&text, " c)");
	assert_false(parse(&arena, cv_buf_view(&text), &f, &is_bad));
	cv_buf_done(&text);
	cv_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter__means_the_right_mailboxes),
		cmocka_unit_test(test_filter__refuses_what_is_no_specifier),
		cmocka_unit_test(test_filter__refuses_every_beginning),
		cmocka_unit_test(test_filter__counts_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
