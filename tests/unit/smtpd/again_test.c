/* again_test.c - a message that comes again is known, another one is not. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "smtpd/again.h"
#include "tests/unit/check.h"

static bool
find(struct smtpd_again *a, const char *sender, const char *header, uint64_t size, int64_t now,
	char id[20])
{
	struct smtpd_again_key key, remote;

	smtpd_again_key(cv_str_z(sender), cv_str_z(header), size, &key);
	return smtpd_again_find(a, &key, &remote, id, now);
}

static void
test_again__knows_the_same_message_for_a_day(void **state)
{
	struct smtpd_again *a = smtpd_again_new();
	struct smtpd_again_key key, remote = {{1}}, back;
	char id[20] = "";

	(void)state;
	assert_false(find(a, "a@b", "Subject: x\r\n", 10, 5, id));
	smtpd_again_key(CV_STR("a@b"), CV_STR("Subject: x\r\n"), 10, &key);
	smtpd_again_note(a, &key, &remote, "first", 5);
	assert_true(smtpd_again_find(a, &key, &back, id, 5));
	assert_string_equal(id, "first");
	assert_int_equal(back.digest[0], 1);
	assert_true(find(a, "a@b", "Subject: x\r\n", 10, 4 + SMTPD_AGAIN_SECS, id));
	assert_false(find(a, "a@b", "Subject: x\r\n", 10, 5 + SMTPD_AGAIN_SECS, id));
	assert_false(find(a, "a@c", "Subject: x\r\n", 10, 6, id));
	assert_false(find(a, "a@b", "Subject: y\r\n", 10, 6, id));
	assert_false(find(a, "a@b", "Subject: x\r\n", 11, 6, id));
	assert_false(find(a, "a@bS", "ubject: x\r\n", 10, 6, id));
	smtpd_again_free(a);
}

static void
test_again__forgets_the_oldest_when_there_are_too_many(void **state)
{
	struct smtpd_again *a = smtpd_again_new();
	char sender[20], id[20];

	(void)state;
	for (unsigned i = 0; i <= SMTPD_AGAIN_MAX; i++) {
		struct smtpd_again_key key, none = {{0}};
		snprintf(sender, sizeof sender, "s%u", i);
		smtpd_again_key(cv_str_z(sender), CV_STR("H: x\r\n"), 1, &key);
		smtpd_again_note(a, &key, &none, sender, 1);
	}
	assert_false(find(a, "s0", "H: x\r\n", 1, 2, id));
	assert_true(find(a, "s1", "H: x\r\n", 1, 2, id));
	assert_string_equal(id, "s1");
	smtpd_again_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again__knows_the_same_message_for_a_day),
		cmocka_unit_test(test_again__forgets_the_oldest_when_there_are_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
