/* token_test.c - signed links: nothing but what was signed, no longer than it says, under keys that
 * change. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imapd/token.h"

#define DAY 86400
#define OK(call) assert_int_equal(call, CV_OK)

static char dir[64], path[100];
static struct cv_err err;
static const struct imapd_token some = {.acct = 0x100000000000007,
	.uidvalidity = 9,
	.uid = 4000000000u,
	.expires_secs = 1800000000};

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/congvu-token-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/tokens", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void
write_token(struct imapd_tokens *t, int64_t now, char out[IMAPD_TOKEN_TEXT + 1])
{
	struct cv_buf text = CV_BUF_INIT(IMAPD_TOKEN_TEXT);

	OK(imapd_token_write(t, &some, 30 * DAY, now, &text, &err));
	snprintf(out, IMAPD_TOKEN_TEXT + 1, "%s", text.p);
	cv_buf_done(&text);
}

static void
test_token__says_what_was_signed_and_nothing_else(void **state)
{
	int64_t now = some.expires_secs - 10;
	char text[IMAPD_TOKEN_TEXT + 1], other[IMAPD_TOKEN_TEXT + 1];
	struct imapd_tokens *t;
	struct imapd_token got = {0};

	(void)state;
	OK(imapd_tokens_open(dir, now, &t, &err));
	write_token(t, now, text);
	OK(imapd_token_read(t, cv_str_z(text), now, &got, &err));
	assert_true(got.acct == some.acct && got.uidvalidity == some.uidvalidity &&
		    got.uid == some.uid && got.expires_secs == some.expires_secs);
	assert_int_equal(
		imapd_token_read(t, cv_str_z(text), some.expires_secs, &got, &err), CV_DENIED);
	/* Every single change, every cut, whatever stands behind. */
	for (size_t i = 0; i < strlen(text); i++) {
		snprintf(other, sizeof other, "%s", text);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		assert_int_equal(imapd_token_read(t, cv_str_z(other), now, &got, &err), CV_INVALID);
		assert_int_equal(imapd_token_read(t, cv_str(text, i), now, &got, &err), CV_INVALID);
	}
	snprintf(other, sizeof other, "%.80sA", text);
	assert_int_equal(imapd_token_read(t, cv_str_z(other), now, &got, &err), CV_INVALID);
	imapd_tokens_close(t);
}

static void
test_keys__are_kept_rotated_and_dropped(void **state)
{
	int64_t now = some.expires_secs - 100 * DAY;
	char first[IMAPD_TOKEN_TEXT + 1], second[IMAPD_TOKEN_TEXT + 1];
	struct imapd_tokens *t;
	struct imapd_token got;
	struct stat st;

	(void)state;
	OK(imapd_tokens_open(dir, now, &t, &err));
	write_token(t, now, first);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	write_token(t, now + 31 * DAY, second);
	assert_string_not_equal(first, second);
	OK(imapd_token_read(t, cv_str_z(first), now + 31 * DAY, &got, &err));
	imapd_tokens_close(t);
	OK(imapd_tokens_open(dir, now + 31 * DAY, &t, &err)); /* by the file */
	OK(imapd_token_read(t, cv_str_z(first), now + 31 * DAY, &got, &err));
	OK(imapd_token_read(t, cv_str_z(second), now + 31 * DAY, &got, &err));
	/* When nothing that the first signed can be valid any more, it goes. */
	write_token(t, now + 62 * DAY, second);
	write_token(t, now + 93 * DAY, second);
	assert_int_equal(
		imapd_token_read(t, cv_str_z(first), now + 93 * DAY, &got, &err), CV_INVALID);
	OK(imapd_token_read(t, cv_str_z(second), now + 93 * DAY, &got, &err));
	imapd_tokens_close(t);
}

static void
test_keys__that_others_read_or_that_are_damaged_are_not_used(void **state)
{
	static const char *const rows[] = {"1 5 00\n", "x\n", "1 5 zz\n", "\n1 5\n"};
	struct imapd_tokens *t;

	(void)state;
	OK(imapd_tokens_open(dir, 5, &t, &err));
	imapd_tokens_close(t);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(imapd_tokens_open(dir, 5, &t, &err), CV_DENIED);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(rows[i], f);
		fclose(f);
		assert_int_equal(chmod(path, 0600), 0);
		assert_int_equal(imapd_tokens_open(dir, 5, &t, &err), CV_CORRUPT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_token__says_what_was_signed_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_keys__are_kept_rotated_and_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_keys__that_others_read_or_that_are_damaged_are_not_used, setup,
			teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
