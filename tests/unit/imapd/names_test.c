/* names_test.c - patterns, flags and special uses. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/names.h"

static void
test_pattern__matches_as_list_says(void **state)
{
	/* clang-format off */
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
		{"*", "a/b", true},       {"%", "a/b", false},     {"%", "a", true},
		{"a/%", "a/b", true},     {"a/%", "a/b/c", false}, {"a/*", "a/b/c", true},
		{"%/%", "a/b", true},     {"*b", "a/b", true},     {"*b", "a/bc", false},
		{"inbox", "INBOX", true}, {"InBox/*", "INBOX/x", true}, {"inbox*", "INBOX", true},
		{"inbox", "INBOXES", false}, {"inboxes", "INBOX", false},
		{"a*b%c", "axxbyyc", true}, {"a*b%c", "a/b/b/c", false}, {"a*b%c", "a/b/bc", true},
		{"%a%", "bab", true},     {"", "", true},          {"", "a", false},
		{"Thư*", "Thư rác", true}, {"a%b*c%d", "axb/yc/cxd", true},
		{"%%%%%%%%%%%%%%%%%%%%%%%%x",
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"*a*a*a*a*a*a*a*a*a*a*a*b",
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};
	/* clang-format on */
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (imapd_pattern_matches(cv_str_z(rows[i].pattern), cv_str_z(rows[i].name), '/') !=
			rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

static void
test_flags__are_written_in_one_order(void **state)
{
	static const struct cv_keywords names = {
		1, 2, {"$Forwarded", "x"}
	};
	struct cv_buf out = CV_BUF_INIT(1000);
	(void)state;

	imapd_write_flags(&out, CV_FLAG_SEEN | CV_FLAG_ANSWERED, 2, &names, true);
	assert_string_equal(out.p, "\\Answered \\Seen x \\Recent");
	cv_buf_done(&out);
	assert_int_equal(imapd_flag_of(CV_STR("\\seen")), CV_FLAG_SEEN);
	assert_int_equal(imapd_flag_of(CV_STR("\\Recent")), 0);
	assert_int_equal(imapd_use_of(CV_STR("\\Sent")), CV_USE_SENT);
	assert_string_equal(imapd_use_word(CV_USE_TRASH), "\\Trash");
}

static void
test_names__go_out_as_they_came_in(void **state)
{
	static const char *const wires[] = {"INBOX", "a/b", "Th&AbA- r&AOE-c", "a &- b", "x\\y"};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(wires); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf out = CV_BUF_INIT(1000), want = CV_BUF_INIT(1000);
		struct cv_str name;
		assert_true(imapd_name_from_wire(cv_str_z(wires[i]), &arena, &name));
		imapd_write_name(&out, name, false);
		cv_buf_c(&want, '"');
		for (const char *c = wires[i]; *c; c++) {
			if (*c == '\\')
				cv_buf_c(&want, '\\');
			cv_buf_c(&want, *c);
		}
		cv_buf_c(&want, '"');
		assert_string_equal(out.p, want.p);
		cv_buf_done(&out);
		cv_buf_done(&want);
		cv_arena_done(&arena);
	}
}

static void
test_names__in_utf8_are_taken_as_they_are(void **state)
{
	static const struct {
		const char *wire, *name, *written; /* name NULL: refused */
	} rows[] = {
		{"Thư rác", "Thư rác", "\"Thư rác\""},
		{"A & B", "A & B", "\"A & B\""},
		{"Th&AbA-", "Th&AbA-", "\"Th&AbA-\""}, /* no modified UTF-7 here */
		{"iNbOx", "INBOX", "\"INBOX\""},
		{"a\"b\\c", "a\"b\\c", "\"a\\\"b\\\\c\""},
		{"Ho\xcc\xa3p", "H\xe1\xbb\x8dp", "\"H\xe1\xbb\x8dp\""}, /* NFD */
		{"\xff", NULL, NULL},
		{"\xc3", NULL, NULL},
		{"a\tb", NULL, NULL},
		{"a\x7f", NULL, NULL},
		{"a\xc2\x85", NULL, NULL},
		{"a\xe2\x80\xa8", NULL, NULL},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf out = CV_BUF_INIT(1000);
		struct cv_str name;
		bool ok = imapd_name_from_utf8(cv_str_z(rows[i].wire), &arena, &name);
		if (ok != (rows[i].name != NULL))
			fail_msg("row %zu: %s", i, rows[i].wire);
		if (ok) {
			assert_true(cv_str_eq_z(name, rows[i].name));
			imapd_write_name(&out, name, true);
			assert_string_equal(out.p, rows[i].written);
		}
		cv_buf_done(&out);
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pattern__matches_as_list_says),
		cmocka_unit_test(test_flags__are_written_in_one_order),
		cmocka_unit_test(test_names__go_out_as_they_came_in),
		cmocka_unit_test(test_names__in_utf8_are_taken_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
