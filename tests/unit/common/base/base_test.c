/* base_test.c - status names, errors, allocation. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/err.h"
#include "common/base/list.h"

static void
test_every_status_has_a_name_of_its_own(CV_UNUSED void **state)
{
	for (int i = CV_OK; i <= CV_CORRUPT; i++)
		for (int k = CV_OK; k < i; k++)
			CHECK(cv_status_name((enum cv_status)i),
				strcmp(cv_status_name((enum cv_status)i),
					cv_status_name((enum cv_status)k)) != 0);
	CHECK_END();
	assert_string_equal(cv_status_name((enum cv_status)999), "no such status");
	assert_string_equal(cv_status_name((enum cv_status) - 1), "no such status");
}

static void
test_allocation_of_nothing_is_not_null(CV_UNUSED void **state)
{
	void *all[] = {cv_malloc(0), cv_calloc(0, 8), cv_calloc(8, 0), cv_realloc(NULL, 0)};
	for (size_t i = 0; i < CV_COUNT(all); i++) {
		assert_non_null(all[i]);
		free(all[i]);
	}
}

static void
test_copies_of_strings_stop_at_the_nul_or_the_length(CV_UNUSED void **state)
{
	char *whole = cv_strdup("thư"), *part = cv_strndup("abcdef", 3),
	     *less = cv_strndup("ab", 9);
	assert_string_equal(whole, "thư");
	assert_string_equal(part, "abc");
	assert_string_equal(less, "ab");
	free(whole);
	free(part);
	free(less);
}

static void
test_die_says_why_and_aborts(CV_UNUSED void **state)
{
	int ends[2], how;
	char said[128] = "";
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		cv_die("no %s for %d", "room", 7);
	}
	close(ends[1]);
	assert_true(read(ends[0], said, sizeof said - 1) > 0);
	close(ends[0]);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
	assert_non_null(strstr(said, "no room for 7\n"));
}

static void
test_fail_returns_its_code_and_keeps_one_line(CV_UNUSED void **state)
{
	struct cv_err err = {0};
	assert_int_equal(cv_fail(&err, CV_DENIED, "no %s", "entry\r\n2026 forged\x7f"), CV_DENIED);
	assert_int_equal(err.code, CV_DENIED);
	assert_string_equal(err.text, "no entry  2026 forged ");
	assert_int_equal(cv_fail(NULL, CV_EXISTS, "nobody %s", "listens"), CV_EXISTS);
}

static void
test_fail_cuts_long_sentences(CV_UNUSED void **state)
{
	struct cv_err err;
	char big[2000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	(void)cv_fail(&err, CV_INVALID, "%s", big);
	assert_int_equal(strlen(err.text), CV_ERR_TEXT_MAX - 1);
	(void)cv_fail_errno(&err, CV_INVALID, EIO, "%s", big);
	assert_int_equal(strlen(err.text), CV_ERR_TEXT_MAX - 1);
}

static void
test_fail_errno_appends_the_reason_and_knows_full_disks(CV_UNUSED void **state)
{
	static const struct {
		const char *name;
		int errnum;
		enum cv_status want;
		const char *text;
	} rows[] = {
		{"plain",      EIO,    CV_TEMPFAIL, "cannot write x: Input/output error"     },
		{"disk full",  ENOSPC, CV_FULL,     "cannot write x: No space left on device"},
		{"over quota", EDQUOT, CV_FULL,     "cannot write x: Disk quota exceeded"    },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err;
		enum cv_status got =
			cv_fail_errno(&err, CV_TEMPFAIL, rows[i].errnum, "cannot write %c", 'x');
		CHECK(rows[i].name, got == rows[i].want && err.code == got);
		CHECK(rows[i].name, !strcmp(err.text, rows[i].text));
		CHECK(rows[i].name, cv_fail_errno(NULL, CV_TEMPFAIL, rows[i].errnum, "x") == got);
	}
	CHECK_END();
}

struct item {
	int number;
	struct cv_link link;
};

static void
test_list_keeps_order_and_allows_removal_while_walking(CV_UNUSED void **state)
{
	struct cv_link head;
	struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	cv_list_init(&head);
	assert_true(cv_list_is_empty(&head));
	assert_null(cv_list_pop(&head));
	cv_list_append(&head, &items[1].link);
	cv_list_append(&head, &items[2].link);
	cv_list_append(&head, &items[3].link);
	cv_list_prepend(&head, &items[0].link);
	int next_number = 0;
	CV_LIST_EACH (it, next, &head) {
		struct item *item = CV_CONTAINER(it, struct item, link);
		assert_int_equal(item->number, next_number++);
		if (item->number % 2)
			cv_list_remove(it);
	}
	assert_int_equal(next_number, 4);
	cv_list_remove(&items[1].link); /* free already: harmless */
	assert_ptr_equal(cv_list_pop(&head), &items[0].link);
	assert_ptr_equal(cv_list_pop(&head), &items[2].link);
	assert_true(cv_list_is_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_has_a_name_of_its_own),
		cmocka_unit_test(test_allocation_of_nothing_is_not_null),
		cmocka_unit_test(test_copies_of_strings_stop_at_the_nul_or_the_length),
		cmocka_unit_test(test_die_says_why_and_aborts),
		cmocka_unit_test(test_fail_returns_its_code_and_keeps_one_line),
		cmocka_unit_test(test_fail_cuts_long_sentences),
		cmocka_unit_test(test_fail_errno_appends_the_reason_and_knows_full_disks),
		cmocka_unit_test(test_list_keeps_order_and_allows_removal_while_walking),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
