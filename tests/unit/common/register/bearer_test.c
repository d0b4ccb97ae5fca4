/* bearer_test.c - the messages of OAUTHBEARER (RFC 7628 3.1) and XOAUTH2, whole and cut short. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/bearer.h"
#include "tests/unit/check.h"

static void
test_bearer__messages_are_taken_or_refused_whole(void **state)
{
	(void)state;
	static const struct {
		const char *message, *user, *token; /* token NULL: refused */
		bool is_xoauth2;
	} rows[] = {
		{ "n,a=an@lamgiang.example,\1host=h\1port=587\1auth=Bearer vF9dft4q/+~-._==\1\1",
			"an@lamgiang.example", "vF9dft4q/+~-._==", false },
		{ "n,,\1auth=Bearer t\1\1", "", "t", false },
		{ "y,,\1auth=bearer  t\1\1", "", "t", false },
		{ "n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1", "a,b=c", "t", false },
		{ "n,a=a=2Db,\1auth=Bearer t\1\1", "", NULL, false },
		{ "p=tls-exporter,,\1auth=Bearer t\1\1", "", NULL, false },
		{ "n,,x\1auth=Bearer t\1\1", "", NULL, false },
		{ "n,b=an,\1auth=Bearer t\1\1", "", NULL, false },
		{ "n,,\1\1", "", NULL, false },
		{ "\1", "", NULL, false },
		{ "", "", NULL, false },
		{ "n,,\1auth=Bearer \1\1", "", NULL, false },
		{ "n,,\1auth=Bearer a b\1\1", "", NULL, false },
		{ "n,,\1auth=Bearer ==\1\1", "", NULL, false },
		{ "n,,\1auth=Basic t\1\1", "", NULL, false },
		{ "n,,\1auth=Bearer t\1auth=Bearer u\1\1", "", NULL, false },
		{ "n,,\1auth=Bearer t\1\1x", "", NULL, false },
		{ "n,,\1=x\1auth=Bearer t\1\1", "", NULL, false },
		{ "n,,\1auth=Bearer t\"\1\1", "", NULL, false },
		{ "user=an@lamgiang.example\1auth=Bearer t\1\1", "an@lamgiang.example", "t", true },
		{ "user=\1auth=Bearer t\1\1", "", NULL, true },
		{ "auth=Bearer t\1\1", "", NULL, true },
		{ "n,,\1auth=Bearer t\1\1", "", NULL, true },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf user = CV_BUF_INIT(320);
		struct cv_str token = CV_STR_EMPTY;
		bool got = (rows[i].is_xoauth2 ? bearer_parse_xoauth2 : bearer_parse_oauthbearer)(
			cv_str_z(rows[i].message), &user, &token);
		CHECK(rows[i].message, got == (rows[i].token != NULL));
		CHECK(rows[i].message, !got || cv_str_eq_z(token, rows[i].token));
		CHECK(rows[i].message, !got || cv_str_eq_z(cv_buf_view(&user), rows[i].user));
		cv_buf_done(&user);
	}
	CHECK_END();
}

/* No part of a good message is a good message: nothing acts on one that was cut. */
static void
test_bearer__no_beginning_of_a_message_is_one(void **state)
{
	(void)state;
	static const char whole[] = "n,a=an,\1host=h\1auth=Bearer abc\1\1";
	static const char other[] = "user=an\1auth=Bearer abc\1\1";
	for (size_t n = 0; n < sizeof whole - 1; n++) {
		struct cv_buf user = CV_BUF_INIT(320);
		struct cv_str token;
		char *copy = cv_malloc(n + 1); /* no byte behind it may be read */
		memcpy(copy, whole, n);
		assert_false(bearer_parse_oauthbearer(cv_str(copy, n), &user, &token));
		free(copy);
		cv_buf_done(&user);
	}
	for (size_t n = 0; n < sizeof other - 1; n++) {
		struct cv_buf user = CV_BUF_INIT(320);
		struct cv_str token;
		assert_false(bearer_parse_xoauth2(cv_str(other, n), &user, &token));
		cv_buf_done(&user);
	}
}

static void
test_bearer__tokens_and_names_have_their_limits(void **state)
{
	(void)state;
	struct cv_buf text = CV_BUF_INIT(20000), user = CV_BUF_INIT(320);
	struct cv_str token;
	cv_buf_z(&text, "n,,\1auth=Bearer ");
	for (size_t i = 0; i < BEARER_TOKEN_MAX; i++)
		cv_buf_c(&text, 'a');
	size_t n = text.n;
	cv_buf_z(&text, "\1\1");
	assert_true(bearer_parse_oauthbearer(cv_buf_view(&text), &user, &token));
	text.n = n;
	cv_buf_z(&text, "a\1\1");
	assert_false(bearer_parse_oauthbearer(cv_buf_view(&text), &user, &token));
	cv_buf_reset(&text);
	cv_buf_z(&text, "user=");
	for (size_t i = 0; i < 321; i++)
		cv_buf_c(&text, 'a');
	cv_buf_z(&text, "\1auth=Bearer t\1\1");
	assert_false(bearer_parse_xoauth2(cv_buf_view(&text), &user, &token));
	assert_false(
		bearer_parse_xoauth2(cv_str("user=a\0b\1auth=Bearer t\1\1", 25), &user, &token));
	cv_buf_done(&text);
	cv_buf_done(&user);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bearer__messages_are_taken_or_refused_whole),
		cmocka_unit_test(test_bearer__no_beginning_of_a_message_is_one),
		cmocka_unit_test(test_bearer__tokens_and_names_have_their_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
