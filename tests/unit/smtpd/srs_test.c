/* srs_test.c - rewritten senders come back whole, and only to whoever holds the secret. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtpd/srs.h"
#include "tests/unit/common/scratch.h"

#define TODAY 20779 /* 2026-11-22 */

static struct smtpd_srs_keys
keys(const char *first, const char *second)
{
	struct smtpd_srs_keys k = { .n = 1 };

	k.keys[0] = cv_str_z(first);
	if (second)
		k.keys[k.n++] = cv_str_z(second);
	return k;
}

static const char *
forward(const char *sender, const char *domain, char out[400])
{
	struct smtpd_srs_keys k = keys("secret of this province", NULL);
	struct cv_buf b = CV_BUF_INIT(399);

	enum cv_status status =
		smtpd_srs_forward(&k, cv_str_z(sender), cv_str_z(domain), TODAY, &b);
	snprintf(out, 400, "%.*s", status ? 0 : (int)b.n, status ? "" : b.p);
	cv_buf_done(&b);
	return out;
}

static enum cv_status
reverse_with(const struct smtpd_srs_keys *k, const char *address, int64_t today, char out[400])
{
	struct cv_str whole = cv_str_z(address);
	struct cv_buf b = CV_BUF_INIT(399);

	enum cv_status status = smtpd_srs_reverse(
		k, cv_str_sub(whole, 0, cv_str_find(whole, '@', 0)), today, 21, &b);
	snprintf(out, 400, "%.*s", (int)b.n, b.n ? b.p : "");
	cv_buf_done(&b);
	return status;
}

static enum cv_status
reverse(const char *address, int64_t today, char out[400])
{
	struct smtpd_srs_keys k = keys("secret of this province", NULL);

	return reverse_with(&k, address, today, out);
}

static void
test_srs__every_sender_comes_back(void **state)
{
	(void)state;
	static const char *const senders[] = { "ai@out.example", "Ai.Do+x@sub.out.example",
		"a=b@out.example", "a-b@x-y.example", "1@a.example", "SRS@out.example",
		"srs0x@out.example" };
	char there[400], back[400];

	for (size_t i = 0; i < CV_COUNT(senders); i++) {
		forward(senders[i], "lamgiang.example", there);
		assert_int_equal(strncmp(there, "SRS0=", 5), 0);
		assert_int_equal(reverse(there, TODAY, back), CV_OK);
		assert_string_equal(back, senders[i]);
		for (char *p = there; *p; p++)
			*p = (char)cv_lower((unsigned char)*p);
		assert_int_equal(reverse(there, TODAY + 20, back), CV_OK);
		assert_int_equal(strcasecmp(back, senders[i]), 0);
	}
}

static void
test_srs__a_second_forward_goes_back_to_the_first(void **state)
{
	(void)state;
	char there[400], third[400], back[400];

	forward("SRS0+xxxx=AB=far.example=ai@first.example", "lamgiang.example", there);
	assert_int_equal(strncmp(there, "SRS1=", 5), 0);
	assert_non_null(strstr(there, "=first.example=+xxxx=AB=far.example=ai@lamgiang.example"));
	assert_int_equal(reverse(there, TODAY, back), CV_OK);
	assert_string_equal(back, "SRS0+xxxx=AB=far.example=ai@first.example");
	/* Behind two others the second is left out. */
	forward("SRS1=hhhh=first.example==xxxx=AB=far.example=ai@second.example", "lamgiang.example",
		third);
	assert_non_null(strstr(third, "=first.example==xxxx=AB=far.example=ai@lamgiang.example"));
	assert_int_equal(reverse(third, TODAY, back), CV_OK);
	assert_string_equal(back, "SRS0=xxxx=AB=far.example=ai@first.example");
}

static void
test_srs__what_cannot_be_rewritten_is_said(void **state)
{
	(void)state;
	static const char *const senders[] = { "", "ai", "@out.example", "\"a b\"@out.example",
		"ai@[192.0.2.1]", "đỗ@out.example", "SRS1=xx@out.example",
		"a23456789012345678901234567890123456789@out.example" };
	char there[400];

	for (size_t i = 0; i < CV_COUNT(senders); i++)
		if (*forward(senders[i], "lamgiang.example", there))
			fail_msg("%s became %s", senders[i], there);
}

static void
test_srs__a_changed_letter_or_an_old_day_is_refused(void **state)
{
	(void)state;
	char there[400], back[400];

	forward("ai.do@out.example", "lamgiang.example", there);
	size_t n = strcspn(there, "@");
	for (size_t i = 5; i < n; i++) {
		char kept = there[i];
		for (const char *with = "AQ7=.x"; *with; with++) {
			if (cv_lower((unsigned char)*with) == cv_lower((unsigned char)kept))
				continue;
			there[i] = *with;
			if (reverse(there, TODAY, back) != CV_INVALID)
				fail_msg("%s came back as %s", there, back);
		}
		there[i] = kept;
	}
	assert_int_equal(reverse(there, TODAY + 21, back), CV_OK);
	assert_int_equal(reverse(there, TODAY + 22, back), CV_DENIED);
	assert_int_equal(reverse(there, TODAY - 1, back), CV_OK);
	assert_int_equal(reverse(there, TODAY - 2, back), CV_DENIED);
	assert_int_equal(reverse("SRS0=", TODAY, back), CV_INVALID);
	assert_int_equal(reverse("SRS0=AAAAAAAA", TODAY, back), CV_INVALID);
	assert_int_equal(reverse("ai.do", TODAY, back), CV_INVALID);
}

static void
test_srs__a_new_secret_signs_and_the_old_one_still_verifies(void **state)
{
	(void)state;
	char there[400], back[400];
	struct smtpd_srs_keys fresh = keys("a new secret, just made", "secret of this province");
	struct smtpd_srs_keys other = keys("a new secret, just made", NULL);

	forward("ai.do@out.example", "lamgiang.example", there);
	assert_int_equal(reverse_with(&fresh, there, TODAY, back), CV_OK);
	assert_string_equal(back, "ai.do@out.example");
	assert_int_equal(reverse_with(&other, there, TODAY, back), CV_INVALID);
}

static void
test_srs__makes_its_file_and_sees_it_change(void **state)
{
	(void)state;
	char dir[64], file[100];
	struct cv_buf there = CV_BUF_INIT(400), back = CV_BUF_INIT(400);
	struct stat st;

	scratch_make("srs", dir);
	snprintf(file, sizeof file, "%s/srs.secret", dir);
	struct smtpd_srs *s = smtpd_srs_new(file, 21);
	assert_int_equal(smtpd_srs_rewrite(s, CV_STR("a@out.example"), CV_STR("us.example"),
		&there), CV_OK);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct cv_str local = cv_str_sub(cv_buf_view(&there), 0,
		cv_str_find(cv_buf_view(&there), '@', 0));
	assert_int_equal(smtpd_srs_restore(s, local, &back), CV_OK);
	int fd = open(file, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "# none\nshort\n", 13), 13);
	close(fd);
	struct timespec times[2] = { { 5, 0 }, { 5, 0 } };
	utimensat(AT_FDCWD, file, times, 0);
	assert_int_equal(smtpd_srs_restore(s, local, &back), CV_TEMPFAIL);
	smtpd_srs_free(s);
	cv_buf_done(&there);
	cv_buf_done(&back);
	scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_srs__every_sender_comes_back),
		cmocka_unit_test(test_srs__a_second_forward_goes_back_to_the_first),
		cmocka_unit_test(test_srs__what_cannot_be_rewritten_is_said),
		cmocka_unit_test(test_srs__a_changed_letter_or_an_old_day_is_refused),
		cmocka_unit_test(test_srs__a_new_secret_signs_and_the_old_one_still_verifies),
		cmocka_unit_test(test_srs__makes_its_file_and_sees_it_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
