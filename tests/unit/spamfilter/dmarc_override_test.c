/* dmarc_override_test.c - exceptions from published policies: which row fits, until when, and files
 * that cannot be read. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <unistd.h>

#include "common/text/date.h"
#include "spamfilter/dmarc/override.h"
#include "tests/unit/check.h"

#define RULES                                                                                      \
	"# kind what until reason\n\n"                                                             \
	"from partner.example 2030-12-31 their key, letter 12/CV\n"                                \
	"client 192.0.2.0/24,2001:db8::/32 2030-12-31 the old relay\n"                             \
	"  forwarder\talumni.example 2030-12-31\tforwards to two officers\n"                       \
	"list users.lists.example 2030-12-31 a list\n"                                             \
	"alike langiang.example 2030-12-31 a town\n"                                               \
	"from old.example 2020-01-01 over\n"                                                       \
	"from xn--bcher-kva.example 2030-12-31 letters\n"

static enum cv_status
load(const char *text, struct spam_overrides **out, struct cv_err *err)
{
	char path[] = "/tmp/congvu-overrides-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	enum cv_status status = spam_overrides_load(path, out, err);
	unlink(path);
	return status;
}

static void
test_overrides__fit_by_kind_and_until_their_day_ends(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *from, *client, *list, *vouched;
		enum spam_override want;
	} rows[] = {
		{"the author's domain", "partner.example", NULL, "", NULL,
			SPAM_OVERRIDE_LOCAL_POLICY},
		{"below it", "a.partner.example", NULL, "", NULL, SPAM_OVERRIDE_LOCAL_POLICY},
		{"ending alike", "xpartner.example", NULL, "", NULL, SPAM_OVERRIDE_NONE},
		{"over", "old.example", NULL, "", NULL, SPAM_OVERRIDE_NONE},
		{"in other letters", "xn--bcher-kva.example", NULL, "", NULL,
			SPAM_OVERRIDE_LOCAL_POLICY},
		{"a network", "x.example", "192.0.2.77", "", NULL, SPAM_OVERRIDE_TRUSTED_FORWARDER},
		{"of IPv6", "x.example", "2001:db8::5", "", NULL, SPAM_OVERRIDE_TRUSTED_FORWARDER},
		{"another network", "x.example", "198.51.100.1", "", NULL, SPAM_OVERRIDE_NONE},
		{"a forwarder", "x.example", NULL, "", "m.alumni.example",
			SPAM_OVERRIDE_TRUSTED_FORWARDER},
		{"a forwarder that nobody vouches for", "x.example", NULL, "", "y.example",
			SPAM_OVERRIDE_NONE},
		{"a list", "x.example", NULL, "users.lists.example", "lists.example",
			SPAM_OVERRIDE_MAILING_LIST},
		{"a list in capitals", "x.example", NULL, "Users.Lists.Example",
			"lists.example", SPAM_OVERRIDE_MAILING_LIST},
		{"a list that anybody names", "x.example", NULL, "users.lists.example",
			"evil.example", SPAM_OVERRIDE_NONE},
		{"a list vouched for by the top", "x.example", NULL, "users.lists.example",
			"example", SPAM_OVERRIDE_NONE},
		{"no imitation is no exception", "langiang.example", NULL, "", NULL,
			SPAM_OVERRIDE_NONE},
	};
	/* clang-format on */
	struct spam_overrides *o;
	struct cv_err err;

	(void)state;
	assert_int_equal(load(RULES, &o, &err), CV_OK);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage client = {0};
		struct cv_str vouched = cv_str_z(rows[i].vouched), reason;
		struct spam_override_ask ask = {.from = cv_str_z(rows[i].from),
			.client = rows[i].client ? &client : NULL,
			.list_id = cv_str_z(rows[i].list),
			.vouched = &vouched,
			.vouched_count = rows[i].vouched ? 1 : 0,
			.now_secs = cv_days_from_civil(2030, 12, 31) * 86400};
		if (rows[i].client && strchr(rows[i].client, ':')) {
			client.ss_family = AF_INET6;
			inet_pton(AF_INET6, rows[i].client,
				&((struct sockaddr_in6 *)&client)->sin6_addr);
		} else if (rows[i].client) {
			client.ss_family = AF_INET;
			inet_pton(AF_INET, rows[i].client,
				&((struct sockaddr_in *)&client)->sin_addr);
		}
		enum spam_override got = spam_overrides_find(o, &ask, &reason);
		CHECK(rows[i].name, got == rows[i].want);
		CHECK(rows[i].name, (reason.n > 0) == (got != SPAM_OVERRIDE_NONE));
		ask.now_secs += 86400; /* the day after, in Việt Nam too */
		CHECK(rows[i].name, spam_overrides_find(o, &ask, &reason) == SPAM_OVERRIDE_NONE);
	}
	assert_true(spam_overrides_alike(o, CV_STR("www.langiang.example"), 0));
	assert_false(spam_overrides_alike(o, CV_STR("partner.example"), 0));
	assert_false(spam_overrides_alike(NULL, CV_STR("partner.example"), 0));
	spam_overrides_free(o);
	CHECK_END();
}

static void
test_overrides__name_the_line_that_is_wrong(void **state)
{
	static const char *const rows[] = {"frm a.example 2030-12-31 x",
		"from a.example 2030-12-31", "from a.example", "from",
		"from a.example 2030-13-31 x", "from a.example 2030-02-30 x",
		"from a.example forever x", "client nonsense 2030-12-31 x",
		"client 192.0.2.0/33 2030-12-31 x", "from a..example 2030-12-31 x"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char text[200];
		struct spam_overrides *o = NULL;
		struct cv_err err = {0};
		snprintf(text, sizeof text, "# first\n%s\n", rows[i]);
		CHECK(rows[i], load(text, &o, &err) != CV_OK);
		CHECK(rows[i], strstr(err.text, ":2: ") != NULL);
		spam_overrides_free(o);
	}
	struct spam_overrides *o;
	struct cv_err err;
	assert_int_equal(spam_overrides_load("/nonexistent/file", &o, &err), CV_NOT_FOUND);
	assert_int_equal(spam_overrides_load("", &o, &err), CV_OK);
	spam_overrides_free(o);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overrides__fit_by_kind_and_until_their_day_ends),
		cmocka_unit_test(test_overrides__name_the_line_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
